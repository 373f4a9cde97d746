package dbsync

import (
	"testing"
	"time"

	"roomshift/cutover"
)

func testTrack(passive bool) (*track, *[]string) {
	var said []string
	o := WatchOptions{Every: time.Second, Passive: passive, Now: func() cutover.T { return 0 },
		Put: func(r Reading) { said = append(said, show(r)) }}
	return newTrack("cloud", o), &said
}

func wantSaid(t *testing.T, said *[]string, want ...string) {
	t.Helper()
	if len(*said) != len(want) {
		t.Fatalf("said %q, want %q", *said, want)
	}
	for i := range want {
		if (*said)[i] != want[i] {
			t.Errorf("said %q, want %q", (*said)[i], want[i])
		}
	}
}

// TestTrackOldest: of several heartbeats under way only the oldest bounds the lag, and only when that is news.
func TestTrackOldest(t *testing.T) {
	tr, said := testTrack(false)
	tr.begin(1, 1000*ms)
	tr.begin(2, 1200*ms)
	tr.notYet(2, 1200*ms, 1300*ms, 1300*ms) // not the oldest
	tr.notYet(1, 1000*ms, 1400*ms, 1400*ms)
	tr.arrived(1, 490*ms, 510*ms, 1000*ms, 1500*ms, 1500*ms, 0)
	tr.notYet(2, 1200*ms, 1600*ms, 1600*ms) // 0.4: less than is known
	tr.notYet(2, 1200*ms, 1800*ms, 1800*ms) // 0.6: news
	wantSaid(t, said, "cloud: ≥ 0.4000", "cloud: 0.4900–0.5100", "cloud: ≥ 0.6000")
}

// TestTrackRepeats: a bound that is no news is said again after a period, so that it doesn't look old.
func TestTrackRepeats(t *testing.T) {
	tr, said := testTrack(false)
	tr.begin(1, 0)
	tr.arrived(1, 4990*ms, 5010*ms, 0, 5000*ms, 5000*ms, 0)
	tr.begin(2, 5000*ms)
	tr.notYet(2, 5000*ms, 5500*ms, 5500*ms)
	tr.notYet(2, 5000*ms, 6000*ms, 6000*ms)
	wantSaid(t, said, "cloud: 4.9900–5.0100", "cloud: ≥ 1.0000")
}

// TestTrackOrder: heartbeats that come in together are told in order, and older ones not at all.
func TestTrackOrder(t *testing.T) {
	tr, said := testTrack(false)
	tr.begin(1, 0)
	tr.begin(2, 500*ms)
	tr.arrived(2, 500*ms, 510*ms, 500*ms, 1000*ms, 1000*ms, 0)
	tr.arrived(1, 1000*ms, 1010*ms, 0, 1000*ms, 1000*ms, 0)
	tr.notYet(1, 0, 1100*ms, 1100*ms)
	wantSaid(t, said, "cloud: 0.5000–0.5100")
}

func TestTrackPassive(t *testing.T) {
	tr, said := testTrack(true)
	tr.begin(1, 0)
	tr.arrived(1, 500*ms, 510*ms, 0, 1000*ms, 1000*ms, 0)
	wantSaid(t, said, "cloud: ≥ 0.5000")
}

func TestTrackQuiet(t *testing.T) {
	tr, _ := testTrack(false)
	if tr.quiet(1900*ms) || !tr.quiet(2000*ms) {
		t.Error("want it quiet after two periods, not before")
	}
	tr.begin(1, 2000*ms)
	if tr.quiet(9000 * ms) {
		t.Error("quiet while a heartbeat is under way")
	}
	tr.end(1, 9000*ms)
	if tr.quiet(10900*ms) || !tr.quiet(11000*ms) {
		t.Error("want it quiet two periods after the last heartbeat ended its way")
	}
}
