package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// writers are an application's: each inserts one token after the other on the master that took its last one, and tries the other on any
// error, at once and with another token. What was acknowledged is kept.
type writers struct {
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

func startWriters(t testing.TB, n int) *writers {
	t.Helper()
	w := &writers{stop: make(chan struct{}), dbs: map[string]*sql.DB{}}
	for _, room := range lab.Rooms {
		config, err := mysql.ParseDSN(lab.Master(room).DSN(server.App))
		ok(t, err)
		config.Logger, config.InterpolateParams = &mysql.NopLogger{}, true
		connector, err := mysql.NewConnector(config)
		ok(t, err)
		w.dbs[room] = sql.OpenDB(connector)
		w.dbs[room].SetMaxIdleConns(2 * n)
	}
	for i := range n {
		w.all.Go(func() { w.write(t.Context(), fmt.Sprintf("%d-%d", time.Now().UnixNano(), i)) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *writers) write(ctx context.Context, name string) {
	at := 0
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		default:
		}
		token, room := fmt.Sprintf("%s-%d", name, i), lab.Rooms[at]
		if _, err := w.dbs[room].ExecContext(context.WithoutCancel(ctx), "INSERT INTO app.tokens (token) VALUES (?)", token); err != nil {
			at = 1 - at
			time.Sleep(200 * time.Microsecond)
			continue
		}
		w.mu.Lock()
		w.acks = append(w.acks, ack{token, room, time.Now()})
		w.mu.Unlock()
	}
}

// end stops them; once.
func (w *writers) end() {
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

// since is how many tokens a room has acknowledged.
func (w *writers) since(room string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.acks {
		if a.room == room {
			n++
		}
	}
	return n
}

// outage is the time from the last acknowledgement of the old writer to the first of the new one after it, behind a moment.
func (w *writers) outage(from, to string, behind time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last, first time.Time
	for _, a := range w.acks {
		switch {
		case a.at.Before(behind):
		case a.room == from && a.at.After(last):
			last = a.at
		case a.room == to && (first.IsZero() || a.at.Before(first)):
			first = a.at
		}
	}
	return first.Sub(last)
}

// part is a verb of a move and how long it took.
type part struct {
	verb string
	took time.Duration
}

// moveByVerbs is a whole move without its record (WRITER's order): what comes before the fence has been done.
func moveByVerbs(ctx context.Context, a, b *Server) (parts []part, err error) {
	var p Position
	return inTurn(ctx, []step{
		{"fence", a.Fence},
		{"kill", a.Kill},
		{"settle", func(ctx context.Context) (err error) {
			p, err = a.Settle(ctx)
			return err
		}},
		{"wait", func(ctx context.Context) error { return b.Complete(ctx, Against{Other: p}) }},
		{"look again", func(ctx context.Context) error { return a.Still(ctx, p) }},
		{"wait again", func(ctx context.Context) error { return b.Complete(ctx, Against{Other: p}) }},
		{"open", b.Open},
	})
}

type step struct {
	verb string
	do   func(context.Context) error
}

func inTurn(ctx context.Context, steps []step) (parts []part, err error) {
	for _, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return parts, fmt.Errorf("%s: %w", s.verb, err)
		}
		parts = append(parts, part{s.verb, time.Since(began).Round(10 * time.Microsecond)})
	}
	return parts, nil
}

// TestMoveByHand: eight writers, the write role goes to the other room and back, by verbs alone: nothing that was acknowledged is lost,
// each side has what the other has, the marker has come, and how long nobody took writes is logged.
func TestMoveByHand(t *testing.T) { onBoth(t, testMoveByHand) }

func testMoveByHand(t *testing.T) {
	x := taken(t, ServerOptions{})
	for _, delay := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		for _, room := range lab.Rooms {
			lab.Delay(room, otherRoom(room), delay)
		}
		w := startWriters(t, 8)
		from := "home"
		for epoch := range 2 {
			to := otherRoom(from)
			n := w.since(from)
			until(t, from+" takes writes", func() bool { return w.since(from) > n+20 })
			p := x.look(t, from).Position // pre-sync, outside the outage
			ok(t, x[to].Wait(within(t, time.Minute), p))
			began := time.Now()
			parts, err := moveByVerbs(within(t, time.Minute), x[from], x[to])
			ok(t, err)
			n = w.since(to)
			until(t, to+" takes writes", func() bool { return w.since(to) > n+20 })
			t.Logf("%v from %s to %s over %v: nobody took writes for %v: %v", lab.Master(from).Engine, from, to, delay, w.outage(from, to, began), parts)
			p, err = x[to].Mark(t.Context(), Marker{uint64(10*delay.Milliseconds()) + uint64(epoch) + 1, to})
			ok(t, err)
			ok(t, x[from].Wait(within(t, time.Minute), p))
			if st := x.look(t, from); st.Marker.Writer != to || !st.Fenced() {
				t.Errorf("%s after the move: %+v", from, st)
			}
			from = to
		}
		w.end()
		lab.Heal()
		ok(t, lab.Await(within(t, time.Minute)))
		w.allThere(t)
		run(t, "home", "DELETE FROM roomshift.heartbeat")
	}
}

func otherRoom(room string) cutover.Room {
	if room == lab.Rooms[0] {
		return lab.Rooms[1]
	}
	return lab.Rooms[0]
}

// allThere fails unless every token that was acknowledged is on both masters, and both have the same.
func (w *writers) allThere(t *testing.T) {
	t.Helper()
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
	if lost > 0 || len(sets[0]) != len(sets[1]) {
		t.Errorf("%d of %d acknowledged tokens are lost; %s has %d tokens, %s %d", lost, len(w.acks), lab.Rooms[0], len(sets[0]), lab.Rooms[1], len(sets[1]))
	}
	t.Logf("%d tokens were acknowledged, 0 lost wanted, %d lost", len(w.acks), lost)
}

// tokens are those that a master has.
func tokens(t *testing.T, room string) map[string]bool {
	t.Helper()
	rows, err := lab.Master(room).DB().QueryContext(t.Context(), "SELECT token FROM app.tokens")
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
