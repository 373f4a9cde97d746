package consul

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"roomshift/cutover"
)

// SplitterSpec says which service's splitter holds a seat's split, and by which words its legs name the rooms: a leg is a room's
// if its subset is one of the room's words, or if it leads to another service that is one, or is SERVICE-WORD. Legs that
// are no room's keep their weight; the rooms share the rest.
type SplitterSpec struct {
	Service string
	Rooms   map[cutover.Room][]string
}

// Splitters is the medium of service-splitters. An object is a splitter. Of it only the weights of the legs that lead to rooms are ours.
//
// A splitter is a config entry: it is kept in the primary datacenter, whichever of those that are federated is asked, and is written
// by compare-and-set alone: no session fences it. One request writes one of them.
type Splitters struct {
	client *Client
	plane  string
	seats  map[cutover.Seat]*SplitterSpec
	names  map[string]*SplitterSpec // by object
	bad    error                    // what is wrong with the specs; said by every method
}

var _ cutover.Medium = (*Splitters)(nil)

// Splitters is the splitters of these seats as the plane of this name. Specs that can't be right are said by the first Read.
func (c *Client) Splitters(plane string, seats map[cutover.Seat]SplitterSpec) *Splitters {
	s := &Splitters{client: c, plane: plane, seats: map[cutover.Seat]*SplitterSpec{}, names: map[string]*SplitterSpec{}}
	for seat, spec := range seats {
		s.seats[seat] = &spec
	}
	for _, seat := range s.Seats() {
		spec := s.seats[seat]
		switch object := splitterObject(spec.Service); {
		case spec.Service == "":
			s.bad = fmt.Errorf("seat %v: no service is named", seat)
		case s.names[object] != nil:
			s.bad = fmt.Errorf("seat %v: the splitter of %s is another seat's too: a splitter is written at once, so it holds one seat's split", seat, spec.Service)
		case len(spec.Rooms) < 2:
			s.bad = fmt.Errorf("seat %v: %d rooms for the splitter of %s, want two at least", seat, len(spec.Rooms), spec.Service)
		default:
			s.names[object] = spec
		}
	}
	return s
}

func splitterObject(service string) string { return "splitter/" + service }

// SplittersPlane is the plane of splitters with the limits that Consul has: see Plane.
func (c *Client) SplittersPlane(name string, room cutover.Room, place string, s *Splitters) cutover.Plane {
	return cutover.Plane{
		Name: name, Aspect: cutover.Split, Room: room, Place: place, Medium: s, Seats: s.Seats(),
		MaxChanges: 1, Workers: 4, TimeOut: cutover.T(c.timeOut), Lateness: Lateness, HasCAS: true,
	}
}

// Seats are the medium's seats in order.
func (s *Splitters) Seats() []cutover.Seat {
	seats := make([]cutover.Seat, 0, len(s.seats))
	for seat := range s.seats {
		seats = append(seats, seat)
	}
	slices.SortFunc(seats, cutover.CompareSeats)
	return seats
}

// Read reads each seat's splitter consistently from the primary datacenter, one request for each.
func (s *Splitters) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	seats = slices.Compact(seats)
	held := make([]cutover.Held, 0, len(seats))
	for _, seat := range seats {
		spec := s.seats[seat]
		if spec == nil {
			return nil, fmt.Errorf("seat %v isn't one of plane %s", seat, s.plane)
		}
		e, err := s.get(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", seat, err)
		}
		if e == nil {
			return nil, fmt.Errorf("%v: %w", seat, s.wrong(spec, "nothing, want a splitter with a leg for each room"))
		}
		value := e.value()
		if value == "" {
			return nil, fmt.Errorf("%v: %w", seat, s.wrong(spec, fmt.Sprintf("no leg that leads to a room: want one whose subset is a room's name for each of %v", spec.rooms())))
		}
		held = append(held, cutover.Held{Seat: seat, Plane: s.plane, Object: splitterObject(spec.Service), Value: value,
			Version: strconv.FormatUint(e.modified, 10), Born: e.created, Live: true, Weights: weightsOf(e.parts())})
	}
	return held, nil
}

// parts are the weights of the rooms' legs.
func (e *splitter) parts() map[cutover.Room]int {
	parts, _ := parseLegs(e.value()) // its own text
	return parts
}

// weightsOf is Held.Weights; rooms that share nothing have a weight of 0 all the same.
func weightsOf(parts map[cutover.Room]int) cutover.Share {
	if w := sharesOf(parts); w != nil {
		return w
	}
	return cutover.Share{}
}

