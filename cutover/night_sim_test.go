package cutover_test

import (
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestApprovalIsAskedInTheWindow: in a shut window the run rests and asks nobody.
func TestApprovalIsAskedInTheWindow(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "02:10"]}}
steps:
  - shift: {cloud: {gw@home: [3%]}}
    bake: 12m
  - checkpoint: rest
  - name: more
    approve: {by: ops, within: 30m, else: back}
    shift: {cloud: {gw@home: [8%]}}
`)
	out := play(t, path, sim.Options{Seed: 1, ApproveAfter: -1})
	asked := find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil })
	if wall, err := time.Parse(time.RFC3339, asked.Wall); err != nil || wall.Hour() != 2 || wall.Minute() >= 10 {
		t.Errorf("asked at %s, %v: the window is 02:00–02:10", asked.Wall, err)
	}
}

// TestTakenOverAfterFinishBy: the hour stays the one of its night.
func TestTakenOverAfterFinishBy(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 20m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "05:00"]}}
  finishBy: "03:00"
steps:
  - shift: {cloud: {gw@home: [1%, 5%]}}
`)
	out := play(t, path, sim.Options{Seed: 1}, "errors home 0.5% at 22m for 35m", "kill at 59m40s")
	if out.Runners < 2 || out.Exit != cutover.ExitBack {
		t.Errorf("%d processes, exit %d (%s); want it back at the start, for it is past 03:00:%s", out.Runners, out.Exit, out.Why, story(out))
	}
}

// TestAWeekendBeforeTheFirstWindow: finishBy is an hour of the first night on which the run may begin.
func TestAWeekendBeforeTheFirstWindow(t *testing.T) {
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "05:00"]}}
  finishBy: "05:00"
steps:
  - shift: {cloud: {gw@home: [1%, 5%]}}
`)
	out := play(t, path, sim.Options{Seed: 1, Start: time.Date(2027, 1, 23, 14, 0, 0, 0, loc)}) // a Saturday
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0, in the night to Monday:%s", out.Exit, out.Why, story(out))
	}
}

// TestACheckBelowACheckpointIsNothingBegun: a night that gets no further than a check rests where it began, and so does the next one.
func TestACheckBelowACheckpointIsNothingBegun(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "05:00"]}}
  finishBy: "02:30"
steps:
  - shift: {cloud: {gw@home: [1%, 3%]}}
  - checkpoint: rest
  - name: cloud answers
    check: {probe: {room: cloud, host: www.example.com, paths: [/healthz]}}
  - name: more
    approve: {by: ops, within: 4h, else: hold}
    shift: {cloud: {gw@home: [5%, 10%]}}
    bake: 10m
`)
	out := play(t, path, sim.Options{Seed: 1, ApproveAfter: -1, Limit: 80 * time.Hour})
	rests, done := 0, 0
	for _, r := range out.Records {
		switch {
		case r.Phase != nil && r.Phase.Phase == cutover.PhaseBack, r.Command != nil:
			t.Errorf("record %d: %s; want each night to rest by itself", r.Seq, r.Kind)
		case r.Phase != nil && r.Phase.Phase == cutover.PhaseResting:
			rests++
		case r.Step != nil && r.Step.State == cutover.StepDone && r.Step.Step == 2-2*min(rests, 1):
			done++
		}
	}
	if rests < 3 || done == 0 {
		t.Errorf("%d rests, the check was done %d times; want several nights, and the check done in them:%s", rests, done, story(out))
	}
}

// TestACheckIsTriedForItsWholeTime: the time that it waits for its window is none of it.
func TestACheckIsTriedForItsWholeTime(t *testing.T) {
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "05:00"]}}
steps:
  - name: cloud answers
    check: {probe: {room: cloud, host: www.example.com, paths: [/healthz]}}
  - shift: {cloud: {gw@home: [1%]}}
`)
	out := play(t, path, sim.Options{Seed: 1, Start: time.Date(2027, 1, 26, 1, 0, 0, 0, loc)}, "probe cloud fails at 59m for 80s")
	for _, r := range out.Records {
		if r.Asked != nil {
			t.Errorf("asked %q; want the check tried for a minute from 02:00", r.Asked.Text)
		}
	}
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}
