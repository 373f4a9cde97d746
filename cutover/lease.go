package cutover

import (
	"context"
	"errors"
	"fmt"
)

// leaseState is the lock of one place: one Consul.
type leaseState struct {
	place   Place
	lease   Lease
	taking  bool
	retryAt T
	err     error
	lost    bool // it was had and was lost
}

const (
	takeLimit  = 5 * Second
	takeAgain  = 2 * Second
	writeLimit = 5 * Second
	readLimit  = 5 * Second
)

// leased tells whether a request to the plane may be sent now. A server that checks the fence itself needs only a live lease;
// else the request and all its lateness must be over before the lease is.
func (e *engine) leased(pl *planeState) bool {
	l := e.leaseOf(pl.Place)
	if l == nil {
		return true
	}
	if l.lease == nil || l.lost {
		return false
	}
	need := e.now
	if !pl.FencedByServer {
		need += pl.TimeOut + pl.Lateness
	}
	return l.lease.Until() > need
}

func (e *engine) leaseOf(place string) *leaseState {
	for i := range e.leases {
		if e.leases[i].place.Name == place {
			return &e.leases[i]
		}
	}
	return nil
}

func (e *engine) fence(pl *planeState) Fence {
	if l := e.leaseOf(pl.Place); l != nil && l.lease != nil {
		return l.lease.Fence()
	}
	return Fence{}
}

// takeLocks starts the attempts that are due. A fresh run gives up when somebody else holds one; a run that has changed
// something goes on trying, for what it can't reach it doesn't write.
func (e *engine) takeLocks() {
	for i := range e.leases {
		l := &e.leases[i]
		if l.lease != nil && !l.lost && l.lease.Until() <= e.now {
			e.leaseLost(l, fmt.Errorf("its renewal didn't come in time: %w", ErrLeaseLost))
		}
		if (l.lease != nil && !l.lost) || l.taking {
			continue
		}
		if e.now < l.retryAt {
			e.at(l.retryAt)
			continue
		}
		e.takeLock(l)
	}
}

func (e *engine) takeLock(l *leaseState) {
	l.taking = true
	c := Claim{Run: e.s.Run, Who: e.s.User, Host: e.s.Host, PID: e.s.PID, Names: e.claimNames(),
		Since: e.wall().Format(wallFormat), Resume: !e.fresh || e.ready}
	e.start(takeLimit, func(ctx context.Context) any {
		lease, err := l.place.Lock.Take(ctx, c)
		return leaseReply{lease, err}
	}, func(v any) {
		l.taking = false
		r := v.(leaseReply)
		if r.err != nil {
			l.err, l.retryAt = r.err, e.now+takeAgain
			return
		}
		l.lease, l.err, l.lost = r.lease, nil, false
		e.leaseHad()
	}, func() {
		l.taking = false
		l.err, l.retryAt = errors.New("no answer"), e.now+takeAgain
	})
}

type leaseReply struct {
	lease Lease
	err   error
}

// wallFormat is RFC 3339 with milliseconds.
const wallFormat = "2006-01-02T15:04:05.000Z07:00"

// claimNames are the routes and pairs that the run holds against other runs.
func (e *engine) claimNames() []string {
	var names []string
	for _, r := range e.plan.Routes {
		if len(r.Seats) > 0 {
			names = append(names, r.Name)
		}
	}
	for _, p := range e.plan.Pairs {
		names = append(names, p.Name)
	}
	return names
}

func (e *engine) leaseChanged(c LeaseChange) {
	l := e.leaseOf(c.Place)
	if l == nil || l.lease == nil {
		return
	}
	if c.Lost {
		err := c.Err
		if err == nil {
			err = ErrLeaseLost
		}
		e.leaseLost(l, err)
	}
}

func (e *engine) leaseLost(l *leaseState, err error) {
	if l.lost {
		return
	}
	l.lost, l.err, l.retryAt = true, err, e.now
	e.note(fmt.Sprintf("%s: %v: nothing is written there until it is had again", l.place.Name, err))
	e.changed()
}

// leaseHad journals a holder's fences, so that a reader of the journal can tell it from an older one.
func (e *engine) leaseHad() {
	if !e.ready {
		return
	}
	e.proposeRun("lock taken again")
}

func (e *engine) proposeRun(why string) {
	fences := map[string]Fence{}
	for i := range e.leases {
		if l := &e.leases[i]; l.lease != nil && !l.lost {
			fences[l.place.Name] = l.lease.Fence()
		}
	}
	e.propose(Record{Kind: KindRun, Run: &RunStart{Hash: e.p.Hash, Version: e.s.Version, Host: e.s.Host, User: e.s.User,
		PID: e.s.PID, Fences: fences, Why: why}}, true)
}

// lockTrouble names the places whose lock isn't had, worst first.
func (e *engine) lockTrouble() []Cause {
	var cs []Cause
	for i := range e.leases {
		l := &e.leases[i]
		if l.lease != nil && !l.lost {
			continue
		}
		text := fmt.Sprintf("the lock in %s isn't had", l.place.Name)
		if l.err != nil {
			text += ": " + l.err.Error()
		}
		cs = append(cs, Cause{Gate: "lock", Room: l.place.Name, Color: Amber, Text: text})
	}
	return cs
}

// release gives the locks back; a resting run keeps its claim on what it moved. A process that is ended meanwhile waits for no
// answer: its clock brings none any more, and the locks end by themselves.
func (e *engine) release(ctx context.Context) {
	keep := !e.closed && (e.p.Phase == PhaseResting || e.exit == ExitStopped || e.exit == ExitUnknown)
	for i := range e.leases {
		if l := &e.leases[i]; l.lease != nil {
			lease := l.lease
			e.start(takeLimit, func(ctx context.Context) any { return lease.Release(ctx, keep) }, func(any) {}, func() {})
		}
	}
	for until := e.now + takeLimit; ctx.Err() == nil && len(e.calls) > 0 && e.now < until; e.now = e.w.Clock.Now() {
		for _, ev := range e.w.Clock.Next(until) {
			if ev.Reply != nil {
				delete(e.calls, ev.Reply.ID)
				e.missing = 0
			}
		}
	}
}
