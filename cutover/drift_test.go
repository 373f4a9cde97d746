package cutover

import (
	"slices"
	"strings"
	"testing"
)

// TestMembershipWhileResting: what came and went at the seats that the run has written is named, with the share if it has strayed.
func TestMembershipWhileResting(t *testing.T) {
	s := newStory(t)
	s.plan("", keptPlan())
	s.add(s.holder(1, 4711))
	s.step(0, 0, StepWaiting, StepApplying)
	s.add(svcWave(1, true, "h1"), doneOf(1, "h1", "v2"))
	s.step(0, 0, StepSettling, StepBaking, StepDone)
	s.add(Intent{Request: 2, Purpose: Keep, Step: -1, Changes: []Change{weight("h8", 1, 100)}}, doneOf(2, "h8", "v1")) // came in the night
	s.add(CheckpointMark{Step: 1, Name: "noon"}, PhaseMark{Phase: PhaseResting, Exit: ExitResting})
	next := keptPlan()
	next.Held = slices.DeleteFunc(next.Held, func(h Held) bool { return h.Object == "h2" })
	next.Held = append(next.Held, Held{Seat: svc, Plane: "svc", Object: "h8", Value: "100", Room: "home", Live: true},
		Held{Seat: svc, Plane: "svc", Object: "h9", Value: "100", Room: "home", Live: true, Weights: Share{"home": 100}},
		Held{Seat: Seat{"gw", "home"}, Plane: "consul-home", Object: "gateway/other", Value: "3", Live: true, Weights: Share{"home": Whole}})
	d := s.p.Membership(next)
	if len(d) != 1 || d[0].Seat != svc || !slices.Equal(d[0].Came, []string{"h9"}) || !slices.Equal(d[0].Went, []string{"h2"}) || d[0].Wanted["cloud"] != 1000 || d[0].Carries["cloud"] != 291 {
		t.Fatalf("%+v; want h9 come and h2 gone at svc, which carries 2.91 %% of 10 %%, and nothing of what the run never wrote", d)
	}
	text := d[0].String()
	for _, want := range []string{"svc: ", "1 came (h9)", "1 went (h2)", "cloud 2.91 %", "cloud 10 %", "kept once the run goes on"} {
		if !strings.Contains(text, want) {
			t.Errorf("it says %q; want %q in it", text, want)
		}
	}
	if d := s.p.Membership(keptPlan()); len(d) != 1 || len(d[0].Came)+len(d[0].Went) > 0 {
		t.Errorf("nobody came or went: %v; want the share alone", d)
	}
	if got := (SeatDrift{Seat: svc, Came: []string{"a", "b", "c", "d", "e"}}).String(); !strings.Contains(got, "a, b, c and 2 more") {
		t.Errorf("many: %q", got)
	}
}

// TestIsNew: one that joined is new until the run writes it, or somebody else does.
func TestIsNew(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting})
	next := storyPlan()
	next.Continues = "noon"
	next.Held[0].Value, next.Held[1].Value = "30", "30"
	for _, name := range []string{"h6", "h7", "h8", "h9"} {
		next.Held = append(next.Held, Held{Seat: svc, Plane: "svc", Object: name, Value: "1", Room: "home", Live: true, Weights: Share{"home": 1}})
	}
	s.plan("noon", next)
	s.add(s.holder(2, 5), ForeignMark{Plane: "svc", Object: "h6", Found: "7"}, AdoptedMark{Plane: "svc", Object: "h7", Value: "8", Who: "li", Why: "agreed"},
		Intent{Request: 9, Purpose: Keep, Step: -1, Changes: []Change{weight("h8", 1, 100)}})
	for object, want := range map[string]bool{"h1": false, "h6": false, "h7": false, "h8": false, "h9": true, "h10": true} {
		if got := s.p.isNew(ObjectID{"svc", object}); got != want {
			t.Errorf("%s is new: %v", object, got)
		}
	}
}

// TestDriftedNames what others wrote, found before or not, and nothing that came or is as it was.
func TestDriftedNames(t *testing.T) {
	s := begun(t)
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting}, ForeignMark{Plane: "svc", Object: "h1", Found: "7", Version: "v2"})
	next := storyPlan()
	next.Held[0].Value, next.Held[1].Value = "30", "30"
	for i := range next.Held {
		switch next.Held[i].Object {
		case "h1":
			next.Held[i].Value, next.Held[i].Version = "7", "v9"
		case "c2":
			next.Held[i].Value = "5"
		}
	}
	next.Held = append(next.Held, Held{Seat: svc, Plane: "svc", Object: "h9", Value: "1", Room: "home", Live: true})
	var names []string
	for _, a := range s.p.Drifted(next) {
		names = append(names, a.Object+"="+a.Value+a.Version)
	}
	if !slices.Equal(names, []string{"c2=5v1", "h1=7v9"}) {
		t.Errorf("drifted: %v; want c2 and h1", names)
	}
}
