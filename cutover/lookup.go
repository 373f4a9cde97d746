package cutover

import (
	"errors"
	"slices"
)

var errNoAnswer = errors.New("no answer in time")

// lookUp reads the objects whose writes are unknown, once each is due; a plane is read by one request at a time.
func (e *engine) lookUp() {
	if len(e.looks) == 0 {
		return
	}
	due := map[int][]ObjectID{}
	for id, t := range e.looks {
		if !e.hasUnknown(id) {
			delete(e.looks, id)
			continue
		}
		if t > e.now {
			e.at(t)
			continue
		}
		if i := e.planeIndex(id.Plane); i >= 0 && !e.looking[i] {
			due[i] = append(due[i], id)
		}
	}
	for i := range e.planes {
		if ids := due[i]; len(ids) > 0 {
			slices.SortFunc(ids, CompareObjects)
			e.look(i, ids)
		}
	}
}

func (e *engine) look(plane int, ids []ObjectID) {
	e.looking[plane] = true
	e.list(plane, e.seatsOf(ids), true, func(held []Held, err error) {
		e.looking[plane] = false
		e.changed()
		if err != nil {
			for _, id := range ids {
				e.looks[id] = e.now + Second
			}
			return
		}
		found := map[string]Held{}
		for _, h := range held {
			found[h.Object] = h
		}
		for _, id := range ids {
			h, ok := found[id.Object]
			e.resolve(id, h, ok)
		}
	})
}

func (e *engine) seatsOf(ids []ObjectID) []Seat {
	var seats []Seat
	for _, id := range ids {
		if o := e.p.Objects[id]; o != nil {
			seats = append(seats, o.Seat)
		}
	}
	slices.SortFunc(seats, CompareSeats)
	return slices.Compact(seats)
}

func (e *engine) hasUnknown(id ObjectID) bool {
	if o := e.p.Objects[id]; o != nil {
		for _, in := range o.Open {
			if in.Unknown {
				return true
			}
		}
	}
	return false
}

func (e *engine) planeIndex(name string) int {
	for i := range e.planes {
		if e.planes[i].Name == name {
			return i
		}
	}
	return -1
}

// resolve settles an object's unknown writes by what it holds: To: done · From: failed once nothing can land any more ·
// another value of ours: a later write of ours came over it, the same · else foreign.
func (e *engine) resolve(id ObjectID, h Held, there bool) {
	o := e.p.Objects[id]
	if o == nil {
		return
	}
	open := append([]OpenIntent(nil), o.Open...)
	for k := len(open) - 1; k >= 0; k-- {
		in := open[k]
		if !in.Unknown {
			continue
		}
		lands := e.lands[in.Request]
		switch {
		case !there:
			e.settle(in.Request, id, Outcome{What: Foreign, Gone: true})
		case h.Value == in.To && k == len(open)-1:
			e.settle(in.Request, id, Outcome{What: Done, Version: h.Version})
		case h.Value == in.From || ours(o, h.Value):
			if e.now < lands {
				e.looks[id] = lands
				e.beside(id, h)
				continue
			}
			e.settle(in.Request, id, Outcome{What: Failed, Version: h.Version})
			e.foundOurs(id, h)
		default:
			e.settle(in.Request, id, Outcome{What: Foreign, Found: h.Value, Version: h.Version})
		}
	}
	if !e.hasUnknown(id) {
		delete(e.looks, id)
	}
}

// foundOurs takes what was found into the listing. A value of ours that nobody expected there is a stray.
func (e *engine) foundOurs(id ObjectID, h Held) {
	o := e.p.Objects[id]
	if len(o.Open) > 0 {
		return
	}
	if h.Value != o.Last {
		e.stray(o, h.Value, h.Version)
		return
	}
	e.foundValue(id.Plane, id.Object, h.Value, h.Version)
}

// beside notes what an object holds while a write of ours may still land on it: going back doesn't wait for that.
func (e *engine) beside(id ObjectID, h Held) {
	e.foundValue(id.Plane, id.Object, h.Value, h.Version)
}

