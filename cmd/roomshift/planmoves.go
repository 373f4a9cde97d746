package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
)

// planMoves says what the moves of a plan do, and what each may cost: before it is begun, not after. seen is how the pairs stood.
func planMoves(w io.Writer, p *cutover.Plan, seen map[string]cutover.Peeked) {
	var moves []string
	several, reopens := 0, true
	for i := range p.Steps {
		m := p.Steps[i].Writer
		if m == nil {
			continue
		}
		several = max(several, len(m.Pairs))
		reopens = reopens && m.Reopen
		for _, name := range m.Pairs {
			moves = append(moves, moveText(p, m, name, seen[name])...)
		}
	}
	if len(moves) == 0 {
		return
	}
	for i, text := range moves {
		wrapped(w, planIndent, first(i, "WRITERS"), text)
	}
	if reopens {
		return
	}
	for i, text := range moveCosts(p, seen) {
		wrapped(w, planIndent, first(i, "COSTS"), text)
	}
	if several > 1 {
		wrapped(w, planIndent, "", "! several pairs move one after the other: what a business transaction writes to two of them is apart in between. Name the pair "+
			"that others refer to last")
	}
}

// moveText is what becomes of a pair.
func moveText(p *cutover.Plan, m *cutover.WriterPlan, name string, seen cutover.Peeked) []string {
	pair := &cutover.PairPlan{}
	for i := range p.Pairs {
		if p.Pairs[i].Name == name {
			pair = &p.Pairs[i]
		}
	}
	var out []string
	b := m.Budget()
	switch {
	case m.Reopen:
		out = append(out, fmt.Sprintf("%s is opened in %s, where it came up closed: nothing else is done", name, m.To))
	case pair.Writer == m.To && !pair.Between():
		out = append(out, fmt.Sprintf("%s is in %s already", name, m.To))
	default:
		out = append(out, fmt.Sprintf("%s %s → %s, without a writer for %s at most: fence %s, ending clients %s, waiting for %s %s, COMMIT %s", name, pair.Writer, m.To,
			span(b.NoWriter), span(b.Fence), span(b.Kill), m.To, span(b.Wait), span(b.Trip)))
	}
	switch {
	case pair.Between():
		out = append(out, fmt.Sprintf("! %s: left by a process that is gone; first that is brought to an end", pair.Record))
	case pair.Record != nil:
		out = append(out, "its record: "+pair.Record.String())
	case pair.Unread:
	case pair.Marker > 0:
		out = append(out, fmt.Sprintf("! no record, and the masters remember epoch %d: it was lost with its Consul. Yes to this plan says that %s is the writer; this run creates it", pair.Marker, pair.Writer))
	default:
		out = append(out, fmt.Sprintf("no record yet: %s's writer is %s by both servers; this run creates it", name, pair.Writer))
	}
	if !m.Reopen {
		out = append(out, inTheWay(pair.Writer, seen)...)
	}
	return out
}

// inTheWay is what a move ends, or waits for, on the writer.
func inTheWay(room cutover.Room, seen cutover.Peeked) []string {
	var out []string
	for i, s := range seen.Seen.Servers {
		if s.Room != room {
			continue
		}
		if n := len(seen.Masters[i].Long); n > 0 {
			out = append(out, fmt.Sprintf("! it ends %s: %s", counted(n, "transaction that is open for long"), strings.Join(seen.Masters[i].Long, "; ")))
		}
		if len(s.XA) > 0 {
			out = append(out, fmt.Sprintf("! prepared in %s, and so in its way: %s", s.Room, strings.Join(s.XA, ", ")))
		}
	}
	return out
}

// span is a time as people write it.
func span(d time.Duration) string { return ageOf(cutover.T(d)) }

// moveCosts is what can come of any move.
func moveCosts(p *cutover.Plan, seen map[string]cutover.Peeked) []string {
	out := []string{
		"until COMMIT is sent a move is undone at once; after that going back is a move of its own, which waits until replication back is within its limits",
		"the record's Consul lost between COMMIT and its answer: no writer until it is back, or a person decides",
		fmt.Sprintf("this process killed: `roomshift takeover RUN` goes on at once on this machine, on another one after up to %s", span(consul.DeadWithin)),
		"a master that restarts comes up closed: no writer until a run of its pair opens it, or `roomshift writer reopen`",
	}
	var weak []string
	for i := range p.Pairs {
		for k, m := range seen[p.Pairs[i].Name].Masters {
			if m.Weak != "" {
				weak = append(weak, fmt.Sprintf("%s in %s %s", p.Pairs[i].Name, seen[p.Pairs[i].Name].Seen.Servers[k].Room, m.Weak))
			}
		}
	}
	if len(weak) > 0 {
		out = append(out, "! a machine lost in the middle: what is opened rests on commits that are on disk on both masters, and they aren't: "+strings.Join(weak, ", "))
	}
	return out
}
