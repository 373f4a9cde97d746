package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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

// instanceBench shifts 10,000 instances on a real Consul, with a journal on disk and gates that are judged meanwhile, from the first
// request to the last answer, and goes back; and, in the same run, shifts by a bare loop that sends as many transactions of as many
// operations, one after the other: ×bare is what the engine makes of it (DESIGN wants at most 1.3), ×bare-back what it makes of the way
// back. Directly, and behind a proxy that answers 429 above a rate and asks to wait a second. ms-between-turns is the longest time for
// which the engine took nothing in while it wrote, though samples came five times a second.
type instanceBench struct {
	addresses [2]string // the networks of home and cloud
	route     string    // of rooms.yaml
	fill      func(b *testing.B, u *instanceRun)
	// again makes the bare loop's transactions of the requests that were carried out: each as many operations as there were in it.
	again func(b *testing.B, u *instanceRun, c *api.Client, check benchOp) [][]benchOp
}

// benchOp is an operation of a transaction, in Consul's words.
type benchOp map[string]any

const benchInstances = 5000 // in each room

func (ib *instanceBench) run(b *testing.B) {
	for name, perSecond := range map[string]float64{"direct": 0, "throttled": 12} {
		b.Run(name, func(b *testing.B) {
			var took, back, bare time.Duration
			for b.Loop() {
				b.StopTimer()
				u := ib.start(b, perSecond)
				b.StartTimer()
				there, here := u.shift(b)
				took, back = took+there, back+here
				bare += u.loop(b)
				b.ReportMetric(float64(len(u.sent)), "requests")
				b.ReportMetric(float64(u.samples.Load()), "samples-judged")
				b.ReportMetric(float64(u.refused[0].Load()), "refused")
				b.ReportMetric(float64(u.refused[1].Load()), "refused-bare")
				b.ReportMetric(u.gap.Seconds()*1e3, "ms-between-turns")
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "s-shifting")
			b.ReportMetric(bare.Seconds()/float64(b.N), "s-bare")
			b.ReportMetric(back.Seconds()/float64(b.N), "s-back")
			b.ReportMetric(took.Seconds()/bare.Seconds(), "×bare")
			b.ReportMetric(back.Seconds()/bare.Seconds(), "×bare-back")
		})
	}
}

// instanceRun is one shift on a Consul of its own.
type instanceRun struct {
	*instanceBench
	dir     string
	consul  *server.Consul
	addr    string          // of the proxy, or of Consul itself
	refused [2]atomic.Int64 // by the proxy: the run's, the loop's
	bare    atomic.Int64    // 1: the loop is under way
	samples atomic.Int64

	mu          sync.Mutex // guards what follows
	sent        [][]string // the objects of each request that was carried out
	changed     int        // how many these are
	began, last time.Time
	gap         time.Duration // the longest between two turns
}

