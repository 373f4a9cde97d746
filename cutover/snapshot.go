package cutover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Snapshot is what was read before the first change. Rates are requests in a second where they were observed, filled in by
// whoever has a gauge; Scrape is the longest scrape interval of the metrics, 0: 15 s.
type Snapshot struct {
	Held    []Held // sorted by plane, seat, object
	Writers map[string]Seen
	Pairs   map[string]Peeked // with their records; nil: nobody can look
	Onlys   map[string]Room   // what the keys of things say that run in one room
	Rates   map[Seat]float64
	Wall    time.Time
	Scrape  T
}

// TakeSnapshot lists every object of every plane, one Read each, and looks at every pair. Any part that can't be read is an
// error: a plan over half a listing would undo to half a state.
func TakeSnapshot(ctx context.Context, w World, pairs []string) (*Snapshot, error) {
	s := &Snapshot{Wall: w.Clock.Wall(w.Clock.Now()), Writers: map[string]Seen{}, Onlys: map[string]Room{}}
	for i := range w.Planes {
		held, err := readPlane(ctx, &w.Planes[i])
		if err != nil {
			return nil, err
		}
		s.Held = append(s.Held, held...)
	}
	slices.SortFunc(s.Held, compareInPlane)
	for i := 1; i < len(s.Held); i++ {
		if s.Held[i].ID() == s.Held[i-1].ID() {
			return nil, fmt.Errorf("read %s: %s is listed twice, at %s and %s; an object belongs to one seat", s.Held[i].Plane, s.Held[i].Object, s.Held[i-1].Seat, s.Held[i].Seat)
		}
	}
	names := slices.Clone(pairs)
	slices.Sort(names)
	for _, pair := range names {
		seen, err := w.Writers.Look(ctx, pair)
		if err != nil {
			return nil, fmt.Errorf("look at the pair %s: %w", pair, err)
		}
		s.Writers[pair] = seen
		if w.Peeker != nil {
			if s.Pairs == nil {
				s.Pairs = map[string]Peeked{}
			}
			s.Pairs[pair] = w.Peeker.Peek(ctx, pair)
		}
	}
	for i := range w.Onlys {
		o := &w.Onlys[i]
		seen := o.Keeper.Read(ctx)
		if seen.Err != nil {
			return nil, fmt.Errorf("read the key of %s: %w", o.Name, seen.Err)
		}
		s.Onlys[o.Name] = seen.Key.Room
	}
	return s, nil
}

func readPlane(ctx context.Context, pl *Plane) ([]Held, error) {
	if len(pl.Seats) == 0 {
		return nil, nil
	}
	held, err := pl.Medium.Read(ctx, pl.Seats)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", pl.Name, err)
	}
	asked := make(map[Seat]bool, len(pl.Seats))
	for _, seat := range pl.Seats {
		asked[seat] = true
	}
	for i := range held {
		h := &held[i]
		if h.Plane == "" {
			h.Plane = pl.Name
		}
		if h.Plane != pl.Name || !asked[h.Seat] {
			return nil, fmt.Errorf("read %s: it listed %s of %s (plane %s), which wasn't asked for", pl.Name, h.Object, h.Seat, h.Plane)
		}
	}
	return held, nil
}

// compareInPlane orders as Plan.Held is: by plane, seat, object.
func compareInPlane(a, b Held) int {
	return cmp.Or(strings.Compare(a.Plane, b.Plane), CompareSeats(a.Seat, b.Seat), strings.Compare(a.Object, b.Object))
}

// shareMoved is how far a seat's share may differ, in basis points, when instances came or went since the plan was made: they
// do so all the time, and the wanted share is set over those that live.
const shareMoved = 50

