package sim

import (
	"math"
	"slices"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// warmth is what a room's caches are filled for: a share of all requests.
type warmth struct {
	share  float64
	next   cutover.T
	coolAt cutover.T
}

type capacity struct {
	room   int
	perSec float64
	routes []*route
}

const (
	usualErrors = 0.0004
	warmStep    = 45 * cutover.Second
	warmPart    = 0.45 // of what is missing, in a step
	coolAfter   = 60 * cutover.Minute
)

func (s *Sim) prepareCapacity(i int) {
	spec := s.l.Rooms.Rooms[i]
	names := make([]string, 0, len(spec.Capacity))
	for name := range spec.Capacity {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := capacity{room: i, perSec: float64(spec.Capacity[name])}
		for _, r := range s.routes {
			if r.entry && s.reaches(r, name) {
				c.routes = append(c.routes, r)
			}
		}
		s.traffic.caps = append(s.traffic.caps, c)
	}
}

// reaches tells whether an entry's requests pass what the name means.
func (s *Sim) reaches(r *route, name string) bool {
	for range s.routes {
		if r == nil {
			return false
		}
		if s.names(name, &seat{route: r, id: cutover.Seat{Route: r.name}}) {
			return true
		}
		for _, f := range s.routes {
			if f.follows == r && f.name == name {
				return true
			}
		}
		r = r.into
	}
	return false
}

// usable is what a link may carry: what is left when its largest circuit is cut.
func usable(l *runbooks.Link) float64 {
	sum, largest := 0.0, 0.0
	for _, c := range l.Circuits {
		sum += c
		largest = max(largest, c)
	}
	if len(l.Circuits) > 1 {
		sum -= largest
	}
	return sum
}

// condition works out how the rooms bear what they get.
func (s *Sim) condition() {
	t := &s.traffic
	clear(t.load)
	for _, c := range t.caps {
		v := 0.0
		for _, r := range c.routes {
			v += s.follow(r, false)[c.room]
		}
		if c.perSec > 0 {
			t.load[c.room] = max(t.load[c.room], v/c.perSec)
		}
	}
	for i := range s.rooms {
		s.warmUp(i)
		t.errors[i], t.slow[i], t.added[i] = usualErrors, 1+0.3*t.cold[i], 0
		if l := t.load[i]; l > 0.7 {
			t.slow[i] *= 1 + min(5, math.Pow((l-0.7)/0.3, 2))
		}
		if l := t.load[i]; l > 1 { // what is too much fails
			t.errors[i] += 1 - 1/l
		}
	}
	for i := range t.lines {
		l := &t.lines[i]
		if l.use = 0; l.bits > 0 {
			l.use = l.crosses / l.bits
		}
	}
	s.strained()
}

// warmUp takes the caches a step further: they learn what is new to them in steps, and forget it an hour after it is gone.
func (s *Sim) warmUp(i int) {
	t := &s.traffic
	w, share := &t.warm[i], t.share[i]
	switch missing := share - w.share; {
	case missing > 0.02*share && missing > 0.0005:
		w.coolAt = cutover.Never
		if w.next == cutover.Never {
			w.next = s.now + warmStep
		}
		if w.next <= s.now {
			w.share += missing * warmPart
			w.next = s.now + warmStep
		}
	case missing >= 0:
		w.share, w.next, w.coolAt = share, cutover.Never, cutover.Never
	default:
		w.next = cutover.Never
		if w.coolAt == cutover.Never {
			w.coolAt = s.now + coolAfter
		}
		if w.coolAt <= s.now {
			w.share, w.coolAt = share, cutover.Never
		}
	}
	t.cold[i] = 0
	if share > 0 && share > w.share {
		t.cold[i] = (share - w.share) / share
	}
	t.next = min(t.next, w.next, w.coolAt)
}
