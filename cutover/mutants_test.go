package cutover_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// mutant is a mistake planted in a copy of a file of the engine. Old occurs there exactly once.
type mutant struct {
	name, file, old, new string
	run                  string // the tests that must notice, as -run takes them
}

// mutants are the mistakes that an engine like this one is likely to have. Each is caught by a test that takes little time.
var mutants = []mutant{
	{
		name: "what a scale makes of 5 % is a share below 5 %", file: "rules.go",
		old: "case start+m.slack < r.FirstMove", new: "case start < r.FirstMove",
		run: "TestJudge",
	}, {
		name: "a frozen run calls people once", file: "page.go",
		old: "case e.pagedAt == 0, e.now >= e.pagedAt+pageEvery:", new: "case e.pagedAt == 0:",
		run: "TestAFrozenRunCallsAgain",
	}, {
		name: "a cause that joins a freeze waits for the next call", file: "page.go",
		old: "case len(joined) > 0:", new: "case len(joined) > 1000:",
		run: "TestAFrozenRunCallsAgain",
	}, {
		name: "a rung takes over what came near in the one before", file: "step.go",
		old: "if sp.State == StepWaiting {", new: "if sp.State == StepDone {",
		run: "TestARungSaysWhatCameNearest",
	}, {
		name: "a takeover doesn't say what it waits for", file: "locks.go",
		old: "if asked == 0 {", new: "if asked > 1000 {",
		run: "TestATakeoverSaysWhatItWaitsFor",
	}, {
		name: "an undo jumps over the state between a weight and none", file: "goals.go",
		old: "want = nextOn(pl.Medium, *h, want)", new: "_ = nextOn",
		run: "TestWhatIsTwoWritesAwayComesAndGoes",
	}, {
		name: "a paced undo writes both ways of an object at once", file: "backwrite.go",
		old: "if !seen[c.ID()] {", new: "if !seen[c.ID()] || true {",
		run: "TestWhatIsTwoWritesAwayIsPaced",
	}, {
		name: "a dry run goes another way back than the run", file: "dryrun.go",
		old: "{ return nextOn(m.Medium, h, value) }", new: "{ return value }",
		run: "TestWhatIsTwoWritesAwayComesAndGoes",
	},
	{
		name: "each request of a dry run reads its whole seat", file: "dryrun.go",
		old: "now >= l.until {", new: "true {",
		run: "TestDryRunReadsOnceForManyRequests",
	}, {
		name: "a dry run never looks again at what it writes over", file: "dryrun.go",
		old: "now >= l.until {", new: "now < 0 {",
		run: "TestDryRunReadsOnceForManyRequests",
	}, {
		name: "what users get until names are asked again is judged by nobody", file: "rules.go",
		old: "if len(over) == 0 && mid != nil {", new: "if false {",
		run: "TestMidwayIsJudged",
	}, {
		name: "a name settles whatever its authorities answer", file: "step.go",
		old: "missing = e.unanswered(i, rung)", new: "_ = e.unanswered(i, rung)",
		run: "TestUnobservedNamesAreAnswered",
	}, {
		name: "a takeover forgets that the run was going back", file: "begin.go",
		old: "e.backing.planned = isPlanned(e.p.Causes)", new: "e.p.Phase = PhaseForward",
		run: "TestTakenOverGoesOnGoingBack",
	}, {
		name: "a takeover forgets that the run was frozen", file: "begin.go",
		old: "\te.finishByFrom()\n", new: "\te.finishByFrom()\n\tif e.p.Phase == PhaseFrozen {\n\t\te.p.Phase = PhaseForward\n\t}\n",
		run: "TestFrozenTakenOverStaysFrozen",
	}, {
		name: "an unknown write counts as done whatever is found", file: "lookup.go",
		old: "case h.Value == in.To && k == len(open)-1:", new: "case there:",
		run: "TestLateness",
	}, {
		name: "a takeover counts what it finds open as done", file: "begin.go",
		old: `e.propose(Record{Kind: KindUnknown, Unknown: &UnknownMark{Request: n, Objects: open[n], For: pl.Lateness, Error: "its sender is gone"}}, false)`,
		new: `e.propose(Record{Kind: KindDone, Done: &DoneMark{Request: n, Objects: open[n], Versions: open[n], Why: "found"}}, false)`,
		run: "TestTakenOverSettlesWhatWasOpen",
	}, {
		name: "a write without an answer has failed at once", file: "lookup.go",
		old: "if e.now < lands {", new: "if e.now < 0 {",
		run: "TestLateness",
	}, {
		name: "a hold doesn't begin the bake anew", file: "step.go",
		old: `s.green, s.why = 0, "held"`, new: `s.why = "held"`,
		run: "TestHoldBeginsTheBakeAnew",
	}, {
		name: "going back keeps the writes that wait", file: "phase.go",
		old: "\te.withdraw(false)\n\te.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseBack,", new: "\te.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseBack,",
		run: "TestBackWithdrawsWhatWaits",
	}, {
		name: "requests of the way forward stand in the way of going back", file: "request.go",
		old: "\t\treturn pl.Workers\n", new: "\t\treturn 1\n",
		run: "TestHangingForwardDoesNotDelayBack",
	}, {
		name: "going back waits until nothing is unknown", file: "back.go",
		old: "if e.freshFrom > 0 {", new: "if e.freshFrom > 0 || (!b.made && e.openCount() > 0) {",
		run: "TestHangingForwardDoesNotDelayBack",
	}, {
		name: "going back writes over what somebody else wrote", file: "goals.go",
		old: "func (e *engine) leaveAlone(o *Object) bool {\n", new: "func (e *engine) leaveAlone(o *Object) bool {\n\tif o != nil {\n\t\treturn false\n\t}\n",
		run: "TestForeignIsLeftAlone",
	},
	{
		name: "a takeover goes back without a sample", file: "back.go",
		old: "if e.freshFrom > 0 {", new: "if e.freshFrom > 0 && e.now < 0 {",
		run: "TestOverwriteAfterTheEnd",
	}, {
		name: "a share is raised into what may still land", file: "back.go",
		old: "in.high[seat] = greater(in.high[seat], sh, e.plan.To)", new: "in.high[seat] = greater(in.high[seat], in.high[seat], e.plan.To)",
		run: "TestBackRaisesNothingIntoWhatMayLand",
	}, {
		name: "a takeover writes beside an undo that is open", file: "back.go",
		old: "undoing[c.Seat] || undo\n", new: "undoing[c.Seat]\n",
		run: "TestTakenOverPacesBesideNothing",
	}, {
		name: "going back lowers on and on while nothing is seen", file: "moves.go",
		old: "in.patient = in.highState.left() > low ||", new: "in.patient =",
		run: "TestBackOvershootsFivePointsAtMost",
	}, {
		name: "going back waits for nothing that is tried again", file: "back.go",
		old: "s.tries <= soonTries", new: "s.tries < 0",
		run: "TestBackWaitsForWhatIsTriedAgain",
	}, {
		name: "what is in flight lowers nothing", file: "back.go",
		old: "undo || e.answersSoon(", new: "undo || e.now < 0 && e.answersSoon(",
		run: "TestBackCountsWhatIsInFlight",
	}, {
		name: "a seat's records land in any order", file: "backlegs.go",
		old: "return slices.DeleteFunc(legs,", new: "return slices.DeleteFunc(append(legs[:0:0], cs),",
		run: "TestBackLowersARoomBeforeItGivesItMore",
	}, {
		name: "the only room that serves stops before another begins", file: "backlegs.go",
		old: "case alone && beside(", new: "case !alone && beside(",
		run: "TestBackLegs",
	}, {
		name: "a request that lands change by change counts as a transaction", file: "backlegs.go",
		old: "if pl.HasCAS && len(", new: "if len(",
		run: "TestBackLowersARoomBeforeItGivesItMore",
	}, {
		name: "an instance born since keeps its default weight", file: "goals.go",
		old: "if v, ok := often[h.Room]; ok {", new: "if v, ok := often[h.Room]; ok && v == \"\" {",
		run: "TestBackGivesNewInstancesTheirWeight",
	}, {
		name: "instances born since keep the share that their number makes", file: "goals.go",
		old: "if want == nil ||", new: "if want != nil ||",
		run: "TestBackScalesTheNewerInstances",
	}, {
		name: "a person's back waits for what it was said in spite of", file: "judge.go",
		old: "case s.answered && sh >= shadeBlind && v.Phase == PhaseBack:", new: "case s.answered && sh >= shadeBlind && v.Phase == PhaseOver:",
		run: "TestBackGoesOnInSpiteOfWhatItAnswers",
	}, {
		name: "an undo waits for the turn of a listing", file: "request.go",
		old: "return max(pl.nextUndo, pl.throttled)", new: "return max(pl.nextAt, pl.throttled)",
		run: "TestAnUndoWaitsForNoListing",
	}, {
		name: "undos have no pace", file: "request.go",
		old: "pl.nextUndo = pl.nextAt", new: "pl.nextUndo = 0",
		run: "TestAnUndoWaitsForNoListing",
	}, {
		name: "back goes to another checkpoint", file: "phase.go",
		old: "\treturn p.LastTarget\n", new: "\treturn startTarget\n",
		run: "TestBackGoesToWhatWasSaid",
	}, {
		name: "a sample from before the write is green", file: "board_read.go",
		old: "s.raw == shadeGreen && s.green && s.greenFrom >= from", new: "s.raw == shadeGreen && s.green",
		run: "TestBakeWaitsForYoungSamples|TestBackEndsOnYoungSamples",
	}, {
		name: "a pause holds the way back", file: "verdict.go",
		old: "j.Act == Advance && e.p.Phase != PhaseBack", new: "j.Act == Advance",
		run: "TestAPauseDoesNotHoldTheWayBack",
	}, {
		name: "a takeover doesn't wait until a dead holder's request can't land", file: "begin.go",
		old: "until = max(until, pl.TimeOut+pl.Lateness)", new: "until = max(until, 0*pl.TimeOut)",
		run: "TestTakeoverOverALateWrite",
	}, {
		name: "a foreign object holds up what travels with it", file: "outcome.go",
		old: "\tif !late {\n", new: "\tif !late && e.now < 0 {\n",
		run: "TestOneForeignInABatch",
	}, {
		name: "a server that throttles isn't left alone", file: "outcome.go",
		old: "pl.throttled = max(pl.throttled, e.now+o.RetryAfter)", new: "_ = pl",
		run: "TestRetryAfterIsWaited",
	}, {
		name: "a throttled request waits for the rest of its wave", file: "shift.go",
		old: "case o.What == Failed && o.RetryAfter > 0:", new: "case o.What == Failed && o.RetryAfter > Never/2:",
		run: "TestThrottledIsSentAgainAsItIs",
	}, {
		name: "each change of a request that failed counts", file: "backwrite.go",
		old: "if s.failedAt != e.now {", new: "if s.failedAt != e.now || e.now > 0 {",
		run: "TestARequestFailsOnce",
	}, {
		name: "a server that throttles the way back is asked ever later", file: "backwrite.go",
		old: "if wish > 0 {", new: "if wish > Never/2 {",
		run: "TestThrottledWayBack",
	}, {
		name: "one plane's queue holds up the others", file: "shift.go",
		old: "full, kept = p.plane, append(kept, p)\n\t\t\tcontinue\n", new: "kept = append(kept, s.todo[k:]...)\n\t\t\tbreak\n",
		run: "TestRetryAfterIsWaited",
	}, {
		name: "all of going back is journaled ahead", file: "request.go",
		old: "unsent(pl.back) < ahead; {", new: "unsent(pl.back) < 100*ahead; {",
		run: "TestWorkersAndIntentsAhead",
	}, {
		name: "what rises is written before what falls", file: "shift.go",
		old: "waves = appendWave(waves, k, w)\n", new: "waves = appendWave(waves, len(ws)-1-k, w)\n",
		run: "TestWaves",
	}, {
		name: "the next wave begins before the last of the one before it", file: "shift_outcome.go",
		old: "if s.left--; s.left > 0 || len(s.todo) > 0 {", new: "if s.left--; s.left > 1 || len(s.todo) > 0 {",
		run: "TestWaves",
	}, {
		name: "nothing wakes the engine when it becomes too late for a rung", file: "phase.go",
		old: "\t\te.at(e.finishAt - need + 1)\n", new: "",
		run: "TestNobodyAnswers",
	}, {
		name: "nothing wakes the engine when a judgement may change", file: "verdict.go",
		old: "\tif j.Next < Never {\n\t\te.at(j.Next)\n\t}\n", new: "",
		run: "TestPiecesAndSamplesAtRandom",
	}, {
		name: "a takeover waits for a plane that can't be read", file: "begin.go",
		old: "\t\t\te.later(Second, func() { e.readPlane(i) })\n",
		new: "\t\t\tdelete(e.unread, i)\n\t\t\te.later(Second, func() { e.readPlane(i) })\n\t\t\treturn\n",
		run: "TestTakeoverBesideAPlaneThatCanNotBeRead",
	}, {
		name: "a takeover writes what it couldn't read", file: "back.go",
		old: "|| undoing || e.unread[s.plane] != nil}", new: "|| undoing}",
		run: "TestTakeoverBesideAPlaneThatCanNotBeRead",
	}, {
		name: "the worker that is kept for going back looks things up", file: "request.go",
		old: "if j.undoes() {\n\t\treturn pl.Workers", new: "if j.back {\n\t\treturn pl.Workers",
		run: "TestHangsAndAPerson",
	}, {
		name: "the way forward gets every worker", file: "request.go",
		old: "return max(1, pl.Workers-1)", new: "return pl.Workers",
		run: "TestHangsAndAPerson",
	}, {
		name: "a request that hangs keeps its worker", file: "engine.go",
		old: "c := call{deadline: e.now + limit + 100*Millisecond, task: t}", new: "c := call{deadline: Never, task: t}",
		run: "TestNoAnswerIsUnknown",
	}, {
		name: "nothing is judged while an append is under way", file: "verdict.go",
		old: "\te.vantage = e.makeVantage()\n", new: "\tif e.out.flying > 0 {\n\t\treturn\n\t}\n\te.vantage = e.makeVantage()\n",
		run: "TestHangsAndTheGates",
	}, {
		name: "an undo is sent before its intent is durable", file: "job.go",
		old: "e.out.durable < j.req.seq:", new: "e.out.durable < j.req.seq && !j.back:",
		run: "TestHangsAndAPerson",
	}, {
		name: "a full disk holds up a person's word", file: "outbox.go",
		old: "\t\te.out.retryAt = 0\n", new: "",
		run: "TestHangsAndAPerson",
	}, {
		name: "a freeze begins a name's wave", file: "phase.go",
		old: "return slices.Contains(e.steps[in.Step].onWire, plane)", new: "return true",
		run: "TestHangsAndAPerson",
	}, {
		name: "a room that nobody is in any more is never seen to be empty", file: "verify.go",
		old: "if from >= s.wroteAt && e.board.Quiet(e.now, s.seat) {", new: "if e.now < 0 {",
		run: "TestHangsAndAPerson",
	}, {
		name: "a freeze lets waiting undos be sent", file: "request.go",
		old: "if j.req == nil || e.withdrawn(pl, j.req, finishWaves) {", new: "if j.req != nil || j.req == nil {",
		run: "TestAFreezeWithdrawsWhatGoesBack",
	}, {
		name: "going back ends without a last look", file: "verify.go",
		old: "\tif !b.last {", new: "\tif !b.last && e.now < 0 {",
		run: "TestForeignJustBeforeTheEnd",
	}, {
		name: "a share is set again as often as it strays", file: "setagain.go",
		old: "\treturn wait, recent >= againTimes\n", new: "\treturn wait, false\n",
		run: "TestKeepsDying",
	}, {
		name: "a share is set again while the run is frozen", file: "keep.go",
		old: "\tcase PhaseResting:\n", new: "\tcase PhaseFrozen:\n\t\treturn true\n\tcase PhaseResting:\n",
		run: "TestNotSetAgain",
	}, {
		name: "instances that fail their checks count as living", file: "seatstate.go",
		old: "\tif h.Live {\n", new: "\tif h.Live || h.Room != \"\" {\n",
		run: "TestStrayedIsSetAgain",
	},
}

