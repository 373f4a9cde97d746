package consul_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// lockOptions are short: Consul takes no TTL under 10 s.
func lockOptions(notify func(cutover.LeaseChange)) consul.LockOptions {
	return consul.LockOptions{Place: "home", TTL: 10 * time.Second, RenewEvery: 100 * time.Millisecond, LockDelay: time.Millisecond,
		Now: now, Notify: notify}
}

var start = time.Now()

func now() cutover.T { return cutover.T(time.Since(start)) }

// heard collects lease changes.
type heard struct {
	mu      sync.Mutex
	changes []cutover.LeaseChange
}

func (h *heard) notify(c cutover.LeaseChange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, c)
}

func (h *heard) lost() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.changes {
		if c.Lost {
			return c.Err
		}
	}
	return nil
}

// honoured tells whether a write that carries the fence would go through.
func honoured(t testing.TB, m *api.Client, f cutover.Fence) bool {
	t.Helper()
	ok, _, _, err := m.Txn().Txn(api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: f.Key, Session: f.Session}},
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: "gateway/honoured", Value: []byte("1")}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestLock(t *testing.T) {
	cutovertest.LockSuite(t, func(t *testing.T) cutovertest.LockUnderTest {
		t.Parallel() // two of them wait for Consul to end a session
		m := management(t)
		prefix := "roomshift/" + unique()
		proxy := cutovertest.NewProxy(t, realHost())
		var h heard
		mine := client(t, proxy.Addr(), func(c *consul.Config) { c.TimeOut = time.Second }).Lock(prefix, lockOptions(h.notify))
		theirs := client(t, "", nil).Lock(prefix, lockOptions(nil))
		stall := func(cutover.Lease) { proxy.Stall() }
		return cutovertest.LockUnderTest{
			Lock: mine, Other: theirs, Now: now, TTL: 10 * cutover.Second, Free: 30 * cutover.Second,
			Honoured: func(f cutover.Fence) bool { return honoured(t, m, f) },
			Lost:     func(cutover.Lease) bool { return h.lost() != nil },
			End: func(l cutover.Lease) {
				if _, err := m.Session().Destroy(l.Fence().Session, nil); err != nil {
					t.Fatal(err)
				}
			},
			Kill: stall, Stall: stall, Secrets: []string{real.Token, real.Management},
		}
	})
}

func within10s(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await polls until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("not within 10 s: " + what)
		}
	}
}

func claimOf(run string, names ...string) cutover.Claim {
	return cutover.Claim{Run: run, Who: "wang", Host: "bastion-1", PID: 4711, Names: names, Since: "2026-01-31T22:00:00+08:00"}
}

// TestLockKeys: the keys hold what ENGINE §6 says, for other tools and for people.
func TestLockKeys(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	lease, err := client(t, "", nil).Lock(prefix, lockOptions(nil)).Take(within10s(t), claimOf("0131-7c", "gw", "app-db"))
	if err != nil {
		t.Fatal(err)
	}
	f := lease.Fence()
	pair := get(t, m, prefix+"/lock/0131-7c")
	if f.Key != prefix+"/lock/0131-7c" || pair.Session != f.Session || pair.LockIndex != f.Index || f.Index != 1 {
		t.Errorf("the fence is %+v, the key has session %s and lock index %d", f, pair.Session, pair.LockIndex)
	}
	for _, says := range []string{`"run":"0131-7c"`, `"who":"wang"`, `"host":"bastion-1"`, `"pid":4711`, `"since":"2026-01-31T22:00:00+08:00"`} {
		if !strings.Contains(string(pair.Value), says) {
			t.Errorf("the lock's key holds %s, want %s in it", pair.Value, says)
		}
	}
	for _, n := range []string{"gw", "app-db"} {
		if p := get(t, m, prefix+"/claim/"+n); p == nil || string(p.Value) != "0131-7c" {
			t.Errorf("the claim on %s is %v, want the run's name", n, p)
		}
	}
	s, _, err := m.Session().Info(f.Session, nil)
	if err != nil || s == nil || s.Behavior != "release" || s.TTL != "10s" || s.LockDelay != time.Millisecond || len(s.Checks)+len(s.NodeChecks) > 0 {
		t.Errorf("the session is %+v: %v, want release, 10s, 1ms and no checks", s, err)
	}
	if err := lease.Release(within10s(t), false); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"gw", "app-db"} {
		if p := get(t, m, prefix+"/claim/"+n); p != nil {
			t.Errorf("after the release the claim on %s is %s, want none", n, p.Value)
		}
	}
	if s, _, err := m.Session().Info(f.Session, nil); err != nil || s != nil {
		t.Errorf("after the release the session is %+v: %v, want none", s, err)
	}
}

