package dts_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/aliyun/alitest"
	"roomshift/aliyun/rds"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

const instance = "rm-2zelab"

// provided is a lab whose home is fenced by its provider: roomshift's account there may set nothing.
type provided struct {
	*lab
	rds *alitest.RDS
	at  *alitest.Server
	by  *rds.Instance
}

// settable is dbsync.Provider over the service's client, as roomshift wires it.
type settable struct{ *rds.Instance }

func (settable) Settable(context.Context, string, string) error { return nil }

func newProvided(t *testing.T, quiet time.Duration, o alitest.Options) *provided {
	t.Helper()
	p := &provided{lab: newLab(t, alitest.Options{})}
	var doing sync.Mutex
	p.rds = alitest.NewRDS(alitest.RDSOptions{Instance: instance, Engine: "MySQL", EngineVersion: "9.7", Parameter: "read_only", Value: "0", Takes: 300 * time.Millisecond,
		Apply: func(value string) error {
			doing.Lock()
			defer doing.Unlock()
			_, err := masters[0].DB().ExecContext(context.Background(), "SET GLOBAL read_only="+value)
			return err
		}})
	t.Cleanup(p.rds.Close)
	var err error
	p.at, err = alitest.New(o, p.rds.Actions())
	ok(t, err)
	t.Cleanup(p.at.Close)
	run(t, 0, "REVOKE SYSTEM_VARIABLES_ADMIN ON *.* FROM roomshift@'127.0.0.1'")
	t.Cleanup(func() { run(t, 0, "GRANT SYSTEM_VARIABLES_ADMIN ON *.* TO roomshift@'127.0.0.1'") })
	p.process(quiet)
	return p
}

// process is another process of roomshift.
func (p *provided) process(quiet time.Duration) {
	t := p.t
	t.Helper()
	var err error
	p.by, err = rds.New(rds.Config{Endpoint: p.at.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: alitest.TestSecret}, Instance: instance, TimeOut: time.Second})
	ok(t, err)
	t.Cleanup(p.by.Close)
	pair := dbsync.Pair{Name: "user-db", Rooms: [2]string{"home", "cloud"}, Tool: p.tool, Quiet: quiet, Providers: [2]dbsync.Provider{settable{p.by}}}
	for i := range masters {
		pair.DSN[i] = masters[i].DSN(server.Roomshift)
	}
	p.ring, err = dbsync.Open(pair)
	ok(t, err)
	t.Cleanup(p.ring.Close)
	p.sides = map[string]*dbsync.Server{}
	for _, room := range rooms {
		s, err := p.ring.Server(room, dbsync.ServerOptions{})
		ok(t, err)
		t.Cleanup(s.Close)
		p.sides[room] = s
	}
}

func readOnly(t *testing.T, i int) bool {
	t.Helper()
	var is bool
	ok(t, masters[i].DB().QueryRowContext(context.WithoutCancel(t.Context()), "SELECT @@global.read_only").Scan(&is))
	return is
}

// stable makes a record for home, and waits until nothing speaks against a move.
func (m *mover) ready(room string) {
	m.t.Helper()
	if a := m.move(room, time.Minute); a.Do != writer.Done {
		m.t.Fatalf("%v: %v", a, m.why)
	}
	until(m.t, "nothing speaks against it: "+m.notNow, func() bool {
		m.step(room, time.Minute)
		return m.notNow == ""
	})
}

// TestMoveFencedByProvider: the write role leaves a master whose read_only only its provider sets, and comes back, under writers; each change
// takes the provider a while. Nothing that was acknowledged lacks when the other one is opened.
func TestMoveFencedByProvider(t *testing.T) {
	p := newProvided(t, 50*time.Millisecond, alitest.Options{})
	m := p.mover()
	w := startWriters(t, 8)
	m.opening = func(room string) {
		i := 0
		if room == "cloud" {
			i = 1
		}
		if n := w.missing(t, i); n > 0 {
			t.Errorf("%s is opened without %d of the tokens that were acknowledged", room, n)
		}
	}
	for from, to := range []int{1, 0} {
		m.ready(rooms[from])
		began, n := time.Now(), w.in(to)
		if a := m.move(rooms[to], 30*time.Second); a.Do != writer.Done {
			t.Fatalf("%v\n%s\n%v", a, strings.Join(m.acts, "\n"), m.why)
		}
		until(t, rooms[to]+" takes writes", func() bool { return w.in(to) > n+5 })
		t.Logf("from %s to %s: nobody took writes for %v", rooms[from], rooms[to], w.Between(rooms[from], began).Round(time.Millisecond))
	}
	w.End()
	ok(t, p.tasks.Await(within(t, 30*time.Second)))
	for i := range masters {
		if n := w.missing(t, i); n > 0 {
			t.Errorf("%d of %d acknowledged tokens aren't in %s", n, len(w.Acks()), rooms[i])
		}
	}
	if got := fmt.Sprint(p.rds.Log()); got != "[1 0]" {
		t.Errorf("the provider was asked for %s, want one fence and one open", got)
	}
}

