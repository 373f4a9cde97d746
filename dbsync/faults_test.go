package dbsync

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// fast is a watch that the tests can wait for.
var fast = WatchOptions{Every: 200 * time.Millisecond, MaxAge: 2 * time.Second}

// watched is a watch of the healed lab in which both directions are known.
func watched(t *testing.T) *readings {
	t.Helper()
	heal(t)
	g := watch(t, openLab(t, labPair()), fast)
	for _, room := range lab.Rooms {
		g.await(t, 0, room, 10*time.Second, "known", known)
	}
	t.Cleanup(func() {
		g.end()
		heal(t)
	})
	return g
}

func atLeast(lag float64) func(Reading) bool {
	return func(r Reading) bool { return r.LowerBound && r.Lo >= lag }
}

func unknownFor(words ...string) func(Reading) bool {
	return func(r Reading) bool {
		for _, w := range words {
			if !strings.Contains(string(r.Unknown), w) {
				return false
			}
		}
		return r.Unknown != ""
	}
}

func idle(r Reading) bool { return r.Idle }

func TestStoppedAppliers(t *testing.T) { onBoth(t, testStoppedAppliers) }

func testStoppedAppliers(t *testing.T) {
	g := watched(t)
	n := g.count()
	run(t, "cloud", "STOP SLAVE SQL_THREAD")
	g.await(t, n, "cloud", 5*time.Second, "a lower bound of 1 s", atLeast(1))
	g.await(t, n, "home", 5*time.Second, "idle", idle)
	run(t, "cloud", "START SLAVE")
	n = g.count()
	g.await(t, n, "cloud", 5*time.Second, "known", known)
	n = g.count()
	run(t, "home", "STOP SLAVE SQL_THREAD") // the position wait answers NULL
	g.await(t, n, "home", 5*time.Second, "unknown", unknownFor("no data", "into home", "applier No"))
	g.await(t, g.count(), "cloud", 5*time.Second, "known", known)
	run(t, "home", "START SLAVE", "STOP SLAVE IO_THREAD")
	g.await(t, g.count(), "home", 5*time.Second, "unknown", unknownFor("receiving thread No"))
}

// TestFrozenSource: a server that stands still answers nothing, and its lag is never 0.
func TestFrozenSource(t *testing.T) { onBoth(t, testFrozenSource) }

func testFrozenSource(t *testing.T) {
	for _, room := range []string{"home", "cloud"} {
		t.Run(room, func(t *testing.T) {
			g := watched(t)
			if err := lab.Master(room).Freeze(); err != nil {
				t.Fatal(err)
			}
			frozen, n := clock(), g.count()
			for _, to := range lab.Rooms {
				g.await(t, n, to, 10*time.Second, "unknown", unknownFor("no answer", "master in "+room))
			}
			fresh, _, _ := g.since(n)
			if err := lab.Master(room).Thaw(); err != nil {
				t.Fatal(err)
			}
			for _, r := range fresh {
				if (known(r) || r.Idle) && r.At > frozen {
					t.Errorf("%s at %v, %v after %s was frozen", show(r), r.At.Duration(), (r.At - frozen).Duration(), room)
				}
			}
			for _, to := range lab.Rooms {
				g.await(t, n, to, 10*time.Second, "known again", known)
			}
		})
	}
}

// TestKilledWriter: gone, back and fenced, opened: unknown, unknown, known.
func TestKilledWriter(t *testing.T) { onBoth(t, testKilledWriter) }

func testKilledWriter(t *testing.T) {
	g := watched(t)
	n := g.count()
	lab.Master("home").Kill()
	g.await(t, n, "cloud", 10*time.Second, "unknown", unknownFor("no answer"))
	g.await(t, n, "home", 10*time.Second, "unknown", unknownFor("no answer"))
	if err := lab.Master("home").Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.await(t, g.count(), "home", 10*time.Second, "without a writer", unknownFor("no writer", "home", "cloud"))
	run(t, "home", "SET GLOBAL read_only=0")
	for _, room := range lab.Rooms {
		g.await(t, g.count(), room, 15*time.Second, "known", known)
	}
}

// TestMovedWriter: the heartbeat follows the writer, and nothing is written where it was.
func TestMovedWriter(t *testing.T) { onBoth(t, testMovedWriter) }

func testMovedWriter(t *testing.T) {
	g := watched(t)
	run(t, "home", "SET GLOBAL read_only=1")
	g.await(t, g.count(), "home", 5*time.Second, "without a writer", unknownFor("no writer"))
	wrote := ownGTIDs(t, "home")
	run(t, "cloud", "SET GLOBAL read_only=0")
	n := g.count()
	g.gather(t, "home", clock(), 3)
	g.await(t, n, "cloud", 5*time.Second, "known", known)
	if now := ownGTIDs(t, "home"); now != wrote {
		t.Errorf("home's own transactions went from %d to %d after it was fenced", wrote, now)
	}
	if heartbeats(t, "cloud", "cloud") == 0 {
		t.Error("there is no heartbeat of the new writer")
	}
	run(t, "home", "SET GLOBAL read_only=0")
	g.await(t, g.count(), "home", 5*time.Second, "two writers", unknownFor("two writers", "home", "cloud"))
}

