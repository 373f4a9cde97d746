package cutover

import "slices"

// seatState is a seat's newest listing.
type seatState struct {
	seat  Seat
	plane int
	held  []Held // sorted by object
	sums  Share  // of the live objects' weights
	known int64  // the newest record when its listing was held against the journal: nothing was left to say
	kept  int64  // the newest record when its new objects were looked for

	stuck string    // it doesn't carry its share and isn't set again: why
	again *againRun // it is being set again

	goals map[string]string // what going back gives each object; nil: to be worked out
	goal  Share
	need  int // objects that don't hold their goal
}

// listed sorts a new listing and adds its weights up.
func (s *seatState) listed() {
	sortHeld(s.held)
	s.sums, s.goals = Share{}, nil
	for i := range s.held {
		s.add(&s.held[i], 1)
	}
}

func (s *seatState) add(h *Held, times int) {
	if h.Live {
		for room, w := range h.Weights {
			s.sums[room] += times * w
		}
	}
}

func (s *seatState) find(object string) *Held {
	i, ok := slices.BinarySearchFunc(s.held, object, func(h Held, o string) int {
		if h.Object < o {
			return -1
		}
		if h.Object > o {
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return &s.held[i]
}
