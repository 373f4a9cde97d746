package cutover_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// movesWriter goes to 30 % in the cloud, moves the writer of feed-db there, and goes on.
const movesWriter = `version: 1
name: book
move: {from: home, to: cloud}
bake: 2m
steps:
  - name: some
    shift: {cloud: {gw@home: [5%, 30%]}}
  - name: writes
    writer: {to: cloud, pairs: [feed-db], noWriter: 2s}
    bake: 5m
  - name: more
    shift: {cloud: {gw@home: [50%]}}
  - checkpoint: there
`

// moved runs a runbook in simulated rooms.
func moved(t *testing.T, text string, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	s := simOf(t, book(t, text), o, faults...)
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range out.Problems {
		t.Error(p.Error())
	}
	return s, out
}

// fenceOf is the fence of a pair's move when nothing goes wrong.
func fenceOf(t *testing.T, text, pair string) sim.Verb {
	t.Helper()
	plain, _ := moved(t, text, sim.Options{})
	i := slices.IndexFunc(plain.Verbs(), func(v sim.Verb) bool { return v.Do == writer.Fence && v.Pair == pair })
	if i < 0 {
		t.Fatalf("%s isn't fenced", pair)
	}
	return plain.Verbs()[i]
}

// allOf is what happened, for a failure.
func allOf(out *sim.Outcome) string {
	var b strings.Builder
	for _, h := range out.Timeline {
		if r := h.Record; r != nil {
			line, _ := cutover.AppendLine(nil, r)
			if len(line) > 300 {
				line = line[:300]
			}
			b.WriteString(h.At.String() + " " + string(line) + "\n")
		} else {
			b.WriteString(h.At.String() + " " + h.Note + "\n")
		}
	}
	const most = 8000
	return "…" + b.String()[max(0, b.Len()-most):]
}

// TestWriterMoves: in quiet rooms the writer is in the cloud at the end, by one record after the other, and the time without one is what
// the verbs take.
func TestWriterMoves(t *testing.T) {
	s, out := moved(t, movesWriter, sim.Options{})
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d %s\n%s", out.Exit, out.Why, allOf(out))
	}
	var phases []writer.Phase
	for _, rec := range s.Records() {
		phases = append(phases, rec.Record.Phase)
	}
	if want := []writer.Phase{writer.Stable, writer.Fencing, writer.Commit, writer.Stable}; !slices.Equal(phases, want) {
		t.Errorf("the records are %v, want %v", phases, want)
	}
	oneWriter(t, s, "in quiet rooms")
	if told, none := out.Progress.NoWriter["feed-db"], s.TakesWrites; told == 0 || told < noneOf(none("feed-db")) || told > noneOf(none("feed-db"))+20*cutover.Millisecond {
		t.Errorf("%s without a writer, says the run; %s in truth", told.Duration(), noneOf(none("feed-db")).Duration())
	}
	if _, none := s.TakesWrites("feed-db"); none == 0 || none > 100*cutover.Millisecond || s.Writers("feed-db")[0] != "cloud" {
		t.Errorf("%s without a writer, which is in %v", none.Duration(), s.Writers("feed-db"))
	}
}

// oneWriter fails unless never two masters took writes, and exactly one does at the end, as the newest record says.
func oneWriter(t *testing.T, s *sim.Sim, what string) {
	t.Helper()
	both, _ := s.TakesWrites("feed-db")
	at := s.Writers("feed-db")
	if both > 0 || len(at) != 1 {
		t.Errorf("%s: two writers for %s, at the end %v", what, both.Duration(), at)
	}
	if rs := s.Records(); len(rs) > 0 {
		if last := rs[len(rs)-1].Record; last.Phase != writer.Stable || len(at) == 1 && last.Writer != at[0] {
			t.Errorf("%s: the record is %s of %s at the end, and %v takes writes", what, last.Phase, last.Writer, at)
		}
	}
}

// undecided are the requests of a move between FENCING and COMMIT.
var undecided = map[writer.Do]bool{writer.Fence: true, writer.Kill: true, writer.Wait: true}

func isAsked(out *sim.Outcome, what string) bool {
	return slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return r.Asked != nil && r.Asked.What == what })
}

