package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var noPos = cmpopts.IgnoreTypes(Pos{})

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, noPos); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func mustRooms(t testing.TB, file string) *Rooms {
	t.Helper()
	src := loadFile(t, file)
	rooms, ps := LoadRooms(file, src)
	noProblems(t, src, ps)
	if t.Failed() {
		t.FailNow()
	}
	return rooms
}

func mustBook(t testing.TB, file string, rooms *Rooms) *Runbook {
	t.Helper()
	src := loadFile(t, file)
	book, ps := LoadRunbook(file, src, rooms)
	noProblems(t, src, ps)
	if t.Failed() {
		t.FailNow()
	}
	return book
}

func TestRoomsAsRead(t *testing.T) {
	r := mustRooms(t, "testdata/examples/rooms.yaml")
	if r.Environment != "production" || r.Timezone.String() != "Asia/Shanghai" || !r.TimezoneSet {
		t.Errorf("environment %s, zone %s, set %v", r.Environment, r.Timezone, r.TimezoneSet)
	}
	equal(t, "control", r.Control, Control{Room: "cloud", OrElse: "home", Prefix: "roomshift"})
	equal(t, "home", r.Rooms[0], Room{Name: "home", AgentsPort: 8501, Tested: "2026-12-20",
		Consul:     &Consul{Addr: "https://consul.yz.example.net:8501", Datacenter: "yz", TokenFile: "testdata/examples/consul-home.token"},
		Prometheus: &Prometheus{Addr: "https://prom.yz.example.net"},
		Addresses:  []Address{{CIDR: "203.0.113.0/26"}}, Capacity: map[string]Rate{"entry": 150e3}})
	equal(t, "links", r.Links, []Link{{Name: "line", Between: [2]string{"home", "cloud"}, Circuits: []float64{1e10, 1e10}, Keep: 8000}})
	equal(t, "peak", r.Peak, Peak{Rates: map[string]Rate{"entry": 120e3}, At: "2027-02-05 20:00"})
	equal(t, "probe", r.Probe, &Probe{Host: "www.example.com", Paths: []string{"/healthz"}})
	equal(t, "gw", *r.Route("gw"), Route{Name: "gw", Medium: MediumKey, Seats: []string{"home", "cloud"}, Bytes: 20000,
		Key: &KeyMedium{Key: "gateway/rules/main", Field: "cloudPercent", As: "percent", Of: "cloud"}})
	equal(t, "www", *r.Route("www"), Route{Name: "www", Medium: MediumDNS, Into: "gw", DNS: &DNSMedium{Name: "www.example.com", Provider: "alidns"}})
	equal(t, "search", *r.Route("search"), Route{Name: "search", Medium: MediumService, Service: "search", Consumer: "haproxy", Seats: []string{"home", "cloud"}})
	equal(t, "im", *r.Route("im"), Route{Name: "im", Medium: MediumUpstream, Upstream: "im-gw", Consumer: "upsync", Seats: []string{"home"}, Long: true})
	equal(t, "inner", *r.Route("inner"), Route{Name: "inner", Medium: MediumFollows, Follows: "gw", Tag: "online"})
	equal(t, "pay", *r.Route("pay"), Route{Name: "pay", Medium: MediumStays, Stays: "home", Tag: "pay", Bytes: 4000, Calls: 0.3})
	equal(t, "groups", r.Groups, []Group{{Name: "entry", Routes: []string{"www", "api", "h5"}}, {Name: "others", Routes: []string{"search", "im", "legacy"}}})
	equal(t, "feed-db", *r.Pair("feed-db"), Pair{Name: "feed-db", Record: "cloud", OnLost: "freeze", Masters: [2]Master{
		{Room: "home", DSNEnv: "FEED_DB_HOME", Readers: "feed-db-reader", RestartsFenced: true},
		{Room: "cloud", DSNEnv: "FEED_DB_CLOUD", Readers: "feed-db-reader", RestartsFenced: true}}})
	equal(t, "user-db", r.Pair("user-db").DTS, []string{"dts-forward-id", "dts-back-id"})
	equal(t, "only", r.Only[0], Only{Name: "feed-jobs", Key: "jobs/feed/room", Running: &Observe{Query: `sum(xxl_running{group="feed"})`}})
	equal(t, "cache", r.Gates[2], Gate{Name: "cache", RoomNames: []string{"cloud"}, Every: 15 * time.Second,
		Ratio: &Ratio{Good: "sum(rate(redis_keyspace_hits_total[$window]))", Bad: "sum(rate(redis_keyspace_misses_total[$window]))"},
		Hold:  &Limit{Below: true, Value: 0.9, Unit: UnitRatio}, Abort: &Limit{Below: true, Value: 0.6, Unit: UnitRatio, For: 3 * time.Minute, ForSet: true}})
	equal(t, "line-use", r.Gates[5], Gate{Name: "line-use", Link: "line", In: "home", Every: 15 * time.Second,
		Query: `max(rate(ifHCOutOctets{link="line"}[$window])) * 8 / 10e9`,
		Hold:  &Limit{Value: 0.6, Unit: UnitRatio}, Abort: &Limit{Value: 0.75, Unit: UnitRatio, For: 45 * time.Second, ForSet: true}})
	if at := r.Route("search").Pos; at.Line != 39 || at.Col != 3 {
		t.Errorf("search is at %v", at)
	}
}

