package cutovertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// LockUnderTest is one lock with what the suite needs to disturb it. The suite makes a new one for each subtest; hooks that
// are nil say that this lock can't be disturbed so, and their subtests don't run.
type LockUnderTest struct {
	Lock, Other cutover.Lock // one place as two processes see it
	Now         func() cutover.T
	TTL         cutover.T // a lease is good for this long after a renewal
	// Free is the longest that a dead holder keeps the lock.
	Free cutover.T
	// Honoured tells whether the server still honours a fence: a write that carries it would go through.
	Honoured func(f cutover.Fence) bool
	Lost     func(l cutover.Lease) bool // the holder was told that its lease is lost
	End      func(l cutover.Lease)      // the server ends the session
	Kill     func(l cutover.Lease)      // the holder dies: it renews and releases nothing any more
	Stall    func(l cutover.Lease)      // the holder's renewals hang from now on
	Pass     func(d cutover.T)          // lets time pass; nil: real time
	Secrets  []string
}

// LockSuite runs every clause of the contract of cutover.Lock and cutover.Lease.
func LockSuite(t *testing.T, setup func(t *testing.T) LockUnderTest) {
	for _, c := range []struct {
		name string
		runs func(u *LockUnderTest) bool
		test func(l *lockTest)
	}{
		{"take and release", nil, takesAndReleases},
		{"held by another run", nil, refusesOthers},
		{"runs that share nothing", nil, takesBeside},
		{"a resting run keeps its claims", nil, keepsClaims},
		{"a run takes over its own claims", nil, takesOver},
		{"a claim is taken whole or not at all", nil, takesAllOrNone},
		{"the lease goes on", nil, goesOn},
		{"an ended session is told", func(u *LockUnderTest) bool { return u.End != nil }, tellsLoss},
		{"until is never later than the truth", func(u *LockUnderTest) bool { return u.Stall != nil }, neverLater},
		{"a dead holder's lock becomes free", func(u *LockUnderTest) bool { return u.Kill != nil }, freesTheDead},
		{"an ended context takes nothing", nil, takesNothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := setup(t)
			if c.runs == nil || c.runs(&u) {
				c.test(&lockTest{t, &u})
			}
		})
	}
}

type lockTest struct {
	*testing.T
	*LockUnderTest
}

// claim is one of run "r1", "r2" …, as somebody's on some host.
func claim(run string, names ...string) cutover.Claim {
	return cutover.Claim{Run: run, Who: "who-" + run, Host: "host-" + run, PID: 4711, Names: names, Since: "2026-01-31T22:00:00+08:00"}
}

func (l *lockTest) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

func (l *lockTest) take(lock cutover.Lock, c cutover.Claim) cutover.Lease {
	l.Helper()
	ctx, cancel := l.context()
	defer cancel()
	lease, err := lock.Take(ctx, c)
	if err != nil {
		l.Fatalf("take %s %v: %v", c.Run, c.Names, err)
	}
	l.Cleanup(func() {
		ctx, cancel := l.context()
		defer cancel()
		_ = lease.Release(ctx, false) // most are released or lost already
	})
	return lease
}

func (l *lockTest) release(lease cutover.Lease, keep bool) {
	l.Helper()
	ctx, cancel := l.context()
	defer cancel()
	if err := lease.Release(ctx, keep); err != nil {
		l.Fatalf("release: %v", err)
	}
}

// refused fails unless the claim is refused as held, by an error that says all of these.
func (l *lockTest) refused(lock cutover.Lock, c cutover.Claim, says ...string) {
	l.Helper()
	ctx, cancel := l.context()
	defer cancel()
	lease, err := lock.Take(ctx, c)
	if err == nil {
		_ = lease.Release(ctx, false)
		l.Fatalf("%s %v was taken, want it held", c.Run, c.Names)
	}
	if !errors.Is(err, cutover.ErrHeld) {
		l.Fatalf("%s %v: %v, want ErrHeld", c.Run, c.Names, err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			l.Errorf("%q doesn't say %q", err, s)
		}
	}
	for _, s := range l.Secrets {
		if strings.Contains(err.Error(), s) {
			l.Errorf("an error tells the secret %q: %v", s, err)
		}
	}
}

func (l *lockTest) pass(d cutover.T) {
	if l.Pass != nil {
		l.Pass(d)
		return
	}
	<-time.After(d.Duration())
}

// await lets time pass until ok, for at most limit.
func (l *lockTest) await(limit cutover.T, what string, ok func() bool) {
	l.Helper()
	for end := l.Now() + limit; !ok(); l.pass(50 * cutover.Millisecond) {
		if l.Now() > end {
			l.Fatalf("after %v still not: %s", limit.Duration(), what)
		}
	}
}

func takesAndReleases(l *lockTest) {
	before := l.Now()
	lease := l.take(l.Lock, claim("r1", "gw", "names"))
	if u := lease.Until(); u <= before || u > l.Now()+l.TTL {
		l.Errorf("the lease is good until %d, want after %d and not after %d", u, before, l.Now()+l.TTL)
	}
	f := lease.Fence()
	if !l.Honoured(f) {
		l.Errorf("the fence %v of a live lease isn't honoured", f)
	}
	l.release(lease, false)
	if l.Honoured(f) {
		l.Error("the fence is honoured after the release")
	}
	if u := lease.Until(); u > l.Now() {
		l.Errorf("a released lease is good until %d, now is %d", u, l.Now())
	}
	next := l.take(l.Other, claim("r2", "gw"))
	if !l.Honoured(next.Fence()) {
		l.Error("the next holder's fence isn't honoured")
	}
}

