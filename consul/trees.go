package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/consul/api"
)

// trees lists all keys under each of these prefixes, sorted, consistently: one transaction for 63 of them, and one request for all of
// them that asks whether the token may see every key there.
func (c *Client) trees(ctx context.Context, prefixes []string) (map[string][]*api.KVPair, error) {
	found := make(map[string][]*api.KVPair, len(prefixes))
	for rest := prefixes; len(rest) > 0; {
		n := min(len(rest), MaxChanges)
		if err := c.someTrees(ctx, rest[:n], found); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return found, c.seesAll(ctx, prefixes)
}

func (c *Client) someTrees(ctx context.Context, prefixes []string, into map[string][]*api.KVPair) error {
	ops := make(api.TxnOps, len(prefixes))
	for i, p := range prefixes {
		ops[i] = &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVGetTree, Key: p}}
	}
	act := "list " + prefixes[0]
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	ok, answer, _, err := c.api.Txn().Txn(ops, (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return c.readError(x, act, err)
	}
	if !ok {
		for _, e := range answer.Errors {
			if permissionDenied(e.What) && e.OpIndex < len(prefixes) {
				return c.unseen(prefixes[e.OpIndex])
			}
		}
		return c.clean(fmt.Errorf("%s in consul of %s: refused: %s", act, c.name, firstOf(answer.Errors)))
	}
	for _, r := range answer.Results {
		if r == nil || r.KV == nil {
			return fmt.Errorf("%s in consul of %s: the answer holds what isn't a key", act, c.name)
		}
		prefix := prefixOf(r.KV.Key, prefixes)
		if prefix == "" {
			return fmt.Errorf("%s in consul of %s: the answer holds %s, which wasn't asked for", act, c.name, r.KV.Key)
		}
		into[prefix] = append(into[prefix], r.KV)
	}
	return nil
}

// prefixOf is the prefix that a key stands under, "" none. Prefixes end with a slash and none holds another.
func prefixOf(key string, prefixes []string) string {
	for _, p := range prefixes {
		if len(key) >= len(p) && key[:len(p)] == p {
			return p
		}
	}
	return ""
}

// seesAll asks Consul whether the token may write, and so see, every key under these prefixes. One that may see some only gets a listing
// that is shorter, without a word. Without a token, and where Consul has no ACLs, there is nothing to ask.
func (c *Client) seesAll(ctx context.Context, prefixes []string) error {
	if c.token == "" || len(prefixes) == 0 {
		return nil
	}
	type question struct{ Resource, Access, Segment string }
	asked := make([]question, len(prefixes))
	for i, p := range prefixes {
		asked[i] = question{"key", "write-prefix", p}
	}
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	said, err := c.send(ctx, http.MethodPost, "/v1/internal/acl/authorize", nil, body)
	if hasStatus(err, http.StatusUnauthorized) { // Consul runs without ACLs
		return nil
	}
	var answers []struct{ Allow bool }
	if err == nil {
		err = json.Unmarshal(said, &answers)
	}
	if err == nil && len(answers) != len(prefixes) {
		err = errors.New("the answer is for other questions")
	}
	if err != nil {
		return c.readError(x, "ask what the token may see under "+prefixes[0], err)
	}
	for i, a := range answers {
		if !a.Allow {
			return c.unseen(prefixes[i])
		}
	}
	return nil
}

// unseen says which right is missing for a prefix.
func (c *Client) unseen(prefix string) error {
	return fmt.Errorf("list %s in consul of %s: %w: the token's policy needs key_prefix %q { policy = \"write\" } and no rule for a key under it",
		prefix, c.name, ErrForbidden, prefix)
}
