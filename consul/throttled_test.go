package consul_test

import (
	"errors"
	"net/http"
	"testing"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// TestThrottledListing: every medium's listing that is refused for being asked too often says for how long, also where Consul doesn't, and a
// write that had to list first is to be tried then: nothing of it was sent.
func TestThrottledListing(t *testing.T) {
	m, service, name := management(t), "search-"+unique(), "mesh-"+unique()
	key := "gateway/" + unique()
	put(t, m, key, "5", 0)
	put(t, m, "upstreams/"+service+"/10.1.0.1:80", `{"weight":7}`, 0)
	instance := external(t, service, service+"-h", "127.1.7.1", 95, "")
	mesh(t, real.Addr, name, "", `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(*http.Request) bool { return true })
	c := client(t, proxy.Addr(), nil)
	seat := cutover.Seat{Route: "r"}
	keys := c.NumberKeys("keys", "home", map[cutover.Seat]consul.KeySpec{seat: {Key: key, As: "percent", Of: "cloud"}}, rooms)
	services := c.Services("services", map[cutover.Seat]consul.ServiceSpec{seat: {Service: service, Consumer: "generic"}}, consul.ServicesOptions{Rooms: signs, Here: "home"})
	media := map[string]cutover.Medium{
		"keys": keys, "services": services,
		"upstreams": c.Upstreams("upstreams", map[cutover.Seat]consul.UpstreamSpec{seat: {Name: service, Consumer: consul.Upsync}}, rooms[:], networks),
		"splitters": c.Splitters("splitters", map[cutover.Seat]consul.SplitterSpec{seat: {Service: name, Rooms: legNames}}),
	}
	for _, medium := range media { // a splitter's primary datacenter is known from then on
		if _, err := medium.Read(within10s(t), []cutover.Seat{seat}); err != nil {
			t.Fatal(err)
		}
	}
	puts := 0
	for after, want := range map[string]cutover.T{"3": 3 * cutover.Second, "": cutover.Second} {
		refuse := func() { // the next request
			proxy.Answer(func(r *http.Request) *http.Response {
				if r.Method == http.MethodPut && r.URL.Path != "/v1/txn" {
					puts++
				}
				return answer(429, "rate limit exceeded", http.Header{"Retry-After": {after}})
			})
		}
		for what, medium := range media {
			refuse()
			_, err := medium.Read(within10s(t), []cutover.Seat{seat})
			var later *cutover.Throttled
			if !errors.As(err, &later) || later.After != want || !errors.Is(err, consul.ErrThrottled) {
				t.Errorf("%s, Retry-After %q: %v, want it asked again after %s", what, after, err, want.Duration())
			}
		}
		fence := cutover.Fence{Session: "any", Key: "any"}
		for object, medium := range map[string]cutover.Medium{key: keys, instance: services} {
			refuse()
			change := cutover.Change{Seat: seat, Object: object, Before: "5", After: "6"}
			if o := medium.Write(within10s(t), fence, []cutover.Change{change})[0]; o.What != cutover.Failed || o.RetryAfter != want {
				t.Errorf("%s is written after its listing was refused: %+v, want it failed, for %s", object, o, want.Duration())
			}
		}
	}
	if puts != 0 {
		t.Errorf("%d requests that write", puts)
	}
}