// TestMutantsAreCaught plants each mistake and wants the tests named with it to fail. A run that doesn't end in a minute
// is caught too: the test binary ends in a panic then.
func TestMutantsAreCaught(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := readTests(t)
	for i, m := range slices.Concat(mutants, actMutants, writerMutants, onlyMutants, afterMutants) {
		t.Run(m.name, func(t *testing.T) {
			overlay := plant(t, here, m, tests.without(t, m.run))
			ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
			defer stop()
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-timeout=60s", "-overlay", overlay, "-run", "^("+m.run+")$", "-count=1", "-short", ".")
			cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = here, &out, &out, time.Second
			err := cmd.Run()
			var failed *exec.ExitError
			switch {
			case ctx.Err() != nil:
				t.Fatalf("mutant %d can't be built and run in 5 minutes: nothing is known", i)
			case err == nil:
				t.Errorf("%s passes with the mistake planted in %s; make it fail", m.run, m.file)
			case !errors.As(err, &failed):
				t.Fatalf("go test: %v", err)
			case !strings.Contains(out.String(), "--- FAIL: Test") && !strings.Contains(out.String(), "panic:"):
				t.Errorf("the tests didn't run with the mistake planted in %s, so nothing is known:\n%s", m.file, &out)
			}
		})
	}
}

// plant writes a copy of the file with the mistake, and returns the name of an overlay in which the files without aren't there.
func plant(t *testing.T, here string, m mutant, without []string) string {
	t.Helper()
	src, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), m.old); n != 1 {
		t.Fatalf("%q occurs %d times in %s; want once: bring the table of mutants up to date", m.old, n, m.file)
	}
	dir := t.TempDir()
	wrong := filepath.Join(dir, m.file)
	replace := map[string]string{filepath.Join(here, m.file): wrong}
	for _, name := range without {
		replace[filepath.Join(here, name)] = ""
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	for name, b := range map[string][]byte{wrong: []byte(strings.Replace(string(src), m.old, m.new, 1)), overlay: text} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}
