package cutover

import "slices"

// applyDone: the objects hold After. What is no longer open is a late answer and changes nothing. An answer of a request older
// than the one whose done is known already closes its intent and says nothing of what is held now.
func (p *Progress) applyDone(r *Record) error {
	d := r.Done
	if len(d.Versions) != len(d.Objects) {
		return refuse(r, "request %d names %d objects and %d versions; want one each", d.Request, len(d.Objects), len(d.Versions))
	}
	q := p.OpenRequest(d.Request)
	if q == nil {
		return nil
	}
	for k, object := range d.Objects {
		i := q.find(object)
		if i < 0 {
			continue
		}
		o, c := q.objects[i], &q.Changes[i]
		p.close(q, i)
		p.fold.landed = true
		if d.Request < o.lastRequest && d.Why != "found" {
			continue
		}
		if !undoes(q.Purpose) {
			p.keepForRung(q, o)
			o.Want = c.After
		}
		o.Last, o.Version, o.lastRequest, o.Foreign = c.After, d.Versions[k], d.Request, nil
		if c.Gives != nil {
			o.Gives = c.Gives
		}
	}
	p.settled(q)
	return nil
}

// keepForRung remembers what an object was wanted to hold before the rung begun last changed it.
func (p *Progress) keepForRung(q *OpenRequest, o *Object) {
	g := p.fold.rung
	if g == nil || q.Purpose != Forward || q.Step != g.step || q.Rung != g.rung {
		return
	}
	if g.want == nil {
		g.want = make(map[ObjectID]string, len(q.Changes))
	}
	if _, ok := g.want[o.ID]; !ok {
		g.want[o.ID] = o.Want
	}
}

// clearOutcomes closes the intents of objects that a request didn't change and won't.
func (p *Progress) clearOutcomes(request int, objects []string) {
	q := p.OpenRequest(request)
	if q == nil {
		return
	}
	for _, object := range objects {
		if i := q.find(object); i >= 0 {
			p.close(q, i)
		}
	}
	p.settled(q)
}

func (p *Progress) applyUnknown(r *Record) {
	q := p.OpenRequest(r.Unknown.Request)
	if q == nil {
		return
	}
	for _, object := range r.Unknown.Objects {
		i := q.find(object)
		if i < 0 {
			continue
		}
		for k := range q.objects[i].Open {
			if in := &q.objects[i].Open[k]; in.Request == q.Number {
				in.Unknown = true
			}
		}
		q.Unknown, q.For, q.UnknownAt = true, r.Unknown.For, r.At
	}
}

// applyForeign: what is found answers the request that met it; found by looking (no request), it answers every open one.
func (p *Progress) applyForeign(r *Record) {
	f := r.Foreign
	id := ObjectID{f.Plane, f.Object}
	o := p.Objects[id]
	if f.Request != 0 {
		q := p.OpenRequest(f.Request)
		if q == nil || o == nil || q.find(f.Object) < 0 {
			return // a late answer
		}
		p.mayHaveLanded(o)
		p.clearOutcomes(f.Request, []string{f.Object})
		o.Foreign, p.fold.foreign = f, true
		return
	}
	if o == nil {
		o = p.made(id, Seat{}, f.Found, f.Version)
	}
	p.mayHaveLanded(o)
	for len(o.Open) > 0 {
		p.clearOutcomes(o.Open[0].Request, []string{f.Object})
	}
	o.Foreign, p.fold.foreign = f, true
}

// mayHaveLanded: somebody else's value is found where a write of ours had no answer. Ours may have stood there before theirs.
func (p *Progress) mayHaveLanded(o *Object) {
	p.fold.landed = p.fold.landed || slices.ContainsFunc(o.Open, func(in OpenIntent) bool { return in.Unknown })
}

func (p *Progress) applyStray(r *Record) error {
	s := r.Stray
	o := p.Objects[ObjectID{s.Plane, s.Object}]
	switch {
	case o == nil:
		return refuse(r, "%s/%s is no object of this run", s.Plane, s.Object)
	case o.Foreign != nil && s.Found == o.Last: // what somebody else wrote is gone again: nothing of ours has landed
		o.Version, o.Foreign = s.Version, nil
		return nil
	case !slices.Contains(o.Ours, s.Found):
		return refuse(r, "%s holds %q, which no request of this run ever wrote or replaced: that is foreign, not stray", o.ID, s.Found)
	}
	o.Last, o.Version, o.Foreign = s.Found, s.Version, nil
	o.Gives = nil // the journal doesn't say what this value weighs
	p.fold.landed, p.Changed = true, true
	return nil
}

// applyAdopted takes a foreign value as wanted. Adopted while the run rests it belongs to the checkpoint it rests at; every
// other target leaves the object alone from now on.
func (p *Progress) applyAdopted(r *Record) error {
	a := r.Adopted
	id := ObjectID{a.Plane, a.Object}
	o := p.Objects[id]
	if o == nil {
		o = p.made(id, Seat{}, a.Value, a.Version)
	}
	if len(o.Open) > 0 {
		return refuse(r, "%s has an open request %d: its outcome comes first", id, o.Open[0].Request)
	}
	if o.Last != a.Value {
		o.Gives = nil
	}
	o.Last, o.Want, o.Version, o.Foreign, o.Adopted = a.Value, a.Value, a.Version, nil, true
	delete(p.Wanted, o.Seat)
	for name, t := range p.Targets {
		if p.Phase == PhaseResting && name == p.LastTarget {
			t.Want[id] = a.Value
			delete(t.Left, id)
			continue
		}
		if t.Left == nil {
			t.Left = map[ObjectID]bool{}
		}
		t.Left[id] = true
	}
	return nil
}

// close ends one change's being open.
func (p *Progress) close(q *OpenRequest, i int) {
	o := q.objects[i]
	o.Open = slices.DeleteFunc(o.Open, func(in OpenIntent) bool { return in.Request == q.Number })
	q.objects[i] = nil
	q.left--
}

// settled forgets a request of which nothing is open.
func (p *Progress) settled(q *OpenRequest) {
	if q.left == 0 {
		p.fold.open = slices.DeleteFunc(p.fold.open, func(o *OpenRequest) bool { return o == q })
	}
	p.Changed = p.fold.landed || len(p.fold.open) > 0
}
