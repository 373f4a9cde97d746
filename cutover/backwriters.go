package cutover

import (
	"cmp"
	"fmt"
	"slices"

	"roomshift/cutover/writer"
)

// How going back treats the writers, as a turn's record says it; "": after the traffic.
const (
	writersFirst = "first" // the sick thing is the writer's
	writersStay  = "stay"  // those that can't follow at once stay
)

// writersGoFirst: what led back says so, or what it has come to since, or one is on its way.
func (e *engine) writersGoFirst() bool {
	return e.p.WritersBack == writersFirst || e.p.WritersBack == "" && e.judged.WriterSick || e.writersMove()
}

// trafficAlone: traffic leaves a sick room beside a writer that can't go now. Where it is the line that is sick, or home is too, it stays
// with its writer.
func (e *engine) trafficAlone() bool { return e.judged.To == Red && e.judged.From != Red }

// backWriters brings the writers back that this run moved, newest first, one after the other: one that waits, for a person, a server
// or its direction, keeps none of the others. A writer isn't undone by its change turned round: back is a wish, and the pair's record
// decides. left as long as one isn't where it was; waits if none of them gets on.
func (e *engine) backWriters(target *Target) (left, waits bool) {
	for _, pair := range e.movedPairs() {
		room := target.Writers[pair]
		m := e.moverOf(pair)
		if room == "" || m.known && !m.open && e.p.Writers[pair].Writer == room {
			continue
		}
		if e.p.WritersBack == writersStay && !m.open && e.mayReturn(pair, room) != "" {
			continue
		}
		switch e.drive(m, func(*writer.Record) Room { return room }, func() string { return e.mayGoBack(pair, room) }) {
		case moveGone:
			m.holds, m.tried, m.retryAt = m.lost, 0, e.now+backoff(m.tries, 0)
			m.tries++
			e.at(m.retryAt)
			fallthrough
		case moveHolds:
			if e.getsOn(m, room) {
				return true, false
			}
			left, waits = true, true
		case moveOn:
			return true, false
		case moveThere:
		}
	}
	return left, waits
}

// backPatience is how long what is looked at before a writer goes back may take until the others, and the traffic, don't wait for it.
const backPatience = 5 * Second

// getsOn: a writer that hasn't begun to go back waits for what this process does for it, or for things of its own to stop.
func (e *engine) getsOn(m *mover, room Room) bool {
	if m.open || e.mayReturn(m.pair, room) != "" {
		return false
	}
	if e.onlysStop(m.pair) {
		m.heldIn = 0
		return true
	}
	if m.heldIn != e.phases {
		m.heldIn, m.heldAt = e.phases, e.now
	}
	e.at(m.heldAt + backPatience)
	return e.now < m.heldAt+backPatience
}

// movedPairs are the pairs that a move of this run touched, in the order in which they go back.
func (e *engine) movedPairs() []string {
	var out []string
	for i := len(e.plan.Steps) - 1; i >= 0; i-- {
		w := e.plan.Steps[i].Writer
		for k := 0; w != nil && k < len(w.Pairs); k++ {
			pair := w.Pairs[len(w.Pairs)-1-k]
			if _, ok := e.p.Moves[pair]; ok && !slices.Contains(out, pair) {
				out = append(out, pair)
			}
		}
	}
	for _, pair := range sortedKeys(e.p.Moves) { // moved on an earlier night
		if !slices.Contains(out, pair) {
			out = append(out, pair)
		}
	}
	return out
}

// mayGoBack is what speaks against beginning to move a writer back now: its direction, its preflight, then what still runs of the things that follow it.
func (e *engine) mayGoBack(pair string, room Room) string {
	if why := cmp.Or(e.mayReturn(pair, room), e.preflightBack(pair, room)); why != "" {
		return why
	}
	return e.stopOnlys(pair, room)
}

// mayReturn is what speaks against moving a writer back now: it follows only over a direction that is green.
func (e *engine) mayReturn(pair string, room Room) string {
	if c := e.board.Into(pair, room); c != Green && c != Unjudged {
		return fmt.Sprintf("the writer of %s waits: replication into %s is %s", pair, room, c)
	}
	return ""
}

// writersLeft names the writers that aren't where the target had them.
func (e *engine) writersLeft(target *Target) []Cause {
	var out []Cause
	for _, pair := range e.movedPairs() {
		if room, at := target.Writers[pair], e.p.Writers[pair].Writer; room != "" && at != room {
			out = append(out, Cause{Gate: "writer", Room: pair, Color: Amber, Seen: at, Limit: room,
				Text: fmt.Sprintf("the writer of %s: it was in %s, and stays in %s", pair, room, at)})
		}
	}
	return out
}

// writersBack is how the going back that begins now treats the writers: as the verdict that led to it says. What a person or the
// runbook says takes the traffic first.
func (e *engine) writersBack(causes []Cause) string {
	switch {
	case e.p.Phase == PhaseBack:
		return e.p.WritersBack
	case e.judged.Act != Back || len(causes) == 0 || causes[0].Gate == "person" || causes[0].Gate == "runbook":
		return ""
	case e.judged.TrafficOnly:
		return writersStay
	case e.judged.WritersFirst:
		return writersFirst
	}
	return ""
}
