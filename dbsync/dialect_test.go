package dbsync

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
)

// recordedRing is two servers of a file of testdata/dialects; change makes others of the cloud's, which is fenced.
func recordedRing(t *testing.T, files [2]string, change func(string) string) *Ring {
	t.Helper()
	r := openLab(t, Pair{Name: "feed-db", Rooms: [2]cutover.Room{"home", "cloud"}, DSN: [2]string{"u:p@tcp(home:3306)/", "u:p@tcp(cloud:3306)/"}})
	uuids := []string{"aaaaaaaa-0000-11f1-8000-000000000001", "bbbbbbbb-0000-11f1-8000-000000000002"}
	for i, n := range r.nodes {
		as := change
		if i == 0 {
			as = func(s string) string { return s }
		}
		server, err := readRecorded(files[i], as, "{id}", fmt.Sprint(i+1), "{other}", fmt.Sprint(2-i), "{uuid}", uuids[i], "{otheruuid}", uuids[1-i],
			"{writeruuid}", uuids[0], "{room}", n.room, "{ro}", []string{"OFF", "ON"}[i])
		if err != nil {
			t.Fatal(err)
		}
		_ = n.db.Close()
		n.db = sql.OpenDB(server)
	}
	return r
}

// TestDialects: servers of every version that is told apart, as they were recorded or as their manuals have them, are well; and each
// fault of one is found by the check for it, under whatever name this version says it.
func TestDialects(t *testing.T) {
	files, err := filepath.Glob("testdata/dialects/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	whole := func(s string) string { return s }
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			found, err := recordedRing(t, [2]string{file, file}, whole).Check(t.Context())
			if err != nil || len(found) < 20 {
				t.Fatalf("%d findings, %v", len(found), err)
			}
			for _, f := range found {
				if !f.OK {
					t.Errorf("bad on a healthy pair: %s", f)
				}
			}
			for _, c := range recordedFaults {
				was := regexp.MustCompile(`(?m)^(` + c.name + `\t).*$`)
				if strings.Contains(file, "mariadb") && c.mysql || strings.Contains(file, "mysql") && c.mariadb {
					continue
				}
				touched := false
				found, err := recordedRing(t, [2]string{file, file}, func(s string) string {
					touched = was.MatchString(s)
					return was.ReplaceAllString(s, "${1}"+c.value)
				}).Check(t.Context())
				if err != nil || !touched {
					t.Fatalf("%s: %v, and there is such a line: %v", c.name, err, touched)
				}
				if !slices.ContainsFunc(found, func(f Finding) bool { return !f.OK && f.Check == c.check && f.Room == "cloud" }) {
					t.Errorf("%s=%s: no bad finding of %s for the cloud", c.name, c.value, c.check)
				}
			}
		})
	}
}

// recordedFaults are lines of the cloud's file, by patterns of their names, and the check that finds them.
var recordedFaults = []struct {
	name, value, check string
	mysql, mariadb     bool // of that engine alone
}{
	{name: "(Slave|Replica)_IO_Running", value: "Connecting", check: "threads"},
	{name: "(Slave|Replica)_SQL_Running", value: "No", check: "threads"},
	{name: "Last_SQL_Errno", value: "1062", check: "threads"},
	{name: "SQL_Delay", value: "5", check: "delay"},
	{name: "Until_Condition", value: "Master", check: "until"},
	{name: "Replicate_Ignore_DB", value: "other", check: "filters"},
	{name: "Replicate_Wild_Do_Table", value: "app.%", check: "filters"},
	{name: "Auto_Position", value: "0", check: "gtid", mysql: true},
	{name: "Using_Gtid", value: "No", check: "gtid", mariadb: true},
	{name: "gtid_mode", value: "ON_PERMISSIVE", check: "strict", mysql: true},
	{name: "gtid_strict_mode", value: "OFF", check: "strict", mariadb: true},
	{name: "(Source|Master)_Retry_Count", value: "10\nConnect_Retry\t60", check: "retries", mysql: true},
	{name: "(Source|Master)_UUID", value: "cccccccc-0000-11f1-8000-000000000003", check: "ring", mysql: true},
	{name: "Master_Server_Id", value: "3", check: "ring", mariadb: true},
	{name: "super_read_only", value: "OFF", check: "fence", mysql: true},
	{name: "log_(slave|replica)_updates", value: "OFF", check: "log"},
	{name: "binlog_format", value: "MIXED", check: "log"},
	{name: "(slave|replica)_exec_mode", value: "IDEMPOTENT", check: "skipping"},
	{name: "(slave|replica)_skip_errors", value: "1062", check: "skipping"},
	{name: "sql_(slave|replica)_skip_counter", value: "1", check: "skipping", mysql: true},
	{name: "channel\theartbeats\tperiod\n", value: "{n}\t30.000", check: "heartbeat", mysql: true},
	{name: "Slave_heartbeat_period", value: "30.000", check: "heartbeat", mariadb: true},
	{name: "rpl_semi_sync_(master|source)_timeout", value: "9000000\nrpl_semi_sync_master_enabled\tON\nrpl_semi_sync_source_enabled\tON", check: "semi-sync"},
}

