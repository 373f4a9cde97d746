package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// TestFrozenTakenOverWhileSick kills a frozen run's process while home is still sick: the one that takes over stays frozen and writes
// nothing, however long it watches.
func TestFrozenTakenOverWhileSick(t *testing.T) {
	x := homeIsSick(t, 2*time.Hour)
	for _, after := range []time.Duration{0, time.Millisecond, 30 * time.Second} {
		r := x.with(fmt.Sprintf("kill at %s", x.at+after+time.Millisecond)).must(t)
		bad := r.laws()
		if got := x.phases(r); got != "frozen at 0s" || r.Runners != 2 || r.Exit != cutover.ExitStopped || r.Progress.Phase != cutover.PhaseFrozen {
			bad = append(bad, fmt.Sprintf("killed %s after the freeze it is %s, run by %d processes, exit %d; want frozen, 2, 4", after, got, r.Runners, r.Exit))
		}
		if n := r.requestsBy(r.Took); n != r.requestsBy(x.at) {
			bad = append(bad, fmt.Sprintf("%d requests were journaled after the freeze", n-r.requestsBy(x.at)))
		}
		r.report(t, bad)
	}
}

// TestBackAfterATakeover: a person says back, in words of their own or to the process that is taking over at once, while nobody in it has
// heard of the rooms yet. It waits for a sample, or Unknown, of each gate of the room that receives; the word answers nothing that nobody
// could know, so the row of going back is asked: a sick room gets no users.
func TestBackAfterATakeover(t *testing.T) {
	const s, m = time.Second, time.Minute
	at := 61 * s // the second process begins just after a minute
	for _, c := range []struct {
		name  string
		x     sickAt
		undo  time.Duration // when the first undo is journaled, since the freeze; 0: never
		ends  cutover.Phase
		exit  cutover.Exit
		waits bool // the wait stands in the journal
	}{
		{"it is still sick", homeIsSick(t, 2*time.Hour), 0, cutover.PhaseFrozen, cutover.ExitStopped, true},
		{"it is well again", homeIsSick(t, 40*s), at, cutover.PhaseOver, cutover.ExitBack, true},
		{"it gets well as it is asked", homeIsSick(t, at+500*time.Millisecond), at + s, cutover.PhaseOver, cutover.ExitBack, true},
		{"it is past hold", homeIsSick(t, 40*s).strikes("value errors@home 0.5%", 40*s, 3*m), at, cutover.PhaseOver, cutover.ExitBack, true},
		{"one of its gates is Unknown", homeIsSick(t, 2*time.Hour).strikes("blind errors@home", 40*s, 63*s), at, cutover.PhaseFrozen, cutover.ExitStopped, true},
		{"another one is slow to speak", homeIsSick(t, 40*s).strikes("silent slow@home", 40*s, 23*s), at + 2*s, cutover.PhaseOver, cutover.ExitBack, true},
		{"one of its gauges says nothing, and its probe answers", homeIsSick(t, 40*s).strikes("silent errors@home", 40*s, 2*m), at + 4*s, cutover.PhaseOver, cutover.ExitBack, true},
		{"one of its gauges says nothing, nor does its probe", homeIsSick(t, 40*s).strikes("silent errors@home", 40*s, 2*m).strikes("probe home fails", 40*s, 5*m), 0, cutover.PhaseFrozen, cutover.ExitStopped, true},
	} {
		for _, why := range []string{"back", "takeover"} {
			x := c.x.says(60*s, "stop")
			if why == "takeover" {
				x = x.says(60*s+100*time.Millisecond, "back", "to", "start")
			}
			rooms, r := x.opened(t)
			res := another(t, rooms, why)
			r.Timeline = rooms.Timeline()
			var bad []string
			if why == "takeover" {
				r.Records = recordsOf(rooms)
				if got := answered(r, "back"); len(got) > 0 {
					bad = append(bad, fmt.Sprintf("the word answers %v, which nobody has heard of", got))
				}
			}
			undo := time.Duration(0)
			for _, h := range r.Timeline {
				if h.Record != nil && h.Record.Intent != nil && h.At > x.at {
					undo = (h.At - x.at).Truncate(time.Second)
					break
				}
			}
			if undo != c.undo || res.Exit != c.exit || res.Progress.Phase != c.ends {
				bad = append(bad, fmt.Sprintf("it writes at %s, is %s, exit %d; want %s, %s, %d", undo, res.Progress.Phase, res.Exit, c.undo, c.ends, c.exit))
			}
			if waited := slices.ContainsFunc(recordsOf(rooms), func(r cutover.Record) bool {
				return r.Verdict != nil && len(r.Verdict.Causes) == 1 && r.Verdict.Causes[0].Gate == "takeover"
			}); waited != c.waits {
				bad = append(bad, "the journal doesn't say that it waits")
			}
			if len(bad) > 0 {
				t.Errorf("%s, by %s:\n%s%s", c.name, why, strings.Join(bad, "\n"), story(r.Outcome))
			}
		}
	}
}

// TestBackSaidAgain: who has been shown that the room is sick, and says back once more, is obeyed.
func TestBackSaidAgain(t *testing.T) {
	x := homeIsSick(t, 5*time.Minute).says(60*time.Second, "stop").says(90*time.Second, "back", "to", "start")
	rooms, r := x.opened(t)
	res := another(t, rooms, "back")
	r.Timeline, r.Records = rooms.Timeline(), recordsOf(rooms)
	if got := x.phases(r); got != "frozen at 0s, back at 1m0s, frozen at 1m3s, back at 1m30s, over at 5m0s" || res.Exit != cutover.ExitBack {
		t.Errorf("it is %s, exit %d:%s", got, res.Exit, story(r.Outcome))
	}
	if got := answered(r, "back"); !slices.Equal(got, []string{"errors@home"}) {
		t.Errorf("the word answers %v; want errors@home", got)
	}
}

// TestBackFromAll: nothing is served by the room that receives, so nobody but its probe can say how it is. Who takes over asks it first.
func TestBackFromAll(t *testing.T) {
	p := placeOf(t, actRooms, 100)
	at := p.standOf(t, "waiting").at
	for _, fails := range []bool{false, true} {
		c := p.trial().saying(say(cutover.T(at), "stop"))
		if fails {
			c = c.with(fmt.Sprintf("probe home fails at %s", at-time.Minute))
		}
		rooms, r := c.opened(t)
		res := another(t, rooms, "back")
		r.Timeline = rooms.Timeline()
		exit, requests := cutover.ExitBack, r.requestsBy(at)+1
		if fails {
			exit, requests = cutover.ExitStopped, r.requestsBy(at)
		}
		if n := r.requestsBy(24 * time.Hour); res.Exit != exit || n != requests {
			t.Errorf("its probe fails: %v; it ends with %d after %d requests; want %d, %d:%s", fails, res.Exit, n, exit, requests, story(r.Outcome))
		}
		taken := r.when(t, "second process", func(r *cutover.Record) bool { return r.Run != nil && r.Run.Why == "back" })
		if fails && r.when(t, "freeze", entersPhase(cutover.PhaseFrozen)) < taken+4*time.Second {
			t.Errorf("it is frozen before its probe was asked:%s", story(r.Outcome))
		}
	}
}
