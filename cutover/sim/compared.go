package sim

import (
	"context"
	"fmt"
	"time"

	"roomshift/cutover"
)

// comparedAgo is when a simulated pair's data was compared last, before the run's start: it was equal, but for the faults drift and uncompared.
const comparedAgo = time.Hour

// comparisons tells of them.
type comparisons struct{ r *Runner }

func (c comparisons) Compared(ctx context.Context, name string) (cutover.Compared, error) {
	s := c.r.s
	c.r.takes(cutover.Millisecond)
	if s.pair(name) == nil || ctx.Err() != nil {
		return cutover.Compared{}, fmt.Errorf("there is no pair %q", name)
	}
	out := cutover.Compared{At: s.wall.Add(-comparedAgo), Equal: true, Tables: 12, Rows: 4_000_000}
	for _, f := range s.faults {
		switch {
		case !f.on || f.pair != name:
		case f.kind == "uncompared":
			return cutover.Compared{}, nil
		case f.kind == "drift":
			out.Equal, out.Differ = false, []string{"app.orders"}
		}
	}
	return out, nil
}
