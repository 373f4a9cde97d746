package cutover_test

// actMutants are mistakes in the table of acts, in what a person's word answers, and in what is known after a takeover.
var actMutants = []mutant{
	{
		name: "a cell of the table isn't what it says: the gainer red, the loser dark", file: "act.go",
		old: "{cellBack, cellBack, cellWatch, cellProbe, cellProbe}", new: "{cellBack, cellBack, cellWatch, cellBack, cellProbe}",
		run: "TestActsOfRooms",
	}, {
		name: "going back doesn't ask how the room is that receives", file: "act.go",
		old: "{cellAdvance, cellHold, cellFailsWatch, cellProbeSeen, cellProbeGo}", new: "{cellAdvance, cellHold, cellAdvance, cellProbeSeen, cellProbeGo}",
		run: "TestActsOfRooms",
	}, {
		name: "one direction of replication is taken for the other", file: "board_rows.go",
		old: "if p.plan.Rooms[1] == reader {", new: "if p.plan.Rooms[0] == reader {",
		run: "TestActsOfReplicationAndLine",
	}, {
		name: "the line leads back whatever crosses then", file: "verdict.go",
		old: "now.Crossing-was.crossing", new: "0",
		run: "TestTheLineTakesWhatCrossesLess",
	}, {
		name: "an undo leaves nobody to say how its receiver is", file: "judge.go",
		old: "l != shadeNone && s.place == b.from {", new: "l != shadeNone && s.place < 0 {",
		run: "TestAQuietNightGoesBack",
	}, {
		name: "answered causes are forgotten", file: "apply_talk.go",
		old: "p.Answered[key] = c.Who", new: "_ = key",
		run: "TestAPersonsBackAnswersCauses|TestMuteAnswersItsGate",
	}, {
		name: "an answer is never over", file: "apply_talk.go",
		old: "delete(p.Answered, key)", new: "_ = key",
		run: "TestAnAnswerThatIsOverStaysOver",
	}, {
		name: "an answer holds in every row", file: "board_answers.go",
		old: "return rows&^s.rows != 0", new: "return false",
		run: "TestAPersonsWordAnswersCauses",
	}, {
		name: "a person's word answers what nobody has heard of", file: "board_answers.go",
		old: "sh == shadeBlind && s.heard", new: "sh == shadeBlind",
		run: "TestBackAfterATakeover",
	}, {
		name: "one sample is enough to send users back on after a takeover", file: "board_read.go",
		old: "s.came < since || s.undecided(b.now)", new: "s.came < since",
		run: "TestBackAfterATakeover",
	}, {
		name: "who takes over doesn't ask the probe of an empty room", file: "board_read.go",
		old: "return until, b.now < until", new: "return until, b.now < 0",
		run: "TestBackFromAll",
	},
}
