package consul

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// KeySpec says where a seat's number is and what it means: at Key, in the member that the dotted path Field leads to ("": the
// value is the number alone), the part of the traffic that room Of gets, As percent, permille or basispoints.
type KeySpec struct {
	Key, Field, As string
	Of             cutover.Room
}

// units are what one of each scale is in basis points.
var units = map[string]int{"percent": 100, "permille": 10, "basispoints": 1}

// scale is a KeySpec that was looked at.
type scale struct {
	KeySpec
	seat  cutover.Seat
	other cutover.Room
	unit  int
}

func (s *scale) most() int { return cutover.Whole / s.unit }

// NumberKeys is the medium of numbers at keys that gateways read. An object is a key. Of its value only the number is ours:
// every other byte, and the key's flags, are kept as they are.
type NumberKeys struct {
	client *Client
	plane  string
	room   cutover.Room
	seats  map[cutover.Seat]*scale
	keys   map[string]*scale
	bad    error // what is wrong with the specs; said by every method
}

var _ cutover.Medium = (*NumberKeys)(nil)

// NumberKeys is the number keys of these seats as the plane of this name; the numbers split between the two rooms. room is
// whose Consul it is, for messages. Specs that can't be right are said by the first Read.
func (c *Client) NumberKeys(plane, room string, seats map[cutover.Seat]KeySpec, rooms [2]cutover.Room) *NumberKeys {
	n := &NumberKeys{client: c, plane: plane, room: room, seats: map[cutover.Seat]*scale{}, keys: map[string]*scale{}}
	for seat, spec := range seats {
		n.seats[seat] = &scale{KeySpec: spec, seat: seat, unit: units[spec.As]}
	}
	for _, seat := range n.Seats() {
		s := n.seats[seat]
		switch s.Of {
		case rooms[0]:
			s.other = rooms[1]
		case rooms[1]:
			s.other = rooms[0]
		}
		if err := n.refuse(s); err != nil && n.bad == nil {
			n.bad = fmt.Errorf("seat %v: %w", seat, err)
		}
		n.keys[s.Key] = s
	}
	return n
}

func (n *NumberKeys) refuse(s *scale) error {
	switch {
	case s.Key == "" || strings.HasPrefix(s.Key, "/"):
		return fmt.Errorf("%q is no key: want one like gateway/cloud", s.Key)
	case s.unit == 0:
		return fmt.Errorf("%s is %q: want percent, permille or basispoints", s.Key, s.As)
	case s.other == "":
		return fmt.Errorf("%s is the part of %q, which is none of the rooms that it splits between", s.Key, s.Of)
	case s.Field != "" && slices.Contains(strings.Split(s.Field, "."), ""):
		return fmt.Errorf("%s has the field %q: want a dotted path like split.cloud", s.Key, s.Field)
	case n.keys[s.Key] != nil:
		return fmt.Errorf("%s is %v's too: a key is written at once, so it holds one seat's number", s.Key, n.keys[s.Key].seat)
	}
	return nil
}

// Seats are the medium's seats in order.
func (n *NumberKeys) Seats() []cutover.Seat {
	seats := make([]cutover.Seat, 0, len(n.seats))
	for s := range n.seats {
		seats = append(seats, s)
	}
	slices.SortFunc(seats, cutover.CompareSeats)
	return seats
}

// Read reads the keys of these seats, 64 in a request, each consistently. A key that isn't there, can't be read by the token
// or holds no number in its range is an error that names it and what was seen.
func (n *NumberKeys) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	if n.bad != nil {
		return nil, n.bad
	}
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	seats = slices.Compact(seats)
	keys := make([]string, len(seats))
	for i, seat := range seats {
		s := n.seats[seat]
		if s == nil {
			return nil, fmt.Errorf("seat %v isn't one of plane %s", seat, n.plane)
		}
		keys[i] = s.Key
	}
	found, err := n.client.get(ctx, keys)
	if err != nil {
		return nil, err
	}
	held := make([]cutover.Held, len(seats))
	for i, seat := range seats {
		s := n.seats[seat]
		pair := found[s.Key]
		if pair == nil {
			return nil, n.wrong(s.Key, fmt.Errorf("nothing, want a whole number from 0 to %d: write what the gateways take for granted", s.most()))
		}
		at, err := find(pair.Value, s.Field)
		if err == nil {
			held[i].Weights, err = s.weigh(at.number)
		}
		if err != nil {
			return nil, n.wrong(s.Key, err)
		}
		held[i].Seat, held[i].Plane, held[i].Object, held[i].Value = seat, n.plane, s.Key, at.number
		held[i].Version, held[i].Born, held[i].Live = versionOf(pair, at).String(), pair.CreateIndex, true
	}
	return held, nil
}

