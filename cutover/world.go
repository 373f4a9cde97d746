package cutover

import (
	"context"
	"time"
)

// World is everything outside the engine. Real rooms, a dry run over real rooms, and simulated rooms are three of them; the
// engine never asks which.
type World struct {
	Clock     Clock
	Planes    []Plane // each Seat of a route stands in exactly one plane of aspect Split
	Locks     []Place // the control room's first
	Gauges    Gauges
	Journal   Journal
	Writers   Writers
	Movers    Movers    // nil: no writer is moved
	Onlys     []Only    // things that writer steps stop and start
	Preflight Preflight // nil: nothing is looked at before a move but what its rounds look at
	Peeker    Peeker    // nil: nobody's record is read before a run
	Publisher Publisher // nil: writers are told by their records alone
	After     After     // nil: nobody looks at a pair after its move
	// Comparisons: nil, nothing is known of any.
	Comparisons Comparisons
	Prober      Prober
	Operators   Operators
	Show        Show // nil: nobody looks
}

// Event is one thing that Clock.Next hands over. Exactly one of the pointers is set.
type Event struct {
	Lease   *LeaseChange
	Command *Command
	Reply   *Reply
	Sample  *Sample
}

// LeaseChange says that the lease of a place was lost or renewed.
type LeaseChange struct {
	Place string
	Lost  bool
	Err   error
}

// Reply is what a request started by Clock.Go came to. Value is what the request's own function returned.
type Reply struct {
	ID    int
	At    T
	Value any
}

// Clock is time and the only way to start something.
type Clock interface {
	Now() T
	// Wall is the wall time of a moment, for records, warmth, windows and finishBy only.
	Wall(at T) time.Time
	// Go starts f in a worker and returns at once; what f returns comes back as an event, exactly once, however late.
	// f's context ends after limit. The engine itself counts a missing reply as unknown after limit + 100 ms.
	Go(id int, limit T, f func(context.Context) any)
	// Next waits for an event or until the moment, and returns what has come, sorted: lease, commands, replies, samples;
	// each kind in order of arrival.
	Next(until T) []Event
}

// Medium is one kind of place where shares are held. An adapter has no state but a client: it makes one bounded request and
// never waits or retries.
type Medium interface {
	// Read lists every object of these seats, with versions, sorted by seat and object. A part that can't be listed is an
	// error, never a shorter list. Nobody changes the listing: a medium may hand out the same one twice.
	Read(ctx context.Context, seats []Seat) ([]Held, error)
	// Shape is pure: the changes, in waves, after which each seat carries its share. Objects that hold it already have no
	// change; no waves at all when nothing is to do. An error if the consumer's scale can't express a share.
	// Not called for aspects TTL and Switch.
	Shape(held []Held, want map[Seat]Share) ([][]Change, error)
	// Weigh is pure: Weights of h if it held value. An error for a value that the medium can't hold.
	Weigh(h Held, value string) (Share, error)
	// Write sends one bounded request with all changes: one outcome each, in order; compare-and-set where the server can.
	Write(ctx context.Context, f Fence, changes []Change) []Outcome
}

// Stepper is a Medium in which not every value is one write away from every other: a record that is switched on has a weight of its own
// before it has ours. Next is pure: what h must hold next on its way to value; value itself where that is one write away. Shape's waves
// go the same way, so that each state that something lost between two writes can leave behind is one that the journal names.
type Stepper interface {
	Next(h Held, value string) string
}

// nextOn is what an object holds next on its way to a value.
func nextOn(m Medium, h Held, value string) string {
	if s, ok := m.(Stepper); ok {
		return s.Next(h, value)
	}
	return value
}

// Answerer is a Medium whose share is given by others than those who are written to: a name's authorities. Answers asks them once, within
// ctx: nil if all that can be asked answer each seat's share, else what they answer instead. A seat that nothing observes isn't settled
// before: its read-back says what they were told, and not that they do it.
type Answerer interface {
	Answers(ctx context.Context, want map[Seat]Share) error
}

// Filler is a Medium whose objects each carry a weight. Fill is pure: what the newer ones of one seat must hold so that it carries the
// share as nearly as the scale can, the others as they are in held. Nil if that can't be nearer than it is.
type Filler interface {
	Fill(held []Held, newer func(*Held) bool, want Share) map[string]string
}

// fillOn is what newer objects of a seat must hold, nil where they can't be filled.
func fillOn(m Medium, held []Held, newer func(*Held) bool, want Share) map[string]string {
	if f, ok := m.(Filler); ok {
		return f.Fill(held, newer, want)
	}
	return nil
}

