package cutover

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"roomshift/cutover/writer"
)

// mover is the move of one pair's write role as this process has it in hand. All of it can be lost: the pair's record decides, and
// what isn't in it is looked for (WRITER §4).
type mover struct {
	pair   string
	budget writer.Budget
	fencer writer.Fencer
	begin  RoundBegin
	seen   *MoveSeen // of the newest round, until something is decided by it
	flying bool
	gen    int // rises when what is under way no longer counts

	known  bool // this process has seen the record and both sides agree
	open   bool // the record may stand between its sides: FENCING was sent, by whomever, and no agreement was seen since
	settle bool // taken over: it is brought to the nearer side before anything is wished
	reopen bool // it came up closed, and is opened where it is; nothing else is done
	left   bool // settle: it stood between its sides when the plan was made, by another run that is gone
	tried  int  // how often FENCING was sent in this attempt

	phase   int   // the run's when FENCING was sent, by engine.phases: one that still wishes it isn't between sides
	fences  T     // when the fence was sent first in this attempt, 0 not yet
	begins  int64 // the record of an intended FENCING, 0 none: it must be durable first
	retryAt T
	tries   int
	gone    goneMaster
	heldAt  T      // going back in heldIn: when it first waited
	heldIn  int    // a phase of the run, by engine.phases; 0 none
	holds   string // why nothing happens, for people; "" it goes on
	told    string // what people were told of it last
	lost    string // why the attempt was given up
}

// moveState is how far a move has come.
type moveState uint8

const (
	moveOn    moveState = iota // it goes on by itself
	moveHolds                  // it waits: mover.holds says for what
	moveGone                   // given up, the record is STABLE where it was: mover.lost says why
	moveThere                  // the record is STABLE at the wish, seen behind both locks
)

// moverOf is a pair's mover.
func (e *engine) moverOf(pair string) *mover {
	for _, m := range e.movers {
		if m.pair == pair {
			return m
		}
	}
	m := &mover{pair: pair, begin: RoundBegin{From: FromLock}, budget: e.budgetOf(pair)}
	e.movers = append(e.movers, m)
	return m
}

// budgetOf divides the time that a pair may be without a writer, as its step says it.
func (e *engine) budgetOf(pair string) writer.Budget {
	none := noWriter
	for i := range e.plan.Steps {
		if w := e.plan.Steps[i].Writer; w != nil && slices.Contains(w.Pairs, pair) {
			none = w.NoWriter
		}
	}
	return budgetFor(none)
}

// drive takes a move as far as it goes now: look, decide, do, one after the other. wish is the room that is to be the writer, by the
// record as it was read; may is asked before FENCING only, and says what speaks against it now.
func (e *engine) drive(m *mover, wish func(*writer.Record) Room, may func() string) moveState {
	switch {
	case m.flying:
		return moveOn
	case e.now < m.retryAt:
		e.at(m.retryAt)
		return m.state()
	case m.seen == nil:
		e.round(m)
		return moveOn
	}
	seen := m.seen
	want := writer.Want{Room: e.inBudget(m, wish(seen.Record), seen.Record), Create: e.mayCreate(m.pair), Reopen: m.reopen}
	a := writer.Decide(seen.Record, seen.Seen, want, m.fencer)
	if a.Do == writer.Write && a.Next.Phase == writer.Fencing {
		if st, wait := e.mayFence(m, want.Room, may); wait {
			return st
		}
	}
	m.seen, m.begins, m.holds = nil, 0, ""
	m.tell(e, &a, seen.Err)
	switch a.Do {
	case writer.Done:
		m.known, m.open, m.settle, m.tries, m.fences = true, false, false, 0, 0
		e.letGo(m)
		e.giveOnlys(m.pair)
		return moveThere
	case writer.Refuse:
		m.open, m.lost = false, a.Reason.String()
		e.letGo(m)
		return moveGone
	case writer.Hold:
		m.begin, m.holds, m.retryAt = RoundBegin{From: FromLock}, a.Reason.String(), e.now+Second
		e.at(m.retryAt)
		return moveHolds
	case writer.Look:
		m.again(e, RoundBegin{From: FromRead})
	case writer.Lock:
		m.again(e, RoundBegin{FromLock, a.Room})
	case writer.Settle:
		m.again(e, RoundBegin{From: FromSettle})
	default:
		e.act(m, a, seen, want.Room)
	}
	e.changed()
	return moveOn
}

// mayCreate tells whether a pair's record may be created: who said yes to the plan saw that there was none, and this run has seen none since.
// One that is gone was lost with its Consul, and the pair is no new one.
func (e *engine) mayCreate(pair string) bool {
	for i := range e.plan.Pairs {
		if p := &e.plan.Pairs[i]; p.Name == pair {
			return p.Record == nil && !p.Unread && e.p.Writers[pair].Epoch == 0
		}
	}
	return false
}

// tell tells people once of what they must hear: what only they can end, and what should not have been. away is why something didn't answer.
func (m *mover) tell(e *engine, a *writer.Act, away error) {
	text := a.Reason.String()
	if a.Do != writer.Hold && !a.Alarm || m.told == text {
		return
	}
	m.told = text
	if away != nil {
		text += ": " + away.Error()
	}
	e.note(fmt.Sprintf("the writer of %s: %s", m.pair, text))
}

