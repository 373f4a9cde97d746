package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"roomshift/cutover"
)

// Weights is the medium of weights: a seat is a name's line, an object is one of its addresses, named SEAT/ADDRESS. What it holds is
// told in state.go. Each type of a seat (A, AAAA) is weighted by itself, so each of them gets the whole share.
type Weights struct {
	names
	rooms []RoomNets
}

var _ cutover.Medium = (*Weights)(nil)

// Weights is the weights of these names as the plane of this name. What can't be right is said by the first Read.
func (c *Client) Weights(plane string, all []Name, rooms []RoomNets) *Weights {
	return &Weights{names: newNames(c, plane, all), rooms: rooms}
}

// Read lists the addresses of these seats. An address of no room, a CNAME, and several addresses without weights are errors: no share
// could be told.
func (w *Weights) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	seats = slices.Compact(seats)
	found, err := w.lists(ctx, seats)
	if err != nil {
		return nil, err
	}
	var held []cutover.Held
	for _, seat := range seats {
		x, err := w.of(seat)
		if err != nil {
			return nil, err
		}
		some, err := w.held(found[x.Name], seat)
		if err != nil {
			return nil, err
		}
		held = append(held, some...)
	}
	return held, nil
}

// held is one seat's objects.
func (w *Weights) held(l *listing, seat cutover.Seat) ([]cutover.Held, error) {
	records, err := w.at(l, seat)
	if err != nil {
		return nil, err
	}
	enabled := map[string]int{}
	for _, r := range records {
		if r.enabled {
			enabled[r.kind]++
		}
	}
	var held []cutover.Held
	for _, r := range records {
		if r.kind == "CNAME" {
			return nil, fmt.Errorf("%v: %s is a CNAME to %s: a room is told by its addresses, so want A or AAAA records", seat, l.name, r.value)
		}
		if enabled[r.kind] > 1 && !l.isOn(r.kind, r.line) {
			return nil, w.unweighted(l, r)
		}
		room, err := w.roomOf(r.value)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", seat, err)
		}
		st := stateOf(l, r)
		held = append(held, cutover.Held{Seat: seat, Plane: w.plane, Object: object(seat, r), Value: st.String(), Born: r.born(), Room: room,
			Live: true, Weights: cutover.Share{room: st.serves()}})
	}
	slices.SortFunc(held, func(a, b cutover.Held) int { return strings.Compare(a.Object, b.Object) })
	return held, nil
}

// unweighted says what is to be done where all addresses are answered alike.
func (w *Weights) unweighted(l *listing, r *record) error {
	if strings.HasPrefix(l.name, "*.") {
		return fmt.Errorf("%s: a wildcard's records can't have weights: give the names that carry traffic records of their own", l.name)
	}
	return fmt.Errorf("%s: the weights of its %s records on line %s are off, so all of them are answered alike: switch weights on at Alibaba Cloud DNS, with those that are wanted now",
		l.name, r.kind, r.line)
}

func object(seat cutover.Seat, r *record) string { return seat.String() + "/" + r.value }

// stateOf is what a record serves by. An address that is alone on its line serves by itself, whatever its weight; the provider may not
// say one then.
func stateOf(l *listing, r *record) state {
	if r.enabled && r.weight == 0 && !l.isOn(r.kind, r.line) {
		return state{true, 1}
	}
	s := state{r.enabled, r.weight}
	if !s.enabled && s.weight == 0 {
		s.weight = 1
	}
	return s
}

func (w *Weights) roomOf(value string) (cutover.Room, error) {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return "", fmt.Errorf("%q is no address", value)
	}
	for _, r := range w.rooms {
		for _, p := range r.Nets {
			if p.Contains(a) {
				return r.Room, nil
			}
		}
	}
	return "", fmt.Errorf("%s is in no room's addresses: add its network to addresses of its room in rooms.yaml", value)
}

// Weigh is what an address gives to its room if it holds value.
func (w *Weights) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	s, err := parseState(value)
	if err != nil {
		return nil, fmt.Errorf("%s holds %w", h.Object, err)
	}
	if h.Room == "" {
		return nil, fmt.Errorf("%s is in no room", h.Object)
	}
	return cutover.Share{h.Room: s.serves()}, nil
}

// Next is what an object must hold next on its way to a value: see state.go.
func (w *Weights) Next(h cutover.Held, value string) string {
	from, err := parseState(h.Value)
	to, err2 := parseState(value)
	if errors.Join(err, err2) != nil {
		return value
	}
	return from.next(to).String()
}

// Write changes weights: read → write → read back. Changes are made one after the other; those of another request go on beside it.
func (w *Weights) Write(ctx context.Context, _ cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	return w.names.write(ctx, changes, weightRules{})
}

// weightRules are how weights are written.
type weightRules struct{}

func (weightRules) object(seat cutover.Seat, r *record) string { return object(seat, r) }
func (weightRules) value(l *listing, r *record) string         { return stateOf(l, r).String() }

func (weightRules) takes(value string) error {
	_, err := parseState(value)
	return err
}

// set makes the calls that lead a record to a value: one, unless somebody wants to go two steps at once.
func (weightRules) set(ctx context.Context, a api, l *listing, r *record, after string) error {
	to, err := parseState(after)
	if err != nil {
		return err
	}
	for at := stateOf(l, r); at != to; {
		next := at.next(to)
		switch {
		case next.enabled && !at.enabled:
			if !l.isOn(r.kind, r.line) {
				return fmt.Errorf("%s on line %s isn't enabled while weights are off there: it would be answered as often as any other", r.value, r.line)
			}
			err = a.setEnabled(ctx, r.id, true)
		case next.enabled:
			err = a.setWeight(ctx, r.id, next.weight)
		default:
			err = a.setEnabled(ctx, r.id, false)
		}
		if err != nil {
			return err
		}
		at = next
	}
	return nil
}

// keeps: every field but weight and status is somebody else's.
func (weightRules) keeps(r record) record {
	r.weight, r.enabled = 0, false
	return r
}

// mend has nothing to do: a weight's call touches nothing else.
func (weightRules) mend(context.Context, api, *record, *record) (string, error) { return "", nil }
