package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// row is one row of an answer by column. NULL is the text null.
type row map[string]string

const null = "NULL"

// side is all that a master says of itself and of what it receives, read in one round trip and without a write.
type side struct {
	room     cutover.Room
	addr     string
	version  version
	d        *dialect
	vars     row
	channels []channel
	log      row      // where its binlog ends, nil without a binlog
	dumps    int      // replicas that read from this master now
	table    []string // columns of roomshift.heartbeat, nil: there is none
}

// channel is one source that a master replicates from: a row of SHOW ALL SLAVES STATUS, with MariaDB's names.
type channel struct{ row }

func channelsOf(rows []row) []channel {
	var cs []channel
	for _, r := range rows {
		cs = append(cs, channel{r})
	}
	return cs
}

func (c channel) name() string { return c.row["Connection_name"] }

// notConnected is sourceID of a channel whose receiving thread was never connected.
const notConnected = "0"

// sourceID is what tells its source apart, as side.id: MySQL's server_uuid, MariaDB's server_id.
func (c channel) sourceID() string {
	uuid, ok := c.row["Master_UUID"]
	switch {
	case !ok:
		return c.row["Master_Server_Id"]
	case uuid == "":
		return notConnected
	}
	return uuid
}

// period is how often the source says that it is alive while it has nothing to send; 0: never.
func (c channel) period() time.Duration {
	f, err := strconv.ParseFloat(c.row["Slave_heartbeat_period"], 64)
	if err != nil {
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

// receivedPos is how far the receiving thread has got, "" nobody can say.
func (c channel) receivedPos() string {
	if pos := c.row["Gtid_IO_Pos"]; pos != "" && pos != null {
		return pos
	}
	if pos := oneLine(c.row["Retrieved_Gtid_Set"]); pos != null {
		return pos
	}
	return ""
}

// running is "" while both threads run, else what is wrong, with the error numbers.
func (c channel) running() string {
	io, applier := c.row["Slave_IO_Running"], c.row["Slave_SQL_Running"]
	if io == "Yes" && applier == "Yes" {
		return ""
	}
	return fmt.Sprintf("receiving thread %s%s, applier %s%s", io, errno(c.row["Last_IO_Errno"]), applier,
		errno(c.row["Last_SQL_Errno"]))
}

func errno(n string) string {
	if n == "" || n == "0" || n == "NULL" {
		return ""
	}
	return " (error " + n + ")"
}

// executed is up to where in the source's binlog everything is applied.
func (c channel) executed() (position, error) {
	return parsePosition(c.row["Relay_Master_Log_File"], c.row["Exec_Master_Log_Pos"])
}

// received is up to where in the source's binlog everything has come.
func (c channel) received() (position, error) {
	return parsePosition(c.row["Master_Log_File"], c.row["Read_Master_Log_Pos"])
}

// filters is what this channel leaves out, "" nothing.
func (c channel) filters() string {
	return nonEmpty(c.row, "Replicate_Do_DB", "Replicate_Ignore_DB", "Replicate_Do_Table", "Replicate_Ignore_Table",
		"Replicate_Wild_Do_Table", "Replicate_Wild_Ignore_Table", "Replicate_Ignore_Server_Ids", "Replicate_Do_Domain_Ids",
		"Replicate_Ignore_Domain_Ids", "Replicate_Rewrite_DB")
}

// logFilters is what the master's binlog leaves out, "" nothing.
func (s side) logFilters() string { return nonEmpty(s.log, "Binlog_Do_DB", "Binlog_Ignore_DB") }

func nonEmpty(r row, columns ...string) string {
	var found []string
	for _, c := range columns {
		if v := r[c]; v != "" && v != "NULL" {
			found = append(found, c+"="+v)
		}
	}
	return strings.Join(found, " ")
}

// dumpsAndTable are questions that every server knows.
const dumpsAndTable = "SELECT COUNT(*) AS n FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'; " +
	"SELECT LOWER(column_name) AS c FROM information_schema.columns WHERE table_schema='roomshift' AND table_name='heartbeat' ORDER BY c"

// readSide asks a master for its side. A version that isn't supported is an error.
func (n *node) readSide(ctx context.Context, timeout time.Duration) (side, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s := side{room: n.room, addr: n.addr, vars: row{}}
	var name string
	if err := n.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&name); err != nil {
		return s, n.fail(err)
	}
	var err error
	if s.version, err = parseVersion(name); err != nil {
		return s, n.fail(err)
	}
	if err := s.version.supported(); err != nil {
		return s, n.fail(err) // before statements that it may not know
	}
	s.d = dialectOf(s.version)
	rows, err := n.db.QueryContext(ctx, s.d.side)
	if err != nil {
		return s, n.fail(err)
	}
	defer rows.Close()
	tables, err := allTables(rows)
	if err == nil && len(tables) != s.d.sideTables {
		err = fmt.Errorf("%d questions had %d answers", s.d.sideTables, len(tables))
	}
	if err != nil {
		return s, n.fail(err)
	}
	s.d.fill(&s, tables)
	return s, nil
}

// id is what tells the server apart from every other.
func (s side) id() string { return s.vars[s.d.identity] }

// name is the id as people read it: "server_id 1".
func (s side) name() string { return s.d.identity + " " + s.id() }

// fill takes what every dialect asks first, in this order.
func (s *side) fill(tables [][]row) {
	for _, r := range slices.Concat(tables[0], tables[1]) {
		s.vars[r["Variable_name"]] = r["Value"]
	}
	s.dumps, _ = strconv.Atoi(tables[2][0]["n"]) // COUNT(*) is a number
	for _, r := range tables[3] {
		s.table = append(s.table, r["c"])
	}
	s.log = firstRow(tables, 4)
}

// allTables reads every answer of a request with several statements.
func allTables(rows *sql.Rows) ([][]row, error) {
	var all [][]row
	for {
		t, err := oneTable(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		if !rows.NextResultSet() {
			return all, rows.Err()
		}
	}
}

// oneTable reads the answer that rows stands at.
func oneTable(rows *sql.Rows) ([]row, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var t []row
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		r := make(row, len(columns))
		for i, c := range columns {
			r[c] = null
			if values[i].Valid {
				r[c] = values[i].String
			}
		}
		t = append(t, r)
	}
	return t, rows.Err()
}
