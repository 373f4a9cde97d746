package cutover_test

import (
	"fmt"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// TestFestivalMovesItsWriters: the shipped festival brings both its writers to the cloud, and home again, each by one move; and whatever
// request of a move its process is killed at, there is one writer of each pair in the end, where its record says.
func TestFestivalMovesItsWriters(t *testing.T) {
	for _, c := range []struct{ book, to string }{{"spring-festival-out", "cloud"}, {"spring-festival-back", "home"}} {
		l, err := runbooks.Load(c.book, "")
		if err != nil {
			t.Fatal(err)
		}
		run := func(faults ...string) (*sim.Sim, *sim.Outcome) {
			t.Helper()
			s, err := sim.New(l, sim.Options{Seed: 1, Faults: faultsOf(t, faults)})
			if err != nil {
				t.Fatal(err)
			}
			out, err := s.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range []string{"feed-db", "user-db"} {
				both, _ := s.TakesWrites(pair)
				if at := s.Writers(pair); both > 0 || len(at) != 1 || out.Progress.Writers[pair].Writer != at[0] {
					t.Errorf("%s, %q: %s has two writers for %s, and in the end %v; the journal says %s", c.book, faults, pair, both.Duration(), at, out.Progress.Writers[pair].Writer)
				}
			}
			return s, out
		}
		s, out := run()
		moves := map[string]int{}
		for _, v := range s.Verbs() {
			if v.Do == writer.Open {
				moves[v.Pair+" to "+v.Room]++
			}
		}
		if want := fmt.Sprint(map[string]int{"feed-db to " + c.to: 1, "user-db to " + c.to: 1}); out.Exit != cutover.ExitDone || fmt.Sprint(moves) != want {
			t.Errorf("%s: exit %d %s; opened %v, want %s", c.book, out.Exit, out.Why, moves, want)
		}
		for i, v := range s.Verbs() {
			if i%3 == 0 || !testing.Short() {
				run(fmt.Sprintf("kill at write %d", v.N))
			}
		}
	}
}
