package cutover

import (
	"strings"
	"testing"
	"time"

	"roomshift/runbooks"
)

// rated is the spring night with traffic: each name's lines have a quarter of its rate.
func rated(w *planWorld, www, api float64) {
	w.snap.Rates = map[Seat]float64{}
	for _, l := range testLines {
		w.snap.Rates[Seat{"www", l}], w.snap.Rates[Seat{"api", l}] = www/4, api/4
	}
}

func TestEstimateLoads(t *testing.T) {
	w, _ := springNight(t)
	rated(w, 9000, 9000)
	p := w.mustPlan(t)
	e := p.Estimate(w.snap)
	if len(e.Rungs) != 6 {
		t.Fatalf("%d rungs", len(e.Rungs))
	}
	// climb to 30 %: 5,400 of 18,000/s in the cloud, all of them over the line; at peak 36,000 of 120,000.
	climb := e.Rungs[1]
	near(t, "cloud now", climb.LoadNow["cloud"], 5400.0/130000)
	near(t, "cloud at peak", climb.LoadPeak["cloud"], 36000.0/130000)
	near(t, "home now", climb.LoadNow["home"], 12600.0/150000)
	near(t, "line now", climb.LineNow["line"], (5400*20000*8+5400*0.3*4000*8)/8e9)
	near(t, "line at peak", climb.LinePeak["line"], (36000*20000*8+36000*0.3*4000*8)/8e9)
	if names := e.Rungs[3]; names.Crossing != 0 || names.LineNow["line"] > 0.01 {
		t.Errorf("names at 30, gateway at 0: nothing crosses but what pay is called: %+v", names)
	}
}

func TestEstimateTimes(t *testing.T) {
	w, p := springNight(t)
	e := p.Estimate(w.snap)
	climb, names := e.Rungs[0], e.Rungs[3]
	if climb.BackFast != 50*Millisecond || climb.BackAll != climb.BackFast {
		t.Errorf("back from the gateway alone: %+v", climb)
	}
	if names.BackFast >= Second || names.BackAll < 60*Second || names.BackAll > 70*Second {
		t.Errorf("back from names with a TTL of 60 s: fast %v, all %v", names.BackFast.Duration(), names.BackAll.Duration())
	}
	if other := e.Rungs[4]; other.BackFast != 50*Millisecond || other.BackAll < 60*Second { // a key and twenty instances at once; the names still late
		t.Errorf("back from the other one: %+v", other)
	}
	w.shift("later", "gw@home", []float64{5})
	if rungs := w.mustPlan(t).Estimate(w.snap).Rungs; rungs[6].BackAll != 50*Millisecond {
		t.Errorf("below night-2 only what was moved since is to be brought back: %+v", rungs[6])
	}
	w.book.Steps = w.book.Steps[:len(w.book.Steps)-1]
	var sum T
	for _, st := range p.Steps {
		for _, r := range st.Rungs {
			if !r.Skip {
				sum += r.Takes()
			}
		}
	}
	if e.Takes != sum || e.Takes < 50*Minute || e.Takes > 55*Minute {
		t.Errorf("it takes %v, the rungs one after another %v", e.Takes.Duration(), sum.Duration())
	}
	if climb.Ready < 30*Second || names.Ready < 2*Minute {
		t.Errorf("ready: gateway %v, names %v", climb.Ready.Duration(), names.Ready.Duration())
	}
	w.book.Steps[6].AfterSet = true // the other one beside the names
	if beside := w.mustPlan(t).Estimate(w.snap); beside.Takes >= e.Takes {
		t.Errorf("side by side it takes %v, one after another %v", beside.Takes.Duration(), e.Takes.Duration())
	}
}

