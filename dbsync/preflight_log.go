package dbsync

import (
	"strings"

	"roomshift/cutover"
)

// preLog, 8: each side logs all that it applies, in whole rows, leaves nothing out, passes no error over, and loses nothing that it said to
// have when its machine fails.
func preLog() preCheck {
	return preCheck{
		name: "log", quick: true,
		rests: []rest{
			{check: checkLog, severity: cutover.Refuses},
			{check: checkFilters, severity: cutover.Refuses},
			{check: checkSkipping, severity: cutover.Refuses},
		},
		ask: func(*flight, int) []question {
			return []question{variablesQuery("sync_binlog", "innodb_flush_log_at_trx_commit")}
		},
		judge: func(f *flight) []Finding {
			var found []Finding
			for i, s := range f.sides {
				v := variables(f.rows(i, 0))
				var wrong []string
				for _, name := range []string{"sync_binlog", "innodb_flush_log_at_trx_commit"} {
					if v[name] != "1" {
						wrong = append(wrong, name+"="+v[name])
					}
				}
				if len(wrong) == 0 {
					found = append(found, good("", "whole rows, durable"))
					continue
				}
				do := "SET GLOBAL " + strings.Join(wrong, ", ") + " in " + s.room
				for _, w := range wrong {
					name, _, _ := strings.Cut(w, "=")
					do = strings.Replace(do, w, name+"=1", 1)
				}
				found = append(found, Finding{Room: s.room, Seen: strings.Join(wrong, " "), Wanted: "sync_binlog=1 innodb_flush_log_at_trx_commit=1",
					Severity: cutover.Breaks, Rule: "writer.durable", Do: do + ": else a machine that fails loses what it has acknowledged"})
			}
			return found
		},
	}
}
