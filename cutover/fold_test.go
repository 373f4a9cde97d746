package cutover

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func (s *story) object(id ObjectID) *Object {
	s.t.Helper()
	o := s.p.Objects[id]
	if o == nil {
		s.t.Fatalf("no object %s", id)
	}
	return o
}

func TestAWholePlanIsASegment(t *testing.T) {
	s := begun(t)
	p := s.p
	if p.Run != "0214-7a" || p.Segment != 1 || p.Phase != PhaseForward || len(p.Steps) != 4 || p.Steps[0].State != StepPending || p.Holders != 1 {
		t.Errorf("after the plan: %+v", p)
	}
	start := p.Targets["start"]
	if start == nil || len(start.Want) != 6 || start.Want[gwHome] != "3" || start.Writers["feed-db"] != "home" || p.LastTarget != "start" || start.Step != -1 {
		t.Errorf("start: %+v", start)
	}
	o := s.object(ObjectID{"svc", "c1"})
	if o.Last != "3" || o.Want != "3" || o.Version != "v1" || o.Room != "cloud" || o.Touched || o.Made || len(o.Ours) != 0 {
		t.Errorf("object: %+v", o)
	}
}

func TestAPlanInParts(t *testing.T) {
	big := storyPlan()
	for i := range 9000 {
		big.Held = append(big.Held, Held{Seat: Seat{Route: "svc"}, Plane: "svc", Object: fmt.Sprintf("机房-%05d", i), Value: "100"})
	}
	text, err := big.Encode()
	if err != nil {
		t.Fatal(err)
	}
	parts := SplitPlan("0214-7a", big.Hash(), "", "v1", string(text))
	if len(parts) < 3 {
		t.Fatalf("%d bytes in %d parts", len(text), len(parts))
	}
	var whole strings.Builder
	for i, p := range parts {
		whole.WriteString(p.Text)
		if len(p.Text) > 256<<10 || strings.ToValidUTF8(p.Text, "") != p.Text || p.Part != i+1 || p.Of != len(parts) || (p.Version != "") != (i == 0) {
			t.Errorf("part %d: %d of %d, %d bytes, version %q", i, p.Part, p.Of, len(p.Text), p.Version)
		}
	}
	if whole.String() != string(text) {
		t.Error("the parts aren't the text")
	}
	s := newStory(t)
	for i, part := range parts {
		if s.p.Plan != nil {
			t.Errorf("a plan after %d parts", i)
		}
		s.add(part)
	}
	if len(s.p.Plan.Held) != len(big.Held) {
		t.Errorf("the plan came back with %d objects", len(s.p.Plan.Held))
	}
}

func TestSplitPlanOfNothing(t *testing.T) {
	if parts := SplitPlan("r", "h", "", "v", ""); len(parts) != 1 || parts[0].Of != 1 {
		t.Errorf("%+v", parts)
	}
}

func TestAnIntentIsOpenUntilItsOutcome(t *testing.T) {
	s := begun(t)
	s.add(gateway(1, Forward, "home", 0, 3, 10, true))
	o := s.object(gwHome)
	if len(o.Open) != 1 || o.Open[0].To != "10" || !o.Touched || !slices.Equal(o.Ours, []string{"3", "10"}) || o.Last != "3" || !s.p.Changed || s.p.OpenCount() != 1 {
		t.Errorf("open: %+v, changed %v", o, s.p.Changed)
	}
	s.add(UnknownMark{Request: 1, Objects: []string{gwHome.Object}, For: 10 * Second})
	if q := s.p.OpenRequest(1); !o.Open[0].Unknown || q == nil || !q.Unknown || q.For != 10*Second {
		t.Errorf("unknown: %+v", o)
	}
	s.add(doneOf(1, gwHome.Object, "v9"))
	if len(o.Open) != 0 || o.Last != "10" || o.Version != "v9" || o.Want != "10" || o.Gives["cloud"] != 1000 || s.p.OpenCount() != 0 || s.p.OpenRequest(1) != nil || !s.p.Changed {
		t.Errorf("done: %+v", o)
	}
}

