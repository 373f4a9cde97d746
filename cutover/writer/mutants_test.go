package writer

// durable is the precondition that no decision makes up for. Both are counterexamples to rows of the table as long as it may be broken
// by name: a server has lost something, the other one, which has it, can't be asked, and ABORT ro/away or COMMIT away/ro opens.
const durable = "§3, 1"

// mistakes are rules of WRITER left out, one each, as its §7 lists them, and in which world an exploration must find what of each.
// A world is as small as shows the mistake: TestControls shows that nothing is found in it without.
var mistakes = []struct {
	name  string
	rule  string
	rules rules
	c     config
	want  string // how what is found begins; empty: nothing, and why
	why   string
	big   bool // takes seconds: not with -short
}{
	{"no server lock", "R1", rules{noServerLock: true}, config{faults: [3]string{"f"}}, "I4", "", false},
	{"the lock in another session", "R1", rules{lockSplit: true}, config{faults: [3]string{"f"}}, "I4", "", false},
	{"open over a pending fence", "R2", rules{noServerLock: true, decide: openPending}, config{faults: [3]string{"g"}, aborts: 1}, "I4", "", false},
	{"undo without ABORT", "R3", rules{decide: undoWithoutAbort}, config{faults: [3]string{"f", "p"}, aborts: 1}, "I1", "", false},
	{"undo after COMMIT was sent", "R4, R5", rules{decide: undoAfterCommit}, config{faults: [3]string{"f", "p"}, aborts: 1}, "I1", "", false},
	{"the undoer stays fencer", "R4", rules{forget: undoerStays}, config{faults: [3]string{"c", "p"}}, "I1", "", false},
	{"the fencer stays one though its session broke, ① not looked at", "R4", rules{forget: sessionsBreak, serversFirst: true}, config{tools: 2, moves: 1, faults: [3]string{"c", "p"}}, "I1", "", true},
	{"forward on an unknown COMMIT", "R5", rules{decide: forwardUnknown}, config{faults: [3]string{"c", "p"}}, "I1", "", false},
	{"a read settles", "R6", rules{forget: readSettles}, config{faults: [3]string{"f", "p"}, aborts: 1}, "I1", "", false},
	{"a refused COMMIT settles", "R6", rules{forget: refusalSettles}, config{faults: [3]string{"f", "c", "p"}}, "I1", "", false},
	{"a taker-over commits blind", "R7", rules{journalPos: true}, config{faults: [3]string{"c", "p"}}, "I1", "", false},
	{"a server's lock is taken without the Consul lock", "①", rules{serversFirst: true}, config{tools: 2, moves: 1, faults: [3]string{"k", "k"}, live: true}, "a trap", "", false},
	{"a compare-and-set checks no session", "R8", rules{noSession: true}, config{tools: 2, moves: 1, faults: [3]string{"f", "k"}, aborts: 1}, "",
		"the second line, as the rule says: a compare-and-set over an old index is refused anyway", true},
	{"no wait again", "R9", rules{decide: noWaitAgain}, config{faults: [3]string{"s"}, lose: "ao"}, "I2", "", false},
	{"opened again without asking the other", "R9", rules{decide: noAskingOther}, config{faults: [3]string{"s"}, lose: "ao"}, "I2", "", false},
	{"no ABORT row", "R10", rules{decide: noAbortRow}, config{faults: [3]string{"t"}, aborts: 1, live: true}, "a trap", "", false},
	{"separate publication", "R11", rules{pubApart: true}, config{faults: [3]string{"f"}}, "R11", "", false},
	{"restart writable", "R12", rules{restartOpen: true}, config{faults: [3]string{"s"}}, "I1", "", false},
	{"XA not looked for", "R13", rules{decide: noXA}, config{xa: true}, "I2", "", false},
	{"XA before the kill", "R13", rules{decide: noKill}, config{xa: true}, "I2", "", false},
	{"super_read_only alone, and no server lock", "R14", rules{superAlone: true, noServerLock: true}, config{faults: [3]string{"g"}}, "I1", "", false},
	{"super_read_only alone", "R14", rules{superAlone: true}, config{faults: [3]string{kinds}, aborts: 1}, "",
		"with R1 what is pending is killed before anything is read: a second line there", false},
	{"own relay log", "R15", rules{ownRelay: true}, config{relay: true}, "I2", "", false},
	{"open before COMMIT", "R15", rules{decide: openEarly}, config{faults: [3]string{"p"}}, "I1", "", false},
	{"a master isn't durable: its own", durable, rules{}, config{faults: [3]string{"s", "p"}, lose: "o"}, "I2", "", false},
	{"a master isn't durable: what it applied", durable, rules{}, config{faults: [3]string{"s", "p"}, lose: "a"}, "I2", "", false},
	{"an unknown fence counts as done", "§3, 9", rules{assumeFence: true}, config{faults: [3]string{"f"}}, "I1", "", false},
}

