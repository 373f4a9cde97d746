package cutover_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// find is the first record for which is holds; the test fails without one.
func find(t *testing.T, out *sim.Outcome, what string, is func(*cutover.Record) bool) *cutover.Record {
	t.Helper()
	i := slices.IndexFunc(out.Records, func(r cutover.Record) bool { return is(&r) })
	if i < 0 {
		t.Fatalf("the run has no %s:%s", what, story(out))
	}
	return &out.Records[i]
}

func entersPhase(p cutover.Phase) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool { return r.Phase != nil && r.Phase.Phase == p }
}

func intends(p cutover.Purpose) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool { return r.Intent != nil && r.Intent.Purpose == p }
}

func killAt(r *cutover.Record) string { return fmt.Sprintf("kill at record %d", r.Seq) }

// wantHome wants all of the gateway's users at home again.
func wantHome(t *testing.T, out *sim.Outcome) {
	t.Helper()
	sameTruth(t, "at the end", out.Truth, map[cutover.Seat]cutover.Share{{Route: "gw", At: "home"}: {"home": cutover.Whole}})
}

// TestTakenOverGoesOnGoingBack kills the process when its first undo was refused, before it tries again; what was wrong is over
// when another one takes over. It still goes back, and not before a sample of its own.
func TestTakenOverGoesOnGoingBack(t *testing.T) {
	const fault, refuse = "errors cloud 20% at 5m for 20s", "fail write 3"
	turned := find(t, play(t, "to-cloud", sim.Options{Seed: 1}, fault, refuse), "refused undo", func(r *cutover.Record) bool { return r.Failed != nil })
	out := play(t, "to-cloud", sim.Options{Seed: 1}, fault, refuse, killAt(turned))
	if out.Exit != cutover.ExitBack || out.Runners != 2 {
		t.Errorf("exit %d, run by %d processes; want 3, by 2", out.Exit, out.Runners)
	}
	wantHome(t, out)
	waits := find(t, out, "waiting for samples", func(r *cutover.Record) bool {
		return r.Seq > turned.Seq && r.Verdict != nil && len(r.Verdict.Causes) == 1 && r.Verdict.Causes[0].Gate == "takeover"
	})
	taken := find(t, out, "takeover", func(r *cutover.Record) bool { return r.Run != nil && r.Run.Why == "takeover" })
	undo := find(t, out, "undo by who took over", func(r *cutover.Record) bool { return r.Seq > taken.Seq && intends(cutover.Undo)(r) })
	if !slices.ContainsFunc(out.Records, func(r cutover.Record) bool {
		return r.Verdict != nil && r.Seq > waits.Seq && r.Seq < undo.Seq
	}) {
		t.Errorf("the undo (record %d) doesn't wait for the samples that record %d waits for", undo.Seq, waits.Seq)
	}
}

// TestFrozenTakenOverStaysFrozen: a cut freezes the run; it is over when another process takes over. A person says how to go on.
func TestFrozenTakenOverStaysFrozen(t *testing.T) {
	const fault = "cut at 4m for 3m"
	frozen := find(t, play(t, "to-cloud", sim.Options{Seed: 1}, fault), "freeze", entersPhase(cutover.PhaseFrozen))
	out := play(t, "to-cloud", sim.Options{Seed: 1}, fault, killAt(frozen))
	if out.Runners != 2 || out.Progress.Phase != cutover.PhaseFrozen {
		t.Errorf("run by %d processes, it is %s at the end; want 2, frozen", out.Runners, out.Progress.Phase)
	}
	for _, r := range out.Records {
		if r.Seq > frozen.Seq && r.Intent != nil {
			t.Errorf("record %d writes while the run is frozen", r.Seq)
		}
	}
}

// TestTakenOverSettlesWhatWasOpen kills the process between an intent and its request: nothing is there, so it is written by the
// process that takes over.
func TestTakenOverSettlesWhatWasOpen(t *testing.T) {
	base := play(t, "to-cloud", sim.Options{Seed: 1})
	out := play(t, "to-cloud", sim.Options{Seed: 1}, killAt(find(t, base, "intent", intends(cutover.Forward))))
	if out.Exit != cutover.ExitDone || out.Runners != 2 {
		t.Errorf("exit %d (%s), run by %d processes; want 0, by 2", out.Exit, out.Why, out.Runners)
	}
	sameTruth(t, "at the end", out.Truth, base.Truth)
}

