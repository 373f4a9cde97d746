package dns_test

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

func (l *lab) add(rr, kind, line, value string, change func(*alidnstest.Record)) {
	r := alidnstest.Record{Zone: "example.com", RR: rr, Type: kind, Line: line, Value: value}
	if change != nil {
		change(&r)
	}
	l.server.Add(r)
}

// readErr is why seats of these names can't be read.
func (l *lab) readErr(all []dns.Name) string {
	l.t.Helper()
	w := l.client.Weights("alidns", all, rooms)
	_, err := w.Read(within(l.t), w.Seats())
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestWhatNoShareCanBeToldOf: each is an error that names the record and what to do.
func TestWhatNoShareCanBeToldOf(t *testing.T) {
	one := func(name string, lines ...string) []dns.Name {
		return []dns.Name{{Route: "r", Name: name, Lines: lines}}
	}
	l := newLab(t, alidnstest.Options{})
	l.add("strange", "A", "", "192.0.2.1", nil)
	l.add("alias", "CNAME", "", "www.example.net", nil)
	l.add("twice", "A", "", "203.0.113.10", nil)
	l.add("twice", "A", "", "203.0.113.10", nil)
	l.add("*", "A", "", "203.0.113.10", nil)
	l.add("*", "A", "", "198.51.100.10", nil)
	l.add("off", "A", "", "203.0.113.10", nil)
	l.add("off", "A", "", "198.51.100.10", nil)
	l.server.SwitchWeights("off.example.com", "A", "default", false)
	l.server.SwitchWeights("*.example.com", "A", "default", false)
	for _, c := range []struct {
		names []dns.Name
		says  string
	}{
		{one("strange.example.com", "default"), "192.0.2.1 is in no room's addresses"},
		{one("alias.example.com", "default"), "is a CNAME to www.example.net"},
		{one("twice.example.com", "default"), "203.0.113.10 is there twice"},
		{one("off.example.com", "default"), "the weights of its A records on line default are off"},
		{one("*.example.com", "default"), "a wildcard's records can't have weights"},
		{one("www.example.com", "mobile"), "has no address on line mobile"},
		{one("nowhere.example.com", "default"), "no such name nowhere.example.com"},
		{one("www.example.net", "default"), "no such name"},
		{[]dns.Name{{Route: "a", Name: "www.example.com", Lines: []string{"default"}}, {Route: "b", Name: "WWW.example.com.", Lines: []string{"default"}}}, "a and b are both www.example.com"},
	} {
		if got := l.readErr(c.names); !strings.Contains(got, c.says) {
			t.Errorf("%v: %q, want that it says %q", c.names, got, c.says)
		}
	}
}

// TestApexAndWildcard: a zone's own name is moved like any other; a wildcard's TTL can be set, and it serves one room whole.
func TestApexAndWildcard(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	l.add("@", "A", "", "203.0.113.10", func(r *alidnstest.Record) { r.Weight = 100 })
	l.add("@", "A", "", "198.51.100.10", func(r *alidnstest.Record) { r.Disabled = true })
	l.add("*", "A", "", "203.0.113.10", nil)
	apex := []dns.Name{{Route: "apex", Name: "example.com", Lines: []string{"default"}}}
	w := l.client.Weights("alidns", apex, rooms)
	l.to(w, 2500, w.Seats()...)
	if got := l.shares(w); got != "apex@default 2500" {
		t.Errorf("the apex carries %s", got)
	}
	wild := l.client.TTLs("alidns/ttl", []dns.Name{{Route: "wild", Name: "*.example.com", Lines: []string{"default"}}})
	held := l.read(wild, wild.Seats()...)
	c := cutover.Change{Seat: held[0].Seat, Object: held[0].Object, Before: held[0].Value, After: "60"}
	if o := wild.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done {
		t.Errorf("a wildcard's TTL: %v: %v", o.What, o.Err)
	}
}

// TestManyPages: a name with more records than a page has is listed whole; a listing that is cut is an error.
func TestManyPages(t *testing.T) {
	l := newLab(t, alidnstest.Options{PageLimit: 7})
	for i := range 40 {
		l.add("many", "A", "", fmt.Sprintf("203.0.113.%d", i+1), nil)
	}
	w := l.client.Weights("alidns", []dns.Name{{Route: "many", Name: "many.example.com", Lines: []string{"default"}}}, rooms)
	if held := l.read(w, w.Seats()...); len(held) != 40 {
		t.Errorf("%d of 40 are listed", len(held))
	}
	for _, action := range []string{"DescribeSubDomainRecords", "DescribeDNSSLBSubDomains"} {
		l.server.Fault(alidnstest.Fault{Action: action, Kind: alidnstest.HalfPage})
		if held, err := w.Read(within(t), w.Seats()); err == nil {
			t.Errorf("a cut listing of %s is %d records", action, len(held))
		}
		l.server.Heal()
	}
}

// TestBothTypes: A and AAAA are weighted by themselves; each carries the whole share, before and after.
func TestBothTypes(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := bothTypes(l)
	for _, share := range []int{500, 3000, 10000, 0} {
		l.to(w, share, w.Seats()...)
		sums := map[string]map[string]int{}
		for _, h := range l.read(w, w.Seats()...) {
			kind := "A"
			if strings.Contains(h.Value+h.Object, ":") {
				kind = "AAAA"
			}
			if sums[kind] == nil {
				sums[kind] = map[string]int{}
			}
			for room, n := range h.Weights {
				sums[kind][room] += n
			}
		}
		for kind, s := range sums {
			if got := 10000 * s["cloud"] / (s["cloud"] + s["home"]); got != share {
				t.Errorf("at %d the %s records carry %d", share, kind, got)
			}
		}
	}
}

// TestSeveralAddresses: rooms with different numbers of addresses carry the share by all of them; on the way nothing passes the goal.
func TestSeveralAddresses(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	for i := range 5 {
		l.add("lb", "A", "", fmt.Sprintf("203.0.113.%d", i+1), func(r *alidnstest.Record) { r.Weight = 100 })
	}
	for i := range 2 {
		l.add("lb", "A", "", fmt.Sprintf("198.51.100.%d", i+1), func(r *alidnstest.Record) { r.Disabled = true })
	}
	w := l.client.Weights("alidns", []dns.Name{{Route: "lb", Name: "lb.example.com", Lines: []string{"default"}}}, rooms)
	seat := w.Seats()[0]
	for _, to := range []int{500, 3000, 6000, 10000, 7000, 0} {
		was := cutover.SeatShares(l.read(w, seat))[seat]["cloud"]
		for _, wave := range l.waves(w, to, seat) {
			for _, c := range wave { // one by one, in any order within a wave: the worst is seen
				if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Done {
					t.Fatal(o.Err)
				}
				if now := cutover.SeatShares(l.read(w, seat))[seat]["cloud"]; now < min(was, to)-60 || now > max(was, to)+60 {
					t.Errorf("from %d to %d it carries %d on the way", was, to, now)
				}
			}
		}
		if now := cutover.SeatShares(l.read(w, seat))[seat]["cloud"]; now < to-25 || now > to+25 {
			t.Errorf("it carries %d, want %d", now, to)
		}
	}
}

// TestStepsAreCalls: what a change of a wave asks for is one call of the API, and a record that is switched on serves by weight 1 first.
func TestStepsAreCalls(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	l.to(w, 3000, wwwDefault)
	l.to(w, 0, wwwDefault)
	want := []string{
		"UpdateDNSSLBWeight www.example.com default 203.0.113.10: weight 70",
		"SetDomainRecordStatus www.example.com default 198.51.100.10: Enable",
		"UpdateDNSSLBWeight www.example.com default 198.51.100.10: weight 30",
		"UpdateDNSSLBWeight www.example.com default 198.51.100.10: weight 1",
		"SetDomainRecordStatus www.example.com default 198.51.100.10: Disable",
		"UpdateDNSSLBWeight www.example.com default 203.0.113.10: weight 100",
	}
	if got := strings.Join(l.server.Log(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the calls were\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestWhatCantBeRaised: a disabled record with a weight of its own, and one that is enabled with weight 0, are refused with what to do.
func TestWhatCantBeRaised(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := l.weights()
	want := map[cutover.Seat]cutover.Share{wwwDefault: {"home": 9000, "cloud": 1000}}
	l.change(cloudWWW, func(r *alidnstest.Record) { r.Weight = 30 })
	if _, err := w.Shape(l.read(w, wwwDefault), want); err == nil || !strings.Contains(err.Error(), "disabled with weight 30") {
		t.Errorf("disabled with weight 30: %v", err)
	}
	l.change(cloudWWW, func(r *alidnstest.Record) { r.Weight, r.Disabled = 0, false })
	if _, err := w.Shape(l.read(w, wwwDefault), want); err == nil || !strings.Contains(err.Error(), "enabled with weight 0") {
		t.Errorf("enabled with weight 0: %v", err)
	}
	l.server.Delete(l.id(cloudWWW))
	if _, err := w.Shape(l.read(w, wwwDefault), want); err == nil || !strings.Contains(err.Error(), "cloud") {
		t.Errorf("without a record: %v", err)
	}
}

// TestNotWhileWeightsAreOff: a second record isn't switched on where weights are off: it would get half.
func TestNotWhileWeightsAreOff(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	l.server.SwitchWeights("www.example.com", "A", "default", false)
	w := l.weights()
	c := l.changeOf(w, wwwDefault, cloudWWW, "1")
	if o := w.Write(within(t), cutover.Fence{}, []cutover.Change{c})[0]; o.What != cutover.Failed || l.server.Writes() != 0 {
		t.Errorf("%v: %v; %d writes", o.What, o.Err, l.server.Writes())
	}
}

// TestLook: what the provider holds, whatever a route names.
func TestLook(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	l.add("www", "A", "unicom", "203.0.113.10", func(r *alidnstest.Record) { r.TTL = 700 })
	found, err := l.client.Look(within(t), []string{"WWW.example.com.", "api.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(found); got != "map[api.example.com:{[default] 600} www.example.com:{[default telecom unicom] 700}]" {
		t.Error(got)
	}
}

// TestAnswersFollow: what every authority answers on each line is what was set there, and an authority that is behind, or silent, is told.
func TestAnswersFollow(t *testing.T) {
	telecom := netip.MustParsePrefix("10.9.0.0/16")
	l := newLab(t, alidnstest.Options{Lines: map[string][]netip.Prefix{"telecom": {telecom}}})
	w := l.weights()
	l.to(w, 3000, wwwDefault)
	l.to(w, 500, wwwTelecom)
	a := dns.Asker{Servers: l.server.NameServers(), Networks: map[string]netip.Prefix{"telecom": telecom}, Rooms: rooms, Wait: within100ms}
	ask := func(n int) []dns.Asked { // a few thousand queries, however slow the machine is
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return a.Ask(ctx, "www.example.com", []string{"default", "telecom"}, n)
	}
	for _, x := range ask(dns.Queries(0.3, 0.02)) {
		want := map[string]float64{"default": 0.3, "telecom": 0.05}[x.Line]
		got := x.Shares["cloud"]
		if x.Err != nil || math.Abs(got.Seen-want) > 0.04 || got.Lo > got.Seen || got.Hi < got.Seen || x.OwnLine != (x.Line == "default") {
			t.Errorf("%s on %s: %+v, want %.2f: %v", x.Server, x.Line, got, want, x.Err)
		}
		if x.TTL.Seconds() != 600 {
			t.Errorf("the TTL answered is %v", x.TTL)
		}
	}
	l.server.Stale(1, true)
	l.to(w, 9000, wwwDefault)
	by := map[string]float64{}
	for _, x := range ask(400) {
		by[x.Line+x.Server] = x.Shares["cloud"].Seen
	}
	if len(by) != 4 {
		t.Errorf("%d of two servers on two lines were asked: %v", len(by), by)
	}
	if fresh, stale := by["default"+a.Servers[0]], by["default"+a.Servers[1]]; fresh < 0.8 || stale > 0.5 {
		t.Errorf("one that is behind answers %.2f, the other %.2f", stale, fresh)
	}
	l.server.Silence(0, true)
	l.add("www", "A", "", "192.0.2.1", func(r *alidnstest.Record) { r.Weight = 100 })
	l.server.Stale(1, false)
	for _, x := range ask(100) {
		switch {
		case x.Server == a.Servers[0] && x.Err == nil:
			t.Errorf("a silent server answered %d of 100", x.Answers)
		case x.Server == a.Servers[1] && x.Line == "default" && strings.Join(x.Strange, " ") != "192.0.2.1":
			t.Errorf("an address of no room: %q", x.Strange)
		}
	}
}

// within100ms bounds a query: a silent server is a matter of a second then.
const within100ms = 100 * time.Millisecond

// TestWilson: the counts and intervals of facts that are known.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		share, within float64
		want          int
	}{{0.05, 0.02, 457}, {0.5, 0.02, 2401}, {0.01, 0.005, 1522}} {
		if got := dns.Queries(c.share, c.within); got != c.want {
			t.Errorf("%v within %v: %d queries, want %d", c.share, c.within, got, c.want)
		}
	}
	i := dns.Wilson(5, 100)
	if math.Abs(i.Lo-0.02154) > 0.0005 || math.Abs(i.Hi-0.11175) > 0.0005 {
		t.Errorf("5 of 100: %+v", i)
	}
	if i := dns.Wilson(0, 300); i.Lo > 1e-9 || i.Hi < 0.01 || i.Hi > 0.013 {
		t.Errorf("none of 300: %+v", i)
	}
	if i := dns.Wilson(0, 0); i.Lo != 0 || i.Hi != 1 {
		t.Errorf("nothing asked: %+v", i)
	}
}
