package cutover_test

import (
	"context"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestSomebodyElseWritesWhileItBakes: the step asks within seconds, and nothing is written until a person says.
func TestSomebodyElseWritesWhileItBakes(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m")
	asked := find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil && r.Asked.What == "foreign" })
	if d := asked.At - 4*cutover.Minute; d > 15*cutover.Second {
		t.Errorf("asked %s after it was written; want within 15 s", d.Duration())
	}
	for _, r := range out.Records {
		if r.Intent != nil && r.Seq > asked.Seq {
			t.Errorf("record %d writes while nobody has answered", r.Seq)
		}
	}
}

// TestOverwriteAfterTheEnd: a run that ended with 4 for somebody else's value goes back once more, over it.
func TestOverwriteAfterTheEnd(t *testing.T) {
	s, out := playSim(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m", "errors cloud 20% at 5m for 5m",
		"foreign gw@home 44% at 25m")
	if out.Exit != cutover.ExitStopped {
		t.Fatalf("exit %d; want 4", out.Exit)
	}
	s.Advance(20 * cutover.Minute) // they write once more when it is over
	r := s.NewRunner(context.Background())
	res, err := cutover.Run(r.Context(), r.World(), cutover.Start{Run: out.Run, Why: "back", BackTo: "start", Overwrite: []string{"gateway/rules/main"},
		Host: "ops-2", User: "ops2", PID: 7})
	if err != nil || res.Exit != cutover.ExitBack {
		t.Fatalf("exit %v, %v; want 3", res, err)
	}
	undid := find(t, &sim.Outcome{Records: recordsOf(s)}, "undo after the samples", func(r *cutover.Record) bool {
		return r.Seq > out.Progress.Seq && intends(cutover.Undo)(r)
	})
	heard := find(t, &sim.Outcome{Records: recordsOf(s)}, "verdict on samples", func(r *cutover.Record) bool {
		return r.Seq > out.Progress.Seq && r.Verdict != nil && (len(r.Verdict.Causes) != 1 || r.Verdict.Causes[0].Gate != "takeover")
	})
	if undid.Seq < heard.Seq {
		t.Errorf("record %d writes before record %d has heard of the room that receives", undid.Seq, heard.Seq)
	}
	sameTruth(t, "overwritten", s.Shares(), map[cutover.Seat]cutover.Share{{Route: "gw", At: "home"}: {"home": cutover.Whole}})
}

// TestTakeoverOfWhatIsOver: it is told what can be done.
func TestTakeoverOfWhatIsOver(t *testing.T) {
	s, out := playSim(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m", "errors cloud 20% at 5m")
	s.Advance(20 * cutover.Minute)
	r := s.NewRunner(context.Background())
	if _, err := cutover.Run(r.Context(), r.World(), cutover.Start{Run: out.Run, Why: "takeover"}); err == nil || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("takeover of a run that is over with 4: %v", err)
	}
	r = s.NewRunner(context.Background())
	res, err := cutover.Run(r.Context(), r.World(), cutover.Start{Run: out.Run, Why: "close", Host: "ops-3", User: "ops3", PID: 8})
	if err != nil || res.Exit != cutover.ExitStopped {
		t.Errorf("closed: %v, %v; want exit 4", res, err)
	}
	r = s.NewRunner(context.Background())
	lease, err := r.World().Locks[0].Lock.Take(r.Context(), cutover.Claim{Run: "another", Names: []string{"gw"}})
	if err != nil {
		t.Errorf("another run can't have what the closed one held: %v", err)
	} else if err := lease.Release(r.Context(), false); err != nil {
		t.Error(err)
	}
}

