package sim

import (
	"context"
	"fmt"
	"strings"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// preflight looks at the masters of the simulated rooms before a move. Of the checks on real servers those answer that these rooms have a
// state for; others fail by a fault.
type preflight struct{ r *Runner }

const (
	preflightTakes = 400 * cutover.Millisecond
	quickTakes     = 60 * cutover.Millisecond
	mostLag        = 500 * cutover.Millisecond // as on real servers
)

// Preflight is cutover.Preflight.
func (w preflight) Preflight(ctx context.Context, name string, to cutover.Room, quick bool) ([]cutover.Finding, error) {
	s, takes := w.r.s, preflightTakes
	if quick {
		takes = quickTakes
	}
	w.r.takes(takes)
	p := s.pair(name)
	if err := ctx.Err(); p == nil || err != nil {
		return nil, fmt.Errorf("pair %q can't be looked at: %w", name, err)
	}
	found := s.mastersAnswer(p)
	for _, f := range found {
		if !f.OK {
			return found, nil // nothing else can be judged
		}
	}
	found = append(found, s.rolesOf(p, to))
	for side := range p.masters {
		found = append(found, s.replicates(p, side)...)
	}
	for _, f := range s.faults {
		if f.on && f.kind == "preflight" && f.pair == name {
			found = append(found, failing(f.text2))
		}
	}
	return found, nil
}

// failing is a check that a fault makes fail.
func failing(check string) cutover.Finding {
	f := cutover.Finding{Check: check, Seen: "as somebody made it", Wanted: "as it should be", Do: "mend it", Severity: cutover.Refuses, Passing: true}
	if name, ok := strings.CutPrefix(check, "writer."); ok {
		f.Check, f.Rule, f.Severity, f.Passing = name, check, cutover.Breaks, false
	}
	return f
}

func (s *Sim) mastersAnswer(p *pair) []cutover.Finding {
	var found []cutover.Finding
	for side := range p.masters {
		room := s.rooms[p.rooms[side]]
		f := cutover.Finding{Check: "identity", Room: room, Seen: "answers", Wanted: "an answer", OK: true}
		if s.down(room, "server") {
			f.OK, f.Seen, f.Do = false, "no answer", "look at the server"
			f.Severity, f.Passing = cutover.Refuses, true
		}
		found = append(found, f)
	}
	return found
}

// rolesOf: exactly one master takes writes.
func (s *Sim) rolesOf(p *pair, to cutover.Room) cutover.Finding {
	f := cutover.Finding{Check: "roles", Wanted: "read_only=0 on exactly one master", Do: "find out why", Severity: cutover.Refuses}
	var open []string
	for side := range p.masters {
		if !p.masters[side].readOnly {
			open = append(open, s.rooms[p.rooms[side]])
		}
	}
	if f.Seen = strings.Join(open, " and ") + " takes writes"; len(open) == 1 {
		f.OK, f.Do, f.Severity = true, "", ""
		if open[0] == to {
			f.Seen += ": nothing is to be moved"
		}
	}
	return f
}

// replicates: a master gets what the other writes, and soon.
func (s *Sim) replicates(p *pair, side int) []cutover.Finding {
	room := s.rooms[p.rooms[side]]
	threads := cutover.Finding{Check: "threads", Room: room, Seen: "both run", Wanted: "receiving thread and applier run, no error", OK: true}
	if s.receives(p, side) != writer.Yes {
		threads = cutover.Finding{Check: "threads", Room: room, Seen: "applier No", Wanted: threads.Wanted, Do: "look at it", Severity: cutover.Refuses, Passing: true}
	}
	d := s.delay(p, side)
	lag := cutover.Finding{Check: "lag", Room: room, Seen: d.Duration().String(), Wanted: "at most " + mostLag.Duration().String(), OK: d <= mostLag}
	if !lag.OK {
		lag.Do, lag.Severity, lag.Passing = "wait until it is less", cutover.Refuses, true
	}
	return []cutover.Finding{threads, lag}
}
