package cutover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"roomshift/runbooks"
)

const approveWithin = 30 * Minute

// steps plans the steps below Continues, up to Until.
func (b *planner) steps() {
	first, last := b.span()
	for i := first; i < last; i++ {
		st := &b.book.Steps[i]
		out := StepPlan{Name: st.Name, Number: i + 1, Kind: st.Kind, Line: st.Line, After: b.after(i, first), AnyWindow: st.AnyWindow,
			Needed: !st.NotNeeded, Within: T(st.Within), Checkpoint: st.Checkpoint, Guard: st.Guard, Back: st.Back}
		if st.Approve != nil {
			out.Approve = askPlan(&out, "approve", st.Approve)
		}
		b.kind(st, &out)
		b.p.Steps = append(b.p.Steps, out)
	}
}

// kind fills in what is special to a step's kind.
func (b *planner) kind(st *runbooks.Step, out *StepPlan) {
	switch st.Kind {
	case runbooks.StepShift:
		b.shift(st, out)
	case runbooks.StepTTL:
		b.ttlStep(st, out)
	case runbooks.StepWriter:
		b.writerStep(st, out)
	case runbooks.StepCheck:
		b.check(st, out)
	case runbooks.StepAsk:
		ask := runbooks.Ask{}
		if st.Ask != nil {
			ask = *st.Ask
		}
		ask.Within = cmp.Or(ask.Within, st.Within)
		out.Ask = askPlan(out, "ask", &ask)
	case runbooks.StepCheckpoint, runbooks.StepBack:
	default:
		b.problem(st.Pos, ruleNotYet, "", "step %q: a %s step is in the language, but this version doesn't carry it out yet", st.Name, st.Kind)
	}
}

// span is the part of the runbook that is planned: the steps from first up to, not including, last.
func (b *planner) span() (first, last int) {
	steps := b.book.Steps
	last = len(steps)
	var names []string
	from, to := -1, -1
	for i := range steps {
		if steps[i].Kind != runbooks.StepCheckpoint {
			continue
		}
		names = append(names, steps[i].Checkpoint)
		if steps[i].Checkpoint == b.in.Continues {
			from = i
		}
		if steps[i].Checkpoint == b.in.Until {
			to = i
		}
	}
	hint := "the runbook has no checkpoint"
	if len(names) > 0 {
		hint = "its checkpoints are " + strings.Join(names, ", ")
	}
	switch {
	case b.in.Continues != "" && from < 0:
		b.problem(b.book.Pos, ruleUntil, hint, "the run goes on from checkpoint %q, and %s has none of that name", b.in.Continues, b.book.Name)
	case b.in.Until != "" && to < 0:
		b.problem(b.book.Pos, ruleUntil, hint, "%s has no checkpoint %q to run until", b.book.Name, b.in.Until)
	case b.in.Until != "" && to <= from:
		b.problem(b.book.Pos, ruleUntil, hint, "checkpoint %q is not below %q, where the run goes on", b.in.Until, b.in.Continues)
	}
	if to >= 0 && to > from {
		last = to + 1
	}
	return from + 1, last
}

// after is what step i waits for, as indices into the plan's steps. A checkpoint and a back step wait for all above; nothing
// below a checkpoint begins before it.
func (b *planner) after(i, first int) []int {
	st := &b.book.Steps[i]
	barrier := first - 1 // the last checkpoint above, or what stands for it: the start
	for k := first; k < i; k++ {
		if b.book.Steps[k].Kind == runbooks.StepCheckpoint {
			barrier = k
		}
	}
	out := []int{}
	if st.Kind == runbooks.StepCheckpoint || st.Kind == runbooks.StepBack {
		if st.AfterSet {
			b.wholeBarrier(st, i, barrier, first)
		}
		for k := first; k < i; k++ {
			out = append(out, k-first)
		}
		return out
	}
	switch {
	case !st.AfterSet:
		if i > first {
			out = append(out, i-1-first)
		}
	case len(st.After) == 0:
		if barrier >= first {
			out = append(out, barrier-first)
		}
	default:
		out = b.afterNames(st, i, barrier, first)
	}
	return out
}

