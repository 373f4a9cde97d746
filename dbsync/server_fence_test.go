package dbsync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// TestFenceAndOpen: both variables say so, the server's own clients are told by number, and a second time costs nothing.
func TestFenceAndOpen(t *testing.T) { onBoth(t, testFenceAndOpen) }

func testFenceAndOpen(t *testing.T) {
	x := taken(t, ServerOptions{})
	app := guest(t, server.App, "home")
	write := func() error {
		_, err := app.ExecContext(t.Context(), "INSERT INTO app.other (v) VALUES (1)")
		return err
	}
	for range 2 {
		ok(t, x["home"].Fence(t.Context()))
		if st := x.look(t, "home"); !st.Fenced() || st.Open() {
			t.Errorf("%+v, want fenced", st)
		}
	}
	if err := write(); number(err) != readOnlyNow {
		t.Errorf("a write behind the fence: %v", err)
	}
	for range 2 {
		ok(t, x["home"].Open(t.Context()))
		if st := x.look(t, "home"); st.Fenced() || !st.Open() {
			t.Errorf("%+v, want open", st)
		}
	}
	ok(t, write())
	if onMySQL() { // read_only alone is no fence: CONNECTION_ADMIN and events write past it
		run(t, "home", "SET GLOBAL read_only=1")
		if st := x.look(t, "home"); st.Fenced() || st.Open() {
			t.Errorf("%+v, want neither fenced nor open", st)
		}
	}
}

// TestBlockedFence: what blocks a fence is named with its statement, account, address and age, and the fence gives up in F with nothing
// changed. What doesn't block one isn't waited for.
func TestBlockedFence(t *testing.T) { onBoth(t, testBlockedFence) }

func testBlockedFence(t *testing.T) {
	for _, blocked := range []struct {
		by    string
		begin func(t *testing.T) (end func())
		says  []string // by an engine that knows who holds what
		guess []string // by one that doesn't
	}{
		{"LOCK TABLES", lockTables, []string{"app@127.0.0.1", "LOCK TABLES app.other WRITE", "keeps its locks"}, []string{"app@127.0.0.1", "may hold LOCK TABLES"}},
		{"an UPDATE", slowUpdate, []string{"app@127.0.0.1", "UPDATE app.other SET v = v + SLEEP(30)"}, nil},
		{"an ALTER that a long transaction holds up", waitingAlter,
			[]string{"admin@127.0.0.1", "ALTER TABLE app.other", "metadata lock", "app@127.0.0.1", "for which connection", "it uses app.other"}, []string{"admin@127.0.0.1", "ALTER TABLE app.other", "metadata lock", "app@127.0.0.1", "has a transaction open"}},
		{"an ALTER that runs", runningAlter, []string{"admin@127.0.0.1", "ALTER TABLE app.big"}, nil},
	} {
		t.Run(strings.ReplaceAll(blocked.by, " ", "-"), func(t *testing.T) {
			x := taken(t, ServerOptions{})
			end := blocked.begin(t)
			if blocked.by == "LOCK TABLES" {
				time.Sleep(1100 * time.Millisecond) // an age of a whole second
			}
			began := time.Now()
			err := x["home"].Fence(within(t, 20*time.Second))
			took := time.Since(began)
			var e *BlockedError
			if !errors.As(err, &e) || errors.Is(err, cutover.ErrOutcomeUnknown) {
				end()
				t.Fatalf("%v, want it blocked", err)
			}
			t.Logf("%v: %v", took, err)
			says := blocked.says
			if blocked.guess != nil && !onMySQL() {
				says = blocked.guess
			}
			holds(t, err, append(says, "not fenced", "1205", "in its way: connection ")...)
			if len(e.By) == 0 || blocked.by == "LOCK TABLES" && e.By[0].Age < time.Second {
				t.Errorf("%+v, want the age of what blocks", e.By)
			}
			if st := x.look(t, "home"); !st.Open() || len(st.Pending) > 0 {
				t.Errorf("after it gave up: %+v", st)
			}
			if x["home"].Session() == 0 {
				t.Error("a clean refusal ended the session")
			}
			end()
			ok(t, x["home"].Fence(within(t, 20*time.Second)))
		})
	}
}

func lockTables(t *testing.T) func() {
	app := guest(t, server.App, "home")
	do(t, app, "LOCK TABLES app.other WRITE")
	return func() { do(t, app, "UNLOCK TABLES") }
}

// ends is how a statement that runs is ended, and its end awaited.
func ends(t *testing.T, ended <-chan error, like string) func() {
	return func() {
		id := count(t, "home", "SELECT id FROM information_schema.processlist WHERE info LIKE ? AND id <> CONNECTION_ID()", like+"%")
		run(t, "home", "KILL QUERY "+itoa(id))
		<-ended
	}
}

func slowUpdate(t *testing.T) func() {
	app := guest(t, server.App, "home")
	do(t, app, "DELETE FROM app.other", "INSERT INTO app.other (v) VALUES (1)")
	ended := begin(t, app, "UPDATE app.other SET v = v + SLEEP(30)")
	until(t, "it sleeps, behind its locks", func() bool { state, _ := running(t, "home", "UPDATE app.other"); return state == "User sleep" })
	return ends(t, ended, "UPDATE app.other")
}

