package sim

import (
	"context"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// told is a medium that tells when a write came back from it.
type told struct {
	cutover.Medium
	after func()
}

func (m *told) Write(ctx context.Context, f cutover.Fence, cs []cutover.Change) []cutover.Outcome {
	outs := m.Medium.Write(ctx, f, cs)
	if m.after != nil {
		m.after()
	}
	return outs
}

// TestMedia holds every simulated medium to the contract of cutover.Medium.
func TestMedia(t *testing.T) {
	for _, c := range []struct {
		plane         string
		seats         []cutover.Seat
		shares        []int
		inexpressible int
		values        []string
	}{
		{plane: "home/keys", seats: []cutover.Seat{{Route: "fine", At: "home"}, {Route: "gw", At: "home"}}, inexpressible: 33},
		{plane: "home/services", seats: []cutover.Seat{{Route: "docs", At: "home"}, {Route: "search", At: "home"}}, inexpressible: 1},
		{plane: "home/upstreams", seats: []cutover.Seat{{Route: "im", At: "home"}, {Route: "legacy", At: "home"}}},
		{plane: "home/splitters", seats: []cutover.Seat{{Route: "grid", At: "home"}, {Route: "mesh", At: "home"}}},
		{plane: "alidns", seats: []cutover.Seat{{Route: "api", At: "telecom"}, {Route: "www", At: "telecom"}}, inexpressible: 30},
		{plane: "alidns/ttl", seats: []cutover.Seat{{Route: "api", At: "telecom"}, {Route: "www", At: "telecom"}}, values: []string{"60", "120", "30"}},
	} {
		t.Run(c.plane, func(t *testing.T) {
			cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest {
				u := underTest(t, c.plane)
				u.Seats, u.Shares, u.Inexpressible, u.Values = c.seats, c.shares, c.inexpressible, c.values
				return u
			})
		})
	}
}

func underTest(t *testing.T, name string) cutovertest.MediumUnderTest {
	s := newTest(t, "climb", Options{})
	w := s.World()
	pl := testPlane(t, w, name)
	var held cutover.Lease
	for _, p := range w.Locks {
		l, err := p.Lock.Take(context.Background(), cutover.Claim{Run: "r"})
		if err != nil {
			t.Fatal(err)
		}
		if p.Name == pl.Place {
			held = l
		}
	}
	m := pl.Medium.(*medium)
	find := func(name string) (*seat, *object) {
		for _, st := range m.seats {
			if o := st.object(name); o != nil {
				return st, o
			}
		}
		t.Fatalf("%s holds no %s", m.name, name)
		return nil, nil
	}
	outer := &told{Medium: m}
	change := func(name string, f func(o *object)) {
		_, o := find(name)
		m.index++
		f(o)
		m.touched(o)
	}
	u := cutovertest.MediumUnderTest{Medium: outer, Plane: pl, Rooms: [2]cutover.Room{"home", "cloud"}, Fence: held.Fence(),
		Foreign: func(object, value string) {
			st, o := find(object)
			m.land("somebody else", st, o, value)
		},
		Rest:   func(object string) string { _, o := find(object); return o.rest },
		Remake: func(name string) { change(name, func(o *object) { o.born, o.version = m.index, m.index }) },
		Hide: func() {
			for _, st := range m.seats {
				st.objects[0].hidden = true
				m.touched(st.objects[0])
			}
		},
		Pass: s.Advance,
		Wire: wire(s, m, outer),
	}
	u.Disturb = func(name string) { change(name, func(o *object) { o.rest, o.version = "changed", m.index }) }
	if pl.FencedByServer {
		u.LoseLease = func() { held.(*lease).end(s.now) }
	}
	return u
}

func wire(s *Sim, m *medium, outer *told) *cutovertest.Wire {
	down := &fault{Fault: Fault{kind: "plane", plane: m.name}}
	next := func(kind string) {
		s.faults = append(s.faults, &fault{Fault: Fault{kind: kind, write: s.writes + 1, writes: 1, d: 8 * cutover.Second}})
	}
	s.faults = append(s.faults, down)
	return &cutovertest.Wire{
		Sent:      func() int { return m.sent },
		Down:      func() { down.on = true },
		Up:        func() { down.on = false },
		CutAnswer: func() { next("lose reply") },
		Hold: func() func() {
			next("late")
			there := make(chan struct{})
			outer.after = func() { close(there); outer.after = nil }
			return func() { <-there }
		},
		Release: func() { s.Advance(9 * cutover.Second) },
	}
}

