package dbsync

import (
	"context"
	"database/sql"
	"errors"
)

// beatWriter writes a heartbeat, or finds something to follow in its place; no gtid: there is nothing to follow.
type beatWriter func(context.Context, *sql.Conn) (beat, error)

// insertBeat changes one row, and only on a master that says at that moment that it isn't fenced: an account that may pass
// read_only by writes nothing on the fenced side either. What follows it in the same round trip is the heartbeat's own GTID;
// ROW_COUNT() is 0 if nothing was written.
const insertBeat = "INSERT INTO roomshift.heartbeat (pair, room, epoch, seq) SELECT ?, ?, 0, 1 FROM DUAL WHERE " +
	readOnlyText + " IN ('0', 'OFF') ON DUPLICATE KEY UPDATE seq = seq + 1"

// write writes one heartbeat on the writer. errLookAgain: it takes no writes any more.
func (s *session) write(ctx context.Context, conn *sql.Conn) (beat, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.MaxAge)
	defer cancel()
	h := beat{sent: s.now()}
	var changed int
	var state string
	err := conn.QueryRowContext(ctx, s.d.beat, s.pair, s.x.room).Scan(&changed, &h.gtid, &state)
	h.acked, h.foreign = s.now(), s.d.foreign(state, s.xID)
	switch {
	case isOneOf(err, readOnlyNow):
		return h, errors.Join(errLookAgain, err)
	case err != nil:
		return h, err
	case changed == 0:
		return h, errLookAgain
	case h.gtid == "":
		return h, noData("the master in %s gave the heartbeat no GTID: is its binlog off?", s.x.room)
	}
	return h, nil
}

// passiveBeats follows what others write: a position of X that has moved since the last look was reached by transactions that
// were committed before its answer, nobody knows how long before. So the lag is only bounded from below.
func (s *session) passiveBeats() beatWriter {
	last, first := "", true
	return func(ctx context.Context, conn *sql.Conn) (beat, error) {
		ctx, cancel := context.WithTimeout(ctx, s.o.MaxAge)
		defer cancel()
		h := beat{sent: s.now()}
		var position, state, fence string
		query, params := s.d.passive(last)
		if err := conn.QueryRowContext(ctx, query, params...).Scan(&position, &state, &fence); err != nil {
			return h, err
		}
		h.acked, h.foreign = s.now(), s.d.foreign(state, s.xID)
		if fenced, err := parseReadOnly(fence); err != nil || fenced {
			return h, errors.Join(errLookAgain, err)
		}
		h.gtid, last = s.d.moved(last, position, state)
		if first || h.gtid == "" {
			first, h.gtid = false, ""
			if s.forth.due(h.acked) {
				s.forth.unknown(noData("nothing was written in %s, and roomshift writes nothing here", s.x.room).reason, h.acked)
			}
			if s.back.quiet(h.acked) {
				s.back.unknown(noData("nothing comes back to %s, and roomshift writes nothing here", s.x.room).reason, h.acked)
			}
		}
		return h, nil
	}
}
