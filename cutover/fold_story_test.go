package cutover

import (
	"fmt"
	"testing"
	"time"

	"roomshift/runbooks"
)

// story writes a journal record by record, as a run would, and keeps its Progress.
type story struct {
	t     testing.TB
	p     *Progress
	rs    []Record
	lines []byte
	wall  time.Time
}

func newStory(t testing.TB) *story {
	t.Helper()
	return &story{t: t, p: NewProgress(), wall: time.Date(2026, 2, 14, 1, 30, 0, 0, time.UTC)}
}

// begun is a story whose plan is whole and whose holder is known.
func begun(t testing.TB) *story {
	t.Helper()
	s := newStory(t)
	s.plan("", storyPlan())
	s.add(s.holder(1, 4711))
	return s
}

// rec makes a record of a payload.
func rec(payload any) Record {
	switch m := payload.(type) {
	case PlanPart:
		return Record{Kind: KindPlan, Plan: &m}
	case RunStart:
		return Record{Kind: KindRun, Run: &m}
	case StepMark:
		return Record{Kind: KindStep, Step: &m}
	case Intent:
		return Record{Kind: KindIntent, Intent: &m}
	case DoneMark:
		return Record{Kind: KindDone, Done: &m}
	case FailedMark:
		return Record{Kind: KindFailed, Failed: &m}
	case ForeignMark:
		return Record{Kind: KindForeign, Foreign: &m}
	case UnknownMark:
		return Record{Kind: KindUnknown, Unknown: &m}
	case StrayMark:
		return Record{Kind: KindStray, Stray: &m}
	case AdoptedMark:
		return Record{Kind: KindAdopted, Adopted: &m}
	case PhaseMark:
		return Record{Kind: KindPhase, Phase: &m}
	}
	return recTalk(payload)
}

func recTalk(payload any) Record {
	switch m := payload.(type) {
	case MoveMark:
		return Record{Kind: KindMove, Move: &m}
	case WriterMark:
		return Record{Kind: KindWriter, Writer: &m}
	case OnlyMark:
		return Record{Kind: KindOnly, Only: &m}
	case AfterMark:
		return Record{Kind: KindAfter, After: &m}
	case SeenMark:
		return Record{Kind: KindSeen, Seen: &m}
	case VerdictMark:
		return Record{Kind: KindVerdict, Verdict: &m}
	case CommandMark:
		return Record{Kind: KindCommand, Command: &m}
	case CheckpointMark:
		return Record{Kind: KindCheckpoint, Checkpoint: &m}
	case AskedMark:
		return Record{Kind: KindAsked, Asked: &m}
	case AnsweredMark:
		return Record{Kind: KindAnswered, Answered: &m}
	case BrokeMark:
		return Record{Kind: KindBroke, Broke: &m}
	case ClaimMark:
		return Record{Kind: KindClaim, Claim: &m}
	}
	panic(fmt.Sprintf("no record of %T", payload))
}

// add enters records; every one must be taken.
func (s *story) add(payloads ...any) {
	s.t.Helper()
	for _, m := range payloads {
		if err := s.try(m); err != nil {
			s.t.Fatalf("record %d: %v", len(s.rs)+1, err)
		}
	}
}

func (s *story) try(payload any) error {
	r := rec(payload)
	lines, err := s.p.Enter(s.lines, &r, s.wall, T(len(s.rs))*Second)
	if err != nil {
		return err
	}
	s.lines, s.rs = lines, append(s.rs, r)
	s.wall = s.wall.Add(time.Second)
	return nil
}

func (s *story) plan(continues string, p *Plan) {
	s.t.Helper()
	text, err := p.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, part := range SplitPlan("0214-7a", p.Hash(), continues, "v1", string(text)) {
		s.add(part)
	}
}

func (s *story) holder(index uint64, pid int) RunStart {
	return RunStart{Hash: s.p.Hash, Version: "v1", Host: "ops-1", User: "yang", PID: pid, Why: "start",
		Fences: map[string]Fence{"home": {Session: fmt.Sprintf("s%d", index), Key: "roomshift/lock/0214-7a", Index: index}}}
}

// step moves a step through states.
func (s *story) step(step, rung int, states ...StepState) {
	s.t.Helper()
	for _, st := range states {
		s.add(StepMark{Step: step, Rung: rung, State: st})
	}
}

