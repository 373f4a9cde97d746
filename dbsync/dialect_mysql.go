package dbsync

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
)

// mysqlForms are what differs between versions of MySQL.
type mysqlForms struct {
	show, log string
	words     words
	workers   bool // its table of workers has times
	looks     bool // its waits know parts of a second
}

// mysqlOf is the dialect of a version of MySQL.
func mysqlOf(v version) *dialect {
	f := mysqlForms{show: "SHOW REPLICA STATUS", log: "SHOW BINARY LOG STATUS", words: mysqlWords, workers: v.since(8, 0), looks: v.since(8, 0, 26)}
	if !v.since(8, 0, 22) {
		f.show, f.words = "SHOW SLAVE STATUS", mysqlOldWords // gone since 8.4
	}
	if !v.since(8, 2) {
		f.log = "SHOW MASTER STATUS" // gone since 8.4
	}
	return mysqlWith(f)
}

func mysqlWith(f mysqlForms) *dialect {
	log, status, age := f.log, f.show+"; "+receiving, workersAge
	if !f.workers {
		age = "SELECT NULL"
	}
	forth, back := onceForth, onceBack
	if f.looks {
		forth, back = looksForth, looksBack
	}
	return &dialect{
		side:       mysqlVariables + dumpsAndTable + "; " + log + "; " + status,
		sideTables: 7,
		fill: func(s *side, tables [][]row) {
			tables[0], tables[1] = oldNames(tables[0]), oldNames(tables[1])
			s.fill(tables)
			s.channels = channelsOf(mysqlChannels(tables))
		},
		state:    "@@global.gtid_executed",
		log:      log,
		status:   status,
		channels: mysqlChannels,

		beat: "SET @roomshift_before = @@global.gtid_executed; " + insertBeat +
			"; SELECT ROW_COUNT() AS changed, GTID_SUBTRACT(@@global.gtid_executed, @roomshift_before) AS gtid, @@global.gtid_executed AS state",
		split: func(*beat) error { return nil },
		passive: func(last string) (string, []any) {
			return "SELECT GTID_SUBTRACT(@@global.gtid_executed, ?) AS position, @@global.gtid_executed AS state, " + readOnlyText + " AS fence", []any{last}
		},
		moved:   func(_, position, state string) (string, string) { return position, state },
		foreign: foreignSets,

		forth: func(s *session, h beat, lag cutover.T) (string, []any) {
			query, params := forth(s, h, lag)
			return query + "; SELECT (" + age + ") AS age, " + readOnlyText + " AS fence; " + log, params
		},
		only:    forth,
		arrival: mysqlArrival,
		back: func(s *session, _ beat, pos position, lag cutover.T, _ bool) (string, []any) {
			query, params := back(s, pos, lag)
			return query + "; SELECT @@global.gtid_executed AS state; " + status, params
		},
		passed: mysqlPassed,
		has:    "SELECT GTID_SUBSET(?, @@global.gtid_executed), GTID_SUBSET(?, @@global.gtid_executed)",

		identity: "server_uuid",
		words:    f.words,
		grants:   GrantsMySQL,
		verbs:    mysqlVerbs,
	}
}

var mysqlWords = words{status: "SHOW REPLICA STATUS", stop: "STOP REPLICA", start: "START REPLICA", change: "CHANGE REPLICATION SOURCE TO",
	heartbeat: "SOURCE_HEARTBEAT_PERIOD=1", delay: "SOURCE_DELAY=0", gtid: "SOURCE_AUTO_POSITION=1", retries: "SOURCE_RETRY_COUNT=0",
	end: "STOP REPLICA FOR CHANNEL 'NAME', RESET REPLICA ALL FOR CHANNEL 'NAME'"}

var mysqlOldWords = words{status: "SHOW SLAVE STATUS", stop: "STOP SLAVE", start: "START SLAVE", change: "CHANGE MASTER TO",
	heartbeat: "MASTER_HEARTBEAT_PERIOD=1", delay: "MASTER_DELAY=0", gtid: "MASTER_AUTO_POSITION=1", retries: "MASTER_RETRY_COUNT=0",
	end: "STOP SLAVE FOR CHANNEL 'NAME', RESET SLAVE ALL FOR CHANNEL 'NAME'"}

