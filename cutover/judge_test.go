package cutover

import (
	"slices"
	"strings"
	"testing"
)

// sick makes one gate red from a moment on, for n seconds: 2 % errors, 0.9 s, 9 s of lag, 80 % of the line, 50 % hits.
func (x *bench) sick(at T, n int, keys ...string) {
	for _, key := range keys {
		name, room, _ := strings.Cut(key, "@")
		k := slices.IndexFunc(x.b.plan.Gates, func(g GatePlan) bool { return g.Name == name })
		v, every := []float64{0.02, 0.9, 9, 0.8, 0.5}[k], x.b.plan.Gates[k].Every
		x.b.Put(at, Sample{Gauge: k, Room: room, Lo: v, Hi: v, Events: 1000, From: at - every, At: at, Again: n * int(Second) / int(every)})
	}
}

// hush makes gates unknown from a moment on.
func (x *bench) hush(at T, keys ...string) {
	for _, key := range keys {
		name, room, _ := strings.Cut(key, "@")
		k := slices.IndexFunc(x.b.plan.Gates, func(g GatePlan) bool { return g.Name == name })
		x.b.Put(at, Sample{Gauge: k, Room: room, Unknown: NoAnswer, From: at, At: at, Again: 1000})
	}
}

func (x *bench) probe(at T, lo float64) {
	x.b.Put(at, Sample{Gauge: gaugeProbeHome, Lo: lo, From: at, At: at, Again: 1000})
}

var cloudRoom = []string{"errors@cloud", "slow@cloud", "cache@cloud"}
var homeRoom = []string{"errors@home", "slow@home"}

func TestJudgeRooms(t *testing.T) {
	long := t0 + 10*Minute
	for _, c := range []struct {
		name  string
		sick  []string
		dark  []string
		setup func(x *bench)
		want  Act
		worst string
	}{
		{"all well", nil, nil, nil, Advance, ""},
		{"the cloud only", []string{"errors@cloud"}, nil, nil, Back, "errors@cloud"},
		{"both rooms", []string{"errors@cloud", "errors@home"}, nil, nil, Freeze, "errors@home"},
		{"both rooms, a writer moved just now", []string{"errors@cloud", "errors@home"}, nil, func(x *bench) {
			x.v.MovedWriter = map[string]bool{"feed-db": true}
			x.v.Writers = map[string]Room{"feed-db": "cloud"}
		}, Back, "errors@home"},
		{"home only", []string{"slow@home"}, nil, nil, Freeze, "slow@home"},
		{"home dark", nil, homeRoom, nil, Hold, "errors@home"},
		{"the cloud red, home dark", []string{"slow@cloud"}, homeRoom, nil, Freeze, "slow@cloud"},
		{"the cloud red, home dark but answering", []string{"slow@cloud"}, homeRoom, func(x *bench) { x.probe(t0, 1) }, Back, "slow@cloud"},
		{"the cloud red, home dark, its probe fails", []string{"slow@cloud"}, homeRoom, func(x *bench) { x.probe(t0, 0) }, Freeze, "slow@cloud"},
		{"both dark at 30 %", nil, append(slices.Clone(homeRoom), cloudRoom...), nil, Freeze, "errors@home"},
		{"both dark at 3 %, replication seen", nil, append(slices.Clone(homeRoom), cloudRoom...), func(x *bench) { x.v.Moved = 300 }, Back, "errors@home"},
		{"both dark at 3 %, replication not seen", nil, append([]string{"feed-lag@cloud", "feed-lag@home"}, append(slices.Clone(homeRoom), cloudRoom...)...), func(x *bench) { x.v.Moved = 300 }, Freeze, "errors@home"},
		{"the cloud dark at 30 %", nil, cloudRoom, nil, Freeze, "errors@cloud"},
		{"one gate of the cloud dark at 3 %", nil, []string{"slow@cloud"}, func(x *bench) { x.v.Moved = 300 }, Back, "slow@cloud"},
		{"home sick while going back", []string{"errors@home"}, nil, func(x *bench) { x.v.Phase = PhaseBack }, Freeze, "errors@home"},
		{"the cloud sick while going back", []string{"errors@cloud"}, nil, func(x *bench) { x.v.Phase = PhaseBack }, Advance, ""},
		{"home blind while going back, answering", nil, homeRoom, func(x *bench) { x.v.Phase = PhaseBack; x.probe(t0, 1) }, Advance, ""},
		{"frozen", nil, nil, func(x *bench) { x.v.Phase = PhaseFrozen }, Freeze, ""},
		{"over", []string{"errors@cloud"}, nil, func(x *bench) { x.v.Phase = PhaseOver }, Hold, ""},
		{"evacuating, the cloud sick", []string{"errors@cloud"}, nil, func(x *bench) { x.v.Evacuate = true }, Hold, "errors@cloud"},
		{"evacuating, home sick", []string{"errors@home"}, nil, func(x *bench) { x.v.Evacuate = true }, Advance, ""},
		{"evacuating, cut", []string{"feed-lag@home", "feed-lag@cloud"}, nil, func(x *bench) { x.v.Evacuate = true }, Advance, ""},
	} {
		x := newBench(t)
		x.well(t0, 2000, append(c.sick, c.dark...)...)
		x.sick(t0, 2000, c.sick...)
		x.hush(t0, c.dark...)
		if c.setup != nil {
			c.setup(x)
		}
		x.judge(t0)
		j := x.judge(long)
		worst := ""
		if len(j.Causes) > 0 {
			worst = j.Causes[0].Key()
		}
		if j.Act != c.want || worst != c.worst || j.WritersFirst != strings.Contains(c.name, "moved just now") {
			t.Errorf("%s: %s because of %q, writers first %v; want %s because of %q\n%+v", c.name, j.Act, worst, j.WritersFirst, c.want, c.worst, j.Causes)
		}
		for _, k := range j.Causes {
			if (k.Gate == "" || k.Seen == "" || k.Limit == "") && k.Gate != "gates" {
				t.Errorf("%s: a cause doesn't say what was seen and wanted: %+v", c.name, k)
			}
		}
	}
}

func TestJudgeReplicationAndLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		sick    []string
		dark    []string
		setup   func(x *bench)
		want    Act
		causes  string
		traffic bool
	}{
		{"to the gainer, writer at home", []string{"feed-lag@cloud"}, nil, nil, Back, "feed-lag@cloud", true},
		{"heartbeats", []string{"feed-lag@home"}, nil, nil, Hold, "feed-lag@home", false},
		{"both", []string{"feed-lag@home", "feed-lag@cloud"}, nil, nil, Freeze, "feed-lag@home feed-lag@cloud", false},
		{"both, muted", []string{"feed-lag@home", "feed-lag@cloud"}, nil, func(x *bench) { x.v.Muted = map[string]bool{"feed-lag": true} }, Freeze, "feed-lag@home feed-lag@cloud", false},
		{"one, muted", []string{"feed-lag@cloud"}, nil, func(x *bench) { x.v.Muted = map[string]bool{"feed-lag": true} }, Advance, "", false},
		{"both dark", nil, []string{"feed-lag@home", "feed-lag@cloud"}, nil, Freeze, "feed-lag@home feed-lag@cloud", false},
		{"from the writer's room dark, 30 %", nil, []string{"feed-lag@cloud"}, nil, Freeze, "feed-lag@cloud", false},
		{"from the writer's room dark, 3 %", nil, []string{"feed-lag@cloud"}, func(x *bench) { x.v.Moved = 300 }, Back, "feed-lag@cloud", true},
		{"to the writer's room dark", nil, []string{"feed-lag@home"}, nil, Hold, "feed-lag@home", false},
		{"writer moved", []string{"feed-lag@home"}, nil, func(x *bench) { x.v.Writers = map[string]Room{"feed-db": "cloud"} }, Freeze, "feed-lag@home", false},
		{"the line, writer at home", []string{"line-use@"}, nil, nil, Back, "line-use@", false},
		{"the line, nothing moved", []string{"line-use@"}, nil, func(x *bench) { x.v.Moved = 0 }, Hold, "line-use@", false},
		{"the line, requests would cross more", []string{"line-use@"}, nil, func(x *bench) { x.v.Crossing = -100 }, Hold, "line-use@", false},
		{"the line dark", nil, []string{"line-use@"}, nil, Hold, "line-use@", false},
	} {
		x := newBench(t)
		x.well(t0, 2000, append(c.sick, c.dark...)...)
		x.sick(t0, 2000, c.sick...)
		x.hush(t0, c.dark...)
		if c.setup != nil {
			c.setup(x)
		}
		x.judge(t0)
		j := x.judge(t0 + 10*Minute)
		var keys []string
		for _, k := range j.Causes {
			keys = append(keys, k.Key())
		}
		if j.Act != c.want || strings.Join(keys, " ") != c.causes || j.TrafficOnly != c.traffic {
			t.Errorf("%s: %s because of %v, traffic only %v; want %s because of %s, %v", c.name, j.Act, keys, j.TrafficOnly, c.want, c.causes, c.traffic)
		}
	}
}

