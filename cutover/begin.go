package cutover

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// begin prepares a run (its plan is journaled once the locks are had) or a takeover.
func (e *engine) begin() {
	if loc, err := time.LoadLocation(e.plan.Timezone); err == nil {
		e.loc = loc
	}
	if e.s.Run == "" {
		e.s.Run = e.p.Run
	}
	if e.p.Plan != nil && e.s.Run != e.p.Run {
		e.fail(fmt.Errorf("the journal is run %s's, not %s's", e.p.Run, e.s.Run))
	}
	if no := e.noForeign(e.s.Overwrite); no != "" {
		e.fail(errors.New(no))
	}
	if e.p.Phase != PhaseOver {
		return
	}
	switch {
	case e.p.Exit == ExitDone || e.p.Exit == ExitNothing || e.p.Exit == ExitBack:
		e.fail(fmt.Errorf("run %s is over (exit %d): nothing is left to do", e.p.Run, e.p.Exit))
	case e.s.Why != "back" && e.s.Why != "close":
		e.fail(fmt.Errorf("run %s is over (exit %d): go back (`roomshift back %s`, with --overwrite OBJECT for what somebody else wrote), or close it", e.p.Run, e.p.Exit, e.p.Run))
	}
}

// starting waits for the locks, then journals who runs what, and has a takeover read every touched object.
func (e *engine) starting() {
	if e.ready || e.reading > 0 || e.ended {
		return
	}
	if !e.locksHad() {
		return
	}
	if e.startedAt == 0 {
		e.startedAt = e.now
		if !e.journalStart() {
			return
		}
		if until := e.oldLateness(); until > 0 {
			e.startAt = e.now + until
		}
	}
	if e.now < e.startAt {
		e.waits(fmt.Sprintf("waits until %s, for what the former process sent may land until then", e.clock(e.startAt)))
		e.at(e.startAt)
		return
	}
	switch {
	case e.fresh:
		e.begun()
	case e.p.Phase == PhaseOver && e.s.Why == "close": // it stays as it ended; only its claims go
		e.ready, e.closed = true, true
		e.finish(e.p.Exit)
	default:
		if e.p.Phase == PhaseOver { // nothing else may follow an end
			e.sayBack()
		}
		e.readAll()
	}
}

// sayBack turns the run back as a person said who started this process.
func (e *engine) sayBack() {
	e.turned = true
	e.overwrite(e.s.Overwrite)
	e.turnBack(backTarget(e.p, e.s.BackTo), []Cause{{Gate: "person", Text: "back, said " + e.s.User}})
}

// journalStart writes the plan (a new one), the claim and this holder's fences.
func (e *engine) journalStart() bool {
	if e.s.Plan != nil {
		for _, a := range e.s.Adopted {
			e.propose(Record{Kind: KindAdopted, Adopted: &a}, false)
		}
		sealed := e.s.Sealed
		if sealed == nil || sealed.plan != e.s.Plan {
			var err error
			if sealed, err = e.s.Plan.Seal(); err != nil {
				e.fail(fmt.Errorf("the plan can't be written down: %w", err))
				return false
			}
		}
		e.p.Expect(sealed)
		for _, part := range sealed.partsOf(e.s.Run, e.s.Version) {
			e.propose(Record{Kind: KindPlan, Plan: &part}, true)
		}
		e.propose(Record{Kind: KindClaim, Claim: &ClaimMark{Names: e.claimNames()}}, false)
		for _, b := range e.s.Broke {
			e.propose(Record{Kind: KindBroke, Broke: &b}, false)
		}
	}
	e.proposeRun(e.s.Why)
	return e.err == nil
}

// oldLateness is how long requests of the former holder may still land where the server doesn't fence them.
func (e *engine) oldLateness() T {
	if e.fresh || !slices.Contains([]string{"takeover", "back"}, e.s.Why) {
		return 0
	}
	var until T
	for i := range e.planes {
		if pl := &e.planes[i]; !pl.FencedByServer && e.hasOpen(pl.Name) {
			until = max(until, pl.TimeOut+pl.Lateness)
		}
	}
	return until
}

func (e *engine) hasOpen(plane string) bool {
	for _, q := range e.p.OpenRequests() {
		if len(q.Changes) > 0 && q.Changes[0].Plane == plane {
			return true
		}
	}
	return false
}

// readAll reads every seat of the plan once: what the former holder left open is settled by what is found, and what nobody
// expected is judged by whose it is.
func (e *engine) readAll() {
	e.reading, e.unread = 0, map[int]error{}
	for i := range e.planes {
		if len(e.planes[i].Seats) > 0 {
			e.reading++
			e.readPlane(i)
		}
	}
	if e.reading == 0 {
		e.begun()
	}
}

// readPlane reads a plane. One that can't be read doesn't hold up the others: what it holds stands as the journal says, nothing is
// written there and nothing goes forward until it is read; going back goes on beside it.
func (e *engine) readPlane(i int) {
	pl := &e.planes[i]
	e.list(i, pl.Seats, true, func(held []Held, err error) {
		_, again := e.unread[i]
		switch {
		case err == nil:
			delete(e.unread, i)
			e.strayed = e.strayed && !again
			e.adoptOpen(i, held)
			e.merge(i, pl.Seats, held)
			e.noteGone(i, pl.Seats, held)
		case e.planeTouched(pl.Name):
			if e.unread[i] = err; !again {
				e.note(fmt.Sprintf("%s can't be read: %v; it is asked every second, and until then nothing is written there or goes forward", pl.Name, err))
			}
			e.later(Second, func() { e.readPlane(i) })
		default:
			e.note(fmt.Sprintf("%s can't be read: %v; the run wrote nothing there", pl.Name, err))
		}
		if again {
			e.turnIfStrayed()
			e.changed()
		} else if e.reading--; e.reading == 0 {
			e.begun()
		}
	})
}

