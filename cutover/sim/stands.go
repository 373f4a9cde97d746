package sim

import (
	"fmt"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// Stands puts a pair where somebody else left it, before a run: its record in a phase of a move away from its writer's room, or STABLE of that,
// and those rooms' masters fenced that are closed.
func (s *Sim) Stands(pair string, phase writer.Phase, closed ...cutover.Room) error {
	p := s.pair(pair)
	if p == nil {
		return fmt.Errorf("there is no pair %q", pair)
	}
	r := writer.Record{V: writer.Version, Epoch: 7, Seq: 20, Phase: phase, Writer: s.rooms[p.writer], Servers: map[string]string{}, Run: "0101-aa", By: "ops1@ops-0",
		At: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, room := range p.rooms {
		r.Servers[s.rooms[room]] = s.rooms[room] + "-" + p.name
	}
	if phase != writer.Stable {
		r.To = r.Other(r.Writer)
	}
	if phase == writer.Commit {
		r.Pos = "0/0"
	}
	if err := r.Validate(); err != nil {
		return err
	}
	s.sessions++
	p.text, p.index = &r, uint64(s.sessions) //nolint:gosec // counts up from 1
	s.history = append(s.history, Recorded{s.now, pair, r})
	for side := range p.masters {
		for _, room := range closed {
			if s.rooms[p.rooms[side]] == room {
				p.masters[side].fence(s.now)
			}
		}
	}
	return nil
}

// LoseRecord takes a pair's record away at a moment, as a Consul does that was made anew.
func (s *Sim) LoseRecord(pair string, at cutover.T) {
	s.at(at, func() {
		p := s.pair(pair)
		p.text, p.index = nil, 0
	})
}

// OpenMaster lets a room's master of a pair take writes, as somebody by hand does.
func (s *Sim) OpenMaster(pair string, room cutover.Room) {
	p := s.pair(pair)
	for side := range p.masters {
		if s.rooms[p.rooms[side]] == room {
			p.masters[side].open(s.now)
		}
	}
}
