package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

// BenchmarkMove moves the write role to and fro under eight writers that never pause, by the shipped way, and, in turns with it, by the
// bare algorithm: fence, wait for the position, look again, open, on persistent connections. Between two moves one write of Consul is
// timed. outage is from the last acknowledgement of the old writer to the first of the new one; the parts are of its median move.
//
//	ms/outage ms/p99   the shipped way
//	ms/bare ms/consul  the bare algorithm, and one write of Consul, in the same run
//	x/bare+consul      how many times both together the shipped way takes; wanted: 2 at most
//	ms/beyond          what it takes beyond the delay of the line; wanted: 20 at most
func BenchmarkMove(b *testing.B) {
	for _, e := range []server.Engine{server.MariaDB, server.MySQL} {
		b.Run(string(e), func(b *testing.B) {
			s, err := newScene(b.Context(), b.TempDir(), e, false)
			if err != nil {
				b.Fatal(err)
			}
			defer s.stop()
			for _, delay := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, time.Second} {
				b.Run(delay.String(), func(b *testing.B) { benchMove(b, s, delay) })
			}
		})
	}
}

// cell is one engine and delay.
type cell struct {
	s       *scene
	w       *pushers
	outages [2][]time.Duration // bare, shipped
	puts    []time.Duration
	parts   []map[string]time.Duration
	delay   time.Duration
	missed  int // attempts that were given up: the applier was too far behind
}

// errGivenUp: the time without a writer was spent before the move was decided. Nothing is moved.
var errGivenUp = errors.New("given up")

func benchMove(b *testing.B, s *scene, delay time.Duration) {
	ctx := b.Context()
	for _, room := range rooms {
		s.ring.Delay(room, other(room), delay)
	}
	defer s.ring.Heal()
	c := &cell{s: s, w: startPushers(s, 8), delay: delay}
	defer c.w.end()
	for b.Loop() {
		for way, move := range []func(context.Context, string, string) (time.Time, error){c.moveBare, c.moveShipped} {
			from, err := c.present(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if way == 0 {
				c.put()
			}
			began, err := move(ctx, from, other(from))
			for i := 0; errors.Is(err, errGivenUp) && i < 5; i++ {
				c.missed++
				began, err = move(ctx, from, other(from))
			}
			if err != nil {
				b.Fatal(err)
			}
			c.w.until(other(from), 20)
			c.outages[way] = append(c.outages[way], c.w.outage(from, other(from), began))
			if way == 1 {
				last := c.parts[len(c.parts)-1]
				last["followed"] = c.w.first(other(from), began).Sub(c.w.at)
			}
		}
	}
	c.report(b, delay)
}

// present is the room that takes writes. The record may not know: the bare way has none.
func (c *cell) present(ctx context.Context) (string, error) {
	for _, room := range rooms {
		if ro, _, err := c.s.readOnly(ctx, room); err == nil && !ro {
			return room, nil
		}
	}
	return "", fmt.Errorf("nobody takes writes")
}

// put times one write of Consul's.
func (c *cell) put() {
	began := time.Now()
	if _, err := c.s.kv.KV().Put(&api.KVPair{Key: "bench", Value: []byte(strings.Repeat("x", 500))}, nil); err == nil {
		c.puts = append(c.puts, time.Since(began))
	}
}

// patience is how long a moment is looked for. Where the applier falls ever further behind there is none.
const patience = 2 * time.Second

// lowLag waits for a moment at which the other master has next to nothing to apply: it is told when it has what the writer had just now,
// and that may take no longer than the line and a little.
func lowLag(ctx context.Context, w, x *dbsync.Server, delay time.Duration) error {
	for end := time.Now().Add(delay + patience); time.Now().Before(end); {
		st, err := w.Look(ctx, dbsync.Against{})
		if err != nil {
			return err
		}
		began := time.Now()
		if err := x.Wait(ctx, st.Position); err != nil {
			return err
		}
		if time.Since(began) < delay+5*time.Millisecond {
			return nil
		}
	}
	return nil
}

func (c *cell) servers(ctx context.Context) (map[string]*dbsync.Server, func(), error) {
	r, err := dbsync.Open(c.s.pair())
	if err != nil {
		return nil, nil, err
	}
	all := map[string]*dbsync.Server{}
	end := func() {
		for _, s := range all {
			s.Close()
		}
		r.Close()
	}
	for _, room := range rooms {
		s, err := r.Server(room, dbsync.ServerOptions{})
		if err == nil {
			err = s.Take(ctx)
		}
		if err != nil {
			end()
			return nil, nil, err
		}
		all[room] = s
	}
	return all, end, nil
}

func (c *cell) moveBare(ctx context.Context, from, to string) (began time.Time, err error) {
	all, end, err := c.servers(ctx)
	if err != nil {
		return began, err
	}
	defer end()
	a, b := all[from], all[to]
	if err := lowLag(ctx, a, b, c.delay); err != nil {
		return began, err
	}
	began = time.Now()
	if err := a.Fence(ctx); err != nil {
		return began, err
	}
	st, err := a.Look(ctx, dbsync.Against{})
	if err != nil {
		return began, err
	}
	if err := b.Complete(ctx, dbsync.Against{Other: st.Position}); err != nil {
		return began, err
	}
	if again, err := a.Look(ctx, dbsync.Against{}); err != nil || !again.Fenced() || again.Position != st.Position {
		return began, fmt.Errorf("%s isn't where it was: %w", from, err)
	}
	if err := b.Open(ctx); err != nil {
		return began, err
	}
	// the record follows by hand, so that the shipped way finds the world in order
	r, index, err := c.s.record(ctx)
	if err != nil {
		return began, err
	}
	r.Writer, r.Epoch, r.Seq = to, r.Epoch+1, r.Seq+1
	text, err := r.Encode()
	if err == nil {
		_, _, err = c.s.kv.KV().CAS(&api.KVPair{Key: keyOf(pairName), Value: text, ModifyIndex: index}, nil)
	}
	return began, err
}

// moveShipped drives the shipped rounds. What it may do before nobody takes writes, it does: sessions, and the moment.
func (c *cell) moveShipped(ctx context.Context, from, to string) (began time.Time, err error) {
	config := toolConfig{Want: to, Consul: c.s.consul.Addr, NoWriter: 8 * time.Second}
	for i, room := range rooms {
		config.DSN[i] = c.s.ring.Master(room).DSN(server.Roomshift)
	}
	p, err := newOurs(config, func(string) {})
	if err != nil {
		return began, err
	}
	defer p.close()
	parts := map[string]time.Duration{}
	d := &mover{p: p, want: to, begin: cutover.RoundBegin{From: cutover.FromLock}, quiet: true, budget: writer.Budget{NoWriter: 8 * time.Second, Fence: time.Second,
		Kill: time.Second, Wait: 3 * time.Second, Trip: time.Second}}
	d.before = func(a writer.Act) {
		if a.Do == writer.Write && a.Next.Phase == writer.Fencing {
			_ = lowLag(ctx, p.servers[from], p.servers[to], c.delay)
		}
		if a.Do == writer.Fence {
			began = time.Now()
		}
	}
	d.took = func(what string, t time.Duration) {
		if !began.IsZero() && c.w.at.Before(began) {
			parts[what] += t
		}
		if what == "open" {
			c.w.at = time.Now()
		}
	}
	said, why := d.move(ctx)
	if said == saidGone {
		return began, fmt.Errorf("%w: %s", errGivenUp, why)
	}
	if said != saidDone {
		return began, fmt.Errorf("%s: %s", said, why)
	}
	r, _, err := c.s.record(ctx)
	if err == nil && r.Writer != to {
		err = fmt.Errorf("%w: the writer is %s: %s", errGivenUp, r.Writer, why)
	}
	if err != nil {
		return began, err
	}
	c.parts = append(c.parts, parts)
	return began, nil
}

func (c *cell) report(b *testing.B, delay time.Duration) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	mid := func(all []time.Duration) time.Duration {
		all = slices.Sorted(slices.Values(all))
		return all[len(all)/2]
	}
	bare, shipped, put := mid(c.outages[0]), mid(c.outages[1]), mid(c.puts)
	worst := slices.Sorted(slices.Values(c.outages[1]))[len(c.outages[1])*99/100]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(shipped), "ms/outage")
	b.ReportMetric(ms(worst), "ms/p99")
	b.ReportMetric(ms(bare), "ms/bare")
	b.ReportMetric(ms(put), "ms/consul")
	b.ReportMetric(ms(shipped-delay), "ms/beyond")
	b.ReportMetric(float64(shipped)/float64(bare+put), "x/bare+consul")
	b.ReportMetric(float64(len(c.outages[1])), "moves")
	b.ReportMetric(float64(c.missed), "missed")
	for _, part := range []string{"fence", "kill", "wait", "COMMIT", "open", "rounds", "followed"} {
		var all []time.Duration
		for _, p := range c.parts {
			all = append(all, p[part])
		}
		b.ReportMetric(ms(mid(all)), "ms/"+part)
	}
}

