package dbsync

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// mariadb is the dialect of MariaDB 10.6 and later.
var mariadb = dialect{
	// Variables are read whole because SELECT @@name fails for one that a version doesn't have.
	side: `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version','server_id','port','hostname','read_only','log_bin',
'log_slave_updates','binlog_format','binlog_row_image','gtid_strict_mode','gtid_domain_id','gtid_binlog_state',
'gtid_slave_pos','slave_skip_errors','slave_exec_mode','slave_net_timeout','rpl_semi_sync_master_enabled','rpl_semi_sync_master_timeout');
SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_status','Rpl_semi_sync_master_clients');
` + dumpsAndTable + "; SHOW MASTER STATUS; SHOW ALL SLAVES STATUS",
	sideTables: 6,
	fill: func(s *side, tables [][]row) {
		s.fill(tables)
		s.channels = channelsOf(tables[5])
	},
	state:    "@@gtid_binlog_state",
	log:      "SHOW MASTER STATUS",
	status:   "SHOW ALL SLAVES STATUS",
	channels: func(tables [][]row) []row { return tables[0] },

	beat:  insertBeat + "; SELECT ROW_COUNT() AS changed, @@last_gtid AS gtid, @@gtid_binlog_state AS state",
	split: func(h *beat) error { return h.split() },
	passive: func(string) (string, []any) {
		return "SELECT @@gtid_binlog_pos AS position, @@gtid_binlog_state AS state, " + readOnlyText + " AS fence", nil
	},
	moved:   func(last, position, _ string) (string, string) { return moved(last, position), position },
	foreign: foreign,

	forth: func(s *session, h beat, lag cutover.T) (string, []any) { return gtidWait, s.loopParams(h, lag) },
	only:  func(s *session, h beat, lag cutover.T) (string, []any) { return readerWait, s.loopParams(h, lag) },
	arrival: func(h beat, a answer, tables [][]row) (string, row, cutover.T) {
		r, after := firstRow(tables, 0), h.sent
		if since, err := span(r["unlogged"]); err == nil {
			after = a.sent + a.spent(since)
		}
		return r["fence"], firstRow(tables, 1), after
	},
	back: func(s *session, h beat, pos position, lag cutover.T, plain bool) (string, []any) {
		at := []any{pos.file, pos.offset, s.channel}
		if plain {
			return positionWait, at
		}
		return roundWait, append(s.loopParams(h, lag), at...)
	},
	passed: func(_ position, plain bool, tables [][]row) (string, []row, bool) {
		if len(tables) < 2 {
			return "", nil, false
		}
		return firstRow(tables, 0)["state"], tables[1], plain
	},

	identity: "server_id",
	words: words{status: "SHOW ALL SLAVES STATUS", stop: "STOP SLAVE", start: "START SLAVE", change: "CHANGE MASTER TO",
		heartbeat: "MASTER_HEARTBEAT_PERIOD=1", delay: "MASTER_DELAY=0", gtid: "MASTER_USE_GTID=slave_pos",
		end: "STOP SLAVE 'NAME', RESET SLAVE 'NAME' ALL"},
	grants: Grants,
	verbs:  mariadbVerbs,
}

// appliedNumber is how far the GTID domain ? is applied, loggedNumber how far the stream ? (domain-server) is in the binlog; 0: not at all.
const (
	appliedNumber = "CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(SUBSTRING_INDEX(CONCAT(',', @@gtid_slave_pos), CONCAT(',', ?, '-'), -1), ',', 1), '-', -1) AS UNSIGNED)"
	loggedNumber  = "CAST(SUBSTRING_INDEX(SUBSTRING_INDEX(CONCAT(',', @@gtid_binlog_state), CONCAT(',', ?, '-'), -1), ',', 1) AS UNSIGNED)"
)

// waitLoop waits until a GTID is applied, for at most a slice. It leaves code (0: applied), began, and the last moments at which
// it was not applied (missed) and not in the binlog (unlogged), NULL if it was at once. For loopParams.
//
// It looks at the server's variables, because "not yet" from MASTER_GTID_WAIT is no proof: where several wait, one of them looks for
// all, and may be late.
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
const gtidWait = waitLoop + `SELECT missed - began AS missed, UNIX_TIMESTAMP(SYSDATE(6)) - began AS held, code, unlogged - began AS unlogged, ` +
	readOnlyText + ` AS fence;
END; SHOW MASTER STATUS`

// readerWait is asked of a reader.
const readerWait = waitLoop + `SELECT missed - began AS missed, UNIX_TIMESTAMP(SYSDATE(6)) - began AS held, code;
END`

// roundWait and positionWait are asked of X. MASTER_POS_WAIT's time-out is in whole seconds (0 is for ever) and its answer the number
// of events it waited for: 0 is "already there". The state of the threads travels in the same round trip.
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
ELSE SET pos = IF(code IS NULL, NULL, -1);
END IF;
SELECT missed - began AS missed, UNIX_TIMESTAMP(SYSDATE(6)) - began AS held, pos AS code, @@gtid_binlog_state AS state;
END; SHOW ALL SLAVES STATUS`

const positionWait = `BEGIN NOT ATOMIC
DECLARE began, missed DECIMAL(20,6); DECLARE pos INT;
SET began = UNIX_TIMESTAMP(SYSDATE(6));
SET pos = MASTER_POS_WAIT(?, ?, 1, ?);
IF pos <> 0 THEN SET missed = began; END IF;
SELECT missed - began AS missed, UNIX_TIMESTAMP(SYSDATE(6)) - began AS held, pos AS code, @@gtid_binlog_state AS state;
END; SHOW ALL SLAVES STATUS`

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

// moved is the part of a GTID position that differs from the last one, by domain.
func moved(last, position string) string {
	known := map[string]bool{}
	for _, gtid := range strings.Split(last, ",") {
		known[gtid] = true
	}
	var changed []string
	for _, gtid := range strings.Split(position, ",") {
		if gtid != "" && !known[gtid] {
			changed = append(changed, gtid)
		}
	}
	return strings.Join(changed, ",")
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
