package consul

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// throttledFor is how long a Consul is left alone that throttles and doesn't say for how long: else it would be asked at once again,
// until a step has failed too often.
const throttledFor = cutover.Second

// maxOps is how many operations every Consul takes in a transaction.
const maxOps = MaxChanges + 1

// txn sends one transaction. ok: it was carried out. !ok with err nil: it was rolled back, answer.Errors says by which
// operations. err: what says whether it can have landed.
func (c *Client) txn(ctx context.Context, act string, ops api.TxnOps) (answer *api.TxnResponse, ok bool, what cutover.What, retry cutover.T, err error) {
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	ok, answer, _, err = c.api.Txn().Txn(ops, (&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		what, err = c.judge(x, act, err)
		if retry = x.retryAfter; retry == 0 && errors.Is(err, ErrThrottled) { // Consul's own limits don't say how long
			retry = throttledFor
		}
		return nil, false, what, retry, err
	}
	return answer, ok, cutover.Done, 0, nil
}

// get reads keys consistently. A key that isn't there is absent from the map; one that the token can't read is an error.
// One request for each 64 keys; one more where some of them aren't there, since Consul then answers for none.
func (c *Client) get(ctx context.Context, keys []string) (map[string]*api.KVPair, error) {
	found := map[string]*api.KVPair{}
	for len(keys) > 0 {
		n := min(len(keys), maxOps)
		some := keys[:n]
		keys = keys[n:]
		missing, err := c.getSome(ctx, some, found)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 || len(missing) == len(some) {
			continue
		}
		var rest []string
		for i, k := range some {
			if !missing[i] {
				rest = append(rest, k)
			}
		}
		missing, err = c.getSome(ctx, rest, found)
		if err != nil {
			return nil, err
		}
		for i := range missing {
			return nil, fmt.Errorf("read %s in consul of %s: the key came and went meanwhile: read again", rest[i], c.name)
		}
	}
	return found, nil
}

// getSome is one request. Missing keys, by index, make Consul answer for none of the others.
func (c *Client) getSome(ctx context.Context, keys []string, into map[string]*api.KVPair) (missing map[int]bool, err error) {
	ops := make(api.TxnOps, len(keys))
	for i, k := range keys {
		ops[i] = &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVGet, Key: k}}
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	ok, answer, _, err := c.api.Txn().Txn(ops, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return nil, c.readError(x, "read "+keys[0], err)
	}
	if !ok {
		missing = map[int]bool{}
		for _, e := range answer.Errors {
			if permissionDenied(e.What) && e.OpIndex < len(keys) {
				return nil, c.forbidden(keys[e.OpIndex], "read")
			}
			missing[e.OpIndex] = true
		}
		if len(missing) == 0 {
			return nil, fmt.Errorf("read %s in consul of %s: refused without a reason", keys[0], c.name)
		}
		return missing, nil
	}
	for _, r := range answer.Results {
		if r != nil && r.KV != nil {
			into[r.KV.Key] = r.KV
		}
	}
	for _, k := range keys {
		if into[k] == nil { // Consul leaves out what the token can't read, and says nothing
			return nil, c.forbidden(k, "read")
		}
	}
	return nil, nil
}
