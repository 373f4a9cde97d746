package cutover

import (
	"fmt"
	"time"

	"roomshift/runbooks"
)

// Estimate works out what the plan means at the rates of s: shares, loads, times, and what to look at. It follows the traffic,
// so it isn't part of the plan's text; a run's Bad notes are problems.
func (p *Plan) Estimate(s *Snapshot) *Estimates {
	x := &estimator{p: p, s: s, c: NewComposer(p), scrape: scrapeOf(s), out: &Estimates{Rates: s.Rates},
		set: SeatShares(s.Held), shows: map[string]T{}, touched: map[ObjectID]int{}, rounding: newRounding(s.Held)}
	for i := range p.Routes {
		x.shows[p.Routes[i].Name] = p.Routes[i].Shows
	}
	x.ends = make([]T, len(p.Steps))
	for i := range p.Steps {
		x.step(i)
	}
	for _, end := range x.ends {
		x.out.Takes = max(x.out.Takes, end)
	}
	x.finishBy()
	x.onlys()
	x.stayers()
	x.long()
	return x.out
}

// estimator walks the plan's rungs.
type estimator struct {
	p        *Plan
	s        *Snapshot
	c        *Composer
	scrape   T
	out      *Estimates
	set      map[Seat]Share
	shows    map[string]T     // by route
	touched  map[ObjectID]int // writes of each object since the last checkpoint, in the rung that had most
	rounding *rounding
	fast     int // writes of going back since the last checkpoint that show at once
	late     int // and later
	slowest  T
	ends     []T // when each step ends, if nothing holds
}

func (x *estimator) note(step int, bad bool, format string, args ...any) {
	x.out.Notes = append(x.out.Notes, Note{step, bad, fmt.Sprintf(format, args...)})
}

func (x *estimator) step(i int) {
	st := &x.p.Steps[i]
	var begin T
	for _, a := range st.After {
		begin = max(begin, x.ends[a])
	}
	x.ends[i] = begin
	for k := range st.Rungs {
		r := &st.Rungs[k]
		for seat, ttl := range r.TTL {
			x.shows[seat.Route] = ttl
		}
		if r.Skip {
			continue
		}
		x.ends[i] += r.Takes()
		if r.Want != nil {
			x.rung(i, k, r)
		}
	}
	if st.Kind == runbooks.StepCheckpoint {
		x.touched, x.fast, x.late, x.slowest = map[ObjectID]int{}, 0, 0, 0
	}
}

// rung is what one rung of a shift means.
func (x *estimator) rung(i, k int, r *RungPlan) {
	for seat, sh := range r.Want {
		x.set[seat] = sh
	}
	x.touch(r)
	all := x.c.Compose(x.set, x.s.Rates)
	now, peak := x.c.Loads(x.set, x.s.Rates, false), x.c.Loads(x.set, x.s.Rates, true)
	e := RungEstimate{Step: i, Rung: k, Share: all.All, Crossing: all.Crossing, LoadNow: now.Room, LineNow: now.Line, Ready: r.Ready, Bake: r.Bake}
	if len(x.p.Peak) > 0 {
		e.LoadPeak, e.LinePeak = peak.Room, peak.Line
	}
	e.BackFast = writeTime(x.fast, false)
	e.BackAll = max(e.BackFast, writeTime(x.late, true)+x.slowest)
	if x.fast == 0 { // all of it was moved by a slow medium
		e.BackFast = e.BackAll
	}
	x.out.Rungs = append(x.out.Rungs, e)
	x.looks(i, k, r, &all, &e)
}

// touch counts what going back would have to write: each object once, or by as many writes as it took in one rung (Stepper).
func (x *estimator) touch(r *RungPlan) {
	writes := map[ObjectID]int{}
	for j := range r.Changes {
		c := &r.Changes[j]
		writes[c.ID()]++
		more := writes[c.ID()] - x.touched[c.ID()]
		if more <= 0 {
			continue
		}
		x.touched[c.ID()] += more
		if shows := x.shows[c.Seat.Route]; slow(shows) {
			x.late += more
			x.slowest = max(x.slowest, shows)
		} else {
			x.fast += more
		}
	}
}

