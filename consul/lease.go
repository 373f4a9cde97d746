package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// lease is a lock held by a session that a goroutine renews.
type lease struct {
	lock   *Lock
	claim  cutover.Claim
	fence  cutover.Fence
	claims map[string]uint64 // claim key → the index at which it is ours
	local  *localLock        // beside it, nil none

	mu    sync.Mutex
	until cutover.T

	stop context.CancelFunc
	done chan struct{} // closed when the renewals have ended
}

var _ cutover.Lease = (*lease)(nil)

// Until is when the session may end at the earliest, by the holder's clock read before the last good renewal was sent.
func (le *lease) Until() cutover.T {
	le.mu.Lock()
	defer le.mu.Unlock()
	return le.until
}

// Fence is the session, the lock's key and its LockIndex, which rises with every holder.
func (le *lease) Fence() cutover.Fence { return le.fence }

// value is what the lock's key holds.
func (le *lease) value(released string) []byte {
	b, err := json.Marshal(holder{Run: le.claim.Run, Who: le.claim.Who, Host: le.claim.Host, PID: le.claim.PID, Since: le.claim.Since,
		Released: released, Local: le.local.marked()})
	if err != nil {
		panic(err) // a struct of strings and an int
	}
	return b
}

// acquire takes the lock and the claims. A dead holder's session is taken off the lock in the same transaction: unlocking
// isn't dying, so no lock-delay follows. What it may have under way is refused by its check-session.
func (le *lease) acquire(ctx context.Context, seen standing) error {
	var ops api.TxnOps
	if old := seen.session(); old != "" {
		ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVUnlock, Key: le.fence.Key, Value: seen.lock.Value, Session: old}})
	}
	ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVLock, Key: le.fence.Key, Value: le.value(""), Session: le.fence.Session}})
	for _, k := range sortedKeys(seen.claims) {
		if len(ops) == maxOps {
			if err := le.acquireSome(ctx, ops); err != nil {
				return err
			}
			ops = api.TxnOps{le.checkSession()}
		}
		op := &api.KVTxnOp{Verb: api.KVCAS, Key: k, Value: []byte(le.claim.Run)} // index 0: only where nobody's is
		if pair := seen.claims[k]; pair != nil {
			op = &api.KVTxnOp{Verb: api.KVCheckIndex, Key: k, Index: pair.ModifyIndex}
		}
		ops = append(ops, &api.TxnOp{KV: op})
	}
	return le.acquireSome(ctx, ops)
}

func (le *lease) checkSession() *api.TxnOp {
	return &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: le.fence.Key, Session: le.fence.Session}}
}

func (le *lease) acquireSome(ctx context.Context, ops api.TxnOps) error {
	c := le.lock.client
	answer, ok, _, _, err := c.txn(ctx, "take the lock of run "+le.claim.Run, ops)
	if err != nil {
		return err
	}
	if !ok {
		return le.refused(ctx, ops, answer.Errors)
	}
	for _, r := range answer.Results {
		switch {
		case r == nil || r.KV == nil:
		case r.KV.Key == le.fence.Key:
			le.fence.Index = r.KV.LockIndex
		default:
			le.claims[r.KV.Key] = r.KV.ModifyIndex
		}
	}
	return nil
}

// refused says why a transaction that takes was rolled back: a right that is missing, somebody who was faster, or lock-delay.
func (le *lease) refused(ctx context.Context, ops api.TxnOps, errs api.TxnErrors) error {
	l := le.lock
	for _, e := range errs {
		if permissionDenied(e.What) && e.OpIndex < len(ops) {
			return l.client.forbidden(ops[e.OpIndex].KV.Key, "write")
		}
	}
	seen, err := l.look(ctx, le.claim)
	if err != nil {
		return err
	}
	for k := range le.claims { // what this attempt took itself before it failed
		delete(seen.claims, k)
	}
	if seen.session() == le.fence.Session {
		seen.lock = nil
	}
	if err := l.refuse(ctx, le.claim, seen, le.local); err != nil {
		return err
	}
	return fmt.Errorf("run %s in consul of %s: %w: its last holder's session has died (%s): free within its lock-delay (%v if it was as "+
		"this one's): try again", le.claim.Run, l.client.name, cutover.ErrHeld, firstOf(errs), l.o.LockDelay)
}

// giveUp gives back what an attempt that failed may have taken: also when ctx is over, and when an answer was lost.
func (le *lease) giveUp(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	l := le.lock
	if seen, err := l.look(ctx, le.claim); err == nil && seen.session() == le.fence.Session {
		for k, pair := range seen.claims {
			if _, ours := le.claims[k]; !ours && !le.claim.Resume && pair != nil && string(pair.Value) == le.claim.Run {
				le.claims[k] = pair.ModifyIndex
			}
		}
		_ = le.giveBack(ctx, le.claim.Resume) // what is left is said by the next attempt
	}
	l.destroy(ctx, le.fence.Session)
}

