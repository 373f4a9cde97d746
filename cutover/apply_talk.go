package cutover

import (
	"slices"
	"strings"
	"time"

	"roomshift/cutover/writer"
)

// warmFor is how long seen shares are kept: a room is warm for what it carried within an hour, with some to spare.
const warmFor = 90 * time.Minute

// applyTalk takes what people said and what was seen and judged.
func (p *Progress) applyTalk(r *Record) error {
	switch r.Kind {
	case KindSeen:
		return p.applySeen(r)
	case KindVerdict:
		p.Verdict = *r.Verdict
		for _, key := range r.Verdict.Cleared {
			delete(p.Answered, key)
		}
	case KindCommand:
		return p.applyCommand(r)
	case KindAsked:
		return p.applyAsked(r)
	case KindAnswered:
		return p.applyAnswered(r)
	case KindBroke:
		p.Broken = append(p.Broken, *r.Broke)
	case KindClaim:
		p.Claims = r.Claim.Names
	}
	return nil
}

func (p *Progress) applySeen(r *Record) error {
	wall, err := time.Parse(time.RFC3339, r.Wall)
	if err != nil {
		return refuse(r, "its wall time %q is no RFC 3339 time", r.Wall)
	}
	p.LastSeen = *r.Seen
	p.fold.seenWall = wall
	old := 0
	for old < len(p.Seens) {
		at, err := time.Parse(time.RFC3339, p.Seens[old].Wall)
		if err == nil && wall.Sub(at) <= warmFor {
			break
		}
		old++
	}
	p.Seens = append(p.Seens[old:len(p.Seens):len(p.Seens)], WallShare{Wall: r.Wall, Share: r.Seen.Share})
	return nil
}

func (p *Progress) applyCommand(r *Record) error {
	c := r.Command
	if c.ID == "" || p.Commands[c.ID] {
		return refuse(r, "command %q of %s was taken already, or has no id", c.ID, c.Who)
	}
	frees := false
	switch c.Verb {
	case "pause":
		p.Paused = c.Who
	case "resume":
		p.Paused, frees = "", true
	case "mute":
		gate := c.Args["gate"]
		if gate == "" {
			return refuse(r, "mute by %s names no gate", c.Who)
		}
		p.Mutes[gate], frees = *c, true
	case "back", "close", "stop":
		frees = true
	case "freeze", "approve", "accept":
	default:
		return refuse(r, "verb %q by %s, which this roomshift doesn't know", c.Verb, c.Who)
	}
	p.Commands[c.ID] = true
	p.fold.freed = p.fold.freed || frees
	for _, key := range c.Causes {
		p.Answered[key] = c.Who
	}
	return nil
}

func (p *Progress) questionFits(r *Record, step int) error {
	if step < -1 || step >= len(p.Steps) {
		return refuse(r, "a question of step %d, and the plan has %d steps", step, len(p.Steps))
	}
	return nil
}

func (p *Progress) applyAsked(r *Record) error {
	a := r.Asked
	if err := p.questionFits(r, a.Step); err != nil {
		return err
	}
	p.dropAsked(a.Step, a.What)
	p.Asked = append(p.Asked, *a)
	return nil
}

func (p *Progress) applyAnswered(r *Record) error {
	a := r.Answered
	if err := p.questionFits(r, a.Step); err != nil {
		return err
	}
	p.dropAsked(a.Step, a.What)
	if name, ok := strings.CutPrefix(a.What, keepQuestion); ok && a.How == "accepted" {
		for seat := range p.SetAgain {
			if seat.String() == name {
				delete(p.SetAgain, seat)
			}
		}
	}
	if a.Step >= 0 && a.How == "approved" {
		p.Steps[a.Step].Approved = a.Who
	}
	return nil
}

// dropAsked leaves the slice alone that a reader may hold.
func (p *Progress) dropAsked(step int, what string) {
	is := func(q AskedMark) bool { return q.Step == step && q.What == what }
	if slices.ContainsFunc(p.Asked, is) {
		p.Asked = slices.DeleteFunc(slices.Clone(p.Asked), is)
	}
}

// applyWriter takes a pair's record as its Consul answered it; it alone moves a writer. A verb of a move is only shown.
func (p *Progress) applyWriter(r *Record) error {
	if m := r.Move; m != nil {
		p.applyVerb(m, r.Wall)
		p.Moves[m.Pair] = *m
		p.Changed = true
		return nil
	}
	if a := r.After; a != nil {
		p.applyAfter(a)
		return nil
	}
	w := r.Writer
	if old, ok := p.Writers[w.Pair]; ok && (w.Epoch < old.Epoch || w.Number < old.Number) {
		return refuse(r, "the writer record of %s goes back from epoch %d, number %d to epoch %d, number %d: it is an old copy",
			w.Pair, old.Epoch, old.Number, w.Epoch, w.Number)
	}
	d, decided := p.Dark[w.Pair], w.Phase == string(writer.Commit) || w.Writer != p.Writers[w.Pair].Writer
	if d.Since != "" && decided {
		d.Fence = true // or it wouldn't have been
		p.Dark[w.Pair] = d
	}
	p.Writers[w.Pair] = *w
	p.applyFence(w, r.Wall)
	if w.Phase == string(writer.Stable) && d.Since != "" {
		if d.Fence { // its opening wasn't answered, or the answer is lost: it was before this
			p.NoWriter[w.Pair] = max(p.NoWriter[w.Pair], wallsApart(d.Since, r.Wall))
		}
		delete(p.Dark, w.Pair)
	}
	return nil
}

func wallsApart(from, to string) T {
	a, err := time.Parse(time.RFC3339, from)
	b, err2 := time.Parse(time.RFC3339, to)
	if err != nil || err2 != nil {
		return 0
	}
	return max(0, T(b.Sub(a)))
}

// applyVerb follows how long nobody takes writes. Of a process that ended, the record of its fence may be lost, and that of FENCING isn't.
func (p *Progress) applyVerb(m *MoveMark, wall string) {
	fence, fencing := m.Verb == writer.Fence.String(), m.Verb == string(writer.Fencing)
	switch {
	case m.At == "done" && m.Verb == writer.Open.String():
		p.NoWriter[m.Pair] = max(p.NoWriter[m.Pair], m.None)
		delete(p.Dark, m.Pair)
	case m.At == "failed" && fence:
		delete(p.Dark, m.Pair)
	case m.At == "begun" && fencing:
		p.Dark[m.Pair] = Darkness{Since: wall}
	case m.At == "begun" && fence && !p.Dark[m.Pair].Fence:
		p.Dark[m.Pair] = Darkness{wall, true}
	}
}
