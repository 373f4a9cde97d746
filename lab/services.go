package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"roomshift/consul"
	"roomshift/lab/server"
)

// ServicesName is the service whose weights stand in home's Consul, and ServicesRoute the route that it carries.
const (
	ServicesName  = "search-api"
	ServicesRoute = "search"
)

var servicesNetworks = map[string]string{Home: "127.0.3.0/24", Cloud: "127.0.4.0/24"}

// HAProxyStep is how much weight in Consul one of HAProxy's is: it reads 1..65535 as 1..256.
const HAProxyStep = 256

// freshWeight is what instances that replace others weigh, in either room.
const freshWeight = 100

// ServicesOptions says how many instances stand in each room at first, whose they are, and how much is asked of them.
type ServicesOptions struct {
	Instances map[string]int        // by room; nil: four in each
	Weight    func(room string) int // nil: one by which three in a hundred go to the cloud, where as many stand
	Agents    bool                  // home's agent owns them; else the catalog does
	PerSecond float64               // 0: 60
}

// Services is a real HAProxy in home that balances a service's instances in both rooms by the weights which Consul's DNS gives it, and a
// load of its own that counts every answer. What HAProxy sends where is counted by its own log, beside what the gateways count.
type Services struct {
	l       *Lab
	o       ServicesOptions
	fleet   *fleet
	log     net.PacketConn // HAProxy's log
	haproxy *server.HAProxy
	load    *load
	done    sync.WaitGroup
}

// StartServices starts all of it in a lab that runs, until Close.
func (l *Lab) StartServices(ctx context.Context, o ServicesOptions) (*Services, error) {
	s := newServices(l, o)
	return s, l.add(ctx, s)
}

func newServices(l *Lab, o ServicesOptions) *Services {
	if o.Instances == nil {
		o.Instances = map[string]int{Home: 4, Cloud: 4}
	}
	if o.Weight == nil {
		o.Weight = func(room string) int { return HAProxyStep * map[string]int{Home: 97, Cloud: 3}[room] }
	}
	if o.PerSecond == 0 {
		o.PerSecond = 60
	}
	s := &Services{l: l, o: o}
	s.fleet = &fleet{l: l, service: ServicesName, networks: servicesNetworks, agents: o.Agents, fresh: freshWeight * HAProxyStep, unused: s.unused,
		all: map[string]*fleetInstance{}, made: map[string]int{}}
	return s
}

func (s *Services) start(ctx context.Context) error {
	if err := s.startAll(ctx); err != nil {
		return fmt.Errorf("start the service %s: %w", ServicesName, err)
	}
	return nil
}

func (s *Services) startAll(ctx context.Context) error {
	if err := s.l.letAnybodyRead(ctx); err != nil {
		return err
	}
	for _, room := range rooms {
		for range s.o.Instances[room] {
			if _, err := s.fleet.join(ctx, room, s.o.Weight(room)); err != nil {
				return err
			}
		}
	}
	dir, err := s.l.folder("haproxy")
	if err != nil {
		return err
	}
	if s.log, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		return err
	}
	o := server.HAProxyOptions{DNS: s.l.Consuls[Home].DNS, Service: ServicesName, Log: s.log.LocalAddr().String()}
	if s.haproxy, err = server.StartHAProxy(ctx, dir, o); err != nil {
		return err
	}
	s.done.Go(func() { countLog(s.log, "", servicesNetworks, s.l.gateways[Home].requests, ServicesRoute) })
	if err := s.Obeyed(ctx); err != nil {
		return err
	}
	s.load = newLoad(rooms, map[string]string{Home: s.haproxy.Addr, Cloud: s.haproxy.Addr}, s.o.PerSecond, 0, false)
	s.load.reads.Store(true) // what is written is the gateways' load's
	return nil
}

// letAnybodyRead lets Consul's DNS, which asks without a token, answer for services.
func (l *Lab) letAnybodyRead(ctx context.Context) error {
	if l.readable {
		return nil
	}
	policy := map[string]string{"Name": "dns", "Rules": "service_prefix \"\" { policy = \"read\" }\nnode_prefix \"\" { policy = \"read\" }\n"}
	if err := l.put(ctx, "/v1/acl/policy", policy); err != nil {
		return err
	}
	l.readable = true
	const anonymous = "00000000-0000-0000-0000-000000000002"
	return l.put(ctx, "/v1/acl/token/"+anonymous, map[string]any{"Policies": []map[string]string{{"Name": "dns"}}})
}

// Set is the weight of each passing instance in Consul, by ID.
func (s *Services) Set(ctx context.Context) (map[string]int, error) {
	all, _, err := s.fleet.listed(ctx, "&consistent", 0)
	set := map[string]int{}
	for i := range all {
		set[all[i].Service.ID] = all[i].Service.Weights.Passing
	}
	return set, err
}

// Weights are by what HAProxy balances, by the ID of the instance, as its admin socket says.
func (s *Services) Weights(ctx context.Context) (map[string]int, error) {
	weights, err := s.haproxy.Weights(ctx)
	if err != nil {
		return nil, err
	}
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	byID := map[string]int{}
	for id, i := range s.fleet.all {
		if w, ok := weights[addrOf(i)]; ok {
			byID[id] = w
		}
	}
	return byID, nil
}

func addrOf(i *fleetInstance) string { return strings.Split(i.server.addr, ":")[0] }

// ShareOf is the cloud's part of weights by ID, in percent.
func (s *Services) ShareOf(weights map[string]int) float64 {
	sums := map[bool]int{}
	for id, w := range weights {
		sums[strings.HasPrefix(id, ServicesName+"-"+Cloud+"-")] += w
	}
	return 100 * float64(sums[true]) / float64(max(1, sums[true]+sums[false]))
}

