package dbsync

import "roomshift/cutover"

// preSemiSync, 17: no commit waits for a replica that isn't there: a fence would wait with it.
func preSemiSync() preCheck {
	return preCheck{name: "semi-sync", quick: true, rests: []rest{{check: checkSemiSync, severity: cutover.Refuses}}}
}
