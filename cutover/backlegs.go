package cutover

import (
	"maps"
	"slices"
)

// backLegs parts a seat's changes where no transaction takes them all: writes in flight land in any order, so what takes from the only
// room that serves isn't sent before another does, nor what raises the share of the room being left before all that lowers it is done. Of a move that
// lowers it as a whole, what raises it isn't sent at all: later turns do, when something is to be raised.
func (e *engine) backLegs(pl *planeState, st *seatState, cs []Change, share Share) [][]Change {
	if len(cs) == 0 {
		return nil
	}
	if pl.HasCAS && len(Pack(pl.Plane, cs)) == 1 { // all of it or nothing
		return [][]Change{cs}
	}
	var by [4][]Change
	alone := beside(st.sums, e.plan.To) == 0 // what rounds to nothing serves nevertheless
	for _, c := range cs {
		k := e.effectOf(st, &c, alone)
		by[k] = append(by[k], c)
	}
	legs := by[:]
	switch {
	case len(by[serves])+len(by[lowers]) > 0 && share[e.plan.To] < e.set[st.seat][e.plan.To]:
		legs = by[:raises]
	case len(by[serves]) == 0 && alone: // the room being left stays the only one
		legs = [][]Change{by[raises], by[lowers], by[withdraws]}
	}
	return slices.DeleteFunc(legs, func(leg []Change) bool { return len(leg) == 0 })
}

// What a change does to the share of the room being left, in the order in which they may land.
const (
	serves    = iota // it lowers it: another room begins to serve
	lowers           // it lowers it, or nothing
	raises           // the room gets more
	withdraws        // it raises it: another room gets less
)

// effectOf sorts a change into one of the four. alone: the room being left is the only one that serves.
func (e *engine) effectOf(st *seatState, c *Change, alone bool) int {
	h, left := st.find(c.Object), e.plan.To
	switch {
	case h == nil || !h.Live || c.Gives == nil:
		return lowers
	case c.Gives[left] > h.Weights[left]:
		return raises
	case beside(c.Gives, left) < beside(h.Weights, left):
		return withdraws
	case alone && beside(c.Gives, left) > 0:
		return serves
	}
	return lowers
}

// beside is what rooms other than one get.
func beside(weights Share, room Room) int {
	n := 0
	for r, w := range weights {
		if r != room {
			n += w
		}
	}
	return n
}

// legShares is what a seat carries after its legs, and the least that the room being left has on the way there.
func (e *engine) legShares(st *seatState, legs [][]Change) (toward, dip Share) {
	sums := maps.Clone(st.sums)
	for k, leg := range legs {
		for _, c := range leg {
			h := st.find(c.Object)
			if h == nil || !h.Live || c.Gives == nil {
				continue
			}
			for room, w := range h.Weights {
				sums[room] -= w
			}
			for room, w := range c.Gives {
				sums[room] += w
			}
		}
		if toward = ShareOf(maps.Clone(sums)); k == 0 {
			dip = toward
		}
		dip = lesser(dip, toward, e.plan.To)
	}
	return toward, dip
}

// nextLegs goes on where one is done.
func (e *engine) nextLegs() {
	for _, s := range e.backing.seats {
		if s.left == 0 && len(s.legs) > 0 {
			e.nextLeg(s)
		}
	}
}

// nextLeg writes the next of a seat's legs.
func (e *engine) nextLeg(s *backSeat) {
	pl, leg := &e.planes[s.plane], s.legs[0]
	s.legs, s.left = s.legs[1:], len(leg)
	e.lookOpen(leg)
	e.backing.read = false
	for _, cs := range Pack(pl.Plane, leg) {
		pl.later = append(pl.later, laterWrite{Intent{Purpose: s.purpose, Step: -1, Changes: cs}, func(_ int, o Outcome) { e.backOutcome(s, o) }})
	}
}
