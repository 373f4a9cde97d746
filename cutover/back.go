package cutover

import (
	"fmt"
	"slices"
)

// backRun is going back in progress; all of it can be lost.
type backRun struct {
	timing    Timing
	planned   bool
	overwrite map[string]bool // foreign objects that a person said to write over
	seats     []*backSeat     // sorted
	values    []*backValue    // TTLs and switches, after the shares
	made      bool
	paceAt    T // the next paced rung
	seenBy    T // until then the next one waits for the present one to be seen
	paced     bool
	reading   bool
	read      bool // every touched object was read once all were at the target
	readAt    T
	askedAt   T                 // of the newest reading after that one
	last      bool              // it was made when nothing else was waited for
	unread    error             // why that one failed
	gone      map[ObjectID]bool // not there any more
	idle      idleBack
}

// idleBack is a turn of shares that started nothing, though some aren't at their goal. Until something happens that it was worked
// out from (a record, a sample, a listing, the verdict), or the moment comes that it waits for, the next one would start nothing too:
// with thousands of objects under way most turns are such.
type idleBack struct {
	is    bool
	seq   int64
	until T
	act   Act
	fails bool
}

// backSeat is a seat on its way back.
type backSeat struct {
	seat    Seat
	plane   int
	left    int        // changes under way
	legs    [][]Change // what is written after them
	purpose Purpose    // of all these
	onWire  bool       // one of them was sent
	toward  Share      // what they lead to
	dip     Share      // the lowest on the way there
	was     Share      // what may still be seen until the plane shows them
	from    Share      // what it held when going back began
	wroteAt T
	retryAt T
	tries   int
	text    string

	failedAt, listedAt T // when a request of it failed last, and when it was listed for that
}

// backValue is a TTL or a switch on its way back.
type backValue struct {
	id      ObjectID
	flying  bool
	retryAt T
	tries   int
}

// soonTries is after how many failures a write is waited for no longer: some three seconds.
const soonTries = 2

// goBack is one turn of ENGINE §7.
func (e *engine) goBack() {
	b := &e.backing
	if b.gone == nil {
		b.gone = map[ObjectID]bool{}
	}
	target := e.p.Targets[e.p.Target]
	if target == nil {
		e.fail(fmt.Errorf("going back to %q, which this run never reached", e.p.Target))
		return
	}
	if e.freshFrom > 0 {
		return // taken over: not before one sample of each gate of the receiver
	}
	if !b.made {
		e.findBack(target)
		b.made = true
	}
	e.backLasts()
	if e.settleWriters() && !e.judged.Fails {
		return
	}
	if e.onTheWay(target) {
		b.read, b.last = false, false
		return
	}
	if e.unsettledBack() {
		return
	}
	if !b.read {
		e.readBack()
		return
	}
	e.verify(target)
}

// onTheWay takes shares, writers and values a turn further back, in order of effect. True as long as something isn't at its goal.
func (e *engine) onTheWay(target *Target) bool {
	first, left := e.writersGoFirst(), false
	if first {
		var waits bool
		left, waits = e.backWriters(target)
		if left && !e.judged.Fails && !(waits && e.trafficAlone()) {
			return true
		}
	}
	if e.backSplits(target) {
		return true
	}
	if !first {
		left, _ = e.backWriters(target)
	}
	return left || e.onlysBack() || e.backValues(target)
}

// findBack lists what must come back: every seat and value with a touched object.
func (e *engine) findBack(target *Target) {
	b := &e.backing
	seats := map[Seat]bool{}
	b.values = nil
	for _, o := range e.p.SortedObjects() {
		if !o.Touched && len(o.Open) == 0 {
			continue
		}
		i := e.planeIndex(o.ID.Plane)
		if i < 0 {
			continue
		}
		if e.planes[i].Aspect == Split {
			seats[o.Seat] = true
		} else {
			b.values = append(b.values, &backValue{id: o.ID})
		}
	}
	old := map[Seat]*backSeat{}
	for _, s := range b.seats {
		old[s.seat] = s
	}
	b.seats = nil
	for _, seat := range sortedSeats(seats) {
		s := old[seat]
		if s == nil {
			s = &backSeat{seat: seat, plane: e.split[seat], from: e.wentTo(seat)}
		}
		b.seats = append(b.seats, s)
	}
}

