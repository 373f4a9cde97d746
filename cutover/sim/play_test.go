package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	store "roomshift/cutover/journal"
	"roomshift/runbooks"
)

// ends is how a run ended, for messages.
func ends(out *Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "exit %d after %s by %d processes; %s", out.Exit, out.Took, out.Runners, out.Why)
	n := max(0, len(out.Records)-12)
	for i := range out.Records[n:] {
		line, _ := cutover.AppendLine(nil, &out.Records[n+i])
		_, line, _ = bytes.Cut(line, []byte(`"prev":`))
		fmt.Fprintf(&b, "\n  %s %.200s", out.Records[n+i].Kind, line[min(67, len(line)):])
	}
	return b.String()
}

func share(out *Outcome, route, at string) int {
	return out.Truth[cutover.Seat{Route: route, At: at}]["cloud"]
}

// TestClimb: a quiet night reaches the last step, and the rooms hold what the runbook says.
func TestClimb(t *testing.T) {
	out := play(t, "climb", Options{})
	if out.Exit != cutover.ExitDone || len(out.NotFired) > 0 || out.Runners != 1 {
		t.Fatal(ends(out))
	}
	for _, c := range []struct {
		route, at string
		cloud     int
	}{{"gw", "home", 0}, {"gw", "cloud", 10000}, {"www", "telecom", 3000}, {"api", "default", 3000}, {"search", "home", 3000}, {"im", "home", 3000}, {"legacy", "home", 0}} {
		if got := share(out, c.route, c.at); got < c.cloud-cutover.Near || got > c.cloud+cutover.Near {
			t.Errorf("%s@%s ends with %d in the cloud, want %d", c.route, c.at, got, c.cloud)
		}
	}
}

// TestShipped: every shipped runbook reaches its last step in quiet rooms, with any seed.
func TestShipped(t *testing.T) {
	for _, book := range runbooks.Library() {
		t.Run(book, func(t *testing.T) {
			l, err := runbooks.Load(book, "")
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(3) {
				s, err := New(l, Options{Seed: seed})
				if err != nil {
					t.Fatal(err)
				}
				out, err := s.Run(context.Background())
				if err != nil || out.Exit != cutover.ExitDone {
					t.Fatalf("seed %d: %v: %s", seed, err, ends(out))
				}
			}
		})
	}
}

// TestOneJournal: one seed gives one journal, in however many goroutines; another seed gives another.
func TestOneJournal(t *testing.T) {
	l := loadTest(t, "climb")
	f, err := ParseFault("kill at write 3")
	if err != nil {
		t.Fatal(err)
	}
	write := func(seed uint64) string {
		s, err := New(l, Options{Seed: seed, Faults: []Fault{f}})
		if err != nil {
			t.Error(err)
			return ""
		}
		out, err := s.Run(context.Background())
		if err != nil {
			t.Error(err)
			return ""
		}
		lines, err := out.Lines()
		if err != nil {
			t.Error(err)
		}
		return string(lines)
	}
	want := write(1)
	if want == "" || write(2) == want {
		t.Fatal("two seeds give one journal")
	}
	for _, procs := range []int{1, 2, 7} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 3 {
					if write(1) != want {
						t.Error("the same seed gives another journal")
					}
				}
			})
		}
		wait.Wait()
	}
}

// TestPiecesGiveTheSameJournal: what is decided doesn't depend on how samples are handed over.
func TestPiecesGiveTheSameJournal(t *testing.T) {
	for _, faults := range [][]string{nil, {"errors cloud 3% at 10m"}, {"lag feed-db home→cloud 10s at 8m"}, {"prometheus cloud down at 9m for 1m"}} {
		one, piece := play(t, "climb", Options{Samples: true}, faults...), play(t, "climb", Options{}, faults...)
		a, err := one.Lines()
		if err != nil {
			t.Fatal(err)
		}
		b, err := piece.Lines()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			la, lb := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
			for i := range min(len(la), len(lb)) {
				if !bytes.Equal(la[i], lb[i]) {
					t.Errorf("%v: record %d is\n%s one by one,\n%s by pieces", faults, i+1, la[i], lb[i])
					break
				}
			}
		}
	}
}