// state is whether it waits for something, or goes on.
func (m *mover) state() moveState {
	if m.holds != "" {
		return moveHolds
	}
	return moveOn
}

// again looks once more, at once a few times, then after moments that grow: what is waited for may take a while.
func (m *mover) again(e *engine, begin RoundBegin) {
	m.begin = begin
	if m.tries++; m.tries > 3 {
		m.retryAt = e.now + min(T(m.tries)*5*Millisecond, Second)
		e.at(m.retryAt)
	}
}

// inBudget turns a wish back when the time without a writer is spent before COMMIT.
func (e *engine) inBudget(m *mover, wish Room, r *writer.Record) Room {
	if r == nil || r.Phase != writer.Fencing || m.fences == 0 || wish == r.Writer {
		return wish
	}
	end := m.fences + T(m.budget.LastCommit())
	if e.now < end {
		e.at(end)
		return wish
	}
	m.lost = fmt.Sprintf("%s was without a writer for %s, and noWriter is %s: given up before it was decided", m.pair, (e.now - m.fences).Duration(), m.budget.NoWriter)
	return r.Writer
}

// mayFence says whether a move waits, or is given up, before FENCING is sent. FENCING is the one record of a move that waits for the
// journal: whoever takes over must know that there may be one.
func (e *engine) mayFence(m *mover, wish Room, may func() string) (moveState, bool) {
	switch why := m.seen.Unfit; {
	case m.tried > 0 && (m.fences > 0 || m.tried == fencingTries):
		m.open, m.seen = false, nil
		e.letGo(m)
		return moveGone, true
	case why != "":
		m.open, m.seen, m.lost = false, nil, why
		e.letGo(m)
		return moveGone, true
	}
	m.open = false // the record is STABLE, and nothing that was sent can make it anything else
	if why := cmp.Or(m.seen.NotNow, may()); why != "" {
		m.holds, m.begins, m.seen, m.retryAt = why, 0, nil, e.now+Second
		e.at(m.retryAt)
		return moveHolds, true
	}
	m.holds = ""
	if m.begins == 0 {
		m.begins = e.propose(Record{Kind: KindMove, Move: &MoveMark{Pair: m.pair, Wish: wish, Verb: "FENCING", At: "begun"}}, true)
	}
	return moveOn, e.out.durable < m.begins
}

// round looks: what it saw is decided by in the next turn.
func (e *engine) round(m *mover) {
	m.flying = true
	gen, begin, f, pair := m.gen, m.begin, m.fencer, m.pair
	e.start(roundLimit, func(ctx context.Context) any { return e.w.Movers.Round(ctx, pair, begin, f) }, func(v any) {
		if m.gen != gen {
			return
		}
		seen := v.(MoveSeen)
		m.flying, m.begin, m.seen = false, RoundBegin{From: FromRead}, &seen
		for _, room := range seen.Broke {
			m.fencer = m.fencer.Broke(room)
		}
		for _, room := range seen.Took {
			m.fencer = m.fencer.Took(room)
		}
		if !seen.Seen.Away {
			m.fencer = m.fencer.Read(seen.Record, seen.Index, seen.Session)
			e.recorded(m.pair, seen.Record)
		}
		m.fencer = m.fencer.Saw(seen.Seen)
		m.sawGone(e, &seen)
	}, func() { e.lostTrack(m) })
}

// letGo gives the pair's sessions and locks back, once nothing of it is between sides: others may want them. The next round takes them anew.
func (e *engine) letGo(m *mover) {
	m.flying, m.begin = true, RoundBegin{From: FromLock}
	gen, pair, movers := m.gen, m.pair, e.w.Movers
	ended := func() {
		if m.gen == gen {
			m.gen++
			m.flying, m.fencer = false, writer.Fencer{}
		}
	}
	e.start(roundLimit, func(ctx context.Context) any { movers.Drop(ctx, pair); return nil }, func(any) { ended() }, ended)
}

// lostTrack: a request of the move didn't come back in time. Its reply says nothing any more; the locks are taken anew.
func (e *engine) lostTrack(m *mover) {
	m.gen++
	m.flying, m.begin, m.seen = false, RoundBegin{From: FromLock}, nil
	for _, p := range e.plan.Pairs {
		if p.Name == m.pair {
			m.fencer = m.fencer.Broke(p.Rooms[0]).Broke(p.Rooms[1])
		}
	}
}

// recorded journals a pair's record where it says more than the journal.
func (e *engine) recorded(pair string, r *writer.Record) {
	if r == nil {
		return
	}
	now := WriterMark{Pair: pair, Phase: string(r.Phase), Epoch: r.Epoch, Number: r.Seq, Writer: r.Writer}
	if r.Phase == writer.Commit {
		now.Pos, now.Server = r.Pos, r.Servers[r.Writer]
	}
	if e.p.Writers[pair] != now {
		e.propose(Record{Kind: KindWriter, Writer: &now}, false)
		if r.Phase == writer.Stable {
			e.publish(pair)
		}
	}
}