// Plane is where a medium's requests go: one Consul, one DNS account. Its limits are data, so that the engine packs, paces
// and fences without asking which medium it is.
type Plane struct {
	Name   string
	Aspect Aspect
	Room   Room   // whose Consul it is, "" none
	Place  string // the Place whose lock covers it
	Medium Medium
	Seats  []Seat

	MaxChanges int     // in a request, 0: no limit
	MaxBytes   int     // of a request's changes (names and values), 0: no limit
	Workers    int     // requests at once, 0: 4; one of them is kept for going back
	PerSecond  float64 // requests, 0: no limit
	TimeOut    T       // of one request, 0: 5 s
	Lateness   T       // how long after its time-out a request may still land
	Shows      T       // written → answered by it (a TTL); what is 0 or less than a second is fast

	HasCAS         bool // compare-and-set: the server takes all of a request or nothing
	FencedByServer bool // the server checks Fence itself; a live lease is enough
}

// Place is one lock: one Consul.
type Place struct {
	Name string
	Lock Lock
}

// Claim says who takes the lock, for which run and what.
type Claim struct {
	Run    string   `json:"run"`
	Who    string   `json:"who"`
	Host   string   `json:"host"`
	PID    int      `json:"pid"`
	Names  []string `json:"names"` // routes and pairs
	Since  string   `json:"since"` // wall, RFC 3339
	Resume bool     `json:"-"`     // the run's own claim may be taken over
}

// Lock is taken by one run at a time. Take makes one attempt, within ctx. ErrHeld (wrapped) says who, where, which run,
// since when.
type Lock interface {
	Take(ctx context.Context, c Claim) (Lease, error)
}

// Fence is what a request carries so that its server, or a reader of the journal, can tell an old holder from the present.
type Fence struct {
	Session string `json:"session,omitempty"`
	Key     string `json:"key,omitempty"`
	Index   uint64 `json:"index"` // rises with every holder
}

// Lease is a lock held. Until is stamped before the renewal was sent: a late answer never extends it.
type Lease interface {
	Until() T
	Fence() Fence
	// Release gives the lock back; keepClaim leaves the run's claims on its routes and pairs (a resting run).
	Release(ctx context.Context, keepClaim bool) error
}

// Gauges measures, outside the engine, until ctx ends. put never blocks; per gauge and room the latest wins.
type Gauges interface {
	// Start begins measuring p.Gauges and returns at once; each sample comes back as an event of the Clock it was built with.
	Start(ctx context.Context, p *Plan)
	// Cut tells that data from before at says nothing about the present: windows begin after it. It never blocks.
	Cut(at T)
}

// Journal is append-only. Append makes all records durable in order, or none, or returns ErrOutcomeUnknown (wrapped).
// ErrNoSpace: none, the disk is full; groups without a forward intent may still be taken from the reserve.
type Journal interface {
	Append(ctx context.Context, rs []Record) error
	// Read returns every whole record; a torn tail is cut and told in the second value; a broken chain is ErrChainBroken.
	Read(ctx context.Context) ([]Record, string, error)
}

// Writers looks at who takes the writes of a pair.
type Writers interface {
	Look(ctx context.Context, pair string) (Seen, error)
}

// Seen is what both masters of a pair say of themselves. A room that is absent from ReadOnly could not be asked.
type Seen struct {
	ReadOnly map[Room]bool
	Why      map[Room]string // rooms that could not be asked: why
}

// Writer is the room that takes the writes, "" if none or both do, or a master could not be asked.
func (s Seen) Writer() Room {
	w := ""
	for _, r := range sortedKeys(s.ReadOnly) {
		if !s.ReadOnly[r] {
			if w != "" {
				return ""
			}
			w = r
		}
	}
	if len(s.Why) > 0 {
		return ""
	}
	return w
}

// Prober asks a room itself, whatever DNS says. The error names the path, what was seen and what was wanted.
type Prober interface {
	Probe(ctx context.Context, room Room, host string, paths []string) error
}

// Command is what a person says to a run.
type Command struct {
	ID    string            `json:"id"`
	Verb  string            `json:"verb"` // pause resume freeze back approve accept mute close stop status
	Who   string            `json:"who"`
	Args  map[string]string `json:"args,omitempty"`
	Stamp T                 `json:"-"` // when it came
}

// Operators brings commands (as events) and carries answers back. Answer is called only after the command's record is
// durable; status is answered at once.
type Operators interface {
	Start(ctx context.Context)
	Answer(id string, a Answer)
}

// Answer is what a command came to. OK false: refused, Said says why. View is set for status.
type Answer struct {
	OK   bool   `json:"ok"`
	Said string `json:"said"`
	View *View  `json:"view,omitempty"`
}

// Show is told what happens; it may drop things and never blocks.
type Show interface {
	Event(Shown)
}

// Shown is one thing to show: a record as it was decided, or how everything stands.
type Shown struct {
	At     T
	Record *Record
	View   *View
	Note   string // talk: what is neither a record nor a view
	Page   *Page
}
