package cutover

import (
	"context"
	"fmt"
	"slices"
)

// After looks at pairs whose write role this run moved. It changes nothing, and takes no lock.
type After interface {
	// Strays waits until it sees transactions that were born on the fenced server behind its fence, whatever let them through, or an applier
	// that stopped because both rooms wrote and isn't among known; it gives up before ctx does, with an empty answer.
	Strays(ctx context.Context, pair string, f FencedAt, known []string) Strays
	// Check judges the pair once: one finding for each thing that is to be true after a move to a room. The error is that nothing can be said.
	Check(ctx context.Context, pair string, f FencedAt, to Room) ([]Finding, error)
}

// FencedAt is what a move fenced: the room, what tells its server apart, its position behind the fence, and when that was journaled.
type FencedAt struct {
	Room   Room
	Server string
	Pos    string
	Epoch  int64
	Wall   string
}

// Strays is what a look behind a fence saw. IDs are transactions in the server's words, Pos the position that has them, too.
type Strays struct {
	IDs, Pos  string
	Conflicts []string
	Err       error // nothing answers
}

// FencedState is what is known of a master that this run fenced.
type FencedState struct {
	FencedAt
	Strays    []string
	Conflicts []string
	Checked   bool
	Wrong     []string
}

// applyFence: with COMMIT a master is closed for good in this epoch. One that takes the writes again by a later record is fenced no more, even
// where the COMMIT that said so never came into the journal.
func (p *Progress) applyFence(w *WriterMark, wall string) {
	if w.Pos == "" {
		if f, ok := p.Fenced[w.Pair]; ok && w.Epoch > f.Epoch && w.Writer == f.Room {
			delete(p.Fenced, w.Pair)
		}
		return
	}
	p.Fenced[w.Pair] = FencedState{FencedAt: FencedAt{Room: w.Writer, Server: w.Server, Pos: w.Pos, Epoch: w.Epoch, Wall: wall}}
}

func (p *Progress) applyAfter(a *AfterMark) {
	f := p.Fenced[a.Pair]
	if f.Epoch != a.Epoch {
		return // of a move before
	}
	if a.Strays != "" {
		f.Strays, f.Pos = append(slices.Clone(f.Strays), a.Strays), a.Pos
	}
	f.Conflicts = append(slices.Clone(f.Conflicts), a.Conflicts...)
	if a.Checked {
		f.Checked, f.Wrong = true, a.Wrong
	}
	p.Fenced[a.Pair] = f
}

// Degraded is what isn't well of the pairs whose writer moved, one line each, by pair.
func (p *Progress) Degraded() []string {
	var out []string
	for _, pair := range sortedKeys(p.Fenced) {
		f := p.Fenced[pair]
		for _, ids := range f.Strays {
			out = append(out, fmt.Sprintf("%s: written in %s behind its fence: %s", pair, f.Room, ids))
		}
		for _, text := range slices.Concat(f.Conflicts, f.Wrong) {
			out = append(out, pair+": "+text)
		}
	}
	return out
}

// afterRun is what this process has in hand of a pair that moved; all of it can be lost.
type afterRun struct {
	pair            string
	epoch           int64
	watches, checks flight
	saw             *Strays
	found           *afterReply
	since           T // the first look after the move
}

// flight is a request that is made again and again.
type flight struct {
	flying bool
	next   T
}

type afterReply struct {
	found []Finding
	err   error
}

// The limits of looks at a pair after its move.
const (
	strayLimit  = 30 * Second // of one wait for strays
	strayPause  = Second      // before the next, where nothing answered or something was seen
	afterLimit  = 20 * Second // of the checks
	afterAgain  = 2 * Second  // before they are made again, while they may be too early
	afterSettle = Minute      // so long they may be too early: then what fails is said
	afterLater  = Minute      // before they are made again once that was said
)

func (e *engine) afterOf(pair string, epoch int64) *afterRun {
	for i, a := range e.afters {
		if a.pair != pair {
			continue
		}
		if a.epoch != epoch {
			e.afters[i] = &afterRun{pair: pair, epoch: epoch}
		}
		return e.afters[i]
	}
	a := &afterRun{pair: pair, epoch: epoch}
	e.afters = append(e.afters, a)
	return a
}

// afterMoves watches every master that this run fenced, from its fence until the run ends, and checks each move once it is done. It waits for
// nothing.
func (e *engine) afterMoves() {
	if e.w.After == nil || len(e.p.Fenced) == 0 || !e.started() || e.ended {
		return
	}
	for _, pair := range sortedKeys(e.p.Fenced) {
		f := e.p.Fenced[pair]
		a := e.afterOf(pair, f.Epoch)
		e.bornBehind(a, f)
		e.checkedAfter(a, f)
		if !e.leftOpen(pair) { // a process before this one may have opened it again
			e.watchStrays(a, e.p.Fenced[pair])
		}
		if w := e.p.Writers[pair]; w.Phase == "STABLE" && w.Epoch == f.Epoch && w.Writer != f.Room && (!f.Checked || len(f.Wrong) > 0) {
			e.checkAfter(a, f, w.Writer)
		}
	}
}

