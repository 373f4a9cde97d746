package cutover

import "testing"

// TestWantedAndSetAreWeighedAlike: when every seat holds what is wanted, so do all requests, however the rates have moved since the
// seats were composed.
func TestWantedAndSetAreWeighedAlike(t *testing.T) {
	x := newBenchWorldOf(t, bigWorldOf(2, 10).shift("all", "all", []float64{5}))
	e := x.started(t, func(e *engine) bool { return e.ready })
	one, two := x.seats[0], x.seats[1]
	e.set[one], e.p.Wanted = sh(5000), nil
	e.rates, e.stale = map[Seat]float64{one: 100, two: 1}, true
	before := e.compose().All["cloud"]
	e.rates = map[Seat]float64{one: 1, two: 100}
	row := e.shareViews()[0]
	if row.Wanted != row.Set || row.Set == before {
		t.Errorf("wanted %d, set %d after the rates have moved, %d before; want the first two equal and another than the third", row.Wanted, row.Set, before)
	}
}
