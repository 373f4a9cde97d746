package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ask makes a request to a room's Consul as somebody who may do anything. body may be nil, a text, or what is sent as JSON; index is the
// newest change of what was asked for, 0 if Consul doesn't say. A status other than 200 is an error.
func (l *Lab) ask(ctx context.Context, method, room, path string, body any) (got []byte, index uint64, err error) {
	if l.ending.Load() {
		return nil, 0, errors.New("the lab is ending")
	}
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		if b, err = json.Marshal(v); err != nil {
			return nil, 0, err
		}
	}
	c := l.Consuls[room]
	req, err := http.NewRequestWithContext(ctx, method, c.Addr+path, bytes.NewReader(b))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("X-Consul-Token", c.Management)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("consul of %s: %w", room, err)
	}
	defer resp.Body.Close()
	got, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = &notOK{code: resp.StatusCode, text: fmt.Sprintf("consul of %s: %s %s: %s: %.200s", room, method, path, resp.Status, got)}
	}
	index, _ = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64) // what changes has one
	return got, index, err
}

// notOK is an answer of another status than 200.
type notOK struct {
	code int
	text string
}

func (e *notOK) Error() string { return e.text }

// put makes a request that changes something in home's Consul.
func (l *Lab) put(ctx context.Context, path string, body any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _, err := l.ask(ctx, http.MethodPut, Home, path, body)
	return err
}

// changes calls ask with the index that it returned last, for as long as ctx lasts: it waits there for what is newer. An error begins anew.
func changes(ctx context.Context, ask func(ctx context.Context, index uint64) (uint64, error)) {
	index := uint64(0)
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, 15*time.Second) // more than it waits for news
		next, err := ask(bounded, index)
		cancel()
		if err == nil && next >= index {
			index = next
			continue
		}
		index = 0
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// countLog counts what a load balancer logs, "ADDRESS STATUS" behind whatever stands before prefix, by the room whose network the address is in.
func countLog(conn net.PacketConn, prefix string, networks map[string]string, requests *prometheus.CounterVec, route string) {
	buf := make([]byte, 4096)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		said := string(buf[:n])
		if i := strings.Index(said, prefix); i >= 0 {
			said = said[i+len(prefix):]
		}
		f := strings.Fields(said)
		if len(f) < 2 {
			continue
		}
		room := Home
		if strings.HasPrefix(f[0], strings.TrimSuffix(networks[Cloud], "0/24")) {
			room = Cloud
		}
		requests.WithLabelValues(route, room, f[len(f)-1]).Inc()
	}
}
