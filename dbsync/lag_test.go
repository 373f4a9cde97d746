package dbsync

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// marker is one row written on one master and seen on the other by polling: the truth, found without anything of this package.
type marker struct {
	sent, acked  cutover.T // its INSERT
	missed, seen cutover.T // it wasn't there yet at a poll sent at missed; it was at one answered at seen, 0: not yet
}

// markers writes one each pitch and polls for them, until stop. Its ids begin after base: a row that an earlier test's ending
// sent and forgot may still come.
type markers struct {
	base int
	mu   sync.Mutex
	rows []marker
	stop context.CancelFunc
	done sync.WaitGroup
}

func mark(t *testing.T, from, to string, pitch time.Duration) *markers {
	t.Helper()
	table := "app.marker_" + from
	passFence(t)
	run(t, from, "CREATE TABLE IF NOT EXISTS "+table+" (id BIGINT PRIMARY KEY)")
	if err := lab.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	m := &markers{base: int(clock().Duration().Milliseconds()) * 1_000_000, stop: cancel}
	m.done.Go(func() { m.write(ctx, from, table, pitch) })
	m.done.Go(func() { m.poll(ctx, to, table) })
	t.Cleanup(m.end)
	return m
}

func (m *markers) end() {
	m.stop()
	m.done.Wait()
}

func (m *markers) write(ctx context.Context, from, table string, pitch time.Duration) {
	tick := time.NewTicker(pitch)
	defer tick.Stop()
	for id := 1; ctx.Err() == nil; id++ {
		m.mu.Lock()
		m.rows = append(m.rows, marker{sent: clock()})
		m.mu.Unlock()
		if _, err := lab.Master(from).DB().ExecContext(ctx, "INSERT INTO "+table+" VALUES (?)", m.base+id); err != nil {
			return
		}
		m.mu.Lock()
		m.rows[id-1].acked = clock()
		m.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (m *markers) poll(ctx context.Context, to, table string) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		var last int
		sent := clock()
		if err := lab.Master(to).DB().QueryRowContext(ctx, "SELECT IFNULL(MAX(id), ?) FROM "+table+" WHERE id > ?", m.base, m.base).Scan(&last); err != nil {
			return
		}
		got := clock()
		m.mu.Lock()
		m.saw(last, sent, got)
		m.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// markBeats takes roomshift's own heartbeats for markers: when each was written is found by polling, too, so that nothing else is.
func markBeats(t *testing.T, from, to string) *markers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	m := &markers{base: int(heartbeats(t, from, from)), stop: cancel}
	m.done.Go(func() {
		notYet := clock()
		m.each(ctx, from, from, func(last int, sent, got cutover.T) {
			for len(m.rows) < last-m.base {
				m.rows = append(m.rows, marker{sent: notYet, acked: got})
			}
			notYet = sent
		})
	})
	m.done.Go(func() { m.each(ctx, to, from, m.saw) })
	t.Cleanup(m.end)
	return m
}

// each polls a writer's newest heartbeat on a master, and hands it over with when that was asked and answered.
func (m *markers) each(ctx context.Context, at, writer string, take func(last int, sent, got cutover.T)) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		var last int
		sent := clock()
		err := lab.Master(at).DB().QueryRowContext(ctx, "SELECT IFNULL(MAX(seq), 0) FROM roomshift.heartbeat WHERE pair='feed-db' AND room=?", writer).Scan(&last)
		if err != nil {
			return
		}
		got := clock()
		m.mu.Lock()
		take(last, sent, got)
		m.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// saw notes what a poll of the receiving master says: the rows up to last are there.
func (m *markers) saw(last int, sent, got cutover.T) {
	for i := range m.rows {
		switch {
		case m.base+i+1 > last:
			m.rows[i].missed = sent
		case m.rows[i].seen == 0:
			m.rows[i].seen = got
		}
	}
}

// arrived is how many markers were seen to be there.
func (m *markers) arrived() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.rows {
		if k.seen > 0 {
			n++
		}
	}
	return n
}

// contradicts is how the markers disprove a reading, "" not at all. Replication keeps the order: what was written before the
// heartbeat is there before it, what was written after it comes after it.
func (m *markers) contradicts(r Reading) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := r.From + cutover.T(r.Hi*1e9)          // the heartbeat had arrived by then, the reading says
	written := r.From + cutover.T((r.Hi-r.Lo)*1e9) // and was written by then
	notThere := r.From + cutover.T(r.Lo*1e9)       // and wasn't there before
	for i, k := range m.rows {
		if k.acked != 0 && k.acked <= r.From && k.missed > there {
			return fmt.Sprintf("marker %d was written before the heartbeat and still missing %v after it was said to be there",
				i+1, (k.missed - there).Duration())
		}
		if k.seen != 0 && k.sent >= written && k.seen < notThere {
			return fmt.Sprintf("marker %d was written after the heartbeat and there %v before it was said to be",
				i+1, (notThere - k.seen).Duration())
		}
	}
	return ""
}

// load writes on home until the test ends.
func load(t *testing.T, name string) {
	t.Helper()
	writers, pause := 2, time.Duration(0)
	switch name {
	case "idle":
		return
	case "10 a second":
		writers, pause = 1, 100*time.Millisecond
	}
	run(t, "home", "CREATE TABLE IF NOT EXISTS app.load_rows (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(100))")
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := lab.Master("home").DB().ExecContext(ctx, "INSERT INTO app.load_rows (v) VALUES (REPEAT('x', 100))"); err != nil {
					return
				}
				if pause > 0 {
					select {
					case <-ctx.Done():
					case <-time.After(pause):
					}
				}
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		all.Wait()
	})
}

// TestLag holds readings of both directions against the delay put on one link alone, and against markers.
func TestLag(t *testing.T) { onBoth(t, testLag) }

