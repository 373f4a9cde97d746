package cutover

import (
	"testing"

	"roomshift/runbooks"
)

const (
	gaugeErrors = iota
	gaugeSlow
	gaugeLag
	gaugeLine
	gaugeCache
	gaugeSeenGW
	gaugeProbeHome
)

func limitAt(v float64, span T, n int) *LimitPlan { return &LimitPlan{Value: v, For: span, Samples: n} }

// gatesPlan has one gate of each kind between home and cloud, with the limits that the documents use.
func gatesPlan() *Plan {
	both := []Room{"home", "cloud"}
	return &Plan{
		From: "home", To: "cloud",
		Rooms: []RoomPlan{{Name: "home", Probed: true}, {Name: "cloud"}},
		Links: []LinkPlan{{Name: "line", Between: [2]Room{"home", "cloud"}}},
		Pairs: []PairPlan{{Name: "feed-db", Rooms: [2]Room{"home", "cloud"}, Writer: "home", OnLost: "freeze"}},
		Gates: []GatePlan{
			{Name: "errors", Kind: GateRoom, Rooms: both, Unit: runbooks.UnitRatio, Errors: true, Every: 5 * Second, MaxAge: 45 * Second, BlindFor: 2 * Minute,
				Hold: limitAt(0.002, 0, 2), Abort: limitAt(0.01, 15*Second, 3), MinEvents: 100},
			{Name: "slow", Kind: GateRoom, Rooms: both, Unit: runbooks.UnitDuration, Every: 5 * Second, MaxAge: 45 * Second, BlindFor: 2 * Minute,
				Hold: limitAt(0.4, 0, 2), Abort: limitAt(0.8, 30*Second, 3)},
			{Name: "feed-lag", Kind: GateReplication, Pair: "feed-db", Unit: runbooks.UnitDuration, Every: 500 * Millisecond, MaxAge: 5 * Second, BlindFor: 2 * Minute,
				Hold: limitAt(1, 0, 2), Abort: limitAt(5, 10*Second, 3)},
			{Name: "line-use", Kind: GateLink, Link: "line", Unit: runbooks.UnitRatio, Every: 15 * Second, MaxAge: 45 * Second, BlindFor: 2 * Minute,
				Hold: limitAt(0.6, 0, 2), Abort: limitAt(0.75, 45*Second, 3)},
			{Name: "cache", Kind: GateRoom, Rooms: []Room{"cloud"}, Unit: runbooks.UnitRatio, Every: 15 * Second, MaxAge: 45 * Second, BlindFor: 2 * Minute,
				Hold: &LimitPlan{Below: true, Value: 0.9, Samples: 2}, Abort: &LimitPlan{Below: true, Value: 0.6, For: 3 * Minute, Samples: 3}},
		},
		Gauges: []Gauge{
			{Kind: GaugeGate, Gate: 0, Every: 5 * Second}, {Kind: GaugeGate, Gate: 1, Every: 5 * Second}, {Kind: GaugeGate, Gate: 2, Every: 500 * Millisecond},
			{Kind: GaugeGate, Gate: 3, Every: 15 * Second}, {Kind: GaugeGate, Gate: 4, Every: 15 * Second},
			{Kind: GaugeSeen, Seat: Seat{"gw", "home"}, Every: 5 * Second}, {Kind: GaugeProbe, Room: "home", Every: 5 * Second},
		},
	}
}

// vantage is a run from home to cloud with 30 % moved and the writer at home.
func vantage() Vantage {
	share := Share{"home": 7000, "cloud": 3000}
	return Vantage{Phase: PhaseForward, From: "home", To: "cloud", Writers: map[string]Room{"feed-db": "home"}, Wanted: share, Set: share,
		Moved: 3000, Sent: true, OnLost: map[string]string{"feed-db": "freeze"}}
}

// bench is a board with a run, whose other gates are all green.
type bench struct {
	t *testing.T
	b *Board
	v Vantage
}

// all moments of tests are after a start that isn't 0.
const t0 = 1000 * Second

