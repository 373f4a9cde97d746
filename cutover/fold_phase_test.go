package cutover

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestACheckpointIsATarget(t *testing.T) {
	s := begun(t)
	s.add(WriterMark{Pair: "feed-db", Epoch: 3, Number: 9, Writer: "cloud"})
	s.atNoon()
	noon := s.p.Targets["noon"]
	if noon == nil || s.p.LastTarget != "noon" || noon.Want[gwHome] != "30" || noon.Want[ObjectID{"svc", "c1"}] != "3" || noon.Writers["feed-db"] != "cloud" ||
		noon.Share["cloud"] != 3000 || noon.Step != 1 || noon.Segment != 1 {
		t.Errorf("%+v", noon)
	}
	s.add(gateway(20, Forward, "home", 0, 30, 60, true), doneOf(20, gwHome.Object, "v7"))
	if noon.Want[gwHome] != "30" {
		t.Error("the target moved with the run")
	}
}

func TestBackToACheckpointWantsItAgain(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.step(2, 0, StepApplying)
	s.add(gateway(20, Forward, "home", 0, 30, 60, true), doneOf(20, gwHome.Object, "v7"))
	s.step(2, 0, StepDone)
	s.add(CheckpointMark{Step: 3, Name: "night"}, PhaseMark{Phase: PhaseBack, Target: "noon", Timing: &Timing{Age: 7}})
	if s.p.Crossed.Age != 7 || s.p.Target != "noon" {
		t.Errorf("back: %+v", s.p)
	}
	s.add(gateway(21, Undo, "home", 0, 60, 30, true), doneOf(21, gwHome.Object, "v8"),
		PhaseMark{Phase: PhaseResting, Target: "noon", Exit: ExitBack})
	if o := s.object(gwHome); o.Want != "30" || o.Last != "30" {
		t.Errorf("%+v", o)
	}
	if s.p.LastTarget != "noon" || s.p.Targets["night"] != nil || s.p.Exit != ExitBack {
		t.Errorf("targets: %v, last %q", s.p.targetNames(), s.p.LastTarget)
	}
}

func TestBackToTheLastRung(t *testing.T) {
	s := begun(t)
	s.rungDone(0, 3, 10)
	s.step(0, 1, StepApplying)
	s.add(gateway(3, Forward, "home", 1, 10, 30, false), doneOf(3, gwHome.Object, "v3"), PhaseMark{Phase: PhaseBack, Target: "rung"})
	rung := s.p.Targets["rung"]
	if rung == nil || rung.Want[gwHome] != "10" || rung.Want[gwCloud] != "10" {
		t.Fatalf("%+v", rung)
	}
	s.add(gateway(4, Undo, "home", 1, 30, 10, true), doneOf(4, gwHome.Object, "v4"), PhaseMark{Phase: PhaseBack, Target: "start"})
	if s.p.Target != "start" {
		t.Errorf("target %q", s.p.Target)
	}
}

func TestBackFromTheRungForwardAgain(t *testing.T) {
	s := begun(t)
	s.rungDone(0, 3, 10)
	s.step(0, 1, StepApplying)
	s.add(gateway(3, Forward, "home", 1, 10, 30, true), doneOf(3, gwHome.Object, "v3"), PhaseMark{Phase: PhaseBack, Target: "rung"})
	s.add(gateway(4, Undo, "home", 1, 30, 10, true), doneOf(4, gwHome.Object, "v4"), PhaseMark{Phase: PhaseForward})
	if o := s.object(gwHome); o.Want != "10" || s.p.Target != "" || s.p.LastTarget != "start" || s.p.Targets["rung"] != nil {
		t.Errorf("%+v; targets %v", o, s.p.targetNames())
	}
	s.add(gateway(5, Forward, "home", 1, 10, 20, true))
}

