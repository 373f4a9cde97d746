package lab

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Resolvers stand between clients and a name's authorities, many of them in one process. The laws of the file:
//
//   - A resolver asks an authority over UDP, keeps the answer for its TTL, and gives it to everybody behind it meanwhile. It has other
//     clients than the lab's, so it asks again as soon as an answer is over: what it gives is never older than its TTL.
//   - Every second one sends a client subnet of the telecom line; the others are asked for as the default line's.
//   - A stretching one keeps an answer for a minimum, however short its TTL, as many ISPs' do.
//   - One whose authorities don't answer goes on with what it has, and asks on.
//   - Their first answers end at times spread over the TTL: resolvers of real users weren't started together.

// resolver is one of them.
type resolver struct {
	subnet  netip.Prefix    // sent with each query; none for the default line
	minimum time.Duration   // 0: it keeps to the TTL
	kept    []atomic.Uint32 // by name: the IPv4 address that it gives now, 0 none yet
	since   []atomic.Int64  // by name: when it had asked for it, in Unix nanoseconds
}

// give is what the resolver answers its clients now; false: it has never had an answer.
func (r *resolver) give(name int) (netip.Addr, bool) {
	v := r.kept[name].Load()
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), v != 0
}

// resolvers are all of them: ordinary ones, then those that stretch.
type resolvers struct {
	names    []string // what clients ask for
	servers  []string // host:port of the authorities
	ordinary []*resolver
	stretch  []*resolver
	end      context.CancelFunc
	done     sync.WaitGroup
	asked    atomic.Int64 // queries that were answered
	lost     atomic.Int64 // queries that weren't
}

// askers is how many goroutines ask for all resolvers: while one waits for an authority that is silent, the others go on.
const askers = 8

// lostAfter is when a resolver takes a query for lost and asks the next authority.
const lostAfter = 400 * time.Millisecond

// newResolvers starts resolvers that have no answers yet: see newer. The telecom ones send a subnet each, of a network with a /16 or shorter.
func newResolvers(names, servers []string, ordinary, stretching int, minimum time.Duration, telecom netip.Prefix) *resolvers {
	ctx, end := context.WithCancel(context.Background())
	rs := &resolvers{names: names, servers: servers, end: end}
	for i := range ordinary + stretching {
		r := &resolver{kept: make([]atomic.Uint32, len(names)), since: make([]atomic.Int64, len(names))}
		if i%2 == 1 {
			b := telecom.Addr().As4()
			r.subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{b[0], b[1], byte(i), 0}), 24)
		}
		if i < ordinary {
			rs.ordinary = append(rs.ordinary, r)
			continue
		}
		r.minimum = minimum
		rs.stretch = append(rs.stretch, r)
	}
	for i := range askers {
		rs.done.Go(func() { rs.run(ctx, i) })
	}
	return rs
}

// close ends them.
func (rs *resolvers) close() {
	rs.end()
	rs.done.Wait()
}

// newer waits until every resolver has asked for every name after a moment.
func (rs *resolvers) newer(ctx context.Context, t time.Time) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := 0
		for _, r := range rs.all() {
			for name := range rs.names {
				if r.since[name].Load() < t.UnixNano() {
					missing++
				}
			}
		}
		if missing == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d resolvers have no new answer yet: %w", missing, ctx.Err())
		case <-tick.C:
		}
	}
}

func (rs *resolvers) all() []*resolver {
	return append(append([]*resolver{}, rs.ordinary...), rs.stretch...)
}

// due is an answer of a resolver and when it is over.
type due struct {
	r    *resolver
	name int
	at   time.Time
}

// dues is a heap by time.
type dues []due

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, k int) bool { return d[i].at.Before(d[k].at) }
func (d dues) Swap(i, k int)      { d[i], d[k] = d[k], d[i] }
func (d *dues) Push(x any)        { *d = append(*d, x.(due)) }
func (d *dues) Pop() any {
	old := *d
	x := old[len(old)-1]
	*d = old[:len(old)-1]
	return x
}

// run asks for every askers-th resolver whenever an answer of its is over.
func (rs *resolvers) run(ctx context.Context, part int) {
	a := &asker{servers: rs.servers, conns: make([]*dns.Conn, len(rs.servers))}
	defer a.close()
	var queue dues
	for i, r := range rs.all() {
		for name := range rs.names {
			if (i+name)%askers == part {
				queue = append(queue, due{r, name, time.Time{}})
			}
		}
	}
	heap.Init(&queue)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for len(queue) > 0 {
		timer.Reset(time.Until(queue[0].at))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for now := time.Now(); !queue[0].at.After(now) && ctx.Err() == nil; {
			rs.again(a, &queue[0])
			heap.Fix(&queue, 0)
		}
	}
}

// again asks anew for an answer that is over.
func (rs *resolvers) again(a *asker, d *due) {
	began := time.Now()
	addr, ttl, err := a.ask(rs.names[d.name], d.r.subnet)
	if err != nil {
		rs.lost.Add(1)
		d.at = time.Now().Add(lostAfter)
		return
	}
	rs.asked.Add(1)
	keep := max(ttl, d.r.minimum)
	if d.r.kept[d.name].Swap(addr) == 0 { // somebody asked it a while ago
		keep = time.Duration(rand.Int64N(int64(keep) + 1))
	}
	d.r.since[d.name].Store(began.UnixNano())
	d.at = time.Now().Add(keep)
}

// asker asks authorities over sockets that it keeps.
type asker struct {
	servers []string
	conns   []*dns.Conn
	next    int
}

func (a *asker) close() {
	for _, c := range a.conns {
		if c != nil {
			_ = c.Close()
		}
	}
}

// ask asks one authority after the other until one answers with an address.
func (a *asker) ask(name string, subnet netip.Prefix) (addr uint32, ttl time.Duration, err error) {
	for range a.servers {
		a.next = (a.next + 1) % len(a.servers)
		if addr, ttl, err = a.askOne(a.next, name, subnet); err == nil {
			return addr, ttl, nil
		}
	}
	return 0, 0, err
}

func (a *asker) askOne(server int, name string, subnet netip.Prefix) (addr uint32, ttl time.Duration, err error) {
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), dns.TypeA)
	q.RecursionDesired = false
	q.SetEdns0(1232, false)
	if subnet.IsValid() {
		q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1,
			SourceNetmask: uint8(subnet.Bits()), Address: subnet.Addr().AsSlice()}) //nolint:gosec // 24
	}
	client := &dns.Client{Timeout: lostAfter}
	if a.conns[server] == nil {
		if a.conns[server], err = client.Dial(a.servers[server]); err != nil {
			return 0, 0, err
		}
	}
	m, _, err := client.ExchangeWithConn(q, a.conns[server])
	if err != nil { // a late answer to this query must not be taken for the next one's
		_ = a.conns[server].Close()
		a.conns[server] = nil
		return 0, 0, err
	}
	for _, rr := range m.Answer {
		if r, ok := rr.(*dns.A); ok {
			b := r.A.To4()
			return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]), time.Duration(rr.Header().Ttl) * time.Second, nil
		}
	}
	return 0, 0, errors.New("answered without an address")
}
