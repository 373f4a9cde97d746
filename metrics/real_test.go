package metrics

import (
	"math"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// TestQueriesAreTaken: each query that people may write is, put together with its age, one that Prometheus understands.
func TestQueriesAreTaken(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	for _, c := range queries {
		_, why := m.all[0].ask(t.Context(), []part{{partValue, mustExpr(t, c.query), true}}, 5*time.Second)
		if why != "" && !strings.Contains(c.query, "offset $window") {
			t.Errorf("%s: %s", c.query, why)
		}
	}
}

func gauge(t *testing.T, m *Metrics, g *runbooks.Gate, p cutover.GatePlan, room cutover.Room) *gateGauge {
	t.Helper()
	gg, err := m.newGateGauge(0, &p, g, room)
	if err != nil {
		t.Fatal(err)
	}
	return gg
}

func TestRealSamples(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	ratio := func(good, bad, of string) *runbooks.Ratio {
		fill := func(s string) string {
			if s == "" {
				return ""
			}
			return `sum(rate(` + s + `{room="$room"}[$window]))`
		}
		return &runbooks.Ratio{Good: fill(good), Bad: fill(bad), Of: fill(of)}
	}
	for _, c := range []struct {
		name   string
		gate   runbooks.Gate
		room   cutover.Room
		lo, hi float64 // of the value
		events [2]int64
		bad    [2]int64
		why    cutover.Reason
	}{
		{"bad of all", runbooks.Gate{Ratio: ratio("", "bad_total", "all_total")}, "home", .0098, .0102, [2]int64{560, 640}, [2]int64{4, 8}, ""},
		{"an empty bad beside a present of", runbooks.Gate{Ratio: ratio("", "bad_total", "all_total")}, "cloud", 0, 0, [2]int64{185, 215}, [2]int64{}, ""},
		{"good and bad", runbooks.Gate{Ratio: ratio("hit_total", "miss_total", "")}, "home", .899, .901, [2]int64{185, 215}, [2]int64{18, 22}, ""},
		{"good of all", runbooks.Gate{Ratio: ratio("hit_total", "", "all_total")}, "home", .299, .301, [2]int64{560, 640}, [2]int64{390, 450}, ""},
		{"no events", runbooks.Gate{Ratio: ratio("", "bad_total", "quiet_total")}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NotNumber},
		{"no events, none bad", runbooks.Gate{Ratio: ratio("", "none_total", "quiet_total")}, "home", 0, 0, [2]int64{}, [2]int64{}, ""},
		{"both empty", runbooks.Gate{Ratio: ratio("", "none_total", "never_total")}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NoData},
		{"an empty good", runbooks.Gate{Ratio: ratio("none_total", "", "all_total")}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NoData},
		{"two series", runbooks.Gate{Query: `two`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NotNumber},
		{"a plain value", runbooks.Gate{Query: `temperature{room="$room"}`}, "cloud", 21.5, 21.5, [2]int64{}, [2]int64{}, ""},
		{"NaN", runbooks.Gate{Query: `histogram_quantile(0.9, sum by (le) (rate(idle_seconds_bucket[$window])))`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NotNumber},
		{"+Inf", runbooks.Gate{Query: `sum(temperature) / 0`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NotNumber},
		{"-Inf", runbooks.Gate{Query: `sum(temperature) / -0`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NotNumber},
		{"nothing behind or vector", runbooks.Gate{Query: `sum(never) or vector(0)`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.NoData},
		{"a scalar", runbooks.Gate{Query: `scalar(sum(temperature))`}, "home", 0, 0, [2]int64{}, [2]int64{}, "error"},
		{"a mistake", runbooks.Gate{Query: `sum(rate(temperature))`}, "home", 0, 0, [2]int64{}, [2]int64{}, "error"},
		{"data of long ago", runbooks.Gate{Query: `sum(temperature offset 1700ms)`}, "home", 0, 0, [2]int64{}, [2]int64{}, cutover.TooOld},
	} {
		t.Run(c.name, func(t *testing.T) {
			gg := gauge(t, m, &c.gate, cutover.GatePlan{MaxAge: 1500 * cutover.Millisecond, Window: 2 * cutover.Second}, c.room)
			s := gg.sample(t.Context(), 0)
			if c.why != "" {
				if !strings.HasPrefix(string(s.Unknown), string(c.why)) {
					t.Errorf("%+v, wanted unknown: %s", s, c.why)
				}
				return
			}
			if s.Unknown != "" || s.Lo != s.Hi || s.Lo < c.lo || s.Lo > c.hi {
				t.Errorf("%+v, wanted %v to %v", s, c.lo, c.hi)
			}
			if s.Events < c.events[0] || s.Events > c.events[1] || s.Bad < c.bad[0] || s.Bad > c.bad[1] {
				t.Errorf("%d of %d events are bad, wanted %v of %v", s.Bad, s.Events, c.bad, c.events)
			}
			if age := m.now() - s.At; age < 0 || age > cutover.Second {
				t.Errorf("the data is %v old", age.Duration())
			}
		})
	}
}

// TestRealMoments: one scrape makes one moment, and each is a scrape after the last.
func TestRealMoments(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	gg := gauge(t, m, &runbooks.Gate{Query: `temperature{room="$room"}`}, cutover.GatePlan{MaxAge: 3 * cutover.Second}, "home")
	moments := map[cutover.T]int{}
	began := m.now()
	for m.now()-began < 4*cutover.Second {
		if s := gg.sample(t.Context(), 0); s.Unknown == "" { // a busy machine misses a scrape now and then
			moments[s.At]++
		}
	}
	if n := len(moments); n < 5 || n > 9 {
		t.Errorf("4 s of scrapes each 500 ms came out as %d moments, wanted 8 or so", n)
	}
}

// TestRealSilence: a target that stops answering blinds its room's gate though its rate still has data, and only that.
func TestRealSilence(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	gate := runbooks.Gate{Query: `sum(rate(all_total{room="$room"}[10s]))`}
	both := runbooks.Gate{Query: `sum(rate(all_total[10s]))`}
	plan := cutover.GatePlan{MaxAge: 2 * cutover.Second, Window: cutover.Second}
	home, cloud := gauge(t, m, &gate, plan, "home"), gauge(t, m, &gate, plan, "cloud")
	all := gauge(t, m, &both, plan, "home")
	real.targets["cloud"].refuse(true)
	t.Cleanup(func() { real.targets["cloud"].refuse(false); real.addr(t) })
	await(t, "the cloud is unknown", func() bool { return cloud.sample(t.Context(), 0).Unknown != "" })
	if s := home.sample(t.Context(), 0); s.Unknown != "" {
		t.Errorf("home: %+v", s)
	}
	await(t, "one of two is silent, and had data a moment ago", func() bool {
		return strings.HasPrefix(string(all.sample(t.Context(), 0).Unknown), "no data: only 50 %")
	})
	real.targets["cloud"].refuse(false)
	await(t, "the cloud is known again", func() bool { return cloud.sample(t.Context(), 0).Unknown == "" })
}

// TestRealMissing: an instance that is down blinds the gates that once had its data, if it was one of four or fewer.
func TestRealMissing(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	for query, want := range map[string]string{
		`sum(rate(fleet_total[2s]))`:                            "no data: only 67 % of the live instances report",
		`sum(rate(fleet_total{room="$room"}[2s]))`:              "",
		`sum(rate(all_total[2s]))`:                              "", // it never had this one
		`sum(rate(all_total[2s])) / sum(rate(fleet_total[2s]))`: "no data: only 67 % of the live instances report",
	} {
		s := gauge(t, m, &runbooks.Gate{Query: query}, cutover.GatePlan{MaxAge: 2 * cutover.Second}, "home").sample(t.Context(), 0)
		if !strings.HasPrefix(string(s.Unknown), want) || want == "" && s.Unknown != "" {
			t.Errorf("%s: %q, wanted %q", query, s.Unknown, want)
		}
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if ok() {
			tick.Stop()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("20 s went by, and not yet: %s", what)
		}
	}
}

// TestRealFreeze: a Prometheus that hangs is no answer, in time.
func TestRealFreeze(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t), TimeOut: 300 * time.Millisecond})
	gg := gauge(t, m, &runbooks.Gate{Query: `sum(temperature)`}, cutover.GatePlan{MaxAge: 3 * cutover.Second}, "home")
	if s := gg.sample(t.Context(), 0); s.Unknown != "" {
		t.Fatalf("%+v", s)
	}
	if err := real.prom.Freeze(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s := gg.sample(t.Context(), 0)
	took := time.Since(began)
	if err := real.prom.Thaw(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(s.Unknown), string(cutover.NoAnswer)) || took > 2*time.Second {
		t.Errorf("after %v: %+v", took, s)
	}
	await(t, "it answers again", func() bool { return gg.sample(t.Context(), 0).Unknown == "" })
}

func TestRealInterval(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	if d := m.all[0].interval(t.Context()); d != realScrape {
		t.Errorf("it scrapes every %v, wanted %v", d, realScrape)
	}
	if d, said := m.Scrape("home"); d != realScrape || !said {
		t.Errorf("%v %v", d, said)
	}
}

// TestRealSeen: both kinds of seats, over a Prometheus that is shared.
func TestRealSeen(t *testing.T) {
	rooms := realRoomsYAML(t)
	rooms.Routes = append(rooms.Routes, runbooks.Route{Name: "www", Medium: runbooks.MediumDNS, Observe: &runbooks.Observe{
		Query: `sum by (served_by) (rate(gw_total{room="$room"}[$window]))`, RoomLabel: "served_by",
	}})
	m := mustNew(t, Config{Rooms: rooms})
	home, cloud := cutover.Seat{Route: "gw", At: "home"}, cutover.Seat{Route: "gw", At: "cloud"}
	www := cutover.Seat{Route: "www", At: "default"}
	p := &cutover.Plan{
		Rooms: []cutover.RoomPlan{{Name: "home"}, {Name: "cloud"}},
		Routes: []cutover.RoutePlan{
			{Name: "gw", Medium: runbooks.MediumKey, ByRoom: true, Seats: []cutover.Seat{home, cloud}},
			{Name: "www", Medium: runbooks.MediumDNS, Seats: []cutover.Seat{www}},
		},
	}
	for _, s := range []cutover.Seat{home, cloud, www} {
		p.Gauges = append(p.Gauges, cutover.Gauge{Kind: cutover.GaugeSeen, Seat: s, Every: 100 * cutover.Millisecond})
	}
	want := []map[cutover.Room]float64{{"home": 270, "cloud": 30}, {"cloud": 100}, {"home": 300, "cloud": 100}}
	c, samples := collect(t, m, p)
	cut := m.now()
	c.Cut(cut)
	got, last := map[int]bool{}, map[int]cutover.Sample{}
	deadline := m.now() + 20*cutover.Second
	for len(got) < 3 && m.now() < deadline { // on a busy machine a scrape is late now and then, and a rate over two of them is off
		s, ok := within(samples, time.Second)
		if !ok || s.Unknown != "" || s.From < cut {
			continue
		}
		fits := len(s.Counts) == len(want[s.Gauge])
		for room, rate := range want[s.Gauge] {
			fits = fits && math.Abs(s.Counts[room]-rate) <= rate*0.15
		}
		last[s.Gauge] = s
		if fits {
			got[s.Gauge] = true
		}
	}
	for i := range want {
		if !got[i] {
			t.Errorf("%s: %v after the cut, wanted %v", p.Gauges[i].Seat, last[i].Counts, want[i])
		}
	}
	rates, err := m.Rates(t.Context(), p.Routes)
	// A window of 1 m over the few seconds that there are makes rates too low, but all in one proportion.
	if n := rates[cloud]; err != nil || n <= 0 || math.Abs(rates[home]/n-3) > .15 || math.Abs(rates[www]/n-4) > .2 {
		t.Errorf("rates %v, %v", rates, err)
	}
}
