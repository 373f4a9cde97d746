package cutover

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// started is an engine over the world, brought to where cond is true.
func (x *benchWorld) started(tb testing.TB, cond func(e *engine) bool) *engine {
	tb.Helper()
	e := x.start(tb, x.world())
	x.drive(tb, e, cond)
	return e
}

func (x *benchWorld) start(tb testing.TB, w World) *engine {
	tb.Helper()
	e, err := newEngine(context.Background(), w, Start{Run: "0127-01", Plan: x.p, Why: "start", Host: "ops-1", User: "ops1"})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func (x *benchWorld) drive(tb testing.TB, e *engine, cond func(e *engine) bool) {
	tb.Helper()
	for range 1 << 20 {
		e.turn()
		switch {
		case e.err != nil:
			tb.Fatal(e.err)
		case cond(e):
			return
		case e.ended:
			tb.Fatalf("it ended with %d before", e.exit)
		case len(e.p.Asked) > 0:
			tb.Fatalf("it asks: %s", e.p.Asked[0].Text)
		}
		if err := e.sleep(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Fatal("it doesn't come there")
}

func inState(step int, st StepState) func(e *engine) bool {
	return func(e *engine) bool { return e.ready && e.p.Steps[step].State == st }
}

// BenchmarkTurnOf1000Steps is a turn at which nothing happens while 1,000 steps bake side by side. The sketch: 20 to 27 µs.
func BenchmarkTurnOf1000Steps(b *testing.B) {
	w := bigWorldOf(1000, 10)
	for i := range 1000 {
		w.shift(fmt.Sprintf("step %d", i), fmt.Sprintf("s%04d", i), []float64{5})
	}
	x := newBenchWorldOf(b, w)
	for i := range x.p.Steps {
		x.p.Steps[i].After, x.p.Steps[i].Rungs[0].Bake = nil, 1000*Minute
	}
	e := x.started(b, func(e *engine) bool { return e.ready && e.judged.Act == Advance })
	for i := range x.p.Steps {
		e.mark(i, 0, StepBaking, "")
	}
	e.turn()
	b.ReportAllocs()
	for b.Loop() {
		e.now += 10 * Millisecond / 1000
		e.turn()
	}
	if st := e.p.Steps[999].State; st != StepBaking || e.judged.Act != Advance {
		b.Fatalf("the last step is %s, and the verdict %v", st, e.judged)
	}
}

// BenchmarkTurnGoingBack is a turn at which nothing happens while 10,000 objects go back, half of them there already. The sketch:
// 5.5 µs with a list of what is left to do, 110 µs for 1,000 objects by looking at all of them.
func BenchmarkTurnGoingBack(b *testing.B) {
	for _, routes := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d-seats", routes), func(b *testing.B) {
			x, e := halfBack(b, routes)
			b.ReportAllocs()
			for b.Loop() {
				e.now++
				e.turn()
			}
			if n := x.sent; n < 200 || e.p.Phase != PhaseBack {
				b.Fatalf("%d requests, phase %s", n, e.p.Phase)
			}
		})
	}
}

// halfBack is a run of 10,000 objects that was turned back when all were written, after half of the undo.
func halfBack(tb testing.TB, routes int) (*benchWorld, *engine) {
	x := newBenchWorldOf(tb, bigWorldOf(routes, 10000/routes).shift("all", "all", []float64{5}))
	e := x.started(tb, inState(0, StepBaking))
	e.command(Command{ID: "1", Verb: "back", Who: "ops1"})
	there := x.sent
	x.drive(tb, e, func(*engine) bool { return x.sent >= there+there/2 })
	return x, e
}

