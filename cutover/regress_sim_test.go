package cutover_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// say is a person's word at a moment.
func say(at cutover.T, verb string, args ...string) sim.Timed {
	m := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		m[args[i]] = args[i+1]
	}
	return sim.Timed{At: at.Duration(), Command: cutover.Command{Verb: verb, Who: "ops1", Args: m}}
}

// book writes a runbook beside the shipped rooms and returns its path.
func book(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	rooms, err := os.ReadFile(filepath.Join("..", "runbooks", "library", "rooms.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"rooms.yaml": rooms, "book.yaml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "book.yaml")
}

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

// TestOverwriteAfterTheEnd: a run that ended with 4 for somebody else's value goes back once more, over it.
func TestOverwriteAfterTheEnd(t *testing.T) {
	s, out := playSim(t, "to-cloud", sim.Options{Seed: 1}, "foreign gw@home 33% at 4m", "errors cloud 20% at 5m for 5m")
	if out.Exit != cutover.ExitStopped {
		t.Fatalf("exit %d; want 4", out.Exit)
	}
	s.Advance(20 * cutover.Minute)
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
		if w.Before > w.After {
			t.Errorf("%s %s → %s moves against the run's direction", w.Object, w.Before, w.After)
		}
	}
	if out.Exit != base.Exit {
		t.Errorf("exit %d; want %d", out.Exit, base.Exit)
	}
}

// TestApprovalIsAskedInTheWindow: in a shut window the run rests and asks nobody.
func TestApprovalIsAskedInTheWindow(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "02:10"]}}
steps:
  - shift: {cloud: {gw@home: [1%, 3%, 5%]}}
  - checkpoint: rest
  - name: more
    approve: {by: ops, within: 30m, else: back}
    shift: {cloud: {gw@home: [10%]}}
    bake: 10m
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
	friday := time.Date(2027, 1, 22, 14, 0, 0, 0, loc)
	out := play(t, "spring-festival-out", sim.Options{Seed: 1, Start: friday})
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}

// TestACheckBelowACheckpointIsNothingBegun: at finishBy the run rests where it stands.
func TestACheckBelowACheckpointIsNothingBegun(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "05:00"]}}
  finishBy: "02:20"
steps:
  - shift: {cloud: {gw@home: [1%, 3%]}}
  - checkpoint: rest
  - name: cloud answers
    check: {probe: {room: cloud, host: www.example.com, paths: [/healthz]}}
  - name: more
    shift: {cloud: {gw@home: [5%, 10%]}}
    bake: 10m
`)
	out := play(t, path, sim.Options{Seed: 1})
	if i := slices.IndexFunc(out.Records, func(r cutover.Record) bool { return r.Phase != nil && r.Phase.Phase == cutover.PhaseBack }); i >= 0 {
		t.Errorf("record %d goes back, though nothing was begun below the checkpoint:%s", out.Records[i].Seq, story(out))
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
	out := play(t, "to-cloud", sim.Options{Seed: 1, Commands: []sim.Timed{back(5 * cutover.Minute), say(5*cutover.Minute+cutover.Second, "accept", "reason", "late")}},
		"foreign gw@home 33% at 4m")
	turned := find(t, out, "going back", entersPhase(cutover.PhaseBack))
	for _, r := range out.Records {
		if r.Seq > turned.Seq && r.Adopted != nil {
			t.Errorf("record %d adopts a value while the run goes back", r.Seq)
		}
	}
}

// recordsOf is every record of the timeline, of whichever process.
func recordsOf(s *sim.Sim) []cutover.Record {
	var rs []cutover.Record
	for _, h := range s.Timeline() {
		if h.Record != nil {
			rs = append(rs, *h.Record)
		}
	}
	return rs
}

// simOf builds the rooms of a runbook with faults.
func simOf(t *testing.T, name string, o sim.Options, faults ...string) *sim.Sim {
	t.Helper()
	for _, text := range faults {
		f, err := sim.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	s, err := sim.New(loaded(t, name), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// playSim is play that keeps the rooms.
func playSim(t *testing.T, name string, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	s := simOf(t, name, o, faults...)
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s, out
}
