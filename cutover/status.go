package cutover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// view is how the run stands now.
func (e *engine) view() *View {
	v := &View{Run: e.s.Run, Environment: e.plan.Environment, Runbook: e.plan.Runbook, From: e.plan.From, To: e.plan.To,
		Wall: e.wall().Format(wallFormat), Phase: e.p.Phase, Act: e.judged.Act, Target: e.p.Target,
		Paused: e.p.Paused, Exit: e.p.Exit, Asked: e.p.Asked, Open: e.openCount(), Journal: e.journalTrouble(),
		Gates: e.board.Views(e.now, e.vantage), Writers: e.vantage.Writers, Degraded: e.p.Degraded(), Mutes: sortedKeys(e.p.Mutes)}
	v.Causes = agedTo(e.judged.Causes, v.Gates)
	switch e.p.Phase {
	case PhaseFrozen:
		v.Causes, v.Green = e.causesNow()
	case PhaseBack: // what led to it stays the reason, whatever it has become
		v.Causes = append(append([]Cause(nil), e.p.Causes...), v.Causes...)
	}
	for _, c := range e.lockTrouble() {
		v.Locks = append(v.Locks, c.Text)
	}
	for i := range e.p.Steps {
		v.Steps = append(v.Steps, e.stepView(i))
	}
	for _, o := range e.p.SortedObjects() {
		if o.Foreign != nil {
			v.Foreign = append(v.Foreign, *o.Foreign)
		}
	}
	v.Shares = e.shareViews()
	v.WayBack, v.Kept, v.Ends = e.wayBack(), e.keptLast, e.openEnds()
	e.loadViews(v)
	v.Next = e.next(v)
	v.Rest = e.restView()
	if e.s.User != "" {
		v.Holder = e.s.User + "@" + e.s.Host
	}
	if t := e.backing.timing; t.Decided > 0 {
		v.Timing = &t
	}
	return v
}

// agedTo is causes with the age that their gates' data has in a view: they were judged when something last happened.
func agedTo(causes []Cause, gates []GateView) []Cause {
	out := slices.Clone(causes)
	for i := range out {
		for k := range gates {
			if g := &gates[k]; g.Gate == out[i].Gate && g.Room == out[i].Room {
				out[i].Age = g.Age
			}
		}
	}
	return out
}

func (e *engine) stepView(i int) StepView {
	st, sp, s := &e.plan.Steps[i], &e.p.Steps[i], &e.steps[i]
	sv := StepView{Name: st.Name, Kind: string(st.Kind), State: sp.State, Rung: sp.Rung, Rungs: len(st.Rungs), Why: s.why}
	if len(st.Rungs) > 0 && sp.Rung < len(st.Rungs) {
		sv.Want = st.wants(sp.Rung, e.plan.To)
	}
	if s.state != sp.State || s.since == 0 {
		return sv
	}
	sv.Since = e.now - s.since
	if len(st.Rungs) == 0 {
		return sv
	}
	rung := &st.Rungs[sp.Rung]
	switch sp.State {
	case StepBaking:
		sv.Of = rung.Bake
		sv.Since = 0
		if s.green > 0 {
			sv.Since = e.now - s.green
		}
	case StepSettling:
		sv.Of = max(rung.Settle.Within, rung.OldTTL)
	}
	return sv
}

// shareViews has a row for all requests, for each entry and for each seat: basis points in the room that gains.
func (e *engine) shareViews() []ShareView {
	wanted := e.wantedNow()
	seen, observed := e.observedSet(), e.eachSeen(nil) > 0
	rates, to := e.liveRates(), e.plan.To
	w, s, o := e.comp.Compose(wanted, rates), e.comp.Compose(e.set, rates), e.comp.Compose(seen, rates)
	row := ShareView{Name: "all requests", Wanted: w.All[to], Set: s.All[to], Seen: -1}
	if observed {
		row.Seen = o.All[to]
	}
	if !e.ready {
		row.Set = -1
		return []ShareView{row}
	}
	rows := []ShareView{row}
	for _, seat := range sortedSeats(e.set) {
		r := ShareView{Name: seat.String(), Wanted: wanted[seat][to], Set: e.set[seat][to], Seen: -1}
		if sh, _, _, ok := e.board.Seen(e.now, seat); ok && e.observed(seat) {
			r.Seen = sh[to]
		}
		rows = append(rows, r)
	}
	return append(rows, ShareView{Name: "crossing", Wanted: w.Crossing, Set: s.Crossing, Seen: -1})
}

