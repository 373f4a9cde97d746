package cutover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// applyRung writes a rung: list → shape → rules → waves of requests → list again.
func (e *engine) applyRung(i int) {
	s := &e.steps[i]
	if e.now < s.retry {
		e.at(s.retry)
		return
	}
	if s.begun {
		e.feed(i)
		return
	}
	if len(e.unread) > 0 {
		return
	}
	if e.openIn(i) {
		return // a former write of these objects is looked up first
	}
	s.begun = true
	e.listRung(i, func(err error) {
		if after := patienceFor(err); after > 0 {
			s.restart(e.now + after)
			s.why = err.Error()
			return
		}
		if err != nil {
			e.rungFailed(i, "it can't be read: "+err.Error())
			return
		}
		e.shapeRung(i)
	})
}

// openIn tells whether an object of the rung's seats has an intent without an outcome.
func (e *engine) openIn(i int) bool {
	if len(e.requests) == 0 && len(e.looks) == 0 {
		return false
	}
	rung := e.rung(i)
	for _, o := range e.p.Objects {
		if len(o.Open) == 0 {
			continue
		}
		if _, ok := rung.Want[o.Seat]; ok {
			return true
		}
		if _, ok := rung.TTL[o.Seat]; ok {
			return true
		}
	}
	return false
}

// listRung reads all seats of a rung, plane by plane side by side, and then calls then once.
func (e *engine) listRung(i int, then func(error)) {
	s := &e.steps[i]
	byPlane := e.rungSeats(i)
	gen, left := s.gen, len(byPlane)
	var failed error
	for _, plane := range sortedInts(byPlane) {
		seats := byPlane[plane]
		e.list(plane, seats, false, func(held []Held, err error) {
			if s.gen != gen || e.p.Phase != PhaseForward {
				return
			}
			if err != nil {
				failed = fmt.Errorf("%s: %w", e.planes[plane].Name, err)
			} else {
				e.merge(plane, seats, held)
				if e.planes[plane].Aspect == TTL {
					s.ttl = held
				}
			}
			if left--; left == 0 {
				then(failed)
				e.changed()
			}
		})
	}
}

func (e *engine) rungSeats(i int) map[int][]Seat {
	rung := e.rung(i)
	byPlane := map[int][]Seat{}
	for _, seat := range sortedSeats(rung.Want) {
		plane := e.split[seat]
		byPlane[plane] = append(byPlane[plane], seat)
	}
	for _, seat := range sortedSeats(rung.TTL) {
		plane := e.ttls[seat]
		byPlane[plane] = append(byPlane[plane], seat)
	}
	return byPlane
}

// shapeRung works out what must be written now, and whether it may.
func (e *engine) shapeRung(i int) {
	s, rung := &e.steps[i], e.rung(i)
	wrote := e.p.Steps[i].Wrote // then it is seen and baked, never passed over as "already there"
	if e.askForeign(i) {
		return
	}
	waves, err := e.shape(i)
	if err != nil {
		e.rungFailed(i, err.Error())
		return
	}
	if !wrote {
		s.before, s.was = e.sharesOf(rung), e.seenOf(rung)
	}
	if len(waves) == 0 && wrote {
		s.lastWrite = e.now
		e.wrote()
		e.mark(i, e.p.Steps[i].Rung, StepSettling, "")
		return
	}
	if len(waves) == 0 || (!wrote && rung.One && e.comp.Passed(e.set, rung.Want, e.plan.To, e.liveRates())) {
		e.nextRung(i, "already "+percent(e.compose().All[e.plan.To]))
		return
	}
	if breaks := e.broken(i, waves); len(breaks) > 0 {
		e.ask(i, "rule", fmt.Sprintf("%s rung %d would break a rule: %s", e.stepName(i), e.p.Steps[i].Rung+1, strings.Join(breaks, "; ")), nil)
		return
	}
	s.waves, s.wave = waves, -1
	e.nextWave(i)
}

// shape is the rung's changes in waves over all its planes.
func (e *engine) shape(i int) ([][]Change, error) {
	rung := e.rung(i)
	var waves [][]Change
	byPlane := e.rungSeats(i)
	for _, plane := range sortedInts(byPlane) {
		pl := &e.planes[plane]
		if pl.Aspect == TTL {
			if w := shapeTTL(rung, e.steps[i].ttl); len(w) > 0 {
				waves = appendWave(waves, 0, w)
			}
			continue
		}
		var held []Held
		want := map[Seat]Share{}
		for _, seat := range byPlane[plane] {
			held = append(held, e.seats[seat].held...)
			want[seat] = rung.Want[seat]
		}
		ws, err := pl.Medium.Shape(held, want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pl.Name, err)
		}
		for k, w := range ws {
			waves = appendWave(waves, k, w)
		}
	}
	return waves, nil
}

func appendWave(waves [][]Change, k int, w []Change) [][]Change {
	for len(waves) <= k {
		waves = append(waves, nil)
	}
	waves[k] = append(waves[k], w...)
	return waves
}

func shapeTTL(rung *RungPlan, held []Held) []Change {
	var cs []Change
	for _, h := range held {
		want, ok := rung.TTL[h.Seat]
		if !ok {
			continue
		}
		if v := strconv.FormatInt(int64(want/Second), 10); v != h.Value {
			cs = append(cs, Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: v, Version: h.Version})
		}
	}
	return cs
}

