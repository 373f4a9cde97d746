package cutover

import (
	"math"
	"strings"
	"testing"
)

func TestReplicationSeen(t *testing.T) {
	x := newBench(t)
	check := func(at T, want bool) {
		t.Helper()
		if got := x.b.ReplicationSeen(at, x.v); got != want {
			t.Errorf("at %s: %v, want %v", (at - t0).Duration(), got, want)
		}
	}
	check(t0, false)
	x.well(t0, 10, "feed-lag@home") // heartbeats are no matter
	check(t0, true)
	for i := T(1); i < 5; i++ {
		at := t0 + i*Second
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: float64(i) - 0.5, Hi: float64(i), From: at, At: at, LowerBound: true})
	}
	check(t0+4*Second, false) // 3.5 s and growing is no answer
	x.well(t0+5*Second, 10)
	check(t0+5*Second, true)
	x.v.Writers = nil
	check(t0+5*Second, false)
	p := gatesPlan()
	p.Pairs, p.Gates, p.Gauges = nil, p.Gates[:2], p.Gauges[:2]
	if NewBoard(p).ReplicationSeen(t0, x.v) {
		t.Error("seen without a pair")
	}
}

func TestGreenSinceWantsYoungSamples(t *testing.T) {
	x := newBench(t)
	x.well(t0, 0)
	write := t0 + 10*Second
	missing := func(at T) string {
		_, why := x.b.GreenSince(at, x.v, write)
		var keys []string
		for _, c := range why {
			keys = append(keys, c.Key())
		}
		return strings.Join(keys, " ")
	}
	if got := missing(t0); got != "errors@cloud slow@cloud feed-lag@home feed-lag@cloud line-use@ cache@cloud" {
		t.Fatalf("missing %q", got)
	}
	at := t0 + 30*Second
	x.well(at, 0, "errors@cloud", "cache@cloud")
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0, Hi: 0, Events: 500, From: write - 1, At: at})
	x.b.Put(at, Sample{Gauge: gaugeCache, Room: "cloud", Lo: 0.85, Hi: 0.85, From: write, At: at}) // green so far, but no green sample
	if got := missing(at); got != "errors@cloud cache@cloud" {
		t.Fatalf("missing %q", got)
	}
	x.errors(at+5*Second, at+5*Second, "cloud", 0)
	x.well(at+5*Second, 0, "errors@cloud")
	x.errors(at+6*Second, write+Minute, "cloud", 0)
	if got := missing(at + 6*Second); got != "errors@cloud" { // data of the future is of now: its window begins before the write
		t.Fatalf("missing %q", got)
	}
	x.b.Put(write+Minute, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0, Hi: 0, Events: 5000, From: write, At: write + Minute})
	x.well(write+Minute, 0, "errors@cloud")
	if got := missing(write + Minute); got != "" {
		t.Fatalf("missing %q", got)
	}
	x.v.Muted = map[string]bool{"slow": true}
	x.b.Put(write+Minute, Sample{Gauge: gaugeSlow, Room: "cloud", Unknown: NoAnswer, At: write + Minute})
	if got := missing(write + Minute); got != "" {
		t.Fatalf("a muted gate is waited for: %q", got)
	}
	x.v.Muted = nil
	if got := missing(write + Minute); got != "slow@cloud" {
		t.Fatalf("missing %q", got)
	}
}

func TestGreenSinceGoingBackAsksTheReceiver(t *testing.T) {
	x := newBench(t)
	x.v.Phase = PhaseBack
	x.well(t0, 100, "feed-lag@cloud", "errors@cloud", "line-use@")
	if ok, why := x.b.GreenSince(t0, x.v, t0-Minute); !ok {
		t.Errorf("the sick room that is left and the direction to it are waited for: %+v", why)
	}
	x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "home", Unknown: NoAnswer, At: t0})
	if ok, _ := x.b.GreenSince(t0, x.v, t0-Minute); ok {
		t.Error("home isn't known, and nothing is missing")
	}
	x.well(t0+9500*Millisecond, 100, "feed-lag@cloud", "errors@cloud", "line-use@", "feed-lag@home")
	if ok, why := x.b.GreenSince(t0+9500*Millisecond, x.v, t0+4500*Millisecond); !ok {
		t.Errorf("home is well: %+v", why)
	}
	x.v.Writers = map[string]Room{"feed-db": "cloud"}
	x.b.Put(t0+9500*Millisecond, Sample{Gauge: gaugeLag, Room: "home", Lo: 9, Hi: 9, From: t0, At: t0 + 9500*Millisecond})
	if ok, _ := x.b.GreenSince(t0+9500*Millisecond, x.v, t0+9500*Millisecond); ok {
		t.Error("home's readers are stale, and nothing is missing")
	}
}

