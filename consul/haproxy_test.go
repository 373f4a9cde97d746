package consul_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/lab/server"
)

// TestHAProxyObeys: what is wanted, what HAProxy itself says that it balances by, and what its clients are answered by agree, within the
// smallest step of its scale or 2 points, from an even start over 5 and 30 % to nothing and back; of instances that the catalog owns and
// of an agent's own. After the agent's sync it is the same: by its restart, with -long by the one that comes by itself.
func TestHAProxyObeys(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	own, err := server.StartConsul(ctx, t.TempDir(), server.ConsulOptions{Datacenter: "home"})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Kill()
	h := balanced(ctx, t, own)
	for _, agents := range []bool{false, true} {
		h.begin(agents)
		for _, cloud := range []int{500, 3000, 0, 1000} {
			h.share(cloud)
		}
		if agents {
			h.afterSync()
		}
		h.end()
	}
}

// balance is a service of five instances that HAProxy balances: three at home, two in the cloud.
type balance struct {
	*testing.T
	ctx     context.Context
	consul  *server.Consul
	haproxy *server.HAProxy
	rooms   map[string]cutover.Room // by address
	port    int
	medium  *consul.Services
	plane   cutover.Plane
	fence   cutover.Fence
	agents  bool
	wanted  int     // basis points
	said    float64 // percent, by HAProxy's own weights
}

func balanced(ctx context.Context, t *testing.T, own *server.Consul) *balance {
	h := &balance{T: t, ctx: ctx, consul: own, rooms: map[string]cutover.Room{"127.1.0.1": "home", "127.1.0.2": "home", "127.1.0.3": "home", "127.2.0.1": "cloud", "127.2.0.2": "cloud"}}
	var err error
	h.haproxy, err = server.StartHAProxy(ctx, t.TempDir(), server.HAProxyOptions{DNS: own.DNS, Service: "search"})
	if errors.Is(err, server.ErrMissing) {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.haproxy.Kill)
	for addr, room := range h.rooms {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", addr, h.port))
		if err != nil {
			t.Fatal(err)
		}
		h.port = l.Addr().(*net.TCPAddr).Port
		s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, room) })}
		go func() { _ = s.Serve(l) }() // ends with Close
		t.Cleanup(func() { _ = s.Close() })
	}
	h.fence = cutover.Fence{Session: h.session(), Key: "roomshift/lock/t", Index: 1}
	asked(t, own.Addr, http.MethodPut, "/v1/kv/"+h.fence.Key+"?acquire="+h.fence.Session, "")
	return h
}

func (h *balance) session() string {
	body := asked(h, h.consul.Addr, http.MethodPut, "/v1/session/create", `{"TTL":"1h","Checks":[]}`)
	return strings.Split(body, `"`)[3]
}

// begin registers the instances with equal weights.
func (h *balance) begin(agents bool) {
	h.agents = agents
	o := consul.ServicesOptions{Rooms: signs, Here: "home"}
	for addr := range h.rooms {
		service := fmt.Sprintf(`{"ID":"i-%s","%%s":"search","Address":%q,"Port":%d,"Weights":{"Passing":256,"Warning":1}}`, addr, addr, h.port)
		if agents {
			asked(h, h.consul.Addr, http.MethodPut, "/v1/agent/service/register", fmt.Sprintf(service, "Name"))
			o.AgentsPort = h.consul.Nodes[0].HTTP
		} else {
			asked(h, h.consul.Addr, http.MethodPut, "/v1/catalog/register", fmt.Sprintf(`{"Node":"ext-%s","Address":%q,"Service":%s}`, addr, addr, fmt.Sprintf(service, "Service")))
		}
	}
	c, err := consul.New(consul.Config{Name: "home", Addr: h.consul.Addr})
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(c.Close)
	h.medium = c.Services("services", map[cutover.Seat]consul.ServiceSpec{search: {Service: "search", Consumer: "haproxy"}}, o)
	h.plane = c.ServicesPlane("services", "home", "home", h.medium)
	h.wanted = 4000
	h.obeys("at the start")
}

