package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"roomshift/cutover"
	"roomshift/dbsync"
)

// lagSeen is what a pair's direction was read as when a plan was made.
type lagSeen struct {
	To      cutover.Room
	Reading *dbsync.Reading // nil: nothing came in time
	Kept    string          // by which tool, and which way it carries DDL; "" none
}

// lagWithin is how long a plan waits for both directions of every pair.
const lagWithin = 3 * time.Second

// lags measures both directions of each pair once, all pairs side by side: the first lag that is known, else the newest word. Its
// heartbeats are all that it writes.
func (r *realRooms) lags(ctx context.Context) map[string][]lagSeen {
	ctx, cancel := context.WithTimeout(ctx, lagWithin)
	defer cancel()
	out := map[string][]lagSeen{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, p := range r.l.Rooms.Pairs {
		ring := r.rings[p.Name]
		if ring == nil {
			continue
		}
		all.Go(func() {
			ddl := ring.DDL(ctx)
			seen := lagOf(ctx, ring, r.clock.Now, []cutover.Room{p.Masters[1].Room, p.Masters[0].Room})
			if ddl != "" {
				seen[0].Kept = "kept by DTS, DDL " + ddl
			}
			mu.Lock()
			defer mu.Unlock()
			out[p.Name] = seen
		})
	}
	all.Wait()
	return out
}

func lagOf(ctx context.Context, ring *dbsync.Ring, now func() cutover.T, to []cutover.Room) []lagSeen {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var mu sync.Mutex
	seen := make([]lagSeen, len(to))
	for i := range to {
		seen[i].To = to[i]
	}
	known := func(l lagSeen) bool { return l.Reading != nil && l.Reading.Unknown == "" && !l.Reading.LowerBound }
	ring.Watch(ctx, dbsync.WatchOptions{Every: 200 * time.Millisecond, Now: now, Put: func(rd dbsync.Reading) {
		mu.Lock()
		defer mu.Unlock()
		for i := range seen {
			if seen[i].To == rd.To && !known(seen[i]) {
				seen[i].Reading = &rd
			}
		}
		if !slices.ContainsFunc(seen, func(l lagSeen) bool { return !known(l) }) {
			enough()
		}
	}})
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(seen)
}

// lagText is "→ cloud 41 ms ±3 ms" of one direction.
func lagText(l lagSeen) string {
	text := "→ " + l.To + " "
	switch rd := l.Reading; {
	case rd == nil:
		return text + "not known in " + short(cutover.T(lagWithin))
	case rd.Unknown != "":
		return text + "not known: " + string(rd.Unknown)
	case rd.LowerBound:
		return text + "over " + valueOf(rd.Lo, "duration")
	case rd.Idle:
		return text + "nothing to measure, alive"
	case rd.Hi-rd.Lo < 0.0005:
		return text + valueOf(rd.Hi, "duration") + onReaders(rd.Readers)
	default:
		return text + fmt.Sprintf("%s ±%s", valueOf((rd.Lo+rd.Hi)/2, "duration"), valueOf((rd.Hi-rd.Lo)/2, "duration")) + onReaders(rd.Readers)
	}
}

// onReaders says that a lag is that of replicas, too, which serve reads.
func onReaders(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", to its reader"
	}
	return fmt.Sprintf(", to the last of %d readers", n)
}
