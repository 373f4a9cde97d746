package cutover

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// refusals is every refusal of ENGINE §6: what led there, the record, and a part of what is said.
var refusals = []struct {
	name   string
	lead   func(*story)
	record any
	want   string
	is     error
}{
	{"a record before the plan", nil, SeenMark{}, "no plan yet", nil},
	{"a request before the plan", nil, gateway(1, Forward, "home", 0, 3, 10, true), "no plan yet", nil},
	{"the second part first", nil, PlanPart{Run: "0214-7a", Part: 2, Of: 2}, "want part 1", nil},
	{"a record between two parts", halfPlan, SeenMark{}, "part 2 of 2 of the plan was to come", nil},
	{"a part of another plan", halfPlan, PlanPart{Run: "0214-7a", Hash: "other", Part: 2, Of: 2}, "belongs to plan other", nil},
	{"a plan whose text was edited", nil, PlanPart{Run: "0214-7a", Hash: "00", Part: 1, Of: 1, Text: "{}"}, "has the hash", nil},
	{"a plan that can't be read", nil, PlanPart{Run: "0214-7a", Hash: LineHash([]byte("{")), Part: 1, Of: 1, Text: "{"}, "can't be read", nil},
	{"a first plan that goes on", nil, PlanPart{Run: "0214-7a", Continues: "noon", Part: 1, Of: 1, Text: "{}"}, "the run has none", nil},
	{"records of another run", start, PlanPart{Run: "0213-xx", Part: 1, Of: 1}, `the journal of "0214-7a"`, nil},
	{"a plan while the run goes on", start, PlanPart{Run: "0214-7a", Part: 1, Of: 1}, "only a resting run", nil},
	{"a plan that goes on from elsewhere", resting, PlanPart{Run: "0214-7a", Continues: "start", Part: 1, Of: 1}, `rests at "noon"`, nil},
	{"a holder of another plan", start, RunStart{Hash: "beef"}, "speaks of plan beef", nil},
	{"an older fence after a newer", func(s *story) { start(s); s.add(s.holder(5, 1)) }, heldBy(4, 2), "two hold the run", ErrLeaseLost},
	{"another holder with the same fence", func(s *story) { start(s); s.add(s.holder(5, 1)) }, heldBy(5, 2), "two hold the run", ErrLeaseLost},
	{"a holder without any lock", start, heldBy(0, 2), "holds no lock", ErrLeaseLost},
	{"a request that nobody holds", func(s *story) { s.plan("", storyPlan()) }, gateway(1, Forward, "home", 0, 3, 10, true), "nobody holds", nil},
	{"a second open intent", func(s *story) { start(s); s.add(gateway(1, Forward, "home", 0, 3, 10, false)) },
		gateway(2, Forward, "home", 0, 3, 10, true), "open forward of request 1", nil},
	{"an undo beside an undo", func(s *story) {
		start(s)
		s.add(gateway(1, Forward, "home", 0, 3, 10, false), PhaseMark{Phase: PhaseBack, Target: "start"}, gateway(2, Undo, "home", 0, 10, 3, true))
	}, gateway(3, Undo, "home", 0, 10, 3, true), "open undo of request 2", nil},
	{"a pace beside an undo", func(s *story) { back(s); s.add(gateway(9, Undo, "home", 0, 30, 3, true)) },
		gateway(10, Pace, "home", 0, 30, 20, true), "open undo of request 9", nil},
	{"a forward intent after back", back, gateway(9, Forward, "home", 0, 30, 60, true), "while the run is back", nil},
	{"a keep intent after back", back, gateway(9, Keep, "home", 0, 30, 60, true), "while the run is back", nil},
	{"an undo on the way forward", start, gateway(1, Undo, "home", 0, 10, 3, true), "while the run is forward", nil},
	{"a forward intent while frozen", frozen, gateway(9, Forward, "home", 0, 30, 60, true), "while the run is frozen", nil},
	{"an undo while frozen", frozen, gateway(9, Undo, "home", 0, 30, 3, true), "while the run is frozen", nil},
	{"a forward intent while resting", resting, gateway(9, Forward, "home", 0, 30, 60, true), "while the run is resting", nil},
	{"a bridge", start, gateway(1, Bridge, "home", 0, 3, 10, true), "reserved", nil},
	{"a request number again", func(s *story) { start(s); s.rungDone(0, 3, 10) }, gateway(2, Forward, "home", 1, 10, 30, true), "isn't above 2", nil},
	{"a request that changes nothing", start, Intent{Request: 1, Purpose: Forward}, "changes nothing", nil},
	{"a request of no step", start, Intent{Request: 1, Purpose: Forward, Step: 9, Changes: []Change{gatewayChange("home", 3, 10)}}, "the plan has 4", nil},
	{"a request over two planes", start, Intent{Request: 1, Purpose: Forward, Changes: []Change{gatewayChange("home", 3, 10), gatewayChange("cloud", 3, 10)}},
		"one request, one plane", nil},
	{"an object twice in a request", start, Intent{Request: 1, Purpose: Forward, Changes: []Change{weight("h1", 100, 90), weight("h1", 90, 80)}}, "twice", nil},
	{"a split that isn't whole", start, Intent{Request: 1, Purpose: Forward, Changes: []Change{{Seat: Seat{"gw", "home"}, Plane: "p", Object: "o",
		Gives: Share{"home": 6000, "cloud": 3900}}}}, "sum to 9900", nil},
	{"a wave that leaves nothing", start, svcWave(1, true, "c1", "c2", "h1", "h2"), "sum to 0", nil},
	{"a wave of two requests that leaves nothing", func(s *story) { start(s); s.add(svcWave(1, false, "c1", "c2", "h1")) }, svcWave(2, true, "h2"), "sum to 0", nil},
	{"a wave that leaves only what another empties", func(s *story) {
		start(s)
		s.add(svcWave(1, true, "c1", "c2", "h1"))
	}, withWave(svcWave(2, true, "h2"), 1), "sum to 0", nil},
	{"leaving frozen", frozen, PhaseMark{Phase: PhaseBack, Target: "start"}, "nobody has spoken", nil},
	{"frozen over", frozen, PhaseMark{Phase: PhaseOver, Exit: ExitStopped}, "nobody has spoken", nil},
	{"leaving frozen on an approval", func(s *story) { frozen(s); s.add(said("approve")) }, PhaseMark{Phase: PhaseForward}, "nobody has spoken", nil},
	{"leaving frozen on an old word", func(s *story) {
		start(s)
		s.add(said("resume"), PhaseMark{Phase: PhaseFrozen})
	}, PhaseMark{Phase: PhaseForward}, "nobody has spoken", nil},
	{"frozen again needs another word", func(s *story) { frozen(s); s.add(said("mute"), PhaseMark{Phase: PhaseFrozen}) },
		PhaseMark{Phase: PhaseForward}, "nobody has spoken", nil},
	{"from frozen on the way back to forward", func(s *story) { back(s); s.add(PhaseMark{Phase: PhaseFrozen}, said("resume")) },
		PhaseMark{Phase: PhaseForward}, "goes on back", nil},
	{"back to nowhere", start, PhaseMark{Phase: PhaseBack, Target: "noon"}, `back to "noon"`, nil},
	{"back to a rung that never began", start, PhaseMark{Phase: PhaseBack, Target: "rung"}, "no rung", nil},
	{"back that turns forward", func(s *story) { resting(s); s.add(PhaseMark{Phase: PhaseBack, Target: "start"}) },
		PhaseMark{Phase: PhaseBack, Target: "noon"}, "doesn't turn forward", nil},
	{"no phase", start, PhaseMark{Phase: "holding"}, "no phase", nil},
	{"a writer's epoch that goes back", func(s *story) { start(s); s.add(WriterMark{Pair: "feed-db", Epoch: 7, Number: 40}) },
		WriterMark{Pair: "feed-db", Epoch: 6, Number: 41}, "goes back", nil},
	{"a writer's number that goes back", func(s *story) { start(s); s.add(WriterMark{Pair: "feed-db", Epoch: 7, Number: 40}) },
		WriterMark{Pair: "feed-db", Epoch: 8, Number: 39}, "goes back", nil},
	{"a checkpoint with something open", func(s *story) {
		start(s)
		s.add(gateway(1, Forward, "home", 0, 3, 10, true))
		s.step(0, 1, StepDone)
	}, CheckpointMark{Step: 1, Name: "noon"}, "request 1 for consul-home/gateway/cloud@home is open", nil},
	{"a checkpoint with something unknown", func(s *story) {
		start(s)
		s.add(gateway(1, Forward, "home", 0, 3, 10, true), UnknownMark{Request: 1, Objects: []string{gwHome.Object}})
		s.step(0, 1, StepDone)
	}, CheckpointMark{Step: 1, Name: "noon"}, "is open", nil},
	{"a checkpoint with a step unfinished above", func(s *story) { start(s); s.rungDone(0, 3, 10) }, CheckpointMark{Step: 1, Name: "noon"},
		`step "shift-1" above it is baking`, nil},
	{"a checkpoint that the plan hasn't", start, CheckpointMark{Step: 1, Name: "moon"}, "no checkpoint", nil},
	{"a checkpoint on the way back", back, CheckpointMark{Step: 1, Name: "noon"}, "while the run is back", nil},
	{"rolled back with something open", func(s *story) { back(s); s.add(gateway(9, Undo, "home", 0, 30, 3, true)) },
		PhaseMark{Phase: PhaseOver, Exit: ExitBack}, "is open", nil},
	{"resting with something open", func(s *story) { start(s); s.add(gateway(1, Forward, "home", 0, 3, 10, true)) },
		PhaseMark{Phase: PhaseResting, Exit: ExitResting}, "is open", nil},
	{"nothing changed, after a change", func(s *story) { start(s); s.rungDone(0, 3, 10) }, PhaseMark{Phase: PhaseOver, Exit: ExitNothing}, "nothing was changed", nil},
	{"over with a resting run's exit", start, PhaseMark{Phase: PhaseOver, Exit: ExitResting}, "over with exit 7", nil},
	{"anything after done", over(ExitDone), SeenMark{}, "over with exit 0", nil},
	{"a command after done", over(ExitDone), said("back"), "over with exit 0", nil},
	{"back after nothing", over(ExitNothing), PhaseMark{Phase: PhaseBack, Target: "start"}, "over with exit 1", nil},
	{"a holder after rolled back", over(ExitBack), heldBy(9, 9), "over with exit 3", nil},
	{"a request after stopped", over(ExitStopped), gateway(9, Undo, "home", 0, 30, 3, true), "only a command", nil},
	{"forward after unknown", over(ExitUnknown), PhaseMark{Phase: PhaseForward}, "only a command", nil},
	{"a seen share after not verified", over(ExitNotVerified), SeenMark{}, "only a command", nil},
	{"a step that isn't there", start, StepMark{Step: 4, State: StepDone}, "the plan has 4", nil},
	{"a rung that isn't there", start, StepMark{Step: 0, Rung: 2, State: StepDone}, `"shift-1", which has 2`, nil},
	{"no state of a step", start, StepMark{Step: 0, State: "dreaming"}, "no state", nil},
	{"versions that are missing", start, DoneMark{Request: 1, Objects: []string{"a"}}, "want one each", nil},
	{"a stray that was never ours", func(s *story) { start(s); s.rungDone(0, 3, 10) },
		StrayMark{Plane: gwHome.Plane, Object: gwHome.Object, Found: "55"}, "that is foreign", nil},
	{"a stray nobody knows", start, StrayMark{Plane: "x", Object: "y", Found: "55"}, "no object of this run", nil},
	{"adopted beside something open", func(s *story) { start(s); s.add(gateway(1, Forward, "home", 0, 3, 10, true)) },
		AdoptedMark{Plane: gwHome.Plane, Object: gwHome.Object, Value: "55"}, "its outcome comes first", nil},
	{"a command twice", func(s *story) { start(s); s.add(said("pause")) }, said("pause"), "taken already", nil},
	{"a command that is new", start, said("dance"), "doesn't know", nil},
	{"mute without a gate", start, CommandMark{ID: "m", Verb: "mute", Who: "yang"}, "names no gate", nil},
	{"a question of no step", start, AskedMark{Step: 4, What: "ask"}, "the plan has 4", nil},
	{"an answer of no step", start, AnsweredMark{Step: -2, What: "ask"}, "the plan has 4", nil},
}

