package cutover

import (
	"math"
	"strings"
	"testing"

	"roomshift/runbooks"
)

func TestThinEndsNoRow(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "errors@cloud")
	for i := T(0); i < 5; i++ {
		at := t0 + i*5*Second
		x.errors(at, at, "cloud", 0.02)
		x.b.Put(at+Second, Sample{Gauge: gaugeErrors, Room: "cloud", Events: 50, From: at, At: at + Second})
		x.want(at+Second, Hold, "errors@cloud")
	}
	x.errors(t0+25*Second, t0+25*Second, "cloud", 0.02)
	x.want(t0+25*Second, Back, "errors@cloud")
	g := gate{GatePlan: &GatePlan{Unit: runbooks.UnitRatio, MinEvents: 100}, abort: limit{set: true}}
	if g.badSuffice(0) || !g.badSuffice(1) {
		t.Error("of a limit of 0 % one bad event suffices, and none doesn't")
	}
}

func TestMutedGatesStartAnew(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "slow@cloud")
	x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.9, Hi: 0.9, From: t0, At: t0, Again: 100})
	x.want(t0+30*Second, Back, "slow@cloud")
	x.v.Muted = map[string]bool{"slow": true}
	x.want(t0+31*Second, Advance, "")
	if c := x.color(t0+31*Second, "slow@cloud"); c != Red {
		t.Errorf("muted and shown as %s, want red", c)
	}
	x.v.Muted = nil
	x.want(t0+62*Second, Advance, "")
	x.want(t0+70*Second, Hold, "slow@cloud")
	x.want(t0+95*Second, Back, "slow@cloud")
}

func TestUnknownOutranksNumbersAndGoesDark(t *testing.T) {
	for name, s := range map[string]Sample{
		"no answer": {Unknown: NoAnswer}, "NaN": {Lo: math.NaN(), Hi: math.NaN()}, "NaN high": {Lo: 0.1, Hi: math.NaN()}, "+Inf": {Lo: math.Inf(1), Hi: math.Inf(1)}, "-Inf": {Lo: math.Inf(-1)},
	} {
		x := newBench(t)
		x.well(t0, 600, "slow@cloud")
		x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.2, Hi: 0.2, From: t0 - Second, At: t0})
		s.Gauge, s.Room, s.At = gaugeSlow, "cloud", t0+5*Second
		x.b.Put(t0+5*Second, s)
		if j := x.want(t0+5*Second, Hold, "slow@cloud"); j.To != Amber || j.Next != t0+45*Second+1 && j.Next != t0+125*Second {
			t.Errorf("%s: to %s, next %s", name, j.To, (j.Next - t0).Duration())
		}
		s.At = t0 + 60*Second
		x.b.Put(t0+60*Second, s)
		x.want(t0+125*Second-1, Hold, "slow@cloud")
		j := x.want(t0+125*Second, Freeze, "slow@cloud") // dark since 2 m, 30 % moved
		if j.To != Dark || j.Crossed != t0+125*Second {
			t.Errorf("%s: to %s, crossed %s", name, j.To, (j.Crossed - t0).Duration())
		}
		x.v.Moved = FewMoved
		x.want(t0+126*Second, Back, "slow@cloud")
		x.b.Put(t0+127*Second, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.2, Hi: 0.2, From: t0 + 126*Second, At: t0 + 127*Second})
		x.want(t0+127*Second, Advance, "")
	}
}

func TestSilenceIsBlind(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "slow@home")
	x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "home", Lo: 0.2, Hi: 0.2, From: t0 - Second, At: t0 - 10*Second})
	if j := x.want(t0, Advance, ""); j.Next != t0+35*Second+1 {
		t.Errorf("next %s, want when its data is older than 45 s: 35 s", (j.Next - t0).Duration())
	}
	x.want(t0+35*Second, Advance, "")
	j := x.want(t0+35*Second+1, Hold, "slow@home")
	if !strings.Contains(j.Causes[0].Seen, "45s") || j.From != Amber {
		t.Errorf("%+v, want from amber because its data is too old", j)
	}
	j = x.want(t0+155*Second, Hold, "slow@home") // green × dark
	if j.From != Dark {
		t.Errorf("from is %s, want dark", j.From)
	}
}

func TestNeverHeardIsBlindFromTheStart(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "cache@cloud")
	x.v.Moved = 0
	x.want(t0, Hold, "cache@cloud")
	x.want(t0+2*Minute-1, Hold, "cache@cloud")
	x.want(t0+2*Minute, Back, "cache@cloud")
	x.b.Reset()
	x.well(t0+2*Minute, 1000, "cache@cloud")
	x.want(t0+4*Minute-1, Hold, "cache@cloud")
	x.want(t0+4*Minute, Back, "cache@cloud")
}

