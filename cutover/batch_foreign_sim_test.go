package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// foreignBook moves one upstream whose instances travel in one request.
func foreignBook(t *testing.T) string {
	return book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
steps:
  - shift: {cloud: {im: [5%, 10%]}}
  - checkpoint: far
    guard: true
`)
}

const foreignObject = "upstreams/im-gw/10.1.0.3:8080"

// TestOneForeignInABatch has somebody else write one object of a batch as it is sent: the server takes nothing of it. That object alone
// is named, and the others are sent again at once, on the way forward and going back.
func TestOneForeignInABatch(t *testing.T) {
	path := foreignBook(t)
	quiet, out := playSim(t, path, sim.Options{Seed: 1})
	turned := sim.Options{Seed: 1, Commands: []sim.Timed{back(cutover.T(out.Took))}}
	there, _ := playSim(t, path, turned)
	for _, c := range []struct {
		purpose cutover.Purpose
		o       sim.Options
		s       *sim.Sim
	}{{cutover.Forward, sim.Options{Seed: 1}, quiet}, {cutover.Undo, turned, there}} {
		of := func(v *travel) bool {
			return v.intent.Purpose == c.purpose && v.intent.Rung == b2i(c.purpose == cutover.Forward)
		}
		undisturbed := travels(c.s)
		first := undisturbed[slices.IndexFunc(undisturbed, of)]
		s, out := playSim(t, path, c.o, fmt.Sprintf("foreign %s = 4321 at %s", foreignObject, (first.decided+cutover.Millisecond).Duration()))
		all := slices.DeleteFunc(travels(s), func(v *travel) bool { return !of(v) })
		if len(all) < 2 || len(first.intent.Changes) < 4 || !slices.Contains(objectsOf(first.intent), foreignObject) {
			t.Fatalf("%s: %d requests, the first with %v; want a batch with %s, and another", c.purpose, len(all), objectsOf(first.intent), foreignObject)
		}
		others := slices.DeleteFunc(objectsOf(first.intent), func(o string) bool { return o == foreignObject })
		after := slices.DeleteFunc(slices.Clone(all), func(v *travel) bool { return v.decided < all[0].answered })
		if len(after) != 1 || !slices.Equal(objectsOf(after[0].intent), others) || after[0].sent-all[0].answered > 4*cutover.Millisecond {
			for _, v := range after {
				t.Logf("sent again %s after the answer: %v", (v.sent - all[0].answered).Duration(), objectsOf(v.intent))
			}
			t.Fatalf("%s: want %v sent again, at once, and nothing else", c.purpose, others)
		}
		wantNamed(t, out, c.purpose)
		if out.Exit != cutover.ExitStopped {
			t.Errorf("%s: exit %d (%s); want 4", c.purpose, out.Exit, out.Why)
		}
		want := map[string]string{foreignObject: "4321"}
		for _, ch := range after[0].intent.Changes {
			want[ch.Object] = ch.After
		}
		for id, v := range s.Objects() {
			if w, ok := want[id.Object]; ok && v != w {
				t.Errorf("%s: %s holds %s at the end; want %s", c.purpose, id, v, w)
			}
		}
	}
}

func objectsOf(in *cutover.Intent) []string {
	var names []string
	for _, c := range in.Changes {
		names = append(names, c.Object)
	}
	return names
}

// wantNamed wants the one object named as foreign, and no other: in the records, and in what people are asked or told at the end.
func wantNamed(t *testing.T, out *sim.Outcome, purpose cutover.Purpose) {
	t.Helper()
	named, told := 0, ""
	for _, r := range out.Records {
		switch {
		case r.Foreign != nil && r.Foreign.Object != foreignObject:
			t.Errorf("%s: record %d blames %s", purpose, r.Seq, r.Foreign.Object)
		case r.Foreign != nil:
			named++
		case r.Asked != nil && r.Asked.What == "foreign":
			told = r.Asked.Text
		case r.Phase != nil && r.Phase.Phase == cutover.PhaseOver:
			for _, c := range r.Phase.Causes {
				told += c.Text
			}
		}
	}
	if named == 0 || strings.Count(told, "upstreams/") != strings.Count(told, foreignObject) || !strings.Contains(told, foreignObject) {
		t.Errorf("%s: named %d times, people are told %q; want %s alone", purpose, named, told, foreignObject)
	}
}

// TestRetryAfterIsWaited: a server that throttles is left alone for as long as it says, on the way forward and going back; other planes
// go on meanwhile, and nobody is asked.
func TestRetryAfterIsWaited(t *testing.T) {
	path := wideBook(t)
	o := sim.Options{Seed: 1, Limits: oneByOne, Instances: map[string]int{"search": 60}}
	quiet, out := playSim(t, path, o)
	turned := o
	turned.Commands = []sim.Timed{back(cutover.T(out.Took))}
	there, out := playSim(t, path, turned)
	if out.Exit != cutover.ExitBack {
		t.Fatalf("exit %d (%s); want 3", out.Exit, out.Why)
	}
	for _, c := range []struct {
		o    sim.Options
		s    *sim.Sim
		exit cutover.Exit
		of   func(v *travel) bool
	}{
		{o, quiet, cutover.ExitDone, func(v *travel) bool { return v.intent.Step == 1 }},
		{turned, there, cutover.ExitBack, func(v *travel) bool { return !isForward(v) }},
	} {
		const plane, patience = "home/services", 40 * cutover.Second
		undisturbed := travels(c.s)
		began := undisturbed[slices.IndexFunc(undisturbed, c.of)].decided
		s, out := playSim(t, path, c.o, fmt.Sprintf("throttle writes %s at %s in %s", patience.Duration(), (began+100*cutover.Millisecond).Duration(), plane))
		from := began + 100*cutover.Millisecond
		refused, others := 0, 0
		usually := map[cutover.ObjectID]cutover.T{}
		for _, v := range undisturbed {
			if c.of(v) && v.intent.Wave == 0 {
				usually[v.intent.Changes[0].ID()] = v.sent
			}
		}
		for _, v := range travels(s) {
			if !c.of(v) || v.sent == cutover.Never || v.intent.Wave > 0 {
				continue
			}
			switch {
			case v.plane == plane && v.sent >= from && v.sent < from+cutover.Second: // sent before the first was refused
				refused++
			case v.plane == plane && v.sent >= from && v.sent < from+patience:
				t.Errorf("request %d is sent to %s %s before its time is over", v.intent.Request, plane, (from + patience - v.sent).Duration())
			case v.plane != plane && !strings.HasSuffix(v.plane, "/ttl") && v.decided < from+patience:
				if others++; v.sent != usually[v.intent.Changes[0].ID()] {
					t.Errorf("request %d to %s is sent at %s, while another plane throttles; else at %s", v.intent.Request, v.plane, v.sent.Duration(),
						usually[v.intent.Changes[0].ID()].Duration())
				}
			}
		}
		if others < 50 {
			t.Errorf("%d requests to other planes: too few to test", others)
		}
		if refused == 0 || refused > 4 {
			t.Errorf("%d requests are refused; want those that were under way at first, 1 to 4", refused)
		}
		if out.Exit != c.exit || len(out.Progress.Asked) > 0 {
			t.Errorf("exit %d (%s), asks %v; want %d", out.Exit, out.Why, out.Progress.Asked, c.exit)
		}
	}
}

// TestThrottlingIsNoFailure: a server that refuses some request of every try for being asked too fast is asked more slowly, however often; the
// rung isn't counted as failed, and nobody is asked.
func TestThrottlingIsNoFailure(t *testing.T) {
	path := wideBook(t)
	o := sim.Options{Seed: 1, Limits: oneByOne, Instances: map[string]int{"search": 60}}
	quiet, _ := playSim(t, path, o)
	first := func(v *travel) bool { return v.intent.Step == 1 }
	undisturbed := travels(quiet)
	began := undisturbed[slices.IndexFunc(undisturbed, first)].decided
	var faults []string
	for i := range 100 { // for a tenth of each second it takes some
		at := began + 100*cutover.Millisecond + cutover.T(i)*cutover.Second
		faults = append(faults, fmt.Sprintf("throttle writes 900ms at %s in home/services", at.Duration()))
	}
	s, out := playSim(t, path, o, faults...)
	refused := map[string]bool{} // by second: that many tries of the rung had one
	for _, h := range s.Timeline() {
		if r := h.Record; r != nil && r.Failed != nil && strings.Contains(r.Failed.Error, "429") {
			refused[h.At.Truncate(time.Second).String()] = true
		}
		if r := h.Record; r != nil && r.Asked != nil {
			t.Errorf("it asks: %s", r.Asked.Text)
		}
	}
	if len(refused) < 4 {
		t.Errorf("refused in %v: too few to test", refused)
	}
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0", out.Exit, out.Why)
	}
}
