package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Outcome is what a simulated run came to.
type Outcome struct {
	// Exit is 0 when the last step was reached, a final checkpoint included; else the run's code.
	Exit     cutover.Exit
	Why      string // in a few words, when it isn't told by the code
	Run      string
	Plan     *cutover.Plan // the first segment's
	Problems []runbooks.Problem
	Records  []cutover.Record // the journal
	Progress *cutover.Progress
	Timing   cutover.Timing
	Truth    map[cutover.Seat]cutover.Share // what the seats hold in truth at the end
	Writers  map[string][]cutover.Room      // the rooms whose masters take a pair's writes then
	Timeline []Happened
	NotFired []Fault
	Writes   []Landing
	Runners  int           // processes that ran it
	Took     time.Duration // of virtual time
}

// Lines is the journal as it would stand in its file.
func (o *Outcome) Lines() ([]byte, error) {
	var lines []byte
	for i := range o.Records {
		var err error
		if lines, err = cutover.AppendLine(lines, &o.Records[i]); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// Run plans the runbook and plays all of its nights: after a kill another process takes over, at a rest the run goes on when the
// next window opens. The error is ctx's, or one of the engine itself; problems of the plan are in the outcome, with exit 2.
func (s *Sim) Run(ctx context.Context) (*Outcome, error) {
	out := &Outcome{Run: s.o.Run}
	for _, r := range s.runners {
		r.end(context.Canceled) // those of this run end with ctx
	}
	start := cutover.Start{Run: s.o.Run, Why: "start"}
	if start.Sealed = s.o.Plan; start.Sealed != nil {
		start.Plan = start.Sealed.Plan()
	} else {
		var err error
		if start.Plan, out.Problems, err = s.plan(ctx, ""); err != nil {
			return nil, err
		}
	}
	if len(out.Problems) > 0 {
		out.Exit, out.Why = cutover.ExitUsage, "the runbook can't be planned"
		return out, nil
	}
	out.Plan = start.Plan
	for {
		next, err := s.night(ctx, start, out)
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		start = *next
	}
	return s.finish(ctx, out)
}

// Prepare plans a runbook in rooms of these options, for many runs in rooms that differ in nothing that a plan rests on: faults,
// commands, the seed. The problems are the plan's.
func Prepare(ctx context.Context, l *runbooks.Loaded, o Options) (*cutover.Sealed, []runbooks.Problem, error) {
	o.Faults, o.Commands, o.Plan = nil, nil, nil
	s, err := New(l, o)
	if err != nil {
		return nil, nil, err
	}
	plan, problems, err := s.plan(ctx, "")
	if err != nil || len(problems) > 0 {
		return nil, problems, err
	}
	sealed, err := plan.Seal()
	return sealed, nil, err
}

// plan makes a plan of what there is now.
func (s *Sim) plan(ctx context.Context, continues string) (*cutover.Plan, []runbooks.Problem, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the rooms: %w", err)
	}
	plan, problems := cutover.NewPlan(cutover.PlanInput{Rooms: s.l.Rooms, Book: s.l.Book, Planes: s.runner(ctx).World().Planes, Snapshot: snap, Continues: continues})
	return plan, problems, nil
}

// runner is the newest process, a new one if it is dead.
func (s *Sim) runner(ctx context.Context) *Runner {
	if n := len(s.runners); n > 0 && !s.runners[n-1].dead {
		return s.runners[n-1]
	}
	return s.NewRunner(ctx)
}

// night runs one process until it ends. It returns how the next one starts, nil when the run is at its end.
func (s *Sim) night(ctx context.Context, start cutover.Start, out *Outcome) (*cutover.Start, error) {
	r := s.runner(ctx)
	start.Version, start.User, start.PID = s.o.Version, "ops1", 1000+r.n
	start.Host = fmt.Sprintf("ops-%d", r.n+1)
	if start.Plan != nil {
		start.Rates = s.Rates()
	}
	out.Runners++
	res, err := cutover.Run(r.ctx, r.World(), start)
	cause := context.Cause(r.ctx)
	r.end(context.Canceled)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(cause, ErrKilled):
		return s.takeOver(ctx, start, out)
	case errors.Is(cause, ErrStuck), errors.Is(cause, ErrLimit):
		out.Exit, out.Why = cutover.ExitStopped, cause.Error()
		return nil, nil
	case err != nil:
		return nil, err
	}
	out.Exit, out.Why, out.Progress, out.Timing = res.Exit, res.Why, res.Progress, res.Timing
	if res.Exit != cutover.ExitResting || s.isDone(res.Progress) {
		if res.Exit == cutover.ExitResting {
			out.Exit = cutover.ExitDone
		}
		return nil, nil
	}
	return s.nextNight(ctx, res.Progress, out)
}

