package sim

import (
	"context"
	"errors"
	"fmt"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// serverLock is a session on a master that held the pair's lock there. Whoever takes the lock kills the one that held it before: nothing
// of that lands any more. Nobody else does: what a process has sent lives on its master as long as nobody takes the lock, whatever
// became of the process.
type serverLock struct{ r *Runner }

// hand is what one process has on a pair's masters.
type hand struct {
	sessions [2]*serverLock // nil: none, or it broke
	broke    [2]bool        // since the last round
}

// drop is a session that broke on this process's side.
func (h *hand) drop(side int) {
	h.broke[side] = h.broke[side] || h.sessions[side] != nil
	h.sessions[side] = nil
}

// hand is this process's.
func (w movers) hand(p *pair) *hand {
	h := p.hands[w.r]
	if h == nil {
		h = &hand{}
		if p.hands == nil {
			p.hands = map[*Runner]*hand{}
		}
		p.hands[w.r] = h
	}
	return h
}

// moving is the Consul session of one process about a pair.
type moving struct {
	r       *Runner
	session string
}

// movers moves write roles in the simulated rooms.
type movers struct{ r *Runner }

const (
	roundTakes = 6 * cutover.Millisecond // both masters and the record, side by side
	verbTakes  = 2 * cutover.Millisecond
	casTakes   = 10 * cutover.Millisecond
)

func (w movers) Round(ctx context.Context, name string, begin cutover.RoundBegin, f writer.Fencer) cutover.MoveSeen {
	s := w.r.s
	w.r.takes(roundTakes)
	p := s.pair(name)
	seen := cutover.MoveSeen{}
	if p == nil || ctx.Err() != nil {
		seen.Seen.Away, seen.Err = true, fmt.Errorf("there is no pair %q", name)
		return seen
	}
	mine := w.session(p, begin.From)
	for side := range p.masters {
		w.lookAt(p, side, mine != nil, begin, &seen)
	}
	consul := !s.down(s.keeper(p), "consul")
	seen.Seen.Away, seen.Seen.Lock = !consul, consul && mine != nil
	seen.Seen.Proven = seen.Seen.Lock
	if mine != nil {
		seen.Session = mine.session
	}
	if consul && p.text != nil {
		r := *p.text
		seen.Record, seen.Index = &r, p.index
	}
	s.compare(p, &seen, f)
	for _, f := range s.faults {
		if f.on && f.kind == "early" && f.pair == name {
			seen.NotNow = "what was sent before may still land"
		}
	}
	return seen
}

// session is ①: this process's Consul session about a pair, taken anew if need be; nil: the lock isn't ours.
func (w movers) session(p *pair, from cutover.RoundFrom) *moving {
	s := w.r.s
	mine := w.mine(p)
	if from == cutover.FromRead || from == cutover.FromLock && mine != nil || s.down(s.keeper(p), "consul") {
		return mine
	}
	s.sessions++
	p.holder = &moving{r: w.r, session: fmt.Sprintf("%s-%d", p.name, s.sessions)}
	return p.holder
}

// mine is this process's Consul session about a pair, if it holds the lock.
func (w movers) mine(p *pair) *moving {
	if p.holder == nil || p.holder.r != w.r {
		return nil
	}
	return p.holder
}

// lookAt is ② on one master, and what it says behind its lock. A session that is whole stays, unless it is to be taken anew.
func (w movers) lookAt(p *pair, side int, mine bool, begin cutover.RoundBegin, seen *cutover.MoveSeen) {
	s, m, h, v := w.r.s, &p.masters[side], w.hand(p), &seen.Seen.Servers[side]
	room := s.rooms[p.rooms[side]]
	v.Room, v.ID = room, room+"-"+p.name
	v.Away = s.down(room, "server")
	if v.Away || m.lock != h.sessions[side] {
		h.drop(side)
	}
	if h.broke[side] {
		h.broke[side] = false
		seen.Broke = append(seen.Broke, room)
	}
	if v.Away {
		return
	}
	if mine && begin.From != cutover.FromRead && (h.sessions[side] == nil || begin.Anew == room) {
		m.lock = &serverLock{w.r}
		h.sessions[side], v.Fresh = m.lock, true
		seen.Took = append(seen.Took, room)
	}
	v.Locked = h.sessions[side] != nil
	s.says(p, side, v)
}

// says is what a master says of itself.
func (s *Sim) says(p *pair, side int, v *writer.Server) {
	m := &p.masters[side]
	v.ReadOnly, v.SuperReadOnly = m.readOnly, m.readOnly
	if m.clients && m.readOnly {
		v.Clients = 8
	}
	v.Still = m.readOnly
	v.Pos = fmt.Sprintf("%d/%d", m.own(s.now), s.applied(p, side, s.now))
	v.Receives, v.Received = s.receives(p, side), fmt.Sprint(s.applied(p, side, s.now))
	v.Marker = m.marker
}

// compare says of both masters what one has and the other hasn't.
func (s *Sim) compare(p *pair, seen *cutover.MoveSeen, f writer.Fencer) {
	for side := range p.masters {
		v := &seen.Seen.Servers[side]
		if v.Away {
			continue
		}
		v.Beyond = writer.BeyondNone
		if p.masters[side].own(s.now) > s.applied(p, 1-side, s.now) {
			v.Beyond = writer.BeyondOwn
		}
		if seen.Record == nil {
			continue
		}
		var own, applied int64
		if pos := writer.PosFor(*seen.Record, f); pos != "" {
			if _, err := fmt.Sscanf(pos, "%d/%d", &own, &applied); err == nil {
				v.Covers = writer.No
				if s.applied(p, side, s.now) >= own {
					v.Covers = writer.Yes
				}
			}
		}
	}
}

func (w movers) Do(ctx context.Context, name string, a writer.Act, index uint64, b writer.Budget) cutover.MoveReply {
	s, p := w.r.s, w.r.s.pair(name)
	if p == nil || ctx.Err() != nil {
		return cutover.MoveReply{What: cutover.Failed, Err: errors.New("not sent")}
	}
	s.writes++
	s.verbs = append(s.verbs, Verb{s.now, s.writes, name, a.Do, a.Room})
	f := s.verbFault(p, a.Room, s.writes)
	defer s.strikeAtWrite(w.r, s.writes)
	w.r.takes(verbTakes)
	if a.Do == writer.Write || a.Do == writer.Prove {
		w.r.takes(casTakes)
	}
	send := w.sending(p, a, index, b)
	switch f.how {
	case "":
	case "fail":
		return cutover.MoveReply{What: cutover.Failed, Err: errServer}
	case "lose reply":
		send()
		fallthrough
	default:
		if f.how == "late" || f.how == "hang" {
			s.at(s.now+f.d, func() { send() })
		}
		w.unclean(p, a)
		w.r.takes(w.r.call.limit)
		return cutover.MoveReply{What: cutover.Unknown, Err: errNoAnswer}
	}
	reply := send()
	if reply.What == cutover.Unknown {
		w.unclean(p, a)
	}
	return reply
}

// unclean: no answer, or none that counts, ends the session on which a fence or an open went. What was sent may live on.
func (w movers) unclean(p *pair, a writer.Act) {
	if a.Do == writer.Fence || a.Do == writer.Open {
		w.hand(p).drop(w.r.s.sideOf(p, a.Room))
	}
}

func (s *Sim) sideOf(p *pair, room cutover.Room) int {
	if s.rooms[p.rooms[1]] == room {
		return 1
	}
	return 0
}

// sending is an act as it leaves its process: in the sessions that it has now, whenever it arrives.
func (w movers) sending(p *pair, a writer.Act, index uint64, b writer.Budget) func() cutover.MoveReply {
	s := w.r.s
	unknown := func(err error) cutover.MoveReply { return cutover.MoveReply{What: cutover.Unknown, Err: err} }
	mine := w.mine(p)
	if a.Do == writer.Write || a.Do == writer.Prove {
		return func() cutover.MoveReply {
			switch {
			case s.down(s.keeper(p), "consul"):
				return unknown(errUnreachable)
			case a.Do == writer.Prove:
				return cutover.MoveReply{What: cutover.Done}
			}
			return s.writeRecord(p, mine, a.Next, index)
		}
	}
	side := s.sideOf(p, a.Room)
	lock := w.hand(p).sessions[side]
	return func() cutover.MoveReply {
		switch {
		case s.down(a.Room, "server"):
			return unknown(errUnreachable)
		case lock == nil || lock != p.masters[side].lock:
			return unknown(errors.New("the session is gone"))
		}
		return w.carry(p, side, a, b)
	}
}

// carry carries out what is asked of a master.
func (w movers) carry(p *pair, side int, a writer.Act, b writer.Budget) cutover.MoveReply {
	s, m := w.r.s, &p.masters[side]
	switch a.Do {
	case writer.Fence:
		m.fence(s.now)
	case writer.Kill:
		m.clients = false
	case writer.Open:
		m.open(s.now)
		p.writer = p.rooms[side]
		s.traffic.dirty = true
	case writer.Wait:
		need := p.masters[1-side].own(s.now) > s.applied(p, side, s.now)
		d := s.delay(p, side)
		if need && (d > cutover.T(b.Wait) || s.receives(p, side) == writer.No) {
			w.r.takes(cutover.T(b.Wait))
			return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("not all of it after %s", b.Wait)}
		}
		w.r.takes(max(verbTakes, d))
	}
	return cutover.MoveReply{What: cutover.Done}
}