// TestOverwriteOfWhatNobodyWrote is refused, with what there is.
func TestOverwriteOfWhatNobodyWrote(t *testing.T) {
	s, out := playSim(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m", "errors cloud 20% at 5m for 5m")
	s.Advance(20 * cutover.Minute)
	for _, c := range [][2]string{{"gw@cloud", "gateway/rules/main"}, {"gw@home", ""}} {
		name, want := c[0], c[1]
		r := s.NewRunner(context.Background())
		_, err := cutover.Run(r.Context(), r.World(), cutover.Start{Run: out.Run, Why: "back", BackTo: "start", Overwrite: []string{name}, Host: "ops-2", User: "ops2", PID: 7})
		if (want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("--overwrite %s: %v; want %q", name, err, want)
		}
	}
}

// TestQuestionsEndWhenTheRunTurns: an old question can't be answered while going back.
func TestQuestionsEndWhenTheRunTurns(t *testing.T) {
	path := book(t, twoShifts)
	out := play(t, path, sim.Options{Seed: 1, Commands: []sim.Timed{back(9 * cutover.Minute), say(9*cutover.Minute+cutover.Second, "accept", "reason", "late")}},
		"foreign gw@home 33% at 7m")
	find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil && r.Asked.What == "foreign" })
	turned := find(t, out, "going back", entersPhase(cutover.PhaseBack))
	if over := find(t, out, "end", entersPhase(cutover.PhaseOver)); over.At < 9*cutover.Minute+2*cutover.Second {
		t.Fatalf("it was over %s after it turned, before anybody could answer", (over.At - turned.At).Duration())
	}
	for _, r := range out.Records {
		if r.Seq > turned.Seq && (r.Adopted != nil || r.Answered != nil) {
			t.Errorf("record %d answers a question of the way forward while the run goes back", r.Seq)
		}
	}
}

// TestAcceptAdoptsWhatItWasAskedAbout: somebody else wrote two seats; the step that asks is about one of them.
func TestAcceptAdoptsWhatItWasAskedAbout(t *testing.T) {
	path := book(t, twoShifts)
	out := play(t, path, sim.Options{Seed: 1, Commands: []sim.Timed{say(9*cutover.Minute, "accept", "reason", "agreed")}},
		"foreign im 50% at 7m", "foreign gw@home 33% at 7m")
	adopted := 0
	for _, r := range out.Records {
		if r.Adopted == nil {
			continue
		}
		if adopted++; r.Adopted.Object != "gateway/rules/main" {
			t.Errorf("record %d adopts %s, and the question was about gw@home", r.Seq, r.Adopted.Object)
		}
	}
	if adopted != 1 {
		t.Errorf("%d values were adopted; want 1:%s", adopted, story(out))
	}
}

// TestBackBeforeWhatWasAccepted: a value that a person accepted since is left alone, and named.
func TestBackBeforeWhatWasAccepted(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1, Commands: []sim.Timed{say(5*cutover.Minute, "accept", "reason", "agreed"), back(6 * cutover.Minute)}},
		"foreign gw@home 33% at 4m")
	over := find(t, out, "end", entersPhase(cutover.PhaseOver))
	if out.Exit != cutover.ExitStopped || len(over.Phase.Causes) != 1 || !strings.Contains(over.Phase.Causes[0].Text, "accepted since") {
		t.Errorf("exit %d, causes %v; want 4, with what was left alone:%s", out.Exit, over.Phase.Causes, story(out))
	}
}

// TestForeignOverWhatMayHaveLanded: the process died while its first write was under way, and what is found is somebody else's. Ours
// may have stood there before: nobody says that nothing was changed.
func TestForeignOverWhatMayHaveLanded(t *testing.T) {
	quiet := play(t, "drill-3-percent", sim.Options{Seed: 1})
	landed := quiet.Writes[0].At
	out := play(t, "drill-3-percent", sim.Options{Seed: 1, Commands: []sim.Timed{back(landed + 2*cutover.Minute)}},
		"kill at "+(landed+cutover.Millisecond/1000).Duration().String(), "foreign gw@home 33% at "+(landed+10*cutover.Second).Duration().String())
	if out.Exit != cutover.ExitStopped {
		t.Errorf("exit %d; want 4, with somebody else's value left", out.Exit)
	}
}