func TestFailedLeavesWhatWas(t *testing.T) {
	s := begun(t)
	s.add(gateway(1, Forward, "home", 0, 3, 10, true), FailedMark{Request: 1, Objects: []string{gwHome.Object}, Why: "not sent"})
	o := s.object(gwHome)
	if len(o.Open) != 0 || o.Last != "3" || o.Want != "3" || o.Version != "v1" || s.p.Changed || s.p.OpenCount() != 0 {
		t.Errorf("%+v, changed %v", o, s.p.Changed)
	}
	s.add(PhaseMark{Phase: PhaseOver, Exit: ExitNothing})
}

// Pacing and undoing change what is held, not what the run wants: a person may still freeze and look.
func TestAnUndoChangesNoWish(t *testing.T) {
	s := begun(t)
	s.rungDone(0, 3, 10)
	s.add(PhaseMark{Phase: PhaseBack, Target: "start"}, gateway(3, Pace, "home", 0, 10, 5, true), doneOf(3, gwHome.Object, "v3"))
	if o := s.object(gwHome); o.Last != "5" || o.Want != "10" {
		t.Errorf("%+v", o)
	}
}

func TestSomethingOpenMayHaveChanged(t *testing.T) {
	s := begun(t)
	s.add(gateway(1, Forward, "home", 0, 3, 10, false), gateway(2, Forward, "cloud", 0, 3, 10, true))
	for n, object := range []string{gwHome.Object, gwCloud.Object} {
		s.add(FailedMark{Request: n + 1, Objects: []string{object}, Why: "found"})
		if open := n == 0; s.p.Changed != open {
			t.Errorf("after %d of 2 failed: changed %v", n+1, s.p.Changed)
		}
	}
}

func TestOutcomesInParts(t *testing.T) {
	s := begun(t)
	s.add(Intent{Request: 1, Purpose: Forward, Changes: []Change{weight("h1", 100, 50), weight("h2", 100, 50), weight("c1", 3, 50), weight("c2", 3, 50)}})
	s.add(DoneMark{Request: 1, Objects: []string{"c2", "h1"}, Versions: []string{"a", "b"}, Why: "answered"},
		FailedMark{Request: 1, Objects: []string{"c1"}, Why: "answered"})
	if q := s.p.OpenRequest(1); q == nil || s.p.OpenCount() != 1 {
		t.Fatalf("open: %+v", q)
	}
	s.add(ForeignMark{Request: 1, Plane: "svc", Object: "h2", Found: "77", Version: "f"})
	if s.p.OpenCount() != 0 || s.p.OpenRequest(1) != nil {
		t.Error("something is left open")
	}
	got := map[string]string{}
	for _, o := range s.p.SortedObjects()[2:] {
		got[o.ID.Object] = o.Last
	}
	if want := map[string]string{"c1": "3", "c2": "50", "h1": "50", "h2": "100"}; !reflect.DeepEqual(got, want) {
		t.Errorf("last: %v", got)
	}
	if o := s.object(ObjectID{"svc", "h2"}); o.Foreign == nil || o.Foreign.Found != "77" || len(o.Open) != 0 || slices.Contains(o.Ours, "77") {
		t.Errorf("foreign: %+v", o)
	}
}

func TestAnOutcomeWithoutItsIntentIsAHint(t *testing.T) {
	s := begun(t)
	s.rungDone(0, 3, 10)
	before := s.p.Clone()
	s.add(doneOf(1, gwHome.Object, "v77"), FailedMark{Request: 99, Objects: []string{"x"}}, UnknownMark{Request: 1, Objects: []string{gwHome.Object}},
		ForeignMark{Request: 1, Plane: gwHome.Plane, Object: gwHome.Object, Found: "55"},
		ForeignMark{Request: 99, Plane: "nowhere", Object: "x", Found: "55"}, doneOf(2, "another", "v1"))
	before.Seq, before.Prev = s.p.Seq, s.p.Prev
	if after := s.p.Clone(); !reflect.DeepEqual(before, after) {
		t.Errorf("late answers changed Progress:\n%+v\n%+v", before, after)
	}
}

