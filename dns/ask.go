package dns

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"roomshift/cutover"
)

// Asking name servers what they really answer. Every authority of a name is asked itself, without recursion, so no cache answers; on each
// line by a client's network in the query. What comes out is the share that is *set*: where the users are is told by counting requests.

// Interval is a part of so many answers, with its 95 % interval (Wilson's).
type Interval struct{ Seen, Lo, Hi float64 }

// z95 is the standard normal's 97.5th percentile.
const z95 = 1.959964

// Wilson is the interval of n among of.
func Wilson(n, of int) Interval {
	if of == 0 {
		return Interval{0, 0, 1}
	}
	p, m, z2 := float64(n)/float64(of), float64(of), z95*z95
	mid := (p + z2/(2*m)) / (1 + z2/m)
	half := z95 / (1 + z2/m) * math.Sqrt(p*(1-p)/m+z2/(4*m*m))
	return Interval{p, max(0, mid-half), min(1, mid+half)}
}

// Queries is how many answers tell a share (0..1) to within so much, 95 times of 100.
func Queries(share, within float64) int {
	return max(100, int(math.Ceil(z95*z95*share*(1-share)/(within*within))))
}

// Asker asks name servers. Servers are host:port of a name's authorities. Networks are a client's network for each line; a line without
// one can only be asked as this machine's own. Kinds are the types of records that are asked for, A and AAAA; nil: A. Wait bounds one query,
// 0: 2 s.
type Asker struct {
	Servers  []string
	Networks map[string]netip.Prefix
	Rooms    []RoomNets
	Kinds    []string
	Wait     time.Duration
}

// Asked is what one authority answered about one type of records on one line.
type Asked struct {
	Server  string
	Line    string
	Kind    string
	OwnLine bool // it was asked as this machine's own line, for no network of the line is known
	Answers int
	Shares  map[cutover.Room]Interval
	TTL     time.Duration // the longest in an answer
	Strange []string      // addresses of no room, in order
	Err     error         // why there are no answers, or too few
}

// besideEach is how many queries are under way at a server.
const besideEach = 8

// lostOf is the part of queries that may go unanswered, one in so many.
const lostOf = 20

// Ask puts n queries for the addresses of a name, of each kind, to each server on each line. It ends with ctx; a server that doesn't answer is told in
// its Asked, never left out.
func (a *Asker) Ask(ctx context.Context, name string, lines []string, n int) []Asked {
	kinds := a.Kinds
	if kinds == nil {
		kinds = []string{"A"}
	}
	out := make([]Asked, 0, len(a.Servers)*len(lines)*len(kinds))
	for _, line := range lines {
		for _, s := range a.Servers {
			for _, kind := range kinds {
				out = append(out, Asked{Server: s, Line: line, Kind: kind})
			}
		}
	}
	var wait sync.WaitGroup
	for i := range out {
		wait.Go(func() { a.askOne(ctx, &out[i], name, n) })
	}
	wait.Wait()
	return out
}

// tally is what the answers of one server came to.
type tally struct {
	mu      sync.Mutex
	counts  map[cutover.Room]int
	strange []string
	answers int
	ttl     uint32
	err     error
}

func (a *Asker) askOne(ctx context.Context, out *Asked, name string, n int) {
	network, known := a.Networks[out.Line]
	out.OwnLine = !known
	t := &tally{counts: map[cutover.Room]int{}}
	var left, lost atomic.Int64
	left.Store(int64(n))
	var wait sync.WaitGroup
	for range min(besideEach, n) {
		wait.Go(func() {
			for left.Add(-1) >= 0 && ctx.Err() == nil && lost.Load() <= int64(max(3, n/lostOf)) {
				m, err := a.query(ctx, out.Server, name, out.Kind, network)
				if err != nil {
					lost.Add(1)
				}
				t.take(a, m, err)
			}
		})
	}
	wait.Wait()
	out.Answers, out.TTL, out.Strange = t.answers, time.Duration(t.ttl)*time.Second, t.strange
	slices.Sort(out.Strange)
	out.Shares = map[cutover.Room]Interval{}
	for _, r := range a.Rooms {
		out.Shares[r.Room] = Wilson(t.counts[r.Room], t.answers)
	}
	if t.answers < n-n/lostOf {
		out.Err = fmt.Errorf("%d of %d queries to %s were answered with an address: %w", t.answers, n, out.Server, errors.Join(t.err, ctx.Err()))
	}
}