// TestFaultsEnd: what a run comes to under each kind of trouble. The codes are those of the engine's laws; that the rooms give the
// trouble its right shape is what is tested here.
func TestFaultsEnd(t *testing.T) {
	for _, c := range []struct {
		faults []string
		exit   cutover.Exit
		start  bool // everything is back where it was
	}{
		{[]string{"errors cloud 3% at 14m"}, cutover.ExitBack, true},
		{[]string{"lag feed-db home→cloud 10s at 14m"}, cutover.ExitBack, true},
		{[]string{"lag feed-db home→cloud 10s at 14m", "lag feed-db cloud→home 10s at 14m"}, cutover.ExitStopped, false},
		{[]string{"cut at 14m"}, cutover.ExitStopped, false},
		{[]string{"errors home 3% at 14m"}, cutover.ExitStopped, false},
		{[]string{"errors home 3% at 14m", "errors cloud 3% at 14m"}, cutover.ExitStopped, false},
		{[]string{"lost reply at write 2"}, cutover.ExitDone, false},
		{[]string{"lost write at write 2"}, cutover.ExitDone, false},
		{[]string{"hang write 2"}, cutover.ExitDone, false},
		{[]string{"late write 2 9s"}, cutover.ExitDone, false},
		{[]string{"fail write 2"}, cutover.ExitDone, false},
		{[]string{"slow api home 2s at 11m for 10m"}, cutover.ExitDone, false},
		{[]string{"kill at write 3"}, cutover.ExitDone, false},
		{[]string{"kill at record 20"}, cutover.ExitDone, false},
		{[]string{"kill before record 20"}, cutover.ExitDone, false},
		{[]string{"kill before record 1"}, cutover.ExitDone, false},
		{[]string{"kill at 13m", "kill at 16m"}, cutover.ExitDone, false},
		{[]string{"lock lost at 13m"}, cutover.ExitStopped, false},
		{[]string{"consul home down at 13m for 10s"}, cutover.ExitDone, false},
		{[]string{"consul home down at 13m for 2m"}, cutover.ExitStopped, false},
		{[]string{"journal stalls 20s at 13m"}, cutover.ExitDone, false},
		{[]string{"journal unanswered at record 20"}, cutover.ExitDone, false},
		{[]string{"replace half im at 28m30s"}, cutover.ExitDone, false},
	} {
		t.Run(strings.Join(c.faults, ", "), func(t *testing.T) {
			out := play(t, "climb", Options{}, c.faults...)
			if out.Exit != c.exit || len(out.NotFired) > 0 {
				t.Fatalf("want exit %d; not fired %v: %s", c.exit, out.NotFired, ends(out))
			}
			if got := share(out, "gw", "home"); c.start && got != 0 {
				t.Errorf("gw@home ends with %d in the cloud, want what it had", got)
			}
		})
	}
}

// TestKilledAnywhere: killed at a record, kept or lost, with and without trouble beside it, the run ends as it would have.
func TestKilledAnywhere(t *testing.T) {
	records := len(play(t, "climb", Options{}).Records)
	for _, c := range []struct {
		fault string
		exit  cutover.Exit
	}{{"lost reply at write 3", cutover.ExitDone}, {"errors cloud 3% at 14m", cutover.ExitBack}} {
		reached := len(play(t, "climb", Options{}, c.fault).Records)
		for i := 1; i <= min(records, reached); i += 7 {
			for _, kill := range []string{"kill at record ", "kill before record "} {
				out := play(t, "climb", Options{}, kill+strconv.Itoa(i), c.fault)
				if out.Exit != c.exit || len(out.NotFired) > 0 {
					t.Errorf("%s%d, %s: not fired %v: %s", kill, i, c.fault, out.NotFired, ends(out))
				}
			}
		}
	}
}

