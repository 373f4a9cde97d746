package cutover

import "fmt"

// rungOutcome counts a change's outcome; the wave ends when every change has one.
func (e *engine) rungOutcome(i int, o Outcome) {
	s := &e.steps[i]
	switch o.What {
	case Unknown:
		return // it will be looked up
	case Failed:
		s.failed = true
		if o.Err != nil {
			s.text = o.Err.Error()
		}
	case Foreign:
		s.foreign = true
	}
	if s.left--; s.left > 0 || len(s.todo) > 0 {
		return
	}
	switch {
	case s.foreign: // listed again, so that the question names all of it
		s.restart(0)
	case s.failed:
		e.rungFailed(i, s.text)
	default:
		e.nextWave(i)
	}
	e.changed()
}

// rungFailed tries the rung again after 1 s, 2 s, 4 s; four failures in a minute hold it and ask.
func (e *engine) rungFailed(i int, why string) {
	s := &e.steps[i]
	var recent []T
	for _, t := range s.fails {
		if e.now-t < Minute {
			recent = append(recent, t)
		}
	}
	s.fails = append(recent, e.now)
	if len(s.fails) >= 4 {
		s.fails = nil
		e.ask(i, "failed", fmt.Sprintf("%s rung %d failed 4 times: %s", e.stepName(i), e.p.Steps[i].Rung+1, why), nil)
		return
	}
	s.restart(e.now + Second<<(len(s.fails)-1))
	s.why = why
	e.changed()
}
