package cutover_test

import (
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

const twoShifts = `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%]}}
  - shift: {cloud: {gw@home: [5%]}}
`

// TestTheEndReadsEverything: somebody else writes a seat of a step that is done. A run that ends without a checkpoint asks before it
// ends, as a checkpoint would; it ends when that is accepted, or taken back.
func TestTheEndReadsEverything(t *testing.T) {
	accept := say(20*cutover.Minute, "accept", "step", "run", "reason", "they asked for it")
	for _, x := range []struct {
		name   string
		faults []string
		said   []sim.Timed
		exit   cutover.Exit
	}{
		{"nobody answers", []string{"foreign im@home 33% at 9m"}, nil, cutover.ExitStopped},
		{"accepted", []string{"foreign im@home 33% at 9m"}, []sim.Timed{accept}, cutover.ExitDone},
		{"taken back", []string{"foreign im@home 33% at 9m", "foreign im@home 5% at 16m"}, nil, cutover.ExitDone},
	} {
		out := play(t, book(t, twoShifts), sim.Options{Seed: 1, Commands: x.said}, x.faults...)
		if out.Exit != x.exit {
			t.Errorf("%s: exit %d (%s); want %d", x.name, out.Exit, out.Why, x.exit)
		}
		asked := find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil && r.Asked.What == "foreign" && r.Asked.Step < 0 })
		for _, r := range out.Records {
			if r.Seq > asked.Seq && r.Intent != nil {
				t.Errorf("%s: record %d writes while it is asked", x.name, r.Seq)
			}
		}
		adopted := 0
		for _, r := range out.Records {
			if r.Adopted != nil {
				adopted++
			}
		}
		if adopted > 0 != (len(x.said) > 0) {
			t.Errorf("%s: %d objects were adopted", x.name, adopted)
		}
	}
}

// TestTheEndCantBeRead: what can't be read isn't done yet.
func TestTheEndCantBeRead(t *testing.T) {
	quiet := play(t, book(t, twoShifts), sim.Options{Seed: 1})
	end := find(t, quiet, "end", entersPhase(cutover.PhaseOver)).At
	out := play(t, book(t, twoShifts), sim.Options{Seed: 1}, "consul home down at "+(end-3*cutover.Second).Duration().String()+" for 1m")
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d (%s); want 0", out.Exit, out.Why)
	}
	if at := find(t, out, "end", entersPhase(cutover.PhaseOver)).At; at < end+50*cutover.Second {
		t.Errorf("over %s after the Consul went away for a minute; want after it is back", (at - end + 2*cutover.Second).Duration())
	}
}