func TestThinHoldsUnlessTheBadSuffice(t *testing.T) {
	thin := func(x *bench, at T, room Room, events, bad int64) {
		r := float64(bad) / float64(events)
		x.b.Put(at, Sample{Gauge: gaugeErrors, Room: room, Lo: r, Hi: r, Events: events, Bad: bad, From: at - Minute, At: at})
	}
	x := newBench(t)
	x.well(t0, 1000, "errors@cloud")
	for i := T(0); i < 10; i++ { // 1 % of 100 is 1: none suffices
		thin(x, t0+i*5*Second, "cloud", 99, 0)
		if j := x.want(t0+i*5*Second, Hold, "errors@cloud"); j.To != Amber {
			t.Fatalf("to %s", j.To)
		}
	}
	x = newBench(t)
	x.well(t0, 1000, "errors@cloud")
	for i := T(0); i < 4; i++ { // 1 bad of 20
		thin(x, t0+i*5*Second, "cloud", 20, 1)
	}
	x.want(t0+15*Second, Back, "errors@cloud")

	x = newBench(t)
	x.well(t0, 1000, "errors@home")
	thin(x, t0, "home", 20, 0)
	x.want(t0, Advance, "") // little is left at home: that holds nothing

	x = newBench(t)
	x.well(t0, 1000, "errors@cloud", "slow@cloud", "cache@cloud")
	x.v.Muted = map[string]bool{"slow": true, "cache": true}
	thin(x, t0, "cloud", 20, 0)
	if j := x.want(t0, Hold, "errors@cloud"); j.To != Unjudged {
		t.Errorf("a room with nothing but thin gates is %s, want –", j.To)
	}
}

func TestThinOfGoodOnes(t *testing.T) {
	p := gatesPlan()
	p.Gates[4].MinEvents = 100
	x := &bench{t: t, b: NewBoard(p), v: vantage()}
	x.well(t0, 1000, "cache@cloud")
	for i := T(0); i < 14; i++ { // abort below 60 %: 40 bad of the 100 that should be suffice
		at := t0 + i*15*Second
		x.b.Put(at, Sample{Gauge: gaugeCache, Room: "cloud", Lo: 0, Hi: 0, Events: 40, Bad: 39, From: at - Minute, At: at})
	}
	x.want(t0+195*Second, Hold, "cache@cloud")
	for i := T(14); i < 27; i++ {
		at := t0 + i*15*Second
		x.b.Put(at, Sample{Gauge: gaugeCache, Room: "cloud", Lo: 0, Hi: 0, Events: 40, Bad: 40, From: at - Minute, At: at})
	}
	x.want(t0+390*Second, Back, "cache@cloud")
}

func TestLimitsTakeTheSafeEndOfTheBound(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "feed-lag@cloud")
	lag := func(at T, lo, hi float64) {
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: lo, Hi: hi, From: at, At: at})
	}
	for i := T(0); i < 60; i++ {
		lag(t0+i*500*Millisecond, 4.9, 5.4) // may be past abort, isn't surely
	}
	x.want(t0+29500*Millisecond, Hold, "feed-lag@cloud")
	for i := T(60); i < 63; i++ {
		lag(t0+i*500*Millisecond, 0.9, 1.1) // may be past hold
	}
	x.want(t0+31*Second, Hold, "feed-lag@cloud")
	lag(t0+31500*Millisecond, 0.9, 0.99)
	x.want(t0+31500*Millisecond, Advance, "")
}

func TestALowerBoundGrows(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "feed-lag@cloud")
	x.b.Put(t0, Sample{Gauge: gaugeLag, Room: "cloud", Lo: 0.04, Hi: 0.05, From: t0, At: t0})
	bound := func(at T, lo float64) {
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: lo, Hi: lo, From: at, At: at, LowerBound: true})
	}
	sent := t0 + 250*Millisecond
	red := T(0)
	for at := t0 + 500*Millisecond; at < t0+20*Second; at += 500 * Millisecond {
		bound(at, float64(at-sent)/float64(Second))
		j := x.judge(at)
		lag := at - sent
		switch {
		case lag <= Second && j.Act != Advance:
			t.Fatalf("lag ≥ %s: %s, want advance", lag.Duration(), j.Act)
		case lag > 2*Second && j.Act == Advance:
			t.Fatalf("lag ≥ %s: advance", lag.Duration())
		}
		if j.Act == Back && red == 0 {
			red = at
			if j.Crossed != sent+15*Second+1 {
				t.Errorf("crossed at %s, want 5 s of lag and 10 s of time after the probe", (j.Crossed - t0).Duration())
			}
		}
	}
	if red != t0+15500*Millisecond {
		t.Errorf("red at %s, want 15.5 s", (red - t0).Duration())
	}

	// Between two samples the bound crosses by itself, and the judgement says when.
	x = newBench(t)
	x.well(t0, 1000, "feed-lag@cloud", "feed-lag@home")
	for i := T(0); i < 21; i++ {
		at := t0 + i*500*Millisecond
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "home", Lo: 6, Hi: 6, From: at, At: at})
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: 0.1, Hi: 0.1, From: at, At: at})
	}
	end := t0 + 10*Second
	x.want(end, Hold, "feed-lag@home") // heartbeats only
	x.b.Put(end+500*Millisecond, Sample{Gauge: gaugeLag, Room: "home", Lo: 6, Hi: 6, From: end, At: end + 500*Millisecond, Again: 20})
	bound(end+500*Millisecond, 4.7)
	j := x.want(end+500*Millisecond, Hold, "feed-lag@home")
	if want := end + 800*Millisecond + 1; j.Next > want {
		t.Fatalf("next %s, want at most %s", (j.Next - end).Duration(), (want - end).Duration())
	}
	x.want(end+799*Millisecond, Hold, "feed-lag@home")
	j = x.want(end+800*Millisecond+2, Freeze, "feed-lag@home") // one red, the other past its abort limit: cut
	if len(j.Causes) != 2 {
		t.Errorf("%+v, want both directions", j.Causes)
	}
}

