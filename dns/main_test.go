package dns_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var (
	account = aliyun.Account{KeyID: alidnstest.TestKeyID, Secret: alidnstest.TestSecret}
	rooms   = []dns.RoomNets{
		{Room: "home", Nets: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/26"), netip.MustParsePrefix("2001:db8:1::/48")}},
		{Room: "cloud", Nets: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/26"), netip.MustParsePrefix("2001:db8:2::/48")}},
	}
	wwwDefault = cutover.Seat{Route: "www", At: "default"}
	wwwTelecom = cutover.Seat{Route: "www", At: "telecom"}
	apiDefault = cutover.Seat{Route: "api", At: "default"}
)

// secrets are what no output may hold.
var secrets = []string{alidnstest.TestKeyID, alidnstest.TestSecret, "Signature=", "SignatureNonce", "Signature%3D", "AccessKeyId="}

// lab is an emulator with www on two lines, api on one, and a client of it.
type lab struct {
	t      *testing.T
	server *alidnstest.Server
	client *dns.Client

	mu    sync.Mutex
	notes []string
}

func (l *lab) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, text)
}

func (l *lab) noted() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.notes, "\n")
}

func newLab(t *testing.T, o alidnstest.Options) *lab {
	t.Helper()
	s, err := alidnstest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l := &lab{t: t, server: s}
	s.AddZone("example.com")
	for _, at := range []struct{ rr, line string }{{"www", "default"}, {"www", "telecom"}, {"api", "default"}} {
		s.Add(alidnstest.Record{Zone: "example.com", RR: at.rr, Type: "A", Line: at.line, Value: "203.0.113.10", Weight: 100})
		s.Add(alidnstest.Record{Zone: "example.com", RR: at.rr, Type: "A", Line: at.line, Value: "198.51.100.10", Disabled: true})
	}
	s.Add(alidnstest.Record{Zone: "example.com", RR: "www", Type: "TXT", Value: "not ours"})
	l.client = l.clientOf(s.URL(), nil)
	t.Cleanup(func() { l.clean(l.noted()) })
	return l
}

func (l *lab) clientOf(endpoint string, change func(*dns.Config)) *dns.Client {
	l.t.Helper()
	config := dns.Config{Endpoint: endpoint, Account: account, Note: l.note}
	if change != nil {
		change(&config)
	}
	c, err := dns.New(config)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(c.Close)
	return c
}

// clean fails if a text holds a secret.
func (l *lab) clean(text string) {
	l.t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) {
			l.t.Errorf("a text tells %q: %s", s, text)
		}
	}
}

var wwwAndAPI = []dns.Name{{Route: "www", Name: "www.example.com", Lines: []string{"default", "telecom"}}, {Route: "api", Name: "api.example.com", Lines: []string{"default"}}}

func (l *lab) weights() *dns.Weights { return l.client.Weights("alidns", wwwAndAPI, rooms) }
func (l *lab) ttls() *dns.TTLs       { return l.client.TTLs("alidns/ttl", wwwAndAPI) }

// id is the record that an object's name means.
func (l *lab) id(object string) string {
	l.t.Helper()
	object = strings.TrimSuffix(object, "/ttl")
	for _, r := range l.server.Records() {
		if object == r.RR+"@"+r.Line+"/"+r.Value {
			return r.ID
		}
	}
	l.t.Fatalf("no record is %s", object)
	return ""
}

func (l *lab) change(object string, f func(*alidnstest.Record)) {
	l.t.Helper()
	if err := l.server.Change(l.id(object), f); err != nil {
		l.t.Fatal(err)
	}
}

// record is what the emulator holds of an object.
func (l *lab) record(object string) alidnstest.Record {
	l.t.Helper()
	r, _ := l.server.Record(l.id(object))
	return r
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (l *lab) read(m cutover.Medium, seats ...cutover.Seat) []cutover.Held {
	l.t.Helper()
	held, err := m.Read(within(l.t), seats)
	if err != nil {
		l.t.Fatal(err)
	}
	return held
}

// shares is what every seat carries to the cloud, by the medium's own reading, as "www@default 1000, …".
func (l *lab) shares(w *dns.Weights) string {
	l.t.Helper()
	var out []string
	by := cutover.SeatShares(l.read(w, w.Seats()...))
	for _, s := range w.Seats() {
		out = append(out, fmt.Sprintf("%v %d", s, by[s]["cloud"]))
	}
	return strings.Join(out, ", ")
}

// to brings seats to a share of the cloud, wave by wave, and fails where that isn't done.
func (l *lab) to(w *dns.Weights, cloud int, seats ...cutover.Seat) {
	l.t.Helper()
	for _, wave := range l.waves(w, cloud, seats...) {
		for _, cs := range cutover.Pack(cutover.Plane{MaxChanges: dns.MaxChanges}, wave) {
			for i, o := range w.Write(within(l.t), cutover.Fence{}, cs) {
				if o.What != cutover.Done {
					l.t.Fatalf("%s to %s is %v: %v", cs[i].Object, cs[i].After, o.What, o.Err)
				}
			}
		}
	}
}

func (l *lab) waves(w *dns.Weights, cloud int, seats ...cutover.Seat) [][]cutover.Change {
	l.t.Helper()
	want := map[cutover.Seat]cutover.Share{}
	for _, s := range seats {
		want[s] = cutover.Share{"home": cutover.Whole - cloud, "cloud": cloud}
	}
	waves, err := w.Shape(l.read(w, seats...), want)
	if err != nil {
		l.t.Fatal(err)
	}
	return waves
}

// isWrite tells a proxy which requests change something.
func isWrite(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Query().Get("Action"), "Describe")
}

