package cutover_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// authorities is a medium of names whose authorities go on with their old answers for a while.
type authorities struct {
	cutover.Medium
	old   int // so many times they are found to
	asked int
	want  map[cutover.Seat]cutover.Share
}

func (m *authorities) Answers(_ context.Context, want map[cutover.Seat]cutover.Share) error {
	m.asked++
	m.want = want
	if m.asked <= m.old {
		return errors.New("ns1 answers cloud 0 %, wanted is 3 %")
	}
	return nil
}

// TestUnobservedNamesAreAnswered: a name that nothing observes isn't settled before its authorities answer what was set; they are asked until
// they do, or until the time to settle is over: then people are. One that is observed settles by what is seen.
func TestUnobservedNamesAreAnswered(t *testing.T) {
	const observe = "observe:                                 # where the true share is read; a route may have its own\n" +
		"  prometheus: 'sum by (served_by) (rate(gw_requests_total{route=\"$route\"}[$window]))'\n  room: served_by\n"
	for _, c := range []struct {
		name     string
		old      int
		observed bool
		asked    int
		settled  bool
	}{
		{"at once", 0, false, 1, true},
		{"late", 4, false, 5, true},
		{"never", 1 << 30, false, 0, false},
		{"observed", 1 << 30, true, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := book(t, "version: 1\nname: book\nmove: {from: home, to: cloud}\nbake: 1m\nsteps:\n  - shift: {cloud: {www: 3%}}\n    settle: {within: 25m, reach: 80%, else: ask}\n")
			if !c.observed {
				changeRooms(t, path, observe, "")
			}
			m := &authorities{old: c.old}
			o := sim.Options{Seed: 1, Commands: []sim.Timed{back(40 * cutover.Minute)}}
			_, _, rs, _ := oneNight(t, path, false, o, func(w *cutover.World) {
				for i := range w.Planes {
					if pl := &w.Planes[i]; pl.Name == "alidns" {
						m.Medium, pl.Medium = pl.Medium, m
					}
				}
			})
			var settling, baking cutover.T
			asked := ""
			for i := range rs {
				switch r := &rs[i]; {
				case r.Asked != nil:
					asked = r.Asked.Text
				case r.Step == nil:
				case r.Step.State == cutover.StepSettling:
					settling = r.At
				case r.Step.State == cutover.StepBaking:
					baking = r.At
				}
			}
			if settling == 0 || (baking > 0) != c.settled || c.settled == strings.Contains(asked, "ns1 answers cloud 0 %") {
				t.Errorf("settling at %v, baking at %v, asked %q", settling.Duration(), baking.Duration(), asked)
			}
			if c.asked > 0 && (m.asked != c.asked || baking-settling < cutover.T(c.old)*2*cutover.Second) {
				t.Errorf("asked %d times in %v, want %d, two seconds apart", m.asked, (baking - settling).Duration(), c.asked)
			}
			if c.observed && m.asked > 0 || !c.settled && m.asked < 100 {
				t.Errorf("asked %d times", m.asked)
			}
			for seat, share := range m.want {
				if seat.Route != "www" || share["cloud"] != 300 {
					t.Errorf("asked whether %v answers %v", seat, share)
				}
			}
		})
	}
}
