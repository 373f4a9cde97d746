package dbsync

import (
	"fmt"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// preRunning, 15: no write statement or DDL runs that a fence would wait for, and no open transaction is so large that its commit, or its
// rollback when it is killed, would take longer than the move.
func preRunning() preCheck {
	return preCheck{
		name: "running", quick: true,
		ask: func(*flight, int) []question {
			return []question{
				{query: clientColumns + " WHERE command NOT IN ('Sleep', 'Daemon') AND command NOT LIKE 'Binlog Dump%' AND command NOT LIKE 'Slave%' AND info IS NOT NULL AND id <> CONNECTION_ID() " +
					"AND user NOT IN ('system user', 'event_scheduler') ORDER BY time DESC LIMIT 200"},
				{query: "SELECT t.trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS age, t.trx_rows_modified AS n, p.user AS user, p.host AS host " +
					"FROM information_schema.innodb_trx AS t LEFT JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id ORDER BY t.trx_started LIMIT 200", right: "PROCESS"},
			}
		},
		judge: judgeRunning,
	}
}

func judgeRunning(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		for _, c := range clientsOf(f.rows(i, 0)) {
			if c.Age < f.o.Fence || reads(c.Statement) || waits(c.Statement) {
				continue
			}
			found = append(found, Finding{Room: s.room, Seen: c.String(), Wanted: "no write or DDL that has run for " + f.o.Fence.String(), Severity: cutover.Refuses, Passing: true,
				Do: fmt.Sprintf("wait until it has ended, or KILL QUERY %d", c.ID)})
			break // the oldest one
		}
		oldest := ""
		for _, r := range f.rows(i, 1) {
			n, _ := strconv.ParseInt(r["n"], 10, 64)
			if r["user"] == "system user" || r["user"] == null {
				continue
			}
			if oldest == "" {
				oldest = r["age"]
			}
			if n > f.o.MostRows {
				found = append(found, Finding{Room: s.room, Seen: fmt.Sprintf("connection %s, %s@%s, has a transaction open for %s s with %d rows modified", r["id"], r["user"], r["host"], r["age"], n),
					Wanted: fmt.Sprintf("at most %d rows in one transaction", f.o.MostRows), Severity: cutover.Refuses, Passing: true,
					Do: "wait until it has ended: killed, it is rolled back for about as long as it took to write (KILL " + r["id"] + ")"})
				break
			}
		}
		if oldest == "" {
			oldest = "0"
		}
		found = append(found, good(s.room, "oldest transaction %s s", oldest))
	}
	return found
}

// waits tells whether a statement only waits: roomshift's own probes, and replication's.
func waits(statement string) bool {
	text := strings.ToUpper(strings.TrimSpace(statement))
	return strings.HasPrefix(text, "DO ") || strings.HasPrefix(text, "BEGIN NOT ATOMIC") || strings.HasPrefix(text, "WITH RECURSIVE LOOK")
}