// asJournaled lets objects of the snapshot hold what the journal says of them: so a takeover sees them until it has read them.
func (e *engine) asJournaled(pl *planeState, held []Held) {
	if e.s.Plan != nil { // a new snapshot
		return
	}
	for k := range held {
		h := &held[k]
		o := e.p.Objects[h.ID()]
		if o == nil || !o.Touched || o.Last == h.Value {
			continue
		}
		if w, err := pl.Medium.Weigh(*h, o.Last); err == nil {
			h.Value, h.Version, h.Weights = o.Last, o.Version, w
		}
	}
}

// unreadTrouble names the planes that a takeover couldn't read yet.
func (e *engine) unreadTrouble() []Cause {
	var cs []Cause
	for _, i := range sortedInts(e.unread) {
		pl := &e.planes[i]
		cs = append(cs, Cause{Gate: "read", Room: pl.Name, Color: Amber, Text: fmt.Sprintf("%s can't be read: %v", pl.Name, e.unread[i])})
	}
	return cs
}

// turnIfStrayed: a former holder that was going back and couldn't say so left objects of ours where the way forward doesn't expect
// them.
func (e *engine) turnIfStrayed() bool {
	if !e.strayed || e.s.Why != "takeover" || e.p.Phase != PhaseForward {
		return false
	}
	e.turnBack(e.p.LastTarget, []Cause{{Gate: "takeover", Text: "the former holder was going back and couldn't journal it"}})
	return true
}

// later makes a call at a later moment.
func (e *engine) later(after T, f func()) {
	e.timers = append(e.timers, timer{e.now + after, f})
	e.at(e.now + after)
}

type timer struct {
	at T
	f  func()
}

func (e *engine) runTimers() {
	var due []timer
	rest := e.timers[:0]
	for _, t := range e.timers {
		if t.at <= e.now {
			due = append(due, t)
		} else {
			rest = append(rest, t)
			e.at(t.at)
		}
	}
	e.timers = rest
	for _, t := range due {
		t.f()
	}
}

func (e *engine) planeTouched(name string) bool {
	for id, o := range e.p.Objects {
		if id.Plane == name && (o.Touched || len(o.Open) > 0) {
			return true
		}
	}
	return false
}

// adoptOpen counts the former holder's open requests as unknown: they may land for a request's whole time, and its lateness.
func (e *engine) adoptOpen(plane int, held []Held) {
	pl := &e.planes[plane]
	open := map[int][]string{}
	for _, o := range e.p.SortedObjects() {
		if o.ID.Plane != pl.Name {
			continue
		}
		for _, in := range o.Open {
			e.lands[in.Request] = e.now + pl.Lateness
			e.looks[o.ID] = e.now
			if !in.Unknown {
				open[in.Request] = append(open[in.Request], o.ID.Object)
			}
		}
	}
	for _, n := range sortedInts(open) {
		e.propose(Record{Kind: KindUnknown, Unknown: &UnknownMark{Request: n, Objects: open[n], For: pl.Lateness, Error: "its sender is gone"}}, false)
	}
}

// begun is when deciding begins. A former holder that was going back and couldn't say so left objects of ours where the way
// forward doesn't expect them: then this one turns back.
func (e *engine) begun() {
	e.ready, e.waiting = true, ""
	e.since, e.lastWrite = e.now, e.now
	if !e.fresh {
		e.freshFrom = e.now
		e.takeWriters()
	}
	e.findLeft()
	e.finishByFrom()
	e.seenAt = e.now
	if len(e.rates) > 0 || e.fresh { // who takes over doesn't know yet how to weigh what it sees first
		e.seenNow(false) // what the rooms carry at the start: they are warm for it
	}
	if e.fresh {
		e.lastWrite = e.startedAt
	}
	switch {
	case e.s.Why == "close":
		e.closed = true
		e.over(e.closeCode(), []Cause{{Gate: "person", Text: "closed by " + e.s.User}})
	case e.s.Why == "back" && !e.turned:
		e.sayBack()
	case e.turnIfStrayed():
	case e.s.Why == "takeover" && e.p.Phase == PhaseBack:
		e.backing.planned = isPlanned(e.p.Causes)
	}
	e.changed()
}

// finishByFrom works out the hour of finishBy on this clock: the first one after the night's plan was begun, or, if no window was
// open then, after the next one opens. Whoever takes over later is held to the same hour.
func (e *engine) finishByFrom() {
	began, err := parseWall(e.p.Began)
	if err != nil {
		began = e.wall()
	}
	began = began.In(e.loc)
	if open, _, next := e.plan.Rules.Window(began); !open && !next.IsZero() {
		began = next
	}
	if at, ok := e.plan.Rules.FinishAt(began); ok {
		e.finishAt = e.now + T(at.Sub(e.wall()))
	}
}
