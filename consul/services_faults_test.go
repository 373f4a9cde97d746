package consul_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/lab/server"
)

// long is for what takes as long as it says: minutes.
var long = flag.Bool("long", false, "run what takes minutes")

// someServices are n instances of one service, half of them in each room, and what brings the cloud to 40 %.
func someServices(t testing.TB, n int) (string, *consul.Services, cutover.Plane, *cutovertest.Proxy, [][]cutover.Change) {
	t.Helper()
	service := "search-" + unique()
	for i := range n {
		room, addr := "h", "127.1.1.1"
		if i%2 == 1 {
			room, addr = "c", "127.2.1.1"
		}
		external(t, service, fmt.Sprintf("%s-%s%d", service, room, i), addr, 100, "")
	}
	s, pl, proxy := servicesOf(t, service, "generic", consul.ServicesOptions{})
	return service, s, pl, proxy, shape(t, s, listing(t, s), 4000)
}

// TestServiceRequests: a full transaction is one request, and so is the next one by the versions that it answered; who has never seen the
// instances lists them first; one that was rolled back lists them after.
func TestServiceRequests(t *testing.T) {
	service, s, pl, proxy, waves := someServices(t, 2*21)
	f := session(t, management(t))
	count := func(what string, want int, write func()) {
		t.Helper()
		before := proxy.Sent()
		write()
		if n := proxy.Sent() - before; n != want {
			t.Errorf("%s: %d requests, want %d", what, n, want)
		}
	}
	wave := waves[0]
	if len(wave) != 21 || pl.MaxChanges != 21 {
		t.Fatalf("%d changes, %d at once, want 21", len(wave), pl.MaxChanges)
	}
	var undo []cutover.Change
	count("21 instances", 1, func() { undo = land(t, s, pl, f, [][]cutover.Change{wave}) })
	count("21 instances back", 1, func() { land(t, s, pl, f, [][]cutover.Change{undo}) })
	fresh := client(t, proxy.Addr(), nil).Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: service, Consumer: "generic"}},
		consul.ServicesOptions{Rooms: signs, Here: "home"})
	held := listing(t, s)
	again := shape(t, s, held, 4000)
	count("who has just taken over", 2, func() { undo = land(t, fresh, pl, f, again[:1]) })
	changeEntry(t, undo[3].Object, weighted("77"))
	count("one is foreign", 2, func() {
		for i, o := range fresh.Write(within10s(t), f, undo) {
			want := cutover.Failed
			if i == 3 {
				want = cutover.Foreign
			}
			if o.What != want || i == 3 && o.Found != "77" || o.Err == nil {
				t.Errorf("change %d: %v %q: %v, want %v", i, o.What, o.Found, o.Err, want)
			}
			if i != 3 && (o.Found != undo[i].Before || o.Version == "") {
				t.Errorf("change %d can't be sent again: %q at %q", i, o.Found, o.Version)
			}
		}
	})
	for i := range undo {
		undo[i].Version = ""
	}
	count("one is foreign when it is looked at first", 1, func() {
		for i, o := range fresh.Write(within10s(t), f, undo) {
			if want := map[bool]cutover.What{true: cutover.Foreign, false: cutover.Failed}[i == 3]; o.What != want || o.Err == nil {
				t.Errorf("change %d: %v: %v, want %v", i, o.What, o.Err, want)
			}
		}
	})
}

