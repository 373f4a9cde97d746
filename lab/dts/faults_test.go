package dts_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/aliyun/alitest"
	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

// TestTasksThatStop: while either task doesn't synchronize, or nobody knows, a move isn't begun, and the reason names the task and its status.
func TestTasksThatStop(t *testing.T) {
	l := newLab(t, alitest.Options{})
	m := l.mover()
	m.ready("home")
	refused := func(words ...string) {
		t.Helper()
		a, _ := m.step("cloud", time.Minute)
		if m.rec.Phase != writer.Stable || m.notNow == "" {
			t.Errorf("%v: a move is begun: %q", a, m.notNow)
		}
		for _, w := range words {
			if !strings.Contains(m.notNow, w) {
				t.Errorf("%q lacks %q", m.notNow, w)
			}
		}
	}
	for i, room := range rooms {
		for _, status := range []string{"Failed", "Suspending", "Modifying", "Finished"} {
			l.tasks.From(room).Become(status, "DTS-1: something broke")
			refused(ids[i], status, "something broke")
		}
		l.tasks.From(room).Become("Synchronizing", "")
		l.tasks.From(room).Unsaid(true)
		refused("the delay is unknown", ids[i])
		l.tasks.From(room).Unsaid(false)
	}
	for _, f := range []alitest.Fault{{Kind: alitest.Throttle}, {Kind: alitest.Hang}, {Kind: alitest.Refuse, Code: "InternalError", Status: 500}} {
		l.api.Fault(f)
		refused("the delay is unknown")
		l.api.Heal()
	}
	run(t, 1, "SET GLOBAL super_read_only=1")
	refused("super_read_only is on in cloud")
	run(t, 1, "SET GLOBAL super_read_only=0")
	m.ready("home")
}

// TestTaskStopsBehindTheFence: the task fails, or nobody can tell, after the fence: the move is given up when its time is over, the old
// writer is opened again, and nothing lacks.
func TestTaskStopsBehindTheFence(t *testing.T) {
	for name, breaks := range map[string]func(l *lab){
		"failed": func(l *lab) { l.tasks.From("home").Become("Failed", "DTS-2: no") },
		"slow":   func(l *lab) { l.tasks.From("home").Delay(time.Hour) },
		"unsaid": func(l *lab) { l.tasks.From("home").Unsaid(true) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, alitest.Options{})
			m := l.mover()
			w := startWriters(t, 4)
			m.ready("home")
			until(t, "home takes writes", func() bool { return w.in(0) > 5 })
			for m.fenced.IsZero() {
				m.step("cloud", 3*time.Second)
			}
			breaks(l)
			var a writer.Act
			for end := time.Now().Add(time.Minute); time.Now().Before(end) && (m.rec.Phase != writer.Stable || a.Do != writer.Write); {
				a, _ = m.step("cloud", 3*time.Second)
			}
			if m.rec.Phase != writer.Stable || m.rec.Writer != "home" || readOnly(t, 0) || !readOnly(t, 1) {
				t.Fatalf("%+v\n%v", m.rec, strings.Join(m.acts, "\n"))
			}
			if acts := strings.Join(m.acts, "\n"); name == "failed" && !strings.Contains(acts, "cloud receives nothing from home") {
				t.Errorf("it isn't given up at once:\n%s", acts)
			}
			n := w.in(0)
			until(t, "home takes writes again", func() bool { return w.in(0) > n+5 })
			w.End()
			if n := w.missing(t, 0); n > 0 {
				t.Errorf("%d acknowledged tokens lack", n)
			}
		})
	}
}

