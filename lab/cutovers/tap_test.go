package cutovers

import (
	"encoding/base64"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// tap is in the way of a server's clients, and knows what a move of the write role asks of it. At one request, told by point, it strikes:
// before the server has it, or when the server has answered and the client hasn't heard.
type tap struct {
	listener net.Listener
	target   string
	all      *taps
}

// taps are those of one process. Requests are those since the first fence, or FENCING, was seen.
type taps struct {
	mu     sync.Mutex
	point  string // fence, kill, open, FENCING, COMMIT, STABLE; "" none
	after  bool   // struck when it was executed
	began  bool   // FENCING was seen
	struck bool
	strike func()
}

func (s *scene) tap(t *testing.T, all *taps, target string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &tap{listener: l, target: target, all: all}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.carry(c)
		}
	}()
	return p
}

func (p *tap) addr() string { return p.listener.Addr().String() }

func (p *tap) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	swallow := make(chan struct{}) // closed: the next answer is for nobody
	go func() {
		defer client.Close()
		defer server.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			select {
			case <-swallow:
				p.all.strikeNow()
				return
			default:
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil && n == 0 {
			return
		}
		switch p.all.meets(string(b[:n])) {
		case "before":
			p.all.strikeNow()
			_, _ = io.Copy(io.Discard, client) // until the process is gone
			return
		case "after":
			close(swallow)
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

func (a *taps) strikeNow() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strike()
}

var base64Value = regexp.MustCompile(`"Value":"([A-Za-z0-9+/=]+)"`)

// kindOf is what a request asks for, of what a move asks.
func kindOf(text string) string {
	switch {
	case strings.Contains(text, "read_only=1"):
		return "fence"
	case strings.Contains(text, "read_only = IF("):
		return "open"
	case strings.Contains(text, "KILL "):
		return "kill"
	case !strings.Contains(text, `"roomshift/writer/`):
		return ""
	}
	for _, m := range base64Value.FindAllStringSubmatch(text, -1) {
		value, err := base64.StdEncoding.DecodeString(m[1])
		if err != nil {
			continue
		}
		for _, phase := range []string{"FENCING", "COMMIT", "STABLE"} {
			if strings.Contains(string(value), `"phase":"`+phase+`"`) {
				return phase
			}
		}
	}
	return ""
}

// meets says whether a request is the one to strike at: before, after, or "".
func (a *taps) meets(text string) string {
	kind := kindOf(text)
	if kind == "" {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.began = a.began || kind == "FENCING"
	if kind != a.point || !a.began || a.struck {
		return ""
	}
	a.struck = true
	if a.after {
		return "after"
	}
	return "before"
}
