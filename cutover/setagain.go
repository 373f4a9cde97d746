package cutover

import (
	"fmt"
	"slices"
	"strings"
)

// A share that strays through deaths is set again over the living (ENGINE §9):
//
//   - strayed: the living objects of a seat that the run has written give a room more than half a point less or more than its last
//     rung wanted. A rung in progress and going back have their seats to themselves, and what somebody else wrote holds its seat.
//   - at most once a minute and three times an hour, then the run holds and asks. The question goes away when the share comes right
//     by itself; a person's accept gives three more times.
//   - not while the run is paused or lacks a lock, nor into a room that isn't well: what kills instances there is killing more then.
//   - where the room that gains in this run gets more, the rules judge each request as one that goes forward; where it gets less, as
//     one that goes back. What they forbid, or no scale can express, is asked.

// strayedBy is how far, in basis points, a seat's share may be from the wanted one.
const strayedBy = 50

// againRun is a seat's being set again, wave by wave. All of it can be lost.
type againRun struct {
	waves [][]Change
	left  int  // changes of the wave under way
	bad   bool // one of them wasn't made
}

// keepSeat gives a seat's new objects their weight, and sets its share again if it has strayed or would by that. Not settled: the
// seat is to be looked at again although nothing else changes.
func (e *engine) keepSeat(st *seatState) (settled bool) {
	want, joined := e.p.Wanted[st.seat], e.joined(st)
	st.stuck = ""
	if want != nil && e.among(st, isForeign) { // its share is theirs
		want = nil
	}
	strays := want != nil && farOff(e.set[st.seat], want) > strayedBy
	if len(joined) > 0 && want != nil {
		would := e.shareAfter(joined)[st.seat]
		if strays = farOff(would, want) > strayedBy; strays {
			return e.keepShare(st, want, joined, farOff(would, want))
		}
	}
	switch {
	case strays:
		return e.keepShare(st, want, nil, 0)
	case len(joined) > 0:
		return e.writeKept(st, joined, nil)
	}
	return true
}

// keepShare sets a share again if that may be. If it may not, new objects still get their weight where that brings the share nearer;
// else they wait.
func (e *engine) keepShare(st *seatState, want Share, joined []Change, would int) (settled bool) {
	if e.among(st, isOpen) {
		return false
	}
	off := farOff(e.set[st.seat], want)
	wait, spent := e.againLimit(st)
	switch {
	case e.isAsked(-1, keepQuestion+st.seat.String()): // until a person answers
	case spent && off > strayedBy:
		st.stuck = fmt.Sprintf("it was set again %d times within an hour", againTimes)
	case spent || wait || !e.mayKeep(st.seat, want):
	default:
		e.setAgain(st, want)
	}
	if st.again == nil && would < off && len(joined) > 0 && st.stuck == "" {
		e.writeKept(st, joined, nil)
	}
	return false
}

// farOff is how far a share is from the wanted one, in basis points of the room where it is farthest.
func farOff(share, want Share) int {
	off := 0
	for _, of := range []Share{share, want} {
		for room := range of {
			off = max(off, abs(share[room]-want[room]))
		}
	}
	return off
}

// among tells whether something holds of an object of a seat that is there and that the run knows.
func (e *engine) among(st *seatState, is func(*Object) bool) bool {
	for i := range st.held {
		if o := e.p.Objects[st.held[i].ID()]; o != nil && is(o) {
			return true
		}
	}
	return false
}

func isOpen(o *Object) bool { return len(o.Open) > 0 }

// againLimit: it was set again within the last minute, or three times within the last hour.
func (e *engine) againLimit(st *seatState) (wait, spent bool) {
	now, recent := e.wall(), 0
	for _, wall := range e.p.SetAgain[st.seat] {
		wait = wait || within(againEvery, wall, now)
		recent += b2i(within(againWithin, wall, now))
	}
	return wait, recent >= againTimes
}

// mayKeep: nothing but the share itself holds the run up, and the rooms that would get more are well.
func (e *engine) mayKeep(seat Seat, want Share) bool {
	if len(e.ownTrouble()) > 0 {
		return false
	}
	gains := func(room Room) bool { return want[room] > e.set[seat][room] }
	well := func(c Color) bool { return c == Green || c == Unjudged }
	return (well(e.judged.To) || !gains(e.plan.To)) && (well(e.judged.From) || !gains(e.plan.From))
}

