package cutover

import (
	"fmt"
	"slices"
	"strings"

	"roomshift/runbooks"
)

// against is how far a rung may move the composed share against the runbook's direction, in basis points: two layers that
// change at once don't meet exactly.
const against = 200

// shiftTarget is a target with its seats.
type shiftTarget struct {
	pos    runbooks.Pos
	seats  []Seat
	shares []runbooks.Percent
}

// shift plans a step's rungs one after another over the state that the ones before would leave.
func (b *planner) shift(st *runbooks.Step, out *StepPlan) {
	sh := st.Shift
	if sh.Room != b.p.From && sh.Room != b.p.To {
		b.problem(sh.Pos, ruleName, fmt.Sprintf("this runbook moves from %s to %s", b.p.From, b.p.To), "step %q sets the share of %s", st.Name, sh.Room)
		return
	}
	var targets []shiftTarget
	for i := range sh.Targets {
		t := &sh.Targets[i]
		targets = append(targets, shiftTarget{t.Pos, b.expand(t.Pos, t.Name, b.split, "split"), t.Shares})
	}
	one := b.oneLayer(targets)
	for k := range sh.Rungs() {
		want, ok := b.want(sh.Room, targets, k)
		if !ok {
			return
		}
		out.Rungs = append(out.Rungs, b.shiftRung(st, out, RungPlan{Want: want, One: one}, targets, k))
	}
}

// want is what each seat is to carry in rung k: the room gets the written share, the run's other room the rest, third rooms
// keep theirs.
func (b *planner) want(room Room, targets []shiftTarget, k int) (map[Seat]Share, bool) {
	other := b.p.From
	if room == other {
		other = b.p.To
	}
	want, ok := map[Seat]Share{}, true
	for _, t := range targets {
		for _, seat := range t.seats {
			cur, alive := b.set[seat]
			if !alive {
				b.problem(t.pos, ruleSnapshot, "see `roomshift check --live`", "%s: nothing alive was found there, so it has no share to move", seat)
				ok = false
				continue
			}
			free := cur[b.p.From] + cur[b.p.To]
			v := int(t.shares[k])
			if v > free {
				b.problem(t.pos, RuleSum, "", "%s: %s is wanted in %s, but rooms outside this run hold %s: at most %s is left", seat, percent(v), room, percent(Whole-free), percent(free))
				ok = false
				continue
			}
			next := Share{}
			for _, r := range sortedKeys(cur) {
				next[r] = cur[r]
			}
			next[room], next[other] = v, free-v
			if was, twice := want[seat]; twice && !sameShare(was, next) {
				b.problem(t.pos, RuleSum, "name each seat once in a step", "%s gets %s here and %s above", seat, percent(v), percent(was[room]))
				ok = false
			}
			want[seat] = next
		}
	}
	return want, ok
}

// oneLayer tells whether no target leads into another: then the composed share follows the step's own shares.
func (b *planner) oneLayer(targets []shiftTarget) bool {
	named := map[string]bool{}
	for _, t := range targets {
		for _, s := range t.seats {
			named[s.Route] = true
		}
	}
	for _, route := range sortedKeys(named) {
		seen := map[string]bool{route: true}
		for at := b.p.Routes[b.routeAt[route]].Into; at != "" && !seen[at]; {
			if named[at] {
				return false
			}
			seen[at] = true
			k, ok := b.routeAt[at]
			if !ok {
				break
			}
			at = b.p.Routes[k].Into
		}
	}
	return true
}

