package cutover_test

import (
	"bytes"
	"testing"

	"roomshift/cutover/sim"
)

// TestPreparedPlan: a run of a plan that was made once says what the run that plans for itself says, with faults too.
func TestPreparedPlan(t *testing.T) {
	for _, name := range []string{"drill-3-percent", "spring-festival-out"} {
		early, err := sim.ParseFault("errors cloud 5% at 1m")
		if err != nil {
			t.Fatal(err)
		}
		plan, problems, err := sim.Prepare(t.Context(), loaded(t, name), sim.Options{Seed: 3, Faults: []sim.Fault{early}})
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		for _, faults := range [][]string{nil, {"errors cloud 5% at 10m"}, {"kill at write 2"}} {
			planned, err := play(t, name, sim.Options{Seed: 3}, faults...).Lines()
			if err != nil {
				t.Fatal(err)
			}
			prepared, err := play(t, name, sim.Options{Seed: 3, Plan: plan}, faults...).Lines()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(planned, prepared) {
				t.Errorf("%s %v: the journals differ", name, faults)
			}
		}
	}
}
