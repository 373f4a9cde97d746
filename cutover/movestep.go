package cutover

import (
	"cmp"
	"fmt"
	"time"

	"roomshift/cutover/writer"
)

// MoveBudget is how a move divides the time that its step allows to be without a writer; 0: the time where no step says one.
func MoveBudget(none T) writer.Budget { return budgetFor(cmp.Or(none, noWriter)) }

// budgetFor divides the time without a writer: the fence by whole seconds, as servers count it, then killing, waiting, COMMIT.
func budgetFor(none T) writer.Budget {
	all := none.Duration()
	fence := max(time.Second, (all / 4).Truncate(time.Second))
	rest := all - fence
	return writer.Budget{NoWriter: all, Fence: fence, Kill: rest * 3 / 10, Wait: rest / 2, Trip: rest / 5}
}

// moveStep moves the write role of a step's pairs, one after the other.
func (e *engine) moveStep(i int) {
	st, s := &e.plan.Steps[i], &e.steps[i]
	w := st.Writer
	if !s.begun {
		s.begun = true
		for _, pair := range w.Pairs {
			m := e.moverOf(pair)
			m.tried, m.lost, m.tries, m.gone = 0, "", 0, goneMaster{}
		}
		e.onlysOf(w)
	}
	to := func(*writer.Record) Room { return w.To }
	for _, pair := range w.Pairs {
		m := e.moverOf(pair)
		if m.settle {
			e.moveTakenOver(i, m)
			return
		}
		if m.known && !m.open && e.p.Writers[pair].Writer == w.To {
			continue
		}
		switch e.drive(m, to, func() string { return e.mayMovePair(i, pair) }) {
		case moveOn:
			s.why = "the writer of " + pair + " moves"
			return
		case moveHolds:
			e.moveWaits(i, m)
			return
		case moveGone:
			e.giveOnlys(w.Pairs...)
			if w.Once {
				e.gaveUpOnce(pair)
				return
			}
			e.ask(i, "move", fmt.Sprintf("%s: the writer of %s stays in %s: %s; accept tries again", e.stepName(i), pair, e.p.Writers[pair].Writer, m.lost), nil)
			return
		}
	}
	if why := e.onlysAsk(w); why != "" {
		e.ask(i, "move", fmt.Sprintf("%s: %s", e.stepName(i), why), nil)
		return
	}
	if s.why = cmp.Or(e.onlysWait(w), e.unpublished(w.Pairs)); s.why != "" {
		return
	}
	s.lastWrite = e.now
	e.wrote()
	e.mark(i, e.p.Steps[i].Rung, StepBaking, "")
}

// moveWaits says what a pair's move waits for, and asks people where only they can end that.
func (e *engine) moveWaits(i int, m *mover) {
	w, s := e.plan.Steps[i].Writer, &e.steps[i]
	s.why = m.holds
	if why := e.goneSays(m); why != "" {
		if s.why = why; w.IfLost == "ask" {
			e.ask(i, "move", fmt.Sprintf("%s: %s; accept goes on waiting", e.stepName(i), why), nil)
		}
		return
	}
	if why := e.onlysAsk(w); why != "" {
		e.giveOnlys(w.Pairs...)
		e.ask(i, "move", fmt.Sprintf("%s: %s", e.stepName(i), why), nil)
	}
}

// gaveUpOnce ends a run that nobody is asked in: where it began, or frozen between the pairs that have moved and those that haven't. Pairs
// that have moved stay (WRITER §5).
func (e *engine) gaveUpOnce(pair string) {
	text := fmt.Sprintf("the writer of %s stays in %s: %s", pair, e.p.Writers[pair].Writer, e.moverOf(pair).lost)
	cause := []Cause{{Gate: "writer", Room: pair, Color: Red, Text: text}}
	for _, p := range e.plan.Pairs {
		if e.plan.moves(p.Name) && p.Writer != e.p.Writers[p.Name].Writer {
			e.freeze(cause)
			return
		}
	}
	e.turnBack(e.p.LastTarget, cause)
}

// moveTakenOver: a process before this one was moving the pair. It is brought to the nearer side, and people are asked unless that is
// where it was to go.
func (e *engine) moveTakenOver(i int, m *mover) {
	s := &e.steps[i]
	switch e.drive(m, nearer, beginsNothing) {
	case moveThere:
		to := e.plan.Steps[i].Writer.To
		if at := e.p.Writers[m.pair].Writer; at != to && e.plan.Steps[i].Writer.Once {
			m.lost = "the process that moved it ended before that was decided"
			e.gaveUpOnce(m.pair)
		} else if at != to {
			e.ask(i, "move", fmt.Sprintf("%s: the writer of %s is in %s: the process that moved it to %s ended before that was decided; accept tries again", e.stepName(i), m.pair, at, to), nil)
		}
		e.changed()
	case moveHolds:
		s.why = m.holds
	default:
		s.why = "what a process before this one began is brought to an end"
	}
}

// mayMovePair is what speaks against beginning the move of a pair now: what speaks against any, its preflight, then what still runs of the
// things that follow it.
func (e *engine) mayMovePair(i int, pair string) string {
	to := e.plan.Steps[i].Writer.To
	if why := cmp.Or(e.mayMove(i), e.preflightSays(i, pair, to)); why != "" {
		return why
	}
	return e.stopOnlys(pair, to)
}

// mayMove is what speaks against beginning a move now: the last look before FENCING.
func (e *engine) mayMove(i int) string {
	switch {
	case e.p.Phase != PhaseForward:
		return "the run doesn't go forward"
	case e.judged.Act != Advance:
		return "held"
	case e.openCount() > 0:
		return "waits for a write that may still land"
	}
	for k := range e.p.Steps {
		if k != i && (e.p.Steps[k].State == StepApplying || e.p.Steps[k].State == StepMoving) {
			return fmt.Sprintf("waits for step %q: of two things that move no gate can be read", e.plan.Steps[k].Name)
		}
	}
	return ""
}

// watched are the pairs whose writer moved in this run and is still watched: their step bakes.
// It still does while the run goes back.
func (e *engine) watched() map[string]bool {
	if len(e.p.Moves) == 0 {
		return nil
	}
	out := map[string]bool{}
	for i := range e.p.Steps {
		if w := e.plan.Steps[i].Writer; w != nil && e.p.Steps[i].State == StepBaking {
			for _, pair := range w.Pairs {
				out[pair] = true
			}
		}
	}
	return out
}
