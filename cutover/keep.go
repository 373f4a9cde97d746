package cutover

import "fmt"

// keepEvery is how often membership is listed while a run keeps it.
const keepEvery = 10 * Second

// keep gives objects that were created since the last listing their weight, so that a machine that joins doesn't move the share.
// What is kept is membership: an object that existed and was changed by others is foreign.
func (e *engine) keep() {
	if !e.ready || e.ended || e.err != nil || !e.keeps() {
		return
	}
	for i := range e.planes {
		pl := &e.planes[i]
		if pl.Aspect != Split || !e.hasMembers(i) {
			continue
		}
		next, ok := e.kept[i]
		if !ok {
			next = e.now + keepEvery
			e.kept[i] = next
		}
		if e.now < next {
			e.at(next)
			continue
		}
		e.kept[i] = Never
		e.list(i, pl.Seats, false, func(held []Held, err error) {
			e.kept[i] = e.now + keepEvery
			if err != nil {
				e.note(fmt.Sprintf("%s can't be listed: %v", pl.Name, err))
				return
			}
			if !e.keeps() {
				return
			}
			e.merge(i, pl.Seats, held)
			e.keepNew(i)
		})
	}
}

// keeps: on the way forward, when no rung of it is being written, and at a guarded rest.
func (e *engine) keeps() bool {
	switch e.p.Phase {
	case PhaseForward:
		for i := range e.p.Steps {
			if e.p.Steps[i].State == StepApplying {
				return false
			}
		}
		return e.p.Changed
	case PhaseResting:
		i := e.restingAt()
		return i >= 0 && e.plan.Steps[i].Guard && e.p.Exit == ExitResting
	}
	return false
}

// hasMembers: the plane's seats are made of objects that come and go.
func (e *engine) hasMembers(plane int) bool {
	for _, seat := range e.planes[plane].Seats {
		if st := e.seats[seat]; st != nil && len(st.held) > 0 && st.held[0].Room != "" && e.planes[plane].Shows < Second {
			return true
		}
	}
	return false
}

func (e *engine) keepNew(plane int) {
	for _, seat := range e.planes[plane].Seats {
		st := e.seats[seat]
		if st == nil || !e.seatTouched(seat) {
			continue
		}
		often := e.mostFrequentNow(st)
		var cs []Change
		for _, h := range st.held {
			want, ok := often[h.Room]
			if e.p.Objects[h.ID()] != nil || !ok || want == h.Value {
				continue
			}
			gives, err := e.planes[plane].Medium.Weigh(h, want)
			if err != nil {
				continue
			}
			cs = append(cs, Change{Seat: seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: want, Version: h.Version, Gives: gives})
		}
		for _, pack := range Pack(e.planes[plane].Plane, cs) {
			e.write(plane, Intent{Purpose: Keep, Step: -1, Changes: pack}, nil)
		}
	}
}

func (e *engine) seatTouched(seat Seat) bool {
	for _, o := range e.p.Objects {
		if o.Seat == seat && o.Touched {
			return true
		}
	}
	return false
}

// mostFrequentNow is each room's most frequent wanted value among the objects of a seat that the journal knows.
func (e *engine) mostFrequentNow(st *seatState) map[Room]string {
	counts := map[Room]map[string]int{}
	for _, h := range st.held {
		o := e.p.Objects[h.ID()]
		if o == nil || o.Foreign != nil {
			continue
		}
		if counts[h.Room] == nil {
			counts[h.Room] = map[string]int{}
		}
		counts[h.Room][o.Want]++
	}
	out := map[Room]string{}
	for room, vs := range counts {
		for _, v := range sortedKeys(vs) {
			if out[room] == "" || vs[v] > vs[out[room]] {
				out[room] = v
			}
		}
	}
	return out
}
