package consul_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// serviceRules are what splitters and service weights of the tests need.
const serviceRules = `service_prefix "mesh-" { policy = "write" }
service_prefix "search-" { policy = "write" }
node_prefix "" { policy = "read" }
agent_prefix "" { policy = "read" }
`

// asked makes a request as somebody else who may do anything.
func asked(t testing.TB, addr, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Consul-Token", real.Management)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, b, err)
	}
	return string(b)
}

// mesh makes a service of which two rooms are subsets, with a splitter of these legs, in JSON.
func mesh(t testing.TB, addr, name, meta, legs string) {
	t.Helper()
	for _, entry := range []string{
		fmt.Sprintf(`{"Kind":"service-defaults","Name":%q,"Protocol":"http"}`, name),
		fmt.Sprintf(`{"Kind":"service-defaults","Name":"%s-home","Protocol":"http"}`, name),
		fmt.Sprintf(`{"Kind":"service-defaults","Name":"%s-cloud","Protocol":"http"}`, name),
		fmt.Sprintf(`{"Kind":"service-resolver","Name":%q,"Subsets":{"home":{"Filter":"Service.Meta.room == home"},`+
			`"cloud":{"Filter":"Service.Meta.room == cloud"},"canary":{"Filter":"Service.Meta.room == canary"}}}`, name),
		fmt.Sprintf(`{"Kind":"service-splitter","Name":%q%s,"Splits":[%s]}`, name, meta, legs),
	} {
		asked(t, addr, http.MethodPut, "/v1/config", entry)
	}
}

var legNames = map[cutover.Room][]string{"home": {"home"}, "cloud": {"cloud"}}

// weightIn finds the weights of a splitter in Consul's JSON, not by the product's way.
var weightIn = regexp.MustCompile(`("Weight": ?)([0-9.]+)(,\s*"(?:Service|ServiceSubset)": ?"(?:mesh-[^"]*-)?(home|cloud)")`)

func splitterOf(t testing.TB, object string) string {
	return asked(t, real.Addr, http.MethodGet, "/v1/config/service-splitter/"+strings.TrimPrefix(object, "splitter/"), "")
}

// indexIn are what a change always moves.
var indexIn = regexp.MustCompile(`"ModifyIndex": ?\d+`)

// splittersUnderTest are two splitters in the real Consul: two subsets, and one leg of another service beside one that isn't a room's.
func splittersUnderTest(t *testing.T) cutovertest.MediumUnderTest {
	one, two := "mesh-"+unique(), "mesh-"+unique()
	mesh(t, real.Addr, one, `,"Meta":{"owner":"ops ✓"}`, `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	mesh(t, real.Addr, two, "", `{"Weight":2.5,"Service":"`+two+`-cloud"},{"Weight":50,"ServiceSubset":"canary"},{"Weight":47.5,"ServiceSubset":"home"}`)
	seats := map[cutover.Seat]consul.SplitterSpec{
		{Route: "mesh", At: "home"}: {Service: one, Rooms: legNames},
		{Route: "grid"}:             {Service: two, Rooms: legNames},
	}
	m := management(t)
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut }) // TestSplitterRequests counts all of them
	c := client(t, proxy.Addr(), nil)
	splitters := c.Splitters("mesh@home", seats)
	put := func(body string) { asked(t, real.Addr, http.MethodPut, "/v1/config", body) }
	return cutovertest.MediumUnderTest{
		Medium: splitters, Plane: c.SplittersPlane("mesh@home", "home", "home", splitters), Seats: splitters.Seats(), Rooms: rooms,
		Fence: session(t, m), Secrets: []string{real.Token, real.Management}, Wire: proxy.Wire(), Shares: []int{300, 418, 6000}, // 4.18 × 100 is less than 418 to a computer
		Foreign: func(object, value string) {
			put(indexFree(weightIn.ReplaceAllStringFunc(splitterOf(t, object), func(leg string) string {
				m := weightIn.FindStringSubmatch(leg)
				weight := regexp.MustCompile(m[4] + `=([0-9.]+)`).FindStringSubmatch(value)[1]
				return m[1] + weight + m[3]
			})))
		},
		Rest: func(object string) string {
			return indexIn.ReplaceAllString(weightIn.ReplaceAllString(splitterOf(t, object), `${1}#${3}`), "#")
		},
		Disturb: func(object string) {
			put(indexFree(strings.Replace(splitterOf(t, object), `"Splits"`, `"Meta": {"disturbed": "yes"}, "Splits"`, 1)))
		},
		Remake: func(object string) {
			body := splitterOf(t, object)
			asked(t, real.Addr, http.MethodDelete, "/v1/config/service-splitter/"+strings.TrimPrefix(object, "splitter/"), "")
			put(indexFree(body))
		},
		Hide: func() { setRules(t, rules+fmt.Sprintf("service %q { policy = \"deny\" }\n", one)) },
	}
}

