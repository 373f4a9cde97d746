package cutover

import (
	"fmt"
	"reflect"
	"testing"
)

func packed3(n int, seat string, gives Share) []Change {
	var cs []Change
	for i := range n {
		cs = append(cs, Change{Seat: Seat{seat, ""}, Object: fmt.Sprintf("%s-%02d", seat, i), After: "12345", Gives: gives})
	}
	return cs
}

func sizes(requests [][]Change) []int {
	var out []int
	for _, r := range requests {
		out = append(out, len(r))
	}
	return out
}

func TestPack(t *testing.T) {
	for name, x := range map[string]struct {
		pl   Plane
		wave []Change
		want []int
	}{
		"nothing":             {Plane{}, nil, nil},
		"no limit":            {Plane{}, packed3(5, "im", Share{"home": 3}), []int{5}},
		"by number":           {Plane{MaxChanges: 2}, packed3(5, "im", Share{"home": 3}), []int{2, 2, 1}},
		"by bytes":            {Plane{MaxBytes: 30}, packed3(5, "im", Share{"home": 3}), []int{3, 2}},
		"too large by itself": {Plane{MaxBytes: 3}, packed3(2, "im", Share{"home": 3}), []int{1, 1}},
		"out":                 {Plane{MaxChanges: 64}, packed3(10, "im", Share{"home": 0}), []int{4, 4, 2}},
		"the only one out":    {Plane{}, packed3(1, "im", Share{"home": 0}), []int{1}},
		"two, one by one":     {Plane{}, packed3(2, "im", Share{"home": 0}), []int{1, 1}},
		"of several seats":    {Plane{}, append(packed3(5, "im", Share{}), packed3(5, "php", Share{})...), []int{2, 2, 3, 2, 1}},
		"TTLs go nowhere":     {Plane{}, packed3(9, "www", nil), []int{9}},
	} {
		got := Pack(x.pl, x.wave)
		if !reflect.DeepEqual(sizes(got), x.want) {
			t.Errorf("%s: requests of %v, want %v", name, sizes(got), x.want)
		}
		var all []Change
		for _, r := range got {
			all = append(all, r...)
		}
		if !reflect.DeepEqual(all, x.wave) {
			t.Errorf("%s: the requests are not the wave in its order", name)
		}
	}
}

// What Pack makes of a wave of which all objects live never breaks maxOut.
func TestPackKeepsMaxOut(t *testing.T) {
	c, w := ruleWorld()
	searchTo(&w, 10, 0)
	for _, r := range Pack(Plane{}, w.Changes) {
		one := w
		one.Changes, one.OneRequest = r, true
		if breaks := c.Judge(one); len(breaks) > 0 {
			t.Errorf("a request of %d: %+v", len(r), breaks)
		}
	}
}
