package cutover_test

// writerMutants are mistakes in how a run moves write roles. Those in what a move decides are cutover/writer's.
var writerMutants = []mutant{
	{
		name: "a takeover publishes nothing", file: "moversettle.go",
		old: "		e.publish(pair) // how", new: "		// how",
		run: "TestPublishedByTheNext",
	}, {
		name: "a freeze leaves a pair between its sides", file: "page.go",
		old: "e.settleWriters()", new: "_ = e.settleWriters",
		run: "TestFreezeDuringAMove",
	}, {
		name: "noWriter is a word", file: "mover.go",
		old: "if e.now < end {", new: "if end > 0 {",
		run: "TestAMoveIsGivenUpInTime",
	}, {
		name: "a move that was undone is begun anew by itself", file: "mover.go",
		old: "case m.tried > 0 && (", new: "case m.tried < 0 && (",
		run: "TestAMoveIsGivenUpInTime",
	}, {
		name: "the writer goes back over a direction that lags", file: "backwriters.go",
		old: "why := cmp.Or(e.mayReturn(pair, room), e.preflightBack(pair, room)); why != \"\"", new: "why := cmp.Or(\"\"); why != \"\"",
		run: "TestSickAfterAMove",
	}, {
		name: "traffic goes back first, whatever is sick", file: "backwriters.go",
		old: "return writersFirst\n", new: "return \"\"\n",
		run: "TestSickAfterAMove",
	}, {
		name: "a sick database sends the traffic home before its writer", file: "act.go",
		old: "(c == cellWatch || s.WriterSick)", new: "c == cellWatch",
		run: "TestSickDatabase$",
	}, {
		name: "what becomes of the writer's database on the way back is no matter", file: "backwriters.go",
		old: `e.p.WritersBack == "" && e.judged.WriterSick ||`, new: "",
		run: "TestSickDatabase$",
	}, {
		name: "traffic waits in a sick room for a writer that can't go", file: "back.go",
		old: "!(waits && e.trafficAlone())", new: "(waits || left)",
		run: "TestSickDatabase$",
	}, {
		name: "a database is judged where it takes no writes", file: "judge.go",
		old: "return v.Writers[s.gate.Database] == s.room", new: "return true",
		run: "TestSickDatabaseElsewhere",
	}, {
		name: "a pair that waits keeps the others away", file: "backwriters.go",
		old: "left, waits = true, true", new: "return true, true",
		run: "TestAPairThatWaitsKeepsNoOther",
	}, {
		name: "nobody watches a writer that moved", file: "movestep.go",
		old: "e.p.Steps[i].State == StepBaking {", new: "e.p.Steps[i].State == StepPending {",
		run: "TestSickAfterAMove",
	}, {
		name: "FENCING doesn't wait for the journal", file: "mover.go",
		old: "return moveOn, e.out.durable < m.begins", new: "return moveOn, e.out.durable < 0",
		run: "TestFencingWaitsForTheJournal",
	}, {
		name: "shares are written beside a move", file: "step.go",
		old: "if e.writersMove() {", new: "if e.writersMove() && e.never != \"\" {",
		run: "TestTrafficWaitsForTheWriter",
	}, {
		name: "who takes over doesn't bring a move to its end", file: "begin.go",
		old: "e.takeWriters()", new: "_ = e.takeWriters",
		run: "TestWriterUnderFaults",
	}, {
		name: "only the first pair moves", file: "movestep.go",
		old: "m.known && !m.open && e.p.Writers[pair].Writer == w.To {", new: "e.p.Writers[w.Pairs[0]].Writer == w.To {",
		run: "TestPairsMoveOneAfterTheOther",
	}, {
		name: "no last look before FENCING", file: "preflight.go",
		old: "for _, quick := range []bool{false, true} {", new: "for _, quick := range []bool{false} {",
		run: "TestPreflightHoldsAMove",
	}, {
		name: "what goes away by itself is asked about at once", file: "preflight.go",
		old: "if passing && e.now < p.since+preflightHolds {", new: "if passing && e.now < 0 {",
		run: "TestPreflightHoldsAMove",
	}, {
		name: "nothing in the way holds a move", file: "preflight.go",
		old: "if found := e.inTheWay(p); len(found) > 0 {", new: "if found := e.inTheWay(p); len(found) > 99 {",
		run: "TestPreflightAsks",
	}, {
		name: "a rule broken for one pair is broken for all", file: "preflight.go",
		old: "return f.Rule + \"@\" + pair", new: "return f.Rule + \"@feed-db\"",
		run: "TestPreflightBrokenByName",
	}, {
		name: "going back is held to what a person may break", file: "preflight.go",
		old: "if f.Severity == Refuses {", new: "if f.Severity != Warns {",
		run: "TestPreflightOnTheWayBack",
	}, {
		name: "a check of the writer only counts", file: "preflight_check.go",
		old: "case f.Stands() && !broken(f.RuleOf(pair)):", new: "case f.Stands() && broken(\"\"):",
		run: "TestCheckWriter",
	},
}
