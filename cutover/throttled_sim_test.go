package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// fourByFour is requests of four instances each.
func fourByFour(p *cutover.Plane) { p.MaxChanges = 4 }

// throttledPlane is the plane that throttles in these tests.
const throttledPlane = "home/services"

// wideNight is a runbook over a service of so many instances that a rung takes many requests.
func wideNight(t *testing.T) (path string, o sim.Options) {
	t.Helper()
	return wideBook(t), sim.Options{Seed: 1, Limits: fourByFour, Instances: map[string]int{"search": 60}}
}

// firstOf is the first request of a kind.
func firstOf(t *testing.T, s *sim.Sim, of func(*travel) bool) *travel {
	t.Helper()
	all := travels(s)
	i := slices.IndexFunc(all, of)
	if i < 0 {
		t.Fatal("there is no such request")
	}
	return all[i]
}

// throttles are faults for a server that takes writes for a tenth of each of so many seconds.
func throttles(from cutover.T, seconds int) []string {
	var faults []string
	for i := range seconds {
		at := from + cutover.T(i)*cutover.Second
		faults = append(faults, fmt.Sprintf("throttle writes 900ms at %s in %s", at.Duration(), throttledPlane))
	}
	return faults
}

// refusedOf are the requests to the throttling plane that failed.
func refusedOf(s *sim.Sim, of func(*travel) bool) (all, refused []*travel) {
	failed := map[int]bool{}
	for _, h := range s.Timeline() {
		if r := h.Record; r != nil && r.Failed != nil {
			failed[r.Failed.Request] = true
		}
	}
	for _, v := range travels(s) {
		if v.plane != throttledPlane || !of(v) || v.sent == cutover.Never {
			continue
		}
		all = append(all, v)
		if failed[v.intent.Request] {
			refused = append(refused, v)
		}
	}
	return all, refused
}

// TestThrottledIsSentAgainAsItIs: what a server wants to be asked for later is journaled again at once, with what it travelled with, and sent
// when that time is over: it waits neither for the rest of the wave nor for a listing, which of ten thousand instances takes longer than
// the server asked for. Nothing of the next wave goes before it.
func TestThrottledIsSentAgainAsItIs(t *testing.T) {
	path, o := wideNight(t)
	quiet, _ := playSim(t, path, o)
	first := func(v *travel) bool { return v.intent.Step == 1 }
	began := firstOf(t, quiet, first).decided
	s, out := playSim(t, path, o, throttles(began+50*cutover.Millisecond, 30)...)
	all, refused := refusedOf(s, first)
	if len(refused) < 4 {
		t.Fatalf("%d requests are refused: too few to test", len(refused))
	}
	for _, v := range refused {
		next := slices.IndexFunc(all, func(w *travel) bool {
			return w.intent.Request > v.intent.Request && w.intent.Changes[0].ID() == v.intent.Changes[0].ID()
		})
		switch {
		case next < 0:
			t.Errorf("request %d is refused and never sent again", v.intent.Request)
		case all[next].decided != v.outcome || len(all[next].intent.Changes) != len(v.intent.Changes):
			t.Errorf("request %d of %d changes is refused at %s; they are journaled again at %s, %d of them", v.intent.Request, len(v.intent.Changes),
				v.outcome.Duration(), all[next].decided.Duration(), len(all[next].intent.Changes))
		}
	}
	for _, v := range all {
		for _, w := range refused {
			if v.intent.Rung == w.intent.Rung && v.intent.Wave > w.intent.Wave && v.sent < w.outcome {
				t.Errorf("request %d of wave %d is sent before %d of wave %d was", v.intent.Request, v.intent.Wave, w.intent.Request, w.intent.Wave)
			}
		}
	}
	if out.Exit != cutover.ExitDone || len(out.Progress.Asked) > 0 {
		t.Errorf("exit %d (%s), asks %v; want 0", out.Exit, out.Why, out.Progress.Asked)
	}
}

