package cutover_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// repeated is a trial that is played so many times, for each number of processors.
type repeated struct {
	trial
	times int
}

// alike are runs whose journals have to be the same each time: a quiet one, one in which much goes wrong, the longest, and one of
// all media in which every worker hangs.
func alike(t *testing.T) []repeated {
	t.Helper()
	wide := trial{book: wideBook(t), seed: 7, o: sim.Options{Limits: oneByOne}}
	return []repeated{
		{trial{book: "to-cloud", seed: 7}, 1000},
		{trial{book: "drill-3-percent", seed: 7}.with("errors cloud 20% at 9m for 1m", "late write 1 8s", "kill at write 2", "journal fails at record 30",
			"hang reads at 5m for 1m").saying(back(11 * cutover.Minute)), 1000},
		{trial{book: "spring-festival-out", seed: 7}.with("throttle writes 20s at 30m", "kill at record 90", "replace half im at 60m", "errors cloud 20% at 100m"), 40},
		{wide.with("hang writes at 10m10s for 1m", "hang reads at 11m for 30s", "replace half im at 10m20s"), 40},
	}
}

// TestOneJournalForASeed plays one seed 1,000 times in 8 goroutines, on 1, 2 and 8 processors, and wants one journal, byte for byte:
// neither the order of a map nor another goroutine ever reaches it.
func TestOneJournalForASeed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range alike(t) {
		want := lines(t, c.must(t).Outcome)
		for _, procs := range []int{1, 2, 8} {
			runtime.GOMAXPROCS(procs)
			if c.trial.o.Plan = nil; procs < 8 { // on 8 each run plans for itself, too
				c.trial.o.Plan = c.prepared(t)
			}
			times := c.times
			if testing.Short() {
				times /= 20
			}
			if others := c.playAtOnce(times, want); len(others) > 0 {
				t.Errorf("%s on %d processors: %d of %d journals differ, the first so: %s", c.trial, procs, len(others), times, others[0])
			}
		}
	}
}

// playAtOnce plays a trial in 8 goroutines, and says how each journal differs that isn't want.
func (c trial) playAtOnce(times int, want string) (others []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range (times + i) / 8 { // the sum over i is times, or a few more
				if how := c.differs(want); how != "" {
					mu.Lock()
					others = append(others, how)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return others
}

// prepared is the trial's plan, made once for many runs.
func (c trial) prepared(t *testing.T) *cutover.Sealed {
	t.Helper()
	o := c.o
	o.Seed = c.seed
	plan, problems, err := sim.Prepare(t.Context(), loaded(t, c.book), o)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return plan
}

func (c trial) differs(want string) string {
	r, err := c.try()
	if err != nil {
		return err.Error()
	}
	b, err := r.Lines()
	switch {
	case err != nil:
		return fmt.Sprint(err)
	case string(b) != want:
		return firstDifference(string(b), want)
	}
	return ""
}