// mysqlVariables are asked for under their old and their new names: each version has one of them, or both.
const mysqlVariables = `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version','server_id','server_uuid','port','hostname','read_only',
'super_read_only','log_bin','log_slave_updates','log_replica_updates','binlog_format','binlog_row_image','gtid_mode',
'enforce_gtid_consistency','slave_skip_errors','replica_skip_errors','slave_exec_mode','replica_exec_mode',
'sql_slave_skip_counter','sql_replica_skip_counter','slave_net_timeout','replica_net_timeout',
'rpl_semi_sync_master_enabled','rpl_semi_sync_source_enabled','rpl_semi_sync_master_timeout','rpl_semi_sync_source_timeout');
SHOW GLOBAL STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_status','Rpl_semi_sync_source_status',
'Rpl_semi_sync_master_clients','Rpl_semi_sync_source_clients');
`

// receiving is what SHOW REPLICA STATUS doesn't say of a channel: its heartbeats.
const receiving = `SELECT s.CHANNEL_NAME AS channel, s.COUNT_RECEIVED_HEARTBEATS AS heartbeats, c.HEARTBEAT_INTERVAL AS period
FROM performance_schema.replication_connection_status AS s
JOIN performance_schema.replication_connection_configuration AS c ON c.CHANNEL_NAME = s.CHANNEL_NAME`

// workersAge is how long ago, in microseconds by Y's clock, a worker began to apply the newest of what the workers have applied. What a
// worker has committed a moment ago it still calls applying.
const workersAge = `SELECT TIMESTAMPDIFF(MICROSECOND, MAX(GREATEST(LAST_APPLIED_TRANSACTION_START_APPLY_TIMESTAMP,
IF(IF(APPLYING_TRANSACTION LIKE '%:%', GTID_SUBSET(APPLYING_TRANSACTION, @@global.gtid_executed), 0),
APPLYING_TRANSACTION_START_APPLY_TIMESTAMP, LAST_APPLIED_TRANSACTION_START_APPLY_TIMESTAMP))), SYSDATE(6))
FROM performance_schema.replication_applier_status_by_worker`

// looks waits inside one statement by waiting again and again for a moment only, so that the server says itself when it saw last that
// there was nothing yet: at is stamped before each look, and MySQL works a row's columns out from left to right. It ends when code is
// no longer notYet, and after a slice at the latest. The hint is for servers that were told to allow less.
func looks(s *session, lag cutover.T, wait func(pause string) string, notYet, last string, args ...any) (query string, params []any) {
	pause := strconv.FormatFloat(lookOf(lag).Seconds(), 'f', 6, 64)
	// All looks but the first take their time-out from the row before: of a constant a server may work out the wait once for all.
	return fmt.Sprintf(`WITH RECURSIVE look (began, at, pause, code) AS (SELECT SYSDATE(6), SYSDATE(6), %[1]s, %[2]s
UNION ALL SELECT began, SYSDATE(6), pause, %[3]s FROM look WHERE code = %[4]s AND TIMESTAMPDIFF(MICROSECOND, began, SYSDATE(6)) < %[5]d)
SELECT /*+ SET_VAR(cte_max_recursion_depth = 5000) */ UNIX_TIMESTAMP(MAX(IF(code = %[4]s, at, NULL))) - UNIX_TIMESTAMP(MIN(began)) AS missed,
UNIX_TIMESTAMP(SYSDATE(6)) - UNIX_TIMESTAMP(MIN(began)) AS held, IF(SUM(code IS NULL) > 0, NULL, %[6]s(code)) AS code FROM look`,
		pause, wait(pause), wait("pause"), notYet, s.slice.Microseconds(), last), slices.Concat(args, args)
}

func looksForth(s *session, h beat, lag cutover.T) (string, []any) {
	return looks(s, lag, func(pause string) string { return "WAIT_FOR_EXECUTED_GTID_SET(?, " + pause + ")" }, "1", "MIN", h.gtid)
}

func looksBack(s *session, pos position, lag cutover.T) (string, []any) {
	return looks(s, lag, func(pause string) string { return "SOURCE_POS_WAIT(?, ?, " + pause + ", ?)" }, "-1", "MAX", pos.file, pos.offset, s.channel)
}