func newBench(t *testing.T) *bench {
	x := &bench{t: t, b: NewBoard(gatesPlan()), v: vantage()}
	return x
}

// well makes every gate green from a moment on, for n seconds.
func (x *bench) well(at T, n int, but ...string) {
	skip := func(key string) bool {
		for _, k := range but {
			if k == key {
				return true
			}
		}
		return false
	}
	put := func(gauge int, key string, room Room, lo float64, every T) {
		if !skip(key) {
			x.b.Put(at, Sample{Gauge: gauge, Room: room, Lo: lo, Hi: lo, Events: 1000, From: at - every, At: at, Again: n * int(Second) / int(every)})
		}
	}
	for _, r := range []Room{"home", "cloud"} {
		put(gaugeErrors, "errors@"+r, r, 0.0004, 5*Second)
		put(gaugeSlow, "slow@"+r, r, 0.2, 5*Second)
		put(gaugeLag, "feed-lag@"+r, r, 0.04, 500*Millisecond)
	}
	put(gaugeLine, "line-use@", "", 0.14, 15*Second)
	put(gaugeCache, "cache@cloud", "cloud", 0.95, 15*Second)
}

func (x *bench) judge(at T) Judgement { return x.b.Judge(at, x.v) }

// want judges at a moment and compares the act and the worst cause ("" none).
func (x *bench) want(at T, act Act, worst string) Judgement {
	x.t.Helper()
	j := x.judge(at)
	key := ""
	if len(j.Causes) > 0 {
		key = j.Causes[0].Key()
	}
	if j.Act != act || key != worst {
		x.t.Fatalf("at %s: %s because of %q %+v, want %s because of %q", (at - t0).Duration(), j.Act, key, j.Causes, act, worst)
	}
	return j
}

func (x *bench) color(at T, key string) Color {
	x.t.Helper()
	for _, w := range x.b.Views(at, x.v) {
		if w.Gate+"@"+w.Room == key {
			return w.Color
		}
	}
	x.t.Fatalf("no view of %s", key)
	return ""
}

func (x *bench) errors(at, data T, room Room, ratio float64) {
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: room, Lo: ratio, Hi: ratio, Events: 1000, Bad: int64(ratio * 1000), From: data - Minute, At: data})
}

func TestPollingOneScrapeCountsOnce(t *testing.T) {
	x := newBench(t)
	x.well(t0, 600, "errors@cloud")
	for i := T(0); i <= 2; i++ { // polled every 5 s, scraped every 15 s
		x.errors(t0+i*5*Second, t0, "cloud", 0.03)
		x.want(t0+i*5*Second, Advance, "")
	}
	x.errors(t0+15*Second, t0+15*Second, "cloud", 0.03)
	x.want(t0+15*Second, Hold, "errors@cloud") // two scrapes past hold
	x.errors(t0+20*Second, t0+15*Second, "cloud", 0.03)
	x.want(t0+20*Second, Hold, "errors@cloud")
	x.errors(t0+30*Second, t0+30*Second, "cloud", 0.03)
	j := x.want(t0+30*Second, Back, "errors@cloud")
	if j.Crossed != t0+30*Second || j.Age != 0 || j.To != Red || j.From != Green || j.Fails {
		t.Errorf("%+v, want crossed at 30 s, to red, from green", j)
	}
}

func TestSecondReadingOfSameDataMayChangeIt(t *testing.T) {
	x := newBench(t)
	x.well(t0, 600, "errors@cloud")
	for i, ratio := range []float64{0.03, 0.03, 0.03} {
		x.errors(t0+T(i)*15*Second, t0+T(i)*15*Second, "cloud", ratio)
	}
	x.want(t0+30*Second, Back, "errors@cloud")
	x.errors(t0+35*Second, t0+30*Second, "cloud", 0.0001) // the same scrape, a wider window: it was well
	x.want(t0+35*Second, Advance, "")
	x.errors(t0+40*Second, t0+30*Second, "cloud", 0.03)
	j := x.want(t0+40*Second, Back, "errors@cloud")
	if j.Crossed != t0+40*Second || j.Age != 10*Second {
		t.Errorf("crossed %s, age %s, want 40 s and 10 s", (j.Crossed - t0).Duration(), j.Age.Duration())
	}
}