func TestABoundAloneIsNoHealth(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "feed-lag@cloud")
	x.b.Put(t0, Sample{Gauge: gaugeLag, Room: "cloud", Lo: 0.01, Hi: 0.01, From: t0, At: t0, LowerBound: true})
	x.want(t0, Hold, "feed-lag@cloud")
	if ok, _ := x.b.GreenSince(t0, x.v, 0); ok {
		t.Error("a bound counts as green")
	}
	// and it ends no row: red stays red while the next probe is under way.
	for i := T(0); i <= 21; i++ {
		at := t0 + i*500*Millisecond
		x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: 6, Hi: 6, From: at, At: at})
	}
	x.want(t0+10500*Millisecond, Back, "feed-lag@cloud")
	at := t0 + 11*Second
	x.b.Put(at, Sample{Gauge: gaugeLag, Room: "cloud", Lo: 0.1, Hi: 0.1, From: at, At: at, LowerBound: true})
	x.want(at, Back, "feed-lag@cloud")
}

func TestIdleIsNotJudgedButNotFromTheWriter(t *testing.T) {
	x := newBench(t)
	x.well(t0, 1000, "feed-lag@home")
	idle := Sample{Gauge: gaugeLag, Room: "home", Idle: true, From: t0, At: t0, Again: 2000}
	x.b.Put(t0, idle)
	x.want(t0+10*Second, Advance, "")
	if c := x.color(t0+10*Second, "feed-lag@home"); c != Unjudged {
		t.Errorf("idle is %s, want –", c)
	}
	if ok, why := x.b.GreenSince(t0+10*Second, x.v, t0-15*Second); !ok {
		t.Errorf("idle is waited for: %+v", why)
	}
	x.v.Writers = map[string]Room{"feed-db": "cloud"} // now it is the direction that must flow
	x.want(t0+11*Second, Hold, "feed-lag@home")
	if x.b.ReplicationSeen(t0+11*Second, x.v) {
		t.Error("idle counts as seen")
	}
}

func TestUnjudged(t *testing.T) {
	empty := Share{"home": Whole}
	x := newBench(t)
	x.well(t0, 1000, "errors@cloud", "slow@cloud", "cache@cloud")
	x.v.Set, x.v.Wanted, x.v.Sent, x.v.Moved = empty, empty, false, 0
	if j := x.want(t0, Advance, ""); j.To != Unjudged {
		t.Errorf("to %s, want –", j.To)
	}
	x.want(t0+10*Minute, Advance, "") // not blind, however long
	x.v.Wanted = Share{"home": 9500, "cloud": 500}
	x.want(t0+10*Minute, Advance, "") // nothing was sent yet
	x.v.Sent = true
	x.want(t0+10*Minute, Hold, "errors@cloud")
	x.v.Set = x.v.Wanted
	x.want(t0+12*Minute-1, Hold, "errors@cloud") // blind since it is judged, not since the start
	x.want(t0+12*Minute, Back, "errors@cloud")

	// What was measured while the room served nothing doesn't count.
	x = newBench(t)
	x.well(t0, 1000, "errors@cloud")
	x.v.Set, x.v.Wanted, x.v.Sent = empty, empty, false
	for i := T(0); i < 10; i++ {
		x.errors(t0+i*5*Second, t0+i*5*Second, "cloud", 1)
		x.want(t0+i*5*Second, Advance, "")
	}
	x.v.Set, x.v.Wanted, x.v.Sent = vantage().Set, vantage().Wanted, true
	x.want(t0+46*Second, Advance, "")
	for i, want := range []Act{Advance, Hold, Hold, Back} {
		at := t0 + 50*Second + T(i)*5*Second
		x.errors(at, at, "cloud", 1)
		if got := x.judge(at).Act; got != want {
			t.Errorf("sample %d after it is judged: %s, want %s", i+1, got, want)
		}
	}
}
