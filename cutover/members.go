package cutover

import "fmt"

// Members is how seats are shaped that are made of instances or records with a weight each. Every live instance of a room gets the
// same weight; a room that is to get nothing is taken out.
//
// The waves are only falls before only rises; rises first where otherwise nothing would serve. Mostly a room that loses only falls and
// one that gains only rises: two waves, and the share is between what it was and what it is to be after each write, in any order
// within a wave. Where the scale makes both fall or both rise, the smaller part falls first and the larger rises first: what that adds
// to the share for a moment is then a part of the smaller one, never of the larger.
//
// Shape is pure, gives the same for the same listing, and no waves at all when the seat carries its share already.
type Members struct {
	Rooms []Room // all of them; an instance in another is left alone
	Scale Scale
	Unit  int // what one unit weighs in Held.Weights
	// Fixed, if not 0, is the sum of units that weights stay near for each instance of the smallest room; else they stay near what
	// the live instances weigh now.
	Fixed int
	// Value is what an instance holds to weigh so many units, 0: out. Handing back h.Value leaves the instance alone.
	Value func(h *Held, units int) string
}

// Shape is Medium.Shape. held is in order of seats; seats that aren't wanted are left alone.
func (m *Members) Shape(held []Held, want map[Seat]Share) ([][]Change, error) {
	return ShapeSeats(held, want, m.ShapeSeat)
}

// ShapeSeat shapes one seat.
func (m *Members) ShapeSeat(held []Held, want Share) ([][]Change, error) {
	units, err := m.units(held, want)
	if err != nil {
		return nil, err
	}
	was := liveShare(held)
	leaves := losing(was, want) < Whole/2
	var waves [4][]Change
	left := 0 // what serves when all that falls has fallen
	for i := range held {
		h := &held[i]
		at := m.room(h.Room)
		if at < 0 {
			continue
		}
		value := m.Value(h, units[at])
		weight, is := units[at]*m.Unit, h.Weights[h.Room]
		if value == h.Value {
			weight = is
		}
		if h.Live {
			left += min(weight, is)
		}
		if value == h.Value {
			continue
		}
		n := waveOf(weight > is, (want[h.Room] > was[h.Room]) != leaves)
		waves[n] = append(waves[n], Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: value,
			Version: h.Version, Gives: Share{h.Room: weight}})
	}
	if left == 0 {
		waves[0], waves[1], waves[2], waves[3] = waves[2], waves[3], waves[0], waves[1]
	}
	var out [][]Change
	for _, w := range waves {
		if len(w) > 0 {
			out = append(out, w)
		}
	}
	return out, nil
}

func (m *Members) room(name Room) int {
	for i, r := range m.Rooms {
		if r == name {
			return i
		}
	}
	return -1
}

// units is what each live instance of a room is to weigh.
func (m *Members) units(held []Held, want Share) ([]int, error) {
	total := 0
	for _, room := range m.Rooms {
		if want[room] < 0 {
			return nil, fmt.Errorf("%v is no share", want)
		}
		total += want[room]
	}
	if total != Whole {
		return nil, fmt.Errorf("%v is no share of %v, want a sum of 100 %%", want, m.Rooms)
	}
	counts, sum := make([]int, len(m.Rooms)), 0
	for i := range held {
		if at := m.room(held[i].Room); at >= 0 && held[i].Live {
			counts[at]++
			sum += held[i].Weights[held[i].Room] / m.Unit
		}
	}
	if m.Fixed > 0 {
		fewest := 0
		for _, n := range counts {
			if n > 0 && (fewest == 0 || n < fewest) {
				fewest = n
			}
		}
		return m.Scale.Units(m.Rooms, counts, want, m.Fixed*fewest)
	}
	units, err := m.Scale.Units(m.Rooms, counts, want, sum)
	if err != nil {
		return nil, err
	}
	if now := m.uniform(held, want); now != nil && m.asGood(counts, want, now, units) {
		return now, nil
	}
	return m.goesOn(held, want, counts, sum, units), nil
}

// goesOn looks whether a shape was written in part: a room that is to get less has its new weight already, and the sum is less by what it
// lost. Then its weight is kept, and the sum from before, for otherwise every try would write all of it anew. A larger step back to
// a sum isn't taken: what rises alone rises too far for the instances that do so first.
func (m *Members) goesOn(held []Held, want Share, counts []int, sum int, units []int) []int {
	was := liveShare(held)
	for i, room := range m.Rooms {
		most := m.mostFrequent(held, room)
		if want[room] == 0 || want[room] >= was[room] || most == 0 {
			continue
		}
		before := most * counts[i] * Whole / want[room]
		if before <= sum || before > sum*3/2 {
			continue
		}
		alt, err := m.Scale.Units(m.Rooms, counts, want, before)
		if err == nil && m.asGood(counts, want, alt, units) && m.changes(held, alt) < m.changes(held, units) {
			return alt
		}
	}
	return units
}

// mostFrequent is what most live instances of a room weigh, in units; of two as frequent, the lesser.
func (m *Members) mostFrequent(held []Held, room Room) int {
	counts := map[int]int{}
	for i := range held {
		if held[i].Room == room && held[i].Live {
			counts[held[i].Weights[room]/m.Unit]++
		}
	}
	most := 0
	for n, c := range counts {
		if best := counts[most]; c > best || c == best && n < most {
			most = n
		}
	}
	return most
}

// changes is how many live instances weigh something else.
func (m *Members) changes(held []Held, units []int) int {
	n := 0
	for i := range held {
		at := m.room(held[i].Room)
		n += b2i(at >= 0 && held[i].Live && held[i].Weights[held[i].Room]/m.Unit != units[at])
	}
	return n
}

// uniform is the units that every live instance of a room has now, nil if they differ or a room is out that shouldn't be, or isn't that
// should.
func (m *Members) uniform(held []Held, want Share) []int {
	now := make([]int, len(m.Rooms))
	for i := range now {
		now[i] = -1
	}
	for i := range held {
		at := m.room(held[i].Room)
		if at < 0 || !held[i].Live {
			continue
		}
		is := held[i].Weights[held[i].Room] / m.Unit
		if now[at] >= 0 && now[at] != is || (is > 0) != (want[held[i].Room] > 0) {
			return nil
		}
		now[at] = is
	}
	for i := range now {
		now[i] = max(0, now[i])
	}
	return now
}

// asGood tells whether what is held carries the share as well as what could be written.
func (m *Members) asGood(counts []int, want Share, now, units []int) bool {
	f := unitSearch{scale: m.Scale, counts: counts, want: make([]int, len(m.Rooms))}
	smallest := Whole
	for i, room := range m.Rooms {
		if f.want[i] = want[room]; want[room] > 0 {
			smallest = min(smallest, want[room])
		}
	}
	off := f.off(now)
	return off <= fine(smallest) || off <= f.off(units)
}

// liveShare is what the live objects of one seat give.
func liveShare(held []Held) Share {
	sums := Share{}
	for i := range held {
		if held[i].Live {
			for room, w := range held[i].Weights {
				sums[room] += w
			}
		}
	}
	return ShareOf(sums)
}

// losing is what the rooms that get less have now, in basis points.
func losing(was, want Share) int {
	n := 0
	for room, v := range was {
		if want[room] < v {
			n += v
		}
	}
	return n
}

// waveOf is the wave of a change, by whether the weight rises and whether it is of the smaller part.
func waveOf(rises, small bool) int {
	switch {
	case rises && small:
		return 3
	case rises:
		return 2
	case small:
		return 0
	}
	return 1
}
