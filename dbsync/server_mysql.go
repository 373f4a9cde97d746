package dbsync

import (
	"slices"
	"strings"
)

// mysqlVerbs. Under super_read_only nobody writes, and no event runs; but what was prepared before it can still be committed.
var mysqlVerbs = verbs{
	fence:        "SET GLOBAL super_read_only=1",
	kill:         "CONNECTION_ADMIN",
	fenced:       "SYSTEM_VARIABLES_ADMIN",
	process:      "SELECT COUNT(*) AS n FROM information_schema.innodb_trx",
	status:       "REPLICATION CLIENT",
	xa:           "XA_RECOVER_ADMIN",
	xaForm:       " CONVERT XID",
	blocks:       mysqlBlocks,
	statusTables: 2,
	at:           func(a Against) (string, []any) { return mysqlAt, mysqlArgs(a) },
	compare: func(r row, a Against) (Position, string, string, error) {
		p := Position(oneLine(r["position"]))
		if a.Other == "" {
			return p, "", "", nil
		}
		return p, oneLine(r["missing"]), oneLine(r["extra"]), nil
	},
	wait: func(a Against, _ Position, _ string, seconds float64) (string, []any) {
		return "DO WAIT_FOR_EXECUTED_GTID_SET(?, ?); " + mysqlAt, append([]any{string(a.Other), seconds}, mysqlArgs(a)...)
	},
}

// mysqlAt lets the server work sets out: nobody else needs to read them.
const mysqlAt = "SELECT " + readOnlyText + " AS ro, CAST(@@global.super_read_only AS CHAR) AS super, @@global.gtid_executed AS position, " +
	"GTID_SUBTRACT(?, @@global.gtid_executed) AS missing, GTID_SUBTRACT(GTID_SUBTRACT(@@global.gtid_executed, ?), ?) AS extra, @@global.event_scheduler AS events"

func mysqlArgs(a Against) []any { return []any{string(a.Other), string(a.Other), string(a.Allowed)} }

// oneLine is a set as MySQL prints it, without its line ends.
func oneLine(set string) string { return strings.ReplaceAll(set, "\n", "") }

// mysqlBlocks names who has what a fence waits for: every write statement, and LOCK TABLES, holds GLOBAL; a commit holds COMMIT. The
// second table says for whom such a statement waits itself, the third what a connection did last.
const mysqlBlocks = `SELECT DISTINCT t.processlist_id AS id FROM performance_schema.metadata_locks AS l JOIN performance_schema.threads AS t ON t.thread_id = l.owner_thread_id
WHERE l.object_type IN ('GLOBAL', 'COMMIT') AND l.lock_type = 'INTENTION_EXCLUSIVE' AND l.lock_status = 'GRANTED' AND t.processlist_id IS NOT NULL;
SELECT DISTINCT w.processlist_id AS id, t.processlist_id AS holder, l.object_schema AS db, l.object_name AS name
FROM performance_schema.metadata_locks AS p JOIN performance_schema.threads AS w ON w.thread_id = p.owner_thread_id
JOIN performance_schema.metadata_locks AS l ON l.object_type = p.object_type AND l.object_schema <=> p.object_schema AND l.object_name <=> p.object_name
JOIN performance_schema.threads AS t ON t.thread_id = l.owner_thread_id
WHERE p.object_type = 'TABLE' AND p.lock_status = 'PENDING' AND l.lock_status = 'GRANTED' AND l.owner_thread_id <> p.owner_thread_id;
SELECT t.processlist_id AS id, e.sql_text AS text FROM performance_schema.events_statements_current AS e
JOIN performance_schema.threads AS t ON t.thread_id = e.thread_id WHERE t.processlist_id IS NOT NULL AND e.sql_text IS NOT NULL`

// mysqlWeakAt is mysqlAt where read_only is all of the fence; strong is super_read_only.
var mysqlWeakAt = strings.Replace(mysqlAt, "CAST(@@global.super_read_only AS CHAR) AS super",
	readOnlyText+" AS super, CAST(@@global.super_read_only AS CHAR) AS strong", 1)

// mysqlWeakVerbs are MySQL's where read_only is all of the fence: a tool writes behind it, or a provider sets nothing else. Then accounts
// with these rights pass it by, and events run on.
var mysqlWeakVerbs = func() verbs {
	v := mysqlVerbs
	v.fence, v.bypass, v.events = "SET GLOBAL read_only=1", []string{"CONNECTION_ADMIN", "SUPER"}, "SYSTEM_VARIABLES_ADMIN"
	v.at = func(a Against) (string, []any) { return mysqlWeakAt, mysqlArgs(a) }
	v.wait = func(a Against, _ Position, _ string, seconds float64) (string, []any) {
		return "DO WAIT_FOR_EXECUTED_GTID_SET(?, ?); " + mysqlWeakAt, slices.Concat([]any{string(a.Other), seconds}, mysqlArgs(a))
	}
	return v
}()

// dialect is how this server is asked.
func (s *Server) dialect(v version) *dialect {
	d := dialectOf(v)
	if v.mariadb || s.tool == nil && s.provider == nil {
		return d
	}
	weak := *d
	weak.verbs = mysqlWeakVerbs
	return &weak
}

// fenceVariable is what has to be persisted for it to come up fenced.
func (i *identity) fenceVariable() string {
	if i.d.verbs.bypassable() {
		return "read_only"
	}
	return "super_read_only"
}