// setAgain begins to give a seat its share over what lives now.
func (e *engine) setAgain(st *seatState, want Share) {
	waves, err := e.planes[st.plane].Medium.Shape(st.held, map[Seat]Share{st.seat: want})
	if err != nil {
		st.stuck = err.Error()
		return
	}
	if len(waves) == 0 {
		return // its scale can't do better
	}
	if st.stuck = e.forbids(st, slices.Concat(waves...), false); st.stuck != "" {
		return
	}
	st.again = &againRun{waves: waves}
	e.nextAgain(st)
}

// nextAgain writes the next wave, or notes that the last one is made: what is measured from now on is true of the seat.
func (e *engine) nextAgain(st *seatState) {
	run := st.again
	if len(run.waves) == 0 {
		st.again = nil
		e.wroteFor(st.seat)
		return
	}
	wave := run.waves[0]
	run.waves, run.left = run.waves[1:], len(wave)
	if !e.writeKept(st, wave, func(_ int, o Outcome) { e.againOutcome(st, run, o) }) {
		st.again = nil
	}
}

func (e *engine) againOutcome(st *seatState, run *againRun, o Outcome) {
	if st.again != run {
		return
	}
	if run.bad = run.bad || o.What != Done; o.What == Unknown { // it is looked up; then the seat is looked at anew
		st.again = nil
		return
	}
	if run.left--; run.left > 0 {
		return
	}
	if run.bad {
		st.again = nil
		return
	}
	e.nextAgain(st)
}

// forbids says which rules changes of a seat would break, "" if none. A share's being set again is judged as a whole before its first
// wave, each wave before it is written, and what travels together for what it takes out at once.
func (e *engine) forbids(st *seatState, cs []Change, oneRequest bool) string {
	var texts []string
	after, purpose := e.shareAfter(cs), Keep
	if after[st.seat][e.plan.To] < e.set[st.seat][e.plan.To] {
		purpose = Undo
	}
	for _, b := range e.comp.Judge(RuleWrite{Purpose: purpose, Evacuate: e.plan.Evacuate, Before: e.set, After: after,
		Held: st.held, Changes: cs, Rates: e.liveRates(), OneRequest: oneRequest}) {
		if !e.brokenByName(b.Rule) {
			texts = append(texts, fmt.Sprintf("%s [%s]", b.Text, b.Rule))
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return "it would break a rule: " + strings.Join(texts, "; ")
}

// writeKept writes changes of a seat that is kept, unless a rule forbids it: then nothing is written, and it is asked.
func (e *engine) writeKept(st *seatState, cs []Change, settled func(int, Outcome)) bool {
	packs := Pack(e.planes[st.plane].Plane, cs)
	if st.stuck = e.forbids(st, cs, false); st.stuck != "" {
		return false
	}
	for _, pack := range packs {
		if st.stuck = e.forbids(st, pack, true); st.stuck != "" {
			return false
		}
	}
	e.noteKept(st, cs)
	for _, pack := range packs {
		e.write(st.plane, Intent{Purpose: Keep, Step: -1, Changes: pack}, settled)
	}
	return true
}

// wroteFor notes that a seat's users moved: steps that settle or bake there wait for samples that are younger.
func (e *engine) wroteFor(seat Seat) {
	e.wrote()
	for i := range e.p.Steps {
		if st := e.p.Steps[i].State; st != StepSettling && st != StepBaking {
			continue
		}
		if _, ok := e.rung(i).Want[seat]; ok {
			e.steps[i].lastWrite = e.now
		}
	}
}

// askKept asks about each seat that isn't set again any more, and ends the question of one that carries its share.
func (e *engine) askKept(seats []Seat) {
	for _, seat := range seats {
		st := e.seats[seat]
		if st == nil {
			continue
		}
		what := keepQuestion + seat.String()
		switch {
		case st.stuck != "" && !e.isAsked(-1, what):
			wanted := ""
			if want := e.p.Wanted[seat]; want != nil {
				wanted = fmt.Sprintf(", and %s is wanted", shareText(want))
			}
			e.ask(-1, what, fmt.Sprintf("%s carries %s%s: %s. Mend what dies there, then `roomshift accept %s --reason …` sets it again; or go back",
				seat, shareText(e.set[seat]), wanted, st.stuck, seat), nil)
		case st.stuck == "" && e.isAsked(-1, what) && (e.p.Wanted[seat] == nil || farOff(e.set[seat], e.p.Wanted[seat]) <= strayedBy):
			e.withdrawQuestion(-1, what)
		}
	}
}

// keepTrouble holds a run while it asks about a seat that strayed.
func (e *engine) keepTrouble() []Cause {
	var out []Cause
	for _, q := range e.p.Asked {
		if strings.HasPrefix(q.What, keepQuestion) {
			out = append(out, Cause{Gate: q.What, Color: Amber, Text: q.Text})
		}
	}
	return out
}