// TestWriterUnderFaults: each request of a move meets each fault. Nobody answers what is asked.
func TestWriterUnderFaults(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	for _, v := range plain.Verbs() {
		for _, fault := range []string{"kill at write %d", "lost reply at write %d", "lost write at write %d", "fail write %d", "late write %d 3s",
			"late write %d 20s", "hang write %d for 30s"} {
			text := fmt.Sprintf(fault, v.N)
			what := fmt.Sprintf("%s %s, %s", v.Do, v.Room, text)
			s, out := moved(t, movesWriter, sim.Options{}, text)
			oneWriter(t, s, what)
			_, none := s.TakesWrites("feed-db")
			if took := s.Writers("feed-db")[0]; strings.HasPrefix(text, "kill") && undecided[v.Do] && (took != "home" || !isAsked(out, "move")) {
				t.Errorf("%s: who takes over gives an undecided move up, and asks: the writer is in %s", what, took)
			}
			if told := out.Progress.NoWriter["feed-db"]; told < none {
				t.Errorf("%s: %s without a writer, and the run says %s", what, none.Duration(), told.Duration())
			}
			t.Logf("%-40s exit %d, without a writer %s, asked %d: %s", what, out.Exit, none.Duration(), len(out.Progress.Asked), out.Why)
		}
	}
}

// TestTwoFaultsOfAMove: every two requests of a move that meet two faults leave one writer, and a record that says so.
func TestTwoFaultsOfAMove(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	vs := plain.Verbs()
	first, last := vs[0].N, vs[len(vs)-1].N+4 // what a first fault makes necessary comes after
	kinds := []string{"lost reply at write %d", "lost write at write %d", "kill at write %d"}
	for n := first; n <= last; n++ {
		for m := n + 1; m <= last; m++ {
			for _, a := range kinds {
				for _, b := range kinds {
					faults := []string{fmt.Sprintf(a, n), fmt.Sprintf(b, m)}
					s, _ := moved(t, movesWriter, sim.Options{}, faults...)
					oneWriter(t, s, strings.Join(faults, ", "))
				}
			}
		}
	}
}

// TestAMoveIsGivenUpInTime: replication that is late from the fence on is waited for as long as noWriter allows, and no longer; then people
// are asked, and may try again.
func TestAMoveIsGivenUpInTime(t *testing.T) {
	fence := fenceOf(t, movesWriter, "feed-db")
	late := fmt.Sprintf("lag feed-db home→cloud 4s at %s for 20s", fence.At.Duration())
	again := said(fence.At+2*cutover.Minute, "accept", map[string]string{"step": "writes", "reason": "replication is well again"})
	s, out := moved(t, movesWriter, sim.Options{Commands: []sim.Timed{again}}, late)
	oneWriter(t, s, late)
	rs := s.Records()
	if _, none := s.TakesWrites("feed-db"); none > 2*cutover.Second || len(rs) < 3 || rs[2].Record.Phase == writer.Commit {
		t.Errorf("%s without a writer; %v", none.Duration(), rs)
	}
	if w := s.Writers("feed-db"); out.Exit != cutover.ExitDone || w[0] != "cloud" || !isAsked(out, "move") {
		t.Errorf("exit %d, the writer is in %v\n%s", out.Exit, w, allOf(out))
	}
}

// TestPairsMoveOneAfterTheOther: the second pair can't follow, and its lag leads back: both are at home then.
func TestPairsMoveOneAfterTheOther(t *testing.T) {
	text := strings.Replace(movesWriter, "pairs: [feed-db], noWriter: 2s", "pairs: [feed-db, user-db], noWriter: 20s", 1)
	text = strings.Replace(text, "  - name: writes\n", "  - name: writes\n    window: any\n", 1)
	fence := fenceOf(t, text, "user-db")
	fault := fmt.Sprintf("stop user-db home→cloud at %s for 2m", (fence.At - cutover.Millisecond).Duration())
	s, out := moved(t, text, sim.Options{}, fault)
	var order []string
	for _, r := range s.Records() {
		if r.Record.Phase == writer.Stable {
			order = append(order, r.Pair+" "+r.Record.Writer)
		}
	}
	want := "feed-db home, feed-db cloud, user-db home, user-db home, feed-db home" // made, moved; made, given up; moved back
	if got := strings.Join(order, ", "); got != want || out.Exit != cutover.ExitBack {
		t.Errorf("exit %d: %s\nwant %s\n%s", out.Exit, got, want, allOf(out))
	}
	for _, pair := range []string{"feed-db", "user-db"} {
		if both, _ := s.TakesWrites(pair); both > 0 || len(s.Writers(pair)) != 1 {
			t.Errorf("%s: two writers for %s, at the end %v", pair, both.Duration(), s.Writers(pair))
		}
	}
}

