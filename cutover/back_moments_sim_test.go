package cutover_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// aroundWrite is when a person says back, from a write's intent on: each ms as it is journaled, sent and answered, then ever more
// rarely until nothing of it can land any more.
func aroundWrite() []time.Duration {
	var at []time.Duration
	for ms := -4; ms <= 60; ms++ {
		at = append(at, time.Duration(ms)*time.Millisecond)
	}
	for d := 75 * time.Millisecond; d < 20*time.Second; d += d / 3 {
		at = append(at, d)
	}
	return append(at, 4999*time.Millisecond, 5*time.Second, 5100*time.Millisecond, 5101*time.Millisecond, 8*time.Second, 15*time.Second, 15101*time.Millisecond)
}

// openWrite is a write of a run: its number and when its intent was decided.
type openWrite struct {
	number int
	plane  string
	at     time.Duration
}

// openWrites is a run's requests to write on the way forward, in the order in which they were decided.
func (r ran) openWrites() []openWrite {
	var ws []openWrite
	n := 0
	for _, h := range r.Timeline {
		if h.Record == nil || h.Record.Intent == nil {
			continue
		}
		if n++; h.Record.Intent.Purpose == cutover.Forward {
			ws = append(ws, openWrite{n, h.Record.Intent.Changes[0].Plane, h.At})
		}
	}
	return ws
}

// fewOf keeps the first and the last write of each plane, and some between.
func fewOf(ws []openWrite, most int) []openWrite {
	byPlane := map[string][]openWrite{}
	var planes []string
	for _, w := range ws {
		if byPlane[w.plane] == nil {
			planes = append(planes, w.plane)
		}
		byPlane[w.plane] = append(byPlane[w.plane], w)
	}
	var few []openWrite
	for _, p := range planes {
		of := byPlane[p]
		for i := range of {
			if n := len(of); n <= most || i == n-1 || i%((n+most-1)/most) == 0 {
				few = append(few, of[i])
			}
		}
	}
	return few
}

// TestMomentsOfBack has a person say back at every moment around every open write, which is answered, lost, late or hangs; the
// process is killed a moment later, or not. It ends exactly where it began, and nothing that waited to be sent is sent.
func TestMomentsOfBack(t *testing.T) {
	faults := []string{"", "late write %d 8s", "lost write at write %d", "lost reply at write %d", "hang write %d for 12s", "late write %d 3s"}
	kills := []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 40 * time.Millisecond, 3 * time.Second}
	for _, c := range []struct {
		book        string
		most, every int
	}{{"drill-3-percent", 9, 1}, {"to-cloud", 9, 1}, {"spring-festival-out", 2, 12}, {"spring-festival-back", 2, 12}} {
		quiet := trial{book: c.book, seed: 1}
		base := quiet.must(t)
		cases, i := 0, 0
		step := thin(101, 29) * c.every
		for _, w := range fewOf(base.openWrites(), c.most) {
			for _, d := range aroundWrite() {
				for _, fault := range faults {
					for _, kill := range kills {
						if i++; (i*7919)%step != 0 || w.at+d < 0 {
							continue
						}
						said := sim.Timed{At: w.at + d, Command: cutover.Command{ID: "back-1", Verb: "back", Who: "ops1", Args: map[string]string{"to": "start"}}}
						x := quiet.saying(said)
						if fault != "" {
							x = x.with(fmt.Sprintf(fault, w.number))
						}
						if kill > 0 {
							x = x.with(fmt.Sprintf("kill at %s", w.at+d+kill))
						}
						r := x.must(t)
						r.report(t, r.endsAsSaid(base, w.number))
						cases++
					}
				}
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("%s: %d moments", c.book, cases)
	}
}

// TestTakenOverPacesBesideNothing kills the process among the paced writes of going back: the one that takes over finds out what
// became of it before it writes the same object, and never journals two that its own fold refuses.
func TestTakenOverPacesBesideNothing(t *testing.T) {
	at := 2*time.Hour + 18*time.Minute + 45*time.Second + 100847500
	said := sim.Timed{At: at, Command: cutover.Command{ID: "back-1", Verb: "back", Who: "ops1", Args: map[string]string{"to": "start"}}}
	paced := false
	for _, ms := range []time.Duration{1, 2, 3, 5, 8, 20} {
		r := trial{book: "spring-festival-out", seed: 1}.saying(said).with("lost write at write 36", fmt.Sprintf("kill at %s", at+ms*time.Millisecond)).must(t)
		r.report(t, sameShares("at the end", r.Truth, r.start))
		paced = paced || slices.ContainsFunc(r.Records, func(rec cutover.Record) bool { return rec.Intent != nil && rec.Intent.Purpose == cutover.Pace })
	}
	if !paced {
		t.Error("nothing was paced, so nothing was tested")
	}
}

// endsAsSaid wants the run back where it began, if what the person said was durable before the process was killed.
func (r ran) endsAsSaid(base ran, write int) []string {
	i := slices.IndexFunc(r.Records, func(rec cutover.Record) bool { return rec.Phase != nil && rec.Phase.Phase == cutover.PhaseBack })
	switch {
	case i >= 0 && r.Records[i].Phase.Causes[0].Gate != "runbook":
		return append(r.endsAs(cutover.ExitBack, r.start), r.sentAfter(i, write)...)
	case r.Exit == cutover.ExitNothing: // before the first write
		return r.endsAs(cutover.ExitNothing, r.start)
	case !slices.ContainsFunc(r.Records, func(rec cutover.Record) bool { return rec.Command != nil && rec.Command.Verb == "back" }) && r.Runners > 1:
		return r.endsAs(base.Exit, base.Truth) // the word died with the process
	}
	return []string{fmt.Sprintf("a person said back, and it never turned: exit %d (%s)", r.Exit, r.Why)}
}

// sentAfter names what landed after the run turned that no undo asked for, but for the write that a fault held up.
func (r ran) sentAfter(turn int, write int) []string {
	wall := r.Records[turn].Wall
	undone, heldUp := map[string]bool{}, map[string]bool{}
	n := 0
	for k, rec := range r.Records {
		if rec.Intent == nil {
			continue
		}
		n++
		for _, c := range rec.Intent.Changes {
			key := c.Plane + " " + c.Object + " " + c.After
			undone[key] = undone[key] || k > turn
			heldUp[key] = heldUp[key] || n == write
		}
	}
	var bad []string
	for _, w := range r.Writes {
		key := w.Plane + " " + w.Object + " " + w.After
		if w.By == "run" && r.wallOf(w.At) > wall && !undone[key] && !heldUp[key] {
			bad = append(bad, fmt.Sprintf("%s → %s lands at %s, after it turned", w.Object, w.After, w.At.Duration()))
		}
	}
	return bad
}
