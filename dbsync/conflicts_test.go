package dbsync

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// movedToCloud fences home and opens cloud, as a move does, and says what was fenced.
func movedToCloud(t *testing.T) (tool, Moved) {
	t.Helper()
	x := taken(t, ServerOptions{})
	run(t, "home", "INSERT INTO app.tokens (token) VALUES ('"+fmt.Sprint(time.Now().UnixNano())+"')")
	ok(t, x["home"].Fence(t.Context()))
	pos := x.look(t, "home").Position
	ok(t, x["cloud"].Wait(within(t, 20*time.Second), pos))
	ok(t, x["cloud"].Open(t.Context()))
	return x, Moved{Fenced: Fenced{Room: "home", Server: x["home"].v.Load().id, Pos: pos}, To: "cloud", Epoch: 7, Since: time.Millisecond}
}

func strays(t *testing.T, r *Ring, f Fenced) Strays {
	t.Helper()
	s, err := r.Strays(within(t, 10*time.Second), f)
	ok(t, err)
	return s
}

// TestStrays: what is born on a fenced master is seen by its origin, whatever let it through, on either master; what the new writer writes
// isn't taken for it, and what is known isn't told twice.
func TestStrays(t *testing.T) { onBoth(t, testStrays) }

func testStrays(t *testing.T) {
	heal(t)
	xa := guest(t, server.Admin, "home")
	if onMySQL() { // MySQL's fence lets this through
		do(t, xa, "XA START 'stray'", "INSERT INTO app.other (v) VALUES (1)", "XA END 'stray'", "XA PREPARE 'stray'")
	}
	x, m := movedToCloud(t)
	r := openLab(t, labPair())
	if s := strays(t, r, m.Fenced); s.IDs != "" || len(s.Conflicts)+len(s.Away) > 0 || s.Next != m.Pos {
		t.Fatalf("%+v, want nothing", s)
	}
	do(t, guest(t, server.App, "cloud"), "INSERT INTO app.other (v) VALUES (2)")
	ok(t, x["home"].Wait(within(t, 20*time.Second), x.look(t, "cloud").Position))
	if s := strays(t, r, m.Fenced); s.IDs != "" {
		t.Fatalf("%+v, want what the writer writes to be none", s)
	}
	told := make(chan Strays, 1)
	go func() {
		s, err := r.Await(within(t, 30*time.Second), m.Fenced, 20*time.Millisecond, nil)
		if err != nil {
			t.Error(err)
		}
		told <- s
	}()
	if onMySQL() {
		do(t, xa, "XA COMMIT 'stray'")
	} else {
		do(t, guest(t, server.Admin, "home"), "INSERT INTO app.other (v) VALUES (3)")
	}
	s := <-told
	if s.IDs == "" || !strings.Contains(s.IDs, m.Server) || s.Seen[0] != "home" && s.Seen[0] != "cloud" {
		t.Fatalf("%+v, want what was born in home", s)
	}
	next := m.Fenced
	next.Pos = s.Next
	if again := strays(t, r, next); again.IDs != "" {
		t.Errorf("%+v, and it was told already", again)
	}
	ok(t, lab.Await(within(t, 30*time.Second)))
	blind := labPair()
	blind.DSN[0] = strings.Replace(blind.DSN[0], lab.Master("home").Addr(), "127.0.0.1:1", 1)
	if s := strays(t, openLab(t, blind), m.Fenced); s.IDs == "" || s.Seen[0] != "cloud" || len(s.Away) != 1 {
		t.Errorf("%+v, want it seen in cloud while home doesn't answer", s)
	}
	blind.DSN[1] = strings.Replace(blind.DSN[1], lab.Master("cloud").Addr(), "127.0.0.1:1", 1)
	_, err := openLab(t, blind).Strays(within(t, 10*time.Second), m.Fenced)
	holds(t, err, "master in home", "master in cloud")
	_, err = r.Strays(t.Context(), Fenced{Room: "home"})
	holds(t, err, "isn't known")
}

// TestConflictsAreNamed: an applier that stopped because both rooms wrote is told by what that means, and without what the rows hold.
func TestConflictsAreNamed(t *testing.T) { onBoth(t, testConflictsAreNamed) }

func testConflictsAreNamed(t *testing.T) {
	heal(t)
	x := newTool(t, ServerOptions{}, nil)
	x.take(t, "home")
	f := Fenced{Room: "cloud", Server: "9", Pos: x.look(t, "home").Position}
	if onMySQL() {
		f.Server = "00000000-0000-0000-0000-000000000009"
	}
	unloggedIn(t, "cloud", "INSERT INTO app.tokens (id, token) VALUES (900001, 'no-secret-here')")
	t.Cleanup(func() { heal(t) })
	run(t, "home", "INSERT INTO app.tokens (id, token) VALUES (900001, 'other')")
	r := openLab(t, labPair())
	s, err := r.Await(within(t, 20*time.Second), f, 20*time.Millisecond, nil)
	ok(t, err)
	if got := strings.Join(s.Conflicts, "; "); got != "replication into cloud stopped: 1062, a row with that key is there already" || s.IDs != "" {
		t.Errorf("%+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if again, err := r.Await(ctx, f, 20*time.Millisecond, s.Conflicts); err != nil || again.IDs != "" {
		t.Errorf("%+v %v, want it to wait for news", again, err)
	}
	unloggedIn(t, "cloud", "DELETE FROM app.tokens WHERE id=900001")
	run(t, "cloud", "START ALL SLAVES")
}

func TestMariaDBBorn(t *testing.T) {
	f := Fenced{Server: "1", Pos: "0-1-5,0-2-9,3-1-2"}
	for state, want := range map[string]string{
		"0-1-5,0-2-40,3-1-2": "", "0-1-7,0-2-9,3-1-2": "0-1-6..7", "0-1-5,3-1-3,5-1-1": "3-1-3..3, 5-1-1..1", "0-11-9": "", "0-1-4": "",
	} {
		got, err := mariadbBorn(state, f)
		if err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", state, got, err, want)
		}
		if want == "" {
			continue
		}
		next, err := withThese(f, got)
		if err != nil {
			t.Error(err)
		}
		if again, _ := mariadbBorn(state, Fenced{Server: "1", Pos: next}); again != "" {
			t.Errorf("%s: %q again behind %s", state, again, next)
		}
	}
	const id = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	if got := setsOf("3E11FA47-71CA-11E1-9E33-C80AA9429562:5-7:tag:1,\n00000000-0000-0000-0000-000000000001:1", id); got != "3E11FA47-71CA-11E1-9E33-C80AA9429562:5-7:tag:1" {
		t.Error(got)
	}
}