// flies tells whether a flight may begin now.
func (e *engine) flies(f *flight) bool {
	if f.flying {
		return false
	}
	if e.now < f.next {
		e.at(f.next)
		return false
	}
	f.flying = true
	return true
}

func (e *engine) watchStrays(a *afterRun, f FencedState) {
	if !e.flies(&a.watches) {
		return
	}
	at, known := f.FencedAt, f.Conflicts
	e.start(strayLimit, func(ctx context.Context) any { return e.w.After.Strays(ctx, a.pair, at, known) }, func(v any) {
		s := v.(Strays)
		a.watches.flying = false
		if s.Err != nil || s.IDs != "" || len(s.Conflicts) > 0 {
			a.watches.next = e.now + strayPause // where it answers at once each time
		}
		if s.IDs != "" || len(s.Conflicts) > 0 {
			a.saw = &s
		}
	}, func() { a.watches = flight{next: e.now + strayPause} })
}

// bornBehind is what follows from a write behind a fence: nothing that the run could do puts it right. It freezes and calls people.
func (e *engine) bornBehind(a *afterRun, f FencedState) {
	s := a.saw
	if a.saw = nil; s == nil {
		return
	}
	m := AfterMark{Pair: a.pair, Epoch: a.epoch, Strays: s.IDs, Pos: s.Pos}
	if slices.Contains(f.Strays, s.IDs) { // told already
		m.Strays = ""
	}
	for _, c := range s.Conflicts {
		if !slices.Contains(f.Conflicts, c) {
			m.Conflicts = append(m.Conflicts, c)
		}
	}
	if m.Strays == "" {
		m.Pos = ""
		if len(m.Conflicts) == 0 {
			return
		}
	}
	e.propose(Record{Kind: KindAfter, After: &m}, true)
	var causes []Cause
	if m.Strays != "" {
		causes = append(causes, Cause{Gate: "conflict", Room: f.Room, Color: Red, Seen: m.Strays, Limit: "nothing", Text: fmt.Sprintf(
			"%s was written in %s behind its fence: %s. Two rooms have written, and neither going on nor going back puts that right: find who writes there and end it, "+
				"look at these transactions in its binlog, and write what is to be kept where the writer is; then resume, or back", a.pair, f.Room, m.Strays)})
	}
	for _, c := range m.Conflicts {
		causes = append(causes, Cause{Gate: "conflict", Room: f.Room, Color: Red, Seen: c, Limit: "it runs", Text: fmt.Sprintf(
			"%s: %s. Both rooms have written the same rows: look at both (roomshift verify %s), put the row right and start it again; never skip it; then resume, or back", a.pair, c, a.pair)})
	}
	if e.p.Phase == PhaseFrozen || e.plan.Evacuate {
		e.callPeople(Page{Causes: causes, New: true})
		return
	}
	if e.p.Phase == PhaseForward || e.p.Phase == PhaseBack {
		e.freeze(causes)
	}
}

func (e *engine) checkAfter(a *afterRun, f FencedState, to Room) {
	if !e.flies(&a.checks) {
		return
	}
	if a.since == 0 {
		a.since = e.now
	}
	at := f.FencedAt
	e.start(afterLimit, func(ctx context.Context) any {
		found, err := e.w.After.Check(ctx, a.pair, at, to)
		return afterReply{found, err}
	}, func(v any) {
		r := v.(afterReply)
		a.checks, a.found = flight{next: e.now + afterAgain}, &r
	}, func() {
		a.checks, a.found = flight{next: e.now + afterAgain}, &afterReply{err: errNoAnswer}
	})
}

// checkedAfter takes what the checks came to. What fails at first may come by itself: the row that shows the way back is written once the
// move is done. What still fails then is said, and undoes nothing.
func (e *engine) checkedAfter(a *afterRun, f FencedState) {
	r := a.found
	if a.found = nil; r == nil {
		return
	}
	var wrong []string
	if r.err != nil {
		wrong = append(wrong, "not checked after the move: "+r.err.Error())
	}
	for _, x := range r.found {
		if !x.OK {
			wrong = append(wrong, x.String())
		}
	}
	if len(wrong) > 0 && e.now < a.since+afterSettle {
		return
	}
	if len(wrong) > 0 {
		a.checks.next = e.now + afterLater
	}
	if f.Checked && slices.Equal(wrong, f.Wrong) {
		return
	}
	e.propose(Record{Kind: KindAfter, After: &AfterMark{Pair: a.pair, Epoch: a.epoch, Checked: true, Wrong: wrong}}, false)
}
