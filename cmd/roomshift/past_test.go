package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// pastRun is a simulated run of a shipped runbook with a fault, by its name and records.
type pastRun struct {
	name    string
	records []cutover.Record
}

func simulated(t *testing.T, name, book, fault string) pastRun {
	t.Helper()
	out := simulation(t, book, sim.Options{Seed: 1}, fault)
	return pastRun{name, out.Records}
}

// TestNearestMiss: plan names the reading that came nearest to a limit in the newest runs of the same runbook, and no other's.
func TestNearestMiss(t *testing.T) {
	plan, _, _ := watched(t, "drill-3-percent", nil, time.Minute)
	in := func(runs ...pastRun) string {
		return missIn(plan, func(yield func(string, []cutover.Record) bool) {
			for _, r := range runs {
				if !yield(r.name, r.records) {
					return
				}
			}
		})
	}
	quiet := simulated(t, "0120-qq", "drill-3-percent", "value slow 100ms at 5m for 1s") // cold caches: 88.18 %
	bad := simulated(t, "0121-aa", "drill-3-percent", "value slow 600ms at 22m for 30s")
	other := simulated(t, "0122-aa", "spring-festival-out", "value slow 700ms at 30m for 1m")
	for _, c := range []struct {
		name string
		runs []pastRun
		want string
	}{
		{"none", nil, ""},
		{"of another runbook", []pastRun{other}, ""},
		{"a quiet one", []pastRun{quiet, other}, `nearest to a limit in the last run: cache@cloud 88.18 % of 90 % (0120-qq, "three percent" rung 1, Wed 27 Jan 10:46:15)`},
		{"a bad one before", []pastRun{other, quiet, bad}, `nearest to a limit in the last 2 runs: slow@home 600 ms of 400 ms (0121-aa, "three percent" rung 2, Wed 27 Jan 11:`},
		{"a bad one last", []pastRun{bad, quiet}, `nearest to a limit in the last 2 runs: slow@home 600 ms of 400 ms (0121-aa`},
		{"long ago", []pastRun{quiet, quiet, quiet, quiet, quiet, quiet, quiet, bad}, `nearest to a limit in the last 7 runs: cache@cloud 88.18 % of 90 % (0120-qq`},
	} {
		if got := in(c.runs...); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q, wanted %q…", c.name, got, c.want)
		}
	}
	plan.Gates = slices.DeleteFunc(plan.Gates, func(g cutover.GatePlan) bool { return g.Name == "cache" })
	if got := in(quiet); strings.Contains(got, "cache") {
		t.Errorf("a gate that this plan doesn't have: %q", got)
	}
}

// TestNearestMissOnDisk: the journals of this environment are read where runs put them; one that can't be read is passed over.
func TestNearestMissOnDisk(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	plan, _, _ := watched(t, "drill-3-percent", nil, time.Minute)
	file := func(environment, name string) string {
		dir := filepath.Join(state, "roomshift", environment, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "journal.jsonl")
	}
	var out, errs bytes.Buffer
	if err := os.WriteFile(file(plan.Environment, "0123-aa"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"roomshift", "simulate", "drill-3-percent", "--journal"}
	if code := run(t.Context(), append(args, file("another", "0127-01")), stdio{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 {
		t.Fatal(errs.String())
	}
	if got := nearestMiss(plan); got != "" {
		t.Errorf("of another environment: %q", got)
	}
	if code := run(t.Context(), append(args, file(plan.Environment, "0127-01")), stdio{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 {
		t.Fatal(errs.String())
	}
	var b bytes.Buffer
	planScreen(&b, plan, nil, nil, nearestMiss(plan), nil)
	if want := "\n            nearest to a limit in the last run: cache@cloud 88.18 % of 90 % (0127-01, \"three percent\" rung 1,"; !strings.Contains(b.String(), want) {
		t.Errorf("the plan lacks %q:\n%s", want, b.String())
	}
}

func TestPartOf(t *testing.T) {
	for text, want := range map[string]float64{
		"0.1 % > 0.2 %": 0.5, "500 ms > 1 s": 0.5, "4.5 s > 5 s for 10s": 0.9, "92 % < 90 %": 90.0 / 92, "0 % < 90 %": 1e9,
		"12/s > 24/s": 0.5, "3 > 30": 0.1, "0 ms > 1 s": 0, "x > 1": 0, "1 > 0": 0, "- > ": 0,
	} {
		seen, limit, _ := strings.Cut(text, " >")
		sign := ">"
		if strings.Contains(text, " < ") {
			seen, limit, _ = strings.Cut(text, " <")
			sign = "<"
		}
		if got := partOf(seen, sign+limit); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%s: %v, wanted %v", text, got, want)
		}
	}
}

// TestApprovalOf: the step that is named is meant, or the only one that is asked; other questions aren't approved.
func TestApprovalOf(t *testing.T) {
	v := &cutover.View{
		Steps: []cutover.StepView{{Name: "one"}, {Name: "two"}, {Name: "three"}},
		Asked: []cutover.AskedMark{{Step: 0, What: "settle"}, {Step: 1, What: "approve"}, {Step: -1, What: "rule"}},
	}
	is := func(step string, want int) {
		t.Helper()
		got := -1
		if q := approval(v, step); q != nil {
			got = q.Step
		}
		if got != want {
			t.Errorf("%q is step %d, wanted %d", step, got, want)
		}
	}
	is("", 1)
	is("two", 1)
	is("one", -1)
	is("four", -1)
	v.Asked = append(v.Asked, cutover.AskedMark{Step: 2, What: "ask"})
	is("", -1)
	is("three", 2)
}
