package dbsync

import (
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestXA: a branch that was prepared before the fence is found behind it, and named as XA ROLLBACK takes it.
func TestXA(t *testing.T) { onBoth(t, testXA) }

func testXA(t *testing.T) {
	x := taken(t, ServerOptions{})
	app := guest(t, server.App, "home")
	do(t, app, "XA START 'pay','7',3", "INSERT INTO app.other (v) VALUES (1)", "XA END 'pay','7',3", "XA PREPARE 'pay','7',3")
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	_, err := x["home"].Settle(t.Context())
	var e *MovingError
	if !errors.As(err, &e) || len(e.XA) != 1 {
		t.Fatalf("%v, want the branch", err)
	}
	if !strings.HasPrefix(e.XA[0], "'pay','7',") {
		t.Errorf("the branch is %s", e.XA[0])
	}
	holds(t, err, "XA "+e.XA[0])
	ok(t, x["home"].Open(t.Context()))
	run(t, "home", "XA ROLLBACK "+e.XA[0])
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	_, err = x["home"].Settle(t.Context())
	ok(t, err)
}

// TestXidForms: what MySQL says in bytes is told as it can be typed.
func TestXidForms(t *testing.T) {
	for data, want := range map[string]string{"0x6162": "'a','b',7", "0x6127": "'a',X'27',7", "0x0062": "X'00','b',7", "'a','b',7": "'a','b',7", "0x6": "0x6"} {
		if got := xid(row{"data": data, "gtrid_length": "1", "bqual_length": "1", "formatID": "7"}); got != want {
			t.Errorf("%s is %s, want %s", data, got, want)
		}
	}
	if got := xid(row{"data": "0x61", "gtrid_length": "1", "bqual_length": "0", "formatID": "1"}); got != "'a'" {
		t.Error(got)
	}
}

// TestXAPreparedBehindTheFence: a branch that was begun before the fence can be prepared behind it, so only clients that are gone make a
// position final (R13). A position read before is seen to have moved.
func TestXAPreparedBehindTheFence(t *testing.T) { onBoth(t, testXAPreparedBehindTheFence) }

func testXAPreparedBehindTheFence(t *testing.T) {
	x := taken(t, ServerOptions{})
	early, late := guest(t, server.App, "home"), guest(t, server.App, "home")
	do(t, early, "XA START 'early'", "INSERT INTO app.other (v) VALUES (1)", "XA END 'early'")
	do(t, late, "XA START 'late'", "INSERT INTO app.other (v) VALUES (1)", "XA END 'late'")
	ok(t, x["home"].Fence(t.Context()))
	if st := x.look(t, "home"); len(st.XA) > 0 {
		t.Errorf("%v: this test shows nothing", st.XA)
	}
	p := x.look(t, "home").Position // nothing is seen of them but that they are connected
	_, err := x["home"].Settle(t.Context())
	holds(t, err, "isn't at rest", "app@127.0.0.1")
	do(t, early, "XA PREPARE 'early'")
	err = x["home"].Still(t.Context(), p)
	holds(t, err, "XA 'early'")
	if _, err := x["home"].Settle(t.Context()); err == nil {
		t.Error("it is at rest with a prepared branch")
	}
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	if _, err := late.ExecContext(t.Context(), "XA PREPARE 'late'"); err == nil {
		t.Error("a branch was prepared though its client was ended")
	}
	ok(t, x["home"].Open(t.Context()))
	run(t, "home", "XA ROLLBACK 'early'")
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Kill(within(t, 10*time.Second)))
	_, err = x["home"].Settle(t.Context())
	ok(t, err)
}

// TestWait: the other server is waited for as long as the line takes and no longer; one that doesn't come is told with what it lacks.
func TestWait(t *testing.T) { onBoth(t, testWait) }

func testWait(t *testing.T) {
	x := taken(t, ServerOptions{})
	for _, delay := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		lab.Delay("home", "cloud", delay)
		ok(t, x["home"].Open(t.Context()))
		began := time.Now()
		run(t, "home", "INSERT INTO app.other (v) VALUES (1)")
		ok(t, x["home"].Fence(t.Context()))
		ok(t, x["home"].Kill(within(t, 10*time.Second)))
		p, err := x["home"].Settle(t.Context())
		ok(t, err)
		ok(t, x["cloud"].Complete(within(t, 20*time.Second), Against{Other: p}))
		took := time.Since(began)
		t.Logf("over a line of %v: %v", delay, took)
		if took < delay {
			t.Errorf("it took %v over a line of %v", took, delay)
		}
		st, err := x["cloud"].Look(t.Context(), Against{Other: p})
		ok(t, err)
		if st.Missing != "" || st.Extra != "" || !st.Fenced() {
			t.Errorf("%+v, want all of it and nothing else", st)
		}
	}
	lab.Heal()
	ok(t, x["home"].Open(t.Context()))
	run(t, "cloud", "STOP SLAVE SQL_THREAD")
	run(t, "home", "INSERT INTO app.other (v) VALUES (1)")
	p := x.look(t, "home").Position
	err := x["cloud"].Wait(within(t, 700*time.Millisecond), p)
	if !errors.As(err, new(*BehindError)) {
		t.Fatalf("%v, want it behind", err)
	}
	holds(t, err, "not applied yet", "applier No")
	st, err := x["cloud"].Look(t.Context(), Against{Other: p})
	ok(t, err)
	if st.Missing == "" || st.Extra != "" || st.Threads == "" {
		t.Errorf("%+v, want what it lacks, and that its applier stands", st)
	}
	run(t, "cloud", "START SLAVE SQL_THREAD")
	ok(t, x["cloud"].Wait(within(t, 20*time.Second), p))
}