func TestFailsOutright(t *testing.T) {
	x := newBench(t)
	x.v.Writers, x.v.OnLost = map[string]Room{"feed-db": "cloud"}, map[string]string{"feed-db": "traffic"}
	x.well(t0, 1000, "errors@cloud", "feed-lag@home")
	x.sick(t0, 1000, "feed-lag@home")
	x.b.Put(t0, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0.49, Hi: 0.49, Events: 1000, From: t0, At: t0, Again: 6})
	if j := x.want(t0+30*Second, Freeze, "feed-lag@home"); j.Fails {
		t.Error("49 % fails outright")
	}
	x.b.Put(t0+35*Second, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0.5, Hi: 0.5, Events: 1000, From: t0, At: t0 + 35*Second})
	if j := x.want(t0+35*Second, Back, "errors@cloud"); !j.Fails || !j.TrafficOnly {
		t.Errorf("%+v, want that to fails outright and traffic alone leaves it", j)
	}
}

func TestOnAbort(t *testing.T) {
	with := func(gate, act string) *bench {
		p := gatesPlan()
		for i := range p.Gates {
			if p.Gates[i].Name == gate {
				p.Gates[i].OnAbort = act
			}
		}
		return &bench{t: t, b: NewBoard(p), v: vantage()}
	}
	run := func(x *bench, sick ...string) Judgement {
		x.well(t0, 2000, sick...)
		x.sick(t0, 2000, sick...)
		x.judge(t0)
		return x.judge(t0 + 10*Minute)
	}
	for _, c := range []struct {
		name, gate, act string
		sick            []string
		want            Act
		rung            bool
	}{
		{"freeze in the room that gains", "slow", "freeze", []string{"slow@cloud"}, Freeze, false},
		{"one rung", "slow", "rung", []string{"slow@cloud"}, Back, true},
		{"one rung, but another gate wants more", "slow", "rung", []string{"slow@cloud", "errors@cloud"}, Back, false},
		{"one rung, but the other room is sick too", "slow", "rung", []string{"slow@cloud", "slow@home"}, Freeze, false},
		{"back never feeds the sick room", "slow", "back", []string{"slow@home"}, Freeze, false},
		{"a line that holds leads back", "line-use", "back", []string{"line-use@"}, Back, false},
		{"replication freezes", "feed-lag", "freeze", []string{"feed-lag@cloud"}, Freeze, false},
		{"back, but the rooms are cut", "feed-lag", "back", []string{"feed-lag@cloud", "feed-lag@home"}, Freeze, false},
		{"cache, one rung", "cache", "rung", []string{"cache@cloud"}, Back, true},
	} {
		j := run(with(c.gate, c.act), c.sick...)
		if j.Act != c.want || j.Rung != c.rung || len(j.Causes) == 0 {
			t.Errorf("%s: %s, rung %v, %+v; want %s, rung %v", c.name, j.Act, j.Rung, j.Causes, c.want, c.rung)
		}
	}
	x := with("cache", "back")
	x.v.To, x.v.From = "home", "cloud" // judged in the room that loses, and nowhere else
	if j := run(x, "cache@cloud"); j.Act != Back {
		t.Errorf("a gate of the losing room alone says back: %s", j.Act)
	}
	x = with("slow", "freeze")
	x.v.Evacuate = true
	if j := run(x, "slow@cloud"); j.Act != Advance {
		t.Errorf("evacuating: freeze reads go on, got %s", j.Act)
	}
	x = with("slow", "freeze")
	x.v.Phase = PhaseBack
	if j := run(x, "slow@cloud"); j.Act != Advance {
		t.Errorf("going back: the table stands, got %s", j.Act)
	}
}