// takeOver starts another process. Where the first died before its plan was durable nothing was written: once its lease is over
// people clear its claims, and the run begins anew.
func (s *Sim) takeOver(ctx context.Context, start cutover.Start, out *Outcome) (*cutover.Start, error) {
	rs, _, err := s.journal.to.Read(ctx)
	if err != nil {
		return nil, err
	}
	p, err := cutover.Fold(rs)
	if err != nil {
		return nil, fmt.Errorf("the journal after a kill: %w", err)
	}
	if p.Phase == cutover.PhaseOver { // it died after its last record: nothing is left to do
		out.Exit, out.Progress, out.Timing = p.Exit, p, p.Crossed
		return nil, nil
	}
	if p.Plan != nil && (start.Plan == nil || p.Plan.Hash() == start.Plan.Hash()) {
		s.left = p
		return &cutover.Start{Run: s.o.Run, Why: "takeover"}, nil
	}
	s.Advance(leaseTTL + lockDelay)
	if p.Plan == nil {
		for _, place := range s.places {
			place.forget(s.o.Run)
		}
	}
	return &start, nil
}

// isDone: every step is done, so that the rest is at the runbook's last checkpoint.
func (s *Sim) isDone(p *cutover.Progress) bool {
	for _, st := range p.Steps {
		if st.State != cutover.StepDone && st.State != cutover.StepSkipped {
			return false
		}
	}
	return len(p.Steps) > 0
}

// nextNight lets time pass until the next window opens, and plans the rest afresh.
func (s *Sim) nextNight(ctx context.Context, p *cutover.Progress, out *Outcome) (*cutover.Start, error) {
	at := s.Wall()
	if open, ok := s.opens(at); ok && !open.After(at) { // it rests although one is open: the present one is as good as over
		at = s.closes(at)
	}
	open, ok := s.opens(at)
	if !ok {
		out.Why = "it rests, and no window opens any more"
		return nil, nil
	}
	if open.Sub(s.wall) > s.o.Limit {
		out.Why = ErrLimit.Error()
		return nil, nil
	}
	s.moveTo(cutover.T(open.Sub(s.wall)) + cutover.Second)
	plan, problems, err := s.plan(ctx, p.LastTarget)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		out.Problems, out.Exit, out.Why = problems, cutover.ExitStopped, "the rest can't be planned as the rooms are now"
		return nil, nil
	}
	return &cutover.Start{Run: s.o.Run, Plan: plan, Why: "continue"}, nil
}

// closes is when the window that is open at t shuts.
func (s *Sim) closes(t time.Time) time.Time {
	r := cutover.RulesPlan{Windows: s.l.Book.Rules.Windows, Blocked: s.l.Book.Rules.Blocked}
	if _, _, next := r.Window(t.In(s.loc)); next.After(t) {
		return next
	}
	return t
}

func (s *Sim) finish(ctx context.Context, out *Outcome) (*Outcome, error) {
	rs, _, err := s.journal.to.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	out.Records = rs
	if out.Progress == nil {
		if out.Progress, err = cutover.Fold(rs); err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
	}
	out.Writers = map[string][]cutover.Room{}
	for _, p := range s.pairs {
		out.Writers[p.name] = s.Writers(p.name)
	}
	out.Truth, out.Timeline, out.NotFired, out.Writes = s.Shares(), s.timeline, s.NotFired(), s.landings
	out.Took = s.now.Duration()
	return out, nil
}

