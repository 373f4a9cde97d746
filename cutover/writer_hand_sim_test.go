package cutover_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// byHand is a move of one pair, outside a runbook.
const byHand = `version: 1
name: move-by-hand
move: {from: home, to: cloud}
steps:
  - name: move
    writer: {to: cloud, pairs: [feed-db], noWriter: 2s}
    bake: 1m
`

// handSim is the rooms of a move by hand: nobody is asked anything.
func handSim(t *testing.T, text string, o sim.Options, faults ...string) *sim.Sim {
	t.Helper()
	l := loaded(t, book(t, text))
	for i := range l.Book.Steps {
		if w := l.Book.Steps[i].Writer; w != nil {
			w.Once = true
		}
	}
	o.Faults = append(o.Faults, faultsOf(t, faults)...)
	s, err := sim.New(l, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func runHand(t *testing.T, s *sim.Sim) *sim.Outcome {
	t.Helper()
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMoveByHandOnce: what a move by hand comes to is its exit code, and nobody is asked: done, refused, undone.
func TestMoveByHandOnce(t *testing.T) {
	s := handSim(t, byHand, sim.Options{})
	if out := runHand(t, s); out.Exit != cutover.ExitDone || s.Writers("feed-db")[0] != "cloud" || len(out.Problems) > 0 {
		t.Errorf("exit %d %s %v\n%s", out.Exit, out.Why, out.Problems, allOf(out))
	}
	for _, fault := range []string{"preflight feed-db writer.durable at 0s", "preflight feed-db locks at 0s"} {
		s = handSim(t, byHand, sim.Options{}, fault)
		if out := runHand(t, s); out.Exit == cutover.ExitDone || isAsked(out, "move") || isAsked(out, "rule") || len(s.Verbs()) > 0 && s.Writers("feed-db")[0] != "home" {
			t.Errorf("%s: exit %d %s\n%s", fault, out.Exit, out.Why, allOf(out))
		} else {
			t.Logf("%s: exit %d %s", fault, out.Exit, out.Why)
		}
	}
	fence := fenceOf(t, byHand, "feed-db")
	for what, fault := range map[string]string{
		"what home has doesn't come in time": fmt.Sprintf("lag feed-db home->cloud 3s at %dms for 2s", fence.At/cutover.Millisecond-50),
		"killed behind the fence":            fmt.Sprintf("kill at write %d", fence.N+1),
	} {
		s = handSim(t, byHand, sim.Options{Limit: time.Hour}, fault)
		out, err := s.Run(context.Background())
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if out.Exit != cutover.ExitBack || s.Writers("feed-db")[0] != "home" || isAsked(out, "move") {
			t.Errorf("%s: exit %d %s\n%s", what, out.Exit, out.Why, allOf(out))
		}
		oneWriter(t, s, what)
	}
}

// TestMoveLeftBetween: what a run finds between its sides, left by a process that is gone, it brings to an end first, and then moves the writer
// where it is wished: wherever that is.
func TestMoveLeftBetween(t *testing.T) {
	for _, phase := range []writer.Phase{writer.Fencing, writer.Abort, writer.Commit} {
		for _, closed := range [][]cutover.Room{{"home", "cloud"}, {"cloud"}} {
			for _, to := range []string{"cloud", "home"} {
				if phase == writer.Commit && len(closed) == 1 {
					closed = []cutover.Room{"home"} // and the new one is open
				}
				text := byHand
				if to == "home" {
					text = strings.NewReplacer("from: home, to: cloud", "from: cloud, to: home", "to: cloud, pairs", "to: home, pairs").Replace(byHand)
				}
				what := fmt.Sprintf("%s, closed %v, wished %s", phase, closed, to)
				s := handSim(t, text, sim.Options{Writers: map[string]cutover.Room{"feed-db": "home"}})
				if err := s.Stands("feed-db", phase, closed...); err != nil {
					t.Fatal(err)
				}
				if phase == writer.Commit && closed[0] == "home" && len(closed) == 1 {
					s.OpenMaster("feed-db", "cloud")
				}
				out := runHand(t, s)
				if out.Exit != cutover.ExitDone || s.Writers("feed-db")[0] != to || len(out.Problems) > 0 {
					t.Errorf("%s: exit %d %s, the writer is in %v %v\n%s", what, out.Exit, out.Why, s.Writers("feed-db"), out.Problems, allOf(out))
				}
				both, none := s.TakesWrites("feed-db")
				if both > 0 || none > 3*cutover.Second {
					t.Errorf("%s: two writers for %s, none for %s", what, both.Duration(), none.Duration())
				}
				oneWriter(t, s, what)
			}
		}
	}
}

// TestPlanOfPairs: what a plan says of a pair's record, and what it refuses.
func TestPlanOfPairs(t *testing.T) {
	plan := func(prepare func(s *sim.Sim)) (*sim.Sim, *cutover.Plan, []runbooks.Problem) {
		t.Helper()
		s := handSim(t, byHand, sim.Options{})
		prepare(s)
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l := loaded(t, book(t, byHand))
		p, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: s.World().Planes, Snapshot: snap})
		return s, p, problems
	}
	stands := func(phase writer.Phase, closed ...cutover.Room) func(*sim.Sim) {
		return func(s *sim.Sim) {
			if err := s.Stands("feed-db", phase, closed...); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, none, problems := plan(func(*sim.Sim) {})
	if len(problems) > 0 || pairOf(none).Record != nil || pairOf(none).Unread {
		t.Errorf("without a record: %+v %v", pairOf(none), problems)
	}
	_, some, problems := plan(stands(writer.Stable, "cloud"))
	if r := pairOf(some).Record; len(problems) > 0 || r == nil || r.Epoch != 7 || r.Phase != "STABLE" || r.Writer != "home" || some.Hash() == none.Hash() {
		t.Errorf("with one: %+v %v; the hash %s tells them apart from %s", r, problems, some.Hash()[:8], none.Hash()[:8])
	}
	if err := s.Stands("feed-db", writer.Stable, "cloud"); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := none.Stale(snap); len(diff) != 1 || !strings.Contains(diff[0], "planned with no record, is STABLE of home, epoch 7 now") {
		t.Errorf("a record came since: %q", diff)
	}
	if _, p, problems := plan(stands(writer.Fencing, "home", "cloud")); len(problems) > 0 || pairOf(p).Writer != "home" || !pairOf(p).Between() {
		t.Errorf("in between: %+v %v", pairOf(p), problems)
	}
	for what, c := range map[string]struct {
		prepare func(*sim.Sim)
		says    string
		hint    string
	}{
		"came up closed": {stands(writer.Stable, "home", "cloud"), "pair feed-db: its writer home is read-only: it came up closed", "`roomshift writer reopen feed-db` opens it"},
		"moved by hand": {func(s *sim.Sim) { stands(writer.Stable, "home")(s); s.OpenMaster("feed-db", "cloud") },
			"its record names home, and the servers say that cloud takes the writes", "writer status"},
	} {
		_, _, problems := plan(c.prepare)
		if len(problems) != 1 || !strings.Contains(problems[0].Message, c.says) || !strings.Contains(problems[0].Hint, c.hint) {
			t.Errorf("%s: %v, want %q", what, problems, c.says)
		}
	}
}

func pairOf(p *cutover.Plan) *cutover.PairPlan {
	for i := range p.Pairs {
		if p.Pairs[i].Name == "feed-db" {
			return &p.Pairs[i]
		}
	}
	return &cutover.PairPlan{}
}

// TestLostRecordIsNoNewPair: a record that was there when the plan was made, or that this run has written, and is gone, isn't made anew: the move
// holds, and people hear why.
func TestLostRecordIsNoNewPair(t *testing.T) {
	stood := handSim(t, byHand, sim.Options{Limit: 30 * time.Minute})
	if err := stood.Stands("feed-db", writer.Stable, "cloud"); err != nil {
		t.Fatal(err)
	}
	stood.LoseRecord("feed-db", cutover.Second)
	out, err := stood.Run(context.Background())
	if held := records(stood, "feed-db"); len(held) != 1 {
		t.Errorf("lost before the move: %d records were written, exit %v %v", len(held)-1, out, err)
	}
	if at := stood.Writers("feed-db"); len(at) != 1 || at[0] != "home" {
		t.Errorf("the writer is in %v", at)
	}

	const twice = `version: 1
name: there-and-back
move: {from: home, to: cloud}
steps:
  - name: move
    writer: {to: cloud, pairs: [feed-db], noWriter: 2s}
    bake: 2m
  - ask: {by: dba}
  - back: start
`
	created := handSim(t, twice, sim.Options{Limit: 30 * time.Minute})
	created.LoseRecord("feed-db", 2*cutover.Minute)
	_, _ = created.Run(context.Background())
	for _, r := range records(created, "feed-db") {
		if r.At > 2*cutover.Minute {
			t.Errorf("after it was lost %s of epoch %d was written", r.Record.Phase, r.Record.Epoch)
		}
	}
	if n := len(records(created, "feed-db")); n < 3 {
		t.Errorf("%d records before it was lost: the move wasn't made", n)
	}
}

func records(s *sim.Sim, pair string) []sim.Recorded {
	var out []sim.Recorded
	for _, r := range s.Records() {
		if r.Pair == pair {
			out = append(out, r)
		}
	}
	return out
}
