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

// gatewayKey is the object that holds gw@home in the shipped rooms.
const gatewayKey = "gateway/rules/main"

// leftForeign wants a run that went back and left somebody else's value alone: code 4, the object named in the last record.
func leftForeign(t *testing.T, what string, out *sim.Outcome, object, value string) {
	t.Helper()
	i := slices.IndexFunc(out.Records, entered(cutover.PhaseOver))
	if out.Exit != cutover.ExitStopped || i < 0 {
		t.Errorf("%s: exit %d (%s); want 4:%s", what, out.Exit, out.Why, story(out))
		return
	}
	named := slices.ContainsFunc(out.Records[i].Phase.Causes, func(c cutover.Cause) bool {
		return c.Gate == "object" && c.Seen == value && strings.Contains(c.Text, object)
	})
	if !named {
		t.Errorf("%s: the last record's causes are %+v; want %s named, with %s", what, out.Records[i].Phase.Causes, object, value)
	}
}

func entered(p cutover.Phase) func(cutover.Record) bool {
	return func(r cutover.Record) bool { return entersPhase(p)(&r) }
}

// TestForeignWhileVerifying: everything is at its target and was read; while the gates are watched somebody else writes. It is
// found within seconds, and the code is 4 whether or not the gates come to say that all is well in time.
func TestForeignWhileVerifying(t *testing.T) {
	for _, c := range []struct {
		blind string
		exit  cutover.Exit // without the foreign value
	}{{"3m", cutover.ExitBack}, {"30m", cutover.ExitNotVerified}} {
		faults := []string{"blind errors@home at 5m58s for " + c.blind}
		o := sim.Options{Seed: 1, Commands: []sim.Timed{back(6 * cutover.Minute)}}
		if out := play(t, "to-cloud", o, faults...); out.Exit != c.exit {
			t.Fatalf("blind for %s: exit %d; want %d before anything foreign:%s", c.blind, out.Exit, c.exit, story(out))
		}
		out := play(t, "to-cloud", o, append(faults, "foreign gw@home 33% at 7m30s")...)
		leftForeign(t, "blind for "+c.blind, out, gatewayKey, "33")
		f := find(t, out, "foreign value", func(r *cutover.Record) bool { return r.Foreign != nil })
		if late := f.At - (7*cutover.Minute + 30*cutover.Second); late > 12*cutover.Second {
			t.Errorf("blind for %s: found %s after it was written; want within 12 s", c.blind, late.Duration())
		}
	}
}

// TestForeignJustBeforeTheEnd has somebody else write ever nearer to the moment at which the run would end with 3. Nothing shows it:
// where connections are long the users stay where they are. The last thing that going back does is to look.
func TestForeignJustBeforeTheEnd(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%]}}
`)
	o := sim.Options{Seed: 1, Commands: []sim.Timed{back(4 * cutover.Minute)}}
	blind := "blind errors@home at 3m58s for 3m"
	base := play(t, path, o, blind)
	i := slices.IndexFunc(base.Timeline, func(h sim.Happened) bool { return h.Record != nil && entersPhase(cutover.PhaseOver)(h.Record) })
	if base.Exit != cutover.ExitBack || i < 0 {
		t.Fatalf("exit %d; want 3", base.Exit)
	}
	end := base.Timeline[i].At
	for _, before := range []time.Duration{11 * time.Second, 9 * time.Second, 5 * time.Second, time.Second, 100 * time.Millisecond, 50 * time.Millisecond} {
		out := play(t, path, o, blind, fmt.Sprintf("foreign im 40%% at %s", end-before))
		leftForeign(t, fmt.Sprintf("%s before the end at %s", before, end), out, "upstreams/im-gw/", "6000")
	}
}

// TestForeignTakenBackWhileVerifying: who wrote it writes what was there before, so that nothing is left to tell.
func TestForeignTakenBackWhileVerifying(t *testing.T) {
	o := sim.Options{Seed: 1, Commands: []sim.Timed{back(6 * cutover.Minute)}}
	out := play(t, "to-cloud", o, "blind errors@home at 5m58s for 3m", "foreign gw@home 33% at 7m", "foreign gw@home 0% at 7m40s")
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3:%s", out.Exit, out.Why, story(out))
	}
	wantHome(t, out)
}

// TestUnreadableAtTheEnd: what can't be looked at at the end isn't said to be back. It is tried as long as the gates may take.
func TestUnreadableAtTheEnd(t *testing.T) {
	o := sim.Options{Seed: 1, Commands: []sim.Timed{back(6 * cutover.Minute)}}
	faults := []string{"blind errors@home at 5m58s for 3m"}
	out := play(t, "to-cloud", o, append(faults, "plane home/keys down at 6m30s")...)
	over := find(t, out, "end", entersPhase(cutover.PhaseOver))
	if out.Exit != cutover.ExitStopped || len(over.Phase.Causes) != 1 || !strings.Contains(over.Phase.Causes[0].Text, "home/keys can't be read") {
		t.Errorf("exit %d, causes %+v; want 4, with what can't be read", out.Exit, over.Phase.Causes)
	}
	if late := over.At - 16*cutover.Minute; late < 0 || late > 20*cutover.Second {
		t.Errorf("it ends at %s; want verifyWithin (10 m) after it was read", over.At.Duration())
	}
	if out := play(t, "to-cloud", o, append(faults, "plane home/keys down at 6m30s for 5m")...); out.Exit != cutover.ExitBack {
		t.Errorf("readable again after 5 m: exit %d (%s); want 3", out.Exit, out.Why)
	}
}