// A rung is never shorter than the window and two scrapes: advancing needs samples younger than the write.
func TestEstimateShortBake(t *testing.T) {
	w := newPlanWorld().shift("s", "gw@home", []float64{20})
	w.book.Gates = []runbooks.Gate{{Name: "errors", Each: true, Ratio: &runbooks.Ratio{Bad: "b", Of: "o"}}}
	w.book.Bake, w.book.BakeSet = time.Second, true
	if r := w.mustPlan(t).Steps[0].Rungs[0]; r.Takes() != 90*Second {
		t.Errorf("a rung with a bake of 1 s takes %v, want a window of 1 m and two scrapes of 15 s", r.Takes().Duration())
	}
}

func TestEstimateNotes(t *testing.T) {
	for name, x := range map[string]struct {
		make func(w *planWorld)
		bad  bool
		want string
	}{
		"minEvents": {func(w *planWorld) {
			rated(w, 5, 5)
			w.book.Gates = []runbooks.Gate{{Name: "errors", Each: true, Ratio: &runbooks.Ratio{Bad: "b", Of: "o"}, MinEvents: 500, Abort: &runbooks.Limit{Value: 0.01}}}
			w.shift("s", "gw@home", []float64{12})
		}, true, "errors would see 360 requests in cloud in 5 m at 10/s, it needs 500; the smallest share that is enough is 16.67 %"},
		"minEvents, never": {func(w *planWorld) {
			rated(w, 0.5, 0.5)
			w.book.Gates = []runbooks.Gate{{Name: "errors", Each: true, Ratio: &runbooks.Ratio{Bad: "b", Of: "o"}, MinEvents: 500, Abort: &runbooks.Limit{Value: 0.01}}}
			w.shift("s", "gw@home", []float64{12})
		}, true, "no share is enough"},
		"settle": {func(w *planWorld) {
			w.shift("s", "entry", []float64{2})
			w.book.Steps[0].Settle = &runbooks.Settle{Within: 5 * time.Minute}
		}, true, "settle within 5m0s can't be reached: api shows what is written after up to 10m0s"},
		"settle, after a shorter TTL": {func(w *planWorld) {
			w.step(runbooks.Step{Kind: runbooks.StepTTL, TTL: []runbooks.TTL{{Name: "entry", TTL: time.Minute}}})
			w.shift("s", "entry", []float64{2})
			w.book.Steps[1].Settle = &runbooks.Settle{Within: 5 * time.Minute}
		}, true, ""},
		"finishBy": {func(w *planWorld) {
			w.book.Rules = runbooks.Rules{FinishBy: "02:20"}
			w.shift("s", "gw@home", []float64{12, 14, 16}).checkpoint("one")
		}, true, `step 2 "one" can't be reached by 02:20: begun Wed 02:00 it takes`},
		"finishBy, one night each": {func(w *planWorld) {
			w.book.Rules = runbooks.Rules{FinishBy: "02:30", Windows: []runbooks.Window{{From: 120, To: 150}}}
			w.shift("s", "gw@home", []float64{12, 14}).checkpoint("one").shift("u", "gw@home", []float64{16, 18, 20}).checkpoint("two")
		}, true, ""},
		"finishBy, a later night": {func(w *planWorld) {
			w.book.Rules = runbooks.Rules{FinishBy: "02:30", Windows: []runbooks.Window{{From: 120, To: 150}}}
			w.shift("s", "gw@home", []float64{12, 14}).checkpoint("one").shift("u", "gw@home", []float64{16, 18, 20, 22, 24, 26}).checkpoint("two")
		}, true, `step 4 "two" can't be reached by 02:30: begun Thu 02:00`},
		"the line at peak": {func(w *planWorld) {
			rated(w, 10, 10)
			w.rooms.Links[0].Circuits = []float64{10e9}
			w.rooms.Links[0].Keep = 5000
			w.shift("s", "gw@home", []float64{30})
		}, false, "at peak line would be at 122 %; don't rest here"},
		"over the headroom at peak": {func(w *planWorld) {
			rated(w, 10, 10)
			w.rooms.Peak.Rates["entry"] = 360000
			w.rooms.Rooms[0].Capacity = nil
			w.shift("s", "gw@home", []float64{30})
		}, false, "at peak cloud would be at 83 % of its capacity, over the headroom of 80 %"},
		"long connections": {func(w *planWorld) {
			w.rooms.Routes[0].Long = true
			w.shift("s", "gw@home", []float64{12})
		}, false, "gw settles when set: connections are long"},
		"a stayer": {func(w *planWorld) { w.shift("s", "gw@home", []float64{12}) }, false, "pay has no instances in cloud: if the line is cut, 0.3 calls of each request there fail"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPlanWorld()
			x.make(w)
			e := w.mustPlan(t).Estimate(w.snap)
			found := false
			for _, n := range e.Notes {
				if x.want == "" && n.Bad {
					t.Errorf("unwanted: %+v", n)
				}
				found = found || n.Bad == x.bad && x.want != "" && strings.Contains(n.Text, x.want)
			}
			if !found && x.want != "" {
				t.Errorf("notes %+v, want one (bad: %v) with %q", e.Notes, x.bad, x.want)
			}
		})
	}
}

