package cutover

import (
	"maps"
	"math"
)

// recordSeen journals the composed share: when a rung has settled, and while it changes, each minute; a share that stands is
// written again after a quarter of an hour, so that warmth is known for an hour.
func (e *engine) recordSeen() {
	if !e.ready || e.ended || e.p.Phase == PhaseOver {
		return
	}
	next := e.seenAt + Minute
	if e.now < next {
		e.at(next)
		return
	}
	share, observed := e.seenShare()
	e.seenAt = e.now
	if maps.Equal(share, e.seenLast) && e.now < e.seenWrote+15*Minute {
		e.at(min(e.seenAt+Minute, e.seenWrote+15*Minute))
		return
	}
	e.journalSeen(share, observed, false)
	e.at(e.seenAt + Minute)
}

// seenNow journals the composed share as observed, or as set where nothing observes it.
func (e *engine) seenNow(wait bool) {
	share, observed := e.seenShare()
	e.journalSeen(share, observed, wait)
}

func (e *engine) journalSeen(share Share, observed, wait bool) {
	e.seenAt, e.seenWrote, e.seenLast = e.now, e.now, maps.Clone(share)
	m := &SeenMark{Share: e.seenLast, Observed: observed, Rate: e.rate()}
	if set := e.compose().All; observed && !maps.Equal(set, share) {
		m.Set = maps.Clone(set)
	}
	e.propose(Record{Kind: KindSeen, Seen: m}, wait)
}

// rate is how many requests enter in a second, as far as that is measured now.
func (e *engine) rate() int64 {
	sum, rates := 0.0, e.board.Rates(e.now)
	for _, r := range e.plan.Routes {
		if r.Entry {
			for _, seat := range r.Seats {
				sum += rates[seat]
			}
		}
	}
	return int64(math.Round(sum))
}

// seenShare is the composed share as observed; where nothing observes it, as it is set. It is good until the next call.
func (e *engine) seenShare() (share Share, observed bool) {
	now := e.sight()
	if now.ok == 0 {
		return e.compose().All, false
	}
	if e.sightOf != now {
		e.comp.ComposeInto(&e.seenComp, e.observedSet(), e.liveRates())
		e.sightOf = now
	}
	return e.seenComp.All, true
}

// sight is what a seen share rests on: it changes when a gauge of seats hands something over, a seat holds something else, or what
// was seen of one grows too old.
type sight struct{ samples, set, ok int }

func (e *engine) sight() sight {
	return sight{e.board.sighted, e.setGen, e.eachSeen(nil)}
}

// eachSeen calls f for each seat of which something was seen, and counts them.
func (e *engine) eachSeen(f func(Seat, Share)) (n int) {
	for i := range e.plan.Routes {
		r := &e.plan.Routes[i]
		if !r.Observed {
			continue
		}
		for _, seat := range r.Seats {
			seen, _, _, ok := e.board.Seen(e.now, seat)
			if !ok {
				continue
			}
			if n++; f != nil {
				f(seat, seen)
			}
		}
	}
	return n
}

// observedSet is what the seats were seen to carry; what nothing observes counts as it is set. It is good until the next call.
func (e *engine) observedSet() map[Seat]Share {
	clear(e.seenSet)
	maps.Copy(e.seenSet, e.set)
	e.eachSeen(func(seat Seat, seen Share) { e.seenSet[seat] = seen })
	return e.seenSet
}