// TestThrottledWayBack: a request of many changes that is refused is one failure, not as many, and a server that takes something in between
// is asked again within seconds.
func TestThrottledWayBack(t *testing.T) {
	path, o := wideNight(t)
	_, out := playSim(t, path, o)
	o.Commands = []sim.Timed{back(cutover.T(out.Took))}
	quiet, _ := playSim(t, path, o)
	undoes := func(v *travel) bool { return !isForward(v) }
	began := firstOf(t, quiet, undoes).decided
	s, out := playSim(t, path, o, throttles(began+50*cutover.Millisecond, 120)...)
	all, refused := refusedOf(s, undoes)
	if len(refused) < 4 {
		t.Fatalf("%d requests are refused: too few to test", len(refused))
	}
	for _, v := range refused {
		next := slices.IndexFunc(all, func(w *travel) bool { return w.sent > v.sent })
		if next < 0 || all[next].sent-v.sent > 4*cutover.Second {
			t.Errorf("request %d is refused at %s and nothing is sent again within 4 s", v.intent.Request, v.sent.Duration())
		}
	}
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3", out.Exit, out.Why)
	}
}

// TestARequestFailsOnce: an undo of four changes that failed is tried again after a second, as one of a single change is.
func TestARequestFailsOnce(t *testing.T) {
	path, o := wideNight(t)
	_, out := playSim(t, path, o)
	o.Commands = []sim.Timed{back(cutover.T(out.Took))}
	quiet, _ := playSim(t, path, o)
	undoes := func(v *travel) bool { return !isForward(v) && v.plane == throttledPlane }
	began := firstOf(t, quiet, undoes).sent
	s, out := playSim(t, path, o, fmt.Sprintf("fail writes at %s for 1ms in %s", began.Duration(), throttledPlane))
	all, refused := refusedOf(s, undoes)
	if len(refused) == 0 || len(refused[0].intent.Changes) != 4 {
		t.Fatalf("%d requests failed; want one of 4 changes at least", len(refused))
	}
	next := slices.IndexFunc(all, func(w *travel) bool {
		return w.intent.Request > refused[0].intent.Request && w.intent.Changes[0].ID() == refused[0].intent.Changes[0].ID()
	})
	if next < 0 || all[next].sent-refused[0].outcome > 2*cutover.Second {
		t.Errorf("it failed at %s and isn't sent again within 2 s", refused[0].outcome.Duration())
	}
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3", out.Exit, out.Why)
	}
}

// TestThrottledListingIsWaitedFor: a server that wants to be asked for its listing later is asked then, and no sooner; the rung isn't counted as
// failed for it, however often, and nobody is asked.
func TestThrottledListingIsWaitedFor(t *testing.T) {
	path, o := wideNight(t)
	first := func(v *travel) bool { return v.intent.Step == 1 }
	quiet, _ := playSim(t, path, o)
	from := firstOf(t, quiet, first).decided - cutover.Second
	const patience, times = 3 * cutover.Second, 10
	var faults []string
	for i := range cutover.T(times) { // it is well for no moment in between
		faults = append(faults, fmt.Sprintf("throttle reads %s at %s in %s", patience.Duration(), (from+i*patience).Duration(), throttledPlane))
	}
	s, out := playSim(t, path, o, faults...)
	all := travels(s)
	until := from + times*patience
	if began := all[slices.IndexFunc(all, first)].decided; began < until || began > until+2*cutover.Second {
		t.Errorf("the rung begins at %s; its plane could be listed from %s on", began.Duration(), until.Duration())
	}
	for _, h := range s.Timeline() {
		if r := h.Record; r != nil && r.Asked != nil {
			t.Errorf("it asks: %s", r.Asked.Text)
		}
	}
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}

// TestThrottledIsNotListedForKeeping: a plane that wants to be left alone for five minutes isn't listed every ten seconds meanwhile.
func TestThrottledIsNotListedForKeeping(t *testing.T) {
	path, o := wideNight(t)
	quiet, _ := playSim(t, path, o)
	from := cutover.T(0)
	for _, v := range travels(quiet) {
		if v.intent.Step == 1 && v.plane == throttledPlane {
			from = max(from, v.outcome)
		}
	}
	s, out := playSim(t, path, o, fmt.Sprintf("throttle reads 5m at %s in %s", (from+15*cutover.Second).Duration(), throttledPlane))
	refused := 0
	for _, h := range s.Timeline() {
		if strings.Contains(h.Note, throttledPlane+" can't be listed") {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("it is listed %d times while it wants to be left alone; want once", refused)
	}
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}
