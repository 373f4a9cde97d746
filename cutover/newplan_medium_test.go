package cutover

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"roomshift/runbooks"
)

// planMedium holds splits in memory. A seat is either one number (the parts of Scale that room Of gets, Other the rest) or
// instances with a weight each.
type planMedium struct {
	held      []Held
	scale     int // of numbers: 100 holds whole percents only
	of, other Room
	reads     int
	err       error
}

func (m *planMedium) Read(_ context.Context, seats []Seat) ([]Held, error) {
	m.reads++
	var out []Held
	for _, h := range m.held {
		if slices.Contains(seats, h.Seat) {
			out = append(out, h)
		}
	}
	return out, m.err
}

func (m *planMedium) Weigh(h Held, value string) (Share, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return nil, err
	}
	if h.Room != "" {
		return Share{h.Room: n}, nil
	}
	return Share{m.of: n, m.other: m.scale - n}, nil
}

func (m *planMedium) Shape(held []Held, want map[Seat]Share) ([][]Change, error) {
	type side struct {
		seat Seat
		room Room
	}
	live := map[side]int{}
	for i := range held {
		if held[i].Live {
			live[side{held[i].Seat, held[i].Room}]++
		}
	}
	var falls, rises []Change
	for _, h := range held {
		after, err := m.value(h, live[side{h.Seat, h.Room}], want[h.Seat])
		if err != nil {
			return nil, err
		}
		if after == h.Value {
			continue
		}
		gives, err := m.Weigh(h, after)
		if err != nil {
			return nil, err
		}
		c := Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: after, Version: h.Version, Gives: gives}
		if h.Room != "" && gives[h.Room] < h.Weights[h.Room] {
			falls = append(falls, c)
		} else {
			rises = append(rises, c)
		}
	}
	var waves [][]Change
	for _, w := range [][]Change{falls, rises} {
		if len(w) > 0 {
			waves = append(waves, w)
		}
	}
	return waves, nil
}

func (m *planMedium) value(h Held, n int, want Share) (string, error) {
	if h.Room == "" {
		n := want[m.of] * m.scale
		if n%Whole != 0 {
			return "", fmt.Errorf("%s: %s isn't a whole number of %d parts", h.Seat, percent(want[m.of]), m.scale)
		}
		return strconv.Itoa(n / Whole), nil
	}
	return strconv.Itoa(int(math.Round(float64(want[h.Room]) * 6 / float64(max(1, n))))), nil
}

func (m *planMedium) Write(_ context.Context, _ Fence, changes []Change) []Outcome {
	return make([]Outcome, len(changes))
}

// planWorld is two rooms as the examples have them: names → gw, two services and an upstream.
type planWorld struct {
	rooms  *runbooks.Rooms
	book   *runbooks.Runbook
	planes []Plane
	snap   *Snapshot
	keys   *planMedium
	inst   *planMedium
	names  *planMedium
	ttls   *planMedium
}

func number(plane, route, at string, cloud int) Held {
	return Held{Seat: Seat{route, at}, Plane: plane, Object: route + "/" + at, Value: strconv.Itoa(cloud), Version: "7", Live: true,
		Weights: Share{"cloud": cloud, "home": 100 - cloud}}
}

func instances(plane, route, at string, room Room, n, weight int) []Held {
	var out []Held
	for i := range n {
		out = append(out, Held{Seat: Seat{route, at}, Plane: plane, Object: fmt.Sprintf("%s/%s/%s-%03d", route, at, room, i), Value: strconv.Itoa(weight),
			Version: "3", Room: room, Live: true, Weights: Share{room: weight}})
	}
	return out
}

var testLines = []string{"default", "mobile", "telecom", "unicom"}

