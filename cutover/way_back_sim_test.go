package cutover_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestAPauseDoesNotHoldTheWayBack: the gates are watched in a pause, and what they say ends verified.
func TestAPauseDoesNotHoldTheWayBack(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1, Commands: []sim.Timed{say(4*cutover.Minute, "pause")}}, "errors cloud 20% at 5m")
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3:%s", out.Exit, out.Why, story(out))
	}
	wantHome(t, out)
}

// TestAFreezeWithdrawsWhatGoesBack: undos that wait behind slow ones aren't sent once a person has said freeze.
func TestAFreezeWithdrawsWhatGoesBack(t *testing.T) {
	o := sim.Options{Seed: 1, Instances: map[string]int{"search": 150}}
	base := play(t, "spring-festival-out", o)
	last := base.Writes[len(base.Writes)-1].At + cutover.Minute
	o.Commands = []sim.Timed{back(last), say(last+2*cutover.Second, "freeze"), say(last+5*cutover.Minute, "resume")}
	slow := fmt.Sprintf("slow api home/services 3s at %s", last.Duration()-time.Second)
	out := play(t, "spring-festival-out", o, slow)
	frozen := find(t, out, "freeze", entersPhase(cutover.PhaseFrozen))
	withdrawn := 0
	for _, r := range out.Records {
		if r.Failed != nil && r.Failed.Why == "not sent" && r.Seq > frozen.Seq {
			withdrawn += len(r.Failed.Objects)
		}
	}
	if withdrawn == 0 {
		t.Error("no undo was withdrawn")
	}
	for _, w := range out.Writes {
		if strings.HasSuffix(w.Plane, "/services") && w.At > frozen.At+4*cutover.Second && w.At < frozen.At+4*cutover.Minute {
			t.Errorf("%s → %s lands %s after the freeze", w.Object, w.After, (w.At - frozen.At).Duration())
		}
	}
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3:%s", out.Exit, out.Why, story(out))
	}
}

// TestKilledBeforeAlreadyThere kills the process between "applying" and its look at a rung that the live share has passed: the one
// that takes over passes it over, too.
func TestKilledBeforeAlreadyThere(t *testing.T) {
	path := quickBook(t)
	base := play(t, path, sim.Options{Seed: 1, Shares: map[string]int{"gw@home": 3000}})
	if len(base.Writes) == 0 || base.Writes[0].Before != "30" {
		t.Fatalf("the first write is %v; want one from 30", base.Writes)
	}
	applying := find(t, base, "applying", func(r *cutover.Record) bool { return r.Step != nil && r.Step.State == cutover.StepApplying })
	out := play(t, path, sim.Options{Seed: 1, Shares: map[string]int{"gw@home": 3000}}, killAt(applying))
	for _, w := range out.Writes {
		if number(t, w.Before) > number(t, w.After) {
			t.Errorf("%s %s → %s moves against the run's direction", w.Object, w.Before, w.After)
		}
	}
	if out.Exit != base.Exit {
		t.Errorf("exit %d; want %d", out.Exit, base.Exit)
	}
}

