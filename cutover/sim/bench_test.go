package sim

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// BenchmarkRun is whole simulated runs of the shipped runbooks, planning included: DESIGN §7 wants more than 1,000 a second on one
// core.
func BenchmarkRun(b *testing.B) {
	for _, book := range []string{"to-cloud", "drill-3-percent", "spring-festival-out"} {
		b.Run(book, func(b *testing.B) {
			l := loadShipped(b, book)
			b.ReportAllocs()
			for i := range b.N {
				s, err := New(l, Options{Seed: uint64(i)})
				if err != nil {
					b.Fatal(err)
				}
				out, err := s.Run(context.Background())
				if err != nil || out.Exit != 0 {
					b.Fatalf("exit %d, %v", out.Exit, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}

// BenchmarkWorld is the rooms alone, without the engine: two hours of virtual time under the gauges of a shipped plan, with 20
// writes, each followed by a cut.
func BenchmarkWorld(b *testing.B) {
	for _, book := range []string{"../../runbooks/init/to-cloud.yaml", "to-cloud"} {
		b.Run(filepath.Base(book), func(b *testing.B) {
			l := loadShipped(b, book)
			samples, took := 0, time.Duration(0)
			for range b.N {
				n, d := twoHours(b, l)
				samples, took = samples+n, took+d
			}
			b.ReportMetric(float64(samples)/float64(b.N), "samples/op")
			b.ReportMetric(float64(took.Microseconds())/float64(b.N), "µs/2h")
		})
	}
}

// twoHours times the stepping alone: making the rooms and the plan isn't counted.
func twoHours(b *testing.B, l *runbooks.Loaded) (samples int, took time.Duration) {
	s, err := New(l, Options{})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	snap, err := s.Snapshot(ctx)
	if err != nil {
		b.Fatal(err)
	}
	w := s.World()
	plan, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: w.Planes, Snapshot: snap})
	for _, p := range problems {
		b.Fatal(p)
	}
	lease, err := w.Locks[len(w.Locks)-1].Lock.Take(ctx, cutover.Claim{Run: "r"})
	if err != nil {
		b.Fatal(err)
	}
	pl := testPlane(b, w, "home/keys")
	start := time.Now()
	w.Gauges.Start(ctx, plan)
	seat := cutover.Seat{Route: "gw", At: "home"}
	for i := range 20 {
		held, _ := pl.Medium.Read(ctx, []cutover.Seat{seat})
		waves, err := pl.Medium.Shape(held, map[cutover.Seat]cutover.Share{seat: {"home": 9900 - 100*i, "cloud": 100 + 100*i}})
		if err != nil {
			b.Fatal(err)
		}
		w.Clock.Go(i, cutover.Second, func(ctx context.Context) any {
			return pl.Medium.Write(ctx, lease.Fence(), waves[0])
		})
		until := cutover.T(i+1) * 6 * cutover.Minute
		for w.Clock.Now() < until {
			for _, e := range w.Clock.Next(until) {
				switch {
				case e.Reply != nil:
					if o := e.Reply.Value.([]cutover.Outcome)[0]; o.What != cutover.Done {
						b.Fatal(o.Err)
					}
					w.Gauges.Cut(w.Clock.Now())
				case e.Sample != nil:
					samples++
				}
			}
		}
	}
	return samples, time.Since(start)
}
