package cutover

import "fmt"

// What a writer step does whose old room is gone: nothing by force. It says what is known, and waits, or asks a person, as `ifLost` says.

// goneFor is how long a master may be silent until it counts as gone.
const goneFor = 30 * Second

// goneMaster is a pair's writer that doesn't answer, with what the other one said of itself last.
type goneMaster struct {
	room, other       Room
	since             T // 0: it answers
	received, applied string
}

// sawGone keeps when the record's writer was silent first, and how far the other one is.
func (m *mover) sawGone(e *engine, seen *MoveSeen) {
	for i := range seen.Seen.Servers {
		a, b := &seen.Seen.Servers[i], &seen.Seen.Servers[1-i]
		if a.Room != e.p.Writers[m.pair].Writer {
			continue
		}
		if !a.Away || b.Away {
			m.gone = goneMaster{}
			return
		}
		if m.gone.since == 0 {
			m.gone.since = e.now
		}
		m.gone.room, m.gone.other, m.gone.received, m.gone.applied = a.Room, b.Room, b.Received, b.Pos
		e.at(m.gone.since + goneFor)
	}
}

// goneSays are the facts about a writer that is gone, "" it isn't.
func (e *engine) goneSays(m *mover) string {
	g := &m.gone
	if g.since == 0 || e.now < g.since+goneFor {
		return ""
	}
	orNot := func(s string) string {
		if s == "" {
			return "what it can't say"
		}
		return s
	}
	beat := "when the last heartbeat came from there isn't known"
	if age, ok := e.board.Heard(e.now, m.pair, g.other); ok {
		beat = fmt.Sprintf("the last heartbeat from %s is %s old", g.room, span(age/Second*Second))
	}
	return fmt.Sprintf("the master of %s in %s, which takes its writes, hasn't answered for %s: %s has received %s and applied %s; %s. No writer is moved by force: bring it back, or go back",
		m.pair, g.room, span((e.now-g.since)/Second*Second), g.other, orNot(g.received), orNot(g.applied), beat)
}

// Heard is how old the newest heartbeat of a pair is that has come to a room; false: that isn't known, or nothing measures it.
func (b *Board) Heard(now T, pair string, room Room) (age T, ok bool) {
	for i := range b.series {
		s := &b.series[i]
		if s.gate.Pair != pair || s.room != room || !s.known {
			continue
		}
		b.tick(now)
		s.catchUp(b.now)
		lo, _ := s.value(b.now)
		if s.rd.class&classBound != 0 {
			return T(lo * float64(Second)), true
		}
		return b.now - s.rd.at + T(lo*float64(Second)), true
	}
	return 0, false
}
