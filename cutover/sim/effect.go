package sim

import (
	"roomshift/cutover"
)

// What faults that last do to what others ask of the rooms.

// down tells whether a part of a room, or a plane, is gone: "room", "consul", "prometheus", "server", "probe", "plane".
func (s *Sim) down(name, part string) bool {
	for _, f := range s.faults {
		if !f.on {
			continue
		}
		switch {
		case f.kind == "plane":
			if part == "plane" && (f.plane == name || f.plane == s.roomOfPlane(name)) {
				return true
			}
		case f.kind == "room" && part != "plane", f.kind == part:
			if f.room == name {
				return true
			}
		}
	}
	return false
}

func (s *Sim) roomOfPlane(name string) cutover.Room {
	for _, p := range s.planes {
		if p.name == name {
			return p.Room
		}
	}
	return ""
}

// slow is how long requests to a plane take by a fault; 0: as usual.
func (s *Sim) slow(p *plane) cutover.T {
	for _, f := range s.faults {
		if f.on && f.kind == "slow" && (f.plane == p.name || f.plane == p.Room && p.Room != "") {
			f.fired = true
			return f.d
		}
	}
	return 0
}

// hangs is how long a worker that lists a plane's objects doesn't come back; 0: it isn't held up.
func (s *Sim) hangs(p *plane) cutover.T {
	for _, f := range s.faults {
		if f.on && f.kind == "hang reads" && (f.in == "" || f.in == p.name || f.in == p.Room) {
			return f.d
		}
	}
	return 0
}

// throttlesReads is how long a plane wants to be left alone by who lists it, 0 if it doesn't.
func (s *Sim) throttlesReads(p *plane) cutover.T {
	for _, f := range s.faults {
		if f.on && f.kind == "throttle reads" && (f.in == "" || f.in == p.name || f.in == p.Room) {
			return f.since + f.span - s.now
		}
	}
	return 0
}

func (s *Sim) loadFactor() float64 {
	v := 1.0
	for _, f := range s.faults {
		if f.on && f.kind == "load" {
			v *= f.value
		}
	}
	return v
}

// strained adds what faults do to the rooms' requests.
func (s *Sim) strained() {
	t := &s.traffic
	for _, f := range s.faults {
		if !f.on {
			continue
		}
		switch f.kind {
		case "errors":
			i := s.roomIndex(f.room)
			t.errors[i] = min(1, t.errors[i]+f.value)
		case "latency":
			t.added[s.roomIndex(f.room)] += f.d.Duration().Seconds()
		case "room":
			t.errors[s.roomIndex(f.room)] = 1
		}
	}
}

// lagOf is what a probe of one direction of a pair measures.
func (s *Sim) lagOf(p *pair, side int) reading {
	into, from := s.rooms[p.rooms[side]], s.rooms[p.rooms[1-side]]
	lag := p.lag[side]
	for _, f := range s.faults {
		if !f.on {
			continue
		}
		if f.parts(from, into) {
			return unknown(cutover.NoAnswer)
		}
		if f.pair != p.name || f.from != from || f.to != into {
			continue
		}
		switch f.kind {
		case "break":
			return unknown(cutover.NoData)
		case "idle":
			return reading{idle: true}
		case "lag":
			lag += f.d
		case "stop":
			x := (lag + s.now - f.since).Duration().Seconds()
			return reading{lo: x, hi: x, lower: true}
		}
	}
	if p.dts { // a sync tool reports whole seconds
		whole := float64(lag / cutover.Second)
		return reading{lo: whole, hi: whole + 1}
	}
	return reading{lo: lag.Duration().Seconds(), hi: (lag + cutover.Millisecond).Duration().Seconds()}
}

// parts tells whether a fault keeps a probe between two rooms' masters from coming back.
func (f *fault) parts(a, b cutover.Room) bool {
	switch f.kind {
	case "cut":
		return true
	case "server", "room":
		return f.room == a || f.room == b
	}
	return false
}

// ofGate tells whether a fault is about a gate in a room (or direction, or line).
func (s *Sim) ofGate(f *fault, gate string, room int) bool {
	return gate != "" && f.on && f.gate == gate && (f.room == "" || room >= 0 && f.room == s.rooms[room])
}

func (s *Sim) blinded(gate string, room int) (cutover.Reason, bool) {
	for _, f := range s.faults {
		if f.kind == "blind" && s.ofGate(f, gate, room) {
			return cutover.NoAnswer, true
		}
	}
	return "", false
}

func (s *Sim) silent(gate string, room int) bool {
	for _, f := range s.faults {
		if f.kind == "silent" && s.ofGate(f, gate, room) {
			return true
		}
	}
	return false
}

func (s *Sim) said(gate string, room int) (float64, bool) {
	for _, f := range s.faults {
		if f.kind == "value" && s.ofGate(f, gate, room) {
			return f.value, true
		}
	}
	return 0, false
}
