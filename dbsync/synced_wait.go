package dbsync

import (
	"context"
	"fmt"
	"time"
)

// waitSynced waits until this master has the other one's barrier: see hasBarrier.
func (s *Server) waitSynced(ctx context.Context, p Position) error {
	_, b, err := parseBarrier(p)
	if err != nil {
		return s.fail(err)
	}
	e := &BehindError{Room: s.room, Missing: "the barrier " + string(p)}
	for {
		there, err := s.waited(ctx, p, b, e)
		switch {
		case there:
			return nil
		case ctx.Err() != nil:
			return e
		case err != nil:
			return err
		}
		if o := s.peer.Load(); o != nil {
			if err := o.pulse(ctx); err != nil && ctx.Err() == nil {
				e.Threads = err.Error()
			}
		}
		select {
		case <-ctx.Done():
			return e
		case <-time.After(syncedPause):
		}
	}
}

// waited is one look of waitSynced; e is told what lacks. That the tool doesn't answer is no error: it may the next time.
func (s *Server) waited(ctx context.Context, p Position, b barrier, e *BehindError) (there bool, err error) {
	got, err := s.theirs(ctx)
	if err != nil {
		return false, err
	}
	t, err := s.task(ctx)
	switch {
	case err != nil:
		e.Threads = err.Error()
	case !t.Running:
		e.Threads = t.stopped()
	default:
		e.Threads = fmt.Sprintf("task %s is %v behind, its checkpoint is %d", t.Name, t.Delay, t.Checkpoint)
	}
	if got.number < b.number {
		return false, nil
	}
	e.Missing = "what may stand before the barrier " + string(p)
	return err == nil && t.Running && t.Checkpoint > b.at, nil
}

// syncedPause is between two questions to the tool: it answers forty a second.
const syncedPause = 100 * time.Millisecond
