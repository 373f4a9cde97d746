package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// LockOptions are how a lock is held. Times that are 0 take the values of the comments.
type LockOptions struct {
	Place      string        // the name of the cutover.Place, in what Notify says
	TTL        time.Duration // of the session: 30 s; Consul takes 10 s and more, and may let it live for twice as long
	RenewEvery time.Duration // 5 s
	LockDelay  time.Duration // how long Consul keeps the lock free after a session has died with it: 15 s
	Now        func() cutover.T
	// Notify hears of every renewal and, once, of the loss. It must not block.
	Notify func(cutover.LeaseChange)
	// Dead tells whether the process that holds the run's own lock is known to be dead (it ran on this machine and is gone).
	// Then its session needn't be waited for. nil: never.
	Dead func(host string, pid int) bool
	// Local is a folder of this machine, "" none. Beside a lock in Consul its holder keeps a file there locked: who can lock that one
	// knows that the holder is gone, and needn't wait for its session either. See localLock.
	Local string
}

// Lock is a run's lock in one Consul: the key PREFIX/lock/RUN, acquired by a session, and a key PREFIX/claim/NAME that holds
// the run's name for each route and pair. Lock keys are never deleted, so that a fence's index rises over all holders of a
// run.
type Lock struct {
	client *Client
	prefix string
	o      LockOptions

	mu     sync.Mutex
	last   *lease // the newest one that this Lock gave: see Take
	locals map[string]*localLock
}

var _ cutover.Lock = (*Lock)(nil)

const (
	lockTTL   = 30 * time.Second
	lockDelay = 15 * time.Second
)

// DeadWithin is when a run's lock is free at the latest whose holder is dead, for those who can't know that.
const DeadWithin = 2*lockTTL + lockDelay

// Lock is the lock under this prefix ("roomshift").
func (c *Client) Lock(prefix string, o LockOptions) *Lock {
	if o.TTL <= 0 {
		o.TTL = lockTTL
	}
	if o.RenewEvery <= 0 {
		o.RenewEvery = 5 * time.Second
	}
	if o.LockDelay <= 0 {
		o.LockDelay = lockDelay
	}
	if o.Notify == nil {
		o.Notify = func(cutover.LeaseChange) {}
	}
	if o.Dead == nil {
		o.Dead = func(string, int) bool { return false }
	}
	if o.Now == nil {
		start := time.Now()
		o.Now = func() cutover.T { return cutover.T(time.Since(start)) }
	}
	return &Lock{client: c, prefix: strings.Trim(prefix, "/"), o: o}
}

func (l *Lock) lockKey(run string) string   { return l.prefix + "/lock/" + run }
func (l *Lock) claimKey(name string) string { return l.prefix + "/claim/" + name }

// holder is the value of a lock key. Released is set by Release: the run rests or is over.
type holder struct {
	Run      string `json:"run"`
	Who      string `json:"who"`
	Host     string `json:"host"`
	PID      int    `json:"pid"`
	Since    string `json:"since"`
	Released string `json:"released,omitempty"`
	Local    string `json:"local,omitempty"` // mark of the file that its holder has locked
}

func (h holder) String() string {
	s := fmt.Sprintf("run %s, %s@%s (process %d) since %s", h.Run, h.Who, h.Host, h.PID, h.Since)
	if h.Released != "" {
		s += ", resting since " + h.Released
	}
	return s
}

// Take makes one attempt: it looks at the lock and the claims, makes a session, and takes all of them in one transaction (or
// several of 64 operations, each fenced by the first; what was taken is given back when a later one fails).
// ErrHeld (wrapped) says who holds what; a lock that its holder's death left in lock-delay is held, too.
//
// A run whose own lease ran out, because Consul didn't answer for so long, takes its lock from its own old session: that may live on
// for two TTLs, and nobody else waits for it.
func (l *Lock) Take(ctx context.Context, c cutover.Claim) (cutover.Lease, error) {
	if c.Run == "" || strings.Contains(c.Run, "/") {
		return nil, fmt.Errorf("take the lock in consul of %s: %q is no run", l.client.name, c.Run)
	}
	seen, err := l.look(ctx, c)
	if err != nil {
		return nil, err
	}
	l.endOwn(c, &seen)
	local, fresh := l.beside(c.Run)
	le, err := l.takeBeside(ctx, c, seen, local)
	if err != nil {
		if fresh {
			l.aside(c.Run)
		}
		return nil, err
	}
	if old := seen.session(); old != "" {
		l.destroy(ctx, old)
	}
	le.keep()
	l.mu.Lock()
	l.last = le
	l.mu.Unlock()
	return le, nil
}

// takeBeside takes the lock, with a local one beside it or nil.
func (l *Lock) takeBeside(ctx context.Context, c cutover.Claim, seen standing, local *localLock) (*lease, error) {
	if err := l.refuse(ctx, c, seen, local); err != nil {
		return nil, err
	}
	sent := l.o.Now()
	session, err := l.newSession(ctx, c.Run)
	if err != nil {
		return nil, err
	}
	le := &lease{lock: l, claim: c, fence: cutover.Fence{Session: session, Key: l.lockKey(c.Run)}, until: sent + cutover.T(l.o.TTL),
		claims: map[string]uint64{}, local: local}
	if err := le.acquire(ctx, seen); err != nil {
		le.giveUp(ctx)
		return nil, err
	}
	return le, nil
}

