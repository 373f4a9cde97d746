package metrics

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// hardCase is a query that is hard to measure, and what exactly a sample of it says.
type hardCase struct {
	name   string
	gate   runbooks.Gate
	stamp  string        // the selector whose newest stamp is the sample's At
	window time.Duration // From is the moment of asking − this
	reach  time.Duration // From is At − this
	older  time.Duration // At is the stamp − this
	value  float64
	near   float64 // how far the value may be off
	events int64
	bad    int64
	maxAge cutover.T
	why    string // all of Unknown; … stands for any text
}

func rateOf(metric string, over string) string { return `sum(rate(` + metric + `[` + over + `]))` }

func badOf(bad, of, over string) *runbooks.Ratio {
	return &runbooks.Ratio{Bad: rateOf(bad, over), Of: rateOf(of, over)}
}

const hardWindow = 5 * time.Second

var hardCases = []hardCase{
	{name: "the usual ratio", gate: runbooks.Gate{Ratio: badOf("grid_bad_total", "grid_total", "$window")}, stamp: "grid_total",
		window: hardWindow, value: 0.02, events: 500, bad: 10},
	{name: "the usual 5xx of all on a healthy room: nobody ever counted one", gate: runbooks.Gate{Ratio: badOf(`grid_total{code=~"5.."}`, "grid_total", "$window")},
		stamp: "grid_total", window: hardWindow, value: 0, events: 500},
	{name: "the same over a literal range", gate: runbooks.Gate{Ratio: badOf(`grid_total{code=~"5.."}`, "grid_total", "4s")},
		stamp: "grid_total", reach: 4 * time.Second, value: 0, events: 400},
	{name: "a drained room: it counts, but nothing comes", gate: runbooks.Gate{Ratio: badOf(`calm_total{code=~"5.."}`, "calm_total", "$window")},
		stamp: "calm_total", window: hardWindow, value: 0, events: 0},
	{name: "a drained room: nothing counts any more", gate: runbooks.Gate{Ratio: badOf(`grid_bad_total{room="emptied"}`, `grid_total{room="emptied"}`, "$window")},
		why: "no data: of is empty"},
	{name: "latency without a request", gate: runbooks.Gate{Query: `histogram_quantile(0.99, sum by (le) (rate(idle_seconds_bucket[$window])))`},
		why: "not a number: value is NaN"},
	{name: "NaN", gate: runbooks.Gate{Query: `sum(grid_total) * NaN`}, why: "not a number: value is NaN"},
	{name: "+Inf", gate: runbooks.Gate{Query: `sum(grid_total) / 0`}, why: "not a number: value is +Inf"},
	{name: "-Inf", gate: runbooks.Gate{Query: `-sum(grid_total) / 0`}, why: "not a number: value is -Inf"},
	{name: "NaN below a ratio", gate: runbooks.Gate{Ratio: &runbooks.Ratio{Bad: `sum(grid_bad_total) * NaN`, Of: `sum(grid_total)`}}, why: "not a number: bad is NaN"},
	{name: "two series", gate: runbooks.Gate{Query: `two`}, why: "not a number: value has 2 series, such as …; wanted one"},
	{name: "a counter that begins anew", gate: runbooks.Gate{Query: rateOf("reset_total", "$window")}, stamp: "reset_total", window: hardWindow,
		value: 1000, near: 300},
	{name: "an hour behind", gate: runbooks.Gate{Query: rateOf("behind_total", "$window")}, why: "no data: value is empty"},
	{name: "an hour ahead", gate: runbooks.Gate{Query: rateOf("hour_ahead_total", "$window")}, why: "no data: value is empty"},
	{name: "3 s ahead: what looks new is 3 s old", gate: runbooks.Gate{Query: rateOf("skewed_total", "2s")}, stamp: "skewed_total",
		reach: 2 * time.Second, older: 3 * time.Second, value: 100, near: 1, maxAge: 10 * cutover.Second},
	{name: "3 s ahead, and that is too old", gate: runbooks.Gate{Query: rateOf("skewed_total", "2s")},
		why: "too old: the data is stamped up to … ahead of the source's clock, so it is … old; wanted at most 2s"},
	{name: "a rule that names its range", gate: runbooks.Gate{Query: `room:all:rate10s{room="home"}`}, stamp: `room:all:rate10s{room="home"}`,
		reach: 10 * time.Second, value: 300, near: 30},
	{name: "a rule that doesn't name it", gate: runbooks.Gate{Query: `room:all:ratio{room="home"}`}, stamp: `room:all:ratio{room="home"}`,
		reach: 10 * time.Second, value: 0.3, near: .03},
	{name: "a rule upon a rule: its range, the other's interval and range", gate: runbooks.Gate{Query: `room:all:smooth{room="home"}`},
		stamp: `room:all:smooth{room="home"}`, reach: 5*time.Second + time.Second + 10*time.Second, value: 0.3, near: .03},
	{name: "a rule's events fall in its range", gate: runbooks.Gate{Ratio: &runbooks.Ratio{Bad: `sum(grid_bad_total{code="none"})`, Of: `room:all:ratio{room="home"} * 1000`}},
		stamp: `room:all:ratio{room="home"}`, reach: 10 * time.Second, value: 0, events: 3000, near: 300},
	{name: "a scalar", gate: runbooks.Gate{Query: `scalar(sum(grid_total))`},
		why: "error: the shared prometheus: …got scalar; a query that is a plain number needs vector(…) around it"},
	{name: "a range of values", gate: runbooks.Gate{Query: `grid_total[5s]`}, why: "error: the shared prometheus: …got range vector…"},
	{name: "a string", gate: runbooks.Gate{Query: `label_replace("grid_total", "a", "b", "", "") + grid_total`}, why: "error: the shared prometheus: …got string…"},
}