func testLag(t *testing.T) {
	for _, link := range [][2]string{{"home", "cloud"}, {"cloud", "home"}} {
		for _, delay := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond, time.Second} {
			for _, kind := range []string{"idle", "10 a second", "flat out"} {
				if onMySQL() && delay == 50*time.Millisecond && kind != "idle" {
					continue // 200 ms show it
				}
				t.Run(fmt.Sprintf("%s to %s %v %s", link[0], link[1], delay, kind), func(t *testing.T) {
					if testing.Short() && delay != 200*time.Millisecond {
						t.Skip("short")
					}
					lagCell(t, link[0], link[1], delay, kind)
				})
			}
		}
	}
}

func lagCell(t *testing.T, from, to string, delay time.Duration, kind string) {
	heal(t)
	truth := map[string]*markers{} // by the room that receives
	switch kind {
	case "idle": // nothing but the heartbeats themselves is under way, and they are seen forth only
		truth["cloud"] = markBeats(t, "home", "cloud")
	case "10 a second":
		truth[to] = mark(t, from, to, 100*time.Millisecond)
	case "flat out":
		truth[to] = mark(t, from, to, 10*time.Millisecond)
	}
	load(t, kind)
	lab.Delay(from, to, delay)
	changed := clock()
	g := watch(t, openLab(t, labPair()), WatchOptions{Every: 100 * time.Millisecond})
	const enough = 6
	delayed := g.gather(t, to, changed, enough)
	other := g.gather(t, from, changed, enough)
	for _, r := range append(delayed[:enough:enough], other...) {
		if r.To == cutover.Room(to) && r.Hi < delay.Seconds() {
			t.Errorf("%s: the link alone takes %v", show(r), delay)
		}
		if m := truth[string(r.To)]; m != nil {
			if wrong := m.contradicts(r); wrong != "" {
				t.Errorf("%s: %s", show(r), wrong)
			}
		}
	}
	if kind != "flat out" { // there may be a backlog all the time
		near(t, g, to, changed, delay)
		near(t, g, from, changed, 0)
	} else if delay >= 200*time.Millisecond { // but not one as long as the other link's delay
		g.await(t, 0, from, 20*time.Second, "less than what the other link takes", func(r Reading) bool {
			return known(r) && r.From >= changed && r.Lo < delay.Seconds()
		})
	}
	t.Logf("%s; %s", show(delayed[len(delayed)/2]), show(other[len(other)/2]))
	g.end()
	lab.Heal()
	if m := truth["cloud"]; kind == "idle" && m.arrived() < enough/2 {
		t.Errorf("%d heartbeats were seen to arrive", m.arrived())
	}
}

// gather waits for n known readings into a room whose heartbeat was written after a moment.
func (g *readings) gather(t *testing.T, room string, after cutover.T, n int) []Reading {
	t.Helper()
	var found []Reading
	g.await(t, 0, room, 30*time.Second, fmt.Sprintf("the last of %d known ones", n), func(r Reading) bool {
		if known(r) && r.From >= after {
			found = append(found, r)
		}
		return len(found) == n
	})
	return found
}

// near waits for a reading that says no more than what the link takes. A busy machine adds to many, but not to every one.
func near(t *testing.T, g *readings, room string, after cutover.T, link time.Duration) {
	t.Helper()
	nearBy(t, g, room, after, link, 120*time.Millisecond)
}

// nearBy is near with masters so far away that the upper end may be so much over what the link takes.
func nearBy(t *testing.T, g *readings, room string, after cutover.T, link, over time.Duration) {
	t.Helper()
	lo, hi := (link + 25*time.Millisecond).Seconds(), (link + over).Seconds()
	g.await(t, 0, room, 20*time.Second, fmt.Sprintf("known and at least %.3f s or less, at most %.3f s or less", lo, hi), func(r Reading) bool {
		return known(r) && r.From >= after && r.Lo <= lo && r.Hi <= hi
	})
}

// TestWidth: with masters far from the tool the bound is as wide as the round trips of the requests it rests on: two, and for
// the way back three when the heartbeat was there before the question. (Between two slices of a wait lies one more.)
func TestWidth(t *testing.T) { onBoth(t, testWidth) }

func testWidth(t *testing.T) {
	heal(t)
	const trip, busy = 60 * time.Millisecond, 40 * time.Millisecond // what a busy machine adds is less than a trip
	p := labPair()
	for i, room := range p.Rooms {
		far, err := server.NewProxy(lab.Master(room).Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(far.Close)
		far.Delay(trip/2, trip/2)
		p.DSN[i] = lab.Master(room).DSNAt(server.Roomshift, far.Addr())
	}
	for _, delay := range []time.Duration{0, 200 * time.Millisecond} {
		lab.Delay("home", "cloud", delay)
		lab.Delay("cloud", "home", delay)
		changed := clock()
		g := watch(t, openLab(t, p), WatchOptions{Every: 600 * time.Millisecond})
		trips := 3
		if delay > 0 {
			trips = 2
		}
		for room, trips := range map[string]int{"cloud": 2, "home": trips} {
			most := (time.Duration(trips)*trip + busy).Seconds()
			g.await(t, 0, room, 20*time.Second, fmt.Sprintf("%.3f s wide or less", most), func(r Reading) bool {
				return known(r) && r.From >= changed && r.Hi-r.Lo <= most
			})
			for _, r := range g.gather(t, room, changed, 3) {
				if r.Hi < delay.Seconds() {
					t.Errorf("%s: the link alone takes %v", show(r), delay)
				}
			}
			nearBy(t, g, room, changed, delay, 3*trip+busy)
		}
		g.end()
	}
	heal(t)
}
