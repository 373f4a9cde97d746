package sim

import (
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover"
)

// fault is one that is armed.
type fault struct {
	Fault
	fired bool // it struck; one of writes or of the journal: it met one
	on    bool
	since cutover.T
}

// arm checks that the faults name what there is, and posts those that strike by time.
func (s *Sim) arm(fs []Fault) error {
	for _, f := range fs {
		if f.kind == "" {
			return fmt.Errorf("an empty fault: make faults with ParseFault")
		}
		if err := s.known(&f); err != nil {
			return fmt.Errorf("fault %q: %w", f.text, err)
		}
		g := &fault{Fault: f}
		s.faults = append(s.faults, g)
		if f.at != cutover.Never {
			s.at(f.at, func() { s.strike(g) })
		}
	}
	return nil
}

// known checks a fault's names.
func (s *Sim) known(f *Fault) error {
	rooms := s.rooms
	var pairs, gates, seats, routes, planes, members []string
	for _, p := range s.pairs {
		pairs = append(pairs, p.name)
	}
	for _, g := range s.l.Book.Gates {
		gates = append(gates, g.Name)
	}
	for _, r := range s.routes {
		if len(r.seats) > 0 {
			routes = append(routes, r.name)
		}
		if len(r.seats) > 0 && r.seats[0].plane.hasMembers() {
			members = append(members, r.name)
		}
	}
	for _, st := range s.seats {
		seats = append(seats, st.id.String())
	}
	for _, p := range s.planes {
		planes = append(planes, p.name)
	}
	for _, c := range []struct {
		what, name string
		of         []string
	}{
		{"pair", f.pair, pairs}, {"only", f.only, s.onlyNames()}, {"gate", f.gate, gates}, {"seat", f.seat, slices.Concat(seats, routes)}, {"room", f.room, rooms},
		{"route with instances", f.route, members}, {"room", f.from, rooms}, {"room", f.to, rooms},
		{"plane or room", f.plane, slices.Concat(planes, rooms)}, {"plane or room", f.in, slices.Concat(planes, rooms)},
	} {
		if c.name != "" && !slices.Contains(c.of, c.name) {
			hint := "there is none"
			if len(c.of) > 0 {
				hint = fmt.Sprintf("did you mean %q? there are %s", nearest(c.name, c.of), strings.Join(c.of, ", "))
			}
			return fmt.Errorf("%q is no %s: %s", c.name, c.what, hint)
		}
	}
	if f.object != "" && s.findObject(f) == nil {
		return fmt.Errorf("%q is no object that a plane holds; `plan --writes` lists them", f.object)
	}
	return nil
}

func (s *Sim) findObject(f *Fault) func() {
	for _, p := range s.planes {
		for _, st := range p.seats {
			if o := st.object(f.object); o != nil && (f.in == "" || f.in == p.name || f.in == p.Room) {
				return func() { p.land("somebody else", st, o, f.text2) }
			}
		}
	}
	return nil
}

// strike lets a fault happen.
func (s *Sim) strike(f *fault) {
	if f.ofWrite() || strings.HasPrefix(f.kind, "journal") {
		f.begin(s) // what it is about comes later
		return
	}
	f.fired = true
	switch f.kind {
	case "kill", "kill before":
		f.fired = s.killRunner()
	case "cold":
		s.traffic.warm[s.roomIndex(f.room)] = warmth{next: cutover.Never, coolAt: cutover.Never}
	case "foreign":
		f.fired = s.foreign(f)
	case "foreign only":
		f.fired = s.setOnly(f)
	case "foreign object":
		s.findObject(&f.Fault)()
	case "replace", "join", "leave", "restart", "sick":
		f.fired = s.members(f)
	case "lock lost", "lock freed", "lock stalls":
		f.fired = s.lockFault(f)
	case "stray":
		f.fired = s.stray(f)
	default:
		f.begin(s)
	}
	s.traffic.dirty = true
	s.happened(nil, Happened{Note: "fault: " + f.text})
}

// begin lets a fault last, for its time if it has one.
func (f *fault) begin(s *Sim) {
	if f.kind == "consul" || f.kind == "room" { // what was renewed until now was
		for _, p := range s.places {
			p.sweep()
		}
	}
	f.on, f.since = true, s.now
	s.wakeOnlys()
	if f.kind == "consul" || f.kind == "room" {
		for _, p := range s.places {
			p.expect()
		}
	}
	if f.span > 0 {
		s.at(s.now+f.span, func() {
			for _, p := range s.places {
				p.sweep()
			}
			f.on, s.traffic.dirty = false, true
			s.wakeOnlys()
			s.happened(nil, Happened{Note: "over: " + f.text})
		})
	}
	if f.ofWrite() || strings.HasPrefix(f.kind, "journal") {
		s.happened(nil, Happened{Note: "fault: " + f.text})
	}
}

// killRunner kills the newest process that lives.
func (s *Sim) killRunner() bool {
	for i := len(s.runners) - 1; i >= 0; i-- {
		if r := s.runners[i]; !r.dead {
			r.Kill()
			return true
		}
	}
	return false
}

// strikeAtWrite: request n was sent by r.
func (s *Sim) strikeAtWrite(r *Runner, n int) {
	for _, f := range s.faults {
		if f.write == n && !f.ofWrite() && !f.fired {
			if f.kind == "kill" {
				f.fired = true
				s.happened(nil, Happened{Note: "fault: " + f.text})
				r.Kill()
				continue
			}
			s.strike(f)
		}
	}
}

