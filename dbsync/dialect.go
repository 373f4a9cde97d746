package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// version is what a server says of itself. Versions of MariaDB and MySQL can't be compared with each other.
type version struct {
	mariadb bool
	n       [3]int
	text    string
}

// The oldest versions whose statements and columns this package knows.
var (
	oldestMariaDB = [3]int{10, 6, 0}
	oldestMySQL   = [3]int{5, 7, 9}
)

// supportedVersions is what supported wants.
const supportedVersions = "MariaDB 10.6 or later, or MySQL 5.7.9 or later"

var versionForm = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`) // 5.5.5- stands before old MariaDBs' own

// parseVersion reads VERSION(). MariaDB says its name there, MySQL doesn't.
func parseVersion(text string) (version, error) {
	v := version{mariadb: strings.Contains(text, "MariaDB"), text: text}
	m := versionForm.FindStringSubmatch(text)
	if m == nil {
		return v, fmt.Errorf("version %q: %w: want %s", text, ErrUnsupported, supportedVersions)
	}
	for i := range v.n {
		v.n[i], _ = strconv.Atoi(m[i+1]) // the pattern lets digits only pass
	}
	return v, nil
}

// engine is "MariaDB" or "MySQL".
func (v version) engine() string {
	if v.mariadb {
		return "MariaDB"
	}
	return "MySQL"
}

// String is "MariaDB 10.11.14".
func (v version) String() string {
	return fmt.Sprintf("%s %d.%d.%d", v.engine(), v.n[0], v.n[1], v.n[2])
}

// series is "MySQL 8.4": servers of one series replicate from each other both ways.
func (v version) series() string { return fmt.Sprintf("%s %d.%d", v.engine(), v.n[0], v.n[1]) }

// since tells whether it is this version or a later one, as numbers: MySQL 26.10 is later than 9.7.
func (v version) since(n ...int) bool { return slices.Compare(v.n[:], n) >= 0 }

// supported is nil, or ErrUnsupported by name and version.
func (v version) supported() error {
	oldest := oldestMySQL
	if v.mariadb {
		oldest = oldestMariaDB
	}
	if !v.since(oldest[:]...) {
		return fmt.Errorf("%s: %w: want %s", v, ErrUnsupported, supportedVersions)
	}
	return nil
}

// samePair is nil for two servers that can replicate from each other both ways: GTIDs of MariaDB and of MySQL mean nothing to the
// other, and neither engine promises that an older series takes what a newer one wrote.
func samePair(a, b version) error {
	if a.series() != b.series() {
		return fmt.Errorf("%s and %s: %w as a pair: want the same engine in the same series on both", a, b, ErrUnsupported)
	}
	return nil
}

// dialect is how a kind of server is asked, and how its answers are read. Answers become rows with MariaDB's column and variable
// names, whoever gave them.
type dialect struct {
	// side asks all of readSide at once; fill reads its tables, of which there are so many.
	side       string
	sideTables int
	fill       func(s *side, tables [][]row)
	// state is the variable that holds all transactions of a master.
	state string
	// log says where the binlog ends: File and Position.
	log string
	// status says how its channels stand; channels makes one row of each.
	status   string
	channels func(tables [][]row) []row

	// beat writes a heartbeat with the parameters pair and room: changed (0: nothing was written), gtid, state. It does so only on a
	// master that says at that moment that it isn't fenced: an account that may pass the fence by writes nothing there either.
	beat string
	// split takes a heartbeat's GTID apart where forth needs that.
	split func(h *beat) error
	// passive asks for what was written, since last where the server can work that out itself: position, state, fence. moved is what of
	// it is news, "" nothing, and the next last.
	passive func(last string) (string, []any)
	moved   func(last, position, state string) (news, next string)
	// foreign is the part of a state that others than the master id wrote.
	foreign func(state, id string) string

	// forth waits on Y until a heartbeat is applied, for at most a slice; lag is how far it is behind already. Its first table has the
	// columns missed, held (seconds, see answer) and code (0: applied, NULL: nobody knows).
	forth func(s *session, h beat, lag cutover.T) (string, []any)
	// arrival reads what came with forth: Y's fence, its binlog's end, and a moment before which the heartbeat wasn't logged there.
	arrival func(h beat, a answer, tables [][]row) (fence string, log row, after cutover.T)
	// only is forth without what comes with it, for a reader.
	only func(s *session, h beat, lag cutover.T) (string, []any)
	// back waits on X until it has passed a position of Y's binlog; the columns as of forth, but code is less than 0 as long as it
	// hasn't. plain: nothing but the position is looked at, because what others write keeps a GTID from proving anything.
	back func(s *session, h beat, pos position, lag cutover.T, plain bool) (string, []any)
	// passed reads what came with back: X's state and channels, and whether missed proves something though others write.
	passed func(pos position, plain bool, tables [][]row) (state string, status []row, proven bool)

	// has asks whether two sets of transactions are applied, where the position that a channel notes lags behind what it has applied (MySQL
	// with several workers: by replica_checkpoint_period, 300 ms); "": it doesn't.
	has string

	identity string // the variable that tells two servers apart
	words    words
	grants   []string
	verbs    verbs
}

// words are statements, and their parts, for people.
type words struct {
	status, stop, start, change, end string
	heartbeat, delay, gtid, retries  string // parts of change
}

// set is the statements that change a channel. CHANGE sets what it doesn't name back, of some servers: keep names that.
func (w words) set(parts ...string) string {
	return w.stop + "; " + w.change + " " + strings.Join(parts, ", ") + "; " + w.start
}

// dialectOf is the dialect of a version that is supported.
func dialectOf(v version) *dialect {
	if v.mariadb {
		return &mariadb
	}
	return mysqlOf(v)
}

// parseReadOnly reads @@read_only as text: newer servers have more than two values.
func parseReadOnly(text string) (bool, error) {
	switch strings.ToUpper(text) {
	case "0", "OFF":
		return false, nil
	case "1", "2", "3", "ON", "NO_LOCK", "NO_LOCK_NO_ADMIN":
		return true, nil
	}
	return false, fmt.Errorf("read_only is %q, want one of OFF, ON, NO_LOCK, NO_LOCK_NO_ADMIN", text)
}

// askTables is every answer of a request with several statements.
func askTables(ctx context.Context, conn *sql.Conn, query string) ([][]row, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return allTables(rows)
}

// askStatus is a row of each channel of a master.
func (d *dialect) askStatus(ctx context.Context, conn *sql.Conn) ([]row, error) {
	tables, err := askTables(ctx, conn, d.status)
	if err != nil {
		return nil, err
	}
	return d.channels(tables), nil
}

// askLog is where a master's binlog ends, and of MySQL all transactions up to there; ok false: it has none.
func (d *dialect) askLog(ctx context.Context, conn *sql.Conn) (pos position, set string, ok bool, err error) {
	tables, err := askTables(ctx, conn, d.log)
	if err != nil || len(tables[0]) == 0 {
		return pos, "", false, err
	}
	pos, err = parsePosition(tables[0][0]["File"], tables[0][0]["Position"])
	return pos, tables[0][0]["Executed_Gtid_Set"], err == nil, err
}

// firstRow is a table's first row, nil if it has none.
func firstRow(tables [][]row, i int) row {
	if i < len(tables) && len(tables[i]) > 0 {
		return tables[i][0]
	}
	return nil
}
