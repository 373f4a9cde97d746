package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"roomshift/runbooks"
)

// A line that is cut takes both directions of a pair, which freezes a run; one direction that is late leads back. The way back of a
// cut line is known to be gone only when two heartbeats of replication haven't come, and a second may pass until that is noticed.
// A limit that is red before that takes a cut for one late direction.

// replicationFor is how long a replication gate is past abort where nobody wrote for.
const replicationFor = 10 * time.Second

// cutFindings are the replication gates that are red before a cut line can be told; beats are each pair's slowest heartbeat.
func cutFindings(gates []runbooks.Gate, beats map[string]time.Duration) []finding {
	var fs []finding
	for i := range gates {
		g := &gates[i]
		beat, known := beats[g.Replication]
		if g.Replication == "" || g.Abort == nil || !known {
			continue
		}
		above, lasts := time.Duration(g.Abort.Value*float64(time.Second)), replicationFor
		if g.Abort.ForSet {
			lasts = g.Abort.For
		}
		told := 2*max(beat, cmp.Or(g.Every, 500*time.Millisecond)) + time.Second
		if above+lasts >= told {
			continue
		}
		fs = append(fs, finding{Check: "gate " + g.Name,
			Seen: fmt.Sprintf("abort above %v for %v is red %v after the line is cut; that the other direction is gone, too, shows after up to %v", above, lasts, above+lasts, told),
			Want: "a cut line told from one late direction: the one freezes, the other leads back over that line",
			Do:   fmt.Sprintf("write for: %v or longer, or a shorter MASTER_HEARTBEAT_PERIOD", told-above)})
	}
	return fs
}

// beatOf is the period that a check of the ring saw, as "each 1s".
func beatOf(seen string) (time.Duration, bool) {
	text, ok := strings.CutPrefix(seen, "each ")
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d > 0
}
