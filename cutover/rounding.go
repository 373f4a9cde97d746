package cutover

import (
	"fmt"
	"strings"
)

// rounding follows what seats made of instances carry, rung by rung: weights are whole numbers in their consumer's scale, so a share
// may be a little off what is wanted. Shape refuses what is past Near; the rest is shown.
type rounding struct {
	held []Held
	at   map[ObjectID]int
}

// newRounding copies what the snapshot lists of instances; nil if there are none.
func newRounding(held []Held) *rounding {
	r := &rounding{at: map[ObjectID]int{}}
	for i := range held {
		if held[i].Room != "" && held[i].Weights != nil {
			r.at[held[i].ID()] = len(r.held)
			r.held = append(r.held, held[i])
		}
	}
	if len(r.held) == 0 {
		return nil
	}
	return r
}

// off lets a rung's changes land and says of its seats what the room that gains would have then, where that isn't what is wanted.
func (r *rounding) off(rung *RungPlan, to Room) []string {
	if r == nil {
		return nil
	}
	touched := false
	for i := range rung.Changes {
		c := &rung.Changes[i]
		if k, ok := r.at[c.ID()]; ok && c.Gives != nil {
			r.held[k].Weights, touched = c.Gives, true
		}
	}
	if !touched {
		return nil
	}
	shares := SeatShares(r.held)
	var texts []string
	seats := map[string][]string{}
	for _, seat := range sortedSeats(rung.Want) {
		is, ok := shares[seat]
		if !ok || is[to] == rung.Want[seat][to] {
			continue
		}
		text := fmt.Sprintf("%s in %s, not %s: weights are whole numbers", percent(is[to]), to, percent(rung.Want[seat][to]))
		if len(seats[text]) == 0 {
			texts = append(texts, text)
		}
		seats[text] = append(seats[text], seat.String())
	}
	for i, text := range texts {
		names := seats[text]
		if n := len(names); n > 3 {
			names = append(names[:3:3], fmt.Sprintf("and %d more", n-3))
		}
		texts[i] = strings.Join(names, ", ") + " would have " + text
	}
	return texts
}