// ownGTIDs is how far a master's own stream is.
func ownGTIDs(t *testing.T, room string) uint64 {
	t.Helper()
	m := lab.Master(room)
	if onMySQL() {
		return ownSets(t, m)
	}
	var text string
	if err := m.DB().QueryRowContext(t.Context(), "SELECT @@gtid_binlog_state").Scan(&text); err != nil {
		t.Fatal(err)
	}
	state, err := parseState(text)
	if err != nil {
		t.Fatal(err)
	}
	id := uint64(m.ID)
	return state[stream{id, id}]
}

// ownSets is how many transactions of its own a MySQL master has.
func ownSets(t *testing.T, m *server.Master) (n uint64) {
	t.Helper()
	var set, uuid string
	if err := m.DB().QueryRowContext(t.Context(), "SELECT @@global.gtid_executed, @@server_uuid").Scan(&set, &uuid); err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(set, ",") {
		numbers, own := strings.CutPrefix(strings.TrimSpace(part), uuid+":")
		if !own {
			continue
		}
		for _, span := range strings.Split(numbers, ":") {
			var from, to uint64
			switch got, _ := fmt.Sscanf(span, "%d-%d", &from, &to); got {
			case 1:
				n++
			case 2:
				n += to - from + 1
			default:
				t.Fatalf("numbers %q", numbers)
			}
		}
	}
	return n
}

// heartbeats is the number of the last heartbeat of a writer, as a master has it.
func heartbeats(t *testing.T, at, writer string) uint64 {
	t.Helper()
	var seq uint64
	err := lab.Master(at).DB().QueryRowContext(t.Context(), "SELECT seq FROM roomshift.heartbeat WHERE pair='feed-db' AND room=?", writer).Scan(&seq)
	if err != nil && err != sql.ErrNoRows {
		t.Fatal(err)
	}
	return seq
}

// TestWritesNothingElse: every transaction of the writer is a heartbeat, and there is none on the fenced master. The account
// here may pass read_only by; roomshift doesn't.
func TestWritesNothingElse(t *testing.T) { onBoth(t, testWritesNothingElse) }

func testWritesNothingElse(t *testing.T) {
	heal(t)
	p := labPair()
	p.DSN = [2]string{lab.Master("home").DSN(server.Admin), lab.Master("cloud").DSN(server.Admin)}
	home, cloud, beats := ownGTIDs(t, "home"), ownGTIDs(t, "cloud"), heartbeats(t, "home", "home")
	r := openLab(t, p)
	g := watch(t, r, fast)
	g.gather(t, "home", 0, 5)
	run(t, "home", "SET GLOBAL read_only=1") // fenced under the watch's feet: an admin's INSERT would pass
	g.await(t, g.count(), "home", 5*time.Second, "without a writer", unknownFor("no writer"))
	fencedAt := ownGTIDs(t, "home")
	g.await(t, g.count(), "home", 5*time.Second, "without a writer", unknownFor("no writer"))
	if _, err := r.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.end()
	wrote := ownGTIDs(t, "home") - home
	if beat := heartbeats(t, "home", "home") - beats; wrote != beat || beat < 5 {
		t.Errorf("%d transactions on the writer, %d of them heartbeats", wrote, beat)
	}
	if now := ownGTIDs(t, "home"); now != fencedAt {
		t.Errorf("%d transactions after the fence", now-fencedAt)
	}
	if now := ownGTIDs(t, "cloud"); now != cloud {
		t.Errorf("%d transactions on the fenced master", now-cloud)
	}
	heal(t)
}

// TestPassive: nothing is written at all; what others write gives lower bounds, and nothing else is known.
func TestPassive(t *testing.T) { onBoth(t, testPassive) }

func testPassive(t *testing.T) {
	longOnMySQL(t)
	heal(t)
	home, cloud := ownGTIDs(t, "home"), ownGTIDs(t, "cloud")
	o := fast
	o.Passive = true
	g := watch(t, openLab(t, labPair()), o)
	for _, room := range lab.Rooms {
		g.await(t, 0, room, 5*time.Second, "unknown", unknownFor("no data", "writes nothing here"))
	}
	if ownGTIDs(t, "home") != home || ownGTIDs(t, "cloud") != cloud {
		t.Error("a passive watch wrote something")
	}
	lab.Delay("home", "cloud", 400*time.Millisecond)
	lab.Delay("cloud", "home", 600*time.Millisecond)
	load(t, "10 a second")
	g.await(t, 0, "cloud", 10*time.Second, "a lower bound", atLeast(0.3))
	g.await(t, 0, "home", 10*time.Second, "a lower bound", atLeast(0.5))
	all, _, _ := g.since(0)
	for _, r := range all {
		if known(r) {
			t.Errorf("%s, but nobody knows when it was written", show(r))
		}
	}
	heal(t)
}

