package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// recorded writes a simulated run's journal into the state folder as NAME.
func recorded(t *testing.T, env, name, book string, faults ...string) string {
	t.Helper()
	base, err := stateDir()
	if err != nil {
		t.Fatal(err)
	}
	out := simulation(t, book, sim.Options{Seed: 1, Run: name}, faults...)
	b, err := out.Lines()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, env, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStateDir(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/x")
	if got, err := stateDir(); err != nil || got != "/x/roomshift" {
		t.Errorf("%s, %v; want /x/roomshift", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/h")
	if got, err := stateDir(); err != nil || got != "/h/.local/state/roomshift" {
		t.Errorf("%s, %v; want /h/.local/state/roomshift", got, err)
	}
}

func TestNewRunName(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2027, 1, 26, 2, 0, 0, 0, time.UTC)
	for range 100 {
		name, err := newRunName(dir, now)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^0126-[a-z2-9]{2}$`).MatchString(name) {
			t.Fatalf("a run is called %s; want MMDD and two letters or digits", name)
		}
		// Mkdir refuses a name that is there already.
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindRun(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if _, err := findRun(""); exitCode(err) != cutover.ExitUsage || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("no run: %v", err)
	}
	recorded(t, "lab", "0125-aa", "to-cloud")
	if _, err := findRun(""); err == nil || !strings.Contains(err.Error(), "0125-aa") {
		t.Errorf("one that is over: %v; want it named", err)
	}
	r, err := findRun("0125-aa")
	if err != nil || !r.over() || r.alive {
		t.Fatalf("by its name: %+v, %v; want it, over and without a process", r, err)
	}
	live := recorded(t, "lab", "0126-bb", "spring-festival-out", "cut at 50m")
	if r, err := findRun(""); err != nil || r.name != "0126-bb" {
		t.Errorf("the only one that isn't over: %v", err)
	}
	recorded(t, "production", "0126-cc", "spring-festival-out", "errors cloud 5% at 20m")
	if _, err := findRun(""); err == nil || !strings.Contains(err.Error(), "name one of 0126-bb, 0126-cc") {
		t.Errorf("two: %v; want both named", err)
	}

	// of two, the one that lives is meant
	var o *operators
	o, err = listen(socketPath(live), func(c cutover.Command) { go o.Answer(c.ID, cutover.Answer{OK: true}) })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Start(ctx)
	if r, err := findRun(""); err != nil || r.name != "0126-bb" || !r.alive {
		t.Errorf("with one alive: %v; want it", err)
	}
	if _, err := findRun("nosuch"); exitCode(err) != cutover.ExitUsage || !strings.Contains(err.Error(), "0125-aa, 0126-bb, 0126-cc") {
		t.Errorf("one that isn't there: %v; want all named", err)
	}
}

func TestJournalThatCannotBeRead(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := recorded(t, "lab", "0125-aa", "to-cloud")
	file := filepath.Join(dir, "journal.jsonl")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), `"why":"start"`, `"why":"begin"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := findRun("0125-aa")
	if err != nil {
		t.Fatal(err)
	}
	if r.err == nil || !strings.Contains(standing(r), "can't be read") {
		t.Errorf("a journal that was edited: %v, %s", r.err, standing(r))
	}
}

// faultsOf reads faults as people write them.
func faultsOf(t *testing.T, texts []string) []sim.Fault {
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

// simulation is a simulated run of a shipped runbook.
func simulation(t *testing.T, book string, o sim.Options, faults ...string) *sim.Outcome {
	t.Helper()
	l, err := runbooks.Load(book, "")
	if err != nil {
		t.Fatal(err)
	}
	o.Faults = faultsOf(t, faults)
	s, err := sim.New(l, o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