// strikeAtRecord: these records are about to be appended, or were. True: their process was killed.
func (s *Sim) strikeAtRecord(r *Runner, rs []cutover.Record, before bool) bool {
	for _, f := range s.faults {
		if f.record == 0 || f.fired || f.before != before || strings.HasPrefix(f.kind, "journal") {
			continue
		}
		if !slices.ContainsFunc(rs, func(rec cutover.Record) bool { return rec.Seq == f.record }) {
			continue
		}
		if f.kind == "kill" || f.kind == "kill before" {
			f.fired = true
			s.happened(nil, Happened{Note: "fault: " + f.text})
			r.Kill()
			return true
		}
		s.strike(f)
	}
	return false
}

// treat is what becomes of a write or an append.
type treat struct {
	how string
	d   cutover.T
}

func (s *Sim) writeFault(p *plane, n int) treat {
	for _, f := range s.faults {
		if !f.ofWrite() || f.in != "" && f.in != p.name && f.in != p.Room {
			continue
		}
		if f.on || f.write > 0 && n >= f.write && n < f.write+f.writes {
			f.fired = true
			if f.write > 0 {
				s.happened(nil, Happened{Note: "fault: " + f.text})
			}
			if f.kind == "throttle" && f.on {
				return treat{f.kind, f.since + f.span - s.now}
			}
			return treat{f.kind, f.d}
		}
	}
	return treat{}
}

func (s *Sim) journalFault(rs []cutover.Record) treat {
	for _, f := range s.faults {
		how, ok := strings.CutPrefix(f.kind, "journal ")
		if !ok {
			continue
		}
		if f.record > 0 && !f.fired && slices.ContainsFunc(rs, func(r cutover.Record) bool { return r.Seq == f.record }) {
			f.begin(s)
		}
		if !f.on {
			continue
		}
		f.fired = true
		switch how {
		case "stalls":
			return treat{how, f.since + f.span - s.now}
		case "fails", "unanswered":
			f.on = f.span > 0 // without a time: one append
		}
		return treat{how: how}
	}
	return treat{}
}

// NotFired is the faults that never struck, and those of writes or of the journal that never met one.
func (s *Sim) NotFired() []Fault {
	var out []Fault
	for _, f := range s.faults {
		if !f.fired {
			out = append(out, f.Fault)
		}
	}
	return out
}

// foreign lets somebody else give a seat a share.
func (s *Sim) foreign(f *fault) bool {
	struck := false
	to := int(f.value*cutover.Whole + 0.5)
	for _, st := range s.seats {
		if st.id.String() != f.seat && st.route.name != f.seat {
			continue
		}
		waves, err := st.plane.shape(st, st.listing(), s.split(to))
		if err != nil {
			s.happened(nil, Happened{Note: "fault: " + f.text + ": " + err.Error()})
			continue
		}
		for _, c := range slices.Concat(waves...) {
			st.plane.land("somebody else", st, st.object(c.Object), c.After)
		}
		struck = struck || len(waves) > 0
	}
	return struck
}

// members lets instances come and go, in every room or in the one that the fault names.
func (s *Sim) members(f *fault) bool {
	struck := false
	for _, st := range s.seats {
		if st.route.name != f.route {
			continue
		}
		for room, name := range s.rooms {
			if f.in != "" && f.in != name {
				continue
			}
			struck = st.plane.comeAndGo(st, room, f) || struck
		}
		st.plane.changed(st)
	}
	return struck
}

func (p *plane) comeAndGo(st *seat, room int, f *fault) bool {
	kind, n := f.kind, f.n
	var here []*object
	for _, o := range st.objects {
		if o.room == room && (o.live || kind != "sick") {
			here = append(here, o)
		}
	}
	switch {
	case n == 0:
		n = (len(here) + 1) / 2
	case n < 0:
		n = len(here)
	}
	gone := here[:min(n, len(here))]
	switch kind {
	case "sick":
		p.checks(st, gone, false)
		if f.span > 0 {
			p.s.at(p.s.now+f.span, func() {
				p.checks(st, gone, true)
				p.s.happened(nil, Happened{Note: "over: " + f.text})
			})
		}
	case "restart":
		for _, o := range gone {
			p.index++
			o.value, o.version, o.born, o.live = p.joins(), p.index, p.index, true
			o.weights, _ = p.weigh(o.name, room, o.value)
			p.touched(o)
		}
	case "leave", "replace":
		st.objects = slices.DeleteFunc(st.objects, func(o *object) bool { return slices.Contains(gone, o) })
		n = len(gone)
	}
	if kind == "join" || kind == "replace" {
		first := st.made
		for i := range n {
			o := p.s.addInstance(p, st, room, first+i+1)
			o.weights, _ = p.weigh(o.name, room, o.value)
			p.touched(o)
		}
	}
	return n > 0
}

// checks says whether instances pass their checks from now on.
func (p *plane) checks(st *seat, of []*object, pass bool) {
	for _, o := range of {
		o.live = pass
		p.touched(o)
	}
	p.changed(st)
}

// hasMembers: the plane's seats are made of instances that come and go.
func (p *plane) hasMembers() bool {
	return p.seats[0].objects != nil && p.seats[0].objects[0].room >= 0 && p.Shows == 0
}

func (s *Sim) lockFault(f *fault) bool {
	struck := false
	for _, p := range s.places {
		if f.in != "" && f.in != p.name {
			continue
		}
		p.sweep()
		for _, h := range p.held {
			if f.kind == "lock freed" {
				struck = struck || !h.over || h.free > s.now
				h.end(s.now)
				h.free = s.now
				continue
			}
			if h.over {
				continue
			}
			struck = true
			if f.kind == "lock lost" {
				h.end(s.now)
			} else {
				h.stall()
			}
		}
	}
	return struck
}
