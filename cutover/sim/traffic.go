package sim

import (
	"math"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// traffic is what the requests do at this moment, by room. flow works it out whenever a split, a cache or a fault changes; in
// between it stands still.
type traffic struct {
	dirty            bool
	next             cutover.T // the next step of a cache or a resolver
	was, here, there []float64 // working memory

	served []float64 // requests in a second that each room serves
	share  []float64 // of all requests
	load   []float64 // part of capacity; 0: not declared
	errors []float64 // part of the requests that fail
	cold   []float64 // part of what a room serves that its caches don't know yet
	slow   []float64 // its latency is so many times the usual one
	added  []float64 // and so much more, in seconds
	lines  []line
	warm   []warmth
	caps   []capacity
	factor float64 // of the rate, by a fault

	splits []*route // in the order in which requests pass them
}

// line is the traffic between two rooms.
type line struct {
	spec    *runbooks.Link
	a, b    int
	bits    float64 // that it may carry
	use     float64 // part of it
	crosses float64 // bits in a second
}

// prepare makes room for flow's figures, once.
func (s *Sim) prepare() error {
	t, n := &s.traffic, len(s.rooms)
	t.served, t.share, t.load, t.errors = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	t.cold, t.slow, t.added, t.warm = make([]float64, n), make([]float64, n), make([]float64, n), make([]warmth, n)
	t.here, t.there = make([]float64, n), make([]float64, n)
	done := map[*route]bool{}
	var follow func(r *route)
	follow = func(r *route) { // a route comes after all that lead into it
		for _, q := range s.routes {
			if q.into == r && !done[q] && q.stays < 0 && q.follows == nil {
				return
			}
		}
		if done[r] {
			return
		}
		done[r] = true
		if len(r.seats) > 0 {
			t.splits = append(t.splits, r)
		}
		if r.into != nil {
			follow(r.into)
		}
	}
	for _, r := range s.routes {
		if r.stays < 0 && r.follows == nil {
			follow(r)
		}
	}
	for i := range s.l.Rooms.Links {
		l := &s.l.Rooms.Links[i]
		t.lines = append(t.lines, line{spec: l, a: s.roomIndex(l.Between[0]), b: s.roomIndex(l.Between[1]), bits: usable(l)})
	}
	for i := range s.l.Rooms.Rooms {
		s.prepareCapacity(i)
	}
	s.dirtyAll()
	for i := range t.warm { // whoever carries a share is warm for it
		t.warm[i] = warmth{share: t.share[i], next: cutover.Never, coolAt: cutover.Never}
	}
	s.dirtyAll()
	return nil
}

func (s *Sim) dirtyAll() {
	s.traffic.dirty = true
	s.flow()
}

// flow sends the requests through all splits, as their readers believe them now, and works out what follows.
func (s *Sim) flow() {
	t := &s.traffic
	t.dirty, t.next = false, cutover.Never
	for _, st := range s.seats {
		st.cache.step(st, s.now)
		t.next = min(t.next, st.cache.due())
	}
	t.factor = s.loadFactor()
	for i := range t.lines {
		t.lines[i].crosses = 0
	}
	for _, r := range s.routes {
		clear(r.in)
		clear(r.out)
	}
	clear(t.served)
	for _, r := range t.splits {
		s.send(r)
	}
	s.stayers()
	total := 0.0
	for _, v := range t.served {
		total += v
	}
	for i := range t.share {
		if t.share[i] = 0; total > 0 {
			t.share[i] = t.served[i] / total
		}
	}
	s.condition()
	for _, r := range s.runners {
		if !r.dead {
			r.gauges.update()
		}
	}
}

// send lets a route's requests pass its split.
func (s *Sim) send(r *route) {
	if r.entry {
		s.enter(r)
	}
	if r.byRoom {
		copy(r.out, r.in)
	}
	for _, st := range r.seats {
		pass(r, st, r.in, r.out, st.seen)
		for i, part := range st.seen {
			if st.room >= 0 && i != st.room {
				s.cross(st.room, i, r.in[st.room]*part*r.bytes*8)
			}
		}
	}
	dst := s.traffic.served
	if r.into != nil {
		dst = r.into.in
	}
	for i, v := range r.out {
		dst[i] += v
	}
}

// trickle is the part of an entry's requests that enters by each of the gateways that aren't in the room being left.
const trickle = 0.02

// enter lets an entry's requests in: a name's come from everywhere; a gateway's to the gateways of the room that the run leaves,
// but for a trickle.
func (s *Sim) enter(r *route) {
	rate := r.rate * s.traffic.factor
	if !r.byRoom {
		r.in[s.from] = rate
		return
	}
	main := r.seats[0].room
	for _, st := range r.seats {
		if st.room == s.from {
			main = s.from
		}
	}
	for _, st := range r.seats {
		if st.room >= 0 && st.room != main {
			r.in[st.room] = rate * trickle
			rate -= rate * trickle
		}
	}
	if main >= 0 {
		r.in[main] = rate
	}
}

// stayers lets what is served elsewhere call what stays.
func (s *Sim) stayers() {
	for _, r := range s.routes {
		if r.stays < 0 {
			continue
		}
		for i, v := range s.traffic.served {
			if i != r.stays {
				s.cross(i, r.stays, v*r.calls*r.bytes*8)
			}
		}
	}
}

func (s *Sim) cross(a, b int, bits float64) {
	for i := range s.traffic.lines {
		l := &s.traffic.lines[i]
		if l.a == a && l.b == b || l.a == b && l.b == a {
			l.crosses += bits
			return
		}
	}
}

// composed is the share of all requests that the run's destination would serve if everybody obeyed what is set, in basis points.
func (s *Sim) composed() int {
	served, total := 0.0, 0.0
	for _, r := range s.traffic.splits {
		if !r.entry {
			continue
		}
		for i, v := range s.follow(r, true) {
			total += v
			if i == s.to {
				served += v
			}
		}
	}
	if total == 0 {
		return 0
	}
	return int(math.Round(served / total * cutover.Whole))
}

// follow sends one entry's requests through all that it leads into, by what is set or by what is believed. The answer is good
// until the next call.
func (s *Sim) follow(r *route, set bool) []float64 {
	t := &s.traffic
	now, next := t.here, t.there
	copy(now, r.in)
	for at := r; at != nil; at = at.into {
		copy(next, now)
		if !at.byRoom && len(at.seats) > 0 {
			clear(next)
		}
		for _, st := range at.seats {
			part := st.seen
			if set {
				part = st.set
			}
			pass(at, st, now, next, part)
		}
		now, next = next, now
	}
	return now
}

// pass takes what of the requests in now meets one seat to where it goes in next.
func pass(r *route, st *seat, now, next, part []float64) {
	v := 0.0
	switch {
	case !r.byRoom:
		for _, in := range now {
			v += in / float64(len(r.seats))
		}
	case st.room < 0:
		return
	default:
		v = now[st.room]
		next[st.room] -= v
	}
	for i := range part {
		next[i] += v * part[i]
	}
}
