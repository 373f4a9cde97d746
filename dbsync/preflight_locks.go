package dbsync

import (
	"fmt"
	"strings"

	"roomshift/cutover"
)

// preLocks, 16: no backup runs, and nobody holds a lock of the whole server or of whole tables.
func preLocks() preCheck {
	return preCheck{
		name: "locks", quick: true,
		ask: func(f *flight, side int) []question {
			if !f.sides[side].version.mariadb {
				return []question{{query: mysqlLocks, right: "SELECT ON performance_schema.metadata_locks"}}
			}
			return []question{
				{query: clientColumns + " WHERE id <> CONNECTION_ID()"},
				{query: mariadbLocks, mayFail: true}, // a plugin that not every server has
				// It writes nothing, and would need the lock that FLUSH TABLES WITH READ LOCK holds.
				{query: "SET STATEMENT lock_wait_timeout = 0 FOR UPDATE roomshift.heartbeat SET seq = seq WHERE 1 = 0", mayFail: true},
			}
		},
		judge: judgeLocks,
	}
}

// mysqlLocks are locks that a fence or DDL waits for: FLUSH TABLES WITH READ LOCK, LOCK INSTANCE FOR BACKUP, LOCK TABLES, a running ALTER.
const mysqlLocks = `SELECT t.processlist_id AS id, t.processlist_user AS user, l.object_type AS what, l.lock_type AS lock_type, CONCAT_WS('.', l.object_schema, l.object_name) AS name
FROM performance_schema.metadata_locks AS l JOIN performance_schema.threads AS t ON t.thread_id = l.owner_thread_id
WHERE l.lock_status = 'GRANTED' AND t.processlist_id IS NOT NULL AND t.processlist_id <> CONNECTION_ID() AND (l.object_type IN ('GLOBAL', 'COMMIT', 'BACKUP LOCK') AND l.lock_type = 'SHARED'
OR l.object_type = 'TABLE' AND l.lock_type IN ('SHARED_NO_READ_WRITE', 'SHARED_READ_ONLY', 'SHARED_UPGRADABLE', 'SHARED_NO_WRITE', 'EXCLUSIVE')) LIMIT 50`

// mariadbLocks are the same, by MariaDB's plugin metadata_lock_info.
const mariadbLocks = `SELECT m.thread_id AS id, p.user AS user, m.lock_type AS what, m.lock_mode AS lock_type, CONCAT_WS('.', m.table_schema, m.table_name) AS name
FROM information_schema.metadata_lock_info AS m JOIN information_schema.processlist AS p ON p.id = m.thread_id
WHERE m.thread_id <> CONNECTION_ID() AND (m.lock_mode IN ('MDL_BACKUP_START', 'MDL_BACKUP_FLUSH', 'MDL_BACKUP_WAIT_FLUSH', 'MDL_BACKUP_WAIT_DDL', 'MDL_BACKUP_WAIT_COMMIT', 'MDL_BACKUP_FTWRL1', 'MDL_BACKUP_FTWRL2', 'MDL_BACKUP_BLOCK_DDL')
OR m.lock_type = 'Table metadata lock' AND m.lock_mode IN ('MDL_SHARED_NO_READ_WRITE', 'MDL_SHARED_READ_ONLY', 'MDL_SHARED_UPGRADABLE', 'MDL_SHARED_NO_WRITE', 'MDL_EXCLUSIVE')) LIMIT 50`

func judgeLocks(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		var held []string
		first := ""
		add := func(id, text string) {
			held = append(held, text)
			if first == "" {
				first = id
			}
		}
		locks, seen := 0, "no lock of the whole server, no backup"
		if s.version.mariadb {
			locks = 1
			if f.answers[i][1].err != nil {
				seen += " that a fence would meet (BACKUP STAGE START isn't told without the plugin: INSTALL SONAME 'metadata_lock_info')"
			}
			if isOneOf(f.answers[i][2].err, lockTimedOut) {
				add("", "a lock of the whole server: FLUSH TABLES WITH READ LOCK or BACKUP STAGE")
			}
			for _, c := range clientsOf(f.rows(i, 0)) {
				if locking(c) {
					add(fmt.Sprint(c.ID), c.String())
				}
			}
		}
		for _, r := range f.rows(i, locks) {
			add(r["id"], fmt.Sprintf("connection %s of %s has %s %s %s", r["id"], r["user"], r["what"], r["lock_type"], r["name"]))
		}
		if len(held) == 0 {
			found = append(found, good("", "%s", seen))
			continue
		}
		do := "wait until it has ended"
		if first != "" {
			do += ", or KILL " + first
		}
		found = append(found, Finding{Room: s.room, Seen: someOf(held), Wanted: "no backup, no FLUSH TABLES WITH READ LOCK, LOCK TABLES or running ALTER", Severity: cutover.Refuses, Passing: true, Do: do})
	}
	return found
}

// locking tells whether a connection's statement, or what it waits for, is of a lock of the whole server or a table.
func locking(c Client) bool {
	text := strings.ToUpper(strings.Join(strings.Fields(c.Statement), " "))
	for _, p := range []string{"BACKUP STAGE", "FLUSH TABLES", "FLUSH TABLE ", "FLUSH LOCAL TABLES", "FLUSH NO_WRITE_TO_BINLOG TABLES", "LOCK TABLE", "LOCK INSTANCE", "ALTER TABLE", "OPTIMIZE ", "CREATE INDEX", "CREATE UNIQUE INDEX"} {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	doing := strings.ToLower(c.Doing)
	return c.Statement != "" && (strings.Contains(doing, "waiting for backup lock") || strings.Contains(doing, "waiting for global read lock"))
}
