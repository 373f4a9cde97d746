package writer

import (
	"fmt"
	"time"
)

var epochStart = time.Unix(0, 0).UTC()

// Budget is what a move may take while nobody takes writes (WRITER §3).
type Budget struct {
	NoWriter time.Duration // the whole of it
	Fence    time.Duration // F: lock_wait_timeout of the fence
	Kill     time.Duration // until all clients are gone
	Wait     time.Duration // for the old writer's position on the new one
	Trip     time.Duration // one round trip to the record's keeper: COMMIT
}

// Check says why a budget can't be kept: F + kill + wait + one round trip must fit.
func (b Budget) Check() error {
	for _, d := range []time.Duration{b.NoWriter, b.Fence, b.Kill, b.Wait, b.Trip} {
		if d <= 0 || d > time.Hour {
			return fmt.Errorf("noWriter %v, fence %v, kill %v, wait %v, round trip %v: want each above 0 and an hour at most",
				b.NoWriter, b.Fence, b.Kill, b.Wait, b.Trip)
		}
	}
	if b.Fence < time.Second || b.Fence%time.Second != 0 {
		return fmt.Errorf("fence %v: lock_wait_timeout counts whole seconds, want 1s or more", b.Fence)
	}
	if need := b.Fence + b.Kill + b.Wait + b.Trip; need > b.NoWriter {
		return fmt.Errorf("fence %v + kill %v + wait %v + round trip %v = %v, want noWriter %v at most", b.Fence, b.Kill, b.Wait, b.Trip, need, b.NoWriter)
	}
	return nil
}

// LastCommit is how long after the fence was sent COMMIT may be sent. From then on the move is undone (8u).
func (b Budget) LastCommit() time.Duration { return b.NoWriter - b.Trip }

// Left is how long may still be waited for the position, that long after the fence was sent; 0: undo now.
func (b Budget) Left(since time.Duration) time.Duration {
	return max(0, min(b.Wait, b.LastCommit()-since))
}
