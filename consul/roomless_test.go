package consul_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestRoomOfInstance: by its address first, then by what it is said to be; an agent's is where it is listed, and one without a sign, or with
// two, is in no room.
func TestRoomOfInstance(t *testing.T) {
	for i, c := range []struct{ addr, more, room string }{
		{"127.1.7.1", "", "home"},
		{"127.2.7.1", `,"Tags":["home"]`, "cloud"},
		{"127.9.7.1", `,"Address":"127.2.7.1"`, "cloud"},
		{"127.9.7.1", `,"Tags":["v1","alibj"]`, "cloud"},
		{"127.9.7.1", `,"Meta":{"room":"home"}`, "home"},
		{"127.9.7.1", `,"Address":"search.internal","Meta":{"room":"cloud"}`, "cloud"},
		{"127.9.7.1", `,"Tags":["home","cloud"]`, ""},
		{"127.9.7.1", "", ""},
		{"127.9.7.1", "agent", "home"},
	} {
		service := "search-" + unique()
		if c.more == "agent" {
			registered(t, service, service+"-a", c.addr, 1)
		} else {
			external(t, service, service+"-x", c.addr, 1, c.more)
		}
		s, _, _ := servicesOf(t, service, "generic", consul.ServicesOptions{})
		if held := listing(t, s); len(held) != 1 || held[0].Room != c.room || held[0].Live != (c.room != "") {
			t.Errorf("case %d: %+v, want it in %q", i, held, c.room)
		}
	}
}

// TestRoomless: an instance in no room is listed, counts for nothing and is never written; that is said once for as long as it is so. The others
// carry the share.
func TestRoomless(t *testing.T) {
	service := "search-" + unique()
	external(t, service, service+"-h", "127.1.7.1", 95, "")
	external(t, service, service+"-c", "127.2.7.1", 5, "")
	lost := external(t, service, service+"-x", "127.9.7.1", 50, "")
	var notes []string
	c := client(t, "", func(c *consul.Config) { c.Note = func(text string) { notes = append(notes, text) } })
	s := c.Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: service, Consumer: "generic"}}, consul.ServicesOptions{Rooms: signs, Here: "home"})
	held := listing(t, s)
	listing(t, s)
	if len(held) != 3 || !slices.Equal(consul.Roomless(held), []string{lost}) {
		t.Fatalf("%+v: in no room are %v, want %s", held, consul.Roomless(held), lost)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "not counted: "+lost) {
		t.Errorf("listed twice it says %q", notes)
	}
	if _, err := s.Weigh(held[2], "50"); err == nil {
		t.Error("what is in no room weighs something")
	}
	fence := session(t, management(t))
	land(t, s, c.ServicesPlane("services", "home", "home", s), fence, shape(t, s, held, 1000))
	values := map[string]string{}
	for _, h := range listing(t, s) {
		values[h.Room] = h.Value
	}
	if values["home"] != "90" || values["cloud"] != "10" || values[""] != "50" {
		t.Errorf("10 %% makes %v of them", values)
	}
	asked(t, real.Addr, http.MethodPut, "/v1/catalog/deregister", `{"Node":"`+strings.Split(lost, "/")[1]+`"}`)
	if listing(t, s); len(notes) != 2 || !strings.Contains(notes[1], "every instance is in a room again") {
		t.Errorf("once it is gone it says %q", notes)
	}
}

// TestDeployedAgain: an instance is made anew by another meta, tag or port under its ID; not by another weight, nor by our own write.
func TestDeployedAgain(t *testing.T) {
	service := "search-" + unique()
	object := registered(t, service, service+"-h", "127.1.7.1", 95)
	registered(t, service, service+"-c", "127.2.7.1", 5)
	s, pl, _ := servicesOf(t, service, "generic", consul.ServicesOptions{Rooms: signs, Here: "home", AgentsPort: real.Nodes[0].HTTP})
	born := func() uint64 {
		held := listing(t, s)
		return held[slices.IndexFunc(held, func(h cutover.Held) bool { return h.Object == object })].Born
	}
	first := born()
	changeRegistered(t, object, weighted("77"))
	land(t, s, pl, session(t, management(t)), shape(t, s, listing(t, s), 1000))
	if now := born(); now != first {
		t.Errorf("born at %d, and at %d with another weight", first, now)
	}
	if first >= 1<<53 {
		t.Errorf("born at %d: not every reader of JSON keeps such numbers", first)
	}
	seen := map[uint64]string{first: "at first"}
	for what, change := range map[string]func(map[string]any){
		"a build": func(s map[string]any) { s["Meta"] = map[string]any{"owner": "ops", "build": "2"} },
		"a tag":   func(s map[string]any) { s["Tags"] = []string{"v3"} },
		"a port":  func(s map[string]any) { s["Port"] = json.Number("82") },
	} {
		changeRegistered(t, object, change)
		until(t, "it is deployed again with another of "+what, func() bool { return seen[born()] == "" })
		seen[born()] = what
	}
}