func refusesOthers(l *lockTest) {
	l.take(l.Lock, claim("r1", "gw", "names"))
	l.refused(l.Other, claim("r2", "api", "names"), "names", "r1", "who-r1", "host-r1", "2026-01-31T22:00:00+08:00")
	l.refused(l.Other, claim("r1", "gw", "names"), "r1", "host-r1")
	again := claim("r1", "gw", "names")
	again.Resume = true
	l.refused(l.Other, again, "r1", "host-r1") // it lives: nobody may take it over
}

func takesBeside(l *lockTest) {
	a := l.take(l.Lock, claim("r1", "gw"))
	b := l.take(l.Other, claim("r2", "api"))
	if !l.Honoured(a.Fence()) || !l.Honoured(b.Fence()) {
		l.Error("two runs that share nothing aren't both honoured")
	}
}

func keepsClaims(l *lockTest) {
	l.release(l.take(l.Lock, claim("r1", "gw", "names")), true)
	l.refused(l.Other, claim("r2", "gw"), "gw", "r1", "who-r1", "host-r1")
	l.take(l.Other, claim("r3", "api"))
}

func takesOver(l *lockTest) {
	first := l.take(l.Lock, claim("r1", "gw", "names"))
	l.release(first, true)
	l.refused(l.Other, claim("r1", "gw", "names"), "r1") // without Resume even its own
	c := claim("r1", "gw", "names")
	c.Resume = true
	second := l.take(l.Other, c)
	if a, b := first.Fence(), second.Fence(); b.Index <= a.Index {
		l.Errorf("the second holder's index is %d after %d, want it higher", b.Index, a.Index)
	}
	if l.Honoured(first.Fence()) {
		l.Error("the first holder's fence is honoured beside the second's")
	}
	l.release(second, false)
	third := l.take(l.Lock, claim("r1", "gw", "names"))
	if a, b := second.Fence(), third.Fence(); b.Index <= a.Index {
		l.Errorf("after a release the index is %d after %d, want it higher", b.Index, a.Index)
	}
}

func takesAllOrNone(l *lockTest) {
	l.take(l.Lock, claim("r1", "pair"))
	l.refused(l.Other, claim("r2", "api", "gw", "pair"), "pair", "r1")
	l.take(l.Other, claim("r3", "api", "gw"))
}

func goesOn(l *lockTest) {
	lease := l.take(l.Lock, claim("r1", "gw"))
	first := lease.Until()
	l.await(l.TTL/2, "the lease is renewed", func() bool { return lease.Until() > first })
	if u := lease.Until(); u > l.Now()+l.TTL {
		l.Errorf("renewed until %d, want not after %d", u, l.Now()+l.TTL)
	}
	if !l.Honoured(lease.Fence()) {
		l.Error("a renewed lease isn't honoured")
	}
}

func tellsLoss(l *lockTest) {
	lease := l.take(l.Lock, claim("r1", "gw"))
	l.End(lease)
	l.await(l.TTL, "the loss is told", func() bool { return l.Lost(lease) })
	if u := lease.Until(); u > l.Now() {
		l.Errorf("a lost lease is good until %d, now is %d", u, l.Now())
	}
	ctx, cancel := l.context()
	defer cancel()
	if err := lease.Release(ctx, false); !errors.Is(err, cutover.ErrLeaseLost) {
		l.Errorf("releasing a lost lease: %v, want ErrLeaseLost", err)
	}
}

func neverLater(l *lockTest) {
	lease := l.take(l.Lock, claim("r1", "gw"))
	l.Stall(lease)
	stalled := lease.Until()
	l.await(l.Free, "the server ends the session", func() bool {
		until, now := lease.Until(), l.Now() // the truth is asked after the promise
		if until > stalled+cutover.Second {
			l.Fatalf("with its renewals stalled the lease went from %d to %d", stalled, until)
		}
		honoured := l.Honoured(lease.Fence())
		if !honoured && until > now {
			l.Fatalf("the lease is said to be good until %d, and isn't honoured at %d", until, now)
		}
		return !honoured
	})
}

func freesTheDead(l *lockTest) {
	dead := l.take(l.Lock, claim("r1", "gw"))
	l.Kill(dead)
	c := claim("r1", "gw")
	c.Resume = true
	var next cutover.Lease
	l.await(l.Free, "the dead holder's lock is free", func() bool {
		ctx, cancel := l.context()
		defer cancel()
		lease, err := l.Other.Take(ctx, c)
		if err != nil && !errors.Is(err, cutover.ErrHeld) {
			l.Fatal(err)
		}
		next = lease
		return err == nil
	})
	if l.Now() < dead.Until() {
		l.Errorf("the lock was taken at %d, though the dead holder's lease was good until %d", l.Now(), dead.Until())
	}
	if l.Honoured(dead.Fence()) || !l.Honoured(next.Fence()) {
		l.Error("not the new holder alone is honoured")
	}
	l.release(next, false)
}

func takesNothing(l *lockTest) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	if lease, err := l.Lock.Take(ctx, claim("r1", "gw")); err == nil {
		l.release(lease, false)
		l.Error("taken under an ended context")
	}
	if took := time.Since(start); took > 5*time.Second {
		l.Errorf("an ended context was obeyed after %v", took)
	}
	l.take(l.Other, claim("r2", "gw"))
}