func TestBackPutsWaitingStepsAside(t *testing.T) {
	s := begun(t)
	s.step(0, 0, StepWaiting)
	s.add(AskedMark{Step: 0, What: "approve", For: Minute}, AnsweredMark{Step: 0, What: "approve", How: "approved", Who: "li"})
	s.step(2, 0, StepWaiting, StepAsking)
	if s.p.Steps[0].Approved != "li" || s.p.Steps[2].Resume != StepWaiting || len(s.p.Asked) != 0 {
		t.Errorf("%+v", s.p.Steps)
	}
	s.add(gateway(1, Forward, "home", 0, 3, 10, true), PhaseMark{Phase: PhaseBack, Target: "start"})
	if a, b := s.p.Steps[0], s.p.Steps[2]; a.State != StepPending || a.Approved != "" || b.State != StepPending || b.Resume != "" {
		t.Errorf("%+v", s.p.Steps)
	}
}

func TestFrozen(t *testing.T) {
	s := begun(t)
	s.step(0, 0, StepWaiting)
	s.add(AnsweredMark{Step: 0, What: "approve", How: "approved", Who: "li"}, PhaseMark{Phase: PhaseFrozen, Causes: []Cause{{Gate: "errors", Room: "home", Color: Red}}})
	if s.p.Steps[0].Approved != "" || s.p.FrozenFrom != PhaseForward || len(s.p.Causes) != 1 {
		t.Errorf("an approval outlives freezing: %+v, from %q", s.p.Steps[0], s.p.FrozenFrom)
	}
	s.add(CommandMark{ID: "1", Verb: "resume", Who: "li", Causes: []string{"errors@home"}}, PhaseMark{Phase: PhaseForward})
	if s.p.Answered["errors@home"] != "li" || s.p.FrozenFrom != "" || s.p.Phase != PhaseForward {
		t.Errorf("%+v", s.p)
	}
	s.add(VerdictMark{Act: Hold, Cleared: []string{"errors@home"}})
	if len(s.p.Answered) != 0 || s.p.Verdict.Act != Hold {
		t.Errorf("%+v", s.p.Answered)
	}
}

func TestEveryWordThatEndsFrozen(t *testing.T) {
	for _, verb := range []string{"resume", "back", "mute", "close", "stop"} {
		s := newStory(t)
		frozen(s)
		s.add(said(verb), PhaseMark{Phase: PhaseForward})
	}
}

func TestWhatGoesOnAfterStopped(t *testing.T) {
	for _, x := range []Exit{ExitStopped, ExitUnknown, ExitNotVerified} {
		s := begun(t)
		s.rungDone(0, 3, 10)
		s.add(PhaseMark{Phase: PhaseOver, Exit: x}, said("back"), s.holder(2, 9), PhaseMark{Phase: PhaseBack, Target: "start"},
			gateway(3, Undo, "home", 0, 10, 3, true), doneOf(3, gwHome.Object, "v3"), PhaseMark{Phase: PhaseOver, Exit: ExitBack})
	}
}

func TestTheSameLockBesideOneTakenAgain(t *testing.T) {
	s := begun(t)
	again := s.holder(1, 4711)
	again.Fences["cloud"] = Fence{Session: "c", Index: 5}
	s.add(again)
	other := s.holder(2, 4711)
	other.Fences["cloud"] = Fence{Session: "old", Index: 4}
	if err := s.try(other); err == nil {
		t.Error("an older fence in one of two places was taken")
	}
}

// A place whose lock a holder didn't have still knows the newest holder that had it.
func TestAFenceIsRememberedOverHolders(t *testing.T) {
	s := begun(t)
	elsewhere := s.holder(1, 2)
	elsewhere.Fences = map[string]Fence{"cloud": {Index: 1}}
	s.add(elsewhere)
	if err := s.try(s.holder(1, 3)); err == nil {
		t.Error("a third holder took home's lock with the first one's fence")
	}
}