// TestServiceAnswers: what Consul says when it doesn't do as asked.
func TestServiceAnswers(t *testing.T) {
	_, s, _, proxy, waves := someServices(t, 4)
	f, wave := session(t, management(t)), waves[0]
	for i, c := range []struct {
		status int
		body   string
		what   cutover.What
		err    error
		says   string
	}{
		{429, "slow down", cutover.Failed, consul.ErrThrottled, ""},
		{500, "No cluster leader", cutover.Failed, consul.ErrNoLeader, ""},
		{500, "leadership lost while committing log", cutover.Unknown, cutover.ErrOutcomeUnknown, ""},
		{413, "Request body too large", cutover.Failed, consul.ErrTooLarge, ""},
		{409, `{"Errors":[{"OpIndex":0,"What":"failed session check"}]}`, cutover.Failed, cutover.ErrLeaseLost, ""},
		{409, `{"Errors":[{"OpIndex":0,"What":"Permission denied"}]}`, cutover.Failed, consul.ErrForbidden, `{ policy = "read" }`},
		{409, `{"Errors":[{"OpIndex":1,"What":"Permission denied"}]}`, cutover.Failed, consul.ErrForbidden, `{ policy = "write" }`},
		{409, `{"Errors":[{"OpIndex":1,"What":"index is stale"}]}`, cutover.Failed, nil, "holds 100 as before"},
		{200, `{"Results":[]}`, cutover.Unknown, cutover.ErrOutcomeUnknown, "lacks its index"},
		{200, `{"Results":[{"Service":{"ID":"another","ModifyIndex":7}},{"Service":{"ID":"other","ModifyIndex":7}}]}`, cutover.Unknown, cutover.ErrOutcomeUnknown, ""},
		{200, "{", cutover.Unknown, cutover.ErrOutcomeUnknown, ""},
	} {
		proxy.Only(func(r *http.Request) bool { return r.URL.Path == "/v1/txn" })
		proxy.Answer(func(*http.Request) *http.Response { return answer(c.status, c.body, http.Header{"Retry-After": {"7"}}) })
		o := s.Write(within10s(t), f, wave)[0]
		if o.What != c.what || o.Err == nil || c.err != nil && !errors.Is(o.Err, c.err) || !strings.Contains(o.Err.Error(), c.says) {
			t.Errorf("case %d: %d %s: %v: %v, want %v: %v %s", i, c.status, c.body, o.What, o.Err, c.what, c.err, c.says)
		}
		if c.status == 429 && o.RetryAfter != 7*cutover.Second {
			t.Errorf("case %d: again after %v", i, o.RetryAfter)
		}
	}
	for status, body := range map[int]string{429: "rate limit", 503: "rate limit exceeded for operation"} { // Consul itself names no time
		proxy.Answer(func(*http.Request) *http.Response { return answer(status, body, nil) })
		if o := s.Write(within10s(t), f, wave)[0]; o.What != cutover.Failed || !errors.Is(o.Err, consul.ErrThrottled) || o.RetryAfter != cutover.Second {
			t.Errorf("%d without a time: %v, again after %v: %v; want failed, after 1 s", status, o.What, o.RetryAfter, o.Err)
		}
	}
	if held := listing(t, s); fmt.Sprint(shape(t, s, held, 4000)) != fmt.Sprint(waves) {
		t.Errorf("something was changed: %v", held)
	}
	// Newer Consuls say when a token didn't see all of them.
	proxy.Only(nil)
	proxy.Answer(func(*http.Request) *http.Response {
		return answer(200, "[]", http.Header{"X-Consul-Results-Filtered-By-Acls": {"true"}})
	})
	if held, err := s.Read(within10s(t), s.Seats()); !errors.Is(err, consul.ErrForbidden) || !strings.Contains(err.Error(), "some are left out") {
		t.Errorf("a listing that leaves some out is %v: %v", held, err)
	}
}

// TestLateDrain: a transaction that is still on its way when a newer one has landed changes nothing, whether it takes an instance out, which
// moves no weight, or gives it one.
func TestLateDrain(t *testing.T) {
	for _, c := range []struct{ late, newer, holds string }{{"0:100", "50", "50"}, {"50", "0:100", "0:100"}} {
		_, s, _, proxy, waves := someServices(t, 2)
		f, change := session(t, management(t)), waves[0][0]
		late, newer := change, change
		late.After, newer.After = c.late, c.newer
		held := proxy.Hold()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan cutover.Outcome, 1)
		go func() { done <- s.Write(ctx, f, []cutover.Change{late})[0] }()
		held()
		cancel()
		if o := <-done; o.What != cutover.Unknown {
			t.Fatalf("%+v: the one on its way is %v", c, o.What)
		}
		if o := s.Write(within10s(t), f, []cutover.Change{newer})[0]; o.What != cutover.Done {
			t.Fatalf("%+v: the newer one is %v: %v", c, o.What, o.Err)
		}
		proxy.Release()
		for _, h := range listing(t, s) {
			if h.Object == change.Object && h.Value != c.holds {
				t.Errorf("%+v: it holds %s", c, h.Value)
			}
		}
	}
}

