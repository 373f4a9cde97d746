package cutovertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"roomshift/cutover"
)

// MemoryLock is a Lock in this process, on a clock that only Pass moves. A lease renews itself as time passes, until it is
// stalled, killed or ended.
type MemoryLock struct {
	TTL, RenewEvery cutover.T

	mu     sync.Mutex
	now    cutover.T
	runs   map[string]*memoryRun
	claims map[string]string // name → run
}

type memoryRun struct {
	claim  cutover.Claim
	index  uint64
	holder *MemoryLease // nil: nobody
}

// NewMemoryLock is a free lock with ENGINE's times: 30 s, renewed every 5 s.
func NewMemoryLock() *MemoryLock {
	return &MemoryLock{TTL: 30 * cutover.Second, RenewEvery: 5 * cutover.Second, runs: map[string]*memoryRun{}, claims: map[string]string{}}
}

// MemoryLease is a lease of a MemoryLock.
type MemoryLease struct {
	lock    *MemoryLock
	run     *memoryRun
	fence   cutover.Fence
	until   cutover.T // as its holder knows
	ends    cutover.T // as the lock knows
	renewed cutover.T
	stalled bool
	lost    bool
}

// Now is the lock's clock.
func (m *MemoryLock) Now() cutover.T {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Pass moves the clock, renewing and ending what is due.
func (m *MemoryLock) Pass(d cutover.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d
	for _, r := range m.runs {
		switch h := r.holder; {
		case h == nil:
		case !h.stalled && m.now >= h.renewed+m.RenewEvery:
			h.renewed, h.until, h.ends = m.now, m.now+m.TTL, m.now+m.TTL
		case m.now >= h.ends:
			r.holder = nil
		}
	}
}

// Take takes the run's lock and its claims.
func (m *MemoryLock) Take(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names := slices.Sorted(slices.Values(c.Names))
	for _, n := range names {
		if run, taken := m.claims[n]; taken && !(run == c.Run && c.Resume) {
			by := m.runs[run].claim
			return nil, fmt.Errorf("%s: %w by run %s, %s@%s since %s", n, cutover.ErrHeld, run, by.Who, by.Host, by.Since)
		}
	}
	r := m.runs[c.Run]
	if r == nil {
		r = &memoryRun{}
		m.runs[c.Run] = r
	}
	if r.holder != nil {
		return nil, fmt.Errorf("run %s: %w by %s@%s since %s", c.Run, cutover.ErrHeld, r.claim.Who, r.claim.Host, r.claim.Since)
	}
	for _, n := range names {
		m.claims[strings.Clone(n)] = c.Run
	}
	r.index++
	r.claim = c
	r.holder = &MemoryLease{lock: m, run: r, fence: cutover.Fence{Session: fmt.Sprintf("%s-%d", c.Run, r.index), Key: "lock/" + c.Run,
		Index: r.index}, until: m.now + m.TTL, ends: m.now + m.TTL, renewed: m.now}
	return r.holder, nil
}

// Until is cutover.Lease's.
func (l *MemoryLease) Until() cutover.T {
	l.lock.mu.Lock()
	defer l.lock.mu.Unlock()
	return l.until
}

// Fence is cutover.Lease's.
func (l *MemoryLease) Fence() cutover.Fence { return l.fence }

// Release is cutover.Lease's.
func (l *MemoryLease) Release(_ context.Context, keepClaim bool) error {
	l.lock.mu.Lock()
	defer l.lock.mu.Unlock()
	l.until = min(l.until, l.lock.now)
	if l.run.holder != l {
		return fmt.Errorf("release: %w", cutover.ErrLeaseLost)
	}
	l.run.holder = nil
	if !keepClaim {
		for n, run := range l.lock.claims {
			if run == l.run.claim.Run {
				delete(l.lock.claims, n)
			}
		}
	}
	return nil
}

// Honoured tells whether a write with this fence would go through.
func (m *MemoryLock) Honoured(f cutover.Fence) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.runs[strings.TrimPrefix(f.Key, "lock/")]
	return r != nil && r.holder != nil && r.holder.fence == f
}

// UnderTest is the lock with every hook of the lock suite.
func (m *MemoryLock) UnderTest() LockUnderTest {
	with := func(f func(l *MemoryLease)) func(cutover.Lease) {
		return func(l cutover.Lease) {
			m.mu.Lock()
			defer m.mu.Unlock()
			f(l.(*MemoryLease))
		}
	}
	stall := with(func(l *MemoryLease) { l.stalled = true })
	return LockUnderTest{Lock: m, Other: m, Now: m.Now, TTL: m.TTL, Free: 2 * m.TTL, Honoured: m.Honoured, Pass: m.Pass,
		Lost: func(l cutover.Lease) (lost bool) { with(func(l *MemoryLease) { lost = l.lost })(l); return lost },
		End: with(func(l *MemoryLease) {
			l.run.holder, l.until, l.lost = nil, m.now, true
		}),
		Kill: stall, Stall: stall}
}
