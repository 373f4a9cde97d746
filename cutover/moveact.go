package cutover

import (
	"context"

	"roomshift/cutover/writer"
)

// act sends the one request of a round.
func (e *engine) act(m *mover, a writer.Act, seen *MoveSeen, wish Room) {
	index, session := seen.Index, seen.Session
	verb := e.sending(m, &a, index, session)
	note := func(at string, err error) {
		mark := MoveMark{Pair: m.pair, Wish: wish, Verb: verb, At: at}
		if err != nil {
			mark.Why = err.Error()
		}
		if at == "done" && a.Do == writer.Open {
			mark.None = e.noWriterFor(m)
		}
		e.propose(Record{Kind: KindMove, Move: &mark}, false)
	}
	if verb != "FENCING" { // that one was said before it was let go
		note("begun", nil)
	}
	m.flying = true
	gen, b := m.gen, e.leftOf(m)
	e.start(e.actLimit(&a, b), func(ctx context.Context) any { return e.w.Movers.Do(ctx, m.pair, a, index, b) }, func(v any) {
		if m.gen != gen {
			return
		}
		r := v.(MoveReply)
		m.flying = false
		switch {
		case r.What == Unknown:
			m.begin = RoundBegin{From: FromLock}
			note("unknown", r.Err)
			return
		case a.Do == writer.Write:
			m.fencer = m.fencer.Answered(a.Next, index, session, r.What == Done)
		}
		if r.What == Done {
			m.tries = 0
			note("done", nil)
			if a.Do == writer.Write {
				e.recorded(m.pair, &a.Next)
			}
			return
		}
		note("failed", r.Err)
		m.again(e, RoundBegin{From: FromRead})
	}, func() {
		e.lostTrack(m)
		note("unknown", errNoAnswer)
	})
}

// sending tells the fencer and the move what is about to be sent, and returns its name in the journal.
func (e *engine) sending(m *mover, a *writer.Act, index uint64, session string) (verb string) {
	verb = a.Do.String()
	switch a.Do {
	case writer.Write:
		verb = string(a.Next.Phase)
		a.Next = a.Next.Signed(e.s.Run, e.s.User+"@"+e.s.Host, e.w.Clock.Wall(e.now))
		m.fencer = m.fencer.Sending(a.Next, index, session)
		m.open = m.open || a.Next.Phase != writer.Stable
		switch a.Next.Phase {
		case writer.Fencing:
			m.tried, m.fences, m.phase = m.tried+1, 0, e.phases
		case writer.Abort:
			m.gaveUp(a)
		}
	case writer.Open:
		m.fencer = m.fencer.Opening(a.Room)
		if a.Undo {
			m.gaveUp(a)
		}
	case writer.Fence:
		if m.fences == 0 {
			m.fences = e.now
		}
	}
	return verb
}

// noWriterFor is how long nobody has taken a pair's writes, from when its fence was sent; 0: not known. What another process sent is
// timed by the wall.
func (e *engine) noWriterFor(m *mover) T {
	if m.fences > 0 {
		return e.now - m.fences
	}
	return wallsApart(e.p.Dark[m.pair].Since, e.wall().Format(wallFormat))
}

// gaveUp notes why an attempt is undone, unless the budget said so already.
func (m *mover) gaveUp(a *writer.Act) {
	switch {
	case m.lost != "":
	case a.Undo:
		m.lost = a.Reason.Seen
	default:
		m.lost = a.Reason.ToDo
	}
}

// leftOf is the budget with what is left of the time to wait in.
func (e *engine) leftOf(m *mover) writer.Budget {
	b := m.budget
	if m.fences > 0 {
		b.Wait = b.Left((e.now - m.fences).Duration())
	}
	return b
}

// actLimit is how long an act's request may take before its outcome is unknown.
func (e *engine) actLimit(a *writer.Act, b writer.Budget) T {
	switch a.Do {
	case writer.Fence:
		return 2*T(b.Fence) + Second // there are two locks that it may wait for
	case writer.Kill:
		return T(b.Kill) + Second
	case writer.Wait:
		return T(b.Wait) + Second
	}
	return verbLimit
}

const (
	fencingTries = 3           // how often a move is begun anew that ended before its fence
	verbLimit    = Second      // a compare-and-set, or an open: a longer silence is no answer
	roundLimit   = 10 * Second // a lock on a server may be waited for 5 s
	noWriter     = 2 * Second  // what a pair may be without a writer if nobody says so
)
