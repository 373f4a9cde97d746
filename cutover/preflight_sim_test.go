package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// fencings are when FENCING was written, by pair.
func fencings(s *sim.Sim, pair string) []cutover.T {
	var out []cutover.T
	for _, r := range s.Records() {
		if r.Pair == pair && r.Record.Phase == writer.Fencing {
			out = append(out, r.At)
		}
	}
	return out
}

// fencedAt is when the only FENCING of feed-db was written.
func fencedAt(t *testing.T, s *sim.Sim, out *sim.Outcome) cutover.T {
	t.Helper()
	all := fencings(s, "feed-db")
	if len(all) != 1 {
		t.Fatalf("FENCING was written at %v, want once\n%s", all, allOf(out))
	}
	return all[0]
}

// TestPreflightHoldsAMove: what is in the way and goes away by itself holds a move for so long, and nobody is asked within a minute.
func TestPreflightHoldsAMove(t *testing.T) {
	s, out := moved(t, movesWriter, sim.Options{})
	plain := fencedAt(t, s, out)
	for _, begins := range []cutover.T{plain - 10*cutover.Second, plain - 80*cutover.Millisecond} { // before all of it, and before the last look
		ends := plain + 40*cutover.Second
		s, out = moved(t, movesWriter, sim.Options{}, fmt.Sprintf("preflight feed-db locks at %s for %s", begins.Duration(), (ends-begins).Duration()))
		at := fencedAt(t, s, out)
		if at < ends || at > ends+6*cutover.Second || isAsked(out, "move") || isAsked(out, "rule") || out.Exit != cutover.ExitDone {
			t.Errorf("from %s before to 40s after: FENCING %s after, exit %d\n%s", (plain - begins).Duration(), (at - plain).Duration(), out.Exit, allOf(out))
		}
	}
}

// TestPreflightAsks: what doesn't go away is asked about after a minute, nothing is fenced meanwhile, and accept looks again.
func TestPreflightAsks(t *testing.T) {
	s, out := moved(t, movesWriter, sim.Options{})
	plain := fencedAt(t, s, out)
	begins, again := plain-10*cutover.Second, plain+10*cutover.Minute
	fault := fmt.Sprintf("preflight feed-db locks at %s for %s", begins.Duration(), (again - cutover.Second - begins).Duration())
	accept := func(at cutover.T) sim.Timed {
		return said(at, "accept", map[string]string{"step": "writes", "reason": "it is over"})
	}
	s, out = moved(t, movesWriter, sim.Options{Commands: []sim.Timed{accept(plain + 5*cutover.Minute), accept(again)}}, fault)
	if at := fencedAt(t, s, out); at < again || at > again+cutover.Second || out.Exit != cutover.ExitDone {
		t.Errorf("FENCING %s after the second accept, exit %d\n%s", (at - again).Duration(), out.Exit, allOf(out))
	}
	if n := questions(out, "move", "locks"); n != 2 {
		t.Errorf("asked %d times, want twice: accept looks again, and it stands\n%s", n, allOf(out))
	}
}

// questions counts those about something that name a text.
func questions(out *sim.Outcome, what, text string) (n int) {
	for _, r := range out.Records {
		if r.Asked != nil && r.Asked.What == what && strings.Contains(r.Asked.Text, text) {
			n++
		}
	}
	return n
}

