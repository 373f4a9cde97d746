package cutover_test

import (
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// TestWithin: a run that somebody waits for no longer ends by itself: over when nothing was begun, held or unknown when something was.
func TestWithin(t *testing.T) {
	run := func(s *sim.Sim) *cutover.Result {
		t.Helper()
		snap, err := s.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l := loaded(t, book(t, byHand))
		l.Book.Steps[0].Writer.Once = true
		p, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: s.World().Planes, Snapshot: snap})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		res, err := cutover.Run(t.Context(), s.World(), cutover.Start{Run: "0125-aa", Plan: p, Why: "start", Rates: snap.Rates, Within: 30 * cutover.Second})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	s := handSim(t, byHand, sim.Options{}, "lag feed-db home->cloud 2s at 0s")
	res := run(s)
	if res.Exit != cutover.ExitNothing || res.Progress.Phase != cutover.PhaseOver || len(s.Records()) > 0 || s.Now() > 31*cutover.Second {
		t.Errorf("held before it began: exit %d, %s, %d records, at %s", res.Exit, res.Progress.Phase, len(s.Records()), s.Now().Duration())
	}
	if c := res.Progress.Causes; len(c) != 1 || !strings.Contains(c[0].Text, "not within 30s: ") {
		t.Errorf("it doesn't say why: %+v", c)
	}
	s = handSim(t, byHand, sim.Options{}, "freeze server home at 100ms")
	if err := s.Stands("feed-db", writer.Fencing, "home", "cloud"); err != nil {
		t.Fatal(err)
	}
	res = run(s)
	if res.Exit != cutover.ExitStopped || res.Progress.Phase == cutover.PhaseOver || s.Now() > 31*cutover.Second {
		t.Errorf("held in between: exit %d, %s at %s", res.Exit, res.Progress.Phase, s.Now().Duration())
	}
	s = handSim(t, byHand, sim.Options{})
	if res = run(s); res.Exit != cutover.ExitDone || s.Now() < cutover.Minute {
		t.Errorf("one that moves in time is watched for as long as its step says: exit %d at %s", res.Exit, s.Now().Duration())
	}
}
