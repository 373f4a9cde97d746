package dbsync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// TestSession: whoever takes the lock ends the session that had it, and that one sees it by itself, idle as it is.
func TestSession(t *testing.T) { onBoth(t, testSession) }

func testSession(t *testing.T) {
	a := taken(t, ServerOptions{})
	first := a["home"].Session()
	if first == 0 || first == a["cloud"].Session() || a["home"].Broken() != "" {
		t.Fatalf("sessions %d and %d, %q", first, a["cloud"].Session(), a["home"].Broken())
	}
	b := newTool(t, ServerOptions{}, nil)
	b.take(t, "home")
	until(t, "the idle session is seen to be gone", func() bool { return a["home"].Session() == 0 })
	if a["home"].Broken() == "" || a["cloud"].Session() == 0 {
		t.Errorf("broken: home %q, cloud %q", a["home"].Broken(), a["cloud"].Broken())
	}
	if _, err := a["home"].Look(t.Context(), Against{}); !errors.Is(err, ErrNoSession) {
		t.Errorf("a look without a session: %v", err)
	}
	if err := a["home"].Fence(t.Context()); !errors.Is(err, ErrNoSession) || errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("a fence without a session: %v", err)
	}
	a.take(t, "home")
	if again := a["home"].Session(); again == 0 || again == first {
		t.Errorf("session %d, and %d before: want another", again, first)
	}
	if st := a.look(t, "home"); !st.Open() || st.Fenced() || st.Session != a["home"].Session() {
		t.Errorf("home is %+v, want open", st)
	}
	if st := a.look(t, "cloud"); st.Open() || !st.Fenced() {
		t.Errorf("cloud is %+v, want fenced", st)
	}
}

// TestSomebodyFaster: the lock goes to whoever was waiting for it when its holder was killed; that isn't us, so nothing is proven.
func TestSomebodyFaster(t *testing.T) { onBoth(t, testSomebodyFaster) }

func testSomebodyFaster(t *testing.T) {
	heal(t)
	holder, waiting := guest(t, server.Admin, "home"), guest(t, server.Admin, "home")
	const lock = "GET_LOCK('roomshift/feed-db', 30)"
	do(t, holder, "DO "+lock)
	begin(t, waiting, "DO "+lock)
	until(t, "it waits for the lock", func() bool { _, is := running(t, "home", "DO "+lock); return is })
	x := newTool(t, ServerOptions{Lock: time.Second}, nil)
	err := x["home"].Take(within(t, 20*time.Second))
	var held HeldError
	if !errors.As(err, &held) || held.By.User != "admin" || x["home"].Session() != 0 {
		t.Fatalf("%v, and session %d; want it held by admin", err, x["home"].Session())
	}
	holds(t, err, "faster", "admin@127.0.0.1")
	x.take(t, "home")
}

// TestLongNames: a server takes 64 characters of a lock's name, and two long pairs mustn't share one.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("a", 60)
	if a, b := lockName(long+"1"), lockName(long+"2"); a == b || len(a) > 64 || !strings.HasPrefix(a, "roomshift/") {
		t.Errorf("%s and %s", a, b)
	}
	if got := lockName("feed-db"); got != "roomshift/feed-db" {
		t.Error(got)
	}
}

// TestPendingFenceDies: a fence whose sender is gone while it waits can't land once the lock was obtained anew. MySQL would keep it, with
// its lock, until it succeeds.
func TestPendingFenceDies(t *testing.T) { onBoth(t, testPendingFenceDies) }

func testPendingFenceDies(t *testing.T) {
	a := taken(t, ServerOptions{Fence: 60 * time.Second})
	app := guest(t, server.App, "home")
	do(t, app, "LOCK TABLES app.other WRITE")
	err := a["home"].Fence(within(t, 500*time.Millisecond))
	if !errors.Is(err, cutover.ErrOutcomeUnknown) || a["home"].Session() != 0 {
		t.Fatalf("%v, session %d; want it unknown, and the session gone", err, a["home"].Session())
	}
	if onMySQL() { // MariaDB has dropped it
		until(t, "it is pending, or this test would show nothing", func() bool { _, is := running(t, "home", "SET GLOBAL super_read_only=1"); return is })
	}
	b := newTool(t, ServerOptions{}, nil)
	b.take(t, "home")
	if st := b.look(t, "home"); !st.Open() || len(st.Pending) > 0 {
		t.Errorf("home is %+v, want open and nothing pending", st)
	}
	do(t, app, "UNLOCK TABLES")
	stays(t, "home is open", func() bool { return b.look(t, "home").Open() })
}

// TestLostReplies: a request that was executed and whose answer is lost is unknown, and shows once the lock was obtained anew.
func TestLostReplies(t *testing.T) { onBoth(t, testLostReplies) }

