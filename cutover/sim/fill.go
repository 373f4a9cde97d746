package sim

import (
	"fmt"
	"slices"
	"strconv"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// object is one thing that a plane's server keeps.
type object struct {
	name    string
	value   string
	version uint64
	born    uint64
	room    int  // of an instance or a record; -1: it holds a whole split
	live    bool // an instance that passes its checks
	rest    string
	hidden  bool          // it is there and can't be listed
	weights cutover.Share // of value; never changed in place
	held    cutover.Held  // as it is listed, if that is still so
}

// fill puts every object where it is before the run.
func (s *Sim) fill() error {
	for _, p := range s.planes {
		for _, st := range p.seats {
			if p.Aspect == cutover.TTL {
				s.addObject(st, st.id.String()+"/ttl", strconv.FormatInt(int64(s.firstTTL()/cutover.Second), 10), -1)
				continue
			}
			if err := s.fillSeat(p, st); err != nil {
				return err
			}
			p.settle(st)
			copy(st.seen, st.set)
			st.cache.ttl = s.firstTTL()
		}
	}
	return nil
}

func (s *Sim) addObject(st *seat, name, value string, room int) *object {
	st.plane.index++
	o := &object{name: name, value: value, version: st.plane.index, born: st.plane.index, room: room, live: true}
	i, _ := slices.BinarySearchFunc(st.objects, name, func(o *object, name string) int {
		switch {
		case o.name < name:
			return -1
		case o.name > name:
			return 1
		}
		return 0
	})
	st.objects = slices.Insert(st.objects, i, o)
	return o
}

// fillSeat makes a seat's objects, and gives them the share that the seat carries at the start.
func (s *Sim) fillSeat(p *plane, st *seat) error {
	want := s.startShare(st)
	switch p.of {
	case runbooks.MediumKey:
		s.addObject(st, st.route.spec.Key.Key, "0", -1).rest = "kept"
	case runbooks.MediumSplitter:
		s.addObject(st, "splitter/"+st.route.spec.Service, splitText(s.rooms, cutover.Share{s.rooms[s.from]: cutover.Whole}), -1)
	default:
		for room := range s.rooms {
			s.fillRoom(p, st, room)
		}
	}
	if err := p.begin(st, want); err != nil {
		return fmt.Errorf("the share that %s is to carry at the start: %w", st.id, err)
	}
	return nil
}

// begin gives a seat's objects the values of a share, as they would be after a write that shape made.
func (p *plane) begin(st *seat, want cutover.Share) error {
	if err := p.s.isShare(st.id, want); err != nil {
		return err
	}
	values, err := p.values(st, want)
	if err != nil {
		return err
	}
	for _, o := range st.objects {
		if o.room < 0 {
			o.value = values[0]
			o.weights, err = p.gives(o.name, o.value, want)
		} else {
			o.value = values[o.room]
			o.weights, err = p.weigh(o.name, o.room, o.value)
		}
		if err != nil {
			return err
		}
		p.touched(o)
	}
	return nil
}

// values is what the objects of each room hold; where an object holds the whole split, the first.
func (p *plane) values(st *seat, want cutover.Share) ([]string, error) {
	values := make([]string, len(p.s.rooms))
	switch p.of {
	case runbooks.MediumKey, runbooks.MediumSplitter:
		var err error
		values[0], err = p.whole(st, want)
		return values, err
	}
	counts := make([]int, len(p.s.rooms))
	for _, o := range st.objects {
		counts[o.room]++
	}
	units, err := p.units(st, counts, want)
	if err != nil {
		return nil, err
	}
	for i, n := range units {
		values[i] = strconv.Itoa(p.scale().Written(n))
	}
	return values, nil
}

// fillRoom makes the instances or records of one room.
func (s *Sim) fillRoom(p *plane, st *seat, room int) {
	if p.of == runbooks.MediumDNS {
		if room == s.from || room == s.to {
			s.addObject(st, st.id.String()+"/"+s.rooms[room], "1", room)
		}
		return
	}
	n, ok := s.o.Instances[st.route.name]
	if !ok {
		n = 4
	}
	for i := range n {
		s.addInstance(p, st, room, i+1)
	}
}

func (s *Sim) addInstance(p *plane, st *seat, room, i int) *object {
	name := fmt.Sprintf("%s/%s-%d", st.id, s.rooms[room], i)
	if p.of == runbooks.MediumUpstream {
		name = fmt.Sprintf("upstreams/%s/10.%d.%d.%d:8080", st.route.spec.Upstream, room+1, i/250, i%250+1)
	}
	st.made = max(st.made, i)
	return s.addObject(st, name, p.joins(), room)
}

func (st *seat) object(name string) *object {
	for _, o := range st.objects {
		if o.name == name {
			return o
		}
	}
	return nil
}

// listing is a seat's objects as its plane's server would list them.
func (st *seat) listing() []cutover.Held {
	return st.appendListing(make([]cutover.Held, 0, len(st.objects)))
}

// share is what a seat's live objects give in truth, nil where nothing serves.
func (st *seat) share() cutover.Share {
	sums := cutover.Share{}
	for _, o := range st.objects {
		if o.live {
			for room, w := range o.weights {
				sums[room] += w
			}
		}
	}
	return cutover.ShareOf(sums)
}

func (st *seat) appendListing(held []cutover.Held) []cutover.Held {
	for _, o := range st.objects {
		if o.held.Plane == "" {
			o.held = st.plane.show(st, o)
		}
		held = append(held, o.held)
	}
	return held
}

func (p *plane) show(st *seat, o *object) cutover.Held {
	h := cutover.Held{Seat: st.id, Plane: p.name, Object: o.name, Value: o.value, Born: o.born, Live: o.live, Weights: o.weights,
		Version: p.versionOf(o)}
	if o.room >= 0 {
		h.Room = p.s.rooms[o.room]
	}
	return h
}

// touched: the object is to be listed anew.
func (p *plane) touched(o *object) { o.held, p.listed = cutover.Held{}, nil }

// startShare is what a seat carries before the run. Options.Shares says it; else what the runbook does next to the seat tells:
// a first share of at most 5 points begins at nothing; a row of rungs that begins higher goes on from as far below it as its
// second rung is above; what no step names is all in the room that the run leaves. The seat in the room that the run goes to
// keeps its requests there, unless a step moves them too.
func (s *Sim) startShare(st *seat) cutover.Share {
	n, named := s.firstShare(st)
	for _, key := range []string{st.id.String(), st.route.name} {
		if v, ok := s.o.Shares[key]; ok {
			return s.split(v)
		}
	}
	switch {
	case st.room >= 0 && st.room != s.from && st.room != s.to:
		return cutover.Share{s.rooms[st.room]: cutover.Whole}
	case st.room == s.to && (!named || n < 0):
		return s.split(cutover.Whole)
	}
	return s.split(max(0, n))
}

func (s *Sim) split(to int) cutover.Share {
	sh := cutover.Share{}
	if to < cutover.Whole {
		sh[s.rooms[s.from]] = cutover.Whole - to
	}
	if to > 0 {
		sh[s.rooms[s.to]] = to
	}
	return sh
}

// firstShare is the share of the run's destination that a seat has before its first shift; negative: it jumps from nothing.
func (s *Sim) firstShare(st *seat) (int, bool) {
	for _, step := range s.l.Book.Steps {
		if step.Shift == nil {
			continue
		}
		for _, t := range step.Shift.Targets {
			if !s.names(t.Name, st) || len(t.Shares) == 0 {
				continue
			}
			row := make([]int, len(t.Shares))
			for i, v := range t.Shares {
				if row[i] = int(v); step.Shift.Room == s.rooms[s.from] {
					row[i] = cutover.Whole - int(v)
				}
			}
			switch {
			case row[0] <= 500:
				return 0, true
			case len(row) > 1 && row[1] > row[0]:
				return max(0, row[0]-(row[1]-row[0])), true
			}
			return -1, true
		}
	}
	return 0, false
}

// names tells whether a name of a runbook means this seat.
func (s *Sim) names(name string, st *seat) bool {
	if name == st.id.String() || name == st.route.name {
		return true
	}
	for _, g := range s.l.Rooms.Groups {
		if g.Name == name {
			return slices.Contains(g.Routes, st.route.name)
		}
	}
	return false
}