func (ib *instanceBench) start(b *testing.B, perSecond float64) *instanceRun {
	b.Helper()
	u := &instanceRun{instanceBench: ib, dir: b.TempDir()}
	var err error
	if u.consul, err = server.StartConsul(b.Context(), u.dir, server.ConsulOptions{Datacenter: "home"}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(u.consul.Kill)
	u.addr = u.consul.Addr
	if perSecond > 0 {
		u.addr = u.throttle(b, perSecond)
	}
	ib.fill(b, u)
	return u
}

func (u *instanceRun) api(b *testing.B) *api.Client {
	b.Helper()
	c, err := api.NewClient(&api.Config{Address: u.consul.Addr})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// put sends operations to Consul itself, 63 in a transaction: three for an instance are never parted.
func (u *instanceRun) put(b *testing.B, ops []benchOp) {
	b.Helper()
	for part := range slices.Chunk(ops, 63) {
		if status := u.send(b, u.consul.Addr, bodyOf(b, part)); status != http.StatusOK {
			b.Fatal(status)
		}
	}
}

func bodyOf(b *testing.B, ops []benchOp) []byte {
	b.Helper()
	body, err := json.Marshal(ops)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// send is one transaction. A Consul that rolls it back ends the benchmark.
func (u *instanceRun) send(b *testing.B, addr string, body []byte) (status int) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, addr+"/v1/txn", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests {
		b.Fatalf("%s: %.300s %v", resp.Status, said, err)
	}
	return resp.StatusCode
}

// throttle is a proxy that lets so many writes through in a second, and as many at once at most.
func (u *instanceRun) throttle(b *testing.B, perSecond float64) string {
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
				u.refused[u.bare.Load()].Add(1)
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

// shift runs the real engine over the real rooms, there and back, and returns how long its requests took, from the first to the last
// answer.
func (u *instanceRun) shift(b *testing.B) (there, back time.Duration) {
	b.Helper()
	rooms, book := filepath.Join(u.dir, "rooms.yaml"), filepath.Join(u.dir, "book.yaml")
	o := oneRoute{name: "bench", share: "5%", bake: "1s", home: u.addresses[0], cloud: u.addresses[1], consul: u.route}
	for file, text := range map[string]string{rooms: o.rooms(u.addr, 0), book: o.book()} {
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
	w.Clock = &turnClock{clock: clk, u: u}
	w.Gauges, w.Operators, w.Show = &greenGauges{clk: clk, samples: &u.samples}, nobody{}, notes{b}
	file, err := journal.Create(filepath.Join(u.dir, "bench"), journalReserve)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	w.Journal = file
	start := cutover.Start{Run: "bench", Plan: p, Why: "start", Version: version, Host: "here", User: "bench", PID: os.Getpid()}
	there = u.engine(b, w, start, cutover.ExitResting)
	sent := u.sent
	u.sent, u.changed, u.began = nil, 0, time.Time{}
	start.Plan, start.Why, start.BackTo = nil, "back", "start"
	back = u.engine(b, w, start, cutover.ExitBack)
	u.sent = sent
	return there, back
}

func (u *instanceRun) engine(b *testing.B, w cutover.World, start cutover.Start, want cutover.Exit) time.Duration {
	b.Helper()
	res, err := cutover.Run(b.Context(), w, start)
	if err != nil || res.Exit != want {
		b.Fatalf("%+v: %v", res, err)
	}
	if u.changed != 2*benchInstances {
		b.Fatalf("%s: %d changes were carried out, want %d", start.Why, u.changed, 2*benchInstances)
	}
	return u.last.Sub(u.began)
}

// loop sends as many transactions of as many operations, as a loop would that only sends: it waits when it is told to.
func (u *instanceRun) loop(b *testing.B) time.Duration {
	b.Helper()
	u.bare.Store(1)
	c := u.api(b)
	id, _, err := c.Session().CreateNoChecks(&api.SessionEntry{TTL: "600s"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if ok, _, err := c.KV().Acquire(&api.KVPair{Key: "bare", Session: id}, nil); err != nil || !ok {
		b.Fatal(err)
	}
	var bodies [][]byte
	for _, ops := range u.again(b, u, c, benchOp{"KV": benchOp{"Verb": "check-session", "Key": "bare", "Session": id}}) {
		bodies = append(bodies, bodyOf(b, ops))
	}
	began := time.Now()
	for _, body := range bodies {
		for u.send(b, u.addr, body) != http.StatusOK {
			time.Sleep(time.Second) // what the proxy asks for
		}
	}
	return time.Since(began)
}

// timed notes when requests begin and end, and which were carried out.
type timed struct {
	cutover.Medium
	u *instanceRun
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
		objects := make([]string, len(cs))
		for i, c := range cs {
			objects[i] = c.Object
		}
		m.u.sent, m.u.last = append(m.u.sent, objects), time.Now()
		m.u.changed += len(objects)
	}
	return outs
}

// turnClock notes the longest time between two moments at which the engine took what had come, while it wrote.
type turnClock struct {
	*clock
	u    *instanceRun
	turn time.Time
}

func (c *turnClock) Next(until cutover.T) []cutover.Event {
	evs := c.clock.Next(until)
	now := time.Now()
	c.u.mu.Lock()
	defer c.u.mu.Unlock()
	if !c.u.began.IsZero() && c.turn.After(c.u.began) && c.u.changed < 2*benchInstances {
		c.u.gap = max(c.u.gap, now.Sub(c.turn))
	}
	c.turn = now
	return evs
}

// greenGauges says of each gate, five times a second, that it is well.
type greenGauges struct {
	clk     *clock
	samples *atomic.Int64
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
					g.samples.Add(1)
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
