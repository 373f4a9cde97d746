package sim

import (
	"context"
	"errors"
	"fmt"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// peeker looks at pairs, and takes nothing.
type peeker struct{ r *Runner }

func (w peeker) Peek(ctx context.Context, name string) cutover.Peeked {
	s := w.r.s
	p := s.pair(name)
	if p == nil || ctx.Err() != nil {
		return cutover.Peeked{Err: fmt.Errorf("there is no pair %q", name), Seen: writer.Seen{Away: true}}
	}
	out := cutover.Peeked{Keeper: "consul of " + s.keeper(p)}
	seen := cutover.MoveSeen{}
	for side := range p.masters {
		v := &seen.Seen.Servers[side]
		v.Room = s.rooms[p.rooms[side]]
		v.ID = v.Room + "-" + p.name
		if s.down(v.Room, "server") {
			v.Away, out.Masters[side].Err = true, errUnreachable
			continue
		}
		s.says(p, side, v)
		out.Masters[side].Restart, out.Masters[side].Fenced = "fenced", writer.Yes
		if v.Receives == writer.No {
			out.Masters[side].Threads = "it receives nothing"
		}
	}
	if s.down(s.keeper(p), "consul") {
		seen.Seen.Away, out.Err = true, errors.New("no answer from consul of "+s.keeper(p))
	} else if p.text != nil {
		r := *p.text
		seen.Record, seen.Index = &r, p.index
	}
	s.compare(p, &seen, writer.Fencer{})
	for side := range p.masters {
		if n := p.masters[side].own(s.now) - s.applied(p, 1-side, s.now); n > 0 && !seen.Seen.Servers[side].Away {
			out.Masters[side].Only, out.Masters[side].OnlyCount = fmt.Sprintf("the last %d", n), n
		}
	}
	if p.holder != nil {
		out.Holder = "a process of the run"
	}
	out.Record, out.Index, out.Seen = seen.Record, seen.Index, seen.Seen
	if out.Record != nil && out.Seen.Servers[0].Room != out.Record.Writer {
		out.Seen.Servers[0], out.Seen.Servers[1] = out.Seen.Servers[1], out.Seen.Servers[0]
		out.Masters[0], out.Masters[1] = out.Masters[1], out.Masters[0]
	}
	return out
}