func TestDefaultsOfRooms(t *testing.T) {
	r := mustRooms(t, "testdata/examples/small/rooms.yaml")
	equal(t, "control", r.Control, Control{Room: "home", Prefix: "roomshift"})
	if r.TimezoneSet || r.Timezone != time.Local {
		t.Errorf("zone %v, set %v: want the machine's", r.Timezone, r.TimezoneSet)
	}
	if p := r.Pair("app-db"); p.Record != "" || p.OnLost != "freeze" {
		t.Errorf("pair: %+v", p)
	}
	if p := r.PrometheusOf("home"); p != r.Prometheus || p == nil {
		t.Errorf("home's Prometheus is %v, want the shared one", p)
	}
	full := mustRooms(t, "testdata/full-rooms.yaml")
	// Masters stand in the order of the rooms, whatever the pair's.
	equal(t, "masters", full.Pair("db").Masters, [2]Master{{Room: "a", DSNEnv: "A_DSN", TLS: TLS{"testdata/db-ca.pem", "testdata/db.pem", "testdata/db.key", "db.a"},
		Fence: &Fence{Provider: "alirds", Instance: "rm-1", Parameter: "read_only", Quiet: 31 * time.Minute}}, {Room: "b", DSNEnv: "B_DSN"}})
	equal(t, "link", full.Links[0], Link{Name: "ab", Between: [2]string{"b", "a"}, Circuits: []float64{1e8}, Keep: Whole})
	equal(t, "addresses", full.Rooms[0].Addresses, []Address{{URL: "http://127.0.0.1:8081"}, {CIDR: "2001:db8::/32"}})
	equal(t, "www", full.Route("www").DNS, &DNSMedium{Name: "www.example.com", Provider: "powerdns", Lines: []string{"default", "telecom"}})
	equal(t, "mesh", *full.Route("mesh"), Route{Name: "mesh", Medium: MediumSplitter, Service: "web", Legs: map[string]string{"a": "v1", "b": "web-b"}, Observe: &Observe{Query: `x{room="$room"}`, RoomLabel: "by"}})
	if p := full.PrometheusOf("a"); p.Addr != "https://127.0.0.1:9091/prom" || p.Scrape != time.Second {
		t.Errorf("a's Prometheus: %+v", p)
	}
	if full.Gates[0].Abort.For != 0 || !full.Gates[0].Abort.ForSet {
		t.Errorf("for: 0s is said: %+v", full.Gates[0].Abort)
	}
}

