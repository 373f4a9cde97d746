package cutover

import "testing"

// TestRatesOfWhatIsNotSeen: a seat that isn't seen, or not any more, counts with the rate that the plan found.
func TestRatesOfWhatIsNotSeen(t *testing.T) {
	here, there := Seat{"gw", "home"}, Seat{"gw", "cloud"}
	b := NewBoard(&Plan{From: "home", To: "cloud", Gauges: []Gauge{
		{Kind: GaugeSeen, Seat: here, Every: Second}, {Kind: GaugeSeen, Seat: there, Every: Second}}})
	b.Assume(map[Seat]float64{here: 90, there: 10})
	b.Put(Second, Sample{Gauge: 1, From: 0, At: Second, Counts: map[Room]float64{"cloud": 20}})
	if r := b.Rates(Second); r[here] != 90 || r[there] != 20 {
		t.Errorf("rates are %v; want 90 as planned, 20 as seen", r)
	}
	if r := b.Rates(Minute); r[here] != 90 || r[there] != 10 {
		t.Errorf("after a minute without data rates are %v; want those of the plan", r)
	}
}
