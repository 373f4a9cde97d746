// Package tokens is an application for tests of how a write role moves: it writes where it is let, keeps what was acknowledged, and compares
// that with what both masters have.
package tokens

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/lab/server"
)

// Options are what the application is like. Its table, app.tokens with a unique column token, must be there.
type Options struct {
	Rooms   [2]string
	Masters [2]*server.Master
	Writers int
	Pause   time.Duration // of each writer behind each acknowledgement
	Retry   time.Duration // of each behind an error
	Limit   time.Duration // of one request; 0: none
}

// Ack is a token that a master acknowledged.
type Ack struct {
	Token, Room string
	At          time.Time
}

// Writers insert one token after the other, each on the master that took its last one, and try the other one on any error, with another
// token.
type Writers struct {
	o    Options
	stop chan struct{}
	end  func()
	all  sync.WaitGroup
	dbs  [2]*sql.DB

	mu   sync.Mutex
	acks []Ack
}

// Start begins to write. End it.
func Start(o Options) (*Writers, error) {
	w := &Writers{o: o, stop: make(chan struct{})}
	for i, m := range o.Masters {
		c, err := mysql.ParseDSN(m.DSN(server.App))
		if err != nil {
			return nil, err
		}
		c.Logger, c.InterpolateParams = &mysql.NopLogger{}, true
		connector, err := mysql.NewConnector(c)
		if err != nil {
			return nil, err
		}
		w.dbs[i] = sql.OpenDB(connector)
		w.dbs[i].SetMaxIdleConns(2 * o.Writers)
	}
	w.end = sync.OnceFunc(func() {
		close(w.stop)
		w.all.Wait()
		for _, db := range w.dbs {
			_ = db.Close()
		}
	})
	for i := range o.Writers {
		w.all.Go(func() { w.write(fmt.Sprintf("%d-%d", time.Now().UnixNano(), i)) })
	}
	return w, nil
}

func (w *Writers) write(name string) {
	at := 0
	for i := 0; ; i++ {
		token, pause := fmt.Sprintf("%s-%d", name, i), w.o.Pause
		if err := w.insert(w.dbs[at], token); err != nil {
			at, pause = 1-at, w.o.Retry
		} else {
			w.mu.Lock()
			w.acks = append(w.acks, Ack{token, w.o.Rooms[at], time.Now()})
			w.mu.Unlock()
		}
		select {
		case <-w.stop:
			return
		case <-time.After(pause):
		}
	}
}

func (w *Writers) insert(db *sql.DB, token string) error {
	ctx := context.Background()
	if w.o.Limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.o.Limit)
		defer cancel()
	}
	_, err := db.ExecContext(ctx, "INSERT INTO app.tokens (token) VALUES (?)", token)
	return err
}

// End stops the writers, and waits for them. Later calls do nothing.
func (w *Writers) End() { w.end() }

// Acks are all acknowledgements so far.
func (w *Writers) Acks() []Ack {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acks[:len(w.acks):len(w.acks)]
}

// In is how many acknowledgements a room gave.
func (w *Writers) In(room string) (n int) {
	for _, a := range w.Acks() {
		if a.Room == room {
			n++
		}
	}
	return n
}

// Between is the time from a room's last acknowledgement to the first one of the other since a moment.
func (w *Writers) Between(from string, since time.Time) time.Duration {
	var last, first time.Time
	for _, a := range w.Acks() {
		switch {
		case a.Room == from:
			last = a.At
		case first.IsZero() && !a.At.Before(since):
			first = a.At
		}
	}
	return first.Sub(last)
}

// Silence is the longest time in which nobody acknowledged a write, since a moment until now.
func (w *Writers) Silence(since time.Time) (longest time.Duration) {
	last := since
	for _, a := range w.Acks() {
		if a.At.After(since) {
			longest, last = max(longest, a.At.Sub(last)), a.At
		}
	}
	return max(longest, time.Since(last))
}

// Missing is how many acknowledged tokens the master in a room hasn't, and how many tokens it has.
func (w *Writers) Missing(ctx context.Context, room string) (missing, there int, err error) {
	have, err := w.tokens(ctx, room)
	for _, a := range w.Acks() {
		if !have[a.Token] {
			missing++
		}
	}
	return missing, len(have), err
}

// Lost says what is wrong with what both masters have, "" nothing: each acknowledged token is on both, and they have the same. The writers
// have ended, and the masters have what the other has.
func (w *Writers) Lost(ctx context.Context) (wrong string, err error) {
	var sets [2]map[string]bool
	for i, room := range w.o.Rooms {
		if sets[i], err = w.tokens(ctx, room); err != nil {
			return "", err
		}
	}
	acks, lost := w.Acks(), 0
	for _, a := range acks {
		if !sets[0][a.Token] || !sets[1][a.Token] {
			lost++
		}
	}
	if lost > 0 || len(sets[0]) != len(sets[1]) || len(acks) == 0 {
		wrong = fmt.Sprintf("%d of %d acknowledged tokens are lost; %s has %d tokens, %s %d", lost, len(acks), w.o.Rooms[0], len(sets[0]), w.o.Rooms[1], len(sets[1]))
	}
	return wrong, nil
}

func (w *Writers) tokens(ctx context.Context, room string) (map[string]bool, error) {
	m := w.o.Masters[0]
	if room == w.o.Rooms[1] {
		m = w.o.Masters[1]
	}
	rows, err := m.DB().QueryContext(ctx, "SELECT token FROM app.tokens")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var token string
		if err := rows.Scan(&token); err != nil {
			return nil, err
		}
		all[token] = true
	}
	return all, rows.Err()
}
