package consul_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestLargeListing: a service of many is listed whole once, and again whenever anything of it has changed that a listing tells: a weight, a
// check, a tag, an instance that came or went, and what we wrote ourselves. Nothing else of Consul's makes it list again.
func TestLargeListing(t *testing.T) {
	service, m := "search-"+unique(), management(t)
	fillCatalog(t, m, service, 600)
	s, pl, proxy := servicesOf(t, service, "generic", consul.ServicesOptions{})
	whole := 0
	proxy.Only(func(r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/health") && !r.URL.Query().Has("filter") {
			whole++
		}
		return true
	})
	listings := func(what string, want int) []cutover.Held {
		t.Helper()
		before, sent := whole, proxy.Sent()
		held := listing(t, s)
		if whole-before != want || proxy.Sent()-sent > 2 {
			t.Errorf("%s: %d whole listings of %d requests, want %d", what, whole-before, proxy.Sent()-sent, want)
		}
		return held
	}
	first := listings("at first", 1)
	if again := listings("again", 0); &again[0] != &first[0] || len(again) != 600 {
		t.Errorf("the second listing is another one, of %d", len(again))
	}
	object := first[7].Object
	node := strings.Split(object, "/")[1]
	put(t, m, "gateway/"+unique(), "1", 0)
	external(t, "search-"+unique(), "beside-"+unique(), "127.1.1.1", 1, "")
	listings("after another service's change", 0)
	f := session(t, m)
	for what, change := range map[string]func(){
		"a weight": func() { changeEntry(t, object, weighted("77")) },
		"a tag":    func() { changeEntry(t, object, func(s map[string]any) { s["Tags"] = []string{"v9"} }) },
		"a check": func() {
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(`{"Node":%q,"SkipNodeUpdate":true,"Address":"127.1.1.1","Check":{"CheckID":"up","Status":"critical","ServiceID":%q}}`, node, node))
		},
		"a check of its node": func() {
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(`{"Node":%q,"SkipNodeUpdate":true,"Address":"127.1.1.1","Check":{"CheckID":"disk","Status":"critical"}}`, strings.Split(first[9].Object, "/")[1]))
		},
		"one that came": func() { external(t, service, service+"-new", "127.1.1.1", 1, "") },
		"one that went": func() {
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/deregister", fmt.Sprintf(`{"Node":"%s-00333"}`, service))
		},
		"what we wrote": func() { land(t, s, pl, f, [][]cutover.Change{shape(t, s, listing(t, s), 4000)[0][:3]}) },
		"what we took out": func() {
			h := listing(t, s)[20]
			land(t, s, pl, f, [][]cutover.Change{{{Seat: search, Plane: "services", Object: h.Object, Before: h.Value, After: "0:" + h.Value, Version: h.Version}}})
		},
	} {
		before := fmt.Sprint(listing(t, s))
		change()
		after := fmt.Sprint(listings("after "+what, 1))
		if what != "a tag" && after == before {
			t.Errorf("%s isn't listed", what)
		}
		listings("again after "+what, 0)
	}
	setRules(t, rules+fmt.Sprintf("service %q { policy = \"deny\" }\n", service))
	if held, err := s.Read(within10s(t), s.Seats()); err == nil {
		t.Errorf("a token that may not read it any more lists %d", len(held))
	}
}