// An undo stands beside an open forward write. Whichever answers last, the undo's value is what the object holds, until it is read.
func TestUndoBesideAnOpenForward(t *testing.T) {
	for _, why := range []string{"answered", "found"} {
		s := begun(t)
		s.add(gateway(1, Forward, "home", 0, 3, 10, true), PhaseMark{Phase: PhaseBack, Target: "start"}, gateway(2, Undo, "home", 0, 10, 3, true))
		o := s.object(gwHome)
		if len(o.Open) != 2 || s.p.OpenCount() != 2 {
			t.Fatalf("open: %+v", o.Open)
		}
		s.add(doneOf(2, gwHome.Object, "v2"))
		if o.Last != "3" || len(o.Open) != 1 || o.Open[0].Request != 1 || o.Want != "3" {
			t.Errorf("undone: %+v", o)
		}
		s.add(DoneMark{Request: 1, Objects: []string{gwHome.Object}, Versions: []string{"v3"}, Why: why})
		if want := map[string]string{"answered": "3", "found": "10"}[why]; o.Last != want || len(o.Open) != 0 {
			t.Errorf("the late answer (%s): %+v", why, o)
		}
	}
}

func TestStray(t *testing.T) {
	s := begun(t)
	s.rungDone(0, 3, 10)
	s.add(StrayMark{Plane: gwHome.Plane, Object: gwHome.Object, Found: "3", Version: "v5"})
	if o := s.object(gwHome); o.Last != "3" || o.Version != "v5" || o.Want != "10" || o.Foreign != nil {
		t.Errorf("%+v", o)
	}
}

// TestForeignTakenBack: an object that holds again what it held before somebody else wrote it is nobody's any more, and the run
// has still changed nothing.
func TestForeignTakenBack(t *testing.T) {
	s := begun(t)
	s.add(ForeignMark{Plane: "svc", Object: "h1", Found: "7", Version: "v2"}, StrayMark{Plane: "svc", Object: "h1", Found: "100", Version: "v3"})
	o := s.p.Objects[ObjectID{"svc", "h1"}]
	if o.Foreign != nil || o.Last != "100" || o.Version != "v3" || o.Gives["home"] != 100 {
		t.Errorf("taken back: %+v; want it as it was, with the new version", o)
	}
	if s.p.Changed || s.p.fold.landed {
		t.Error("the run is said to have changed something")
	}
}

func TestForeignIsFoundAndAdopted(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.add(gateway(20, Keep, "home", 0, 30, 30, false))
	s.add(ForeignMark{Plane: gwHome.Plane, Object: gwHome.Object, Found: "55", Version: "f1", Who: "wang"})
	o := s.object(gwHome)
	if o.Foreign == nil || o.Foreign.Who != "wang" || o.Last != "30" || len(o.Open) != 0 {
		t.Fatalf("found by looking: %+v", o)
	}
	s.add(AdoptedMark{Plane: gwHome.Plane, Object: gwHome.Object, Value: "55", Version: "f1", Who: "yang", Why: "load test"})
	if o.Foreign != nil || o.Last != "55" || o.Want != "55" || !o.Adopted || o.Version != "f1" {
		t.Errorf("adopted: %+v", o)
	}
	for _, name := range []string{"start", "noon"} {
		if v, ok := s.p.Targets[name].Restores(gwHome); ok {
			t.Errorf("back to %s would restore %q", name, v)
		}
		if v, ok := s.p.Targets[name].Restores(gwCloud); !ok || v == "" {
			t.Errorf("back to %s doesn't restore the others", name)
		}
	}
	s.step(2, 0, StepDone)
	s.add(CheckpointMark{Step: 3, Name: "night"})
	if v, ok := s.p.Targets["night"].Restores(gwHome); !ok || v != "55" {
		t.Errorf("a later checkpoint restores %q, %v", v, ok)
	}
}

