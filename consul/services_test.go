package consul_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// signs are the rooms of the tests: home by address, the cloud by address or tag.
var signs = []consul.RoomSigns{
	{Room: "home", Networks: []netip.Prefix{netip.MustParsePrefix("127.1.0.0/16")}, Words: []string{"home", "yz"}},
	{Room: "cloud", Networks: []netip.Prefix{netip.MustParsePrefix("127.2.0.0/16")}, Words: []string{"cloud", "alibj"}},
}

// external makes an instance on a node of its own that no agent has, as somebody who writes the catalog would.
func external(t testing.TB, service, node, addr string, weight int, more string) (object string) {
	t.Helper()
	asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(
		`{"Node":%q,"Address":%q,"NodeMeta":{"external-node":"true"},"Service":{"ID":"%s-1","Service":%q,"Port":8080,"Tags":["v2","✓"],`+
			`"Meta":{"owner":"ops"},"Weights":{"Passing":%d,"Warning":3},"EnableTagOverride":true%s},`+
			`"Check":{"CheckID":"up","Status":"passing","ServiceID":"%s-1","Notes":"asked from outside"}}`,
		node, addr, node, service, weight, more, node))
	t.Cleanup(func() {
		asked(t, real.Addr, http.MethodPut, "/v1/catalog/deregister", fmt.Sprintf(`{"Node":%q}`, node))
	})
	return service + "/" + node + "/" + node + "-1"
}

// entry is what the catalog has of an instance, as JSON with every field that this Consul knows.
func entryOf(t testing.TB, object string) (node, service json.RawMessage, checks []map[string]any) {
	t.Helper()
	name, at, _ := strings.Cut(object, "/")
	at, id, _ := strings.Cut(at, "/")
	var all []struct {
		Node, Service json.RawMessage
		Checks        []map[string]any
	}
	if err := json.Unmarshal([]byte(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+name+"?consistent", "")), &all); err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.Contains(string(e.Node), fmt.Sprintf(`"Node":%q`, at)) && strings.Contains(string(e.Service), fmt.Sprintf(`"ID":%q`, id)) {
			return e.Node, e.Service, e.Checks
		}
	}
	t.Fatalf("%s isn't in the catalog", object)
	return nil, nil, nil
}

// passingIn finds the weight in Consul's JSON, not by the product's way.
var passingIn = regexp.MustCompile(`"Passing":\d+`)

// restOf is everything of an instance that isn't ours.
func restOf(t testing.TB, object string) string {
	node, service, checks := entryOf(t, object)
	text := string(node) + indexIn.ReplaceAllString(passingIn.ReplaceAllString(string(service), "#"), "#")
	for _, c := range checks {
		if !strings.HasPrefix(fmt.Sprint(c["CheckID"]), "roomshift") && !strings.HasPrefix(fmt.Sprint(c["Notes"]), "roomshift") {
			delete(c, "ModifyIndex") // an agent writes its checks anew
			text += fmt.Sprint(c)
		}
	}
	return text
}

// change changes an instance in the catalog.
func changeEntry(t testing.TB, object string, change func(service map[string]any)) {
	t.Helper()
	node, service, _ := entryOf(t, object)
	var n map[string]any
	var s map[string]any
	if err := errors.Join(json.Unmarshal(node, &n), json.Unmarshal(service, &s)); err != nil {
		t.Fatal(err)
	}
	delete(s, "CreateIndex")
	delete(s, "ModifyIndex")
	change(s)
	b, err := json.Marshal(map[string]any{"Node": n["Node"], "Address": n["Address"], "SkipNodeUpdate": true, "Service": s})
	if err != nil {
		t.Fatal(err)
	}
	asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", string(b))
}

func weighted(value string) func(map[string]any) {
	return func(s map[string]any) {
		n, err := strconv.Atoi(value)
		if err != nil {
			panic(err)
		}
		s["Weights"] = map[string]any{"Passing": n, "Warning": 3}
	}
}