// TestOtherJournal: the run may be journaled elsewhere.
func TestOtherJournal(t *testing.T) {
	to := store.NewMemory("0126-07")
	out := play(t, "climb", Options{Journal: to, Run: "0126-07"})
	rs, torn, err := to.Read(context.Background())
	if err != nil || torn != "" || len(rs) != len(out.Records) || out.Exit != cutover.ExitDone {
		t.Errorf("%d records, %q, %v: %s", len(rs), torn, err, ends(out))
	}
}

// TestNoPlan: a runbook that can't be planned says so, with every problem, and nothing is done.
func TestNoPlan(t *testing.T) {
	book := "version: 1\nname: jump\nmove: {from: home, to: cloud}\nsteps:\n  - shift: {cloud: {gw@home: [60%]}}\n"
	s := newTest(t, book, Options{})
	out, err := s.Run(context.Background())
	if err != nil || out.Exit != cutover.ExitUsage || len(out.Problems) == 0 || len(s.Writes()) > 0 {
		t.Errorf("exit %d, problems %v, error %v", out.Exit, out.Problems, err)
	}
}

// TestCancelled: the caller's context ends the simulation.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newTest(t, "climb", Options{Pace: func(at cutover.T) {
		if at > 5*cutover.Minute {
			cancel()
		}
	}})
	if _, err := s.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended by %v", err)
	}
}

// TestNights: a run rests when the window shuts and goes on by itself when the next one opens.
func TestNights(t *testing.T) {
	book := `version: 1
name: nights
move: {from: home, to: cloud}
bake: 31m
rules:
  windows: {night: {days: [mon, tue, wed, thu, fri], between: ["02:00", "03:00"]}}
steps:
  - shift: {cloud: {gw@home: [1%, 5%]}}
  - checkpoint: one
  - shift: {cloud: {gw@home: [10%, 20%]}}
  - checkpoint: two
`
	out := play(t, book, Options{})
	if out.Exit != cutover.ExitDone || share(out, "gw", "home") != 2000 {
		t.Fatal(ends(out))
	}
	if out.Took < 24*time.Hour || out.Runners != 2 {
		t.Errorf("it took %s and %d processes, want another night by another", out.Took, out.Runners)
	}
	for i := range out.Records {
		if r := &out.Records[i]; r.Run != nil && !strings.Contains(r.Wall, "T02:00:0") {
			t.Errorf("a process began at %s, want when the window opens", r.Wall)
		}
	}
}

// TestAQuestionWithoutAnswer: a question that nobody answers ends the simulation, though people say something else meanwhile.
func TestAQuestionWithoutAnswer(t *testing.T) {
	say := func(at time.Duration, verb string) Timed {
		return Timed{At: at, Command: cutover.Command{ID: verb, Verb: verb, Who: "ops1"}}
	}
	out := play(t, "climb", Options{Seed: 1, Commands: []Timed{say(11*time.Minute, "freeze"), say(12*time.Minute, "resume")}}, "fail writes at 1s for 10m")
	if out.Exit != cutover.ExitStopped || out.Took > 3*time.Hour {
		t.Errorf("%s after %s; want %d within hours", ends(out), out.Took, cutover.ExitStopped)
	}
}

// TestPeople: they approve after a while, or never; commands come at their time.
func TestPeople(t *testing.T) {
	book := `version: 1
name: asks
move: {from: home, to: cloud}
bake: 1m
steps:
  - name: first
    approve: {by: dba, within: 30m, else: hold}
    shift: {cloud: {gw@home: [1%, 5%]}}
  - name: then
    ask: {by: duty, within: 30m, else: hold}
`
	if out := play(t, book, Options{}); out.Exit != cutover.ExitDone {
		t.Error(ends(out))
	}
	if out := play(t, book, Options{ApproveAfter: -1}); out.Exit == cutover.ExitDone || len(out.Writes) > 0 {
		t.Errorf("nobody approves: %s", ends(out))
	}
	back := Timed{At: 4 * time.Minute, Command: cutover.Command{Verb: "back", Who: "ops2"}}
	if out := play(t, book, Options{Commands: []Timed{back}}); out.Exit != cutover.ExitBack || share(out, "gw", "home") != 0 {
		t.Errorf("sent back: %s", ends(out))
	}
}
