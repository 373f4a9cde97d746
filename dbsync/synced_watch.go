package dbsync

import (
	"context"
	"sync"
	"time"

	"roomshift/cutover"
)

// watchSynced measures a pair that a tool keeps. Each direction's lag is the tool's own word of its task, whose status is read first: a task
// that doesn't synchronize has none. From the master that takes the writes, unless o.Passive, beats go beside it: the newest one that is
// on the other master bounds how far that is behind, by this process's clock alone; the larger of both counts.
func (r *Ring) watchSynced(ctx context.Context, o WatchOptions) {
	o.Every = max(o.Every, toolEvery)
	b := &beats{}
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		began := o.Now()
		x, y, err := r.writer(ctx)
		var all sync.WaitGroup
		for i, to := range r.nodes {
			all.Go(func() {
				var seen beatSeen
				if err == nil && to == y && !o.Passive {
					seen = b.look(ctx, r, x, y, o.Now)
				}
				if reading := r.synced(ctx, r.nodes[1-i], to, began, seen, o); ctx.Err() == nil {
					o.Put(reading)
				}
			})
		}
		all.Wait()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// toolEvery is the shortest time between two questions about a task.
const toolEvery = time.Second

// synced is what is known of one direction now.
func (r *Ring) synced(ctx context.Context, from, to *node, began cutover.T, seen beatSeen, o WatchOptions) Reading {
	reading := Reading{To: to.room, From: began, At: began}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	t, err := r.kept.Tool.Task(ctx, to.room)
	switch {
	case err != nil:
		reading.Unknown = cutover.NoAnswer + cutover.Reason(": the task from "+from.room+": "+err.Error())
	case !t.Running:
		reading.Unknown = cutover.NoData + cutover.Reason(": "+t.stopped())
	default:
		reading.Lo, reading.Hi = t.Delay.Seconds(), t.Delay.Seconds()
		if seen.known {
			reading.Lo, reading.Hi = max(reading.Lo, seen.lo), max(reading.Hi, seen.hi)
		}
		reading.From = began - cutover.T(reading.Hi*float64(cutover.Second))
	}
	return reading
}

// beats are those that were written since the writer was last another.
type beats struct {
	writer  *node
	numbers []sentBeat
}

// sentBeat is one beat: before sent it wasn't there, at acked it was.
type sentBeat struct {
	number      int64
	sent, acked cutover.T
}

// beatSeen bounds a lag, in seconds.
type beatSeen struct {
	lo, hi float64
	known  bool
}

// underWatch is how many beats are remembered.
const underWatch = 600

// look writes a beat and sees which is the newest that has come. An error is no bound: the tool's own word stands.
func (b *beats) look(ctx context.Context, r *Ring, x, y *node, now func() cutover.T) (seen beatSeen) {
	if b.writer != x {
		*b = beats{writer: x}
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	came := func(n *node) (int64, error) {
		tables, err := askAll(ctx, n.db, readBarrier, r.name, x.room, beatRow)
		if err != nil {
			return 0, err
		}
		got, err := barrierOf(firstRow(tables, 0))
		return got.number, err
	}
	asked := now()
	got, err := came(y)
	if err != nil {
		return seen
	}
	for _, s := range b.numbers {
		switch {
		case s.number <= got: // all that was there when it was sent has come
			seen.hi, seen.lo, seen.known = seconds(asked-s.sent), 0, true
		case seen.lo == 0 && s.acked < asked:
			seen.lo = seconds(asked - s.acked)
			seen.hi = max(seen.hi, seen.lo)
		}
	}
	if len(b.numbers) > 0 && !seen.known && seen.lo > 0 {
		seen.hi, seen.known = seen.lo, true
	}
	sent := now()
	if _, err := x.db.ExecContext(ctx, writeWatched, r.name, x.room, beatRow); err != nil {
		return seen
	}
	n, err := came(x)
	if err == nil && n > 0 {
		b.numbers = append(b.numbers, sentBeat{n, sent, now()})
		b.numbers = b.numbers[max(0, len(b.numbers)-underWatch):]
	}
	return seen
}

// writeWatched is writeBarrier on a master that isn't fenced at that moment only.
const writeWatched = "INSERT INTO roomshift.barrier (pair, room, kind, number, at) SELECT ?, ?, ?, 1, UNIX_TIMESTAMP() FROM DUAL WHERE " + readOnlyText +
	" IN ('0', 'OFF') ON DUPLICATE KEY UPDATE number = number + 1, at = UNIX_TIMESTAMP()"
