package cutover

import "cmp"

// LoadView is what a room or a line carries, as a part of what it can: now and at the declared peak, 0 where that isn't known; and
// the same after the next rung.
type LoadView struct {
	Name     string  `json:"name"`
	Now      float64 `json:"now"`
	Peak     float64 `json:"peak,omitempty"`
	Then     float64 `json:"then,omitempty"`
	ThenPeak float64 `json:"thenPeak,omitempty"`
}

// ThenView is the next rung that is to be written, and the composed share in the room that gains and the crossing after it, in basis
// points.
type ThenView struct {
	Step     int    `json:"step"`
	Rung     int    `json:"rung"`
	Want     string `json:"want"`
	Share    int    `json:"share"`
	Crossing int    `json:"crossing"`
}

// loadViews fills in what rooms and lines carry by what is set, and what the next rung makes of that.
func (e *engine) loadViews(v *View) {
	if !e.ready {
		return
	}
	rates, after := e.liveRates(), e.set
	if i, k := e.rungToCome(); i >= 0 {
		after = overlay(e.set, e.plan.Steps[i].Rungs[k].Want)
		all := e.comp.Compose(after, rates)
		v.Then = &ThenView{Step: i, Rung: k, Want: e.plan.Steps[i].wants(k, e.plan.To), Share: all.All[e.plan.To], Crossing: all.Crossing}
	}
	now, then := e.comp.Loads(e.set, rates, false), e.comp.Loads(after, rates, false)
	var peak, thenPeak Loads
	if len(e.plan.Peak) > 0 {
		peak, thenPeak = e.comp.Loads(e.set, rates, true), e.comp.Loads(after, rates, true)
	}
	add := func(name string, now, peak, then, thenPeak float64) {
		if v.Then == nil {
			then, thenPeak = 0, 0
		}
		if max(now, peak, then, thenPeak) > 0 {
			v.Loads = append(v.Loads, LoadView{name, now, peak, then, thenPeak})
		}
	}
	for _, r := range e.plan.Rooms {
		add(r.Name, now.Room[r.Name], peak.Room[r.Name], then.Room[r.Name], thenPeak.Room[r.Name])
	}
	for _, l := range e.plan.Links {
		add(l.Name, now.Line[l.Name], peak.Line[l.Name], then.Line[l.Name], thenPeak.Line[l.Name])
	}
}

// rungToCome is the step and rung that is written next, -1 if none is: what people are asked about first.
func (e *engine) rungToCome() (step, rung int) {
	if e.p.Phase != PhaseForward {
		return -1, 0
	}
	for i := range e.plan.Steps {
		sp, rungs := &e.p.Steps[i], e.plan.Steps[i].Rungs
		k := sp.Rung
		switch sp.State {
		case StepDone, StepSkipped:
			continue
		case StepSettling, StepBaking:
			k++
		}
		for ; k < len(rungs); k++ {
			if rungs[k].Want != nil && !rungs[k].Skip {
				return i, k
			}
		}
	}
	return -1, 0
}

// backIn is how long going back takes by a rule of thumb, paced in so many rungs: what fast media hold, and all of it, for 95 % of
// users. changes are the writes by seat; both are 0 when there are none.
func (e *engine) backIn(changes map[Seat]int, rungs int) (fast, all T) {
	now, late, slowest := 0, 0, T(0)
	for _, seat := range sortedSeats(changes) {
		if shows := e.planes[e.seats[seat].plane].Shows; slow(shows) {
			late, slowest = late+changes[seat], max(slowest, shows)
		} else {
			now += changes[seat]
		}
	}
	if now+late == 0 {
		return 0, 0
	}
	fast = writeTime(now, false)
	all = max(fast, writeTime(late, true)+slowest)
	if wait := T(max(rungs-1, 0)) * 30 * Second; wait > 0 {
		fast, all = fast+wait, all+wait
	}
	return cmp.Or(fast, all), all
}

// backRungs is in how many paced rungs the room that users go back to takes its share again; 0: in one jump.
func (e *engine) backRungs(share Share) int {
	from := e.plan.From
	if e.warm(from, share[from]) && e.canHold(from, share) {
		return 0
	}
	n, has := 1, e.comp.Compose(e.set, e.liveRates()).All[from]
	for has = max(2*has, slack); has < share[from]; has *= 2 {
		n++
	}
	return n
}
