package cutover_test

import (
	"fmt"
	"slices"
	"testing"

	"roomshift/cutover/sim"
)

// TestARungSaysWhatCameNearest: the mark that ends a rung has the gate that came nearest to its hold limit, or past it, while the
// rung was under way, and nothing of the one before it; shares have the requests that entered, and what they were set to.
func TestARungSaysWhatCameNearest(t *testing.T) {
	out := play(t, "to-cloud", sim.Options{Seed: 1}, "latency cloud 150ms at 3m for 1m", "errors home 0.3% at 6m for 30s")
	var got []string
	rates := map[int64]bool{}
	for _, r := range out.Records {
		if r.Step != nil && r.Step.Near != nil {
			n := r.Step.Near
			got = append(got, fmt.Sprintf("%s %s %s %s", n.Key(), n.Color, n.Seen, n.Limit))
		}
		if r.Seen != nil {
			rates[r.Seen.Rate] = true
			if r.Seen.Set != nil && (!r.Seen.Observed || r.Seen.Set["cloud"] == r.Seen.Share["cloud"]) {
				t.Errorf("%+v: what it was set to is told only where something else was seen", r.Seen)
			}
		}
	}
	want := []string{"cache@cloud amber 88.18 % < 90 %", "errors@home amber 0.34 % > 0.2 %", "cache@cloud amber 89.66 % < 90 %", "cache@cloud green 91.78 % < 90 %", "cache@cloud green 93.16 % < 90 %"}
	if !slices.Equal(got, want) {
		t.Errorf("nearest were\n%q\nwant\n%q", got, want)
	}
	if len(rates) != 1 || !rates[21000] {
		t.Errorf("rates were %v, want 21000 in each", rates)
	}
}
