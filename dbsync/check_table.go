package dbsync

// checkTable: the heartbeat's table is on both masters.
func checkTable(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		f := Finding{Check: "table", Room: s.room, Seen: "there", Wanted: "roomshift.heartbeat", OK: true}
		switch err := sameColumns(s.table); {
		case s.table == nil:
			f.OK, f.Seen = false, "not there, or not readable for roomshift's account"
			f.Do = "`roomshift check --live --init` makes it on the writer, or the DBA does; `roomshift check RUNBOOK --grants` prints both the table and the account's rights"
		case err != nil:
			f.OK, f.Seen, f.Do = false, "with other columns", err.Error()
		}
		found = append(found, f)
	}
	return found
}
