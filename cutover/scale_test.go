package cutover

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"roomshift/runbooks"
)

var twoRooms = []Room{"cloud", "home"}

func shareTo(cloud int) Share { return Share{"cloud": cloud, "home": Whole - cloud} }

// TestScaleReads: what a consumer makes of a weight. HAProxy reads 95 and 5 as the same.
func TestScaleReads(t *testing.T) {
	for _, c := range []struct {
		medium       runbooks.Medium
		consumer     string
		weight, want int
	}{
		{runbooks.MediumService, "haproxy", 95, 1}, {runbooks.MediumService, "haproxy", 5, 1}, {runbooks.MediumService, "haproxy", 256, 1},
		{runbooks.MediumService, "haproxy", 257, 2}, {runbooks.MediumService, "haproxy", 24320, 95}, {runbooks.MediumService, "haproxy", 65535, 255},
		{runbooks.MediumService, "envoy", 24320, 128}, {runbooks.MediumService, "envoy", 128, 128}, {runbooks.MediumService, "generic", 24320, 24320},
		{runbooks.MediumUpstream, "", 0, 0}, {runbooks.MediumUpstream, "", -1, 0}, {runbooks.MediumDNS, "", 100, 100},
	} {
		s := ScaleOf(c.medium, c.consumer)
		if got := s.Read(c.weight); got != c.want {
			t.Errorf("%s %s reads %d as %d, want %d", c.medium, c.consumer, c.weight, got, c.want)
		}
		if w := s.Written(s.Max); s.Read(w) != s.Max || w > 65535 && c.medium == runbooks.MediumService {
			t.Errorf("%s %s: the largest weight %d is read as %d, want %d", c.medium, c.consumer, w, s.Read(w), s.Max)
		}
	}
}

// TestUnits: the numbers nearest to a sum that do; the smallest ones where the sum is too small.
func TestUnits(t *testing.T) {
	haproxy, any := Scale{255, 256}, Scale{Whole, 1}
	for _, c := range []struct {
		scale  Scale
		counts []int // cloud, home
		cloud  int
		sum    int
		want   string
	}{
		{any, []int{5, 5}, 300, 1000, "[6 194]"},
		{any, []int{5, 5}, 300, 10, "[1 32]"}, // 3.03 %: within a fiftieth of 3 %
		{any, []int{5, 5}, 100, 10, "[1 98]"}, // a quarter of a point off would be 1.25 %
		{any, []int{5, 5}, 5000, 10, "[1 1]"},
		{any, []int{2, 20}, 5000, 22, "[10 1]"},
		{any, []int{0, 3}, 0, 30, "[0 10]"},
		{any, []int{4, 4}, Whole, 40, "[10 0]"},
		{any, []int{4, 4}, 0, 0, "[0 1]"},
		{any, []int{1, 1}, 1, 2, "[1 4999]"},
		{haproxy, []int{5, 5}, 500, 10, "[1 19]"},
		{haproxy, []int{1, 1}, 20, 2, "[1 249]"}, // 0.4 % for 0.2 %: all that the scale has, and within Near
		{Scale{128, 1}, []int{3, 3}, 78, 300, "[1 126]"},
		{haproxy, []int{5, 5}, 10, 10, "weights of 1 to 255 can't express cloud 0.1 %, home 99.9 % over 5 and 5 instances within 0.25 %; the nearest is cloud 0.4 %, home 99.6 %"},
		{Scale{100, 1}, []int{9, 1}, 500, 10, "the nearest is cloud 8.26 %, home 91.74 %"},
		{any, []int{0, 3}, 300, 30, "cloud is to get 3 % and has nothing that serves"},
		{any, []int{3, 0}, 300, 30, "home is to get 97 % and has nothing that serves"},
	} {
		units, err := c.scale.Units(twoRooms, c.counts, shareTo(c.cloud), c.sum)
		got := fmt.Sprint(units)
		if err != nil {
			got = err.Error()
		}
		if got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%v over %v, %d near %d: %s, want %s", c.scale, c.counts, c.cloud, c.sum, got, c.want)
		}
	}
}

// weighed is a listing of instances: by room, what each weighs. A negative weight isn't alive.
func weighed(cloud, home []int) []Held {
	var held []Held
	for i, ws := range [][]int{cloud, home} {
		for k, w := range ws {
			h := Held{Seat: Seat{Route: "up"}, Object: fmt.Sprintf("%s-%02d", twoRooms[i], k), Room: twoRooms[i], Live: w >= 0, Value: strconv.Itoa(max(w, 0))}
			h.Weights = Share{h.Room: max(w, 0)}
			held = append(held, h)
		}
	}
	return held
}

func same(n, w int) []int { return slices.Repeat([]int{w}, n) }

func keptMembers() *Members {
	return &Members{Rooms: twoRooms, Scale: Scale{Whole, 1}, Unit: 1, Value: func(_ *Held, units int) string { return strconv.Itoa(units) }}
}

// land gives the listing what a change says.
func land(held []Held, c Change) {
	for i := range held {
		if held[i].Object == c.Object {
			held[i].Value, held[i].Weights = c.After, c.Gives
		}
	}
}

