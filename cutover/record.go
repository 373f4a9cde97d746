package cutover

// Record is one line of the journal. Exactly one of the pointers is set, the one of Kind (PhaseForward … have none besides
// their own). The order of fields here is the order in the file.
type Record struct {
	Seq  int64  `json:"seq"`
	Wall string `json:"wall"` // RFC 3339 with milliseconds
	At   T      `json:"at"`   // engine time of the process that wrote it
	Kind Kind   `json:"kind"`
	Prev string `json:"prev"` // hex SHA-256 of the preceding line's bytes without newline; 64 zeros in the first

	Plan       *PlanPart       `json:"plan,omitempty"`
	Run        *RunStart       `json:"run,omitempty"`
	Step       *StepMark       `json:"step,omitempty"`
	Intent     *Intent         `json:"intent,omitempty"`
	Done       *DoneMark       `json:"done,omitempty"`
	Failed     *FailedMark     `json:"failed,omitempty"`
	Foreign    *ForeignMark    `json:"foreign,omitempty"`
	Unknown    *UnknownMark    `json:"unknown,omitempty"`
	Stray      *StrayMark      `json:"stray,omitempty"`
	Adopted    *AdoptedMark    `json:"adopted,omitempty"`
	Move       *MoveMark       `json:"move,omitempty"`
	Writer     *WriterMark     `json:"writer,omitempty"`
	Only       *OnlyMark       `json:"only,omitempty"`
	Seen       *SeenMark       `json:"seen,omitempty"`
	Verdict    *VerdictMark    `json:"verdict,omitempty"`
	Phase      *PhaseMark      `json:"phase,omitempty"`
	Command    *CommandMark    `json:"command,omitempty"`
	Checkpoint *CheckpointMark `json:"checkpoint,omitempty"`
	Asked      *AskedMark      `json:"asked,omitempty"`
	Answered   *AnsweredMark   `json:"answered,omitempty"`
	Broke      *BrokeMark      `json:"broke,omitempty"`
	Claim      *ClaimMark      `json:"claim,omitempty"`
	After      *AfterMark      `json:"after,omitempty"`
}

// Kind is what a record says.
type Kind string

// The kinds of ENGINE §6.
const (
	KindPlan       Kind = "plan"
	KindRun        Kind = "run"
	KindStep       Kind = "step"
	KindIntent     Kind = "intent"
	KindDone       Kind = "done"
	KindFailed     Kind = "failed"
	KindForeign    Kind = "foreign"
	KindUnknown    Kind = "unknown"
	KindStray      Kind = "stray"
	KindAdopted    Kind = "adopted"
	KindMove       Kind = "move"
	KindWriter     Kind = "writer"
	KindOnly       Kind = "only"
	KindSeen       Kind = "seen"
	KindVerdict    Kind = "verdict"
	KindPhase      Kind = "phase"
	KindCommand    Kind = "command"
	KindCheckpoint Kind = "checkpoint"
	KindAsked      Kind = "asked"
	KindAnswered   Kind = "answered"
	KindBroke      Kind = "broke"
	KindClaim      Kind = "claim"
	KindAfter      Kind = "after"
)

// PlanPart is part I (from 1) of N of a plan's text, at most 256 KiB. Continues is the checkpoint it goes on from, "" at
// the start of a run. Version, Host and User stand in the first record of a journal.
type PlanPart struct {
	Run       string `json:"run"`
	Hash      string `json:"hash"`
	Part      int    `json:"part"`
	Of        int    `json:"of"`
	Continues string `json:"continues,omitempty"`
	Version   string `json:"version,omitempty"`
	Text      string `json:"text"`

	quoted string // Text as it stands in a line, where that is known
}

// RunStart is a holder's first record. Fences must rise, place by place.
type RunStart struct {
	Hash    string           `json:"hash"`
	Version string           `json:"version"`
	Host    string           `json:"host"`
	User    string           `json:"user"`
	PID     int              `json:"pid"`
	Fences  map[string]Fence `json:"fences"`
	Why     string           `json:"why"` // start, continue, takeover, back
}

// StepState is where a step is.
type StepState string