// keep starts the renewals.
func (le *lease) keep() {
	ctx, stop := context.WithCancel(context.Background())
	le.stop, le.done = stop, make(chan struct{})
	go func() {
		defer close(le.done)
		tick := time.NewTicker(le.lock.o.RenewEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !le.renew(ctx) {
					return
				}
			}
		}
	}()
}

// renew renews once and tells whether the lock may still be held. A session that Consul doesn't know any more, or a lock key
// that isn't this session's, is a loss at once; any other failure is not: the lease then runs out by itself. One that ran out is
// never renewed again: its holder may have been told, and its session must end.
func (le *lease) renew(ctx context.Context) bool {
	sent := le.lock.o.Now()
	err := le.renewSession(ctx)
	if err == nil {
		err = le.stillOurs(ctx)
	}
	if ctx.Err() != nil {
		return false
	}
	if le.Until() <= le.lock.o.Now() {
		err = fmt.Errorf("run %s in consul of %s: %w: it wasn't renewed in time", le.claim.Run, le.lock.client.name, cutover.ErrLeaseLost)
	}
	if errors.Is(err, cutover.ErrLeaseLost) {
		le.mu.Lock()
		le.until = min(le.until, le.lock.o.Now())
		le.mu.Unlock()
		le.lock.o.Notify(cutover.LeaseChange{Place: le.lock.o.Place, Lost: true, Err: err})
		return false
	}
	if err == nil {
		le.mu.Lock()
		le.until = max(le.until, sent+cutover.T(le.lock.o.TTL))
		le.mu.Unlock()
		le.lock.o.Notify(cutover.LeaseChange{Place: le.lock.o.Place})
	}
	return true
}

func (le *lease) renewSession(ctx context.Context) error {
	c := le.lock.client
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	entry, _, err := c.api.Session().Renew(le.fence.Session, (&api.WriteOptions{}).WithContext(ctx))
	if x.status == http.StatusNotFound || err == nil && entry == nil {
		return fmt.Errorf("run %s in consul of %s: %w: the session has ended", le.claim.Run, c.name, cutover.ErrLeaseLost)
	}
	if err != nil {
		return c.readError(x, "renew the lock of run "+le.claim.Run, err)
	}
	return nil
}

// stillOurs looks at the lock's key: a session that lives says nothing of a key that somebody deleted or unlocked.
func (le *lease) stillOurs(ctx context.Context) error {
	c := le.lock.client
	found, err := c.get(ctx, []string{le.fence.Key})
	if err != nil {
		return err
	}
	if pair := found[le.fence.Key]; pair == nil || pair.Session != le.fence.Session {
		return fmt.Errorf("run %s in consul of %s: %w: somebody took the lock off key %s", le.claim.Run, c.name, cutover.ErrLeaseLost,
			le.fence.Key)
	}
	return nil
}

// Release ends the renewals, gives the lock back and, unless keepClaim, deletes the claims; then the session. It is safe to
// call it again. ErrLeaseLost: the lock wasn't held any more, and nothing was changed.
func (le *lease) Release(ctx context.Context, keepClaim bool) error {
	le.stop()
	<-le.done
	le.mu.Lock()
	le.until = min(le.until, le.lock.o.Now())
	le.mu.Unlock()
	err := le.giveBack(ctx, keepClaim)
	le.lock.destroy(ctx, le.fence.Session)
	if err == nil || errors.Is(err, cutover.ErrLeaseLost) {
		le.lock.aside(le.claim.Run)
	}
	if err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// giveBack deletes the claims, each only as it was taken, and unlocks the key last.
func (le *lease) giveBack(ctx context.Context, keepClaim bool) error {
	var keys []string
	if !keepClaim {
		keys = sortedKeys(le.claims)
	}
	for part := range slices.Chunk(keys, MaxChanges) {
		ops := api.TxnOps{le.checkSession()}
		for _, k := range part {
			ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVDeleteCAS, Key: k, Index: le.claims[k]}})
		}
		if err := le.carryOut(ctx, "delete claims", ops); err != nil {
			return err
		}
	}
	now := time.Now().UTC().Format(time.RFC3339)
	return le.carryOut(ctx, "unlock", api.TxnOps{le.checkSession(), {KV: &api.KVTxnOp{Verb: api.KVUnlock, Key: le.fence.Key,
		Value: le.value(now), Session: le.fence.Session}}})
}

func (le *lease) carryOut(ctx context.Context, act string, ops api.TxnOps) error {
	answer, ok, _, _, err := le.lock.client.txn(ctx, act, ops)
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	for _, e := range answer.Errors {
		if e.OpIndex == 0 && !permissionDenied(e.What) {
			return fmt.Errorf("%s: run %s in consul of %s: %w: %s", act, le.claim.Run, le.lock.client.name, cutover.ErrLeaseLost, e.What)
		}
	}
	return fmt.Errorf("%s: run %s in consul of %s: %s: somebody changed a claim: look at %s", act, le.claim.Run, le.lock.client.name,
		firstOf(answer.Errors), le.lock.claimKey(""))
}
