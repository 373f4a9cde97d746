package cutover_test

import (
	"fmt"
	"slices"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// A plane that its server doesn't fence takes a dead holder's request whenever it arrives. Each request of a shipped runbook is late by
// something between its time-out and its lateness; its sender is killed, and somebody deletes the lock, so that another process has
// it at once: what is still under way it learns by waiting only.

// lateWrite is a request of an undisturbed run.
type lateWrite struct {
	number int
	at     cutover.T
	plane  string
	fenced bool
	limit  cutover.T // its time-out
	late   cutover.T // how long after that it may land
}

func lateWrites(s *sim.Sim) []lateWrite {
	planes := map[string]cutover.Plane{}
	for _, p := range s.World().Planes {
		planes[p.Name] = p
	}
	var ws []lateWrite
	for i, q := range s.Sent() {
		p := planes[q.Plane]
		ws = append(ws, lateWrite{i + 1, q.At, q.Plane, p.FencedByServer, p.TimeOut, p.Lateness})
	}
	return ws
}

// lateBy is how late each is: at its time-out, and evenly from there until it can't land any more.
func (w *lateWrite) lateBy() []cutover.T {
	return []cutover.T{w.limit, w.limit + w.late/4, w.limit + w.late/2, w.limit + 3*w.late/4, w.limit + w.late - cutover.Millisecond}
}

// lateCase is a request that is late, its sender killed and its lock freed as it is sent; then people say back, or nothing.
type lateCase struct {
	book  string
	o     sim.Options
	write lateWrite
	by    cutover.T
	back  bool
}

func (c lateCase) String() string {
	return fmt.Sprintf("%s, request %d (%s) late by %s, its sender killed, back %v", c.book, c.write.number, c.write.plane, c.by.Duration(), c.back)
}

// play plays it, and a minute more: whatever is still under way lands.
func (c lateCase) play(t *testing.T) (s *sim.Sim, r ran, start map[cutover.ObjectID]string) {
	t.Helper()
	faults := []string{fmt.Sprintf("late write %d %s", c.write.number, c.by.Duration()), fmt.Sprintf("kill at write %d", c.write.number),
		fmt.Sprintf("lock freed at write %d", c.write.number)}
	o := c.o
	if c.back { // again and again until somebody is there who hears it
		for k := range 40 {
			said := back(c.write.at + cutover.T(k)*500*cutover.Millisecond + cutover.Millisecond)
			said.Command.ID = fmt.Sprintf("back-%d", k)
			o.Commands = append(slices.Clone(o.Commands), said)
		}
	}
	s = simOf(t, c.book, o, faults...)
	start, shares := s.Objects(), s.Shares()
	out, err := s.Run(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	s.Advance(cutover.Minute)
	return s, ran{out, trial{book: c.book, seed: o.Seed, faults: faults, commands: o.Commands, o: o}, shares}, start
}

// judge wants the end exact, the lateness of an unfenced plane waited for, and no law broken.
func (c lateCase) judge(t *testing.T, exit cutover.Exit, want map[cutover.ObjectID]string) {
	t.Helper()
	s, r, start := c.play(t)
	if c.back {
		exit, want = cutover.ExitBack, start
	}
	if len(r.NotFired) > 0 {
		t.Errorf("%s: %v didn't strike", c, r.NotFired)
	}
	if r.Exit != exit {
		t.Errorf("%s: exit %d (%s); want %d", c, r.Exit, r.Why, exit)
	}
	got := s.Objects()
	for id, v := range want {
		if got[id] != v {
			t.Errorf("%s: %s holds %q; want %q", c, id, got[id], v)
			break
		}
	}
	for _, bad := range r.laws() {
		t.Errorf("%s: %s", c, bad)
	}
	if c.write.fenced {
		return
	}
	for _, q := range s.Sent()[c.write.number:] {
		if d := q.At - c.write.at; d < c.write.limit+c.write.late && q.At > c.write.at {
			t.Errorf("%s: a request to %s is sent %s later, when it may still land", c, q.Plane, d.Duration())
			break
		}
	}
}

// TestTakeoverOverALateWrite does so with every request of every shipped runbook.
func TestTakeoverOverALateWrite(t *testing.T) {
	for _, book := range runbooks.Library() {
		s, base := playSim(t, book, sim.Options{Seed: 1})
		cases := 0
		for i, w := range lateWrites(s) {
			if testing.Short() && (w.fenced || i%8 > 2) {
				continue
			}
			for k, by := range w.lateBy() {
				c := lateCase{book: book, o: sim.Options{Seed: 1}, write: w, by: by, back: (i/4+k)%2 == 0}
				if !*long && (w.fenced && (i+k)%5 != 0 || (i+k)%2 == 1) {
					continue
				}
				c.judge(t, base.Exit, s.Objects())
				cases++
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("%s: %d cases", book, cases)
	}
}

// TestTakeoverOverALateUndo does so with the requests of going back: from the last state of the longest runbook, and from its middle.
func TestTakeoverOverALateUndo(t *testing.T) {
	quiet, _ := playSim(t, "spring-festival-out", sim.Options{Seed: 1})
	sent := quiet.Sent()
	for _, at := range []cutover.T{sent[21].At + cutover.Minute, sent[len(sent)-1].At + cutover.Minute} {
		o := sim.Options{Seed: 1, Commands: []sim.Timed{back(at)}}
		s, out := playSim(t, "spring-festival-out", o)
		if out.Exit != cutover.ExitBack {
			t.Fatalf("exit %d (%s); want 3", out.Exit, out.Why)
		}
		cases := 0
		for i, w := range lateWrites(s) {
			if w.at < at || testing.Short() && i%5 != 0 {
				continue
			}
			for k, by := range w.lateBy() {
				if (i+k)%2 == 0 {
					continue
				}
				lateCase{book: "spring-festival-out", o: o, write: w, by: by}.judge(t, cutover.ExitBack, s.Objects())
				cases++
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("back at %s: %d cases", at.Duration(), cases)
		if cases == 0 {
			t.Error("no undo was tested")
		}
	}
}
