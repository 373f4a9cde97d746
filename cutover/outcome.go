package cutover

import "slices"

// outcomes journals what a request came to. An answer that comes after the request was counted as unknown settles what is
// still open of it; what was looked up meanwhile stays as it was found.
func (e *engine) outcomes(r *request, outs []Outcome) {
	n := r.intent.Request
	var done DoneMark
	var failed FailedMark
	var unknown UnknownMark
	done.Request, failed.Request, unknown.Request = n, n, n
	done.Why, failed.Why = "answered", "answered"
	open := make([]bool, len(r.intent.Changes)) // what was looked up meanwhile was heard of then
	late := e.isLate(r)
	for i, c := range r.intent.Changes {
		if open[i] = i < len(outs) && e.isOpen(c.ID(), n); !open[i] {
			continue
		}
		o := outs[i]
		switch o.What {
		case Done:
			done.Objects, done.Versions = append(done.Objects, c.Object), append(done.Versions, o.Version)
		case Failed:
			failed.Objects = append(failed.Objects, c.Object)
			if o.Err != nil {
				failed.Error = o.Err.Error()
			}
			pl := &e.planes[r.plane]
			pl.throttled = max(pl.throttled, e.now+o.RetryAfter)
		case Unknown:
			if !e.isUnknown(c.ID(), n) {
				unknown.Objects = append(unknown.Objects, c.Object)
				if o.Err != nil {
					unknown.Error = o.Err.Error()
				}
			}
		}
	}
	e.proposeOutcomes(r, done, failed, unknown)
	for i, c := range r.intent.Changes {
		if open[i] && outs[i].What == Foreign {
			e.foreignFound(n, c.Plane, c.Object, outs[i])
			if o := e.p.Objects[c.ID()]; o.Foreign == nil {
				outs[i].What = Failed
			}
		}
	}
	if !late {
		e.sendAgain(r, outs, open)
	}
	e.hear(r, outs, open)
}

// isLate tells whether a request was counted as unknown before this answer.
func (e *engine) isLate(r *request) bool {
	return slices.ContainsFunc(r.intent.Changes, func(c Change) bool { return e.p.Objects[c.ID()] != nil && e.isUnknown(c.ID(), r.intent.Request) })
}

// sendAgain sends the rest of a batch again that failed for a foreign object in it, without that one: it alone holds anything up. Who
// asked for the request hears of the rest when that has its outcome.
func (e *engine) sendAgain(r *request, outs []Outcome, open []bool) {
	foreign := false
	var rest []Change
	var at []int
	for i, c := range r.intent.Changes {
		switch {
		case !open[i]:
		case outs[i].What == Foreign:
			foreign = true
		case outs[i].What == Failed && outs[i].RetryAfter == 0:
			rest, at = append(rest, c), append(at, i)
		}
	}
	if !foreign || len(rest) == 0 || !mayWrite(r.intent.Purpose, e.p.Phase) {
		return
	}
	for _, i := range at {
		open[i] = false
	}
	in := r.intent
	in.Changes, in.Last = rest, false
	e.write(r.plane, in, func(k int, o Outcome) {
		if r.settled != nil {
			r.settled(at[k], o)
		}
	})
}

func (e *engine) proposeOutcomes(r *request, done DoneMark, failed FailedMark, unknown UnknownMark) {
	if len(done.Objects) > 0 {
		e.propose(Record{Kind: KindDone, Done: &done}, false)
		e.landed(r, done)
	}
	if len(failed.Objects) > 0 {
		e.propose(Record{Kind: KindFailed, Failed: &failed}, false)
	}
	if len(unknown.Objects) > 0 {
		pl := &e.planes[r.plane]
		unknown.For = pl.Lateness
		e.propose(Record{Kind: KindUnknown, Unknown: &unknown}, false)
		e.lands[r.intent.Request] = e.now + pl.Lateness
		for _, o := range unknown.Objects {
			e.looks[ObjectID{pl.Name, o}] = e.now
		}
	}
}

