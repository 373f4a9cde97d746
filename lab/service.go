package lab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// service is the small web service of a room: GET /feed reads the newest posts from the room's own master, POST /feed?token=… writes
// one to the master that takes writes, wherever that is.
type service struct {
	room    string
	rooms   [2]string          // its own first
	masters map[string]*sql.DB // by room: the other room's is over the line
	record  *follower          // who is the writer
	last    atomic.Int64       // index in rooms of the master that took the last write, while there is no record
	errors  atomic.Int64       // of a million requests so many fail, by a fault of the lab
	metrics http.Handler
	count   *prometheus.CounterVec
	seconds prometheus.Histogram
	sick    map[string]*atomic.Int64 // by room: of a million writes to its master so many are refused, by a fault of the lab
	writes  *prometheus.CounterVec
	server  *webServer
}

// makePosts is the service's table. It is made on the writer and replicated.
const makePosts = `CREATE TABLE IF NOT EXISTS app.posts (
	id BIGINT PRIMARY KEY AUTO_INCREMENT, room VARCHAR(64) NOT NULL, text VARCHAR(200) NOT NULL,
	token VARCHAR(64) NOT NULL DEFAULT '', KEY (token))`

// newService makes the service of the first of these rooms. dsns are data source names, by room; record is followed from then on, and
// ended with the service.
func newService(rooms [2]string, dsns map[string]string, record *follower) (*service, error) {
	s := &service{
		room: rooms[0], rooms: rooms, masters: map[string]*sql.DB{}, sick: map[string]*atomic.Int64{}, record: record,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "app_requests_total", Help: "Requests that this room's service answered.",
		}, []string{"code"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "app_writes_total", Help: "Writes of this room's service, by the room of the master that was asked last.",
		}, []string{"master", "told"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "app_seconds", Help: "How long this room's service took.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
	}
	for room, dsn := range dsns {
		db, err := openDB(dsn)
		if err != nil {
			s.close()
			return nil, err
		}
		s.masters[room], s.sick[room] = db, &atomic.Int64{}
		for _, told := range []string{outDone, outRefused, outUnknown} { // counted from nothing on
			s.writes.WithLabelValues(room, told)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.count, s.writes, s.seconds)
	s.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { s.answer(w, s.health(r.Context())) })
	mux.HandleFunc("GET /feed", s.counted(s.read))
	mux.HandleFunc("POST /feed", s.counted(s.post))
	var err error
	if s.server, err = startWeb(mux); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openDB is a pool of connections that bounds everything it does, and keeps quiet on stderr.
func openDB(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New("a master's data source name can't be read")
	}
	c.DBName, c.Timeout, c.ReadTimeout, c.WriteTimeout = "app", databaseLimit, databaseLimit, databaseLimit
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, errors.New("a master's data source name can't be used")
	}
	db := sql.OpenDB(connector)
	// Bounded and kept: a machine that stalls for a moment must not answer the queue with a storm of new connections.
	db.SetMaxOpenConns(32)
	db.SetMaxIdleConns(32)
	return db, nil
}

// counted makes a handler of f that fails as the lab's fault says, before anything is done, and counts.
func (s *service) counted(f func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		var err error
		if rand.Int64N(1_000_000) < s.errors.Load() {
			err = errors.New("a fault that the lab was told to make")
			w.Header().Set(writeOutcome, outRefused)
		} else {
			err = f(w, r)
		}
		code := s.answer(w, err)
		s.count.WithLabelValues(strconv.Itoa(code)).Inc()
		s.seconds.Observe(time.Since(began).Seconds())
	}
}

func (s *service) answer(w http.ResponseWriter, err error) int {
	w.Header().Set(servedBy, s.room)
	if err != nil {
		http.Error(w, fmt.Sprintf("service of %s: %v", s.room, err), http.StatusInternalServerError)
		return http.StatusInternalServerError
	}
	_, _ = io.WriteString(w, "ok\n") // a client that went away is told nothing
	return http.StatusOK
}

func (s *service) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return s.masters[s.room].PingContext(ctx)
}

func (s *service) read(_ http.ResponseWriter, r *http.Request) error {
	var n int
	own := s.masters[s.room]
	return own.QueryRowContext(r.Context(), "SELECT COUNT(*) FROM (SELECT id FROM posts ORDER BY id DESC LIMIT 10) AS newest").Scan(&n)
}

func (s *service) post(w http.ResponseWriter, r *http.Request) error {
	by, err := s.write(r.Context(), r)
	s.writes.WithLabelValues(by, tellWrite(w.Header(), by, err)).Inc()
	return err
}

func (s *service) close() {
	if s.server != nil {
		s.server.close()
	}
	s.record.close()
	for _, db := range s.masters {
		_ = db.Close()
	}
}
