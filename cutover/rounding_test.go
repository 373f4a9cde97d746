package cutover

import (
	"slices"
	"testing"
)

// TestRoundingShown: what whole weights make of a share is said rung by rung, from what the rung before left; a share that is met isn't.
func TestRoundingShown(t *testing.T) {
	seat := Seat{Route: "up"}
	held := weighed(same(5, 1), same(5, 1))
	m, r := keptMembers(), newRounding(held)
	for _, c := range []struct {
		cloud int
		want  []string
	}{
		{5000, nil},
		{300, []string{"up would have 3.03 % in cloud, not 3 %: weights are whole numbers"}},
		{5000, nil},
	} {
		waves, err := m.Shape(held, map[Seat]Share{seat: shareTo(c.cloud)})
		if err != nil {
			t.Fatal(err)
		}
		rung := &RungPlan{Want: map[Seat]Share{seat: shareTo(c.cloud)}, Changes: slices.Concat(waves...)}
		for _, ch := range rung.Changes {
			land(held, ch)
		}
		if got := r.off(rung, "cloud"); !slices.Equal(got, c.want) {
			t.Errorf("%d: %q, want %q", c.cloud, got, c.want)
		}
	}
	if newRounding([]Held{{Seat: seat, Value: "3", Weights: shareTo(300)}}) != nil {
		t.Error("a key that holds a whole split is followed")
	}
}
