package dbsync

import (
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// findings are what Check says of the lab now.
func findings(t *testing.T, p Pair) []Finding {
	t.Helper()
	found, err := openLab(t, p).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		said(f.String())
		if f.OK == (f.Do != "") {
			t.Errorf("%s: OK %v, but what to do is %q", f, f.OK, f.Do)
		}
	}
	return found
}

// failed is the finding of one check for one room, which must not be OK.
func failed(t *testing.T, check, room string) Finding {
	t.Helper()
	return failedIn(t, findings(t, labPair()), check, room)
}

func failedIn(t *testing.T, found []Finding, check, room string) Finding {
	t.Helper()
	var all []string
	for _, f := range found {
		if f.Check == check && f.Room == room && !f.OK {
			return f
		}
		all = append(all, f.String())
	}
	t.Fatalf("no bad finding of %s for %s in\n%s", check, room, strings.Join(all, "\n"))
	return Finding{}
}

func TestCheckHealthy(t *testing.T) { onBoth(t, testCheckHealthy) }

func testCheckHealthy(t *testing.T) {
	heal(t)
	var names []string
	for _, f := range findings(t, labPair()) {
		if !f.OK {
			t.Errorf("bad on a healthy ring: %s", f)
		}
		names = append(names, f.Check+"@"+f.Room)
	}
	fence, retries := "", ""
	if onMySQL() {
		fence, retries = "fence@cloud ", "retries@home retries@cloud "
	}
	want := "answers@home answers@cloud engines@ identity@ ring@home ring@cloud writer@ " + fence + "threads@home threads@cloud delay@home delay@cloud " +
		"until@home until@cloud alive@home alive@cloud heartbeat@home heartbeat@cloud " + retries + "gtid@home gtid@cloud strict@home strict@cloud " +
		"sets@cloud log@home log@cloud filters@home filters@cloud skipping@home skipping@cloud semi-sync@home semi-sync@cloud table@home table@cloud"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("findings\n%s\nwant\n%s", got, want)
	}
}

// refusal is one thing that is broken on a ring, and the check that finds it.
type refusal struct {
	name, room    string   // where it is broken
	breaks, mends []string // statements there
	check, at     string
	seen          string
	also          string // checks that fail with it, by the nature of the thing
}

