package cutover

import (
	"fmt"
	"maps"
	"slices"
)

func (p *Progress) applyStep(r *Record) error {
	m := r.Step
	if err := p.rungFits(r); err != nil {
		return err
	}
	sp := &p.Steps[m.Step]
	switch m.State {
	case StepPending:
		sp.Approved = ""
	case StepAsking:
		if sp.State != StepAsking {
			sp.Resume = sp.State
		}
	case StepApplying:
		if g := p.fold.rung; g == nil || g.step != m.Step || g.rung != m.Rung {
			p.fold.rung = &rungStart{step: m.Step, rung: m.Rung, seq: r.Seq}
		}
	case StepSettling:
		p.rungWritten(m.Step, m.Rung)
	case StepWaiting, StepBaking, StepMoving, StepDone, StepSkipped:
	default:
		return refuse(r, "step %q is said to be %q, which is no state of a step", p.Plan.Steps[m.Step].Name, m.State)
	}
	if m.State != StepAsking {
		sp.Resume = ""
	}
	if m.State == StepWaiting || m.Rung != sp.Rung {
		sp.Wrote = false
	}
	sp.State, sp.Rung = m.State, m.Rung
	return nil
}

// rungFits holds that the plan has the step and the rung.
func (p *Progress) rungFits(r *Record) error {
	m := r.Step
	if m.Step < 0 || m.Step >= len(p.Steps) {
		return refuse(r, "step %d, and the plan has %d", m.Step, len(p.Steps))
	}
	if rungs := len(p.Plan.Steps[m.Step].Rungs); m.Rung < 0 || m.Rung > max(rungs, 1)-1 {
		return refuse(r, "rung %d of step %q, which has %d", m.Rung, p.Plan.Steps[m.Step].Name, rungs)
	}
	return nil
}

func (p *Progress) applyPhase(r *Record) error {
	m := r.Phase
	if p.Phase == PhaseFrozen {
		if err := p.thawFits(r); err != nil {
			return err
		}
	}
	switch m.Phase {
	case PhaseForward:
		p.endBack()
		p.Target, p.Exit = "", ExitDone
	case PhaseBack:
		if err := p.beginBack(r); err != nil {
			return err
		}
	case PhaseFrozen:
		p.freeze()
	case PhaseResting:
		if err := p.endFits(r, ExitDone, ExitBack, ExitResting, ExitStopped, ExitUnknown, ExitNotVerified); err != nil {
			return err
		}
		p.endBack()
		p.Target, p.Exit = m.Target, m.Exit
	case PhaseOver:
		if err := p.endFits(r, ExitDone, ExitNothing, ExitBack, ExitStopped, ExitUnknown, ExitNotVerified); err != nil {
			return err
		}
		p.Exit = m.Exit
	default:
		return refuse(r, "%q is no phase of a run", m.Phase)
	}
	p.Phase, p.Causes = m.Phase, m.Causes
	if m.Phase != PhaseFrozen {
		p.FrozenFrom = ""
	}
	if m.Timing != nil {
		p.Crossed = *m.Timing
	}
	p.fold.freed = false
	p.fold.waves = nil
	return nil
}

// thawFits holds that a frozen run is left by a person's word, and goes on the way it was going.
func (p *Progress) thawFits(r *Record) error {
	to := r.Phase.Phase
	if to != PhaseFrozen && !p.fold.freed {
		return refuse(r, "the run is frozen and nobody has spoken since: only a person's resume, back, mute, close or stop ends it")
	}
	if to == PhaseForward && p.FrozenFrom == PhaseBack {
		return refuse(r, "the run froze while going back to %q: it goes on back, not forward", p.Target)
	}
	return nil
}

// beginBack sets the target. What waited or asked is pending again, and its approval is gone.
func (p *Progress) beginBack(r *Record) error {
	m := r.Phase
	if m.Target == rungTarget && (p.Phase != PhaseBack || p.Target != rungTarget) {
		if p.fold.rung == nil {
			return refuse(r, "back to the last rung's start, and no rung was begun since the plan")
		}
		p.Targets[rungTarget] = p.rungTarget()
	}
	to := p.Targets[m.Target]
	if to == nil {
		return refuse(r, "back to %q, which this run has not reached; it has %s", m.Target, p.targetNames())
	}
	if now := p.Targets[p.Target]; p.Phase == PhaseBack && now != nil && to.Seq > now.Seq {
		return refuse(r, "back to %q while going back to %q, which is earlier: going back doesn't turn forward", m.Target, p.Target)
	}
	p.Target, p.Exit, p.Asked = m.Target, ExitDone, nil
	p.WritersBack = m.Writers
	clear(p.Wanted) // what the target recorded is wanted, object by object
	if p.Phase == PhaseResting || p.Phase == PhaseOver {
		p.Verdict = VerdictMark{} // of a night that is over
	}
	for i := range p.Steps {
		if sp := &p.Steps[i]; sp.State == StepWaiting || sp.State == StepAsking {
			*sp = StepProgress{State: StepPending, Rung: sp.Rung}
		}
	}
	return nil
}

