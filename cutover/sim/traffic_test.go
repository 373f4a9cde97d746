package sim

import (
	"math"
	"testing"

	"roomshift/cutover"
)

// set gives a seat a share, as a write that has landed.
func set(t *testing.T, s *Sim, seat string, to int) {
	t.Helper()
	for _, st := range s.seats {
		if st.id.String() != seat && st.route.name != seat {
			continue
		}
		waves, err := st.plane.shape(st, st.listing(), s.split(to))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range waves {
			for _, c := range w {
				st.plane.land("run", st, st.object(c.Object), c.After)
			}
		}
	}
	s.refresh()
}

func seen(s *Sim, route, at string) float64 {
	return s.Seen(cutover.Seat{Route: route, At: at})["cloud"]
}

// TestResolvers: after a change of a name's weights the seen share goes there evenly over one TTL, but for those that stretch
// TTLs, who come later and come all the same.
func TestResolvers(t *testing.T) {
	s := newTest(t, "climb", Options{})
	s.Advance(cutover.Minute)
	set(t, s, "www", 4000)
	last := seen(s, "www", "telecom")
	if last != 0 {
		t.Fatalf("%.3f is seen at once", last)
	}
	for range 10 {
		s.Advance(usualTTL / 10)
		now := seen(s, "www", "telecom")
		if now < last || now > 0.4 {
			t.Errorf("seen went from %.3f to %.3f", last, now)
		}
		last = now
	}
	if last < 0.91*0.4 || last > 0.395 {
		t.Errorf("after one TTL %.3f is seen, want some 91 %% of 0.4", last)
	}
	s.Advance(30 * cutover.Minute)
	if now := seen(s, "www", "telecom"); now <= last || now >= 0.4 {
		t.Errorf("half an hour later %.4f is seen, after %.4f: want between that and 0.4", now, last)
	}
	s.Advance(6 * 60 * cutover.Minute)
	if now := seen(s, "www", "telecom"); now != 0.4 {
		t.Errorf("in the end %.4f is seen, want 0.4", now)
	}
	if other := seen(s, "api", "telecom"); other != 0 {
		t.Errorf("another name moved to %.3f", other)
	}
}

// TestShortTTL: answers given out before the TTL was lowered live as long as it said then.
func TestShortTTL(t *testing.T) {
	half := func(wait cutover.T) cutover.T { // how long until half of a move is seen, so long after the TTL was lowered
		s := newTest(t, "climb", Options{})
		s.Advance(cutover.Minute)
		for _, p := range s.planes {
			if p.Aspect == cutover.TTL {
				for _, st := range p.seats {
					p.land("run", st, st.objects[0], "60")
				}
			}
		}
		s.Advance(wait)
		set(t, s, "www", 4000)
		for d := cutover.T(0); ; d += cutover.Second {
			if seen(s, "www", "telecom") >= 0.2 {
				return d
			}
			s.Advance(cutover.Second)
		}
	}
	if d := half(0); d < 4*cutover.Minute {
		t.Errorf("at once half is seen after %s, want minutes", d.Duration())
	}
	if d := half(usualTTL); d > cutover.Minute {
		t.Errorf("after the old TTL half is seen after %s, want within the new one", d.Duration())
	}
}

// TestSecondChange: a change on the way goes on from what is believed.
func TestSecondChange(t *testing.T) {
	s := newTest(t, "climb", Options{})
	s.Advance(cutover.Minute)
	set(t, s, "www", 8000)
	s.Advance(usualTTL / 2)
	before := seen(s, "www", "default")
	set(t, s, "www", 0)
	if now := seen(s, "www", "default"); math.Abs(now-before) > 0.05 {
		t.Errorf("a second change makes seen jump from %.3f to %.3f", before, now)
	}
	s.Advance(24 * 60 * cutover.Minute)
	if now := seen(s, "www", "default"); now != 0 {
		t.Errorf("in the end %.4f is seen, want 0", now)
	}
}

// TestServed: shares of names and gateways multiply, and what crosses loads the line.
func TestServed(t *testing.T) {
	s := newTest(t, "climb", Options{Shares: map[string]int{"www": 1000, "api": 1000, "gw@home": 2200}})
	got := s.routes[0].out
	if s.routes[0].name != "gw" {
		t.Fatalf("the first route is %s", s.routes[0].name)
	}
	if part := got[s.to] / (got[s.to] + got[s.from]); math.Abs(part-0.298) > 1e-9 {
		t.Errorf("%.4f of the entry is served in the cloud, want 10 %% + 90 %% of 22 %% = 0.298", part)
	}
	crossing := 0.9 * 0.22 * 3000 * 20e3 * 8
	if got := s.traffic.lines[0].crosses; math.Abs(got-crossing)/crossing > 0.6 || got < crossing {
		t.Errorf("%.0f bit/s cross, want %.0f of the gateway and what calls pay", got, crossing)
	}
}

