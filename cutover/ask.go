package cutover

import (
	"fmt"
	"strings"
)

// ask puts a question to people once; a step that asks anything but an approval stands in `asking` until it is answered.
func (e *engine) ask(i int, what, text string, a *AskPlan) {
	if e.isAsked(i, what) {
		e.expireQuestion(i, what)
		return
	}
	m := AskedMark{Step: i, What: what, Text: text, Else: "hold"}
	if a != nil {
		m.By, m.For, m.Else = a.By, a.Within, a.Else
	}
	e.propose(Record{Kind: KindAsked, Asked: &m}, true)
	if m.For > 0 {
		e.asking[questionKey(i, what)] = e.now + m.For
	}
	if i >= 0 && what != "approve" && what != "bake" {
		e.mark(i, e.p.Steps[i].Rung, StepAsking, text)
	}
}

// askOnce asks without stopping the step: the question goes away by itself when its cause does.
func (e *engine) askOnce(i int, what, text string) {
	if !e.isAsked(i, what) {
		e.ask(i, what, text, nil)
	}
}

func questionKey(i int, what string) string { return fmt.Sprintf("%d/%s", i, what) }

func (e *engine) isAsked(i int, what string) bool { return e.question(i, what) != nil }

func (e *engine) question(i int, what string) *AskedMark {
	for k := range e.p.Asked {
		if q := &e.p.Asked[k]; q.Step == i && (what == "" || q.What == what) {
			return q
		}
	}
	return nil
}

// askTurn looks whether a step's question has expired.
func (e *engine) askTurn(i int) {
	q := e.question(i, "")
	if q == nil { // answered in a record that was cut off: go on where it was
		e.mark(i, e.p.Steps[i].Rung, e.resumeState(i), "")
		return
	}
	e.expireQuestion(i, q.What)
}

func (e *engine) resumeState(i int) StepState {
	if st := e.p.Steps[i].Resume; st != "" && st != StepAsking {
		return st
	}
	return StepWaiting
}

// expireQuestion does what an expiry means: back, or going on to hold. The question stays.
func (e *engine) expireQuestion(i int, what string) {
	key := questionKey(i, what)
	t, ok := e.asking[key]
	q := e.question(i, what)
	if !ok && q.For > 0 && !e.expired[key] { // taken over: it is asked anew
		t, ok = e.now+q.For, true
		e.asking[key] = t
	}
	if !ok {
		return
	}
	if e.now < t {
		e.at(t)
		return
	}
	delete(e.asking, key)
	e.expired[key] = true
	if q.Else == "back" {
		e.turnBack(e.p.LastTarget, []Cause{{Gate: "person", Text: fmt.Sprintf("nobody answered in %s: %s", q.For.Duration(), q.Text)}})
	}
}

func (e *engine) withdrawQuestion(i int, what string) {
	if e.isAsked(i, what) {
		e.propose(Record{Kind: KindAnswered, Answered: &AnsweredMark{Step: i, What: what, How: "no longer asked"}}, false)
	}
}

// approveText is what an approval would let happen.
func (e *engine) approveText(i int) string {
	st := &e.plan.Steps[i]
	if len(st.Rungs) == 0 {
		return fmt.Sprintf("may step %q begin?", st.Name)
	}
	return fmt.Sprintf("may step %q begin? first: %s", st.Name, st.wants(0, e.plan.To))
}

// wants is what a rung of a step brings about.
func (s *StepPlan) wants(rung int, room Room) string {
	if s.Writer != nil {
		return s.Writer.String()
	}
	return wantText(&s.Rungs[rung], room)
}

// wantText is "api×4 h5×4 45 %, gw@home 22 %": the share that room gets, or the TTL. What is brought to one value stands together,
// and of several seats of a route only how many.
func wantText(r *RungPlan, room Room) string {
	var order []string
	of := map[string][]Seat{}
	note := func(seat Seat, what string) {
		if len(of[what]) == 0 {
			order = append(order, what)
		}
		of[what] = append(of[what], seat)
	}
	for _, seat := range sortedSeats(r.Want) {
		note(seat, percent(r.Want[seat][room]))
	}
	for _, seat := range sortedSeats(r.TTL) {
		note(seat, fmt.Sprintf("TTL %d s", r.TTL[seat]/Second))
	}
	parts := make([]string, len(order))
	for i, what := range order {
		parts[i] = seatsText(of[what]) + " " + what
	}
	return strings.Join(parts, ", ")
}

// seatsText names seats in order, those of one route together.
func seatsText(seats []Seat) string {
	var parts []string
	for i := 0; i < len(seats); {
		k := i
		for k < len(seats) && seats[k].Route == seats[i].Route {
			k++
		}
		text := seats[i].String()
		if k-i > 1 {
			text = fmt.Sprintf("%s×%d", seats[i].Route, k-i)
		}
		parts, i = append(parts, text), k
	}
	return strings.Join(parts, " ")
}

// answered ends the step's question as a person said, and goes on.
func (e *engine) answered(i int, what, how, who string) {
	e.propose(Record{Kind: KindAnswered, Answered: &AnsweredMark{Step: i, What: what, How: how, Who: who}}, true)
	delete(e.asking, questionKey(i, what))
	delete(e.expired, questionKey(i, what))
	if i < 0 {
		return
	}
	rung := e.p.Steps[i].Rung
	switch what {
	case "approve":
	case "ask", "check":
		e.mark(i, rung, StepDone, how+" by "+who)
	case "settle":
		e.mark(i, rung, StepBaking, how+" by "+who)
	case "bake":
		e.nextRung(i, how+" by "+who)
	default: // foreign, failed, rule: list and shape anew over what is there; a checkpoint looks once more
		state := StepApplying
		switch {
		case e.plan.Steps[i].Writer != nil:
			state = StepMoving
		case len(e.plan.Steps[i].Rungs) == 0:
			state = StepWaiting
		}
		e.mark(i, rung, state, how+" by "+who)
	}
}
