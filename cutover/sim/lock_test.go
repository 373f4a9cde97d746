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
