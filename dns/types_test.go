package dns_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roomshift/aliyun"
	"roomshift/cutover"
	"roomshift/dns"
	"roomshift/dns/alidnstest"
)

// bothTypes is a name with A and AAAA records in each room.
func bothTypes(l *lab) *dns.Weights {
	for _, x := range []struct{ kind, home, cloud string }{{"A", "203.0.113.10", "198.51.100.10"}, {"AAAA", "2001:db8:1::1", "2001:db8:2::1"}} {
		l.add("six", x.kind, "", x.home, func(r *alidnstest.Record) { r.Weight = 100 })
		l.add("six", x.kind, "", x.cloud, func(r *alidnstest.Record) { r.Disabled = true })
	}
	return l.client.Weights("alidns", []dns.Name{{Route: "six", Name: "six.example.com", Lines: []string{"default"}}}, rooms)
}

// TestBothTypesAreAsked: where a name has both types each of them is asked for, and one that doesn't carry the share shows.
func TestBothTypesAreAsked(t *testing.T) {
	l := newLab(t, alidnstest.Options{NameServers: 1})
	w := bothTypes(l)
	l.to(w, 3000, w.Seats()...)
	l.change("six@default/2001:db8:2::1", func(r *alidnstest.Record) { r.Weight = 100 }) // somebody has
	held := l.read(w, w.Seats()...)
	if kinds := dns.Kinds(held, "six"); !slices.Equal(kinds, []string{"A", "AAAA"}) || dns.Kinds(held, "www") != nil {
		t.Fatalf("it has records of %v", kinds)
	}
	a := dns.Asker{Servers: l.server.NameServers(), Rooms: rooms, Kinds: dns.Kinds(held, "six"), Wait: within100ms}
	seen := map[string]float64{}
	for _, x := range a.Ask(within(t), "six.example.com", []string{"default"}, 1000) {
		if x.Err != nil || len(x.Strange) > 0 {
			t.Errorf("%+v", x)
		}
		seen[x.Kind] = x.Shares["cloud"].Seen
	}
	if len(seen) != 2 || math.Abs(seen["A"]-0.3) > 0.06 || math.Abs(seen["AAAA"]-100./170) > 0.06 {
		t.Errorf("answered are %v, want 0.30 by A and 0.59 by AAAA", seen)
	}
}

// TestOneTypeInOneRoom: a room that has an address of one type only can't get that share of the other's users, and that is refused by name
// before anything is written.
func TestOneTypeInOneRoom(t *testing.T) {
	l := newLab(t, alidnstest.Options{})
	w := bothTypes(l)
	if err := l.server.Change(l.id("six@default/2001:db8:2::1"), func(r *alidnstest.Record) { r.Line = "telecom" }); err != nil {
		t.Fatal(err)
	}
	seat := w.Seats()[0]
	_, err := w.Shape(l.read(w, seat), map[cutover.Seat]cutover.Share{seat: {"home": 9500, "cloud": 500}})
	if err == nil || !strings.Contains(err.Error(), "six@default: AAAA records: cloud is to get 5 %") {
		t.Errorf("5 %% to a room without an AAAA: %v", err)
	}
}

// TestThrottledListing: a listing that is refused for being asked too often says for how long.
func TestThrottledListing(t *testing.T) {
	l := newLab(t, alidnstest.Options{PerSecond: map[string]int{"DescribeSubDomainRecords": 1}})
	for what, medium := range map[string]interface {
		cutover.Medium
		Seats() []cutover.Seat
	}{"weights": l.weights(), "TTLs": l.ttls()} {
		var err error
		for range 4 {
			if _, e := medium.Read(within(t), medium.Seats()); e != nil {
				err = e
			}
		}
		var later *cutover.Throttled
		if !errors.As(err, &later) || later.After <= 0 || !errors.Is(err, aliyun.ErrThrottled) {
			t.Errorf("%s: %v, want it throttled, with its time", what, err)
		}
	}
}

// TestNoTokenOfBefore: an answer that repeats a token, be it one that was used before, tells nobody.
func TestNoTokenOfBefore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alidns.ini")
	said := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"Code":"Odd","Message":"neither tokenOfNoon nor tokenOfNight nor secretOfNoon nor idOfNoon"}`)
	})
	s := httptest.NewServer(said)
	t.Cleanup(s.Close)
	if err := os.WriteFile(file, []byte("access_key_id = idOfNight\naccess_key_secret = secretOfNight\nsecurity_token = tokenOfNight\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := dns.New(dns.Config{Endpoint: s.URL, AccountFile: file, Account: aliyun.Account{KeyID: "idOfNoon", Secret: "secretOfNoon", Token: "tokenOfNoon"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := c.Weights("alidns", wwwAndAPI, rooms)
	_, err = w.Read(within(t), w.Seats())
	if err == nil || !strings.Contains(err.Error(), "Odd: neither [token] nor [token] nor [secret] nor [key id]") {
		t.Errorf("it says %v", err)
	}
}