func TestPeople(t *testing.T) {
	s := begun(t)
	s.add(said("pause"))
	if s.p.Paused != "yang" {
		t.Errorf("paused by %q", s.p.Paused)
	}
	s.add(said("resume"), said("mute"), AskedMark{Step: -1, What: "bake", Text: "a"}, AskedMark{Step: 1, What: "ask", Text: "b"}, AskedMark{Step: -1, What: "bake", Text: "c"},
		BrokeMark{Rule: "maxMove", Who: "li", Reason: "r"}, ClaimMark{Names: []string{"gw"}}, MoveMark{Pair: "feed-db", Verb: "fence begun"})
	p := s.p
	if p.Paused != "" || p.Mutes["errors"].Who != "yang" || len(p.Asked) != 2 || p.Asked[1].Text != "c" || len(p.Broken) != 1 || p.Claims[0] != "gw" || p.Moves["feed-db"].Verb == "" || !p.Commands["c-mute"] {
		t.Errorf("%+v", p)
	}
	s.add(AnsweredMark{Step: 1, What: "ask", How: "accepted", Who: "li"})
	if len(p.Asked) != 1 || p.Steps[1].Approved != "" {
		t.Errorf("%+v", p.Asked)
	}
}

func TestSeenIsKeptFor90Minutes(t *testing.T) {
	s := begun(t)
	for range 200 {
		s.wall = s.wall.Add(time.Minute - time.Second)
		s.add(SeenMark{Share: Share{"cloud": 100}, Observed: true})
	}
	if n := len(s.p.Seens); n != 91 || s.p.LastSeen.Share["cloud"] != 100 {
		t.Errorf("%d are kept", n)
	}
}

func TestASecondNight(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting})
	next := storyPlan()
	next.Continues = "noon"
	next.Held[0].Value, next.Held[1].Value, next.Held[0].Version = "30", "30", "v44"
	next.Held[5].Value = "77" // h2 drifted
	next.Held = append(next.Held, Held{Seat: Seat{Route: "svc"}, Plane: "svc", Object: "h3", Value: "100", Room: "home", Live: true, Weights: Share{"home": 100}},
		Held{Seat: Seat{Route: "names"}, Plane: "dns", Object: "www", Value: "10", Live: true, Weights: Share{"home": 10}})
	text, _ := next.Encode()
	part := SplitPlan("0214-7a", next.Hash(), "noon", "v1", string(text))[0]
	before := s.p.Clone()
	if err := s.try(part); err == nil || !strings.Contains(err.Error(), "svc/h2") {
		t.Fatalf("drift was taken: %v", err)
	}
	if !reflect.DeepEqual(before, s.p.Clone()) {
		t.Error("the refused plan changed Progress")
	}
	s.add(AdoptedMark{Plane: "svc", Object: "h2", Value: "77", Version: "w", Who: "yang", Why: "drift"}, part)
	s.add(s.holder(2, 5))
	p := s.p
	if p.Segment != 2 || p.Phase != PhaseForward || p.Steps[0].State != StepPending || s.object(gwCloud).Version != "v44" || s.object(gwHome).Last != "30" {
		t.Errorf("%+v", p)
	}
	if v, ok := p.Targets["noon"].Restores(ObjectID{"svc", "h2"}); !ok || v != "77" {
		t.Errorf("noon restores %q, %v: adopted while resting there", v, ok)
	}
	if _, ok := p.Targets["start"].Restores(ObjectID{"svc", "h2"}); ok {
		t.Error("the start restores what was adopted later")
	}
	if o := s.object(ObjectID{"svc", "h3"}); !o.Made {
		t.Error("an instance that joined counts as recorded")
	}
	if v, ok := p.Targets["start"].Restores(ObjectID{"dns", "www"}); !ok || v != "10" {
		t.Errorf("a route new in the second plan: the start restores %q, %v", v, ok)
	}
	fold, err := Fold(s.rs)
	if err != nil || !reflect.DeepEqual(fold.Clone(), p.Clone()) {
		t.Errorf("fold differs: %v", err)
	}
}
