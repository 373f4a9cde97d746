package cutover

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBackLegs takes a seat's records from random weights to random goals by its legs, each leg landing in any order: something serves
// all the time; a move that lowers the room being left never raises it, any other never past where it ends.
func TestBackLegs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := map[int]int{}
	for n := range 20000 {
		e, st, changes := randomSeat(rnd)
		was, end := e.set[st.seat]["cloud"], e.shareAfter(changes)[st.seat]["cloud"]
		legs := e.backLegs(&e.planes[0], st, slices.Clone(changes), e.shareAfter(changes)[st.seat])
		seen[len(legs)]++
		toward, dip := e.legShares(st, legs)
		least := Whole
		now, all := was, 0
		for _, leg := range legs {
			all += len(leg)
		}
		if end >= was && all != len(changes) {
			t.Fatalf("case %d: %d of %d changes are written on the way from %d to %d", n, all, len(changes), was, end)
		}
		for _, leg := range legs {
			rnd.Shuffle(len(leg), func(i, k int) { leg[i], leg[k] = leg[k], leg[i] })
			for _, c := range leg {
				e.holds(0, c.Seat, c.Object, c.After, "", c.Gives)
				if st.sums["cloud"]+st.sums["home"] == 0 {
					t.Fatalf("case %d: nothing serves after %s %s → %s", n, c.Object, c.Before, c.After)
				}
				e.setShare(st.seat)
				before := now
				if now = e.set[st.seat]["cloud"]; end < was && now > before || now > max(was, end)+1 {
					t.Fatalf("case %d: %s %s → %s brings cloud from %d to %d, on the way from %d to %d", n, c.Object, c.Before, c.After, before, now, was, end)
				}
			}
			least = min(least, now)
		}
		if now != toward["cloud"] || dip["cloud"] != least {
			t.Fatalf("case %d: cloud ends at %d, at least %d; want %d and %d", n, now, least, toward["cloud"], dip["cloud"])
		}
	}
	if seen[1] == 0 || seen[2] == 0 || seen[3] == 0 {
		t.Errorf("legs: %v; want some of 1, 2 and 3", seen)
	}
}

// randomSeat is an engine with a name of up to three records in each room, and changes of it after which something serves.
func randomSeat(rnd *rand.Rand) (*engine, *seatState, []Change) {
	seat := Seat{Route: "www"}
	e := &engine{plan: &Plan{From: "home", To: "cloud"}, set: map[Seat]Share{}, planes: []planeState{{Plane: Plane{Name: "dns", Medium: plainWeights{}, MaxChanges: 1}}}}
	e.p = &Progress{Objects: map[ObjectID]*Object{}}
	for {
		st := &seatState{seat: seat}
		var changes []Change
		sum := 0
		for _, room := range []Room{"cloud", "home"} {
			for i := range 1 + rnd.IntN(3) {
				was, goal := rnd.IntN(4)*rnd.IntN(30), rnd.IntN(4)*rnd.IntN(30)
				if rnd.IntN(8) == 0 { // beside which others round to nothing
					was, goal = 60000, 60000+rnd.IntN(2)
				}
				h := Held{Seat: seat, Plane: "dns", Object: fmt.Sprintf("%s-%d", room, i), Value: fmt.Sprint(was), Room: room, Live: true, Weights: Share{room: was}}
				st.held = append(st.held, h)
				if sum += goal; was != goal {
					changes = append(changes, Change{Seat: seat, Plane: "dns", Object: h.Object, Before: h.Value, After: fmt.Sprint(goal), Gives: Share{room: goal}})
				}
			}
		}
		st.listed()
		if sum == 0 || st.sums["cloud"]+st.sums["home"] == 0 || len(changes) == 0 {
			continue
		}
		e.seats = map[Seat]*seatState{seat: st}
		e.setShare(seat)
		return e, st, changes
	}
}

// plainWeights is a medium whose values are weights.
type plainWeights struct{ Medium }