// TestLook asks both, and says which can't be asked.
func TestLook(t *testing.T) { onBoth(t, testLook) }

func testLook(t *testing.T) {
	heal(t)
	rings := Rings{"feed-db": openLab(t, labPair())}
	seen, err := rings.Look(t.Context(), "feed-db")
	want := cutover.Seen{ReadOnly: map[cutover.Room]bool{"home": false, "cloud": true}, Why: map[cutover.Room]string{}}
	if err != nil || !cmp.Equal(seen, want) || seen.Writer() != "home" {
		t.Errorf("saw %+v, %v; want home to be the writer", seen, err)
	}
	if _, err := rings.Look(t.Context(), "user-db"); err == nil || !strings.Contains(err.Error(), "user-db") {
		t.Errorf("a pair that isn't open: %v", err)
	}
	p := labPair()
	p.DSN[1] = strings.Replace(p.DSN[1], "roomshift:", "roomshift:x", 1)
	seen, err = openLab(t, p).Look(t.Context())
	if err != nil || seen.Writer() != "" || !strings.Contains(seen.Why["cloud"], "access denied (1045)") {
		t.Errorf("saw %+v, %v; want cloud not to be asked", seen, err)
	}
}

// TestLeavesNothing: when Watch has returned and the ring is closed, nothing of them runs.
func TestLeavesNothing(t *testing.T) { onBoth(t, testLeavesNothing) }

func testLeavesNothing(t *testing.T) {
	heal(t)
	before := goleak.IgnoreCurrent()
	r, err := Open(labPair())
	if err != nil {
		t.Fatal(err)
	}
	g := watch(t, r, fast)
	lab.Delay("home", "cloud", 300*time.Millisecond) // some heartbeats are under way when it ends
	g.gather(t, "cloud", 0, 5)
	began := time.Now()
	g.end()
	if took := time.Since(began); took > time.Second {
		t.Errorf("Watch took %v to return", took)
	}
	r.Close()
	lab.Heal()
	goleak.VerifyNone(t, before)
}

// TestInitTwice: a table that is there costs no transaction; one of another form is refused.
func TestInitTwice(t *testing.T) { onBoth(t, testInitTwice) }

func testInitTwice(t *testing.T) {
	heal(t)
	r, wrote := openLab(t, labPair()), ownGTIDs(t, "home")
	if err := r.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := ownGTIDs(t, "home"); now != wrote {
		t.Errorf("%d transactions for a table that was there", now-wrote)
	}
	run(t, "home", "ALTER TABLE roomshift.heartbeat ADD COLUMN more INT")
	t.Cleanup(func() { run(t, "home", "ALTER TABLE roomshift.heartbeat DROP COLUMN more") })
	if err := r.Init(t.Context()); err == nil || !strings.Contains(err.Error(), "more") {
		t.Errorf("a table with another column: %v", err)
	}
}

// TestInitWaits: what Init made is on both masters when it returns, however late replication is within a request's time.
func TestInitWaits(t *testing.T) { onBoth(t, testInitWaits) }

func testInitWaits(t *testing.T) {
	heal(t)
	run(t, "home", "RENAME TABLE roomshift.heartbeat TO roomshift.away")
	t.Cleanup(func() {
		run(t, "home", "DROP TABLE roomshift.heartbeat", "RENAME TABLE roomshift.away TO roomshift.heartbeat")
		heal(t)
	})
	if err := lab.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	lab.Delay("home", "cloud", 500*time.Millisecond)
	r := openLab(t, labPair())
	if err := r.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestMissingTable: what to do is in the reason.
func TestMissingTable(t *testing.T) { onBoth(t, testMissingTable) }

func testMissingTable(t *testing.T) {
	heal(t)
	run(t, "home", "RENAME TABLE roomshift.heartbeat TO roomshift.away")
	t.Cleanup(func() {
		run(t, "home", "RENAME TABLE roomshift.away TO roomshift.heartbeat")
		heal(t)
	})
	if err := lab.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := watch(t, openLab(t, labPair()), fast)
	g.await(t, 0, "cloud", 5*time.Second, "unknown", unknownFor("roomshift.heartbeat", "--init"))
	if err := openLab(t, labPair()).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "--init") {
		t.Errorf("a pair without the table is ready: %v", err)
	}
	bad := failed(t, "table", "home")
	if !strings.Contains(bad.Do, "--init") {
		t.Errorf("the table check says %q", bad.Do)
	}
}
