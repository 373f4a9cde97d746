package dbsync

import (
	"sync"
	"testing"
	"time"

	"roomshift/cutover/writer"
)

// TestSeen: a round's look at both servers says what Decide needs to know, at each place of a move.
func TestSeen(t *testing.T) { onBoth(t, testSeen) }

func testSeen(t *testing.T) {
	x := taken(t, ServerOptions{})
	see := func(o SeenOptions) (w, y writer.Server) {
		t.Helper()
		both, why := Seen(t.Context(), x["home"], x["cloud"], o)
		if away := both[0].Away || both[1].Away; away != (why != nil) {
			t.Errorf("away %v, and why: %v", away, why)
		}
		return both[0], both[1]
	}
	run(t, "home", "DELETE FROM roomshift.heartbeat")
	ok(t, lab.Await(t.Context()))
	w, y := see(SeenOptions{Fresh: map[string]bool{"home": true}})
	if w.Mode() != writer.ReadWrite || y.Mode() != writer.ReadOnly || !w.Locked || !w.Fresh || y.Fresh || !y.Locked || w.Room != "home" || y.Room != "cloud" ||
		w.ID == "" || w.ID == y.ID || w.Receives != writer.Yes || y.Receives != writer.Yes || y.Beyond != writer.BeyondNone || y.Covers != writer.NotKnown || w.Clients == 0 {
		t.Errorf("before: %+v\n%+v", w, y)
	}
	app := startWriters(t, 4)
	until(t, "home takes writes", func() bool { return app.In("home") > 20 })
	for range 30 { // what goes on in home, and comes to cloud meanwhile, isn't cloud's alone
		if _, y := see(SeenOptions{}); y.Beyond != writer.BeyondNone {
			t.Fatalf("under writes: %+v", y)
		}
	}
	app.End()
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	ok(t, lab.Await(t.Context()))
	w, _ = see(SeenOptions{})
	pos := w.Pos
	w, y = see(SeenOptions{Pos: pos})
	if !w.Quiet() || w.Beyond != writer.BeyondNone || y.Covers != writer.Yes || !y.Locked {
		t.Errorf("fenced, killed and there: %+v\n%+v", w, y)
	}
	if !onMySQL() { // where admin passes the fence
		writesBehindTheFence(t, func() bool { w, _ := see(SeenOptions{}); return !w.Still && !w.Quiet() })
	}
	ok(t, lab.Await(t.Context()))
	ok(t, x["home"].Open(t.Context()))
	run(t, "cloud", "STOP SLAVE SQL_THREAD")
	run(t, "home", "INSERT INTO app.other (v) VALUES (1)")
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	w, _ = see(SeenOptions{})
	w, y = see(SeenOptions{Pos: w.Pos})
	if !w.Quiet() || w.Beyond != writer.BeyondOwn || y.Covers != writer.No || y.Receives != writer.No || y.Beyond != writer.BeyondNone {
		t.Errorf("the other one lacks something: %+v\n%+v", w, y)
	}
	lab.Cut("cloud", "home")
	passFence(t)
	run(t, "cloud", "INSERT INTO app.other (v) VALUES (2)", "SET GLOBAL read_only=1")
	if _, y = see(SeenOptions{}); y.Beyond != writer.BeyondOwn {
		t.Errorf("something errant: %+v", y)
	}
	home := x["home"]
	home.turn <- struct{}{}
	home.drop("a test")
	home.leave()
	if w, y = see(SeenOptions{Pos: pos}); !w.Away || w.Mode() != writer.ModeAway || y.Away || y.Covers != writer.Yes {
		t.Errorf("one is away: %+v\n%+v", w, y)
	}
}

// writesBehindTheFence writes in home without pause until that is seen.
func writesBehindTheFence(t *testing.T, seen func() bool) {
	t.Helper()
	stop := make(chan struct{})
	var writes sync.WaitGroup
	defer writes.Wait()
	defer close(stop)
	writes.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				run(t, "home", "INSERT INTO app.other (v) VALUES (3)")
			}
		}
	})
	until(t, "a position that moves behind the fence is seen to", seen)
}

// TestMariaDBSets: positions of MariaDB, of servers that were made from a backup, too.
func TestMariaDBSets(t *testing.T) {
	for _, c := range []struct {
		a, b, rest string
	}{
		{"1-1-100,2-2-50", "1-1-100,2-2-50", ""},
		{"1-1-101,2-2-50", "1-1-100,2-2-50", "1-1-101"},
		{"1-1-100", "", "1-1-100"},
		{"", "1-1-100", ""},
		{"1-1-100,1-2-101", "1-1-100,1-2-100", "1-2-101"}, // one domain, two servers
		{"1-1-101", "1-2-101", "1-1-101"},                 // a split brain: the number is the same, the transaction isn't
		{"1-1-100,1-3-90", "1-1-100;1-4-95", ""},          // made from a backup when the domain was at 95: what server 3 did is in that
		{"1-1-100,1-3-96", "1-1-100;1-4-95", "1-3-96"},
		{"1-1-100;1-4-95", "1-1-100,1-4-95", ""},
		{"1-1-100;1-4-95", "1-1-100", ";1-4-95"},
	} {
		if rest, err := (mariadbSets{}).Minus(c.a, c.b); err != nil || rest != c.rest {
			t.Errorf("%s minus %s is %q, %v; want %q", c.a, c.b, rest, err, c.rest)
		}
	}
	for pos, want := range map[string]bool{"1-1-5,3-1-7": true, "1-1-5,1-2-6": false, "1-1-5;1-3-2": false} {
		if born, err := (mariadbSets{}).Born(pos, "1"); err != nil || born != want {
			t.Errorf("%s is all of server 1: %v, %v", pos, born, err)
		}
	}
	if _, err := (mariadbSets{}).Minus("1-1", ""); err == nil {
		t.Error("1-1 is a position")
	}
	for _, c := range []struct{ want, have, own, left string }{
		{"1-1-100,2-2-50", "1-1-99,2-2-50", "2", "1-1-100"},
		{"1-1-100,2-2-50", "1-1-99,2-2-49", "2", "1-1-100"}, // its own comes by itself, if it ever does
		{"1-1-100,2-2-50", "1-1-100,2-2-49", "2", "2-2-50"},
		{"1-1-100,2-2-50", "1-1-100,2-2-50", "2", ""},
		{"1-1-100,1-3-104,1-2-103", "1-1-90,1-2-91", "2", "1-3-104"},
	} {
		if left := stillToCome(Position(c.want), Position(c.have), c.own); left != c.left {
			t.Errorf("server %s has %s of %s: it waits for %q, want %q", c.own, c.have, c.want, left, c.left)
		}
	}
	p, err := has("2-2-5,1-1-7", "1-1-7,3-9-4")
	if err != nil || p.position() != "1-1-7,2-2-5;3-9-4" {
		t.Errorf("%q, %v", p.position(), err)
	}
}
