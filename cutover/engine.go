package cutover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// engine is one process's view of a run. Progress is what survives; everything else here can be lost: timers, tries, listings,
// requests under way. A takeover starts it anew.
type engine struct {
	w      World
	s      Start
	p      *Progress
	plan   *Plan
	comp   *Composer
	board  *Board
	loc    *time.Location
	now    T
	wake   T
	again  bool // something changed in this turn: look once more
	news   bool // something has come that a decision may follow from
	silent bool // the reply that is being taken says nothing new

	fresh  bool // the journal was empty
	ready  bool // locks had, run journaled, objects read
	turned bool // a person's back was journaled before the objects were read
	closed bool // a person closed the run: its claims go
	ended  bool
	exit   Exit
	never  string
	err    error

	planes []planeState
	split  map[Seat]int // plane by seat
	ttls   map[Seat]int
	seats  map[Seat]*seatState
	set    map[Seat]Share // what the seats hold, as last known
	rates  map[Seat]float64
	groups map[string][]Seat // seats by route

	line    []byte // working memory of propose
	leases  []leaseState
	out     outbox
	calls   map[int]call
	nextID  int
	missing T              // the first deadline of calls; 0: to be worked out
	looks   map[ObjectID]T // objects with an unknown write: when to look again
	lands   map[int]T      // request → until when it may land
	looking map[int]bool   // planes with a look-up under way
	reading int            // readings of a takeover under way
	unread  map[int]error  // planes that it couldn't read yet

	steps      []stepRun
	movers     []*mover
	preflights []*preflight
	public     []*publication
	afters     []*afterRun
	onlys      []*onlyRun
	backing    backRun
	ending     endRun
	judged     Judgement
	vantage    Vantage
	composed   Composed
	stale      bool // composed must be worked out anew
	lastWrite  T    // the newest read-back
	startedAt  T
	freshFrom  T   // takeover: one sample of each of the receiver's gates after this
	since      T   // the phase in force began
	phases     int // how many have: what was asked for in an earlier one no longer counts
	seenAt     T
	seenLast   Share
	seenSet    map[Seat]Share    // working memory of observedSet
	seenComp   Composed          // and of seenShare, …
	sightOf    sight             // … which rests on this
	setGen     int               // rises when set changes
	keepAt     T                 // the next listing for keeping; 0: not yet known
	keepWake   T                 // the same while something is kept, else Never
	keptFor    int               // the newest request when the seats to be kept were found
	keptAny    bool              // there are some
	reborn     map[ObjectID]bool // made anew since this process listed them: they are to get their weight again
	keptLast   string            // the newest membership kept, for people
	pending    []pendingAnswer
	finishAt   T
	windows    windowNow
	startAt    T // a takeover waits until the former holder's unfenced requests are over
	triedSince T
	seenWrote  T
	timers     []timer
	stopped    T    // a person stopped this process
	strayed    bool // a listing showed a late write of ours
	was        map[string]targetWas
	asking     map[string]T     // question → when it expires
	expired    map[string]bool  // questions whose time is over
	requests   map[int]*request // with something open
	pagedAt    T                // when people were called last in this phase; 0: they weren't
	paged      map[string]bool  // causes that they were called for
	waiting    string           // what this process waits for before it decides anything
}

// task is a request under way outside: any kind.
type task interface {
	work(ctx context.Context) any // in a worker
	answered(v any)               // what work returned, however late
	missed()                      // once, if that takes longer than its limit and a tenth of a second
}

type call struct {
	deadline T // when a missing reply counts as unknown; Never: it is waited for
	task     task
	expired  bool
}

// functions are a task made of functions.
type functions struct {
	f      func(context.Context) any
	then   func(v any)
	expire func()
}

func (f functions) work(ctx context.Context) any { return f.f(ctx) }
func (f functions) answered(v any)               { f.then(v) }
func (f functions) missed()                      { f.expire() }

// start runs f in a worker. then gets what it returned, however late; expire is called once if that takes longer than limit
// and a tenth of a second.
func (e *engine) start(limit T, f func(context.Context) any, then func(v any), expire func()) {
	e.startTask(limit, functions{f, then, expire})
}

func (e *engine) startTask(limit T, t task) {
	e.nextID++
	c := call{deadline: e.now + limit + 100*Millisecond, task: t}
	e.calls[e.nextID] = c
	if e.missing > 0 {
		e.missing = min(e.missing, c.deadline)
	}
	e.w.Clock.Go(e.nextID, limit, t.work)
}

func (e *engine) reply(r Reply) {
	c, ok := e.calls[r.ID]
	if !ok {
		return
	}
	delete(e.calls, r.ID)
	e.silent = false
	if c.deadline <= e.missing {
		e.missing = 0
	}
	c.task.answered(r.Value)
	e.news = e.news || !e.silent
}

// firstDeadline is when the next missing reply counts as unknown.
func (e *engine) firstDeadline() T {
	if e.missing > 0 {
		return e.missing
	}
	e.missing = Never
	for _, c := range e.calls {
		if !c.expired {
			e.missing = min(e.missing, c.deadline)
		}
	}
	return e.missing
}

