package cutovertest_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/cutovertest"
)

// mistakenLock is a MemoryLock that does one thing wrong.
type mistakenLock struct {
	*cutovertest.MemoryLock
	take  func(ctx context.Context, c cutover.Claim) (cutover.Lease, error)
	lease func(l *mistakenLease)
}

// mistakenLease is one of its leases.
type mistakenLease struct {
	cutover.Lease
	until   func() cutover.T
	fence   func(f cutover.Fence) cutover.Fence
	release func(ctx context.Context, keep bool) error
}

func (m *mistakenLock) Take(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
	take := m.MemoryLock.Take
	if m.take != nil {
		take = m.take
	}
	l, err := take(ctx, c)
	if err != nil || m.lease == nil {
		return l, err
	}
	ml := &mistakenLease{Lease: l}
	m.lease(ml)
	return ml, nil
}

func (l *mistakenLease) Until() cutover.T {
	if l.until != nil {
		return l.until()
	}
	return l.Lease.Until()
}

func (l *mistakenLease) Fence() cutover.Fence {
	if l.fence != nil {
		return l.fence(l.Lease.Fence())
	}
	return l.Lease.Fence()
}

func (l *mistakenLease) Release(ctx context.Context, keep bool) error {
	if l.release != nil {
		return l.release(ctx, keep)
	}
	return l.Lease.Release(ctx, keep)
}

var lockMistakes = map[string]func(m *mistakenLock){
	"take and release/releases nothing": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) { l.release = func(context.Context, bool) error { return nil } }
	},
	"take and release/keeps the claims": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) {
			l.release = func(ctx context.Context, _ bool) error { return l.Lease.Release(ctx, true) }
		}
	},
	"held by another run/says nothing": func(m *mistakenLock) {
		m.take = func(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
			l, err := m.MemoryLock.Take(ctx, c)
			if err != nil {
				err = cutover.ErrHeld
			}
			return l, err
		}
	},
	"held by another run/another error": func(m *mistakenLock) {
		m.take = func(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
			l, err := m.MemoryLock.Take(ctx, c)
			if err != nil {
				err = errors.New(err.Error())
			}
			return l, err
		}
	},
	"runs that share nothing/one at a time": func(m *mistakenLock) {
		m.take = func(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
			c.Names = append(c.Names, "everything")
			return m.MemoryLock.Take(ctx, c)
		}
	},
	"a resting run keeps its claims/drops them": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) {
			l.release = func(ctx context.Context, _ bool) error { return l.Lease.Release(ctx, false) }
		}
	},
	"a run takes over its own claims/always": func(m *mistakenLock) {
		m.take = func(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
			c.Resume = true
			return m.MemoryLock.Take(ctx, c)
		}
	},
	"a run takes over its own claims/same index": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) {
			l.fence = func(f cutover.Fence) cutover.Fence { f.Index = 1; return f }
		}
	},
	"a claim is taken whole or not at all/what it can": func(m *mistakenLock) {
		m.take = func(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
			l, err := m.MemoryLock.Take(ctx, c)
			if err != nil && len(c.Names) > 1 {
				c.Names = c.Names[:1]
				_, _ = m.MemoryLock.Take(ctx, c)
			}
			return l, err
		}
	},
	"until is never later than the truth/a late answer extends it": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) { l.until = func() cutover.T { return m.Now() + m.TTL/2 } }
	},
	"until is never later than the truth/too long": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) { l.until = func() cutover.T { return l.Lease.Until() + 2*cutover.Second } }
	},
	"an ended session is told/good on": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) {
			first := l.Lease.Until()
			l.until = func() cutover.T { return first }
		}
	},
	"the lease goes on/never renewed": func(m *mistakenLock) {
		m.lease = func(l *mistakenLease) {
			first := l.Lease.Until()
			l.until = func() cutover.T { return first }
		}
	},
	"an ended context takes nothing/takes": func(m *mistakenLock) {
		m.take = func(_ context.Context, c cutover.Claim) (cutover.Lease, error) {
			return m.MemoryLock.Take(context.Background(), c)
		}
	},
}

// TestMistakenLock is run by TestLockSuiteCatches, in a process of its own; by itself it has nothing to do.
func TestMistakenLock(t *testing.T) {
	plant := lockMistakes[os.Getenv(mistakeVar)]
	if plant == nil {
		return
	}
	cutovertest.LockSuite(t, func(t *testing.T) cutovertest.LockUnderTest {
		m := &mistakenLock{MemoryLock: cutovertest.NewMemoryLock()}
		plant(m)
		u := m.UnderTest()
		u.Lock, u.Other = m, m
		unwrap := func(f func(cutover.Lease)) func(cutover.Lease) {
			return func(l cutover.Lease) {
				if ml, ok := l.(*mistakenLease); ok {
					l = ml.Lease
				}
				f(l)
			}
		}
		lost := u.Lost
		u.End, u.Kill, u.Stall = unwrap(u.End), unwrap(u.Kill), unwrap(u.Stall)
		u.Lost = func(l cutover.Lease) (is bool) { unwrap(func(l cutover.Lease) { is = lost(l) })(l); return is }
		return u
	})
}

func TestLockSuiteCatches(t *testing.T) {
	for mistake := range lockMistakes {
		t.Run(mistake, func(t *testing.T) { catches(t, lockRunID, mistake) })
	}
}
