package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what a person sees with what was read and found good before.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test ./cmd/roomshift -update writes it; read it before you keep it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-golden +now):\n%s", file, diff)
	}
}

// watched is a simulated run of a shipped runbook, with its plan, its planes, and the views that were asked for at these times.
func watched(t *testing.T, book string, faults []string, at ...time.Duration) (*cutover.Plan, []cutover.Plane, []*cutover.View) {
	t.Helper()
	l, err := runbooks.Load(book, "")
	if err != nil || len(l.Problems) > 0 {
		t.Fatalf("load %s: %v %v", book, err, l)
	}
	// Without its writers spring-festival-out is over in one night, and so in one process.
	l.Book.Steps = slices.DeleteFunc(l.Book.Steps, func(st runbooks.Step) bool { return st.Writer != nil })
	o := sim.Options{Seed: 1, Version: "test"}
	o.Faults = faultsOf(t, faults)
	for _, d := range at {
		o.Commands = append(o.Commands, sim.Timed{At: d, Command: cutover.Command{ID: d.String(), Verb: "status", Who: "ops1"}})
	}
	last := at[len(at)-1] + time.Second
	o.Commands = append(o.Commands, sim.Timed{At: last, Command: cutover.Command{ID: "stop", Verb: "stop", Who: "ops1"}})
	s, err := sim.New(l, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	snap, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := s.World()
	plan, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: w.Planes, Snapshot: snap})
	if len(problems) > 0 {
		t.Fatalf("plan %s: %v", book, problems)
	}
	plan.Estimates = plan.Estimate(snap)
	heard := &answers{Operators: w.Operators}
	w.Operators = heard
	if _, err := cutover.Run(ctx, w, cutover.Start{Run: "0126-01", Plan: plan, Why: "start", Version: "test", Host: "ops-1", User: "ops1", PID: 1000, Rates: snap.Rates}); err != nil {
		t.Fatal(err)
	}
	if len(heard.views) != len(at) {
		t.Fatalf("%d views came; want %d", len(heard.views), len(at))
	}
	return plan, w.Planes, heard.views
}

// answers keeps the views that a run answers with.
type answers struct {
	cutover.Operators
	views []*cutover.View
}

func (a *answers) Answer(id string, ans cutover.Answer) {
	if ans.View != nil {
		a.views = append(a.views, ans.View)
	}
	a.Operators.Answer(id, ans)
}

func TestScreensOfShippedRunbooks(t *testing.T) {
	for _, c := range []struct {
		name, book string
		faults     []string
		at         time.Duration
	}{
		{"baking", "spring-festival-out", nil, 50 * time.Minute},
		{"kept", "spring-festival-out", []string{"join 3 search in home at 1h39m30s"}, 100 * time.Minute},
		{"asked", "spring-festival-out", nil, 2*time.Hour + 7*time.Minute},
		{"resting", "spring-festival-out", nil, 2*time.Hour + 35*time.Minute},
		{"frozen", "spring-festival-out", []string{"cut at 50m"}, 53 * time.Minute},
		{"held", "spring-festival-out", []string{"blind cache at 50m"}, 51 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, views := watched(t, c.book, c.faults, c.at)
			var b bytes.Buffer
			screen(&b, views[0])
			narrow(t, b.Bytes())
			golden(t, "screen-"+c.name+".txt", b.Bytes())
			if q := approval(views[0], ""); q != nil {
				b.Reset()
				approvePage(&b, views[0], q)
				narrow(t, b.Bytes())
				golden(t, "approve-"+c.name+".txt", b.Bytes())
			}
		})
	}
}

func TestPlanScreens(t *testing.T) {
	for _, book := range []string{"spring-festival-out", "drill-3-percent", "to-cloud"} {
		t.Run(book, func(t *testing.T) {
			plan, planes, _ := watched(t, book, nil, time.Minute)
			var b bytes.Buffer
			planScreen(&b, plan, planes, nil, "", nil)
			narrow(t, b.Bytes())
			golden(t, "plan-"+book+".txt", b.Bytes())
		})
	}
}

// narrow holds that a screen fits a terminal of 110 columns.
func narrow(t *testing.T, b []byte) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 110 {
			t.Errorf("a line is %d wide; want at most 110: %s", n, line)
		}
	}
}
