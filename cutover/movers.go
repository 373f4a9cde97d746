package cutover

import (
	"context"

	"roomshift/cutover/writer"
)

// Movers moves the write roles of pairs: what WRITER.md asks of both masters and of the record's keeper. Each call is one bounded
// request; of a pair one is under way at a time, unless an earlier one didn't come back within its limit. What has to last between
// them (a Consul session, a session on each master that holds its lock) is the adapter's, and every Seen says what became of it.
type Movers interface {
	// Round does ① to ⑤ of a round (WRITER §1): takes what begin says, then reads the record and both masters. f says which position
	// the other master is asked for (writer.PosFor).
	Round(ctx context.Context, pair string, begin RoundBegin, f writer.Fencer) MoveSeen
	// Do carries out one act (⑦). index is the record's, as the round read it.
	Do(ctx context.Context, pair string, a writer.Act, index uint64, b writer.Budget) MoveReply
	// Drop lets go of the pair's sessions and locks, once nothing of the pair is between sides. What was sent may still land.
	Drop(ctx context.Context, pair string)
}

// RoundFrom is where a round begins.
type RoundFrom uint8

const (
	FromRead   RoundFrom = iota // ③: the answer before it was clean; nothing is taken
	FromLock                    // ①: the Consul lock is seen to be ours, or taken; then, ②, locks on masters that broke or were never had
	FromSettle                  // ①, and the Consul session is destroyed first, so that nothing that it sent can land
)

// RoundBegin is how a round begins.
type RoundBegin struct {
	From RoundFrom
	Anew Room // at ② the lock of this room's master is taken with a new session, though ours is whole; "" none
}

// MoveSeen is what a round saw, and what became of this process's sessions since the round before it.
type MoveSeen struct {
	Record  *writer.Record // nil: none, or out of reach
	Index   uint64         // its index
	Session string         // of Consul, that this process has now
	Seen    writer.Seen
	Broke   []Room // sessions on masters that broke
	Took    []Room // and that were taken anew
	Unfit   string // why no move may be begun now, for people; "" nothing speaks against it
	NotNow  string // why none may be begun yet, which may pass by itself: it is waited for with all sessions kept; "" nothing
	Err     error  // why something is away, for people
}

// MoveReply is what an act came to: Done, Failed (a clean answer of the server that it wasn't done) or Unknown.
type MoveReply struct {
	What What
	Err  error
}
