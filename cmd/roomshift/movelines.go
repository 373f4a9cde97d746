package main

import (
	"fmt"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// moveLines tells the moves of write roles: one line for each request that was answered, and one when the record is STABLE again.
type moveLines map[string]*movePair

// movePair is a pair's move as it was told so far.
type movePair struct {
	sent   time.Time // the request under way
	fenced time.Time // since when nobody may be taking writes, zero: somebody does
	none   cutover.T // how long nobody did, in the move that was told last
	writer string    // by its last STABLE record
}

func (m moveLines) pair(name string) *movePair {
	if m[name] == nil {
		m[name] = &movePair{}
	}
	return m[name]
}

// goOn takes over from a process that is gone: pairs that it left without a writer.
func (m moveLines) goOn(dark map[string]cutover.Darkness) {
	for name, d := range dark {
		if since, err := time.Parse(time.RFC3339, d.Since); err == nil && d.Fence {
			m.pair(name).fenced = since
		}
	}
}

// verb tells a request of a move.
func (m moveLines) verb(v *cutover.MoveMark, at time.Time, put func(string, string, ...any)) {
	p := m.pair(v.Pair)
	if v.At == "begun" {
		p.sent = at
		if v.Verb == writer.Fence.String() && p.fenced.IsZero() {
			p.fenced = at
		}
		return
	}
	took := ageOf(cutover.T(at.Sub(p.sent)))
	if v.At == "failed" && v.Verb == writer.Fence.String() || v.At == "done" && v.Verb == writer.Open.String() {
		p.none, p.fenced = max(p.none, v.None), time.Time{}
	}
	switch v.At {
	case "done":
		put("writer", "%s → %s %s ok %s", v.Pair, orNone(v.Wish), v.Verb, took)
	default:
		put("writer", "%s → %s %s %s after %s: %s", v.Pair, orNone(v.Wish), v.Verb, v.At, took, v.Why)
	}
}

// record tells where the writer is, once that is decided.
func (m moveLines) record(r *cutover.WriterMark, at time.Time, put func(string, string, ...any)) {
	p := m.pair(r.Pair)
	if r.Phase != string(writer.Stable) {
		return
	}
	what := "is"
	if p.writer == r.Writer {
		what = "stays"
	}
	text := fmt.Sprintf("%s %s in %s, epoch %d", r.Pair, what, r.Writer, r.Epoch)
	switch {
	case p.none > 0:
		text += ", " + ageOf(p.none) + " without a writer"
	case !p.fenced.IsZero(): // its opening wasn't answered
		text += ", " + ageOf(cutover.T(at.Sub(p.fenced))) + " without a writer at most"
	}
	p.writer, p.none, p.fenced = r.Writer, 0, time.Time{}
	put("writer", "%s", text)
}

// after tells what was found of a pair after its move.
func (m moveLines) after(a *cutover.AfterMark, put func(string, string, ...any)) {
	if a.Strays != "" {
		put("writer", "%s was written behind its fence: %s", a.Pair, a.Strays)
	}
	for _, c := range a.Conflicts {
		put("writer", "%s: %s", a.Pair, c)
	}
	switch {
	case !a.Checked:
	case len(a.Wrong) == 0:
		put("writer", "%s checked after its move: all is well", a.Pair)
	default:
		for _, w := range a.Wrong {
			put("writer", "%s is degraded: %s", a.Pair, w)
		}
	}
}

// onlyLine tells what became of the key of a thing that follows a writer.
func onlyLine(m *cutover.OnlyMark, put func(string, string, ...any)) {
	switch m.At {
	case "begun":
	case "done":
		put("only", "%s: %s", m.Name, m.Room)
	case "zero":
		put("only", "%s has stopped", m.Name)
	case "foreign", "adopted":
		put("only", "%s: %s, %s", m.Name, m.Room, m.At)
	default:
		put("only", "%s: %s %s: %s", m.Name, m.Room, m.At, m.Why)
	}
}