// TestComposed follows what is set, at once.
func TestComposed(t *testing.T) {
	s := newTest(t, "climb", Options{})
	if n := s.composed(); n != 0 {
		t.Fatalf("%d at the start", n)
	}
	set(t, s, "www", 10000)
	// www is 1,500 of 3,000 entry requests and 7,000 of other routes a second
	if n := s.composed(); n != 1500 {
		t.Errorf("%d, want 1500", n)
	}
}

func TestStrain(t *testing.T) {
	s := newTest(t, "climb", Options{Shares: map[string]int{"gw@home": 10000}}, "load 600% at 10s for 10s", "errors home 5% at 30s for 10s",
		"latency home 300ms at 50s", "room cloud down at 60s")
	at := func(d cutover.T) { s.moveTo(d); s.refresh() }
	cloud, home := s.to, s.from
	usual := s.traffic.slow[cloud]
	if s.traffic.errors[cloud] != usualErrors || s.traffic.load[cloud] != 0.3 {
		t.Fatalf("errors %v at load %v", s.traffic.errors[cloud], s.traffic.load[cloud])
	}
	at(15 * cutover.Second) // 18,000 of 10,000 a second
	if s.traffic.errors[cloud] < 0.4 || s.traffic.slow[cloud] < 3*usual {
		t.Errorf("overloaded, %.3f fail and it is ×%.1f slow", s.traffic.errors[cloud], s.traffic.slow[cloud])
	}
	at(25 * cutover.Second)
	if s.traffic.errors[cloud] != usualErrors {
		t.Errorf("after it %.4f fail", s.traffic.errors[cloud])
	}
	at(35 * cutover.Second)
	if got := s.traffic.errors[home]; math.Abs(got-0.05-usualErrors) > 1e-9 {
		t.Errorf("with the fault %.4f fail at home", got)
	}
	at(55 * cutover.Second)
	if got := s.traffic.added[home]; got != 0.3 {
		t.Errorf("home is %.3f s slower, want 0.3", got)
	}
	at(65 * cutover.Second)
	if s.traffic.errors[cloud] != 1 || s.probeError(cloud) == nil || s.probeError(home) != nil {
		t.Errorf("the dead room fails %.2f and answers %v", s.traffic.errors[cloud], s.probeError(cloud))
	}
}

// TestCaches: a share that is new to a room meets cold caches, which warm; after an hour without it they are cold again.
func TestCaches(t *testing.T) {
	s := newTest(t, "climb", Options{})
	cold := func() float64 { s.refresh(); return s.traffic.cold[s.to] }
	s.Advance(cutover.Minute)
	set(t, s, "gw@home", 3000)
	if cold() != 1 {
		t.Errorf("a new share finds %.2f cold, want all", cold())
	}
	s.Advance(cutover.Minute)
	if c := cold(); c <= 0.1 || c >= 0.9 {
		t.Errorf("after a minute %.2f is cold, want a part", c)
	}
	s.Advance(30 * cutover.Minute)
	if cold() != 0 {
		t.Errorf("after half an hour %.2f is cold", cold())
	}
	set(t, s, "gw@home", 0)
	s.Advance(10 * cutover.Minute)
	set(t, s, "gw@home", 3000)
	if cold() != 0 {
		t.Errorf("after ten minutes away %.2f is cold, want nothing", cold())
	}
	set(t, s, "gw@home", 0)
	s.Advance(2 * 60 * cutover.Minute)
	set(t, s, "gw@home", 3000)
	if cold() != 1 {
		t.Errorf("after two hours away %.2f is cold, want all", cold())
	}
}

// TestStartShares: what a runbook's first rungs tell of the state before it.
func TestStartShares(t *testing.T) {
	back := "version: 1\nname: home-again\nmove: {from: cloud, to: home}\nsteps:\n  - shift: {cloud: {entry: [45%, 30%], search: [45%, 30%]}}\n"
	for _, c := range []struct {
		book, seat string
		cloud      int
	}{
		{"climb", "gw@home", 0}, {"climb", "gw@cloud", 10000}, {"climb", "www@telecom", 0}, {"climb", "search@home", 0}, {"climb", "mesh@home", 0},
		{back, "www@telecom", 6000}, {back, "search@home", 6000}, {back, "gw@home", 0}, {back, "gw@cloud", 10000},
	} {
		s := newTest(t, c.book, Options{})
		for seat, share := range s.Shares() {
			if seat.String() == c.seat && (share["cloud"] < c.cloud-cutover.Near || share["cloud"] > c.cloud+cutover.Near) {
				t.Errorf("%s: %s starts with %d in the cloud, want %d", s.l.Book.Name, c.seat, share["cloud"], c.cloud)
			}
		}
	}
}