// wrong says what was seen at a splitter.
func (s *Splitters) wrong(spec *SplitterSpec, seen string) error {
	return s.client.clean(fmt.Errorf("the splitter of %s in consul of %s holds %s", spec.Service, s.client.name, seen))
}

// get is one request for a splitter, nil if there is none; one more where the primary datacenter isn't known yet.
func (s *Splitters) get(ctx context.Context, spec *SplitterSpec) (*splitter, error) {
	c := s.client
	primary, err := c.primaryDatacenter(ctx)
	if err != nil {
		return nil, err
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	x.datacenter = primary
	b, err := c.send(ctx, http.MethodGet, "/v1/config/service-splitter/"+spec.Service, url.Values{"consistent": {""}}, nil)
	switch {
	case hasStatus(err, http.StatusNotFound):
		return nil, nil
	case err != nil:
		return nil, c.serviceRight(c.readError(x, "read the splitter of "+spec.Service, err), spec.Service, "read")
	}
	e, err := spec.parseSplitter(b)
	if err != nil {
		return nil, &strange{said: err.Error(), err: s.wrong(spec, err.Error())}
	}
	return e, nil
}

// strange is an entry that was read and makes no split between rooms.
type strange struct {
	said string
	err  error
}

func (e *strange) Error() string { return e.err.Error() }

// Weigh is the share that the splitter would give with these weights. They have the sum that the rooms' legs have now: other legs keep theirs.
func (s *Splitters) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	if s.names[h.Object] == nil {
		return nil, fmt.Errorf("%s isn't one of plane %s", h.Object, s.plane)
	}
	parts, err := parseLegs(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Object, err)
	}
	now, err := parseLegs(h.Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Object, err)
	}
	if sumOf(parts) != sumOf(now) || !slices.Equal(sortedKeys(parts), sortedKeys(now)) {
		return nil, fmt.Errorf("%s: %s doesn't give %s to the legs of %v", h.Object, shown(value), percents(sumOf(now)), sortedKeys(now))
	}
	return weightsOf(parts), nil
}

// roundedBy is how far, in basis points, a share may be from the wanted one: other legs can leave too little to say it exactly.
const roundedBy = 25

// Shape gives each seat's splitter its weights, in one wave: splitters don't depend on each other.
func (s *Splitters) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	if s.bad != nil {
		return nil, s.bad
	}
	var wave []cutover.Change
	for _, h := range held {
		share, ok := want[h.Seat]
		if !ok {
			continue
		}
		if s.names[h.Object] == nil {
			return nil, fmt.Errorf("%s isn't one of plane %s", h.Object, s.plane)
		}
		now, err := parseLegs(h.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Object, err)
		}
		parts, err := divide(sumOf(now), sortedKeys(now), share)
		if err != nil {
			return nil, fmt.Errorf("%v: %s: %w", h.Seat, h.Object, err)
		}
		after := legsText(parts)
		if after == h.Value {
			continue
		}
		wave = append(wave, cutover.Change{Seat: h.Seat, Plane: s.plane, Object: h.Object, Before: h.Value, After: after,
			Version: h.Version, Gives: weightsOf(parts)})
	}
	if wave == nil {
		return nil, nil
	}
	return [][]cutover.Change{wave}, nil
}

// divide shares free hundredths of a percent among the rooms, by largest remainder. A room that gets something gets a hundredth at
// least, or it is said that it can't.
func divide(free int, rooms []cutover.Room, share cutover.Share) (map[cutover.Room]int, error) {
	parts := map[cutover.Room]int{}
	sum, left := 0, free
	for _, room := range rooms {
		sum += share[room]
		parts[room] = share[room] * free / cutover.Whole
		left -= parts[room]
	}
	if sum != cutover.Whole {
		return nil, fmt.Errorf("its legs lead to %v only, which get %d of %d basis points: want a leg for each room that gets a share", rooms, sum, cutover.Whole)
	}
	byRest := slices.Clone(rooms)
	slices.SortStableFunc(byRest, func(a, b cutover.Room) int {
		return share[b]*free%cutover.Whole - share[a]*free%cutover.Whole
	})
	for _, room := range byRest[:left] {
		parts[room]++
	}
	for _, room := range rooms {
		// compared as parts/free with share/Whole, without dividing
		off := parts[room]*cutover.Whole - share[room]*free
		if max(off, -off) > roundedBy*free || free == 0 || parts[room] == 0 && share[room] > 0 {
			return nil, fmt.Errorf("other legs leave %s%% to %v, of which %s can't get %s%% in steps of 0.01%%", percents(free), rooms, room, percents(share[room]))
		}
	}
	return parts, nil
}
