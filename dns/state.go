package dns

import (
	"fmt"
	"strconv"
	"strings"
)

// What a record's object holds, as text:
//
//	"1" … "100"  enabled with that weight
//	"0"          disabled; its weight, while it is enabled again, is 1
//	"0/30"       disabled with a weight of 30, which it serves by from the moment that it is enabled
//	"0/0"        enabled with a weight of 0, as the console can set it. The API's pages disagree on what 0 does, so it is never written
//	             but to restore it
//
// A weight can't be set while a record is disabled. So the way from a weight to "0" is to weight 1, then disabled; the way back is
// enabled with weight 1, then the weight. Each of these is one call and one state of this list: whatever gets lost between two of them,
// what is found is a state that the run itself wrote, and no more than the least weight is ever served by a record that is switched.

// state is what a record serves by.
type state struct {
	enabled bool
	weight  int // 0 of a disabled record: the provider didn't say
}

// maxWeight is the provider's highest; its lowest is 1.
const maxWeight = 100

func (s state) String() string {
	switch {
	case s.enabled && s.weight == 0:
		return "0/0"
	case s.enabled:
		return strconv.Itoa(s.weight)
	case s.weight > 1:
		return "0/" + strconv.Itoa(s.weight)
	}
	return "0"
}

func parseState(value string) (state, error) {
	bad := fmt.Errorf("%q, want a weight of 1 to %d, or 0 for a disabled record", value, maxWeight)
	first, second, two := strings.Cut(value, "/")
	n, err := strconv.Atoi(first)
	if err != nil || n < 0 || n > maxWeight {
		return state{}, bad
	}
	s := state{enabled: n > 0, weight: n}
	if n == 0 {
		s.weight = 1
	}
	if two {
		w, err := strconv.Atoi(second)
		if err != nil || n > 0 || w < 0 || w == 1 || w > maxWeight {
			return state{}, bad
		}
		s = state{enabled: w == 0, weight: w}
	}
	if s.String() != value {
		return state{}, bad
	}
	return s, nil
}

// serves is the weight by which a record is answered.
func (s state) serves() int {
	if s.enabled {
		return s.weight
	}
	return 0
}

// next is the state that one call leads to, on the way to another: see above.
func (s state) next(to state) state {
	switch {
	case s == to:
		return to
	case s.enabled && to.enabled: // a weight
		return to
	case s.enabled && s.weight != to.weight && s.weight > 0: // a weight, before it is disabled
		return state{true, to.weight}
	case s.enabled: // disabled
		return to
	}
	return state{true, max(1, s.weight)} // enabled
}