// expire counts missing replies as unknown. What hangs keeps its place in calls: its reply is a hint, whenever it comes.
func (e *engine) expire() {
	if e.now < e.firstDeadline() {
		return
	}
	e.missing = 0
	var due []int
	for id, c := range e.calls {
		if !c.expired && c.deadline <= e.now {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	for _, id := range due {
		c := e.calls[id]
		c.expired = true
		e.calls[id] = c
		c.task.missed()
	}
}

// at asks for a turn at t.
func (e *engine) at(t T) {
	if t < e.wake && t > e.now {
		e.wake = t
	}
}

// changed asks for another look in this turn.
func (e *engine) changed() { e.again = true }

func (e *engine) note(s string) {
	if e.w.Show != nil {
		e.w.Show.Event(Shown{At: e.now, Note: s})
	}
}

// build makes what the engine needs to know of the plan and the world.
func (e *engine) build() {
	p := e.plan
	e.comp, e.board = NewComposer(p), NewBoard(p)
	e.loc = time.Local
	if loc, err := time.LoadLocation(p.Timezone); err == nil {
		e.loc = loc
	}
	e.calls, e.looks, e.lands = map[int]call{}, map[ObjectID]T{}, map[int]T{}
	e.looking, e.asking = map[int]bool{}, map[string]T{}
	e.was = map[string]targetWas{}
	e.expired, e.requests = map[string]bool{}, map[int]*request{}
	e.split, e.ttls = map[Seat]int{}, map[Seat]int{}
	e.seats, e.set, e.groups = map[Seat]*seatState{}, map[Seat]Share{}, map[string][]Seat{}
	e.rates = e.s.Rates
	e.board.Assume(e.rates)
	for i, pl := range e.w.Planes {
		e.planes = append(e.planes, newPlaneState(pl))
		for _, seat := range pl.Seats {
			switch pl.Aspect {
			case TTL:
				e.ttls[seat] = i
			case Split:
				e.split[seat] = i
			}
		}
	}
	for _, r := range p.Routes {
		e.groups[r.Name] = r.Seats
	}
	for i := range e.w.Locks {
		e.leases = append(e.leases, leaseState{place: e.w.Locks[i]})
	}
	e.findWritten()
	e.holdSnapshot()
	e.buildOnlys()
	e.steps = make([]stepRun, len(p.Steps))
	e.seenSet = map[Seat]Share{}
	e.stale, e.keepWake = true, Never
}

// findWritten notes the planes that the plan is to write to.
func (e *engine) findWritten() {
	for i := range e.plan.Steps {
		for k := range e.plan.Steps[i].Rungs {
			for seat := range e.plan.Steps[i].Rungs[k].Want {
				e.planes[e.split[seat]].written = true
			}
			for seat := range e.plan.Steps[i].Rungs[k].TTL {
				e.planes[e.ttls[seat]].written = true
			}
		}
	}
}

// holdSnapshot takes the plan's listing as the first one; a takeover reads over it.
func (e *engine) holdSnapshot() {
	plane := map[string]int{}
	for i := range e.planes {
		plane[e.planes[i].Name] = i
	}
	held := slices.Clone(e.plan.Held) // by plane and seat
	for from, to := 0, 0; from < len(held); from = to {
		h := &held[from]
		for to = from + 1; to < len(held) && held[to].Seat == h.Seat && held[to].Plane == h.Plane; to++ {
		}
		if i, ok := plane[h.Plane]; ok && e.planes[i].Aspect == Split {
			e.asJournaled(&e.planes[i], held[from:to])
			e.seats[h.Seat] = &seatState{seat: h.Seat, plane: i, held: held[from:to:to]}
		}
	}
	for seat, st := range e.seats {
		st.listed()
		e.setShare(seat)
	}
}

func sortHeld(hs []Held) {
	slices.SortFunc(hs, func(a, b Held) int { return compareHeld(a, b) })
}

func compareHeld(a, b Held) int {
	if c := CompareSeats(a.Seat, b.Seat); c != 0 {
		return c
	}
	switch {
	case a.Object < b.Object:
		return -1
	case a.Object > b.Object:
		return 1
	}
	return 0
}

// setShare works out a seat's set share from its listing.
func (e *engine) setShare(seat Seat) {
	sh := maps.Clone(e.seats[seat].sums)
	if toBasisPoints(sh) {
		if e.stale = e.stale || !maps.Equal(e.set[seat], sh); e.stale {
			e.set[seat] = sh
			e.setGen++
		}
		return
	}
	delete(e.set, seat)
	e.setGen++
	e.stale = true
}

// compose is the composed share of what the seats hold now. It is good until they hold something else.
func (e *engine) compose() Composed {
	if e.stale {
		e.comp.ComposeInto(&e.composed, e.set, e.liveRates())
		e.stale = false
	}
	return e.composed
}

func (e *engine) liveRates() map[Seat]float64 {
	if r := e.board.Rates(e.now); len(r) > 0 {
		return r
	}
	return e.rates
}

func (e *engine) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// finish ends the loop with a code, once everything is journaled.
func (e *engine) finish(x Exit) {
	e.ended, e.exit = true, x
}

// started tells whether the locks are had, the run is journaled and, for a takeover, every object was read.
func (e *engine) started() bool { return e.ready }

func (e *engine) stepName(i int) string {
	if i < 0 || i >= len(e.plan.Steps) {
		return "the run"
	}
	return fmt.Sprintf("step %q", e.plan.Steps[i].Name)
}
