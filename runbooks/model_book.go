package runbooks

import "time"

// Runbook is what to do with the rooms.
type Runbook struct {
	Pos
	Name, About string
	From, To    string
	Evacuate    string // the room left for good, "" none
	EvacuateAt  Pos    // where it is written
	Returns     string // the runbook that this one takes back, "" none
	ReturnsAt   Pos    // where it is written
	Bake        time.Duration
	BakeSet     bool

	VerifyWithin time.Duration // after going back the gates must be green within it; 0: the default
	Rules        Rules
	Gates        []Gate // all of Rooms.Gates, with this runbook's overrides
	Steps        []Step
}

// Rules are what may never happen, whatever a step says. Zero values are the defaults of DESIGN §4.
type Rules struct {
	Pos
	Windows         []Window
	Blocked         []Blocked
	FinishBy        string             // "HH:MM", "" none
	MaxShare        map[string]Percent // by room
	MaxMove         Percent            // in a rung; default 3000
	Headroom        Percent            // of capacity; default 8000
	RehearsedWithin time.Duration
	RehearsedAt     Pos // where it is written
}

// Window is when steps may begin. From and To are minutes after midnight; To may be less than From (over midnight).
type Window struct {
	Pos
	Name     string
	Days     []time.Weekday // of From; nil: every day
	From, To int
}

// Blocked is a span of dates, both included, on which nothing begins.
type Blocked struct {
	Pos
	From, To, Why string // 2006-01-02
}

// StepKind is what a step does.
type StepKind string

// The kinds of step.
const (
	StepTTL        StepKind = "ttl"
	StepShift      StepKind = "shift"
	StepWriter     StepKind = "writer"
	StepSwitch     StepKind = "switch"
	StepDrain      StepKind = "drain"
	StepCall       StepKind = "call"
	StepCheck      StepKind = "check"
	StepAsk        StepKind = "ask"
	StepCheckpoint StepKind = "checkpoint"
	StepBack       StepKind = "back"
)

// Step is a named part of a runbook, of one kind: the field of that kind is set, the others are nil or zero.
type Step struct {
	Pos
	Name  string // KIND-N by its place in the file where none was written; a checkpoint's is the checkpoint's
	Named bool
	Kind  StepKind

	After     []string // AfterSet: names of steps; empty: the last checkpoint above, or the start
	AfterSet  bool
	Bake      time.Duration
	BakeSet   bool
	Settle    *Settle
	Approve   *Ask
	Within    time.Duration // bounds an ask, check, call or switch; 0 unset
	NotNeeded bool          // needed: false
	AnyWindow bool          // window: any

	Shift      *Shift
	TTL        []TTL
	Check      *Check
	Ask        *Ask
	Checkpoint string
	Guard      bool
	Back       string // "rung", "checkpoint" or "start"
	Writer     *WriterMove
	Switch     []SwitchSet
	Drain      []Drain
	Call       *Call
}

// Shift sets Room's share of each target, rung by rung; all Shares have one length.
type Shift struct {
	Pos
	Room    string
	Targets []ShiftTarget
}

// Rungs is the number of rungs.
func (s *Shift) Rungs() int { return len(s.Targets[0].Shares) }

// ShiftTarget names a route, a group or a seat (ROUTE@SEAT).
type ShiftTarget struct {
	Pos
	Name   string
	Shares []Percent
}

// TTL sets the time to live of every record of a name or group of names.
type TTL struct {
	Pos
	Name string
	TTL  time.Duration
}

// Settle is when a rung counts as arrived. Tolerance and Reach exclude each other; both 0: the medium's default.
type Settle struct {
	Pos
	Within    time.Duration // 0: default
	Tolerance Percent
	Reach     Percent // of the way from before to wanted
	Else      string  // ask, hold, back, go on
}

// Ask waits for a person. Else is what an expiry means: hold or back.
type Ask struct {
	Pos
	By     string // a role, shown and recorded, not resolved
	Within time.Duration
	Else   string
}

// Check is what must be true before what follows; nil parts aren't asked.
type Check struct {
	Pos
	Probe    *Probe
	Writer   *WriterMove
	Capacity string // "now" or "peak"
	Checksum map[string]time.Duration

	ChecksumAt Pos // where it is written
	Quiet      *Quiet
}

// Quiet asks that a room's requests stay below a rate for a time.
type Quiet struct {
	Pos
	Room  string
	Below Rate
	For   time.Duration
}

// WriterMove moves the write role of Pairs.
type WriterMove struct {
	Pos
	To       string
	Pairs    []string
	NoWriter time.Duration
	With     []string // only things
	IfLost   string   // ask or hold
	Once     bool     // not in the language: a move that is given up ends the run, and nobody is asked
	Reopen   bool     // not in the language: the writer came up closed, and is opened where it is
}

// SwitchSet gives a switch a value, as written.
type SwitchSet struct {
	Pos
	Name, Value string
}

// Drain closes long connections of a route in a room, Percent of them a minute.
type Drain struct {
	Pos
	Route, In string
	PerMinute Percent
}

// Call is a request to something else's API with a way to see that it took, and one to undo it.
type Call struct {
	Pos
	Do, Verify, Undo *Request
	TokenFile        string
}

// Request is one HTTP request. Is is compared with the answer's Field, a dotted path.
type Request struct {
	Pos
	Method, URL, Field, Is string
}
