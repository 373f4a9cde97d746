package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"roomshift/cutover"
)

// TestNextOrder: lease, commands, replies, samples; each kind in the order of arrival, ties by number.
func TestNextOrder(t *testing.T) {
	s := newTest(t, "climb", Options{Samples: true})
	plan := testPlan(t, s)
	w, r := s.World(), s.runners[0]
	w.Gauges.Start(context.Background(), plan)
	at := 5 * cutover.Second // every gauge has a sample then
	for id := 1; id <= 3; id++ {
		w.Clock.Go(id, cutover.Second, func(context.Context) any { r.takes(at - s.now); return id })
	}
	r.say(at, cutover.Command{ID: "c", Verb: "pause"})
	s.at(at, func() { r.leases = append(r.leases, cutover.LeaseChange{Place: "home", Lost: true}) })
	var kinds []string
	for w.Clock.Now() < at+startTime {
		kinds = kinds[:0]
		for _, e := range w.Clock.Next(at + startTime) {
			switch {
			case e.Lease != nil:
				kinds = append(kinds, "lease")
			case e.Command != nil:
				kinds = append(kinds, "command")
			case e.Reply != nil:
				kinds = append(kinds, fmt.Sprint("reply", e.Reply.ID, e.Reply.Value, e.Reply.At == w.Clock.Now()))
			case e.Sample != nil:
				kinds = append(kinds, "sample")
			}
		}
	}
	want := []string{"lease", "command", "reply1 1 true", "reply2 2 true", "reply3 3 true", "sample"}
	if got := slices.Compact(kinds); !slices.Equal(got, want) {
		t.Errorf("the events came as %v, want %v", got, want)
	}
}

// TestNextUntil: time stops at until when nothing comes before, and never goes back.
func TestNextUntil(t *testing.T) {
	s := newTest(t, "climb", Options{})
	c := s.World().Clock
	if now := c.Now(); now != startTime {
		t.Fatalf("a process begins at %d, want %d", now, startTime)
	}
	for _, until := range []cutover.T{3 * cutover.Second, 2 * cutover.Second, 4 * cutover.Second} {
		before := c.Now()
		if evs := c.Next(until); len(evs) > 0 || c.Now() != max(until, before) {
			t.Errorf("until %s: %d events at %s", until.Duration(), len(evs), c.Now().Duration())
		}
	}
	if wall, want := c.Wall(c.Now()), s.Wall(); !wall.Equal(want) {
		t.Errorf("the wall says %s, want %s", wall, want)
	}
}

// TestSecondClock: another process has a clock of its own over the same time.
func TestSecondClock(t *testing.T) {
	s := newTest(t, "climb", Options{})
	a := s.World().Clock
	a.Next(time1h)
	b := s.NewRunner(context.Background())
	if b.Now() != startTime || !b.Wall(b.Now()).Equal(a.Wall(a.Now())) {
		t.Errorf("the second clock says %d and %s, want %d and %s", b.Now(), b.Wall(b.Now()), startTime, a.Wall(a.Now()))
	}
}

const time1h = 60 * cutover.Minute

// TestKilled: what a killed process sent lands, and nothing comes to it or from it any more.
func TestKilled(t *testing.T) {
	s := newTest(t, "climb", Options{}, "late write 1 8s", "kill at 3s")
	w, r := s.World(), s.runners[0]
	pl := testPlane(t, w, "home/keys")
	var held cutover.Lease
	for _, p := range w.Locks {
		if p.Name == "home" {
			held, _ = p.Lock.Take(context.Background(), cutover.Claim{Run: "r"})
		}
	}
	st := s.bySeat[cutover.Seat{Route: "gw", At: "home"}]
	waves, err := st.plane.shape(st, st.listing(), s.split(500))
	if err != nil {
		t.Fatal(err)
	}
	w.Clock.Go(1, 5*cutover.Second, func(ctx context.Context) any { return pl.Medium.Write(ctx, held.Fence(), waves[0]) })
	if evs := w.Clock.Next(cutover.Never); evs != nil || !errors.Is(context.Cause(r.ctx), ErrKilled) {
		t.Fatalf("%v came, and the context ended by %v", evs, context.Cause(r.ctx))
	}
	ran := false
	w.Clock.Go(2, cutover.Second, func(context.Context) any { ran = true; return nil })
	if evs := w.Clock.Next(time1h); evs != nil || ran {
		t.Errorf("a dead process got %v, and its request ran: %v", evs, ran)
	}
	if len(s.landings) != 0 {
		t.Errorf("it has landed at %s already", s.landings[0].At.Duration())
	}
	s.Advance(10 * cutover.Second)
	if len(s.landings) != 1 || s.landings[0].At != 8*cutover.Second {
		t.Errorf("landed: %v, want one at 8 s", s.landings)
	}
	if s.honoured("home", held.Fence()) {
		s.Advance(leaseTTL)
	}
	if s.honoured("home", held.Fence()) {
		t.Error("the dead process's lease goes on")
	}
}

// TestStuck: when nothing will ever happen, the context ends instead of the world.
func TestStuck(t *testing.T) {
	s := newTest(t, "climb", Options{})
	w := s.World()
	if w.Clock.Next(cutover.Never); !errors.Is(context.Cause(s.runners[0].ctx), ErrStuck) {
		t.Errorf("the context ended by %v, want ErrStuck", context.Cause(s.runners[0].ctx))
	}
	s = newTest(t, "climb", Options{Limit: time1h.Duration()})
	w = s.World()
	if w.Clock.Next(2 * time1h); !errors.Is(context.Cause(s.runners[0].ctx), ErrLimit) {
		t.Errorf("the context ended by %v, want ErrLimit", context.Cause(s.runners[0].ctx))
	}
}

// TestQueue: by time, then by number.
func TestQueue(t *testing.T) {
	var q queue[int]
	rnd := random(7)
	type item struct {
		at cutover.T
		n  int
	}
	var want []item
	for i := range 1000 {
		at := cutover.T(rnd.next() % 50)
		q.put(at, i)
		want = append(want, item{at, i})
	}
	slices.SortStableFunc(want, func(a, b item) int { return int(a.at - b.at) })
	for i, w := range want {
		if at, n := q.take(); at != w.at || n != w.n {
			t.Fatalf("item %d is %d of %d, want %d of %d", i, n, at, w.n, w.at)
		}
	}
	if q.next() != cutover.Never {
		t.Error("an empty queue has a next")
	}
}

// TestPace hears of each moment before time moves there.
func TestPace(t *testing.T) {
	var moments []cutover.T
	s := newTest(t, "climb", Options{Pace: func(at cutover.T) { moments = append(moments, at) }}, "cold cloud at 2s")
	s.World().Clock.Next(4 * cutover.Second)
	if want := []cutover.T{2 * cutover.Second, 3 * cutover.Second}; !slices.Equal(moments, want) {
		t.Errorf("the moments were %v, want %v", moments, want)
	}
}