// broken judges the whole rung before its first write, and each wave by what the seats hold then. Rules broken by name are left out.
func (e *engine) broken(i int, waves [][]Change) []string {
	s := &e.steps[i]
	var changes []Change
	for _, w := range waves {
		changes = append(changes, w...)
	}
	after := e.shareAfter(changes)
	var held []Held
	for _, seat := range touchedSeats(changes) {
		if st := e.seats[seat]; st != nil {
			held = append(held, st.held...)
		}
	}
	var texts []string
	for _, b := range e.comp.Judge(RuleWrite{Purpose: Forward, Evacuate: e.plan.Evacuate, RungStart: s.before, Before: e.set, After: after,
		Held: held, Changes: changes, Rates: e.liveRates()}) {
		if !e.brokenByName(b.Rule) {
			texts = append(texts, fmt.Sprintf("%s [%s]", b.Text, b.Rule))
		}
	}
	return texts
}

func (e *engine) brokenByName(rule string) bool {
	return rule != RuleServes && rule != RuleSum && slices.ContainsFunc(e.p.Broken, func(b BrokeMark) bool { return b.Rule == rule })
}

// shareAfter is what all seats hold once the changes have landed.
func (e *engine) shareAfter(changes []Change) map[Seat]Share {
	after := make(map[Seat]Share, len(e.set))
	for seat, sh := range e.set {
		after[seat] = sh
	}
	bySeat := map[Seat]map[string]Share{}
	for i := range changes {
		c := &changes[i]
		if c.Gives == nil {
			continue
		}
		if bySeat[c.Seat] == nil {
			bySeat[c.Seat] = map[string]Share{}
		}
		bySeat[c.Seat][c.Object] = c.Gives
	}
	for seat, gives := range bySeat {
		st := e.seats[seat]
		if st == nil {
			continue
		}
		sums := Share{}
		for i := range st.held {
			h := &st.held[i]
			w, ok := gives[h.Object]
			if !ok {
				w = h.Weights
			}
			if h.Live {
				for room, n := range w {
					sums[room] += n
				}
			}
		}
		if toBasisPoints(sums) {
			after[seat] = sums
		} else {
			delete(after, seat)
		}
	}
	return after
}

func touchedSeats(changes []Change) []Seat {
	var seats []Seat
	for i := range changes { // they mostly come seat by seat
		if i == 0 || changes[i].Seat != changes[i-1].Seat {
			seats = append(seats, changes[i].Seat)
		}
	}
	slices.SortFunc(seats, CompareSeats)
	return slices.Compact(seats)
}

// nextWave begins the next wave, or, after the last, reads the seats back.
func (e *engine) nextWave(i int) {
	s := &e.steps[i]
	s.wave++
	if s.wave >= len(s.waves) {
		s.restart(0)
		e.changed()
		return
	}
	wave := s.waves[s.wave]
	if s.wave > 0 {
		if breaks := e.broken(i, s.waves[s.wave:s.wave+1]); len(breaks) > 0 {
			e.ask(i, "rule", fmt.Sprintf("%s would break a rule: %s", e.stepName(i), strings.Join(breaks, "; ")), nil)
			return
		}
	}
	byPlane := map[int][]Change{}
	for _, c := range wave {
		p := e.planeIndex(c.Plane)
		byPlane[p] = append(byPlane[p], c)
	}
	s.todo, s.onWire, s.left = nil, nil, len(wave)
	for _, plane := range sortedInts(byPlane) {
		for _, cs := range Pack(e.planes[plane].Plane, byPlane[plane]) {
			s.todo = append(s.todo, packed{plane: plane, changes: cs})
		}
	}
	e.feed(i)
}

// feed journals the wave's requests, at most `ahead` of a plane before they can be sent. A plane that is behind holds up no other.
func (e *engine) feed(i int) {
	s := &e.steps[i]
	kept, full := s.todo[:0], -1 // requests of one plane stand together
	for k, p := range s.todo {
		if p.plane == full || unsent(e.planes[p.plane].forward) >= ahead {
			full, kept = p.plane, append(kept, p)
			continue
		}
		gen, last := s.gen, len(kept) == 0 && k == len(s.todo)-1
		var r *request
		r = e.write(p.plane, Intent{Purpose: Forward, Step: i, Rung: e.p.Steps[i].Rung, Wave: s.wave, Last: last, Changes: p.changes},
			func(k int, o Outcome) {
				switch {
				case s.gen != gen || e.p.Phase != PhaseForward:
				case o.What == Failed && o.RetryAfter > 0:
					e.askAgain(i, r, p.changes[k], o)
				default:
					e.rungOutcome(i, o)
				}
			})
	}
	s.todo = kept
}

// askAgain has a change sent again as it is that its server only wants to be asked for later: that is no failure, however often, and
// nothing was changed that would have to be listed first. What travelled together does so again.
func (e *engine) askAgain(i int, r *request, c Change, o Outcome) {
	s := &e.steps[i]
	if n := len(s.todo); n > 0 && s.todo[n-1].refused == r {
		s.todo[n-1].changes = append(s.todo[n-1].changes, c)
	} else {
		s.todo = append(s.todo, packed{plane: r.plane, changes: []Change{c}, refused: r})
	}
	if o.Err != nil {
		s.why = o.Err.Error()
	}
	e.changed()
}

func (e *engine) sharesOf(rung *RungPlan) map[Seat]Share {
	m := map[Seat]Share{}
	for seat := range rung.Want {
		m[seat] = e.set[seat]
	}
	return m
}

func (e *engine) seenOf(rung *RungPlan) map[Seat]Share {
	m := map[Seat]Share{}
	for seat := range rung.Want {
		if sh, _, _, ok := e.board.Seen(e.now, seat); ok {
			m[seat] = sh
		}
	}
	return m
}

// wrote notes the moment after which data says something about what is there now.
func (e *engine) wrote() {
	e.lastWrite = e.now
	e.w.Gauges.Cut(e.now)
}

func (e *engine) rung(i int) *RungPlan {
	return &e.plan.Steps[i].Rungs[e.p.Steps[i].Rung]
}
