package cutover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover/writer"
)

// onlyRun is a thing that runs in one room, as this process has it in hand; all of it can be lost. Its key is what decides, and the
// journal says what this run did to it:
//
//	before FENCING                    none, and zero seen of it
//	after STABLE, wherever            the room of the writer
//	a move that isn't begun in time   the room of the writer
//
// A process that is killed leaves it at none or where it was: nothing of it runs, or in one room. It never goes from one room to
// another but over none, zero seen, and outOfSight.
type onlyRun struct {
	plan *OnlyPlan
	at   *Only

	flying  bool
	gen     int
	seen    *OnlySeen
	unsure  *uint64 // the index of a write whose outcome isn't known: it may land as long as the key has that index
	begins  int64   // the record of the intent: it must be durable before the write
	room    Room    // that the intent is about
	retryAt T
	tries   int
	why     string // what it waits for

	stop    T    // it is to run nowhere until then: a move asks for it again and again
	to      Room // and is to go there
	since   T    // since when it is to stop
	late    bool // it didn't stop in time
	stopped T    // since when its key says none, as far as this process knows
	adopt   bool // a person takes what its key says
}

const (
	stopsWithin = 2 * Minute
	stopFor     = 30 * Second // a move that can't begin for so long gives its things back
	outOfSight  = 15 * Second // whoever doesn't see its key has stopped by then
	countEvery  = Second
)

// buildOnlys makes what the engine has of the plan's things.
func (e *engine) buildOnlys() {
	for i := range e.plan.Onlys {
		o := &onlyRun{plan: &e.plan.Onlys[i]}
		for k := range e.w.Onlys {
			if e.w.Onlys[k].Name == o.plan.Name {
				o.at = &e.w.Onlys[k]
			}
		}
		e.onlys = append(e.onlys, o)
	}
}

func (e *engine) onlyProgress(o *onlyRun) OnlyProgress { return e.p.Onlys[o.plan.Name] }

// follows tells whether a thing follows a pair's writer.
func (o *onlyRun) follows(pair string) bool { return slices.Contains(o.plan.Pairs, pair) }

// turnOnlys brings every thing that the run has in hand a step nearer to where it is to run.
func (e *engine) turnOnlys() {
	for _, o := range e.onlys {
		if o.stop > e.now {
			e.at(o.stop)
		} else {
			o.stop, o.since = 0, 0
		}
		if p := e.onlyProgress(o); p.Touched || o.stop > 0 || o.adopt {
			e.bringOnly(o, &p)
		}
	}
}

// onlyWish is where a thing is to run now: nowhere while a move wants it or is under way, or while the writers that it follows are in
// different rooms; else where they are. Where they were at the start it is as it was found.
func (e *engine) onlyWish(o *onlyRun) Room {
	if o.stop > e.now {
		return OnlyNone
	}
	start, moved := e.p.Targets[startTarget], false
	room := e.p.Writers[o.plan.Pairs[0]].Writer
	for _, pair := range o.plan.Pairs {
		w := e.p.Writers[pair]
		if e.between(pair) || w.Writer == "" {
			return OnlyNone
		}
		if w.Writer != room {
			room = OnlyNone
		}
		moved = moved || w.Writer != start.Writers[pair]
	}
	if !moved {
		return start.Onlys[o.plan.Name]
	}
	return room
}

// between tells whether a pair may stand between its sides.
func (e *engine) between(pair string) bool {
	if ph := e.p.Writers[pair].Phase; ph != "" && ph != string(writer.Stable) {
		return true
	}
	return slices.ContainsFunc(e.movers, func(m *mover) bool { return m.pair == pair && (m.open || m.settle) })
}

// onlySettled: its key says what it is to say, as far as this run has to do with it.
func (e *engine) onlySettled(o *onlyRun) bool {
	p := e.onlyProgress(o)
	return !p.Touched && o.stop == 0 || p.Next == "" && p.Foreign == "" && p.Room == e.onlyWish(o)
}

