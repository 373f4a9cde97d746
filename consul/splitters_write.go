package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"roomshift/cutover"
)

// Write writes one splitter: it is read, what it holds is compared, all of it is sent with the other weights on condition that it wasn't
// changed meanwhile, and it is read back: Consul answers a compare-and-set with true without comparing where the content is the same.
// Everything beside our weights stays as it is at this moment, whatever version the change was planned from.
func (s *Splitters) Write(ctx context.Context, _ cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	outs := make([]cutover.Outcome, len(changes))
	if len(changes) > 1 || s.bad != nil {
		err := s.bad
		if err == nil {
			err = fmt.Errorf("%d splitters in one request to consul of %s, want one: not sent", len(changes), s.client.name)
		}
		for i := range outs {
			outs[i] = cutover.Outcome{What: cutover.Failed, Err: err}
		}
		return outs
	}
	for i, c := range changes {
		outs[i] = s.writeOne(ctx, c)
	}
	return outs
}

// failed is what wasn't sent for an error. Where that is of a listing that is to be asked for later, the write is.
func failed(err error) cutover.Outcome {
	o := cutover.Outcome{What: cutover.Failed, Err: err}
	var later *cutover.Throttled
	if errors.As(err, &later) {
		o.RetryAfter = later.After
	}
	return o
}

func (s *Splitters) writeOne(ctx context.Context, c cutover.Change) cutover.Outcome {
	spec := s.names[c.Object]
	if spec == nil {
		return failed(fmt.Errorf("%s isn't one of plane %s: not sent", c.Object, s.plane))
	}
	parts, err := parseLegs(c.After)
	if err != nil {
		return failed(fmt.Errorf("%s would hold %w: not sent", c.Object, err))
	}
	e, err := s.get(ctx, spec)
	if o, is := isStrange(err); is {
		return o
	}
	if err != nil {
		return failed(fmt.Errorf("not sent: %w", err))
	}
	if o := s.compare(spec, c, e); o.What != cutover.Failed {
		return o
	}
	body, err := e.with(parts)
	if err != nil {
		return failed(fmt.Errorf("not sent: %w", s.wrong(spec, err.Error())))
	}
	landed, o := s.put(ctx, spec, e.modified, body)
	if o.Err != nil {
		return o
	}
	now, err := s.get(ctx, spec)
	if o, is := isStrange(err); is {
		return o
	}
	switch {
	case err != nil && landed:
		return cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("the splitter of %s was written and can't be read back: %w: %w", spec.Service, cutover.ErrOutcomeUnknown, err)}
	case err != nil:
		return failed(fmt.Errorf("the splitter of %s was changed meanwhile, and what it holds now can't be read: %w", spec.Service, err))
	}
	o = s.compare(spec, c, now)
	if o.What == cutover.Failed && landed { // ours landed, and somebody put back what was there
		o.What = cutover.Foreign
	}
	return o
}

// isStrange is the outcome where somebody else made an entry of it that is no split between rooms: no version, for a write with one would
// take what is there for ours.
func isStrange(err error) (cutover.Outcome, bool) {
	var e *strange
	if !errors.As(err, &e) {
		return cutover.Outcome{}, false
	}
	return cutover.Outcome{What: cutover.Foreign, Found: e.said, Err: e.err}, true
}

// put sends an entry on condition of its index. landed false without an error: it was changed meanwhile.
func (s *Splitters) put(ctx context.Context, spec *SplitterSpec, index uint64, body []byte) (landed bool, o cutover.Outcome) {
	c := s.client
	primary, err := c.primaryDatacenter(ctx)
	if err != nil {
		return false, failed(fmt.Errorf("not sent: %w", err))
	}
	ctx, x, cancel := c.begin(ctx)
	defer cancel()
	x.datacenter = primary
	act := "write the splitter of " + spec.Service
	b, err := c.send(ctx, http.MethodPut, "/v1/config", url.Values{"cas": {strconv.FormatUint(index, 10)}}, body)
	if err != nil {
		o.What, err = c.judge(x, act, err)
		o.RetryAfter, o.Err = x.retryAfter, c.serviceRight(err, spec.Service, "write")
		return false, o
	}
	landed, err = strconv.ParseBool(strings.TrimSpace(string(b)))
	if err != nil {
		return false, cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("%s in consul of %s: %w: the answer is %s", act, c.name, cutover.ErrOutcomeUnknown, shown(string(b)))}
	}
	return landed, cutover.Outcome{}
}

// compare says what a splitter that was read means for a change. Failed: it holds Before, in the version that is said.
func (s *Splitters) compare(spec *SplitterSpec, c cutover.Change, e *splitter) cutover.Outcome {
	if e == nil {
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: s.wrong(spec, "nothing: somebody deleted it")}
	}
	found := e.value()
	o := cutover.Outcome{What: cutover.Foreign, Found: found, Version: strconv.FormatUint(e.modified, 10)}
	switch found {
	case c.After:
		o.What, o.Found = cutover.Done, ""
	case c.Before:
		o.What, o.Err = cutover.Failed, s.wrong(spec, fmt.Sprintf("%q as before, in a newer version", found))
	default:
		o.Err = s.wrong(spec, fmt.Sprintf("%q, want %q before %q is written", found, c.Before, c.After))
	}
	return o
}

// serviceRight adds the right that lacks to an error by which the token may not do something with a service.
func (c *Client) serviceRight(err error, service, right string) error {
	if !errors.Is(err, ErrForbidden) {
		return err
	}
	return fmt.Errorf("%w: the token's policy needs service %q { policy = %q }", err, service, right)
}
