package cutover_test

// onlyMutants are mistakes in how a run stops and starts the things that follow a writer.
var onlyMutants = []mutant{
	{
		name: "FENCING doesn't wait until its things have stopped", file: "onlymove.go",
		old: `if p.Room != OnlyNone || p.Next != "" || p.Foreign != "" || p.Zero != to {`, new: `if p.Foreign != "" {`,
		run: "TestJobsFollowTheWriter",
	}, {
		name: "a key says where the writer was while it moves", file: "onlystep.go",
		old: "if e.between(pair) || w.Writer == \"\" {", new: "if w.Writer == \"\" {",
		run: "TestKeysWaitForTheRecord",
	}, {
		name: "whoever doesn't see its key isn't waited for", file: "onlystep.go",
		old: "until := o.stopped + outOfSight; e.now < until", new: "until := o.stopped; e.now < until",
		run: "TestJobsFollowTheWriter",
	}, {
		name: "who takes over leaves a thing at none", file: "onlystep.go",
		old: "p.Touched || o.stop > 0 || o.adopt {", new: "o.stop > 0 || o.adopt {",
		run: "TestJobsUnderFaults",
	}, {
		name: "a move that is given up keeps its things", file: "onlystep.go",
		old: "if !moved {\n", new: "if false {\n\t\treturn room\n\t}\n\tif !moved {\n\t\treturn OnlyNone\n\t}\n\tif false {\n",
		run: "TestAMoveThatIsUndoneGivesItsJobsBack",
	}, {
		name: "what somebody else set is written over", file: "onlystep.go",
		old: "case got != p.Room && got != p.Next:", new: "case got == \"nobody\":",
		run: "TestSomebodyElsesKey",
	}, {
		name: "things that don't stop are waited for, for ever", file: "onlymove.go",
		old: "case o.late:", new: "case o.late && p.Touched && !p.Touched:",
		run: "TestJobsThatDontStop",
	}, {
		name: "going back is over before its things are back", file: "back.go",
		old: "left || e.onlysBack() ||", new: "left ||",
		run: "TestBackTakesTheJobs",
	}, {
		name: "the traffic doesn't wait for the things of a writer that goes first", file: "backwriters.go",
		old: "if e.onlysStop(m.pair) {", new: "if e.onlysStop(m.pair) && m.tries > 1000 {",
		run: "TestSickDatabaseWaitsForTheJobs",
	},
}
