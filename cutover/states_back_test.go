package cutover_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// goesBack runs a case that must go back, and judges it as the sweep over the states does.
func goesBack(t *testing.T, st *stage, c stateCase) {
	t.Helper()
	if !playState(t, st, c) {
		t.Errorf("%s, %s: it didn't go back", st.book, c)
	}
}

// stepMoment is when a step of the undisturbed run comes to a state in a rung.
func stepMoment(t *testing.T, st *stage, step, rung int, state cutover.StepState) time.Duration {
	t.Helper()
	for _, h := range st.base.Timeline {
		if r := h.Record; r != nil && r.Step != nil && r.Step.Step == step && r.Step.Rung == rung && r.Step.State == state {
			return h.At
		}
	}
	t.Fatalf("%s: step %d is never %s in rung %d", st.book, step, state, rung)
	return 0
}

// The steps of spring-festival-out that split two layers at once, and the one of spring-festival-back that moves everything.
const (
	namesFollow      = 6
	namesFollowAgain = 10
	namesBack        = 3
)

// TestBackToTheRungWhileGoingBackIsRefused: a run on its way to the start doesn't turn to the last rung's start, and goes on.
func TestBackToTheRungWhileGoingBackIsRefused(t *testing.T) {
	st := newStage(t, "drill-3-percent")
	for _, h := range st.base.Timeline {
		if h.Record != nil && entersPhase(cutover.PhaseBack)(h.Record) {
			goesBack(t, st, newCase(h.At, "rung"))
			return
		}
	}
	t.Error("the drill doesn't go back, so nothing was tested")
}

// TestBackOvershootsFivePointsAtMost goes back from names at 30 % and the gateway at 0 to names at 0 and the gateway at 10 %: the names
// are lowered at most 5 points past the target and seen before the gateway is raised.
func TestBackOvershootsFivePointsAtMost(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	goesBack(t, st, newCase(stepMoment(t, st, namesFollow, 1, cutover.StepBaking), "checkpoint"))
}

// TestBackRaisesNothingIntoWhatMayLand says back while a rung of both layers is on its way: the gateway isn't raised again as long as
// the names' new weights may still land.
func TestBackRaisesNothingIntoWhatMayLand(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, namesFollowAgain, 0, cutover.StepApplying)
	for _, d := range []time.Duration{0, 10, 120, 180, 250, 260, 270, 290} {
		goesBack(t, st, newCase(at+d*time.Millisecond, "rung"))
	}
}

// TestBackLowersARoomBeforeItGivesItMore says back while names' records land: what a name is to hold for a paced rung gives both rooms
// less than now, and the receiving one's record isn't lowered beside the other's.
func TestBackLowersARoomBeforeItGivesItMore(t *testing.T) {
	st := newStage(t, "spring-festival-back")
	at := stepMoment(t, st, namesBack, 1, cutover.StepApplying)
	for d := 112 * time.Millisecond; d < 120*time.Millisecond; d += time.Millisecond {
		goesBack(t, st, newCase(at+d, "start"))
	}
}

// TestBackCountsWhatIsInFlight says back while the gateway's step back to nothing has no answer yet: the names are lowered as if it had
// landed, until it is known.
func TestBackCountsWhatIsInFlight(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, namesFollow, 1, cutover.StepApplying)
	for d := 103 * time.Millisecond; d < 120*time.Millisecond; d += time.Millisecond {
		goesBack(t, st, newCase(at+d, "checkpoint"))
	}
}

// TestBackWaitsForWhatIsTriedAgain loses the gateway's undo: what else would be lowered below the slack waits for it, as it is tried
// again within a second.
func TestBackWaitsForWhatIsTriedAgain(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, namesFollowAgain, 0, cutover.StepApplying)
	for d := 137 * time.Millisecond; d < 141*time.Millisecond; d += 500 * time.Microsecond {
		c := newCase(at+d, "rung")
		c.faults = []string{"lost write at write 32"}
		goesBack(t, st, c)
	}
}

// TestAnUndoWaitsForNoListing: a provider of names takes a request a second, listings and writes of the way forward too. Whenever a person
// says back, the first undo is sent at once, and the others follow at the provider's pace.
func TestAnUndoWaitsForNoListing(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, namesFollow, 1, cutover.StepApplying)
	slow := func(pl *cutover.Plane) {
		if pl.Shows > 0 && pl.Aspect == cutover.Split {
			pl.PerSecond = 1
		}
	}
	every := 250 * time.Millisecond
	if testing.Short() {
		every = time.Second
	}
	for d := 300 * time.Millisecond; d < 5*time.Second; d += every {
		said := at + d
		s, _ := st.play(t, sim.Options{Seed: 1, Commands: newCase(said, "checkpoint").commands, Limits: slow})
		var undos []time.Duration
		for _, sent := range s.Sent() {
			if sent.Plane == "alidns" && sent.At.Duration() >= said {
				undos = append(undos, sent.At.Duration()-said)
			}
		}
		if len(undos) < 2 || undos[0] > 10*time.Millisecond {
			t.Errorf("back said at %s: names' undos are sent after %v; want the first at once", said, undos)
		}
		for i := 1; i < len(undos); i++ {
			if undos[i]-undos[i-1] < time.Second {
				t.Errorf("back said at %s: undos %s apart; the provider takes one a second", said, undos[i]-undos[i-1])
			}
		}
	}
}