// take counts one answer by its first address, which is the one that most clients use.
func (t *tally) take(a *Asker, m *dns.Msg, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.err = err
		return
	}
	addr, ttl, ok := firstAddress(m)
	if !ok {
		t.err = fmt.Errorf("answered %s without an address", dns.RcodeToString[m.Rcode])
		return
	}
	t.answers, t.ttl = t.answers+1, max(t.ttl, ttl)
	for _, r := range a.Rooms {
		for _, p := range r.Nets {
			if p.Contains(addr) {
				t.counts[r.Room]++
				return
			}
		}
	}
	if s := addr.String(); !slices.Contains(t.strange, s) {
		t.strange = append(t.strange, s)
	}
}

func firstAddress(m *dns.Msg) (addr netip.Addr, ttl uint32, ok bool) {
	for _, rr := range m.Answer {
		switch r := rr.(type) {
		case *dns.A:
			addr, ok = netip.AddrFromSlice(r.A)
		case *dns.AAAA:
			addr, ok = netip.AddrFromSlice(r.AAAA)
		}
		if ok {
			return addr.Unmap(), rr.Header().Ttl, true
		}
	}
	return netip.Addr{}, 0, false
}

// query asks one server once; what is cut is asked again over TCP. An answer without authority is an error: it comes from a cache.
func (a *Asker) query(ctx context.Context, server, name, kind string, network netip.Prefix) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	q.RecursionDesired = false
	q.SetEdns0(1232, false)
	if network.IsValid() {
		family := uint16(1)
		if network.Addr().Is6() {
			family = 2
		}
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family,
			SourceNetmask: uint8(network.Bits()), Address: network.Addr().AsSlice()}) //nolint:gosec // at most 128
	}
	wait := a.Wait
	if wait == 0 {
		wait = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m, _, err := (&dns.Client{Timeout: wait}).ExchangeContext(ctx, q, server)
	if err == nil && m.Truncated {
		m, _, err = (&dns.Client{Net: "tcp", Timeout: wait}).ExchangeContext(ctx, q, server)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask %s for %s: %w", server, name, err)
	case !m.Authoritative && m.Rcode == dns.RcodeSuccess:
		return nil, fmt.Errorf("ask %s for %s: it answers without authority", server, name)
	}
	return m, nil
}

// Authorities are the name servers of a name's zone as the provider tells them, as host:port, resolved on this machine.
func (c *Client) Authorities(ctx context.Context, name string) ([]string, error) {
	w, err := c.take(ctx, c.reads)
	if err != nil {
		return nil, err
	}
	defer c.give(w)
	l, err := list(ctx, w, name)
	if err != nil {
		return nil, err
	}
	d, err := w.domain(ctx, l.records[0].zone)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, host := range d.servers {
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", strings.TrimSuffix(host, "."))
		if err != nil {
			return nil, fmt.Errorf("find the authority %s of %s: %w", host, name, err)
		}
		for _, ip := range ips {
			out = append(out, netip.AddrPortFrom(ip.Unmap(), 53).String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// MinTTL is the lowest TTL, in seconds, that the edition of a name's zone takes.
func (c *Client) MinTTL(ctx context.Context, name string) (int64, error) {
	w, err := c.take(ctx, c.reads)
	if err != nil {
		return 0, err
	}
	defer c.give(w)
	l, err := list(ctx, w, name)
	if err != nil {
		return 0, err
	}
	d, err := w.domain(ctx, l.records[0].zone)
	return d.minTTL, err
}
