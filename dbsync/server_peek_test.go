package dbsync

import (
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// peek is both masters of the lab's pair as mover sees them without any lock.
func peek(t *testing.T, first string) (seen [2]writer.Server, about [2]cutover.MasterPeek) {
	t.Helper()
	seen, about, err := moverRing(t, nil).Peek(within(t, 20*time.Second), first, SeenOptions{})
	ok(t, err)
	for _, m := range about {
		if m.Err != nil {
			said(m.Err.Error())
		}
	}
	return seen, about
}

// TestPeek: everything that a round sees is seen without any lock, and whoever has the locks keeps them.
func TestPeek(t *testing.T) { onBoth(t, testPeek) }

func testPeek(t *testing.T) {
	x := taken(t, ServerOptions{})
	before := [2]uint64{x["home"].Session(), x["cloud"].Session()}
	ok(t, lab.Await(t.Context()))
	seen, about := peek(t, "cloud")
	c, h := seen[0], seen[1]
	if c.Room != "cloud" || h.Room != "home" || c.Mode() != writer.ReadOnly || h.Mode() != writer.ReadWrite || c.ID == "" || c.ID == h.ID ||
		c.Receives != writer.Yes || h.Receives != writer.Yes || c.Beyond != writer.BeyondNone || c.Locked || h.Locked || h.Clients == 0 {
		t.Errorf("%+v\n%+v", c, h)
	}
	for i, m := range about {
		if m.Err != nil || !strings.Contains(m.Holder, "mover@") || m.Only != "" || m.OnlyCount != 0 || m.Threads != "" || m.Version == "" {
			t.Errorf("%d: %+v", i, m)
		}
	}
	if at := [2]uint64{x["home"].Session(), x["cloud"].Session()}; at != before {
		t.Errorf("sessions were %d, are %d", before, at)
	}
	ok(t, x["home"].Fence(t.Context())) // still on the session that has the lock
	ok(t, x["home"].Open(t.Context()))
}

// TestPeekSaysWhatIsApart: transactions that only one has, long ones and pending fences are named.
func TestPeekSaysWhatIsApart(t *testing.T) { onBoth(t, testPeekSaysWhatIsApart) }

func testPeekSaysWhatIsApart(t *testing.T) {
	heal(t)
	t.Cleanup(func() { heal(t) })
	app := guest(t, "app", "home")
	do(t, app, "DELETE FROM app.other")
	ok(t, lab.Await(t.Context()))
	run(t, "cloud", "STOP SLAVE SQL_THREAD")
	do(t, app, "INSERT INTO app.other (v) VALUES (1)", "INSERT INTO app.other (v) VALUES (2)", "INSERT INTO app.other (v) VALUES (3)")
	do(t, app, "START TRANSACTION", "INSERT INTO app.other (v) VALUES (4)")
	until(t, "the transaction is an old one", func() bool {
		time.Sleep(200 * time.Millisecond) // who asks for transactions more often than every 100 ms is told old ones
		_, about := peek(t, "home")
		return len(about[0].Long) == 1
	})
	seen, about := peek(t, "home")
	if m := about[0]; m.OnlyCount != 3 || m.Only == "" || !strings.Contains(m.Long[0], "app@") || !strings.Contains(m.Long[0], "1 rows changed") || m.Holder != "" {
		t.Errorf("home: %+v", m)
	}
	if m := about[1]; m.OnlyCount != 0 || m.Threads == "" || seen[1].Receives != writer.No || len(m.Long) != 0 {
		t.Errorf("cloud: %+v", m)
	}
	do(t, app, "ROLLBACK")
	run(t, "cloud", "START SLAVE")
	end := lockTables(t)
	admin := guest(t, "admin", "home")
	do(t, admin, "SET SESSION lock_wait_timeout=60")
	fence := inMySQLFence("SET GLOBAL read_only=1")
	ended := begin(t, admin, fence)
	until(t, "a fence is pending", func() bool { _, is := running(t, "home", fence); return is })
	seen, about = peek(t, "home")
	if m := about[0]; seen[0].Mode() != writer.Pending || len(m.Pending) != 1 || !strings.Contains(m.Pending[0], "admin@") || len(m.Blockers) == 0 {
		t.Errorf("pending: %+v\n%+v", seen[0], m)
	}
	end()
	ok(t, <-ended)
}

// TestPeekOfOneThatIsAway: the other is told all the same.
func TestPeekOfOneThatIsAway(t *testing.T) {
	heal(t)
	seen, about, err := moverRing(t, map[string]string{"home": "127.0.0.1:1"}).Peek(within(t, 20*time.Second), "home", SeenOptions{})
	ok(t, err)
	if !seen[0].Away || about[0].Err == nil || seen[1].Away || about[1].Err != nil || seen[1].Mode() != writer.ReadOnly || about[1].OnlyCount != -1 || seen[1].ID == "" {
		t.Errorf("%+v\n%+v", seen, about)
	}
}

func TestCountTransactions(t *testing.T) {
	const a, b = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "12345678-71ca-11e1-9e33-c80aa9429562"
	for set, want := range map[string]int64{"": 0, a + ":5": 1, a + ":1-5": 5, a + ":1-5:11": 6, a + ":1-5," + b + ":2-3": 7, a + ":tag:1-5:9," + b + ":2": 7} {
		if n := countSets(set); n != want {
			t.Errorf("%q has %d, want %d", set, n, want)
		}
	}
	for _, c := range []struct {
		rest, other string
		n           int64
	}{{"", "1-1-5", 0}, {"1-1-9", "1-1-5,2-2-7", 4}, {"1-1-9,2-2-8", "1-1-5,2-2-7", 5}, {"3-3-2", "1-1-5", 2}, {"nonsense", "", -1}} {
		if n := countStreams(c.rest, c.other); n != c.n {
			t.Errorf("%q beyond %q is %d, want %d", c.rest, c.other, n, c.n)
		}
	}
}
