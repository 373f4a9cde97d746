package dbsync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
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
// scheduler did to us afterwards, which on a busy server is many milliseconds. It looks at its variables, because "not yet"
// from MASTER_GTID_WAIT is no proof: where several wait, one of them looks for all, and may be late. Older lags are looked at
// less often.
const (
	shortestLook = time.Millisecond
	longestLook  = 5 * time.Millisecond
	looksPerLag  = 200
)

func lookOf(lag cutover.T) time.Duration {
	return min(max(lag.Duration()/looksPerLag, shortestLook), longestLook)
}

// appliedNumber is how far the GTID domain ? is applied, loggedNumber how far the stream ? (domain-server) is in the binlog; 0: not at all.
const (
	appliedNumber = "CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(CONCAT(',', @@gtid_slave_pos), CONCAT(',', ?, '-'), -1), ',', 1), '-', -1) AS UNSIGNED)"
	loggedNumber  = "CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(CONCAT(',', @@gtid_binlog_state), CONCAT(',', ?, '-'), -1), ',', 1) AS UNSIGNED)"
)

// waitLoop waits until a GTID is applied, for at most a slice. It leaves code (0: applied), began, and the last moments at which
// it was not applied (missed) and not in the binlog (unlogged), NULL if it was at once. For loopParams.
const waitLoop = `BEGIN NOT ATOMIC
DECLARE began, looked, missed, unlogged DECIMAL(20,6); DECLARE code, pos INT;
SET began = UNIX_TIMESTAMP(SYSDATE(6));
REPEAT
  SET looked = UNIX_TIMESTAMP(SYSDATE(6));
  IF ` + appliedNumber + ` < ? THEN SET missed = looked; END IF;
  IF ` + loggedNumber + ` < ? THEN SET unlogged = looked; END IF;
  SET code = MASTER_GTID_WAIT(?, ?);
UNTIL code = 0 OR code IS NULL OR looked - began >= ? END REPEAT;
`

func (s *session) loopParams(h beat, lag cutover.T) []any {
	return []any{h.domain, h.number, h.domain + "-" + h.server, h.number, h.gtid, lookOf(lag).Seconds(), s.slice.Seconds()}
}

// gtidWait is asked of Y. Its binlog position travels in the same round trip: it lies behind the heartbeat, because Y logs
// what it applies.
const gtidWait = waitLoop + `SELECT missed - began, UNIX_TIMESTAMP(SYSDATE(6)) - began, code, unlogged - began, ` + readOnlyText + `;
END; SHOW MASTER STATUS`

// roundWait and positionWait are asked of X. Its time-out is in whole seconds (0 is for ever) and its answer the number of
// events it waited for: 0 is "already there". The state of the threads travels in the same round trip.
//
// A position can't be looked at often, so roundWait first waits until X's own GTID has come round the ring. X drops its own
// events and notes their GTIDs when nothing else is left to apply: while other events come with them, that is too late, and
// proves nothing. Then positionWait is asked, which knows only whether X had to wait. The position decides in both, because
// some servers count their own GTIDs as applied at once.
//
// Parameters: those of waitLoop, the position's file and offset, and the connection's name; of positionWait only these.
const roundWait = waitLoop + `IF code = 0 THEN
  SET looked = UNIX_TIMESTAMP(SYSDATE(6));
  SET pos = MASTER_POS_WAIT(?, ?, 1, ?);
  IF pos <> 0 THEN SET missed = looked; END IF;
END IF;
SELECT missed - began, UNIX_TIMESTAMP(SYSDATE(6)) - began, code, pos, @@gtid_binlog_state;
END; ` + replicaStatus

const positionWait = `BEGIN NOT ATOMIC
DECLARE began, missed DECIMAL(20,6); DECLARE pos INT;
SET began = UNIX_TIMESTAMP(SYSDATE(6));
SET pos = MASTER_POS_WAIT(?, ?, 1, ?);
IF pos <> 0 THEN SET missed = began; END IF;
SELECT missed - began, UNIX_TIMESTAMP(SYSDATE(6)) - began, 0, pos, @@gtid_binlog_state;
END; ` + replicaStatus

