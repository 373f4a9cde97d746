package metrics

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/runbooks"
)

// TestMain looks for goroutines left behind once the real servers are stopped.
func TestMain(m *testing.M) {
	code := m.Run()
	real.stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// twoRooms is rooms.yaml with a Prometheus for each room.
func twoRooms(home, cloud string, scrape time.Duration) *runbooks.Rooms {
	return &runbooks.Rooms{Rooms: []runbooks.Room{
		{Name: "home", Prometheus: &runbooks.Prometheus{Addr: home, Scrape: scrape}},
		{Name: "cloud", Prometheus: &runbooks.Prometheus{Addr: cloud, Scrape: scrape}},
	}}
}

// planOf is a plan with one gate of kind room in both rooms.
func planOf(g cutover.GatePlan, every cutover.T) *cutover.Plan {
	g.Kind, g.Rooms = cutover.GateRoom, []cutover.Room{"home", "cloud"}
	return &cutover.Plan{
		Rooms:  []cutover.RoomPlan{{Name: "home"}, {Name: "cloud"}},
		Gates:  []cutover.GatePlan{g},
		Gauges: []cutover.Gauge{{Kind: cutover.GaugeGate, Every: every}},
	}
}

// collect starts measuring a plan and returns the samples. It ends with the test.
func collect(t *testing.T, m *Metrics, p *cutover.Plan) (*Collector, chan cutover.Sample) {
	t.Helper()
	c, samples := collector(t, m)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c.Start(ctx, p)
	return c, samples
}

// collector is one that isn't started; it has ended when the test is over.
func collector(t *testing.T, m *Metrics) (*Collector, chan cutover.Sample) {
	t.Helper()
	samples := make(chan cutover.Sample, 10000)
	c := m.Gauges(func(s cutover.Sample) {
		select {
		case samples <- s:
		default: // nobody reads any more
		}
	}, nil)
	t.Cleanup(c.Wait)
	return c, samples
}

func mustNew(t *testing.T, c Config) *Metrics {
	t.Helper()
	if c.Now == nil {
		c.Now = testClock()
	}
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func within(samples chan cutover.Sample, limit time.Duration) (cutover.Sample, bool) {
	select {
	case s := <-samples:
		return s, true
	case <-time.After(limit):
		return cutover.Sample{}, false
	}
}

func TestGaugesSuite(t *testing.T) {
	gates := map[string]runbooks.Gate{
		"value": {Name: "g", Each: true, Query: `histogram_quantile(0.99, sum by (le) (rate(gw_seconds_bucket[$window])))`},
		"ratio": {Name: "g", Each: true, Ratio: &runbooks.Ratio{Bad: `sum(rate(bad_total[$window]))`, Of: `sum(rate(all_total[$window]))`}},
	}
	for _, kind := range []string{"value", "ratio"} {
		t.Run(kind, func(t *testing.T) {
			cutovertest.GaugesSuite(t, func(t *testing.T) cutovertest.GaugesUnderTest { return fakeWorld(t, gates[kind]) })
		})
	}
}

func fakeWorld(t *testing.T, gate runbooks.Gate) cutovertest.GaugesUnderTest {
	const every, timeOut = 20 * cutover.Millisecond, 300 * time.Millisecond
	source := map[cutover.Room]*fakeSource{}
	for _, room := range []cutover.Room{"home", "cloud"} {
		source[room] = newFakeSource(t, map[string]string{partValue: "0.25", partBad: "10", partOf: "40"})
	}
	now := testClock()
	m := mustNew(t, Config{
		Rooms: twoRooms(source["home"].URL, source["cloud"].URL, 50*time.Millisecond),
		Gates: []runbooks.Gate{gate}, Now: now, TimeOut: timeOut,
	})
	c, samples := collector(t, m)
	return cutovertest.GaugesUnderTest{
		Gauges: c, Rooms: [2]cutover.Room{"home", "cloud"}, Value: 0.25, Now: now, TimeOut: cutover.T(timeOut),
		Plan: planOf(cutover.GatePlan{Name: "g", MaxAge: 30 * cutover.Second, Window: cutover.Second}, every),
		Next: func(limit cutover.T) (cutover.Sample, bool) { return within(samples, limit.Duration()) },
		Set: func(room cutover.Room, a cutovertest.Answer) bool {
			source[room].set(a)
			return true
		},
	}
}
