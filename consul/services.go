package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"roomshift/cutover"
)

// ServiceSpec says which service's instances carry a seat's split, and who reads their weights: haproxy, generic or envoy.
type ServiceSpec struct{ Service, Consumer string }

// ServicesOptions say how instances are told apart and reached. Here is the room whose Consul lists them, "" where one serves all.
// AgentsPort is where each node's agent answers, 0: instances that agents own are read and not written.
type ServicesOptions struct {
	Rooms      []RoomSigns
	Here       cutover.Room
	AgentsPort int
}

// Services is the medium of services' weights. An object is an instance, its value its weight while it passes its checks, or
// "0" or "0:WEIGHT" (see serviceState) where roomshift keeps traffic from it: by a critical check in the catalog, or by its agent's maintenance mode, since weight 0 is refused by
// agents, is 1 in the catalog, and so is 1 to HAProxy, Envoy and everybody else. Everything beside these two is somebody else's.
//
// An instance lives while every other check of it and its node passes. One that warns is counted as one that doesn't live.
//
// One that is registered under its ID with another address, port, tag or meta is made anew: it was deployed again, and what it weighs is what
// it came with. One whose weight alone is another was given that by somebody: a registration that says the same as the one before and a
// person's can't be told apart, since both are one call of the same API, and Consul keeps the indexes of the entry and of its checks.
//
// Who owns an instance is asked first: what is written into the catalog for an instance of an agent's is undone by the agent within minutes,
// so it is written through the agent, and what a controller keeps is never written.
type Services struct {
	client *Client
	plane  string
	seats  map[cutover.Seat]ServiceSpec
	o      ServicesOptions
	bad    error

	// known is every instance as it was last seen, by service and object: a write sends all of it back. It is never relied on unless
	// its index is the one that a change is to be made over, and can be lost.
	mu    sync.Mutex
	known map[string]map[string]*serviceInstance
	whole map[string]*wholeListing // by service
}

var (
	_ cutover.Medium = (*Services)(nil)
	_ cutover.Filler = (*Services)(nil)
)

// Services is the weights of these seats' instances as the plane of this name. Specs that can't be right are said by the first Read.
func (c *Client) Services(plane string, seats map[cutover.Seat]ServiceSpec, o ServicesOptions) *Services {
	s := &Services{client: c, plane: plane, seats: seats, o: o, known: map[string]map[string]*serviceInstance{}, whole: map[string]*wholeListing{}}
	of := map[string]cutover.Seat{}
	for _, seat := range s.Seats() {
		spec := seats[seat]
		other, twice := of[spec.Service]
		switch {
		case spec.Service == "":
			s.bad = fmt.Errorf("seat %v: no service is named", seat)
		case twice:
			s.bad = fmt.Errorf("seat %v: the instances of %s are %v's too: an instance holds one seat's weight", seat, spec.Service, other)
		}
		of[spec.Service] = seat
	}
	return s
}

// ServicesPlane is the plane of services' weights with the limits that Consul has: see Plane. Where agents are written as well, nothing
// fences a request of theirs, and they know no compare-and-set.
func (c *Client) ServicesPlane(name string, room cutover.Room, place string, s *Services) cutover.Plane {
	p := cutover.Plane{
		Name: name, Aspect: cutover.Split, Room: room, Place: place, Medium: s, Seats: s.Seats(),
		MaxChanges: s.maxChanges(), Workers: 4, TimeOut: cutover.T(c.timeOut), Lateness: Lateness, HasCAS: true, FencedByServer: true,
	}
	if s.o.AgentsPort != 0 {
		p.HasCAS, p.FencedByServer = false, false
	}
	return p
}

// How many instances one request writes: in a transaction each takes up to three operations (see opsOf); agents are asked side by side.
const (
	maxInstances = MaxChanges / 3
	maxAgents    = 16
)

func (s *Services) maxChanges() int {
	if s.o.AgentsPort != 0 {
		return maxAgents
	}
	return maxInstances
}