// TestPreflightBrokenByName: a rule of a pair is broken by a person, by name and with a reason, and of this pair only.
func TestPreflightBrokenByName(t *testing.T) {
	s, out := moved(t, movesWriter, sim.Options{}, "preflight feed-db writer.durable at 0s")
	if len(fencings(s, "feed-db")) > 0 || questions(out, "rule", "[writer.durable@feed-db]") != 1 {
		t.Fatalf("nobody answers: FENCING at %v, want none and one question\n%s", fencings(s, "feed-db"), allOf(out))
	}
	text := strings.Replace(movesWriter, "pairs: [feed-db], noWriter: 2s", "pairs: [feed-db, user-db], noWriter: 20s", 1)
	text = strings.Replace(text, "  - name: writes\n", "  - name: writes\n    window: any\n", 1)
	accept := said(20*cutover.Minute, "accept", map[string]string{"step": "writes", "reason": "its disk has a battery"})
	s, out = moved(t, text, sim.Options{Commands: []sim.Timed{accept}}, "preflight feed-db writer.durable at 0s", "preflight user-db writer.durable at 0s")
	if len(fencings(s, "feed-db")) != 1 || len(fencings(s, "user-db")) != 0 || questions(out, "rule", "[writer.durable@user-db]") != 1 {
		t.Errorf("one pair's rule was broken: FENCING of feed-db at %v, of user-db at %v\n%s", fencings(s, "feed-db"), fencings(s, "user-db"), allOf(out))
	}
	broke := slices.ContainsFunc(out.Progress.Broken, func(b cutover.BrokeMark) bool {
		return b.Rule == "writer.durable@feed-db" && b.Reason == "its disk has a battery"
	})
	if len(out.Progress.Broken) != 1 || !broke {
		t.Errorf("broken are %v", out.Progress.Broken)
	}
}

// TestPreflightOnTheWayBack: going back waits for what refuses, and isn't held to what a person may break.
func TestPreflightOnTheWayBack(t *testing.T) {
	plain, out := moved(t, movesWriter, sim.Options{})
	sick := fencedAt(t, plain, out) + 2*cutover.Minute
	for fault, held := range map[string]bool{"preflight feed-db locks": true, "preflight feed-db writer.durable": false} {
		s, out := moved(t, movesWriter, sim.Options{}, fmt.Sprintf("errors cloud 20%% at %s", sick.Duration()),
			fmt.Sprintf("%s at %s for 5m", fault, (sick-cutover.Second).Duration()))
		all := fencings(s, "feed-db")
		if len(all) != 2 || out.Exit != cutover.ExitBack || (all[1] > sick+4*cutover.Minute) != held {
			t.Errorf("%s: FENCING at %v, the tier sick at %s, exit %d", fault, all, sick.Duration(), out.Exit)
		}
	}
}

// checksWriter only looks whether the writer could move.
const checksWriter = `version: 1
name: book
move: {from: home, to: cloud}
steps:
  - name: could it move
    check: {writer: {to: cloud, pairs: [feed-db]}}
    NEEDED
  - checkpoint: there
`

// TestCheckWriter: a check of the writer says what a move would meet, and moves nothing.
func TestCheckWriter(t *testing.T) {
	for _, c := range []struct {
		needed, fault string
		state         cutover.StepState
		says          string
	}{
		{"", "", cutover.StepDone, "preflight of feed-db: 7 checks are well"},
		{"needed: false", "preflight feed-db locks at 0s", cutover.StepSkipped, "not needed, and failed: preflight of feed-db: locks · pair · as somebody made it"},
		{"needed: false", "lag feed-db home→cloud 700ms at 0s", cutover.StepSkipped, "lag · cloud · 7"},
		{"", "preflight feed-db locks at 0s for 30s", cutover.StepDone, "7 checks are well"},
		{"", "preflight feed-db writer.durable at 0s", cutover.StepAsking, "durable · pair"},
	} {
		s, out := moved(t, strings.Replace(checksWriter, "NEEDED", c.needed, 1), sim.Options{Watch: time.Minute}, nonEmpty(c.fault)...)
		why := ""
		for _, r := range out.Records {
			if r.Step != nil && r.Step.Step == 0 {
				why = r.Step.Why
			}
		}
		if st := out.Progress.Steps[0]; st.State != c.state || !strings.Contains(why, c.says) {
			t.Errorf("%q: %s %q, want %s with %q\n%s", c.fault, st.State, why, c.state, c.says, allOf(out))
		}
		if len(s.Records()) > 0 || len(s.Verbs()) > 0 || s.Writers("feed-db")[0] != "home" {
			t.Errorf("%q: records %v, requests %v", c.fault, s.Records(), s.Verbs())
		}
	}
}

func nonEmpty(fault string) []string {
	if fault == "" {
		return nil
	}
	return []string{fault}
}