// TestMembersKeepBetween: from weights as people gave them, over deaths and joins, each write of each wave keeps the gaining room's
// share between what it was and what it is to be, something serves, the goal is met, and then nothing is left to do.
func TestMembersKeepBetween(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	m := keptMembers()
	for range 300 {
		weight := []int{1, 2, 10, 100, 100, 1000}[r.IntN(6)]
		held := weighed(same(1+r.IntN(12), weight), same(1+r.IntN(12), weight))
		for range 6 {
			to := []int{0, 100, 300, 1000, 2200, 3000, 4500, 6000, 9500, Whole}[r.IntN(10)]
			was := SeatShares(held)[Seat{Route: "up"}]["cloud"]
			waves, err := m.Shape(held, map[Seat]Share{{Route: "up"}: shareTo(to)})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range waves {
				r.Shuffle(len(w), func(i, k int) { w[i], w[k] = w[k], w[i] })
				for _, c := range w {
					land(held, c)
					sh, serves := SeatShares(held)[Seat{Route: "up"}]
					if now := sh["cloud"]; !serves || weight >= 100 && (now < min(was, to)-Near || now > max(was, to)+Near) {
						t.Fatalf("from %d to %d (weights of %d) the share is %v after %s", was, to, weight, sh, c.Object)
					}
				}
			}
			if now := SeatShares(held)[Seat{Route: "up"}]["cloud"]; abs(now-to) > Near {
				t.Fatalf("the share is %d, want %d", now, to)
			}
			if more, err := m.Shape(held, map[Seat]Share{{Route: "up"}: shareTo(to)}); len(more) > 0 || err != nil {
				t.Fatalf("%d is carried, and %v is to be written: %v", to, more, err)
			}
		}
	}
}

// TestMembersLeaveAlone: weights that people chose and that carry the share stay; an instance that is out by its own medium's word, or
// in no room of the run, is never in a change.
func TestMembersLeaveAlone(t *testing.T) {
	m := keptMembers()
	seat := map[Seat]Share{{Route: "up"}: shareTo(300)}
	if ws, err := m.Shape(weighed(same(5, 3), same(5, 97)), seat); len(ws) > 0 || err != nil {
		t.Errorf("97 beside 3 is 3 %%, and %v is to be written: %v", ws, err)
	}
	if ws, err := m.Shape(weighed([]int{4, 2, 3, 3, 3}, same(5, 97)), seat); len(ws) == 0 || err != nil {
		t.Errorf("instances of one room weigh differently, and nothing is to be written: %v", err)
	}
	m.Scale.Max = 255 // has no 0.2 %: 1 beside 255 is as good as what would be written
	if ws, err := m.Shape(weighed(same(1, 1), same(1, 255)), map[Seat]Share{{Route: "up"}: shareTo(20)}); len(ws) > 0 || err != nil {
		t.Errorf("0.39 %% is the nearest to 0.2 %%, and %v is to be written: %v", ws, err)
	}
	m.Scale.Max = Whole
	m.Value = func(h *Held, units int) string {
		if !h.Live {
			return h.Value
		}
		return strconv.Itoa(units)
	}
	held := weighed([]int{100, 100, -1}, same(3, 100))
	held = append(held, Held{Seat: held[0].Seat, Object: "zz", Room: "elsewhere", Live: true, Value: "7", Weights: Share{"elsewhere": 7}})
	ws, err := m.Shape(held, map[Seat]Share{{Route: "up"}: shareTo(5000)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(ws...) {
		if c.Object == "cloud-02" || c.Object == "zz" {
			t.Errorf("%s is to be written", c.Object)
		}
		land(held, c)
	}
	if cloud, home := held[0].Weights["cloud"], held[3].Weights["home"]; abs(2*cloud-3*home) > 3 {
		t.Errorf("two live instances weigh %d, three weigh %d: want the same in all", cloud, home)
	}
}

// TestMembersNeverEmpty: a seat whose whole share moves is served before the room that loses it is taken out.
func TestMembersNeverEmpty(t *testing.T) {
	ws, err := keptMembers().Shape(weighed(same(2, 0), same(2, 100)), map[Seat]Share{{Route: "up"}: shareTo(Whole)})
	if err != nil || len(ws) != 2 || ws[0][0].Object != "cloud-00" || ws[1][0].After != "0" {
		t.Errorf("%v, %v: want the cloud's rise before home's fall", ws, err)
	}
}

// TestMembersGoOn: a shape that was written in part is gone on with, wherever it was cut off: what is written already stays, so that a
// server that throttles isn't sent everything again at each try.
func TestMembersGoOn(t *testing.T) {
	m := keptMembers()
	for _, c := range []struct{ cloud, home, counts, to int }{{0, 100, 20, 500}, {5, 95, 20, 3000}, {30, 70, 40, 5500}} {
		begin := func() []Held { return weighed(same(c.counts, c.cloud), same(c.counts, c.home)) }
		want := map[Seat]Share{{Route: "up"}: shareTo(c.to)}
		waves, err := m.Shape(begin(), want)
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Concat(waves...)
		for cut := c.counts * 3 / 4; cut < len(all); cut++ {
			held := begin()
			for _, ch := range all[:cut] {
				land(held, ch)
			}
			rest, err := m.Shape(held, want)
			if got := slices.Concat(rest...); err != nil || len(got) != len(all)-cut {
				t.Errorf("from %d to %d, cut off after %d of %d changes, %d are left: %v", c.cloud*100, c.to, cut, len(all), len(got), err)
			}
		}
	}
}
