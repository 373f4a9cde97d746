package movers_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"roomshift/lab/server"
)

// load is an application: each of its writers inserts one token after the other on the master that took its last one, and tries the other
// on any error, with another token. What was acknowledged is kept.
type load struct {
	stop chan struct{}
	all  sync.WaitGroup
	dbs  map[string]*sql.DB

	mu   sync.Mutex
	acks []ack
}

type ack struct {
	token, room string
	at          time.Time
}

func startLoad(t testing.TB, n int) *load {
	t.Helper()
	w := &load{stop: make(chan struct{}), dbs: map[string]*sql.DB{}}
	for _, room := range lab.Rooms {
		db, err := sql.Open("mysql", lab.Master(room).DSN(server.App))
		ok(t, err)
		db.SetMaxIdleConns(2 * n)
		w.dbs[room] = db
	}
	for i := range n {
		w.all.Go(func() { w.write(fmt.Sprintf("%d-%d", time.Now().UnixNano(), i)) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *load) write(name string) {
	at := 0
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		default:
		}
		token, room := fmt.Sprintf("%s-%d", name, i), lab.Rooms[at]
		if _, err := w.dbs[room].ExecContext(context.Background(), "INSERT INTO app.tokens (token) VALUES (?)", token); err != nil {
			at = 1 - at
			time.Sleep(time.Millisecond)
			continue
		}
		w.mu.Lock()
		w.acks = append(w.acks, ack{token, room, time.Now()})
		w.mu.Unlock()
	}
}

// end stops it; once.
func (w *load) end() {
	select {
	case <-w.stop:
		return
	default:
	}
	close(w.stop)
	w.all.Wait()
	for _, db := range w.dbs {
		_ = db.Close()
	}
}

// flows waits until a room has acknowledged some more.
func (w *load) flows(t testing.TB, room string) {
	t.Helper()
	n := w.in(room)
	until(t, room+" takes writes", func() bool { return w.in(room) > n+20 })
}

func (w *load) in(room string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.acks {
		if a.room == room {
			n++
		}
	}
	return n
}

// outage is the longest time between two acknowledgements since a moment.
func (w *load) outage(since time.Time) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := since
	for _, a := range w.acks {
		if a.at.Before(since) {
			continue
		}
		longest, last = max(longest, a.at.Sub(last)), a.at
	}
	return longest
}

// nothingLost ends it, and fails unless every token that was acknowledged is on both masters, and both have the same.
func (w *load) nothingLost(t testing.TB) {
	t.Helper()
	w.end()
	ok(t, lab.Await(within(t, time.Minute)))
	var sets [2]map[string]bool
	for i, room := range lab.Rooms {
		sets[i] = tokens(t, room)
	}
	lost := 0
	for _, a := range w.acks {
		if !sets[0][a.token] || !sets[1][a.token] {
			lost++
		}
	}
	if lost > 0 || len(sets[0]) != len(sets[1]) || len(w.acks) == 0 {
		t.Errorf("%d of %d acknowledged tokens are lost; %s has %d tokens, %s %d", lost, len(w.acks), lab.Rooms[0], len(sets[0]), lab.Rooms[1], len(sets[1]))
	}
}

func tokens(t testing.TB, room string) map[string]bool {
	t.Helper()
	rows, err := lab.Master(room).DB().QueryContext(context.WithoutCancel(t.Context()), "SELECT token FROM app.tokens")
	ok(t, err)
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var token string
		ok(t, rows.Scan(&token))
		all[token] = true
	}
	ok(t, rows.Err())
	return all
}
