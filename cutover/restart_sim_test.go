package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestRestartedGetsItsWeight: an instance that is made anew under its name holds its default, which nobody wrote: it gets its weight
// again, nobody is asked, and it is none of the times that a share is set again.
func TestRestartedGetsItsWeight(t *testing.T) {
	var faults []string
	for i := range 6 {
		faults = append(faults, fmt.Sprintf("restart 1 im at %s", 6*time.Minute+time.Duration(i)*25*time.Second))
	}
	out := play(t, keepBook(t), sim.Options{Seed: 1}, faults...)
	if slices.ContainsFunc(out.Records, asks) || slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return r.Foreign != nil || r.Stray != nil }) {
		t.Errorf("somebody is asked, or said to have written:%s", story(out))
	}
	if n := len(out.Progress.SetAgain[im]); n != 0 || out.Exit != cutover.ExitDone {
		t.Errorf("set again %d times, exit %d; want never, and 0", n, out.Exit)
	}
	if keeps := keepsIn(out); len(keeps) != 6 {
		t.Errorf("weights are given at %s; want six times", seconds(keeps))
	}
	if got := out.Truth[im]["cloud"]; got != 3000 {
		t.Errorf("%d basis points in the cloud; want 3000", got)
	}
}

// TestRestartedIsTriedAgain: a weight that couldn't be given is given later, once it is known that the first request didn't.
func TestRestartedIsTriedAgain(t *testing.T) {
	for _, fault := range []string{"fail write 5", "lost write at write 5", "lost reply at write 5", "late write 5 9s"} {
		out := play(t, keepBook(t), sim.Options{Seed: 1}, "restart 1 im at 8m in cloud", fault)
		got := out.Truth[im]["cloud"]
		named := func(r cutover.Record) bool {
			return r.Foreign != nil || r.Asked != nil || (r.Stray != nil && strings.HasPrefix(fault, "fail"))
		}
		if slices.ContainsFunc(out.Records, named) || len(keepsIn(out)) > 2 || out.Exit != cutover.ExitDone || got != 3000 {
			t.Errorf("%s: weights are given at %s, exit %d, %d basis points in the cloud; want at most twice, 0, 3000, and nobody asked or named:%s",
				fault, seconds(keepsIn(out)), out.Exit, got, story(out))
		}
	}
}

// TestRestartedThenWritten: what somebody writes to an instance after it was made anew is theirs.
func TestRestartedThenWritten(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "restart 1 im at 8m in cloud", "foreign upstreams/im-gw/10.2.0.2:8080 = 9000 at 8m6s")
	asked := slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return r.Asked != nil && r.Asked.What == "foreign" })
	if keeps := keepsIn(out); !asked || len(keeps) != 1 {
		t.Errorf("asked %v, weights are given at %s; want it asked, and only the first:%s", asked, seconds(keeps), story(out))
	}
}

// TestRestartedWhileNobodyLooks: an instance that joined and got its weight is made anew between a kill and the takeover. It holds what
// it came with: the run doesn't take that for an undo, and goes on.
func TestRestartedWhileNobodyLooks(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "replace all im at 1m in home", "kill at 9m", "restart 2 im at 9m20s in home")
	if out.Runners != 2 || slices.ContainsFunc(out.Records, entered(cutover.PhaseBack)) || slices.ContainsFunc(out.Records, asks) || out.Exit != cutover.ExitDone {
		t.Errorf("%d processes, exit %d; want 2, 0, nobody asked, and no way back:%s", out.Runners, out.Exit, story(out))
	}
	if got := out.Truth[im]["cloud"]; got != 3000 {
		t.Errorf("%d basis points in the cloud; want 3000", got)
	}
}

// TestOneOfManyRestartedWhileNobodyLooks: it moves the share by next to nothing, and gets its weight all the same.
func TestOneOfManyRestartedWhileNobodyLooks(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: map[string]int{"im": 100}}, "replace all im at 1m in home", "kill at 9m", "restart 1 im at 9m20s in home")
	keeps := keepsIn(out)
	last := keeps[len(keeps)-1].Intent.Changes
	if len(last) != 1 || last[0].Before != "1" || last[0].After != "7000" || out.Exit != cutover.ExitDone {
		t.Errorf("the last request to keep changes %+v, exit %d; want the one's weight, and 0", last, out.Exit)
	}
}

// TestBackOverRestarted: instances that are made anew while the run goes back, or before, come back to what was recorded of them. (One
// that is made anew between its newest listing and its undo can't be told from one that somebody wrote: it is left alone and named.)
func TestBackOverRestarted(t *testing.T) {
	for _, at := range []string{"9m55s", "600020ms", "600040ms", "10m20s", "11m30s"} {
		o := sim.Options{Seed: 1, Shares: map[string]int{"im": 300}, Commands: []sim.Timed{back(10 * cutover.Minute)}}
		out := play(t, keepBook(t), o, "restart 2 im at "+at, "blind errors@home at 9m59s for 2m")
		if got := out.Truth[im]["cloud"]; out.Exit != cutover.ExitBack || got != 300 {
			t.Errorf("made anew at %s: exit %d, %d basis points in the cloud; want 3, 300:%s", at, out.Exit, got, story(out))
		}
	}
}