// rungDone is a whole rung of the first step: both gateways from a to b percent.
func (s *story) rungDone(rung int, a, b int) {
	s.t.Helper()
	n := s.p.Requests
	s.step(0, rung, StepWaiting, StepApplying)
	s.add(gateway(n+1, Forward, "home", rung, a, b, false), gateway(n+2, Forward, "cloud", rung, a, b, true))
	s.add(doneOf(n+1, "gateway/cloud@home", "v2"), doneOf(n+2, "gateway/cloud@cloud", "v2"))
	s.step(0, rung, StepSettling, StepBaking)
}

// atNoon is a run at its first checkpoint, with the gateways at 30 %.
func (s *story) atNoon() {
	s.t.Helper()
	s.rungDone(0, 3, 10)
	s.rungDone(1, 10, 30)
	s.step(0, 1, StepDone)
	s.add(SeenMark{Share: Share{"home": 7000, "cloud": 3000}, Observed: true}, CheckpointMark{Step: 1, Name: "noon"})
	s.step(1, 0, StepDone)
}

// gateway is a request that sets one gateway's number.
func gateway(n int, purpose Purpose, at Room, rung, a, b int, last bool) Intent {
	step := 0
	if undoes(purpose) {
		step = -1
	}
	return Intent{Request: n, Purpose: purpose, Step: step, Rung: rung, Last: last, Changes: []Change{gatewayChange(at, a, b)}}
}

func gatewayChange(at Room, a, b int) Change {
	return Change{Seat: Seat{"gw", at}, Plane: "consul-" + at, Object: "gateway/cloud@" + at, Before: fmt.Sprint(a), After: fmt.Sprint(b),
		Version: "v1", Gives: Share{"cloud": b * 100, "home": Whole - b*100}}
}

func doneOf(n int, object, version string) DoneMark {
	return DoneMark{Request: n, Objects: []string{object}, Versions: []string{version}, Why: "answered"}
}

// weight is a change of one instance of the service.
func weight(object string, a, b int) Change {
	room := "home"
	if object[0] == 'c' {
		room = "cloud"
	}
	return Change{Seat: Seat{Route: "svc"}, Plane: "svc", Object: object, Before: fmt.Sprint(a), After: fmt.Sprint(b), Gives: Share{room: b}}
}

// storyPlan moves a gateway, read in two rooms, and a service of four instances.
func storyPlan() *Plan {
	p := &Plan{Version: 1, Environment: "simulation", Timezone: "UTC", Runbook: "out", From: "home", To: "cloud",
		Rooms:  []RoomPlan{{Name: "home"}, {Name: "cloud"}},
		Routes: []RoutePlan{{Name: "gw", Medium: runbooks.MediumKey, Seats: []Seat{{"gw", "cloud"}, {"gw", "home"}}}, {Name: "svc", Medium: runbooks.MediumService, Seats: []Seat{{Route: "svc"}}}},
		Pairs:  []PairPlan{{Name: "feed-db", Rooms: [2]Room{"home", "cloud"}, Writer: "home", OnLost: "freeze"}},
		Onlys:  []OnlyPlan{{Name: "feed-jobs", Pairs: []string{"feed-db"}, Room: "home", Within: Minute}},
		Steps: []StepPlan{
			{Name: "shift-1", Kind: runbooks.StepShift, Rungs: []RungPlan{{}, {}}},
			{Name: "noon", Kind: runbooks.StepCheckpoint, Checkpoint: "noon", After: []int{0}},
			{Name: "shift-2", Kind: runbooks.StepShift, Rungs: []RungPlan{{}}, After: []int{1}},
			{Name: "night", Kind: runbooks.StepCheckpoint, Checkpoint: "night", After: []int{2}},
		},
	}
	for _, at := range []Room{"cloud", "home"} {
		p.Held = append(p.Held, Held{Seat: Seat{"gw", at}, Plane: "consul-" + at, Object: "gateway/cloud@" + at, Value: "3", Version: "v1",
			Live: true, Weights: Share{"cloud": 300, "home": 9700}})
	}
	for _, i := range []string{"c1", "c2", "h1", "h2"} {
		room, w := "home", 100
		if i[0] == 'c' {
			room, w = "cloud", 3
		}
		p.Held = append(p.Held, Held{Seat: Seat{Route: "svc"}, Plane: "svc", Object: i, Value: fmt.Sprint(w), Version: "v1", Room: room, Live: true, Weights: Share{room: w}})
	}
	return p
}

var (
	gwHome  = ObjectID{"consul-home", "gateway/cloud@home"}
	gwCloud = ObjectID{"consul-cloud", "gateway/cloud@cloud"}
)
