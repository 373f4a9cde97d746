package cutover

import (
	"math"
	"slices"
	"strings"
)

// SeatShares is the share that each seat's live objects give, from their Weights, by largest remainder. A seat whose live
// weights sum to 0, or of which no object is given, is absent.
func SeatShares(held []Held) map[Seat]Share {
	m := map[Seat]Share{}
	var sums Share
	var last Seat
	for i := range held {
		h := &held[i]
		if !h.Live || len(h.Weights) == 0 {
			continue
		}
		if sums == nil || h.Seat != last {
			last = h.Seat
			if sums = m[last]; sums == nil {
				sums = Share{}
				m[last] = sums
			}
		}
		for room, w := range h.Weights {
			sums[room] += w
		}
	}
	for seat, sums := range m {
		if !toBasisPoints(sums) {
			delete(m, seat)
		}
	}
	return m
}

// ShareOf is the share that weights by room give, by largest remainder; nil if they sum to 0. It uses the map that it was given.
func ShareOf(weights Share) Share {
	if !toBasisPoints(weights) {
		return nil
	}
	return weights
}

// toBasisPoints turns weights into a share, in place; false if there is nothing to share.
func toBasisPoints(sums Share) bool {
	total := 0
	for _, w := range sums {
		total += w
	}
	if total <= 0 {
		return false
	}
	var few struct {
		rooms       [8]Room
		rest, order [8]int
	}
	rooms := few.rooms[:0] // two or three rooms are sorted without leaving the stack
	for room := range sums {
		rooms = append(rooms, room)
	}
	slices.Sort(rooms)
	rest := append(few.rest[:0], make([]int, len(rooms))...)
	order := append(few.order[:0], make([]int, len(rooms))...)
	left := Whole
	for i, room := range rooms {
		v := sums[room] * Whole / total
		rest[i], order[i] = sums[room]*Whole%total, i
		sums[room] = v
		left -= v
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b] - rest[a] })
	for i := range left {
		sums[rooms[order[i]]]++
	}
	for _, room := range rooms {
		if sums[room] == 0 {
			delete(sums, room)
		}
	}
	return true
}

// sameShare tells whether two shares say the same; a room with 0 and an absent one do.
func sameShare(a, b Share) bool {
	for room, v := range a {
		if v != b[room] {
			return false
		}
	}
	for room, v := range b {
		if v != a[room] {
			return false
		}
	}
	return true
}

// total is the sum of a share's parts, or of weights.
func total(s Share) int {
	n := 0
	for _, v := range s {
		n += v
	}
	return n
}

// shareText is "cloud 10 %, home 90 %".
func shareText(s Share) string {
	if len(s) == 0 {
		return "nothing alive"
	}
	var parts []string
	for _, room := range sortedKeys(s) {
		if s[room] != 0 {
			parts = append(parts, room+" "+percent(s[room]))
		}
	}
	return strings.Join(parts, ", ")
}

// overlay is base with over's seats in place of its own; a seat whose share over has as nil is absent.
func overlay(base, over map[Seat]Share) map[Seat]Share {
	m := make(map[Seat]Share, len(base)+len(over))
	for s, sh := range base {
		m[s] = sh
	}
	for s, sh := range over {
		if sh == nil {
			delete(m, s)
			continue
		}
		m[s] = sh
	}
	return m
}

// apportion writes fractions as basis points that sum to Whole: rounded down, what is left to the largest remainders; of equals
// the earlier room. Rooms with nothing are left out.
func (c *Composer) apportion(dst Share, parts []float64) {
	sum := 0.0
	for _, x := range parts {
		sum += x
	}
	clear(dst)
	if sum <= 0 {
		return
	}
	left := Whole
	for r, x := range parts {
		v := int(x / sum * Whole)
		dst[c.rooms[r]] = v
		left -= v
		c.order[r] = r
	}
	// A remainder within a billionth counts as equal: it is the arithmetic's, not the share's.
	for i := 1; i < len(c.order); i++ {
		for k := i; k > 0 && remainder(parts[c.order[k]]/sum*Whole)-remainder(parts[c.order[k-1]]/sum*Whole) > 1e-9; k-- {
			c.order[k], c.order[k-1] = c.order[k-1], c.order[k]
		}
	}
	for i := 0; left > 0; i++ {
		dst[c.rooms[c.order[i%len(c.order)]]]++
		left--
	}
	for _, room := range c.rooms {
		if dst[room] == 0 {
			delete(dst, room)
		}
	}
}

func remainder(x float64) float64 { return x - math.Floor(x) }