func TestOlderDataSaysNothing(t *testing.T) {
	x := newBench(t)
	x.well(t0, 600, "errors@cloud")
	x.errors(t0+20*Second, t0+20*Second, "cloud", 0.0001)
	for i := T(0); i < 4; i++ { // a replica that is behind
		x.errors(t0+(25+i)*Second, t0+i*5*Second, "cloud", 0.5)
	}
	x.want(t0+30*Second, Advance, "")
}

func TestOneBlipHoldsNothing(t *testing.T) {
	x := newBench(t)
	x.well(t0, 600, "slow@cloud")
	slow := func(at T, v float64) {
		x.b.Put(at, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: v, Hi: v, From: at - Minute, At: at})
	}
	for i, v := range []float64{0.2, 5, 0.2, 5, 0.2, 0.5} {
		slow(t0+T(i)*5*Second, v)
		x.want(t0+T(i)*5*Second, Advance, "")
	}
	slow(t0+30*Second, 0.5)
	x.want(t0+30*Second, Hold, "slow@cloud")
	slow(t0+35*Second, 0.2)
	x.want(t0+35*Second, Advance, "")
}

func TestAbortNeedsTimeAndSamples(t *testing.T) {
	for _, c := range []struct {
		name  string
		every T
		n     int // red at this sample
	}{
		{"many samples, not the time", Second, 16},
		{"the time, not the samples", 20 * Second, 3},
		{"both at once", 5 * Second, 4},
	} {
		x := newBench(t)
		x.well(t0, 600, "errors@cloud")
		for i := 1; i <= c.n; i++ {
			at := t0 + T(i)*c.every
			x.errors(at, at, "cloud", 0.02)
			got := x.judge(at).Act
			if want := i == c.n; (got == Back) != want {
				t.Fatalf("%s: sample %d: %s", c.name, i, got)
			}
		}
	}
}

func TestHoleEndsARow(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "errors@cloud")
	x.errors(t0, t0, "cloud", 0.02)
	x.errors(t0+5*Second, t0+5*Second, "cloud", 0.02)
	x.errors(t0+60*Second, t0+60*Second, "cloud", 0.02) // nothing was known for longer than maxAge
	if got := x.judge(t0 + 60*Second); got.Act != Advance {
		t.Errorf("three samples with a hole in between: %s, want advance", got.Act)
	}
	x = newBench(t)
	x.well(t0, 1000, "errors@cloud")
	x.errors(t0, t0, "cloud", 0.02)
	x.b.Put(t0+5*Second, Sample{Gauge: gaugeErrors, Room: "cloud", Unknown: NoAnswer, At: t0 + 5*Second})
	x.errors(t0+10*Second, t0+10*Second, "cloud", 0.02)
	x.b.Put(t0+15*Second, Sample{Gauge: gaugeErrors, Room: "cloud", Unknown: NoAnswer, At: t0 + 15*Second})
	x.want(t0+15*Second, Hold, "errors@cloud")
	x.errors(t0+20*Second, t0+20*Second, "cloud", 0.02)
	x.want(t0+20*Second, Back, "errors@cloud") // a source that answers every other time hides nothing
}

func TestAnAbortIsAHoldToo(t *testing.T) {
	p := gatesPlan()
	p.Gates[1].Hold = nil
	x := &bench{t: t, b: NewBoard(p), v: vantage()}
	x.well(t0, 1000, "slow@cloud")
	for i, want := range []Act{Advance, Hold, Hold, Hold, Hold, Hold, Back} {
		at := t0 + T(i)*5*Second
		x.b.Put(at, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.9, Hi: 0.9, From: at, At: at})
		if got := x.judge(at).Act; got != want {
			t.Errorf("sample %d: %s, want %s", i+1, got, want)
		}
	}
}
