package metrics

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

func TestProbe(t *testing.T) {
	var host atomic.Value
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(_ http.ResponseWriter, r *http.Request) { host.Store(r.Host) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/broken", http.StatusFound) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	up := httptest.NewServer(mux)
	defer up.Close()
	secure := quietTLS(mux)
	defer secure.Close()
	down := httptest.NewServer(mux)
	down.Close()
	at := func(urls ...string) (as []runbooks.Address) {
		for _, u := range urls {
			as = append(as, runbooks.Address{URL: u})
		}
		return as
	}
	m := mustNew(t, Config{TimeOut: 200 * time.Millisecond, Rooms: &runbooks.Rooms{Rooms: []runbooks.Room{
		{Name: "home", Addresses: at(up.URL)}, {Name: "half", Addresses: at(up.URL, down.URL)},
		{Name: "tls", Addresses: at(secure.URL)}, {Name: "none"},
	}}})
	for _, c := range []struct {
		room cutover.Room
		path string
		want string // "" it answers
	}{
		{"home", "/healthz", ""},
		{"home", "/moved", ""},
		{"home", "/broken", "/broken as www.example.com answers 502 Bad Gateway, wanted 2xx or 3xx"},
		{"home", "/nothing", "404"},
		{"home", "/hangs", "deadline"},
		{"half", "/healthz", "refused"},
		{"tls", "/healthz", "certificate"}, // for another name, by nobody known
		{"none", "/healthz", "it has no address"},
		{"nowhere", "/healthz", "there is no room nowhere"},
	} {
		err := m.Probe(t.Context(), c.room, "www.example.com", []string{"/healthz", c.path})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, wanted %q", c.room, c.path, err, c.want)
		}
	}
	if host.Load() != "www.example.com" {
		t.Errorf("asked as %v", host.Load())
	}
}

// TestProbeByDNS: a room without a URL is asked at the entries' DNS values inside its range.
func TestProbeByDNS(t *testing.T) {
	p := newProber(&runbooks.Rooms{
		Rooms: []runbooks.Room{
			{Name: "home", Addresses: []runbooks.Address{{CIDR: "203.0.113.0/26"}}},
			{Name: "cloud", Addresses: []runbooks.Address{{CIDR: "198.51.100.0/26"}}},
		},
		Routes: []runbooks.Route{{DNS: &runbooks.DNSMedium{Name: "www.example.com"}}, {DNS: &runbooks.DNSMedium{Name: "api.example.com"}}},
	}, time.Second)
	values := map[string][]netip.Addr{
		"www.example.com": {netip.MustParseAddr("::ffff:203.0.113.9"), netip.MustParseAddr("203.0.113.5")},
		"api.example.com": {netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("192.0.2.1")},
	}
	p.resolve = func(_ context.Context, name string) ([]netip.Addr, error) { return values[name], nil }
	got, err := p.bases(t.Context(), "home", "www.example.com")
	if strings.Join(got, " ") != "https://203.0.113.5:443 https://203.0.113.9:443" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := p.bases(t.Context(), "cloud", "www.example.com"); err == nil || !strings.Contains(err.Error(), "give it a URL") {
		t.Errorf("%v, %v", got, err)
	}
	p.resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("SERVFAIL") }
	if got, err := p.bases(t.Context(), "home", "www.example.com"); err == nil {
		t.Errorf("%v came out of a failed look-up", got)
	}
}
