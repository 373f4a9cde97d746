package dbsync

import (
	"slices"

	"roomshift/cutover"
)

// preIdentity, 1: two distinct servers of one series, and the one that is to get the role isn't the older one.
func preIdentity() preCheck {
	return preCheck{
		name:  "identity",
		rests: []rest{{check: checkIdentity, severity: cutover.Refuses}},
		ask: func(*flight, int) []question {
			return []question{{query: "SELECT @@port AS port, @@report_host AS report"}}
		},
		judge: judgeIdentity,
	}
}

func judgeIdentity(f *flight) []Finding {
	a, b := firstOf(f.rows(f.from, 0)), firstOf(f.rows(f.to, 0))
	from, to := f.sides[f.from], f.sides[f.to]
	var found []Finding
	if r := a["report"]; r != "" && r != null && r == b["report"] && a["port"] == b["port"] {
		found = append(found, Finding{Seen: "both say report_host=" + r + " port " + a["port"], Wanted: "an address of its own for each", Severity: cutover.Warns,
			Do: "mend report_host in the files: people and tools take one for the other"})
	}
	if slices.Compare(to.version.n[:], from.version.n[:]) < 0 {
		found = append(found, Finding{Room: to.room, Seen: to.version.String() + ", and " + from.room + " has " + from.version.String(), Wanted: "at least as new as the writer",
			Severity: cutover.Warns, Do: "update " + to.room + " before the move: a newer server may write what an older one can't apply"})
	}
	return append(found, good("", "%s in %s, %s in %s", from.version, from.room, to.version, to.room))
}

func firstOf(rows []row) row {
	if len(rows) > 0 {
		return rows[0]
	}
	return row{}
}