// TestPacedRungsWaitToBeSeen: a cold room is given at most double of what is seen there. A name shows what is written after its
// TTL only, so its rungs don't follow each other every 30 s.
func TestPacedRungsWaitToBeSeen(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 2m
steps:
  - ttl: {entry: 60s}
  - shift: {cloud: {entry: [5%, 30%, 60%, 90%]}}
    settle: {within: 20m, reach: 80%, else: go on}
  - checkpoint: far
    guard: true
`)
	shares := map[string]int{"im": 9000, "legacy": 9000, "search": 9000}
	base := play(t, path, sim.Options{Seed: 1, Rate: 0.05, Shares: shares})
	at := base.Writes[len(base.Writes)-1].At + 2*60*cutover.Minute
	out := play(t, path, sim.Options{Seed: 1, Rate: 0.05, Shares: shares, Watch: 3 * time.Hour, Commands: []sim.Timed{say(at, "back", "to", "start")}})
	if out.Exit != cutover.ExitBack {
		t.Fatalf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	set := 0 // of home, 45 s after the first write
	for _, w := range out.Writes {
		if w.At > at && w.At < at+45*cutover.Second {
			set = cutover.Whole - w.Share
		}
	}
	if set < 2000 || set > 3500 {
		t.Errorf("after 45 s home is set to carry %d basis points; want 20 to 26 %%: at most 12 of its 20 %% were seen by then", set)
	}
}

// TestTheWayBackIsSaidToBeShut: replication into the writer's room lags, which moves nobody; the hold says what it means.
func TestTheWayBackIsSaidToBeShut(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "lag feed-db cloud->home 8s at 4m for 2m")
	find(t, out, "hold that says so", func(r *cutover.Record) bool {
		return r.Verdict != nil && r.Verdict.Act == cutover.Hold && slices.ContainsFunc(r.Verdict.Causes, func(c cutover.Cause) bool {
			return c.Gate == "feed-lag" && c.Room == "home" && strings.Contains(c.Text, "way back is shut")
		})
	})
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}

// TestAFreezeFinishesANamesWave: with more requests than are journaled ahead, a freeze right after the first still lets the whole wave
// land, so that no name is left half written; the next wave isn't begun.
func TestAFreezeFinishesANamesWave(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
steps:
  - ttl: {entry: 60s}
  - shift: {cloud: {entry: [5%]}}
    settle: {within: 20m, reach: 80%, else: go on}
`)
	routes, members := "", ""
	for i := range 197 { // with three others 800 records, 40 requests of 20
		routes += fmt.Sprintf("  n%d: {dns: {name: n%d.example.com, provider: alidns, lines: all}, into: gw}\n", i, i)
		members += fmt.Sprintf(", n%d", i)
	}
	changeRooms(t, path, "  h5:  {dns:", routes+"  h5:  {dns:", "entry: [www, api, h5]", "entry: [www, api, h5"+members+"]")
	base := play(t, path, sim.Options{Seed: 1})
	wave := find(t, base, "write of a name", func(r *cutover.Record) bool { return r.Intent != nil && r.Intent.Changes[0].Plane == "alidns" })
	out := play(t, path, sim.Options{Seed: 1, Commands: []sim.Timed{say(wave.At+cutover.Second, "freeze")}},
		fmt.Sprintf("slow api alidns 2s at %s", (wave.At-cutover.Second).Duration()))
	frozen := find(t, out, "freeze", entersPhase(cutover.PhaseFrozen))
	fell, rose, after := 0, 0, 0
	for _, w := range out.Writes {
		switch {
		case w.Plane != "alidns":
		case strings.HasSuffix(w.Object, "/home"):
			if fell++; w.At > frozen.At {
				after++
			}
		default:
			rose++
		}
	}
	if fell != 200*4 || rose != 0 || after < 600 {
		t.Errorf("%d records fell, %d of them after the freeze, %d rose; want the whole wave of 800, most of it after, and nothing of the next", fell, after, rose)
	}
}

// TestALockThatTheRunDoesNotNeed: a Consul whose writes carry their own check is gone for a while; the run holds and goes on.
func TestALockThatTheRunDoesNotNeed(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "consul home down at 4m for 90s")
	if i := slices.IndexFunc(out.Records, func(r cutover.Record) bool { return entersPhase(cutover.PhaseFrozen)(&r) }); i >= 0 || out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s), frozen by record %d; want it held, and done:%s", out.Exit, out.Why, i, story(out))
	}
	find(t, out, "hold for the lock", func(r *cutover.Record) bool {
		return r.Verdict != nil && slices.ContainsFunc(r.Verdict.Causes, func(c cutover.Cause) bool { return c.Gate == "lock" })
	})
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