// TestNoMoveBeforeQuiet: until what an older process sent can't be accepted any more, a move doesn't begin; and one whose session broke in the
// middle isn't committed.
func TestNoMoveBeforeQuiet(t *testing.T) {
	p := newProvided(t, time.Hour, alitest.Options{})
	m := p.mover()
	if a := m.move("home", time.Minute); a.Do != writer.Done {
		t.Fatalf("%v", a)
	}
	a := m.move("cloud", time.Minute)
	if a.Do != writer.Write || a.Next.Phase != writer.Fencing || !strings.Contains(m.notNow, "may be accepted by read_only of "+instance) {
		t.Errorf("%v; %q", a, m.notNow)
	}
	// FENCING by a process that waited; then its session breaks: a position behind the fence isn't believed.
	p.process(time.Millisecond)
	m = p.mover()
	m.ready("home")
	for m.rec.Phase != writer.Fencing || !readOnly(t, 0) {
		m.step("cloud", time.Minute)
	}
	p.process(time.Hour)
	p.take()
	m.fencer = writer.Fencer{}
	for range 20 {
		m.step("cloud", time.Minute)
	}
	if m.rec.Phase == writer.Commit || m.rec.Phase == writer.Stable && m.rec.Writer == "cloud" || !readOnly(t, 1) {
		t.Errorf("%+v\n%v", m.rec, m.acts)
	}
	if a := m.move("home", time.Minute); a.Do != writer.Done || readOnly(t, 0) {
		t.Errorf("and back: %v, %v", a, m.acts)
	}
}

// TestLateOpen is the trace that the quiet time is for: an older process's open is held on its way while another one has the lock. It would
// open the fenced master after the other one was opened, if that process moved the write role at once; for as long as it can be accepted
// no move begins, and later it isn't accepted.
func TestLateOpen(t *testing.T) {
	var mu sync.Mutex
	var ahead time.Duration
	p := newProvided(t, time.Millisecond, alitest.Options{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }})
	hold := func() {
		t.Helper()
		m := p.mover()
		m.ready("home")
		ok(t, p.sides["home"].Fence(within(t, 20*time.Second)))
		p.at.Fault(alitest.Fault{Action: "ModifyParameter", Times: 1, Kind: alitest.Held})
		if err := p.sides["home"].Open(within(t, 5*time.Second)); err == nil || !strings.Contains(err.Error(), "unknown") || p.at.HeldNow() != 1 {
			t.Fatalf("%v, %d held", err, p.at.HeldNow())
		}
		fence(t, 0, false) // somebody opens it meanwhile
		p.rds.Change("0")
		until(t, "nothing is under way", func() bool { why, err := p.by.Pending(t.Context()); return err == nil && why == "" })
	}

	hold()
	p.process(time.Hour)
	m := p.mover()
	if a := m.move("home", time.Minute); a.Do != writer.Done {
		t.Fatalf("%v", a)
	}
	for range 20 {
		if m.step("cloud", time.Minute); m.rec.Phase != writer.Stable || !strings.Contains(m.notNow, "may be accepted") {
			t.Fatalf("a move is begun while an older open may land: %+v, %q", m.rec, m.notNow)
		}
	}
	mu.Lock()
	ahead = 16 * time.Minute
	mu.Unlock()
	n := len(p.rds.Log())
	p.at.Release()
	if len(p.rds.Log()) != n {
		t.Error("a request was accepted that was signed 16 minutes ago")
	}
	mu.Lock()
	ahead = 0
	mu.Unlock()

	// Without the wait there are two writers.
	p.process(time.Millisecond)
	hold()
	p.process(time.Millisecond)
	m = p.mover()
	m.ready("home")
	if a := m.move("cloud", time.Minute); a.Do != writer.Done {
		t.Fatalf("%v: %v", a, m.why)
	}
	p.at.Release()
	until(t, "the old open is in force: two writers", func() bool { return !readOnly(t, 0) && !readOnly(t, 1) })
}

