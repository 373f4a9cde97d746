package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
)

// What Consul says when it doesn't do as asked.
var (
	ErrNoLeader  = errors.New("consul has no leader")
	ErrThrottled = errors.New("consul is throttling")
	ErrTooLarge  = errors.New("the request is too large for consul")
	ErrForbidden = errors.New("the token may not do this")
)

// exchange is what is known of one request, whatever consul/api makes of it: its Txn hides status codes behind texts.
type exchange struct {
	sent       atomic.Bool // a connection was handed to the request: bytes may have gone out
	status     int         // 0: no answer
	retryAfter cutover.T
	header     http.Header // of the answer
	datacenter string      // asked for in place of the client's own, "" none
	agent      string      // host:port of the agent that is asked about itself, in place of the client's server; "" none
}

type exchangeKey struct{}

// begin bounds a request by the client's time-out and notes what becomes of it.
func (c *Client) begin(ctx context.Context) (context.Context, *exchange, context.CancelFunc) {
	x := &exchange{}
	ctx, cancel := context.WithTimeout(ctx, c.timeOut)
	// A connection is asked for again only when not one byte was written to the last one (net/http never repeats a PUT
	// otherwise). GotConn comes before the first byte; WroteHeaders may come after RoundTrip has given up.
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, exchangeKey{}, x), &httptrace.ClientTrace{
		GetConn: func(string) { x.sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) },
	})
	return ctx, x, cancel
}

// pin sends a request exactly as the Config says and notes the answer's status in its exchange.
type pin struct {
	client *Client
	addr   *url.URL
}

// RoundTrip is http.RoundTripper's.
func (p *pin) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	x, ok := r.Context().Value(exchangeKey{}).(*exchange)
	host := p.addr.Host
	if ok && x.agent != "" {
		host = x.agent
	}
	r.URL.Scheme, r.URL.Host, r.Host = p.addr.Scheme, host, host
	q := r.URL.Query()
	q.Del("ns")
	q.Del("partition")
	q.Del("dc")
	switch {
	case ok && x.agent != "": // it knows itself alone
	case ok && x.datacenter != "":
		q.Set("dc", x.datacenter)
	case p.client.datacenter != "":
		q.Set("dc", p.client.datacenter)
	}
	r.URL.RawQuery = q.Encode()
	r.Header.Del("Authorization")
	r.Header.Del("X-Consul-Token")
	if p.client.token != "" {
		r.Header.Set("X-Consul-Token", p.client.token)
	}
	resp, err := p.client.transport.RoundTrip(r)
	if ok && resp != nil {
		x.status, x.header = resp.StatusCode, resp.Header
		x.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	return resp, err
}

// patience is how long a Consul that throttles is left alone at least: it doesn't say.
const patience = cutover.Second

// retryAfter reads the header's seconds or date; what isn't there or is past is 0.
func retryAfter(header string, now time.Time) cutover.T {
	if n, err := strconv.Atoi(strings.TrimSpace(header)); err == nil {
		return cutover.T(max(0, min(n, 3600))) * cutover.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, min(cutover.T(at.Sub(now)), 3600*cutover.Second))
	}
	return 0
}

// judge tells what became of a write that err ended: Failed when it is sure that it did not land and won't, else Unknown.
// The error says why, in words that name the Consul and what was tried.
func (c *Client) judge(x *exchange, act string, err error) (cutover.What, error) {
	said := serverSaid(err)
	wrap := func(what cutover.What, kind error) (cutover.What, error) {
		if kind == nil {
			return what, c.clean(fmt.Errorf("%s in consul of %s: %w", act, c.name, err))
		}
		return what, c.clean(fmt.Errorf("%s in consul of %s: %w: %s", act, c.name, kind, said))
	}
	switch {
	case x.status == 0 && !x.sent.Load():
		return cutover.Failed, c.clean(fmt.Errorf("%s in consul of %s: not sent: %w", act, c.name, bare(err)))
	case x.status == 0:
		return cutover.Unknown, c.clean(fmt.Errorf("%s in consul of %s: %w: sent and not answered: %w", act, c.name, cutover.ErrOutcomeUnknown, bare(err)))
	case x.status == http.StatusForbidden:
		return wrap(cutover.Failed, ErrForbidden)
	case x.status == http.StatusRequestEntityTooLarge:
		return wrap(cutover.Failed, ErrTooLarge)
	case x.status == http.StatusTooManyRequests, x.status == http.StatusServiceUnavailable && strings.Contains(said, "rate limit exceeded"):
		x.retryAfter = max(x.retryAfter, patience)
		return wrap(cutover.Failed, ErrThrottled)
	// Two of Consul's 500s say that nobody was there to take the write; they have no number of their own. Every other 5xx
	// may hide a write that is under way ("leadership lost while committing log").
	case x.status >= 500 && strings.Contains(said, "No cluster leader"):
		return wrap(cutover.Failed, ErrNoLeader)
	case x.status >= 500 && strings.Contains(said, "No path to datacenter"):
		return wrap(cutover.Failed, nil)
	case x.status >= 500, x.status < 300:
		return wrap(cutover.Unknown, cutover.ErrOutcomeUnknown)
	default:
		return wrap(cutover.Failed, nil)
	}
}

// bare is err without the request's address, which the words before it tell better.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// serverSaid is the server's own words, or the error's.
func serverSaid(err error) string {
	var status api.StatusError
	if errors.As(err, &status) {
		return strings.TrimSpace(status.Body)
	}
	return err.Error()
}

// readError is judge for a request that only reads. One that was given up is followed by a short one that asks why.
func (c *Client) readError(x *exchange, act string, err error) error {
	_, judged := c.judge(x, act, err)
	if x.status == 0 && x.sent.Load() && errors.Is(err, context.DeadlineExceeded) && x.agent == "" && c.leaderless() {
		return c.clean(fmt.Errorf("%s in consul of %s: %w: %w", act, c.name, ErrNoLeader, bare(err)))
	}
	if errors.Is(judged, cutover.ErrOutcomeUnknown) {
		return c.clean(fmt.Errorf("%s in consul of %s: %w", act, c.name, bare(err)))
	}
	if x.retryAfter > 0 && errors.Is(judged, ErrThrottled) {
		return &cutover.Throttled{After: x.retryAfter, Err: judged}
	}
	return judged
}

// leaderLimit bounds the question whether there is a leader: whoever is asked knows it without asking anybody.
const leaderLimit = 500 * time.Millisecond

// leaderless tells whether the server answers and says that it knows no leader. An agent holds what needs one for longer than most clients
// wait, so it is asked about what wasn't answered.
func (c *Client) leaderless() bool {
	ctx, cancel := context.WithTimeout(context.Background(), leaderLimit)
	defer cancel()
	var leader *string
	b, err := c.send(ctx, http.MethodGet, "/v1/status/leader", nil, nil)
	return err == nil && json.Unmarshal(b, &leader) == nil && leader != nil && *leader == ""
}

// permissionDenied tells whether Consul refused one operation of a transaction for the token's sake: it has no number for it.
func permissionDenied(what string) bool { return strings.Contains(what, "Permission denied") }

// forbidden says which right is missing for a key.
func (c *Client) forbidden(key, right string) error {
	return fmt.Errorf("%s in consul of %s: %w: the token's policy needs key %q { policy = %q }", key, c.name, ErrForbidden, key, right)
}