// wrong says what was seen at a key. It names the seat too, which is what people wrote.
func (n *NumberKeys) wrong(key string, seen error) error {
	return n.client.clean(fmt.Errorf("%v: key %s in consul of %s holds %w", n.keys[key].seat, key, n.client.name, seen))
}

func (n *NumberKeys) problem() error { return n.bad }

func (n *NumberKeys) takes(key, value string) error {
	s := n.keys[key]
	if s == nil {
		return fmt.Errorf("isn't one of plane %s", n.plane)
	}
	if _, err := s.weigh(value); err != nil {
		return fmt.Errorf("would hold %w", err)
	}
	return nil
}

func (n *NumberKeys) value(key string, pair *api.KVPair) (string, version, error) {
	at, err := find(pair.Value, n.keys[key].Field)
	if err != nil {
		return "", version{}, err
	}
	return at.number, versionOf(pair, at), nil
}

func (n *NumberKeys) holding(_ string, v version, value string) ([]byte, version, error) {
	return v.spot.with(value), v, nil
}

// weigh turns a canonical number into a share.
func (s *scale) weigh(number string) (cutover.Share, error) {
	v, err := strconv.Atoi(number)
	if err != nil || strconv.Itoa(v) != number || v < 0 || v > s.most() {
		return nil, fmt.Errorf("%s, want a whole number from 0 to %d (%s of %s)", shown(number), s.most(), s.As, s.Of)
	}
	return cutover.Share{s.Of: v * s.unit, s.other: cutover.Whole - v*s.unit}, nil
}

// Weigh is the share that the key would give with this number.
func (n *NumberKeys) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	if n.bad != nil {
		return nil, n.bad
	}
	s := n.keys[h.Object]
	if s == nil {
		return nil, fmt.Errorf("key %s isn't one of plane %s", h.Object, n.plane)
	}
	w, err := s.weigh(value)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", h.Object, err)
	}
	return w, nil
}

// Shape gives each seat's key its number, in one wave: keys don't depend on each other.
func (n *NumberKeys) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	if n.bad != nil {
		return nil, n.bad
	}
	var wave []cutover.Change
	for _, h := range held {
		share, ok := want[h.Seat]
		if !ok {
			continue
		}
		s := n.keys[h.Object]
		if s == nil {
			return nil, fmt.Errorf("key %s isn't one of plane %s", h.Object, n.plane)
		}
		after, err := s.number(share)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", h.Seat, err)
		}
		if after == h.Value {
			continue
		}
		gives, err := s.weigh(after)
		if err != nil {
			return nil, fmt.Errorf("%v: key %s would hold %w", h.Seat, s.Key, err)
		}
		wave = append(wave, cutover.Change{Seat: h.Seat, Plane: n.plane, Object: h.Object, Before: h.Value, After: after,
			Version: h.Version, Gives: gives})
	}
	if wave == nil {
		return nil, nil
	}
	return [][]cutover.Change{wave}, nil
}

// number is the share in the key's own unit.
func (s *scale) number(share cutover.Share) (string, error) {
	if share[s.Of]+share[s.other] != cutover.Whole {
		return "", fmt.Errorf("key %s splits between %s and %s only, which get %d of %d basis points", s.Key, s.Of, s.other,
			share[s.Of]+share[s.other], cutover.Whole)
	}
	if share[s.Of]%s.unit != 0 {
		finer := "permille or basispoints"
		if s.unit == units["permille"] {
			finer = "basispoints"
		}
		return "", fmt.Errorf("key %s holds whole %s, which can't say %d.%02d%%: a gateway that reads %s could", s.Key, s.As,
			share[s.Of]/100, share[s.Of]%100, finer)
	}
	return strconv.Itoa(share[s.Of] / s.unit), nil
}
