package cutover

import (
	"context"
	"errors"
	"sync"

	"roomshift/cutover/writer"
)

// dryMovers lets the write roles move in memory only: both masters are looked at once, and what would be done to them is remembered. The
// lag between them isn't: waiting for it takes no time.
type dryMovers struct {
	look Writers
	peek Peeker // nil: nobody's record is read

	mu    sync.Mutex
	pairs map[string]*dryPair
}

type dryPair struct {
	rooms    [2]Room
	readOnly [2]bool
	record   *writer.Record
	index    uint64
}

func newDryMovers(look Writers, peek Peeker) *dryMovers {
	return &dryMovers{look: look, peek: peek, pairs: map[string]*dryPair{}}
}

// Round is what a round would see, if what this run would have done had been done.
func (m *dryMovers) Round(ctx context.Context, pair string, _ RoundBegin, _ writer.Fencer) MoveSeen {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pairs[pair]
	if p == nil {
		seen, err := m.look.Look(ctx, pair)
		if err == nil && len(seen.ReadOnly) != 2 {
			err = errors.New("not both masters answer")
		}
		if err != nil {
			return MoveSeen{Seen: writer.Seen{Away: true}, Err: err}
		}
		p = &dryPair{}
		for i, room := range sortedKeys(seen.ReadOnly) {
			p.rooms[i], p.readOnly[i] = room, seen.ReadOnly[room]
		}
		if m.peek != nil {
			seen := m.peek.Peek(ctx, pair)
			if seen.Seen.Away {
				return MoveSeen{Seen: writer.Seen{Away: true}, Err: seen.Err}
			}
			p.record, p.index = seen.Record, seen.Index
		}
		m.pairs[pair] = p
	}
	out := MoveSeen{Index: p.index, Session: "dry", Seen: writer.Seen{Lock: true, Proven: true}}
	if p.record != nil {
		r := *p.record
		out.Record = &r
	}
	for i := range p.rooms {
		id := p.rooms[i]
		if p.record != nil {
			id = p.record.Servers[id]
		}
		out.Seen.Servers[i] = writer.Server{Room: p.rooms[i], ID: id, Locked: true, Fresh: true, ReadOnly: p.readOnly[i],
			SuperReadOnly: p.readOnly[i], Still: p.readOnly[i], Pos: "dry", Beyond: writer.BeyondNone, Covers: writer.Yes, Receives: writer.Yes}
	}
	return out
}

// Do remembers an act.
func (m *dryMovers) Do(_ context.Context, pair string, a writer.Act, _ uint64, _ writer.Budget) MoveReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pairs[pair]
	switch a.Do {
	case writer.Write:
		next := a.Next
		p.record = &next
		p.index++
	case writer.Fence, writer.Open:
		for i := range p.rooms {
			if p.rooms[i] == a.Room {
				p.readOnly[i] = a.Do == writer.Fence
			}
		}
	}
	return MoveReply{What: Done}
}

// Drop has nothing to let go of.
func (m *dryMovers) Drop(context.Context, string) {}

// dryPreflight looks at what is really there. Of a pair that was moved in memory only that says nothing.
type dryPreflight struct {
	real   Preflight
	movers *dryMovers
}

// Preflight is the real one, until this run has moved the pair.
func (d dryPreflight) Preflight(ctx context.Context, pair string, to Room, quick bool) ([]Finding, error) {
	d.movers.mu.Lock()
	p := d.movers.pairs[pair]
	moved := p != nil && p.record != nil && p.record.Epoch > 1
	d.movers.mu.Unlock()
	if moved {
		return []Finding{{Check: "roles", OK: true, Seen: "moved in memory only: its masters aren't looked at"}}, nil
	}
	return d.real.Preflight(ctx, pair, to, quick)
}
