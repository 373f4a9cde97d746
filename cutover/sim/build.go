package sim

import (
	"fmt"
	"slices"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// route is one of the inventory, with its place in the flow of requests.
type route struct {
	name    string
	medium  runbooks.Medium
	spec    *runbooks.Route
	seats   []*seat
	byRoom  bool
	entry   bool
	into    *route
	follows *route
	stays   int     // room, -1
	rate    float64 // of an entry, requests in a second when the day is quiet
	bytes   float64
	calls   float64

	in, out []float64 // requests in a second by room, worked out by flow
}

// seat is one place where a split is read, with what its readers still believe.
type seat struct {
	id      cutover.Seat
	route   *route
	plane   *plane
	room    int // of its Consul, -1 if it stands for all rooms
	objects []*object
	made    int       // the highest number an instance was made with
	set     []float64 // by room, 1 is all; all 0: nothing serves
	seen    []float64
	cache   resolvers
}

// pair is two masters.
type pair struct {
	name   string
	rooms  [2]int
	writer int
	dts    bool
	lag    [2]cutover.T // into rooms[0], rooms[1]

	masters [2]master
	text    *writer.Record // nil: nobody has moved it yet
	index   uint64
	record  cutover.Room // whose Consul has it, "" the control room's
	holder  *moving
	hands   map[*Runner]*hand
}

// media are the media that hold a split, in the order of their planes, with their traits.
var media = []struct {
	of     runbooks.Medium
	suffix string
	plane  cutover.Plane
	takes  cutover.T
}{
	{runbooks.MediumKey, "keys", cutover.Plane{MaxChanges: 63, HasCAS: true, FencedByServer: true, Lateness: 10 * cutover.Second}, 12 * cutover.Millisecond},
	{runbooks.MediumUpstream, "upstreams", cutover.Plane{MaxChanges: 63, HasCAS: true, FencedByServer: true, Lateness: 10 * cutover.Second}, 15 * cutover.Millisecond},
	{runbooks.MediumSplitter, "splitters", cutover.Plane{MaxChanges: 8, HasCAS: true, Lateness: 10 * cutover.Second}, 12 * cutover.Millisecond},
	{runbooks.MediumService, "services", cutover.Plane{MaxChanges: 16, Lateness: 10 * cutover.Second}, 40 * cutover.Millisecond},
}

// build makes the rooms' content from the inventory, as it is before the run.
func (s *Sim) build() error {
	rooms, book := s.l.Rooms, s.l.Book
	for _, r := range rooms.Rooms {
		s.rooms = append(s.rooms, r.Name)
	}
	s.from, s.to = s.roomIndex(book.From), s.roomIndex(book.To)
	if s.from < 0 || s.to < 0 {
		return fmt.Errorf("the runbook moves from %q to %q; the rooms are %v", book.From, book.To, s.rooms)
	}
	s.control = max(0, s.roomIndex(rooms.Control.Room))
	s.buildRoutes()
	s.buildPlanes()
	if err := s.fill(); err != nil {
		return err
	}
	s.buildPlaces()
	lag := cutover.T(s.o.Lag)
	for _, p := range rooms.Pairs {
		q := &pair{name: p.Name, dts: len(p.DTS) > 0, record: p.Record}
		for i, m := range p.Masters {
			q.rooms[i] = max(0, s.roomIndex(m.Room))
			if q.lag[i] = lag; lag == 0 {
				q.lag[i] = s.rnd.span(35*cutover.Millisecond, 50*cutover.Millisecond)
			}
		}
		if q.writer = q.rooms[0]; q.rooms[1] == s.from {
			q.writer = s.from
		}
		s.pairs = append(s.pairs, q)
	}
	if err := s.moveWriters(); err != nil {
		return err
	}
	for _, p := range s.pairs {
		for side := range p.masters {
			p.masters[side].readOnly = true
			if p.rooms[side] == p.writer {
				p.masters[side].open(0)
			}
		}
	}
	s.buildOnlys()
	return s.prepare()
}

// moveWriters gives the pairs the writers that Options names.
func (s *Sim) moveWriters() error {
	left := len(s.o.Writers)
	for _, p := range s.pairs {
		room, ok := s.o.Writers[p.name]
		if !ok {
			continue
		}
		left--
		if p.writer = s.roomIndex(room); p.writer < 0 || (p.writer != p.rooms[0] && p.writer != p.rooms[1]) {
			return fmt.Errorf("pair %s has no master in %q that could be its writer", p.name, room)
		}
	}
	if left > 0 {
		return fmt.Errorf("the writers of %v: not all of them are pairs", s.o.Writers)
	}
	return nil
}

func (s *Sim) buildRoutes() {
	byName := map[string]*route{}
	n := len(s.rooms)
	for i := range s.l.Rooms.Routes {
		spec := &s.l.Rooms.Routes[i]
		r := &route{name: spec.Name, medium: spec.Medium, spec: spec, stays: s.roomIndex(spec.Stays), bytes: float64(spec.Bytes),
			calls: spec.Calls, entry: true, in: make([]float64, n), out: make([]float64, n)}
		byName[r.name] = r
		s.routes = append(s.routes, r)
	}
	for _, r := range s.routes {
		if r.into = byName[r.spec.Into]; r.into != nil {
			r.into.entry = false
		}
		r.follows = byName[r.spec.Follows]
	}
	for _, r := range s.routes {
		s.buildSeats(r)
		r.entry = r.entry && len(r.seats) > 0
		if r.entry {
			r.rate = s.quietRate(r.name)
		}
	}
}

// lines are those that a simulated provider holds where the inventory says `all`.
var lines = []string{"default", "mobile", "telecom", "unicom"}

func (s *Sim) buildSeats(r *route) {
	var at []string
	switch {
	case r.medium == runbooks.MediumFollows || r.medium == runbooks.MediumStays:
		return
	case r.medium == runbooks.MediumDNS && r.spec.DNS != nil && len(r.spec.DNS.Lines) > 0:
		at = slices.Clone(r.spec.DNS.Lines)
	case r.medium == runbooks.MediumDNS:
		at = lines
	case len(r.spec.Seats) > 0:
		at, r.byRoom = slices.Clone(r.spec.Seats), true
	default:
		at = []string{""}
	}
	n := len(s.rooms)
	for _, a := range at {
		st := &seat{id: cutover.Seat{Route: r.name, At: a}, route: r, room: -1, set: make([]float64, n), seen: make([]float64, n)}
		if r.byRoom {
			st.room = s.roomIndex(a)
		}
		s.bySeat[st.id] = st
		r.seats = append(r.seats, st)
		s.seats = append(s.seats, st)
	}
	slices.SortFunc(r.seats, func(a, b *seat) int { return cutover.CompareSeats(a.id, b.id) })
}

// quietRate is a route's rate at the hour of the run: a part of its declared peak, or of its part of a group's; 1,000 a second
// where none is declared.
func (s *Sim) quietRate(name string) float64 {
	part := s.o.Rate
	if part == 0 {
		part = 0.15
	}
	if v, ok := s.l.Rooms.Peak.Rates[name]; ok {
		return float64(v) * part
	}
	for _, g := range s.l.Rooms.Groups {
		v, ok := s.l.Rooms.Peak.Rates[g.Name]
		if ok && slices.Contains(g.Routes, name) {
			return float64(v) * part / float64(len(g.Routes))
		}
	}
	return 1000
}

// buildPlanes makes one plane for each medium and Consul, one for each DNS provider, and one for each provider's TTLs.
func (s *Sim) buildPlanes() {
	for room := range s.rooms {
		for _, m := range media {
			p := m.plane
			p.Name, p.Aspect, p.Room, p.Place = s.rooms[room]+"/"+m.suffix, cutover.Split, s.rooms[room], s.rooms[room]
			s.addPlane(p, m.of, m.takes, func(st *seat) bool {
				at := st.room
				if !st.route.byRoom {
					at = s.control
				}
				return st.route.medium == m.of && at == room
			})
		}
	}
	var providers []string
	for _, r := range s.routes {
		if r.medium == runbooks.MediumDNS && !slices.Contains(providers, r.provider()) {
			providers = append(providers, r.provider())
		}
	}
	for _, name := range providers {
		of := func(st *seat) bool { return st.route.medium == runbooks.MediumDNS && st.route.provider() == name }
		p := cutover.Plane{Name: name, Aspect: cutover.Split, Place: s.rooms[s.control], MaxChanges: 20, Lateness: 10 * cutover.Second, Shows: s.lowestTTL()}
		s.addPlane(p, runbooks.MediumDNS, 120*cutover.Millisecond, of)
		p.Name, p.Aspect = name+"/ttl", cutover.TTL
		s.addPlane(p, runbooks.MediumDNS, 120*cutover.Millisecond, of)
	}
}

func (r *route) provider() string {
	if r.spec.DNS == nil || r.spec.DNS.Provider == "" {
		return "dns"
	}
	return r.spec.DNS.Provider
}

func (s *Sim) addPlane(p cutover.Plane, of runbooks.Medium, takes cutover.T, has func(*seat) bool) {
	q := &plane{s: s, name: p.Name, of: of, Plane: p, takes: takes + s.rnd.span(0, takes/2)}
	q.TimeOut, q.Workers = 5*cutover.Second, 4
	if s.o.Limits != nil {
		s.o.Limits(&q.Plane)
	}
	for _, st := range s.seats {
		if !has(st) {
			continue
		}
		if p.Aspect == cutover.TTL { // its objects stand beside the split's
			st = &seat{id: st.id, route: st.route, plane: q, room: -1}
		} else {
			st.plane = q
		}
		q.seats = append(q.seats, st)
	}
	if len(q.seats) == 0 {
		return
	}
	slices.SortFunc(q.seats, func(a, b *seat) int { return cutover.CompareSeats(a.id, b.id) })
	for _, st := range q.seats {
		q.Seats = append(q.Seats, st.id)
	}
	s.planes = append(s.planes, q)
}

// usualTTL is what names have while nobody prepares a move.
const usualTTL = 600 * cutover.Second

// lowestTTL is the TTL in force when names are moved: the lowest that the runbook sets, else the usual one.
func (s *Sim) lowestTTL() cutover.T {
	ttl := usualTTL
	for _, st := range s.l.Book.Steps {
		for _, t := range st.TTL {
			ttl = min(ttl, cutover.T(t.TTL))
		}
	}
	return ttl
}

// firstTTL is what names have at the start: the usual one, unless the runbook ends by setting that.
func (s *Sim) firstTTL() cutover.T {
	for _, st := range s.l.Book.Steps {
		if len(st.TTL) == 0 {
			continue
		}
		if cutover.T(st.TTL[0].TTL) >= usualTTL {
			return cutover.Minute
		}
		break
	}
	return usualTTL
}

// buildPlaces makes one lock for each Consul that is written to, the control room's first.
func (s *Sim) buildPlaces() {
	add := func(name string) {
		if !slices.ContainsFunc(s.places, func(p *place) bool { return p.name == name }) {
			s.places = append(s.places, &place{s: s, name: name})
		}
	}
	add(s.rooms[s.control])
	for _, p := range s.planes {
		add(p.Place)
	}
	for _, p := range s.l.Rooms.Pairs { // whose Consul has its record, and the keys of what follows it
		if p.Record != "" {
			add(p.Record)
		}
	}
}

// quick is a span as a duration, for messages.
func quick(t cutover.T) string { return t.Duration().Round(time.Millisecond).String() }
