package dns

import (
	"fmt"
	"net/netip"
	"slices"

	"roomshift/cutover"
)

// scale is what Alibaba takes: weights of 1 to 100. None is told by disabling the record.
var scale = cutover.Scale{Max: maxWeight, Step: 1}

// Shape brings each seat to its share. Each type is weighted by itself, one after the other; within a type, what only falls goes before
// what only rises (cutover.Members). What goes to or from none goes there in two waves (state.go).
func (w *Weights) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	if w.bad != nil {
		return nil, w.bad
	}
	held = slices.Clone(held)
	slices.SortStableFunc(held, func(a, b cutover.Held) int { return cutover.CompareSeats(a.Seat, b.Seat) })
	return cutover.ShapeSeats(held, want, w.shapeSeat)
}

func (w *Weights) shapeSeat(held []cutover.Held, want cutover.Share) ([][]cutover.Change, error) {
	members := cutover.Members{Scale: scale, Unit: 1, Fixed: maxWeight, Value: func(h *cutover.Held, units int) string {
		if from, err := parseState(h.Value); units == 0 && err == nil && from.serves() == 0 {
			return h.Value // what serves nothing may hold any of the states of it
		}
		return state{units > 0, max(1, units)}.String()
	}}
	for _, r := range w.rooms {
		members.Rooms = append(members.Rooms, r.Room)
	}
	var out [][]cutover.Change
	for _, kind := range []string{"A", "AAAA"} {
		var of []cutover.Held
		for _, h := range held {
			if kindOf(h) == kind {
				of = append(of, h)
			}
		}
		if len(of) == 0 {
			continue
		}
		waves, err := members.ShapeSeat(of, want)
		if err != nil {
			return nil, fmt.Errorf("%s records: %w", kind, err)
		}
		for _, wave := range waves {
			some, err := byCalls(wave)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
	}
	return out, nil
}

// byCalls makes waves of one call for each record out of a wave of changes.
func byCalls(wave []cutover.Change) ([][]cutover.Change, error) {
	var out [][]cutover.Change
	for _, c := range wave {
		from, err := parseState(c.Before)
		if err != nil {
			return nil, fmt.Errorf("%s holds %w", c.Object, err)
		}
		to, err := parseState(c.After)
		if err != nil {
			return nil, fmt.Errorf("%s would hold %w", c.Object, err)
		}
		if err := unsafe(c.Object, from, to); err != nil {
			return nil, err
		}
		for n := 0; from != to; n++ {
			step := c
			next := from.next(to)
			step.Before, step.After, step.Gives = from.String(), next.String(), cutover.Share{}
			for room := range c.Gives {
				step.Gives[room] = next.serves()
			}
			if len(out) <= n {
				out = append(out, nil)
			}
			out[n] = append(out[n], step)
			from = next
		}
	}
	return out, nil
}

// Kinds are the types of a seat's addresses, by a listing of Weights, in order.
func Kinds(held []cutover.Held, route string) []string {
	var kinds []string
	for _, h := range held {
		if kind := kindOf(h); h.Seat.Route == route && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// kindOf is a held address's type, by its object's name.
func kindOf(h cutover.Held) string {
	if a, err := netip.ParseAddr(h.Object[len(h.Seat.String())+1:]); err == nil && a.Is6() {
		return "AAAA"
	}
	return "A"
}

// unsafe refuses to raise a record that would serve by a weight of its own first, or that couldn't be put back.
func unsafe(object string, from, to state) error {
	switch {
	case from.enabled && from.weight == 0:
		return fmt.Errorf("%s is enabled with weight 0, which the API can't be trusted to set again: disable it, with weight 1", object)
	case !from.enabled && from.weight > 1 && to.enabled:
		return fmt.Errorf("%s is disabled with weight %d, which it would serve by as soon as it is enabled, and a disabled record's weight can't be set: make it anew, with weight 1, and disable it",
			object, from.weight)
	}
	return nil
}
