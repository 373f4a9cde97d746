package sim

import (
	"context"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// TestLock holds the simulated lock to the contract of cutover.Lock.
func TestLock(t *testing.T) {
	cutovertest.LockSuite(t, func(t *testing.T) cutovertest.LockUnderTest {
		s := newTest(t, "climb", Options{})
		a, b := s.NewRunner(context.Background()), s.NewRunner(context.Background())
		p := s.places[0]
		return cutovertest.LockUnderTest{
			Lock: &lock{place: p, r: a}, Other: &lock{place: p, r: b}, Now: a.Now, TTL: leaseTTL, Free: leaseTTL + lockDelay,
			Honoured: func(f cutover.Fence) bool { return s.honoured(p.name, f) },
			Lost: func(l cutover.Lease) bool {
				l.Until()
				p.sweep()
				return len(l.(*lease).r.leases) > 0
			},
			End:   func(l cutover.Lease) { l.(*lease).end(s.now) },
			Kill:  func(l cutover.Lease) { l.(*lease).stall(); l.(*lease).quiet = true },
			Stall: func(l cutover.Lease) { l.(*lease).stall() },
			Pass:  s.Advance,
		}
	})
}

// TestLockDelay: a dead holder keeps others out for what is left of its lease and the lock-delay; one that released doesn't.
func TestLockDelay(t *testing.T) {
	ctx := context.Background()
	s := newTest(t, "climb", Options{})
	a, b := s.NewRunner(ctx), s.NewRunner(ctx)
	la, lb := &lock{place: s.places[0], r: a}, &lock{place: s.places[0], r: b}
	c := cutover.Claim{Run: "r", Names: []string{"gw"}, Resume: true}
	if _, err := la.Take(ctx, c); err != nil {
		t.Fatal(err)
	}
	s.Advance(12 * cutover.Second) // renewed at 10 s
	a.Kill()
	var got cutover.Lease
	for got == nil {
		s.Advance(cutover.Second)
		got, _ = lb.Take(ctx, c)
	}
	if want := 10*cutover.Second + leaseTTL + lockDelay; s.now < want || s.now > want+cutover.Second {
		t.Errorf("it was free at %s, want %s", s.now.Duration(), want.Duration())
	}
	if err := got.Release(ctx, false); err != nil {
		t.Fatal(err)
	}
	if _, err := lb.Take(ctx, cutover.Claim{Run: "other", Names: []string{"gw"}}); err != nil {
		t.Errorf("after a release: %v", err)
	}
}
