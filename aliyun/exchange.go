package aliyun

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"

	"roomshift/cutover"
)

// What the provider says when it doesn't do as asked.
var (
	ErrThrottled = errors.New("the provider is throttling")
	ErrForbidden = errors.New("the account may not do this")
)

// CallError is one call that wasn't carried out, or may not have been: What is Failed only when it is sure that it did not land.
type CallError struct {
	What       cutover.What
	Code       string // the API's, "" where it didn't answer
	RetryAfter cutover.T
	kind, err  error // kind: a sentinel, or nil
}

func (e *CallError) Error() string {
	switch {
	case e.kind != nil && e.err != nil:
		return e.kind.Error() + ": " + e.err.Error()
	case e.kind != nil:
		return e.kind.Error()
	}
	return e.err.Error()
}

func (e *CallError) Unwrap() []error { return []error{e.kind, e.err} }

// CodeOf is the API's code in an error, "" if there is none.
func CodeOf(err error) string {
	var e *CallError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// exchange is what is known of one call, whatever the SDK makes of it.
type exchange struct {
	ctx        context.Context
	account    Account     // by which it was signed, at least
	sent       atomic.Bool // a connection was handed to the request: bytes may have gone out
	status     int         // 0: no answer
	retryAfter cutover.T
}

// beforeKey is of Before.
type beforeKey struct{}

// Before has a function called for each request under the context when it is signed and not sent; its error keeps it from being sent.
func Before(ctx context.Context, f func() error) context.Context {
	return context.WithValue(ctx, beforeKey{}, f)
}

// pin is a lane's way to the server. The SDK takes no context, so the present call's is put into the request here.
type pin struct {
	base *http.Transport
	x    *exchange
}

// RoundTrip is http.RoundTripper's.
func (p *pin) RoundTrip(r *http.Request) (*http.Response, error) {
	x := p.x
	if before, ok := x.ctx.Value(beforeKey{}).(func() error); ok {
		if err := before(); err != nil {
			return nil, err
		}
	}
	// A connection is asked for again only when not one byte was written to the last one: net/http never repeats a POST otherwise.
	ctx := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{
		GetConn: func(string) { x.sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) },
	})
	resp, err := p.base.RoundTrip(r.Clone(ctx))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, errors.New("answered by a redirect, which isn't followed")
	}
	x.status, x.retryAfter = resp.StatusCode, retryAfter(resp.Header)
	return resp, nil
}

// retryAfter is how long the provider asks to wait, 0 if it doesn't say: Retry-After in seconds, or TimeLeft of its own header in ms.
func retryAfter(h http.Header) cutover.T {
	if n, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After"))); err == nil {
		return cutover.T(max(0, min(n, 3600))) * cutover.Second
	}
	for _, part := range strings.Split(h.Get("x-ratelimit-user-api")+","+h.Get("x-ratelimit-user"), ",") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "TimeLeft:"); ok {
			if n, err := strconv.Atoi(v); err == nil {
				return cutover.T(max(0, min(n, 3_600_000))) * cutover.Millisecond
			}
		}
	}
	return 0
}

// throttlePause is how long to wait where a throttled answer doesn't say.
const throttlePause = cutover.Second

// judge turns what the SDK said into what became of the call. Nothing of it holds the request's URL.
func (c *Client) judge(x *exchange, act string, err error) error {
	e := &CallError{What: cutover.Unknown}
	var server *sdkerrors.ServerError
	said := bare(err).Error()
	if errors.As(err, &server) {
		e.Code, said = server.ErrorCode(), saidBy(server)
	}
	switch {
	case x.status == 0 && !x.sent.Load():
		e.What, said = cutover.Failed, "not sent: "+said
	case x.status == 0 && x.ctx.Err() != nil:
		e.kind, said = cutover.ErrOutcomeUnknown, "sent, and no answer in time"
	case x.status == 0:
		e.kind, said = cutover.ErrOutcomeUnknown, "sent and not answered: "+said
	case x.status >= 500 || e.Code == "":
		e.kind, said = cutover.ErrOutcomeUnknown, fmt.Sprintf("HTTP %d: %s", x.status, said)
	default:
		e.What, e.kind = cutover.Failed, c.kindOfCode(e.Code, x.status)
		switch {
		case errors.Is(e.kind, ErrThrottled):
			e.RetryAfter = max(x.retryAfter, throttlePause)
		case errors.Is(e.kind, ErrExpired) && c.keys.refused(x.account):
			e.RetryAfter = renewedSoon
		case errors.Is(e.kind, ErrExpired):
			said += ": " + c.keys.renewAt()
		}
	}
	e.err = c.Clean(fmt.Errorf("%s at %s: %s", act, c.name, said))
	return e
}

// kindOfCode is what a refusal means to who reads it, nil where its own words say all.
func (c *Client) kindOfCode(code string, status int) error {
	switch {
	case strings.HasPrefix(code, "Throttling"):
		return ErrThrottled
	case isExpired(code):
		return ErrExpired
	case status == http.StatusForbidden, strings.HasPrefix(code, "Forbidden"), strings.HasPrefix(code, "NoPermission"):
		return ErrForbidden
	case c.kind != nil:
		return c.kind(code)
	}
	return nil
}

// saidBy is the API's own words. Where they may hold the request itself they are left out: it holds the account and the signature. What
// no API wrote, a proxy's page, isn't told at all.
func saidBy(e *sdkerrors.ServerError) string {
	message := e.Message()
	switch {
	case e.ErrorCode() == "":
		return "no answer of the API"
	case strings.Contains(e.ErrorCode(), "Signature"):
		message = "the AccessKey's secret doesn't fit its id, or the request was changed on its way"
	case strings.Contains(message, "Signature") || strings.Contains(message, "AccessKeyId"):
		message = "(its words repeat the request)"
	case len(message) > 200:
		message = message[:200] + "…"
	}
	text := e.ErrorCode() + ": " + message
	if e.RequestId() != "" {
		text += " (request " + e.RequestId() + ")"
	}
	return text
}

// bare is err without the request's URL, which holds the account and the signature.
func bare(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	if strings.Contains(err.Error(), "Signature") || strings.Contains(err.Error(), "://") {
		return errors.New("the answer can't be read")
	}
	return err
}