// TestFencingWaitsForTheJournal: a move that nobody could find out about isn't begun.
func TestFencingWaitsForTheJournal(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	begun := plain.Records()[1].At - 25*cutover.Millisecond
	s, _ := moved(t, movesWriter, sim.Options{}, fmt.Sprintf("journal stalls 5s at %s", begun.Duration()))
	if r := s.Records()[1]; r.Record.Phase != writer.Fencing || r.At < begun+5*cutover.Second {
		t.Errorf("%s at %s, and the journal stood still from %s for 5s", r.Record.Phase, r.At.Duration(), begun.Duration())
	}
	oneWriter(t, s, "journal stalls")
}

// TestTrafficWaitsForTheWriter: no share is written while a pair is between its sides, by whichever step.
func TestTrafficWaitsForTheWriter(t *testing.T) {
	text := strings.Replace(movesWriter, "  - name: more\n    shift: {cloud: {gw@home: [50%]}}\n", `  - name: beside
    shift: {cloud: {search@home: [5%]}}
    approve: {by: ops, within: 1h, else: hold}
    after: []
`, 1)
	never := sim.Options{ApproveAfter: -1}
	plain, _ := moved(t, text, sim.Options{ApproveAfter: time.Hour})
	begun := plain.Records()[1].At
	never.Commands = []sim.Timed{said(begun+10*cutover.Millisecond, "approve", map[string]string{"step": "beside"})}
	s, out := moved(t, text, never)
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d\n%s", out.Exit, allOf(out))
	}
	var from, to cutover.T
	for _, r := range s.Records() {
		switch r.Record.Phase {
		case writer.Fencing:
			from = r.At
		case writer.Stable:
			to = r.At
		}
	}
	for _, w := range s.Writes() {
		if w.At > from && w.At < to {
			t.Errorf("%s %s → %s at %s: the writer moved from %s to %s", w.Object, w.Before, w.After, w.At.Duration(), from.Duration(), to.Duration())
		}
	}
	if from == 0 {
		t.Error("no writer moved")
	}
}

// TestDryRunMovesNoWriter: a dry run says which records it would write, and nothing of a master or a record is changed.
func TestDryRunMovesNoWriter(t *testing.T) {
	said := func(rs []cutover.Record) (out []string) {
		for _, r := range rs {
			if r.Writer != nil {
				out = append(out, fmt.Sprintf("%s of %s, epoch %d", r.Writer.Phase, r.Writer.Writer, r.Writer.Epoch))
			}
		}
		return out
	}
	real, _, rs, _ := oneNight(t, "move-writer", false, sim.Options{}, nil)
	s, res, dry, _ := oneNight(t, "move-writer", true, sim.Options{}, nil)
	if w := real.Writers("feed-db"); len(w) != 1 || w[0] != "cloud" {
		t.Errorf("the run leaves the writer in %v", w)
	}
	if w := s.Writers("feed-db"); len(w) != 1 || w[0] != "home" || len(s.Records()) > 0 || len(s.Verbs()) > 0 {
		t.Errorf("dry: the writer is in %v, records %v, requests %v", w, s.Records(), s.Verbs())
	}
	if a, b := said(rs), said(dry); !slices.Equal(a, b) || len(a) != 4 {
		t.Errorf("the dry run tells %v, the run %v", b, a)
	}
	if res.Exit != cutover.ExitStopped && res.Exit != cutover.ExitResting {
		t.Errorf("exit %d", res.Exit)
	}
}

func noneOf(_, none cutover.T) cutover.T { return none }

// TestAMoveThatMayNotBeginYetWaits: for as long as something speaks against it a move isn't begun, nothing is fenced and nobody is asked, and
// what is waited for is shown; the sessions on the masters are kept, and it is begun once nothing does.
func TestAMoveThatMayNotBeginYetWaits(t *testing.T) {
	at := fenceOf(t, movesWriter, "feed-db").At
	s, out := moved(t, movesWriter, sim.Options{}, "early feed-db at 1s for 40m")
	i := slices.IndexFunc(s.Verbs(), func(v sim.Verb) bool { return v.Do == writer.Fence })
	if i < 0 || s.Verbs()[i].At < 40*cutover.Minute || at > 39*cutover.Minute {
		t.Errorf("fenced at %v, and at %v without a reason to wait", s.Verbs(), at.Duration())
	}
	if all := allOf(out); strings.Contains(all, "accept tries again") {
		t.Errorf("somebody is asked:\n%s", all)
	}
	if out.Exit != 0 || !slices.Equal(out.Writers["feed-db"], []cutover.Room{"cloud"}) {
		t.Errorf("exit %v, the writer in %v:\n%s", out.Exit, out.Writers["feed-db"], allOf(out))
	}
}
