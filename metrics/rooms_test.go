package metrics

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
	"roomshift/runbooks"
)

// realScrape isn't shorter because a scrape may take no longer than that, on a machine that is busy with other tests.
const realScrape = 500 * time.Millisecond

// real is one Prometheus for all tests of this package that need a true one, with a target in each room. Starting it takes
// some 5 s, most of them Prometheus's own wait before its first scrape.
var real realRooms

type realRooms struct {
	once    sync.Once
	err     error
	dir     string
	prom    *server.Prometheus
	targets map[cutover.Room]*target
}

// target is an app whose metrics the test says.
type target struct {
	*httptest.Server
	mu      sync.Mutex
	began   time.Time
	lines   map[string]string  // by metric with labels: its value
	rates   map[string]float64 // by metric with labels: it counts so many in a second
	stamped map[string]stamped // by metric with labels
	refuses bool
}

// stamped is what a metric says at a moment, and of which moment it says that it is: an exporter may write its own timestamps.
type stamped func(now time.Time) (value float64, at time.Time)

func newTarget() *target {
	g := &target{began: time.Now(), lines: map[string]string{}, rates: map[string]float64{}, stamped: map[string]stamped{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.refuses {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		for name, v := range g.lines {
			fmt.Fprintf(w, "%s %s\n", name, v)
		}
		for name, rate := range g.rates {
			fmt.Fprintf(w, "%s %.3f\n", name, rate*time.Since(g.began).Seconds())
		}
		for name, f := range g.stamped {
			v, at := f(time.Now())
			fmt.Fprintf(w, "%s %.3f %d\n", name, v, at.UnixMilli())
		}
	}))
	return g
}

func (g *target) addr() string { return strings.TrimPrefix(g.URL, "http://") }

func (g *target) refuse(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuses = yes
}

func (r *realRooms) stop() {
	if r.prom != nil {
		r.prom.Kill()
	}
	for _, g := range r.targets {
		g.Close()
	}
	if r.dir != "" {
		os.RemoveAll(r.dir)
	}
}

func (r *realRooms) start() (err error) {
	if r.dir, err = os.MkdirTemp("", "roomshift-metrics-"); err != nil {
		return err
	}
	r.targets = map[cutover.Room]*target{"home": newTarget(), "cloud": newTarget(), "lost": newTarget()}
	home, cloud := r.targets["home"], r.targets["cloud"]
	home.rates[`all_total`], cloud.rates[`all_total`] = 300, 100
	home.rates[`bad_total{code="500"}`], home.rates[`bad_total{code="503"}`] = 2, 1 // the cloud never had a bad one
	home.rates[`hit_total`], home.rates[`miss_total`] = 90, 10
	home.rates[`quiet_total`] = 0
	home.lines[`idle_seconds_bucket{le="0.1"}`], home.lines[`idle_seconds_bucket{le="+Inf"}`] = "0", "0"
	home.lines[`temperature`], cloud.lines[`temperature`] = "20.5", "21.5"
	home.lines[`two{a="1"}`], home.lines[`two{a="2"}`] = "1", "1"
	home.rates[`gw_total{route="gw",served_by="home"}`], home.rates[`gw_total{route="gw",served_by="cloud"}`] = 270, 30
	cloud.rates[`gw_total{route="gw",served_by="cloud"}`] = 100
	home.rates[`fleet_total`], cloud.rates[`fleet_total`] = 1, 1
	r.hard()
	var targets []server.Target
	for _, room := range []cutover.Room{"home", "cloud", "lost"} {
		targets = append(targets, server.Target{Job: "app", Addr: r.targets[room].addr(), Labels: map[string]string{"room": room}})
	}
	targets = append(targets, server.Target{Job: "rare", Addr: r.targets["rare"].addr(), Scrape: 4 * realScrape, Labels: map[string]string{"room": "home"}})
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.backfill(ctx); err != nil {
		return err
	}
	r.prom, err = server.StartPrometheus(ctx, r.dir, server.PrometheusOptions{
		Scrape: realScrape, Targets: targets, Discovered: filepath.Join(r.dir, "targets.json"), Rules: hardRules,
	})
	return err
}

// backfill gives the lost instance, which refuses to be scraped, a past: it had fleet_total until 4 minutes ago.
func (r *realRooms) backfill(ctx context.Context) error {
	r.targets["lost"].refuse(true)
	b := &strings.Builder{}
	b.WriteString("# TYPE fleet counter\n")
	now := time.Now()
	for at := now.Add(-8 * time.Minute); at.Before(now.Add(-4 * time.Minute)); at = at.Add(15 * time.Second) {
		fmt.Fprintf(b, "fleet_total{job=\"app\",instance=%q,room=\"lost\"} %d %d\n", r.targets["lost"].addr(), at.Unix(), at.Unix())
	}
	b.WriteString("# EOF\n")
	file := filepath.Join(r.dir, "past")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return err
	}
	promtool, err := server.Find("promtool")
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, promtool, "tsdb", "create-blocks-from", "openmetrics", file, filepath.Join(r.dir, "data")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("promtool: %w: %s", err, out)
	}
	return nil
}

// addr is the real Prometheus's address once it has had a few scrapes.
func (r *realRooms) addr(t *testing.T) string {
	t.Helper()
	r.once.Do(func() { r.err = r.start() })
	if r.err != nil {
		t.Fatal(r.err)
	}
	rooms := twoRooms(r.prom.Addr, r.prom.Addr, 0)
	m := mustNew(t, Config{Rooms: rooms})
	parts := []part{{partValue, mustExpr(t, `min(min_over_time(up{job="app",room!="lost"}[3s])) * min(count_over_time(temperature[3s])) >= 5`), true}}
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		a, why := m.all[0].ask(context.Background(), parts, time.Second) // also called when a test is over
		if why == "" && len(a.parts[partValue]) == 1 {
			tick.Stop()
			return r.prom.Addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("the real Prometheus has no full window after 30 s: %v %v", a, why)
		}
	}
}

func mustExpr(t *testing.T, query string) *expr {
	t.Helper()
	e, err := parseExpr(query, "home", "gw")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// realRoomsYAML is rooms.yaml over the one real Prometheus, asked with $room.
func realRoomsYAML(t *testing.T) *runbooks.Rooms {
	return &runbooks.Rooms{
		Rooms:      []runbooks.Room{{Name: "home"}, {Name: "cloud"}},
		Prometheus: &runbooks.Prometheus{Addr: real.addr(t)},
		Observe:    &runbooks.Observe{Query: `sum by (served_by) (rate(gw_total{room="$room",route="$route"}[$window]))`, RoomLabel: "served_by"},
		Routes:     []runbooks.Route{{Name: "gw", Medium: runbooks.MediumKey, Seats: []string{"home", "cloud"}}},
	}
}
