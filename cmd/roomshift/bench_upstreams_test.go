package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
	"roomshift/cutover/journal"
	"roomshift/lab/server"
	"roomshift/runbooks"
)

// BenchmarkUpstreams10000 shifts 10,000 instances by their upstream keys on a real Consul, with a journal on disk and gates that are
// judged meanwhile, from the first request to the last answer; and, in the same run, a bare loop that sends as many transactions of as
// many operations, one after the other: ×bare is what the engine makes of it (DESIGN wants at most 1.3). Directly, and behind a
// proxy that answers 429 above a rate and asks to wait a second.
func BenchmarkUpstreams10000(b *testing.B) {
	for name, perSecond := range map[string]float64{"direct": 0, "throttled": 12} {
		b.Run(name, func(b *testing.B) {
			var took, bare time.Duration
			for b.Loop() {
				b.StopTimer()
				u := startUpstreamBench(b, perSecond)
				b.StartTimer()
				took += u.shift(b)
				bare += u.loop(b)
				b.ReportMetric(float64(len(u.sent)), "requests")
				b.ReportMetric(float64(u.samples.Load()), "samples-judged")
				b.ReportMetric(float64(u.refused.Load()), "refused")
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "s-shifting")
			b.ReportMetric(bare.Seconds()/float64(b.N), "s-bare")
			b.ReportMetric(took.Seconds()/bare.Seconds(), "×bare")
		})
	}
}

const benchInstances = 5000 // in each room

type upstreamBench struct {
	dir     string
	consul  *server.Consul
	addr    string // of the proxy, or of Consul itself
	refused atomic.Int64
	samples atomic.Int64

	mu          sync.Mutex // guards what follows
	sent        [][]string // the keys of each request that was carried out
	began, last time.Time
}

func startUpstreamBench(b *testing.B, perSecond float64) *upstreamBench {
	b.Helper()
	u := &upstreamBench{dir: b.TempDir()}
	var err error
	if u.consul, err = server.StartConsul(b.Context(), u.dir, server.ConsulOptions{Datacenter: "home"}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(u.consul.Kill)
	u.addr = u.consul.Addr
	if perSecond > 0 {
		u.addr = u.throttle(b, perSecond)
	}
	var ops api.TxnOps
	for room, down := range []string{"", `,"down":1`} {
		for i := range benchInstances {
			ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVSet, Key: fmt.Sprintf("upstreams/web/10.%d.%d.%d:8080", room+1, i/250, i%250+1),
				Value: []byte(`{"weight":100,"max_fails":2,"fail_timeout":10` + down + `}`)}})
		}
	}
	for ; len(ops) > 0; ops = ops[min(63, len(ops)):] {
		u.txn(b, ops[:min(63, len(ops))])
	}
	return u
}