// TestHardSamples: what is hard to measure comes out as what it is, to the millisecond.
func TestHardSamples(t *testing.T) {
	m := mustNew(t, Config{Rooms: realRoomsYAML(t)})
	await(t, "a window of data, and rules over it", func() bool {
		_, rules := stampOf(t, m, "room:all:smooth")
		a, why := m.all[0].ask(t.Context(), []part{{partValue, mustExpr(t, "count_over_time(grid_total[5s])"), true}}, 0)
		if why != "" {
			return false
		}
		n, _, _ := a.number(partValue)
		return rules && n >= 9
	})
	for _, c := range hardCases {
		t.Run(c.name, func(t *testing.T) {
			if c.maxAge == 0 {
				c.maxAge = 2 * cutover.Second
			}
			last := ""
			for range 60 { // a busy machine misses a scrape now and then, or one comes just in between
				if last = c.try(t, m); last == "" {
					return
				}
				<-time.After(100 * time.Millisecond)
			}
			t.Error(last)
		})
	}
}

// try takes one sample and says what is wrong with it.
func (c *hardCase) try(t *testing.T, m *Metrics) string {
	gg := gauge(t, m, &c.gate, cutover.GatePlan{MaxAge: c.maxAge, Window: cutover.T(hardWindow)}, "home")
	gg.src.rules(t.Context(), gg.parts) // it asks once; what is timed below is the query
	var stamp time.Time
	if c.stamp != "" {
		var ok bool
		if stamp, ok = stampOf(t, m, c.stamp); !ok {
			return "no stamp"
		}
	}
	before := m.now()
	s := gg.sample(t.Context(), 0)
	after := m.now()
	if c.why != "" {
		if !fitsText(string(s.Unknown), c.why) || s.Lo != 0 || s.Hi != 0 || s.Events != 0 || s.Bad != 0 {
			return sprint(s) + ", wanted unknown: " + c.why
		}
		if s.From != s.At || s.At < before || s.At > after {
			t.Fatalf("%+v: what isn't known isn't known of the moment of asking, %d to %d", s, before, after)
		}
		return ""
	}
	again, _ := stampOf(t, m, c.stamp)
	if s.Unknown != "" || !again.Equal(stamp) {
		return sprint(s) + ": unknown, or scraped in between"
	}
	if s.Lo != s.Hi || math.Abs(s.Lo-c.value) > c.near+1e-9 || s.Bad != c.bad || math.Abs(float64(s.Events-c.events)) > c.near {
		return sprint(s)
	}
	const clock = 2 * cutover.Millisecond // stamps are of milliseconds
	truth := runMoment(m, stamp.Add(-c.older))
	took := after - before
	if c.older > 0 && s.At > truth+cutover.T(realScrape+grid)+clock { // how far ahead is told by the newest scrape: one was missed
		return sprint(s)
	}
	if c.older == 0 && s.At > truth+clock || s.At < truth-took-clock {
		t.Fatalf("%+v: the data is of %d, and asking took %v", s, truth, took.Duration())
	}
	switch {
	case c.window > 0:
		if w := cutover.T(c.window); s.From < before-w || s.From > after-w {
			t.Fatalf("%+v: from the moment of asking − %v, %d to %d, is wanted", s, c.window, before-w, after-w)
		}
	case s.At-s.From != cutover.T(c.reach):
		t.Fatalf("%+v: it goes %v back, wanted %v", s, (s.At - s.From).Duration(), c.reach)
	}
	return ""
}

func sprint(s cutover.Sample) string {
	return fmt.Sprintf("%+v", s)
}

// fitsText tells whether text is want, where … stands for anything.
func fitsText(text, want string) bool {
	pieces := strings.Split(want, "…")
	for i, p := range pieces {
		at := strings.Index(text, p)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		text = text[at+len(p):]
	}
	return text == "" || pieces[len(pieces)-1] == ""
}
