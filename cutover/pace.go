package cutover

import (
	"slices"
	"time"
)

// pace sets what this turn aims at. One jump while the receiving room is warm and can hold it, or the room being left fails
// outright; else at most double the receiver's share, the next rung 30 s later and seen.
func (e *engine) pace(in *backInput, final map[Seat]Share) (wait bool) {
	b := &e.backing
	rates := e.liveRates()
	goal := e.comp.Compose(final, rates).All
	in.aim = goal[e.plan.To]
	receiver := e.plan.From
	set := e.comp.Compose(in.low, rates).All[receiver]
	next := max(2*e.carried(set), slack)
	if b.paced && e.now < b.paceAt && !e.judged.Fails {
		e.at(b.paceAt)
		return true
	}
	if next >= goal[receiver] || e.judged.Fails || e.plan.Evacuate || (e.warm(receiver, goal[receiver]) && e.canHold(receiver, goal)) {
		b.paced = false
		return false
	}
	in.aim, in.slack = in.aim+goal[receiver]-next, 0
	if !b.paced {
		b.paced = true
		b.paceAt = 0
	}
	if e.now < b.paceAt {
		e.at(b.paceAt)
		return true
	}
	if e.judged.Act == Hold || next <= set {
		return true // the next paced rung waits for the gates, and until the one before is seen
	}
	if slices.ContainsFunc(in.cands, func(c backCandidate) bool { return c.busy && e.backSeat(c.seat).left > 0 }) {
		return true
	}
	b.paceAt = e.now + 30*Second
	b.seenBy = e.seenLatest()
	e.at(b.paceAt)
	return false
}

// carried is what the receiving room carries by now: what is seen, if that is less than what is set. Resolvers that stretch their
// TTL don't keep the rest waiting: after twice a name's TTL and a minute what is set counts.
func (e *engine) carried(set int) int {
	b := &e.backing
	if b.seenBy == 0 {
		b.seenBy = e.seenLatest()
	}
	if e.now >= b.seenBy {
		return set
	}
	e.at(b.seenBy)
	seen, _ := e.seenShare()
	return min(set, seen[e.plan.From])
}

// seenLatest is when what is written now counts as seen, whatever is seen.
func (e *engine) seenLatest() T {
	var shows T
	for _, s := range e.backing.seats {
		shows = max(shows, e.planes[s.plane].Shows)
	}
	return e.now + 2*shows + Minute
}

// warm tells whether a room carried a share within the last hour.
func (e *engine) warm(room Room, share int) bool {
	now := e.wall()
	for k := len(e.p.Seens) - 1; k >= 0; k-- {
		s := e.p.Seens[k]
		at, err := parseWall(s.Wall)
		if err != nil || now.Sub(at) > time.Hour {
			break
		}
		if s.Share[room] >= share-200 {
			return true
		}
	}
	return false
}

// canHold tells whether a room's declared capacity carries its share of the present rate, with headroom; not declared: yes.
func (e *engine) canHold(room Room, share Share) bool {
	load, known := e.comp.Load(room, share, e.liveRates())
	return !known || load <= float64(e.plan.Rules.Headroom)/Whole
}