func TestRunbookAsRead(t *testing.T) {
	rooms := mustRooms(t, "testdata/examples/rooms.yaml")
	b := mustBook(t, "testdata/examples/spring-festival-out.yaml", rooms)
	if b.Name != "spring-festival-out" || b.From != "home" || b.To != "cloud" || b.Bake != 10*time.Minute || !b.BakeSet {
		t.Errorf("%+v", b)
	}
	equal(t, "rules", b.Rules, Rules{FinishBy: "05:00",
		Windows: []Window{{Name: "night", Days: []time.Weekday{1, 2, 3, 4, 5}, From: 120, To: 300}},
		Blocked: []Blocked{{From: "2027-02-04", To: "2027-02-12", Why: "festival freeze"}}})
	names := func(b *Runbook) string {
		var out []string
		for _, s := range b.Steps {
			out = append(out, fmt.Sprintf("%s:%s", s.Kind, s.Name))
		}
		return strings.Join(out, " ")
	}
	if got, want := names(b), "ttl:short TTL checkpoint:ready check:cloud answers shift:canary checkpoint:night-1 shift:climb shift:names follow shift:the other three "+
		"drain:long connections checkpoint:night-2 shift:climb on call:freeze DDL writer:feed writes writer:user writes shift:names follow again checkpoint:festival"; got != want {
		t.Errorf("steps are\n%s\nwant\n%s", got, want)
	}
	equal(t, "short TTL", b.Steps[0], Step{Name: "short TTL", Named: true, Kind: StepTTL, AnyWindow: true, TTL: []TTL{{Name: "entry", TTL: time.Minute}}})
	equal(t, "names follow", b.Steps[6], Step{Name: "names follow", Named: true, Kind: StepShift,
		Settle: &Settle{Within: 20 * time.Minute, Reach: 8000, Else: "ask"},
		Shift:  &Shift{Room: "cloud", Targets: []ShiftTarget{{Name: "entry", Shares: []Percent{1000, 3000}}, {Name: "gw@home", Shares: []Percent{2200, 0}}}}})
	equal(t, "freeze DDL", b.Steps[11].Call, &Call{TokenFile: "testdata/examples/ddl.token",
		Do:     &Request{Method: "POST", URL: "https://ddl.example.net/freeze"},
		Verify: &Request{Method: "GET", URL: "https://ddl.example.net/state", Field: "frozen", Is: "true"},
		Undo:   &Request{Method: "POST", URL: "https://ddl.example.net/thaw"}})
	equal(t, "feed writes", b.Steps[12], Step{Name: "feed writes", Named: true, Kind: StepWriter, Bake: 15 * time.Minute, BakeSet: true,
		Approve: &Ask{By: "dba", Within: 30 * time.Minute, Else: "hold"},
		Writer:  &WriterMove{To: "cloud", Pairs: []string{"feed-db"}, NoWriter: 2 * time.Second, With: []string{"feed-jobs", "feed-fanout"}}})
	equal(t, "festival", b.Steps[15], Step{Name: "festival", Kind: StepCheckpoint, Checkpoint: "festival", Guard: true})

	full := mustBook(t, "testdata/full.yaml", rooms)
	equal(t, "verifyWithin", full.VerifyWithin, 20*time.Minute)
	if got, want := names(full), "ttl:ttl-1 shift:shift-2 checkpoint:half writer:the writer switch:switch-5 drain:drain-6 call:call-7 call:call-8 check:check-9 ask:ask-10 ask:ask-11 shift:shift-12 back:back-13"; got != want {
		t.Errorf("steps are\n%s\nwant\n%s", got, want)
	}
	equal(t, "settle", full.Steps[1].Settle, &Settle{Within: 5 * time.Minute, Tolerance: 50, Else: "go on"})
	if s := full.Steps[3]; !s.AfterSet || len(s.After) != 0 {
		t.Errorf("after: [] is read as %v, set %v", s.After, s.AfterSet)
	}
	equal(t, "switches", full.Steps[4].Switch, []SwitchSet{{Name: "feed-rows", Value: "5"}, {Name: "recommend", Value: "off"}, {Name: "autoplay", Value: "false"}})
	if s := full.Steps[4]; s.Within != 2*time.Second || !s.NotNeeded || !slices.Equal(s.After, []string{"half"}) {
		t.Errorf("switch: %+v", s)
	}
	equal(t, "drain", full.Steps[5].Drain, []Drain{{Route: "im", In: "home", PerMinute: 250}})
	equal(t, "check", full.Steps[8].Check, &Check{Capacity: "now", Checksum: map[string]time.Duration{"feed-db": 24 * time.Hour},
		Probe:  &Probe{Room: "cloud", Host: "www.example.com:8443", Paths: []string{"/healthz"}},
		Writer: &WriterMove{To: "cloud", Pairs: []string{"feed-db"}}, Quiet: &Quiet{Room: "home", Below: 20, For: 30 * time.Minute}})
	equal(t, "asks", []*Ask{full.Steps[9].Ask, full.Steps[10].Ask}, []*Ask{{By: "ops", Within: 30 * time.Minute, Else: "back"}, {By: "ops", Within: 10 * time.Minute}})
	equal(t, "back", full.Steps[12].Back, "checkpoint")
	equal(t, "rules", full.Rules, Rules{FinishBy: "01:30", MaxShare: map[string]Percent{"cloud": 6000, "home": Whole}, MaxMove: 2000,
		Headroom: 7550, RehearsedWithin: 30 * 24 * time.Hour, Blocked: []Blocked{{From: "2027-02-04", To: "2027-02-04", Why: "one day"}},
		Windows: []Window{{Name: "night", Days: []time.Weekday{6}, From: 23 * 60, To: 90}, {Name: "noon", From: 720, To: 780}}})
}

