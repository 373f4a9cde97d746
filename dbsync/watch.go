package dbsync

import (
	"context"
	"errors"
	"time"

	"roomshift/cutover"
)

// WatchOptions is how a ring is watched.
type WatchOptions struct {
	Every  time.Duration // between heartbeats, 0: 1 s
	MaxAge time.Duration // a heartbeat that the writer hasn't acknowledged by then is Unknown, in both directions; 0: 5 s
	Now    func() cutover.T
	// Passive writes nothing at all, not even heartbeats. Then there are lower bounds from what the writer's own clients
	// write, or Unknown; never a lag.
	Passive bool
	// Put takes what is learned. It must not block. It is called from several goroutines, for one direction in order.
	Put func(Reading)
}

// underWay is how many heartbeats are followed at once each way. More are written and not followed: the oldest one's lower bound
// says more than any younger one could.
const underWay = 8

// The pauses before a connection is made again double between these.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// Watch measures both directions until ctx ends. It finds the writer by itself, again whenever that changes, and makes lost
// connections again, with pauses of 2 s at most; meanwhile both directions are Unknown. When it returns nothing of it is
// left but waits of at most half a second on the servers.
func (r *Ring) Watch(ctx context.Context, o WatchOptions) {
	if o.Every == 0 {
		o.Every = time.Second
	}
	if o.MaxAge == 0 {
		o.MaxAge = 5 * time.Second
	}
	if r.kept.Tool != nil {
		r.watchSynced(ctx, o)
		return
	}
	pause := firstPause
	for ctx.Err() == nil {
		began := o.Now()
		err := r.round(ctx, o)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errLookAgain) {
			now := o.Now()
			for _, n := range r.nodes {
				newTrack(n.room, o).unknown(reason(err), now)
			}
		}
		if o.Now()-began > cutover.T(2*lastPause) {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause, max(o.Every, firstPause))
	}
}

// round finds the writer and measures until something breaks, which is its error: never nil.
func (r *Ring) round(ctx context.Context, o WatchOptions) error {
	x, y, err := r.writer(ctx)
	if err != nil {
		return err
	}
	s, err := r.newSession(ctx, o, x, y)
	if err != nil {
		return err
	}
	return s.run(ctx)
}