// Obeyed waits until HAProxy balances by what Consul's DNS gives: each weight in steps of its own, and nobody who isn't passing.
func (s *Services) Obeyed(ctx context.Context) error {
	return until(ctx, func(ctx context.Context) error {
		set, err := s.Set(ctx)
		if err != nil {
			return err
		}
		all, err := s.haproxy.Weights(ctx)
		if err != nil {
			return err
		}
		weights, err := s.Weights(ctx)
		if err != nil {
			return err
		}
		if len(all) != len(set) || len(weights) != len(set) {
			return fmt.Errorf("haproxy balances over %d instances, and %d pass", len(all), len(set))
		}
		for id, w := range set {
			if want := (w + HAProxyStep - 1) / HAProxyStep; weights[id] != want {
				return fmt.Errorf("haproxy gives %s the weight %d, and it should be %d", id, weights[id], want)
			}
		}
		return nil
	})
}

// unused waits until HAProxy doesn't balance over an address.
func (s *Services) unused(ctx context.Context, addr string) error {
	if s.haproxy == nil {
		return nil
	}
	return until(ctx, func(ctx context.Context) error {
		weights, err := s.haproxy.Weights(ctx)
		if _, there := weights[strings.Split(addr, ":")[0]]; err == nil && there {
			err = fmt.Errorf("haproxy still balances over %s", addr)
		}
		return err
	})
}

// until asks 20 times a second until ok says nil, for a minute at most.
func until(ctx context.Context, ok func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// Join makes an instance that is registered with this weight, and returns its ID.
func (s *Services) Join(ctx context.Context, room string, weight int) (string, error) {
	return s.fleet.join(ctx, room, weight)
}

// In are the IDs of a room's instances, oldest first.
func (s *Services) In(room string) []string { return s.fleet.in(room) }

// SetWeight writes an instance's weight, as somebody else than roomshift would.
func (s *Services) SetWeight(ctx context.Context, id string, weight int) error {
	return s.fleet.setWeight(ctx, id, weight)
}

// Counts is what the service's load has seen.
func (s *Services) Counts() Counts { return s.load.now() }

// Answered waits until every request that was sent before now has its answer.
func (s *Services) Answered(ctx context.Context) error { return s.load.answered(ctx) }

// Entries is what Consul lists of the service, as text without the numbers that every write changes.
func (s *Services) Entries(ctx context.Context) (string, error) {
	b, _, err := s.l.ask(ctx, http.MethodGet, Home, "/v1/health/service/"+ServicesName+"?consistent", nil)
	return indexes.ReplaceAllString(string(b), `"$1":#`), err
}

func (s *Services) name() string                   { return ServicesRoute }
func (s *Services) heal(ctx context.Context) error { return s.fleet.heal(ctx) }

func (s *Services) replace(ctx context.Context) (string, error) { return s.fleet.replace(ctx) }

func (s *Services) checks(ctx context.Context, room string, pass bool) error {
	return s.fleet.checks(ctx, room, pass)
}

func (s *Services) foreign(ctx context.Context, room string, weight int) (string, error) {
	ids := s.fleet.in(room)
	if len(ids) == 0 {
		return "", fmt.Errorf("%s has no instance in %s", ServicesRoute, room)
	}
	if weight < 1 || weight > 65535 {
		return "", fmt.Errorf("a weight in Consul is 1 to 65535")
	}
	return fmt.Sprintf("%s has the weight %d\n", ids[0], weight), s.fleet.setWeight(ctx, ids[0], weight)
}

func (s *Services) away(room string, away bool) error {
	err := s.fleet.away(room, away)
	if room != Home || s.haproxy == nil {
		return err
	}
	if away {
		return errors.Join(err, s.haproxy.Freeze())
	}
	return errors.Join(err, s.haproxy.Thaw())
}

func (s *Services) status(ctx context.Context) string {
	return s.load.line(ServicesRoute, "HAProxy") + "; " + s.now(ctx) + "\n"
}

func (s *Services) now(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	weights, err := s.Weights(ctx)
	if err != nil {
		return "HAProxy doesn't answer"
	}
	return fmt.Sprintf("its weights give the cloud %.2f %%, over %d instances", s.ShareOf(weights), len(weights))
}

func (s *Services) adds() additions {
	owner, home := "the catalog's", ""
	if s.o.Agents {
		owner, home = "home's agent's", "    agents: {port: "+strconv.Itoa(s.l.Consuls[Home].Nodes[0].HTTP)+"}\n"
	}
	return additions{
		about: fmt.Sprintf("  %-8s services' weights in home's Consul (%s), obeyed by HAProxy at %s\n", ServicesRoute, owner, s.haproxy.Addr),
		routes: fmt.Sprintf("  %s: {consul: {service: %s, consumer: haproxy}, seats: [home]}   # services' weights, which HAProxy obeys\n",
			ServicesRoute, ServicesName),
		rooms:    map[string]string{Home: home},
		networks: quoted(servicesNetworks),
		rights:   consul.ServicePolicy([]string{ServicesName}, nil),
	}
}

// Close ends all of it and takes its instances away.
func (s *Services) Close() { s.l.drop(s) }

func (s *Services) close() {
	if s.load != nil {
		s.load.close()
	}
	if s.haproxy != nil {
		s.haproxy.Kill()
	}
	if s.log != nil {
		_ = s.log.Close()
	}
	s.done.Wait()
	s.fleet.end()
}