// Seats are the medium's seats in order.
func (s *Services) Seats() []cutover.Seat {
	seats := make([]cutover.Seat, 0, len(s.seats))
	for seat := range s.seats {
		seats = append(seats, seat)
	}
	slices.SortFunc(seats, cutover.CompareSeats)
	return seats
}

func (s ServiceSpec) scale() cutover.Scale {
	return cutover.ScaleOf("service", s.Consumer)
}

// Read lists the instances of each seat consistently, one request for each.
func (s *Services) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	var held []cutover.Held
	for _, seat := range slices.Compact(seats) {
		spec, ok := s.seats[seat]
		if !ok {
			return nil, fmt.Errorf("seat %v isn't one of plane %s", seat, s.plane)
		}
		of, err := s.listing(ctx, seat, spec)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", seat, err)
		}
		s.client.noteRoomless(seat, of)
		if held == nil {
			held = of[:len(of):len(of)]
			continue
		}
		held = append(held, of...)
	}
	return held, nil
}

func (s *Services) held(seat cutover.Seat, spec ServiceSpec, i *serviceInstance) cutover.Held {
	h := cutover.Held{Seat: seat, Plane: s.plane, Object: i.object, Value: s.value(i), Version: i.facts().String(),
		Born: i.born(), Room: i.room, Live: i.live, Weights: cutover.Share{i.room: 0}}
	if i.room == "" {
		h.Live, h.Weights = false, nil
		return h
	}
	if i.drained == 0 {
		h.Weights[i.room] = spec.scale().Read(i.service.Weights.Passing)
	}
	return h
}

// list is one request for all instances of a service, by object. index is the listing's; given one, it waits for a change of it, for a
// second at most. Nothing at all is an error: a token that may not read a service is told that it has no instance.
func (s *Services) list(ctx context.Context, service string, index uint64) (map[string]*serviceInstance, uint64, error) {
	c := s.client
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	query := url.Values{"consistent": {""}}
	if index > 0 {
		query.Set("index", strconv.FormatUint(index, 10))
		query.Set("wait", "1s")
	}
	act := "list the instances of " + service
	b, err := c.send(ctx, http.MethodGet, "/v1/health/service/"+service, query, nil)
	if err != nil {
		return nil, 0, c.serviceRight(c.readError(x, act, err), service, "read")
	}
	if x.header.Get("X-Consul-Results-Filtered-By-Acls") == "true" {
		return nil, 0, fmt.Errorf("%s in consul of %s: %w: some are left out: the token's policy needs %s and service %q { policy = \"read\" }",
			act, c.name, ErrForbidden, nodeRead, service)
	}
	var all []listed
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, 0, fmt.Errorf("%s in consul of %s: %w", act, c.name, err)
	}
	if len(all) == 0 {
		return nil, 0, fmt.Errorf("%s in consul of %s: none: either there is none, or %w: then the token's policy needs %s and service %q { policy = \"read\" }",
			act, c.name, ErrForbidden, nodeRead, service)
	}
	found := make(map[string]*serviceInstance, len(all))
	for k := range all {
		i, err := all[k].parse(service, s.o.Rooms, s.o.Here)
		if err != nil {
			return nil, 0, fmt.Errorf("%s in consul of %s: %w", act, c.name, err)
		}
		found[i.object] = i
	}
	s.mu.Lock()
	s.known[service] = maps.Clone(found) // remember changes it
	s.mu.Unlock()
	index, _ = strconv.ParseUint(x.header.Get("X-Consul-Index"), 10, 64)
	return found, index, nil
}

// nodeRead is the right to see the nodes that instances are on.
const nodeRead = `node_prefix "" { policy = "read" }`

// last is an instance as it was last seen, nil if it wasn't.
func (s *Services) last(service, object string) *serviceInstance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[service][object]
}

// remember takes in what an instance is since it was written.
func (s *Services) remember(service string, i *serviceInstance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := make(map[string]*serviceInstance, 1)
	if s.known[service] != nil {
		of = s.known[service]
	}
	of[i.object], s.known[service] = i, of
}