// shiftRung plans one rung and leaves its state behind.
func (b *planner) shiftRung(st *runbooks.Step, out *StepPlan, r RungPlan, targets []shiftTarget, k int) RungPlan {
	rates := b.in.Snapshot.Rates
	waves, err := b.shape(r.Want)
	if err != nil {
		b.problem(st.Shift.Pos, ruleScale, "", "step %q, rung %d: %v", st.Name, k+1, err)
	}
	m := moveCheck{before: b.set, after: overlay(b.set, r.Want), touched: r.Want, rates: rates, evacuate: b.p.Evacuate}
	m.was, m.is = b.comp.Compose(b.set, rates), b.comp.Compose(m.after, rates)
	m.start = m.was
	r.Move = b.moved(&m, st.Shift.Room)
	fell := b.fell(&m)
	passed := r.One && b.comp.passed(&m.was, &m.is, r.Want, b.p.To)
	r.Skip = len(waves) == 0 && err == nil || passed && (fell == "" || !b.anyWritten(r.Want))
	if !r.Skip && fell != "" {
		b.problem(st.Shift.Pos, ruleDirection, fmt.Sprintf("a run from %s to %s only ever adds to %s; the way back is `back`, or a runbook of its own", b.p.From, b.p.To, b.p.To),
			"step %q, rung %d: %s", st.Name, k+1, fell)
	}
	if !r.Skip {
		for _, br := range b.comp.moves(&m) {
			b.problem(st.Shift.Pos, br.Rule, "", "step %q, rung %d: %s", st.Name, k+1, br.Text)
		}
	}
	r.Settle = b.settle(st, out, r.Want, targets, k)
	r.Bake = b.bake(st, out)
	if r.Skip {
		r.Ready = b.ready(&r)
		return r
	}
	b.shifts++
	r.Changes, r.Waves = flatten(waves)
	b.apply(b.held, b.split, r.Changes)
	for seat, sh := range r.Want {
		b.set[seat], b.written[seat] = sh, true
	}
	r.Ready = b.ready(&r)
	return r
}

// shape is a rung's changes in waves, over all its planes: the order in which the engine writes them.
func (b *planner) shape(want map[Seat]Share) ([][]Change, error) {
	byPlane := map[int][]Seat{}
	for _, seat := range sortedSeats(want) {
		byPlane[b.split[seat]] = append(byPlane[b.split[seat]], seat)
	}
	var waves [][]Change
	for _, i := range sortedInts(byPlane) {
		pl := &b.in.Planes[i]
		count := 0
		for _, seat := range byPlane[i] {
			count += len(b.held[seat])
		}
		held, part := make([]Held, 0, count), make(map[Seat]Share, len(byPlane[i]))
		for _, seat := range byPlane[i] {
			held = append(held, b.held[seat]...)
			part[seat] = want[seat]
		}
		ws, err := pl.Medium.Shape(held, part)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pl.Name, err)
		}
		for k, w := range ws {
			waves = appendWave(waves, k, w)
		}
	}
	return waves, nil
}

func flatten(waves [][]Change) ([]Change, []int) {
	count := 0
	for _, w := range waves {
		count += len(w)
	}
	all, sizes := make([]Change, 0, count), make([]int, 0, len(waves))
	for _, w := range waves {
		for _, c := range w {
			if len(c.Gives) == 0 {
				c.Gives = nil // so that reading the plan's text gives the same plan
			}
			all = append(all, c)
		}
		sizes = append(sizes, len(w))
	}
	return all, sizes
}

// apply lets the changes land in the virtual listing; its versions are the server's to give, so they are unknown from then on.
func (b *planner) apply(held map[Seat][]Held, planes map[Seat]int, changes []Change) {
	for i := range changes {
		c := &changes[i]
		hs := held[c.Seat]
		k, ok := slices.BinarySearchFunc(hs, c.Object, func(h Held, o string) int { return strings.Compare(h.Object, o) })
		if !ok {
			continue
		}
		h, pl := &hs[k], &b.in.Planes[planes[c.Seat]]
		if pl.Aspect == Split {
			if w, err := pl.Medium.Weigh(*h, c.After); err == nil {
				h.Weights = w
			}
		}
		h.Value, h.Version = c.After, ""
	}
}

func (b *planner) anyWritten(want map[Seat]Share) bool {
	for seat := range want {
		if b.written[seat] {
			return true
		}
	}
	return false
}

// fell names an entry whose share in the room that gains would fall by more than 2 points, "" none.
func (b *planner) fell(m *moveCheck) string {
	for _, e := range b.comp.touched(m.touched) {
		if was, is := m.was.Entries[e][b.p.To], m.is.Entries[e][b.p.To]; was-is > against {
			return fmt.Sprintf("%s in %s would fall from %s to %s", e, b.p.To, percent(was), percent(is))
		}
	}
	return ""
}

// moved is what the room gains of all requests; where no rate is known, the largest gain of an entry that the rung touches.
func (b *planner) moved(m *moveCheck, room Room) int {
	if !m.is.Alone {
		return m.is.All[room] - m.was.All[room]
	}
	most := 0
	for _, e := range b.comp.touched(m.touched) {
		if d := m.is.Entries[e][room] - m.was.Entries[e][room]; abs(d) > abs(most) {
			most = d
		}
	}
	return most
}

