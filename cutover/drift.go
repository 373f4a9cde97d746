package cutover

import (
	"fmt"
	"slices"
	"strings"
)

// Drifted is what others wrote while the run rested, as a later plan finds it: what a person adopts who goes on over it. It names
// what the run had found before too, if nobody has answered for it. Who and Why are left to the caller.
func (p *Progress) Drifted(next *Plan) []AdoptedMark {
	var out []AdoptedMark
	for _, h := range next.Held {
		if o := p.Objects[h.ID()]; o != nil && o.Last != h.Value {
			out = append(out, AdoptedMark{Plane: h.Plane, Object: h.Object, Value: h.Value, Version: h.Version})
		}
	}
	return out
}

// SeatDrift is how a seat's objects changed while a run rested. It is shown and not asked: membership is kept, so those that came
// get their weight, and a share that has strayed is set again, once the run goes on.
type SeatDrift struct {
	Seat       Seat
	Came, Went []string // objects, sorted
	Wanted     Share    // what the run keeps the seat at, nil if it is that
	Carries    Share    // what its living objects give now
}

// Membership is, for each seat that the run has written, what came and went since its last plan as a later one finds it.
func (p *Progress) Membership(next *Plan) []SeatDrift {
	was, is := bySeat(p.Plan.Held), bySeat(next.Held)
	shares := SeatShares(next.Held)
	var out []SeatDrift
	for _, seat := range sortedSeats(is) {
		if !slices.ContainsFunc(p.fold.seats[seat], func(o *Object) bool { return o.Touched }) {
			continue
		}
		d := SeatDrift{Seat: seat}
		for _, id := range is[seat] {
			if p.Objects[id] == nil {
				d.Came = append(d.Came, id.Object)
			}
		}
		for _, id := range was[seat] {
			if !slices.Contains(is[seat], id) {
				d.Went = append(d.Went, id.Object)
			}
		}
		if want := p.Wanted[seat]; want != nil && farOff(shares[seat], want) > strayedBy {
			d.Wanted, d.Carries = want, shares[seat]
		}
		if len(d.Came) > 0 || len(d.Went) > 0 || d.Wanted != nil {
			out = append(out, d)
		}
	}
	return out
}

func bySeat(held []Held) map[Seat][]ObjectID {
	m := map[Seat][]ObjectID{}
	for i := range held {
		m[held[i].Seat] = append(m[held[i].Seat], held[i].ID())
	}
	return m
}

// String is one line for people.
func (d SeatDrift) String() string {
	var parts []string
	if n := len(d.Came); n > 0 {
		parts = append(parts, fmt.Sprintf("%d came (%s)", n, few(d.Came)))
	}
	if n := len(d.Went); n > 0 {
		parts = append(parts, fmt.Sprintf("%d went (%s)", n, few(d.Went)))
	}
	if d.Wanted != nil {
		parts = append(parts, fmt.Sprintf("it carries %s, and %s is wanted", shareText(d.Carries), shareText(d.Wanted)))
	}
	return fmt.Sprintf("%s: %s; kept once the run goes on", d.Seat, strings.Join(parts, ", "))
}

func few(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