// wentTo is the share that the way forward gave a seat: it is where going back begins, whoever goes on with it.
func (e *engine) wentTo(seat Seat) Share {
	st := e.seats[seat]
	if st == nil {
		return e.set[seat]
	}
	want := map[string]string{}
	for i := range st.held {
		if o := e.p.Objects[st.held[i].ID()]; o != nil {
			want[st.held[i].Object] = o.Want
		}
	}
	return e.goalShare(st, want)
}

// backSplits starts the next turn of shares. It is true as long as a share isn't at its goal.
func (e *engine) backSplits(target *Target) bool {
	b := &e.backing
	if i := &b.idle; i.is && i.seq == e.p.Seq && e.now < i.until && i.act == e.judged.Act && i.fails == e.judged.Fails {
		e.at(i.until)
		return true
	}
	b.idle.is = false
	if !e.awayFrom(target) {
		return false
	}
	wake, seq := e.wake, e.p.Seq
	e.wake = Never
	e.backTurn(target)
	b.idle = idleBack{is: seq == e.p.Seq, seq: seq, until: e.wake, act: e.judged.Act, fails: e.judged.Fails}
	e.wake = min(wake, e.wake)
	return true
}

// backTurn works out the next turn of shares and starts it.
func (e *engine) backTurn(target *Target) {
	b := &e.backing
	e.nextLegs()
	in := backInput{room: e.plan.To, low: cloneSet(e.set), high: cloneSet(e.set), slack: slack}
	rates := e.liveRates()
	var states []*tried
	in.state = func(set map[Seat]Share) backState {
		states = append(states, e.comp.newTried(e.plan.To, set, rates))
		return states[len(states)-1]
	}
	defer func() { e.comp.giveBack(states...) }()
	goals := map[Seat]map[string]string{}
	final := cloneSet(e.set)
	undoing := e.mayLand(&in)
	for _, s := range b.seats {
		st := e.seats[s.seat]
		if st == nil {
			continue
		}
		e.goalsOf(st, target)
		final[s.seat] = st.goal
		e.underWay(&in, s)
		if st.need == 0 && s.left == 0 {
			continue
		}
		goals[s.seat] = st.goals
		in.cands = append(in.cands, e.backCandidate(s, st, undoing[s.seat]))
	}
	if wait := e.pace(&in, final); wait {
		return
	}
	for _, m := range backMoves(in) {
		e.backTo(m, goals[m.seat])
	}
}

// underWay bounds what a seat may hold by what this process has under way there, and by what isn't seen yet.
func (e *engine) underWay(in *backInput, s *backSeat) {
	if s.left > 0 {
		in.low[s.seat] = lesser(in.low[s.seat], s.dip, e.plan.To)
		in.high[s.seat] = greater(in.high[s.seat], s.toward, e.plan.To)
	}
	if seen := s.wroteAt + e.planes[s.plane].Shows; e.now < seen && s.was != nil {
		in.high[s.seat] = greater(in.high[s.seat], s.was, e.plan.To)
		e.at(seen)
	}
}

func (e *engine) backCandidate(s *backSeat, st *seatState, undoing bool) backCandidate {
	waits := e.now < s.retryAt
	if waits {
		e.at(s.retryAt)
	}
	return backCandidate{seat: s.seat, goal: st.goal, fast: e.planes[s.plane].Shows, soon: waits && s.left == 0 && s.tries <= soonTries,
		busy: s.left > 0 || waits || st.need == 0 || undoing || e.unread[s.plane] != nil}
}

// awayFrom tells whether a seat isn't at its goal yet.
func (e *engine) awayFrom(target *Target) bool {
	away := false
	for _, s := range e.backing.seats {
		if st := e.seats[s.seat]; st != nil {
			e.goalsOf(st, target)
			away = away || st.need > 0 || s.left > 0
		}
	}
	return away
}

