package cutover

import (
	"fmt"
	"slices"
	"strings"
)

// ChangedTTLs are those that aren't what they were at the start, one line for each value.
func (p *Progress) ChangedTTLs() []string {
	start := p.Targets[startTarget]
	if start == nil || p.Plan == nil {
		return nil
	}
	names := map[string][]string{}
	for i := range p.Plan.Steps {
		for k := range p.Plan.Steps[i].Rungs {
			rung := &p.Plan.Steps[i].Rungs[k]
			for _, c := range rung.Changes {
				o := p.Objects[c.ID()]
				if _, ttl := rung.TTL[c.Seat]; !ttl || o == nil || o.Last == start.Want[c.ID()] {
					continue
				}
				what := fmt.Sprintf("TTL %s s (it was %s)", o.Last, start.Want[c.ID()])
				if !slices.Contains(names[what], c.Seat.Route) {
					names[what] = append(names[what], c.Seat.Route)
				}
			}
		}
	}
	var out []string
	for _, what := range sortedKeys(names) {
		out = append(out, what+" on "+strings.Join(names[what], " "))
	}
	return out
}

// openEnds is what this run has changed beside shares and hasn't put back, and what may still land.
func (e *engine) openEnds() []string {
	out := e.p.ChangedTTLs()
	if n := e.openCount(); n > 0 {
		out = append(out, fmt.Sprintf("%d writes without an answer", n))
	}
	return out
}
