package cutover

// Progress is all that must survive a run's process, and only Apply changes it. Fold is Apply in a row.
type Progress struct {
	Run        string
	Hash       string // of the plan in force
	Plan       *Plan  // in force
	Segment    int    // how many plans the run has had
	Began      string // wall time of the record that made the plan in force whole
	Seq        int64
	Prev       string
	Holder     *RunStart
	Holders    int
	Phase      Phase
	Target     string  // of going back: a checkpoint's name or "start"
	Causes     []Cause // of the phase
	Exit       Exit    // of resting and over
	Verdict    VerdictMark
	Steps      []StepProgress
	Objects    map[ObjectID]*Object
	Targets    map[string]*Target // "start", the checkpoints reached; of this and earlier segments
	LastTarget string             // the newest of them
	Writers    map[string]WriterMark
	Answered   map[string]string // cause key → who answered it; ends when it has been green once or gets a second row
	Mutes      map[string]CommandMark
	Paused     string      // who paused, "" nobody
	Asked      []AskedMark // unanswered
	Commands   map[string]bool
	Requests   int // the highest request number
	LastSeen   SeenMark
	Seens      []WallShare // warmth: composed share at wall times, newest last, an hour and a half of them
	Crossed    Timing      // of the turn in force, as far as its process's own; 0 after a takeover
	Changed    bool        // something was written, or may have been
	Claims     []string
	Broken     []BrokeMark
	Moves      map[string]MoveMark    // the newest verb of each pair's writer move
	Dark       map[string]Darkness    // pairs that nobody may be writing to now
	NoWriter   map[string]T           // the longest time in which nobody took a pair's writes while it moved
	Fenced     map[string]FencedState // by pair: the master that the newest move of this run fenced, and what was found since
	Onlys      map[string]OnlyProgress
	// WritersBack is how the going back in force treats the writers: first, stay, or "": after the traffic.
	WritersBack string
	FrozenFrom  Phase // what the run was doing when it froze, "" if it didn't
	// Wanted is the share that each seat is kept at on the way forward: what its last rung wanted, or, before its first one, what
	// the plan found. A seat isn't in it while a rung writes it, or after a person accepted somebody else's value there.
	Wanted   map[Seat]Share
	SetAgain map[Seat][]string // when a seat that had strayed was set again: the newest three wall times, newest last

	parts []string  // of a plan that isn't whole yet
	fold  foldState // what only Apply reads
}

// Darkness is since which wall time nobody may be taking a pair's writes. Fence: one was sent; else FENCING was written, and what followed is
// lost.
type Darkness struct {
	Since string
	Fence bool
}

// StepProgress is a step's state in the journal.
type StepProgress struct {
	State    StepState
	Rung     int
	Approved string    // by whom; for the present rung row of the step
	Wrote    bool      // a forward intent of the present rung is journaled
	Resume   StepState // what `asking` goes back to
}

// Object is what the journal says of one object.
type Object struct {
	ID      ObjectID
	Seat    Seat
	Last    string // what we last knew it to hold
	Version string
	Want    string   // what the run wants it to hold: the start's value, or the last forward (or keep) write that is done
	Ours    []string // every value that a request of ours had as From or To
	Touched bool
	Foreign *ForeignMark
	Open    []OpenIntent // at most a forward one and an undo
	Room    Room         // of the first listing
	Made    bool         // not in the snapshot: seen first during the run
	Adopted bool
	Gives   Share // the weights of Last, as far as the journal says them; nil for TTLs and switches

	joined      int64 // the record that gave it the weight of its seat; 0: it was there before, or a rung wrote it
	lastRequest int   // whose done set Last: an older request's late answer says nothing of the present
}

// OpenIntent is an intent without an outcome.
type OpenIntent struct {
	Request  int
	Purpose  Purpose
	From, To string
	Unknown  bool // journaled as unknown
}

// Target is a named state that back can go to.
type Target struct {
	Name    string
	Step    int // -1: start
	Want    map[ObjectID]string
	Writers map[string]Room
	Onlys   map[string]Room // what the keys of things said that run in one room
	Share   Share           // composed, when it was recorded
	Segment int
	Seq     int64             // of the record that made it
	Left    map[ObjectID]bool // adopted since: going back to here lists them and leaves them alone
}

// WallShare is a composed share at a wall time (RFC 3339 with milliseconds).
type WallShare struct {
	Wall  string
	Share Share
}