// share gives the cloud so many basis points.
func (h *balance) share(cloud int) {
	h.Helper()
	held := listing(h, h.medium)
	if len(held) != len(h.rooms) {
		h.Fatalf("%d instances, want %d", len(held), len(h.rooms))
	}
	land(h, h.medium, h.plane, h.fence, shape(h, h.medium, held, cloud))
	h.wanted = cloud
	h.obeys(fmt.Sprintf("agents %t, %d basis points wanted", h.agents, cloud))
}

// obeys waits until HAProxy balances by what was set, and counts its answers.
func (h *balance) obeys(when string) {
	h.Helper()
	share := cutover.SeatShares(listing(h, h.medium))[search]["cloud"]
	if off := share - h.wanted; max(off, -off) > cutover.Near {
		h.Errorf("%s: %d basis points are set", when, share)
	}
	const n = 1000
	for again := 0; ; again++ {
		said := h.settled(when, share)
		cloud := h.count(when, n)
		seen := 100 * float64(cloud) / n
		h.Logf("%s: wanted %.2f %%, set %.2f, HAProxy says %.2f, answers %.2f of %d", when, float64(h.wanted)/100, float64(share)/100, said, seen, n)
		if math.Abs(seen-float64(h.wanted)/100) <= 2 && (h.wanted > 0 || cloud == 0) {
			return
		}
		if again == 5 { // what it resolves anew meanwhile, after a restart, is another state's share: that passes
			h.Errorf("%s: %.2f %% of the answers are the cloud's", when, seen)
			return
		}
	}
}

// settled waits until HAProxy's own weights give a share, and returns it in percent.
func (h *balance) settled(when string, share int) (said float64) {
	until(h, when+": HAProxy's own weights give that share", func() bool { return h.gives(share) })
	return h.said
}

// gives is whether HAProxy's own weights give a share now.
func (h *balance) gives(share int) bool {
	weights, err := h.haproxy.Weights(h.ctx)
	if err != nil {
		h.Fatal(err)
	}
	sums := map[cutover.Room]int{}
	for addr, w := range weights {
		sums[h.rooms[addr]] += w
	}
	h.said = 100 * float64(sums["cloud"]) / float64(max(1, sums["home"]+sums["cloud"]))
	return sums["home"] > 0 && (sums["cloud"] > 0) == (h.wanted > 0) && math.Abs(h.said-float64(share)/100) < 0.1
}

// count asks HAProxy n times, and returns how often the cloud answered.
func (h *balance) count(when string, n int) (cloud int) {
	h.Helper()
	for range n {
		resp, err := http.Get(h.haproxy.Addr)
		if err != nil {
			h.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			h.Fatalf("%s: %s %v", when, resp.Status, err)
		}
		if string(b) == "cloud" {
			cloud++
		}
	}
	return cloud
}

// afterSync lets the agent sync all that it has, and looks again.
func (h *balance) afterSync() {
	if *long {
		<-time.After(130 * time.Second)
		h.obeys("130 s later")
		return
	}
	h.consul.Kill()
	if err := errors.Join(h.consul.Start(h.ctx), h.consul.Ready(h.ctx)); err != nil {
		h.Fatal(err)
	}
	until(h, "the instances are listed again", func() bool {
		held, err := h.medium.Read(h.ctx, h.medium.Seats())
		return err == nil && len(held) == len(h.rooms)
	})
	h.obeys("after the agent's restart")
}

func (h *balance) end() {
	for addr := range h.rooms {
		if h.agents {
			asked(h, h.consul.Addr, http.MethodPut, "/v1/agent/service/deregister/i-"+addr, "")
		} else {
			asked(h, h.consul.Addr, http.MethodPut, "/v1/catalog/deregister", fmt.Sprintf(`{"Node":"ext-%s"}`, addr))
		}
	}
}
