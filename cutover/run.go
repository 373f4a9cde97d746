package cutover

import "context"

// Start says what Run is to do.
type Start struct {
	Run     string // the run's name
	Plan    *Plan  // nil: take over what the journal says
	Why     string // start, continue, takeover or back
	Version string // of the program
	Host    string
	User    string
	PID     int
	BackTo  string // Why back: start, checkpoint or rung
}

// Result is what a run came to.
type Result struct {
	Exit     Exit
	Progress *Progress
}

// Run runs a plan, or takes a run over, until it is over, rests, or ctx ends. When ctx ends it returns ctx.Err() at once and
// writes nothing more, as a killed process would.
func Run(ctx context.Context, w World, s Start) (*Result, error) {
	return nil, ctx.Err()
}
