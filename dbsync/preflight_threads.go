package dbsync

import (
	"context"
	"time"

	"roomshift/cutover"
)

// preThreads, 5: replication is healthy in both directions: the role comes back over the other one.
func preThreads() preCheck {
	return preCheck{
		name: "threads", quick: true, limit: 2*longestPeriod + time.Second, // what comes with each heartbeat only is waited for
		rests: []rest{
			{check: checkThreads, severity: cutover.Refuses},
			{check: checkDelay, severity: cutover.Refuses},
			{check: checkUntil, severity: cutover.Refuses},
			{check: checkAlive, severity: cutover.Refuses},
			{check: checkHeartbeat, severity: cutover.Breaks, rule: "writer.heartbeat"},
			{check: checkRetries, severity: cutover.Warns},
		},
		more: func(ctx context.Context, r *Ring, f *flight, _ [2]querier) error {
			if f.o.Quick { // the lag check shows there that both directions carry something
				return nil
			}
			return r.listens(ctx, &f.ringView)
		},
	}
}
