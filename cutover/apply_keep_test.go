package cutover

import (
	"maps"
	"testing"
	"time"
)

var svc = Seat{Route: "svc"}

// keptPlan is storyPlan with what its rungs want of the service.
func keptPlan() *Plan {
	p := storyPlan()
	p.Steps[0].Rungs[0].Want = map[Seat]Share{svc: {"cloud": 1000, "home": 9000}}
	p.Steps[0].Rungs[1].Want = map[Seat]Share{svc: {"cloud": 3000, "home": 7000}}
	return p
}

func (s *story) wants(what string, cloud int) {
	s.t.Helper()
	got, ok := s.p.Wanted[svc]
	if cloud < 0 && !ok {
		return
	}
	if !ok || got["cloud"] != cloud || got["home"] != Whole-cloud {
		s.t.Errorf("%s: %v is wanted of the service; want %d in the cloud", what, got, cloud)
	}
}

// TestWantedShare: what a seat is kept at is what the plan found, then what its last rung that is written whole wanted; nothing in
// between, and nothing where a person accepted another value or the run goes back.
func TestWantedShare(t *testing.T) {
	s := newStory(t)
	s.plan("", keptPlan())
	s.add(s.holder(1, 4711))
	s.wants("found", 291) // 2 × 3 of 206
	s.step(0, 0, StepWaiting, StepApplying)
	s.wants("before its first write", 291)
	s.add(svcWave(1, true, "h1"))
	s.wants("in a rung's hands", -1)
	s.add(doneOf(1, "h1", "v2"))
	s.step(0, 0, StepAsking, StepApplying)
	s.wants("while people are asked about it", -1)
	s.step(0, 0, StepSettling)
	s.wants("written", 1000)
	s.step(0, 0, StepBaking)
	s.step(0, 1, StepWaiting, StepApplying, StepSettling)
	s.wants("a rung that wrote nothing", 1000)
	copied := s.p.Clone()
	s.add(AdoptedMark{Plane: "svc", Object: "c1", Value: "9", Who: "li", Why: "agreed"})
	s.wants("accepted", -1)
	if copied.Wanted[svc] == nil {
		t.Error("a clone forgets with the original")
	}
	s.add(PhaseMark{Phase: PhaseBack, Target: "start"})
	if len(s.p.Wanted) > 0 {
		t.Errorf("going back: %v is wanted; want nothing kept", s.p.Wanted)
	}
}

// TestWantedShareOfTheNextNight: a seat that the run has written is still wanted as the run wanted it; one that it hasn't, or whose
// value a person accepted, as the next plan finds it.
func TestWantedShareOfTheNextNight(t *testing.T) {
	night := func(adopt bool) *story {
		s := newStory(t)
		s.plan("", keptPlan())
		s.add(s.holder(1, 4711))
		s.step(0, 0, StepWaiting, StepApplying)
		s.add(svcWave(1, true, "h1"), doneOf(1, "h1", "v2"))
		s.step(0, 0, StepSettling, StepBaking, StepDone)
		s.add(CheckpointMark{Step: 1, Name: "noon"}, PhaseMark{Phase: PhaseResting, Exit: ExitResting})
		next := keptPlan()
		next.Held = nil
		for _, h := range keptPlan().Held {
			o := s.p.Objects[h.ID()]
			h.Value = o.Last
			if h.Seat.Route == "gw" {
				h.Weights = Share{"cloud": 500, "home": 9500}
			}
			h.Live = h.Object != "c2" // one has died
			next.Held = append(next.Held, h)
		}
		if adopt {
			s.add(AdoptedMark{Plane: "svc", Object: "c1", Value: s.p.Objects[ObjectID{"svc", "c1"}].Last, Who: "li", Why: "agreed"})
		}
		next.Continues = "noon"
		s.plan("noon", next)
		return s
	}
	s := night(false)
	s.wants("written by the run", 1000)
	if got := s.p.Wanted[Seat{"gw", "home"}]; got["cloud"] != 500 {
		t.Errorf("never written: %v; want what the second plan found", got)
	}
	if s = night(true); s.p.Wanted[svc]["cloud"] == 1000 || s.p.Wanted[svc] == nil {
		t.Errorf("accepted: %v; want what the second plan found", s.p.Wanted[svc])
	}
}

// TestTimesSetAgain counts requests that change what the run knew, minute by minute, the newest three; accepted, they begin anew.
func TestTimesSetAgain(t *testing.T) {
	s := newStory(t)
	s.plan("", keptPlan())
	s.add(s.holder(1, 4711))
	keep := func(n int, after time.Duration, object string, a, b int) {
		t.Helper()
		s.wall = s.wall.Add(after)
		s.add(Intent{Request: n, Purpose: Keep, Step: -1, Changes: []Change{weight(object, a, b)}}, doneOf(n, object, "v"))
	}
	times := func(what string, want int) {
		t.Helper()
		if got := len(s.p.SetAgain[svc]); got != want {
			t.Errorf("%s: set again %d times; want %d", what, got, want)
		}
	}
	keep(1, 0, "c9", 100, 3)
	times("one that joined", 0)
	keep(2, 0, "c1", 3, 4)
	keep(3, 10*time.Second, "c2", 3, 4)
	times("two requests within a minute", 1)
	keep(4, time.Minute, "c9", 3, 4)
	times("a minute later", 2)
	before := maps.Clone(s.p.Clone().SetAgain)
	keep(5, time.Hour, "c1", 4, 5)
	keep(6, time.Hour, "c1", 5, 6)
	times("the newest three", 3)
	if len(before[svc]) != 2 {
		t.Error("a clone counts with the original")
	}
	s.add(AnsweredMark{Step: -1, What: keepQuestion + "svc", How: "no longer asked"})
	times("asked no longer", 3)
	s.add(AnsweredMark{Step: -1, What: keepQuestion + "other", How: "accepted", Who: "li"})
	times("another one accepted", 3)
	s.add(AnsweredMark{Step: -1, What: keepQuestion + "svc", How: "accepted", Who: "li"})
	times("accepted", 0)
}

// TestWithinMinutes: a wall clock that was set back may have written times of tomorrow.
func TestWithinMinutes(t *testing.T) {
	now := time.Date(2027, 1, 26, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		wall string
		want bool
	}{{"2027-01-26T03:59:30.000Z", true}, {"2027-01-26T03:59:00.000Z", false}, {"2027-01-26T04:00:30.000Z", true}, {"2027-01-27T04:00:00.000Z", false}, {"never", false}} {
		if got := within(time.Minute, c.wall, now); got != c.want {
			t.Errorf("%s is within a minute of %s: %v", c.wall, now, got)
		}
	}
}
