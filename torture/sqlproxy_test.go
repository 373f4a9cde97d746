package torture

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// sqlProxy carries one process's connections to one server, packet by packet.
type sqlProxy struct {
	slot     int
	room     string
	target   string
	listener net.Listener
	watch    *watchers
	gate     gate
	done     chan struct{}
	all      sync.WaitGroup
}

func newSQLProxy(slot int, room, target string, w *watchers) (*sqlProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &sqlProxy{slot: slot, room: room, target: target, listener: l, watch: w, done: make(chan struct{})}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.all.Go(func() { p.carry(c) })
		}
	})
	return p, nil
}

func (p *sqlProxy) addr() string { return p.listener.Addr().String() }

func (p *sqlProxy) close() {
	close(p.done)
	_ = p.listener.Close()
	p.all.Wait()
}

// kindOfSQL says what a statement of a move is.
func kindOfSQL(text string) string {
	upper := strings.ToUpper(text)
	has := func(s string) bool { return strings.Contains(upper, s) }
	switch {
	case strings.HasPrefix(upper, "SET GLOBAL READ_ONLY = IF") || strings.HasPrefix(upper, "SET GLOBAL READ_ONLY=0"):
		return "open"
	case strings.HasPrefix(upper, "SET GLOBAL READ_ONLY=1") || strings.HasPrefix(upper, "SET GLOBAL SUPER_READ_ONLY=1"):
		return "fence"
	case has("EVENT_SCHEDULER =") || has("EVENT_SCHEDULER="):
		return "events"
	case has("GET_LOCK"):
		return "lock"
	case has("XA RECOVER"):
		return "look"
	case has("GTID_WAIT") || has("WAIT_FOR_EXECUTED"):
		return "wait"
	case strings.HasPrefix(upper, "KILL ") || has("; KILL "):
		return "kill"
	case has("INSERT INTO ROOMSHIFT.HEARTBEAT"):
		return "mark"
	}
	return "sql"
}

// sqlConn is one connection through the proxy.
type sqlConn struct {
	p              *sqlProxy
	client, server net.Conn

	left chan struct{} // closed when the client's end is gone
	mu   sync.Mutex
	lose bool // nothing of the server's goes to the client any more
}

func (p *sqlProxy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", p.target, 2*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	c := &sqlConn{p: p, client: client, server: server, left: make(chan struct{})}
	ended := make(chan struct{})
	p.all.Go(func() { // closing the proxy ends what is under way
		select {
		case <-p.done:
			_ = client.Close()
			_ = server.Close()
		case <-ended:
		}
	})
	var ways sync.WaitGroup
	ways.Go(c.requests)
	ways.Go(c.answers)
	ways.Wait()
	close(ended)
}

// packet is one of MySQL's protocol: its header and what follows.
func readPacket(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return nil, err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	p := make([]byte, 4+n)
	_, err = io.ReadFull(r, p)
	return p, err
}

// requests carries what the client sends. What it sent before its end is delivered even so, as by a line that doesn't know.
func (c *sqlConn) requests() {
	queue := make(chan []byte, 1<<12)
	c.p.all.Go(func() {
		defer close(c.left)
		defer close(queue)
		r := bufio.NewReader(c.client)
		for {
			packet, err := readPacket(r)
			if err != nil {
				return
			}
			select {
			case queue <- packet:
			case <-c.p.done:
				return
			}
		}
	})
	for packet := range queue {
		if !c.request(packet) {
			break
		}
	}
	if !c.p.gate.wait(c.p.done) { // the end of a connection, too, is held
		return
	}
	c.mu.Lock()
	lost := c.lose
	c.mu.Unlock()
	if !lost { // else the server doesn't know yet that its client is gone, for as long as the scene lasts
		_ = c.server.Close()
	}
	_ = c.client.Close()
	for range queue {
	}
}

const query = 3 // COM_QUERY

// request forwards one packet, or does with it what was asked for; false: nothing follows.
func (c *sqlConn) request(packet []byte) bool {
	d := doing{}
	if len(packet) > 5 && packet[3] == 0 && packet[4] == query {
		text := string(packet[5:])
		d = c.p.watch.see(request{c.p.slot, c.p.room, kindOfSQL(text), text})
	}
	switch d.what {
	case loseReply:
		c.mu.Lock()
		c.lose = true
		c.mu.Unlock()
	case late:
		c.p.watch.held.Add(1)
		defer c.p.watch.held.Add(-1)
		c.mu.Lock()
		c.lose = true // whoever waits for it gives up by itself
		c.mu.Unlock()
		select {
		case <-c.left:
		case <-c.p.done:
			return false
		}
		select {
		case <-time.After(d.after):
		case <-c.p.done:
			return false
		}
	}
	if !c.p.gate.wait(c.p.done) {
		return false
	}
	_, err := c.server.Write(packet)
	return err == nil
}

// answers carries what the server sends, until it ends the connection.
func (c *sqlConn) answers() {
	buf := make([]byte, 16<<10)
	for {
		n, err := c.server.Read(buf)
		if !c.p.gate.wait(c.p.done) {
			return
		}
		c.mu.Lock()
		lose := c.lose
		c.mu.Unlock()
		if n > 0 && lose {
			_ = c.client.Close() // it was executed, and nobody hears of it
		}
		if n > 0 && !lose {
			if _, werr := c.client.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			_ = c.client.Close()
			if !lose {
				_ = c.server.Close()
			}
			return
		}
	}
}