// BenchmarkGoBack10000 is all of going back with 10,000 objects, from a person's word to the last answer: the engine's own time.
func BenchmarkGoBack10000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		x := newBenchWorldOf(b, bigWorldOf(10, 1000).shift("all", "all", []float64{5}))
		e := x.started(b, inState(0, StepBaking))
		b.StartTimer()
		e.command(Command{ID: "1", Verb: "back", Who: "ops1"})
		x.drive(b, e, func(e *engine) bool { return e.ended })
		if e.exit != ExitBack {
			b.Fatalf("exit %d", e.exit)
		}
	}
}

// BenchmarkShift10000 shifts 10,000 objects in 160 requests of 5 ms with a journal that takes 40 ms and intents 32 ahead, one worker
// on the way forward, and compares it with a bare loop over the same requests: what the clock shows and the engine's own time,
// together, as if no request were under way meanwhile. The sketch needed 1.14 times as long by the clock (clock× here); DESIGN wants
// at most 1.3 times. With 1,000 seats every answer composes 1,000 entries anew.
func BenchmarkShift10000(b *testing.B) {
	for _, routes := range []int{10, 1000} {
		b.Run(fmt.Sprintf("%d-seats", routes), func(b *testing.B) {
			var own, clock, bare float64
			for b.Loop() {
				b.StopTimer()
				x := newBenchWorldOf(b, bigWorldOf(routes, 10000/routes).shift("all", "all", []float64{5}))
				x.appends = 40 * Millisecond
				w := x.world()
				w.Planes[0].Workers = 2 // one is kept for going back
				e := x.start(b, w)
				x.drive(b, e, func(e *engine) bool { return e.ready && e.p.Steps[0].State == StepWaiting })
				b.StartTimer()
				from, began := x.now, time.Now()
				x.drive(b, e, inState(0, StepBaking))
				own += float64(time.Since(began))
				clock += float64(x.now - from)
				bare += float64(x.sent) * float64(x.writes)
			}
			b.ReportMetric((clock+own)/bare, "×bare")
			b.ReportMetric(clock/bare, "clock×")
			b.ReportMetric(own/float64(b.N)/1e6, "own-ms")
		})
	}
}

// BenchmarkCrossedToFirstRequest is from the moment at which the engine is handed the sample that completes a crossing to its first
// corrective request, while every request of the way forward hangs in its worker: the engine's own time, and what the clock shows
// (an append of 2 ms, and what is looked up). DESIGN wants at most 100 ms; the sketch needed 0.1 ms with a worker that is kept for
// going back, 7.6 s without.
func BenchmarkCrossedToFirstRequest(b *testing.B) {
	for _, routes := range []int{100, 1000} {
		b.Run(fmt.Sprintf("%d-seats", routes), func(b *testing.B) { benchCrossed(b, routes) })
	}
}

func benchCrossed(b *testing.B, routes int) {
	var own time.Duration
	var clock T
	for b.Loop() {
		b.StopTimer()
		x := newBenchWorldOf(b, bigWorldOf(routes, 10000/routes).shift("all", "all", []float64{5}))
		e := x.start(b, x.world())
		x.hang = func([]Change) bool { return x.sent > 120 && e.p.Phase == PhaseForward }
		x.drive(b, e, func(*engine) bool { return x.sent >= 123 }) // in the wave that gives the cloud its share all three workers hang
		sick := Sample{Gauge: 0, Room: "cloud", Lo: 0.2, Hi: 0.2, Events: 10000}
		x.late, x.from = []Sample{sick, sick, sick, sick}, x.now+Second
		var crossed T
		var at time.Time
		x.crossing = func() { crossed, at = x.now, time.Now() }
		undone := 0
		x.wrote = func([]Change) {
			if e.p.Phase == PhaseBack {
				undone++
			}
			if undone == 1 {
				own, clock = own+time.Since(at), max(clock, x.now-crossed)
			}
		}
		b.StartTimer()
		x.drive(b, e, func(*engine) bool { return undone > 0 })
	}
	b.ReportMetric(float64(own.Microseconds())/float64(b.N)/1e3, "own-ms")
	b.ReportMetric(float64(clock)/float64(Millisecond), "clock-ms")
}
