package cutover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// settledAt is when the record of a pair's move was STABLE at its wish.
func settledAt(t *testing.T, text string) time.Duration {
	t.Helper()
	s, _ := moved(t, text, sim.Options{})
	rs := s.Records()
	return rs[len(rs)-1].At.Duration()
}

func aftersOf(out *sim.Outcome) []cutover.AfterMark {
	var all []cutover.AfterMark
	for _, r := range out.Records {
		if r.After != nil {
			all = append(all, *r.After)
		}
	}
	return all
}

// frozenBy is when the run froze because of a conflict, and with which cause.
func frozenBy(out *sim.Outcome) (time.Duration, cutover.Cause) {
	for _, h := range out.Timeline {
		if r := h.Record; r != nil && r.Phase != nil && r.Phase.Phase == cutover.PhaseFrozen {
			for _, c := range r.Phase.Causes {
				if c.Gate == "conflict" {
					return h.At, c
				}
			}
		}
	}
	return 0, cutover.Cause{}
}

// TestAfterAMoveIsChecked: in quiet rooms the checks after a move are journaled once, and nothing is degraded; what fails is said and
// undoes nothing.
func TestAfterAMoveIsChecked(t *testing.T) {
	_, out := moved(t, movesWriter, sim.Options{})
	all := aftersOf(out)
	if len(all) != 1 || !all[0].Checked || len(all[0].Wrong) > 0 || all[0].Epoch != 2 || out.Exit != cutover.ExitDone {
		t.Errorf("%+v, exit %d, want one record that all is well", all, out.Exit)
	}
	at := settledAt(t, movesWriter)
	_, out = moved(t, movesWriter, sim.Options{}, "stop feed-db cloud→home at "+(at+time.Millisecond).String()+" for 3m")
	all = aftersOf(out)
	if len(all) < 2 || !strings.Contains(strings.Join(all[0].Wrong, " "), "threads · home") || len(all[len(all)-1].Wrong) > 0 {
		t.Errorf("%+v, want that replication into home stood, then that it is well\n%s", all, allOf(out))
	}
	_, short := moved(t, movesWriter, sim.Options{}, "stop feed-db cloud→home at "+(at+time.Millisecond).String()+" for 20s")
	if all := aftersOf(short); len(all) != 1 || len(all[0].Wrong) > 0 {
		t.Errorf("%+v: what comes by itself within a minute is told", all)
	}
	if slices.ContainsFunc(out.Records, func(r cutover.Record) bool { return r.Phase != nil && r.Phase.Phase == cutover.PhaseBack }) {
		t.Error("a check after a move has turned the run")
	}
}

// TestAStrayWriteFreezes: whatever is written behind a fence of this run freezes it within a second or so and calls people with the
// transactions, until the run ends, in every phase, and after a takeover by the journal's position; the same isn't told twice.
func TestAStrayWriteFreezes(t *testing.T) {
	at := settledAt(t, movesWriter)
	for _, after := range []time.Duration{5 * time.Millisecond, 90 * time.Second, 6 * time.Minute} {
		strike := at + after
		_, out := moved(t, movesWriter, sim.Options{}, "stray feed-db home at "+strike.String())
		froze, c := frozenBy(out)
		if froze < strike || froze > strike+2*time.Second || !strings.HasPrefix(c.Seen, "home-feed-db:") || !strings.Contains(c.Text, "Two rooms have written") {
			t.Errorf("after %v: frozen at %v by %+v, want it at %v\n%s", after, froze, c, strike, allOf(out))
		}
		if all := aftersOf(out); len(all) == 0 || all[len(all)-1].Strays == "" && all[0].Strays == "" {
			t.Errorf("after %v: %+v, want it journaled", after, all)
		}
	}
	if _, out := moved(t, movesWriter, sim.Options{}, "stray feed-db cloud at "+(at+time.Minute).String()); func() bool { f, _ := frozenBy(out); return f > 0 }() {
		t.Error("a write where the writer is froze the run")
	}
	strike := at + time.Minute
	resumed := sim.Options{Commands: []sim.Timed{{At: strike + 5*time.Minute, Command: cutover.Command{Verb: "resume"}}}}
	_, out := moved(t, movesWriter, resumed, "stray feed-db home at "+strike.String(), "kill at "+(strike+20*time.Second).String())
	n := 0
	for _, r := range out.Records {
		if r.Phase != nil && r.Phase.Phase == cutover.PhaseFrozen {
			n++
		}
	}
	if n != 1 || out.Exit != cutover.ExitDone {
		t.Errorf("frozen %d times, exit %d: what a person answered was told again by who took over\n%s", n, out.Exit, allOf(out))
	}
	_, out = moved(t, movesWriter, sim.Options{}, "kill at "+(strike-time.Second).String(), "stray feed-db home at "+strike.String())
	if froze, _ := frozenBy(out); froze < strike {
		t.Errorf("frozen at %v: who took over doesn't watch the fence\n%s", froze, allOf(out))
	}
}