// TestDeadHolder: a run whose process is known to be dead is taken over at once, in spite of session and lock-delay; one on
// another machine, or alive, is not.
func TestDeadHolder(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	c := client(t, "", nil)
	o := lockOptions(nil)
	o.LockDelay = 15 * time.Second
	dead, err := c.Lock(prefix, o).Take(within10s(t), claimOf("r1", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	again := claimOf("r1", "gw")
	again.Resume, again.PID = true, 4712
	if _, err := c.Lock(prefix, o).Take(within10s(t), again); !errors.Is(err, cutover.ErrHeld) {
		t.Fatalf("nobody said that the holder is dead: %v, want ErrHeld", err)
	}
	o.Dead = func(host string, pid int) bool { return host == "bastion-1" && pid == 4711 }
	lease, err := c.Lock(prefix, o).Take(within10s(t), again)
	if err != nil {
		t.Fatal("the holder is dead:", err)
	}
	if lease.Fence().Index <= dead.Fence().Index {
		t.Errorf("the index is %d after %d", lease.Fence().Index, dead.Fence().Index)
	}
	if honoured(t, m, dead.Fence()) || !honoured(t, m, lease.Fence()) {
		t.Error("not the new holder alone is honoured")
	}
	if s, _, err := m.Session().Info(dead.Fence().Session, nil); err != nil || s != nil {
		t.Errorf("the dead holder's session is %+v: %v, want none", s, err)
	}
	if err := dead.Release(within10s(t), false); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("the dead holder's release: %v, want ErrLeaseLost", err)
	}
	if p := get(t, m, prefix+"/claim/gw"); p == nil {
		t.Error("the dead holder's release deleted the new holder's claim")
	}
	if err := lease.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
	next, err := c.Lock(prefix, o).Take(within10s(t), again)
	if err != nil {
		t.Fatal("after a release nobody waits for lock-delay:", err)
	}
	if err := next.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
}

// TestLockDelay: after a session died with the lock Consul keeps it for a while, and the error says so.
func TestLockDelay(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	o := lockOptions(nil)
	o.LockDelay = 2 * time.Second
	l := client(t, "", nil).Lock(prefix, o)
	dead, err := l.Take(within10s(t), claimOf("r1", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Session().Destroy(dead.Fence().Session, nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dead.Release(within10s(t), false); err == nil {
			t.Error("a lock whose session is gone was released")
		}
	}()
	again := claimOf("r1", "gw")
	again.Resume = true
	if _, err := l.Take(within10s(t), again); !errors.Is(err, cutover.ErrHeld) || !strings.Contains(err.Error(), "lock-delay") {
		t.Errorf("within lock-delay: %v, want ErrHeld that says so", err)
	}
	if p := get(t, m, prefix+"/claim/gw"); p == nil {
		t.Error("the attempt that failed deleted the run's claim")
	}
	await(t, "the lock-delay is over", func() bool {
		lease, err := l.Take(within10s(t), again)
		if err == nil {
			err = lease.Release(within10s(t), false)
		}
		return err == nil
	})
}

// TestOneErrorLosesNothing: a renewal that fails is no loss; the next one goes on.
func TestOneErrorLosesNothing(t *testing.T) {
	proxy := cutovertest.NewProxy(t, realHost())
	var h heard
	lease, err := client(t, proxy.Addr(), nil).Lock("roomshift/"+unique(), lockOptions(h.notify)).Take(within10s(t), claimOf("r1", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{500, 503, 429, 403} {
		answered := make(chan struct{})
		proxy.Answer(func(*http.Request) *http.Response { close(answered); return answer(status, "no", nil) })
		<-answered
		before := lease.Until()
		await(t, fmt.Sprintf("a renewal after a %d", status), func() bool { return lease.Until() > before })
	}
	proxy.CutAnswer()
	before := lease.Until()
	await(t, "a renewal after a lost answer", func() bool { return lease.Until() > before })
	if err := h.lost(); err != nil {
		t.Error("lost:", err)
	}
	if err := lease.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
}

// TestLockTakenOff: a session that lives on doesn't hide that somebody deleted the lock's key.
func TestLockTakenOff(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	var h heard
	lease, err := client(t, "", nil).Lock(prefix, lockOptions(h.notify)).Take(within10s(t), claimOf("r1", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.KV().Delete(prefix+"/lock/r1", nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the loss is told", func() bool { return h.lost() != nil })
	if !errors.Is(h.lost(), cutover.ErrLeaseLost) || lease.Until() > now() {
		t.Errorf("lost by %v, good until %d at %d", h.lost(), lease.Until(), now())
	}
	if err := lease.Release(within10s(t), false); !errors.Is(err, cutover.ErrLeaseLost) {
		t.Errorf("release: %v, want ErrLeaseLost", err)
	}
}

// TestTakeUnanswered: a Take whose answer is lost leaves nothing behind that stands in the next one's way.
func TestTakeUnanswered(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/session/create") })
	held := proxy.Hold()
	l := client(t, proxy.Addr(), nil).Lock(prefix, lockOptions(nil))
	errs := make(chan error, 1)
	go func() {
		_, err := l.Take(within10s(t), claimOf("r1", "gw"))
		errs <- err
	}()
	held()
	proxy.Only(nil)
	proxy.CutAnswer() // of the transaction that takes: the one request after the session's
	proxy.Release()
	if err := <-errs; !errors.Is(err, cutover.ErrOutcomeUnknown) {
		t.Errorf("take: %v, want ErrOutcomeUnknown", err)
	}
	if p := get(t, m, prefix+"/claim/gw"); p != nil {
		t.Errorf("the claim of an attempt that failed is %s, want none", p.Value)
	}
	lease, err := l.Take(within10s(t), claimOf("r2", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
}

// TestLateAnswer: a renewal that is answered late extends the lease from when it was sent, not from when its answer came.
func TestLateAnswer(t *testing.T) {
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/session/renew") })
	held := proxy.Hold()
	var until []cutover.T // at each renewal
	var mu sync.Mutex
	var lease cutover.Lease
	notify := func(cutover.LeaseChange) {
		mu.Lock()
		defer mu.Unlock()
		until = append(until, lease.Until())
	}
	mu.Lock()
	lease, err := client(t, proxy.Addr(), nil).Lock("roomshift/"+unique(), lockOptions(notify)).Take(within10s(t), claimOf("r1", "gw"))
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	held()
	sent, first := now(), lease.Until()
	await(t, "a second has gone by", func() bool { return now() > sent+cutover.Second })
	if lease.Until() != first {
		t.Errorf("good until %d before any renewal was answered, want %d", lease.Until(), first)
	}
	proxy.Release()
	await(t, "the late answer has come", func() bool { mu.Lock(); defer mu.Unlock(); return len(until) > 0 })
	mu.Lock()
	if until[0] > sent+10*cutover.Second {
		t.Errorf("the late answer made it good until %d, want at most %d", until[0], sent+10*cutover.Second)
	}
	mu.Unlock()
	if err := lease.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
}
