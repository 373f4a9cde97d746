package dbsync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// beatWriter writes a heartbeat, or finds something to follow in its place; no gtid: there is nothing to follow.
type beatWriter func(context.Context, *sql.Conn) (beat, error)

// split takes the heartbeat's GTID apart. Of several (what others wrote in several domains) the first stands for all: while
// it isn't applied they aren't.
func (h *beat) split() error {
	first, _, _ := strings.Cut(h.gtid, ",")
	parts := strings.Split(first, "-")
	if len(parts) != 3 {
		return fmt.Errorf("GTID %q, want domain-server-number", first)
	}
	h.domain, h.server = parts[0], parts[1]
	var err error
	if h.number, err = strconv.ParseUint(parts[2], 10, 64); err != nil {
		return fmt.Errorf("GTID %q, want domain-server-number", first)
	}
	return nil
}

// writeBeat changes one row, and only on a master that says at that moment that it isn't fenced: an account that may pass
// read_only by writes nothing on the fenced side either. The second statement is the heartbeat's own GTID, in the same round
// trip; ROW_COUNT() is 0 if nothing was written.
const writeBeat = "INSERT INTO roomshift.heartbeat (pair, room, epoch, seq) SELECT ?, ?, 0, 1 FROM DUAL WHERE " +
	readOnlyText + " IN ('0', 'OFF') ON DUPLICATE KEY UPDATE seq = seq + 1; SELECT ROW_COUNT(), @@last_gtid, @@gtid_binlog_state"

// write writes one heartbeat on the writer. errLookAgain: it takes no writes any more.
func (s *session) write(ctx context.Context, conn *sql.Conn) (beat, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.MaxAge)
	defer cancel()
	h := beat{sent: s.now()}
	var changed int
	var state string
	err := conn.QueryRowContext(ctx, writeBeat, s.pair, s.x.room).Scan(&changed, &h.gtid, &state)
	h.acked, h.foreign = s.now(), foreign(state, s.xID)
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
	last, first := map[string]string{}, true
	return func(ctx context.Context, conn *sql.Conn) (beat, error) {
		ctx, cancel := context.WithTimeout(ctx, s.o.MaxAge)
		defer cancel()
		h := beat{sent: s.now()}
		var all, state, fence string
		if err := conn.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos, @@gtid_binlog_state, "+readOnlyText).Scan(&all, &state, &fence); err != nil {
			return h, err
		}
		h.acked, h.foreign = s.now(), foreign(state, s.xID)
		if fenced, err := parseReadOnly(fence); err != nil || fenced {
			return h, errors.Join(errLookAgain, err)
		}
		h.gtid = moved(last, all)
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

// moved is the part of a GTID position that differs from the last one, by domain; it remembers the new one.
func moved(last map[string]string, position string) string {
	var changed []string
	for _, gtid := range strings.Split(position, ",") {
		domain, _, ok := strings.Cut(gtid, "-")
		if ok && last[domain] != gtid {
			changed = append(changed, gtid)
			last[domain] = gtid
		}
	}
	return strings.Join(changed, ",")
}
