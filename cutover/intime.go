package cutover

import "time"

// inTime tells whether a rung or a check may begin by the clock, and says why not.
func (e *engine) inTime(i int, s *stepRun) bool {
	if e.now < s.retry {
		e.at(s.retry)
		return false
	}
	if !e.plan.Steps[i].AnyWindow {
		open, why, next := e.window()
		if !open {
			e.atWall(next)
			e.restIfAtCheckpoint("the window is shut: " + why)
			return e.because(s, why)
		}
	}
	if late, why := e.tooLate(i); late {
		e.restIfAtCheckpoint(why)
		return e.because(s, why)
	}
	return true
}

// window asks the rules whether a window is open now, which they know until it next changes.
func (e *engine) window() (open bool, why string, next time.Time) {
	wall := e.wall()
	w := &e.windows
	if w.at.IsZero() || wall.Before(w.at) || !w.next.IsZero() && !wall.Before(w.next) {
		w.at = wall
		w.open, w.why, w.next = e.plan.Rules.Window(wall)
	}
	return w.open, w.why, w.next
}

// windowNow is what the rules said of windows, from at until next; zero: for ever.
type windowNow struct {
	at, next time.Time
	open     bool
	why      string
}

func (e *engine) because(s *stepRun, why string) bool {
	s.why = why
	return false
}
