package cutover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// pageEvery is how often people are called again while a run can't end without them.
const pageEvery = 5 * Minute

// Page calls people: a run is frozen, or going back isn't at its end. Causes are what keeps it there, as it is read now.
type Page struct {
	Phase  Phase    `json:"phase"`
	Target string   `json:"target,omitempty"` // of going back, now or if somebody says so
	For    T        `json:"for"`              // how long it has lasted
	New    bool     `json:"new,omitempty"`    // these causes have joined those that people were called for
	Causes []Cause  `json:"causes,omitempty"`
	Green  []string `json:"green,omitempty"`  // what led to the phase and is green now
	Failed []string `json:"failed,omitempty"` // going back: what was tried in vain
}

// called notes that people were called for these causes just now.
func (e *engine) called(causes []Cause) {
	e.pagedAt = e.now
	if e.paged == nil {
		e.paged = map[string]bool{}
	}
	for _, c := range causes {
		e.paged[c.Key()] = true
	}
}

// frozen calls people while a run is frozen: at once when a cause joins, every 5 minutes for all of them, and at once when this
// process took the run over as it was.
func (e *engine) frozen() {
	e.settleWriters()
	var joined, bad []Cause
	for i := range e.judged.Causes {
		c := e.judged.Causes[i]
		if c.Color == Red || c.Color == Dark {
			bad = append(bad, c)
			if !e.paged[c.Key()] {
				joined = append(joined, c)
			}
		}
	}
	switch {
	case e.pagedAt > 0 && e.since == e.now: // the freeze itself was just told
		e.called(bad)
	case e.pagedAt == 0, e.now >= e.pagedAt+pageEvery:
		causes, green := e.causesNow()
		e.callPeople(Page{Causes: causes, Green: green})
		e.called(append(bad, e.p.Causes...))
	case len(joined) > 0:
		e.callPeople(Page{Causes: joined, New: true})
		last := e.pagedAt
		e.called(joined)
		e.pagedAt = last // the others have waited since
	}
	e.at(e.pagedAt + pageEvery)
}

// backLasts calls people every 5 minutes while going back isn't at its end, and says what it waits for.
func (e *engine) backLasts() {
	if e.pagedAt == 0 {
		e.pagedAt = e.now
	}
	if e.now >= e.pagedAt+pageEvery {
		pg := Page{Causes: e.judged.Causes}
		for _, s := range e.backing.seats {
			if s.tries > 0 {
				pg.Failed = append(pg.Failed, fmt.Sprintf("%s failed %d times: %s", s.seat, s.tries, s.text))
			}
		}
		if n := e.openCount(); n > 0 {
			pg.Failed = append(pg.Failed, fmt.Sprintf("writes without an outcome, %d: %s", n, strings.Join(e.openNames(3), ", ")))
		}
		e.callPeople(pg)
		e.called(nil)
	}
	e.at(e.pagedAt + pageEvery)
}

// openNames are at most so many objects with a write that has no outcome.
func (e *engine) openNames(most int) []string {
	var names []string
	for _, o := range e.p.SortedObjects() {
		if len(o.Open) > 0 && len(names) < most {
			names = append(names, o.ID.Object)
		}
	}
	return names
}

func (e *engine) callPeople(pg Page) {
	if e.w.Show == nil {
		return
	}
	pg.Phase, pg.Target, pg.For = e.p.Phase, cmp.Or(e.p.Target, e.p.LastTarget), e.now-e.since
	e.w.Show.Event(Shown{At: e.now, Page: &pg})
}

// causesNow is what led to the phase, and what is read now; what is green again by its name alone.
func (e *engine) causesNow() (causes []Cause, green []string) {
	views := e.board.Views(e.now, e.vantage)
	for _, c := range e.p.Causes {
		if isGreen(c, views) {
			green = append(green, c.name())
		} else {
			causes = append(causes, c)
		}
	}
	return append(causes, agedTo(e.judged.Causes, views)...), green
}

func isGreen(c Cause, views []GateView) bool {
	return slices.ContainsFunc(views, func(g GateView) bool { return g.Gate == c.Gate && g.Room == c.Room && g.Color == Green })
}

// waits notes what this process waits for before it decides anything, and why, once for each.
func (e *engine) waits(what string, why ...string) {
	if what == e.waiting {
		return
	}
	e.waiting = what
	e.note(what)
	for _, w := range why {
		e.note(w)
	}
}

// clock is the time of day at a moment, in the plan's zone.
func (e *engine) clock(at T) string { return e.w.Clock.Wall(at).In(e.loc).Format("15:04:05") }