// afterNames is what step i says that it waits for.
func (b *planner) afterNames(st *runbooks.Step, i, barrier, first int) []int {
	out := []int{}
	for _, name := range st.After {
		switch k, ok := b.named(st, i, name); {
		case !ok:
		case k < barrier:
			b.problem(st.Pos, ruleAfter, "nothing below a checkpoint begins before it: leave `after` out, or name steps below it",
				"step %q is after %q, across the checkpoint %q", st.Name, name, b.book.Steps[barrier].Name)
		case k >= first:
			out = append(out, k-first)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// named is the step above i of that name.
func (b *planner) named(st *runbooks.Step, i int, name string) (int, bool) {
	for k := range b.book.Steps {
		if b.book.Steps[k].Name != name {
			continue
		}
		if k >= i {
			b.problem(st.Pos, ruleAfter, "steps begin in the order of the file: move it below", "step %q is after %q, which isn't above it", st.Name, name)
			return 0, false
		}
		return k, true
	}
	b.problem(st.Pos, ruleAfter, "", "step %q is after %q, and there is no such step", st.Name, name)
	return 0, false
}

// wholeBarrier holds that a checkpoint doesn't claim to wait for one of several branches only.
func (b *planner) wholeBarrier(st *runbooks.Step, i, barrier, first int) {
	var reach func(k int)
	hit := map[int]bool{}
	reach = func(k int) {
		if hit[k] || k <= barrier || k < first {
			return
		}
		hit[k] = true
		for _, a := range b.p.Steps[k-first].After {
			reach(a + first)
		}
	}
	for _, name := range st.After {
		if k, ok := b.named(st, i, name); ok {
			reach(k)
		}
	}
	for k := max(barrier+1, first); k < i; k++ {
		if !hit[k] {
			b.problem(st.Pos, ruleAfter, "leave `after` out: a checkpoint is reached when every step above it is done",
				"%s %q stands in a branch of its own: %q above it isn't among what it is after", st.Kind, st.Name, b.book.Steps[k].Name)
			return
		}
	}
}

// askPlan fills in who is asked, for how long, and what silence means. field is the key in the file.
func askPlan(out *StepPlan, field string, a *runbooks.Ask) *AskPlan {
	p := &AskPlan{By: a.By, Within: T(a.Within), Else: a.Else}
	if p.Within == 0 {
		p.Within = approveWithin
		out.Defaults = append(out.Defaults, field+".within")
	}
	if p.Else == "" {
		p.Else = "hold"
		out.Defaults = append(out.Defaults, field+".else")
	}
	return p
}

func (b *planner) check(st *runbooks.Step, out *StepPlan) {
	c := st.Check
	if c.Quiet != nil {
		b.problem(c.Pos, ruleNotYet, "", "step %q: only `probe`, `writer`, `checksum` and `capacity` are checked by this version", st.Name)
	}
	out.Check = &CheckPlan{Capacity: c.Capacity}
	if w := c.Writer; w != nil {
		out.Check.Writer = &WriterCheckPlan{To: cmp.Or(w.To, b.p.To), Pairs: w.Pairs}
		for _, pair := range w.Pairs {
			if !b.hasMaster(pair, out.Check.Writer.To) {
				b.problem(w.Pos, ruleName, "", "step %q: pair %s has no master in %s", st.Name, pair, out.Check.Writer.To)
			}
		}
	}
	for _, pair := range sortedKeys(c.Checksum) {
		out.Check.Checksum = append(out.Check.Checksum, ChecksumPlan{Pair: pair, Within: T(c.Checksum[pair])})
	}
	if c.Probe == nil {
		return
	}
	out.Check.Room, out.Check.Host, out.Check.Paths = cmp.Or(c.Probe.Room, b.p.To), c.Probe.Host, c.Probe.Paths
	if d := b.rooms.Probe; d != nil {
		out.Check.Host = cmp.Or(out.Check.Host, d.Host)
		if len(out.Check.Paths) == 0 {
			out.Check.Paths = d.Paths
		}
	}
}

// expand is the seats that a target names: all of a route's or a group's, or the one behind @.
func (b *planner) expand(pos runbooks.Pos, name string, planes map[Seat]int, what string) []Seat {
	base, at, only := strings.Cut(name, "@")
	routes := []string{base}
	if g, ok := b.p.Groups[base]; ok {
		routes = g
	}
	var seats []Seat
	for _, route := range routes {
		k, ok := b.routeAt[route]
		if !ok {
			b.problem(pos, ruleName, "", "%s: there is no route or group %q", name, route)
			continue
		}
		found := b.seatsAt(route, at, only, planes)
		if len(found) == 0 {
			b.problem(pos, ruleName, b.whyNoSeat(&b.p.Routes[k], only), "%s: route %s holds no %s%s", name, route, what, atText(at))
		}
		seats = append(seats, found...)
	}
	return seats
}

func atText(at string) string {
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" at %q", at)
}

func (b *planner) seatsAt(route, at string, only bool, planes map[Seat]int) []Seat {
	if only {
		if _, ok := planes[Seat{route, at}]; ok {
			return []Seat{{route, at}}
		}
		return nil
	}
	var seats []Seat
	for _, s := range b.p.Routes[b.routeAt[route]].Seats {
		if _, ok := planes[s]; ok {
			seats = append(seats, s)
		}
	}
	return seats
}

func (b *planner) whyNoSeat(r *RoutePlan, only bool) string {
	switch {
	case r.Follows != "":
		return fmt.Sprintf("it follows %s, and moves with it", r.Follows)
	case r.Stays != "":
		return fmt.Sprintf("it stays in %s", r.Stays)
	case only && len(r.Seats) > 0:
		return "its seats are " + seatList(r.Seats)
	}
	return ""
}

func seatList(seats []Seat) string {
	var names []string
	for _, s := range seats {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}
