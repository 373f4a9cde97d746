package cutovertest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and an HTTP server and disturbs single requests: it can hold one on its way, lose one's
// answer, or be down. It counts the requests that reached it. It is on 127.0.0.1 and ends with its test.
type Proxy struct {
	t      testing.TB
	to     string // host:port of the server
	addr   string
	closed sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	only     func(*http.Request) bool
	sent     int
	cut      bool
	instead  func(*http.Request) *http.Response
	hold     *heldRequest
	stalled  bool
	ended    chan struct{}
}

// heldRequest is kept until its release is closed.
type heldRequest struct {
	taken    bool
	there    chan struct{} // closed when the request is held
	release  chan struct{} // closed when it may go on
	answered chan struct{} // closed when the server has answered it
}

// NewProxy starts a proxy to a server's host:port.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, to: to, conns: map[net.Conn]bool{}, ended: make(chan struct{})}
	p.listen("127.0.0.1:0")
	p.addr = p.listener.Addr().String()
	t.Cleanup(func() {
		close(p.ended)
		p.Down()
		p.closed.Wait()
	})
	return p
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.addr }

// Only makes faults, and the count, care about these requests only.
func (p *Proxy) Only(those func(*http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.only = those
}

// Sent is how many requests have come so far.
func (p *Proxy) Sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Down refuses new connections and ends those there are.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	for c := range p.conns {
		c.Close()
	}
}

// Up ends a Down.
func (p *Proxy) Up() { p.listen(p.addr) }

// CutAnswer lets the server carry the next request out and ends the connection instead of answering.
func (p *Proxy) CutAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
}

// Answer gives the next request this answer; the server doesn't see it.
func (p *Proxy) Answer(instead func(*http.Request) *http.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instead = instead
}

// Stall holds every request from now on for ever.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = true
}

// Hold keeps the next request on its way. held waits until it is there.
func (p *Proxy) Hold() (held func()) {
	h := &heldRequest{there: make(chan struct{}), release: make(chan struct{}), answered: make(chan struct{})}
	p.mu.Lock()
	p.hold = h
	p.mu.Unlock()
	return func() { p.await(h.there, "a request to hold") }
}

// Release lets the held request go on, though its sender may have gone, and waits until the server has answered.
func (p *Proxy) Release() {
	p.mu.Lock()
	h := p.hold
	p.hold = nil
	p.mu.Unlock()
	close(h.release)
	p.await(h.answered, "the server's answer to the held request")
}

func (p *Proxy) await(c chan struct{}, what string) {
	p.t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		p.t.Errorf("the proxy waited 10 s for %s", what)
	}
}

// Wire is the proxy as the medium suite's wire.
func (p *Proxy) Wire() *Wire {
	return &Wire{Sent: p.Sent, Down: p.Down, Up: p.Up, CutAnswer: p.CutAnswer, Hold: p.Hold, Release: p.Release}
}

func (p *Proxy) listen(addr string) {
	p.t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.closed.Add(1)
	go func() {
		defer p.closed.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			p.mu.Lock()
			p.conns[conn] = true
			p.mu.Unlock()
			p.closed.Add(1)
			go p.serve(conn)
		}
	}()
}

// serve handles one client's requests until it goes or a fault ends the connection.
func (p *Proxy) serve(conn net.Conn) {
	defer p.closed.Done()
	defer func() {
		conn.Close()
		p.mu.Lock()
		delete(p.conns, conn)
		p.mu.Unlock()
	}()
	from := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		answer := p.handle(req)
		if answer == nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// handle is the answer's bytes, nil for none.
func (p *Proxy) handle(req *http.Request) []byte {
	p.mu.Lock()
	faulty := p.only == nil || p.only(req)
	var cut, stalled bool
	var h *heldRequest
	var instead func(*http.Request) *http.Response
	if faulty {
		p.sent++
		cut, p.cut = p.cut, false
		stalled = p.stalled
		instead, p.instead = p.instead, nil
		if p.hold != nil && !p.hold.taken {
			h = p.hold
			h.taken = true
		}
	}
	p.mu.Unlock()
	switch {
	case stalled:
		<-p.ended
		return nil
	case instead != nil:
		return dump(instead(req)) //nolint:bodyclose // made by a test: no connection stands behind it
	case h != nil:
		close(h.there)
		select {
		case <-h.release:
		case <-p.ended:
			return nil
		}
		defer close(h.answered)
	}
	answer := p.forward(req)
	if cut {
		return nil
	}
	return answer
}

// forward asks the server on a connection of its own: the client's going doesn't end it.
func (p *Proxy) forward(req *http.Request) []byte {
	conn, err := net.DialTimeout("tcp", p.to, 5*time.Second)
	if err != nil {
		return nil
	}
	defer conn.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-p.ended:
			conn.Close()
		case <-stop:
		}
	}()
	req.Close = true
	if err := req.Write(conn); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	return dump(resp)
}

// dump is an answer's bytes with a Content-Length, so that the client's connection can go on.
func dump(resp *http.Response) []byte {
	var body []byte
	if resp.Body != nil {
		body, _ = io.ReadAll(resp.Body) // what is cut here is cut for the client
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength, resp.TransferEncoding, resp.Close = int64(len(body)), nil, false
	resp.ProtoMajor, resp.ProtoMinor = 1, 1
	var b bytes.Buffer
	if err := resp.Write(&b); err != nil {
		return nil
	}
	return b.Bytes()
}
