package cutover

import (
	"cmp"
	"fmt"
	"slices"

	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// pairRecord is what was read of a pair's record, in a PairPlan that has nothing else.
func pairRecord(s *Snapshot, pair string) PairPlan {
	peeked, looked := s.Pairs[pair]
	var out PairPlan
	switch r := peeked.Record; {
	case !looked:
	case peeked.Seen.Away:
		out.Unread = true
	case r != nil:
		out.Record = &RecordPlan{Phase: string(r.Phase), Epoch: r.Epoch, Seq: r.Seq, Writer: r.Writer, To: r.To, Index: peeked.Index}
	default:
		for _, m := range peeked.Seen.Servers {
			out.Marker = max(out.Marker, m.Marker.Epoch)
		}
	}
	return out
}

// same tells whether both have the same record.
func (p *PairPlan) same(q *PairPlan) bool {
	if p.Record == nil || q.Record == nil {
		return p.Record == q.Record && p.Unread == q.Unread && p.Marker == q.Marker
	}
	return *p.Record == *q.Record
}

func recordText(p *PairPlan) string {
	if p.Unread {
		return "a record out of reach"
	}
	return p.Record.String()
}

// moves tells whether the plan moves a pair's writer.
func (p *Plan) moves(pair string) bool { return p.moveOf(pair) != nil }

// moveOf is the first step that moves it, nil none.
func (p *Plan) moveOf(pair string) *WriterPlan {
	for i := range p.Steps {
		if w := p.Steps[i].Writer; w != nil && slices.Contains(w.Pairs, pair) {
			return w
		}
	}
	return nil
}

// recordOf takes a pair's record into the plan, and says what of it keeps a move from beginning. What a move that was left stands between is
// brought to an end by the run, so that the writer is where the record says.
func (b *planner) recordOf(pair *PairPlan, def *runbooks.Pair) {
	read := pairRecord(b.in.Snapshot, pair.Name)
	pair.Record, pair.Unread, pair.Marker = read.Record, read.Unread, read.Marker
	step := slices.IndexFunc(b.book.Steps, func(st runbooks.Step) bool { return st.Writer != nil && slices.Contains(st.Writer.Pairs, pair.Name) })
	if step < 0 {
		return
	}
	if b.book.Steps[step].Writer.Reopen {
		b.reopen(pair, def)
		return
	}
	look := fmt.Sprintf("see `roomshift writer status %s`", pair.Name)
	peeked := b.in.Snapshot.Pairs[pair.Name]
	switch r := peeked.Record; {
	case pair.Unread:
		b.problem(def.Pos, ruleSnapshot, look, "pair %s: its record can't be read: %v", pair.Name, peeked.Err)
	case r == nil:
	case pair.Between() && pair.Writer == "":
		pair.Writer = r.Publishes()
	case r.Phase != writer.Stable:
	case pair.Writer != "" && pair.Writer != r.Writer:
		b.problem(def.Pos, ruleSnapshot, look, "pair %s: its record names %s, and the servers say that %s takes the writes", pair.Name, r.Writer, pair.Writer)
	case pair.Writer == "" && closedWriter(&peeked):
		b.problem(def.Pos, ruleSnapshot, fmt.Sprintf("`roomshift writer reopen %s` opens it", pair.Name), "pair %s: its writer %s is read-only: it came up closed", pair.Name, r.Writer)
		pair.Writer = r.Writer
	}
}

// reopen takes a pair into the plan whose writer came up closed. Any other way in which a pair can stand is a problem, by name.
func (b *planner) reopen(pair *PairPlan, def *runbooks.Pair) {
	peeked := b.in.Snapshot.Pairs[pair.Name]
	r := peeked.Record
	seen := ""
	switch {
	case !peeked.Answers():
		seen = fmt.Sprintf("not all of it can be seen: %v", peeked.Why())
	case r == nil:
		seen = "it has no record, so that nobody knows whose writer it was"
	case r.Phase != writer.Stable:
		seen = pair.Record.String() + ": a move is in between"
	case !closedWriter(&peeked):
		seen = fmt.Sprintf("%s of %s, and %s", r.Phase, r.Writer, writerText(b.in.Snapshot.Writers[pair.Name], true))
	default:
		pair.Writer = r.Writer
		return
	}
	b.problem(def.Pos, ruleWriter, fmt.Sprintf("see `roomshift writer status %s`", pair.Name), "pair %s: only a writer that came up closed is opened again, and %s", pair.Name, seen)
	pair.Writer = cmp.Or(pair.Writer, pair.Rooms[0]) // it was said what is wrong
}

// closedWriter: the record is STABLE, and both are read-only.
func closedWriter(p *Peeked) bool {
	return p.Seen.Servers[0].Mode() == writer.ReadOnly && p.Seen.Servers[1].Mode() == writer.ReadOnly
}