func waitingAlter(t *testing.T) func() {
	app, admin := guest(t, server.App, "home"), guest(t, server.Admin, "home")
	do(t, app, "START TRANSACTION", "SELECT COUNT(*) FROM app.other")
	do(t, admin, "SET SESSION lock_wait_timeout=60", "SET SESSION sql_log_bin=0")
	ended := begin(t, admin, "ALTER TABLE app.other COMMENT 'waits'")
	until(t, "it waits", func() bool {
		state, is := running(t, "home", "ALTER TABLE app.other")
		return is && strings.Contains(state, "metadata lock")
	})
	return func() {
		do(t, app, "ROLLBACK")
		<-ended
	}
}

// runningAlter fills a column with what takes long to work out, on this server alone.
func runningAlter(t *testing.T) func() {
	admin := guest(t, server.Admin, "home")
	do(t, admin, "SET SESSION sql_log_bin=0", "CREATE TABLE app.big (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)",
		"INSERT INTO app.big (v) VALUES (1),(2),(3),(4),(5),(6),(7),(8)")
	t.Cleanup(func() {
		run(t, "home", "SET GLOBAL read_only=0")
		do(t, admin, "DROP TABLE app.big")
	})
	for range 10 { // 8,192 rows
		do(t, admin, "INSERT INTO app.big (v) SELECT v FROM app.big")
	}
	const alter = "ALTER TABLE app.big ADD COLUMN c BIGINT DEFAULT (CRC32(REPEAT(v, 4000000))), ALGORITHM=COPY"
	ended := begin(t, admin, alter)
	until(t, "it copies, behind its locks", func() bool {
		state, _ := running(t, "home", alter)
		return strings.Contains(state, "copy to tmp table")
	})
	return ends(t, ended, alter)
}

// TestIdleTransactionBlocksNothing: its COMMIT is refused behind the fence.
func TestIdleTransactionBlocksNothing(t *testing.T) { onBoth(t, testIdleTransactionBlocksNothing) }

func testIdleTransactionBlocksNothing(t *testing.T) {
	x := taken(t, ServerOptions{})
	app := guest(t, server.App, "home")
	do(t, app, "START TRANSACTION", "INSERT INTO app.other (v) VALUES (1)")
	ok(t, x["home"].Fence(t.Context()))
	if _, err := app.ExecContext(t.Context(), "COMMIT"); number(err) != readOnlyNow {
		t.Errorf("its COMMIT: %v", err)
	}
}

// TestOpenOverPendingFence: an open would be answered OK, and the fence complete later (R2): so it isn't done, and says whose it is.
func TestOpenOverPendingFence(t *testing.T) { onBoth(t, testOpenOverPendingFence) }

func testOpenOverPendingFence(t *testing.T) {
	x := taken(t, ServerOptions{})
	end := lockTables(t)
	admin := guest(t, server.Admin, "home")
	do(t, admin, "SET SESSION lock_wait_timeout=60")
	fence := inMySQLFence("SET GLOBAL read_only=1")
	ended := begin(t, admin, fence)
	until(t, "a fence is pending", func() bool { _, is := running(t, "home", fence); return is })
	st := x.look(t, "home")
	if len(st.Pending) != 1 || st.Pending[0].User != "admin" || st.Fenced() {
		t.Errorf("with a pending fence: %+v", st)
	}
	err := x["home"].Open(t.Context())
	if !errors.As(err, new(*PendingError)) {
		t.Errorf("open over a pending fence: %v", err)
	}
	holds(t, err, "admin@127.0.0.1", fence)
	end()
	ok(t, <-ended)
	until(t, "the fence has completed", func() bool { // it is listed for a moment after its answer
		st := x.look(t, "home")
		return st.Fenced() && len(st.Pending) == 0
	})
	ok(t, x["home"].Open(t.Context()))
}

func inMySQLFence(s string) string {
	if onMySQL() {
		return "SET GLOBAL super_read_only=1"
	}
	return s
}

// TestOwnTrafficIsNoFence: what roomshift's own watchers ask while a server is looked at isn't taken for a fence.
func TestOwnTrafficIsNoFence(t *testing.T) { onBoth(t, testOwnTrafficIsNoFence) }

func testOwnTrafficIsNoFence(t *testing.T) {
	x := taken(t, ServerOptions{})
	g := watch(t, openLab(t, labPair()), WatchOptions{Every: 5 * time.Millisecond, MaxAge: 2 * time.Second})
	g.await(t, 0, "cloud", 10*time.Second, "known", known)
	for range 100 {
		for _, room := range lab.Rooms {
			if st := x.look(t, room); len(st.Pending) > 0 {
				t.Fatalf("%s: %+v", room, st.Pending)
			}
		}
	}
	g.end()
}

// TestRequestsBounded: a caller's end ends a request that has begun, with its session; one that hasn't begun isn't sent.
func TestRequestsBounded(t *testing.T) { onBoth(t, testRequestsBounded) }

func testRequestsBounded(t *testing.T) {
	x := taken(t, ServerOptions{})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x["home"].Fence(over); err == nil || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("a fence that was never sent: %v", err)
	}
	if st := x.look(t, "home"); !st.Open() {
		t.Errorf("%+v", st)
	}
}