// Weigh is what the instance would give with this weight, as its consumer reads it.
func (s *Services) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	spec, ok := s.seats[h.Seat]
	switch {
	case s.bad != nil:
		return nil, s.bad
	case !ok || h.Room == "":
		return nil, fmt.Errorf("%s isn't an instance of plane %s", h.Object, s.plane)
	}
	st, err := stateOf(value)
	if err == nil && st.out && s.told(serviceState{1, true}).weight != min(st.weight, 1) {
		err = fmt.Errorf("%s, which isn't how %s tells that it gets nothing", shown(value), s.plane)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Object, err)
	}
	return cutover.Share{h.Room: st.reads(spec.scale())}, nil
}

// Fill is cutover.Filler's.
func (s *Services) Fill(held []cutover.Held, newer func(*cutover.Held) bool, want cutover.Share) map[string]string {
	if len(held) == 0 {
		return nil
	}
	return s.members(s.seats[held[0].Seat]).Fill(held, newer, want)
}

func (s *Services) members(spec ServiceSpec) *cutover.Members {
	m := &cutover.Members{Scale: spec.scale(), Unit: 1, Value: s.valueFor(spec)}
	for _, r := range s.o.Rooms {
		m.Rooms = append(m.Rooms, r.Room)
	}
	return m
}

// Shape gives the instances of each room one weight in the consumer's scale. A change that can't be carried out is an error that names the
// instance, and says what to do.
func (s *Services) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	waves, err := cutover.ShapeSeats(held, want, func(of []cutover.Held, share cutover.Share) ([][]cutover.Change, error) {
		spec, ok := s.seats[of[0].Seat]
		if !ok {
			return nil, fmt.Errorf("it isn't one of plane %s", s.plane)
		}
		return s.members(spec).ShapeSeat(of, share)
	})
	if err != nil {
		return nil, err
	}
	return waves, s.refuse(slices.Concat(waves...))
}

// valueFor is what an instance holds so that its consumer reads so many units: what it holds already if that does, with the weight that it
// has behind the check if that does. One that is down with its agent can't be written, and nothing comes of it: it is set when it lives.
func (s *Services) valueFor(spec ServiceSpec) func(*cutover.Held, int) string {
	scale := spec.scale()
	return func(h *cutover.Held, units int) string {
		f, known := factsOf(h.Version)
		is, err := stateOf(h.Value)
		if err != nil || known && f.owner != OwnedByCatalog && !h.Live {
			return h.Value
		}
		is.out = units == 0
		if units > 0 && is.reads(scale) != units {
			is.weight = scale.Written(units)
		}
		return s.told(is).String()
	}
}

// refuse says which changes can't be carried out, and what to do. Three are named.
func (s *Services) refuse(changes []cutover.Change) error {
	const named = 5
	var errs []error
	bad := 0
	for _, c := range changes {
		f, known := factsOf(c.Version)
		if !known {
			continue
		}
		if err := s.refusal(c, f); err != nil {
			if bad++; bad <= named {
				errs = append(errs, err)
			}
		}
	}
	if bad > named {
		errs = append(errs, fmt.Errorf("and %d more", bad-named))
	}
	return errors.Join(errs...)
}

// refusal says why an instance can't be written, and what to do.
func (s *Services) refusal(c cutover.Change, f facts) error {
	switch {
	case f.owner == OwnedByAgent && s.o.AgentsPort == 0:
		return fmt.Errorf("%s is its agent's, which would write its own over ours: say in rooms.yaml where agents answer, as `agents: {port: 8501}` of the room", c.Object)
	case f.owner == OwnedByAgent:
		return nil
	case f.owner != OwnedByCatalog:
		return fmt.Errorf("%s is kept by %s, which would write its own over ours: set its weight there", c.Object, f.owner)
	case f.dropped == "":
		return nil
	}
	was, err := stateOf(c.Before)
	will, err2 := stateOf(c.After)
	if err == nil && err2 == nil && was.weight != will.weight {
		return fmt.Errorf("%s has %s, which a transaction would drop: register it without, or let whoever registers it give it the weight %d", c.Object, f.dropped, will.weight)
	}
	return nil
}
