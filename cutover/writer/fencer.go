package writer

import "slices"

// Fencer is what one process remembers of its own doing, and dies with it. The zero value is a process that has done nothing.
//
// It is the fencer of an epoch from the OK to its FENCING until one of its two server sessions breaks, it opens the writer again,
// or gives the move up by ABORT or STABLE. Only then is anything allowed that the record alone doesn't allow: to fence, to undo by
// one statement (R4), to commit while the old writer is out of reach (R7), to open the new one while the record is (R5).
//
// Whoever acts tells it everything: Sending before a compare-and-set is sent, Answered on its clean answer, Opening before an open is
// sent, Broke when a session broke, Took when one was taken anew, Read after ③ and Saw after ⑤ of each round.
type Fencer struct {
	rec      Record // the last of this epoch that was answered OK: FENCING or COMMIT; none: not the fencer
	pos      string // the writer's position, read behind the own fence, quiet (R13)
	gone     bool   // the session on the writer broke, and it wasn't taken anew
	sent     bool   // COMMIT was sent: set before sending, never cleared in this epoch (R4, R5)
	unknown  []CAS  // sent, and not settled (R6)
	received bool   // COMMIT's OK was received
}

// CAS is a compare-and-set: what it writes, the index that it compares with, and the Consul session that it checks.
type CAS struct {
	Phase   Phase
	Index   uint64
	Session string
}

// Holds reports whether this process is the fencer of a record's epoch.
func (f Fencer) Holds(r Record) bool {
	return f.rec.Epoch > 0 && f.rec.Epoch == r.Epoch && f.rec.Writer == r.Writer
}

// Unsettled are the compare-and-sets that may still be executed, or were and nobody knows.
func (f Fencer) Unsettled() []CAS { return slices.Clone(f.unknown) }

// SentCommit reports whether COMMIT was sent in this epoch.
func (f Fencer) SentCommit() bool { return f.sent }

// Record is what this process wrote last in its epoch, and was answered OK; ok is false if it isn't the fencer.
func (f Fencer) Record() (r Record, ok bool) { return f.rec, f.rec.Epoch > 0 }

// PosFor is the position that Server.Covers of the other server is about: the fencer's own before COMMIT, the record's after it.
func PosFor(r Record, f Fencer) string {
	if r.Phase == Fencing && f.Holds(r) {
		return f.pos
	}
	return r.Pos
}

// over is a process that is no fencer any more. What it has sent may still land.
func (f Fencer) over() Fencer { return Fencer{unknown: f.unknown} }

// Sending is called before a compare-and-set is sent: a process that dies between must not have less than it sent.
func (f Fencer) Sending(next Record, index uint64, session string) Fencer {
	f.unknown = append(slices.Clone(f.unknown), CAS{next.Phase, index, session})
	switch next.Phase {
	case Commit:
		f.sent = true
	case Abort, Stable, Fencing:
		f = f.over()
	}
	return f
}

// Answered is called when a compare-and-set got its clean answer: done or refused. A refusal settles that one only (R6). Whatever
// else compared with the same index can't land any more once one was done.
func (f Fencer) Answered(next Record, index uint64, session string, done bool) Fencer {
	f.unknown = slices.Clone(f.unknown)
	if i := slices.Index(f.unknown, CAS{next.Phase, index, session}); i >= 0 {
		f.unknown = slices.Delete(f.unknown, i, i+1)
	}
	if !done {
		return f
	}
	f = f.settle(func(c CAS) bool { return c.Index <= index })
	switch {
	case next.Phase == Fencing:
		return Fencer{rec: next, unknown: f.unknown}
	case next.Phase == Commit && f.Holds(next):
		f.rec, f.received = next, true
	}
	return f
}

func (f Fencer) settle(done func(CAS) bool) Fencer {
	f.unknown = slices.DeleteFunc(slices.Clone(f.unknown), done)
	if len(f.unknown) == 0 {
		f.unknown = nil
	}
	return f
}

// Read is called with what ③ read: the record, nil if there is none, the index, and the Consul session that is this process's now.
// A newer index settles what compared with an older one; sessions that this process had before are dead, or it wouldn't have another
// (the caller destroyed them, answered OK, or saw the lock free). The value that is read settles nothing (R6).
func (f Fencer) Read(r *Record, index uint64, session string) Fencer {
	f = f.settle(func(c CAS) bool { return c.Index < index || c.Session != session })
	if f.rec.Epoch == 0 {
		return f
	}
	if r == nil || !f.Holds(*r) || r.Phase != Fencing && r.Phase != Commit || r.Phase == Fencing && f.rec.Phase == Commit {
		return f.over()
	}
	return f
}

// Saw is called with what ④ and ⑤ saw, before Decide. It keeps the position of the writer once that is quiet behind the fence.
func (f Fencer) Saw(seen Seen) Fencer {
	if f.rec.Epoch == 0 || f.rec.Phase != Fencing {
		return f
	}
	for _, s := range seen.Servers {
		switch {
		case s.Room != f.rec.Writer || s.Away:
		case s.Quiet() && !f.gone:
			f.pos = s.Pos
		default:
			f.pos = ""
		}
	}
	return f
}

// Broke is called when this process's session on a room's server broke, or gave anything but a clean answer.
func (f Fencer) Broke(room string) Fencer {
	switch {
	case f.rec.Epoch == 0:
		return f
	case room == f.rec.Writer && f.pos != "":
		f.gone = true // R7 is left
		return f
	default:
		return f.over()
	}
}

// Took is called when a session was taken anew on a room's server: somebody else may have held the lock between.
func (f Fencer) Took(room string) Fencer { return f.over() }

// Opening is called before an open is sent. Who opens the old writer again is its fencer no more: it must not commit a position that
// is old by then (R4).
func (f Fencer) Opening(room string) Fencer {
	if f.rec.Epoch > 0 && room == f.rec.Writer {
		return f.over()
	}
	return f
}

// whole: both sessions have lasted since before FENCING.
func (f Fencer) whole() bool { return f.rec.Epoch > 0 && !f.gone }

// mayUndo is the licence of R4: this process may open the writer first and record it afterwards, Consul or not. Both servers are
// read-only now, on sessions that never broke, COMMIT was never sent, and the other server has nothing of its own (R9). r is the record as
// it was read, or, out of reach, as this process wrote it.
func (f Fencer) mayUndo(r Record, w, x Server) bool {
	return f.whole() && !f.sent && f.Holds(r) && r.Phase == Fencing && w.Locked && x.Locked &&
		w.Mode() == ReadOnly && x.Mode() == ReadOnly && x.Beyond == BeyondNone
}

// mayCommitBlind is R7: the writer is out of reach, and the other server has all that it had behind this process's own fence.
func (f Fencer) mayCommitBlind(r Record, w, x Server) bool {
	return f.Holds(r) && r.Phase == Fencing && f.pos != "" && w.Mode() == ModeAway && x.Mode() == ReadOnly && x.Locked && x.Covers == Yes
}

// mayGoOn is the other half of the row "record out of reach": COMMIT's OK was received, and both sessions are unbroken.
func (f Fencer) mayGoOn() bool { return f.whole() && f.received }