// TestShapeKeepsBetween: while a rung's waves land, in whatever order within a wave, the gaining room's share stays between what it
// was and what it is to be.
func TestShapeKeepsBetween(t *testing.T) {
	steps := []int{0, 10000, 0, 300, 1000, 4500, 6000, 9900, 10000, 7000, 3000, 500, 0}
	for _, counts := range [][2]int{{4, 4}, {7, 3}, {2, 5}, {6, 2}} {
		for _, name := range []string{"alidns", "home/services", "home/upstreams"} {
			s := newTest(t, "climb", Options{})
			pl := testPlane(t, s.World(), name)
			p := pl.Medium.(*medium).plane
			st := p.seats[0]
			if p.hasMembers() {
				for room, n := range counts {
					p.comeAndGo(st, room, &fault{Fault: Fault{kind: "leave", n: -1}})
					p.comeAndGo(st, room, &fault{Fault: Fault{kind: "join", n: n}})
				}
				fillAll(t, st)
			}
			for _, to := range steps[1:] {
				was := cutover.SeatShares(st.listing())[st.id]["cloud"]
				waves, err := p.shape(st, st.listing(), s.split(to))
				if err != nil {
					t.Fatalf("%s %v: %v", name, counts, err)
				}
				for _, w := range waves {
					for _, c := range w {
						p.land("run", st, st.object(c.Object), c.After)
						all, serves := cutover.SeatShares(st.listing())[st.id]
						if !serves {
							t.Errorf("%s %v: from %d to %d nothing serves after %s", name, counts, was, to, c.Object)
						}
						now := all["cloud"]
						if now < min(was, to)-cutover.Near || now > max(was, to)+cutover.Near {
							t.Errorf("%s %v: from %d to %d the share is %d after %s", name, counts, was, to, now, c.Object)
						}
					}
				}
				if now := cutover.SeatShares(st.listing())[st.id]["cloud"]; now < to-cutover.Near || now > to+cutover.Near {
					t.Errorf("%s %v: the share is %d, want %d", name, counts, now, to)
				}
			}
		}
	}
}

// fillAll gives a seat with new instances the share 0.
func fillAll(t *testing.T, st *seat) {
	t.Helper()
	p := st.plane
	waves, err := p.shape(st, st.listing(), p.s.split(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range waves {
		for _, c := range w {
			p.land("run", st, st.object(c.Object), c.After)
		}
	}
}

// keyWrites is two gateways' keys of one Consul, with a live fence and a way to write them.
func keyWrites(t *testing.T) (s *Sim, pl cutover.Plane, waves func(to int) []cutover.Change, write func([]cutover.Change) []cutover.Outcome) {
	t.Helper()
	u := underTest(t, "home/keys")
	s, pl = u.Medium.(*told).Medium.(*medium).s, u.Plane
	waves = func(to int) []cutover.Change {
		var all []cutover.Change
		for _, st := range pl.Medium.(*medium).seats {
			ws, err := st.plane.shape(st, st.listing(), s.split(to))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ws[0]...)
		}
		return all
	}
	return s, pl, waves, func(cs []cutover.Change) []cutover.Outcome {
		return pl.Medium.Write(context.Background(), u.Fence, cs)
	}
}

// TestVersionCounts: an object that holds the expected value again, but was written in between, isn't written.
func TestVersionCounts(t *testing.T) {
	s, _, waves, write := keyWrites(t)
	stale := waves(500)
	st := s.bySeat[gwHome]
	st.plane.land("somebody else", st, st.objects[0], "9")
	st.plane.land("somebody else", st, st.objects[0], "0")
	for i, o := range write(stale) {
		if o.What != cutover.Failed {
			t.Errorf("%s with an old version is %v, want failed", stale[i].Object, o.What)
		}
	}
}

// TestOneTransaction: a Consul takes all of a request or nothing; a provider of names takes what still holds what was expected.
func TestOneTransaction(t *testing.T) {
	s, _, waves, write := keyWrites(t)
	cs := waves(500)
	st := s.bySeat[gwHome]
	st.plane.land("somebody else", st, st.objects[0], "9")
	n := len(s.landings)
	if outs := write(cs); outs[0].What == cutover.Done || outs[1].What == cutover.Done || len(s.landings) != n {
		t.Errorf("beside a foreign key another was written: %v", outs)
	}
	u := underTest(t, "alidns")
	m := u.Medium.(*told).Medium.(*medium)
	var names []cutover.Change
	for _, st := range m.seats[:2] {
		ws, err := m.shape(st, st.listing(), m.s.split(1000))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, ws[0]...)
	}
	u.Foreign(names[0].Object, "50")
	if outs := m.Write(context.Background(), u.Fence, names); outs[0].What != cutover.Foreign || outs[1].What != cutover.Done {
		t.Errorf("beside a foreign record the other is %v", outs)
	}
}
