package cutover

import (
	"fmt"
	"strings"
)

// What a run finds of moves that others left: its plan says that a pair's record stands between its sides, and nobody is alive who would
// bring it to one (the run has the pair's claim). That is done first: a pair without a writer has no gate that could be judged.

// findLeft notes such pairs when a plan is begun.
func (e *engine) findLeft() {
	if e.s.Plan == nil {
		return
	}
	for i := range e.plan.Pairs {
		p := &e.plan.Pairs[i]
		if w := e.plan.moveOf(p.Name); w != nil && w.Reopen {
			m := e.moverOf(p.Name)
			m.left, m.reopen = true, true
		} else if w != nil && p.Between() {
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
		switch e.drive(m, nearer, beginsNothing) {
		case moveThere:
			m.left, m.reopen = false, false
			e.note(fmt.Sprintf("the writer of %s is in %s", m.pair, e.p.Writers[m.pair].Writer))
			e.changed()
		case moveGone:
			m.left = false
			e.gaveUpOnce(m.pair)
			return true
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

// outOfTime ends a run that somebody waits for no longer. If nothing was begun it is over; else it stands as its journal says: held, and so
// to be looked at, or, with a request that has no answer, unknown. A writer that has moved is watched for as long as its step says.
func (e *engine) outOfTime() bool {
	end := e.startedAt + e.s.Within
	switch {
	case e.s.Within == 0 || e.p.Phase == PhaseOver || e.p.Phase == PhaseForward && e.writersMoved():
		return false
	case e.now < end:
		e.at(end)
		return false
	}
	why := "not within " + e.s.Within.Duration().String() + ": " + e.holdsNow()
	if !e.p.Changed && e.p.Phase == PhaseForward && !e.writersOpen() {
		e.over(ExitNothing, []Cause{{Gate: "writer", Color: Amber, Text: why}})
		return true
	}
	x := ExitStopped
	for _, m := range e.movers {
		if (m.open || m.settle) && m.holds == "" {
			x = ExitUnknown
		}
	}
	e.note(why)
	e.stopped = e.now
	e.finish(x)
	return true
}

// writersMoved: every step that moves a writer has.
func (e *engine) writersMoved() bool {
	for i := range e.plan.Steps {
		if st := e.p.Steps[i].State; e.plan.Steps[i].Writer != nil && st != StepBaking && st != StepDone {
			return false
		}
	}
	return true
}

// holdsNow is what a run waits for, in words.
func (e *engine) holdsNow() string {
	for _, m := range e.movers {
		if m.holds != "" {
			return m.holds
		}
	}
	var why []string
	for i := range e.judged.Causes {
		why = append(why, e.judged.Causes[i].Text)
	}
	if len(why) == 0 {
		return "it isn't done"
	}
	return strings.Join(why, "; ")
}