// A runbook changes single fields of a gate; the rest, and the rooms' own gates, stay.
func TestGatesAreMerged(t *testing.T) {
	rooms := mustRooms(t, "testdata/examples/rooms.yaml")
	before := fmt.Sprintf("%+v %+v %+v", rooms.Gates, *rooms.Gates[0].Abort, *rooms.Gates[2].Hold)
	b := mustBook(t, "testdata/full.yaml", rooms)
	if after := fmt.Sprintf("%+v %+v %+v", rooms.Gates, *rooms.Gates[0].Abort, *rooms.Gates[2].Hold); after != before {
		t.Errorf("the rooms' gates were changed:\n%s\n%s", before, after)
	}
	errors := rooms.Gates[0]
	errors.Every, errors.MaxAge, errors.BlindFor, errors.Window = time.Second, 10*time.Second, 5*time.Second, 5*time.Second
	errors.MinEvents, errors.Bake, errors.OnAbort = 20, 2*time.Minute, "back"
	errors.Hold = &Limit{Value: 0.001, Unit: UnitRatio}
	errors.Abort = &Limit{Value: 0.01, Unit: UnitRatio, For: 20 * time.Second, ForSet: true}
	equal(t, "errors", b.Gates[0], errors)
	cache := rooms.Gates[2]
	cache.RoomNames, cache.Hold = []string{"home"}, &Limit{Below: true, Value: 0.95, Unit: UnitRatio}
	equal(t, "cache", b.Gates[2], cache)
	equal(t, "slow", b.Gates[1], rooms.Gates[1])
	if !b.Gates[0].ErrorGate() || b.Gates[1].ErrorGate() || b.Gates[2].ErrorGate() {
		t.Error("errors alone is an error gate")
	}
}

func TestExpand(t *testing.T) {
	r := mustRooms(t, "testdata/examples/rooms.yaml")
	for name, want := range map[string]string{"entry": "[www api h5] ", "gw@home": "[gw] home", "gw": "[gw] ", "feed-db": "[] ", "x": "[] "} {
		routes, seat := r.Expand(name)
		if got := fmt.Sprintf("%v %s", routes, seat); got != want {
			t.Errorf("%s means %q, want %q", name, got, want)
		}
	}
	if r.Room("moon") != nil || r.Route("moon") != nil || r.Pair("moon") != nil || r.Room("home").Name != "home" {
		t.Error("rooms, routes and pairs are found by name")
	}
}
