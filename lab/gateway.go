package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// servedBy is the header that says which room's service gave an answer.
const servedBy = "X-Served-By"

// How long things may take before they are failures: the client waits longest, so that a failure names its place. They are
// generous, for a machine that is busy with something else must not look like a room that fails.
const (
	databaseLimit = 8 * time.Second
	forwardLimit  = 10 * time.Second
	clientLimit   = 15 * time.Second
)

// gateway stands where requests enter a room. It sends as many of a hundred to the cloud as the number at the key in its own
// room's Consul says, and the rest to the other room. It keeps the last number that it could read.
type gateway struct {
	room     string
	rooms    [2]string         // [1] is the room that the number speaks of
	services map[string]string // by room: the base URL of its service, over the line for the other room's
	kv       string            // URL of the key
	token    string            // of Consul; "" none
	percent  atomic.Int64      // -1: never read
	mu       sync.Mutex        // guards debt
	debt     int               // hundredths of a request owed to the cloud
	requests *prometheus.CounterVec
	named    atomic.Pointer[map[string]string] // by host: the route of a name that leads here
	server   *webServer
	client   *http.Client
	end      context.CancelFunc
	done     sync.WaitGroup
}

func newGateway(room string, rooms [2]string, services map[string]string, consul, token string) (*gateway, error) {
	g := &gateway{
		room: room, rooms: rooms, services: services, kv: consul + "/v1/kv/" + Key, token: token,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: forwardLimit},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gw_requests_total", Help: "Requests that entered by this room, by the room that served them.",
		}, []string{"route", "served_by", "code"}),
	}
	g.percent.Store(-1)
	for _, other := range rooms { // counted from nothing on: where nobody enters there is a rate, too
		g.requests.WithLabelValues(Route, other, "200")
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.end = cancel
	g.done.Go(func() { g.watch(ctx) })
	registry := prometheus.NewRegistry()
	registry.MustRegister(g.requests)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/healthz", g.health)
	mux.HandleFunc("/", g.serve)
	var err error
	if g.server, err = startWeb(mux); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// watch follows the number at the key with blocking queries, until ctx ends.
func (g *gateway) watch(ctx context.Context) {
	index := uint64(0)
	for ctx.Err() == nil {
		n, next, err := g.read(ctx, index)
		if err != nil {
			index = 0 // whatever happened to Consul: begin anew
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
			continue
		}
		index = next
		g.percent.Store(int64(n))
	}
}

// read asks for the number once it is newer than index, or after 10 s.
func (g *gateway) read(ctx context.Context, index uint64) (percent int, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?wait=10s&index=%d", g.kv, index), nil)
	if err != nil {
		return 0, 0, err
	}
	if g.token != "" {
		req.Header.Set("X-Consul-Token", g.token)
	}
	resp, err := (&http.Client{Transport: g.client.Transport}).Do(req) // its own time-out would end the wait
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	var entries []struct{ Value []byte }
	if resp.StatusCode != http.StatusOK {
		return 0, 0, errors.New(resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(&entries); err != nil || len(entries) != 1 {
		return 0, 0, fmt.Errorf("%d entries at %s: %w", len(entries), Key, err)
	}
	next, err = strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64)
	if err != nil {
		return 0, 0, err
	}
	percent, err = strconv.Atoi(strings.TrimSpace(string(entries[0].Value)))
	if err == nil && (percent < 0 || percent > 100) {
		err = fmt.Errorf("%d is no percentage", percent)
	}
	return percent, next, err
}

// choose deals requests out evenly: of any hundred in a row exactly the number go to the cloud.
func (g *gateway) choose() string {
	p := int(g.percent.Load())
	if p < 0 {
		return g.room
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.debt += p; g.debt >= 100 {
		g.debt -= 100
		return g.rooms[1]
	}
	return g.rooms[0]
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	room := g.choose()
	code := g.forward(w, r, room)
	g.requests.WithLabelValues(Route, room, strconv.Itoa(code)).Inc()
	if named := g.named.Load(); named != nil {
		if route := (*named)[r.Host]; route != "" {
			g.requests.WithLabelValues(route, room, strconv.Itoa(code)).Inc()
		}
	}
}

// serves makes the gateway count what asks for these hosts for their routes, too, from nothing on.
func (g *gateway) serves(named map[string]string) {
	for _, route := range named {
		for _, room := range g.rooms {
			g.requests.WithLabelValues(route, room, "200")
		}
	}
	g.named.Store(&named)
}

// forward asks a room's service and hands its answer on. It never asks twice: a write may have been carried out.
func (g *gateway) forward(w http.ResponseWriter, r *http.Request, room string) int {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, g.services[room]+r.URL.RequestURI(), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return http.StatusBadRequest
	}
	req.ContentLength = r.ContentLength
	resp, err := g.client.Do(req)
	if err != nil {
		w.Header().Set(servedBy, room)
		if neverSent(err) {
			w.Header().Set(writeOutcome, outRefused)
		}
		http.Error(w, fmt.Sprintf("gateway of %s: the service of %s doesn't answer: %v", g.room, room, err), http.StatusBadGateway)
		return http.StatusBadGateway
	}
	defer resp.Body.Close()
	for _, name := range []string{servedBy, writtenIn, writeOutcome} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body) // a client that went away is told nothing
	return resp.StatusCode
}

// health is whether the room itself serves: its gateway, its service, its database.
func (g *gateway) health(w http.ResponseWriter, r *http.Request) { g.forward(w, r, g.room) }

func (g *gateway) close() {
	g.end()
	if g.server != nil {
		g.server.close()
	}
	g.done.Wait()
	g.client.CloseIdleConnections()
}

// webServer is an HTTP server on a free port of 127.0.0.1 that can be taken away and brought back.
type webServer struct {
	addr    string // host:port
	handler http.Handler

	mu     sync.Mutex
	server *http.Server // nil while it is away
	done   chan struct{}
}

func startWeb(h http.Handler) (*webServer, error) {
	s := &webServer{addr: "127.0.0.1:0", handler: h}
	return s, s.start()
}

// url is the server's base URL.
func (s *webServer) url() string { return "http://" + s.addr }

// start listens where it listened before, if it did.
func (s *webServer) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	s.server, s.done = &http.Server{Handler: s.handler, ReadHeaderTimeout: 5 * time.Second}, make(chan struct{})
	go func(server *http.Server, done chan struct{}) {
		defer close(done)
		_ = server.Serve(l) // ends with close
	}(s.server, s.done)
	return nil
}

// leave ends the server once what it was asked is answered.
func (s *webServer) leave(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, forwardLimit)
	defer cancel()
	_ = s.server.Shutdown(ctx) // what isn't answered by then is cut off
	_ = s.server.Close()
	<-s.done
	s.server = nil
}

// close ends the server and every connection at once, as a room that goes down does.
func (s *webServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	<-s.done
	s.server = nil
}
