package cutovers

import (
	"context"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"roomshift/lab"
)

// writerSteps move the writers of two pairs. The lab has one, and that has tests of its own.
const writerSteps = `  - name: feed writes                    # the writer goes to where most of its users are by now
    approve: {by: dba, within: 30m, else: hold}
    writer: {to: cloud, pairs: [feed-db], noWriter: 2s}
    bake: 15m                            # its watch window: what is sick in both rooms now takes the writer home first
  - name: user writes
    approve: {by: dba, within: 30m, else: hold}
    writer: {to: cloud, pairs: [user-db], noWriter: 20s}
    bake: 15m
`

// playable is what is changed in the shipped runbook so that it can be played at any hour, on the lab's rooms, in two minutes: its times, the
// hours at which it may run, and what its probe asks for. Nothing of its other steps, routes, shares and order.
var playable = strings.NewReplacer(
	writerSteps, "",
	"bake: 10m ", "bake: 2s ",
	"ttl: {entry: 60s}", "ttl: {entry: 2s}",
	"within: 20m", "within: 80s",
	"host: www.example.com, paths: [/healthz, /feed/smoke, /user/smoke]", "host: lab.test, paths: [/healthz]",
	"rules:\n"+
		"  windows: {night: {days: [mon, tue, wed, thu, fri], between: [\"02:00\", \"05:00\"]}}\n"+
		"  blocked: [{from: \"2027-02-04\", to: \"2027-02-12\", why: festival freeze}]\n"+
		"  finishBy: \"05:00\"                      # at 05:00 rest at a checkpoint or be back at the last one\n", "",
)

// shippedBook is the shipped runbook with that.
func shippedBook(t *testing.T) string {
	t.Helper()
	shipped, err := os.ReadFile("../../runbooks/library/spring-festival-out.yaml")
	if err != nil {
		t.Fatal(err)
	}
	book := playable.Replace(string(shipped))
	left := strings.Count(string(shipped), "\n") - strings.Count(book, "\n")
	if left != 12 || strings.Contains(book, "20m") || strings.Contains(book, "60s") || strings.Contains(book, "10m") || strings.Contains(book, "example") {
		t.Fatalf("the shipped runbook isn't what it was, %d lines are left out:\n%s", left, book)
	}
	return book
}

// consumer is a route with a consumer and a load of its own.
type consumer interface {
	Counts() lab.Counts
	Answered(ctx context.Context) error
	Close()
}

// festival is a lab with all that the shipped runbook moves: three names over the gateways, two upstreams, a service.
type festival struct {
	*composed
	routes map[string]consumer
	began  map[string]lab.Counts
}

func beginFestival(t *testing.T) *festival {
	t.Helper()
	s := &festival{composed: &composed{scene: begin(t)}, routes: map[string]consumer{}, began: map[string]lab.Counts{}}
	if err := s.lab.SetNumber(t.Context(), lab.Home, "0"); err != nil {
		t.Fatal(err)
	}
	s.before[lab.Home] = "0"
	add := func(route string, c consumer, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		s.routes[route] = c
	}
	for route, name := range map[string]string{"im": "im-gw", "legacy": "php-legacy"} {
		u, err := s.lab.StartUpstream(t.Context(), lab.UpstreamOptions{Name: name, Route: route, PerSecond: 30})
		add(route, u, err)
	}
	search, err := s.lab.StartServices(t.Context(), lab.ServicesOptions{PerSecond: 30})
	add("search", search, err)
	o := lab.NamesOptions{Routes: []string{"www", "api", "h5"}, TTL: 3, PerSecond: 120, AtLeast: 4 * time.Second, Resolvers: 200}
	if s.names, err = s.lab.StartNames(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.names.Close)
	s.secret = append(s.secret, s.lab.Secrets()...)
	s.zone = s.names.API.Records()
	s.file = s.rooms(func(yaml string) string {
		yaml = strings.Replace(yaml, "seats: [home, cloud]}", "seats: [home, cloud], bytes: 20KB}", 1)
		yaml = strings.Replace(yaml, "routes:\n", "links:\n  line: {between: [home, cloud], circuits: [1Gbps]}\npeak: {entry: 1000/s}\n\nroutes:\n", 1)
		return strings.Replace(yaml, "\npairs:\n", "\ngroups:\n  entry: [www, api, h5]\n  others: [search, im, legacy]\n\npairs:\n", 1)
	})
	for _, route := range []string{"www", "im", "legacy", "search"} {
		s.eventually("a window of "+route, func() bool {
			return holds(t.Context(), s.lab, lab.Home, `sum(rate(gw_requests_total{route="`+route+`"}[5s])) > 3`)
		})
	}
	if err := s.lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.counts = s.lab.Counts()
	for route, c := range s.routes {
		s.began[route] = c.Counts()
	}
	return s
}

