package dbsync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestKill: every client that was there is ended, whatever it does; replication, our own sessions and whoever comes later aren't.
func TestKill(t *testing.T) { onBoth(t, testKill) }

func testKill(t *testing.T) {
	x := taken(t, ServerOptions{})
	idle, busy, open, boss := guest(t, server.App, "home"), guest(t, server.App, "home"), guest(t, server.App, "home"), guest(t, server.Admin, "home")
	do(t, open, "START TRANSACTION", "INSERT INTO app.other (v) VALUES (1)")
	do(t, idle, "DO 1")
	do(t, boss, "DO 1")
	ended := begin(t, busy, "DO SLEEP(60)")
	until(t, "it sleeps", func() bool { _, is := running(t, "home", "DO SLEEP(60)"); return is })
	before := x["home"].Session()
	ok(t, x["home"].Fence(t.Context()))
	found, err := x["home"].Clients(t.Context())
	ok(t, err)
	if n := len(found); n < 4 {
		t.Errorf("%d clients, want the four and the lab's own: %v", n, found)
	}
	late := guest(t, server.App, "home") // it comes behind the fence
	do(t, late, "DO 1")
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	if err := <-ended; err == nil {
		t.Error("a statement that slept ended well")
	}
	for name, c := range map[string]interface{ PingContext(context.Context) error }{"idle": idle, "with a transaction": open, "of an administrator": boss} {
		if c.PingContext(t.Context()) == nil {
			t.Errorf("the connection %s lives", name)
		}
	}
	if x["home"].Session() != before {
		t.Error("our own session was ended")
	}
	if st := x.look(t, "home"); st.Threads != "" {
		t.Errorf("replication into home: %s", st.Threads)
	}
	if n := count(t, "home", "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"); n != 1 {
		t.Errorf("%d dump threads, want cloud's", n)
	}
	ok(t, late.PingContext(t.Context()))
	ok(t, x["home"].Open(t.Context()))
	do(t, late, "INSERT INTO app.other (v) VALUES (2)")
}

// TestKillNeverEnds: a client that doesn't die in time is named. Whoever comes meanwhile is left alone: an application that connects again
// at once keeps nobody busy.
func TestKillNeverEnds(t *testing.T) { onBoth(t, testKillNeverEnds) }

func testKillNeverEnds(t *testing.T) {
	x := taken(t, ServerOptions{})
	stubborn := guest(t, server.App, "home")
	const column = "CRC32(REPEAT('x', 16000000))" // no server looks between two of them whether it is to end
	ended := begin(t, stubborn, "DO "+column+strings.Repeat(", "+column, 80))
	until(t, "it runs", func() bool { _, is := running(t, "home", "DO "+column); return is })
	var e *AliveError
	var err error
	for d := 50 * time.Millisecond; ; d *= 2 { // a busy machine takes its time to say who is there
		if err = x["home"].Kill(within(t, d)); errors.As(err, &e) {
			break
		}
		if err == nil {
			t.Fatalf("a client that doesn't die is gone within %v", d)
		}
	}
	holds(t, err, "aren't gone", "app@127.0.0.1")
	first := guest(t, server.App, "home")
	var id int
	if err := first.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	killed := make(chan error, 1)
	go func() { killed <- x["home"].Kill(within(t, time.Minute)) }()
	until(t, "it has looked who is there", func() bool {
		return count(t, "home", "SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?", id) == 0
	})
	late := guest(t, server.App, "home")
	do(t, late, "DO 1")
	ok(t, <-killed)
	<-ended
	ok(t, late.PingContext(t.Context()))
}

// TestBypassing: the accounts that a fence keeps in are known by their rights, our own left out.
func TestBypassing(t *testing.T) { onBoth(t, testBypassing) }