// TestLateness: a write without an answer whose object holds what it held has failed when it can't land any more, and not before.
func TestLateness(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "lost write at write 2")
	unknown := find(t, out, "unknown write", func(r *cutover.Record) bool { return r.Unknown != nil })
	failed := find(t, out, "failed write", func(r *cutover.Record) bool {
		return r.Failed != nil && r.Failed.Request == unknown.Unknown.Request
	})
	if waited := failed.At - unknown.At; unknown.Unknown.For <= 0 || waited < unknown.Unknown.For {
		t.Errorf("it counts as failed %s after it became unknown; want %s", waited.Duration(), unknown.Unknown.For.Duration())
	}
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}

// TestLateWriteIsSetAgain has a write of the way forward land on a medium without versions after the undo of the same instance.
func TestLateWriteIsSetAgain(t *testing.T) {
	base := play(t, "spring-festival-out", sim.Options{Seed: 1})
	first, n := 0, 0
	for _, w := range base.Writes {
		if n++; strings.HasSuffix(w.Plane, "/services") {
			first = n
			break
		}
	}
	if first == 0 {
		t.Fatal("the runbook writes no service")
	}
	o := sim.Options{Seed: 1, Commands: []sim.Timed{back(base.Writes[first-1].At + cutover.Second)}}
	out := play(t, "spring-festival-out", o, fmt.Sprintf("late write %d 8s", first))
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	wantHome(t, out)
}

// back is a person's word to go back to the start.
func back(at cutover.T) sim.Timed {
	return sim.Timed{At: at.Duration(), Command: cutover.Command{ID: "back-1", Verb: "back", Who: "ops1", Args: map[string]string{"to": "start"}}}
}

// quickBook is a copy of to-cloud that bakes for 5 s only, beside the shipped rooms.
func quickBook(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"rooms.yaml", "to-cloud.yaml"} {
		b, err := os.ReadFile(filepath.Join("..", "runbooks", "library", name))
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.Replace(b, []byte("bake: 2m"), []byte("bake: 5s"), 1)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "to-cloud.yaml")
}

// TestBakeWaitsForYoungSamples silences a gauge just before a write: what it said before says nothing about the write, so the rung
// isn't left until it speaks again.
func TestBakeWaitsForYoungSamples(t *testing.T) {
	book := quickBook(t)
	base := play(t, book, sim.Options{Seed: 1})
	third := func(r *cutover.Record) bool { return r.Intent != nil && r.Intent.Rung == 2 }
	at := find(t, base, "third rung", third).At.Duration() - time.Second
	out := play(t, book, sim.Options{Seed: 1}, fmt.Sprintf("silent slow at %s for 100s", at))
	wrote := find(t, out, "third rung", third)
	left := find(t, out, "fourth rung", func(r *cutover.Record) bool { return r.Step != nil && r.Step.Rung == 3 })
	if d := (left.At - wrote.At).Duration(); d < 98*time.Second {
		t.Errorf("the rung was left %s after its write, while a gauge said nothing about it for 100 s:%s", d, story(out))
	}
}

// TestBackEndsOnYoungSamples silences a gauge when the run turns: the end isn't verified before it speaks again.
func TestBackEndsOnYoungSamples(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1, Commands: []sim.Timed{back(5 * cutover.Minute)}}, "silent errors at 299s for 1m")
	turned := find(t, out, "going back", entersPhase(cutover.PhaseBack))
	over := find(t, out, "end", entersPhase(cutover.PhaseOver))
	if d := (over.At - turned.At).Duration(); out.Exit != cutover.ExitBack || d < 58*time.Second {
		t.Errorf("exit %d, %s after it turned; want 3, and not while a gauge says nothing for a minute", out.Exit, d)
	}
}

