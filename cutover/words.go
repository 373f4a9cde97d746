// Package cutover is the engine: snapshot → plan → run → journal → back. It imports the standard library and runbooks, and
// nothing that reaches a network: media, gauges, journals, locks and people come to it through the interfaces in world.go.
//
// Read in this order: words.go, world.go, record.go, then along the data: compose.go, plan.go, run.go, step.go, gate.go,
// act.go, back.go, fold.go.
package cutover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// T is a moment or a span on one process's monotonic clock, in nanoseconds. Moments of two processes can't be compared.
type T int64

// Spans, for readable numbers.
const (
	Millisecond T = T(time.Millisecond)
	Second      T = T(time.Second)
	Minute      T = T(time.Minute)
	Never       T = 1<<63 - 1
)

// Duration is t as a time.Duration.
func (t T) Duration() time.Duration { return time.Duration(t) }

// Room is the name of a data centre.
type Room = string

// Share is the part of a route's traffic that goes to each room, in basis points; the values of a whole share sum to Whole.
// A room that is absent has 0.
type Share map[Room]int

// Whole is 100 % in basis points.
const Whole = 10000

// Seat is where a split is read: At is "" (once for all), a room (that room's Consul) or a DNS line.
type Seat struct{ Route, At string }

// String is "gw@home", or "gw" for a seat that stands once for all.
func (s Seat) String() string {
	if s.At == "" {
		return s.Route
	}
	return s.Route + "@" + s.At
}

// MarshalText writes a seat as String does, so that it can be a JSON key.
func (s Seat) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Seat) UnmarshalText(b []byte) error {
	s.Route, s.At, _ = strings.Cut(string(b), "@")
	if s.Route == "" {
		return fmt.Errorf("%q is no seat: want ROUTE or ROUTE@SEAT", b)
	}
	return nil
}

// CompareSeats orders seats by route, then place.
func CompareSeats(a, b Seat) int {
	if c := strings.Compare(a.Route, b.Route); c != 0 {
		return c
	}
	return strings.Compare(a.At, b.At)
}

// Aspect is what a plane's objects hold.
type Aspect string

// The aspects of a plane.
const (
	Split  Aspect = "split"
	TTL    Aspect = "ttl"
	Switch Aspect = "switch"
)

// ObjectID names one object: an object's name is unique in its plane.
type ObjectID struct{ Plane, Object string }

// String is "plane/object".
func (o ObjectID) String() string { return o.Plane + "/" + o.Object }

// CompareObjects orders objects by plane, then name.
func CompareObjects(a, b ObjectID) int {
	if c := strings.Compare(a.Plane, b.Plane); c != 0 {
		return c
	}
	return strings.Compare(a.Object, b.Object)
}

// Held is what one object holds. Value is canonical and only the part we own; Version is what a compare-and-set compares
// with; Born changes when the object is made anew. Weights is how much of its seat's traffic the object gives to each room:
// the whole split for a key or splitter, {Room: weight} for an instance or a record; an object that isn't Live counts nothing.
type Held struct {
	Seat    Seat   `json:"seat"`
	Plane   string `json:"plane"`
	Object  string `json:"object"`
	Value   string `json:"value"`
	Version string `json:"version,omitempty"`
	Born    uint64 `json:"born,omitempty"`
	Room    Room   `json:"room,omitempty"`
	Live    bool   `json:"live"`
	Weights Share  `json:"weights,omitempty"`
}

// ID is the object's name with its plane.
func (h Held) ID() ObjectID { return ObjectID{h.Plane, h.Object} }

// Change is one concrete write. Its undo is the same turned round. Version is the version of Before, "" when only the value
// is known. Gives is Weights of After, nil for TTLs and switches.
type Change struct {
	Seat    Seat   `json:"seat"`
	Plane   string `json:"plane"`
	Object  string `json:"object"`
	Before  string `json:"before"`
	After   string `json:"after"`
	Version string `json:"version,omitempty"`
	Gives   Share  `json:"gives,omitempty"`
}

// ID is the changed object's name with its plane.
func (c Change) ID() ObjectID { return ObjectID{c.Plane, c.Object} }

// What is the outcome of one change.
type What int

// Done: it holds After. Failed: it did not land and won't. Foreign: it holds something that is neither Before nor After.
// Unknown: it may have landed, or may still.
const (
	Unknown What = iota
	Done
	Failed
	Foreign
)