// TestOldBarrierProvesNothing: a barrier of an earlier move is on the other master; a process that finds both masters fenced, with nothing
// carried since, doesn't take it for one behind this fence.
func TestOldBarrierProvesNothing(t *testing.T) {
	l := newLab(t, alitest.Options{})
	m := l.mover()
	for _, room := range []string{"home", "cloud", "home"} {
		if m.rec != nil {
			m.ready(m.rec.Writer)
		}
		if a := m.move(room, 20*time.Second); a.Do != writer.Done {
			t.Fatalf("%v: %v", a, m.why)
		}
	}
	w := startWriters(t, 2)
	l.tasks.From("home").Delay(time.Hour)
	until(t, "home takes writes", func() bool { return w.in(0) > 5 })
	fence(t, 0, true)
	w.End()
	l.connect()
	l.take()
	ok(t, l.sides["home"].Kill(within(t, 20*time.Second))) // a barrier counts when no client is left
	for range 3 {
		seen, err := dbsync.Seen(within(t, 20*time.Second), l.sides["home"], l.sides["cloud"], dbsync.SeenOptions{})
		ok(t, err)
		if seen[0].Beyond != writer.BeyondOwn {
			t.Errorf("cloud has all of home: %+v, and lacks %d tokens", seen[0], w.missing(t, 1))
		}
	}
	l.tasks.From("home").Delay(0)
	until(t, "cloud has all of home", func() bool {
		seen, err := dbsync.Seen(within(t, 20*time.Second), l.sides["home"], l.sides["cloud"], dbsync.SeenOptions{})
		ok(t, err)
		return seen[0].Beyond == writer.BeyondNone
	})
	if n := w.missing(t, 1); n > 0 {
		t.Errorf("and lacks %d tokens", n)
	}
}

// TestToolIsNoClient: the tool's connections aren't killed with the application's, those of accounts that pass read_only by are, and nobody
// else writes behind the fence.
func TestToolIsNoClient(t *testing.T) {
	l := newLab(t, alitest.Options{})
	m := l.mover()
	m.ready("home")
	run(t, 0, "CREATE USER IF NOT EXISTS ops@'127.0.0.1' IDENTIFIED BY 'x'")
	run(t, 0, "GRANT CONNECTION_ADMIN, INSERT ON *.* TO ops@'127.0.0.1'")
	t.Cleanup(func() { run(t, 0, "DROP USER IF EXISTS ops@'127.0.0.1'") })
	users, err := l.sides["home"].Bypassing(within(t, 10*time.Second))
	if err != nil || !strings.Contains(strings.Join(users, " "), "ops") || strings.Contains(strings.Join(users, " "), "dts_sync") {
		t.Errorf("%v, %v", users, err)
	}
	var before, after int
	count := func() (n int) {
		ok(t, masters[0].DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'dts_sync'").Scan(&n))
		return n
	}
	before = count()
	ok(t, l.sides["home"].Fence(within(t, 10*time.Second)))
	ok(t, l.sides["home"].Kill(within(t, 10*time.Second)))
	if after = count(); before == 0 || after != before {
		t.Errorf("the tool had %d connections, and has %d", before, after)
	}
	ok(t, l.sides["home"].Open(within(t, 10*time.Second)))
}

// TestWatchSynced: a direction's lag is at least the tool's own delay, and a beat's; a task that doesn't synchronize is unknown, with its
// name, and so is one that nobody tells of.
func TestWatchSynced(t *testing.T) {
	l := newLab(t, alitest.Options{})
	var mu sync.Mutex
	last := map[cutover.Room]dbsync.Reading{}
	begun := time.Now()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.ring.Watch(ctx, dbsync.WatchOptions{Every: time.Second, Now: func() cutover.T { return cutover.T(time.Since(begun)) }, Put: func(r dbsync.Reading) {
			mu.Lock()
			defer mu.Unlock()
			last[r.To] = r
		}})
	}()
	t.Cleanup(func() { stop(); <-ended })
	is := func(room cutover.Room, what string, like func(dbsync.Reading) bool) {
		t.Helper()
		until(t, what, func() bool {
			mu.Lock()
			defer mu.Unlock()
			r, there := last[room]
			return there && like(r)
		})
	}
	is("cloud", "both known", func(r dbsync.Reading) bool { return r.Unknown == "" && r.Hi < 5 })
	is("home", "both known", func(r dbsync.Reading) bool { return r.Unknown == "" && r.Hi < 5 })
	l.tasks.From("home").Delay(3 * time.Second)
	is("cloud", "3 s behind", func(r dbsync.Reading) bool { return r.Unknown == "" && r.Hi > 2.5 })
	l.tasks.From("home").Become("Suspending", "")
	is("cloud", "a task that is paused is unknown", func(r dbsync.Reading) bool {
		return strings.Contains(string(r.Unknown), ids[0]) && strings.Contains(string(r.Unknown), "Suspending")
	})
	is("home", "the other direction is known", func(r dbsync.Reading) bool { return r.Unknown == "" })
	l.tasks.From("home").Delay(0)
	l.tasks.From("home").Become("Synchronizing", "")
	is("cloud", "known again", func(r dbsync.Reading) bool { return r.Unknown == "" && r.Hi < 2 })
	l.api.Fault(alitest.Fault{Kind: alitest.Hang})
	is("cloud", "no answer is unknown", func(r dbsync.Reading) bool { return strings.HasPrefix(string(r.Unknown), string(cutover.NoAnswer)) })
}

