package sim

import (
	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// master is one server of a pair, as a move of the write role sees it. It writes a transaction each millisecond in which it takes
// writes, so that a position is a number.
type master struct {
	readOnly bool
	clients  bool           // some are connected from before the fence
	spans    [][2]cutover.T // in which it took writes; the last one may have no end (Never)
	lock     *serverLock    // nil: nobody holds it
	marker   writer.Marker  // the row of the last finished move
	strays   []cutover.T    // when something was written past its fence
}

// own is how many transactions were born on it until a moment.
func (m *master) own(at cutover.T) int64 {
	var sum cutover.T
	for _, s := range m.spans {
		sum += max(0, min(s[1], at)-s[0])
	}
	n := int64(sum / cutover.Millisecond)
	for _, t := range m.strays {
		if t <= at {
			n++
		}
	}
	return n
}

func (m *master) fence(now cutover.T) {
	if !m.readOnly {
		m.readOnly = true
		m.spans[len(m.spans)-1][1] = now
	}
}

func (m *master) open(now cutover.T) {
	if m.readOnly {
		m.readOnly, m.clients = false, true
		m.spans = append(m.spans, [2]cutover.T{now, cutover.Never})
	}
}

// writersAt is how many of the two took writes at a moment.
func (p *pair) writersAt(at cutover.T) int {
	n := 0
	for side := range p.masters {
		for _, s := range p.masters[side].spans {
			if s[0] <= at && at < s[1] {
				n++
			}
		}
	}
	return n
}

func (s *Sim) pair(name string) *pair {
	for _, p := range s.pairs {
		if p.name == name {
			return p
		}
	}
	return nil
}

// keeper is the room whose Consul has the pair's record.
func (s *Sim) keeper(p *pair) cutover.Room {
	if p.record != "" {
		return p.record
	}
	return s.rooms[s.control]
}

// applied is how much of the other master's a master has executed.
func (s *Sim) applied(p *pair, side int, at cutover.T) int64 {
	return p.masters[1-side].own(at - s.delay(p, side))
}

// delay is how late a master is, at least.
func (s *Sim) delay(p *pair, side int) cutover.T {
	into, from := s.rooms[p.rooms[side]], s.rooms[p.rooms[1-side]]
	d := p.lag[side]
	for _, f := range s.faults {
		switch {
		case !f.on:
		case f.parts(from, into), f.kind == "stop" && f.pair == p.name && f.from == from && f.to == into:
			d = max(d, p.lag[side]+s.now-f.since)
		case f.kind == "lag" && f.pair == p.name && f.from == from && f.to == into:
			d += f.d
		}
	}
	return d
}

// receives: nothing keeps a master from getting and applying what the other executes.
func (s *Sim) receives(p *pair, side int) writer.Answer {
	into, from := s.rooms[p.rooms[side]], s.rooms[p.rooms[1-side]]
	for _, f := range s.faults {
		if f.on && (f.parts(from, into) || f.kind == "stop" && f.pair == p.name && f.from == from && f.to == into) {
			return writer.No
		}
	}
	return writer.Yes
}