func testLostReplies(t *testing.T) {
	heal(t)
	line, err := server.NewProxy(lab.Master("home").Addr())
	ok(t, err)
	t.Cleanup(line.Close)
	a, b := newTool(t, ServerOptions{}, map[string]string{"home": line.Addr()}), newTool(t, ServerOptions{}, nil)
	t.Cleanup(func() { heal(t) })
	for _, verb := range []struct {
		name   string
		do     func(*Server, context.Context) error
		fenced bool
	}{{"fence", (*Server).Fence, true}, {"open", (*Server).Open, false}} {
		a.take(t, "home")
		line.Delay(time.Hour, 0)
		err := verb.do(a["home"], within(t, 800*time.Millisecond))
		if !errors.Is(err, cutover.ErrOutcomeUnknown) || a["home"].Session() != 0 {
			t.Fatalf("%s: %v, session %d; want it unknown, and the session gone", verb.name, err, a["home"].Session())
		}
		until(t, "it is executed", func() bool { return count(t, "home", "SELECT @@global.read_only") == 1 == verb.fenced })
		line.Reset()
		line.Heal()
		b.take(t, "home")
		if st := b.look(t, "home"); st.Fenced() != verb.fenced || st.Open() == verb.fenced {
			t.Errorf("after a lost answer to %s: %+v", verb.name, st)
		}
	}
}

// TestLateDelivery: a line holds a request and brings it after its sender is gone and another tool has the lock. It must not land.
func TestLateDelivery(t *testing.T) { onBoth(t, testLateDelivery) }

func testLateDelivery(t *testing.T) {
	for _, verb := range []struct {
		name   string
		do     func(*Server, context.Context) error
		before func(*server.Master, context.Context) error
		fenced bool
	}{
		{"fence", (*Server).Fence, (*server.Master).Open, false},
		{"open", (*Server).Open, (*server.Master).Fence, true},
	} {
		for _, taken := range []bool{false, true} {
			heal(t)
			ok(t, verb.before(lab.Master("home"), t.Context()))
			line, err := server.NewProxy(lab.Master("home").Addr())
			ok(t, err)
			a, b := newTool(t, ServerOptions{}, map[string]string{"home": line.Addr()}), newTool(t, ServerOptions{}, nil)
			a.take(t, "home")
			line.Cut()
			if err := verb.do(a["home"], within(t, 300*time.Millisecond)); !errors.Is(err, cutover.ErrOutcomeUnknown) {
				t.Fatalf("%s over a cut line: %v", verb.name, err)
			}
			if taken {
				b.take(t, "home")
			}
			line.Heal()
			is := func() bool { return count(t, "home", "SELECT @@global.read_only") == 1 == verb.fenced }
			if taken {
				stays(t, "as it was before a late "+verb.name, is)
			} else { // else this test would show nothing
				until(t, "a late "+verb.name+" lands where nobody has taken the lock", func() bool { return !is() })
			}
			line.Close()
		}
	}
	heal(t)
}

// TestFrozenServer: a server that stands still (SIGSTOP) executes what came meanwhile when it goes on, its sender long gone. Once the lock
// was obtained anew nothing changes any more, whichever way that went.
func TestFrozenServer(t *testing.T) { onBoth(t, testFrozenServer) }

func testFrozenServer(t *testing.T) {
	a := taken(t, ServerOptions{})
	home := lab.Master("home")
	ok(t, a["home"].Fence(t.Context()))
	ok(t, home.Freeze())
	err := a["home"].Open(within(t, 300*time.Millisecond))
	early := newTool(t, ServerOptions{}, nil)["home"].Take(within(t, 300*time.Millisecond))
	ok(t, home.Thaw())
	if !errors.Is(err, cutover.ErrOutcomeUnknown) || early == nil {
		t.Errorf("on a frozen server: open %v, lock %v", err, early)
	}
	b := newTool(t, ServerOptions{}, nil)
	b.take(t, "home")
	is := b.look(t, "home").Open()
	stays(t, "home is as it was when its lock was obtained", func() bool { return b.look(t, "home").Open() == is })
}

// TestRefusedConnections: a server that doesn't take the account, or no plain connection, says so by number, and what is to be done is told.
func TestRefusedConnections(t *testing.T) { onBoth(t, testRefusedConnections) }

func testRefusedConnections(t *testing.T) {
	heal(t)
	p := labPair()
	p.DSN[0] = strings.Replace(moverDSN("home", ""), mover+":", mover+":wrong", 1)
	wrong, err := openLab(t, p).Server("home", ServerOptions{})
	ok(t, err)
	t.Cleanup(wrong.Close)
	holds(t, wrong.Take(within(t, 10*time.Second)), "1045", "master in home")
	if !onMySQL() {
		return // the lab's has no certificate
	}
	admin, x := guest(t, server.Admin, "home"), newTool(t, ServerOptions{}, nil)["home"]
	do(t, admin, "SET GLOBAL require_secure_transport=ON")
	t.Cleanup(func() { do(t, admin, "SET GLOBAL require_secure_transport=OFF") })
	holds(t, x.Take(within(t, 10*time.Second)), "3159", "TLS")
}

// TestSaidByNumber: what servers say to a connection by number is told with what is to be done.
func TestSaidByNumber(t *testing.T) {
	for n, want := range map[uint16]string{1040: "max_connections", 1203: "limit", 3159: "TLS", 1045: "user and password", 1146: "--init", 1227: "--grants"} {
		if got := say(&mysql.MySQLError{Number: n, Message: "no"}); !strings.Contains(got, want) {
			t.Errorf("%d is told as %q, want %q", n, got, want)
		}
	}
}
