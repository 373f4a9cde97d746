package cutover

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestFillScalesOnlyTheNewer fills random seats: what is kept stays, weights are whole numbers of the scale, a room that is to get
// something is never left out, and the share comes nearer than it was, within half a point wherever the newer ones can bring it there.
func TestFillScalesOnlyTheNewer(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	filled := 0
	for n := range 5000 {
		m := &Members{Rooms: []Room{"cloud", "home"}, Scale: Scale{Max: 10000, Step: 1}, Unit: 1,
			Value: func(_ *Held, units int) string { return strconv.Itoa(units) }}
		cloud := 500 + 100*rnd.IntN(90)
		want := Share{"cloud": cloud, "home": Whole - cloud}
		var held []Held
		newer := map[string]bool{}
		for _, room := range m.Rooms {
			kept, born := rnd.IntN(4), 1+rnd.IntN(6)
			for i := range kept + born {
				h := Held{Object: fmt.Sprintf("%s-%d", room, i), Room: room, Live: true, Weights: Share{room: 1 + want[room]/4}}
				h.Value, newer[h.Object] = strconv.Itoa(h.Weights[room]), i >= kept
				held = append(held, h)
			}
		}
		isNewer := func(h *Held) bool { return newer[h.Object] }
		was := farOff(liveShare(held), want)
		values := m.Fill(held, isNewer, want)
		if values == nil {
			if was > 100 {
				t.Fatalf("case %d: %d basis points off, and nothing is filled", n, was)
			}
			continue
		}
		filled++
		for i := range held {
			v, ok := values[held[i].Object]
			if ok != isNewer(&held[i]) {
				t.Fatalf("case %d: %s is given %q; newer: %v", n, held[i].Object, v, !ok)
			}
			if !ok {
				continue
			}
			units, err := strconv.Atoi(v)
			if err != nil || units < 0 || units > m.Scale.Max {
				t.Fatalf("case %d: %s is given %q", n, held[i].Object, v)
			}
			held[i].Weights = Share{held[i].Room: units}
		}
		share := liveShare(held)
		if off := farOff(share, want); off >= was || share["cloud"] == 0 || share["home"] == 0 {
			t.Fatalf("case %d: %v, %d off, was %d; want %v", n, share, off, was, want)
		}
	}
	if filled < 1000 {
		t.Errorf("%d of 5000 filled; want most", filled)
	}
}
