package cutover

import (
	"fmt"

	"roomshift/runbooks"
)

// stepRun is what a step in progress has in hand; all of it can be lost.
type stepRun struct {
	state StepState // the state that the rest is about
	since T         // it was entered
	gen   int       // rises when what is under way no longer counts
	begun bool      // the state's first request was made
	retry T         // not before
	tried T         // a check: when it was asked first

	before          map[Seat]Share // when the rung began
	was             map[Seat]Share // what was seen then, of observed seats: the way that `reach` measures begins there
	ttl             []Held         // the rung's listing of TTLs
	waves           [][]Change
	wave            int
	todo            []packed // requests of the wave that have no intent yet
	onWire          []int    // planes to which a request of the wave was sent
	left            int      // changes of the wave without an outcome
	foreign, failed bool
	fails           []T    // failed writes of the last minute
	text            string // why it failed, for the question

	asked     askRun
	lastWrite T // the read-back of the step's own last write
	green     T // since when the bake is green; 0: it isn't
	near      nearMiss
	why       string
}

type packed struct {
	plane   int
	changes []Change
	refused *request // the try before, whose server wants to be asked more slowly; nil: there was none
}

// restart forgets what is under way and lists anew at t.
func (s *stepRun) restart(t T) {
	s.gen++
	s.begun, s.waves, s.todo, s.onWire, s.left, s.foreign, s.failed, s.retry = false, nil, nil, nil, 0, false, false, t
}

// forward takes each step as far as it goes now, in file order.
func (e *engine) forward() {
	if e.finishByNow(); e.p.Phase != PhaseForward {
		return
	}
	if e.endLeft() {
		return
	}
	open := false
	for i := range e.p.Steps {
		e.stepTurn(i)
		if e.p.Phase != PhaseForward || e.err != nil {
			return
		}
		st := e.p.Steps[i].State
		open = open || (st != StepDone && st != StepSkipped)
	}
	if !open {
		e.lastDone()
	}
}

func (e *engine) stepTurn(i int) {
	sp, s := &e.p.Steps[i], &e.steps[i]
	if s.state != sp.State {
		s.gen++
		*s = stepRun{state: sp.State, since: e.now, gen: s.gen, lastWrite: s.lastWrite, fails: s.fails, before: s.before, was: s.was, near: s.near}
		if sp.State == StepWaiting {
			s.near = nearMiss{}
		}
	}
	switch sp.State {
	case StepPending:
		if e.free(i) {
			e.mark(i, 0, StepWaiting, "")
		}
	case StepWaiting:
		e.wait(i)
	case StepApplying:
		if e.writersMove() {
			s.why = "waits for a writer that moves"
			return
		}
		e.applyRung(i)
	case StepMoving:
		e.moveStep(i)
	case StepSettling:
		e.settleRung(i)
	case StepBaking:
		e.bakeRung(i)
	case StepAsking:
		e.askTurn(i)
	}
}

// mark journals a step's new state.
func (e *engine) mark(i, rung int, st StepState, why string) {
	e.propose(Record{Kind: KindStep, Step: &StepMark{Step: i, Rung: rung, State: st, Why: why}}, st != StepPending)
}

// free tells whether everything that a step comes after is done. A checkpoint comes after every step above it, and a step
// below a checkpoint comes after the checkpoint.
func (e *engine) free(i int) bool {
	for _, a := range e.plan.Steps[i].After {
		if st := e.p.Steps[a].State; st != StepDone && st != StepSkipped {
			return false
		}
	}
	return true
}

// wait holds a step until it may begin: green, in a window, in time, approved.
func (e *engine) wait(i int) {
	st, sp, s := &e.plan.Steps[i], &e.p.Steps[i], &e.steps[i]
	if st.Kind == runbooks.StepCheckpoint {
		e.reach(i)
		return
	}
	if !e.inTime(i, s) { // people are asked when a yes would let it begin
		return
	}
	switch {
	case st.Kind == runbooks.StepAsk:
		e.ask(i, "ask", "the runbook asks", st.Ask)
		return
	case st.Approve != nil && sp.Approved == "":
		e.ask(i, "approve", e.approveText(i), st.Approve)
		return
	case e.judged.Act != Advance:
		s.why = "held"
		return
	}
	s.why = ""
	switch st.Kind {
	case runbooks.StepCheck:
		e.check(i)
	case runbooks.StepBack:
		e.turnBack(backTarget(e.p, st.Back), []Cause{{Gate: "runbook", Text: fmt.Sprintf("step %q goes back to %s, as planned", st.Name, st.Back)}})
	case runbooks.StepShift, runbooks.StepTTL:
		e.mark(i, sp.Rung, StepApplying, "")
	case runbooks.StepWriter:
		e.mark(i, sp.Rung, StepMoving, "")
	default:
		e.fail(fmt.Errorf("step %q is of kind %s, which this engine doesn't know", st.Name, st.Kind))
	}
}

// nextRung goes on after a rung: to the next, or the step is done.
func (e *engine) nextRung(i int, why string) {
	m := StepMark{Step: i, Rung: e.p.Steps[i].Rung, State: StepDone, Why: why, Near: e.board.nearCause(e.steps[i].near)}
	if m.Rung+1 < len(e.plan.Steps[i].Rungs) {
		m.Rung, m.State = m.Rung+1, StepWaiting
	}
	e.propose(Record{Kind: KindStep, Step: &m}, true)
}