func TestFresh(t *testing.T) {
	x := newBench(t)
	x.well(t0, 0)
	x.judge(t0)
	x.b.Reset()
	taken := t0 + 5*Second
	if x.b.Fresh(taken, x.v, taken) {
		t.Error("fresh before anything came")
	}
	x.well(taken+Second, 0, "slow@cloud", "errors@home", "line-use@")
	if x.b.Fresh(taken+Second, x.v, taken) {
		t.Error("fresh without slow@cloud")
	}
	x.b.Put(taken+2*Second, Sample{Gauge: gaugeSlow, Room: "cloud", Unknown: NoAnswer, At: taken})
	if !x.b.Fresh(taken+2*Second, x.v, taken) {
		t.Error("not fresh, though a word came from each of the cloud's gates")
	}
	x.v.Phase = PhaseBack
	if x.b.Fresh(taken+2*Second, x.v, taken) {
		t.Error("fresh without errors@home, which receives while going back")
	}
	x.well(taken+155*Second, 0, "errors@home")
	if x.b.Fresh(taken+159*Second, x.v, taken) { // its data of t0 was too old after 45 s
		t.Error("fresh before errors@home is dark")
	}
	if !x.b.Fresh(taken+160*Second, x.v, taken) {
		t.Error("a gauge that never says anything is waited for although its gate is dark")
	}
}

func TestResetDoesntLookLikeHealth(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "errors@cloud")
	for i := T(0); i < 4; i++ {
		x.errors(t0+i*5*Second, t0+i*5*Second, "cloud", 0.02)
	}
	x.want(t0+15*Second, Back, "errors@cloud")
	x.b.Reset()
	x.want(t0+16*Second, Hold, "errors@cloud")
	for i, want := range []Act{Hold, Hold, Hold, Back} {
		at := t0 + 20*Second + T(i)*5*Second
		x.errors(at, at, "cloud", 0.02)
		x.want(at, want, "errors@cloud")
	}
}

func TestResetKeepsHoldingWhatIsRedBeforeHold(t *testing.T) {
	p := gatesPlan()
	p.Gates[1].Hold.For = 5 * Minute
	x := &bench{t: t, b: NewBoard(p), v: vantage()}
	x.well(t0, 1000, "slow@cloud")
	x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.9, Hi: 0.9, From: t0, At: t0, Again: 100})
	x.want(t0+30*Second, Back, "slow@cloud")
	x.b.Reset()
	x.want(t0+31*Second, Hold, "slow@cloud")
}

func TestSeen(t *testing.T) {
	x := newBench(t)
	seat := Seat{"gw", "home"}
	if _, _, _, ok := x.b.Seen(t0, seat); ok || len(x.b.Rates(t0)) != 0 {
		t.Error("seen before anything was")
	}
	put := func(at T, again int, counts map[Room]float64) {
		x.b.Put(at, Sample{Gauge: gaugeSeenGW, Counts: counts, From: at - Minute, At: at - Second, Again: again})
	}
	put(t0, 2, map[Room]float64{"home": 200, "cloud": 100})
	share, rate, at, ok := x.b.Seen(t0+7*Second, seat)
	if !ok || rate != 300 || at != t0+4*Second || share["home"] != 6667 || share["cloud"] != 3333 {
		t.Errorf("%v %v %v %v", share, rate, (at - t0).Duration(), ok)
	}
	if from, at := x.b.SeenFrom(seat); from != t0-55*Second || at != t0+4*Second {
		t.Errorf("true from %s to %s", (from - t0).Duration(), (at - t0).Duration())
	}
	if r := x.b.Rates(t0 + 7*Second); r[seat] != 300 {
		t.Errorf("rates %v", r)
	}
	if n := x.b.NextSince(t0+7*Second, t0-50*Second); n != t0+10*Second {
		t.Errorf("the piece has a sample from then on at %s, want 10 s", (n - t0).Duration())
	}
	if n := x.b.NextSince(t0+7*Second, t0-49*Second); n != Never {
		t.Errorf("the piece has no such sample; %d", n)
	}
	if _, _, _, ok = x.b.Seen(t0+24*Second, seat); !ok {
		t.Error("not seen 15 s after its data")
	}
	if _, _, _, ok = x.b.Seen(t0+24*Second+1, seat); ok || len(x.b.Rates(t0+24*Second+1)) != 0 {
		t.Error("still seen after three intervals")
	}
	put(t0+30*Second, 0, map[Room]float64{})
	if _, rate, _, ok = x.b.Seen(t0+30*Second, seat); ok || rate != 0 {
		t.Error("a share of no requests")
	}
	put(t0+35*Second, 0, map[Room]float64{"home": math.NaN()})
	if _, _, _, ok = x.b.Seen(t0+35*Second, seat); ok {
		t.Error("a share of NaN requests")
	}
}