// catalogUnderTest are two services of the catalog's: one for HAProxy, of which one instance is down, one for Envoy.
func catalogUnderTest(t *testing.T) cutovertest.MediumUnderTest {
	one, two := "search-"+unique(), "search-"+unique()
	for i := range 2 {
		external(t, one, fmt.Sprintf("%s-h%d", one, i), fmt.Sprintf("127.1.1.%d", i+1), 24320, "")
		external(t, two, fmt.Sprintf("%s-h%d", two, i), fmt.Sprintf("127.1.2.%d", i+1), 100, "")
	}
	for i := range 3 {
		external(t, one, fmt.Sprintf("%s-c%d", one, i), "127.2.1.1", 256, fmt.Sprintf(`,"Address":"127.2.1.%d"`, i+1))
		external(t, two, fmt.Sprintf("%s-c%d", two, i), "127.9.9.9", 1, `,"Meta":{"room":"cloud"}`)
	}
	down(t, external(t, one, one+"-down", "127.1.1.9", 24320, ""))
	seats := map[cutover.Seat]consul.ServiceSpec{
		{Route: "search", At: "home"}: {Service: one, Consumer: "haproxy"},
		{Route: "mesh"}:               {Service: two, Consumer: "envoy"},
	}
	m := management(t)
	fence := session(t, m)
	proxy := cutovertest.NewProxy(t, realHost())
	c := client(t, proxy.Addr(), nil)
	s := c.Services("services@home", seats, consul.ServicesOptions{Rooms: signs, Here: "home"})
	return cutovertest.MediumUnderTest{
		Medium: s, Plane: c.ServicesPlane("services@home", "home", "home", s), Seats: s.Seats(), Rooms: rooms, Fence: fence,
		Inexpressible: 20, Secrets: []string{real.Token, real.Management}, Wire: proxy.Wire(),
		Foreign: func(object, value string) { changeEntry(t, object, weighted(value)) },
		Rest:    func(object string) string { return restOf(t, object) },
		Disturb: func(object string) {
			changeEntry(t, object, func(s map[string]any) { s["Meta"] = map[string]any{"owner": "somebody", "room": roomOf(object)} })
		},
		Remake: func(object string) {
			_, service, checks := entryOf(t, object)
			node := strings.Split(object, "/")[1]
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/deregister", fmt.Sprintf(`{"Node":%q,"ServiceID":"%s-1"}`, node, node))
			var sv map[string]any
			if err := json.Unmarshal(service, &sv); err != nil {
				t.Fatal(err)
			}
			delete(sv, "CreateIndex")
			delete(sv, "ModifyIndex")
			b, err := json.Marshal(map[string]any{"Node": node, "SkipNodeUpdate": true, "Address": "127.1.1.1", "Service": sv, "Checks": checks})
			if err != nil {
				t.Fatal(err)
			}
			asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", string(b))
		},
		Hide:      func() { setRules(t, rules+fmt.Sprintf("service %q { policy = \"deny\" }\n", one)) },
		LoseLease: ends(t, m, fence),
	}
}

func roomOf(object string) string {
	if regexp.MustCompile(`-c\d`).MatchString(object) {
		return "cloud"
	}
	return "home"
}

// down makes an instance's own check critical.
func down(t testing.TB, object string) {
	t.Helper()
	node := strings.Split(object, "/")[1]
	asked(t, real.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(
		`{"Node":%q,"Address":"127.1.1.9","SkipNodeUpdate":true,"Check":{"CheckID":"up","Status":"critical","ServiceID":"%s-1","Notes":"asked from outside"}}`, node, node))
}

func TestServices(t *testing.T) { cutovertest.MediumSuite(t, catalogUnderTest) }

