package cutover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// stillClock is a clock that stands.
type stillClock struct{ wall time.Time }

func (c stillClock) Now() T                               { return 0 }
func (c stillClock) Wall(T) time.Time                     { return c.wall }
func (c stillClock) Go(int, T, func(context.Context) any) {}
func (c stillClock) Next(T) []Event                       { return nil }
func (c stillClock) Look(_ context.Context, pair string) (Seen, error) {
	if pair == "lost-db" {
		return Seen{}, errors.New("connection refused")
	}
	return Seen{ReadOnly: map[Room]bool{"home": false, "cloud": true}}, nil
}

func snapshotWorld() (*planWorld, World) {
	w := newPlanWorld()
	c := stillClock{w.snap.Wall}
	return w, World{Clock: c, Writers: c, Planes: w.planes}
}

func TestTakeSnapshot(t *testing.T) {
	w, world := snapshotWorld()
	slices.Reverse(w.keys.held)
	s, err := TakeSnapshot(context.Background(), world, []string{"feed-db"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Held) != len(w.snap.Held) || !slices.IsSortedFunc(s.Held, compareInPlane) || s.Writers["feed-db"].Writer() != "home" || !s.Wall.Equal(w.snap.Wall) {
		t.Errorf("%d objects of %d, sorted %v, writer %q", len(s.Held), len(w.snap.Held), slices.IsSortedFunc(s.Held, compareInPlane), s.Writers["feed-db"].Writer())
	}
	if w.keys.reads != 1 || w.names.reads != 1 {
		t.Errorf("%d and %d reads of a plane, want one each", w.keys.reads, w.names.reads)
	}
}

func TestTakeSnapshotRefusesParts(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(w *planWorld)
		pairs []string
		want  string
	}{
		"a plane that can't be read": {func(w *planWorld) { w.names.err = errors.New("503") }, nil, "read dns: 503"},
		"an object twice":            {func(w *planWorld) { w.keys.held[1].Object = w.keys.held[0].Object }, nil, "read kv: gw/cloud is listed twice, at gw@cloud and gw@home"},
		"another plane's":            {func(w *planWorld) { w.keys.held[1].Plane = "moon" }, nil, "read kv: it listed gw/home of gw@home (plane moon)"},
		"a pair that can't be asked": {func(*planWorld) {}, []string{"lost-db"}, "look at the pair lost-db: connection refused"},
	} {
		w, world := snapshotWorld()
		x.spoil(w)
		if _, err := TakeSnapshot(context.Background(), world, x.pairs); err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

func TestStale(t *testing.T) {
	for name, x := range map[string]struct {
		change func(w *planWorld)
		want   string
	}{
		"nothing":               {func(*planWorld) {}, ""},
		"a version":             {func(w *planWorld) { w.keys.held[1].Version = "99" }, ""},
		"a number":              {func(w *planWorld) { w.keys.held[1] = number("kv", "gw", "home", 12) }, "gw@home kv/gw/home: planned with 10, is 12 now"},
		"a number in its chain": {func(w *planWorld) { w.keys.held[0] = number("kv", "gw", "cloud", 99) }, "gw@cloud kv/gw/cloud: planned with 100, is 99 now"},
		"a name in its chain":   {func(w *planWorld) { w.names.held[0] = instances("dns", "api", "default", "cloud", 1, 5)[0] }, "api@default dns/api/default/cloud-000: planned with 0, is 5 now"},
		"a TTL in its chain":    {func(w *planWorld) { w.ttls.held[0].Value = "60" }, "api@default dns-ttl/api/default: planned with 600, is 60 now"},
		"what it doesn't touch": {func(w *planWorld) { w.inst.held[10].Value = "1"; w.inst.held[10].Weights = Share{"home": 1} }, ""},
		"a TTL that is gone":    {func(w *planWorld) { w.ttls.held = w.ttls.held[1:] }, "api@default dns-ttl/api/default: planned with 600, isn't there now"},
		"a dead number":         {func(w *planWorld) { w.keys.held[1].Live = false }, "gw@home: planned with cloud 10 %, home 90 %, is nothing alive now"},
		"the writer": {func(w *planWorld) {
			w.snap.Writers["feed-db"] = Seen{ReadOnly: map[Room]bool{"home": true, "cloud": false}}
		}, "pair feed-db: planned with the writer home, is cloud now"},
		"no writer": {func(w *planWorld) { w.snap.Writers["feed-db"] = Seen{} }, "pair feed-db: planned with the writer home, is not known now"},
	} {
		w := newPlanWorld().shift("s", "gw@home", []float64{20})
		p := w.mustPlan(t)
		writers := w.snap.Writers
		w.read()
		w.snap.Writers = writers
		x.change(w)
		writers = w.snap.Writers
		w.read()
		w.snap.Writers = writers
		if got := strings.Join(p.Stale(w.snap), "\n"); got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

func TestStaleLooksAtSharesNotMembers(t *testing.T) {
	w := newPlanWorld().shift("s", "others", []float64{5})
	w.inst.held = append(instances("svc", "search", "home", "cloud", 10, 600), instances("svc", "search", "home", "home", 10, 5400)...)
	w.read()
	p := w.mustPlan(t)
	joined := append(slices.Clone(w.inst.held), instances("svc", "search", "home", "cloud", 11, 600)[10], instances("svc", "search", "home", "home", 11, 5400)[10])
	w.inst.held = joined
	w.read()
	if got := p.Stale(w.snap); len(got) != 0 {
		t.Errorf("one joined on each side, the share is the same: %q", got)
	}
	w.inst.held = joined[:15]
	w.read()
	if got := p.Stale(w.snap); len(got) != 1 || got[0] != "search@home: planned with cloud 10 %, home 90 %, is cloud 18.18 %, home 81.82 % now" {
		t.Errorf("half of home is gone: %q", got)
	}
}
