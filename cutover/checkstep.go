package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomshift/runbooks"
)

// check asks what a check step asks; it goes on asking every 5 s until Within (1 m) is over, then asks a person.
func (e *engine) check(i int) {
	st, s := &e.plan.Steps[i], &e.steps[i]
	if s.begun {
		return
	}
	s.begun = true
	if s.tried == 0 {
		s.tried = e.now
	}
	gen := s.gen
	finish := func(why string, err error) {
		if s.gen == gen && e.p.Phase == PhaseForward && e.p.Steps[i].State == StepWaiting {
			e.checked(i, why, err)
		}
	}
	c := st.Check
	if c == nil || len(c.Paths) == 0 && c.Writer == nil && len(c.Checksum) == 0 {
		finish("", e.capacity(i))
		return
	}
	limit := readLimit
	if c.Writer != nil {
		limit += preflightLimit * T(len(c.Writer.Pairs))
	}
	was, now := slices.Clone(e.p.Broken), e.wall()
	broken := func(rule string) bool {
		return slices.ContainsFunc(was, func(b BrokeMark) bool { return b.Rule == rule })
	}
	e.start(limit, func(ctx context.Context) any { return e.askCheck(ctx, c, broken, now) }, func(v any) {
		r := v.(checkedPairs)
		if r.err == nil {
			r.err = e.capacity(i)
		}
		finish(r.why, r.err)
	}, func() { finish("", errNoAnswer) })
}

// askCheck asks, in a worker, what of a check others answer: the first part that isn't so is said.
func (e *engine) askCheck(ctx context.Context, c *CheckPlan, broken func(rule string) bool, now time.Time) (r checkedPairs) {
	if len(c.Paths) > 0 {
		r.err = e.w.Prober.Probe(ctx, c.Room, c.Host, c.Paths)
	}
	if r.err == nil && c.Writer != nil {
		r = e.checkWriters(ctx, c.Writer, broken)
	}
	if r.err == nil && len(c.Checksum) > 0 {
		var why string
		why, r.err = checkSums(ctx, e.w.Comparisons, c.Checksum, now)
		r.why = strings.Trim(r.why+"; "+why, "; ")
	}
	return r
}

func (e *engine) checked(i int, why string, err error) {
	st, s := &e.plan.Steps[i], &e.steps[i]
	within := st.Within
	if within == 0 {
		within = Minute
	}
	switch {
	case err == nil:
		e.mark(i, 0, StepDone, why)
	case e.now-s.tried < within:
		s.begun, s.retry, s.why = false, e.now+5*Second, err.Error()
		e.at(s.retry)
	case !st.Needed:
		e.mark(i, 0, StepSkipped, "not needed, and failed: "+err.Error())
	default:
		s.begun = false
		e.ask(i, "check", fmt.Sprintf("%s fails: %s", e.stepName(i), err), nil)
	}
}

// capacity works out every room's load at each rung from here to the next checkpoint, at the rate now or at the declared peak.
func (e *engine) capacity(i int) error {
	c := e.plan.Steps[i].Check
	if c == nil || c.Capacity == "" {
		return nil
	}
	set, limit := cloneSet(e.set), float64(e.plan.Rules.Headroom)/Whole
	for k := i + 1; k < len(e.plan.Steps) && e.plan.Steps[k].Kind != runbooks.StepCheckpoint; k++ {
		for r := range e.plan.Steps[k].Rungs {
			for seat, sh := range e.plan.Steps[k].Rungs[r].Want {
				set[seat] = sh
			}
			if over := e.comp.OverCapacity(set, e.liveRates(), c.Capacity == "peak", limit, nil); len(over) > 0 {
				return fmt.Errorf("at %s rung %d: %s", e.stepName(k), r+1, strings.Join(over, "; "))
			}
		}
	}
	return nil
}