// bringOnly takes a thing as far as it goes now: read, then set or count, one request after the other.
func (e *engine) bringOnly(o *onlyRun, p *OnlyProgress) {
	want := e.onlyWish(o)
	if want != OnlyNone && p.Room != OnlyNone && p.Room != want {
		want = OnlyNone // it goes from room to room over none
	}
	switch {
	case o.flying:
		return
	case e.now < o.retryAt:
		e.at(o.retryAt)
		return
	case p.Foreign != "" && !o.adopt:
		o.why = fmt.Sprintf("somebody else set the key of %s to %s", o.plan.Name, p.Foreign)
		return
	case p.Room == want && p.Next == "" && !o.adopt:
		e.stayOnly(o, p, want)
		return
	case o.seen == nil:
		e.readOnly(o)
		return
	}
	e.keyRead(o, p, want)
}

// keyRead does what follows from a key that was just read.
func (e *engine) keyRead(o *onlyRun, p *OnlyProgress, want Room) {
	seen := o.seen
	switch got := seen.Key.Room; {
	case seen.Err != nil:
		o.seen, o.why, o.retryAt = nil, fmt.Sprintf("the key of %s can't be read: %v", o.plan.Name, seen.Err), e.now+Second
		e.at(o.retryAt)
	case o.adopt:
		o.adopt, o.seen = false, nil
		e.markOnly(o, got, seen.Key.Epoch, "adopted", "")
	case got != p.Room && got != p.Next:
		o.seen = nil
		e.markOnly(o, got, seen.Key.Epoch, "foreign", "by "+cmp.Or(seen.Key.By, "somebody who doesn't say who"))
	case !o.mayLand(seen) && (got == want || got != p.Room):
		o.seen = nil
		e.onlyIs(o, got, seen.Key.Epoch)
	case want != OnlyNone && !e.mayStartOnly(o, p, want):
	default:
		e.writeOnly(o, seen, want)
	}
}

// stayOnly: its key says what it is to say; of what is to stop it is counted what still runs.
func (e *engine) stayOnly(o *onlyRun, p *OnlyProgress, want Room) {
	o.seen, o.begins, o.tries = nil, 0, 0
	if want != OnlyNone || o.stop == 0 || p.Zero == o.to {
		if want != OnlyNone {
			o.why = ""
		}
		return
	}
	if o.stopped == 0 {
		o.stopped = e.now
	}
	if o.since > 0 && e.now >= o.since+o.plan.Within {
		o.late = true
	} else {
		e.at(o.since + o.plan.Within)
	}
	e.countOnly(o, "", o.to)
}

// mayLand: a write of this process whose outcome isn't known may still change what was read. It checked that index.
func (o *onlyRun) mayLand(seen *OnlySeen) bool { return o.unsure != nil && *o.unsure == seen.Index }

// mayStartOnly tells whether a thing may be started in a room. Where it ran last it may at once. Elsewhere nothing of it is seen to run in
// another room, and whoever doesn't see its key has stopped.
func (e *engine) mayStartOnly(o *onlyRun, p *OnlyProgress, room Room) bool {
	if p.Was == room {
		return true
	}
	if o.stopped == 0 {
		o.stopped = e.now
	}
	if until := o.stopped + outOfSight; e.now < until {
		o.why = fmt.Sprintf("%s starts in %s in %s: whoever doesn't see its key has stopped by then", o.plan.Name, room, (until - e.now).Duration())
		e.at(until)
		return false
	}
	if p.Zero == room {
		return true
	}
	e.countOnly(o, room, room)
	return false
}

func (e *engine) readOnly(o *onlyRun) {
	e.askOnly(o, readLimit, func(ctx context.Context) any { return o.at.Keeper.Read(ctx) }, func(v any) {
		seen := v.(OnlySeen)
		o.seen = &seen
	})
}

