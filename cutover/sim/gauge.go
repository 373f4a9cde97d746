package sim

import (
	"context"
	"math"
	"slices"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// gauges measures for one runner. Each stream is one gauge in one room or direction: it looks at the rooms every so often, at
// fixed moments, and hands over a sample. Between two steps of the model what it sees stands still, so that one sample stands for
// all until something changes: a piece. With Options.Samples each comes by itself; both say the same at the same moments.
type gauges struct {
	r       *Runner
	ctx     context.Context
	plan    *cutover.Plan
	streams []stream
	next    cutover.T        // on the rooms' clock
	cut     cutover.T        // on the rooms' clock; 0: none
	out     []cutover.Sample // beside what is due
	handed  []cutover.Sample
}

// what is what a stream looks at.
type what int

const (
	seesErrors what = iota
	seesHits
	seesLatency
	seesSteady   // a value that nothing in the model moves
	seesDatabase // it is well: all writes go there, whichever room they come from
	seesLag
	seesLine
	seesTrip
	seesShare
	seesProbe
)

// stream is one gauge at one place.
type stream struct {
	gauge, gate int
	what        what
	name        string // of the gate
	room        int    // the judged room; of replication the receiving one; -1 none
	asked       int    // whose Prometheus answers, -1 none
	pair        *pair
	side        int // of pair: which room receives
	line        int
	seat        *seat

	every, age, window cutover.T
	usual, bad         float64 // the value when all is well; how far it goes when caches are cold
	min                int64   // events it takes
	enough             int64   // bad events that say enough although there are too few
	silent             bool

	now    reading
	parts  []float64                // seesShare: what was seen at the seat by room …
	counts map[cutover.Room]float64 // … and the requests in a second that it makes

	fresh cutover.T // when it looks again, on the rooms' clock
	step  cutover.T // one by one: when the next of the piece comes
	last  cutover.Sample
	at    cutover.T // when last was handed over
}

// reading is what a stream sees; at a seat, all of its requests in a second.
type reading struct {
	lo, hi  float64
	rate    float64 // events in a second
	badPart float64
	unknown cutover.Reason
	idle    bool
	lower   bool
}

const (
	queryAge = cutover.Second     // of what a Prometheus answers: the newest scrape's
	widest   = 5 * cutover.Minute // of a window
	seenWide = cutover.Minute
	forEver  = 1 << 20 // samples of a piece that nothing known ends
)

func (g *gauges) init(r *Runner) { g.r, g.next = r, cutover.Never }

// Start begins measuring, until ctx ends.
func (g *gauges) Start(ctx context.Context, p *cutover.Plan) {
	g.ctx, g.plan, g.streams = ctx, p, slices.Grow(g.streams[:0], 2*len(p.Gauges))
	for i, gauge := range p.Gauges {
		switch gauge.Kind {
		case cutover.GaugeGate:
			g.addGate(i, gauge, &p.Gates[gauge.Gate])
		case cutover.GaugeSeen:
			if st := g.r.s.bySeat[gauge.Seat]; st != nil {
				g.add(stream{gauge: i, what: seesShare, room: -1, asked: st.room, seat: st, every: gauge.Every, age: queryAge, window: seenWide})
			}
		case cutover.GaugeProbe:
			g.add(stream{gauge: i, what: seesProbe, room: g.r.s.roomIndex(gauge.Room), asked: -1, every: gauge.Every})
		}
	}
	g.update()
}

func (g *gauges) add(st stream) {
	st.every = max(st.every, 100*cutover.Millisecond)
	st.fresh, st.step = cutover.Never, cutover.Never
	st.now.lo = math.NaN() // nothing was seen yet: the first look differs from it
	g.streams = append(g.streams, st)
}

// grid is the stream's first moment that isn't before t.
func (g *gauges) grid(st *stream, t cutover.T) cutover.T {
	return (t + st.every - 1) / st.every * st.every
}

func (g *gauges) addGate(i int, gauge cutover.Gauge, gate *cutover.GatePlan) {
	s := g.r.s
	st := stream{gauge: i, gate: gauge.Gate, name: gate.Name, room: -1, asked: -1, every: gauge.Every, age: queryAge, window: gate.Window, min: gate.MinEvents}
	st.usual, st.bad = usual(gate)
	switch gate.Kind {
	case cutover.GateReplication:
		st.what, st.age, st.window, st.min = seesLag, 0, 0, 0
		for _, p := range s.pairs {
			if p.name != gate.Pair {
				continue
			}
			for side := range p.rooms {
				st.pair, st.side, st.room = p, side, p.rooms[side]
				g.add(st)
			}
		}
	case cutover.GateLink:
		st.what = seesSteady
		for k := range s.traffic.lines {
			if s.traffic.lines[k].spec.Name == gate.Link {
				st.line = k
			}
		}
		for _, spec := range s.l.Book.Gates {
			if spec.Name == gate.Name {
				st.asked = s.roomIndex(spec.In)
			}
		}
		if len(s.traffic.lines) > 0 {
			switch gate.Unit {
			case runbooks.UnitRatio:
				st.what = seesLine
			case runbooks.UnitDuration:
				st.what = seesTrip
			}
		}
		g.add(st)
	default:
		g.addRooms(st, gate)
	}
}

func (g *gauges) addRooms(st stream, gate *cutover.GatePlan) {
	limit := limitOf(gate)
	switch {
	case gate.Database != "":
		st.what = seesDatabase
	case gate.Errors || gate.Unit == runbooks.UnitRatio && !limit.Below:
		st.what = seesErrors
	case gate.Unit == runbooks.UnitRatio:
		st.what = seesHits
	case gate.Unit == runbooks.UnitDuration:
		st.what = seesLatency
	default:
		st.what = seesSteady
	}
	if gate.Abort != nil && st.what == seesErrors {
		st.enough = int64(math.Ceil(gate.Abort.Value * float64(gate.MinEvents)))
	}
	for _, room := range gate.Rooms {
		st.room = g.r.s.roomIndex(room)
		st.asked = st.room
		g.add(st)
	}
}

func limitOf(gate *cutover.GatePlan) cutover.LimitPlan {
	switch {
	case gate.Hold != nil:
		return *gate.Hold
	case gate.Abort != nil:
		return *gate.Abort
	}
	return cutover.LimitPlan{Value: 1}
}

// usual is a gate's value when all is well, well inside of its limits, and the one of entirely cold caches: past hold, not past
// abort.
func usual(gate *cutover.GatePlan) (value, cold float64) {
	l := limitOf(gate)
	switch {
	case gate.Errors:
		return min(usualErrors, l.Value/5), 0
	case l.Below && gate.Unit == runbooks.UnitRatio:
		value = l.Value + 0.7*(1-l.Value)
		cold = l.Value - 0.4*(value-l.Value)
		if gate.Abort != nil {
			cold = max(cold, (l.Value+gate.Abort.Value)/2)
		}
		return value, cold
	case l.Below:
		return l.Value * 1.5, 0
	}
	return l.Value / 2, 0
}

// Cut tells that windows begin after at.
func (g *gauges) Cut(at cutover.T) {
	g.cut = at + g.r.base
	for i := range g.streams {
		if st := &g.streams[i]; st.window > 0 && !st.silent {
			g.look(st, g.grid(st, g.cut+st.age+1))
		}
	}
	g.soonest()
}

// stop: the process is gone.
func (g *gauges) stop() { g.streams, g.next = nil, cutover.Never }

// update looks at the rooms after they changed: a stream that sees something else hands it over at its next moment.
func (g *gauges) update() {
	for i := range g.streams {
		st := &g.streams[i]
		if len(g.r.s.faults) > 0 && g.r.s.silent(st.name, st.room) {
			g.hush(st)
			continue
		}
		now := g.see(st)
		if same(&now, &st.now) && (st.what != seesShare || slices.Equal(st.parts, st.seat.seen)) {
			continue
		}
		if st.now = now; st.what == seesShare {
			st.parts, st.counts = append(st.parts[:0], st.seat.seen...), nil
		}
		g.look(st, g.grid(st, g.r.s.now))
	}
	g.soonest()
}

// hush ends a piece at what was measured last: nothing comes any more.
func (g *gauges) hush(st *stream) {
	if st.silent {
		return
	}
	st.silent = true
	if st.last.Again > 0 && !g.r.s.o.Samples {
		k := (g.r.s.now - st.at) / st.every
		st.last.From, st.last.At, st.last.Again = st.last.From+k*st.every, st.last.At+k*st.every, 0
		g.out = append(g.out, st.last)
	}
	st.now.lo = math.NaN() // whatever it sees next is new
	st.fresh, st.step = cutover.Never, cutover.Never
}

// look asks for a new piece at a moment, if none is due before.
func (g *gauges) look(st *stream, at cutover.T) {
	if st.at >= at { // it has looked at this moment already: what changed since is seen at the next
		at += st.every
	}
	st.silent = false
	st.fresh = min(st.fresh, at)
}

// soonest works out when the next sample is due.
func (g *gauges) soonest() {
	g.next = cutover.Never
	if len(g.out) > 0 {
		g.next = g.r.s.now
		return
	}
	for i := range g.streams {
		st := &g.streams[i]
		g.next = min(g.next, st.fresh, st.step)
	}
}

// same tells whether a stream still sees the same, but for counts that nobody would tell apart.
func same(a, b *reading) bool {
	return a.lo == b.lo && a.hi == b.hi && a.badPart == b.badPart && a.unknown == b.unknown && a.idle == b.idle && a.lower == b.lower &&
		math.Abs(a.rate-b.rate) <= 0.02*b.rate
}

// collect hands over the samples that are due. They are good until the next call.
func (g *gauges) collect(now cutover.T) []cutover.Sample {
	if g.next > now {
		return nil
	}
	if g.ctx.Err() != nil {
		g.stop()
		return nil
	}
	g.handed, g.out = g.out, g.handed[:0]
	for i := range g.streams {
		st := &g.streams[i]
		switch {
		case st.fresh <= now:
			g.handed = append(g.handed, g.begin(st, now))
		case st.step <= now:
			st.last.From, st.last.At = st.last.From+st.every, st.last.At+st.every
			st.step = now + st.every
			g.handed = append(g.handed, st.last)
		}
	}
	g.soonest()
	return g.handed
}

// begin is the first sample of a piece.
func (g *gauges) begin(st *stream, now cutover.T) cutover.Sample {
	st.last = g.measure(st, now)
	st.at = now
	st.fresh = now + cutover.T(st.last.Again+1)*st.every
	if g.r.s.o.Samples {
		st.last.Again = 0
		st.step = now + st.every
	}
	return st.last
}

var _ cutover.Gauges = (*gauges)(nil)