func TestShareOfSumsToWhole(t *testing.T) {
	for _, c := range []map[Room]float64{{"a": 1, "b": 1, "c": 1}, {"a": 1e-9, "b": 1e9}, {"a": 5}, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}} {
		var sum float64
		for _, n := range c {
			sum += n
		}
		total := 0
		for _, n := range shareOf(c, sum, nil) {
			total += n
		}
		if total != Whole {
			t.Errorf("%v: %v sums to %d", c, shareOf(c, sum, nil), total)
		}
	}
}

func TestProbe(t *testing.T) {
	x := newBench(t)
	put := func(at T, lo float64, again int) {
		x.b.Put(at, Sample{Gauge: gaugeProbeHome, Lo: lo, At: at, From: at, Again: again})
	}
	check := func(at T, answers, known bool) {
		t.Helper()
		x.judge(at)
		if a, k := x.b.Probe("home"); a != answers || k != known {
			t.Errorf("at %s: %v %v, want %v %v", (at - t0).Duration(), a, k, answers, known)
		}
	}
	check(t0, false, false)
	put(t0, 1, 1)
	check(t0+20*Second, true, true)
	check(t0+20*Second+1, false, false)
	put(t0+30*Second, 0, 0)
	check(t0+30*Second, false, true)
	x.b.Put(t0+35*Second, Sample{Gauge: gaugeProbeHome, Unknown: NoAnswer, At: t0 + 35*Second})
	check(t0+35*Second, false, true)
	if _, known := x.b.Probe("cloud"); known {
		t.Error("a probe that the plan doesn't have is known")
	}
}

func TestViews(t *testing.T) {
	x := newBench(t)
	x.well(t0, 100, "errors@cloud", "cache@cloud")
	x.errors(t0, t0-2*Second, "cloud", 0.0231)
	x.v.Muted = map[string]bool{"line-use": true}
	views := x.b.Views(t0+Second, x.v)
	var got []string
	for _, w := range views {
		got = append(got, strings.TrimSpace(w.Gate+"@"+w.Room+" "+string(w.Color)+" "+w.Hold+" | "+w.Abort+" "+w.Why))
	}
	want := []string{
		"errors@home green > 0.2 % | > 1 % for 15s", "errors@cloud green > 0.2 % | > 1 % for 15s",
		"slow@home green > 400 ms | > 800 ms for 30s", "slow@cloud green > 400 ms | > 800 ms for 30s",
		"feed-lag@home green > 1 s | > 5 s for 10s", "feed-lag@cloud green > 1 s | > 5 s for 10s",
		"line-use@ green > 60 % | > 75 % for 45s muted", "cache@cloud blind < 90 % | < 60 % for 3m no answer",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("views:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if w := views[1]; w.Lo != 0.0231 || w.Age != 3*Second || w.Events != 1000 || !views[6].Muted {
		t.Errorf("%+v", w)
	}
}

func TestStrangeSamplesSayNothing(t *testing.T) {
	x := newBench(t)
	x.well(t0, 100)
	x.b.Put(t0, Sample{Gauge: 99})
	x.b.Put(t0, Sample{Gauge: -1})
	x.b.Put(t0, Sample{Gauge: gaugeErrors, Room: "elsewhere", Lo: 1})
	x.want(t0, Advance, "")
}
