package cutover

import "fmt"

// What a run finds of moves that others left: its plan says that a pair's record stands between its sides, and nobody is alive who would
// bring it to one (the run has the pair's claim). That is done first: a pair without a writer has no gate that could be judged.

// findLeft notes such pairs when a plan is begun.
func (e *engine) findLeft() {
	if e.s.Plan == nil {
		return
	}
	for i := range e.plan.Pairs {
		p := &e.plan.Pairs[i]
		if p.Between() && e.plan.moves(p.Name) {
			m := e.moverOf(p.Name)
			m.settle, m.left = true, true
			e.note(fmt.Sprintf("the writer of %s: %s, left by a process that is gone: first that is brought to an end", p.Name, p.Record))
		}
	}
}

// endLeft brings them to their nearer sides. True as long as one isn't there: nothing else begins meanwhile.
func (e *engine) endLeft() bool {
	for _, m := range e.movers {
		if !m.left {
			continue
		}
		if e.drive(m, nearer, beginsNothing) == moveThere {
			m.left = false
			e.note(fmt.Sprintf("the writer of %s is in %s", m.pair, e.p.Writers[m.pair].Writer))
			e.changed()
		}
		e.waitsForLeft(m)
		return true
	}
	return false
}

// waitsForLeft says at the step why it doesn't begin.
func (e *engine) waitsForLeft(m *mover) {
	why := "first the move of " + m.pair + " that was left is brought to an end"
	if m.holds != "" {
		why += ": " + m.holds
	}
	for i := range e.steps {
		if e.p.Steps[i].State == StepWaiting {
			e.steps[i].why = why
		}
	}
}