// settleRung waits until the rung's share is seen where it is observed; where it isn't, the read-back was enough.
func (e *engine) settleRung(i int) {
	rung, s := e.rung(i), &e.steps[i]
	if !s.begun {
		s.begun = true
		if s.lastWrite == 0 { // taken over: what was read then is the read-back
			s.lastWrite = e.startedAt
		}
	}
	if rung.OldTTL > 0 {
		if end := s.since + rung.OldTTL; e.now < end {
			e.at(end)
			return
		}
		e.mark(i, e.p.Steps[i].Rung, StepBaking, "")
		return
	}
	if e.askForeign(i) {
		return
	}
	missing := e.unsettled(i, rung)
	if missing == "" {
		missing = e.unanswered(i, rung)
	}
	if missing == "" {
		e.seenNow(true)
		e.mark(i, e.p.Steps[i].Rung, StepBaking, "")
		return
	}
	s.why = missing
	e.at(e.board.NextSince(e.now, s.lastWrite))
	end := s.since + rung.Settle.Within
	if e.now < end {
		e.at(end)
		return
	}
	e.notSettled(i, rung, s.why)
}

func (e *engine) notSettled(i int, rung *RungPlan, missing string) {
	text := fmt.Sprintf("%s rung %d isn't seen after %s: %s", e.stepName(i), e.p.Steps[i].Rung+1, rung.Settle.Within.Duration(), missing)
	switch rung.Settle.Else {
	case "go on":
		e.mark(i, e.p.Steps[i].Rung, StepBaking, "not settled: "+missing)
	case "back":
		e.turnBack(e.p.LastTarget, []Cause{{Gate: "settle", Text: text}})
	case "hold":
	default:
		e.ask(i, "settle", text, nil)
	}
}

// unsettled names the first seat whose share isn't seen as wanted, "" if all are. Samples must be younger than the write.
func (e *engine) unsettled(i int, rung *RungPlan) string {
	s := &e.steps[i]
	for _, seat := range sortedSeats(rung.Want) {
		want := rung.Want[seat]
		if !e.settlesSeen(seat) {
			continue
		}
		seen, _, _, ok := e.board.Seen(e.now, seat)
		from, _ := e.board.SeenFrom(seat)
		if !ok || from < s.lastWrite {
			return fmt.Sprintf("%s: no sample since the write", seat)
		}
		for _, room := range sortedKeys(want) {
			was, known := s.was[seat]
			if !arrived(rung.Settle, was[room], known, want[room], seen[room]) {
				return fmt.Sprintf("%s: %s seen in %s, %s wanted", seat, percent(seen[room]), room, percent(want[room]))
			}
		}
	}
	return ""
}

// arrived tells whether a share is near enough: within the tolerance, or that part of the way from what was seen when the rung
// began. A wanted share that isn't 0 is never settled by 0. A process that took over doesn't know where the way began: 2 points.
func arrived(p SettlePlan, was int, known bool, want, seen int) bool {
	switch {
	case want != 0 && seen == 0:
		return false
	case p.Reach > 0 && known:
		way := want - was
		return (seen-was)*sign(way)*Whole >= p.Reach*abs(way)
	case p.Reach > 0:
		return abs(seen-want) <= 200
	}
	return abs(seen-want) <= p.Tolerance
}

// observed tells whether a gauge reads a seat's true share.
func (e *engine) observed(seat Seat) bool {
	r := e.routeOf(seat)
	return r != nil && r.Observed
}

// settlesSeen tells whether a seat settles by what is seen of it. Where connections are long it doesn't: what is seen counts
// those that are open, which stay where they are.
func (e *engine) settlesSeen(seat Seat) bool {
	r := e.routeOf(seat)
	return r != nil && r.Observed && !r.Long
}

func (e *engine) routeOf(seat Seat) *RoutePlan {
	for i := range e.plan.Routes {
		if e.plan.Routes[i].Name == seat.Route {
			return &e.plan.Routes[i]
		}
	}
	return nil
}

// bakeRung waits for one uninterrupted green stretch, with samples younger than the step's last write.
func (e *engine) bakeRung(i int) {
	rung, s := e.rung(i), &e.steps[i]
	if s.lastWrite == 0 {
		s.lastWrite = e.startedAt
	}
	if e.askForeign(i) {
		return
	}
	if e.judged.Act != Advance {
		s.green, s.why = 0, "held"
		if limit := max(3*rung.Bake, 30*Minute); e.now >= s.since+limit {
			e.askOnce(i, "bake", fmt.Sprintf("%s rung %d has been held for %s of baking", e.stepName(i), e.p.Steps[i].Rung+1, (e.now-s.since).Duration()))
		} else {
			e.at(s.since + limit)
		}
		return
	}
	if s.green == 0 {
		s.green = e.now
	}
	if end := s.green + rung.Bake; e.now < end {
		e.at(end)
		return
	}
	if ok, why := e.board.GreenSince(e.now, e.vantage, s.lastWrite); !ok && !e.plan.Evacuate {
		s.why = "waits for samples younger than the last write"
		if len(why) > 0 {
			s.why += " of " + why[0].Key()
		}
		e.at(e.board.NextSince(e.now, s.lastWrite))
		return
	}
	e.withdrawQuestion(i, "bake")
	e.nextRung(i, "")
}
