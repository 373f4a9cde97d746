package server

import (
	"net"
	"sync"
	"time"
)

// Proxy carries TCP connections to one server and does to their bytes what a line between two rooms does: it delays them,
// or holds them without a word, or resets the connection. A delay doesn't limit the bandwidth: each piece is stamped when it
// comes and leaves when its time has come, however many are under way.
type Proxy struct {
	target   string
	listener net.Listener

	mu      sync.Mutex
	delay   [2]time.Duration // by way
	cut     bool
	changed chan struct{}         // closed and made anew at each change of the fields above
	open    map[net.Conn]struct{} // both sides of every connection
	closed  bool

	all sync.WaitGroup
}

// way is a direction of a connection.
type way int

const (
	toClient way = iota
	toServer
)

// underWay is how many pieces one way of a connection holds before its sender has to wait. A piece is what one read gave.
const underWay = 1 << 16

// NewProxy listens on a free port of 127.0.0.1 and carries each connection to target (host:port).
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: l, changed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	p.all.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Port is the port of Addr.
func (p *Proxy) Port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Delay holds what goes to clients (answers) and what goes to the server (requests) back for so long, from now on and for
// what is under way.
func (p *Proxy) Delay(answers, requests time.Duration) {
	p.change(func() { p.delay = [2]time.Duration{toClient: answers, toServer: requests} })
}

// Cut holds every byte of both ways, the ends of connections included, and says nothing, as a line that is cut does. New
// connections are taken and stay silent.
func (p *Proxy) Cut() { p.change(func() { p.cut = true }) }

// Heal ends Cut and Delay. What was held goes on at once.
func (p *Proxy) Heal() {
	p.change(func() {
		p.cut = false
		p.delay = [2]time.Duration{}
	})
}

// Reset ends every connection at once with a reset. New ones are carried as before.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a close then sends RST; on a dead connection there is nobody to tell
		}
		_ = c.Close()
	}
}

// Close ends the proxy and its connections, and waits until nothing of it is left.
func (p *Proxy) Close() {
	p.change(func() { p.closed = true })
	_ = p.listener.Close()
	p.Reset()
	p.all.Wait()
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.all.Go(func() { p.carry(client) })
	}
}

// carry connects client to the server and returns when both ways have ended.
func (p *Proxy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return // the client sees its connection closed, as with a server that is down
	}
	defer server.Close()
	if !p.enter(client, server) {
		return
	}
	defer p.leave(client, server)
	var ways sync.WaitGroup
	ways.Go(func() { p.pump(toClient, server, client) })
	ways.Go(func() { p.pump(toServer, client, server) })
	ways.Wait()
}

func (p *Proxy) enter(cs ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	for _, c := range cs {
		p.open[c] = struct{}{}
	}
	return true
}

func (p *Proxy) leave(cs ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range cs {
		delete(p.open, c)
	}
}

type piece struct {
	came  time.Time
	bytes []byte
}

// queue is the pieces of one way, oldest first. It takes no more room than what is under way: most lines carry one piece at a time,
// and a lab has hundreds of them.
type queue struct {
	mu     sync.Mutex
	change sync.Cond
	pieces []piece
	ended  bool // its sender has
	gone   bool // nobody carries any more
}

func newQueue() *queue {
	q := &queue{}
	q.change.L = &q.mu
	return q
}

// put adds a piece once there is room; false: nobody carries any more.
func (q *queue) put(c piece) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) >= underWay && !q.gone {
		q.change.Wait()
	}
	q.pieces = append(q.pieces, c)
	q.change.Broadcast()
	return !q.gone
}

// take waits for the oldest piece; false: the sender has ended and nothing is left.
func (q *queue) take() (piece, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pieces) == 0 {
		if q.ended {
			return piece{}, false
		}
		q.change.Wait()
	}
	c := q.pieces[0]
	q.pieces[0] = piece{}
	q.pieces = q.pieces[1:]
	q.change.Broadcast()
	return c, true
}

func (q *queue) set(b *bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*b = true
	q.change.Broadcast()
}

// pump carries one way until its sender ends or the receiver fails; then it ends both ways, as a close does.
func (p *Proxy) pump(w way, from, to net.Conn) {
	q := newQueue()
	go func() {
		defer q.set(&q.ended)
		buf := make([]byte, 16<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 && !q.put(piece{time.Now(), append([]byte(nil), buf[:n]...)}) || err != nil {
				return
			}
		}
	}()
	for {
		c, ok := q.take()
		if !ok || !p.hold(w, c.came) {
			break
		}
		if _, err := to.Write(c.bytes); err != nil {
			break
		}
	}
	q.set(&q.gone)
	p.hold(w, time.Now()) // the end, too, takes its time
	_ = from.Close()
	_ = to.Close()
	for ok := true; ok; _, ok = q.take() { // until its reader has ended
	}
}

// hold waits until a piece that came at the moment may leave; false: the proxy was closed.
func (p *Proxy) hold(w way, came time.Time) bool {
	for {
		p.mu.Lock()
		closed, cut, delay, changed := p.closed, p.cut, p.delay[w], p.changed
		p.mu.Unlock()
		if closed {
			return false
		}
		left := time.Until(came.Add(delay))
		if !cut && left <= 0 {
			return true
		}
		if cut {
			<-changed
			continue
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		}
	}
}