// wantedNow is what each seat is to hold: by the rungs in progress, or, while going back, by the target.
func (e *engine) wantedNow() map[Seat]Share {
	wanted := overlay(e.set, e.p.Wanted)
	for i := range e.p.Steps {
		sp := &e.p.Steps[i]
		active := sp.State != StepPending && sp.State != StepWaiting && sp.State != StepDone && sp.State != StepSkipped
		if active && e.p.Phase != PhaseBack && sp.Rung < len(e.plan.Steps[i].Rungs) {
			for seat, sh := range e.plan.Steps[i].Rungs[sp.Rung].Want {
				wanted[seat] = sh
			}
		}
	}
	if t := e.p.Targets[e.p.Target]; e.p.Phase == PhaseBack && t != nil {
		for seat, st := range e.seats {
			if sh := e.goalShare(st, e.goals(st, t)); sh != nil {
				wanted[seat] = sh
			}
		}
	}
	return wanted
}

// wayBack says what going back would do now.
func (e *engine) wayBack() []string {
	name := e.p.LastTarget
	if e.p.Phase == PhaseBack || e.p.Target != "" {
		name = e.p.Target
	}
	t := e.p.Targets[name]
	if t == nil {
		return nil
	}
	share := e.targetShare(t)
	lines := []string{fmt.Sprintf("to %s (%s in %s)", name, percent(share[e.plan.To]), e.plan.To)}
	if !e.ready {
		return append(lines, "what is there wasn't read yet")
	}
	changes, names := e.backWrites(t)
	rungs := e.backRungs(share)
	switch fast, all := e.backIn(changes, rungs); {
	case all == 0:
		lines = append(lines, "nothing to write: it is there")
	case names && fast < all:
		lines = append(lines, fmt.Sprintf("%s to write: what fast media hold in %s, all in %s for 95 %% of users of names; resolvers that stretch TTLs take hours", seatCount(len(changes)), soon(fast), soon(all)))
	case names:
		lines = append(lines, fmt.Sprintf("%s to write: in %s for 95 %% of users of names; resolvers that stretch TTLs take hours", seatCount(len(changes)), soon(all)))
	default:
		lines = append(lines, fmt.Sprintf("%s to write, in %s", seatCount(len(changes)), soon(all)))
	}
	switch {
	case rungs == 0:
		return append(lines, e.plan.From+" is warm and can hold it: one jump")
	case rungs == 1:
		return append(lines, e.plan.From+" is cold or near its capacity: paced, at most double its share, which one rung is enough for")
	}
	return append(lines, fmt.Sprintf("%s is cold or near its capacity: paced, at most double its share every 30 s: %d rungs", e.plan.From, rungs))
}

// backWrites is how many writes each seat takes to go back, and whether names are among them.
func (e *engine) backWrites(t *Target) (changes map[Seat]int, names bool) {
	changes = map[Seat]int{}
	for _, seat := range sortedSeats(e.set) {
		if st := e.seats[seat]; st != nil {
			if n := e.writesTo(st, e.goals(st, t)); n > 0 {
				changes[seat] = n
				names = names || slow(e.planes[st.plane].Shows)
			}
		}
	}
	return changes, names
}

// writesTo is how many writes lead a seat's objects to their goals: one each, or as many as the medium needs (Stepper).
func (e *engine) writesTo(st *seatState, goals map[string]string) int {
	n, medium := 0, e.planes[st.plane].Medium
	for _, c := range e.changesTo(st, goals) {
		n++
		h := *st.find(c.Object)
		for h.Value = c.After; h.Value != goals[c.Object]; n++ {
			h.Value = nextOn(medium, h, goals[c.Object])
		}
	}
	return n
}