// rungTarget is what everything was wanted to hold when the rung begun last began.
func (p *Progress) rungTarget() *Target {
	g := p.fold.rung
	t := p.target(rungTarget, g.step, g.seq)
	t.Share = nil // the newest seen share is of a later moment
	for id, o := range p.Objects {
		if o.joined > g.seq { // it has never held what the rung began with: it goes by the others
			delete(t.Want, id)
		}
	}
	maps.Copy(t.Want, g.want)
	return t
}

// target is what is wanted now, as something that back can go to.
func (p *Progress) target(name string, step int, seq int64) *Target {
	t := &Target{Name: name, Step: step, Want: make(map[ObjectID]string, len(p.Objects)), Writers: make(map[string]Room, len(p.Writers)),
		Share: maps.Clone(p.LastSeen.Share), Segment: p.Segment, Seq: seq}
	for id, o := range p.Objects {
		t.Want[id] = o.Want
	}
	for pair, w := range p.Writers {
		t.Writers[pair] = w.Writer
	}
	t.Onlys = p.onlysNow()
	return t
}

// endBack is the end of going back: what the run wants is what the target recorded, and targets reached after it were undone.
func (p *Progress) endBack() {
	t := p.Targets[p.Target]
	if t == nil || p.Phase != PhaseBack {
		return
	}
	for id, value := range t.Want {
		if o := p.Objects[id]; o != nil && !t.Left[id] {
			o.Want = value
		}
	}
	for name, later := range p.Targets {
		if later.Seq > t.Seq && name != rungTarget {
			delete(p.Targets, name)
		}
	}
	if t.Name != rungTarget {
		p.LastTarget = t.Name
	}
	p.fold.rung = nil
	delete(p.Targets, rungTarget)
}

// freeze: approvals of what hasn't begun expire.
func (p *Progress) freeze() {
	if p.Phase != PhaseFrozen {
		p.FrozenFrom = p.Phase
	}
	for i := range p.Steps {
		if sp := &p.Steps[i]; sp.State == StepWaiting || sp.State == StepAsking {
			sp.Approved = ""
		}
	}
}

// endFits holds that an end says what it may: a run that is done, rolled back or rests has nothing open, and one that changed
// nothing has not.
func (p *Progress) endFits(r *Record, exits ...Exit) error {
	x := r.Phase.Exit
	if !slices.Contains(exits, x) {
		return refuse(r, "%s with exit %d; want one of %v", r.Phase.Phase, x, exits)
	}
	switch x {
	case ExitDone, ExitNothing, ExitBack, ExitResting:
		if p.OpenCount() > 0 {
			return refuse(r, "%s with exit %d, and %s: an outcome comes first, or exit %d", r.Phase.Phase, x, p.openText(), ExitUnknown)
		}
	}
	if x == ExitNothing && p.fold.landed {
		return refuse(r, "exit %d says that nothing was changed, and the journal has changes that are done", x)
	}
	return nil
}

func (p *Progress) applyCheckpoint(r *Record) error {
	m := r.Checkpoint
	if m.Step < 0 || m.Step >= len(p.Steps) || p.Plan.Steps[m.Step].Checkpoint != m.Name || m.Name == "" {
		return refuse(r, "step %d is no checkpoint %q of the plan", m.Step, m.Name)
	}
	if p.Phase != PhaseForward {
		return refuse(r, "checkpoint %q while the run is %s: it would record what nobody wants", m.Name, p.Phase)
	}
	if p.OpenCount() > 0 {
		return refuse(r, "checkpoint %q, and %s: nothing of the run may still land", m.Name, p.openText())
	}
	for i := range m.Step {
		if st := p.Steps[i].State; st != StepDone && st != StepSkipped {
			return refuse(r, "checkpoint %q, and step %q above it is %s: all above is done first", m.Name, p.Plan.Steps[i].Name, st)
		}
	}
	p.Targets[m.Name] = p.target(m.Name, m.Step, r.Seq)
	p.LastTarget = m.Name
	return nil
}

func (p *Progress) openText() string {
	if len(p.fold.open) == 0 {
		return "nothing is open"
	}
	q := p.fold.open[0]
	for i, o := range q.objects {
		if o != nil {
			return fmt.Sprintf("request %d for %s is open", q.Number, q.Changes[i].ID())
		}
	}
	return fmt.Sprintf("request %d is open", q.Number)
}

func (p *Progress) targetNames() []string {
	names := make([]string, 0, len(p.Targets))
	for _, name := range sortedKeys(p.Targets) {
		names = append(names, fmt.Sprintf("%q", name))
	}
	return names
}
