package consul_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// TestLockOfManyNames takes more than one transaction holds, and gives all of it back when the last name is taken.
func TestLockOfManyNames(t *testing.T) {
	m, prefix := management(t), "roomshift/"+unique()
	l := client(t, "", nil).Lock(prefix, lockOptions(nil))
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("route-%03d", i)
	}
	count := func() int {
		keys, _, err := m.KV().Keys(prefix+"/claim/", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return len(keys)
	}
	lease, err := l.Take(within10s(t), claimOf("r1", names...))
	if err != nil {
		t.Fatal(err)
	}
	if n := count(); n != len(names) {
		t.Errorf("%d claims, want %d", n, len(names))
	}
	if err := lease.Release(within10s(t), false); err != nil || count() != 0 {
		t.Errorf("after the release %d claims: %v", count(), err)
	}
	// Somebody takes the last name between the look and the transactions: the first three are carried out by then.
	proxy := cutovertest.NewProxy(t, realHost())
	proxy.Only(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/session/create") })
	held := proxy.Hold()
	errs := make(chan error, 1)
	go func() {
		_, err := client(t, proxy.Addr(), nil).Lock(prefix, lockOptions(nil)).Take(within10s(t), claimOf("r2", names...))
		errs <- err
	}()
	held()
	put(t, m, prefix+"/claim/route-199", "r3", 0)
	proxy.Release()
	if err := <-errs; !errors.Is(err, cutover.ErrHeld) || !strings.Contains(err.Error(), "route-199") {
		t.Errorf("taking 200 names, the last one taken: %v, want ErrHeld by route-199", err)
	}
	if n := count(); n != 1 {
		t.Errorf("after the failed attempt there are %d claims, want the other run's only", n)
	}
	if p := get(t, m, prefix+"/lock/r2"); p == nil || p.Session != "" {
		t.Errorf("after the failed attempt the lock is %+v, want it free", p)
	}
}

func TestOneOfManyTakes(t *testing.T) {
	prefix := "roomshift/" + unique()
	l := client(t, "", nil).Lock(prefix, lockOptions(nil))
	for round := range 10 {
		leases := make(chan cutover.Lease, 8)
		var all sync.WaitGroup
		for i := range cap(leases) {
			all.Go(func() {
				lease, err := l.Take(within10s(t), claimOf(fmt.Sprintf("r%d-%d", round, i), "gw", "app-db"))
				if err == nil {
					leases <- lease
				} else if !errors.Is(err, cutover.ErrHeld) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		close(leases)
		n := 0
		for lease := range leases {
			n++
			if err := lease.Release(within10s(t), false); err != nil {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Fatalf("round %d: %d runs took the same routes, want one", round, n)
		}
	}
}