// String is the outcome's word in journals and on screens.
func (w What) String() string { return [...]string{"unknown", "done", "failed", "foreign"}[w] }

// Outcome is what became of one change. Version is the new one when Done, the found one when Foreign; RetryAfter is the
// server's wish when it throttled; Err says why not Done, without secrets.
type Outcome struct {
	What       What
	Version    string
	Found      string // Foreign: the canonical value found; "" with Gone when the object isn't there any more
	Gone       bool
	Who        string // Foreign: who wrote it, if the medium knows
	RetryAfter T
	Err        error
}

// Reason says why a sample has no value.
type Reason string

// The reasons that every gauge shares; a gauge adds its own words after a colon, as in "error: 503 from prometheus".
const (
	NoAnswer  Reason = "no answer"
	NoData    Reason = "no data"
	NotNumber Reason = "not a number"
	TooOld    Reason = "too old"
)

// Sample is one measurement, true for [From, At], with an error bound Lo..Hi in the gate's held unit. Gauge is the index in
// Plan.Gauges. Room is the judged room; for replication the receiving one; for links "". Unknown non-empty: there is no
// value. Idle: nothing to measure, alive; of a room, nothing that could be harmed. LowerBound: a probe still under way, the truth
// is at least Lo.
// Again: a simulated piece, that many more of the same follow at the gauge's interval.
type Sample struct {
	Gauge       int
	Room        Room
	Lo, Hi      float64
	Events, Bad int64
	From, At    T
	Again       int
	Unknown     Reason
	Idle        bool
	LowerBound  bool
	Counts      map[Room]float64 // GaugeSeen only: requests in a second by the room that served them
}

// Cause is why the run turned, froze or held: what is over which limit.
type Cause struct {
	Gate  string `json:"gate,omitempty"` // or probe, rule, person, lock, object
	Room  Room   `json:"room,omitempty"`
	Color Color  `json:"color,omitempty"`
	Seen  string `json:"seen,omitempty"`  // the value as shown
	Limit string `json:"limit,omitempty"` // the limit as shown
	Age   T      `json:"age,omitempty"`   // of the data, when it was decided
	Text  string `json:"text,omitempty"`  // a sentence for people
}

// Key identifies a cause through its ups and downs.
func (c Cause) Key() string { return c.Gate + "@" + c.Room }

// name is "feed-lag@cloud", or "line-rtt" for what belongs to no room.
func (c Cause) name() string { return strings.TrimSuffix(c.Key(), "@") }

// Color is the condition of a gate, a direction, a link or a room.
type Color string

// The conditions of ENGINE §4. Unjudged is "–".
const (
	Green    Color = "green"
	Amber    Color = "amber"
	Red      Color = "red"
	Blind    Color = "blind" // not known now
	Dark     Color = "dark"  // blind after blindFor
	Unjudged Color = "unjudged"
)

// Act is what deciding comes to.
type Act string

// The acts, from the weakest to the strongest.
const (
	Advance Act = "advance"
	Hold    Act = "hold"
	Back    Act = "back"
	Freeze  Act = "freeze"
)

// Phase is where a run is. Holding is no phase.
type Phase string

// The phases of a run.
const (
	PhaseForward Phase = "forward"
	PhaseBack    Phase = "back"
	PhaseFrozen  Phase = "frozen"
	PhaseResting Phase = "resting"
	PhaseOver    Phase = "over"
)

// Exit is a run's exit code.
type Exit int

// The exit codes of DESIGN §6, one meaning each.
const (
	ExitDone        Exit = 0
	ExitNothing     Exit = 1 // failed, nothing changed
	ExitUsage       Exit = 2
	ExitBack        Exit = 3 // rolled back, verified
	ExitStopped     Exit = 4 // stopped part-way or frozen: take over or go back
	ExitUnknown     Exit = 5 // look before acting
	ExitNotVerified Exit = 6
	ExitResting     Exit = 7
	ExitDrift       Exit = 8
)

// The errors that name a consequence.
var (
	ErrOutcomeUnknown = errors.New("the outcome is unknown")
	ErrLeaseLost      = errors.New("the lock is lost")
	ErrHeld           = errors.New("the lock is held")
	ErrPlanStale      = errors.New("the plan is stale")
	ErrNoSpace        = errors.New("the journal's disk is full")
	ErrChainBroken    = errors.New("the journal's chain is broken")
)

// sortedKeys returns m's keys in order: map order never reaches a decision or an output.
func sortedKeys[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
