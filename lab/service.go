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

// service is the small web service of a room: GET /feed reads the newest posts from the room's own master, POST /feed writes
// one to the master that takes writes, wherever that is.
type service struct {
	room    string
	own     *sql.DB
	masters []*sql.DB    // own first, then the other room's, over the line
	writer  atomic.Int64 // index of the master that took the last write
	errors  atomic.Int64 // of a million requests so many fail, by a fault of the lab
	metrics http.Handler
	count   *prometheus.CounterVec
	seconds prometheus.Histogram
	server  *webServer
}

// makePosts is the service's table. It is made on the writer and replicated.
const makePosts = `CREATE TABLE IF NOT EXISTS app.posts (
	id BIGINT PRIMARY KEY AUTO_INCREMENT, room VARCHAR(64) NOT NULL, text VARCHAR(200) NOT NULL)`

// newService makes a room's service. own and other are data source names.
func newService(room, own, other string) (*service, error) {
	s := &service{
		room: room,
		count: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "app_requests_total", Help: "Requests that this room's service answered.",
		}, []string{"code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "app_seconds", Help: "How long this room's service took.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
	}
	for _, dsn := range []string{own, other} {
		db, err := openDB(dsn)
		if err != nil {
			s.close()
			return nil, err
		}
		s.masters = append(s.masters, db)
	}
	s.own = s.masters[0]
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.count, s.seconds)
	s.metrics = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { s.answer(w, s.health(r.Context())) })
	mux.HandleFunc("GET /feed", s.counted(s.read))
	mux.HandleFunc("POST /feed", s.counted(s.write))
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

// counted makes a handler of f that fails as the lab's fault says, and counts.
func (s *service) counted(f func(context.Context, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		var err error
		if rand.Int64N(1_000_000) < s.errors.Load() {
			err = errors.New("a fault that the lab was told to make")
		} else {
			err = f(r.Context(), r)
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
	return s.own.PingContext(ctx)
}

func (s *service) read(ctx context.Context, _ *http.Request) error {
	var n int
	return s.own.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT id FROM posts ORDER BY id DESC LIMIT 10) AS newest").Scan(&n)
}

// readOnly is the error number of a master that takes no writes: the write was refused, so another master may be asked.
const readOnly = 1290

// write writes to the master that took the last write; one that refuses because it is fenced passes it on to the other, for
// as long as a write may wait.
func (s *service) write(ctx context.Context, _ *http.Request) error {
	ctx, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	for {
		i := s.writer.Load()
		_, err := s.masters[i].ExecContext(ctx, "INSERT INTO posts (room, text) VALUES (?, 'hello')", s.room)
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) || refused.Number != readOnly {
			return err
		}
		s.writer.CompareAndSwap(i, 1-i)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *service) close() {
	if s.server != nil {
		s.server.close()
	}
	for _, db := range s.masters {
		_ = db.Close()
	}
}
