package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// kvProxy carries one process's requests to Consul.
type kvProxy struct {
	slot   int
	target string // host:port
	key    string // the record's
	watch  *watchers
	gate   gate
	done   chan struct{}
	server *http.Server
	listen net.Listener
	way    *http.Transport
	all    sync.WaitGroup
}

func newKVProxy(slot int, target, key string, w *watchers) (*kvProxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &kvProxy{slot: slot, target: target, key: key, watch: w, done: make(chan struct{}), listen: l, way: &http.Transport{MaxIdleConnsPerHost: 16}}
	p.server = &http.Server{Handler: p}
	p.all.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

func (p *kvProxy) addr() string { return "http://" + p.listen.Addr().String() }

func (p *kvProxy) close() {
	close(p.done)
	_ = p.server.Close()
	p.all.Wait()
	p.way.CloseIdleConnections()
}

// op is what is read of one operation of a transaction.
type op struct {
	KV *struct {
		Verb, Key string
		Value     []byte
	}
}

// kindOfHTTP says what a request is: a compare-and-set of the record is its phase.
func kindOfHTTP(method, path string, body []byte, key string) string {
	switch {
	case strings.HasPrefix(path, "/v1/txn"):
		var ops []op
		if json.Unmarshal(body, &ops) != nil {
			return "txn"
		}
		for _, o := range ops {
			var r struct{ Phase string }
			if o.KV != nil && o.KV.Key == key && (o.KV.Verb == "cas" || o.KV.Verb == "set") && json.Unmarshal(o.KV.Value, &r) == nil {
				return r.Phase
			}
			if o.KV != nil && o.KV.Key == key && strings.HasPrefix(o.KV.Verb, "get") {
				return "get"
			}
		}
		return "txn"
	case strings.HasPrefix(path, "/v1/session/renew"):
		return "renew"
	case strings.HasPrefix(path, "/v1/session"):
		return "session"
	case method == http.MethodGet:
		return "get"
	}
	return "http"
}

func (p *kvProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	kind := kindOfHTTP(r.Method, r.URL.Path, body, p.key)
	d := p.watch.see(request{p.slot, "consul", kind, r.Method + " " + r.URL.Path})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the client's end doesn't end what it sent
	defer cancel()
	if kind == "get" && r.URL.Query().Has("index") { // nobody waits for a watch that nobody reads
		ctx = r.Context()
	}
	if d.what == late {
		p.watch.held.Add(1)
		defer p.watch.held.Add(-1)
		select {
		case <-r.Context().Done():
		case <-p.done:
			return
		}
		select {
		case <-time.After(d.after):
		case <-p.done:
			return
		}
	}
	if !p.gate.wait(p.done) {
		return
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header = r.Header.Clone()
	answer, err := p.way.RoundTrip(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || d.what != forward || !p.gate.wait(p.done) {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(text)
}