// TestCheckSynced: what the tool needs is looked at, and each thing that lacks is said where it lacks.
func TestCheckSynced(t *testing.T) {
	l := newLab(t, alitest.Options{})
	found := func() map[string]dbsync.Finding {
		t.Helper()
		all, err := l.ring.Check(within(t, 20*time.Second))
		ok(t, err)
		out := map[string]dbsync.Finding{}
		for _, f := range all {
			out[f.Check+" "+f.Room] = f
		}
		return out
	}
	bad := func(key, seen string) {
		t.Helper()
		if f, there := found()[key]; !there || f.OK || !strings.Contains(f.Seen, seen) || f.Do == "" {
			t.Errorf("%s: %+v, want it bad with %q", key, f, seen)
		}
	}
	for key, f := range found() {
		good := !strings.HasPrefix(key, "conflicts") && !strings.HasPrefix(key, "events")
		if good && !f.OK {
			t.Errorf("%s: %s", key, f)
		}
	}
	bad("conflicts cloud", "overwrite")
	if f := found()["DDL "]; !f.OK || !strings.Contains(f.Seen, "not carried") {
		t.Errorf("DDL: %+v", f)
	}
	run(t, 0, "CREATE TABLE app.bare (v INT)")
	bad("keys home", "app.bare")
	run(t, 0, "DROP TABLE app.bare")
	run(t, 1, "SET GLOBAL binlog_row_image=MINIMAL")
	bad("binlog cloud", "MINIMAL")
	run(t, 1, "SET GLOBAL binlog_row_image=FULL")
	run(t, 0, "SET GLOBAL binlog_expire_logs_seconds=3600")
	bad("retention home", "1h0m0s")
	run(t, 0, "SET GLOBAL binlog_expire_logs_seconds=2592000")
	run(t, 1, "SET GLOBAL super_read_only=1")
	bad("fence cloud", "super_read_only ON")
	run(t, 1, "SET GLOBAL super_read_only=0")
	l.tasks.From("home").Become("Synchronizing", "") // what it wrote meanwhile, if it did, was refused
	run(t, 1, "RENAME TABLE roomshift.barrier TO roomshift.away")
	bad("tables cloud", "1 of 2")
	run(t, 1, "RENAME TABLE roomshift.away TO roomshift.barrier")
	flown := func() (stands []string) {
		t.Helper()
		all, err := l.ring.Preflight(within(t, 20*time.Second), dbsync.PreflightOptions{To: "cloud"})
		ok(t, err)
		for _, f := range all {
			if f.Stands() {
				stands = append(stands, f.String())
			}
		}
		return stands
	}
	if got := flown(); len(got) > 0 {
		t.Errorf("before a move: %v", got)
	}
	l.tasks.From("cloud").Become("Failed", "DTS-3: broken")
	if got := flown(); len(got) != 1 || !strings.Contains(got[0], ids[1]) {
		t.Errorf("before a move, with a task that failed: %v", got)
	}
	bad("task home", ids[1])
	bad("task home", "DTS-3")
	l.tasks.From("cloud").Become("Synchronizing", "")
	run(t, 1, "SET GLOBAL read_only=0")
	bad("writer ", "two writers")
	run(t, 1, "SET GLOBAL read_only=1")
}

