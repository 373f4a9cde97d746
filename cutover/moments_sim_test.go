package cutover_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// long makes the suites over moments try each moment and many more combinations: go test ./cutover -run Moments -long
var long = flag.Bool("long", false, "try every moment and many more combinations of faults")

// thin is how many of the possible cases are left out between two that are tried: short under -short, else usual; none with -long.
func thin(short, usual int) int {
	switch {
	case *long:
		return 1
	case testing.Short():
		return short
	}
	return usual
}

// trial is a simulated run with everything that makes it, so that it can be told and repeated.
type trial struct {
	book     string
	seed     uint64
	faults   []string
	commands []sim.Timed
	o        sim.Options
}

func (c trial) with(faults ...string) trial {
	c.faults = append(slices.Clone(c.faults), faults...)
	return c
}

func (c trial) saying(said ...sim.Timed) trial {
	c.commands = append(slices.Clone(c.commands), said...)
	return c
}

// String is the command line that repeats it, and what people say meanwhile.
func (c trial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "roomshift simulate %s --seed %d", c.book, c.seed)
	for _, f := range c.faults {
		fmt.Fprintf(&b, " --fault '%s'", f)
	}
	for _, t := range c.commands {
		fmt.Fprintf(&b, " [%s at %s %v]", t.Command.Verb, t.At, t.Command.Args)
	}
	return b.String()
}

var books sync.Map // name → *runbooks.Loaded

// loadBook loads a shipped runbook once: a simulation only reads it.
func loadBook(name string) (*runbooks.Loaded, error) {
	if l, ok := books.Load(name); ok {
		return l.(*runbooks.Loaded), nil
	}
	l, err := loadShares(name)
	if err != nil {
		return nil, err
	}
	if len(l.Problems) > 0 {
		return nil, fmt.Errorf("%s: %s", name, l.Problems[0].Error())
	}
	books.Store(name, l)
	return l, nil
}

// ran is how a trial went.
type ran struct {
	*sim.Outcome
	trial trial
	start map[cutover.Seat]cutover.Share // what the seats held before
}

// try runs a trial. An error is one of the engine or of the trial itself.
func (c trial) try() (ran, error) {
	l, err := loadBook(c.book)
	if err != nil {
		return ran{}, err
	}
	o := c.o
	o.Seed, o.Commands, o.Faults = c.seed, c.commands, nil
	for _, text := range c.faults {
		f, err := sim.ParseFault(text)
		if err != nil {
			return ran{}, err
		}
		o.Faults = append(o.Faults, f)
	}
	s, err := sim.New(l, o)
	if err != nil {
		return ran{}, err
	}
	start := s.Shares()
	out, err := s.Run(context.Background())
	if err != nil {
		return ran{}, err
	}
	if len(out.Problems) > 0 {
		return ran{}, out.Problems[0]
	}
	return ran{out, c, start}, nil
}

// must runs a trial that has to come to an end.
func (c trial) must(t testing.TB) ran {
	t.Helper()
	r, err := c.try()
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	return r
}

// laws says what a run did that no run may do, whatever struck it. All of it is worked out from the records and from what landed
// in the rooms, none from the engine's own view.
func (r ran) laws() []string {
	var bad []string
	bad = append(bad, r.foldsEverywhere()...)
	bad = append(bad, r.nobodysWrites()...)
	bad = append(bad, r.unanswered()...)
	bad = append(bad, r.forwardAfterBack()...)
	if (r.Why == sim.ErrStuck.Error() || r.Why == sim.ErrLimit.Error()) && r.Progress.Paused == "" { // who paused it may let it wait
		bad = append(bad, "it ends by "+r.Why)
	}
	return append(bad, r.exitIsTrue()...)
}

// foldsEverywhere applies the journal record by record.
func (r ran) foldsEverywhere() []string {
	p := cutover.NewProgress()
	for i := range r.Records {
		line, err := cutover.AppendLine(nil, &r.Records[i])
		if err == nil {
			err = p.Apply(&r.Records[i])
		}
		if err != nil {
			return []string{fmt.Sprintf("its journal doesn't fold: %v", err)}
		}
		p.Chain(cutover.LineHash(line))
	}
	if p.Phase != r.Progress.Phase || p.Target != r.Progress.Target {
		return []string{fmt.Sprintf("its journal ends %s, it says it is %s", p.Phase, r.Progress.Phase)}
	}
	return nil
}

// wallOf is a record's moment in the rooms.
func (r ran) wallOf(at cutover.T) string {
	if len(r.Timeline) == 0 {
		return ""
	}
	first := r.Timeline[0]
	return first.Wall.Add(at.Duration() - first.At).Format("2006-01-02T15:04:05.000Z07:00")
}

