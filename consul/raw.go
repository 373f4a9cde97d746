package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hashicorp/consul/api"
)

// mostAnswer is the longest answer that is read, in bytes: a listing of 10,000 instances has some 20 MB.
const mostAnswer = 256 << 20

// send makes one request of a kind that consul/api has no words for, or whose answer it would decode into fewer fields than the
// server sent. An answer other than 200 is an api.StatusError, and its body is returned beside it.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	u := c.base
	u.Path += path
	u.RawQuery = query.Encode()
	var in io.Reader = http.NoBody
	if body != nil {
		in = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), in)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > mostAnswer:
		return nil, fmt.Errorf("an answer of more than %d MB", mostAnswer>>20)
	case resp.StatusCode != http.StatusOK:
		return b, api.StatusError{Code: resp.StatusCode, Body: string(b)}
	}
	return b, nil
}

// hasStatus tells whether a server answered with this status.
func hasStatus(err error, code int) bool {
	var status api.StatusError
	return errors.As(err, &status) && status.Code == code
}

// primaryDatacenter is the datacenter that keeps config entries for all that are federated with it. It is asked once: it can't
// change while its servers run.
func (c *Client) primaryDatacenter(ctx context.Context) (string, error) {
	c.mu.Lock()
	known := c.primary
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	const act = "ask for the primary datacenter"
	b, err := c.send(ctx, http.MethodGet, "/v1/agent/self", nil, nil)
	if err != nil {
		err = c.readError(x, act, err)
		if errors.Is(err, ErrForbidden) {
			err = fmt.Errorf("%w: the token's policy needs %s", err, agentRead)
		}
		return "", err
	}
	var self struct {
		Config      struct{ Datacenter, PrimaryDatacenter string }
		DebugConfig struct{ PrimaryDatacenter string }
	}
	if err := json.Unmarshal(b, &self); err != nil {
		return "", c.readError(x, act, err)
	}
	for _, found := range []string{self.Config.PrimaryDatacenter, self.DebugConfig.PrimaryDatacenter, self.Config.Datacenter} {
		if found != "" {
			c.mu.Lock()
			c.primary = found
			c.mu.Unlock()
			return found, nil
		}
	}
	return "", fmt.Errorf("%s in consul of %s: its agent names no datacenter", act, c.name)
}

// agentRead is the right to ask an agent about itself.
const agentRead = `agent_prefix "" { policy = "read" }`