// TestTakenOverWithAnUndoOpen kills the process at each intent of its way back, paced ones too: who takes over waits for the outcome.
func TestTakenOverWithAnUndoOpen(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	c := newCase(stepMoment(t, st, namesFollow, 1, cutover.StepBaking), "checkpoint")
	_, out := st.play(t, sim.Options{Seed: 1, Commands: c.commands})
	paced, every := 0, 1
	if testing.Short() {
		every = 4
	}
	n := 0
	for i := range out.Records {
		r := &out.Records[i]
		if !intends(cutover.Pace)(r) && !intends(cutover.Undo)(r) {
			continue
		}
		if n++; n%every > 0 && !intends(cutover.Pace)(r) {
			continue
		}
		if intends(cutover.Pace)(r) {
			paced++
		}
		k := c
		k.faults = []string{killAt(r)}
		goesBack(t, st, k)
	}
	if paced == 0 {
		t.Error("nothing was paced, so the hard case wasn't tested")
	}
}

// TestBackGivesNewInstancesTheirWeight: half of the instances are others when the run goes back: they come with a default weight, and
// get what those of their room had.
func TestBackGivesNewInstancesTheirWeight(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, 7, 1, cutover.StepBaking)
	for _, route := range []string{"search", "im", "legacy"} {
		c := newCase(at, "start")
		c.faults = []string{fmt.Sprintf("replace half %s at %s", route, at-20*time.Second)}
		goesBack(t, st, c)
	}
}

// TestBackScalesTheNewerInstances: more instances join than went while nobody runs, so that their room's recorded weight would give it
// more than its share: only they are scaled, and the share is the recorded one.
func TestBackScalesTheNewerInstances(t *testing.T) {
	for _, fault := range []string{"join 4 legacy in cloud", "join 9 legacy in home", "leave 4 legacy in home"} {
		st := newStage(t, "spring-festival-out")
		at := stepMoment(t, st, 9, 1, cutover.StepBaking)
		c := newCase(at, "checkpoint")
		kind := fmt.Sprintf("%s at %s", fault, at-time.Millisecond)
		if fault[:5] == "leave" { // three others come
			c.faults = []string{fmt.Sprintf("join 3 legacy in home at %s", at-time.Millisecond)}
		}
		c.faults = append(c.faults, kind)
		s, out := st.play(t, sim.Options{Seed: 1, Commands: c.commands}, c.faults...)
		l := readLedger(t, out)
		want := l.targets[l.target]
		got, seat := s.Objects(), cutover.Seat{Route: "legacy", At: "home"}
		for id, v := range want {
			if h := l.held[id]; h.Seat == seat {
				if now, there := got[id]; there && now != v {
					t.Errorf("%s: %s, recorded at %s with %s, holds %s", fault, id, l.target, v, now)
				}
			}
		}
		share, recorded := s.Shares()[seat], l.shareOf(seat, want)
		if off := max(share["cloud"]-recorded["cloud"], recorded["cloud"]-share["cloud"]); off > 50 || recorded["cloud"] == 0 {
			t.Errorf("%s: %v at %s; recorded %v", fault, share, l.target, recorded)
		}
	}
}

// TestBackToTheRungGivesNewInstancesItsWeight: instances that came while nobody ran got the weight of the rung; back to what was there
// before it takes them along.
func TestBackToTheRungGivesNewInstancesItsWeight(t *testing.T) {
	quiet := play(t, "spring-festival-out", sim.Options{Seed: 1})
	first := find(t, quiet, "write of legacy", func(r *cutover.Record) bool {
		return r.Intent != nil && slices.ContainsFunc(r.Intent.Changes, func(c cutover.Change) bool { return c.Seat.Route == "legacy" })
	}).At
	fault := func(f string, d cutover.T) string { return f + " at " + (first + d).Duration().String() }
	said := back(first + 3*cutover.Minute)
	said.Command.Args = map[string]string{"to": "rung"}
	out := play(t, "spring-festival-out", sim.Options{Seed: 1, Commands: []sim.Timed{said}}, fault("kill", cutover.Minute), fault("replace half legacy", 65*cutover.Second))
	kept := find(t, out, "weight of a new instance", intends(cutover.Keep))
	if turned := find(t, out, "going back", entersPhase(cutover.PhaseBack)); kept.Seq > turned.Seq {
		t.Fatal("they got a weight only when it went back")
	}
	sameTruth(t, "at the rung", map[cutover.Seat]cutover.Share{{Route: "legacy", At: "home"}: out.Truth[cutover.Seat{Route: "legacy", At: "home"}]},
		map[cutover.Seat]cutover.Share{{Route: "legacy", At: "home"}: {"home": cutover.Whole}})
}

// TestBackGoesToWhatWasSaid: start, the last checkpoint, the rung begun last.
func TestBackGoesToWhatWasSaid(t *testing.T) {
	st := newStage(t, "spring-festival-out")
	at := stepMoment(t, st, namesFollow, 1, cutover.StepBaking)
	for said, want := range map[string]string{"start": "start", "checkpoint": "night-1", "": "night-1", "rung": "rung"} {
		_, out := st.play(t, sim.Options{Seed: 1, Commands: newCase(at, said).commands})
		if got := readLedger(t, out).target; got != want {
			t.Errorf("back to %q goes to %s; want %s", said, got, want)
		}
	}
}

// TestBackTakesOutWhatRoundsToNothing: instances that joined a room which is to get nothing hold the weight that they came with, which beside
// those of the other room rounds to nothing: they are taken out nevertheless.
func TestBackTakesOutWhatRoundsToNothing(t *testing.T) {
	st := newStage(t, "spring-festival-back")
	at := stepMoment(t, st, namesBack+2, 0, cutover.StepApplying) + time.Minute
	c := newCase(at, "rung")
	c.faults = []string{fmt.Sprintf("replace half search at %s", at)}
	goesBack(t, st, c)
}
