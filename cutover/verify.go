package cutover

import (
	"fmt"
	"slices"
)

// verify is the end of going back: the gates are asked again, with samples younger than the last write.
//
//	green                        start: over 3 (0 when a back step began it) · checkpoint: resting there, 3
//	not within verifyWithin      6
//	something left alone         4
//	what led back is there too     on to the next earlier target
//
// Meanwhile every touched object is read each 10 s, and once more before the end: what somebody else writes while the gates are
// watched is found, shown and told by the code.
func (e *engine) verify(target *Target) {
	b := &e.backing
	still := e.stillSick(target)
	if t := e.earlier(target); t != "" && still == Back {
		e.backOn(target, t)
		return
	}
	end := b.readAt + e.plan.VerifiedWithin()
	green := e.greenBack() && still != Hold
	if !green && e.now < end {
		e.at(end)
		e.at(e.lastWrite + widest)
		e.at(e.board.NextSince(e.now, e.lastWrite))
		b.last, b.unread = false, nil
		e.readEach(keepEvery)
		return
	}
	left := append(e.leftAlone(target), e.writersLeft(target)...)
	left = append(left, e.onlysLeft(target)...)
	if !b.last {
		if b.unread == nil || e.now < end {
			e.readLast()
			return
		}
		left = append(left, Cause{Gate: "object", Color: Blind, Text: b.unread.Error() + ": what it holds at the end isn't known"})
	}
	x := ExitNotVerified
	switch {
	case len(left) > 0:
		x = ExitStopped
	case green && b.planned:
		x = ExitDone
	case green:
		x = ExitBack
	}
	e.endBack(target, x, left)
}

// greenBack: nothing speaks against the end, and the users are seen where they should be.
func (e *engine) greenBack() bool {
	ok, _ := e.board.GreenSince(e.now, e.vantage, e.lastWrite)
	return ok && e.seenBack() && e.judged.Act != Hold && e.judged.Act != Freeze
}

// backOn goes on to an earlier target.
func (e *engine) backOn(target *Target, to string) {
	b := &e.backing
	causes := append([]Cause{{Gate: "back", Text: fmt.Sprintf("at %s and %s is still past its limit", target.Name, e.plan.To)}}, e.judged.Causes...)
	timing := b.timing
	e.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseBack, Target: to, Causes: causes, Timing: &timing, Writers: e.p.WritersBack}}, true)
	e.newPhase()
	e.backing = backRun{timing: timing, overwrite: b.overwrite, seats: b.seats} // names are judged by all that they moved since it turned
}

// readEach reads every touched object again when so much time has passed since the last reading was asked for.
func (e *engine) readEach(every T) {
	b := &e.backing
	if b.reading {
		return
	}
	if due := b.askedAt + every; e.now < due {
		e.at(due)
		return
	}
	e.readAgain(false)
}

// readLast reads every touched object once nothing else is waited for. A reading that is under way then began before: it says
// nothing of this moment. One that fails is tried again each second.
func (e *engine) readLast() {
	b := &e.backing
	if b.reading {
		return
	}
	if due := b.askedAt + Second; b.unread != nil && e.now < due {
		e.at(due)
		return
	}
	e.readAgain(true)
}

func (e *engine) readAgain(last bool) {
	b, phase := &e.backing, e.phases
	b.reading, b.askedAt = true, e.now
	e.readTouched(func(err error) {
		if e.phases != phase {
			return
		}
		b.reading, b.last = false, last && err == nil
		if last {
			b.unread = err
		}
		if err != nil {
			e.note(err.Error())
		}
	})
}

// stillSick judges the state at a checkpoint as if the run went forward from there: Back if what led back is there too, Hold as
// long as that isn't known. The start is what was found: nothing is before it.
func (e *engine) stillSick(target *Target) Act {
	if target.Name == startTarget {
		return Advance
	}
	v := e.vantage
	v.Phase = PhaseForward
	if t := e.p.Targets[e.earlier(target)]; t != nil {
		now, was := e.compose(), e.targetComposed(t)
		v.Moved, v.Crossing = now.All[e.plan.To]-was.All[e.plan.To], now.Crossing-was.Crossing
	}
	j := e.board.WhatIf(e.now, v)
	e.at(j.Next)
	if j.Act == Back {
		return Back
	}
	if ok, _ := e.board.GreenSince(e.now, v, e.lastWrite); ok {
		return Advance
	}
	return Hold
}