func TestThirdRoomsHold(t *testing.T) {
	p := gatesPlan()
	p.Rooms = append(p.Rooms, RoomPlan{Name: "third"})
	p.Pairs = append(p.Pairs, PairPlan{Name: "other-db", Rooms: [2]Room{"home", "third"}, Writer: "home"})
	lag := p.Gates[2]
	lag.Name, lag.Pair = "other-lag", "other-db"
	cold := p.Gates[1]
	cold.Name, cold.Rooms, cold.OnAbort = "warm", []Room{"third"}, "back"
	p.Gates = append(p.Gates, lag, cold)
	p.Gauges = append(p.Gauges, Gauge{Kind: GaugeGate, Gate: 5, Every: Second}, Gauge{Kind: GaugeGate, Gate: 6, Every: Second})
	put := func(x *bench, lagHome, lagThird, warm float64) {
		x.v.Set = Share{"home": 5000, "cloud": 3000, "third": 2000}
		x.well(t0, 2000)
		for room, v := range map[Room]float64{"home": lagHome, "third": lagThird} {
			x.b.Put(t0, Sample{Gauge: 7, Room: room, Lo: v, Hi: v, From: t0, At: t0, Again: 2000})
		}
		x.b.Put(t0, Sample{Gauge: 8, Room: "third", Lo: warm, Hi: warm, From: t0, At: t0, Again: 2000})
	}
	x := &bench{t: t, b: NewBoard(p), v: vantage()}
	put(x, 0.1, 0.1, 0.1)
	x.want(t0+10*Minute, Advance, "")
	x = &bench{t: t, b: NewBoard(p), v: vantage()}
	put(x, 0.1, 0.1, 3)
	x.want(t0+10*Minute, Hold, "warm@third")
	x.v.Phase = PhaseBack
	x.want(t0+10*Minute, Advance, "")
	x = &bench{t: t, b: NewBoard(p), v: vantage()}
	put(x, 9, 9, 0.1)
	x.want(t0+10*Minute, Hold, "other-lag@home")
}

func TestFrozenGoesOnJudging(t *testing.T) {
	x := newBench(t)
	x.v.Phase = PhaseFrozen
	x.well(t0, 5000, "slow@cloud")
	x.b.Put(t0, Sample{Gauge: gaugeSlow, Room: "cloud", Lo: 0.2, Hi: 0.2, From: t0, At: t0})
	x.want(t0, Freeze, "")
	x.sick(t0+5*Second, 500, "slow@cloud")
	x.want(t0+10*Second, Freeze, "slow@cloud")
}

func TestCrossedStaysWhatTurnedTheRun(t *testing.T) {
	x := newBench(t)
	x.well(t0, 5000, "errors@cloud", "slow@cloud")
	x.b.Put(t0+2*Second, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0.02, Hi: 0.02, Events: 1000, From: t0, At: t0 - 4*Second, Again: 100})
	x.sick(t0, 500, "slow@cloud") // red later: 30 s
	j := x.judge(t0 + 16*Second)
	if j.Next != t0+17*Second {
		t.Errorf("next %s, want the sample that completes it: 17 s", (j.Next - t0).Duration())
	}
	for _, at := range []T{t0 + 17*Second, t0 + 25*Second, t0 + 60*Second} {
		if j = x.judge(at); j.Act != Back || j.Crossed != t0+17*Second || j.Age != 6*Second {
			t.Errorf("at %s: %s, crossed %s, age %s; want back, 17 s, 6 s", (at - t0).Duration(), j.Act, (j.Crossed - t0).Duration(), j.Age.Duration())
		}
	}
	if len(j.Causes) != 2 || j.Causes[0].Seen != "2 %" || j.Causes[0].Limit != "> 1 % for 15s" || !strings.Contains(j.Causes[0].Text, "cloud, which gained traffic") {
		t.Errorf("causes %+v", j.Causes)
	}
}
