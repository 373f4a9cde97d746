package dts_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roomshift/aliyun/alitest"
	"roomshift/cutover/writer"
)

// TestMoveOverTasks: under eight writers the write role goes over and back, over tasks with no delay, 200 ms and 2 s, and over ones that
// write some transactions 700 ms after later ones: what was acknowledged is in the new writer when it is opened.
func TestMoveOverTasks(t *testing.T) {
	cases := []struct{ delay, straggle time.Duration }{{0, 0}, {200 * time.Millisecond, 0}, {2 * time.Second, 0}, {0, 700 * time.Millisecond}}
	if testing.Short() {
		cases = cases[2:]
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("delay %v straggle %v", c.delay, c.straggle), func(t *testing.T) {
			l := newLab(t, alitest.Options{})
			for _, room := range rooms {
				l.tasks.From(room).Delay(c.delay)
				l.tasks.From(room).Straggle(c.straggle)
			}
			m := l.mover()
			w := startWriters(t, 8)
			m.opening = func(room string) {
				if n := w.missing(t, slices.Index(rooms[:], room)); n > 0 {
					t.Errorf("%s is opened without %d of the tokens that were acknowledged", room, n)
				}
			}
			if a := m.move("home", time.Minute); a.Do != writer.Done {
				t.Fatalf("%v", a)
			}
			for from, to := range []int{1, 0} { // over, and back
				n := w.in(from)
				until(t, rooms[from]+" takes writes", func() bool { return w.in(from) > n+5 })
				until(t, "nothing speaks against it", func() bool {
					m.step(rooms[from], time.Minute)
					return m.notNow == ""
				})
				m.acts = nil
				began := time.Now()
				a := m.move(rooms[to], 20*time.Second)
				if a.Do != writer.Done {
					t.Fatalf("%v\n%v\n%v", a, m.acts, m.why)
				}
				n = w.in(to)
				until(t, rooms[to]+" takes writes", func() bool { return w.in(to) > n+5 })
				t.Logf("from %s to %s: nobody took writes for %v", rooms[from], rooms[to], w.Between(rooms[from], began).Round(time.Millisecond))
				if got := m.rec.Publishes(); got != rooms[to] {
					t.Errorf("the record says %s", got)
				}
			}
			w.End()
			ok(t, l.tasks.Await(within(t, 30*time.Second)))
			for i := range masters {
				if n := w.missing(t, i); n > 0 {
					t.Errorf("%d of %d acknowledged tokens aren't in %s", n, len(w.Acks()), rooms[i])
				}
			}
			t.Logf("%d tokens were acknowledged", len(w.Acks()))
		})
	}
}