// TestMedia holds both media to the contract of cutover.Medium, over the wire.
func TestMedia(t *testing.T) {
	for _, c := range []struct {
		plane  string
		aspect cutover.Aspect
		values []string
	}{{"alidns", cutover.Split, nil}, {"alidns/ttl", cutover.TTL, []string{"60", "120", "30"}}} {
		t.Run(c.plane, func(t *testing.T) {
			cutovertest.MediumSuite(t, func(t *testing.T) cutovertest.MediumUnderTest { return underTest(t, c.plane, c.aspect, c.values) })
		})
	}
}

func underTest(t *testing.T, plane string, aspect cutover.Aspect, values []string) cutovertest.MediumUnderTest {
	l := newLab(t, alidnstest.Options{})
	proxy := cutovertest.NewProxy(t, l.server.Addr())
	proxy.Only(isWrite)
	seats, all := []cutover.Seat{apiDefault, wwwTelecom}, wwwAndAPI
	if aspect == cutover.TTL { // one record each, so that two seats' changes are one request
		seats, all = []cutover.Seat{{Route: "duo", At: "default"}, {Route: "solo", At: "default"}}, nil
		for _, s := range seats {
			l.server.Add(alidnstest.Record{Zone: "example.com", RR: s.Route, Type: "A", Value: "203.0.113.10"})
			all = append(all, dns.Name{Route: s.Route, Name: s.Route + ".example.com", Lines: []string{"default"}})
		}
	}
	c := l.clientOf("http://"+proxy.Addr(), nil)
	weights := c.Weights(plane, all, rooms)
	var m cutover.Medium = weights
	if aspect == cutover.TTL {
		m = c.TTLs(plane, all)
	}
	u := cutovertest.MediumUnderTest{Medium: m, Plane: c.Plane(m, aspect, plane, "consul.home", weights.Seats(), cutover.Minute), Seats: seats,
		Rooms: [2]cutover.Room{"home", "cloud"}, Inexpressible: 30, Values: values, Secrets: secrets,
		Foreign: func(object, value string) {
			l.change(object, func(r *alidnstest.Record) {
				n, err := strconv.Atoi(value)
				if err != nil {
					t.Fatal(err)
				}
				if aspect == cutover.TTL {
					r.TTL = int64(n)
					return
				}
				r.Disabled, r.Weight = n == 0, max(1, n)
			})
		},
		Rest: func(object string) string {
			r := l.record(object)
			if aspect == cutover.TTL {
				r.TTL = 0
			} else {
				r.Weight, r.Disabled = 0, false
			}
			return fmt.Sprint(r)
		},
		Disturb: func(object string) {
			l.change(object, func(r *alidnstest.Record) {
				if r.Remark = "changed"; aspect != cutover.TTL {
					r.TTL++
				}
			})
		},
		Remake: func(object string) {
			if _, err := l.server.Remake(l.id(object)); err != nil {
				t.Fatal(err)
			}
		},
		Hide: func() {
			l.server.Fault(alidnstest.Fault{Action: "DescribeSubDomainRecords", Kind: alidnstest.HalfPage})
		},
		Wire: proxy.Wire(),
	}
	u.Wire.PerWrite = 2 // a call of the API for each change: one of each seat
	return u
}

// TestReadsAreFew: a request of one name is two listings, a call for each change, and two listings.
func TestReadsAreFew(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	wave := l.waves(w, 1000, wwwDefault, wwwTelecom)[0]
	before := l.server.Calls("")
	for _, o := range w.Write(within(t), cutover.Fence{}, wave) {
		if o.What != cutover.Done {
			t.Fatal(o.Err)
		}
	}
	if got, want := l.server.Calls("")-before, 4+len(wave); got != want {
		t.Errorf("%d changes of one name took %d calls, want %d", len(wave), got, want)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(l.server.Log())))); n != len(wave) {
		t.Errorf("%d writes for %d changes: %q", n, len(wave), l.server.Log())
	}
}
