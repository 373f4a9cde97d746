package cutover_test

import (
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestLongConnectionsSettleWhenSet: what is seen of a route with long connections counts the open ones, so its rung settles when
// what it wrote is read back; another route's waits for a sample.
func TestLongConnectionsSettleWhenSet(t *testing.T) {
	for route, long := range map[string]bool{"im": true, "legacy": false} {
		out := play(t, book(t, "version: 1\nname: one\nmove: {from: home, to: cloud}\nsteps:\n  - shift: {cloud: {"+route+"@home: 2%}}\n"), sim.Options{Seed: 1})
		var settling, baking cutover.T
		for _, r := range out.Records {
			switch {
			case r.Step == nil:
			case r.Step.State == cutover.StepSettling:
				settling = r.At
			case r.Step.State == cutover.StepBaking:
				baking = r.At
			}
		}
		if settling == 0 || baking == 0 || (baking-settling < cutover.Second) != long {
			t.Errorf("%s settled within %v, long connections: %v", route, (baking - settling).Duration(), long)
		}
	}
}

// TestVerifyWithin: gates that don't become green after going back end the run as not verified, when the runbook says, else after 10 m.
func TestVerifyWithin(t *testing.T) {
	for line, want := range map[string]cutover.T{"verifyWithin: 3m\n": 3 * cutover.Minute, "": 10 * cutover.Minute} {
		text := "version: 1\nname: one\nmove: {from: home, to: cloud}\n" + line + "steps:\n  - shift: {cloud: {gw@home: 2%}}\n"
		out := play(t, book(t, text), sim.Options{Seed: 1, Commands: []sim.Timed{back(5 * cutover.Minute)}}, "errors home 0.5% at 4m")
		if out.Exit != cutover.ExitNotVerified {
			t.Fatalf("exit %d (%s), want 6:%s", out.Exit, out.Why, story(out))
		}
		began := find(t, out, "going back", entersPhase(cutover.PhaseBack)).At
		if took := out.Records[len(out.Records)-1].At - began; took < want || took > want+30*cutover.Second {
			t.Errorf("%q: the run ended %v after going back began, want %v", line, took.Duration(), want.Duration())
		}
	}
}
