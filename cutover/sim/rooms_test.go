package sim

import (
	"context"
	"os"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// loadTest reads the test inventory with a runbook that is a file of testdata, or its text.
func loadTest(t testing.TB, book string) *runbooks.Loaded {
	t.Helper()
	src, err := os.ReadFile("testdata/rooms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(book)
	if !strings.Contains(book, "\n") {
		if text, err = os.ReadFile("testdata/" + book + ".yaml"); err != nil {
			t.Fatal(err)
		}
	}
	rooms, problems := runbooks.LoadRooms("rooms.yaml", src)
	b, more := runbooks.LoadRunbook("book.yaml", text, rooms)
	for _, p := range append(problems, more...) {
		t.Error(p)
	}
	if t.Failed() {
		t.FailNow()
	}
	return &runbooks.Loaded{Rooms: rooms, Book: b}
}

// newTest makes rooms with faults.
func newTest(t testing.TB, book string, o Options, faults ...string) *Sim {
	t.Helper()
	for _, text := range faults {
		f, err := ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	s, err := New(loadTest(t, book), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// play runs it to its end.
func play(t testing.TB, book string, o Options, faults ...string) *Outcome {
	t.Helper()
	s := newTest(t, book, o, faults...)
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range out.Problems {
		t.Error(p)
	}
	return out
}

// testPlan plans what there is.
func testPlan(t testing.TB, s *Sim) *cutover.Plan {
	t.Helper()
	plan, problems, err := s.plan(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Fatal(p)
	}
	return plan
}

func testPlane(t testing.TB, w cutover.World, name string) cutover.Plane {
	t.Helper()
	for _, p := range w.Planes {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no plane %s", name)
	return cutover.Plane{}
}

// loadShipped reads a shipped runbook, or a file with its rooms beside it.
func loadShipped(t testing.TB, book string) *runbooks.Loaded {
	t.Helper()
	l, err := runbooks.Load(book, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Problems {
		t.Fatal(p)
	}
	return l
}

// TestWriters: a pair's writer is where Options says, and nowhere else than at one of its masters.
func TestWriters(t *testing.T) {
	s := newTest(t, "climb", Options{Writers: map[string]cutover.Room{"feed-db": "cloud"}})
	seen, err := s.World().Writers.Look(t.Context(), "feed-db")
	if err != nil || seen.Writer() != "cloud" {
		t.Errorf("the writer is %q, %v; want cloud", seen.Writer(), err)
	}
	for pair, room := range map[string]cutover.Room{"feed-db": "moon", "no-db": "cloud"} {
		if _, err := New(loadTest(t, "climb"), Options{Writers: map[string]cutover.Room{pair: room}}); err == nil {
			t.Errorf("%s may have its writer in %s", pair, room)
		}
	}
}
