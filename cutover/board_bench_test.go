package cutover

import (
	"testing"
)

func TestJudgingIsQuiet(t *testing.T) {
	x := newBench(t)
	x.well(t0, 5000)
	x.v.Answered, x.v.Muted = map[string]bool{"slow@home": true}, map[string]bool{"cache": true}
	x.judge(t0)
	x.v.Answered = nil
	x.judge(t0)
	now := t0
	if n := testing.AllocsPerRun(100, func() {
		now += 7 * Second
		if x.b.Judge(now, x.v).Act != Advance {
			t.Error("not green")
		}
		x.b.Rates(now)
		x.b.GreenSince(now, x.v, t0-Minute)
	}); n != 0 {
		t.Errorf("judging green gates allocates %v times", n)
	}
}

// manyGates is a plan with n gates in each of both rooms.
func manyGates(n int) (*Plan, Vantage) {
	p := gatesPlan()
	for len(p.Gates) < n {
		g := p.Gates[len(p.Gates)%2]
		p.Gates = append(p.Gates, g)
		p.Gauges = append(p.Gauges, Gauge{Kind: GaugeGate, Gate: len(p.Gates) - 1, Every: 5 * Second})
	}
	return p, vantage()
}

func wellBoard(n int) (*Board, Vantage) {
	p, v := manyGates(n)
	b := NewBoard(p)
	for i, g := range p.Gauges {
		if g.Kind != GaugeGate {
			continue
		}
		lo := p.Gates[g.Gate].Hold.Value / 2
		if p.Gates[g.Gate].Hold.Below {
			lo = 0.95
		}
		for _, r := range []Room{"home", "cloud", ""} {
			b.Put(t0, Sample{Gauge: i, Room: r, Lo: lo, Hi: lo, Events: 1000, From: t0, At: t0, Again: 1 << 30})
		}
	}
	return b, v
}

// BenchmarkJudgeGreen judges 25 gates, most of them in two rooms, where nothing changed.
func BenchmarkJudgeGreen(b *testing.B) {
	board, v := wellBoard(25)
	b.ReportAllocs()
	now := t0
	for b.Loop() {
		now += 10 * Millisecond
		if board.Judge(now, v).Act != Advance {
			b.Fatal("not green")
		}
	}
}

// BenchmarkPutAndJudge is the turn of the engine at a sample.
func BenchmarkPutAndJudge(b *testing.B) {
	board, v := wellBoard(25)
	b.ReportAllocs()
	now := t0
	for b.Loop() {
		now += 10 * Millisecond
		board.Put(now, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0.0001, Hi: 0.0001, Events: 1000, From: now, At: now})
		if board.Judge(now, v).Act != Advance {
			b.Fatal("not green")
		}
	}
}

// BenchmarkJudgeRed judges while a gate is red: its causes are worded each time.
func BenchmarkJudgeRed(b *testing.B) {
	board, v := wellBoard(25)
	board.Put(t0, Sample{Gauge: gaugeErrors, Room: "cloud", Lo: 0.1, Hi: 0.1, Events: 1000, From: t0, At: t0 + 1, Again: 1 << 30})
	b.ReportAllocs()
	now := t0 + Minute
	for b.Loop() {
		now += 10 * Millisecond
		if board.Judge(now, v).Act != Back {
			b.Fatal("not red")
		}
	}
}
