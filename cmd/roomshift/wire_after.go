package main

import (
	"context"
	"fmt"
	"time"

	"roomshift/cutover"
	"roomshift/dbsync"
)

// afterMoves looks at real pairs whose write role was moved.
type afterMoves struct{ rings dbsync.Rings }

var _ cutover.After = afterMoves{}

// How long a wait for strays lasts, and how often both masters are asked meanwhile.
const (
	strayWait  = 25 * time.Second
	strayEvery = 500 * time.Millisecond
)

// Strays waits for what is born behind a fence.
func (a afterMoves) Strays(ctx context.Context, pair string, f cutover.FencedAt, known []string) cutover.Strays {
	ring, ok := a.rings[pair]
	if !ok {
		return cutover.Strays{Err: fmt.Errorf("pair %s isn't open here", pair)}
	}
	ctx, cancel := context.WithTimeout(ctx, strayWait)
	defer cancel()
	s, err := ring.Await(ctx, fencedOf(f), strayEvery, known)
	return cutover.Strays{IDs: s.IDs, Pos: string(s.Next), Conflicts: s.Conflicts, Err: err}
}

// Check makes the checks after a move once.
func (a afterMoves) Check(ctx context.Context, pair string, f cutover.FencedAt, to cutover.Room) ([]cutover.Finding, error) {
	ring, ok := a.rings[pair]
	if !ok {
		return nil, fmt.Errorf("pair %s isn't open here", pair)
	}
	m := dbsync.Moved{Fenced: fencedOf(f), To: to, Epoch: f.Epoch}
	if at, err := time.Parse(time.RFC3339, f.Wall); err == nil {
		m.Since = time.Since(at)
	}
	found, err := ring.After(ctx, m)
	var out []cutover.Finding
	for _, x := range found {
		out = append(out, cutover.Finding{Check: x.Check, Room: x.Room, Seen: x.Seen, Wanted: x.Wanted, Do: x.Do, OK: x.OK})
	}
	return out, err
}

func fencedOf(f cutover.FencedAt) dbsync.Fenced {
	return dbsync.Fenced{Room: f.Room, Server: f.Server, Pos: dbsync.Position(f.Pos)}
}
