package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"roomshift/cutover"
)

// The lock of one place, as Consul keeps it: a session with a time to live that its holder renews, a key for each run that is
// held by a session, and a claim for each route and pair. A session that ends by itself keeps its keys from others for the
// lock-delay; one that is released doesn't.
const (
	leaseTTL   = 30 * cutover.Second
	leaseEvery = 5 * cutover.Second
	lockDelay  = 15 * cutover.Second
	lockTakes  = 10 * cutover.Millisecond
)

// place is one Consul's locks.
type place struct {
	s     *Sim
	name  string
	index uint64
	held  []*lease          // by run, one at most each that isn't over
	names map[string]string // route or pair → run; read by key only
	told  map[string]cutover.Claim
}

// lock is a place as one process reaches it.
type lock struct {
	*place
	r *Runner
}

// lease is one session that holds, or held, a run's key.
type lease struct {
	p       *place
	r       *Runner
	claim   cutover.Claim
	session string
	index   uint64
	renewed cutover.T // the last renewal that was answered, on the rooms' clock
	stalled bool      // no renewal is answered any more
	over    bool      // ended on the server
	free    cutover.T // when others may have the key, once it is over
	quiet   bool      // released or abandoned: nobody hears of its end
}

// Take makes one attempt.
func (l *lock) Take(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := l.place
	l.r.takes(lockTakes)
	if p.s.down(p.name, "consul") {
		l.r.takes(5 * cutover.Second)
		return nil, fmt.Errorf("take the lock in %s: %w", p.name, errUnreachable)
	}
	p.sweep()
	for _, h := range p.held {
		if h.claim.Run == c.Run && (!h.over || p.s.now < h.free) {
			return nil, p.heldBy(h.claim, "its session isn't over")
		}
	}
	for _, name := range c.Names {
		run, ok := p.names[name]
		if ok && (run != c.Run || !c.Resume) {
			return nil, p.heldBy(p.told[run], fmt.Sprintf("it has claimed %s", name))
		}
	}
	if p.names == nil {
		p.names, p.told = map[string]string{}, map[string]cutover.Claim{}
	}
	for _, name := range c.Names {
		p.names[name] = c.Run
	}
	p.told[c.Run] = c
	p.index++
	h := &lease{p: p, r: l.r, claim: c, session: p.name + "-" + strconv.FormatUint(p.index, 10), index: p.index, renewed: p.s.now}
	p.held = append(slices.DeleteFunc(p.held, func(h *lease) bool { return h.claim.Run == c.Run }), h)
	return h, nil
}

func (p *place) heldBy(c cutover.Claim, why string) error {
	return fmt.Errorf("%w in %s by run %s of %s on %s since %s: %s", cutover.ErrHeld, p.name, c.Run, c.Who, c.Host, c.Since, why)
}

// sweep ends the sessions whose time is over.
func (p *place) sweep() {
	for _, h := range p.held {
		if !h.over && h.until() <= p.s.now {
			h.end(h.until())
		}
	}
}

// until is when the session is over unless it is renewed, on the rooms' clock. Renewals are worked out when somebody asks.
func (h *lease) until() cutover.T {
	if h.over {
		return min(h.renewed+leaseTTL, h.p.s.now)
	}
	if !h.stalled && !h.p.s.down(h.p.name, "consul") {
		if k := (h.p.s.now - h.renewed) / leaseEvery; k > 0 {
			h.renewed += k * leaseEvery
		}
	}
	return h.renewed + leaseTTL
}

// stall: no renewal is answered from now on.
func (h *lease) stall() {
	h.until()
	h.stalled = true
	h.p.expect()
}

// expect looks at the sessions again when they would end unless they are renewed: their holders hear of it then.
func (p *place) expect() {
	for _, h := range p.held {
		if !h.over {
			p.s.at(h.until(), p.sweep)
		}
	}
}

// end ends the session on the server.
func (h *lease) end(at cutover.T) {
	if h.over {
		return
	}
	h.over, h.free = true, at+lockDelay
	h.renewed = min(h.renewed, at-leaseTTL)
	if !h.quiet && !h.r.dead {
		h.r.leases = append(h.r.leases, cutover.LeaseChange{Place: h.p.name, Lost: true, Err: cutover.ErrLeaseLost})
	}
}

// Until is when the lease is over, on its holder's clock.
func (h *lease) Until() cutover.T { return h.until() - h.r.base }

// Fence goes into every request.
func (h *lease) Fence() cutover.Fence {
	return cutover.Fence{Session: h.session, Key: "roomshift/lock/" + h.claim.Run, Index: h.index}
}

// Release gives the lock back.
func (h *lease) Release(ctx context.Context, keepClaim bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := h.p
	h.r.takes(lockTakes)
	if p.s.down(p.name, "consul") {
		h.r.takes(5 * cutover.Second)
		return fmt.Errorf("release the lock in %s: %w", p.name, errUnreachable)
	}
	if h.until() <= p.s.now || h.over {
		h.end(h.until())
		return fmt.Errorf("release the lock in %s: %w", p.name, cutover.ErrLeaseLost)
	}
	h.quiet = true
	h.end(p.s.now)
	h.free = p.s.now
	if !keepClaim {
		p.forget(h.claim.Run)
	}
	return nil
}

// forget ends a run's claims.
func (p *place) forget(run string) {
	for _, name := range p.told[run].Names {
		if p.names[name] == run {
			delete(p.names, name)
		}
	}
}

// honoured tells whether a request that carries the fence goes through now.
func (s *Sim) honoured(name string, f cutover.Fence) bool {
	for _, p := range s.places {
		if p.name != name {
			continue
		}
		p.sweep()
		for _, h := range p.held {
			if h.session == f.Session && h.index == f.Index && !h.over {
				return true
			}
		}
	}
	return false
}

// abandon: a process is gone, and renews nothing any more.
func (p *place) abandon(r *Runner) {
	for _, h := range p.held {
		if h.r == r && !h.over {
			h.stall()
			h.quiet = true
		}
	}
}

var (
	_ cutover.Lock  = (*lock)(nil)
	_ cutover.Lease = (*lease)(nil)
)