// onceForth and onceBack are for servers whose waits may know whole seconds only: one look before one wait. LIMIT keeps the inner
// SELECT from being worked out more than once.
func onceForth(_ *session, h beat, _ cutover.T) (string, []any) {
	return "SELECT IF(already, NULL, 0.000000) AS missed, ended - began AS held, code FROM (SELECT UNIX_TIMESTAMP(SYSDATE(6)) AS began, " +
			"GTID_SUBSET(?, @@global.gtid_executed) AS already, WAIT_FOR_EXECUTED_GTID_SET(?, 1) AS code, UNIX_TIMESTAMP(SYSDATE(6)) AS ended LIMIT 1) AS once",
		[]any{h.gtid, h.gtid}
}

func onceBack(s *session, pos position, _ cutover.T) (string, []any) {
	return "SELECT IF(code = 0, NULL, 0.000000) AS missed, ended - began AS held, code FROM (SELECT UNIX_TIMESTAMP(SYSDATE(6)) AS began, " +
		"MASTER_POS_WAIT(?, ?, 1, ?) AS code, UNIX_TIMESTAMP(SYSDATE(6)) AS ended LIMIT 1) AS once", []any{pos.file, pos.offset, s.channel}
}

// mysqlArrival: what a worker has applied was logged after it began with it, and lies before the binlog's end that is read next.
func mysqlArrival(h beat, a answer, tables [][]row) (fence string, log row, after cutover.T) {
	r := firstRow(tables, 1)
	after = h.sent
	if age, err := strconv.ParseInt(r["age"], 10, 64); err == nil && age >= 0 {
		age := cutover.T(age) * cutover.T(time.Microsecond)
		after = max(after, a.told()-age-age/1000)
	}
	return r["fence"], firstRow(tables, 2), after
}

// mysqlPassed: X notes how far it is when nothing else is left to apply, or each replica_checkpoint_period. What it hasn't received yet
// it hasn't applied either.
func mysqlPassed(pos position, _ bool, tables [][]row) (state string, status []row, proven bool) {
	status = mysqlChannels(tables)
	if len(status) == 1 {
		got, err := parsePosition(status[0]["Master_Log_File"], status[0]["Read_Master_Log_Pos"])
		proven = err == nil && got.compare(pos) < 0
	}
	return firstRow(tables, 1)["state"], status, proven
}

// mysqlChannels are the rows of SHOW REPLICA STATUS with what receiving says of them: the last two tables.
func mysqlChannels(tables [][]row) []row {
	if len(tables) < 2 {
		return nil
	}
	channels := oldNames(tables[len(tables)-2])
	for _, c := range channels {
		for _, r := range tables[len(tables)-1] {
			if r["channel"] == c["Channel_Name"] {
				c["Slave_received_heartbeats"], c["Slave_heartbeat_period"] = r["heartbeats"], r["period"]
			}
		}
		c["Connection_name"] = c["Channel_Name"]
	}
	return channels
}

// oldName turns the words that MySQL has given up, and MariaDB hasn't, into the old ones.
var oldName = strings.NewReplacer("Source", "Master", "source", "master", "Replica_", "Slave_", "replica_", "slave_")

// oldNames are rows with old column names; of variables, with old names of these.
func oldNames(rows []row) []row {
	out := make([]row, len(rows))
	for i, r := range rows {
		out[i] = row{}
		for c, v := range r {
			if c == "Variable_name" {
				v = oldName.Replace(v)
			}
			out[i][oldName.Replace(c)] = v
		}
	}
	return out
}

// foreignSets is the part of a GTID set that other servers than the one with this UUID wrote. A set is server:numbers, or
// server:tag:numbers, with commas between servers; nothing more of it is read.
func foreignSets(set, uuid string) string {
	var others []string
	for _, part := range strings.Split(set, ",") {
		part = strings.TrimSpace(part)
		if server, _, _ := strings.Cut(part, ":"); part != "" && !strings.EqualFold(server, uuid) {
			others = append(others, part)
		}
	}
	slices.Sort(others)
	return strings.Join(others, ",")
}
