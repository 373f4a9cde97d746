package metrics

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"roomshift/cutover"
)

var (
	_ cutover.Gauges = (*Collector)(nil)
	_ cutover.Prober = (*Metrics)(nil)
)

// Lag is one reading of a pair's replication towards the room To, in seconds. Its fields are those of a sample.
type Lag struct {
	To         cutover.Room
	Lo, Hi     float64
	Idle       bool
	LowerBound bool
	Unknown    cutover.Reason
	From, At   cutover.T
}

// Replication measures a pair until ctx ends and puts a reading for each direction at least every so often.
type Replication func(ctx context.Context, pair string, every time.Duration, put func(Lag))

// Collector measures a plan's gauges, each in a goroutine of its own.
type Collector struct {
	m    *Metrics
	put  func(cutover.Sample)
	lag  Replication
	cut  atomic.Int64 // the newest Cut
	done sync.WaitGroup
}

// Gauges makes a collector that hands samples to put, which must not block, and leaves pairs to lag; nil when there are none.
func (m *Metrics) Gauges(put func(cutover.Sample), lag Replication) *Collector {
	return &Collector{m: m, put: put, lag: lag}
}

// Cut tells that data from before at says nothing about the present.
func (c *Collector) Cut(at cutover.T) {
	for {
		old := c.cut.Load()
		if int64(at) <= old || c.cut.CompareAndSwap(old, int64(at)) {
			return
		}
	}
}

func (c *Collector) cutAt() cutover.T { return cutover.T(c.cut.Load()) }

// Start begins measuring and returns at once. It ends with ctx; Wait tells when.
func (c *Collector) Start(ctx context.Context, p *cutover.Plan) {
	observers := map[string]*observer{}
	for i, g := range p.Gauges {
		switch g.Kind {
		case cutover.GaugeGate:
			c.startGate(ctx, p, i, g)
		case cutover.GaugeSeen:
			c.addSeen(ctx, p, i, g, observers)
		case cutover.GaugeProbe:
			c.startProbe(ctx, i, g)
		}
	}
	for _, r := range p.Routes {
		if ob := observers[r.Name]; ob != nil {
			c.startObserver(ctx, p, ob)
		}
	}
}

// Wait returns when all that Start began has ended, and lets go of idle connections.
func (c *Collector) Wait() {
	c.done.Wait()
	c.m.Close()
}

// every calls f at once and then at the interval, until ctx ends. A slow f makes the next late, never two at once.
func (c *Collector) every(ctx context.Context, interval cutover.T, f func(context.Context)) {
	if interval <= 0 {
		interval = 5 * cutover.Second
	}
	c.done.Go(func() {
		tick := time.NewTicker(interval.Duration())
		defer tick.Stop()
		for {
			f(ctx)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// hand gives a sample to the engine, unless the run is over: then its Unknown would only say so.
func (c *Collector) hand(ctx context.Context, s cutover.Sample) {
	if ctx.Err() == nil {
		c.put(s)
	}
}

// blind says at each interval that a gauge can't be read, and why: never silence.
func (c *Collector) blind(ctx context.Context, g cutover.Gauge, s cutover.Sample, why cutover.Reason) {
	c.every(ctx, g.Every, func(ctx context.Context) { c.hand(ctx, unknown(s, why, c.m.now())) })
}

func (c *Collector) startGate(ctx context.Context, p *cutover.Plan, index int, g cutover.Gauge) {
	gate := &p.Gates[g.Gate]
	if gate.Kind == cutover.GateReplication {
		c.startLag(ctx, p, index, g, gate.Pair)
		return
	}
	rooms := gate.Rooms
	if gate.Kind == cutover.GateLink {
		rooms = []cutover.Room{""}
	}
	for _, room := range rooms {
		none := cutover.Sample{Gauge: index, Room: room}
		written := c.m.gates[gate.Name]
		if written == nil {
			c.blind(ctx, g, none, because("error", "rooms.yaml has no gate %s any more", gate.Name))
			continue
		}
		gg, err := c.m.newGateGauge(index, gate, written, room)
		if err != nil {
			c.blind(ctx, g, none, because("error", "%v", err))
			continue
		}
		c.every(ctx, g.Every, func(ctx context.Context) { c.hand(ctx, gg.sample(ctx, c.cutAt())) })
	}
}

func (c *Collector) startLag(ctx context.Context, p *cutover.Plan, index int, g cutover.Gauge, pair string) {
	if c.lag == nil {
		for _, pp := range p.Pairs {
			for _, room := range pp.Rooms {
				if pp.Name == pair {
					c.blind(ctx, g, cutover.Sample{Gauge: index, Room: room}, because("error", "nothing measures the pair %s", pair))
				}
			}
		}
		return
	}
	c.done.Go(func() {
		c.lag(ctx, pair, g.Every.Duration(), func(l Lag) {
			c.hand(ctx, cutover.Sample{
				Gauge: index, Room: l.To, Lo: l.Lo, Hi: l.Hi, Idle: l.Idle, LowerBound: l.LowerBound,
				Unknown: l.Unknown, From: l.From, At: l.At,
			})
		})
	})
}

// addSeen gives a seat's gauge to its route's observer.
func (c *Collector) addSeen(ctx context.Context, p *cutover.Plan, index int, g cutover.Gauge, observers map[string]*observer) {
	ob := observers[g.Seat.Route]
	if ob == nil {
		i := slices.IndexFunc(p.Routes, func(r cutover.RoutePlan) bool { return r.Name == g.Seat.Route })
		if i < 0 {
			c.blind(ctx, g, cutover.Sample{Gauge: index}, because("error", "the plan has no route %s", g.Seat.Route))
			return
		}
		var err error
		if ob, err = c.m.newObserver(&p.Routes[i], p.Rooms); err != nil {
			c.blind(ctx, g, cutover.Sample{Gauge: index}, because("error", "%v", err))
			return
		}
		observers[g.Seat.Route] = ob
	}
	ob.gauges = append(ob.gauges, seenGauge{index, g.Seat})
}

func (c *Collector) startObserver(ctx context.Context, p *cutover.Plan, ob *observer) {
	ob.put = func(s cutover.Sample) { c.hand(ctx, s) }
	interval := p.Gauges[ob.gauges[0].index].Every
	for _, en := range ob.asks {
		c.every(ctx, interval, func(ctx context.Context) { ob.ask(ctx, en, c.cutAt()) })
	}
}

func (c *Collector) startProbe(ctx context.Context, index int, g cutover.Gauge) {
	probe := c.m.rooms.Probe
	if probe == nil {
		c.blind(ctx, g, cutover.Sample{Gauge: index, Room: g.Room}, "error: rooms.yaml has no probe any more")
		return
	}
	c.every(ctx, g.Every, func(ctx context.Context) {
		at := c.m.now()
		s := cutover.Sample{Gauge: index, Room: g.Room, Lo: 1, Hi: 1, From: at, At: at}
		if c.m.Probe(ctx, g.Room, probe.Host, probe.Paths) != nil {
			s.Lo, s.Hi = 0, 0
		}
		c.hand(ctx, s)
	})
}

func sortedRooms(m map[cutover.Room]float64) []cutover.Room {
	rooms := make([]cutover.Room, 0, len(m))
	for r := range m {
		rooms = append(rooms, r)
	}
	slices.Sort(rooms)
	return rooms
}
