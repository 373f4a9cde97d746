package torture

import (
	"sync"
	"sync/atomic"
	"time"
)

// request is one that a process under test sends to a server or to Consul.
type request struct {
	slot int    // whose
	to   string // a room, or "consul"
	kind string // see kindOfSQL and kindOfHTTP
	text string
}

// what happens to a request that was picked.
type what uint8

const (
	forward   what = iota
	loseReply      // it is executed, and its sender's connection ends without an answer
	late           // it is held until its sender's connection has ended, and then for a while, and is executed then
)

// doing is a request's fate.
type doing struct {
	what  what
	after time.Duration // of late
}

// watchers are asked about every request before it is forwarded, in turn; the first that wants more than forward wins.
type watchers struct {
	mu   sync.Mutex
	all  []func(request) doing
	kind map[string]int // how often each was seen
	held atomic.Int32   // requests whose sender is gone, or will be, and that aren't executed yet
}

// seen adds how often each kind of request went by to what others have seen.
func (w *watchers) seen(sum map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, n := range w.kind {
		sum[k] += n
	}
}

func (w *watchers) add(f func(request) doing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, f)
}

func (w *watchers) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = nil
}

func (w *watchers) see(r request) doing {
	w.mu.Lock()
	all := w.all[:len(w.all):len(w.all)]
	if w.kind == nil {
		w.kind = map[string]int{}
	}
	w.kind[r.kind]++
	w.mu.Unlock()
	out := doing{}
	for _, f := range all {
		if d := f(r); d.what != forward && out.what == forward {
			out = d
		}
	}
	return out
}

// gate is closed while a line is cut: every byte waits.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // nil: open
}

func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
}

func (g *gate) heal() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// wait returns when the line is whole, or done is closed (false).
func (g *gate) wait(done <-chan struct{}) bool {
	for {
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		if open == nil {
			return true
		}
		select {
		case <-open:
		case <-done:
			return false
		}
	}
}
