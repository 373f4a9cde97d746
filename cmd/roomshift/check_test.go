package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// TestCheckLiveSaysWhatOnlyAPlanSees: over what the rooms hold now, a settle that can't be reached and a rung that can't reach
// minEvents are findings like a key that can't be read; what is only to be looked at is none.
func TestCheckLiveSaysWhatOnlyAPlanSees(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string // Seen of each finding that isn't well
	}{
		"it can be run": {"steps:\n  - shift: {cloud: {gw@home: 2%}}\n", nil},
		"settle":        {"steps:\n  - shift: {cloud: {entry: 2%}}\n    settle: {within: 30s}\n", []string{"settle within 30s can't be reached"}},
		"minEvents": {"gates: {errors: {minEvents: 1500000}}\nsteps:\n  - shift: {cloud: {gw@home: 2%}}\n",
			[]string{"errors would see [0-9]+ requests in cloud in 5 m at .* it needs 1500000; the smallest share that is enough is [0-9.]+ %"}},
		"a problem": {"steps:\n  - shift: {cloud: {gw@home: 20%}}\n", []string{"a rung moves at most 5 points"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, problems := planOf(t, "version: 1\nname: one\nmove: {from: home, to: cloud}\n"+c.text)
			var bad []finding
			well := 0
			for _, f := range planned(p, problems) {
				if f.OK {
					well++
				} else {
					bad = append(bad, f)
				}
			}
			if len(bad) != len(c.want) || (well == 1) != (len(c.want) == 0) {
				t.Fatalf("%d findings are well, and these aren't: %+v\nwant %q", well, bad, c.want)
			}
			for i, want := range c.want {
				if !regexp.MustCompile(want).MatchString(bad[i].Seen) || bad[i].Do == "" {
					t.Errorf("%+v\nwant %q, and what to do", bad[i], want)
				}
			}
		})
	}
}

// planOf plans a runbook over the shipped rooms, simulated.
func planOf(t *testing.T, text string) (*cutover.Plan, []runbooks.Problem) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "one.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := runbooks.Load(file, "../../runbooks/library/rooms.yaml")
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l)
	}
	s, err := sim.New(l, sim.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	p, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: s.World().Planes, Snapshot: snap})
	if len(problems) > 0 {
		return nil, problems
	}
	p.Estimates = p.Estimate(snap)
	return p, nil
}

// TestPlanSaysVerifyWithin: what the runbook says, or the default as such.
func TestPlanSaysVerifyWithin(t *testing.T) {
	for line, want := range map[string]string{"verifyWithin: 20m\n": "\nVERIFIED    within 20m after going back\n", "": "\n(default)   verifyWithin 10m: "} {
		p, problems := planOf(t, "version: 1\nname: one\nmove: {from: home, to: cloud}\n"+line+"steps:\n  - shift: {cloud: {gw@home: 2%}}\n")
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		var b strings.Builder
		planScreen(&b, p, nil, nil, "", nil)
		if got := b.String(); !strings.Contains(got, want) || strings.Count(got, "verifyWithin")+strings.Count(got, "VERIFIED") != 1 {
			t.Errorf("%q isn't in\n%s", want, got)
		}
	}
}
