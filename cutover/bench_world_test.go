package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"roomshift/runbooks"
)

// benchWorld is one plane in memory on a virtual clock, for benchmarks of the engine: what it takes is the engine's own time.
type benchWorld struct {
	p        *Plan
	now      T
	writes   T // what a request takes
	appends  T // what an append takes
	took     T
	replies  []Reply // sorted by At
	held     map[Seat][]Held
	at       map[string][2]int // object → its seat's number and its place there
	seats    []Seat
	records  []Record
	sent     int                    // requests that write
	hang     func(cs []Change) bool // this one is never answered
	wrote    func(cs []Change)      // hears of every request
	late     []Sample               // handed over one by one, 5 s apart, when `from` has come
	from     T
	begun    bool
	crossing func() // hears of each of late
}

// newBenchWorldOf plans, and takes what the plan's medium holds.
func newBenchWorldOf(tb testing.TB, w *planWorld) *benchWorld {
	tb.Helper()
	x := &benchWorld{now: t0, writes: 5 * Millisecond, appends: 2 * Millisecond, held: map[Seat][]Held{}, at: map[string][2]int{}}
	x.p = w.mustPlan(tb)
	x.p.Gates, x.p.Gauges = gatesPlan().Gates[:2], gatesPlan().Gauges[:2]
	for i := range x.p.Routes {
		x.p.Routes[i].Observed = false // its read-back settles it
	}
	x.seats = slices.Clone(w.planes[0].Seats)
	number := map[Seat]int{}
	for i, s := range x.seats {
		number[s] = i
	}
	for _, h := range x.p.Held {
		x.at[h.Object] = [2]int{number[h.Seat], len(x.held[h.Seat])}
		x.held[h.Seat] = append(x.held[h.Seat], h)
	}
	return x
}

// bigWorldOf is routes of one plane, each with so many instances, half of them in either room.
func bigWorldOf(routes, each int) *planWorld {
	w := newPlanWorld()
	w.rooms.Routes, w.rooms.Groups, w.rooms.Pairs, w.planes = nil, nil, nil, nil
	m := &planMedium{}
	pl := Plane{Name: "svc", Aspect: Split, Medium: m, MaxChanges: 63}
	g := runbooks.Group{Name: "all"}
	for i := range routes {
		name := fmt.Sprintf("s%04d", i)
		w.rooms.Routes = append(w.rooms.Routes, runbooks.Route{Name: name, Medium: runbooks.MediumService, Seats: []string{"home"}})
		g.Routes = append(g.Routes, name)
		pl.Seats = append(pl.Seats, Seat{name, "home"})
		m.held = append(m.held, instancesOf(name, "cloud", each/2, 0)...)
		m.held = append(m.held, instancesOf(name, "home", each/2, 60000/(each/2))...)
	}
	w.rooms.Groups, w.planes = []runbooks.Group{g}, []Plane{pl}
	w.snap = &Snapshot{Held: m.held, Wall: time.Date(2027, 1, 27, 2, 0, 0, 0, time.UTC)}
	return w
}

func instancesOf(route string, room Room, n, weight int) []Held {
	out := instances("svc", route, "home", room, n, weight)
	for i := range out {
		out[i].Object = fmt.Sprintf("%s/home/%s-%05d", route, room, i)
	}
	return out
}

func (x *benchWorld) world() World {
	return World{Clock: x, Gauges: x, Journal: x, Operators: benchPeople{}, Planes: []Plane{{Name: "svc", Aspect: Split, Medium: benchMedium{x, &planMedium{}},
		Seats: x.seats, MaxChanges: 63, HasCAS: true, FencedByServer: true, Lateness: 10 * Second}}}
}

func (x *benchWorld) Now() T { return x.now }
func (x *benchWorld) Wall(at T) time.Time {
	return time.Date(2027, 1, 27, 2, 0, 0, 0, time.UTC).Add((at - t0).Duration())
}

func (x *benchWorld) Go(id int, _ T, f func(context.Context) any) {
	x.took = Millisecond / 10
	v := f(context.Background())
	if x.took == Never {
		return
	}
	r := Reply{ID: id, At: x.now + x.took, Value: v}
	i, _ := slices.BinarySearchFunc(x.replies, r.At+1, func(q Reply, at T) int { return int(q.At - at) })
	x.replies = slices.Insert(x.replies, i, r)
}

func (x *benchWorld) Next(until T) []Event {
	if !x.begun { // every gate is green from the start on, for ever
		x.begun = true
		return x.samples(0.0001)
	}
	next := until
	if len(x.replies) > 0 {
		next = min(next, x.replies[0].At)
	}
	if len(x.late) > 0 {
		next = min(next, max(x.from, x.now))
	}
	x.now = max(x.now, next)
	var evs []Event
	for len(x.replies) > 0 && x.replies[0].At <= x.now {
		r := x.replies[0]
		x.replies = x.replies[1:]
		evs = append(evs, Event{Reply: &r})
	}
	if len(x.late) > 0 && x.now >= x.from {
		s := x.late[0]
		s.From, s.At = x.now-Second, x.now
		x.late, x.from = x.late[1:], x.now+5*Second
		evs = append(evs, Event{Sample: &s})
		if x.crossing != nil {
			x.crossing()
		}
	}
	return evs
}

func (x *benchWorld) samples(v float64) []Event {
	var evs []Event
	for i := range x.p.Gauges {
		for _, room := range []Room{"home", "cloud"} {
			evs = append(evs, Event{Sample: &Sample{Gauge: i, Room: room, Lo: v, Hi: v, Events: 10000, From: x.now, At: x.now, Again: 1 << 30}})
		}
	}
	return evs
}

func (x *benchWorld) Start(context.Context, *Plan) {}
func (x *benchWorld) Cut(T)                        {}

func (x *benchWorld) Append(_ context.Context, rs []Record) error {
	x.took = x.appends
	x.records = append(x.records, rs...)
	return nil
}

func (x *benchWorld) Read(context.Context) ([]Record, string, error) {
	x.took = x.appends
	return slices.Clone(x.records), "", nil
}

type benchPeople struct{}

func (benchPeople) Start(context.Context) {}
func (benchPeople) Answer(string, Answer) {}

type benchMedium struct {
	x *benchWorld
	*planMedium
}

func (m benchMedium) Read(_ context.Context, seats []Seat) ([]Held, error) {
	m.x.took = m.x.writes
	var held []Held
	for _, s := range seats {
		held = append(held, m.x.held[s]...)
	}
	return held, nil
}

func (m benchMedium) Write(_ context.Context, _ Fence, cs []Change) []Outcome {
	x := m.x
	x.sent++
	x.took = x.writes
	if x.wrote != nil {
		x.wrote(cs)
	}
	if x.hang != nil && x.hang(cs) {
		x.took = Never
		return nil
	}
	return x.land(cs)
}

// land is the server at work: compare and set.
func (x *benchWorld) land(cs []Change) []Outcome {
	outs := make([]Outcome, len(cs))
	for i, c := range cs {
		at := x.at[c.Object]
		h := &x.held[x.seats[at[0]]][at[1]]
		if h.Value != c.Before {
			outs[i] = Outcome{What: Foreign, Found: h.Value, Err: errors.New("it holds something else")}
			continue
		}
		h.Value, h.Weights, h.Version = c.After, c.Gives, h.Version+"."
		outs[i] = Outcome{What: Done, Version: h.Version}
	}
	return outs
}
