package cutover_test

import (
	"context"
	"testing"

	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// BenchmarkSimulate is a whole simulated run of a shipped runbook: plan, run, journal.
func BenchmarkSimulate(b *testing.B) {
	for _, name := range []string{"drill-3-percent", "to-cloud", "spring-festival-out"} {
		b.Run(name, func(b *testing.B) {
			l, err := runbooks.Load(name, "")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s, err := sim.New(l, sim.Options{Seed: 1})
				if err != nil {
					b.Fatal(err)
				}
				out, err := s.Run(context.Background())
				if err != nil || out.Exit != 0 {
					b.Fatal(err, out.Exit)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}