// TestGrantsOfATool: without GrantsTool the accounts that pass read_only by aren't known, and without CONNECTION_ADMIN no barrier is written
// behind the fence: both errors name what lacks.
func TestGrantsOfATool(t *testing.T) {
	const user = "roomshift@'127.0.0.1'"
	l := newLab(t, alitest.Options{})
	m := l.mover()
	m.ready("home")
	run(t, 1, "REVOKE SELECT ON mysql.* FROM "+user)
	err := l.sides["cloud"].Take(within(t, 10*time.Second))
	run(t, 1, "GRANT SELECT ON mysql.* TO "+user)
	if err == nil || !strings.Contains(err.Error(), "GRANT SELECT ON mysql.* TO {user}") {
		t.Errorf("%v", err)
	}
	run(t, 1, "REVOKE CONNECTION_ADMIN ON *.* FROM "+user)
	l.take()
	_, why := dbsync.Seen(within(t, 10*time.Second), l.sides["home"], l.sides["cloud"], dbsync.SeenOptions{})
	run(t, 1, "GRANT CONNECTION_ADMIN ON *.* TO "+user)
	if why == nil || !strings.Contains(why.Error(), "GRANT CONNECTION_ADMIN ON *.* TO {user}") {
		t.Errorf("%v", why)
	}
	for _, g := range dbsync.GrantsTool {
		if g != "GRANT SELECT ON mysql.* TO {user}" {
			t.Errorf("%s isn't tried", g)
		}
	}
}

// TestXABehindTheFence: MySQL lets a branch that was begun before the fence be prepared and committed behind it. A barrier that was written
// while that client was there would stand before its rows.
func TestXABehindTheFence(t *testing.T) {
	l := newLab(t, alitest.Options{})
	m := l.mover()
	m.ready("home")
	l.tasks.From("home").Delay(time.Second)
	app, err := sql.Open("mysql", masters[0].DSN(server.App))
	ok(t, err)
	defer app.Close()
	conn, err := app.Conn(t.Context())
	ok(t, err)
	do := func(q string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	do("XA START 'x'")
	do("INSERT INTO app.accounts (id, balance) VALUES (77, 1)")
	t.Cleanup(func() { run(t, 0, "DELETE FROM app.accounts") })
	m.opening = func(room string) {
		var n int
		if room == "cloud" {
			ok(t, masters[1].DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM app.accounts WHERE id = 77").Scan(&n))
			if n != 1 {
				t.Error("cloud is opened without the row")
			}
		}
	}
	for m.fenced.IsZero() {
		m.step("cloud", 20*time.Second)
	}
	seen, err := dbsync.Seen(within(t, 10*time.Second), l.sides["home"], l.sides["cloud"], dbsync.SeenOptions{Phase: writer.Fencing})
	if err != nil || seen[0].Clients == 0 || seen[0].Pos != "" {
		t.Errorf("%+v, %v: a position while a client is there", seen[0], err)
	}
	time.Sleep(1100 * time.Millisecond) // a second later than whatever was written
	do("XA END 'x'")
	do("XA PREPARE 'x'")
	do("XA COMMIT 'x'")
	if a := m.move("cloud", 20*time.Second); a.Do != writer.Done || m.rec.Writer != "cloud" {
		t.Errorf("%v\n%s", a, strings.Join(m.acts, "\n"))
	}
}
