package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// mesh is a small gateway that does what a mesh proxy does: it asks home's Consul for a service's discovery chain, splits requests by the
// weights there, and sends each leg's to the instances that its subset's filter picks among those that pass.
type mesh struct {
	l       *Lab
	service string
	fleet   *fleet
	server  *webServer
	client  *http.Client
	end     context.CancelFunc
	done    sync.WaitGroup

	mu    sync.Mutex // guards what follows
	legs  []meshLeg
	index uint64 // of the chain that is obeyed
}

// meshLeg is a leg of the splitter that is obeyed.
type meshLeg struct {
	subset string
	filter string
	units  int      // hundredths of a percent
	debt   int      // units owed to it
	hosts  []string // host:port of its instances
	next   int
}

// chainOf is what is read of a discovery chain.
type chainOf struct {
	Chain struct {
		StartNode string
		Nodes     map[string]struct {
			Type   string
			Splits []struct {
				Weight   float64
				NextNode string
			}
			Resolver struct{ Target string }
		}
		Targets map[string]struct {
			ServiceSubset string
			Subset        struct{ Filter string }
		}
	}
}

func newMesh(l *Lab, f *fleet) *mesh {
	return &mesh{l: l, service: f.service, fleet: f, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: forwardLimit}}
}

// start returns once it obeys a chain whose legs have instances.
func (m *mesh) start(ctx context.Context) error {
	watching, end := context.WithCancel(context.Background())
	m.end = end
	m.done.Go(func() { changes(watching, m.readChain) })
	m.done.Go(func() { changes(watching, m.readInstances) })
	err := until(ctx, func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, leg := range m.legs {
			if len(leg.hosts) > 0 {
				return nil
			}
		}
		return fmt.Errorf("%d legs, none with an instance", len(m.legs))
	})
	if err != nil {
		return err
	}
	m.server, err = startWeb(http.HandlerFunc(m.serve))
	return err
}

// legsOf are a chain's legs, largest precision first: the splitter's own, or the one resolver without any.
func legsOf(c *chainOf) ([]meshLeg, error) {
	start, ok := c.Chain.Nodes[c.Chain.StartNode]
	if !ok {
		return nil, fmt.Errorf("a chain without its first node %q", c.Chain.StartNode)
	}
	if start.Type != "splitter" {
		return nil, fmt.Errorf("a chain that begins with a %s, want a splitter", start.Type)
	}
	var legs []meshLeg
	for _, split := range start.Splits {
		target, ok := c.Chain.Targets[c.Chain.Nodes[split.NextNode].Resolver.Target]
		if !ok {
			return nil, fmt.Errorf("a leg to %q without a target", split.NextNode)
		}
		legs = append(legs, meshLeg{subset: target.ServiceSubset, filter: target.Subset.Filter, units: int(math.Round(split.Weight * 100))})
	}
	return legs, nil
}

// chain asks for the discovery chain once it is newer than index.
func (m *mesh) chain(ctx context.Context, index uint64) ([]meshLeg, uint64, error) {
	b, next, err := m.l.ask(ctx, http.MethodGet, Home, fmt.Sprintf("/v1/discovery-chain/%s?wait=10s&index=%d", m.service, index), nil)
	if err != nil {
		return nil, 0, err
	}
	var c chainOf
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, 0, err
	}
	legs, err := legsOf(&c)
	return legs, next, err
}

func (m *mesh) readChain(ctx context.Context, index uint64) (uint64, error) {
	legs, next, err := m.chain(ctx, index)
	if err != nil {
		return 0, err
	}
	if err := m.fill(ctx, legs); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.legs, m.index = legs, next
	return next, nil
}

// readInstances waits for the service's instances to change, and looks up each leg's anew.
func (m *mesh) readInstances(ctx context.Context, index uint64) (uint64, error) {
	_, next, err := m.fleet.listed(ctx, "", index)
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	legs := append([]meshLeg(nil), m.legs...)
	m.mu.Unlock()
	if err := m.fill(ctx, legs); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.legs { // the chain may have changed meanwhile
		for _, leg := range legs {
			if leg.subset == m.legs[i].subset && leg.filter == m.legs[i].filter {
				m.legs[i].hosts = leg.hosts
			}
		}
	}
	return next, nil
}

// fill looks up the instances of each leg.
func (m *mesh) fill(ctx context.Context, legs []meshLeg) error {
	for i := range legs {
		all, _, err := m.fleet.listed(ctx, "&filter="+url.QueryEscape(legs[i].filter), 0)
		if err != nil {
			return err
		}
		legs[i].hosts = nil
		for k := range all {
			legs[i].hosts = append(legs[i].hosts, fmt.Sprintf("%s:%d", all[k].Service.Address, all[k].Service.Port))
		}
	}
	return nil
}

// choose deals requests out evenly by the legs' weights, and each leg's over its instances. host is "" where a leg has none.
func (m *mesh) choose() (subset, host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	best, sum := -1, 0
	for i := range m.legs {
		leg := &m.legs[i]
		leg.debt += leg.units
		sum += leg.units
		if leg.units > 0 && (best < 0 || leg.debt > m.legs[best].debt) {
			best = i
		}
	}
	if best < 0 {
		return "", ""
	}
	leg := &m.legs[best]
	leg.debt -= sum
	if len(leg.hosts) == 0 {
		return leg.subset, ""
	}
	leg.next++
	return leg.subset, leg.hosts[leg.next%len(leg.hosts)]
}

func (m *mesh) serve(w http.ResponseWriter, r *http.Request) {
	subset, host := m.choose()
	code, err := m.forward(w, r, host)
	if err != nil {
		http.Error(w, fmt.Sprintf("mesh gateway: subset %s: %v", subset, err), code)
	}
	room := subset // the subsets are named after the rooms
	m.l.gateways[Home].requests.WithLabelValues(SplitterRoute, room, strconv.Itoa(code)).Inc()
}

func (m *mesh) forward(w http.ResponseWriter, r *http.Request, host string) (code int, err error) {
	if host == "" {
		return http.StatusServiceUnavailable, errors.New("no instance passes its checks")
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+host+r.URL.RequestURI(), http.NoBody)
	if err != nil {
		return http.StatusBadRequest, err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return http.StatusBadGateway, err
	}
	defer resp.Body.Close()
	w.Header().Set(servedBy, resp.Header.Get(servedBy))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // a client that went away is told nothing
	return resp.StatusCode, nil
}

// obeyed are the parts, in percent, by which it splits, by subset.
func (m *mesh) obeyed() (parts map[string]float64, index uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	parts = map[string]float64{}
	for i := range m.legs {
		parts[m.legs[i].subset] += float64(m.legs[i].units) / 100
	}
	return parts, m.index
}

// uses tells whether it sends to an address.
func (m *mesh) uses(addr string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.legs {
		if strings.Contains(strings.Join(m.legs[i].hosts, " ")+" ", addr+" ") {
			return true
		}
	}
	return false
}

func (m *mesh) close() {
	if m.end != nil {
		m.end()
	}
	if m.server != nil {
		m.server.close()
	}
	m.done.Wait()
	m.client.CloseIdleConnections()
}
