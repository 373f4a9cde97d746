package cutover

import (
	"maps"
	"slices"
	"sort"
)

// SortedObjects are all objects, sorted by plane and name. The slice is the Progress's own: don't change it, and ask again
// after an Apply.
func (p *Progress) SortedObjects() []*Object {
	if p.fold.order == nil {
		order := make([]*Object, 0, len(p.Objects))
		for _, o := range p.Objects {
			order = append(order, o)
		}
		slices.SortFunc(order, func(a, b *Object) int { return CompareObjects(a.ID, b.ID) })
		p.fold.order = order
	}
	return p.fold.order
}

// OpenRequests are the requests with something open, by number. The slice is the Progress's own.
func (p *Progress) OpenRequests() []*OpenRequest { return p.fold.open }

// OpenRequest is the request of that number if something of it is open, else nil.
func (p *Progress) OpenRequest(number int) *OpenRequest {
	open := p.fold.open
	i := sort.Search(len(open), func(i int) bool { return open[i].Number >= number })
	if i < len(open) && open[i].Number == number {
		return open[i]
	}
	return nil
}

// AnyForeign tells whether somebody else's value was ever found.
func (p *Progress) AnyForeign() bool { return p.fold.foreign }

// OpenCount is how many changes have no outcome yet.
func (p *Progress) OpenCount() int {
	n := 0
	for _, q := range p.fold.open {
		n += q.left
	}
	return n
}

// Restores is what going back to a target gives an object; not ok: the target doesn't know it, or somebody adopted another
// value since, which is listed and left alone.
func (t *Target) Restores(id ObjectID) (value string, ok bool) {
	if t.Left[id] {
		return "", false
	}
	value, ok = t.Want[id]
	return value, ok
}

// Clone is a copy that shares nothing that Apply changes. Plans, records and their parts are shared: they never change.
func (p *Progress) Clone() *Progress {
	c := *p
	c.Steps, c.Causes, c.Seens = slices.Clone(p.Steps), slices.Clone(p.Causes), slices.Clone(p.Seens)
	c.Asked, c.Broken, c.parts = slices.Clone(p.Asked), slices.Clone(p.Broken), slices.Clone(p.parts)
	c.Writers, c.Moves, c.Onlys, c.Answered = maps.Clone(p.Writers), maps.Clone(p.Moves), maps.Clone(p.Onlys), maps.Clone(p.Answered)
	c.Dark, c.NoWriter = maps.Clone(p.Dark), maps.Clone(p.NoWriter)
	c.Mutes, c.Commands = maps.Clone(p.Mutes), maps.Clone(p.Commands)
	c.Fenced = maps.Clone(p.Fenced)
	c.Wanted, c.SetAgain = maps.Clone(p.Wanted), maps.Clone(p.SetAgain)
	c.Targets = make(map[string]*Target, len(p.Targets))
	for name, t := range p.Targets {
		n := *t
		n.Want, n.Writers, n.Onlys, n.Left, n.Share = maps.Clone(t.Want), maps.Clone(t.Writers), maps.Clone(t.Onlys), maps.Clone(t.Left), maps.Clone(t.Share)
		c.Targets[name] = &n
	}
	copies := make([]Object, len(p.Objects))
	c.Objects = make(map[ObjectID]*Object, len(p.Objects))
	for i, o := range p.SortedObjects() {
		copies[i] = *o
		copies[i].Ours, copies[i].Open = slices.Clone(o.Ours), slices.Clone(o.Open)
		c.Objects[o.ID] = &copies[i]
	}
	c.fold = p.fold.clone(c.Objects)
	return &c
}

// clone copies the state of folding onto a copy of the objects.
func (f *foldState) clone(objects map[ObjectID]*Object) foldState {
	c := *f
	moved := func(os []*Object) []*Object {
		out := make([]*Object, len(os))
		for i, o := range os {
			if o != nil {
				out[i] = objects[o.ID]
			}
		}
		return out
	}
	c.order = moved(f.order)
	if f.order == nil {
		c.order = nil
	}
	c.open = make([]*OpenRequest, len(f.open))
	for i, q := range f.open {
		n := *q
		n.objects = moved(q.objects)
		c.open[i] = &n
	}
	c.seats = make(map[Seat][]*Object, len(f.seats))
	for seat, os := range f.seats {
		c.seats[seat] = moved(os)
	}
	c.waves = make(map[waveKey]waveSeats, len(f.waves))
	for k, w := range f.waves {
		c.waves[k] = maps.Clone(w)
	}
	c.fences = maps.Clone(f.fences)
	if f.rung != nil {
		g := *f.rung
		g.want = maps.Clone(g.want)
		c.rung = &g
	}
	return c
}