// writeRecord is a compare-and-set that checks the session.
func (s *Sim) writeRecord(p *pair, mine *moving, next writer.Record, index uint64) cutover.MoveReply {
	refused := func(format string, args ...any) cutover.MoveReply {
		return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case p.holder != mine || mine == nil:
		return refused("the session is over")
	case p.index != index:
		return refused("the record is at index %d, not %d", p.index, index)
	}
	if p.text != nil {
		if err := next.Follows(*p.text); err != nil {
			return refused("%v", err)
		}
	}
	s.sessions++
	p.text, p.index = &next, uint64(s.sessions) //nolint:gosec // counts up from 1
	s.history = append(s.history, Recorded{s.now, p.name, next})
	s.wakeOnlys()
	if next.Phase == writer.Stable {
		for side := range p.masters {
			p.masters[side].marker = writer.Marker{Epoch: next.Epoch, Writer: next.Writer}
		}
	}
	return cutover.MoveReply{What: cutover.Done}
}

func (w movers) Drop(_ context.Context, name string) {
	p := w.r.s.pair(name)
	if p == nil {
		return
	}
	delete(p.hands, w.r) // what was sent lives on
	if w.mine(p) != nil {
		p.holder = nil
	}
}

// verbFault is what meets a request of a move: faults of writes in the pair's rooms, or everywhere.
func (s *Sim) verbFault(p *pair, room cutover.Room, n int) treat {
	if room == "" {
		room = s.keeper(p)
	}
	return s.writeFault(&plane{s: s, name: p.name, Plane: cutover.Plane{Name: p.name, Room: room}}, n)
}

// Verb is one request of a move, as it left its process.
type Verb struct {
	At   cutover.T // since the start
	N    int       // the number of the write, as faults count
	Pair string
	Do   writer.Do
	Room cutover.Room
}

// Recorded is a record of a pair as it was written.
type Recorded struct {
	At     cutover.T // since the start
	Pair   string
	Record writer.Record
}
