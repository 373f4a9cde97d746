package cutover

import (
	"fmt"
	"slices"
	"time"

	"roomshift/runbooks"
)

const (
	startTarget = "start"
	rungTarget  = "rung"
)

// backTarget turns what a person or a runbook says into the name of a target.
func backTarget(p *Progress, to string) string {
	switch {
	case to == startTarget, to == rungTarget && p.fold.rung != nil:
		return to
	}
	return p.LastTarget
}

// turnBack begins going back. What isn't sent is withdrawn; what is under way is unknown and looked up beside the going back.
func (e *engine) turnBack(target string, causes []Cause) {
	if target == "" {
		target = startTarget
	}
	if !e.p.Changed && target == startTarget && e.p.Phase == PhaseForward {
		x := ExitNothing
		if isPlanned(causes) {
			x = ExitDone
		}
		e.over(x, causes)
		return
	}
	t := Timing{Decided: e.now}
	if len(causes) > 0 && causes[0].Seen != "" { // a reading led to it: what people say, and what is planned, is no reaction
		t.Age, t.Crossed = e.judged.Age, e.judged.Crossed
	}
	e.withdraw(false)
	e.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseBack, Target: target, Causes: causes, Timing: &t, Writers: e.writersBack(causes)}}, true)
	e.inFlightUnknown()
	e.newPhase()
	e.asking, e.expired = map[string]T{}, map[string]bool{}
	e.backing = backRun{timing: t, planned: isPlanned(causes), overwrite: e.backing.overwrite}
}

func isPlanned(causes []Cause) bool { return len(causes) == 1 && causes[0].Gate == "runbook" }

// inFlightUnknown counts what was sent and not answered as unknown from now on: going back waits for none of it.
func (e *engine) inFlightUnknown() {
	for _, n := range sortedInts(e.requests) {
		r := e.requests[n]
		if !r.sent || (r.intent.Purpose != Forward && r.intent.Purpose != Keep) {
			continue
		}
		pl := &e.planes[r.plane]
		m := UnknownMark{Request: n, For: pl.TimeOut + pl.Lateness}
		for _, c := range r.intent.Changes {
			if e.isOpen(c.ID(), n) && !e.isUnknown(c.ID(), n) {
				m.Objects = append(m.Objects, c.Object)
				e.looks[c.ID()] = e.now
			}
		}
		if len(m.Objects) > 0 {
			e.lands[n] = e.now + m.For
			e.propose(Record{Kind: KindUnknown, Unknown: &m}, false)
		}
	}
}

// freeze starts nothing in either direction; what is unknown is still looked up, and a wave of a name's records is finished.
func (e *engine) freeze(causes []Cause) {
	if e.p.Phase == PhaseFrozen {
		return
	}
	e.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseFrozen, Target: e.p.Target, Causes: causes}}, true)
	e.withdraw(true)
	e.finishWaves()
	e.newPhase()
	e.called(causes)
}

// finishesWave: a name whose records are half written keeps its answers only if the wave goes on.
func (e *engine) finishesWave(pl *planeState) bool {
	return pl.Aspect == Split && !pl.HasCAS && pl.Shows >= Second
}

// waveBegins notes that a request of a wave was sent.
func (e *engine) waveBegins(r *request) {
	switch {
	case r.intent.Purpose == Forward:
		s := &e.steps[r.intent.Step]
		s.onWire = append(s.onWire, r.plane)
	case undoes(r.intent.Purpose):
		if s := e.backSeat(r.intent.Changes[0].Seat); s != nil {
			s.onWire = true
		}
	}
}

// waveBegan: a request of the same wave was sent. One that waits alone (for the journal, a lease, a server's patience) begins nothing.
func (e *engine) waveBegan(in *Intent, plane int) bool {
	switch {
	case in.Purpose == Forward:
		return slices.Contains(e.steps[in.Step].onWire, plane)
	case undoes(in.Purpose):
		s := e.backSeat(in.Changes[0].Seat)
		return s != nil && s.onWire
	}
	return in.Purpose == AnswerP
}

// finishWaves journals what is left of a name's wave that has begun and whose requests aren't all journaled yet.
func (e *engine) finishWaves() {
	for i := range e.planes {
		for k := range e.planes[i].later {
			e.planes[i].later[k].intent.Purpose = AnswerP
		}
	}
	for i := range e.steps {
		s := &e.steps[i]
		if e.p.Steps[i].State != StepApplying || s.wave < 0 || s.wave >= len(s.waves) {
			continue
		}
		for k, p := range s.todo {
			if e.finishesWave(&e.planes[p.plane]) && slices.Contains(s.onWire, p.plane) {
				e.write(p.plane, Intent{Purpose: AnswerP, Step: i, Rung: e.p.Steps[i].Rung, Wave: s.wave, Last: k == len(s.todo)-1, Changes: p.changes}, nil)
			}
		}
	}
}

