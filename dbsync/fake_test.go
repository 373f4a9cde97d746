package dbsync

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"
)

// recorded is a server as a file of testdata/dialects has it: what it answers to which statement, and which statements it doesn't know.
// In answers {id}, {room} and others stand for what differs between two masters, {n} for a number that grows.
type recorded struct {
	version string
	refuses []string
	answers []recordedAnswer
	params  *strings.Replacer
	count   atomic.Int64
}

type recordedAnswer struct {
	to    string // how the statement begins
	names []string
	rows  [][]string
}

// readRecorded reads a file; "> STATEMENT" begins a table with its names in the first line, ">| STATEMENT" one row, a column a line.
// change makes another server of the text.
func readRecorded(file string, change func(string) string, params ...string) (*recorded, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &recorded{params: strings.NewReplacer(params...)}
	var a *recordedAnswer
	upright := false
	for _, line := range strings.Split(strings.TrimRight(change(string(b)), "\n"), "\n") {
		fields := strings.Split(line, "\t")
		statement, begins := strings.CutPrefix(line, ">")
		switch {
		case strings.HasPrefix(line, "#"):
		case begins:
			statement, upright = strings.CutPrefix(statement, "|")
			r.answers = append(r.answers, recordedAnswer{to: strings.TrimSpace(statement)})
			a = &r.answers[len(r.answers)-1]
			if upright {
				a.rows = [][]string{nil}
			}
		case a == nil && fields[0] == "version":
			r.version = fields[1]
		case a == nil && fields[0] == "refuses":
			r.refuses = append(r.refuses, fields[1])
		case a == nil:
			return nil, fmt.Errorf("%s: a line %q that belongs to nothing", file, line)
		case upright:
			a.names, a.rows[0] = append(a.names, fields[0]), append(a.rows[0], fields[1])
		case a.names == nil:
			a.names = fields
		default:
			a.rows = append(a.rows, fields)
		}
	}
	return r, nil
}

// always is what every server answers.
var always = []recordedAnswer{
	{"SELECT COUNT(*) AS n FROM information_schema.processlist", []string{"n"}, [][]string{{"1"}}},
	{"SELECT LOWER(column_name) AS c", []string{"c"}, [][]string{{"epoch"}, {"pair"}, {"room"}, {"seq"}}},
	{"SELECT GET_LOCK(", []string{"l"}, [][]string{{"1"}}},
	{"SELECT IS_USED_LOCK(", []string{"l"}, [][]string{{null}}},
	{"DO RELEASE_LOCK(", nil, nil},
	{"SET @roomshift_before", nil, nil},
}

var namesAsked = regexp.MustCompile(`'([A-Za-z_]+)'`)

// answer is what the server says to one statement.
func (r *recorded) answer(statement string) (recordedAnswer, error) {
	for _, no := range r.refuses {
		if strings.Contains(statement, no) {
			return recordedAnswer{}, &mysql.MySQLError{Number: 1064, Message: "You have an error in your SQL syntax near '" + no + "'"}
		}
	}
	if strings.HasPrefix(statement, "SELECT VERSION()") {
		return recordedAnswer{names: []string{"v"}, rows: [][]string{{r.version}}}, nil
	}
	for _, a := range append(r.answers, always...) {
		if !strings.HasPrefix(statement, a.to) {
			continue
		}
		asked := map[string]bool{}
		for _, m := range namesAsked.FindAllStringSubmatch(statement, -1) {
			asked[m[1]] = true
		}
		out := recordedAnswer{names: a.names}
		for _, row := range a.rows {
			if strings.HasPrefix(a.to, "SHOW GLOBAL") && !asked[row[0]] {
				continue // WHERE Variable_name IN (…)
			}
			said := make([]string, len(row))
			for i, v := range row {
				said[i] = strings.ReplaceAll(r.params.Replace(v), "{n}", strconv.FormatInt(r.count.Add(1), 10))
			}
			out.rows = append(out.rows, said)
		}
		return out, nil
	}
	return recordedAnswer{}, &mysql.MySQLError{Number: 1064, Message: "nothing was recorded of: " + statement}
}

// Connect, Driver and what follows make it a driver of database/sql.
func (r *recorded) Connect(context.Context) (driver.Conn, error) { return recordedConn{r}, nil }
func (r *recorded) Driver() driver.Driver                        { return nil }

type recordedConn struct{ r *recorded }

func (recordedConn) Prepare(string) (driver.Stmt, error)      { return nil, driver.ErrSkip }
func (recordedConn) Close() error                             { return nil }
func (recordedConn) Begin() (driver.Tx, error)                { return nil, driver.ErrSkip }
func (recordedConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c recordedConn) ExecContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	_, err := c.r.answer(q)
	return driver.RowsAffected(0), err
}

func (c recordedConn) QueryContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	rows := &recordedRows{}
	for _, statement := range strings.Split(q, ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		if statement == "" {
			continue
		}
		a, err := c.r.answer(statement)
		if err != nil {
			return nil, err
		}
		if a.names != nil {
			rows.all = append(rows.all, a)
		}
	}
	return rows, nil
}

type recordedRows struct {
	all   []recordedAnswer
	table int
	row   int
}

func (r *recordedRows) Columns() []string      { return r.all[r.table].names }
func (r *recordedRows) Close() error           { return nil }
func (r *recordedRows) HasNextResultSet() bool { return r.table+1 < len(r.all) }
func (r *recordedRows) NextResultSet() error {
	if !r.HasNextResultSet() {
		return io.EOF
	}
	r.table, r.row = r.table+1, 0
	return nil
}

func (r *recordedRows) Next(into []driver.Value) error {
	t := r.all[r.table]
	if r.row == len(t.rows) {
		return io.EOF
	}
	for i, v := range t.rows[r.row] {
		into[i] = v
		if v == null {
			into[i] = nil
		}
	}
	r.row++
	return nil
}
