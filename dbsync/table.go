package dbsync

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Grants is what the account of roomshift needs on each MariaDB master, and no more; GrantsMySQL on each of MySQL's: {user} stands
// for it. It must not have READ_ONLY ADMIN, CONNECTION_ADMIN or SUPER, so that the server itself keeps it from writing on the
// fenced side. CREATE is for Init only and may be left out where the DBA makes the table (HeartbeatTable).
var (
	Grants = []string{
		"GRANT SLAVE MONITOR, BINLOG MONITOR, PROCESS ON *.* TO {user}",
		grantTable,
	}
	GrantsMySQL = []string{
		"GRANT REPLICATION CLIENT, PROCESS ON *.* TO {user}",
		"GRANT SELECT ON performance_schema.replication_connection_status TO {user}",
		"GRANT SELECT ON performance_schema.replication_connection_configuration TO {user}",
		"GRANT SELECT ON performance_schema.replication_applier_status_by_worker TO {user}",
		grantTable,
	}
)

// GrantsWriter is what the account needs beside Grants, on both masters, where roomshift moves the write role; GrantsWriterMySQL beside
// GrantsMySQL. On MariaDB it then passes the fence by, since nobody may fence who doesn't: it still writes nothing there but its own rows,
// and those only where read_only is off. SUPER switches events off, and is needed only where event_scheduler is on; SELECT ON mysql.*
// tells which accounts pass the fence by. MySQL's SYSTEM_USER ends connections of accounts that have it.
var (
	GrantsWriter = []string{
		"GRANT READ_ONLY ADMIN, CONNECTION ADMIN ON *.* TO {user}",
		"GRANT SUPER ON *.* TO {user}",
		"GRANT SELECT ON mysql.* TO {user}",
	}
	GrantsWriterMySQL = []string{
		"GRANT SYSTEM_VARIABLES_ADMIN, PERSIST_RO_VARIABLES_ADMIN, CONNECTION_ADMIN, SYSTEM_USER, XA_RECOVER_ADMIN ON *.* TO {user}",
		"GRANT SELECT ON performance_schema.metadata_locks TO {user}",
		"GRANT SELECT ON performance_schema.threads TO {user}",
		"GRANT SELECT ON performance_schema.events_statements_current TO {user}",
	}
)

// GrantsTool is what the account needs beside GrantsWriterMySQL, on MySQL, where a tool keeps the pair or a provider fences the master: it
// tells which accounts pass read_only by. MariaDB's GrantsWriter has it.
var GrantsTool = []string{"GRANT SELECT ON mysql.* TO {user}"}

// GrantsPreflight is what the account needs beside these to see all that is compared before the write role is moved (check "schema");
// GrantsPreflightMySQL on MySQL. {database} stands for each of the application's. What is left out isn't compared, and that is said.
var (
	GrantsPreflight = []string{
		"GRANT SELECT, TRIGGER ON {database}.* TO {user}",
	}
	GrantsPreflightMySQL = []string{
		"GRANT SELECT ON mysql.* TO {user}",
		"GRANT SHOW_ROUTINE ON *.* TO {user}",
		"GRANT SELECT, TRIGGER, EVENT ON {database}.* TO {user}",
		"GRANT SELECT ON performance_schema.session_connect_attrs TO {user}",
	}
)

const grantTable = "GRANT CREATE, SELECT, INSERT, UPDATE ON roomshift.* TO {user}"

// HeartbeatTable makes the only table that roomshift writes to: one small row for each pair and room.
var HeartbeatTable = []string{
	"CREATE DATABASE IF NOT EXISTS roomshift",
	`CREATE TABLE IF NOT EXISTS roomshift.heartbeat (
  pair  VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  room  VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  seq   BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (pair, room)
) ENGINE=InnoDB`,
}

// BarrierTable makes the other table of a pair that a tool keeps, on both masters; the tool's tasks carry both. See synced.go.
const BarrierTable = `CREATE TABLE IF NOT EXISTS roomshift.barrier (
  pair   VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  room   VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  kind   TINYINT UNSIGNED NOT NULL,
  number BIGINT UNSIGNED NOT NULL,
  at     BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (pair, room, kind)
) ENGINE=InnoDB`

var heartbeatColumns = []string{"epoch", "pair", "room", "seq"}

// Init makes roomshift.heartbeat on the writer, from where it replicates to the other master. A table that is there is left as
// it is; one with other columns is an error, as is a pair without exactly one writer. It waits until the table it made has come to
// the other master, for as long as a request may take: what checks look next would miss it there. One that doesn't come is for them.
func (r *Ring) Init(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	x, y, err := r.writer(ctx)
	if err != nil {
		return fmt.Errorf("make roomshift.heartbeat of pair %s: %w", r.name, err)
	}
	columns, err := x.heartbeatTable(ctx)
	if err != nil {
		return fmt.Errorf("look for roomshift.heartbeat of pair %s: %w", r.name, x.fail(err))
	}
	if r.kept.Tool != nil {
		if _, err := x.db.ExecContext(ctx, BarrierTable); err != nil {
			return fmt.Errorf("make roomshift.barrier of pair %s: %w", r.name, x.fail(err))
		}
	}
	if columns != nil {
		// IF NOT EXISTS would be logged and replicated even so: what is there costs no write.
		return sameColumns(columns)
	}
	for _, statement := range HeartbeatTable {
		if _, err := x.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make roomshift.heartbeat of pair %s: %w", r.name, x.fail(err))
		}
	}
	tick := time.NewTicker(comeLook)
	defer tick.Stop()
	for ctx.Err() == nil {
		if columns, err := y.heartbeatTable(ctx); err != nil || columns != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// comeLook is how often Init looks whether the table has come.
const comeLook = 20 * time.Millisecond

// Ready says whether lag can be measured: an error names the master on which roomshift.heartbeat isn't there as it should be. A
// master that can't be asked is no error: its gate says so all the time.
func (r *Ring) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	for _, n := range r.nodes {
		switch columns, err := n.heartbeatTable(ctx); {
		case err != nil:
		case columns == nil:
			return fmt.Errorf("pair %s: roomshift.heartbeat isn't on the master in %s, so its lag can't be measured: `roomshift check --live --init` makes it, or the DBA does", r.name, n.room)
		default:
			if err := sameColumns(columns); err != nil {
				return fmt.Errorf("pair %s, master in %s: %w", r.name, n.room, err)
			}
		}
	}
	return nil
}

// heartbeatTable is the table's columns, sorted; nil if there is none.
func (n *node) heartbeatTable(ctx context.Context) ([]string, error) {
	rows, err := n.db.QueryContext(ctx, "SELECT column_name FROM information_schema.columns "+
		"WHERE table_schema='roomshift' AND table_name='heartbeat' ORDER BY column_name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var columns []string
	for rows.Next() {
		var c string
		if err := rows.Scan(&c); err != nil {
			return nil, err
		}
		columns = append(columns, strings.ToLower(c))
	}
	return columns, rows.Err()
}

func sameColumns(columns []string) error {
	if slices.Equal(columns, heartbeatColumns) {
		return nil
	}
	return fmt.Errorf("roomshift.heartbeat has the columns %s, want %s: drop it, or rename it away, then `roomshift check --live --init`",
		strings.Join(columns, ", "), strings.Join(heartbeatColumns, ", "))
}
