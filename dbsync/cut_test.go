package dbsync

import (
	"testing"
	"time"

	"roomshift/cutover"
)

// TestCutForth: what is cut grows by itself and is said again in time; the way back is idle, for its heartbeats still come.
func TestCutForth(t *testing.T) { onBoth(t, testCutForth) }

func testCutForth(t *testing.T) {
	g := watched(t)
	n := g.count()
	lab.Cut("home", "cloud")
	g.await(t, n, "cloud", 5*time.Second, "a lower bound of 1 s", atLeast(1))
	n = g.count()
	g.await(t, n, "home", 5*time.Second, "idle", idle)
	g.await(t, n, "cloud", 5*time.Second, "a lower bound of 2 s", atLeast(2))
	fresh, _, _ := g.since(n)
	var last cutover.T
	for _, r := range fresh {
		if r.To != "cloud" {
			continue
		}
		if known(r) {
			t.Errorf("%s while the line is cut", show(r))
		}
		if last != 0 && r.At-last > cutover.T(fast.Every)*3 {
			t.Errorf("nothing was said for %v", (r.At - last).Duration())
		}
		last = r.At
	}
	n = g.count()
	lab.Heal()
	for _, room := range lab.Rooms {
		g.await(t, n, room, 10*time.Second, "known again", known)
	}
}

// later: a known lag of a heartbeat that was written after a moment.
func later(at cutover.T) func(Reading) bool {
	return func(r Reading) bool { return known(r) && r.From > at }
}

// TestJumpForth: one direction suddenly lags far more than a sample may be old. The other one isn't lost from sight meanwhile: it has
// just carried a heartbeat, so it is idle and not unknown.
func TestJumpForth(t *testing.T) {
	g := watched(t)
	n := g.count()
	lab.Delay("home", "cloud", 4*time.Second)
	g.await(t, n, "cloud", 15*time.Second, "the lag itself", func(r Reading) bool { return known(r) && r.Lo > 3.5 })
	m := g.count()
	g.await(t, m, "cloud", 15*time.Second, "the lag itself again", later(clock()))
	g.inSight(t, n, "home", func(r Reading) bool { return known(r) || r.Idle })
}

// TestJumpBack: the same of the way back. Heartbeats that travel on it for long don't keep younger ones from being followed forth.
func TestJumpBack(t *testing.T) {
	g := watched(t)
	n := g.count()
	lab.Delay("cloud", "home", 4*time.Second)
	g.await(t, n, "home", 15*time.Second, "the lag itself", func(r Reading) bool { return known(r) && r.Lo > 3.5 })
	g.await(t, g.count(), "home", 15*time.Second, "the lag itself again", later(clock()))
	g.inSight(t, n, "cloud", known)
	g.inSight(t, n, "home", known)
}

// inSight fails unless all that was said of a room since the first n readings is good, or a lower bound, and a sample was never too
// old.
func (g *readings) inSight(t *testing.T, n int, room cutover.Room, good func(Reading) bool) {
	t.Helper()
	fresh, _, _ := g.since(n)
	var last cutover.T
	for _, r := range fresh {
		if r.To != room {
			continue
		}
		if !good(r) && !r.LowerBound {
			t.Errorf("%s while the other direction fails", show(r))
		}
		if last != 0 && r.At-last > cutover.T(fast.MaxAge)*3/4 {
			t.Errorf("nothing was known of %s for %v, and a sample is good for %v", room, (r.At - last).Duration(), fast.MaxAge)
		}
		last = r.At
	}
	if last == 0 {
		t.Errorf("nothing was said of %s", room)
	}
}

// TestCutBack: the way back alone is cut. The way forth stays known, however long that lasts.
func TestCutBack(t *testing.T) {
	g := watched(t)
	cut, n := clock(), g.count()
	lab.Cut("cloud", "home")
	g.await(t, n, "home", 5*time.Second, "a lower bound of 1 s", atLeast(1))
	r := g.await(t, n, "cloud", 15*time.Second, "known when the cut is older than a sample may be", later(cut+cutover.T(3*fast.MaxAge)))
	if r.Lo > 0.5 {
		t.Errorf("%s though only the way back is cut", show(r))
	}
	g.inSight(t, n, "cloud", known)
}

// TestCutBoth: the line is cut. Nobody says that the way back is idle once its heartbeats must have come.
func TestCutBoth(t *testing.T) { onBoth(t, testCutBoth) }

func testCutBoth(t *testing.T) {
	g := watched(t)
	n := g.count()
	lab.Cut("home", "cloud")
	lab.Cut("cloud", "home")
	g.await(t, n, "cloud", 5*time.Second, "a lower bound of 1 s", atLeast(1))
	notIdle := g.await(t, n, "home", 10*time.Second, "unknown, or a lower bound of 1 s", func(r Reading) bool {
		return r.Unknown != "" || r.LowerBound && r.Lo >= 1
	})
	fresh, _, _ := g.since(n)
	for _, r := range fresh {
		if r.To == "home" && r.At > notIdle.At && (r.Idle || known(r)) {
			t.Errorf("%s after it was known that the line is cut", show(r))
		}
	}
}

// TestCutWhileIdle: a direction that was idle and is then cut looks the same, but for its heartbeats.
func TestCutWhileIdle(t *testing.T) { onBoth(t, testCutWhileIdle) }

func testCutWhileIdle(t *testing.T) {
	longOnMySQL(t)
	g := watched(t)
	n := g.count()
	lab.Cut("home", "cloud")
	g.await(t, n, "home", 10*time.Second, "idle", idle)
	lab.Cut("cloud", "home")
	cut, n := clock(), g.count()
	g.await(t, n, "home", 10*time.Second, "unknown", unknownFor("no data", "heartbeat", "hasn't come"))
	fresh, _, _ := g.since(n)
	for _, r := range fresh {
		if r.Idle && r.At > cut+3*cutover.Second {
			t.Errorf("idle %v after the cut", (r.At - cut).Duration())
		}
	}
}
