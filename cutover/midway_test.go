package cutover

import (
	"strings"
	"testing"

	"roomshift/runbooks"
)

// TestMidwayIsJudged: a rung that moves names and the gateway below them is judged, too, as users have it until names are asked again: the
// gateway as written, the names as before. Neither room's load nor the line's limit may be crossed then, though it isn't before or after.
func TestMidwayIsJudged(t *testing.T) {
	night := func(change func(w *planWorld)) []runbooks.Problem {
		w, _ := springNight(t)
		w.shift("away from the names", "entry", []float64{10}, "gw@home", []float64{22})
		change(w)
		_, problems := NewPlan(w.input())
		return problems
	}
	for _, c := range []struct {
		name   string
		change func(w *planWorld)
		want   string
	}{
		{"as shipped", func(*planWorld) {}, ""},
		// 10 / 22 → 30 / 0: the gateway steps back first, and 90 % are at home; before and after it are some 70.
		{"home", func(w *planWorld) { w.rooms.Rooms[0].Capacity["entry"] = 100000 },
			`step "names follow", rung 2: until names are asked again home would be at 108 % of its capacity at peak`},
		// 30 / 0 → 10 / 22: the gateway begins first, and 45 % are in the cloud; before and after it are 30.
		{"cloud", func(w *planWorld) { w.rooms.Rooms[1].Capacity["entry"] = 50000 },
			`step "away from the names", rung 1: until names are asked again cloud would be at 108.96 % of its capacity at peak`},
	} {
		problems := night(c.change)
		said := ""
		for _, p := range problems {
			said += p.Message + " [" + p.Rule + "]\n"
		}
		if (c.want == "") != (said == "") || !strings.HasPrefix(said, c.want) || strings.Count(said, "\n") > 1 {
			t.Errorf("%s:\n%swant %q", c.name, said, c.want)
		}
	}
}

// TestMidwayOfALine: what crosses until names are asked again is held to what the line may carry, where it is more than before.
func TestMidwayOfALine(t *testing.T) {
	w, p := springNight(t)
	p.Links[0].Bits = 0.2 * 120000 * float64(p.Routes[0].Bytes) * 8 // what crosses at 20 % of the peak
	c := NewComposer(p)
	seats := SeatShares(w.snap.Held)
	gateway := Seat{"gw", "home"}
	before := overlay(seats, map[Seat]Share{gateway: {"home": 9000, "cloud": 1000}})
	after := overlay(before, map[Seat]Share{gateway: {"home": 7800, "cloud": 2200}})
	touched := map[Seat]Share{gateway: nil}
	for seat := range seats {
		if seat.Route == "www" || seat.Route == "api" {
			after[seat], touched[seat] = Share{"home": 9000, "cloud": 1000}, nil
		}
	}
	m := moveCheck{before: before, after: after, touched: touched, rates: w.snap.Rates}
	mid := c.midway(&m)
	if mid == nil || mid[gateway]["cloud"] != 2200 || mid[Seat{"www", "default"}]["cloud"] != 0 {
		t.Fatalf("midway is %v", mid)
	}
	if over := c.overLines(mid, m.rates, true, before); len(over) != 1 || !strings.Contains(over[0], "line would be at ") {
		t.Errorf("said of the line: %q", over)
	}
	if over := c.overLines(before, m.rates, true, before); len(over) != 0 {
		t.Errorf("said of the line as it is: %q", over)
	}
	delete(m.touched, gateway)
	if mid := c.midway(&m); mid != nil {
		t.Errorf("names alone have a state midway: %v", mid)
	}
}