func (e *engine) newPhase() {
	e.since = e.now
	e.phases++
	e.ending = endRun{}
	e.pagedAt, e.paged = 0, nil
	e.keepAt = 0
	for i := range e.plan.Pairs {
		e.giveOnlys(e.plan.Pairs[i].Name)
	}
	for i := range e.planes { // a listing that waited may have been dropped
		e.planes[i].keeping = false
	}
	for _, st := range e.seats {
		st.goals, st.again, st.stuck = nil, nil, ""
	}
	for i := range e.steps {
		s := &e.steps[i]
		s.restart(0)
		s.since, s.green = e.now, 0
	}
	e.changed()
}

// thaw leaves frozen as a person said: on with what the run was doing.
func (e *engine) thaw() {
	m := &PhaseMark{Phase: e.p.FrozenFrom, Target: e.p.Target}
	if m.Phase == PhaseResting {
		m.Exit = ExitResting
	}
	e.propose(Record{Kind: KindPhase, Phase: m}, true)
	e.newPhase()
	e.backing = backRun{timing: e.p.Crossed, overwrite: e.backing.overwrite, planned: e.backing.planned}
}

// over ends the run.
func (e *engine) over(x Exit, causes []Cause) {
	t := e.backing.timing
	m := &PhaseMark{Phase: PhaseOver, Exit: x, Causes: causes}
	if t.Decided > 0 {
		m.Timing = &t
	}
	e.withdraw(false)
	e.propose(Record{Kind: KindPhase, Phase: m}, true)
	e.finish(x)
}

// reach is a checkpoint's barrier: every step above is done (free), nothing of the run can still land, and every touched object
// is read once more before the state gets its name.
func (e *engine) reach(i int) {
	s := &e.steps[i]
	if e.openCount() > 0 || e.now < s.retry {
		e.at(s.retry)
		return
	}
	if e.judged.Act == Freeze || e.judged.Act == Back || s.begun {
		return
	}
	s.begun = true
	gen := s.gen
	e.readTouched(func(err error) {
		if s.gen != gen || e.p.Phase != PhaseForward {
			return
		}
		if err != nil {
			s.begun, s.retry, s.why = false, e.now+Second, err.Error()
			e.at(s.retry)
			return
		}
		if e.openCount() > 0 { // a share is being kept since
			s.begun = false
			return
		}
		if fs := e.foreignWanted(); len(fs) > 0 {
			e.ask(i, "foreign", fmt.Sprintf("somebody else wrote %v; the checkpoint would record it", fs), nil)
			return
		}
		e.propose(Record{Kind: KindCheckpoint, Checkpoint: &CheckpointMark{Step: i, Name: e.plan.Steps[i].Checkpoint}}, true)
		e.mark(i, 0, StepDone, "")
		if e.plan.Until == e.plan.Steps[i].Checkpoint {
			e.restAt(i, "until "+e.plan.Until)
		}
	})
}

// foreignWanted are touched objects that hold somebody else's value.
func (e *engine) foreignWanted() []string {
	var out []string
	for _, o := range e.p.SortedObjects() {
		if o.Touched && o.Foreign != nil && !o.Foreign.Gone {
			out = append(out, o.ID.Object)
		}
	}
	return out
}

// readTouched lists every seat of every touched object once, all planes side by side; then is called once.
func (e *engine) readTouched(then func(error)) {
	byPlane := map[int][]Seat{}
	for _, o := range e.p.SortedObjects() {
		if o.Touched || len(o.Open) > 0 {
			if i := e.planeIndex(o.ID.Plane); i >= 0 {
				byPlane[i] = append(byPlane[i], o.Seat)
			}
		}
	}
	left := len(byPlane)
	if left == 0 {
		then(nil)
		e.changed()
		return
	}
	var failed error
	for _, plane := range sortedInts(byPlane) {
		seats := byPlane[plane]
		slices.SortFunc(seats, CompareSeats)
		seats = slices.Compact(seats)
		e.list(plane, seats, true, func(held []Held, err error) {
			if err != nil {
				failed = fmt.Errorf("%s can't be read: %w", e.planes[plane].Name, err)
			} else {
				e.merge(plane, seats, held)
				e.noteGone(plane, seats, held)
			}
			if left--; left == 0 {
				then(failed)
				e.changed()
			}
		})
	}
}

