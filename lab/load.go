package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Counts is what the load generator has seen so far.
type Counts struct {
	Sent    int64
	Served  map[string]int64 // by the room that served them; failures that a room answered are counted here, too
	Entered map[string]int64 // by the room they entered by
	Crossed int64            // served by another room than the one they entered by
	Failed  int64            // anything but 2xx, and no answer at all
	Writes  int64            // acknowledged; the ledger says what became of the others
	Why     []string         // the newest failures, oldest first: time, where, what
}

// Share is the part of the answers that a room gave, in percent; -1 without any.
func (c Counts) Share(room string) float64 {
	sum := int64(0)
	for _, n := range c.Served {
		sum += n
	}
	if sum == 0 {
		return -1
	}
	return 100 * float64(c.Served[room]) / float64(sum)
}

// Since is what came after an earlier count. Why stays as it is.
func (c Counts) Since(old Counts) Counts {
	minus := func(now, then map[string]int64) map[string]int64 {
		out := make(map[string]int64, len(now))
		for room, n := range now {
			out[room] = n - then[room]
		}
		return out
	}
	return Counts{
		Sent: c.Sent - old.Sent, Served: minus(c.Served, old.Served), Entered: minus(c.Entered, old.Entered),
		Crossed: c.Crossed - old.Crossed, Failed: c.Failed - old.Failed, Writes: c.Writes - old.Writes, Why: c.Why,
	}
}

// keptFailures is how many failures are remembered in words.
const keptFailures = 20

// entry says where a request enters, by its number, and the host that it asks for; "" for none.
type entry func(n int) (room, host string, err error)

// load sends requests at a steady rate, whatever the answers.
type load struct {
	rooms    [2]string
	gates    map[string]string // by room: its gateway's base URL
	entry    atomic.Pointer[entry]
	rate     atomic.Uint64 // requests in a second, as the bits of a float64
	client   *http.Client
	reads    atomic.Bool  // nothing is written
	writes   atomic.Int64 // of ten requests so many write
	ledger   *ledger
	end      context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex // guards what follows
	counts   Counts
	pending  chan struct{} // bounds the requests under way, so that a dead room doesn't eat the machine
	sent     int           // the number of the next request
	waiting  map[int]bool  // requests without an answer, by number
	quarters quarters
	told     Counts // as line said them last
}

// underWay is how many requests may wait for their answer at once; more than that are failures that were never sent.
const underWay = 2000

// newLoad begins to send, to rooms[1] so many of a hundred. fresh: each request has a connection of its own, as behind a server that is
// reloaded.
func newLoad(rooms [2]string, gates map[string]string, perSecond float64, enter int, fresh bool) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{
		rooms: rooms, gates: gates, end: cancel, pending: make(chan struct{}, underWay),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableKeepAlives: fresh}, Timeout: clientLimit},
		waiting: map[int]bool{}, ledger: newLedger(),
		counts: Counts{Served: map[string]int64{}, Entered: map[string]int64{}},
	}
	l.writes.Store(1)
	evenly := entry(func(n int) (room, host string, err error) {
		if (n*enter)%100 < enter { // of any hundred in a row exactly so many
			return rooms[1], "", nil
		}
		return rooms[0], "", nil
	})
	l.enters(evenly, perSecond)
	l.done.Go(func() { l.run(ctx) })
	return l
}

// enters changes where requests enter from now on, and how many in a second. It returns what it was.
func (l *load) enters(e entry, perSecond float64) (was entry, wasPerSecond float64) {
	if old := l.entry.Swap(&e); old != nil {
		was = *old
	}
	return was, math.Float64frombits(l.rate.Swap(math.Float64bits(perSecond)))
}

// run sends every tick what is due by then. A machine that was busy catches up on a tenth of a second, no more: the rest
// was never sent, for a burst of it would make the machine busy again.
func (l *load) run(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, owed := time.Now(), 0.0
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, perSecond := time.Now(), math.Float64frombits(l.rate.Load())
		owed = min(owed+now.Sub(last).Seconds()*perSecond, max(1, perSecond/10))
		for last = now; owed >= 1; owed-- {
			l.start(ctx, n)
			n++
		}
	}
}

