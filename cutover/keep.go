package cutover

import "fmt"

// keepEvery is how often membership is listed while a run keeps it.
const keepEvery = 10 * Second

// keep gives objects that were created since the last listing their weight, so that a machine that joins doesn't move the share, and
// sets a share again that strayed because others died. What is kept is membership, of the seats that the run has written: an object
// that existed and was changed by others is foreign.
func (e *engine) keep() {
	e.keepWake = Never
	if !e.ready || e.ended || e.err != nil || !e.keeps() || !e.keptSeats() {
		return
	}
	if e.keepAt == 0 {
		e.keepAt = e.now + keepEvery
	}
	if e.now < e.keepAt {
		e.keepWake = e.keepAt
		return
	}
	e.keepAt = e.now + keepEvery
	e.keepWake = e.keepAt
	for i := range e.planes {
		if pl := &e.planes[i]; len(pl.kept) > 0 && !pl.keeping {
			e.keepPlane(i, pl.kept)
		}
	}
}

// keepPlane lists a plane's seats; one whose listing hangs is not asked again meanwhile.
func (e *engine) keepPlane(i int, seats []Seat) {
	pl := &e.planes[i]
	pl.keeping = true
	if pl.keeper == nil || pl.keeper.busy { // one that hangs is left to itself
		j := &job{e: e, pl: pl}
		j.then = func(held []Held, err error) { e.kept(i, j.seats, held, err) }
		pl.keeper = j
	}
	pl.keeper.seats, pl.keeper.late = seats, false
	pl.keeper.queue()
}

func (e *engine) kept(i int, seats []Seat, held []Held, err error) {
	pl := &e.planes[i]
	pl.keeping = false
	if err != nil {
		e.note(fmt.Sprintf("%s can't be listed: %v", pl.Name, err))
		return
	}
	if !e.keeps() {
		return
	}
	if e.silent = e.isKnown(i, seats, held) && e.isKept(seats); !e.silent {
		e.merge(i, seats, held)
		e.keepSeats(seats)
	}
}

// isKept: nothing was journaled since the seats' new objects were looked for.
func (e *engine) isKept(seats []Seat) bool {
	for _, seat := range seats {
		if st := e.seats[seat]; st == nil || st.kept != e.p.Seq {
			return false
		}
	}
	return true
}

// keptSeats finds, for each plane, the seats that are kept: those that the run has written. They change only when a request is
// made. False: there are none.
func (e *engine) keptSeats() bool {
	if e.keptFor == e.p.Requests {
		return e.keptAny
	}
	e.keptFor, e.keptAny = e.p.Requests, false
	written := map[Seat]bool{}
	for _, o := range e.p.Objects {
		if o.Touched {
			written[o.Seat] = true
		}
	}
	for i := range e.planes {
		pl := &e.planes[i]
		pl.kept = nil
		if pl.Aspect != Split || pl.Shows >= Second {
			continue
		}
		for _, seat := range pl.Seats {
			if written[seat] {
				pl.kept, e.keptAny = append(pl.kept, seat), true
			}
		}
	}
	return e.keptAny
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

func (e *engine) keepSeats(seats []Seat) {
	for _, seat := range seats {
		st := e.seats[seat]
		if st == nil || st.again != nil {
			continue
		}
		settled := e.keepSeat(st)
		if st.kept = 0; settled {
			st.kept = e.p.Seq
		}
	}
	e.askKept(seats)
}

// joined is what a seat's new objects are to hold: their room's most frequent weight; one that was made anew, its own.
func (e *engine) joined(st *seatState) []Change {
	var cs []Change
	var often map[Room]string
	for i := range st.held {
		h := &st.held[i]
		o := e.p.Objects[h.ID()]
		want, ok := "", false
		switch {
		case e.p.isNew(h.ID()):
			if often == nil {
				often = e.mostFrequentNow(st)
			}
			want, ok = often[h.Room]
		case e.reborn[h.ID()] && !isForeign(o) && !isOpen(o):
			want, ok = o.Want, true
		}
		if !ok || want == h.Value {
			continue
		}
		gives, err := e.planes[st.plane].Medium.Weigh(*h, want)
		if err != nil {
			continue
		}
		cs = append(cs, Change{Seat: st.seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: want, Version: h.Version, Gives: gives})
	}
	return cs
}

// isReborn: an instance was made anew since this process listed it last. What it holds then is nobody's value but its own default.
// Who has just taken over can't tell it from what somebody wrote, and asks.
// One that holds a whole split isn't made anew by a restart: whoever did that wrote it.
func (e *engine) isReborn(o *Object, h *Held) bool {
	st := e.seats[h.Seat]
	if !e.ready || st == nil || h.Room == "" || isForeign(o) {
		return false
	}
	was := st.find(h.Object)
	if was == nil || was.Born == h.Born {
		return e.reborn[h.ID()] && was != nil && was.Value == h.Value
	}
	if e.reborn == nil {
		e.reborn = map[ObjectID]bool{}
	}
	e.reborn[h.ID()] = true
	return true
}

// undone tells whether a value is what going back to some target would give an object: then an undo wrote it. Another value of ours
// may be what an instance came with, when it was made anew.
func (e *engine) undone(o *Object, value string) bool {
	for _, name := range sortedKeys(e.p.Targets) {
		t := e.p.Targets[name]
		want, ok := t.Want[o.ID]
		if !ok {
			want, ok = e.mostFrequent(o.Seat, t)[o.Room]
		}
		if ok && want == value {
			return true
		}
	}
	return false
}

// bornAway: while nobody looked an instance was made anew, which holds what it came with before, when the run first gave it a weight.
func (e *engine) bornAway(o *Object, h *Held) {
	if e.ready || h.Room == "" || e.undone(o, h.Value) {
		return
	}
	if e.reborn == nil {
		e.reborn = map[ObjectID]bool{}
	}
	e.reborn[o.ID] = true
}

// mostFrequentNow is each room's most frequent wanted value among the objects of a seat that the journal knows.
func (e *engine) mostFrequentNow(st *seatState) map[Room]string {
	counts := map[Room]map[string]int{}
	for _, h := range st.held {
		o := e.p.Objects[h.ID()]
		if o == nil || o.Foreign != nil || e.p.isNew(o.ID) {
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

// noteKept remembers what membership was kept last, for people.
func (e *engine) noteKept(st *seatState, cs []Change) {
	joined := 0
	for _, c := range cs {
		if e.p.isNew(c.ID()) || e.reborn[c.ID()] {
			joined++
		}
	}
	what := "its share set again over the instances that live"
	if joined == len(cs) {
		what = fmt.Sprintf("%d instances joined, weights set", joined)
	}
	e.keptLast = fmt.Sprintf("%s %s: %s", e.wall().Format(wallFormat), st.seat, what)
}
