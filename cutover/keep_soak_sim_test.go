package cutover_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// soakBook keeps two seats of instances for a while, under a third that moves, and at a guarded rest.
const soakBook = `version: 1
name: book
move: {from: home, to: cloud}
bake: 4m
steps:
  - shift: {cloud: {im: [5%, 20%], search@home: [4%, 15%]}}
  - shift: {cloud: {gw@home: [1%, 5%]}}
  - checkpoint: rest
    guard: true
`

// comings is a random night of instances that die, come, fail their checks and are made anew, with what may go wrong beside it.
func comings(r *rand.Rand, path string) trial {
	at := func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from))) }
	c := trial{book: path, seed: 1, o: sim.Options{Instances: map[string]int{"im": 8, "search": 10}, Watch: 15 * time.Minute}}
	for range 1 + r.IntN(7) {
		what := []string{"leave 1 %s at %s", "join 1 %s at %s", "replace 2 %s at %s", "restart 2 %s at %s", "sick 1 %s at %s", "sick 2 %s at %s for 3m", "replace half %s at %s"}[r.IntN(7)]
		f := fmt.Sprintf(what, []string{"im", "search"}[r.IntN(2)], at(time.Minute, 24*time.Minute))
		if r.IntN(3) > 0 {
			f += " in " + []string{"home", "cloud"}[r.IntN(2)]
		}
		c.faults = append(c.faults, f)
	}
	switch r.IntN(6) {
	case 0:
		c = c.with(fmt.Sprintf("kill at %s", at(time.Minute, 24*time.Minute)))
	case 1:
		c = c.with(fmt.Sprintf("kill at record %d", 10+r.IntN(60)))
	case 2:
		c = c.with(fmt.Sprintf([]string{"lost write at write %d", "lost reply at write %d", "late write %d 8s", "fail write %d"}[r.IntN(4)], 1+r.IntN(20)))
	case 3:
		c = c.with(fmt.Sprintf("slow api home/upstreams 3s at %s for 5m", at(time.Minute, 20*time.Minute)))
	}
	switch r.IntN(5) {
	case 0:
		c = c.saying(say(cutover.T(at(2*time.Minute, 24*time.Minute)), "back", "to", "start"))
	case 1:
		f := at(2*time.Minute, 20*time.Minute)
		c = c.saying(say(cutover.T(f), "freeze"), say(cutover.T(f+3*time.Minute), "resume"))
	}
	return c
}

// keptLaws says what keeping shares did that it may not, worked out from the records alone: a share is set again at most three times
// in an hour and once a minute, and never after the run turned.
func (r ran) keptLaws() []string {
	held := map[cutover.ObjectID]string{}
	for _, h := range r.Plan.Held {
		held[h.ID()] = h.Value
	}
	times := map[cutover.Seat][]time.Time{}
	var bad []string
	back := false
	for i := range r.Records {
		rec := &r.Records[i]
		switch {
		case rec.Phase != nil && rec.Phase.Phase == cutover.PhaseBack:
			back = true
		case rec.Stray != nil:
			held[cutover.ObjectID{Plane: rec.Stray.Plane, Object: rec.Stray.Object}] = rec.Stray.Found
		case rec.Done != nil:
			for _, o := range rec.Done.Objects {
				if c, ok := r.changeOf(rec.Done.Request, o); ok {
					held[c.ID()] = c.After
				}
			}
		case rec.Intent == nil || rec.Intent.Purpose != cutover.Keep:
		case back:
			bad = append(bad, fmt.Sprintf("record %d keeps a share after the run turned", rec.Seq))
		case slices.ContainsFunc(rec.Intent.Changes, func(c cutover.Change) bool { return held[c.ID()] == c.Before }):
			wall, err := time.Parse(time.RFC3339, rec.Wall)
			if err != nil {
				return []string{err.Error()}
			}
			seat := rec.Intent.Changes[0].Seat
			of := times[seat]
			if n := len(of); n == 0 || wall.Sub(of[n-1]) > 20*time.Second { // waves of one time
				if n > 0 && wall.Sub(of[n-1]) < time.Minute {
					bad = append(bad, fmt.Sprintf("record %d sets %s again %s after the last time", rec.Seq, seat, wall.Sub(of[n-1])))
				}
				if n > 2 && wall.Sub(of[n-3]) < time.Hour {
					bad = append(bad, fmt.Sprintf("record %d sets %s again a fourth time within %s", rec.Seq, seat, wall.Sub(of[n-3])))
				}
				times[seat] = append(of, wall)
			}
		}
	}
	return bad
}

func (r ran) changeOf(request int, object string) (cutover.Change, bool) {
	for i := range r.Records {
		if in := r.Records[i].Intent; in != nil && in.Request == request {
			k := slices.IndexFunc(in.Changes, func(c cutover.Change) bool { return c.Object == object })
			if k < 0 {
				return cutover.Change{}, false
			}
			return in.Changes[k], true
		}
	}
	return cutover.Change{}, false
}

// TestACheckpointWaitsForWhatIsKept: a night of TestComingsAndGoings in which an instance got its weight while every touched object was
// read for the checkpoint.
func TestACheckpointWaitsForWhatIsKept(t *testing.T) {
	r := comings(rand.New(rand.NewPCG(965, 7)), book(t, soakBook)).must(t)
	if r.Exit != cutover.ExitDone {
		t.Errorf("exit %d (%s); want 0:%s", r.Exit, r.Why, story(r.Outcome))
	}
}

// TestComingsAndGoings lets instances come and go at random, beside kills, faults of a write, freezes and backs: no law is broken, the
// limits hold, and a run that comes to its end unasked carries the shares that it was to.
func TestComingsAndGoings(t *testing.T) {
	path := book(t, soakBook)
	cases := map[bool]int{true: 60, false: 400}[testing.Short()]
	if *long {
		cases = 6000
	}
	ends := map[cutover.Exit]int{}
	for n := range cases {
		c := comings(rand.New(rand.NewPCG(uint64(n), 7)), path)
		r, err := c.try()
		if err != nil {
			t.Fatalf("case %d, %s: %v", n, c, err)
		}
		bad := append(r.foldsEverywhere(), r.nobodysWrites()...)
		bad = append(append(bad, r.forwardAfterBack()...), r.keptLaws()...)
		asked := slices.ContainsFunc(r.Records, func(rec cutover.Record) bool { return rec.Asked != nil || rec.Foreign != nil }) // made anew while nobody looked: as if written
		if r.Exit == cutover.ExitDone && !asked {
			for seat, want := range map[cutover.Seat]int{im: 2000, {Route: "search", At: "home"}: 1500} {
				if got := r.Truth[seat]["cloud"]; got < want-80 || got > want+80 {
					bad = append(bad, fmt.Sprintf("%s has %d basis points in the cloud at the end; want %d", seat, got, want))
				}
			}
		}
		if r.Exit != cutover.ExitDone && r.Exit != cutover.ExitBack && !asked && r.Progress.Phase != cutover.PhaseFrozen { // a resume that nobody heard
			bad = append(bad, fmt.Sprintf("exit %d (%s), and nobody was asked", r.Exit, r.Why))
		}
		ends[r.Exit]++
		if len(bad) > 0 {
			t.Logf("case %d", n)
			r.report(t, bad)
			return
		}
	}
	t.Logf("%d nights end with %v", cases, ends)
}