// The states of ENGINE §5.
const (
	StepPending  StepState = "pending"
	StepWaiting  StepState = "waiting"
	StepApplying StepState = "applying"
	StepSettling StepState = "settling"
	StepBaking   StepState = "baking"
	StepMoving   StepState = "moving"
	StepAsking   StepState = "asking"
	StepDone     StepState = "done"
	StepSkipped  StepState = "skipped"
)

// StepMark is a step's new state. Rung counts from 0. Why is for people. Near, of a mark that ends a rung's bake: the gate that came
// nearest to its hold limit, or furthest past it, while the rung was written, settled and baked.
type StepMark struct {
	Step  int       `json:"step"`
	Rung  int       `json:"rung"`
	State StepState `json:"state"`
	Why   string    `json:"why,omitempty"`
	Near  *Cause    `json:"near,omitempty"`
}

// Purpose is why a request is sent.
type Purpose string

// The purposes. Bridge is reserved.
const (
	Forward Purpose = "forward"
	Undo    Purpose = "undo"
	Pace    Purpose = "pace" // a rung on the way back
	Keep    Purpose = "keep"
	AnswerP Purpose = "answer" // finishing a wave so that a name keeps its answers
	Bridge  Purpose = "bridge"
)

// Intent says that a request may be sent from now on. Request numbers rise over the whole run.
type Intent struct {
	Request int      `json:"request"`
	Purpose Purpose  `json:"purpose"`
	Step    int      `json:"step"` // -1: none
	Rung    int      `json:"rung"`
	Wave    int      `json:"wave"`
	Last    bool     `json:"last,omitempty"` // the last request of its wave
	Changes []Change `json:"changes"`
}

// DoneMark: these objects of the request hold After, with these versions. Why: answered, found (looked up).
type DoneMark struct {
	Request  int      `json:"request"`
	Objects  []string `json:"objects"`
	Versions []string `json:"versions"`
	Why      string   `json:"why"`
}

// FailedMark: these objects of the request still hold Before and the request won't land. Why: answered, found, not sent.
type FailedMark struct {
	Request int      `json:"request"`
	Objects []string `json:"objects"`
	Why     string   `json:"why"`
	Error   string   `json:"error,omitempty"`
}

// ForeignMark: the object holds something that is neither Before nor After. Request 0: found by looking.
type ForeignMark struct {
	Request int    `json:"request,omitempty"`
	Plane   string `json:"plane"`
	Object  string `json:"object"`
	Found   string `json:"found"`
	Version string `json:"version,omitempty"`
	Gone    bool   `json:"gone,omitempty"`
	Who     string `json:"who,omitempty"`
}

// UnknownMark: these objects of the request may still land, for For from the record's At.
type UnknownMark struct {
	Request int      `json:"request"`
	Objects []string `json:"objects"`
	For     T        `json:"for"`
	Error   string   `json:"error,omitempty"`
}

// StrayMark: the object holds one of Ours, a late write of our own, and is to be set again; or, after a foreign value, what it held
// before.
type StrayMark struct {
	Plane   string `json:"plane"`
	Object  string `json:"object"`
	Found   string `json:"found"`
	Version string `json:"version,omitempty"`
}

// AdoptedMark: a person, or a continuation's plan, takes what is there as wanted.
type AdoptedMark struct {
	Plane   string `json:"plane"`
	Object  string `json:"object"`
	Value   string `json:"value"`
	Version string `json:"version,omitempty"`
	Who     string `json:"who"`
	Why     string `json:"why"`
}

// MoveMark is a verb of a writer move, begun, ended or unknown.
type MoveMark struct {
	Pair string `json:"pair"`
	Wish Room   `json:"wish"`
	Verb string `json:"verb"`
	At   string `json:"state"` // begun, done, failed, unknown
	Why  string `json:"why,omitempty"`
	// None, of an open that is done: how long nobody took writes, from when its fence was sent.
	None T `json:"none,omitempty"`
}

