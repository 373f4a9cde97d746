package dbsync

import "roomshift/cutover"

// preGTID, 7: GTIDs, strictly; the fenced side has nothing of its own, and nothing that it lacks is purged.
func preGTID() preCheck {
	return preCheck{
		name: "gtid", quick: true,
		rests: []rest{
			{check: checkGTID, severity: cutover.Refuses},
			{check: checkSets, severity: cutover.Refuses},
		},
	}
}
