package cutover

// View is how a run stands at a moment: what status, the live screen and --json show. Shares are basis points, -1 unknown.
type View struct {
	Run         string          `json:"run"`
	Environment string          `json:"environment"`
	Runbook     string          `json:"runbook"`
	From        Room            `json:"from"`
	To          Room            `json:"to"`
	Wall        string          `json:"wall"`
	Phase       Phase           `json:"phase"`
	Act         Act             `json:"act"`
	Causes      []Cause         `json:"causes,omitempty"`
	Green       []string        `json:"green,omitempty"` // frozen: what led to it and is green now
	Target      string          `json:"target,omitempty"`
	Paused      string          `json:"paused,omitempty"`
	Exit        Exit            `json:"exit"`
	Steps       []StepView      `json:"steps"`
	Shares      []ShareView     `json:"shares"`
	Gates       []GateView      `json:"gates"`
	Writers     map[string]Room `json:"writers,omitempty"`
	Degraded    []string        `json:"degraded,omitempty"` // what isn't well of pairs whose writer moved, one line each
	Loads       []LoadView      `json:"loads,omitempty"`
	Then        *ThenView       `json:"then,omitempty"` // the next rung to be written, nil none
	WayBack     []string        `json:"wayBack"`        // what back would do, one line each
	Asked       []AskedMark     `json:"asked,omitempty"`
	Mutes       []string        `json:"mutes,omitempty"`
	Foreign     []ForeignMark   `json:"foreign,omitempty"`
	Next        string          `json:"next"`
	Holder      string          `json:"holder,omitempty"`  // user@host of the process that runs it
	Rest        *RestView       `json:"rest,omitempty"`    // going forward: where it may rest next
	Kept        string          `json:"kept,omitempty"`    // the newest membership kept: wall time, seat and what was done
	Ends        []string        `json:"ends,omitempty"`    // what is to be put back besides shares, and what may still land
	Open        int             `json:"open"`              // requests without an outcome
	Journal     string          `json:"journal,omitempty"` // what is wrong with it, "" nothing
	Locks       []string        `json:"locks,omitempty"`   // what is wrong with them
	Timing      *Timing         `json:"timing,omitempty"`
}

// RestView is the next checkpoint, how long it is until then if nothing holds, by when the run must rest ("" never), and who is asked
// before.
type RestView struct {
	Name string   `json:"name"`
	In   T        `json:"in"`
	At   string   `json:"at"` // the time of day that is
	By   string   `json:"by,omitempty"`
	Asks []string `json:"asks,omitempty"`
}

// StepView is one step.
type StepView struct {
	Name  string    `json:"name"`
	Kind  string    `json:"kind"`
	State StepState `json:"state"`
	Rung  int       `json:"rung"`
	Rungs int       `json:"rungs"`
	Want  string    `json:"want,omitempty"` // "entry 10 %, gw@home 22 %"
	Why   string    `json:"why,omitempty"`
	Since T         `json:"since,omitempty"` // how long in this state
	Of    T         `json:"of,omitempty"`    // how long it takes, if known
}

// ShareView is one row of shares: a seat, an entry, or all requests. Basis points of To's room; -1 not known.
type ShareView struct {
	Name   string `json:"name"`
	Wanted int    `json:"wanted"`
	Set    int    `json:"set"`
	Seen   int    `json:"seen"`
}

// GateView is one gate in one room or direction.
type GateView struct {
	Gate   string  `json:"gate"`
	Room   Room    `json:"room,omitempty"`
	Color  Color   `json:"color"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	Unit   string  `json:"unit"`
	Age    T       `json:"age"`
	Events int64   `json:"events,omitempty"`
	Hold   string  `json:"hold,omitempty"`
	Abort  string  `json:"abort,omitempty"`
	Why    string  `json:"why,omitempty"`
	Muted  bool    `json:"muted,omitempty"`
}
