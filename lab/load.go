package lab

import (
	"context"
	"fmt"
	"io"
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
	Failed  int64            // anything but 2xx, and no answer at all
	Writes  int64            // acknowledged
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
		Failed: c.Failed - old.Failed, Writes: c.Writes - old.Writes, Why: c.Why,
	}
}

// keptFailures is how many failures are remembered in words.
const keptFailures = 20

// load sends requests at a steady rate, whatever the answers, entering by room in a fixed proportion.
type load struct {
	rooms   [2]string
	gates   map[string]string // by room: its gateway's base URL
	enter   int               // of a hundred, so many enter by rooms[1]
	client  *http.Client
	reads   atomic.Bool // nothing is written
	end     context.CancelFunc
	done    sync.WaitGroup
	mu      sync.Mutex // guards what follows
	counts  Counts
	pending chan struct{} // bounds the requests under way, so that a dead room doesn't eat the machine
	sent    int           // the number of the next request
	waiting map[int]bool  // requests without an answer, by number
}

// underWay is how many requests may wait for their answer at once; more than that are failures that were never sent.
const underWay = 2000

// newLoad begins to send. fresh: each request has a connection of its own, as behind a server that is reloaded.
func newLoad(rooms [2]string, gates map[string]string, perSecond float64, enter int, fresh bool) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{
		rooms: rooms, gates: gates, enter: enter, end: cancel, pending: make(chan struct{}, underWay),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableKeepAlives: fresh}, Timeout: clientLimit},
		waiting: map[int]bool{},
		counts:  Counts{Served: map[string]int64{}, Entered: map[string]int64{}},
	}
	l.done.Go(func() { l.run(ctx, perSecond) })
	return l
}

// run sends every tick what is due by then. A machine that was busy catches up on a tenth of a second, no more: the rest
// was never sent, for a burst of it would make the machine busy again.
func (l *load) run(ctx context.Context, perSecond float64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, owed := time.Now(), 0.0
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		owed = min(owed+now.Sub(last).Seconds()*perSecond, max(1, perSecond/10))
		for last = now; owed >= 1; owed-- {
			l.start(ctx, n)
			n++
		}
	}
}

func (l *load) start(ctx context.Context, n int) {
	room := l.rooms[0]
	if (n*l.enter)%100 < l.enter { // evenly: of any hundred in a row exactly so many
		room = l.rooms[1]
	}
	method := http.MethodGet
	if n%10 == 7 && !l.reads.Load() {
		method = http.MethodPost
	}
	select {
	case l.pending <- struct{}{}:
	default:
		l.count(ctx, room, "", method, fmt.Errorf("%d requests are under way already", underWay))
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
		by, err := l.request(ctx, room, method)
		l.count(ctx, room, by, method, err)
	})
}

// request makes one request and returns the room that served it, as far as that is known.
func (l *load) request(ctx context.Context, room, method string) (by string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, l.gates[room]+"/feed", http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return resp.Header.Get(servedBy), err
}

func (l *load) count(ctx context.Context, entered, by, method string, err error) {
	if ctx.Err() != nil {
		return // the lab is ending: what is cut off then is nobody's failure
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Sent++
	l.counts.Entered[entered]++
	if by != "" {
		l.counts.Served[by]++
	}
	switch {
	case err != nil:
		l.counts.Failed++
		why := fmt.Sprintf("%s %s by %s: %v", time.Now().Format("15:04:05.000"), method, entered, err)
		l.counts.Why = append(l.counts.Why, why)
		if n := len(l.counts.Why); n > keptFailures {
			l.counts.Why = slices.Clone(l.counts.Why[n-keptFailures:])
		}
	case method == http.MethodPost:
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
