package cutover_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"roomshift/cutover"
)

// manyInstances is a medium of one seat with many objects, of which it counts the readings.
type manyInstances struct {
	cutover.Medium
	clock *still
	held  []cutover.Held
	reads int
	takes cutover.T // to read
}

func (m *manyInstances) Read(context.Context, []cutover.Seat) ([]cutover.Held, error) {
	m.reads++
	m.clock.now += m.takes
	return slices.Clone(m.held), nil
}

// still is a clock that stands where it is put.
type still struct {
	cutover.Clock
	now cutover.T
}

func (c *still) Now() cutover.T { return c.now }

// dryMany is a dry run over so many instances, and the writes that bring every one from 90 to 70, in requests of so many.
func dryMany(instances, size int) (m *manyInstances, c *still, dry cutover.Medium, requests [][]cutover.Change) {
	seat := cutover.Seat{Route: "im", At: "home"}
	c = &still{now: 10 * cutover.Second}
	m = &manyInstances{clock: c}
	var changes []cutover.Change
	for i := range instances {
		h := cutover.Held{Seat: seat, Plane: "p", Object: fmt.Sprintf("i%05d", i), Value: "90", Version: "7", Live: true, Weights: cutover.Share{"home": 90}}
		m.held = append(m.held, h)
		changes = append(changes, cutover.Change{Seat: seat, Plane: "p", Object: h.Object, Before: "90", After: "70", Version: "7", Gives: cutover.Share{"home": 70}})
	}
	w, _ := cutover.DryRun(cutover.World{Clock: c, Planes: []cutover.Plane{{Name: "p", Medium: m}}})
	return m, c, w.Planes[0].Medium, slices.Collect(slices.Chunk(changes, size))
}

// TestDryRunReadsOnceForManyRequests: the requests of one moment go by one reading; a second later somebody else's change is found.
func TestDryRunReadsOnceForManyRequests(t *testing.T) {
	m, c, dry, requests := dryMany(1000, 10)
	last := len(requests) - 1
	for _, r := range requests[:last] {
		for i, o := range dry.Write(t.Context(), cutover.Fence{}, r) {
			if o.What != cutover.Done {
				t.Fatalf("%s: %v %v", r[i].Object, o.What, o.Err)
			}
		}
		c.now += cutover.Millisecond
	}
	if m.reads != 1 {
		t.Errorf("%d requests within a tenth of a second read %d times, want once", last, m.reads)
	}
	again := dry.Write(t.Context(), cutover.Fence{}, requests[0])
	if again[0].What != cutover.Done || again[0].Version != "dry-1" {
		t.Errorf("what was remembered is %v at %q, want done at dry-1", again[0].What, again[0].Version)
	}
	m.held[999].Value = "55"
	c.now += cutover.Second
	outs := dry.Write(t.Context(), cutover.Fence{}, requests[last])
	if o := outs[len(outs)-1]; o.What != cutover.Foreign || o.Found != "55" || outs[0].What != cutover.Done {
		t.Errorf("somebody else's 55 is %v %q, and what is beside it %v; want foreign and done", o.What, o.Found, outs[0].What)
	}
	held, err := dry.Read(t.Context(), []cutover.Seat{requests[0][0].Seat})
	if err != nil || held[0].Value != "70" || held[999].Value != "55" {
		t.Errorf("reads %q and %q, want 70 and 55: %v", held[0].Value, held[999].Value, err)
	}
	for i := range m.held {
		if m.held[i].Value == "70" {
			t.Fatal("something was really written")
		}
	}
}

// TestDryRunReadsSeldomWhatIsSlow: where a reading takes longer than it is fresh, most of the time isn't spent on it.
func TestDryRunReadsSeldomWhatIsSlow(t *testing.T) {
	m, c, dry, requests := dryMany(1000, 10)
	m.takes = 2 * cutover.Second
	for _, r := range requests {
		if o := dry.Write(t.Context(), cutover.Fence{}, r)[0]; o.What != cutover.Done {
			t.Fatalf("%v %v", o.What, o.Err)
		}
		c.now += 100 * cutover.Millisecond
	}
	if m.reads < 2 || m.reads > 3 {
		t.Errorf("%d requests in 10 s read %d times for 2 s each, want two or three", len(requests), m.reads)
	}
}

// BenchmarkDryRunMany is what a dry run takes to write 10,000 instances.
func BenchmarkDryRunMany(b *testing.B) {
	for b.Loop() {
		_, _, dry, requests := dryMany(10_000, 63)
		for _, r := range requests {
			dry.Write(b.Context(), cutover.Fence{}, r)
		}
	}
}
