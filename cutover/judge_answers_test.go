package cutover

import (
	"slices"
	"testing"
)

func TestAnswersEndWhenGreenOrWithASecondRow(t *testing.T) {
	x := newBench(t)
	x.well(t0, 5000, "errors@home", "errors@cloud")
	x.sick(t0, 300, "errors@home")
	at := t0 + 60*Second
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0, Hi: 0, Events: 500, From: at, At: at, Again: 100})
	x.want(at, Freeze, "errors@home")
	x.v.Phase, x.v.Answered = PhaseForward, map[string]bool{"errors@home": true}
	x.want(at+Second, Hold, "errors@home") // answered: it doesn't freeze again, and holds
	at += 60 * Second
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: "home", Lo: 0.005, Hi: 0.005, Events: 500, From: at, At: at})
	x.want(at, Hold, "errors@home") // amber is not green
	x.sick(at+5*Second, 300, "errors@home")
	if j := x.want(at+25*Second, Hold, "errors@home"); len(j.Clear) != 0 {
		t.Fatalf("cleared %v without having been green", j.Clear)
	}
	at += 60 * Second
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: "home", Lo: 0, Hi: 0, Events: 500, From: at, At: at})
	if j := x.want(at, Advance, ""); !slices.Equal(j.Clear, []string{"errors@home"}) {
		t.Fatalf("cleared %v, want errors@home: it is green", j.Clear)
	}
	x.sick(at+5*Second, 300, "errors@home")
	if j := x.want(at+25*Second, Freeze, "errors@home"); !slices.Equal(j.Clear, []string{"errors@home"}) {
		t.Fatalf("cleared %v", j.Clear)
	}

	// Answered as "home only"; then the cloud is sick too: that is another row, and going back would feed home.
	x.v.Answered = nil
	x.judge(at + 26*Second)
	x.v.Answered = map[string]bool{"errors@home": true}
	x.want(at+27*Second, Hold, "errors@home")
	x.sick(at+30*Second, 300, "errors@cloud")
	j := x.want(at+50*Second, Freeze, "errors@home")
	if len(j.Causes) != 2 || !slices.Equal(j.Clear, []string{"errors@home"}) {
		t.Fatalf("%+v cleared %v", j.Causes, j.Clear)
	}
	// A person who answers both at once is obeyed.
	x.v.Answered = nil
	x.judge(at + 51*Second)
	x.v.Answered = map[string]bool{"errors@home": true, "errors@cloud": true}
	x.want(at+52*Second, Hold, "errors@home")
	// What was dark when it was answered and is red now has a second row.
	x = newBench(t)
	x.well(t0, 5000, "slow@cloud")
	x.hush(t0, "slow@cloud")
	x.judge(t0)
	x.v.Answered = map[string]bool{"slow@cloud": true}
	x.want(t0+10*Minute, Hold, "slow@cloud")
	x.sick(t0+10*Minute, 300, "slow@cloud")
	if j := x.want(t0+11*Minute, Back, "slow@cloud"); len(j.Clear) != 1 {
		t.Fatalf("cleared %v", j.Clear)
	}
}

func TestAnswersToACut(t *testing.T) {
	x := newBench(t)
	x.well(t0, 5000, "feed-lag@home", "feed-lag@cloud")
	x.sick(t0, 5000, "feed-lag@cloud")
	x.want(t0+30*Second, Freeze, "feed-lag@cloud") // one red, the other never heard
	x.v.Answered = map[string]bool{"feed-lag@cloud": true}
	x.b.Put(t0+31*Second, Sample{Gauge: gaugeLag, Room: "home", Lo: 0.1, Hi: 0.1, From: t0, At: t0 + 31*Second, Again: 10})
	x.want(t0+31*Second, Hold, "feed-lag@cloud")
	x.sick(t0+36*Second, 500, "feed-lag@home")
	j := x.want(t0+36*Second, Freeze, "feed-lag@home") // past abort for however short: the answer was to another row
	if len(j.Clear) != 1 || j.Causes[0].Color != Red || j.Causes[1].Color != Red {
		t.Fatalf("cleared %v, causes %+v", j.Clear, j.Causes)
	}
	x.v.Answered = nil
	x.judge(t0 + 37*Second)
	x.v.Answered = map[string]bool{"feed-lag@cloud": true, "feed-lag@home": true}
	x.want(t0+38*Second, Hold, "feed-lag@home")
	x.want(t0+5*Minute, Hold, "feed-lag@home") // and stays so when the second is red for its time
}

func TestAMutedAnswerEndsInTime(t *testing.T) {
	x := newBench(t)
	x.well(t0, 5000, "slow@cloud")
	x.hush(t0, "slow@cloud")
	x.v.Muted, x.v.Answered = map[string]bool{"slow": true}, map[string]bool{"slow@cloud": true}
	x.want(t0+Second, Advance, "")
	x.b.Put(t0+2*Second, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.2, Hi: 0.2, From: t0, At: t0})
	if j := x.want(t0+2*Second, Advance, ""); len(j.Clear) != 1 {
		t.Errorf("cleared %v, want slow@cloud: green, though muted", j.Clear)
	}
	if j := x.judge(t0 + 2*Second); j.Next != t0+45*Second+1 {
		t.Errorf("next %s, want when its data is too old", (j.Next - t0).Duration())
	}
}

func TestTakenOverAnswersAreKept(t *testing.T) {
	x := newBench(t)
	x.v.Answered = map[string]bool{"errors@home": true}
	x.judge(t0) // nothing was heard yet: that is no row
	x.well(t0+Second, 5000, "errors@home")
	x.sick(t0+Second, 5000, "errors@home")
	if j := x.want(t0+Minute, Hold, "errors@home"); len(j.Clear) != 0 {
		t.Errorf("cleared %v", j.Clear)
	}
}

func TestWhatIfLeavesNoTrace(t *testing.T) {
	x := newBench(t)
	x.v.Phase = PhaseBack
	x.well(t0, 5000, "errors@home", "errors@cloud")
	x.sick(t0, 5000, "errors@home")
	at := t0 + 10*Second
	x.b.Put(at, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0, Hi: 0, Events: 500, From: at, At: at, Again: 2})
	frozen := x.want(t0+20*Second, Freeze, "errors@home")
	x.v.Answered = map[string]bool{"errors@home": true}
	x.want(t0+21*Second, Advance, "")
	x.sick(t0+25*Second, 5000, "errors@cloud") // while going back that is no second row
	x.want(t0+45*Second, Advance, "")
	v := x.v
	v.Phase = PhaseForward
	if j := x.b.WhatIf(t0+46*Second, v); j.Act != Back || j.To != Red || len(j.Clear) != 0 {
		t.Errorf("going forward it would be %s, to %s, cleared %v; want back, red, nothing", j.Act, j.To, j.Clear)
	}
	x.want(t0+47*Second, Advance, "")
	x.v.Answered = nil
	x.b.WhatIf(t0+48*Second, v)
	if j := x.want(t0+48*Second, Freeze, "errors@home"); j.Crossed != frozen.Crossed {
		t.Errorf("crossed %s, want %s", (j.Crossed - t0).Duration(), (frozen.Crossed - t0).Duration())
	}
}