// restAt rests at a checkpoint, -1: at the one that the plan goes on from. With guard the run goes on watching and keeping; else it
// ends here, its claim kept.
func (e *engine) restAt(i int, why string) {
	name := e.plan.Continues
	if i >= 0 {
		name = e.plan.Steps[i].Checkpoint
	}
	e.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseResting, Target: "", Exit: ExitResting,
		Causes: []Cause{{Gate: "checkpoint", Text: fmt.Sprintf("rests at %q: %s", name, why)}}}}, true)
	e.newPhase()
}

// rest is a resting run's turn: a checkpoint with guard is watched until a person ends it.
func (e *engine) rest() {
	if i := e.restingAt(); i >= 0 && e.plan.Steps[i].Guard && e.p.Exit == ExitResting {
		return
	}
	e.finish(e.p.Exit)
}

// restingAt is the checkpoint that was reached last in this plan, -1 none.
func (e *engine) restingAt() int {
	for i := len(e.plan.Steps) - 1; i >= 0; i-- {
		if e.plan.Steps[i].Kind == runbooks.StepCheckpoint && e.p.Steps[i].State == StepDone {
			return i
		}
	}
	return -1
}

// restIfAtCheckpoint rests when nothing below the last checkpoint was begun: waiting in the dark would keep the lock for nothing.
// A night on which nothing is begun ends where the one before it did.
func (e *engine) restIfAtCheckpoint(why string) {
	at := e.restingAt()
	if (at >= 0 || e.plan.Continues != "") && e.openCount() == 0 && !e.begunBelow(at) {
		e.restAt(at, why)
	}
}

// begunBelow tells whether a step below a checkpoint has written, or was about to. What was only asked or checked is asked again.
func (e *engine) begunBelow(at int) bool {
	for k := at + 1; k < len(e.p.Steps); k++ {
		st := &e.p.Steps[k]
		waits := st.State == StepPending || (st.State == StepWaiting && st.Rung == 0)
		if !waits && len(e.plan.Steps[k].Rungs) > 0 {
			return true
		}
	}
	return false
}

// tooLate tells whether a rung of step i can no longer reach the next checkpoint before finishBy; at the hour itself the run
// goes back to the last one.
func (e *engine) tooLate(i int) (bool, string) {
	if e.finishAt == 0 {
		return false, ""
	}
	need := e.untilCheckpoint(i)
	if e.now+need <= e.finishAt {
		e.at(e.finishAt - need + 1)
		return false, ""
	}
	return true, fmt.Sprintf("the next checkpoint is %s away, and the run must rest by %s", need.Duration().Round(time.Minute),
		e.w.Clock.Wall(e.finishAt).In(e.loc).Format("15:04"))
}

// untilCheckpoint is how long the rungs from step i to the next checkpoint take if nothing holds.
func (e *engine) untilCheckpoint(i int) T {
	var sum T
	for k := i; k < len(e.plan.Steps); k++ {
		st := &e.plan.Steps[k]
		if st.Kind == runbooks.StepCheckpoint {
			break
		}
		if k < len(e.p.Steps) && (e.p.Steps[k].State == StepDone || e.p.Steps[k].State == StepSkipped) {
			continue
		}
		for r := e.p.Steps[k].Rung; r < len(st.Rungs); r++ {
			sum += st.Rungs[r].Takes()
		}
	}
	return sum
}

// Takes is how long a rung takes if nothing holds: what it usually needs to be seen, then its bake.
func (r *RungPlan) Takes() T {
	settle := r.Ready
	if r.OldTTL > settle {
		settle = r.OldTTL
	}
	return settle + r.Bake
}

// finishByNow goes back to the last checkpoint when the hour has come and the run stands between two.
func (e *engine) finishByNow() {
	if e.finishAt == 0 {
		return
	}
	if e.now < e.finishAt {
		e.at(e.finishAt)
		return
	}
	if i := e.restingAt(); i >= 0 || e.plan.Continues != "" {
		e.restIfAtCheckpoint("it is " + e.plan.Rules.FinishBy)
		if e.p.Phase != PhaseForward || !e.begunBelow(i) { // not: a share is just being kept
			return
		}
	}
	e.turnBack(e.p.LastTarget, []Cause{{Gate: "finishBy", Text: "it is " + e.plan.Rules.FinishBy + " and the run stands between two checkpoints"}})
}

func (e *engine) openCount() int { return e.p.OpenCount() }

// atWall asks for a turn at a wall time.
func (e *engine) atWall(t time.Time) {
	if !t.IsZero() {
		e.at(e.now + T(t.Sub(e.wall())))
	}
}
