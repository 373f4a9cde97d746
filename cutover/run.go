package cutover

import (
	"context"
	"errors"
	"fmt"
)

// Start says what Run is to do.
type Start struct {
	Run       string  // the run's name
	Plan      *Plan   // nil: take over what the journal says
	Sealed    *Sealed // Plan, where it is sealed already
	Why       string  // start, continue, takeover, back or close
	Version   string  // of the program
	Host      string
	User      string
	PID       int
	BackTo    string        // Why back: start, checkpoint or rung
	Overwrite []string      // Why back: objects that somebody else wrote, to be written over
	Adopted   []AdoptedMark // Why continue: what drifted while the run rested and a person accepted
	Broke     []BrokeMark   // rules that a person broke by name
	Rates     map[Seat]float64
	Within    T // the run's writers must have moved within it; else it ends as it stands: see outOfTime. 0: whenever they can
}

// Result is what a run came to.
type Result struct {
	Exit     Exit
	Progress *Progress
	Timing   Timing
	Why      string // why it never began; "" otherwise
}

// Run runs a plan, or takes a run over, until it is over, rests, or ctx ends. When ctx ends it returns ctx.Err() at once and
// writes nothing more, as a killed process would. An error beside ctx's is one that leaves the run as the journal says.
func Run(ctx context.Context, w World, s Start) (*Result, error) {
	e, err := newEngine(ctx, w, s)
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	defer stop()
	w.Gauges.Start(work, e.plan)
	w.Operators.Start(work)
	if err := e.loop(ctx); err != nil {
		return nil, err
	}
	return &Result{Exit: e.exit, Progress: e.p, Timing: e.p.Crossed, Why: e.never}, nil
}

func newEngine(ctx context.Context, w World, s Start) (*engine, error) {
	rs, torn, err := w.Journal.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	p, err := Fold(rs)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	if p.Plan == nil && s.Plan == nil {
		return nil, errors.New("the journal has no whole plan, so nothing can have been written: start a new run")
	}
	e := &engine{w: w, s: s, p: p, plan: s.Plan, now: w.Clock.Now()}
	e.fresh = p.Plan == nil
	if e.plan == nil {
		e.plan = p.Plan
	}
	e.out.durable = p.Seq
	e.build()
	if torn != "" {
		e.note("journal: " + torn)
	}
	e.begin()
	return e, e.err
}

// loop is the one goroutine that decides. It waits for events and nowhere else.
func (e *engine) loop(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.turn()
		if e.err != nil {
			return e.err
		}
		if e.ended && (e.out.empty() || e.gaveUp()) {
			e.release(ctx)
			return nil
		}
		if err := e.sleep(ctx); err != nil {
			return err
		}
	}
}

// sleep ends when something has come that a decision may follow from, or at a moment that one compared with now. A listing for
// keeping that says what is known already is neither: it makes no turn.
func (e *engine) sleep(ctx context.Context) error {
	for {
		evs := e.w.Clock.Next(min(e.wake, e.keepWake, e.firstDeadline()))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.now = e.w.Clock.Now()
		e.news = false
		for _, ev := range evs {
			e.take(ev)
		}
		if e.news || e.now >= e.wake || e.now >= e.firstDeadline() {
			return nil
		}
		e.keep()
		e.pump()
	}
}

// gaveUp: a person stopped the process and the journal's disk doesn't take the rest: what isn't durable was never done.
func (e *engine) gaveUp() bool {
	if e.stopped == 0 {
		return false
	}
	e.at(e.stopped + 3*Second)
	return e.now >= e.stopped+3*Second
}

// take applies one event.
func (e *engine) take(ev Event) {
	e.news = e.news || ev.Reply == nil
	switch {
	case ev.Lease != nil:
		e.leaseChanged(*ev.Lease)
	case ev.Command != nil:
		e.command(*ev.Command)
	case ev.Reply != nil:
		e.reply(*ev.Reply)
	case ev.Sample != nil:
		e.backing.idle.is = false
		e.board.Put(e.now, *ev.Sample)
	}
}

// turn decides until nothing more follows from what is known, and works out when to look again.
func (e *engine) turn() {
	e.wake = Never
	e.expire()
	e.runTimers()
	e.afterMoves()
	for range maxTurns {
		e.again = false
		e.judge()
		e.advancePhase()
		if !e.again {
			break
		}
	}
	e.publishAll()
	e.noteNear()
	e.lookUp()
	e.keep()
	e.feedLater()
	e.pump()
	e.recordSeen()
	e.flush()
	e.tellJournal()
	e.answer()
}

// maxTurns bounds how many transitions follow from one another at one moment: each of a plan's steps may pass a few.
const maxTurns = 10000

// advancePhase does what the phase asks for, once.
func (e *engine) advancePhase() {
	if e.ended || e.err != nil || !e.started() {
		return
	}
	if e.outOfTime() {
		return
	}
	switch e.p.Phase {
	case PhaseForward:
		e.forward()
	case PhaseBack:
		e.goBack()
	case PhaseFrozen:
		e.frozen()
	case PhaseResting:
		e.rest()
	case PhaseOver:
		e.finish(e.p.Exit)
	}
	if !e.ended && e.err == nil {
		e.turnOnlys()
	}
}
