package cutover

import "fmt"

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
	return fmt.Sprintf("may step %q begin? first: %s", st.Name, wantText(&st.Rungs[0], e.plan.To))
}

// wantText is "entry 10 %, gw@home 22 %": the share that room gets.
func wantText(r *RungPlan, room Room) string {
	text := ""
	for _, seat := range sortedSeats(r.Want) {
		if text != "" {
			text += ", "
		}
		text += seat.String() + " " + percent(r.Want[seat][room])
	}
	for _, seat := range sortedSeats(r.TTL) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s TTL %d s", seat, r.TTL[seat]/Second)
	}
	return text
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
	default: // foreign, failed, rule: list and shape anew over what is there
		e.mark(i, rung, StepApplying, how+" by "+who)
	}
}
