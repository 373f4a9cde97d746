package consul

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// ErrRecordMoved: a record isn't at the index that a write compared with. Nothing was written.
var ErrRecordMoved = errors.New("the record has moved on")

// RecordKey is the record of a pair's writer in a Consul: the key PREFIX/writer/PAIR, some bytes that are changed by compare-and-set
// alone, under the lock PREFIX/lock/writer.PAIR. RecordFile is the same without a Consul. Laws of both:
//
//   - Every acquisition of the lock has a session of its own, and every write checks that: once the lock was released, or taken by anybody
//     else, nothing that was sent on the session can land.
//   - A write that wasn't answered is unknown (cutover.ErrOutcomeUnknown) and may land as long as its session lives: to read the old
//     value afterwards settles nothing. A newer index does, and so does Take or Release without an error.
//   - Reading is consistent: never from a server that has fallen behind.
type RecordKey struct {
	client *Client
	prefix string
	key    string
	pair   string
	who    cutover.Claim
	lock   *Lock
	now    func() cutover.T

	mu    sync.Mutex
	lease cutover.Lease // nil: never taken, or released
}

// The limits of a record's lock where LockOptions doesn't say others: a dead holder's is free 1 s after its session has ended.
const (
	recordTTL   = 10 * time.Second
	recordRenew = 3 * time.Second
	recordDelay = time.Second
)

// Record is the record of a pair under a prefix ("roomshift"). who says who holds its lock, to others.
func (c *Client) Record(prefix, pair string, who cutover.Claim, o LockOptions) *RecordKey {
	if o.TTL <= 0 {
		o.TTL = recordTTL
	}
	if o.RenewEvery <= 0 {
		o.RenewEvery = recordRenew
	}
	if o.LockDelay <= 0 {
		o.LockDelay = recordDelay
	}
	who.Run, who.Names, who.Resume = "writer."+pair, nil, true
	l := c.Lock(prefix, o)
	prefix = strings.Trim(prefix, "/")
	return &RecordKey{client: c, prefix: prefix, key: prefix + "/writer/" + pair, pair: pair, who: who, lock: l, now: l.o.Now}
}

// Take takes the lock with a new session, whose name it returns. A session of this RecordKey's is ended first: when Take returns without
// an error, nothing that was sent on an older one can land. cutover.ErrHeld (wrapped) says who has the lock.
func (r *RecordKey) Take(ctx context.Context) (session string, err error) {
	if err := r.Release(ctx); err != nil {
		return "", err
	}
	lease, err := r.lock.Take(ctx, r.who)
	if err != nil {
		return "", fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease = lease
	return lease.Fence().Session, nil
}

// Session is the present session, "" if it may have ended.
func (r *RecordKey) Session() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lease == nil || r.lease.Until() <= r.now() {
		return ""
	}
	return r.lease.Fence().Session
}

// Release gives the lock back, if this RecordKey ever took it. Without an error nothing that was sent on its session can land any more.
func (r *RecordKey) Release(ctx context.Context) error {
	r.mu.Lock()
	lease := r.lease
	r.mu.Unlock()
	if lease == nil {
		return nil
	}
	if err := lease.Release(ctx, true); err != nil && !errors.Is(err, cutover.ErrLeaseLost) {
		return fmt.Errorf("writer of %s: end its session: %w", r.pair, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease = nil
	return nil
}

// Read is the record and its index; 0: there is none.
func (r *RecordKey) Read(ctx context.Context) (value []byte, index uint64, err error) {
	found, err := r.client.get(ctx, []string{r.key})
	if err != nil {
		return nil, 0, fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	pair := found[r.key]
	if pair == nil {
		return nil, 0, nil
	}
	return pair.Value, pair.ModifyIndex, nil
}

// Write replaces the record that was read at an index, 0: none, if the lock is still held by the session. It returns the new index.
// ErrRecordMoved and cutover.ErrLeaseLost are clean: nothing was written, nor will be. So is every other error but cutover.ErrOutcomeUnknown.
func (r *RecordKey) Write(ctx context.Context, session string, value []byte, index uint64) (uint64, error) {
	act := "write the writer of " + r.pair
	if session == "" || r.Session() != session {
		return 0, fmt.Errorf("%s in consul of %s: %w: not sent", act, r.client.name, cutover.ErrLeaseLost)
	}
	lockKey := r.lock.lockKey(r.who.Run)
	answer, ok, _, _, err := r.client.txn(ctx, act, api.TxnOps{
		{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: lockKey, Session: session}},
		{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: r.key, Value: value, Index: index}},
	})
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, r.refused(act, lockKey, r.key, answer.Errors)
	}
	for _, got := range answer.Results {
		if got != nil && got.KV != nil && got.KV.Key == r.key && got.KV.ModifyIndex > index {
			return got.KV.ModifyIndex, nil
		}
	}
	return 0, fmt.Errorf("%s in consul of %s: %w: the answer lacks its index", act, r.client.name, cutover.ErrOutcomeUnknown)
}

// refused says why a write of a key was rolled back.
func (r *RecordKey) refused(act, lockKey, key string, errs api.TxnErrors) error {
	for _, e := range errs {
		switch {
		case permissionDenied(e.What) && e.OpIndex == 0:
			return r.client.forbidden(lockKey, "read")
		case permissionDenied(e.What):
			return r.client.forbidden(key, "write")
		}
	}
	for _, e := range errs {
		if e.OpIndex == 0 {
			return fmt.Errorf("%s in consul of %s: %w: %s", act, r.client.name, cutover.ErrLeaseLost, e.What)
		}
	}
	return fmt.Errorf("%s in consul of %s: %w: %s", act, r.client.name, ErrRecordMoved, firstOf(errs))
}

// Standing is the lock of a record and the claim on its pair as they are now, for people; "": nobody's.
func (r *RecordKey) Standing(ctx context.Context) (lock, claim string, err error) {
	l := r.lock
	key, claimed := l.lockKey(r.who.Run), l.claimKey(r.pair)
	found, err := r.client.get(ctx, []string{key, claimed})
	if err != nil {
		return "", "", fmt.Errorf("writer of %s: %w", r.pair, err)
	}
	if pair := found[key]; pair != nil && pair.Session != "" {
		h := readHolder(pair, r.who.Run)
		lock = fmt.Sprintf("%s@%s (process %d) since %s", h.Who, h.Host, h.PID, h.Since)
	}
	if pair := found[claimed]; pair != nil {
		claim = l.who(ctx, string(pair.Value))
	}
	return lock, claim, nil
}

// String is where the record is, for people.
func (r *RecordKey) String() string { return r.key + " in consul of " + r.client.name }