// nobodysWrites names what the run wrote without an intent that was durable before.
func (r ran) nobodysWrites() []string {
	type written struct{ plane, object, value string }
	since := map[written]string{}
	for _, rec := range r.Records {
		if rec.Intent == nil {
			continue
		}
		for _, c := range rec.Intent.Changes {
			if k := (written{c.Plane, c.Object, c.After}); since[k] == "" {
				since[k] = rec.Wall
			}
		}
	}
	var bad []string
	for _, w := range r.Writes {
		if w.By != "run" {
			continue
		}
		wall, ok := since[written{w.Plane, w.Object, w.After}]
		if !ok || wall > r.wallOf(w.At) {
			bad = append(bad, fmt.Sprintf("%s → %s lands at %s, and no intent says so before", w.Object, w.After, w.At.Duration()))
		}
	}
	return bad
}

// unanswered names the moments at which a seat, by the objects that were ever written, was left without anybody to answer.
func (r ran) unanswered() []string {
	type id struct{ plane, object string }
	held, bySeat, other := map[id]string{}, map[cutover.Seat][]id{}, map[cutover.Seat]bool{}
	for i := len(r.Writes) - 1; i >= 0; i-- {
		w := r.Writes[i]
		held[id{w.Plane, w.Object}] = w.Before
	}
	for _, h := range r.Plan.Held {
		k := id{h.Plane, h.Object}
		if _, ok := held[k]; !ok && h.Value != "0" {
			other[h.Seat] = true // never written, and it serves
		}
	}
	for _, w := range r.Writes {
		if k := (id{w.Plane, w.Object}); !slices.Contains(bySeat[w.Seat], k) {
			bySeat[w.Seat] = append(bySeat[w.Seat], k)
		}
	}
	var bad []string
	for _, w := range r.Writes {
		held[id{w.Plane, w.Object}] = w.After
		if other[w.Seat] || len(bySeat[w.Seat]) < 2 { // a single number is a share by itself
			continue
		}
		if !slices.ContainsFunc(bySeat[w.Seat], func(k id) bool { return held[k] != "0" }) {
			bad = append(bad, fmt.Sprintf("nothing answers for %s after %s → %s", w.Seat, w.Object, w.After))
		}
	}
	return bad
}

// forwardAfterBack: once `phase back` is durable nothing goes forward in that plan, whatever heals or takes over.
func (r ran) forwardAfterBack() []string {
	back := false
	for _, rec := range r.Records {
		switch {
		case rec.Plan != nil:
			back = false
		case rec.Phase != nil && rec.Phase.Phase == cutover.PhaseBack:
			back = true
		case rec.Phase != nil && rec.Phase.Phase == cutover.PhaseForward && back:
			return []string{fmt.Sprintf("record %d goes forward again after it turned", rec.Seq)}
		case rec.Intent != nil && back && rec.Intent.Purpose == cutover.Forward:
			return []string{fmt.Sprintf("record %d is a forward write after it turned", rec.Seq)}
		}
	}
	return nil
}

// exitIsTrue compares the exit code with what the rooms hold in truth.
func (r ran) exitIsTrue() []string {
	var phase *cutover.PhaseMark
	for _, rec := range r.Records {
		if rec.Phase != nil {
			phase = rec.Phase
		}
	}
	switch r.Exit {
	case cutover.ExitBack:
		if r.Progress.Target != "start" {
			return nil
		}
		return sameShares("it says it is back", r.Truth, r.start)
	case cutover.ExitUnknown:
		if r.Progress.OpenCount() == 0 {
			return []string{"it says that a write is unknown, and none is"}
		}
	case cutover.ExitStopped:
		foreign := false
		for _, rec := range r.Records {
			foreign = foreign || rec.Foreign != nil
		}
		if r.Progress.Phase != cutover.PhaseFrozen && len(r.Progress.Asked) == 0 && !foreign && r.Progress.Phase != cutover.PhaseForward && r.Progress.Phase != cutover.PhaseBack {
			return []string{fmt.Sprintf("it stopped part-way (%s): neither frozen nor asking, nothing foreign; last phase %+v", r.Why, phase)}
		}
	}
	return nil
}

func sameShares(what string, got, want map[cutover.Seat]cutover.Share) []string {
	var bad []string
	for _, seat := range slices.SortedFunc(maps.Keys(want), cutover.CompareSeats) {
		if !maps.Equal(got[seat], want[seat]) {
			bad = append(bad, fmt.Sprintf("%s, and %s holds %v; want %v", what, seat, got[seat], want[seat]))
		}
	}
	return bad
}

// endsAs wants what a run came to: its code, the shares in truth, and that no law was broken.
func (r ran) endsAs(exit cutover.Exit, truth map[cutover.Seat]cutover.Share) []string {
	bad := r.laws()
	if r.Exit != exit {
		bad = append(bad, fmt.Sprintf("exit %d (%s); want %d", r.Exit, r.Why, exit))
	}
	return append(bad, sameShares("at the end", r.Truth, truth)...)
}

// report fails the test for each thing that is wrong, with what repeats the run.
func (r ran) report(t testing.TB, bad []string) {
	t.Helper()
	if len(bad) == 0 {
		return
	}
	t.Errorf("%s:\n  %s", r.trial, strings.Join(bad, "\n  "))
}
