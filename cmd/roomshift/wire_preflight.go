package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/journal"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// preflights look at the real masters before a move.
type preflights struct{ r *realRooms }

// Preflight is cutover.Preflight.
func (p preflights) Preflight(ctx context.Context, pair string, to cutover.Room, quick bool) ([]cutover.Finding, error) {
	rooms := p.r.l.Rooms
	for i := range rooms.Pairs {
		if rooms.Pairs[i].Name != pair {
			continue
		}
		ring := p.r.rings[pair]
		if ring == nil {
			return nil, fmt.Errorf("pair %s: its masters aren't reached by replication of their own", pair)
		}
		o := dbsync.PreflightOptions{To: to, Quick: quick, Declared: map[cutover.Room]bool{}, Broken: map[string]string{},
			Rehearse: func(context.Context) dbsync.Rehearsal { return rehearsalOf(rooms.Environment, pair) }}
		for _, m := range rooms.Pairs[i].Masters {
			o.Declared[m.Room] = m.RestartsFenced
		}
		for _, g := range p.r.l.Book.Gates { // a gate that lets more lag pass says what is usual here
			if g.Replication == pair && g.Hold != nil {
				o.MostLag = max(o.MostLag, dbsync.DefaultMostLag, time.Duration(g.Hold.Value*float64(time.Second)))
			}
		}
		for name, reason := range rooms.Pairs[i].Breaks {
			o.Broken["writer."+name] = reason
		}
		return ring.Preflight(ctx, o)
	}
	return nil, fmt.Errorf("there is no pair %q", pair)
}

// rehearsalOf is what this machine knows of a pair: its last comparison, and the last move of it by a journal of this environment.
func rehearsalOf(environment, pair string) dbsync.Rehearsal {
	base, err := stateDir()
	if err != nil {
		return dbsync.Rehearsal{Err: err}
	}
	var out dbsync.Rehearsal
	c, err := dbsync.LastComparison(filepath.Join(base, environment), pair)
	switch {
	case err != nil:
		out.Err = err
	case c != nil:
		out.Compared, out.Verdict, out.Differ = c.At, c.Verdict(), c.Different()
	}
	files, err := filepath.Glob(filepath.Join(base, environment, "*", "journal.jsonl"))
	if err != nil {
		out.Err = errors.Join(out.Err, err)
	}
	for _, file := range files {
		rs, _, err := journal.ReadOnly(filepath.Dir(file))
		if err != nil {
			continue // it is somebody's, and says nothing here
		}
		if at, took := lastMove(rs, pair); at.After(out.Moved) {
			out.Moved, out.Took = at, took
		}
	}
	return out
}

// lastMove is when a run moved a pair last, and for how long nobody took writes then; zero: it didn't.
func lastMove(rs []cutover.Record, pair string) (at time.Time, took time.Duration) {
	var none time.Duration
	from := ""
	for i := range rs {
		wall, err := time.Parse(time.RFC3339Nano, rs[i].Wall)
		if err != nil {
			continue
		}
		if m := rs[i].Move; m != nil && m.Pair == pair && m.Verb == writer.Open.String() && m.At == "done" {
			none = m.None.Duration()
		}
		if w := rs[i].Writer; w != nil && w.Pair == pair && w.Phase == string(writer.Stable) {
			if from != "" && from != w.Writer && none > 0 {
				at, took = wall, none
			}
			from, none = w.Writer, 0
		}
	}
	return at, took
}

// movedTo are the pairs whose writer a runbook moves, or checks that it could, with the room of the first such step.
func movedTo(book *runbooks.Runbook) map[string]cutover.Room {
	out := map[string]cutover.Room{}
	add := func(w *runbooks.WriterMove) {
		for k := 0; w != nil && k < len(w.Pairs); k++ {
			if out[w.Pairs[k]] == "" {
				out[w.Pairs[k]] = w.To
				if w.To == "" {
					out[w.Pairs[k]] = book.To
				}
			}
		}
	}
	for i := range book.Steps {
		add(book.Steps[i].Writer)
		if c := book.Steps[i].Check; c != nil {
			add(c.Writer)
		}
	}
	return out
}

// preflown is the preflight of each of these pairs, side by side; one without an answer has a finding that says so.
func (r *realRooms) preflown(ctx context.Context, pairs map[string]cutover.Room) map[string][]cutover.Finding {
	out := map[string][]cutover.Finding{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, pair := range sortedNames(pairs) {
		all.Go(func() {
			found, err := preflights{r}.Preflight(ctx, pair, pairs[pair], false)
			if err != nil {
				found = append(found, cutover.Finding{Check: "preflight", Seen: err.Error(), Wanted: "an answer", Do: "mend that, then look again", Severity: cutover.Refuses})
			}
			mu.Lock()
			defer mu.Unlock()
			out[pair] = found
		})
	}
	all.Wait()
	return out
}