func TestAGoneObjectOfNobodyIsNoted(t *testing.T) {
	s := begun(t)
	s.add(ForeignMark{Plane: "svc", Object: "c9", Found: "17"}, ForeignMark{Plane: "svc", Object: "c1", Gone: true})
	if o := s.object(ObjectID{"svc", "c9"}); !o.Made || o.Foreign == nil {
		t.Errorf("%+v", o)
	}
}

func TestKeepOfANewInstance(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting})
	s.add(Intent{Request: 30, Purpose: Keep, Step: -1, Changes: []Change{weight("c7", 100, 50)}}, doneOf(30, "c7", "v1"))
	if o := s.object(ObjectID{"svc", "c7"}); !o.Made || o.Want != "50" || o.Last != "50" || o.Room != "cloud" {
		t.Errorf("%+v", o)
	}
	if _, ok := s.p.Targets["start"].Restores(ObjectID{"svc", "c7"}); ok {
		t.Error("the start knows an instance that was born since")
	}
}

func TestWaveThatLeavesOneServing(t *testing.T) {
	s := begun(t)
	s.add(svcWave(1, false, "c1", "c2"), svcWave(2, true, "h1"))
	s = begun(t)
	in := svcWave(1, true, "c1", "c2", "h1", "h2")
	in.Changes[2] = weight("h1", 100, 1)
	s.add(in)
	s = begun(t) // a stray's weights aren't known: no refusal on what isn't known
	s.add(svcWave(1, true, "h1"), doneOf(1, "h1", "v"), StrayMark{Plane: "svc", Object: "h1", Found: "100"})
	s.add(withWave(svcWave(2, true, "h2", "c1", "c2"), 1))
}

