package cutover_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// slowly has each request to the upstreams take 4 s, so that a share's being set again in three waves lasts longer than a listing.
const slowly = "slow api home/upstreams 4s at 7m"

func keepsIn(out *sim.Outcome) []*cutover.Record {
	var keeps []*cutover.Record
	for i := range out.Records {
		if r := &out.Records[i]; intends(cutover.Keep)(r) {
			keeps = append(keeps, r)
		}
	}
	return keeps
}

// TestSetAgainWaveByWave: an instance that joins while a share is being set again waits for its end.
func TestSetAgainWaveByWave(t *testing.T) {
	for s := 9; s < 24; s++ {
		out := play(t, keepBook(t), sim.Options{Seed: 1}, slowly, "join 1 im at 8m in cloud", fmt.Sprintf("join 1 im at %s in cloud", 8*time.Minute+time.Duration(s)*time.Second))
		if got := out.Truth[im]["cloud"]; out.Exit != cutover.ExitDone || got < 2950 || got > 3050 {
			t.Errorf("another one joins at 8m%ds: exit %d, %d basis points in the cloud; want 0, 3000:%s", s, out.Exit, got, story(out))
		}
	}
}

// TestFrozenBetweenWaves: a freeze, and going back, end what was being set again, whichever wave is under way.
func TestFrozenBetweenWaves(t *testing.T) {
	at := 8*time.Minute + 4*time.Second
	for ; at < 8*time.Minute+34*time.Second; at += 1500 * time.Millisecond {
		frozen := []sim.Timed{{At: at, Command: cutover.Command{Verb: "freeze", Who: "ops1"}}, say(12*cutover.Minute, "resume")}
		out := play(t, keepBook(t), sim.Options{Seed: 1, Commands: frozen}, slowly, "join 1 im at 8m in cloud")
		if got := out.Truth[im]["cloud"]; out.Exit != cutover.ExitDone || got < 2950 || got > 3050 {
			t.Errorf("frozen at %s: exit %d, %d basis points in the cloud; want 0, 3000:%s", at, out.Exit, got, story(out))
		}
		turned := []sim.Timed{{At: at, Command: cutover.Command{Verb: "back", Who: "ops1", Args: map[string]string{"to": "start"}}}}
		out = play(t, keepBook(t), sim.Options{Seed: 1, Commands: turned}, slowly, "join 1 im at 8m in cloud")
		if got := out.Truth[im]["cloud"]; out.Exit != cutover.ExitBack || got != 0 {
			t.Errorf("turned at %s: exit %d, %d basis points in the cloud; want 3, 0:%s", at, out.Exit, got, story(out))
		}
	}
}

// TestAFailedWaveIsTheLast: where a wave wasn't made the next one would bring the share elsewhere. It is looked at anew, and set
// again when the minute is over.
func TestAFailedWaveIsTheLast(t *testing.T) {
	for _, fault := range []string{"fail write 5", "lost write at write 5"} {
		out := play(t, keepBook(t), sim.Options{Seed: 1}, "join 1 im at 8m in cloud", fault)
		keeps := keepsIn(out)
		if len(keeps) < 2 || keeps[1].At-keeps[0].At < cutover.Minute {
			t.Errorf("%s: shares are kept by requests at %s; want one, and others a minute later:%s", fault, seconds(keeps), story(out))
		}
		if got := out.Truth[im]["cloud"]; out.Exit != cutover.ExitDone || got < 2950 || got > 3050 {
			t.Errorf("%s: exit %d, %d basis points in the cloud; want 0, 3000", fault, out.Exit, got)
		}
	}
}

// TestSetAgainIsSeenBeforeGoingOn: what gates said before users were moved again says nothing of it, so a rung isn't left on that.
func TestSetAgainIsSeenBeforeGoingOn(t *testing.T) {
	base := play(t, keepBook(t), sim.Options{Seed: 1})
	done := func(r *cutover.Record) bool { return r.Step != nil && r.Step.State == cutover.StepDone }
	end := find(t, base, "end of the step", done).At
	out := play(t, keepBook(t), sim.Options{Seed: 1}, fmt.Sprintf("leave 1 im at %s in cloud", (end-15*cutover.Second).Duration()),
		fmt.Sprintf("silent slow at %s for 20s", (end-16*cutover.Second).Duration()))
	if len(againOf(out)) != 1 || againOf(out)[0].At >= end {
		t.Fatalf("set again at %s; want before the rung's end at %s", seconds(againOf(out)), end.Duration())
	}
	if late := find(t, out, "end of the step", done).At - end; late < 4*cutover.Second {
		t.Errorf("the rung is left %s after its usual end; want it to wait for the gauge that was silent for 20 s", late.Duration())
	}
}

// TestARungHasItsSeats: a rung that is half written and asked about isn't brought back to the one before it.
func TestARungHasItsSeats(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "fail writes at 325030ms for 1m")
	asked := find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil && r.Asked.What == "failed" })
	if d := asked.At - 5*cutover.Minute; d > cutover.Minute {
		t.Fatalf("asked %s after 5m; want within the minute of failures", d.Duration())
	}
	if keeps := keepsIn(out); len(keeps) > 0 {
		t.Errorf("shares are kept by requests at %s; want none:%s", seconds(keeps), story(out))
	}
	if got := out.Truth[im]["cloud"]; got == 500 || got == 3000 {
		t.Errorf("%d basis points in the cloud: the rung isn't half written, so nothing was tested", got)
	}
}

// TestAcceptedIsNotSetAgain: what a person accepted at a checkpoint stays.
func TestAcceptedIsNotSetAgain(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, 30%]}}
  - checkpoint: rest
  - shift: {cloud: {gw@home: [1%, 3%]}}
`)
	base := play(t, path, sim.Options{Seed: 1})
	end := find(t, base, "checkpoint", func(r *cutover.Record) bool { return r.Checkpoint != nil }).At - cutover.Second // a process's clock begins at 1 s
	o := sim.Options{Seed: 1, Commands: []sim.Timed{say(end+2*cutover.Minute, "accept", "reason", "agreed")}}
	out := play(t, path, o, fmt.Sprintf("foreign upstreams/im-gw/10.2.0.5:8080 = 9000 at %s", (end-20*cutover.Millisecond).Duration()))
	adopted := slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return r.Adopted != nil })
	if keeps := keepsIn(out); !adopted || out.Exit != cutover.ExitDone || len(keeps) > 0 {
		t.Errorf("accepted %v, exit %d, shares are kept by requests at %s; want it accepted, 0, none:%s", adopted, out.Exit, seconds(keeps), story(out))
	}
}