// WriterMark is a pair's record as its Consul answered it. Pos and Server stand with COMMIT alone: the position that Writer's server was at
// behind its fence, and what tells that server apart.
type WriterMark struct {
	Pair   string `json:"pair"`
	Phase  string `json:"phase"`
	Epoch  int64  `json:"epoch"`
	Number int64  `json:"number"`
	Writer Room   `json:"writer"`
	Pos    string `json:"pos,omitempty"`
	Server string `json:"server,omitempty"`
}

// AfterMark is what was found of a pair after its write role moved, in an epoch. Strays are transactions that were born behind the fence,
// Conflicts appliers that stopped because both rooms wrote; Pos is behind which strays are looked for from then on. Checked: the checks
// after a move were made, and Wrong are those that failed.
type AfterMark struct {
	Pair      string   `json:"pair"`
	Epoch     int64    `json:"epoch"`
	Strays    string   `json:"strays,omitempty"`
	Conflicts []string `json:"conflicts,omitempty"`
	Pos       string   `json:"pos,omitempty"`
	Checked   bool     `json:"checked,omitempty"`
	Wrong     []string `json:"wrong,omitempty"`
}

// SeenMark is the composed share of all requests in each room, as observed (Observed) or as set; Set is what it was set to then, and
// Rate the requests in a second that entered, rounded, 0 where nothing measures them.
type SeenMark struct {
	Share    Share `json:"share"`
	Observed bool  `json:"observed"`
	Set      Share `json:"set,omitempty"`
	Rate     int64 `json:"rate,omitempty"`
}

// VerdictMark is a change of act, or of its causes.
type VerdictMark struct {
	Act     Act      `json:"act"`
	Causes  []Cause  `json:"causes,omitempty"`
	Cleared []string `json:"cleared,omitempty"` // keys of answered causes that were green since, or have a second row
}

// PhaseMark is a new phase. Target is the checkpoint or "start" that going back goes to; Exit is set for resting and over.
type PhaseMark struct {
	Phase  Phase   `json:"phase"`
	Target string  `json:"target,omitempty"`
	Causes []Cause `json:"causes,omitempty"`
	Exit   Exit    `json:"exit"`
	// Writers is how going back treats them: "first", "stay", or "": after the traffic.
	Writers string  `json:"writers,omitempty"`
	Timing  *Timing `json:"timing,omitempty"` // back: crossed → decided; over: the whole of it
}

// Timing is a run's reaction: the age of the data when it was decided, and the moments on engine time. 0: not reached.
type Timing struct {
	Age        T `json:"age"`     // of the deciding sample's data
	Crossed    T `json:"crossed"` // when the engine first held the sample that completed the crossing
	Decided    T `json:"decided"`
	FirstWrite T `json:"firstWrite,omitempty"`
	Read       T `json:"readBack,omitempty"`
	Seen       T `json:"seen,omitempty"`
}

// CommandMark is a person's command that was taken. Causes are those it answers.
type CommandMark struct {
	ID     string            `json:"id"`
	Verb   string            `json:"verb"`
	Who    string            `json:"who"`
	Args   map[string]string `json:"args,omitempty"`
	Causes []string          `json:"causes,omitempty"`
}

// CheckpointMark: the run stands at this checkpoint; Progress keeps what is wanted now as its target.
type CheckpointMark struct {
	Step int    `json:"step"`
	Name string `json:"name"`
}

// AskedMark is a question to people. Else is what its expiry means.
type AskedMark struct {
	Step int    `json:"step"` // -1: of the run
	What string `json:"what"` // approve, ask, settle, bake, check, foreign, rule, failed, or keep SEAT
	Text string `json:"text"`
	By   string `json:"by,omitempty"`
	For  T      `json:"for,omitempty"`
	Else string `json:"else,omitempty"`
}

// AnsweredMark ends a question. How: approved, accepted, expired, back.
type AnsweredMark struct {
	Step int    `json:"step"`
	What string `json:"what"`
	How  string `json:"how"`
	Who  string `json:"who,omitempty"`
}

// BrokeMark is a rule broken by name, with its reason.
type BrokeMark struct {
	Rule   string `json:"rule"`
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

// ClaimMark is what the run holds against others.
type ClaimMark struct {
	Names []string `json:"names"`
}
