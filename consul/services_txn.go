package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// serviceOp is an operation of a transaction. Checks have words of their own: consul/api sends fields of theirs that Consul 1.8 doesn't know,
// and so refuses.
type serviceOp struct {
	KV      *api.KVTxnOp      `json:",omitempty"`
	Service *api.ServiceTxnOp `json:",omitempty"`
	Check   *drainOp          `json:",omitempty"`
}

type drainOp struct {
	Verb  api.CheckOp
	Check drain
}

// drain is the check that keeps traffic from an instance.
type drain struct {
	Node, CheckID, Name, Status, Notes, ServiceID, ServiceName string
	ModifyIndex                                                uint64
	Namespace                                                  string `json:",omitempty"`
	Partition                                                  string `json:",omitempty"`
}

// serviceTxn is txn for these operations.
func (c *Client) serviceTxn(ctx context.Context, act string, ops []serviceOp) (answer *api.TxnResponse, ok bool, what cutover.What, retry cutover.T, err error) {
	body, err := json.Marshal(ops)
	if err != nil {
		return nil, false, cutover.Failed, 0, fmt.Errorf("%s: not sent: %w", act, err)
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	b, err := c.send(ctx, http.MethodPut, "/v1/txn", nil, body)
	ok = err == nil
	if ok || hasStatus(err, http.StatusConflict) {
		answer = &api.TxnResponse{}
		bad := json.NewDecoder(bytes.NewReader(b)).Decode(answer)
		if bad == nil && (ok || len(answer.Errors) > 0) {
			return answer, ok, cutover.Done, 0, nil
		}
		if err == nil {
			err = bad
		}
	}
	what, err = c.judge(x, act, err)
	return nil, false, what, x.retryAfter, err
}