// mayLand counts in what has no outcome yet beside the undos of this process: writes of the way forward, and undos of a process
// before this one, whose seats are busy until they are looked up. A share isn't raised into what may still land, nor lowered on top of
// what is in flight and was looked for a second only: a server that hangs keeps nobody in the sick room.
func (e *engine) mayLand(in *backInput) map[Seat]bool {
	undoing, lowers := map[Seat]bool{}, map[Seat]bool{}
	may := map[Seat]map[string]string{}
	for _, q := range e.p.OpenRequests() {
		undo := q.Purpose != Forward && q.Purpose != Keep
		for _, c := range q.Changes {
			st := e.seats[c.Seat]
			if st == nil || c.Gives == nil || !e.isOpen(c.ID(), q.Number) || e.undoing(c.Seat, undo) {
				continue
			}
			undoing[c.Seat] = undoing[c.Seat] || undo
			lowers[c.Seat] = lowers[c.Seat] || undo || e.answersSoon(q.Number, &e.planes[st.plane])
			if may[c.Seat] == nil {
				may[c.Seat] = map[string]string{}
			}
			may[c.Seat][c.Object] = c.After
		}
	}
	for _, seat := range sortedSeats(may) {
		if sh := e.goalShare(e.seats[seat], may[seat]); sh != nil {
			in.high[seat] = greater(in.high[seat], sh, e.plan.To)
			if lowers[seat] {
				in.low[seat] = lesser(in.low[seat], sh, e.plan.To)
			}
		}
	}
	return undoing
}

// answersSoon: the request was in flight when the run turned, less than a second ago.
func (e *engine) answersSoon(request int, pl *planeState) bool {
	until := e.lands[request] - pl.Lateness - pl.TimeOut + Second
	if e.now >= until {
		return false
	}
	e.at(until)
	return true
}

// undoing: it is an undo, and one of this process.
func (e *engine) undoing(seat Seat, undo bool) bool {
	s := e.backSeat(seat)
	return undo && s != nil && s.left > 0
}

func lesser(a, b Share, room Room) Share {
	if b[room] < a[room] {
		return b
	}
	return a
}

func greater(a, b Share, room Room) Share {
	if b[room] > a[room] {
		return b
	}
	return a
}

// backSeat is a seat on its way back, nil if it isn't.
func (e *engine) backSeat(seat Seat) *backSeat {
	i, ok := slices.BinarySearchFunc(e.backing.seats, seat, func(s *backSeat, t Seat) int { return CompareSeats(s.seat, t) })
	if !ok {
		return nil
	}
	return e.backing.seats[i]
}

// backValues brings TTLs and switches back, newest first, after the shares. True as long as one isn't at its goal.
func (e *engine) backValues(target *Target) bool {
	open := false
	for k := len(e.backing.values) - 1; k >= 0; k-- {
		v := e.backing.values[k]
		o := e.p.Objects[v.id]
		want, ok := target.Restores(v.id)
		if !ok || o == nil || e.backing.gone[v.id] || (e.leaveAlone(o) && len(o.Open) == 0) || (o.Last == want && len(o.Open) == 0) {
			continue
		}
		open = true
		if v.flying || o.Last == want || e.held(v.id) {
			continue
		}
		if e.now < v.retryAt {
			e.at(v.retryAt)
			continue
		}
		v.flying = true
		c := Change{Seat: o.Seat, Plane: v.id.Plane, Object: v.id.Object, Before: o.Last, After: want, Version: o.Version}
		e.write(e.planeIndex(v.id.Plane), Intent{Purpose: Undo, Step: -1, Changes: []Change{c}}, func(_ int, out Outcome) {
			if out.What == Unknown {
				return
			}
			v.flying = false
			if out.What == Failed {
				v.retryAt, v.tries = e.now+backoff(v.tries, out.RetryAfter), v.tries+1
			}
			e.changed()
		})
	}
	return open
}

// readBack reads every touched object once, when all are at the target and nothing can land any more.
func (e *engine) readBack() {
	b := &e.backing
	if b.reading {
		return
	}
	if e.now < b.readAt {
		e.at(b.readAt)
		return
	}
	b.reading = true
	phase := e.phases
	e.readTouched(func(err error) {
		if e.phases != phase {
			return
		}
		b.reading = false
		if err != nil {
			b.readAt = e.now + Second
			return
		}
		b.read, b.readAt, b.askedAt, b.unread = true, e.now, e.now, nil
	})
}