// indexFree is an entry as it may be written without a comparison. Of two members of a name the later one counts.
func indexFree(body string) string {
	var entry map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &entry); err != nil {
		panic(err)
	}
	delete(entry, "CreateIndex")
	delete(entry, "ModifyIndex")
	b, err := json.Marshal(entry)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestSplitters(t *testing.T) {
	cutovertest.MediumSuite(t, splittersUnderTest)
	c := client(t, "", nil)
	pl := c.SplittersPlane("p", "home", "home", c.Splitters("p", nil))
	if pl.FencedByServer || !pl.HasCAS || pl.Lateness < 10*cutover.Second || pl.MaxChanges != 1 {
		t.Errorf("%+v: no session fences a splitter, an agent keeps a write for 7 s while it looks for a leader, and one entry is written in a request", pl)
	}
}

// oneSplitter is a splitter at 90/10 with what changes it to 70/30.
func oneSplitter(t *testing.T) (*consul.Splitters, *cutovertest.Proxy, cutover.Change) {
	name := "mesh-" + unique()
	mesh(t, real.Addr, name, "", `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	proxy := cutovertest.NewProxy(t, realHost())
	seat := cutover.Seat{Route: "mesh", At: "home"}
	s := client(t, proxy.Addr(), nil).Splitters("p", map[cutover.Seat]consul.SplitterSpec{seat: {Service: name, Rooms: legNames}})
	held, err := s.Read(within10s(t), s.Seats())
	if err != nil {
		t.Fatal(err)
	}
	waves, err := s.Shape(held, map[cutover.Seat]cutover.Share{seat: {"home": 7000, "cloud": 3000}})
	if err != nil {
		t.Fatal(err)
	}
	return s, proxy, waves[0][0]
}

// TestSplitterRequests: a write is read, compare-and-set and read back, and not one request more; what couldn't be read first isn't sent.
func TestSplitterRequests(t *testing.T) {
	s, proxy, change := oneSplitter(t)
	before := proxy.Sent()
	if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Fatal(o.What, o.Err)
	}
	if n := proxy.Sent() - before; n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	change.Before, change.After = change.After, change.Before
	for i, c := range []struct {
		only   string // the method of the request that has this answer
		status int
		body   string
		what   cutover.What
		err    error
		lands  bool
	}{
		{http.MethodGet, 500, "rpc error", cutover.Failed, nil, false},
		{http.MethodPut, 500, "No cluster leader", cutover.Failed, consul.ErrNoLeader, false},
		{http.MethodPut, 429, "slow down", cutover.Failed, consul.ErrThrottled, false},
		{http.MethodPut, 403, "Permission denied", cutover.Failed, consul.ErrForbidden, false},
		{http.MethodPut, 500, "leadership lost while committing log", cutover.Unknown, cutover.ErrOutcomeUnknown, false},
		{http.MethodPut, 200, "perhaps", cutover.Unknown, cutover.ErrOutcomeUnknown, false},
	} {
		proxy.Only(func(r *http.Request) bool { return r.Method == c.only })
		proxy.Answer(func(*http.Request) *http.Response { return answer(c.status, c.body, http.Header{"Retry-After": {"7"}}) })
		o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]
		if o.What != c.what || o.Err == nil || c.err != nil && !errors.Is(o.Err, c.err) {
			t.Errorf("case %d: %d %s: %v: %v, want %v: %v", i, c.status, c.body, o.What, o.Err, c.what, c.err)
		}
		if c.status == 429 && o.RetryAfter != 7*cutover.Second {
			t.Errorf("case %d: retry after %v, want the server's 7 s", i, o.RetryAfter)
		}
		if held, err := s.Read(within10s(t), s.Seats()); err != nil || held[0].Value != change.Before {
			t.Fatalf("case %d: it holds %v: %v", i, held, err)
		}
	}
	// Written, and the reading back has no answer: nobody may say that it is done, or that it isn't.
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut })
	proxy.Answer(func(*http.Request) *http.Response {
		proxy.Only(nil)
		proxy.Answer(func(*http.Request) *http.Response { return answer(500, "no", nil) })
		return answer(200, "true", nil)
	})
	if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Unknown || !errors.Is(o.Err, cutover.ErrOutcomeUnknown) {
		t.Errorf("written and not read back: %v: %v, want unknown", o.What, o.Err)
	}
	// Consul says true, and holds what it held: it isn't done.
	proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut })
	proxy.Answer(func(*http.Request) *http.Response { return answer(200, "true", nil) })
	if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What == cutover.Done {
		t.Error("true without the content is done: want what was read back to count")
	}
}

// TestSplitterLostRace: somebody changes it between the reading and the compare-and-set, which Consul answers with 200 and false.
func TestSplitterLostRace(t *testing.T) {
	s, proxy, change := oneSplitter(t)
	name := strings.TrimPrefix(change.Object, "splitter/")
	race := func(legs string) cutover.Outcome {
		t.Helper()
		proxy.Only(func(r *http.Request) bool { return r.Method == http.MethodPut })
		proxy.Answer(func(r *http.Request) *http.Response {
			mesh(t, real.Addr, name, `,"Meta":{"by":"somebody"}`, legs)
			body, _ := io.ReadAll(r.Body)
			said := asked(t, real.Addr, r.Method, r.URL.RequestURI(), string(body))
			return answer(200, said, nil)
		})
		return s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]
	}
	o := race(`{"Weight":50,"ServiceSubset":"home"},{"Weight":50,"ServiceSubset":"cloud"}`)
	if o.What != cutover.Foreign || o.Found != "cloud=50.00,home=50.00" {
		t.Errorf("another split: %v %q %v, want foreign", o.What, o.Found, o.Err)
	}
	mesh(t, real.Addr, name, "", `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	o = race(`{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	if o.What != cutover.Failed || o.Found != change.Before || o.Version == change.Version {
		t.Errorf("the same split written anew: %v %q at %s: %v, want failed with its new version", o.What, o.Found, o.Version, o.Err)
	}
	if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Done {
		t.Errorf("and again: %v: %v", o.What, o.Err)
	}
	if got := asked(t, real.Addr, http.MethodGet, "/v1/config/service-splitter/"+name, ""); !strings.Contains(got, "somebody") {
		t.Errorf("what somebody wrote beside it is gone: %s", got)
	}
}

// TestStrangeSplitters: what is no split between the rooms is said, by name and with what to do; where somebody makes it so, it is foreign.
func TestStrangeSplitters(t *testing.T) {
	s, _, change := oneSplitter(t)
	name := strings.TrimPrefix(change.Object, "splitter/")
	for says, legs := range map[string]string{
		"two legs that lead to home":  `{"Weight":60,"ServiceSubset":"home"},{"Weight":40,"Service":"` + name + `-home"}`,
		"no leg that leads to a room": `{"Weight":100,"ServiceSubset":"canary"}`,
	} {
		mesh(t, real.Addr, name, "", legs)
		if held, err := s.Read(within10s(t), s.Seats()); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v %v, want %q and the name", legs, held, err, says)
		}
		if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Foreign || o.Err == nil {
			t.Errorf("%s: %v %q: %v, want foreign", legs, o.What, o.Found, o.Err)
		}
	}
	asked(t, real.Addr, http.MethodDelete, "/v1/config/service-splitter/"+name, "")
	if o := s.Write(within10s(t), cutover.Fence{}, []cutover.Change{change})[0]; o.What != cutover.Foreign || !o.Gone {
		t.Errorf("deleted: %v, gone %t: %v, want foreign and gone", o.What, o.Gone, o.Err)
	}
	if _, err := s.Read(within10s(t), s.Seats()); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("deleted reads as %v", err)
	}
}

// TestSplitterShapes: weights in hundredths of a percent, what other legs leave, and what can't be said in it.
func TestSplitterShapes(t *testing.T) {
	seat := cutover.Seat{Route: "mesh"}
	s := client(t, "", nil).Splitters("p", map[cutover.Seat]consul.SplitterSpec{seat: {Service: "x", Rooms: legNames}})
	for _, c := range []struct {
		holds    string
		cloud    int
		want     string // the value, or the error
		weighsAs int
	}{
		{"cloud=0.00,home=100.00", 1, "cloud=0.01,home=99.99", 1},
		{"cloud=0.00,home=100.00", 53, "cloud=0.53,home=99.47", 53},
		{"cloud=0.00,home=100.00", 418, "cloud=4.18,home=95.82", 418},
		{"cloud=0.00,home=100.00", 10000, "cloud=100.00,home=0.00", 10000},
		{"cloud=0.00,home=10.00", 3000, "cloud=3.00,home=7.00", 3000},
		{"cloud=0.00,home=10.00", 3333, "cloud=3.33,home=6.67", 3330},
		{"cloud=0.00,home=0.10", 3333, "can't get", 0},
		{"cloud=0.00,home=0.10", 10, "can't get", 0},
		{"cloud=0.00,home=0.00", 10, "can't get", 0},
		{"home=100.00", 10, "want a leg for each room", 0},
	} {
		held := []cutover.Held{{Seat: seat, Plane: "p", Object: "splitter/x", Value: c.holds, Version: "7", Live: true}}
		waves, err := s.Shape(held, map[cutover.Seat]cutover.Share{seat: {"home": 10000 - c.cloud, "cloud": c.cloud}})
		switch {
		case err != nil:
			if c.weighsAs != 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%d from %s: %v, want %s", c.cloud, c.holds, err, c.want)
			}
		case len(waves) != 1 || waves[0][0].After != c.want || waves[0][0].Gives["cloud"] != c.weighsAs:
			t.Errorf("%d from %s: %v, want %s", c.cloud, c.holds, waves, c.want)
		}
	}
	h := cutover.Held{Object: "splitter/x", Value: "cloud=10.00,home=40.00"}
	for _, v := range []string{"cloud=10,home=40.00", "home=40.00,cloud=10.00", "cloud=10.00 home=40.00", "cloud=10.00,,home=40.00", "cloud=10.00,home=41.00",
		"cloud=50.00", "cloud=10.00,home=40.00,mars=0.00", "", "cloud=-1.00,home=51.00"} {
		if w, err := s.Weigh(h, v); err == nil {
			t.Errorf("%q weighs %v, want an error", v, w)
		}
	}
}
