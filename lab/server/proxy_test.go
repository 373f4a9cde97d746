package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func throughProxy(t *testing.T) (*Proxy, net.Conn) {
	t.Helper()
	p, err := NewProxy(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return p, c
}

// roundTrip sends b and reads as much, and says how long that took.
func roundTrip(t *testing.T, c net.Conn, b []byte) time.Duration {
	t.Helper()
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(b)
		sent <- err
	}()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%v; %d bytes came back, as sent: %v", err, len(got), bytes.Equal(got, b))
	}
	return time.Since(began)
}

func TestProxyDelays(t *testing.T) {
	p, c := throughProxy(t)
	if took := roundTrip(t, c, []byte("x")); took > 100*time.Millisecond {
		t.Errorf("without a delay: %v", took)
	}
	p.Delay(150*time.Millisecond, 50*time.Millisecond)
	if took := roundTrip(t, c, []byte("x")); took < 200*time.Millisecond || took > 400*time.Millisecond {
		t.Errorf("with 150 and 50 ms: %v, want 200 ms", took)
	}
	p.Heal()
	if took := roundTrip(t, c, []byte("x")); took > 100*time.Millisecond {
		t.Errorf("healed: %v", took)
	}
}

// TestProxyKeepsBandwidth: 32 MB take as long as the delay, not 32 MB times it.
func TestProxyKeepsBandwidth(t *testing.T) {
	p, c := throughProxy(t)
	p.Delay(300*time.Millisecond, 0)
	if took := roundTrip(t, c, bytes.Repeat([]byte("0123456789abcdef"), 2<<20)); took < 300*time.Millisecond || took > 3*time.Second {
		t.Errorf("32 MB took %v over a line of 300 ms", took)
	}
}

func TestProxyCuts(t *testing.T) {
	p, c := throughProxy(t)
	roundTrip(t, c, []byte("x"))
	p.Cut()
	if _, err := c.Write([]byte("y")); err != nil {
		t.Fatalf("a cut line said something: %v", err)
	}
	if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes and %v over a line that is cut", n, err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	p.Heal()
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatalf("what was held didn't come: %v", err)
	}
}

func TestProxyResets(t *testing.T) {
	p, c := throughProxy(t)
	roundTrip(t, c, []byte("x"))
	p.Reset()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	again, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	roundTrip(t, again, []byte("x"))
}