// settle journals what was found out about one change, and tells the request's owner.
func (e *engine) settle(request int, id ObjectID, o Outcome) {
	switch o.What {
	case Done:
		e.propose(Record{Kind: KindDone, Done: &DoneMark{Request: request, Objects: []string{id.Object},
			Versions: []string{o.Version}, Why: "found"}}, false)
	case Failed:
		e.propose(Record{Kind: KindFailed, Failed: &FailedMark{Request: request, Objects: []string{id.Object}, Why: "found"}}, false)
	case Foreign:
		e.propose(Record{Kind: KindForeign, Foreign: &ForeignMark{Request: request, Plane: id.Plane, Object: id.Object,
			Found: o.Found, Version: o.Version, Gone: o.Gone}}, false)
	}
	r := e.requests[request]
	if o.What == Done && e.p.Objects[id] != nil {
		e.foundValue(id.Plane, id.Object, e.p.Objects[id].Last, o.Version)
	}
	if r == nil {
		return
	}
	open := false
	for i, c := range r.intent.Changes {
		if c.ID() == id && r.settled != nil {
			r.settled(i, o)
		}
		open = open || e.isOpen(c.ID(), request)
	}
	if !open {
		delete(e.requests, request)
		delete(e.lands, request)
	}
}

// merge takes a listing of seats in: it becomes what the seats hold, and what differs from the journal is said, as our own
// late write or as somebody else's.
func (e *engine) merge(plane int, seats []Seat, held []Held) {
	pl := &e.planes[plane]
	for i := range held {
		e.contradicted(pl, &held[i])
	}
	if pl.Aspect != Split {
		return
	}
	e.backing.idle.is = false
	held = slices.Clone(held)
	sortHeld(held)
	for _, seat := range seats {
		from, _ := slices.BinarySearchFunc(held, seat, func(h Held, s Seat) int { return CompareSeats(h.Seat, s) })
		to := from
		for to < len(held) && held[to].Seat == seat {
			to++
		}
		st := e.seats[seat]
		if st == nil {
			st = &seatState{seat: seat, plane: plane}
			e.seats[seat] = st
		}
		st.known, st.goals = e.p.Seq, nil
		if st.sums != nil && slices.EqualFunc(st.held, held[from:to], isSame) {
			continue
		}
		st.held = held[from:to:to]
		st.listed()
		e.setShare(seat)
	}
}

// contradicted journals an object that doesn't hold what the journal says.
func (e *engine) contradicted(pl *planeState, h *Held) {
	o := e.p.Objects[ObjectID{pl.Name, h.Object}]
	if o == nil || len(o.Open) > 0 || (h.Value == o.Last && !isForeign(o)) {
		return
	}
	if h.Value == o.Last { // whoever wrote over it has taken that back
		e.propose(Record{Kind: KindStray, Stray: &StrayMark{Plane: pl.Name, Object: h.Object, Found: h.Value, Version: h.Version}}, false)
		return
	}
	if (o.Foreign != nil && o.Foreign.Found == h.Value && !o.Foreign.Gone) || e.isReborn(o, h) {
		return
	}
	if o.Touched && ours(o, h.Value) {
		e.strayed = e.strayed || e.undone(o, h.Value)
		e.bornAway(o, h)
		e.propose(Record{Kind: KindStray, Stray: &StrayMark{Plane: pl.Name, Object: h.Object, Found: h.Value, Version: h.Version}}, false)
		return
	}
	e.propose(Record{Kind: KindForeign, Foreign: &ForeignMark{Plane: pl.Name, Object: h.Object, Found: h.Value, Version: h.Version}}, false)
}

func isForeign(o *Object) bool { return o.Foreign != nil && !o.Foreign.Gone }

// isKnown tells that a listing, in the order of its seats, says what the last one said, and that nothing was journaled since.
func (e *engine) isKnown(plane int, seats []Seat, held []Held) bool {
	pl := &e.planes[plane]
	if len(held) > 0 && pl.known == &held[0] && pl.knownAt == e.p.Seq && pl.knownOf == len(seats) { // the very same listing
		return true
	}
	of := held
	for _, seat := range seats {
		st := e.seats[seat]
		if st == nil || st.plane != plane || st.known != e.p.Seq || len(held) < len(st.held) {
			return false
		}
		if !slices.EqualFunc(st.held, held[:len(st.held)], isSame) {
			return false
		}
		held = held[len(st.held):]
	}
	if len(held) > 0 || len(of) == 0 {
		return false
	}
	pl.known, pl.knownAt, pl.knownOf = &of[0], e.p.Seq, len(seats)
	return true
}

// isSame tells whether an object is listed as before. What it gives follows from the rest.
func isSame(a, b Held) bool {
	return a.Object == b.Object && a.Seat == b.Seat && a.Value == b.Value && a.Version == b.Version && a.Live == b.Live && a.Born == b.Born && a.Room == b.Room
}