// looks notes what a person should see before the rung.
func (x *estimator) looks(i, k int, r *RungPlan, all *Composed, e *RungEstimate) {
	name := fmt.Sprintf("step %d %q, rung %d", x.p.Steps[i].Number, x.p.Steps[i].Name, k+1)
	head := float64(x.p.Rules.Headroom) / Whole
	for _, room := range x.c.rooms {
		if load, ok := e.LoadNow[room]; ok && load > head+1e-9 && all.All[room] > 0 {
			x.note(i, room == x.p.To && !x.p.Evacuate, "%s: %s would be at %s of its capacity now, %s is allowed", name, room, loadText(load), percent(x.p.Rules.Headroom))
		}
		switch load, ok := e.LoadPeak[room]; {
		case !ok:
		case load > 1+1e-9:
			x.note(i, room == x.p.To && !x.p.Evacuate, "%s: at peak %s would be at %s of its capacity", name, room, loadText(load))
		case load > head+1e-9:
			x.note(i, false, "%s: at peak %s would be at %s of its capacity, over the headroom of %s", name, room, loadText(load), percent(x.p.Rules.Headroom))
		}
	}
	for _, l := range x.p.Links {
		if use := e.LinePeak[l.Name]; use > head {
			x.note(i, false, "%s: at peak %s would be at %s; don't rest here", name, l.Name, loadText(use))
		}
		if use := e.LineNow[l.Name]; use > 1 {
			x.note(i, true, "%s: %s would be at %s now", name, l.Name, loadText(use))
		}
	}
	for _, text := range x.rounding.off(r, x.p.To) {
		x.note(i, false, "%s: %s", name, text)
	}
	x.settles(i, name, r)
	x.events(i, name, all)
}

func loadText(load float64) string { return fmt.Sprintf("%.0f %%", load*100) }

// settles notes a settle that is over before the medium can show anything.
func (x *estimator) settles(i int, name string, r *RungPlan) {
	for _, seat := range sortedSeats(r.Want) {
		if shows := x.shows[seat.Route]; r.Settle.Within < shows {
			x.note(i, true, "%s: settle within %s can't be reached: %s shows what is written after up to %s; write at least that, or shorten its TTL first",
				name, r.Settle.Within.Duration(), seat.Route, shows.Duration())
			return
		}
	}
}

// widest is how far a thin gate's window widens.
const widest = 5 * Minute

// events notes an error gate that can't have enough events in its widest window at this share. Only requests can be worked out:
// other ratios have denominators of their own.
func (x *estimator) events(i int, name string, all *Composed) {
	if all.Alone || all.All[x.p.To] == 0 || x.p.Evacuate {
		return
	}
	rate := 0.0
	for j := range x.c.entries {
		if x.c.entries[j].rated && x.c.entries[j].known {
			rate += x.entryRate(j)
		}
	}
	within := rate * widest.Duration().Seconds()
	for g := range x.p.Gates {
		gate := &x.p.Gates[g]
		if !gate.Errors || gate.MinEvents == 0 || within == 0 {
			continue
		}
		if have := within * float64(all.All[x.p.To]) / Whole; have < float64(gate.MinEvents) {
			x.note(i, true, "%s: %s would see %.0f requests in %s in 5 m at %.3g/s, it needs %d; %s", name, gate.Name, have, x.p.To, rate, gate.MinEvents, smallestShare(float64(gate.MinEvents)/within))
		}
	}
}

func (x *estimator) entryRate(j int) float64 {
	sum := 0.0
	for _, seat := range x.c.routes[x.c.entries[j].route].seats {
		sum += x.s.Rates[seat]
	}
	return sum
}