func (l *load) start(ctx context.Context, n int) {
	q := request{n: n, at: time.Now(), method: http.MethodGet}
	if int64(n*3+9)%10 < l.writes.Load() && !l.reads.Load() {
		q.method = http.MethodPost
	}
	var err error
	if q.room, q.host, err = (*l.entry.Load())(n); err != nil {
		l.count(ctx, &q, answer{err: err, outcome: refused})
		return
	}
	select {
	case l.pending <- struct{}{}:
	default:
		l.count(ctx, &q, answer{err: fmt.Errorf("%d requests are under way already", underWay), outcome: refused})
		return
	}
	l.mu.Lock()
	l.sent = n + 1
	l.waiting[n] = true
	l.mu.Unlock()
	l.done.Go(func() {
		defer func() {
			<-l.pending
			l.mu.Lock()
			delete(l.waiting, n)
			l.mu.Unlock()
		}()
		a := l.send(ctx, &q)
		l.count(ctx, &q, a)
	})
}

// request is one request on its way. host "" is the gateway's own.
type request struct {
	n                  int
	at                 time.Time
	room, host, method string
}

// answer is what became of a request.
type answer struct {
	by      string // the room that served it, as far as that is known
	writer  string // the room whose master acknowledged it
	outcome outcome
	err     error
}

// send makes one request.
func (l *load) send(ctx context.Context, q *request) answer {
	url := l.gates[q.room] + "/feed"
	if q.method == http.MethodPost {
		url += "?token=" + l.ledger.token(q.n)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, url, http.NoBody)
	if err != nil {
		return answer{err: err, outcome: refused}
	}
	req.Host = q.host
	resp, err := l.client.Do(req)
	if err != nil {
		a := answer{err: err, outcome: unknown}
		if neverSent(err) {
			a.outcome = refused
		}
		return a
	}
	defer resp.Body.Close()
	a := answer{by: resp.Header.Get(servedBy), writer: resp.Header.Get(writtenIn)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.160s", resp.Status, strings.Join(strings.Fields(string(body)), " ")) // a page of HTML would fill the screen
	}
	switch a.err = err; {
	case resp.Header.Get(writeOutcome) == outRefused:
		a.outcome = refused
	case resp.StatusCode != http.StatusOK:
		a.outcome = unknown
	}
	return a
}

// neverSent: there was nobody to send it to.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (l *load) count(ctx context.Context, q *request, a answer) {
	if ctx.Err() != nil {
		return // the lab is ending: what is cut off then is nobody's failure
	}
	if q.method == http.MethodPost {
		l.ledger.wrote(q.n, q.at, a.outcome, a.writer)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Sent++
	if q.room != "" {
		l.counts.Entered[q.room]++
	}
	if a.by != "" {
		l.counts.Served[a.by]++
		if a.by != q.room {
			l.counts.Crossed++
		}
	}
	l.quarters.count(q, a.by)
	switch {
	case a.err != nil:
		l.counts.Failed++
		why := fmt.Sprintf("%s %s by %s: %v", time.Now().Format("15:04:05.000"), q.method, q.room, a.err)
		l.counts.Why = append(l.counts.Why, why)
		if n := len(l.counts.Why); n > keptFailures {
			l.counts.Why = slices.Clone(l.counts.Why[n-keptFailures:])
		}
	case q.method == http.MethodPost:
		l.counts.Writes++
	}
}

// answered waits until every request that was sent before has its answer, or has failed.
func (l *load) answered(ctx context.Context) error {
	l.mu.Lock()
	before := l.sent
	l.mu.Unlock()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		left := 0
		for n := range l.waiting {
			if n < before {
				left++
			}
		}
		l.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d requests have no answer yet: %w", left, ctx.Err())
		case <-tick.C:
		}
	}
}

// line is what the load of a route has counted, in a line without its end: failures since its start, the share since the line before.
func (l *load) line(route, by string) string {
	c := l.now()
	l.mu.Lock()
	last := l.told
	l.told = c
	l.mu.Unlock()
	failed := fmt.Sprintf("%d failed", c.Failed)
	if n := len(c.Why); n > 0 {
		failed += " (last " + c.Why[n-1] + ")"
	}
	since := c.Since(last)
	return fmt.Sprintf("%s: %d requests by %s, %s; of the last %d the cloud served %.2f %%", route, c.Sent, by, failed, since.Sent, max(0, since.Share(Cloud)))
}

// now is a copy of the counts.
func (l *load) now() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts
	c.Served, c.Entered, c.Why = map[string]int64{}, map[string]int64{}, slices.Clone(l.counts.Why)
	for _, room := range l.rooms {
		c.Served[room], c.Entered[room] = l.counts.Served[room], l.counts.Entered[room]
	}
	return c
}

func (l *load) close() {
	l.end()
	l.done.Wait()
	l.client.CloseIdleConnections()
}
