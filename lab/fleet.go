package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// fleet is the instances of a service: each listens in its room's network, serves as the room's own service does, and is registered in
// home's Consul, in the catalog, on a node of its own without an agent, or with home's agent.
type fleet struct {
	l        *Lab
	service  string
	networks map[string]string // by room: A.B.C.0/24
	agents   bool
	fresh    int // the weight of one that replaces another: whoever starts it knows nothing of shares
	// unused waits until nobody sends to an address any more that isn't registered now.
	unused func(ctx context.Context, addr string) error

	mu   sync.Mutex // guards what follows
	all  map[string]*fleetInstance
	made map[string]int // by room, so that no address is used twice
}

type fleetInstance struct {
	id, room string
	server   *webServer
	failing  bool // its check is critical
}

// join makes an instance that serves, registers it with a weight, and returns its ID.
func (f *fleet) join(ctx context.Context, room string, weight int) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made[room]++
	n := f.made[room]
	s := &webServer{addr: fmt.Sprintf("%s%d:0", strings.TrimSuffix(f.networks[room], "0/24"), n), handler: f.l.services[room].server.handler}
	if err := s.start(); err != nil {
		return "", err
	}
	i := &fleetInstance{id: fmt.Sprintf("%s-%s-%d", f.service, room, n), room: room, server: s}
	f.all[i.id] = i
	return i.id, f.register(ctx, i, weight)
}

// register writes an instance with a passing check, as its owner would.
func (f *fleet) register(ctx context.Context, i *fleetInstance, weight int) error {
	addr, err := netip.ParseAddrPort(i.server.addr)
	if err != nil {
		return err
	}
	service := map[string]any{
		"ID": i.id, "Address": addr.Addr(), "Port": addr.Port(), "Weights": map[string]int{"Passing": weight, "Warning": 1},
		"Meta": map[string]string{"room": i.room, "owner": "ops"}, "Tags": []string{"v2"},
	}
	i.failing = false
	if f.agents {
		service["Name"], service["Check"] = f.service, map[string]string{"TTL": "24h", "Status": "passing"}
		if err := f.l.put(ctx, "/v1/agent/service/register", service); err != nil {
			return err
		}
		return f.check(ctx, i, true) // an agent that is started anew remembers what it was told, not what a check began with
	}
	service["Service"] = f.service
	return f.l.put(ctx, "/v1/catalog/register", map[string]any{
		"Node": "ext-" + i.id, "Address": addr.Addr(), "NodeMeta": map[string]string{"external-node": "true"}, "Service": service,
		"Check": map[string]string{"CheckID": "up", "Name": "it answers", "Status": "passing", "ServiceID": i.id},
	})
}

// leave takes an instance out of Consul, and ends it once nobody sends there any more.
func (f *fleet) leave(ctx context.Context, id string) error {
	f.mu.Lock()
	i := f.all[id]
	delete(f.all, id)
	f.mu.Unlock()
	if i == nil {
		return fmt.Errorf("there is no instance %s", id)
	}
	err := f.deregister(ctx, id)
	if err == nil {
		err = f.unused(ctx, i.server.addr)
	}
	i.server.leave(ctx)
	return err
}

func (f *fleet) deregister(ctx context.Context, id string) error {
	if f.agents {
		return f.l.put(ctx, "/v1/agent/service/deregister/"+id, nil)
	}
	return f.l.put(ctx, "/v1/catalog/deregister", map[string]string{"Node": "ext-" + id})
}

// check makes an instance's check fail or pass. It serves on: what is under way there is answered.
func (f *fleet) check(ctx context.Context, i *fleetInstance, passes bool) error {
	i.failing = !passes
	if f.agents {
		return f.l.put(ctx, "/v1/agent/check/"+map[bool]string{true: "pass", false: "fail"}[passes]+"/service:"+i.id, nil)
	}
	return f.l.put(ctx, "/v1/catalog/register", map[string]any{
		"Node": "ext-" + i.id, "Address": strings.Split(i.server.addr, ":")[0], "SkipNodeUpdate": true,
		"Check": map[string]string{"CheckID": "up", "Name": "it answers", "Status": map[bool]string{true: "passing", false: "critical"}[passes], "ServiceID": i.id},
	})
}

// in are the IDs of a room's instances, oldest first.
func (f *fleet) in(room string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for n := 1; n <= f.made[room]; n++ {
		if id := fmt.Sprintf("%s-%s-%d", f.service, room, n); f.all[id] != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// replace replaces the younger half of each room's instances by new ones, all of one weight. The new ones come before the old ones go.
func (f *fleet) replace(ctx context.Context) (said string, err error) {
	var came, gone []string
	for _, room := range rooms {
		old := f.in(room)
		for _, id := range old[(len(old)+1)/2:] {
			gone = append(gone, id)
			id, err := f.join(ctx, room, f.fresh)
			if err != nil {
				return "", err
			}
			came = append(came, id)
		}
	}
	for _, id := range gone {
		if err := f.leave(ctx, id); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("gone: %s; new: %s\n", strings.Join(gone, " "), strings.Join(came, " ")), nil
}

// checks makes every instance of a room fail its check, or pass it.
func (f *fleet) checks(ctx context.Context, room string, pass bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(f.all)) {
		if i := f.all[id]; i.room == room && i.failing == pass {
			if err := f.check(ctx, i, pass); err != nil {
				return err
			}
		}
	}
	return nil
}

// heal lets every check pass.
func (f *fleet) heal(ctx context.Context) error {
	for _, room := range rooms {
		if err := f.checks(ctx, room, true); err != nil {
			return err
		}
	}
	return nil
}

// away takes the listeners of a room away, or brings them back.
func (f *fleet) away(room string, away bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, i := range f.all {
		switch {
		case i.room != room:
		case away:
			i.server.close()
		default:
			errs = append(errs, i.server.start())
		}
	}
	return errors.Join(errs...)
}

// setWeight writes an instance's weight, as somebody else than roomshift would who registers it anew.
func (f *fleet) setWeight(ctx context.Context, id string, weight int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all[id] == nil {
		return fmt.Errorf("there is no instance %s", id)
	}
	return f.register(ctx, f.all[id], weight)
}

// fleetEntry is an instance as home's Consul lists it to consumers.
type fleetEntry struct {
	Service struct {
		ID, Address string
		Port        int
		Weights     struct{ Passing int }
		Meta        map[string]string
	}
}

// listed are the passing instances, once they are newer than index.
func (f *fleet) listed(ctx context.Context, query string, index uint64) ([]fleetEntry, uint64, error) {
	b, next, err := f.l.ask(ctx, http.MethodGet, Home, fmt.Sprintf("/v1/health/service/%s?passing&wait=10s&index=%d%s", f.service, index, query), nil)
	if err != nil {
		return nil, 0, err
	}
	var all []fleetEntry
	return all, next, json.Unmarshal(b, &all)
}

// end takes all of them away, as far as its Consul answers.
func (f *fleet) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.all {
		_ = f.deregister(ctx, i.id) // its Consul may be away by now
		i.server.close()
	}
}