// TestErrant: what the other server alone has is told, but for what somebody has allowed.
func TestErrant(t *testing.T) { onBoth(t, testErrant) }

func testErrant(t *testing.T) {
	x := taken(t, ServerOptions{})
	lab.Cut("cloud", "home")
	before := x.look(t, "cloud").Position
	passFence(t)
	run(t, "cloud", "INSERT INTO app.other (v) VALUES (99)")
	p := x.look(t, "home").Position
	err := x["cloud"].Complete(within(t, 20*time.Second), Against{Other: p})
	var e *ErrantError
	if !errors.As(err, &e) {
		t.Fatalf("%v, want what only cloud has", err)
	}
	said(err.Error())
	allowed := Position(e.Extra)
	if !onMySQL() {
		allowed = x.look(t, "cloud").Position // up to there
		if string(allowed) == string(before) {
			t.Error("its position has not moved")
		}
	}
	ok(t, x["cloud"].Complete(within(t, 20*time.Second), Against{Other: p, Allowed: allowed}))
	run(t, "cloud", "INSERT INTO app.other (v) VALUES (100)")
	if err := x["cloud"].Complete(within(t, 20*time.Second), Against{Other: p, Allowed: allowed}); !errors.As(err, &e) {
		t.Errorf("%v, want what nobody allowed", err)
	}
	// Seen from home, it is what home lacks.
	st, err := x["home"].Look(t.Context(), Against{Other: x.look(t, "cloud").Position})
	ok(t, err)
	if st.Missing == "" || st.Extra != "" {
		t.Errorf("home against cloud: %+v", st)
	}
}

// TestMark: the row on the writer comes to the other side, an older move doesn't overwrite it, a fenced server gets none, and
// heartbeats leave it alone.
func TestMark(t *testing.T) { onBoth(t, testMark) }

func testMark(t *testing.T) {
	x := taken(t, ServerOptions{})
	run(t, "home", "DELETE FROM roomshift.heartbeat")
	if st := x.look(t, "home"); st.Marker != (Marker{}) {
		t.Errorf("marker %+v, want none", st.Marker)
	}
	for _, m := range []struct{ write, want Marker }{
		{Marker{7, "cloud"}, Marker{7, "cloud"}}, {Marker{8, "home"}, Marker{8, "home"}}, {Marker{6, "cloud"}, Marker{8, "home"}}, {Marker{6, "home"}, Marker{8, "home"}}, {Marker{9, "home"}, Marker{9, "home"}},
	} {
		p, err := x["home"].Mark(t.Context(), m.write)
		ok(t, err)
		ok(t, x["cloud"].Wait(within(t, 20*time.Second), p))
		for _, room := range lab.Rooms {
			if st := x.look(t, room); st.Marker != m.want {
				t.Errorf("%s: %+v, want %+v", room, st.Marker, m.want)
			}
		}
	}
	g := watch(t, openLab(t, labPair()), fast)
	g.await(t, 0, "home", 10*time.Second, "known", known)
	g.end()
	if st := x.look(t, "home"); st.Marker != (Marker{9, "home"}) {
		t.Errorf("after heartbeats %+v", st.Marker)
	}
	_, err := x["cloud"].Mark(t.Context(), Marker{10, "cloud"})
	if err == nil {
		t.Error("a fenced server took a marker")
	}
	if st := x.look(t, "cloud"); st.Marker.Epoch == 10 {
		t.Error("a fenced server has a marker of its own")
	}
}

// TestMarkerTableMissing: a server without the table is looked at all the same.
func TestMarkerTableMissing(t *testing.T) { onBoth(t, testMarkerTableMissing) }

func testMarkerTableMissing(t *testing.T) {
	x := taken(t, ServerOptions{})
	run(t, "home", "RENAME TABLE roomshift.heartbeat TO roomshift.away")
	t.Cleanup(func() { run(t, "home", "RENAME TABLE roomshift.away TO roomshift.heartbeat") })
	if st := x.look(t, "home"); !st.Open() || st.Source == "" || st.Threads != "" || st.Marker != (Marker{}) {
		t.Errorf("%+v", st)
	}
	if _, err := x["home"].Mark(t.Context(), Marker{1, "home"}); err == nil || !strings.Contains(err.Error(), "--init") {
		t.Errorf("%v, want what to do", err)
	}
}

// TestRestartFence: MySQL is told to come up fenced, keeps what it does now, and says so; of MariaDB that can't be known.
func TestRestartFence(t *testing.T) { onBoth(t, testRestartFence) }

func testRestartFence(t *testing.T) {
	x := taken(t, ServerOptions{})
	r, err := x["home"].RestartFence(t.Context())
	ok(t, err)
	if !onMySQL() {
		if r.Known || r.Fenced {
			t.Errorf("%+v of MariaDB", r)
		}
		if err := x["home"].PersistFence(t.Context()); !errors.Is(err, ErrUnsupported) {
			t.Error(err)
		}
		return
	}
	if r.Fenced || !r.Known {
		t.Errorf("%+v before", r)
	}
	t.Cleanup(func() { run(t, "home", "RESET PERSIST super_read_only") })
	ok(t, x["home"].PersistFence(t.Context()))
	if st := x.look(t, "home"); !st.Open() {
		t.Errorf("%+v, want it as it was", st)
	}
	if r, err = x["home"].RestartFence(t.Context()); err != nil || !r.Fenced {
		t.Errorf("%+v, %v", r, err)
	}
	run(t, "home", "SET PERSIST_ONLY super_read_only=0")
	if r, err = x["home"].RestartFence(t.Context()); err != nil || r.Fenced {
		t.Errorf("%+v, %v after somebody persisted 0", r, err)
	}
}
