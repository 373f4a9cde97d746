package cutover_test

import (
	"fmt"
	"maps"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestWriteFaults has each write of a run meet each fault of a write, on the way up and while going back, and wants the end that the
// run has without it: the same code, the same shares in truth.
func TestWriteFaults(t *testing.T) {
	for _, c := range []struct {
		book, fault string
	}{
		{"drill-3-percent", ""},
		{"to-cloud", ""},
		{"to-cloud", "errors cloud 20% at 5m"},
	} {
		var faults []string
		if c.fault != "" {
			faults = []string{c.fault}
		}
		base := play(t, c.book, sim.Options{Seed: 1}, faults...)
		n, struck := len(base.Writes), 0
		for w := 1; w <= n+1; w++ {
			for _, kind := range []string{"lost reply at write %d", "lost write at write %d", "hang write %d for 30s", "fail write %d", "late write %d 8s", "kill at write %d"} {
				text := fmt.Sprintf(kind, w)
				if _, err := sim.ParseFault(text); err != nil {
					t.Fatal(err)
				}
				out := play(t, c.book, sim.Options{Seed: 1}, append(faults, text)...)
				name := c.book + ", " + c.fault + ", " + text
				if out.Exit != base.Exit {
					t.Errorf("%s: exit %d (%s); want %d", name, out.Exit, out.Why, base.Exit)
				}
				sameTruth(t, name, out.Truth, base.Truth)
				struck += 1 - min(1, len(out.NotFired))
			}
		}
		if struck < 6 {
			t.Errorf("%s, %q: only %d faults struck", c.book, c.fault, struck)
		}
		t.Logf("%s, %q: %d faults of a write struck", c.book, c.fault, struck)
	}
}

// TestPiecesAndSamplesAgree: pieces of samples and the samples one by one give the same journal, in runs that were picked by hand.
// TestPiecesAndSamplesAtRandom draws them.
func TestPiecesAndSamplesAgree(t *testing.T) {
	for book, faults := range map[string][]string{
		"spring-festival-out": {"", "errors cloud 20% at 30m", "lag feed-db home->cloud 8s at 40m for 3m", "errors home 5% at 30m", "kill at record 20",
			"kill at record 64", "lost reply at write 30"},
		"spring-festival-back": {"", "kill at record 30"},
		"drill-3-percent":      {"", "kill at record 12", "kill at record 30", "errors cloud 20% at 20m"},
		"to-cloud":             {"", "kill at record 12", "errors cloud 20% at 5m for 1m", "kill at write 3", "late write 2 12s"},
	} {
		for _, fault := range faults {
			var faults []string
			if fault != "" {
				faults = []string{fault}
			}
			pieces := play(t, book, sim.Options{Seed: 3}, faults...)
			samples := play(t, book, sim.Options{Seed: 3, Samples: true}, faults...)
			if a, b := lines(t, pieces), lines(t, samples); a != b {
				t.Errorf("%s with %q: pieces and samples give different journals: %s", book, fault, firstDifference(a, b))
			}
		}
	}
}

func lines(t testing.TB, out *sim.Outcome) string {
	t.Helper()
	b, err := out.Lines()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func firstDifference(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			from := max(0, i-200)
			return fmt.Sprintf("\n%s\n%s", a[from:min(len(a), i+200)], b[from:min(len(b), i+200)])
		}
	}
	return fmt.Sprintf("%d against %d bytes", len(a), len(b))
}

// TestNeverRisesWhileGoingBack watches the composed share in truth after every write of a run that goes back by itself, from one
// target to the next while the room stays sick.
func TestNeverRisesWhileGoingBack(t *testing.T) {
	for _, at := range []string{"15m", "25m", "40m", "55m", "70m", "85m", "100m", "115m", "130m"} {
		out := play(t, "spring-festival-out", sim.Options{Seed: 1}, "errors cloud 20% at "+at)
		if out.Exit != cutover.ExitBack {
			t.Errorf("errors at %s: exit %d; want 3", at, out.Exit)
		}
		l := readLedger(t, out)
		if l.turned < 0 {
			t.Errorf("errors at %s: it doesn't turn", at)
		}
		neverRises(t, "errors at "+at, l, out)
	}
}

// TestTimesAreSane: what a back reports of its reaction follows in order.
func TestTimesAreSane(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "errors cloud 20% at 5m")
	x := out.Timing
	if !(x.Crossed > 0 && x.Crossed <= x.Decided && x.Decided <= x.FirstWrite && x.FirstWrite <= x.Read) {
		t.Errorf("crossed %d, decided %d, first write %d, read back %d: not in order", x.Crossed, x.Decided, x.FirstWrite, x.Read)
	}
	if x.FirstWrite-x.Crossed > 100*cutover.Millisecond {
		t.Errorf("from the crossing to the first write %s; want at most 100 ms", (x.FirstWrite - x.Crossed).Duration())
	}
	if !maps.Equal(out.Truth[cutover.Seat{Route: "gw", At: "home"}], cutover.Share{"home": cutover.Whole}) {
		t.Errorf("gw@home holds %v; want all at home", out.Truth)
	}
}