// TestProviderPending: while a change of anybody's is accepted and not in force, nothing is sent over it, and a look says so.
func TestProviderPending(t *testing.T) {
	p := newProvided(t, time.Millisecond, alitest.Options{})
	m := p.mover()
	m.ready("home")
	loose := p.rds.Stick()
	p.rds.Change("1") // somebody in the console
	err := p.sides["home"].Open(within(t, 5*time.Second))
	if err == nil || !strings.Contains(err.Error(), "sets it to 1") {
		t.Errorf("an open over it: %v", err)
	}
	a, _ := m.step("cloud", time.Minute)
	if a.Do != writer.Lock && a.Do != writer.Hold {
		t.Errorf("%v", a)
	}
	if got := fmt.Sprint(p.rds.Log()); got != "[1]" {
		t.Errorf("sent over it: %s", got)
	}
	loose()
	until(t, "it is in force", func() bool { return readOnly(t, 0) })
	ok(t, p.sides["home"].Open(within(t, 10*time.Second)))
}

// TestProviderFaults: refused and throttled say so and are clean; an answer that is lost is unknown, and is settled by the same request once
// more; a provider that says that a value is in force isn't believed before the server says the same.
func TestProviderFaults(t *testing.T) {
	p := newProvided(t, time.Millisecond, alitest.Options{})
	m := p.mover()
	m.ready("home")
	home := p.sides["home"]
	for kind, says := range map[alitest.Kind]string{alitest.Refuse: "IncorrectDBInstanceState", alitest.Throttle: "throttling"} {
		p.at.Fault(alitest.Fault{Action: "ModifyParameter", Times: 1, Kind: kind, Code: "IncorrectDBInstanceState"})
		err := home.Fence(within(t, 10*time.Second))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "unknown") || strings.Contains(err.Error(), alitest.TestSecret) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	p.at.Fault(alitest.Fault{Action: "ModifyParameter", Times: 1, Kind: alitest.LoseReply})
	if err := home.Fence(within(t, 10*time.Second)); err == nil || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("a lost answer: %v", err)
	}
	ok(t, home.Fence(within(t, 10*time.Second)))
	if got := fmt.Sprint(p.rds.Log()); got != "[1]" {
		t.Errorf("the provider accepted %s, want the fence once", got)
	}
	ok(t, home.Open(within(t, 10*time.Second)))
	p.rds.Takes(time.Hour)
	if err := home.Fence(within(t, time.Second)); err == nil || !strings.Contains(err.Error(), "not in force") {
		t.Errorf("a change that takes for ever: %v", err)
	}
}

// TestNothingIsSentWithoutTheLock: the session that holds the server's lock is ended: what was signed since then isn't sent.
func TestNothingIsSentWithoutTheLock(t *testing.T) {
	p := newProvided(t, time.Millisecond, alitest.Options{})
	p.mover().ready("home")
	var id string
	ok(t, masters[0].DB().QueryRowContext(t.Context(), "SELECT IS_USED_LOCK('roomshift/user-db')").Scan(&id))
	run(t, 0, "KILL "+id)
	if err := p.sides["home"].Fence(within(t, 5*time.Second)); err == nil || p.at.Calls("ModifyParameter") != 0 || readOnly(t, 0) {
		t.Errorf("%v, and %d requests were sent", err, p.at.Calls("ModifyParameter"))
	}
}

// TestProviderThatLies: what the provider says is in force isn't, and the server's own word counts.
func TestProviderThatLies(t *testing.T) {
	p := newProvided(t, time.Millisecond, alitest.Options{})
	p.rds.Close()
	m := p.mover()
	m.ready("home")
	liar := alitest.NewRDS(alitest.RDSOptions{Instance: instance, Engine: "MySQL", EngineVersion: "9.7", Parameter: "read_only", Value: "0", Apply: func(string) error { return nil }})
	defer liar.Close()
	at, err := alitest.New(alitest.Options{}, liar.Actions())
	ok(t, err)
	defer at.Close()
	p.at = at
	p.process(time.Millisecond)
	p.take()
	if err := p.sides["home"].Fence(within(t, 2*time.Second)); err == nil || !strings.Contains(err.Error(), "not in force") || readOnly(t, 0) {
		t.Errorf("%v", err)
	}
}