// waitGTID waits on the fenced master until a heartbeat is applied there, for at most a slice; lag is how far it is behind
// already. errLookAgain: it isn't fenced.
func (s *session) waitGTID(ctx context.Context, conn *sql.Conn, h beat, lag cutover.T) (answer, arrival, error) {
	v := arrival{after: h.sent}
	var code sql.NullInt64
	var fence string
	var unlogged sql.NullString
	a, log, err := s.wait(ctx, conn, gtidWait, s.loopParams(h, lag), &code, &unlogged, &fence)
	if err != nil {
		return a, v, err
	}
	v.read = s.now()
	if fenced, err := parseReadOnly(fence); err != nil || !fenced {
		return a, v, errors.Join(errLookAgain, err)
	}
	if !code.Valid {
		return a, v, noData("the wait for %s on the master in %s answered NULL", h.gtid, s.y.room)
	}
	if len(log) != 1 {
		return a, v, noData("the master in %s has no binlog", s.y.room)
	}
	if unlogged.Valid {
		since, err := span(unlogged.String)
		if err != nil {
			return a, v, err
		}
		v.after = a.sent + a.spent(since)
	}
	a.reached = code.Int64 == 0
	v.pos, err = parsePosition(log[0]["File"], log[0]["Position"])
	return a, v, err
}

// waitPosition waits on the writer until it has passed a position of the other master's binlog, for at most a slice or one
// second. It is Unknown when a thread is stopped, or when the writer replicates from another server than before.
func (s *session) waitPosition(ctx context.Context, conn *sql.Conn, h beat, pos position, lag cutover.T) (answer, error) {
	query, params := positionWait, []any{pos.file, pos.offset, s.channel}
	round := !s.mixed.Load()
	if round {
		query, params = roundWait, append(s.loopParams(h, lag), params...)
	}
	var code, passed sql.NullInt64
	var state string
	a, status, err := s.wait(ctx, conn, query, params, &code, &passed, &state)
	if err != nil {
		return a, err
	}
	if err := s.sameSource(status); err != nil {
		return a, err
	}
	if !code.Valid || code.Int64 == 0 && !passed.Valid {
		return a, noData("the wait for a position on the master in %s answered NULL", s.x.room)
	}
	a.reached = passed.Valid && passed.Int64 >= 0
	mixed := foreign(state, s.xID) != h.foreign
	if mixed && round {
		a.missed = -1 // its GTID may have been noted long after it came
	}
	s.mixed.Store(mixed)
	return a, nil
}

// foreign is the part of a GTID state that other servers wrote: it moves when events that X doesn't drop come to it.
func foreign(state, id string) string {
	var others []string
	for _, gtid := range strings.Split(state, ",") {
		gtid = strings.TrimSpace(gtid)
		if parts := strings.Split(gtid, "-"); len(parts) == 3 && parts[1] != id {
			others = append(others, gtid)
		}
	}
	slices.Sort(others)
	return strings.Join(others, ",")
}

// wait asks one wait and what travels with it. The answer's first columns are the spans until the last look that missed it and
// until the end, in seconds by the server's clock; into takes the rest.
func (s *session) wait(ctx context.Context, conn *sql.Conn, query string, params []any, into ...any) (answer, []row, error) {
	ctx, cancel := context.WithTimeout(ctx, s.slice+s.patience)
	defer cancel()
	a := answer{sent: s.now(), missed: -1}
	rows, err := conn.QueryContext(ctx, query, params...)
	if err != nil {
		return a, nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return a, nil, noRow(rows)
	}
	a.got = s.now()
	var held string
	var missed sql.NullString
	if err := rows.Scan(append([]any{&missed, &held}, into...)...); err != nil {
		return a, nil, err
	}
	if a.held, err = span(held); err != nil {
		return a, nil, err
	}
	if missed.Valid {
		if a.missed, err = span(missed.String); err != nil {
			return a, nil, err
		}
	}
	if !rows.NextResultSet() {
		return a, nil, noRow(rows)
	}
	table, err := oneTable(rows)
	return a, table, err
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

// noRow is why there is no row where one must be.
func noRow(rows *sql.Rows) error {
	if err := rows.Err(); err != nil {
		return err
	}
	return errors.New("the answer has no row")
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
