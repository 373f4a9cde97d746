package sim

import (
	"context"
	"errors"
	"fmt"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// stray writes one transaction on a master that is fenced.
func (s *Sim) stray(f *fault) bool {
	p := s.pair(f.pair)
	side, ok := p.side(s, f.room)
	if !ok || !p.masters[side].readOnly {
		return false
	}
	p.masters[side].strays = append(p.masters[side].strays, s.now)
	return true
}

// side is a room's of a pair.
func (p *pair) side(s *Sim, room cutover.Room) (int, bool) {
	for side := range p.rooms {
		if s.rooms[p.rooms[side]] == room {
			return side, true
		}
	}
	return 0, false
}

// after looks at pairs that moved.
type after struct{ r *Runner }

// strayWait is how long it waits for a stray before it says that there is none.
const strayWait = 25 * cutover.Second

// Strays answers when the next stray is written, which a simulation knows before.
func (w after) Strays(ctx context.Context, name string, f cutover.FencedAt, _ []string) cutover.Strays {
	s := w.r.s
	w.r.takes(verbTakes)
	p := s.pair(name)
	if p == nil || ctx.Err() != nil {
		return cutover.Strays{Err: fmt.Errorf("there is no pair %q", name)}
	}
	side, ok := p.side(s, f.Room)
	var base, applied int64
	if _, err := fmt.Sscanf(f.Pos, "%d/%d", &base, &applied); err != nil || !ok {
		return cutover.Strays{Err: fmt.Errorf("position %q of %s in %s: want two numbers", f.Pos, name, f.Room)}
	}
	if s.down(f.Room, "server") && s.down(s.rooms[p.rooms[1-side]], "server") {
		return cutover.Strays{Err: errors.New("neither master answers")}
	}
	own := p.masters[side].own(s.now)
	if own <= base {
		end := s.now + strayWait
		next := end
		for _, g := range s.faults {
			if g.kind == "stray" && g.pair == name && g.room == f.Room && !g.fired && g.at > s.now {
				next = min(next, g.at)
			}
		}
		w.r.takes(next + verbTakes - s.now)
		if next == end {
			return cutover.Strays{}
		}
		own++
	}
	return cutover.Strays{IDs: fmt.Sprintf("%s-%s:%d-%d", f.Room, name, base+1, own), Pos: fmt.Sprintf("%d/%d", own, applied)}
}

// Check is what these masters can show of it: the fence, the writer, the row that comes back, what was born behind the fence.
func (w after) Check(ctx context.Context, name string, f cutover.FencedAt, to cutover.Room) ([]cutover.Finding, error) {
	s := w.r.s
	w.r.takes(roundTakes)
	p := s.pair(name)
	if p == nil || ctx.Err() != nil {
		return nil, fmt.Errorf("there is no pair %q", name)
	}
	old, _ := p.side(s, f.Room)
	a, b := &p.masters[old], &p.masters[1-old]
	found := []cutover.Finding{
		{Check: "fence", Room: f.Room, OK: a.readOnly, Seen: "takes writes", Wanted: "fenced", Do: "fence it again, and look who opened it"},
		{Check: "open", Room: to, OK: !b.readOnly, Seen: "fenced", Wanted: "takes writes", Do: "roomshift writer reopen " + name},
		{Check: "threads", Room: f.Room, OK: s.receives(p, old) == writer.Yes, Seen: "receives nothing", Wanted: "both threads run", Do: "start its applier: it is the way back"},
		{Check: "marker", Room: f.Room, OK: a.marker.Epoch == f.Epoch && a.marker.Writer == to, Seen: fmt.Sprintf("epoch %d", a.marker.Epoch), Wanted: fmt.Sprintf("epoch %d", f.Epoch),
			Do: "look why it doesn't come"},
	}
	for _, room := range []cutover.Room{f.Room, to} {
		if s.down(room, "server") {
			found = []cutover.Finding{{Check: "answers", Room: room, Seen: "no answer", Wanted: "an answer", Do: "look why it doesn't answer"}}
		}
	}
	for i := range found {
		if x := &found[i]; x.OK {
			x.Seen, x.Wanted, x.Do = "well", "", ""
		}
	}
	return found, nil
}
