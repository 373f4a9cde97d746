package aliyun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// API is one product's API, asked by the SDK's CommonRequest: no library of that product is needed.
type API struct {
	client                   *Client
	product, version, region string
	free                     chan *commonLane
}

type commonLane struct {
	*Lane
	sdk *sdk.Client
}

// API makes the clients of the SDK that ask it, so many at once; no request is sent.
func (c *Client) API(product, version, region string, atOnce int) (*API, error) {
	a := &API{client: c, product: product, version: version, region: region, free: make(chan *commonLane, atOnce)}
	for range atOnce { // one after the other: see Lane
		l := &commonLane{Lane: c.Lane()}
		var err error
		if l.sdk, err = sdk.NewClientWithOptions(region, l.Config(), c.Keys()); err != nil {
			return nil, c.Clean(fmt.Errorf("%s: %w", c.name, err))
		}
		a.free <- l
	}
	return a, nil
}

// Region is what requests are about where they don't say.
func (a *API) Region() string { return a.region }

// Ask calls an action that only reads, and decodes its answer into out. act is what errors say was asked for.
func (a *API) Ask(ctx context.Context, act, action string, params map[string]string, out any) error {
	return a.call(ctx, act, action, params, out, (*Lane).Read)
}

// Do is Ask for an action that changes something: an error that is cutover.ErrOutcomeUnknown may have landed, or still land.
func (a *API) Do(ctx context.Context, act, action string, params map[string]string, out any) error {
	return a.call(ctx, act, action, params, out, (*Lane).Call)
}

func (a *API) call(ctx context.Context, act, action string, params map[string]string, out any,
	by func(*Lane, context.Context, string, func() error) error) error {
	var lane *commonLane
	select {
	case lane = <-a.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { a.free <- lane }()
	q := requests.NewCommonRequest()
	q.Method, q.Product, q.Version, q.ApiName = requests.POST, a.product, a.version, action
	q.Domain, q.Scheme = a.client.Host(), strings.ToUpper(a.client.endpoint.Scheme)
	for name, value := range params {
		q.QueryParams[name] = value
	}
	return by(lane.Lane, ctx, act, func() error {
		answer, err := lane.sdk.ProcessCommonRequest(q)
		if err != nil {
			return err
		}
		var any struct{ RequestId string } //nolint:revive // the API's spelling
		body := answer.GetHttpContentBytes()
		err = json.Unmarshal(body, &any)
		if err == nil && out != nil {
			err = json.Unmarshal(body, out)
		}
		if err != nil || any.RequestId == "" { // a page of a proxy's says 200, too
			return errors.New("the answer can't be read")
		}
		return nil
	})
}
