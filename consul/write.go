package consul

import (
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// Write sends one transaction: check-session on the lock, then a compare-and-set for each key. All of it is carried out, or
// nothing is.
//
// Two more requests, each at most once and only to read: where changes have no version, their keys are read first; where the
// transaction was rolled back, the keys are read, since Consul says which keys were stale but not what they hold.
//
// A key that holds Before in another version (somebody changed the bytes beside the number, or rewrote it) is failed, with
// that version in the outcome: the same change goes through with it, and keeps the other bytes as they are now.
func (n *NumberKeys) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	return writeKeys(ctx, n.client, n, f, changes)
}

// keyed is a medium whose objects are keys, as far as writing needs to know it.
type keyed interface {
	// problem is what is wrong with the medium's own specs.
	problem() error
	// takes says why this key is none of the medium's, or can't hold the value.
	takes(key, value string) error
	// value is the canonical value at a key, with the version that keeps everything else there. The error says what was seen.
	value(key string, pair *api.KVPair) (string, version, error)
	// holding is the version's content with another value in it: the bytes to write, and the version without its new index.
	holding(key string, v version, value string) ([]byte, version, error)
	// wrong says what was seen at a key.
	wrong(key string, seen error) error
}

// writeKeys is Write of a medium of keys.
func writeKeys(ctx context.Context, c *Client, m keyed, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	w := &write{client: c, keys: m, fence: f, changes: changes, outs: make([]cutover.Outcome, len(changes)), versions: make([]version, len(changes))}
	if err := w.prepare(ctx); err != nil {
		return w.allFailed(err)
	}
	if !w.settled() {
		w.send(ctx)
	}
	return w.outs
}

// write is one request of a plane at work.
type write struct {
	client   *Client
	keys     keyed
	fence    cutover.Fence
	changes  []cutover.Change
	versions []version
	outs     []cutover.Outcome
	ops      api.TxnOps
}

func (w *write) allFailed(err error) []cutover.Outcome {
	for i := range w.outs {
		w.outs[i] = failed(err)
	}
	return w.outs
}

// prepare checks the changes and finds their versions.
func (w *write) prepare(ctx context.Context) error {
	if err := w.keys.problem(); err != nil {
		return err
	}
	if len(w.changes) > MaxChanges {
		return fmt.Errorf("%d changes in one request to consul of %s, want at most %d: not sent", len(w.changes), w.client.name, MaxChanges)
	}
	if w.fence.Session == "" || w.fence.Key == "" {
		return fmt.Errorf("write to consul of %s without the session and key of its lock: %w", w.client.name, cutover.ErrLeaseLost)
	}
	seen := map[string]bool{}
	var unknown []string
	for i, c := range w.changes {
		if seen[c.Object] {
			return fmt.Errorf("key %s is written twice in one request: not sent", c.Object)
		}
		seen[c.Object] = true
		if err := w.keys.takes(c.Object, c.After); err != nil {
			return fmt.Errorf("key %s %w: not sent", c.Object, err)
		}
		if c.Version == "" {
			unknown = append(unknown, c.Object)
			continue
		}
		v, err := parseVersion(c.Version)
		if err != nil {
			return fmt.Errorf("key %s: %w: not sent", c.Object, err)
		}
		w.versions[i] = v
	}
	if unknown == nil {
		return nil
	}
	return w.lookFirst(ctx, unknown)
}

// lookFirst finds the versions of changes that know the value before only. One that holds something else is settled here.
func (w *write) lookFirst(ctx context.Context, keys []string) error {
	found, err := w.client.get(ctx, keys)
	if err != nil {
		return fmt.Errorf("not sent: %w", err)
	}
	for i, c := range w.changes {
		if c.Version != "" {
			continue
		}
		o, v := w.compare(c, found[c.Object])
		if o.What == cutover.Failed { // it holds Before: that version will do
			w.versions[i] = v
			continue
		}
		w.outs[i] = o
	}
	return nil
}

// settled tells whether nothing is left to send: what was read first settles the request. If one change is foreign by then,
// the others are failed, as in a transaction that was rolled back.
func (w *write) settled() bool {
	open, foreign := 0, ""
	for i, o := range w.outs {
		switch o.What {
		case cutover.Unknown:
			open++
		case cutover.Foreign:
			foreign = w.changes[i].Object
		}
	}
	if foreign == "" {
		return open == 0
	}
	for i, o := range w.outs {
		if o.What == cutover.Unknown {
			w.outs[i] = cutover.Outcome{What: cutover.Failed, Err: fmt.Errorf("key %s: not sent beside %s, which is foreign", w.changes[i].Object, foreign)}
		}
	}
	return true
}

