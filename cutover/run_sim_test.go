package cutover_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// loadShares loads a shipped runbook as most tests of shares want it: spring-festival-out and -back without the steps that move writers, which
// have tests of their own. What a kill, or a lost reply, makes of a write role is asked of people, and these tests have nobody to ask.
func loadShares(name string) (*runbooks.Loaded, error) {
	l, err := runbooks.Load(name, "")
	if err == nil && strings.HasPrefix(name, "spring-festival") {
		l.Book.Steps = slices.DeleteFunc(l.Book.Steps, func(st runbooks.Step) bool { return st.Writer != nil })
	}
	return l, err
}

func loaded(t testing.TB, book string) *runbooks.Loaded {
	t.Helper()
	l, err := loadShares(book)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Problems {
		t.Error(p.Error())
	}
	return l
}

// play runs a shipped runbook in simulated rooms.
func play(t testing.TB, book string, o sim.Options, faults ...string) *sim.Outcome {
	t.Helper()
	_, out := playSim(t, book, o, faults...)
	for _, p := range out.Problems {
		t.Error(p.Error())
	}
	return out
}

// story is a run's records and notes, a line each, plans left out.
func story(out *sim.Outcome) string {
	text := "\n"
	for _, h := range out.Timeline {
		line := h.Note
		if h.Record != nil && h.Record.Plan == nil {
			b, err := cutover.AppendLine(nil, h.Record)
			if err != nil {
				line = err.Error()
			} else if i := bytes.Index(b, []byte(`"kind"`)); i > 0 {
				line = string(prevHash.ReplaceAll(b[i:len(b)-1], nil))
			}
		}
		text += fmt.Sprintf("%s %s\n", h.At, line)
	}
	return text
}

var prevHash = regexp.MustCompile(`,"prev":"[0-9a-f]*"`)

func TestLibraryRuns(t *testing.T) {
	for _, name := range runbooks.Library() {
		t.Run(name, func(t *testing.T) {
			out := play(t, name, sim.Options{Seed: 1})
			if out.Exit != cutover.ExitDone {
				t.Log(story(out))
				t.Errorf("exit %d (%s), %d records, took %s; want 0", out.Exit, out.Why, len(out.Records), out.Took)
			}
			t.Logf("%d records, %d writes, %s of virtual time", len(out.Records), len(out.Writes), out.Took)
		})
	}
}

// sameTruth compares what the rooms hold in truth at the end.
func sameTruth(t *testing.T, name string, got, want map[cutover.Seat]cutover.Share) {
	t.Helper()
	for seat, w := range want {
		if !maps.Equal(got[seat], w) {
			t.Errorf("%s: %s holds %v; want %v", name, seat, got[seat], w)
		}
	}
}

// TestKillEverywhere kills the process at each record, lets another take over, and wants the end that the run has without it.
func TestKillEverywhere(t *testing.T) {
	for _, c := range []struct{ book, fault string }{
		{"drill-3-percent", ""},
		{"to-cloud", ""},
		{"to-cloud", "errors cloud 20% at 5m"},
		{"to-cloud", "errors cloud 20% at 5m for 1m"},
		{"spring-festival-out", "errors cloud 20% at 100m"},
	} {
		var faults []string
		if c.fault != "" {
			faults = []string{c.fault}
		}
		base := play(t, c.book, sim.Options{Seed: 1}, faults...)
		if c.fault != "" && base.Exit != cutover.ExitBack {
			t.Errorf("%s with %s: exit %d; want 3", c.book, c.fault, base.Exit)
		}
		cases := 0
		every := 1
		if testing.Short() {
			every = 7 // the race detector makes a run some ten times slower
		}
		for n := 1; n <= len(base.Records); n += every {
			name := fmt.Sprintf("%s, %s, kill at record %d", c.book, c.fault, n)
			out := play(t, c.book, sim.Options{Seed: 1}, append(faults, fmt.Sprintf("kill at record %d", n))...)
			if out.Exit != base.Exit {
				t.Errorf("%s: exit %d (%s); want %d", name, out.Exit, out.Why, base.Exit)
				if t.Failed() {
					t.Log(story(out))
					return
				}
			}
			sameTruth(t, name, out.Truth, base.Truth)
			cases++
		}
		t.Logf("%s, %q: %d kills, all end with %d", c.book, c.fault, cases, base.Exit)
	}
}

// say is a person's word at a moment.
func say(at cutover.T, verb string, args ...string) sim.Timed {
	m := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		m[args[i]] = args[i+1]
	}
	return sim.Timed{At: at.Duration(), Command: cutover.Command{Verb: verb, Who: "ops1", Args: m}}
}

// book writes a runbook beside the shipped rooms and returns its path.
func book(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	rooms, err := os.ReadFile(filepath.Join("..", "runbooks", "library", "rooms.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"rooms.yaml": rooms, "book.yaml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "book.yaml")
}

// recordsOf is every record of the timeline, of whichever process.
func recordsOf(s *sim.Sim) []cutover.Record {
	var rs []cutover.Record
	for _, h := range s.Timeline() {
		if h.Record != nil {
			rs = append(rs, *h.Record)
		}
	}
	return rs
}

// faultsOf reads faults as people write them.
func faultsOf(t testing.TB, texts []string) []sim.Fault {
	t.Helper()
	var faults []sim.Fault
	for _, text := range texts {
		f, err := sim.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	return faults
}

// simOf builds the rooms of a runbook with faults.
func simOf(t testing.TB, name string, o sim.Options, faults ...string) *sim.Sim {
	t.Helper()
	o.Faults = append(o.Faults, faultsOf(t, faults)...)
	s, err := sim.New(loaded(t, name), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// playSim is play that keeps the rooms.
func playSim(t testing.TB, name string, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	s := simOf(t, name, o, faults...)
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s, out
}

// changeRooms puts a text in place of another, once each, in the rooms.yaml beside a book.
func changeRooms(t *testing.T, book string, pairs ...string) {
	t.Helper()
	file := filepath.Join(filepath.Dir(book), "rooms.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i+1 < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%s has %q %d times; want once", file, pairs[i], n)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