// settle fills in when a rung counts as arrived: a slow medium's defaults where one is among its seats, else a fast one's.
func (b *planner) settle(st *runbooks.Step, out *StepPlan, want map[Seat]Share, targets []shiftTarget, k int) SettlePlan {
	var p SettlePlan
	if s := st.Settle; s != nil {
		p = SettlePlan{Within: T(s.Within), Tolerance: int(s.Tolerance), Reach: int(s.Reach), Else: s.Else}
	}
	shows := b.shows(want)
	if p.Within == 0 {
		p.Within = 3 * Minute
		if slow(shows) {
			p.Within = 2*shows + 5*Minute
		}
		out.defaulted("settle.within")
	}
	if p.Tolerance == 0 && p.Reach == 0 {
		if slow(shows) {
			p.Reach = 8000
			out.defaulted("settle.reach")
		} else {
			p.Tolerance = max(200, smallest(targets, k)/10)
			out.defaulted("settle.tolerance")
		}
	}
	if p.Else == "" {
		p.Else = "ask"
		out.defaulted("settle.else")
	}
	return p
}

// slow tells whether what is written shows later than at once.
func slow(shows T) bool { return shows >= Second }

// smallest is the smallest share but 0 that the rung writes: a tolerance must mean something for each of them.
func smallest(targets []shiftTarget, k int) int {
	least := 0
	for _, t := range targets {
		if v := int(t.shares[k]); v > 0 && (least == 0 || v < least) {
			least = v
		}
	}
	return least
}

func (p *StepPlan) defaulted(field string) {
	if !slices.Contains(p.Defaults, field) {
		p.Defaults = append(p.Defaults, field)
	}
}

// shows is the slowest of the seats' routes: written → answered by it.
func (b *planner) shows(want map[Seat]Share) T {
	var longest T
	for seat := range want {
		longest = max(longest, b.showsOf[seat.Route])
	}
	return longest
}

// bake is a rung's green time: the step's, the runbook's, else 10 m after the run's first shift and 5 m after the others; at
// least what a gate wants.
func (b *planner) bake(st *runbooks.Step, out *StepPlan) T {
	switch {
	case b.p.Evacuate && st.BakeSet:
		return T(st.Bake)
	case b.p.Evacuate && b.book.BakeSet:
		return T(b.book.Bake)
	case st.BakeSet:
		return max(T(st.Bake), b.gatesBake())
	case b.book.BakeSet:
		return max(T(b.book.Bake), b.gatesBake())
	}
	out.defaulted("bake")
	if b.shifts == 0 {
		return max(10*Minute, b.gatesBake())
	}
	return max(5*Minute, b.gatesBake())
}

// ready is how long a rung usually takes from its first write until it is seen: the writing, twice what the medium needs to show
// it, and where it is observed what a rate over two scrapes after the write needs, which is asked for once a scrape. With the bake it is never less than the longest window and two scrapes, for advancing
// needs samples that begin after the write.
func (b *planner) ready(r *RungPlan) T {
	shows := b.shows(r.Want)
	t := writeTime(len(r.Changes), slow(shows)) + 2*shows
	for seat := range r.Want {
		if b.p.Routes[b.routeAt[seat.Route]].Observed {
			t += b.seenAfter()
			break
		}
	}
	var window T
	for i := range b.p.Gates {
		window = max(window, b.p.Gates[i].Window)
	}
	if window > 0 && !b.p.Evacuate {
		t = max(t, window+2*b.scrape()-r.Bake)
	}
	return t
}

// seenAfter is when a share is usually seen: a rate needs two scrapes after the write and a bit, and whoever asks for it comes half
// an interval later.
func (b *planner) seenAfter() T { return 2*b.scrape() + b.scrape()/4 + b.seenEvery()/2 }

// writeTime is a rule of thumb: 64 changes travel in a request of 50 ms; records of a name one by one, ten in a second.
func writeTime(changes int, slow bool) T {
	if slow {
		return T(changes) * 100 * Millisecond
	}
	return T((changes+63)/64) * 50 * Millisecond
}
