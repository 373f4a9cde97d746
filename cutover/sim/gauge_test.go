package sim

import (
	"context"
	"fmt"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// TestGauges holds the simulated gauges to the contract of cutover.Gauges.
func TestGauges(t *testing.T) {
	cutovertest.GaugesSuite(t, func(t *testing.T) cutovertest.GaugesUnderTest {
		s := newTest(t, "climb", Options{Samples: true, Shares: map[string]int{"gw@home": 2000}})
		plan := testPlan(t, s)
		if plan.Gauges[0].Kind != cutover.GaugeGate || plan.Gates[plan.Gauges[0].Gate].Name != "errors" {
			t.Fatalf("the first gauge is %v", plan.Gauges[0])
		}
		plan.Gauges = plan.Gauges[:1] // what the suite disturbs
		var blind []*fault
		for _, room := range s.rooms {
			blind = append(blind, &fault{Fault: Fault{kind: "blind", gate: "errors", room: room}})
		}
		s.faults = blind
		r := s.runners[0]
		var waiting []cutover.Sample
		return cutovertest.GaugesUnderTest{Gauges: &r.gauges, Plan: plan, Rooms: [2]cutover.Room{"home", "cloud"}, Value: usualErrors,
			Now: r.Now, TimeOut: 5 * cutover.Second,
			Next: func(limit cutover.T) (cutover.Sample, bool) {
				for until := r.Now() + limit; len(waiting) == 0; {
					for _, e := range r.Next(until) {
						waiting = append(waiting, *e.Sample)
					}
					if r.Now() >= until {
						break
					}
				}
				if len(waiting) == 0 {
					return cutover.Sample{}, false
				}
				p := waiting[0]
				waiting = waiting[1:]
				return p, true
			},
			Set: func(room cutover.Room, a cutovertest.Answer) bool {
				if a != cutovertest.NoAnswer && a != cutovertest.Fails && a != cutovertest.Good {
					return false // nothing in these rooms answers nonsense
				}
				blind[s.roomIndex(room)].on = a != cutovertest.Good
				s.traffic.dirty = true
				return true
			}}
	})
}

// taken is a sample as it counts at its moment.
type taken struct {
	gauge int
	room  cutover.Room
	at    cutover.T
}

// expand is what samples, or pieces, say at each moment until the end: a piece ends where the next sample of its gauge begins.
func expand(t *testing.T, samples []cutover.Sample, came []cutover.T, plan *cutover.Plan, end cutover.T) map[taken]string {
	t.Helper()
	type stream struct {
		gauge int
		room  cutover.Room
	}
	last := map[stream]int{}
	ends := make([]cutover.T, len(samples))
	for i, p := range samples {
		ends[i] = end
		k := stream{p.Gauge, p.Room}
		if j, ok := last[k]; ok {
			ends[j] = came[i] - 1
		}
		last[k] = i
	}
	all := map[taken]string{}
	for i, p := range samples {
		every := plan.Gauges[p.Gauge].Every
		for k := range p.Again + 1 {
			shift := cutover.T(k) * every
			if came[i]+shift > ends[i] {
				break
			}
			says := fmt.Sprint(p.Lo, p.Hi, p.Events, p.Bad, p.From+shift, p.At+shift, p.Unknown, p.Idle, p.LowerBound, p.Counts)
			key := taken{p.Gauge, p.Room, came[i] + shift}
			if had, ok := all[key]; ok && had != says {
				t.Errorf("gauge %d in %q says %s and %s at one moment", p.Gauge, p.Room, had, says)
			}
			all[key] = says
		}
	}
	return all
}

// watchOver lets two hours pass with writes and faults, and returns what the gauges said.
func watchOver(t *testing.T, o Options, faults []string) map[taken]string {
	t.Helper()
	s := newTest(t, "climb", o, faults...)
	plan := testPlan(t, s)
	w := s.World()
	w.Gauges.Start(context.Background(), plan)
	var samples []cutover.Sample
	var came []cutover.T
	end := 2*60*cutover.Minute + cutover.Second
	for i := range 40 {
		st := s.seats[(i*5)%len(s.seats)]
		waves, err := st.plane.shape(st, st.listing(), s.split(i%10*1000))
		if err != nil {
			t.Fatal(err)
		}
		for _, wave := range waves {
			for _, c := range wave {
				st.plane.land("run", st, st.object(c.Object), c.After)
			}
		}
		if i%2 == 0 {
			w.Gauges.Cut(w.Clock.Now())
		}
		until := end * cutover.T(i+1) / 40
		for w.Clock.Now() < until {
			for _, e := range w.Clock.Next(until) {
				samples = append(samples, *e.Sample)
				came = append(came, w.Clock.Now())
			}
		}
	}
	return expand(t, samples, came, plan, end)
}

// TestPiecesSayTheSame: a piece of n samples and the n samples say the same at the same moments.
func TestPiecesSayTheSame(t *testing.T) {
	faults := []string{"lag feed-db home→cloud 3s at 10m for 5m", "errors cloud 2% at 20m for 3m30s", "prometheus home down at 40m for 1m2s",
		"blind cache at 50m for 10s", "stop feed-db cloud→home at 60m for 20s", "load 200% at 70m for 10m", "value slow@home 1s at 90m for 7s"}
	one, piece := watchOver(t, Options{Samples: true}, faults), watchOver(t, Options{}, faults)
	wrong := 0
	for k, says := range one {
		if piece[k] != says {
			if wrong++; wrong < 10 {
				t.Errorf("gauge %d in %q at %s: %s by itself, %q by piece", k.gauge, k.room, k.at.Duration(), says, piece[k])
			}
		}
	}
	if len(one) != len(piece) || len(one) < 10000 {
		t.Errorf("%d samples by themselves, %d by pieces", len(one), len(piece))
	}
}

// TestCutIsSeen: wherever between two looks a cut falls, and whatever changes beside it, a sample from after it comes with the
// first look whose data is younger.
func TestCutIsSeen(t *testing.T) {
	for _, at := range []cutover.T{12, 14, 146, 149, 150, 151, 155, 160} {
		at *= cutover.Second / 10
		if at < 2*cutover.Second {
			at *= 10
		}
		s := newTest(t, "climb", Options{}, fmt.Sprintf("errors home 0.01%% at %s", (at-cutover.Second/10).Duration()))
		plan := testPlan(t, s)
		w, r := s.World(), s.runners[0]
		w.Gauges.Start(context.Background(), plan)
		every := plan.Gauges[0].Every
		cut := at + startTime
		first := (at + queryAge + every) / every * every // the first look at data from after the cut
		var from []cutover.T
		for r.Now() < first+startTime {
			until := first + startTime
			if r.Now() < cut {
				until = cut
			}
			for _, e := range r.Next(until) {
				if e.Sample.Gauge == 0 && e.Sample.Room == "home" && r.Now() > cut {
					from = append(from, e.Sample.From)
				}
			}
			if r.Now() == cut {
				w.Gauges.Cut(cut)
			}
		}
		if n := len(from); n == 0 || from[n-1] < cut || n > 1 && from[n-2] >= cut {
			t.Errorf("cut at %s: samples from %v until %s", at.Duration(), from, first.Duration())
		}
	}
}

// samplesOf lets time pass and returns what a gate's gauge handed over for a room, with the moments.
func samplesOf(t *testing.T, s *Sim, gate, room string, until cutover.T) (ps []cutover.Sample, came []cutover.T) {
	t.Helper()
	plan := testPlan(t, s)
	w := s.World()
	w.Gauges.Start(context.Background(), plan)
	for w.Clock.Now() < until {
		for _, e := range w.Clock.Next(until) {
			g := plan.Gauges[e.Sample.Gauge]
			if g.Kind == cutover.GaugeGate && plan.Gates[g.Gate].Name == gate && e.Sample.Room == room {
				ps, came = append(ps, *e.Sample), append(came, w.Clock.Now())
			}
		}
	}
	return ps, came
}

// TestSilent: a silent gauge's piece ends at what it measured last, and it goes on when the fault is over.
func TestSilent(t *testing.T) {
	s := newTest(t, "climb", Options{}, "silent errors@home at 62s for 1m")
	ps, came := samplesOf(t, s, "errors", "home", 4*cutover.Minute)
	if len(ps) != 3 {
		t.Fatalf("%d samples at %v, want a piece, its end and another piece: %+v", len(ps), came, ps)
	}
	if end := ps[1]; end.Again != 0 || end.At != 60*cutover.Second+startTime-queryAge || end.Unknown != "" {
		t.Errorf("the piece ended with %+v, want the data of the look at 60 s, once", end)
	}
	if again := came[2] - startTime; again < 122*cutover.Second || again > 127*cutover.Second || ps[2].Again == 0 {
		t.Errorf("it went on at %s with %+v", again.Duration(), ps[2])
	}
}

// TestStoppedApplier: the lag of an applier that stands still is a lower bound that grows from sample to sample.
func TestStoppedApplier(t *testing.T) {
	s := newTest(t, "climb", Options{}, "stop feed-db home→cloud at 10s")
	ps, came := samplesOf(t, s, "feed-lag", "cloud", cutover.Minute)
	n := 0
	for i, p := range ps {
		since := (came[i] - startTime - 10*cutover.Second).Duration().Seconds()
		if !p.LowerBound {
			continue
		}
		if n++; p.Lo < since || p.Lo > since+0.1 || p.Again != 0 {
			t.Errorf("%.1f s after it stopped at least %.2f s are told, %d times more", since, p.Lo, p.Again)
		}
	}
	if n < 90 {
		t.Errorf("%d lower bounds in 49 s, want one each 500 ms", n)
	}
}
