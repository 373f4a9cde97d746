package consul_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
	"roomshift/lab/server"
)

// TestSplitterOfPrimary: whichever of two federated datacenters is asked, the splitter is read and written in the primary.
func TestSplitterOfPrimary(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	primary, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{Datacenter: "first", WAN: true})
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Kill()
	second, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{Datacenter: "second", Primary: primary})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Kill()
	mesh(t, primary.Addr, "mesh-p", "", `{"Weight":90,"ServiceSubset":"home"},{"Weight":10,"ServiceSubset":"cloud"}`)
	proxy := cutovertest.NewProxy(t, strings.TrimPrefix(second.Addr, "http://"))
	seat := cutover.Seat{Route: "mesh"}
	c := client(t, proxy.Addr(), func(c *consul.Config) { c.Datacenter, c.TokenFile = "second", "" })
	s := c.Splitters("p", map[cutover.Seat]consul.SplitterSpec{seat: {Service: "mesh-p", Rooms: legNames}})
	var dcs []string
	proxy.Only(func(r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/config") {
			dcs = append(dcs, r.URL.Query().Get("dc"))
		}
		return true
	})
	held, err := awaitSplitter(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	waves, err := s.Shape(held, map[cutover.Seat]cutover.Share{seat: {"home": 7000, "cloud": 3000}})
	if err != nil {
		t.Fatal(err)
	}
	if o := s.Write(ctx, cutover.Fence{}, waves[0])[0]; o.What != cutover.Done {
		t.Fatal(o.What, o.Err)
	}
	if got := asked(t, primary.Addr, http.MethodGet, "/v1/config/service-splitter/mesh-p", ""); !bytes.Contains([]byte(got), []byte(`"Weight":30`)) {
		t.Errorf("the primary holds %s", got)
	}
	if i := slices.IndexFunc(dcs, func(dc string) bool { return dc != "first" }); i >= 0 || len(dcs) < 4 {
		t.Errorf("config entries were asked for in %q, want first alone", dcs)
	}
	onlyOnce(t, primary, second)
}

// onlyOnce: the splitter of two that are federated is one, also as two seats, and so is a key behind two addresses of one Consul; a key of the
// same name in each of the two is not.
func onlyOnce(t *testing.T, primary, second *server.Consul) {
	t.Helper()
	for _, of := range []*server.Consul{primary, second} {
		asked(t, of.Addr, http.MethodPut, "/v1/kv/gateway/once", "5")
	}
	type room struct{ name, addr, datacenter string }
	first, other := room{"home", primary.Addr, "first"}, room{"cloud", second.Addr, "second"}
	plane := func(r room, kind string) cutover.Plane {
		c := client(t, "", func(c *consul.Config) { c.Name, c.Addr, c.Datacenter, c.TokenFile = r.name, r.addr, r.datacenter, "" })
		seat := cutover.Seat{Route: "once", At: r.name}
		if kind == "splitter" {
			s := c.Splitters("splitters@"+r.name, map[cutover.Seat]consul.SplitterSpec{seat: {Service: "mesh-p", Rooms: legNames}})
			return c.SplittersPlane("splitters@"+r.name, r.name, r.name, s)
		}
		keys := c.NumberKeys("keys@"+r.name, r.name, map[cutover.Seat]consul.KeySpec{seat: {Key: "gateway/once", As: "percent", Of: "cloud"}}, rooms)
		return c.Plane("keys@"+r.name, r.name, r.name, keys)
	}
	for _, c := range []struct {
		kind string
		a, b room
		says string
	}{
		{"splitter", first, other, "both are splitter/mesh-p, since the rooms' Consuls are federated"},
		{"key", first, other, ""},
		{"key", first, room{"cloud", strings.Replace(primary.Addr, "127.0.0.1", "localhost", 1), "first"}, "both are gateway/once, since the addresses of two rooms lead to one Consul"},
		{"key", first, room{"cloud", second.Addr, "first"}, "lead to one Consul"}, // an agent elsewhere that is asked for the first's
	} {
		planes := []cutover.Plane{plane(c.a, c.kind), plane(c.b, c.kind)}
		var held []cutover.Held
		for _, pl := range planes {
			of, err := pl.Medium.Read(within10s(t), pl.Seats)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, of...)
		}
		err := consul.Once(within10s(t), planes, held)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), "once@home and once@cloud are one and the same: ") || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s in %v and %v: %v, want %q", c.kind, c.a, c.b, err, c.says)
		}
	}
}

// awaitSplitter waits until the two have found each other.
func awaitSplitter(ctx context.Context, s *consul.Splitters) ([]cutover.Held, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		held, err := s.Read(ctx, s.Seats())
		if err == nil {
			return held, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-tick.C:
		}
	}
}

// TestSplitterIsObeyed: what is written is what proxies are configured by, as Consul's discovery chain tells it, to the hundredth of a percent.
func TestSplitterIsObeyed(t *testing.T) {
	s, _, change := oneSplitter(t)
	name := strings.TrimPrefix(change.Object, "splitter/")
	for _, cloud := range []int{3000, 53, 418, 10000, 0} {
		held, err := s.Read(within10s(t), s.Seats())
		if err != nil {
			t.Fatal(err)
		}
		waves, err := s.Shape(held, map[cutover.Seat]cutover.Share{change.Seat: {"home": cutover.Whole - cloud, "cloud": cloud}})
		if err != nil {
			t.Fatal(err)
		}
		if o := s.Write(within10s(t), cutover.Fence{}, waves[0])[0]; o.What != cutover.Done {
			t.Fatal(o.What, o.Err)
		}
		var chain struct {
			Chain struct {
				Nodes map[string]struct {
					Splits []struct {
						Weight   float64
						NextNode string
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(asked(t, real.Addr, http.MethodGet, "/v1/discovery-chain/"+name, "")), &chain); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, node := range chain.Chain.Nodes {
			for _, split := range node.Splits {
				room, _, _ := strings.Cut(strings.TrimPrefix(split.NextNode, "resolver:"), ".")
				seen[room] += int(split.Weight*100 + 0.5)
			}
		}
		if seen["cloud"] != cloud || seen["home"] != cutover.Whole-cloud {
			t.Errorf("%d basis points of the cloud's are obeyed as %v", cloud, seen)
		}
	}
}