// pushers write one token after the other, without pause, where the last one was taken; when it isn't, in the other room at once.
type pushers struct {
	stop context.CancelFunc
	all  sync.WaitGroup
	dbs  map[string]*sql.DB
	at   time.Time // when the new writer was opened

	mu    sync.Mutex
	acks  []acked
	count map[string]int // by room
}

func startPushers(s *scene, n int) *pushers {
	ctx, stop := context.WithCancel(context.Background())
	w := &pushers{stop: stop, dbs: s.apps, count: map[string]int{}}
	generation++
	name := generation
	for i := range n {
		w.all.Go(func() {
			at := 0
			for k := 0; ctx.Err() == nil; k++ {
				token, room := fmt.Sprintf("p%d.%d-%d", i, name, k), rooms[at]
				if _, err := w.dbs[room].ExecContext(context.WithoutCancel(ctx), "INSERT INTO app.tokens (token) VALUES (?)", token); err != nil {
					at = 1 - at
					time.Sleep(200 * time.Microsecond)
					continue
				}
				w.mu.Lock()
				w.acks = append(w.acks, acked{token, room, time.Now()})
				w.count[room]++
				w.mu.Unlock()
			}
		})
	}
	return w
}

func (w *pushers) end() {
	w.stop()
	w.all.Wait()
}

// until waits for so many more acknowledgements of a room.
func (w *pushers) until(room string, n int) {
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.count[room]
	}
	for had := count(); count() < had+n; time.Sleep(time.Millisecond) {
	}
}

func (w *pushers) first(room string, behind time.Time) (first time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.acks {
		if a.room == room && a.at.After(behind) && (first.IsZero() || a.at.Before(first)) {
			first = a.at
		}
	}
	return first
}

// outage is from the last acknowledgement of the old writer to the first of the new one.
func (w *pushers) outage(from, to string, behind time.Time) time.Duration {
	first := w.first(to, behind)
	w.mu.Lock()
	defer w.mu.Unlock()
	var last time.Time
	for _, a := range w.acks {
		if a.room == from && a.at.Before(first) && a.at.After(last) {
			last = a.at
		}
	}
	return first.Sub(last)
}