// compare says what a key that was read means for a change. Failed: it holds Before, in the version returned.
func (w *write) compare(c cutover.Change, pair *api.KVPair) (cutover.Outcome, version) {
	if pair == nil {
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: w.keys.wrong(c.Object, fmt.Errorf("nothing: somebody deleted it"))}, version{}
	}
	value, v, err := w.keys.value(c.Object, pair)
	if err != nil { // no version: a write with one would take what is there for ours
		return cutover.Outcome{What: cutover.Foreign, Found: err.Error(), Err: w.keys.wrong(c.Object, err)}, version{}
	}
	o := cutover.Outcome{Found: value, Version: v.String()}
	switch value {
	case c.After:
		return cutover.Outcome{What: cutover.Done, Version: v.String()}, v
	case c.Before:
		o.What = cutover.Failed
		o.Err = w.keys.wrong(c.Object, fmt.Errorf("%s as before, in a newer version", value))
	default:
		o.What = cutover.Foreign
		o.Err = w.keys.wrong(c.Object, fmt.Errorf("%s, want %s before %s is written", value, c.Before, c.After))
	}
	return o, v
}

// send sends the transaction of what isn't settled yet.
func (w *write) send(ctx context.Context) {
	w.ops = api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: w.fence.Key, Session: w.fence.Session}}}
	var sent []int // the change of each operation after the first
	for i, c := range w.changes {
		if w.outs[i].What == cutover.Done {
			continue
		}
		bytes, v, err := w.keys.holding(c.Object, w.versions[i], c.After)
		if err != nil {
			w.unsent(i, err)
			return
		}
		w.ops = append(w.ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: c.Object, Value: bytes, Flags: v.flags, Index: v.index}})
		w.versions[i] = v
		sent = append(sent, i)
	}
	act := fmt.Sprintf("write %s", w.changes[sent[0]].Object)
	if len(sent) > 1 {
		act = fmt.Sprintf("write %d keys", len(sent))
	}
	answer, ok, what, retry, err := w.client.txn(ctx, act, w.ops)
	if err != nil {
		for _, i := range sent {
			w.outs[i] = cutover.Outcome{What: what, RetryAfter: retry, Err: err}
		}
		return
	}
	if !ok {
		w.rolledBack(ctx, sent, answer.Errors)
		return
	}
	w.carriedOut(sent, answer.Results)
}

// carriedOut takes the new versions out of the answer.
func (w *write) carriedOut(sent []int, results api.TxnResults) {
	index := map[string]uint64{}
	for _, r := range results {
		if r != nil && r.KV != nil {
			index[r.KV.Key] = r.KV.ModifyIndex
		}
	}
	for _, i := range sent {
		v := w.versions[i]
		v.index = index[w.changes[i].Object]
		if v.index == 0 { // carried out, but this answer can't be used for the next compare-and-set
			w.outs[i] = cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("key %s in consul of %s: %w: the answer lacks its index",
				w.changes[i].Object, w.client.name, cutover.ErrOutcomeUnknown)}
			continue
		}
		w.outs[i] = cutover.Outcome{What: cutover.Done, Version: v.String()}
	}
}

// rolledBack: nothing was written. Says of each change why.
func (w *write) rolledBack(ctx context.Context, sent []int, errs api.TxnErrors) {
	c := w.client
	why := map[int]string{}
	var first error
	for _, e := range errs {
		if e.OpIndex == 0 && !permissionDenied(e.What) {
			w.fail(sent, fmt.Errorf("consul of %s: %w: %s", c.name, cutover.ErrLeaseLost, e.What))
			return
		}
		if permissionDenied(e.What) && e.OpIndex < len(w.ops) && first == nil {
			right := "write"
			if e.OpIndex == 0 {
				right = "read"
			}
			first = c.forbidden(w.ops[e.OpIndex].KV.Key, right)
		}
		why[e.OpIndex] = e.What
	}
	if first != nil {
		w.fail(sent, first)
		return
	}
	keys := make([]string, len(sent))
	for k, i := range sent {
		keys[k] = w.changes[i].Object
	}
	found, err := c.get(ctx, keys)
	if err != nil {
		w.fail(sent, fmt.Errorf("rolled back (%s), and what the keys hold can't be read: %w", firstOf(errs), err))
		return
	}
	for k, i := range sent {
		w.outs[i], _ = w.compare(w.changes[i], found[w.changes[i].Object])
		if w.outs[i].What == cutover.Failed && why[k+1] == "" {
			w.outs[i].Err = fmt.Errorf("key %s: rolled back beside another: %s", w.changes[i].Object, firstOf(errs))
		}
	}
}

func (w *write) fail(sent []int, err error) {
	for _, i := range sent {
		w.outs[i] = failed(err)
		w.outs[i].Err = w.client.clean(err)
	}
}

// unsent: one change can't be made, so none of the request is.
func (w *write) unsent(bad int, why error) {
	for i, c := range w.changes {
		if w.outs[i].What == cutover.Done {
			continue
		}
		err := fmt.Errorf("key %s: not sent beside %s", c.Object, w.changes[bad].Object)
		if i == bad {
			err = fmt.Errorf("key %s %w: not sent", c.Object, why)
		}
		w.outs[i] = cutover.Outcome{What: cutover.Failed, Err: err}
	}
}

func firstOf(errs api.TxnErrors) string {
	if len(errs) == 0 {
		return "without a reason"
	}
	return errs[0].What
}
