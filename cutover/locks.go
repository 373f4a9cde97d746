package cutover

import (
	"fmt"
	"strings"
)

// locksHad: a fresh run needs every lock, and gives up at once when somebody else holds one. A run that is taken over goes on with
// those it gets within 10 s, for what it can't reach it doesn't write; the rest is tried again and again.
func (e *engine) locksHad() bool {
	had, asked, held, lacks := 0, 0, error(nil), []string(nil)
	for i := range e.leases {
		l := &e.leases[i]
		switch {
		case l.lease != nil && !l.lost:
			had++
		case l.err != nil:
			lacks = append(lacks, l.place.Name)
			if !l.taking {
				held = fmt.Errorf("the lock in %s: %w", l.place.Name, l.err)
			}
		default:
			asked++
		}
	}
	if had == len(e.leases) {
		return true
	}
	if held == nil {
		return false
	}
	if e.fresh {
		e.never = held.Error()
		e.finish(ExitNothing)
		return false
	}
	if e.triedSince == 0 {
		e.triedSince = e.now
	}
	until := e.triedSince + locksWithin
	e.at(until)
	if had > 0 && e.now >= until {
		return true
	}
	if asked == 0 { // each has answered once
		e.waitsForLocks(had, lacks, until)
	}
	return false
}

// locksWithin is how long a run that is taken over waits for all of its locks before it goes on with some.
const locksWithin = 10 * Second

// waitsForLocks says what is waited for, and until when.
func (e *engine) waitsForLocks(had int, lacks []string, until T) {
	text := "the lock in " + strings.Join(lacks, " and ")
	var why []string
	for _, c := range e.lockTrouble() {
		why = append(why, c.Text)
	}
	if had > 0 {
		e.waits(fmt.Sprintf("waits until %s for %s; then it goes on with what it reaches, and tries again every %s", e.clock(until), text, span(takeAgain)), why...)
		return
	}
	e.waits(fmt.Sprintf("waits for %s: without any lock nothing is written, so it tries again every %s until it has one, or is stopped", text, span(takeAgain)), why...)
}