func testBypassing(t *testing.T) {
	x := taken(t, ServerOptions{})
	users, err := x["home"].Bypassing(t.Context())
	ok(t, err)
	if onMySQL() {
		if len(users) > 0 {
			t.Errorf("%v pass super_read_only by", users)
		}
		return
	}
	if !slices.Contains(users, "admin") || slices.Contains(users, "app") || slices.Contains(users, mover) {
		t.Errorf("%v pass read_only by, want admin and neither app nor %s", users, mover)
	}
}

// TestPrivilegedWriter: what an account writes that passes the fence by is seen behind it, and by name of who is connected; once it is
// gone the server is at rest. MySQL lets nobody write.
func TestPrivilegedWriter(t *testing.T) { onBoth(t, testPrivilegedWriter) }

func testPrivilegedWriter(t *testing.T) {
	x := taken(t, ServerOptions{})
	boss := guest(t, server.Admin, "home")
	ok(t, x["home"].Fence(t.Context()))
	p := x.look(t, "home").Position
	_, err := boss.ExecContext(t.Context(), "INSERT INTO app.other (v) VALUES (1)")
	if onMySQL() {
		if number(err) != readOnlyNow {
			t.Errorf("an administrator's write: %v", err)
		}
		ok(t, x["home"].Kill(within(t, 10*time.Second)))
		ok(t, x["home"].Still(t.Context(), p))
		return
	}
	ok(t, err)
	err = x["home"].Still(t.Context(), p)
	if !errors.As(err, new(*MovingError)) {
		t.Errorf("%v, want what was written behind the fence", err)
	}
	holds(t, err, "behind the fence", "admin@127.0.0.1", string(p))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	p, err = x["home"].Settle(t.Context())
	ok(t, err)
	unknown := guest(t, server.Admin, "home") // who passes isn't known yet, and this one comes behind the fence
	do(t, unknown, "INSERT INTO app.other (v) VALUES (1)")
	holds(t, x["home"].Still(t.Context(), p), "behind the fence", string(p))
	_, err = x["home"].Bypassing(t.Context())
	ok(t, err)
	again := guest(t, server.Admin, "home") // later than the fence, and past it
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	if again.PingContext(t.Context()) == nil {
		t.Error("the one that came later lives")
	}
	if boss.PingContext(t.Context()) == nil || unknown.PingContext(t.Context()) == nil {
		t.Error("they live")
	}
	_, err = x["home"].Settle(t.Context())
	ok(t, err)
}

// TestEvents: on MariaDB an event writes past the fence until events are off and the one that runs is ended; on MySQL the fence stops it.
func TestEvents(t *testing.T) { onBoth(t, testEvents) }

func testEvents(t *testing.T) {
	x := taken(t, ServerOptions{})
	run(t, "home", "SET GLOBAL event_scheduler=ON", "CREATE EVENT app.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO app.other (v) VALUES (7)")
	t.Cleanup(func() {
		run(t, "home", "SET GLOBAL read_only=0", "DROP EVENT app.tick")
		if !onMySQL() {
			run(t, "home", "SET GLOBAL event_scheduler=OFF")
		}
	})
	until(t, "the event writes", func() bool { return count(t, "home", "SELECT COUNT(*) FROM app.other WHERE v = 7") > 0 })
	if st := x.look(t, "home"); st.Events != "ON" {
		t.Errorf("event_scheduler is %q", st.Events)
	}
	was, err := x["home"].Events(t.Context(), false)
	ok(t, err)
	if was == onMySQL() {
		t.Errorf("events were on: %v", was)
	}
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	p, err := x["home"].Settle(t.Context())
	ok(t, err)
	for end := time.Now().Add(2200 * time.Millisecond); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		ok(t, x["home"].Still(t.Context(), p))
	}
	ok(t, x["home"].Open(t.Context()))
	if _, err := x["home"].Events(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	n := count(t, "home", "SELECT COUNT(*) FROM app.other WHERE v = 7")
	until(t, "the event writes again", func() bool { return count(t, "home", "SELECT COUNT(*) FROM app.other WHERE v = 7") > n })
}
