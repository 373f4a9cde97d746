package consul_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// TestLeaseThatRanOut: a renewal isn't answered for longer than a lease is good for. Its session lives on in Consul, and hears of that
// renewal in the end; the run takes its own lock again all the same, at once, and no loss is told after that.
func TestLeaseThatRanOut(t *testing.T) {
	for name, late := range map[string]bool{"taken before the late answer": false, "taken after the late answer": true} {
		t.Run(name, func(t *testing.T) { leaseThatRanOut(t, late) })
	}
}

func leaseThatRanOut(t *testing.T, late bool) {
	t.Parallel() // it waits for a lease to run out
	m := management(t)
	proxy := cutovertest.NewProxy(t, realHost())
	var h heard
	l := client(t, proxy.Addr(), func(c *consul.Config) { c.TimeOut = 30 * time.Second }).Lock("roomshift/"+unique(), lockOptions(h.notify))
	first, err := l.Take(within10s(t), claimOf("r1", "gw"))
	if err != nil {
		t.Fatal(err)
	}
	again := claimOf("r1", "gw")
	again.Resume = true
	if _, err := l.Take(within10s(t), again); err == nil {
		t.Error("a lease that is good was taken from its own holder")
	}
	proxy.Only(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/session/renew") })
	held := proxy.Hold()
	held()
	for tick := time.NewTicker(10 * time.Millisecond); first.Until() > now(); <-tick.C {
	}
	ranOut := first.Until()
	if late {
		proxy.Release()
		await(t, "the late answer is dealt with", func() bool { return h.lost() != nil || first.Until() > ranOut })
	}
	next, err := l.Take(within10s(t), again)
	if err != nil {
		t.Fatal("the lease ran out:", err)
	}
	h.mu.Lock()
	told := len(h.changes)
	h.mu.Unlock()
	if !late {
		proxy.Release()
	}
	if next.Fence().Index <= first.Fence().Index || honoured(t, m, first.Fence()) || !honoured(t, m, next.Fence()) {
		t.Errorf("after fence %+v came %+v, and not that one alone is honoured", first.Fence(), next.Fence())
	}
	before := next.Until()
	await(t, "some renewals", func() bool { return next.Until() > before+cutover.Second })
	if first.Until() > ranOut {
		t.Errorf("a lease that ran out at %d is good until %d", ranOut, first.Until())
	}
	h.mu.Lock()
	for _, c := range h.changes[told:] {
		if c.Lost {
			t.Error("lost, though the lock was taken again:", c.Err)
		}
	}
	h.mu.Unlock()
	if err := next.Release(within10s(t), false); err != nil {
		t.Error(err)
	}
	if err := first.Release(within10s(t), false); err == nil {
		t.Error("a lease that ran out was released")
	}
}
