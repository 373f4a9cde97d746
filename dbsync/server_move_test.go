package dbsync

import (
	"context"
	"fmt"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
	"roomshift/lab/tokens"
)

// startWriters is an application that writes to both masters' tokens, without pause.
func startWriters(t testing.TB, n int) *tokens.Writers {
	t.Helper()
	w, err := tokens.Start(tokens.Options{Rooms: lab.Rooms, Masters: [2]*server.Master{lab.Master(lab.Rooms[0]), lab.Master(lab.Rooms[1])},
		Writers: n, Retry: 200 * time.Microsecond})
	ok(t, err)
	t.Cleanup(w.End)
	return w
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
			n := w.In(from)
			until(t, from+" takes writes", func() bool { return w.In(from) > n+20 })
			p := x.look(t, from).Position // pre-sync, outside the outage
			ok(t, x[to].Wait(within(t, time.Minute), p))
			began := time.Now()
			parts, err := moveByVerbs(within(t, time.Minute), x[from], x[to])
			ok(t, err)
			n = w.In(to)
			until(t, to+" takes writes", func() bool { return w.In(to) > n+20 })
			t.Logf("%v from %s to %s over %v: nobody took writes for %v: %v", lab.Master(from).Engine, from, to, delay, w.Between(from, began), parts)
			p, err = x[to].Mark(t.Context(), Marker{uint64(10*delay.Milliseconds()) + uint64(epoch) + 1, to})
			ok(t, err)
			ok(t, x[from].Wait(within(t, time.Minute), p))
			if st := x.look(t, from); st.Marker.Writer != to || !st.Fenced() {
				t.Errorf("%s after the move: %+v", from, st)
			}
			from = to
		}
		w.End()
		lab.Heal()
		ok(t, lab.Await(within(t, time.Minute)))
		allThere(t, w)
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
func allThere(t *testing.T, w *tokens.Writers) {
	t.Helper()
	wrong, err := w.Lost(t.Context())
	ok(t, err)
	if wrong != "" {
		t.Error(wrong)
	}
	t.Logf("%d tokens were acknowledged", len(w.Acks()))
}
