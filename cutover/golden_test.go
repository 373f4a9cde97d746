package cutover

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var addGolden = flag.Bool("golden", false, "write golden journals that aren't there yet")

// goldens are the journals of testdata/golden and what their fold comes to. A journal that was ever written must be readable for
// ever: files are added, never written again. `go test -run Golden -golden` adds what is missing.
var goldens = []struct {
	name, comesTo string
	write         func(testing.TB) *story
}{
	{"every-kind", "phase back exit 0 target start segment 2 holders 3 open 0", func(t testing.TB) *story { return kindsSince(t, false) }},
	{"after-a-move", "phase back exit 0 target start segment 2 holders 3 open 0", everyKind},
	{"rests-at-noon", "phase resting exit 7 target  segment 1 holders 1 open 0", func(t testing.TB) *story { s := newStory(t); resting(s); return s }},
	{"rolled-back", "phase over exit 3 target start segment 1 holders 1 open 0", rolledBack},
	{"killed-in-flight", "phase forward exit 0 target  segment 1 holders 1 open 2", killedInFlight},
	{"frozen", "phase frozen exit 0 target  segment 1 holders 1 open 0", func(t testing.TB) *story { s := newStory(t); frozen(s); return s }},
}

func rolledBack(t testing.TB) *story {
	s := newStory(t)
	back(s)
	s.add(gateway(3, Undo, "home", 0, 10, 3, false), gateway(4, Undo, "cloud", 0, 10, 3, true), doneOf(4, gwCloud.Object, "v4"), doneOf(3, gwHome.Object, "v3"),
		PhaseMark{Phase: PhaseOver, Exit: ExitBack, Timing: &Timing{Age: Second, Crossed: 3, Decided: 4, FirstWrite: 5, Read: 6, Seen: 7}})
	return s
}

func killedInFlight(t testing.TB) *story {
	s := begun(t)
	s.step(0, 0, StepWaiting, StepApplying)
	s.add(gateway(1, Forward, "home", 0, 3, 10, false), gateway(2, Forward, "cloud", 0, 3, 10, true), UnknownMark{Request: 1, Objects: []string{gwHome.Object}, For: 10 * Second})
	return s
}

func (p *Progress) comesTo() string {
	return fmt.Sprintf("phase %s exit %d target %s segment %d holders %d open %d", p.Phase, p.Exit, p.Target, p.Segment, p.Holders, p.OpenCount())
}

func TestGoldenJournalsStayReadable(t *testing.T) {
	dir := filepath.Join("testdata", "golden")
	for _, g := range goldens {
		path := filepath.Join(dir, g.name+".jsonl")
		if _, err := os.Stat(path); err != nil && *addGolden {
			if err := os.WriteFile(path, g.write(t).lines, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p := foldLines(t, path, data)
		if got := p.comesTo(); got != g.comesTo {
			t.Errorf("%s comes to %q; want %q", path, got, g.comesTo)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != len(goldens) {
		t.Errorf("%d files, %d are read: %v", len(files), len(goldens), err)
	}
}

// foldLines reads a journal's text and folds every prefix of it.
func foldLines(t *testing.T, path string, data []byte) *Progress {
	t.Helper()
	var rs []Record
	for i, line := range bytes.Split(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\n'}) {
		r, err := ParseLine(bytes.TrimSuffix(line, []byte{' '}))
		if err != nil {
			t.Fatalf("%s:%d: %v", path, i+1, err)
		}
		rs = append(rs, *r)
	}
	p := NewProgress()
	for n := range len(rs) + 1 {
		var err error
		if p, err = Fold(rs[:n]); err != nil {
			t.Fatalf("%s: the first %d records: %v", path, n, err)
		}
	}
	return p
}

// The form of a line written now is the form of one written then.
func TestGoldenJournalsAreWrittenTheSameToday(t *testing.T) {
	for _, g := range goldens {
		data, err := os.ReadFile(filepath.Join("testdata", "golden", g.name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		old, now := strings.SplitAfter(string(data), "\n"), strings.SplitAfter(string(g.write(t).lines), "\n")
		if len(old) != len(now) {
			t.Errorf("%s: %d lines then, %d now", g.name, len(old), len(now))
		}
	}
}
