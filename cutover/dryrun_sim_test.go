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
)

// oneNight runs a shipped runbook's first night in simulated rooms, in truth or dry, and returns its records in order. change, if there is
// one, makes another world of the rooms' own.
func oneNight(t *testing.T, book string, dry bool, o sim.Options, change func(*cutover.World), faults ...string) (*sim.Sim, *cutover.Result, []cutover.Record, *cutover.Dry) {
	t.Helper()
	o.Samples = true // a dry run looks at samples one by one
	o.Limit = 12 * time.Hour
	s, l := simOf(t, book, o, faults...), loaded(t, book)
	ctx := context.Background()
	snap, err := s.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w := s.World()
	if change != nil {
		change(&w)
	}
	plan, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: w.Planes, Snapshot: snap})
	if len(problems) > 0 {
		t.Fatalf("plan %s: %v", book, problems)
	}
	var d *cutover.Dry
	if dry {
		w, d = cutover.DryRun(w)
	}
	res, err := cutover.Run(ctx, w, cutover.Start{Run: "0126-01", Plan: plan, Why: "start", Version: "test", Host: "ops-1", User: "ops1", PID: 1000, Rates: snap.Rates})
	if err != nil {
		t.Fatal(err)
	}
	rs, _, err := w.Journal.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return s, res, rs, d
}

// written is every write of a run in order, without versions and request numbers.
func written(rs []cutover.Record) []string {
	var out []string
	for i := range rs {
		in := rs[i].Intent
		if in == nil {
			continue
		}
		for _, c := range in.Changes {
			out = append(out, fmt.Sprintf("%s step %d rung %d: %s %s → %s", in.Purpose, in.Step, in.Rung, c.ID(), c.Before, c.After))
		}
	}
	return out
}

func TestDryRunWritesWhatTheRealRunWrites(t *testing.T) {
	for _, c := range []struct {
		book   string
		o      sim.Options
		faults []string
		blank  string // gates that judge nothing, for the room really carries nothing all night
	}{
		{book: "to-cloud"},
		{book: "drill-3-percent"},
		{book: "spring-festival-out", blank: "cache@cloud errors@cloud slow@cloud"},
		{book: "spring-festival-out", faults: []string{"lag feed-db home->cloud 10s at 45m"}, blank: "cache@cloud errors@cloud slow@cloud"},
	} {
		t.Run(c.book+strings.Join(c.faults, ""), func(t *testing.T) {
			c.o.Seed = 1
			real, want, rs, _ := oneNight(t, c.book, false, c.o, nil, c.faults...)
			s, got, drs, d := oneNight(t, c.book, true, c.o, nil, c.faults...)
			if got.Exit != want.Exit {
				t.Errorf("dry: exit %d; the real run: %d", got.Exit, want.Exit)
			}
			a, b := written(rs), written(drs)
			if !slices.Equal(a, b) {
				t.Errorf("the real run wrote\n%s\nthe dry run would have written\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
			}
			if len(a) == 0 || len(real.Writes()) == 0 {
				t.Error("the real run wrote nothing")
			}
			if n := len(s.Writes()); n > 0 {
				t.Errorf("%d writes of a dry run landed", n)
			}
			if blank := strings.Join(d.Unjudged(), " "); blank != c.blank {
				t.Errorf("these gates judged nothing: %q; want %q", blank, c.blank)
			}
		})
	}
}
