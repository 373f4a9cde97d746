package dbsync

import (
	"fmt"

	"roomshift/cutover"
)

// preTopology, 2: a ring of exactly these two; whoever else replicates from one of them must survive the move.
func preTopology() preCheck {
	return preCheck{
		name: "topology", quick: true,
		rests: []rest{{check: checkRing, severity: cutover.Refuses}},
		ask: func(*flight, int) []question {
			return []question{{query: "SELECT id AS id, user AS user, host AS host FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%' ORDER BY id"}}
		},
		judge: judgeTopology,
	}
}

func judgeTopology(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		others := len(f.rows(i, 0)) - 1 // the other master is one of them
		if others <= 0 {
			found = append(found, good("", "%s and %s replicate from each other", f.sides[0].room, f.sides[1].room))
			continue
		}
		var hosts []string
		for _, r := range f.rows(i, 0) {
			hosts = append(hosts, r["user"]+"@"+r["host"])
		}
		found = append(found, Finding{Room: s.room, Seen: fmt.Sprintf("%d replicas beside the other master read from it: among %s", others, someOf(hosts)),
			Wanted: "known to whoever moves the role", Severity: cutover.Warns,
			Do: "they go on replicating from " + s.room + ": see that each replicates by GTID, so that it can be pointed at either master (" + s.d.words.status + " there)"})
	}
	return found
}
