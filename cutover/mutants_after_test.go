package cutover_test

// afterMutants are mistakes in what is looked at after a move, and in what a check rests on.
var afterMutants = []mutant{
	{
		name: "a fence is watched no longer than until its move is checked", file: "aftermove.go",
		old: "if !e.flies(&a.watches) {", new: "if f.Checked || !e.flies(&a.watches) {",
		run: "TestAStrayWriteFreezes",
	}, {
		name: "what is written behind a fence is journaled and no more", file: "aftermove.go",
		old: "e.freeze(causes)", new: "_ = causes",
		run: "TestAStrayWriteFreezes",
	}, {
		name: "a check that fails at first is said at once", file: "aftermove.go",
		old: "if len(wrong) > 0 && e.now < a.since+afterSettle {", new: "if len(wrong) > 1000 {",
		run: "TestAfterAMoveIsChecked",
	}, {
		name: "what was degraded stays so", file: "aftermove.go",
		old: "(!f.Checked || len(f.Wrong) > 0) {", new: "!f.Checked {",
		run: "TestAfterAMoveIsChecked",
	}, {
		name: "an old comparison will do", file: "checksum.go",
		old: "case age > p.Within.Duration():", new: "case age < 0:",
		run: "TestChecksumIsChecked",
	}, {
		name: "rooms that aren't the same will do", file: "checksum.go",
		old: "case len(last.Differ) > 0:", new: "case len(last.Differ) > 1000:",
		run: "TestChecksumIsChecked",
	},
}
