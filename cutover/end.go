package cutover

import (
	"fmt"

	"roomshift/runbooks"
)

// endRun is the end of a run that has no checkpoint there: as before a checkpoint, nothing of the run can still land, and every
// touched object was read.
type endRun struct {
	reading, read bool
	retryAt       T
}

// lastDone: every step is done. A run whose last step is a checkpoint rests there.
func (e *engine) lastDone() {
	if e.openCount() > 0 {
		return
	}
	n := len(e.plan.Steps)
	switch {
	case n > 0 && e.plan.Steps[n-1].Kind == runbooks.StepCheckpoint:
		e.restAt(n-1, "the last step is done")
	case !e.ending.read:
		e.readEnd()
	case len(e.foreignWanted()) == 0:
		e.withdrawQuestion(-1, "foreign")
		e.over(ExitDone, nil)
	default: // until somebody takes it back or accepts it
		e.ending = endRun{retryAt: e.now + keepEvery}
		e.askOnce(-1, "foreign", fmt.Sprintf("somebody else wrote %v; the run would end with it", e.foreignWanted()))
	}
}

func (e *engine) readEnd() {
	x := &e.ending
	if x.reading || e.now < x.retryAt {
		e.at(x.retryAt)
		return
	}
	if e.judged.Act == Freeze || e.judged.Act == Back {
		return
	}
	x.reading = true
	phase := e.phases
	e.readTouched(func(err error) {
		if e.phases != phase {
			return
		}
		x.reading, x.read = false, err == nil
		if err != nil {
			x.retryAt = e.now + Second
			e.note(err.Error())
		}
	})
}