// earlier is the target recorded before one, "" if it is the start.
func (e *engine) earlier(t *Target) string {
	if t.Name == startTarget {
		return ""
	}
	best := startTarget
	bestAt := [2]int{-1, -1}
	for _, name := range sortedKeys(e.p.Targets) {
		o := e.p.Targets[name]
		at := [2]int{o.Segment, o.Step}
		if name == rungTarget || slices.Compare(at[:], []int{t.Segment, t.Step}) >= 0 {
			continue
		}
		if slices.Compare(at[:], bestAt[:]) > 0 {
			best, bestAt = name, at
		}
	}
	if t.Name == rungTarget {
		return e.p.LastTarget
	}
	return best
}

// leftAlone are the touched objects that don't hold the target's value because somebody else wrote them.
func (e *engine) leftAlone(target *Target) []Cause {
	var out []Cause
	for _, o := range e.p.SortedObjects() {
		want := target.Want[o.ID]
		if target.Left[o.ID] && o.Last != want && o.Foreign == nil {
			out = append(out, Cause{Gate: "object", Color: Amber, Seen: o.Last, Limit: want,
				Text: fmt.Sprintf("%s: recorded %s, now %s, which a person accepted since: left alone", o.ID.Object, want, o.Last)})
		}
		if !o.Touched || o.Foreign == nil || o.Foreign.Gone {
			continue
		}
		if o.Foreign.Found == want {
			continue
		}
		ours := o.Want
		out = append(out, Cause{Gate: "object", Color: Amber, Seen: o.Foreign.Found, Limit: want,
			Text: fmt.Sprintf("%s: recorded %s, ours %s, now %s by somebody else: left alone (`roomshift back --overwrite %s`)", o.ID.Object, want, ours, o.Foreign.Found, o.ID.Object)})
	}
	return out
}

// endBack is the end of going back: over at the start, resting at a checkpoint. After `rung` people are asked how to go on.
func (e *engine) endBack(target *Target, x Exit, left []Cause) {
	t := e.backing.timing
	e.seenNow(true)
	if target.Name == startTarget {
		e.over(x, left)
		return
	}
	e.propose(Record{Kind: KindPhase, Phase: &PhaseMark{Phase: PhaseResting, Target: target.Name, Exit: x, Causes: left, Timing: &t}}, true)
	e.newPhase()
	e.finish(x)
}

// seenBack tells whether the users are back, and notes when: each observed seat is seen within 2 points of what it holds, a name
// within a fifth of what it moved, for resolvers that stretch TTLs keep the rest for hours.
func (e *engine) seenBack() bool {
	b := &e.backing
	if b.timing.Seen > 0 {
		return true
	}
	var last T
	for _, s := range b.seats {
		if !e.settlesSeen(s.seat) {
			continue
		}
		from, at := e.board.SeenFrom(s.seat)
		seen, _, _, ok := e.board.Seen(e.now, s.seat)
		near, to := 200, e.plan.To
		if e.planes[s.plane].Shows >= Second {
			near = max(near, abs(s.from[to]-e.set[s.seat][to])/5)
		}
		if from >= s.wroteAt && e.board.Quiet(e.now, s.seat) {
			continue // nobody comes there any more
		}
		if !ok || from < s.wroteAt || abs(seen[to]-e.set[s.seat][to]) > near {
			e.at(e.board.NextSince(e.now, s.wroteAt))
			return false
		}
		last = max(last, at)
	}
	b.timing.Seen = max(last, b.timing.Read)
	if b.timing.Seen == 0 {
		b.timing.Seen = e.now
	}
	return true
}

// targetShare is the composed share of a target's values.
func (e *engine) targetShare(t *Target) Share { return e.targetComposed(t).All }

func (e *engine) targetComposed(t *Target) Composed {
	set := cloneSet(e.set)
	for seat, st := range e.seats {
		if sh := e.goalShare(st, e.goals(st, t)); sh != nil {
			set[seat] = sh
		}
	}
	return e.comp.Compose(set, e.liveRates())
}