// soon is a span to the second, rounded up: it is a promise.
func soon(t T) string {
	if t < Second {
		return "less than 1s"
	}
	return span((t + Second - 1) / Second * Second)
}

func seatCount(n int) string {
	if n == 1 {
		return "1 seat"
	}
	return fmt.Sprintf("%d seats", n)
}

// next is one line: what happens next, and when.
func (e *engine) next(v *View) string {
	if !e.ready {
		return cmp.Or(e.waiting, "takes the locks, and reads what is there")
	}
	switch e.p.Phase {
	case PhaseFrozen:
		return "nothing, until somebody says resume or back"
	case PhaseBack:
		return "going back to " + e.p.Target
	case PhaseResting:
		return "rests"
	case PhaseOver:
		return fmt.Sprintf("over, exit %d", e.p.Exit)
	}
	for _, q := range e.p.Asked {
		return "waits for an answer of " + cmp.Or(q.By, "somebody")
	}
	if e.p.Paused != "" {
		return "paused by " + e.p.Paused
	}
	for i, s := range v.Steps {
		switch s.State {
		case StepBaking:
			return fmt.Sprintf("%s more of green, then %s", span((s.Of-s.Since+Second-1)/Second*Second), e.follows(i))
		case StepSettling:
			return fmt.Sprintf("when it has settled it bakes for %s", span(e.plan.Steps[i].Rungs[s.Rung].Bake))
		case StepApplying:
			return fmt.Sprintf("%s rung %d of %d is being written", s.Name, s.Rung+1, s.Rungs)
		case StepWaiting:
			return strings.TrimSuffix(fmt.Sprintf("%s waits: %s", s.Name, s.Why), ": ")
		}
	}
	return ""
}

// follows is what comes after the present rung of a step.
func (e *engine) follows(i int) string {
	st := &e.plan.Steps[i]
	if k := e.p.Steps[i].Rung + 1; k < len(st.Rungs) {
		return fmt.Sprintf("rung %d of %d: %s", k+1, len(st.Rungs), st.wants(k, e.plan.To))
	}
	for k := i + 1; k < len(e.plan.Steps); k++ {
		switch next := &e.plan.Steps[k]; {
		case e.p.Steps[k].State != StepPending:
		case next.Checkpoint != "":
			return fmt.Sprintf("checkpoint %q", next.Checkpoint)
		case len(next.Rungs) > 0:
			return fmt.Sprintf("step %q: %s", next.Name, next.wants(0, e.plan.To))
		default:
			return fmt.Sprintf("step %q", next.Name)
		}
	}
	return "the end"
}

// restView is the checkpoint that a run on its way forward comes to next, nil if there is none.
func (e *engine) restView() *RestView {
	if e.p.Phase != PhaseForward || !e.ready {
		return nil
	}
	r := &RestView{By: e.plan.Rules.FinishBy}
	from := -1
	for i := range e.plan.Steps {
		st, state := &e.plan.Steps[i], e.p.Steps[i].State
		if state == StepDone || state == StepSkipped {
			continue
		}
		if from < 0 {
			from = i
		}
		if st.Checkpoint != "" {
			r.Name = st.Checkpoint
			r.In = max(0, e.untilCheckpoint(from)-e.spent(from))
			r.At = e.wall().Add(r.In.Duration()).Format("15:04")
			return r
		}
		if a := cmp.Or(st.Approve, st.Ask); a != nil && e.p.Steps[i].Approved == "" {
			r.Asks = append(r.Asks, cmp.Or(a.By, "somebody"))
		}
	}
	return nil
}

// spent is how much of its present rung's time a step has had.
func (e *engine) spent(i int) T {
	st, sp, s := &e.plan.Steps[i], &e.p.Steps[i], &e.steps[i]
	if sp.Rung >= len(st.Rungs) || s.state != sp.State {
		return 0
	}
	rung := &st.Rungs[sp.Rung]
	settle := max(rung.Ready, rung.OldTTL)
	switch sp.State {
	case StepSettling:
		return min(e.now-s.since, settle)
	case StepBaking:
		if s.green > 0 {
			return settle + min(e.now-s.green, rung.Bake)
		}
		return settle
	}
	return 0
}
