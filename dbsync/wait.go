package dbsync

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// The slices of a wait. A wait is asked again and again: each "not yet" proves the lag up to that moment, so that a lag that
// grows is seen growing, and silence of a master is never taken for lag.
const (
	shortestSlice = 100 * time.Millisecond
	longestSlice  = 500 * time.Millisecond
)

func sliceOf(every time.Duration) time.Duration {
	return min(max(every/2, shortestSlice), longestSlice)
}

// A master waits by looking again each few milliseconds, inside one statement: what it saw last is proof, whatever its
// scheduler did to us afterwards, which on a busy server is many milliseconds. Older lags are looked at less often.
const (
	shortestLook = time.Millisecond
	longestLook  = 5 * time.Millisecond
	looksPerLag  = 200
)

func lookOf(lag cutover.T) time.Duration {
	return min(max(lag.Duration()/looksPerLag, shortestLook), longestLook)
}

// waitGTID waits on the fenced master until a heartbeat is applied there, for at most a slice; lag is how far it is behind
// already. errLookAgain: it isn't fenced.
func (s *session) waitGTID(ctx context.Context, conn *sql.Conn, h beat, lag cutover.T) (answer, arrival, error) {
	v := arrival{after: h.sent}
	query, params := s.d.forth(s, h, lag)
	a, code, tables, err := s.wait(ctx, conn, query, params)
	if err != nil {
		return a, v, err
	}
	v.read = s.now()
	var fence string
	var log row
	fence, log, v.after = s.d.arrival(h, a, tables)
	if fenced, err := parseReadOnly(fence); err != nil || !fenced {
		return a, v, errors.Join(errLookAgain, err)
	}
	if !code.Valid {
		return a, v, noData("the wait for %s on the master in %s answered NULL", h.gtid, s.y.room)
	}
	if log == nil {
		return a, v, noData("the master in %s has no binlog", s.y.room)
	}
	a.reached = code.Int64 == 0
	v.pos, err = parsePosition(log["File"], log["Position"])
	return a, v, err
}

// waitPosition waits on the writer until it has passed a position of the other master's binlog, for at most a slice or one
// second. It is Unknown when a thread is stopped, or when the writer replicates from another server than before.
func (s *session) waitPosition(ctx context.Context, conn *sql.Conn, h beat, pos position, lag cutover.T) (answer, error) {
	plain := s.mixed.Load()
	query, params := s.d.back(s, h, pos, lag, plain)
	a, code, tables, err := s.wait(ctx, conn, query, params)
	if err != nil {
		return a, err
	}
	state, status, proven := s.d.passed(pos, plain, tables)
	if err := s.sameSource(status); err != nil {
		return a, err
	}
	if !code.Valid {
		return a, noData("the wait for a position on the master in %s answered NULL", s.x.room)
	}
	a.reached = code.Int64 >= 0
	mixed := s.d.foreign(state, s.xID) != h.foreign
	if mixed && !proven {
		a.missed = -1 // it may have been noted long after it came
	}
	s.mixed.Store(mixed)
	return a, nil
}

// wait asks one wait and what travels with it. The answer's first columns are missed, the span until the last look that missed it,
// held, until the end, in seconds by the server's clock, and code.
func (s *session) wait(ctx context.Context, conn *sql.Conn, query string, params []any) (a answer, code sql.NullInt64, tables [][]row, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.slice+s.patience)
	defer cancel()
	a = answer{sent: s.now(), missed: -1}
	rows, err := conn.QueryContext(ctx, query, params...)
	if err != nil {
		return a, code, nil, err
	}
	defer rows.Close()
	first, err := oneTable(rows)
	a.got = s.now()
	if err != nil || len(first) != 1 {
		return a, code, nil, cmp.Or(err, errors.New("the answer has no row"))
	}
	if a.held, err = span(first[0]["held"]); err != nil {
		return a, code, nil, err
	}
	if missed := first[0]["missed"]; missed != null {
		if a.missed, err = span(missed); err != nil {
			return a, code, nil, err
		}
	}
	if text := first[0]["code"]; text != null {
		code.Valid = true
		if code.Int64, err = strconv.ParseInt(text, 10, 64); err != nil {
			return a, code, nil, fmt.Errorf("the wait answered %q, want a number", text)
		}
	}
	tables = [][]row{first}
	if rows.NextResultSet() {
		more, err := allTables(rows)
		return a, code, append(tables, more...), err
	}
	return a, code, tables, rows.Err()
}

// sameSource is nil while the writer still receives from the other master, with both threads running.
func (s *session) sameSource(status []row) error {
	c, err := onlySource(s.x.room, status)
	if err != nil {
		return err
	}
	if c.sourceID() != s.yID {
		return noData("%s receives from the server with id %s, want %s (the master in %s)", s.x.room, c.sourceID(), s.yID, s.y.room)
	}
	if wrong := c.running(); wrong != "" {
		return noData("replication into %s: %s", s.x.room, wrong)
	}
	return nil
}

// onlySource is the one channel of a master.
func onlySource(room cutover.Room, status []row) (channel, error) {
	switch len(status) {
	case 0:
		return channel{}, noData("%s replicates from nowhere", room)
	case 1:
		return channel{status[0]}, nil
	}
	return channel{}, noData("%s replicates from %d sources, want 1", room, len(status))
}

// span reads a span in seconds with six digits after the point, as in 0.250155.
func span(text string) (cutover.T, error) {
	whole, part, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(part + "000000")[:6], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("span %q, want seconds with six digits after the point", text)
	}
	return cutover.T(n) * cutover.T(time.Microsecond), nil
}