// agentsUnderTest are two services of the agent's own, registered with a check, and one instance of the catalog's among them.
func agentsUnderTest(t *testing.T) cutovertest.MediumUnderTest {
	one, two := "search-"+unique(), "search-"+unique()
	for _, service := range []string{one, two} {
		for i := range 2 {
			registered(t, service, fmt.Sprintf("%s-h%d", service, i), fmt.Sprintf("127.1.3.%d", i+1), 100)
			registered(t, service, fmt.Sprintf("%s-c%d", service, i), fmt.Sprintf("127.2.3.%d", i+1), 1)
		}
	}
	outside := external(t, two, two+"-c9", "127.2.3.9", 1, "")
	seats := map[cutover.Seat]consul.ServiceSpec{
		{Route: "search", At: "home"}: {Service: one, Consumer: "generic"},
		{Route: "mesh"}:               {Service: two, Consumer: "haproxy"},
	}
	m := management(t)
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut }) // each is asked first, and the catalog after
	c := client(t, proxy.Addr(), nil)
	port, err := strconv.Atoi(proxy.Addr()[strings.LastIndexByte(proxy.Addr(), ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	s := c.Services("services@home", seats, consul.ServicesOptions{Rooms: signs, Here: "home", AgentsPort: port})
	wire := proxy.Wire()
	wire.PerWrite = 16
	wire.Release = func() {
		proxy.Release()
		synced(t, one)
	}
	byAgent := func(object string) bool { return object != outside }
	return cutovertest.MediumUnderTest{
		Medium: s, Plane: c.ServicesPlane("services@home", "home", "home", s), Seats: s.Seats(), Rooms: rooms,
		Fence: session(t, m), Secrets: []string{real.Token, real.Management}, Wire: wire,
		Foreign: func(object, value string) {
			if !byAgent(object) {
				changeEntry(t, object, weighted(value))
				return
			}
			changeRegistered(t, object, weighted(value))
		},
		Rest: func(object string) string { return restOf(t, object) },
		Disturb: func(object string) {
			changeRegistered(t, object, func(s map[string]any) { s["Meta"] = map[string]any{"owner": "somebody"} })
		},
		Remake: func(object string) {
			id := object[strings.LastIndexByte(object, '/')+1:]
			was := registration(t, id)
			asked(t, real.Addr, http.MethodPut, "/v1/agent/service/deregister/"+id, "")
			until(t, "it is gone", func() bool {
				return !strings.Contains(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+one, ""), id)
			})
			put, err := json.Marshal(was)
			if err != nil {
				t.Fatal(err)
			}
			asked(t, real.Addr, http.MethodPut, "/v1/agent/service/register", string(put))
			synced(t, one)
		},
		Hide: func() { setRules(t, rules+fmt.Sprintf("service %q { policy = \"deny\" }\n", one)) },
	}
}

// registered makes an instance of the agent's own, with a check of a day.
func registered(t testing.TB, service, id, addr string, weight int) (object string) {
	t.Helper()
	asked(t, real.Addr, http.MethodPut, "/v1/agent/service/register", fmt.Sprintf(
		`{"ID":%q,"Name":%q,"Address":%q,"Port":81,"Tags":["v2"],"Meta":{"owner":"ops"},"TaggedAddresses":{"lan":{"Address":"127.0.0.7","Port":7}},`+
			`"Connect":{"Native":true},"Weights":{"Passing":%d,"Warning":3},"Check":{"TTL":"24h","Status":"passing","Notes":"ttl"}}`, id, service, addr, weight))
	t.Cleanup(func() { asked(t, real.Addr, http.MethodPut, "/v1/agent/service/deregister/"+id, "") })
	synced(t, service)
	return service + "/" + real.Nodes[0].Name + "/" + id
}

// registration is what registers an instance of the agent's anew as it is.
func registration(t testing.TB, id string) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal([]byte(asked(t, real.Addr, http.MethodGet, "/v1/agent/service/"+id, "")), &s); err != nil {
		t.Fatal(err)
	}
	s["Name"] = s["Service"]
	delete(s, "Service")
	delete(s, "ContentHash")
	s["Check"] = map[string]any{"TTL": "24h", "Status": "passing", "Notes": "ttl"}
	return s
}

func changeRegistered(t testing.TB, object string, change func(map[string]any)) {
	t.Helper()
	s := registration(t, object[strings.LastIndexByte(object, '/')+1:])
	delete(s, "Check")
	change(s)
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	asked(t, real.Addr, http.MethodPut, "/v1/agent/service/register", string(b))
	synced(t, strings.Split(object, "/")[0])
}

// synced waits until the catalog has of a service's instances what the agent has.
func synced(t testing.TB, service string) {
	t.Helper()
	until(t, "the catalog has what the agent has", func() bool {
		var own map[string]struct {
			Service string
			Weights map[string]int
			Meta    map[string]string
		}
		if err := json.Unmarshal([]byte(asked(t, real.Addr, http.MethodGet, "/v1/agent/services", "")), &own); err != nil {
			t.Fatal(err)
		}
		var all []struct {
			Service struct {
				ID      string
				Weights map[string]int
				Meta    map[string]string
			}
		}
		if err := json.Unmarshal([]byte(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+service, "")), &all); err != nil {
			t.Fatal(err)
		}
		for id, s := range own {
			if s.Service == service && !slices.ContainsFunc(all, func(e struct {
				Service struct {
					ID      string
					Weights map[string]int
					Meta    map[string]string
				}
			}) bool {
				return e.Service.ID == id && fmt.Sprint(e.Service.Weights, e.Service.Meta) == fmt.Sprint(s.Weights, s.Meta)
			}) {
				return false
			}
		}
		return true
	})
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("not within 20 s: " + what)
		}
	}
}

func TestServicesOfAgents(t *testing.T) { cutovertest.MediumSuite(t, agentsUnderTest) }
