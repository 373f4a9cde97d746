package cutover

import (
	"slices"

	"roomshift/cutover/writer"
)

// settleWriters brings every pair that may stand between its sides to the nearer one with exactly one writer: given up before COMMIT,
// finished after it. True as long as one of them goes on; one that waits for a person, or a server, keeps nobody.
func (e *engine) settleWriters() bool {
	goes := false
	for _, m := range e.movers {
		if !m.settle && (!m.open || m.phase == e.phases) {
			continue
		}
		goes = e.drive(m, nearer, beginsNothing) == moveOn || goes
	}
	return goes
}

// beginsNothing: a pair that is brought to the nearer side is not moved anew.
func beginsNothing() string { return "nothing is begun now" }

// nearer is the side to which a move is brought that nobody wishes any more.
func nearer(r *writer.Record) Room {
	switch {
	case r == nil:
		return ""
	case r.Phase == writer.Commit:
		return r.To
	}
	return r.Writer
}

// writersMove: a pair is between its sides, and gets on. Traffic waits meanwhile: of two things that move no gate can be read.
func (e *engine) writersMove() bool {
	for _, m := range e.movers {
		if (m.open || m.settle) && m.holds == "" {
			return true
		}
	}
	return false
}

// writersOpen: one may stand between its sides.
func (e *engine) writersOpen() bool {
	for _, m := range e.movers {
		if m.open || m.settle {
			return true
		}
	}
	return false
}

// takeWriters prepares a takeover: pairs whose move the former holder had begun, and didn't see the end of.
func (e *engine) takeWriters() {
	for _, pair := range sortedKeys(e.p.Moves) {
		e.publish(pair) // how far the former holder had come with that isn't journaled
		if mv := e.p.Moves[pair]; mv.Verb != string(writer.Stable) || mv.At != "done" {
			e.moverOf(pair).settle = true
		}
	}
}

// leftOpen: what a process before this one began for a pair isn't known yet.
func (e *engine) leftOpen(pair string) bool {
	return slices.ContainsFunc(e.movers, func(m *mover) bool { return m.pair == pair && m.settle })
}
