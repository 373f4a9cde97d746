package metrics

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/runbooks"
)

func TestNewTellsEveryProblem(t *testing.T) {
	_, err := New(Config{
		Rooms: &runbooks.Rooms{
			Rooms: []runbooks.Room{
				{Name: "home", Prometheus: &runbooks.Prometheus{Addr: "prom:9090"}},
				{Name: "cloud", Prometheus: &runbooks.Prometheus{Addr: "https://me:hunter2@prom.example.net"}},
				{Name: "third", Prometheus: &runbooks.Prometheus{Addr: "https://prom.example.net", TLS: runbooks.TLS{CAFile: "no/such/ca.pem"}}},
			},
			Observe: &runbooks.Observe{Query: `sum(`, RoomLabel: "served_by"},
			Routes:  []runbooks.Route{{Name: "gw", Medium: runbooks.MediumKey}, {Name: "inner", Medium: runbooks.MediumFollows}},
		},
		Gates: []runbooks.Gate{
			{Name: "a", Each: true, Query: `vector(1)`},
			{Name: "b", Each: true, Ratio: &runbooks.Ratio{Bad: `x{route="$route"}`, Of: `y`}},
			{Name: "lag", Replication: "feed-db"},
		},
		Now: testClock(),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"prometheus of home: the address must be a URL", "prometheus of cloud: the address holds a user", "no/such/ca.pem",
		"observe of gw", "gate a: query \"vector(1)\" reads no metric", "gate b: query", "$route, which has no meaning",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "lag") || strings.Contains(err.Error(), "inner") {
		t.Errorf("a secret, or what is no problem:\n%v", err)
	}
}

// TestToken: the token goes to the server that is named, over TLS by the given CA, is read anew, and is in no error.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write := func(s string) {
		if err := os.WriteFile(token, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stolen atomic.Value
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen.Store(r.Header.Get("Authorization")) }))
	defer thief.Close()
	want, redirects := "first-secret", false
	fake := newFakeSource(t, map[string]string{partValue: "1"})
	front := quietTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case redirects:
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		case r.Header.Get("Authorization") != "Bearer "+want:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		default:
			fake.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	ca := filepath.Join(dir, "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	rooms := twoRooms(front.URL, front.URL, time.Second)
	rooms.Rooms[0].Prometheus.TokenFile, rooms.Rooms[0].Prometheus.CAFile = token, ca
	m := mustNew(t, Config{Rooms: rooms})
	ask := func(s *source) cutover.Reason {
		_, why := s.ask(t.Context(), nil, 0)
		if strings.Contains(string(why), "secret") {
			t.Errorf("a secret in %q", why)
		}
		return why
	}
	write("first-secret\n")
	if why := ask(m.all[0]); why != "" {
		t.Error(why)
	}
	want = "second-secret"
	if why := ask(m.all[0]); !strings.Contains(string(why), "401") && !strings.Contains(string(why), "client") {
		t.Errorf("an old token: %q", why)
	}
	write("second-secret")
	if why := ask(m.all[0]); why != "" {
		t.Error(why)
	}
	redirects = true
	if why := ask(m.all[0]); why == "" || stolen.Load() != nil {
		t.Errorf("a redirect was followed with the token: %q, %v", why, stolen.Load())
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if why := ask(m.all[0]); !strings.Contains(string(why), "read the token") {
		t.Errorf("no token: %q", why)
	}
	if why := ask(m.all[1]); !strings.Contains(string(why), "certificate") { // this room has no CAFile
		t.Errorf("a certificate by nobody known was taken: %q", why)
	}
}

// quietTLS is a TLS server that doesn't log the handshakes that tests mean to fail.
func quietTLS(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	return s
}

// TestSeenByFakes: what a seat's sample is when a room has no answer, no series, or an odd one.
func TestSeenByFakes(t *testing.T) {
	seat := cutover.Seat{Route: "gw", At: "home"}
	other := cutover.Seat{Route: "gw", At: "cloud"}
	name := cutover.Seat{Route: "gw", At: "default"}
	once := cutover.Seat{Route: "gw"}
	for _, c := range []struct {
		what        string
		medium      runbooks.Medium
		seat        cutover.Seat
		home, cloud string // of part value
		cloudSays   cutovertest.Answer
		want        map[cutover.Room]float64
		why         string
	}{
		{"split in each room", runbooks.MediumKey, seat, "home=70,cloud=30", "cloud=9", "", map[cutover.Room]float64{"home": 70, "cloud": 30}, ""},
		{"nothing enters by the cloud yet", runbooks.MediumKey, other, "home=70", "", cutovertest.Null, map[cutover.Room]float64{}, ""},
		{"nothing is known anywhere", runbooks.MediumKey, seat, "", "", cutovertest.Null, nil, "no data"},
		{"the other room doesn't matter", runbooks.MediumKey, seat, "home=1", "", cutovertest.Hangs, map[cutover.Room]float64{"home": 1}, ""},
		{"a name", runbooks.MediumDNS, name, "home=70,cloud=30", "cloud=50", "", map[cutover.Room]float64{"home": 100, "cloud": 50}, ""},
		{"a name, nothing in the cloud yet", runbooks.MediumDNS, name, "home=70", "", cutovertest.Null, map[cutover.Room]float64{"home": 70}, ""},
		{"a name, the cloud hangs", runbooks.MediumDNS, name, "home=70", "", cutovertest.Hangs, nil, "no answer"},
		{"a name, the cloud is stale", runbooks.MediumDNS, name, "home=70", "cloud=5", cutovertest.Stale, nil, "too old"},
		{"split once for all", runbooks.MediumSplitter, once, "home=70,cloud=10", "cloud=20", "", map[cutover.Room]float64{"home": 70, "cloud": 30}, ""},
		{"no room's name", runbooks.MediumKey, seat, "home=70,moon=3", "", cutovertest.Null, nil, `error: served_by="moon" is no room`},
		{"no room's name, but nothing goes there", runbooks.MediumKey, seat, "home=70,moon=0", "", cutovertest.Null, map[cutover.Room]float64{"home": 70}, ""},
		{"twice", runbooks.MediumKey, seat, "home=70,home=1", "", cutovertest.Null, nil, "not a number: two series"},
		{"NaN", runbooks.MediumKey, seat, "home=NaN", "", cutovertest.Null, nil, "not a number"},
	} {
		t.Run(c.what, func(t *testing.T) {
			home, cloud := newFakeSource(t, map[string]string{}), newFakeSource(t, map[string]string{partValue: c.cloud})
			if c.home != "" {
				home.setPart(partValue, c.home)
			} else {
				home.set(cutovertest.Null)
			}
			if c.cloudSays != "" {
				cloud.set(c.cloudSays)
			}
			rooms := twoRooms(home.URL, cloud.URL, time.Second)
			rooms.Observe = &runbooks.Observe{Query: `sum by (served_by) (rate(gw_total[$window]))`, RoomLabel: "served_by"}
			m := mustNew(t, Config{Rooms: rooms, TimeOut: 100 * time.Millisecond})
			p := &cutover.Plan{
				Rooms:  []cutover.RoomPlan{{Name: "home"}, {Name: "cloud"}},
				Routes: []cutover.RoutePlan{{Name: "gw", Medium: c.medium, ByRoom: c.medium == runbooks.MediumKey, Seats: []cutover.Seat{c.seat}}},
				Gauges: []cutover.Gauge{{Kind: cutover.GaugeSeen, Seat: c.seat, Every: 20 * cutover.Millisecond}},
			}
			_, samples := collect(t, m, p)
			var last cutover.Sample
			fits := func() bool {
				s, ok := within(samples, time.Second)
				if !ok {
					return false
				}
				last = s
				if c.why != "" {
					return strings.HasPrefix(string(s.Unknown), c.why)
				}
				return s.Unknown == "" && sameCounts(s.Counts, c.want)
			}
			deadline := time.Now().Add(10 * time.Second)
			for !fits() {
				if time.Now().After(deadline) {
					t.Fatalf("%+v, wanted %v, %s", last, c.want, c.why)
				}
			}
		})
	}
}

func sameCounts(a, b map[cutover.Room]float64) bool {
	for room, n := range b {
		if a[room] != n {
			return false
		}
	}
	return len(a) == len(b)
}

// TestSeenNeedsRoom: one answer of a shared Prometheus can't tell by which room requests entered.
func TestSeenNeedsRoom(t *testing.T) {
	fake := newFakeSource(t, map[string]string{partValue: "home=70,cloud=30"})
	rooms := &runbooks.Rooms{
		Rooms:      []runbooks.Room{{Name: "home"}, {Name: "cloud"}},
		Prometheus: &runbooks.Prometheus{Addr: fake.URL, Scrape: time.Second},
		Observe:    &runbooks.Observe{Query: `sum by (served_by) (rate(gw_total[$window]))`, RoomLabel: "served_by"},
	}
	m := mustNew(t, Config{Rooms: rooms})
	plans := []cutover.RoomPlan{{Name: "home"}, {Name: "cloud"}}
	if _, err := m.newObserver(&cutover.RoutePlan{Name: "gw", ByRoom: true}, plans); err == nil || !strings.Contains(err.Error(), "needs $room") {
		t.Errorf("%v", err)
	}
	rates, err := m.Rates(t.Context(), []cutover.RoutePlan{{Name: "gw", Medium: runbooks.MediumSplitter, Seats: []cutover.Seat{{Route: "gw"}}}})
	if err != nil || rates[cutover.Seat{Route: "gw"}] != 100 {
		t.Errorf("what is split once is asked once: %v, %v", rates, err)
	}
}

// TestMissing: fewer than four fifths of the live instances reporting is not knowing.
func TestMissing(t *testing.T) {
	fake := newFakeSource(t, map[string]string{partValue: "0.1", partLive: "0.79"})
	m := mustNew(t, Config{Rooms: twoRooms(fake.URL, fake.URL, time.Second)})
	gg := gauge(t, m, &runbooks.Gate{Query: `a`}, cutover.GatePlan{MaxAge: cutover.Second}, "home")
	if s := gg.sample(t.Context(), 0); !strings.HasPrefix(string(s.Unknown), string(cutover.NoData)) {
		t.Errorf("%+v", s)
	}
	fake.setPart(partLive, "0.8")
	if s := gg.sample(t.Context(), 0); s.Unknown != "" || s.Lo != 0.1 {
		t.Errorf("%+v", s)
	}
}

// TestThin: a ratio of too few events is asked again over a wider window, but never to before a write.
func TestThin(t *testing.T) {
	fake := newFakeSource(t, map[string]string{partBad: "0", partOf: "0.5"})
	m := mustNew(t, Config{Rooms: twoRooms(fake.URL, fake.URL, time.Second)})
	gg := gauge(t, m, &runbooks.Gate{Ratio: &runbooks.Ratio{Bad: `sum(rate(bad[$window]))`, Of: `sum(rate(all[$window]))`}},
		cutover.GatePlan{MaxAge: cutover.Second, Window: cutover.Minute, MinEvents: 100}, "home")
	if s := gg.sample(t.Context(), 0); s.Events != 30 || !strings.Contains(fake.lastQuery(), "[60000ms]") {
		t.Errorf("%+v\n%s", s, fake.lastQuery())
	}
	if s := gg.sample(t.Context(), 0); s.Events != 110 || s.At-s.From < 219*cutover.Second {
		t.Errorf("%+v\n%s", s, fake.lastQuery())
	}
	cut := m.now() - 100*cutover.Second
	if s := gg.sample(t.Context(), cut); s.Events < 49 || s.Events > 51 || s.From < cut {
		t.Errorf("%+v\n%s", s, fake.lastQuery())
	}
	if s := gg.sample(t.Context(), m.now()); s.From >= m.now() || s.At-s.From > 3*cutover.Second {
		t.Errorf("just after a write it spans it, and says so: %+v", s)
	}
}

// TestOtherGauges: links, probes, pairs, and gauges that can't be read at all.
func TestOtherGauges(t *testing.T) {
	home, cloud := newFakeSource(t, map[string]string{partValue: "0.4"}), newFakeSource(t, map[string]string{partValue: "0.9"})
	rooms := twoRooms(home.URL, cloud.URL, time.Second)
	rooms.Rooms[0].Addresses = []runbooks.Address{{URL: home.URL}}
	rooms.Probe = &runbooks.Probe{Host: "www.example.com", Paths: []string{"/"}}
	m := mustNew(t, Config{Rooms: rooms, Gates: []runbooks.Gate{{Name: "line", Link: "line", In: "home", Query: `max(line_use)`}}})
	const every = 20 * cutover.Millisecond
	p := &cutover.Plan{
		Rooms: []cutover.RoomPlan{{Name: "home"}, {Name: "cloud"}},
		Gates: []cutover.GatePlan{
			{Name: "line", Kind: cutover.GateLink, Link: "line", MaxAge: cutover.Second},
			{Name: "lag", Kind: cutover.GateReplication, Pair: "feed-db"},
			{Name: "gone", Kind: cutover.GateRoom, Rooms: []cutover.Room{"cloud"}},
		},
		Gauges: []cutover.Gauge{
			{Kind: cutover.GaugeGate, Gate: 0, Every: every},
			{Kind: cutover.GaugeGate, Gate: 1, Every: every},
			{Kind: cutover.GaugeGate, Gate: 2, Every: every},
			{Kind: cutover.GaugeProbe, Room: "home", Every: every},
			{Kind: cutover.GaugeProbe, Room: "cloud", Every: every},
		},
	}
	samples := make(chan cutover.Sample, 1000)
	lag := func(ctx context.Context, pair string, every time.Duration, put func(Lag)) {
		put(Lag{To: "cloud", Lo: 0.5, Hi: 0.75, LowerBound: true, From: 3, At: 4})
		put(Lag{To: "home", Idle: true, From: 5, At: 5})
		<-ctx.Done()
		put(Lag{To: "home", Unknown: cutover.NoAnswer}) // must not come through
	}
	c := m.Gauges(func(s cutover.Sample) {
		select {
		case samples <- s:
		default:
		}
	}, lag)
	ctx, cancel := context.WithCancel(t.Context())
	c.Start(ctx, p)
	got := map[string]cutover.Sample{}
	deadline := time.Now().Add(10 * time.Second)
	for len(got) < 6 && time.Now().Before(deadline) {
		if s, ok := within(samples, time.Second); ok {
			got[strings.Repeat("+", s.Gauge)+s.Room] = s
		}
	}
	cancel()
	c.Wait()
	for len(samples) > 0 {
		if s := <-samples; s.Gauge == 1 && s.Unknown != "" {
			t.Errorf("after the end: %+v", s)
		}
	}
	check := func(what string, ok bool) {
		if !ok {
			t.Errorf("%s: %+v", what, got)
		}
	}
	check("a link is asked in the room that is named", got[""].Lo == 0.4)
	check("a lower bound", got["+cloud"].Lo == 0.5 && got["+cloud"].Hi == 0.75 && got["+cloud"].LowerBound && got["+cloud"].At == 4)
	check("idle", got["+home"].Idle)
	check("a gate that rooms.yaml lost", strings.Contains(string(got["++cloud"].Unknown), "no gate gone"))
	check("a probe that is answered", got["+++home"].Lo == 1)
	check("a room without an address", got["++++cloud"].Lo == 0)
	if len(got) != 6 {
		t.Errorf("samples: %v", got)
	}
}
