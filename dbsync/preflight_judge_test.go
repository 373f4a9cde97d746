package dbsync

import (
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// judging is what a check says of answers that no server of the lab gives.
type judging struct {
	name    string
	check   preCheck
	version [2]string
	answers [2][]answered
	past    Rehearsal
	seen    string // of the finding that isn't OK, "" all are
	does    string
}

func rowsOf1(rs ...row) answered { return answered{rows: rs} }

func variable(pairs ...string) answered {
	var a answered
	for i := 0; i < len(pairs); i += 2 {
		a.rows = append(a.rows, row{"Variable_name": pairs[i], "Value": pairs[i+1]})
	}
	return a
}

// TestPreflightJudges: each check's judgement is pure, and right of what can't be made here.
func TestPreflightJudges(t *testing.T) {
	now := time.Date(2027, 1, 25, 12, 0, 0, 0, time.UTC)
	for _, c := range []judging{
		{name: "an older target", check: preIdentity(), version: [2]string{"10.11.14-MariaDB", "10.11.6-MariaDB"}, seen: "MariaDB 10.11.6, and home has MariaDB 10.11.14", does: "update cloud"},
		{name: "one address", check: preIdentity(), answers: [2][]answered{{rowsOf1(row{"id": "1", "port": "3306", "report": "db"})}, {rowsOf1(row{"id": "2", "port": "3306", "report": "db"})}}, seen: "report_host=db", does: "report_host"},
		{name: "another replica", check: preTopology(), answers: [2][]answered{{rowsOf1(row{"user": "repl", "host": "10.0.0.1:1"}, row{"user": "repl", "host": "10.0.0.9:1"})}, {rowsOf1(row{})}}, seen: "1 replicas beside the other master", does: "by GTID"},
		{name: "a program of orchestrator's", check: preActors(), answers: [2][]answered{{rowsOf1(row{"holder": null}), rowsOf1(row{"id": "7", "user": "tool"}), rowsOf1(row{"id": "7", "program": "orchestrator"})}, {rowsOf1(row{}), {}, {}}},
			seen: "connection 7, program orchestrator", does: "disable-global-recoveries"},
		{name: "purged by size", check: preRetention(), version: [2]string{"10.11.14-MariaDB", "10.11.14-MariaDB"},
			answers: [2][]answered{{variable("binlog_expire_logs_seconds", "0", "max_binlog_total_size", "1073741824"), {}, {}}, {variable("binlog_expire_logs_seconds", "0"), {}, {}}}, seen: "at most 1024 MB", does: "max_binlog_total_size=0"},
		{name: "purged by days", check: preRetention(), answers: [2][]answered{{variable("expire_logs_days", "0.5"), {}}, {variable("expire_logs_days", "7"), {}}}, seen: "kept for 12h0m0s", does: "expire_logs_days=1 "},
		{name: "never purged", check: preRetention(), answers: [2][]answered{{variable("binlog_expire_logs_seconds", "60", "binlog_expire_logs_auto_purge", "OFF"), {}}, {variable("binlog_expire_logs_seconds", "0"), {}}}},
		{name: "a full disk", check: preRetention(), version: [2]string{"10.11.14-MariaDB", "10.11.14-MariaDB"},
			answers: [2][]answered{{variable("binlog_expire_logs_seconds", "0"), {}, rowsOf1(row{"path": "/var/lib/mysql", "free": "50", "total": "1000"})}, {variable(), {}, {}}}, seen: "5 % of /var/lib/mysql free", does: "make room"},
		{name: "a backup by the plugin", check: preLocks(), version: [2]string{"10.11.14-MariaDB", "10.11.14-MariaDB"},
			answers: [2][]answered{{{}, rowsOf1(row{"id": "9", "user": "backup", "what": "Backup lock", "lock_type": "MDL_BACKUP_START"}), {}}, {{}, {}, {}}}, seen: "connection 9 of backup has Backup lock MDL_BACKUP_START", does: "KILL 9"},
		{name: "small memory", check: preRoom(), answers: [2][]answered{{variable("max_connections", "500", "innodb_buffer_pool_size", "8589934592"), variable("Threads_connected", "10")},
			{variable("max_connections", "500", "innodb_buffer_pool_size", "1073741824"), variable("Threads_connected", "10")}}, seen: "1024 MB", does: "innodb_buffer_pool_size=8589934592"},
		{name: "too many would come", check: preRoom(), answers: [2][]answered{{variable("max_connections", "500"), variable("Threads_connected", "400")}, {variable("max_connections", "500"), variable("Threads_connected", "100")}},
			seen: "400 of home would come", does: "max_connections=1000 in cloud"},
		{name: "drifted", check: preRehearsal(), past: Rehearsal{Compared: now.Add(-time.Hour), Verdict: Drifted, Differ: []string{"app.a"}, Moved: now, Took: time.Second}, seen: "1h0m0s ago its masters differed: app.a", does: "roomshift verify feed-db"},
		{name: "long ago", check: preRehearsal(), past: Rehearsal{Compared: now.Add(-200 * time.Hour), Verdict: Equal, Moved: now, Took: time.Second}, seen: "compared 200h0m0s ago", does: "roomshift verify feed-db"},
		{name: "well rehearsed", check: preRehearsal(), past: Rehearsal{Compared: now.Add(-time.Hour), Verdict: Equal, Moved: now, Took: time.Second}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := flight{o: PreflightOptions{To: "cloud", Now: now}.withDefaults(), pair: "feed-db", from: 0, to: 1, answers: c.answers, past: c.past}
			for i, room := range []string{"home", "cloud"} {
				text := c.version[i]
				if text == "" {
					text = "8.0.30"
				}
				v, err := parseVersion(text)
				ok(t, err)
				f.sides[i] = side{room: room, version: v, d: dialectOf(v), vars: row{}}
			}
			if c.answers[0] == nil {
				f.answers = [2][]answered{{rowsOf1(row{"id": "1"})}, {rowsOf1(row{"id": "2"})}}
			}
			var bad []Finding
			for _, x := range c.check.judge(&f) {
				if !x.OK {
					bad = append(bad, x)
				}
			}
			switch {
			case c.seen == "" && len(bad) > 0, c.seen != "" && len(bad) != 1:
				t.Errorf("%v, want %q", bad, c.seen)
			case c.seen != "" && (!strings.Contains(bad[0].Seen, c.seen) || !strings.Contains(bad[0].Do, c.does)):
				t.Errorf("%s, want %q, to do %q", bad[0], c.seen, c.does)
			}
		})
	}
}

// TestPreflightExcepts: what a pair is excepted from is said, with the reason, and stands in nobody's way; what refuses does.
func TestPreflightExcepts(t *testing.T) {
	found := excepted([]Finding{{Severity: cutover.Breaks, Rule: "writer.durable", Wanted: "1/1"}, {Severity: cutover.Breaks, Rule: "writer.keys"}, {Severity: cutover.Refuses}},
		map[string]string{"writer.durable": "a battery", "": "everything"})
	if found[0].Stands() || !strings.Contains(found[0].Wanted, "a battery") || !found[1].Stands() || !found[2].Stands() {
		t.Errorf("%v", found)
	}
}