func smallestShare(part float64) string {
	if part > 1 {
		return "no share is enough: lower minEvents, or wait for more traffic"
	}
	return fmt.Sprintf("the smallest share that is enough is %s", percent(int(part*Whole)+1))
}

// finishBy notes stretches between checkpoints that don't fit into a night.
func (x *estimator) finishBy() {
	wall := x.s.Wall
	if loc, err := time.LoadLocation(x.p.Timezone); err == nil {
		wall = wall.In(loc)
	}
	var begin T
	first := true
	for i := range x.p.Steps {
		if st := &x.p.Steps[i]; st.Kind != runbooks.StepCheckpoint && i != len(x.p.Steps)-1 {
			continue
		}
		start, known := x.opening(wall, i, first)
		takes := x.ends[i] - begin
		begin, first = x.ends[i], false
		if end, ok := x.p.Rules.FinishAt(start); ok && known && start.Add(takes.Duration()).After(end) {
			x.note(i, true, "step %d %q can't be reached by %s: begun %s it takes %s; put a checkpoint before it, or shorten bakes",
				x.p.Steps[i].Number, x.p.Steps[i].Name, x.p.Rules.FinishBy, start.Format("Mon 15:04"), takes.Duration().Round(time.Second))
		}
	}
}

// opening is when the stretch that ends at step i begins: now if it is the first and a window is open or none is asked for,
// else when the next one opens; false if that isn't known.
func (x *estimator) opening(wall time.Time, i int, first bool) (time.Time, bool) {
	open, _, next := x.p.Rules.Window(wall)
	switch {
	case x.anyWindow(i):
		return wall, first
	case open && first || open && next.IsZero():
		return wall, true
	case open: // a later night
		_, _, next = x.p.Rules.Window(next)
	}
	return next, !next.IsZero()
}

// anyWindow tells whether every step of the stretch that ends at step i may begin outside the windows.
func (x *estimator) anyWindow(i int) bool {
	for k := i - 1; k >= 0 && x.p.Steps[k].Kind != runbooks.StepCheckpoint; k-- {
		if !x.p.Steps[k].AnyWindow {
			return false
		}
	}
	return true
}

// stayers notes what fails in the room that gains when the line is cut.
func (x *estimator) stayers() {
	for i := range x.p.Routes {
		if r := &x.p.Routes[i]; r.Stays != "" && r.Stays != x.p.To && r.Calls > 0 {
			x.note(-1, false, "%s has no instances in %s: if the line is cut, %g calls of each request there fail", r.Name, x.p.To, r.Calls)
		}
	}
}

// long notes which of the routes that the plan moves settle when they are set, though they are observed.
func (x *estimator) long() {
	for i := range x.p.Routes {
		r := &x.p.Routes[i]
		if !r.Long {
			continue
		}
		for _, seat := range r.Seats {
			if x.moves(seat) {
				x.note(-1, false, "%s settles when set: connections are long, and those that are open stay where they are", r.Name)
				break
			}
		}
	}
}

func (x *estimator) moves(seat Seat) bool {
	for i := range x.p.Steps {
		for k := range x.p.Steps[i].Rungs {
			if _, ok := x.p.Steps[i].Rungs[k].Want[seat]; ok {
				return true
			}
		}
	}
	return false
}

// onlys says which things stop by themselves when their writer moves, with nobody to start them, and which ran nowhere before.
func (x *estimator) onlys() {
	for i := range x.p.Steps {
		if w := x.p.Steps[i].Writer; w != nil {
			for _, name := range w.Without {
				x.note(i, false, "%s follows the writer and isn't in `with`: it stops by itself when the record names %s, and runs nowhere until somebody sets its key", name, w.To)
			}
		}
	}
	for i := range x.p.Onlys {
		if o := &x.p.Onlys[i]; o.Room == OnlyNone {
			x.note(-1, false, "%s runs nowhere now: the step that moves its writer starts it there, and going back to the start stops it again", o.Name)
		}
	}
}