// world fills in what isn't said.
func worldOf(name string, r rules, c config) *config {
	c.name, c.rules, c.maxN = name, r, 1
	c.tools = max(c.tools, 1)
	if c.moves == 0 {
		c.moves = 2
	}
	return &c
}

func undoWithoutAbort(rec *Record, s Seen, w Want, f Fencer) Act {
	a := Decide(rec, s, w, f)
	if a.Do == Write && a.Next.Phase == Abort {
		return Act{Do: Open, Room: a.Next.Writer}
	}
	return a
}

func undoAfterCommit(rec *Record, s Seen, w Want, f Fencer) Act {
	f.sent = false
	return Decide(rec, s, w, f)
}

func readSettles(op uint8, _, after Fencer) Fencer {
	if op == opRead {
		after.sent, after.unknown = false, nil
	}
	return after
}

func refusalSettles(op uint8, _, after Fencer) Fencer {
	if op == opRefused {
		after.sent, after.unknown = false, nil
	}
	return after
}

func undoerStays(op uint8, before, after Fencer) Fencer {
	if op == opOpening {
		return before
	}
	return after
}

func sessionsBreak(op uint8, before, after Fencer) Fencer {
	if op == opBroke || op == opTook {
		return before
	}
	return after
}

func forwardUnknown(rec *Record, s Seen, w Want, f Fencer) Act {
	if f.sent && !f.received && f.whole() {
		f.received = true
	}
	return Decide(rec, s, w, f)
}

func noWaitAgain(rec *Record, s Seen, w Want, f Fencer) Act {
	if rec != nil && rec.Phase == Commit {
		for i := range s.Servers {
			s.Servers[i].Beyond, s.Servers[i].Covers = BeyondNone, Yes
		}
	}
	return Decide(rec, s, w, f)
}

func noAbortRow(rec *Record, s Seen, w Want, f Fencer) Act {
	a := Decide(rec, s, w, f)
	if rec != nil && rec.Phase == Abort && a.Do == Open {
		return Act{Do: Hold}
	}
	return a
}

func noXA(rec *Record, s Seen, w Want, f Fencer) Act {
	for i := range s.Servers {
		s.Servers[i].XA = nil
	}
	return Decide(rec, s, w, f)
}

func noKill(rec *Record, s Seen, w Want, f Fencer) Act {
	for i := range s.Servers {
		s.Servers[i].Clients = 0
	}
	return Decide(rec, s, w, f)
}

func openPending(rec *Record, s Seen, w Want, f Fencer) Act {
	for i := range s.Servers {
		if r := &s.Servers[i]; r.Mode() == Pending {
			r.ReadOnly = w.Room == r.Room
			r.SuperReadOnly = r.ReadOnly
		}
	}
	return Decide(rec, s, w, f)
}

func openEarly(rec *Record, s Seen, w Want, f Fencer) Act {
	a := Decide(rec, s, w, f)
	if a.Do == Write && a.Next.Phase == Commit {
		for _, r := range s.Servers {
			if r.Room == a.Next.To && r.Mode() == ReadOnly {
				return Act{Do: Open, Room: r.Room}
			}
		}
	}
	return a
}

// noAskingOther opens the record's writer whatever the other has.
func noAskingOther(rec *Record, s Seen, w Want, f Fencer) Act {
	if rec != nil && (rec.Phase == Stable || rec.Phase == Abort) {
		for i := range s.Servers {
			s.Servers[i].Beyond = BeyondNone
		}
	}
	return Decide(rec, s, w, f)
}