func TestEstimateHeadroomNow(t *testing.T) {
	w := newPlanWorld().shift("s", "gw@home", []float64{30})
	p := w.mustPlan(t)
	rated(w, 200000, 200000) // the traffic has grown since the plan was made
	for _, n := range p.Estimate(w.snap).Notes {
		if n.Bad && strings.Contains(n.Text, "cloud would be at 92 % of its capacity now, 80 % is allowed") {
			return
		}
	}
	t.Errorf("notes %+v", p.Estimate(w.snap).Notes)
}

// TestReadyCountsWhatARateNeeds: a rate over data after the write needs two scrapes and a bit, and is asked for once a scrape, so that
// on average it comes half a scrape after that. On the lab, with a scrape of 1 s and a bake of 5 s, 7 s were planned where 8 it took.
func TestReadyCountsWhatARateNeeds(t *testing.T) {
	const write = 50 * Millisecond
	for scrape, want := range map[T]T{
		500 * Millisecond: 1000*Millisecond + 125*Millisecond + 500*Millisecond, // asked once a second at most
		Second:            2750 * Millisecond,
		15 * Second:       41250 * Millisecond,
	} {
		w := newPlanWorld().shift("s", "gw@home", []float64{20})
		w.snap.Scrape = scrape
		if got := w.mustPlan(t).Steps[0].Rungs[0].Ready; got != write+want {
			t.Errorf("scrape %v: ready in %v, wanted %v", scrape.Duration(), got.Duration(), (write + want).Duration())
		}
		w.rooms.Observe = nil
		for i := range w.rooms.Routes {
			w.rooms.Routes[i].Observe = nil
		}
		if got := w.mustPlan(t).Steps[0].Rungs[0].Ready; got != write {
			t.Errorf("scrape %v, and nobody observes it: ready in %v, wanted %v", scrape.Duration(), got.Duration(), write.Duration())
		}
	}
}

// TestEstimateTwoWrites: a record that takes two writes to be brought from none is counted twice for the way back, however many rungs touch it.
func TestEstimateTwoWrites(t *testing.T) {
	x := &estimator{shows: map[string]T{"www": Minute}, touched: map[ObjectID]int{}}
	change := func(object, before, after string) Change {
		return Change{Seat: Seat{Route: "www", At: "default"}, Plane: "names", Object: object, Before: before, After: after}
	}
	x.touch(&RungPlan{Changes: []Change{change("home", "100", "90"), change("cloud", "0", "1"), change("cloud", "1", "10")}})
	x.touch(&RungPlan{Changes: []Change{change("home", "90", "70"), change("cloud", "10", "30")}})
	if x.late != 3 || x.fast != 0 || x.slowest != Minute {
		t.Errorf("%d late and %d fast writes, the slowest is seen after %v", x.late, x.fast, x.slowest.Duration())
	}
}
