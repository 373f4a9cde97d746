package cutover_test

import (
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// travel is a request's way: decided, sent, answered; Never: it wasn't.
type travel struct {
	intent                  *cutover.Intent
	plane                   string
	decided, sent, answered cutover.T
	outcome                 cutover.T // its last outcome was journaled
	withdrawn               bool
}

// travels is every request of a run of one process, by its number.
func travels(s *sim.Sim) []*travel {
	var all []*travel
	byNumber := map[int]*travel{}
	bySlice := map[*cutover.Change]*travel{}
	for _, h := range s.Timeline() {
		r := h.Record
		switch {
		case r == nil:
			continue
		case r.Intent != nil:
			v := &travel{intent: r.Intent, plane: r.Intent.Changes[0].Plane, decided: cutover.T(h.At), sent: cutover.Never, answered: cutover.Never, outcome: cutover.Never}
			all = append(all, v)
			byNumber[r.Intent.Request], bySlice[&r.Intent.Changes[0]] = v, v
			continue
		}
		n := 0
		switch {
		case r.Done != nil:
			n = r.Done.Request
		case r.Failed != nil:
			n = r.Failed.Request
		case r.Foreign != nil:
			n = r.Foreign.Request
		}
		if v := byNumber[n]; v != nil {
			v.outcome = cutover.T(h.At)
			v.withdrawn = v.withdrawn || r.Failed != nil && r.Failed.Why == "not sent"
		}
	}
	for _, q := range s.Sent() {
		if v := bySlice[&q.Changes[0]]; v != nil {
			v.sent, v.answered = q.At, q.Answered
		}
	}
	return all
}

// most is the greatest number of requests for which a span holds at one moment, and when.
func most(all []*travel, of func(v *travel) (from, to cutover.T, ok bool)) (n int, at cutover.T) {
	type edge struct {
		at cutover.T
		by int
	}
	var edges []edge
	for _, v := range all {
		if from, to, ok := of(v); ok && to > from {
			edges = append(edges, edge{from, 1}, edge{to, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { // what ends makes room for what begins
		if a.at != b.at {
			return int(max(-1, min(1, a.at-b.at)))
		}
		return a.by - b.by
	})
	now := 0
	for _, e := range edges {
		if now += e.by; now > n {
			n, at = now, e.at
		}
	}
	return n, at
}

// crowdStage is the wide run with 61 instances of a service in each room (three workers leave the last one alone), and a person who says
// back when all is written.
func crowdStage(t *testing.T, limits func(*cutover.Plane)) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	path := wideBook(t)
	o := sim.Options{Seed: 1, Limits: limits, Instances: map[string]int{"search": 61, "im": 40}}
	last := play(t, path, o).Writes
	o.Commands = []sim.Timed{back(last[len(last)-1].At + cutover.Minute)}
	return playSim(t, path, o)
}

func isForward(v *travel) bool { return v.intent.Purpose == cutover.Forward }

// TestWorkersAndIntentsAhead counts, plane by plane, what is under way at one moment and what is journaled before it can be sent.
func TestWorkersAndIntentsAhead(t *testing.T) {
	s, out := crowdStage(t, oneByOne)
	if out.Exit != cutover.ExitBack {
		t.Fatalf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	all := travels(s)
	for _, plane := range planesOf(s) {
		for _, c := range []struct {
			what       string
			of         func(v *travel) bool
			wire, wait int // at most
		}{
			{"forward", isForward, 3, 32},
			{"back", func(v *travel) bool { return !isForward(v) }, 4, 32},
			{"either way", func(*travel) bool { return true }, 4, 64},
		} {
			wire, at := most(all, func(v *travel) (cutover.T, cutover.T, bool) {
				return v.sent, min(v.answered, v.sent+5100*cutover.Millisecond), v.plane == plane && c.of(v) && v.sent < cutover.Never
			})
			if wire > c.wire {
				t.Errorf("%s, %s: %d requests are under way at %s; want at most %d", plane, c.what, wire, at.Duration(), c.wire)
			}
			ahead, at := most(all, func(v *travel) (cutover.T, cutover.T, bool) {
				return v.decided, min(v.sent, v.outcome), v.plane == plane && c.of(v)
			})
			if ahead > c.wait {
				t.Errorf("%s, %s: %d requests are journaled and wait at %s; want at most %d", plane, c.what, ahead, at.Duration(), c.wait)
			}
			if strings.HasPrefix(plane, "home/services") && c.what != "either way" && (wire < c.wire || ahead < c.wait) {
				t.Errorf("%s, %s: %d under way and %d waiting at most: with %d and %d allowed the test is too small", plane, c.what, wire, ahead, c.wire, c.wait)
			}
		}
	}
}

// TestWaves: of a rung's waves the one in which weights only fall comes first, the next isn't begun before everything of it is done.
func TestWaves(t *testing.T) {
	s, _ := crowdStage(t, oneByOne)
	type rung struct{ step, rung int }
	done := map[rung][]cutover.T{} // by wave: when its last outcome came
	falls, rises := 0, 0
	for _, v := range travels(s) {
		in := v.intent
		if !isForward(v) || in.Step < 0 {
			continue
		}
		k := rung{in.Step, in.Rung}
		for len(done[k]) <= in.Wave {
			done[k] = append(done[k], 0)
		}
		for w := range in.Wave {
			if done[k][w] == 0 || v.decided < done[k][w] {
				t.Errorf("request %d of wave %d is decided at %s, before wave %d is done", in.Request, in.Wave, v.decided.Duration(), w)
			}
		}
		done[k][in.Wave] = max(done[k][in.Wave], v.outcome)
		for _, c := range in.Changes {
			if len(c.Gives) != 1 { // a key that holds the whole split, or a TTL
				continue
			}
			fell := number(t, c.After) < number(t, c.Before)
			if fell != (in.Wave == 0) {
				t.Errorf("request %d: %s %s → %s in wave %d", in.Request, c.Object, c.Before, c.After, in.Wave)
			}
			falls, rises = falls+b2i(fell), rises+b2i(!fell)
		}
	}
	if falls < 100 || rises < 100 {
		t.Errorf("%d weights fall and %d rise: too few to test", falls, rises)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestRequestsArePacked: as many changes travel together as the plane's limits let, and not one more.
func TestRequestsArePacked(t *testing.T) {
	const objects, bytes = 7, 200
	s, out := crowdStage(t, func(p *cutover.Plane) { p.MaxChanges, p.MaxBytes = objects, bytes })
	if out.Exit != cutover.ExitBack {
		t.Fatalf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	size := func(c cutover.Change) int { return len(c.Object) + len(c.After) }
	byNumber, byBytes := 0, 0
	var before *cutover.Intent
	for _, v := range travels(s) {
		sum := 0
		for _, c := range v.intent.Changes {
			sum += size(c)
		}
		if len(v.intent.Changes) > objects || sum > bytes {
			t.Errorf("request %d has %d changes in %d bytes; want at most %d in %d", v.intent.Request, len(v.intent.Changes), sum, objects, bytes)
		}
		if p := before; p != nil && isForward(v) && !p.Last && p.Wave == v.intent.Wave && p.Changes[0].Plane == v.plane {
			had := 0
			for _, c := range p.Changes {
				had += size(c)
			}
			switch fits := had+size(v.intent.Changes[0]) <= bytes; {
			case len(p.Changes) == objects:
				byNumber++
			case !fits:
				byBytes++
			default:
				t.Errorf("request %d has %d changes in %d bytes, and the first of request %d would fit", p.Request, len(p.Changes), had, v.intent.Request)
			}
		}
		before = v.intent
	}
	if byNumber < 5 || byBytes < 5 {
		t.Errorf("%d requests are full by number and %d by bytes: too few to test", byNumber, byBytes)
	}
}

// TestATurnWithdrawsWhatWaits: what is journaled and wasn't sent when the run turns never is, and the journal says so.
func TestATurnWithdrawsWhatWaits(t *testing.T) {
	path := wideBook(t)
	o := sim.Options{Seed: 1, Limits: oneByOne, Instances: map[string]int{"search": 60}}
	base, _ := playSim(t, path, o)
	first := travels(base)
	i := slices.IndexFunc(first, func(v *travel) bool { return v.intent.Step == 1 })
	turn := first[i].decided + 70*cutover.Millisecond
	o.Commands = []sim.Timed{back(turn)}
	s, out := playSim(t, path, o)
	waited := map[string]int{}
	for _, v := range travels(s) {
		if !isForward(v) || v.decided > turn {
			continue
		}
		if v.sent >= turn {
			waited[v.plane]++
		}
		if (v.sent < turn) == v.withdrawn || v.sent > turn && v.sent < cutover.Never {
			t.Errorf("request %d, decided %s before the turn, is sent at %s and withdrawn: %v", v.intent.Request, (turn - v.decided).Duration(), v.sent.Duration(), v.withdrawn)
		}
	}
	if waited["home/services"] < 10 || waited["alidns"] < 3 {
		t.Errorf("by plane, %v requests waited: too few to test", waited)
	}
	if out.Exit != cutover.ExitBack {
		t.Errorf("exit %d (%s); want 3", out.Exit, out.Why)
	}
}
