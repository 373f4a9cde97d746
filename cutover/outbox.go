package cutover

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outbox is what was decided and isn't durable yet. A record is applied when it is decided; what it allows is done only when
// it is durable. One append is under way at a time; records that nothing waits for travel with the next that something waits for.
type outbox struct {
	waiting []Record
	flying  int   // records of the append under way, the first of waiting
	need    bool  // something waits for what stands in waiting
	durable int64 // the highest sequence number that is
	since   T     // when the append under way was started
	bad     T     // since when it doesn't write, as people were told; 0: it does
	trouble string
	retryAt T
}

func (o *outbox) empty() bool { return len(o.waiting) == 0 }

// propose decides a record: Progress changes now, the journal as soon as it can.
func (e *engine) propose(r Record, wait bool) int64 {
	if e.err != nil {
		return 0
	}
	e.p.Stamp(&r, e.w.Clock.Wall(e.now), e.now)
	line, err := AppendLine(e.line[:0], &r)
	if e.line = line; err == nil {
		err = e.p.Apply(&r)
	}
	if err != nil {
		e.fail(err)
		return 0
	}
	e.p.Chain(LineHash(line))
	e.out.waiting = append(e.out.waiting, r)
	if wait {
		e.out.need = true
	}
	if e.w.Show != nil {
		e.w.Show.Event(Shown{At: e.now, Record: &r})
	}
	e.changed()
	return r.Seq
}

// flush starts an append if something waits for one and none is under way.
func (e *engine) flush() {
	o := &e.out
	if o.flying > 0 || len(o.waiting) == 0 || (!o.need && !e.ended) {
		return
	}
	if e.now < o.retryAt {
		e.at(o.retryAt)
		return
	}
	group := o.waiting[:len(o.waiting):len(o.waiting)]
	o.flying, o.need, o.since = len(group), false, e.now
	e.start(10*Second, func(ctx context.Context) any {
		return appendReply{e.w.Journal.Append(ctx, group)}
	}, e.appended, func() { e.out.trouble = "the journal's disk doesn't answer; nothing goes forward" })
}

// patience is how long an append may take before people are told.
const patience = Second

// tellJournal says once that the journal isn't written: it is the one thing that going back waits for.
func (e *engine) tellJournal() {
	o := &e.out
	stalls := o.flying > 0 && e.now >= o.since+patience
	switch {
	case o.bad > 0:
	case stalls || o.trouble != "":
		o.bad = o.since
		e.note("journal: " + e.journalTrouble())
	case o.flying > 0:
		e.at(o.since + patience)
	}
}

// journalTrouble is what is wrong with the journal at this moment, "" nothing.
func (e *engine) journalTrouble() string {
	if d := e.now - e.out.since; e.out.flying > 0 && d >= patience {
		return fmt.Sprintf("its disk hasn't answered for %s; nothing is sent before it does, going back included", d.Duration().Round(time.Second))
	}
	return e.out.trouble
}

type appendReply struct{ err error }

func (e *engine) appended(v any) {
	o := &e.out
	n := o.flying
	o.flying = 0
	err := v.(appendReply).err
	if err == nil {
		if o.bad > 0 {
			e.note(fmt.Sprintf("journal: it is written again, after %s", (e.now - o.bad).Duration()))
		}
		o.bad = 0
		o.durable = o.waiting[n-1].Seq
		o.waiting = append([]Record(nil), o.waiting[n:]...)
		o.trouble = ""
		return
	}
	o.need = true
	o.trouble = err.Error()
	o.retryAt = e.now + Second
	if errors.Is(err, ErrNoSpace) {
		e.dropUnwritten(false)
		return
	}
	e.rereadJournal()
}

// dropUnwritten takes back the forward intents that could not be journaled: they were never sent. Progress is folded anew from
// what is durable, and the rest is decided again, so that going back and freezing can still be written from the reserve.
func (e *engine) dropUnwritten(unknown bool) {
	rest := e.out.waiting
	e.start(10*Second, func(ctx context.Context) any {
		rs, _, err := e.w.Journal.Read(ctx)
		return journalReply{rs, err}
	}, func(v any) { e.refold(v.(journalReply), rest, unknown) }, func() {})
	e.out.flying = len(rest) // nothing is appended meanwhile
}

// rereadJournal looks what an append of unknown outcome left behind.
func (e *engine) rereadJournal() { e.dropUnwritten(true) }

type journalReply struct {
	rs  []Record
	err error
}

func (e *engine) refold(j journalReply, rest []Record, keepIntents bool) {
	e.out.flying = 0
	if j.err != nil {
		e.out.trouble, e.out.retryAt, e.out.need = j.err.Error(), e.now+Second, true
		return
	}
	p, err := Fold(j.rs)
	if err != nil {
		e.fail(err)
		return
	}
	written := p.Seq
	later := e.out.waiting[len(rest):]
	e.p, e.out.waiting, e.out.durable = p, nil, written
	dropped := map[int]bool{}
	for _, r := range append(rest[:len(rest):len(rest)], later...) {
		if r.Seq <= written {
			continue
		}
		if r.Kind == KindIntent && r.Intent.Purpose == Forward && !keepIntents {
			dropped[r.Intent.Request] = true
			e.unqueue(r.Intent.Request)
			continue
		}
		if n := outcomeOf(&r); n != 0 && dropped[n] {
			continue
		}
		seq := e.propose(r, true)
		e.requeued(&r, seq)
	}
	if len(dropped) > 0 { // what is left needs no room but the reserve's: a person's word and going back don't wait
		e.out.retryAt = 0
	}
	for i := range e.p.Steps {
		if len(dropped) > 0 && e.p.Phase == PhaseForward && e.p.Steps[i].State == StepApplying {
			e.steps[i].restart(e.now + Second)
			e.ask(i, "failed", fmt.Sprintf("%s can't be journaled, so it isn't written: %s; make room, then accept", e.stepName(i), e.out.trouble), nil)
		}
	}
}

// outcomeOf is the request whose outcome the record is, 0 none.
func outcomeOf(r *Record) int {
	switch {
	case r.Done != nil:
		return r.Done.Request
	case r.Failed != nil:
		return r.Failed.Request
	case r.Foreign != nil:
		return r.Foreign.Request
	case r.Unknown != nil:
		return r.Unknown.Request
	}
	return 0
}
