package cutover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// firstBook brings the upstream from 5 % to so many.
func firstBook(t *testing.T, to string) string {
	return book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, `+to+`]}}
`)
}

// TestSetAgainByTheRules: what would bring a room that has all but died from under 5 % up by more than 5 points is asked, with
// the rule's name, be it wave by wave less than that; a person breaks it by that.
func TestSetAgainByTheRules(t *testing.T) {
	for to, deaths := range map[string][]string{"12%": {"leave 9 im at 8m in cloud"}, "10%": {"leave 7 im at 8m in cloud", "join 1 im at 8m in cloud"}} {
		out := play(t, firstBook(t, to), sim.Options{Seed: 1, Instances: many}, deaths...)
		asked := find(t, out, "question", asksToKeep)
		if !strings.Contains(asked.Asked.Text, "[first]") || len(againOf(out)) != 0 {
			t.Errorf("%q: asked %q, set again at %s; want the rule named and nothing written", deaths, asked.Asked.Text, seconds(againOf(out)))
		}
		o := sim.Options{Seed: 1, Instances: many, Commands: []sim.Timed{say(12*cutover.Minute, "accept", "reason", "they can hold it")}}
		out = play(t, firstBook(t, to), o, deaths...)
		again := againOf(out)
		broke := find(t, out, "broken rule", func(r *cutover.Record) bool { return r.Broke != nil })
		if broke.Broke.Rule != cutover.RuleFirst || len(again) != 1 || again[0].Seq < broke.Seq || out.Exit != cutover.ExitDone {
			t.Errorf("%q: broke %+v, set again at %s, exit %d; want it set again once the rule is broken by name", deaths, broke.Broke, seconds(again), out.Exit)
		}
	}
}

// TestNothingLivesThere: a share can't be set over nobody. It is asked, and nothing is written.
func TestNothingLivesThere(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "leave all im at 8m in cloud")
	asked := find(t, out, "question", asksToKeep)
	if !strings.Contains(asked.Asked.Text, "nothing that serves") || len(againOf(out)) != 0 {
		t.Errorf("asked %q, set again at %s", asked.Asked.Text, seconds(againOf(out)))
	}
}

// TestAllAreNew: a room whose instances were all replaced carries next to nothing. That it gets its share at once is asked.
func TestAllAreNew(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "replace all im at 8m in cloud")
	asked := find(t, out, "question", asksToKeep)
	if !strings.Contains(asked.Asked.Text, "[first]") || slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return intends(cutover.Keep)(&r) }) {
		t.Errorf("asked %q; want the rule named, and nothing written:%s", asked.Asked.Text, story(out))
	}
}

// TestAllAreNewAtHome: users who were swept into the room that gains are given back at once, whatever that moves.
func TestAllAreNewAtHome(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "replace all im at 8m in home")
	keeps := keepsIn(out)
	if len(keeps) == 0 || keeps[0].At > 8*cutover.Minute+12*cutover.Second || slices.ContainsFunc(out.Records, asks) || out.Exit != cutover.ExitDone {
		t.Errorf("weights are given at %s, exit %d; want within seconds, 0, and nobody asked:%s", seconds(keeps), out.Exit, story(out))
	}
	if got := out.Truth[im]["cloud"]; got != 3000 {
		t.Errorf("%d basis points in the cloud; want 3000", got)
	}
}

// twoLayers is a runbook in rooms where an upstream of instances leads into a service of instances, with 20 % and 10 % in the cloud.
func twoLayers(t *testing.T) string {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, 20%]}}
  - shift: {cloud: {search@home: [5%, 10%]}}
`)
	changeRooms(t, path, "seats: [home], connections: long}", "seats: [home], into: search}")
	return path
}

// TestTwoLayersSetAgain: only the layer in which instances died is written, and where both lost some each is set again by itself.
func TestTwoLayersSetAgain(t *testing.T) {
	search := cutover.Seat{Route: "search", At: "home"}
	for _, c := range []struct {
		faults []string
		again  []cutover.Seat
	}{
		{[]string{"leave 1 search at 18m in cloud"}, []cutover.Seat{search}},
		{[]string{"leave 1 im at 18m in cloud"}, []cutover.Seat{im}},
		{[]string{"leave 1 im at 18m in cloud", "leave 1 search at 18m in home"}, []cutover.Seat{search, im}},
		{append(dyingOf("im", 4, 16*time.Minute), "leave 1 search at 20m in cloud"), []cutover.Seat{im, im, im, search}},
	} {
		out := play(t, twoLayers(t), sim.Options{Seed: 1, Instances: map[string]int{"im": 8, "search": 6}}, c.faults...)
		var seats []cutover.Seat
		for _, r := range againOf(out) {
			seats = append(seats, r.Intent.Changes[0].Seat)
			for _, ch := range r.Intent.Changes {
				if ch.Seat != r.Intent.Changes[0].Seat {
					t.Errorf("%q: record %d writes %s beside %s", c.faults, r.Seq, ch.Seat, r.Intent.Changes[0].Seat)
				}
			}
		}
		slices.SortStableFunc(seats, func(a, b cutover.Seat) int { return -cutover.CompareSeats(a, b) })
		slices.SortStableFunc(c.again, func(a, b cutover.Seat) int { return -cutover.CompareSeats(a, b) })
		if !slices.Equal(seats, c.again) {
			t.Errorf("%q: set again %v; want %v:%s", c.faults, seats, c.again, story(out))
		}
		for seat, want := range map[cutover.Seat]int{im: 2000, search: 1000} {
			stuck := slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return asksToKeep(&r) && strings.HasSuffix(r.Asked.What, seat.String()) })
			if got := out.Truth[seat]["cloud"]; !stuck && (got < want-50 || got > want+50) {
				t.Errorf("%q: %s has %d basis points in the cloud at the end; want %d", c.faults, seat, got, want)
			}
		}
	}
}