// What the process knows and what the journal says are one thing, at every record.
func TestFoldIsWhatTheProcessKnows(t *testing.T) {
	s := everyKind(t)
	for n := range len(s.rs) + 1 {
		p, err := Fold(s.rs[:n])
		if err != nil {
			t.Fatalf("first %d records: %v", n, err)
		}
		live := NewProgress()
		var lines []byte
		for i := range n {
			r := s.rs[i]
			wall, err := time.Parse(time.RFC3339, r.Wall)
			if err != nil {
				t.Fatal(err)
			}
			if lines, err = live.Enter(lines, &r, wall, r.At); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(s.lines, lines) || !reflect.DeepEqual(live.Clone(), p.Clone()) {
			t.Fatalf("first %d records: the fold and the process differ", n)
		}
	}
	if seen := kindsOf(s.rs); len(seen) != len(allKinds) {
		t.Errorf("the story has only %v", seen)
	}
}

func TestExpectSparesDecoding(t *testing.T) {
	plan := storyPlan()
	s := newStory(t)
	sealed, err := plan.Seal()
	if err != nil {
		t.Fatal(err)
	}
	s.p.Expect(sealed)
	s.plan("", plan)
	if s.p.Plan != plan {
		t.Error("decoded again")
	}
	s = newStory(t)
	another := *plan
	another.Runbook = "another"
	if sealed, err = another.Seal(); err != nil {
		t.Fatal(err)
	}
	s.p.Expect(sealed)
	s.plan("", plan)
	if s.p.Plan == &another {
		t.Error("took a plan of another hash")
	}
}

// everyKind is a run of two nights with a record of every kind.
func everyKind(t testing.TB) *story {
	t.Helper()
	return kindsSince(t, true)
}

// kindsSince is everyKind; without after, of the kinds that there were first.
func kindsSince(t testing.TB, after bool) *story {
	t.Helper()
	s := begun(t)
	s.add(ClaimMark{Names: []string{"gw", "svc", "feed-db"}}, VerdictMark{Act: Advance}, BrokeMark{Rule: "maxMove", Who: "li", Reason: "a drill"})
	s.step(0, 0, StepWaiting)
	s.add(AskedMark{Step: 0, What: "approve", Text: "may it begin?", For: 30 * Minute, Else: "hold"}, CommandMark{ID: "a1", Verb: "approve", Who: "li"},
		AnsweredMark{Step: 0, What: "approve", How: "approved", Who: "li"})
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting})
	next := storyPlan()
	next.Continues, next.Held[0].Value, next.Held[1].Value = "noon", "30", "31"
	s.add(AdoptedMark{Plane: gwHome.Plane, Object: gwHome.Object, Value: "31", Version: "v5", Who: "yang", Why: "by hand"})
	s.plan("noon", next)
	s.add(s.holder(2, 5))
	s.step(0, 0, StepWaiting, StepApplying)
	n := s.p.Requests
	s.add(gateway(n+1, Forward, "home", 0, 31, 60, false), gateway(n+2, Forward, "cloud", 0, 30, 60, false), svcWave(n+3, true, "h1"))
	s.add(UnknownMark{Request: n + 1, Objects: []string{gwHome.Object}, For: 10 * Second, Error: "no answer"}, doneOf(n+2, gwCloud.Object, "v9"),
		MoveMark{Pair: "feed-db", Wish: "cloud", Verb: "fence begun", At: "FENCING"}, WriterMark{Pair: "feed-db", Phase: "STABLE", Epoch: 2, Number: 8, Writer: "home"})
	if after {
		s.add(WriterMark{Pair: "feed-db", Phase: "COMMIT", Epoch: 3, Number: 9, Writer: "home", Pos: "1-1-7", Server: "1"},
			OnlyMark{Name: "feed-jobs", Room: "none", Epoch: 2, At: "done", Why: "its writer moves"},
			AfterMark{Pair: "feed-db", Epoch: 3, Strays: "1-1-8..9", Conflicts: []string{"1062"}, Pos: "1-1-9", Checked: true, Wrong: []string{"fence"}})
	}
	s.add(PhaseMark{Phase: PhaseFrozen, Causes: []Cause{{Gate: "errors", Room: "home", Color: Red, Seen: "3.1 %", Limit: "2 %", Age: 3 * Second}}},
		CommandMark{ID: "b1", Verb: "back", Who: "yang", Causes: []string{"errors@home"}}, FailedMark{Request: n + 3, Objects: []string{"h1"}, Why: "not sent"},
		PhaseMark{Phase: PhaseBack, Target: "noon", Timing: &Timing{Age: Second, Crossed: 5, Decided: 6}})
	s.add(gateway(n+4, Pace, "cloud", 0, 60, 40, true), doneOf(n+4, gwCloud.Object, "v10"), gateway(n+5, Undo, "home", 0, 60, 31, true),
		ForeignMark{Request: n + 5, Plane: gwHome.Plane, Object: gwHome.Object, Found: "42", Who: "wang"},
		FailedMark{Request: n + 1, Objects: []string{gwHome.Object}, Why: "found"})
	s.add(StrayMark{Plane: gwCloud.Plane, Object: gwCloud.Object, Found: "60", Version: "v11"}, gateway(n+6, Undo, "cloud", 0, 60, 30, true), doneOf(n+6, gwCloud.Object, "v12"),
		PhaseMark{Phase: PhaseOver, Exit: ExitStopped, Causes: []Cause{{Gate: "object", Text: "left alone"}}})
	s.add(CommandMark{ID: "b2", Verb: "back", Who: "yang", Args: map[string]string{"to": "start"}}, s.holder(3, 6), PhaseMark{Phase: PhaseBack, Target: "start"})
	return s
}

func kindsOf(rs []Record) map[Kind]int {
	m := map[Kind]int{}
	for i := range rs {
		m[rs[i].Kind]++
	}
	return m
}

// What a clone's seat holds is the clone's: here nothing more, while the original still has an instance that serves.
func TestACloneHasItsOwnSeats(t *testing.T) {
	s := begun(t)
	whole := s.p
	s.p = whole.Clone()
	s.add(svcWave(1, true, "c1", "c2", "h1"), DoneMark{Request: 1, Objects: []string{"c1", "c2", "h1"}, Versions: []string{"", "", ""}, Why: "answered"})
	last := withWave(svcWave(2, true, "h2"), 1)
	if err := s.try(last); err == nil {
		t.Error("the clone took a wave that leaves nothing")
	}
	s.p = whole
	s.add(last)
}