// TestMixedPair: two engines, or two series of one, are no pair: nothing is judged, nothing is measured, and the reason names both.
func TestMixedPair(t *testing.T) {
	for _, c := range []struct{ home, cloud, says string }{
		{"mariadb-10.11", "mysql-9.7", "MariaDB 10.11.14 and MySQL 9.7.4"},
		{"mysql-8.0.36", "mysql-8.4", "MySQL 8.0.36 and MySQL 8.4.3"},
	} {
		files := [2]string{"testdata/dialects/" + c.home + ".txt", "testdata/dialects/" + c.cloud + ".txt"}
		whole := func(s string) string { return s }
		found, err := recordedRing(t, files, whole).Check(t.Context())
		if err != nil || len(found) != 3 {
			t.Fatalf("%d findings, %v; want the two of answers, and engines", len(found), err)
		}
		failedIn(t, found, "engines", "")
		r := recordedRing(t, files, whole)
		_, err = r.newSession(t.Context(), WatchOptions{Now: clock}, r.nodes[0], r.nodes[1])
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(string(reason(err)), "error: ") {
			t.Errorf("measured: %v, want %q", err, c.says)
		}
	}
}

// TestStatementsOfVersions: each version is asked in words that it has.
func TestStatementsOfVersions(t *testing.T) {
	for text, c := range map[string]struct{ has, hasnt []string }{
		"5.7.44":         {[]string{"SHOW SLAVE STATUS", "SHOW MASTER STATUS", "MASTER_POS_WAIT(?, ?, 1, ?)", "SET_WAIT 1"}, []string{"REPLICA STATUS", "BINARY LOG STATUS", "RECURSIVE", "START_APPLY"}},
		"8.0.21":         {[]string{"SHOW SLAVE STATUS", "SHOW MASTER STATUS", "MASTER_POS_WAIT", "START_APPLY"}, []string{"REPLICA STATUS", "BINARY LOG STATUS", "SOURCE_POS_WAIT"}},
		"8.0.22":         {[]string{"SHOW REPLICA STATUS", "SHOW MASTER STATUS", "MASTER_POS_WAIT"}, []string{"SLAVE STATUS", "SOURCE_POS_WAIT"}},
		"8.0.26":         {[]string{"SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SOURCE_POS_WAIT", "RECURSIVE"}, []string{"SLAVE STATUS", "MASTER_POS_WAIT"}},
		"8.4.0":          {[]string{"SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SOURCE_POS_WAIT"}, []string{"SLAVE STATUS", "MASTER STATUS"}},
		"9.7.4":          {[]string{"SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SOURCE_POS_WAIT"}, []string{"SLAVE STATUS", "MASTER STATUS"}},
		"26.10.0":        {[]string{"SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SOURCE_POS_WAIT"}, []string{"SLAVE STATUS", "MASTER STATUS"}},
		"11.8.6-MariaDB": {[]string{"SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS", "MASTER_GTID_WAIT"}, []string{"REPLICA", "gtid_executed", "performance_schema"}},
	} {
		v, err := parseVersion(text)
		if err != nil {
			t.Fatal(err)
		}
		d := dialectOf(v)
		s := &session{slice: shortestSlice, d: d}
		forth, _ := d.forth(s, beat{}, 0)
		back, _ := d.back(s, beat{}, position{}, 0, false)
		only, _ := d.only(s, beat{}, 0)
		all := strings.Join([]string{d.side, d.log, d.status, d.beat, forth, back, only}, "\n")
		all = strings.ReplaceAll(all, "WAIT_FOR_EXECUTED_GTID_SET(?, 1)", "SET_WAIT 1")
		for _, w := range c.has {
			if !strings.Contains(all, w) {
				t.Errorf("%s isn't asked %q", v, w)
			}
		}
		for _, w := range c.hasnt {
			if strings.Contains(all, w) {
				t.Errorf("%s is asked %q", v, w)
			}
		}
	}
}

func TestForeignSets(t *testing.T) {
	const x, y = "aaaaaaaa-0000-11f1-8000-000000000001", "bbbbbbbb-0000-11f1-8000-000000000002"
	for set, want := range map[string]string{"": "", x + ":1-9": "", x + ":1-9,\n" + y + ":1-3:5": y + ":1-3:5", strings.ToUpper(x) + ":1,\n" + x + ":tag:1-2": "",
		y + ":tag:4": y + ":tag:4"} {
		if got := foreignSets(set, x); got != want {
			t.Errorf("%q: %q, want %q", set, got, want)
		}
	}
}