// TestHoldBeginsTheBakeAnew: after a hold a rung bakes for its whole time.
func TestHoldBeginsTheBakeAnew(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1})
	baking, green, held, holds := false, cutover.T(0), false, 0
	for _, r := range out.Records {
		switch {
		case r.Step != nil && r.Step.State == cutover.StepBaking:
			baking, green = true, r.At
		case r.Verdict != nil && baking:
			green = r.At
			if held = r.Verdict.Act != cutover.Advance; held {
				holds++
			}
		case r.Step != nil && baking:
			if d := (r.At - green).Duration(); held || d < 2*time.Minute {
				t.Errorf("record %d leaves a rung after %s of an uninterrupted bake; want 2 m", r.Seq, d)
			}
			baking = false
		}
	}
	if holds == 0 {
		t.Error("nothing held a bake, so nothing was tested")
	}
}

// TestBackWithdrawsWhatWaits has a person say back while many requests of a wave wait behind slow ones: those that weren't sent
// are withdrawn, and none of them lands.
func TestBackWithdrawsWhatWaits(t *testing.T) {
	o := sim.Options{Seed: 1, Instances: map[string]int{"search": 100}}
	base := play(t, "spring-festival-out", o)
	wave := find(t, base, "write of a service", func(r *cutover.Record) bool {
		return r.Intent != nil && strings.HasSuffix(r.Intent.Changes[0].Plane, "/services")
	})
	o.Commands = []sim.Timed{back(wave.At + cutover.Second)}
	out := play(t, "spring-festival-out", o, fmt.Sprintf("slow api home/services 3s at %s", wave.At.Duration()-time.Second))
	turned := find(t, out, "going back", entersPhase(cutover.PhaseBack))
	withdrawn := 0
	for _, r := range out.Records {
		if r.Failed != nil && r.Failed.Why == "not sent" {
			withdrawn += len(r.Failed.Objects)
		}
	}
	if withdrawn == 0 {
		t.Error("nothing was withdrawn")
	}
	forward := map[string]string{}
	for _, r := range out.Records {
		if intends(cutover.Forward)(&r) {
			for _, c := range r.Intent.Changes {
				forward[c.Plane+c.Object] = c.After
			}
		}
	}
	for _, w := range out.Writes {
		if w.At > turned.At+4*cutover.Second && forward[w.Plane+w.Object] == w.After {
			t.Errorf("%s → %s lands %s after the run turned", w.Object, w.After, (w.At - turned.At).Duration())
		}
	}
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	wantHome(t, out)
}

// TestHangingForwardDoesNotDelayBack has a write of the way forward hang when a person says back: the first undo is sent at once.
func TestHangingForwardDoesNotDelayBack(t *testing.T) {
	base := play(t, "to-cloud", sim.Options{Seed: 1})
	o := sim.Options{Seed: 1, Commands: []sim.Timed{back(base.Writes[1].At + cutover.Second)}}
	out := play(t, "to-cloud", o, "hang write 2 for 30s")
	if x := out.Timing; x.FirstWrite == 0 || x.FirstWrite-x.Decided > 100*cutover.Millisecond {
		t.Errorf("the first undo is sent %s after the decision; want at most 100 ms", (x.FirstWrite - x.Decided).Duration())
	}
	if out.Exit != cutover.ExitBack || len(out.NotFired) > 0 {
		t.Errorf("exit %d (%s), without %v; want 3", out.Exit, out.Why, out.NotFired)
	}
	wantHome(t, out)
}

// TestForeignIsLeftAlone: somebody else's value stays while going back, and the exit code says so.
func TestForeignIsLeftAlone(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m", "errors cloud 20% at 5m")
	if out.Exit != cutover.ExitStopped {
		t.Errorf("exit %d (%s); want 4", out.Exit, out.Why)
	}
	want := cutover.Share{"home": 6700, "cloud": 3300}
	if got := out.Truth[cutover.Seat{Route: "gw", At: "home"}]; !maps.Equal(got, want) {
		t.Errorf("gw@home holds %v; want %v, which somebody else wrote", got, want)
	}
}