// countOnly counts what runs of a thing, but in one room, and notes when that is nothing.
func (e *engine) countOnly(o *onlyRun, but, to Room) {
	since := o.stopped
	e.askOnly(o, readLimit, func(ctx context.Context) any { return o.at.Keeper.Running(ctx, to) }, func(v any) {
		c := v.(OnlyCount)
		o.retryAt = e.now + countEvery
		var runs []string
		for _, room := range sortedKeys(c.Running) {
			if n := c.Running[room]; room != but && n != 0 {
				runs = append(runs, fmt.Sprintf("%g in %s", n, room))
			}
		}
		switch {
		case c.Err != nil:
			o.why = fmt.Sprintf("nobody can say whether %s has stopped: %v", o.plan.Name, c.Err)
		case len(runs) > 0:
			o.why = fmt.Sprintf("%s stops: %s", o.plan.Name, strings.Join(runs, ", "))
		case c.At < since:
			o.why = fmt.Sprintf("%s stops: what is known of it is older than its key", o.plan.Name)
		case c.Behind > 0:
			o.why = fmt.Sprintf("%s stops: %g of its offsets haven't reached %s", o.plan.Name, c.Behind, to)
		default:
			o.why, o.retryAt = "", 0
			e.markOnly(o, to, e.onlyProgress(o).Epoch, "zero", "")
			e.hurryMovers(o)
		}
	})
}

// hurryMovers: what their moves waited for is there.
func (e *engine) hurryMovers(o *onlyRun) {
	for _, m := range e.movers {
		if o.follows(m.pair) && !m.flying {
			m.retryAt = 0
		}
	}
}

// askOnly starts one request about a thing.
func (e *engine) askOnly(o *onlyRun, limit T, f func(context.Context) any, then func(any)) {
	o.flying = true
	gen := o.gen
	e.start(limit, f, func(v any) {
		if o.gen == gen {
			o.flying = false
			then(v)
			e.changed()
		}
	}, func() {
		o.gen++
		o.flying, o.seen, o.why, o.retryAt = false, nil, fmt.Sprintf("no answer about %s", o.plan.Name), e.now+Second
	})
}

// writeOnly sets a thing's key by compare-and-set, once the intent is durable: who takes over must know that it may have been set.
func (e *engine) writeOnly(o *onlyRun, seen *OnlySeen, room Room) {
	lease := e.leaseOf(o.at.Place)
	if lease != nil && (lease.lease == nil || lease.lost) {
		o.why, o.retryAt = fmt.Sprintf("the key of %s waits: the lock in %s isn't had", o.plan.Name, o.at.Place), e.now+Second
		e.at(o.retryAt)
		return
	}
	if o.begins == 0 || o.room != room {
		o.room = room
		o.begins = e.markOnly(o, room, seen.Key.Epoch+1, "begun", "")
	}
	if e.out.durable < o.begins {
		return
	}
	k := OnlyKey{Version: 1, Room: room, Epoch: seen.Key.Epoch + 1, Run: e.s.Run, By: e.s.User + "@" + e.s.Host, At: e.wall()}
	var f Fence
	if lease != nil {
		f = lease.lease.Fence()
	}
	index := seen.Index
	o.seen, o.begins = nil, 0
	unknown := func(err error) {
		o.unsure = &index
		e.markOnly(o, room, k.Epoch, "unknown", errText(err))
	}
	o.flying = true
	gen := o.gen
	e.start(writeLimit, func(ctx context.Context) any { return o.at.Keeper.Write(ctx, f, k, index) }, func(v any) {
		if o.gen != gen {
			return
		}
		o.flying = false
		switch r := v.(MoveReply); r.What {
		case Done:
			o.tries = 0
			e.onlyIs(o, room, k.Epoch)
		case Unknown:
			unknown(r.Err)
		default:
			o.tries++
			o.retryAt = e.now + backoff(o.tries, 0)
			o.why = fmt.Sprintf("the key of %s isn't set: %v", o.plan.Name, r.Err)
			e.markOnly(o, room, k.Epoch, "failed", errText(r.Err))
		}
		e.changed()
	}, func() {
		o.gen++
		o.flying = false
		unknown(errNoAnswer)
	})
}

// onlyIs notes what a thing's key says, as it was answered.
func (e *engine) onlyIs(o *onlyRun, room Room, epoch int64) {
	o.unsure, o.stopped = nil, 0
	if room == OnlyNone {
		o.stopped = e.now
	}
	e.markOnly(o, room, epoch, "done", "")
}

func (e *engine) markOnly(o *onlyRun, room Room, epoch int64, at, why string) int64 {
	return e.propose(Record{Kind: KindOnly, Only: &OnlyMark{Name: o.plan.Name, Room: room, Epoch: epoch, At: at, Why: why}}, at == "begun")
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