func (u *upstreamBench) api(b *testing.B, addr string) *api.Client {
	b.Helper()
	c, err := api.NewClient(&api.Config{Address: addr})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (u *upstreamBench) txn(b *testing.B, ops api.TxnOps) {
	b.Helper()
	if ok, answer, _, err := u.api(b, u.consul.Addr).Txn().Txn(ops, nil); err != nil || !ok {
		b.Fatal(answer, err)
	}
}

// throttle is a proxy that lets so many writes through in a second, and as many at once at most.
func (u *upstreamBench) throttle(b *testing.B, perSecond float64) string {
	b.Helper()
	to, err := url.Parse(u.consul.Addr)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	var mu sync.Mutex
	left, at := perSecond, time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && r.URL.Path == "/v1/txn" && r.ContentLength > 4000 {
			mu.Lock()
			now := time.Now()
			left, at = min(perSecond, left+now.Sub(at).Seconds()*perSecond), now
			refused := left < 1
			if !refused {
				left--
			}
			mu.Unlock()
			if refused {
				u.refused.Add(1)
				w.Header().Set("Retry-After", "1")
				http.Error(w, "rate limit exceeded, try again later", http.StatusTooManyRequests)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	b.Cleanup(s.Close)
	return s.URL
}

const upstreamBenchRooms = `version: 1
environment: lab
control: {room: home, prefix: roomshift}
rooms:
  home: {consul: {addr: %q, datacenter: home}, addresses: [10.1.0.0/16]}
  cloud: {addresses: [10.2.0.0/16]}
prometheus: {addr: "http://127.0.0.1:9"}
routes:
  web: {consul: {upstream: web}}
gates:
  errors:
    each: room
    ratio: {bad: 'bad{room="$room"}', of: 'all{room="$room"}'}
    every: 500ms
    hold: {above: 1%%}
    abort: {above: 5%%, for: 5s}
`

const upstreamBenchBook = `version: 1
name: bench
move: {from: home, to: cloud}
bake: 1s
steps:
  - shift: {cloud: {web: [5%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - checkpoint: there
`

// shift runs the real engine over the real rooms and returns how long its requests took, from the first to the last answer.
func (u *upstreamBench) shift(b *testing.B) time.Duration {
	b.Helper()
	rooms, book := filepath.Join(u.dir, "rooms.yaml"), filepath.Join(u.dir, "book.yaml")
	for file, text := range map[string]string{rooms: fmt.Sprintf(upstreamBenchRooms, u.addr), book: upstreamBenchBook} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	l, err := runbooks.Load(book, rooms)
	if err != nil || len(l.Problems) > 0 {
		b.Fatal(l.Problems, err)
	}
	clk := newClock()
	r, err := wire(l, clk, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	snap, err := r.snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	p, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: r.world.Planes, Snapshot: snap})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	r.goBy(p)
	w := r.world
	for i := range w.Planes {
		w.Planes[i].Medium = &timed{w.Planes[i].Medium, u}
	}
	w.Gauges, w.Operators, w.Show = &greenGauges{clk: clk, u: u}, nobody{}, notes{b}
	file, err := journal.Create(filepath.Join(u.dir, "bench"), journalReserve)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	w.Journal = file
	res, err := cutover.Run(b.Context(), w, cutover.Start{Run: "bench", Plan: p, Why: "start", Version: version, Host: "here", User: "bench", PID: os.Getpid()})
	if err != nil || res.Exit != cutover.ExitResting {
		b.Fatalf("%+v: %v", res, err)
	}
	changes := 0
	for _, keys := range u.sent {
		changes += len(keys)
	}
	if changes != 2*benchInstances {
		b.Fatalf("%d changes were carried out, want %d", changes, 2*benchInstances)
	}
	return u.last.Sub(u.began)
}

// loop sends the same requests again, with the values of before, as a loop would that only sends: it waits when it is told to.
func (u *upstreamBench) loop(b *testing.B) time.Duration {
	b.Helper()
	c := u.api(b, u.addr)
	id, _, err := c.Session().CreateNoChecks(&api.SessionEntry{TTL: "600s"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if ok, _, err := c.KV().Acquire(&api.KVPair{Key: "bare", Session: id}, nil); err != nil || !ok {
		b.Fatal(err)
	}
	pairs, _, err := c.KV().List("upstreams/web/", nil)
	if err != nil {
		b.Fatal(err)
	}
	index := map[string]uint64{}
	for _, p := range pairs {
		index[p.Key] = p.ModifyIndex
	}
	var all []api.TxnOps
	for _, keys := range u.sent {
		ops := api.TxnOps{{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: "bare", Session: id}}}
		for _, k := range keys {
			ops = append(ops, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCAS, Key: k, Index: index[k], Value: []byte(`{"weight":100,"max_fails":2,"fail_timeout":10}`)}})
		}
		all = append(all, ops)
	}
	began := time.Now()
	for _, ops := range all {
		for {
			ok, answer, _, err := c.Txn().Txn(ops, nil)
			if err == nil && ok {
				break
			}
			if err == nil || u.addr == u.consul.Addr {
				b.Fatal(answer, err)
			}
			time.Sleep(time.Second) // what the proxy asks for
		}
	}
	return time.Since(began)
}

// timed notes when requests begin and end, and which were carried out.
type timed struct {
	cutover.Medium
	u *upstreamBench
}

func (m *timed) Write(ctx context.Context, f cutover.Fence, cs []cutover.Change) []cutover.Outcome {
	began := time.Now()
	outs := m.Medium.Write(ctx, f, cs)
	m.u.mu.Lock()
	defer m.u.mu.Unlock()
	if m.u.began.IsZero() {
		m.u.began = began
	}
	if outs[0].What == cutover.Done {
		keys := make([]string, len(cs))
		for i, c := range cs {
			keys[i] = c.Object
		}
		m.u.sent, m.u.last = append(m.u.sent, keys), time.Now()
	}
	return outs
}

// greenGauges says of each gate, five times a second, that it is well.
type greenGauges struct {
	clk *clock
	u   *upstreamBench
}

func (g *greenGauges) Cut(cutover.T) {}

func (g *greenGauges) Start(ctx context.Context, p *cutover.Plan) {
	go func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			for i, gauge := range p.Gauges {
				for _, room := range p.Gates[gauge.Gate].Rooms {
					at := g.clk.Now()
					g.clk.Sample(cutover.Sample{Gauge: i, Room: room, Hi: 0.0001, Events: 1000, From: at, At: at})
					g.u.samples.Add(1)
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// nobody says nothing to a run.
type nobody struct{}

func (nobody) Start(context.Context)         {}
func (nobody) Answer(string, cutover.Answer) {}

// notes logs what a run says beside its records.
type notes struct{ b *testing.B }

func (n notes) Event(s cutover.Shown) {
	if s.Note != "" {
		n.b.Log(s.Note)
	}
}
