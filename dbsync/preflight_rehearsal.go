package dbsync

import (
	"context"
	"fmt"
	"time"

	"roomshift/cutover"
)

// Rehearsal is what is known of a pair from before: when its data was last compared, and what its last move took.
type Rehearsal struct {
	Compared time.Time // zero: never
	Verdict  Verdict
	Differ   []string // tables that weren't the same
	Moved    time.Time
	Took     time.Duration // nobody took writes for so long
	Err      error         // why something of it can't be read
}

// oldestComparison is how old a comparison may be without a word.
const oldestComparison = 7 * 24 * time.Hour

// preRehearsal, 21: the pair's data was compared, and a move of it tried, not long ago.
func preRehearsal() preCheck {
	return preCheck{
		name: "rehearsal",
		more: func(ctx context.Context, _ *Ring, f *flight, _ [2]querier) error {
			if f.o.Rehearse != nil {
				f.past = f.o.Rehearse(ctx)
			}
			return nil
		},
		judge: judgeRehearsal,
	}
}

func judgeRehearsal(f *flight) []Finding {
	p, compare := f.past, "roomshift verify "+f.pair
	x := Finding{Wanted: fmt.Sprintf("compared within %v, and equal", oldestComparison), Severity: cutover.Warns, Do: compare}
	age := f.o.Now.Sub(p.Compared).Round(time.Minute)
	switch {
	case p.Err != nil:
		x.Seen = p.Err.Error()
	case p.Compared.IsZero():
		x.Seen = "never compared"
	case p.Verdict == Drifted:
		x.Seen = fmt.Sprintf("%v ago its masters differed: %s", age, someOf(p.Differ))
		x.Severity, x.Rule, x.Do = cutover.Breaks, "writer.compared", "mend what differs, then "+compare
	case p.Verdict != Equal:
		x.Seen = fmt.Sprintf("%v ago it was compared in part", age)
	case age > oldestComparison:
		x.Seen = fmt.Sprintf("compared %v ago", age)
	default:
		x = good("", "equal %v ago", age)
	}
	found := []Finding{x}
	if !p.Moved.IsZero() {
		return append(found, good("", "last moved %s, %v without a writer", p.Moved.UTC().Format("2006-01-02"), p.Took.Round(time.Millisecond)))
	}
	return append(found, Finding{Seen: "no move of it is known on this machine", Wanted: "tried before the night that counts", Severity: cutover.Warns,
		Do: "move it there and back at a quiet hour: roomshift writer move, or the runbook of a drill"})
}
