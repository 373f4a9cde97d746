package cutover

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"roomshift/runbooks"
)

// Instances and records carry a share by their weights: a room's part is its weight times how many of its instances live. Each
// consumer reads weights in a scale of its own, so the same numbers mean one thing to HAProxy and another to Envoy.

// Scale is what one consumer can tell apart: an instance weighs 1 to Max units, and a unit is written as Step. Getting nothing isn't a
// weight: 0 means something else to nearly every consumer, so each medium says it in its own way.
type Scale struct{ Max, Step int }

// Near is how far a share may be off by rounding, in basis points: past it a share is refused.
const Near = 25

// ScaleOf is the scale of a medium of weights, as its consumer reads it (runbooks.Route.Consumer).
func ScaleOf(medium runbooks.Medium, consumer string) Scale {
	switch {
	case medium == runbooks.MediumDNS:
		return Scale{Max: 100, Step: 1}
	case medium == runbooks.MediumUpstream:
		return Scale{Max: Whole, Step: 1}
	case consumer == "haproxy": // reads (w+255)/256 of a weight w, up to 256 of them; 255 × 256 is the largest multiple in 16 bits
		return Scale{Max: 255, Step: 256}
	case consumer == "envoy":
		return Scale{Max: 128, Step: 1}
	}
	return Scale{Max: 65535, Step: 1}
}

// Read is how many units the consumer makes of a weight that is written: every weight over 0 is at least one.
func (s Scale) Read(weight int) int {
	if weight <= 0 {
		return 0
	}
	return min((weight+s.Step-1)/s.Step, s.Max)
}

// Written is the weight that says so many units.
func (s Scale) Written(units int) int { return units * s.Step }

// Units is how many units each live instance of a room gets, by the order of rooms, so that the rooms carry want: rooms[i] has counts[i]
// live instances. Of all the whole numbers that are within the tolerance those are taken whose sum over all instances is nearest to
// sum (of two as near, the smaller): weights stay near the ones before and after, so a room that gains only rises and one that loses
// only falls, and no order of writes passes the goal. Where sum is too small for the share, that is the smallest numbers that do.
//
// The tolerance is Near, or a fiftieth of the smallest share if that is less; where the scale hasn't that, the best that it has, if
// that is within Near. The error names what can't be had: a room that is to get something and has nothing alive, or, past Near, the
// nearest share that the scale can express.
func (s Scale) Units(rooms []Room, counts []int, want Share, sum int) ([]int, error) {
	f := unitSearch{scale: s, counts: counts, want: make([]int, len(rooms)), units: make([]int, len(rooms)), least: Whole + 1}
	smallest := Whole
	for i, room := range rooms {
		f.want[i] = want[room]
		if want[room] > 0 && counts[i] == 0 {
			return nil, fmt.Errorf("%s is to get %s and has nothing that serves", room, percent(want[room]))
		}
		if want[room] > 0 {
			smallest = min(smallest, want[room])
		}
	}
	if f.find(sum, fine(smallest)) {
		return f.units, nil
	}
	if f.least <= Near {
		return f.best, nil
	}
	return nil, f.refused(rooms)
}

// fine is the tolerance that is asked for first.
func fine(smallest int) int { return min(Near, max(1, smallest/50)) }

// unitSearch looks for units, sum by sum.
type unitSearch struct {
	scale        Scale
	counts, want []int
	units        []int
	best         []int // what came nearest to the share
	least        int   // and how near, in basis points
}

// find tries sums ever farther from this one. A sum at which some room's units would pass Max is none, and neither is a larger one.
// Rounding alone is within the tolerance from a few hundred for each instance on, so a search that finds nothing ends soon.
func (f *unitSearch) find(sum, within int) bool {
	limit := math.MaxInt / 4
	for i, want := range f.want {
		if want > 0 {
			limit = min(limit, int((float64(f.scale.Max)+0.5)*Whole*float64(f.counts[i])/float64(want))+1)
		}
	}
	sum = max(1, sum)
	for d := max(0, sum-limit); d < sum || sum+d <= limit; d++ {
		if d < sum && f.try(sum-d) <= within || sum+d <= limit && f.try(sum+d) <= within {
			return true
		}
	}
	return false
}

// try works out the units of a sum and how far they are off, in basis points; past Max, more than any share is.
func (f *unitSearch) try(sum int) int {
	for i, want := range f.want {
		f.units[i] = 0
		if want > 0 {
			f.units[i] = max(1, int(math.Round(float64(want)*float64(sum)/Whole/float64(f.counts[i]))))
		}
		if f.units[i] > f.scale.Max {
			return Whole + 1
		}
	}
	off := f.off(f.units)
	if off < f.least {
		f.least, f.best = off, append(f.best[:0], f.units...)
	}
	return off
}

// off is how far units are from the share, in basis points, rounded up.
func (f *unitSearch) off(units []int) int {
	total := 0
	for i := range units {
		total += units[i] * f.counts[i]
	}
	if total == 0 {
		return Whole
	}
	worst := 0.0
	for i, want := range f.want {
		worst = max(worst, math.Abs(float64(units[i]*f.counts[i])/float64(total)*Whole-float64(want)))
	}
	return int(math.Ceil(worst - 1e-9))
}

// refused says what can't be expressed, and what could.
func (f *unitSearch) refused(rooms []Room) error {
	want, nearest := Share{}, Share{}
	var over []string
	for i, room := range rooms {
		want[room] = f.want[i]
		if f.best != nil {
			nearest[room] = f.best[i] * f.counts[i]
		}
		over = append(over, fmt.Sprint(f.counts[i]))
	}
	if len(over) == 0 {
		return errors.New("there are no rooms")
	}
	text := fmt.Sprintf("weights of 1 to %d can't express %s over %s instances within 0.25 %%", f.scale.Max, shareText(want), strings.Join(over, " and "))
	if nearest = ShareOf(nearest); nearest != nil {
		text += "; the nearest is " + shareText(nearest)
	}
	return errors.New(text)
}