// oneOfAgent is an instance of an agent's with what gives it another weight. Requests of the agent's go through the proxy, too.
func oneOfAgent(t *testing.T) (string, *consul.Services, *cutovertest.Proxy, cutover.Change) {
	service := "search-" + unique()
	object := registered(t, service, service+"-h0", "127.1.9.1", 100)
	proxy := cutovertest.NewProxy(t, realHost())
	port := 0
	if _, err := fmt.Sscanf(proxy.Addr(), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	s := client(t, proxy.Addr(), nil).Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: service, Consumer: "generic"}},
		consul.ServicesOptions{Rooms: signs, Here: "home", AgentsPort: port})
	h := listing(t, s)[0]
	return service, s, proxy, cutover.Change{Seat: search, Plane: "services", Object: object, Before: h.Value, After: "250", Version: h.Version}
}

// TestAgentIsShown: a write through an agent isn't done before the catalog shows it, which is where consumers read.
func TestAgentIsShown(t *testing.T) {
	service, s, proxy, change := oneOfAgent(t)
	f := session(t, management(t))
	path := "/v1/health/service/" + service
	old := asked(t, real.Addr, http.MethodGet, path+"?consistent", "")
	asks := 0
	proxy.Only(func(r *http.Request) bool {
		if r.URL.Path == path {
			asks++
		}
		return r.URL.Path == path && asks == 1
	})
	proxy.Answer(func(*http.Request) *http.Response { return answer(200, old, http.Header{"X-Consul-Index": {"1"}}) })
	o := s.Write(within10s(t), f, []cutover.Change{change})[0]
	if o.What != cutover.Done || asks < 2 || listing(t, s)[0].Version != o.Version {
		t.Errorf("%v after %d listings: %v, want it done once the second shows it", o.What, asks, o.Err)
	}
	change.Before, change.After = change.After, "300"
	proxy.Only(func(r *http.Request) bool { return r.URL.Path == path })
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	proxy.Answer(func(*http.Request) *http.Response {
		proxy.Stall()
		return answer(200, old, http.Header{"X-Consul-Index": {"1"}})
	})
	if o := s.Write(ctx, f, []cutover.Change{change})[0]; o.What != cutover.Unknown || !errors.Is(o.Err, cutover.ErrOutcomeUnknown) {
		t.Errorf("never shown: %v: %v, want unknown", o.What, o.Err)
	}
}

// TestAgentFaults: an agent that doesn't answer, or isn't the node's, or has the instance in somebody's maintenance, is told as such and
// nothing is written; a service that it doesn't know is gone.
func TestAgentFaults(t *testing.T) {
	service, s, proxy, change := oneOfAgent(t)
	f := session(t, management(t))
	id := service + "-h0"
	puts := 0
	proxy.Only(func(r *http.Request) bool {
		if r.Method == http.MethodPut {
			puts++
		}
		return strings.HasPrefix(r.URL.Path, "/v1/agent/health")
	})
	for _, c := range []struct {
		status int
		body   string
		what   cutover.What
		says   string
	}{
		{503, "no healthy upstream", cutover.Failed, "ask the agent of"},
		{404, "404 page not found", cutover.Failed, "ask the agent of"},
		{403, "Permission denied", cutover.Failed, `service "` + service + `" { policy = "write" }`},
		{404, `{"AggregatedStatus":"critical","Service":null,"Checks":null}`, cutover.Foreign, "isn't known to its agent"},
		{200, `{"AggregatedStatus":"passing","Service":{"ID":"x","Weights":{"Passing":100}},"Checks":[{"Node":"mars"}]}`, cutover.Failed, "the agent that answers there is mars's"},
		{200, `{"AggregatedStatus":"passing","Service":{"ID":"x"},"Checks":[]}`, cutover.Failed, "tells no weight"},
		{200, `{"AggregatedStatus":"passing","Service":{"ID":"x","Weights":{"Passing":1}},"Checks":[]}`, cutover.Foreign, "its agent holds 1, want 100"},
	} {
		proxy.Answer(func(*http.Request) *http.Response { return answer(c.status, c.body, nil) })
		o := s.Write(within10s(t), f, []cutover.Change{change})[0]
		if o.What != c.what || o.Err == nil || !strings.Contains(o.Err.Error(), c.says) {
			t.Errorf("%d %s: %v: %v, want %v: %s", c.status, c.body, o.What, o.Err, c.what, c.says)
		}
	}
	asked(t, real.Addr, http.MethodPut, "/v1/agent/service/maintenance/"+id+"?enable=true&reason=deploy", "")
	out := change
	out.After, out.Version = "0", ""
	if o := s.Write(within10s(t), f, []cutover.Change{out})[0]; o.What != cutover.Failed || !strings.Contains(o.Err.Error(), `maintenance ("deploy")`) {
		t.Errorf("in somebody's maintenance: %v: %v", o.What, o.Err)
	}
	if puts != 0 {
		t.Errorf("%d requests that write", puts)
	}
	until(t, "the catalog has the maintenance", func() bool {
		return strings.Contains(asked(t, real.Addr, http.MethodGet, "/v1/health/service/"+service, ""), "deploy")
	})
	if h := listing(t, s)[0]; h.Live || h.Value != "100" {
		t.Errorf("in somebody's maintenance it is %+v, want it down with its weight", h)
	}
	asked(t, real.Addr, http.MethodPut, "/v1/agent/service/maintenance/"+id+"?enable=false", "")
}