// hear is how people come to know of a question, of a freeze and of a rest, by what the engine shows: they approve what they are
// asked to, and stop a process that would only go on watching.
func (r *Runner) hear(rec *cutover.Record) {
	s := r.s
	watch := cutover.T(s.o.Watch)
	switch {
	case rec.Run != nil && s.left != nil:
		r.inherit(s.left)
		s.left = nil
	case rec.Asked != nil:
		r.hearQuestion(rec.Asked)
	case rec.Phase != nil:
		if r.still = rec.Phase.Phase == cutover.PhaseFrozen || rec.Phase.Phase == cutover.PhaseResting; r.still {
			r.stopAfter(watch)
			return
		}
		if rec.Phase.Phase == cutover.PhaseBack { // its questions are over
			r.waits = nil
		}
		r.goesOn()
	case rec.Answered != nil || rec.Command != nil:
		if r.still { // whoever approves or mutes doesn't end a freeze
			r.stopAfter(watch)
			return
		}
		if rec.Answered != nil {
			delete(r.waits, question{rec.Answered.Step, rec.Answered.What})
		}
		r.goesOn()
	}
}

// question is what a run asks about a step, or about all of it.
type question struct {
	step int
	what string
}

// hearQuestion: people approve what they are asked to; nobody accepts anything.
func (r *Runner) hearQuestion(a *cutover.AskedMark) {
	s := r.s
	r.asked++
	if (a.What == "approve" || a.What == "ask") && s.o.ApproveAfter >= 0 {
		r.say(s.now+cutover.T(s.o.ApproveAfter), cutover.Command{ID: fmt.Sprintf("approve-%d-%d", r.n+1, r.asked), Verb: "approve", Who: r.whoApproves(a),
			Args: map[string]string{"step": r.stepName(a.Step)}})
		return
	}
	if r.waits == nil {
		r.waits = map[question]cutover.T{}
	}
	r.waits[question{a.Step, a.What}] = a.For + 3*cutover.T(s.o.Watch)
	r.goesOn()
}

// goesOn: what people said or what happened got the process going, unless it still waits for an answer that nobody gives.
func (r *Runner) goesOn() {
	var longest cutover.T
	for _, d := range r.waits {
		longest = max(longest, d)
	}
	if longest > 0 {
		r.stopAfter(longest)
		return
	}
	r.stop++
}

// inherit is how people come to know what a process took over: the questions that are open are asked again, and a frozen run waits for
// them as it did. It has its locks by now, and is ready when it has looked around.
func (r *Runner) inherit(p *cutover.Progress) {
	at := r.s.now + leaseTTL
	r.s.at(at, func() {
		for i := range p.Asked {
			if !r.dead {
				r.hear(&cutover.Record{Asked: &p.Asked[i]})
			}
		}
	})
	if r.still = p.Phase == cutover.PhaseFrozen || p.Phase == cutover.PhaseResting; r.still {
		r.stopAfter(cutover.T(r.s.o.Watch))
	}
}

// stopAfter stops the process unless something gets it going again before, or people have said that they will say something.
func (r *Runner) stopAfter(d cutover.T) {
	r.stop++
	n := r.stop
	at := r.s.now + d
	for _, t := range r.s.o.Commands {
		at = max(at, cutover.T(t.At)+d)
	}
	r.s.at(at, func() {
		if r.stop == n && !r.dead {
			r.say(r.s.now, cutover.Command{ID: fmt.Sprintf("stop-%d", r.n+1), Verb: "stop", Who: "ops1"})
		}
	})
}

func (r *Runner) whoApproves(a *cutover.AskedMark) string {
	if a.By != "" {
		return a.By + "1"
	}
	return "ops1"
}

func (r *Runner) stepName(i int) string {
	if p := r.gauges.plan; p != nil && i >= 0 && i < len(p.Steps) {
		return p.Steps[i].Name
	}
	return "run"
}
