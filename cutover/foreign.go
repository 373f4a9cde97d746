package cutover

import (
	"fmt"
	"strings"
)

// askForeign asks people when somebody else wrote an object of the rung: on the way forward that holds its step.
func (e *engine) askForeign(i int) bool {
	if !e.p.AnyForeign() {
		return false
	}
	fs := e.foreignIn(i)
	if len(fs) == 0 {
		return false
	}
	e.ask(i, "foreign", "somebody else wrote "+strings.Join(fs, ", "), nil)
	return true
}

// foreignIn names the objects of a rung's seats that somebody else wrote.
func (e *engine) foreignIn(i int) []string {
	seats := map[Seat]bool{}
	for _, ss := range e.rungSeats(i) {
		for _, seat := range ss {
			seats[seat] = true
		}
	}
	var out []string
	for _, o := range e.p.SortedObjects() {
		if o.Foreign != nil && seats[o.Seat] && !o.Foreign.Gone {
			out = append(out, fmt.Sprintf("%s (it was %s, it is %s)", o.ID.Object, o.Last, o.Foreign.Found))
		}
	}
	return out
}