// TestAgentKeeps: an agent's own sync undoes what is written into the catalog beside it, and keeps what was written through it: weights, and
// that an instance is out. Restarted agents sync at once, so that this takes seconds; -long waits for the sync that comes by itself.
func TestAgentKeeps(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	own, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{Datacenter: "home"})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Kill()
	for _, id := range []string{"by-agent", "out", "beside"} {
		asked(t, own.Addr, http.MethodPut, "/v1/agent/service/register", fmt.Sprintf(`{"ID":%q,"Name":"search","Address":"127.1.1.1","Weights":{"Passing":100,"Warning":3}}`, id))
	}
	c, err := consul.New(consul.Config{Name: "home", Addr: own.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := c.Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: "search", Consumer: "generic"}},
		consul.ServicesOptions{Rooms: signs, Here: "home", AgentsPort: own.Nodes[0].HTTP})
	prefix := "search/" + own.Nodes[0].Name + "/"
	values := func() string {
		held, err := s.Read(ctx, s.Seats())
		if err != nil {
			return err.Error()
		}
		text := ""
		for _, h := range held {
			text += strings.TrimPrefix(h.Object, prefix) + "=" + h.Value + " "
		}
		return text
	}
	until(t, "the catalog has all three", func() bool { return values() == "beside=100 by-agent=100 out=100 " })
	f := cutover.Fence{Session: "any", Key: "any"} // agents take no part in it
	for _, c := range []cutover.Change{{Object: prefix + "by-agent", After: "250"}, {Object: prefix + "out", After: "0"}} {
		c.Seat, c.Before = search, "100"
		if o := s.Write(ctx, f, []cutover.Change{c})[0]; o.What != cutover.Done {
			t.Fatal(o.What, o.Err)
		}
	}
	asked(t, own.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(
		`{"Node":%q,"Address":"127.0.0.1","SkipNodeUpdate":true,"Service":{"ID":"beside","Service":"search","Address":"127.1.1.1","Weights":{"Passing":250,"Warning":3}}}`, own.Nodes[0].Name))
	const written = "beside=250 by-agent=250 out=0 "
	if got := values(); got != written {
		t.Fatalf("after the writes: %s, want %s", got, written)
	}
	limit := 30 * time.Second
	if *long {
		limit = 200 * time.Second // twice ae_interval with its stagger, and some more
	} else {
		own.Kill()
		if err := own.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := own.Ready(ctx); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	const synced = "beside=100 by-agent=250 out=0 "
	for end := time.Now().Add(limit); values() != synced; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after the agent's sync: %s, want %s: only what was written beside the agent is undone", values(), synced)
		}
	}
	if *long { // and it stays so
		<-time.After(130 * time.Second)
		if got := values(); got != synced {
			t.Errorf("130 s later: %s, want %s", got, synced)
		}
	}
}