// hear tells the request's owner, and forgets the request when nothing of it is open.
func (e *engine) hear(r *request, outs []Outcome, fresh []bool) {
	open := false
	for i, c := range r.intent.Changes {
		if fresh[i] && r.settled != nil {
			r.settled(i, outs[i])
		}
		open = open || e.isOpen(c.ID(), r.intent.Request)
	}
	if !open {
		delete(e.requests, r.intent.Request)
		delete(e.lands, r.intent.Request)
	}
}

func (e *engine) isOpen(id ObjectID, request int) bool {
	o := e.p.Objects[id]
	if o == nil {
		return false
	}
	for _, in := range o.Open {
		if in.Request == request {
			return true
		}
	}
	return false
}

func (e *engine) isUnknown(id ObjectID, request int) bool {
	for _, in := range e.p.Objects[id].Open {
		if in.Request == request && in.Unknown {
			return true
		}
	}
	return false
}

// landed takes done changes into the seats' listings.
func (e *engine) landed(r *request, d DoneMark) {
	seats := map[Seat]bool{}
	k := 0
	for _, c := range r.intent.Changes {
		if k < len(d.Objects) && d.Objects[k] == c.Object {
			e.holds(r.plane, c.Seat, c.Object, c.After, d.Versions[k], c.Gives)
			seats[c.Seat] = true
			k++
		}
	}
	for seat := range seats {
		if e.seats[seat] != nil {
			e.setShare(seat)
		}
	}
}

// holds notes what an object of a seat is known to hold; setShare follows.
func (e *engine) holds(plane int, seat Seat, object, value, version string, gives Share) {
	st := e.seats[seat]
	if st == nil || st.plane != plane {
		return
	}
	e.backing.idle.is = false
	h := st.find(object)
	if h == nil {
		return
	}
	h.Version = version
	if h.Value == value {
		return
	}
	if gives == nil {
		if w, err := e.planes[plane].Medium.Weigh(*h, value); err == nil {
			gives = w
		}
	}
	if want, ok := st.goals[object]; ok {
		st.need += b2i(value != want) - b2i(h.Value != want)
	}
	st.add(h, -1)
	h.Value = value
	if gives != nil {
		h.Weights = gives
	}
	st.add(h, 1)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// foreignFound journals an object that somebody else wrote. One of our own values is none of that: our write met a late one of
// ours, so it failed, and what the other open writes came to follows from what was found.
func (e *engine) foreignFound(request int, plane, object string, o Outcome) {
	id := ObjectID{plane, object}
	obj := e.p.Objects[id]
	if obj != nil && !o.Gone && ours(obj, o.Found) {
		e.propose(Record{Kind: KindFailed, Failed: &FailedMark{Request: request, Objects: []string{object}, Why: "found"}}, false)
		h := Held{Plane: plane, Object: object, Value: o.Found, Version: o.Version}
		e.resolve(id, h, true)
		e.foundOurs(id, h)
		return
	}
	e.propose(Record{Kind: KindForeign, Foreign: &ForeignMark{Request: request, Plane: plane, Object: object, Found: o.Found,
		Version: o.Version, Gone: o.Gone, Who: o.Who}}, false)
	e.foundValue(plane, object, o.Found, o.Version)
}

// stray journals one of our own values found where another was wanted.
func (e *engine) stray(obj *Object, found, version string) {
	e.propose(Record{Kind: KindStray, Stray: &StrayMark{Plane: obj.ID.Plane, Object: obj.ID.Object, Found: found, Version: version}}, false)
	e.foundValue(obj.ID.Plane, obj.ID.Object, found, version)
}

func (e *engine) foundValue(plane, object, value, version string) {
	obj := e.p.Objects[ObjectID{plane, object}]
	if obj == nil {
		return
	}
	for i := range e.planes {
		if e.planes[i].Name == plane && e.planes[i].Aspect == Split {
			e.holds(i, obj.Seat, object, value, version, nil)
			if st := e.seats[obj.Seat]; st != nil {
				st.goals = nil
				e.setShare(obj.Seat)
			}
		}
	}
}

func ours(o *Object, value string) bool {
	for _, v := range o.Ours {
		if v == value {
			return true
		}
	}
	return false
}