// newPlanWorld is the state of the second night: gw@home at 10 %, names in home, no rates.
func newPlanWorld() *planWorld {
	w := &planWorld{}
	w.rooms = &runbooks.Rooms{Environment: "simulation", Timezone: time.UTC, Probe: &runbooks.Probe{Host: "www.example.com", Paths: []string{"/healthz"}},
		Observe: &runbooks.Observe{Query: "q", RoomLabel: "served_by"},
		Rooms: []runbooks.Room{{Name: "home", Capacity: map[string]runbooks.Rate{"entry": 150000}},
			{Name: "cloud", Capacity: map[string]runbooks.Rate{"entry": 130000}}},
		Links: []runbooks.Link{{Name: "line", Between: [2]string{"home", "cloud"}, Circuits: []float64{10e9, 10e9}, Keep: 8000}},
		Peak:  runbooks.Peak{Rates: map[string]runbooks.Rate{"entry": 120000}},
		Routes: []runbooks.Route{
			{Name: "gw", Medium: runbooks.MediumKey, Seats: []string{"home", "cloud"}, Bytes: 20000},
			{Name: "www", Medium: runbooks.MediumDNS, Into: "gw"},
			{Name: "api", Medium: runbooks.MediumDNS, Into: "gw"},
			{Name: "search", Medium: runbooks.MediumService, Seats: []string{"home"}},
			{Name: "inner", Medium: runbooks.MediumFollows, Follows: "gw"},
			{Name: "pay", Medium: runbooks.MediumStays, Stays: "home", Bytes: 4000, Calls: 0.3},
		},
		Groups: []runbooks.Group{{Name: "entry", Routes: []string{"www", "api"}}, {Name: "others", Routes: []string{"search"}}},
		Pairs:  []runbooks.Pair{{Name: "feed-db", Masters: [2]runbooks.Master{{Room: "home"}, {Room: "cloud"}}}},
	}
	w.book = &runbooks.Runbook{Name: "out", From: "home", To: "cloud"}
	w.keys = &planMedium{scale: 100, of: "cloud", other: "home", held: []Held{number("kv", "gw", "cloud", 100), number("kv", "gw", "home", 10)}}
	w.inst = &planMedium{held: append(instances("svc", "search", "home", "cloud", 10, 0), instances("svc", "search", "home", "home", 10, 6000)...)}
	w.names, w.ttls = &planMedium{}, &planMedium{}
	var lines, keys, inst []Seat
	for _, n := range []string{"api", "www"} {
		for _, l := range testLines {
			w.names.held = append(w.names.held, instances("dns", n, l, "cloud", 1, 0)...)
			w.names.held = append(w.names.held, instances("dns", n, l, "home", 1, 60000)...)
			w.ttls.held = append(w.ttls.held, Held{Seat: Seat{n, l}, Plane: "dns-ttl", Object: n + "/" + l, Value: "600", Live: true})
			lines = append(lines, Seat{n, l})
		}
	}
	keys, inst = []Seat{{"gw", "home"}, {"gw", "cloud"}}, []Seat{{"search", "home"}}
	w.planes = []Plane{
		{Name: "kv", Aspect: Split, Medium: w.keys, Seats: keys, MaxChanges: 64},
		{Name: "svc", Aspect: Split, Medium: w.inst, Seats: inst, MaxChanges: 64},
		{Name: "dns", Aspect: Split, Medium: w.names, Seats: lines, MaxChanges: 1, Shows: 60 * Second},
		{Name: "dns-ttl", Aspect: TTL, Medium: w.ttls, Seats: lines, MaxChanges: 1},
	}
	w.read()
	return w
}

// read makes the snapshot anew from what the media hold.
func (w *planWorld) read() {
	w.snap = &Snapshot{Wall: time.Date(2027, 1, 27, 2, 0, 0, 0, time.UTC),
		Writers: map[string]Seen{"feed-db": {ReadOnly: map[Room]bool{"home": false, "cloud": true}}}}
	for _, m := range []*planMedium{w.keys, w.inst, w.names, w.ttls} {
		w.snap.Held = append(w.snap.Held, m.held...)
	}
}

func (w *planWorld) input() PlanInput {
	return PlanInput{Rooms: w.rooms, Book: w.book, Planes: w.planes, Snapshot: w.snap}
}

func (w *planWorld) step(st runbooks.Step) *planWorld {
	st.Pos = runbooks.Pos{File: "book.yaml", Line: 10 * (len(w.book.Steps) + 1), Col: 5}
	if st.Name == "" {
		st.Name = fmt.Sprintf("%s-%d", st.Kind, len(w.book.Steps)+1)
	}
	w.book.Steps = append(w.book.Steps, st)
	return w
}

// shift adds a step; args are target, shares in percent, target, …
func (w *planWorld) shift(name string, args ...any) *planWorld {
	sh := &runbooks.Shift{Room: "cloud", Pos: runbooks.Pos{File: "book.yaml", Line: 10*(len(w.book.Steps)+1) + 1, Col: 7}}
	for i := 0; i < len(args); i += 2 {
		t := runbooks.ShiftTarget{Name: args[i].(string), Pos: sh.Pos}
		for _, v := range args[i+1].([]float64) {
			t.Shares = append(t.Shares, runbooks.Percent(math.Round(v*100)))
		}
		sh.Targets = append(sh.Targets, t)
	}
	return w.step(runbooks.Step{Name: name, Named: true, Kind: runbooks.StepShift, Shift: sh})
}

func (w *planWorld) checkpoint(name string) *planWorld {
	return w.step(runbooks.Step{Name: name, Kind: runbooks.StepCheckpoint, Checkpoint: name})
}

// mustPlan plans and wants no problem.
func (w *planWorld) mustPlan(t testing.TB) *Plan {
	t.Helper()
	p, problems := NewPlan(w.input())
	for _, x := range problems {
		t.Errorf("unwanted problem: %s: %s [%s]", x.Pos.File, x.Message, x.Rule)
	}
	return p
}
