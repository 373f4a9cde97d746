package cutover

import (
	"cmp"
	"fmt"
	"slices"
)

// What a writer's move, forward and back, asks of the things that follow it.

// stopOnlys has the things stopped that follow a pair, which is about to move to a room, and says what still runs of them. What somebody
// else has set is left alone on the way back: wherever it is, it stops when the record names another room.
func (e *engine) stopOnlys(pair string, to Room) string {
	why := ""
	for _, o := range e.onlys {
		if !o.follows(pair) {
			continue
		}
		p := e.onlyProgress(o)
		if p.Foreign != "" && e.p.Phase == PhaseBack {
			continue
		}
		o.stop, o.to = e.now+stopFor, to
		if o.since == 0 {
			o.since, o.late = e.now, false
		}
		if p.Room != OnlyNone || p.Next != "" || p.Foreign != "" || p.Zero != to {
			why = cmp.Or(why, o.why, o.plan.Name+" stops")
		}
	}
	return why
}

// giveOnlys gives the things of these pairs back to where their writers are: the move that they were stopped for is done, or isn't begun now.
func (e *engine) giveOnlys(pairs ...string) {
	for _, o := range e.onlys {
		if slices.ContainsFunc(pairs, o.follows) {
			o.stop, o.since, o.late = 0, 0, false
		}
	}
}

// onlysOf prepares a step's things for a try, the first or another one: what somebody else set is taken as it is then, for a person said so.
func (e *engine) onlysOf(w *WriterPlan) {
	for _, o := range e.onlys {
		if slices.Contains(w.With, o.plan.Name) {
			o.late, o.retryAt = false, 0
			o.adopt = e.onlyProgress(o).Foreign != ""
		}
	}
}

// onlysAsk is what people must say of a step's things before it goes on: one doesn't stop, or is somebody else's. "": nothing.
func (e *engine) onlysAsk(w *WriterPlan) string {
	for _, o := range e.onlys {
		switch p := e.onlyProgress(o); {
		case !slices.Contains(w.With, o.plan.Name) || o.adopt:
		case p.Foreign != "":
			return fmt.Sprintf("somebody else set the key of %s to %s; accept goes on from there", o.plan.Name, p.Foreign)
		case o.late:
			return fmt.Sprintf("not now: %s, after %s; it goes on where its writer is; accept tries again", cmp.Or(o.why, o.plan.Name+" doesn't stop"), span(o.plan.Within))
		}
	}
	return ""
}

// onlysWait is what a step's things still wait for once its writers are there, "" nothing.
func (e *engine) onlysWait(w *WriterPlan) string {
	for _, o := range e.onlys {
		if slices.Contains(w.With, o.plan.Name) && !e.onlySettled(o) {
			return cmp.Or(o.why, fmt.Sprintf("%s starts", o.plan.Name))
		}
	}
	return ""
}

// onlysBack: a thing isn't yet where its writers are.
func (e *engine) onlysBack() bool {
	return slices.ContainsFunc(e.onlys, func(o *onlyRun) bool { return e.onlyProgress(o).Foreign == "" && !e.onlySettled(o) })
}

// onlysOpen: the outcome of a key isn't known.
func (e *engine) onlysOpen() bool {
	return slices.ContainsFunc(e.onlys, func(o *onlyRun) bool { return e.onlyProgress(o).Next != "" })
}

// onlysLeft names the things whose keys don't say what the target had.
func (e *engine) onlysLeft(target *Target) []Cause {
	var out []Cause
	for _, o := range e.onlys {
		p, want := e.onlyProgress(o), target.Onlys[o.plan.Name]
		if !p.Touched || p.Foreign == "" && p.Room == want {
			continue
		}
		c := Cause{Gate: "only", Room: o.plan.Name, Color: Amber, Seen: cmp.Or(p.Foreign, p.Room), Limit: want}
		if c.Text = fmt.Sprintf("the key of %s: it said %s, and says %s", o.plan.Name, want, c.Seen); p.Foreign != "" {
			c.Text += " by somebody else: left alone"
		}
		out = append(out, c)
	}
	return out
}

// onlysStop: what a pair's move waits for are its things, which are on their way.
func (e *engine) onlysStop(pair string) bool {
	return slices.ContainsFunc(e.onlys, func(o *onlyRun) bool { return o.follows(pair) && o.stop > e.now && !o.late })
}
