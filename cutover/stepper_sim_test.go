package cutover_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// switched is a medium of records that go to none, and come from it, by way of weight 1: one write is one call at a provider who
// switches a record and sets its weight in two.
type switched struct {
	cutover.Medium
	jumps []string
}

func (m *switched) Next(h cutover.Held, value string) string { return between(h.Value, value) }

func between(from, to string) string {
	if (from == "0") != (to == "0") && from != "1" && to != "1" {
		return "1"
	}
	return to
}

func (m *switched) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	waves, err := m.Medium.Shape(held, want)
	var out [][]cutover.Change
	for _, w := range waves {
		var first, second []cutover.Change
		for _, c := range w {
			if via := between(c.Before, c.After); via != c.After {
				then := c
				then.Before = via
				second = append(second, then)
				room := strings.TrimPrefix(c.Object, c.Seat.String()+"/")
				c.After, c.Gives = via, cutover.Share{room: 1}
			}
			first = append(first, c)
		}
		out = append(out, first)
		if second != nil {
			out = append(out, second)
		}
	}
	return out, err
}

func (m *switched) Write(ctx context.Context, f cutover.Fence, cs []cutover.Change) []cutover.Outcome {
	for _, c := range cs {
		if between(c.Before, c.After) != c.After {
			m.jumps = append(m.jumps, fmt.Sprintf("%s %s → %s", c.Object, c.Before, c.After))
		}
	}
	return m.Medium.Write(ctx, f, cs)
}

// TestWhatIsTwoWritesAwayComesAndGoes: names go to the cloud and come home though no record gets from none to its weight in one write;
// whichever write is throttled, or loses its answer, on either way, everything ends as it was, and nothing of ours is taken for somebody
// else's. A dry run goes the same way.
func TestWhatIsTwoWritesAwayComesAndGoes(t *testing.T) {
	goesByTwoWrites(t, "5%, 30%", 25*cutover.Minute, false)
}

// TestWhatIsTwoWritesAwayIsPaced: the same when home is cold: a paced rung writes each record's next state, and goes on from there.
func TestWhatIsTwoWritesAwayIsPaced(t *testing.T) {
	goesByTwoWrites(t, "5%, 30%, 60%, 90%, 100%", 210*cutover.Minute, true)
}

func goesByTwoWrites(t *testing.T, shares string, turns cutover.T, paced bool) {
	path := book(t, fmt.Sprintf(`version: 1
name: book
move: {from: home, to: cloud}
bake: 10m
steps:
  - ttl: {entry: 60s}
  - shift: {cloud: {entry: [%s]}}
    settle: {within: 20m, reach: 80%%, else: go on}
  - checkpoint: far
    guard: true
`, shares))
	run := func(dry bool, faults ...string) (*sim.Sim, *cutover.Result, []cutover.Record, *switched) {
		t.Helper()
		m := &switched{}
		s, res, rs, _ := oneNight(t, path, dry, sim.Options{Seed: 1, Commands: []sim.Timed{back(turns)}}, func(w *cutover.World) {
			for i := range w.Planes {
				if pl := &w.Planes[i]; pl.Name == "alidns" {
					m.Medium = pl.Medium
					pl.Medium = m
				}
			}
		}, faults...)
		return s, res, rs, m
	}
	s, res, rs, m := run(false)
	if res.Exit != cutover.ExitBack {
		t.Fatalf("exit %d, want 3", res.Exit)
	}
	writes := s.Sent()
	want := map[string]string{}
	check := func(what string, s *sim.Sim, res *cutover.Result, rs []cutover.Record, m *switched) {
		t.Helper()
		if res.Exit != cutover.ExitBack || len(m.jumps) > 0 {
			t.Errorf("%s: exit %d, written in one: %q", what, res.Exit, m.jumps)
		}
		for i := range rs {
			if rs[i].Foreign != nil {
				t.Errorf("%s: %s holding %q is taken for somebody else's", what, rs[i].Foreign.Object, rs[i].Foreign.Found)
			}
		}
		last := map[string]string{}
		for _, w := range s.Writes() {
			if want[w.Object] == "" {
				want[w.Object] = w.Before
			}
			last[w.Object] = w.After
		}
		for object, v := range last {
			if v != want[object] {
				t.Errorf("%s: %s ends at %q, and was %q", what, object, v, want[object])
			}
		}
	}
	check("undisturbed", s, res, rs, m)
	if isPaced := slices.ContainsFunc(rs, func(r cutover.Record) bool { return intends(cutover.Pace)(&r) }); isPaced != paced {
		t.Errorf("paced: %v; want %v", isPaced, paced)
	}
	if len(want) == 0 || len(writes) < 20 {
		t.Fatalf("%d objects by %d writes: too few to say anything", len(want), len(writes))
	}
	_, _, drs, _ := run(true)
	a, b := strings.Join(written(rs), "\n"), strings.Join(written(drs), "\n")
	if !strings.Contains(a, "undo") || a != b && !paced { // a paced rung goes by what is seen, and resolvers that stretch TTLs are no part of a dry run
		t.Errorf("the run wrote\n%s\nthe dry run would have written\n%s", a, b)
	}
	step := 1
	if testing.Short() || paced {
		step = 7
	}
	for n := 1; n <= len(writes); n += step {
		for _, fault := range []string{"throttle write %d 3s", "lost reply at write %d"} {
			text := fmt.Sprintf(fault, n)
			s, res, rs, m := run(false, text)
			check(text, s, res, rs, m)
		}
	}
}
