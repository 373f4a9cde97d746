package cutover_test

import (
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestOnLost: the writer's room fails outright, and its writer can't follow over a direction that lags. With `onLost: traffic` the traffic
// goes home at once, the writer stays until it can, and people are called; with freeze nothing goes.
func TestOnLost(t *testing.T) {
	play := func(onLost string, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome, string) {
		name := book(t, movesWriter)
		changeRooms(t, name, "    onLost: freeze ", "    onLost: "+onLost+" ")
		s, out := playSim(t, name, o, faults...)
		oneWriter(t, s, onLost)
		ms := moments(out)
		return s, out, strings.Join(ms[slices.Index(ms, "writer cloud")+1:], ", ")
	}
	plain, _, _ := play("freeze", sim.Options{})
	vs := plain.Verbs()
	after := vs[len(vs)-1].At + cutover.Minute
	at := func(d cutover.T) string { return " at " + (after + d).Duration().String() }
	fails := "errors cloud 60%" + at(0)

	// Both are red at one moment: which sample is the last depends on when they began.
	stays := false
	for d := cutover.T(0); d < 10*cutover.Second; d += cutover.Second / 2 {
		lag := "lag feed-db cloud→home 10s" + at(d) + " for 5m"
		for _, onLost := range []string{"traffic", "freeze"} {
			s, _, got := play(onLost, sim.Options{}, fails, lag)
			switch {
			case onLost == "freeze" && strings.HasPrefix(got, "back to start stay"):
				t.Errorf("%s, %s: %s", onLost, lag, got)
			case got == "back to start stay, wrote, writer home, over" && onLost == "traffic":
				stays = true
				home := s.Records()[len(s.Records())-1].At
				if home < after+d+5*cutover.Minute {
					t.Errorf("%s: the writer is at home at %s, over a direction that lags", lag, home.Duration())
				}
			}
		}
	}
	if !stays {
		t.Error("the traffic never leaves alone")
	}

	// It goes back already when the direction begins to lag: the traffic goes on, and its writer when it can.
	late := []string{fails, "consul home down" + at(14*cutover.Second) + " for 40s", "lag feed-db cloud→home 10s" + at(10*cutover.Second) + " for 8m"}
	_, out, got := play("traffic", sim.Options{}, late...)
	if !strings.HasPrefix(got, "back to start, wrote, writer home") || !slices.ContainsFunc(out.Timeline, func(h sim.Happened) bool { return h.Page != nil && h.Page.Phase == cutover.PhaseBack }) {
		t.Errorf("going back, onLost traffic: %s\n%s", got, allOf(out))
	}
	if _, _, got = play("freeze", sim.Options{}, late...); got != "back to start, frozen" {
		t.Errorf("going back, onLost freeze: %s", got)
	}
}