func TestEveryRefusal(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			s := newStory(t)
			if c.lead != nil {
				c.lead(s)
			}
			if h, ok := c.record.(RunStart); ok && h.Hash == "" {
				h.Hash = s.p.Hash
				c.record = h
			}
			before := s.p.Clone()
			err := s.try(c.record)
			if err == nil {
				t.Fatalf("taken: %+v", c.record)
			}
			var r *Refusal
			if !errors.As(err, &r) || !strings.Contains(err.Error(), c.want) || r.Seq != s.p.Seq+1 {
				t.Errorf("said %q; want a refusal with %q", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%q isn't %q", err, c.is)
			}
			if !reflect.DeepEqual(before, s.p.Clone()) {
				t.Error("the refused record changed Progress")
			}
		})
	}
}

func TestChainRefused(t *testing.T) {
	s := begun(t)
	next := rec(SeenMark{})
	s.p.Stamp(&next, s.wall, 0)
	for name, spoil := range map[string]func(*Record){
		"a gap":           func(r *Record) { r.Seq++ },
		"a line twice":    func(r *Record) { r.Seq-- },
		"another's chain": func(r *Record) { r.Prev = Genesis() },
	} {
		r := next
		spoil(&r)
		if err := s.p.Apply(&r); !errors.Is(err, ErrChainBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.p.Apply(&next); err != nil {
		t.Fatal(err)
	}
	again := rec(SeenMark{})
	s.p.Stamp(&again, s.wall, 0)
	if err := s.p.Apply(&again); !errors.Is(err, ErrChainBroken) {
		t.Errorf("applied before the line before it was chained: %v", err)
	}
}

func TestFoldRefusesAnEditedRecord(t *testing.T) {
	s := begun(t)
	s.atNoon()
	if _, err := Fold(s.rs); err != nil {
		t.Fatal(err)
	}
	for i := range len(s.rs) - 1 {
		rs := append([]Record(nil), s.rs...)
		rs[i].Wall = "2026-02-14T01:29:59.000Z"
		if _, err := Fold(rs); !errors.Is(err, ErrChainBroken) {
			t.Errorf("record %d was edited: %v", i+1, err)
		}
	}
}

func start(s *story) { s.plan("", storyPlan()); s.add(s.holder(1, 4711)) }

func resting(s *story) {
	start(s)
	s.atNoon()
	s.add(PhaseMark{Phase: PhaseResting, Exit: ExitResting})
}

func back(s *story) {
	start(s)
	s.rungDone(0, 3, 10)
	s.add(PhaseMark{Phase: PhaseBack, Target: "start"})
}

func frozen(s *story) {
	start(s)
	s.rungDone(0, 3, 10)
	s.add(PhaseMark{Phase: PhaseFrozen})
}

func over(x Exit) func(*story) {
	return func(s *story) { start(s); s.add(PhaseMark{Phase: PhaseOver, Exit: x}) }
}

func halfPlan(s *story) { s.add(PlanPart{Run: "0214-7a", Hash: "abc", Part: 1, Of: 2, Text: "{"}) }

func said(verb string) CommandMark {
	return CommandMark{ID: "c-" + verb, Verb: verb, Who: "yang", Args: map[string]string{"gate": "errors"}}
}

// heldBy is a holder of whatever plan the run has; index 0: without a lock.
func heldBy(index uint64, pid int) RunStart {
	r := RunStart{Host: "ops-2", User: "li", PID: pid, Why: "takeover", Fences: map[string]Fence{}}
	if index > 0 {
		r.Fences["home"] = Fence{Index: index}
	}
	return r
}

// svcWave takes all share from instances of the service.
func svcWave(n int, last bool, objects ...string) Intent {
	in := Intent{Request: n, Purpose: Forward, Last: last}
	for _, o := range objects {
		in.Changes = append(in.Changes, weight(o, 100, 0))
	}
	return in
}

func withWave(in Intent, wave int) Intent {
	in.Wave = wave
	return in
}
