package cutovers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover/writer"
	"roomshift/lab"
	"roomshift/lab/server"
)

// writerScene is a scene with eight applications that write to the masters themselves, each to the one that took its last write.
type writerScene struct {
	*scene
	stop chan struct{}
	all  sync.WaitGroup
	dbs  map[string]*sql.DB

	mu   sync.Mutex
	acks []ack
}

// ack is a token that a master acknowledged.
type ack struct {
	token, room string
	at          time.Time
}

var writerRooms = []string{lab.Home, lab.Cloud}

func beginWriter(t *testing.T, p *pool) *writerScene {
	t.Helper()
	w := &writerScene{scene: beginOn(t, p), stop: make(chan struct{}), dbs: map[string]*sql.DB{}}
	t.Cleanup(w.home)
	w.exec(lab.Home, "CREATE TABLE IF NOT EXISTS app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL UNIQUE)")
	w.await()
	for _, room := range writerRooms {
		db, err := sql.Open("mysql", w.lab.Ring.Master(room).DSN(server.App))
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxIdleConns(16)
		w.dbs[room] = db
	}
	for i := range 8 {
		w.all.Go(func() { w.write(fmt.Sprintf("%d-%d", time.Now().UnixNano(), i)) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *writerScene) write(name string) {
	at := 0
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		case <-time.After(10 * time.Millisecond): // an application is no benchmark, and MySQL's applier must keep up
		}
		token, room := fmt.Sprintf("%s-%d", name, i), writerRooms[at]
		if _, err := w.dbs[room].ExecContext(context.Background(), "INSERT INTO app.tokens (token) VALUES (?)", token); err != nil {
			at = 1 - at
			continue
		}
		w.mu.Lock()
		w.acks = append(w.acks, ack{token, room, time.Now()})
		w.mu.Unlock()
	}
}

// end stops the applications; once.
func (w *writerScene) end() {
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

// home brings the writer home by hand, for the next case.
func (w *writerScene) home() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ring := w.lab.Ring
	if err := errors.Join(ring.Master(lab.Cloud).Fence(ctx), ring.Await(ctx), ring.Master(lab.Home).Open(ctx)); err != nil {
		w.t.Error(err)
	}
	w.exec(lab.Home, "DROP TABLE IF EXISTS app.tokens", "UPDATE roomshift.heartbeat SET epoch = 0")
	if _, _, err := ask(ctx, w.lab, "DELETE", lab.Home, "/v1/kv/roomshift/writer/?recurse"); err != nil {
		w.t.Error(err)
	}
	if err := w.lab.Forget(ctx); err != nil {
		w.t.Error(err)
	}
	w.await()
}

func (w *writerScene) await() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.lab.Ring.Await(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writerScene) exec(room string, statements ...string) {
	w.t.Helper()
	for _, s := range statements {
		if _, err := w.lab.Ring.Master(room).DB().ExecContext(context.Background(), s); err != nil {
			w.t.Errorf("%s: %s: %v", room, s, err)
		}
	}
}

// flows waits until a room acknowledges writes.
func (w *writerScene) flows(room string) {
	w.t.Helper()
	n := w.in(room)
	w.eventually(room+" takes writes", func() bool { return w.in(room) > n+20 })
}

func (w *writerScene) in(room string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.acks {
		if a.room == room {
			n++
		}
	}
	return n
}

// silence is the longest time in which nobody acknowledged a write, since a moment.
func (w *writerScene) silence(since time.Time) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := since
	for _, a := range w.acks {
		if a.at.After(since) {
			longest, last = max(longest, a.at.Sub(last)), a.at
		}
	}
	return max(longest, time.Since(last))
}

// record is the pair's record in home's Consul.
func (w *writerScene) record() writer.Record {
	w.t.Helper()
	body, _, err := ask(w.t.Context(), w.lab, "GET", lab.Home, "/v1/kv/roomshift/writer/"+lab.Pair+"?raw")
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := writer.ParseRecord([]byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// stands fails unless the record is STABLE of a room, and its master alone takes writes.
func (w *writerScene) stands(room string) {
	w.t.Helper()
	if r := w.record(); r.Phase != writer.Stable || r.Writer != room {
		w.t.Errorf("the record is %s of %s, epoch %d; want STABLE of %s", r.Phase, r.Writer, r.Epoch, room)
	}
	if open := w.open(); strings.Join(open, " ") != room {
		w.t.Errorf("%v take writes, want %s", open, room)
	}
}

// open are the rooms whose masters take writes.
func (w *writerScene) open() (rooms []string) {
	w.t.Helper()
	for _, room := range writerRooms {
		var ro int
		if err := w.lab.Ring.Master(room).DB().QueryRowContext(w.t.Context(), "SELECT @@global.read_only + 0").Scan(&ro); err != nil {
			w.t.Fatal(err)
		}
		if ro == 0 {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// nothingLost ends the applications, and fails unless every token that was acknowledged is on both masters, and both have the same.
func (w *writerScene) nothingLost() {
	w.t.Helper()
	w.end()
	w.await()
	var sets [2]map[string]bool
	for i, room := range writerRooms {
		sets[i] = w.tokens(room)
	}
	lost := 0
	for _, a := range w.acks {
		if !sets[0][a.token] || !sets[1][a.token] {
			lost++
		}
	}
	if lost > 0 || len(sets[0]) != len(sets[1]) || len(w.acks) == 0 {
		w.t.Errorf("%d of %d acknowledged tokens are lost; %d and %d are there", lost, len(w.acks), len(sets[0]), len(sets[1]))
	}
	w.t.Logf("%d tokens acknowledged, %d lost", len(w.acks), lost)
}

func (w *writerScene) tokens(room string) map[string]bool {
	w.t.Helper()
	rows, err := w.lab.Ring.Master(room).DB().QueryContext(context.Background(), "SELECT token FROM app.tokens")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var token string
		if err := rows.Scan(&token); err != nil {
			w.t.Fatal(err)
		}
		all[token] = true
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// withoutWriter is what a run's lines say of the time without a writer.
var withoutWriter = regexp.MustCompile(lab.Pair + ` is in (\S+), epoch \d+, (\S+( \S+)?) without a writer`)