// Stale says what differs between what the plan was made from and s, in what it would touch or rests on: values, shares, TTLs,
// writers; one line each: the object, what it held then, what it holds now. Versions alone are no difference, nor are instances
// that came or went without moving their seat's share. Empty: the plan holds.
func (p *Plan) Stale(s *Snapshot) []string {
	matters := p.restsOn()
	now := make(map[ObjectID]*Held, len(s.Held))
	for i := range s.Held {
		now[s.Held[i].ID()] = &s.Held[i]
	}
	var out []string
	told := map[Seat]bool{}
	for i := range p.Held {
		h := &p.Held[i]
		if !matters[h.Seat] {
			continue
		}
		n := now[h.ID()]
		switch {
		case n == nil && h.Weights == nil:
			out = append(out, fmt.Sprintf("%s %s: planned with %s, isn't there now", h.Seat, h.ID(), h.Value))
		case n != nil && n.Value != h.Value:
			out = append(out, fmt.Sprintf("%s %s: planned with %s, is %s now", h.Seat, h.ID(), h.Value, n.Value))
			told[h.Seat] = true
		}
	}
	out = append(out, p.staleShares(s, matters, told)...)
	for i := range p.Pairs {
		pair := &p.Pairs[i]
		seen, ok := s.Writers[pair.Name]
		if is := seen.Writer(); !ok || is != pair.Writer {
			out = append(out, fmt.Sprintf("pair %s: planned with the writer %s, is %s now", pair.Name, pair.Writer, cmp.Or(is, "not known")))
		}
		if now := pairRecord(s, pair.Name); s.Pairs != nil && p.moves(pair.Name) && !now.same(pair) {
			out = append(out, fmt.Sprintf("pair %s: planned with %s, is %s now", pair.Name, recordText(pair), recordText(&now)))
		}
	}
	return append(out, p.staleOnlys(s)...)
}

func (p *Plan) staleOnlys(s *Snapshot) []string {
	var out []string
	for i := range p.Onlys {
		o := &p.Onlys[i]
		if is := s.Onlys[o.Name]; is != o.Room {
			out = append(out, fmt.Sprintf("%s: planned while its key said %s, it says %s now", o.Name, o.Room, cmp.Or(is, "nothing")))
		}
	}
	return out
}

// staleShares compares the seats' shares where no single value explains the difference.
func (p *Plan) staleShares(s *Snapshot, matters map[Seat]bool, told map[Seat]bool) []string {
	was, is := SeatShares(p.Held), SeatShares(s.Held)
	seats := map[Seat]bool{}
	for seat := range was {
		seats[seat] = true
	}
	for seat := range is {
		seats[seat] = true
	}
	var out []string
	for _, seat := range sortedSeats(seats) {
		if told[seat] || !matters[seat] {
			continue
		}
		if farApart(was[seat], is[seat]) {
			out = append(out, fmt.Sprintf("%s: planned with %s, is %s now", seat, shareText(was[seat]), shareText(is[seat])))
		}
	}
	return out
}

func farApart(a, b Share) bool {
	if (len(a) == 0) != (len(b) == 0) {
		return true
	}
	for room, v := range a {
		if abs(v-b[room]) > shareMoved {
			return true
		}
	}
	for room, v := range b {
		if abs(v-a[room]) > shareMoved {
			return true
		}
	}
	return false
}

// restsOn is what the plan's steps would touch, and every seat that stands in a chain with one of those: composed shares rest
// on them. A plan that touches nothing rests on everything.
func (p *Plan) restsOn() map[Seat]bool {
	m := map[Seat]bool{}
	routes := map[string]bool{}
	for i := range p.Steps {
		for k := range p.Steps[i].Rungs {
			for seat := range p.Steps[i].Rungs[k].Want {
				routes[seat.Route] = true
			}
			for seat := range p.Steps[i].Rungs[k].TTL {
				m[seat] = true
			}
		}
	}
	c := NewComposer(p)
	entries := map[string]bool{}
	for r := range routes {
		for _, e := range c.EntriesOf(r) {
			entries[e] = true
		}
	}
	for i := range p.Routes {
		r := &p.Routes[i]
		hit := routes[r.Name] || len(routes) == 0 && len(m) == 0
		for _, e := range c.EntriesOf(r.Name) {
			hit = hit || entries[e]
		}
		for _, seat := range r.Seats {
			if hit {
				m[seat] = true
			}
		}
	}
	return m
}
