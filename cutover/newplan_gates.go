package cutover

import (
	"cmp"

	"roomshift/runbooks"
)

// The defaults of DESIGN §5.
const (
	gateEvery        = 5 * Second
	replicationEvery = 500 * Millisecond
	abortFor         = 15 * Second
	replicationFor   = 10 * Second
	replicationAge   = 5 * Second
	blindFor         = 2 * Minute
	queryWindow      = Minute
	holdSamples      = 2
	abortSamples     = 3
	minEvents        = 100
	probeEvery       = 5 * Second
)

func (b *planner) gates() {
	for i := range b.book.Gates {
		b.p.Gates = append(b.p.Gates, b.gate(&b.book.Gates[i]))
	}
}

// gate fills in a gate's defaults. maxAge is three intervals of whichever is slower, the scrape or the asking: asked every 15 s
// over a 5 s scrape, a sample is rightly 20 s old before the next one comes.
func (b *planner) gate(g *runbooks.Gate) GatePlan {
	out := GatePlan{Name: g.Name, Kind: GateRoom, Pair: g.Replication, Link: g.Link, Database: g.Database, Unit: unitOf(g), BlindFor: cmp.Or(T(g.BlindFor), blindFor),
		Bake: T(g.Bake), OnAbort: g.OnAbort, Every: cmp.Or(T(g.Every), gateEvery), MinEvents: int64(g.MinEvents)}
	abort := abortFor
	switch {
	case g.Replication != "":
		out.Kind, abort = GateReplication, replicationFor
		out.Every = cmp.Or(T(g.Every), replicationEvery)
		out.MaxAge = cmp.Or(T(g.MaxAge), max(replicationAge, 3*out.Every))
	case g.Link != "":
		out.Kind = GateLink
	default:
		out.Rooms = append(out.Rooms, g.RoomNames...)
		if len(out.Rooms) == 0 {
			for _, r := range b.p.Rooms {
				out.Rooms = append(out.Rooms, r.Name)
			}
		}
	}
	if out.Kind != GateReplication {
		out.MaxAge = cmp.Or(T(g.MaxAge), 3*max(b.scrape(), out.Every))
		out.Window = cmp.Or(T(g.Window), queryWindow)
	}
	if g.Ratio != nil && out.MinEvents == 0 {
		out.MinEvents = minEvents
	}
	out.Hold, out.Abort = limitPlan(g.Hold, 0, holdSamples), limitPlan(g.Abort, abort, abortSamples)
	out.Errors = g.Ratio != nil && g.Ratio.Bad != "" && g.Ratio.Of != "" && g.Abort != nil && out.Kind == GateRoom && len(out.Rooms) == len(b.p.Rooms)
	return out
}

func limitPlan(l *runbooks.Limit, time T, samples int) *LimitPlan {
	if l == nil {
		return nil
	}
	out := &LimitPlan{Below: l.Below, Value: l.Value, For: time, Samples: samples}
	if l.ForSet {
		out.For = T(l.For)
	}
	return out
}

func unitOf(g *runbooks.Gate) runbooks.Unit {
	switch {
	case g.Abort != nil && g.Abort.Unit != "":
		return g.Abort.Unit
	case g.Hold != nil && g.Hold.Unit != "":
		return g.Hold.Unit
	case g.Replication != "":
		return runbooks.UnitDuration
	case g.Ratio != nil:
		return runbooks.UnitRatio
	}
	return runbooks.UnitNumber
}

// gauges lists what is measured: every gate, the seen share of every observed seat, every room's probe.
func (b *planner) gauges() {
	for i := range b.p.Gates {
		b.p.Gauges = append(b.p.Gauges, Gauge{Kind: GaugeGate, Gate: i, Every: b.p.Gates[i].Every})
	}
	for i := range b.p.Routes {
		r := &b.p.Routes[i]
		for _, s := range r.Seats {
			if r.Observed {
				b.p.Gauges = append(b.p.Gauges, Gauge{Kind: GaugeSeen, Seat: s, Every: b.seenEvery()})
			}
		}
	}
	for i := range b.p.Rooms {
		if b.p.Rooms[i].Probed {
			b.p.Gauges = append(b.p.Gauges, Gauge{Kind: GaugeProbe, Room: b.p.Rooms[i].Name, Every: probeEvery})
		}
	}
}

// seenEvery is how often seats are observed: as often as they are scraped, which brings something new.
func (b *planner) seenEvery() T { return max(b.scrape(), Second) }

// gatesBake is the longest bake that a gate wants after each rung.
func (b *planner) gatesBake() T {
	var longest T
	for i := range b.p.Gates {
		longest = max(longest, b.p.Gates[i].Bake)
	}
	return longest
}