// endOwn ends the renewals of this Lock's last lease, if that has run out, and notes whether its session has the lock.
func (l *Lock) endOwn(c cutover.Claim, s *standing) {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	if last == nil || !c.Resume || last.claim.Run != c.Run || last.Until() > l.o.Now() {
		return
	}
	last.stop()
	<-last.done
	s.own = s.session() == last.fence.Session
}

// standing is what the lock's keys hold.
type standing struct {
	lock   *api.KVPair
	holder holder
	own    bool                   // its session is that of a lease of this Lock's that ran out
	claims map[string]*api.KVPair // by claim key
}

// session is the one that holds the lock, "" none.
func (s standing) session() string {
	if s.lock == nil {
		return ""
	}
	return s.lock.Session
}

// look reads the lock and the claims: at most two requests for each 64 keys.
func (l *Lock) look(ctx context.Context, c cutover.Claim) (standing, error) {
	keys := []string{l.lockKey(c.Run)}
	names := slices.Clone(c.Names)
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		keys = append(keys, l.claimKey(n))
	}
	found, err := l.client.get(ctx, keys)
	if err != nil {
		return standing{}, fmt.Errorf("take the lock: %w", err)
	}
	s := standing{lock: found[keys[0]], claims: map[string]*api.KVPair{}}
	for _, k := range keys[1:] {
		s.claims[k] = found[k] // nil: nobody's
	}
	if s.lock != nil {
		s.holder = readHolder(s.lock, c.Run)
	}
	return s, nil
}

func readHolder(pair *api.KVPair, run string) holder {
	h := holder{}
	if json.Unmarshal(pair.Value, &h) != nil || h.Run == "" {
		h = holder{Run: run, Who: "somebody", Host: "a machine that it doesn't name", Since: "a time that it doesn't name"}
	}
	return h
}

// refuse says who holds what this claim asks for.
func (l *Lock) refuse(ctx context.Context, c cutover.Claim, s standing, local *localLock) error {
	for _, k := range sortedKeys(s.claims) {
		pair := s.claims[k]
		if pair == nil || string(pair.Value) == c.Run && c.Resume {
			continue
		}
		name := strings.TrimPrefix(k, l.claimKey(""))
		return fmt.Errorf("%q in consul of %s: %w by %s: end that run first, with `roomshift close %s` when it rests", name, l.client.name,
			cutover.ErrHeld, l.who(ctx, string(pair.Value)), string(pair.Value))
	}
	if s.session() != "" && !s.own && !(c.Resume && l.gone(s.holder, local)) {
		return fmt.Errorf("run %s in consul of %s: %w by %v: if that process is gone, it ends by itself within %v", c.Run, l.client.name,
			cutover.ErrHeld, s.holder, 2*l.o.TTL+l.o.LockDelay)
	}
	return nil
}

// who describes the holder of a run, for a claim names the run only.
func (l *Lock) who(ctx context.Context, run string) string {
	found, err := l.client.get(ctx, []string{l.lockKey(run)})
	if err != nil || found[l.lockKey(run)] == nil {
		return "run " + run
	}
	return readHolder(found[l.lockKey(run)], run).String()
}

// newSession makes a session that only its TTL ends: a session with health checks would end with its agent's.
func (l *Lock) newSession(ctx context.Context, run string) (string, error) {
	ctx, x, cancel := l.client.begin(ctx)
	defer cancel()
	id, _, err := l.client.api.Session().CreateNoChecks(&api.SessionEntry{Name: "roomshift " + run, TTL: l.o.TTL.String(),
		LockDelay: l.o.LockDelay, Behavior: api.SessionBehaviorRelease}, (&api.WriteOptions{}).WithContext(ctx))
	if err == nil {
		return id, nil
	}
	_, judged := l.client.judge(x, "make a session", err)
	switch {
	case errors.Is(judged, ErrForbidden):
		return "", fmt.Errorf(`%w: the token's policy needs session_prefix "" { policy = "write" }`, judged)
	case strings.Contains(judged.Error(), "Missing node registration"):
		return "", fmt.Errorf("%w: the agent asked isn't in datacenter %q: give the address of one that is", judged, l.client.datacenter)
	default:
		return "", judged
	}
}

// destroy ends a session; if that fails its TTL does.
func (l *Lock) destroy(ctx context.Context, session string) {
	ctx, _, cancel := l.client.begin(ctx)
	defer cancel()
	_, _ = l.client.api.Session().Destroy(session, (&api.WriteOptions{}).WithContext(ctx))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Policy is the least that roomshift's token must be allowed in a Consul, in Consul's language: its own keys under the
// prefix, the number keys, and sessions. Claims are read one by one, so no list right is needed.
func Policy(prefix string, keys ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "key_prefix %q { policy = \"write\" }\n", strings.Trim(prefix, "/")+"/")
	keys = slices.Clone(keys)
	slices.Sort(keys)
	for _, k := range slices.Compact(keys) {
		fmt.Fprintf(&b, "key %q { policy = \"write\" }\n", k)
	}
	b.WriteString("session_prefix \"\" { policy = \"write\" }\n")
	return b.String()
}