// standing is every byte of each upstream's keys, and all that the catalog says of the service but for when it was changed.
func (s *festival) standing() map[string]string {
	s.t.Helper()
	all := map[string]string{}
	for _, c := range s.routes {
		if u, ok := c.(*lab.Upstream); ok {
			keys, err := u.Keys(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			for key, value := range keys {
				all[key] = value
			}
		}
	}
	body, _ := s.get("/v1/catalog/service/" + lab.ServicesName)
	all[lab.ServicesName] = movedBy.ReplaceAllString(body, "#")
	return all
}

// allCarry fails unless so many of a hundred of every route's requests are served in the cloud, and none that entered by name crosses.
func (s *festival) allCarry(percent float64) {
	s.t.Helper()
	if err := s.names.Renewed(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	was := map[string]lab.Counts{}
	for route, c := range s.routes {
		if err := c.Answered(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		was[route] = c.Counts()
	}
	from := time.Now().Add(lab.QuarterLength)
	enough := float64(lab.Enough(percent/100, 0.05)) // TestComposed tells shares to two points
	s.eventually("enough requests are counted", func() bool {
		for route, c := range s.routes {
			if c.Counts().Since(was[route]).Sent < 200 {
				return false
			}
		}
		return sum(s.lab.Quarters(from)).sent > enough
	})
	got := sum(s.lab.Quarters(from))
	s.t.Logf("%.1f %% of what enters by name are in the cloud, of %v", 100*got.served, got.sent)
	if math.Abs(100*got.served-percent) > 5 || got.crossed > 0 {
		s.t.Errorf("%.1f %% of what enters by name are in the cloud, %.1f %% cross, of %v; want %v and 0", 100*got.served, 100*got.crossed, got.sent, percent)
	}
	for route, c := range s.routes {
		if got := c.Counts().Since(was[route]); math.Abs(got.Share(lab.Cloud)-percent) > 3 {
			s.t.Errorf("%.1f %% of %s are in the cloud, of %d; want %v", got.Share(lab.Cloud), route, got.Sent, percent)
		}
	}
}

// TestSpringFestivalOut: the shipped runbook moves its three names, its gateways, its service and both its upstreams, on real consumers, to its
// last checkpoint, once somebody has approved its last climb. There all of them carry 60 %, and of what enters by name nothing crosses. From
// there it goes back to the start, to the byte; and no request fails by it.
func TestSpringFestivalOut(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	book := shippedBook(t)
	s := beginFestival(t)
	before := s.standing()
	p := s.start("run", "--rooms", s.file, s.scene.file("spring-festival-out.yaml", book))
	for _, said := range []string{`checkpoint "ready"`, `"canary" rung 3/3 baking`, `checkpoint "night-1"`, `"climb" rung 2/2 baking`, `"names follow" rung 1/2 baking`,
		`"names follow" rung 2/2 baking`, `"the other three" rung 1/2 baking`, `checkpoint "night-2"`, `"climb on" rung 2/2 baking`, `may step "names follow again" begin`} {
		p.await(said)
	}
	s.start("approve").exits(0)
	for _, said := range []string{`"names follow again" rung 1/2 baking`, `"names follow again" rung 2/2 baking`, `checkpoint "festival"`} {
		p.await(said)
	}
	s.allCarry(60)
	s.start("back", "--to", "start").exits(0)
	p.exits(3)
	s.isBack()
	if now := s.standing(); !reflect.DeepEqual(now, before) {
		t.Errorf("upstreams and the service were\n%v\nand are\n%v", before, now)
	}
	s.unharmed()
	for route, c := range s.routes {
		if got := c.Counts().Since(s.began[route]); got.Failed > 0 {
			t.Errorf("%d of %d requests of %s failed: %q", got.Failed, got.Sent, route, got.Why)
		}
	}
}