// refusals are of both engines, and of each alone.
var (
	refusals = []refusal{
		{"applier stopped", "cloud", []string{"STOP SLAVE SQL_THREAD"}, nil, "threads", "cloud", "applier No", ""},
		{"receiver stopped", "home", []string{"STOP SLAVE IO_THREAD"}, nil, "threads", "home", "receiving thread No", "alive"},
		{"delayed", "cloud", []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=3, MASTER_HEARTBEAT_PERIOD=1", "START SLAVE"}, nil, "delay", "cloud", "SQL_Delay=3", ""},
		{"two writers", "cloud", []string{"SET GLOBAL read_only=0"}, nil, "writer", "", "two writers", ""},
		{"slow heartbeat", "home", []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD=4.5", "START SLAVE"}, nil, "heartbeat", "home", "4.5s", "alive"},
		{"no heartbeat", "home", []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_HEARTBEAT_PERIOD=0", "START SLAVE"}, nil, "heartbeat", "home", "none", "alive"},
		{"half rows", "home", []string{"SET GLOBAL binlog_row_image=MINIMAL"}, []string{"SET GLOBAL binlog_row_image=FULL"}, "log", "home", "MINIMAL", ""},
		{"idempotent", "cloud", []string{"SET GLOBAL slave_exec_mode=IDEMPOTENT"}, []string{"SET GLOBAL slave_exec_mode=STRICT"}, "skipping", "cloud", "IDEMPOTENT", ""},
	}
	refusalsMariaDB = []refusal{
		{"no writer", "home", []string{"SET GLOBAL read_only=1"}, nil, "writer", "", "no writer", ""},
		{"no GTID", "home", []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID=no, MASTER_HEARTBEAT_PERIOD=1", "START SLAVE"}, nil, "gtid", "home", "Using_Gtid=No", "alive"},
		{"statements", "cloud", []string{"SET GLOBAL binlog_format=STATEMENT"}, []string{"SET GLOBAL binlog_format=ROW"}, "log", "cloud", "binlog_format=STATEMENT", ""},
		{"not strict", "cloud", []string{"SET GLOBAL gtid_strict_mode=0"}, []string{"SET GLOBAL gtid_strict_mode=1"}, "strict", "cloud", "OFF", ""},
		{"a filter", "cloud", []string{"STOP SLAVE", "SET GLOBAL replicate_ignore_db='other'", "START SLAVE"},
			[]string{"STOP SLAVE", "SET GLOBAL replicate_ignore_db=''", "START SLAVE"}, "filters", "cloud", "Replicate_Ignore_DB=other", ""},
	}
	refusalsMySQL = []refusal{
		{"no writer", "home", []string{"SET GLOBAL super_read_only=1"}, nil, "writer", "", "no writer", ""},
		{"no GTID", "home", []string{"STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID=no, MASTER_HEARTBEAT_PERIOD=1", "START SLAVE"}, nil, "gtid", "home", "Auto_Position=0", ""},
		{"statements", "cloud", []string{"STOP SLAVE", "SET GLOBAL binlog_format=STATEMENT", "START SLAVE"},
			[]string{"STOP SLAVE", "SET GLOBAL binlog_format=ROW", "START SLAVE"}, "log", "cloud", "binlog_format=STATEMENT", ""},
		{"read_only alone", "cloud", []string{"SET GLOBAL super_read_only=0"}, nil, "fence", "cloud", "super_read_only=OFF", ""},
		{"not only GTIDs", "cloud", []string{"SET GLOBAL gtid_mode=ON_PERMISSIVE"}, []string{"SET GLOBAL gtid_mode=ON"}, "strict", "cloud", "gtid_mode=ON_PERMISSIVE", ""},
		{"a filter", "cloud", []string{"STOP SLAVE", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(other)", "START SLAVE"},
			[]string{"STOP SLAVE", "CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=()", "START SLAVE"}, "filters", "cloud", "Replicate_Ignore_DB=other", ""},
		{"gives up", "home", []string{"STOP SLAVE", "CHANGE MASTER TO SOURCE_RETRY_COUNT=10, SOURCE_HEARTBEAT_PERIOD=1", "START SLAVE"}, nil, "retries", "home", "10 tries", ""},
	}
)

// TestCheckRefuses breaks one thing at a time on the real ring: exactly the check for it fails.
func TestCheckRefuses(t *testing.T) { onBoth(t, testCheckRefuses) }

func testCheckRefuses(t *testing.T) {
	all := slices.Concat(refusals, refusalsMariaDB)
	if onMySQL() {
		all = slices.Concat(refusals[:5], refusalsMySQL) // the rest is the same, and in TestDialects
	}
	for i, c := range all {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && onMySQL() && i%4 != 0 {
				t.Skip("short")
			}
			heal(t)
			t.Cleanup(func() {
				run(t, c.room, c.mends...)
				repoint(t, c.room)
				heal(t)
			})
			run(t, c.room, c.breaks...)
			if c.breaks[len(c.breaks)-1] == "START SLAVE" {
				if err := lab.Await(t.Context()); err != nil { // threads that are still starting aren't what is tested
					t.Fatal(err)
				}
			}
			found := findings(t, labPair())
			if f := failedIn(t, found, c.check, c.at); !strings.Contains(f.Seen, c.seen) {
				t.Errorf("%s, want it to have seen %q", f, c.seen)
			}
			for _, f := range found {
				if !f.OK && f.Check != c.check && f.Check != c.also {
					t.Errorf("%s fails too", f)
				}
			}
		})
	}
}

// TestCheckCut: threads say Yes and lag says 0 on a line that was cut; that it is stale is seen all the same.
func TestCheckCut(t *testing.T) { onBoth(t, testCheckCut) }

func testCheckCut(t *testing.T) {
	heal(t)
	t.Cleanup(func() { heal(t) })
	lab.Cut("home", "cloud")
	found := findings(t, labPair())
	if f := failedIn(t, found, "alive", "cloud"); !strings.Contains(f.Seen, "stale") {
		t.Errorf("%s, want it stale", f)
	}
	for _, f := range found {
		if !f.OK && f.Check != "alive" {
			t.Errorf("%s fails too", f)
		}
	}
}

// TestCheckErrant: a transaction that only the fenced side has, and can't send on.
func TestCheckErrant(t *testing.T) { onBoth(t, testCheckErrant) }

func testCheckErrant(t *testing.T) {
	heal(t)
	t.Cleanup(func() { heal(t) })
	lab.Cut("cloud", "home")
	passFence(t)
	run(t, "cloud", "CREATE TABLE IF NOT EXISTS app.errant (id INT AUTO_INCREMENT PRIMARY KEY)", "INSERT INTO app.errant VALUES ()")
	f := failed(t, "sets", "cloud")
	own := "2-2-"
	if onMySQL() {
		if err := lab.Master("cloud").DB().QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&own); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(f.Seen, own) {
		t.Errorf("%s, want cloud's own stream named", f)
	}
}

func TestCheckSameServerTwice(t *testing.T) { onBoth(t, testCheckSameServerTwice) }

func testCheckSameServerTwice(t *testing.T) {
	heal(t)
	far, err := server.NewProxy(lab.Master("home").Addr()) // another address of the same server
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(far.Close)
	p := labPair()
	p.DSN[1] = lab.Master("home").DSNAt(server.Roomshift, far.Addr())
	f := failedIn(t, findings(t, p), "identity", "")
	if !strings.Contains(f.Seen, "same server") || !strings.Contains(f.Do, far.Addr()) {
		t.Errorf("%s, want both DSNs named as one server", f)
	}
	g := watch(t, openLab(t, p), fast)
	for _, room := range []cutover.Room{"home", "cloud"} {
		g.await(t, 0, room, fast.MaxAge*5, "unknown", unknownFor("no data"))
	}
}

// TestCheckUnanswered: a master that can't be asked is one finding, and nothing else is guessed.
func TestCheckUnanswered(t *testing.T) { onBoth(t, testCheckUnanswered) }

func testCheckUnanswered(t *testing.T) {
	heal(t)
	p := labPair()
	p.DSN[1] = "roomshift:secret-9c1f@tcp(127.0.0.1:1)/"
	found := findings(t, p)
	if len(found) != 2 {
		t.Errorf("%d findings, want the two of answers", len(found))
	}
	f := failedIn(t, found, "answers", "cloud")
	if !strings.Contains(f.Do, "127.0.0.1:1") || strings.Contains(f.String(), "secret-9c1f") {
		t.Errorf("%s: want the address and no password", f)
	}
}
