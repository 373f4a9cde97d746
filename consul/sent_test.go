package consul

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// deaf is a connection that takes nothing any more once it is told to.
type deaf struct {
	net.Conn
	broken *bool
}

func (d deaf) Write(b []byte) (int, error) {
	if *d.broken {
		return 0, net.ErrClosed
	}
	return d.Conn.Write(b)
}

// TestSentOrNot: a kept connection that takes not one byte is given up for a new one by net/http; when there is none to be
// had the request is failed, for it wasn't sent. With one byte taken it would be unknown.
func TestSentOrNot(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer s.Close()
	c, err := New(Config{Name: "home", Addr: s.URL, TimeOut: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dials, broken := 0, false
	c.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, errors.New("nobody there")
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return deaf{conn, &broken}, err
	}
	if _, _, what, _, err := c.txn(context.Background(), "write", nil); what != cutover.Failed || !strings.Contains(err.Error(), "400") && !strings.Contains(err.Error(), "Failed request") {
		t.Fatalf("the first request: %v: %v, want the server's 400", what, err)
	}
	broken = true
	if _, _, what, _, err := c.txn(context.Background(), "write", nil); what != cutover.Failed || !strings.Contains(err.Error(), "not sent") || dials != 2 {
		t.Errorf("over a dead connection, after %d dials: %v: %v, want failed, not sent, after 2", dials, what, err)
	}
}
