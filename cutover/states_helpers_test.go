package cutover_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// stage is a loaded runbook with its undisturbed run.
type stage struct {
	book string
	l    *runbooks.Loaded
	base *sim.Outcome
}

func newStage(t *testing.T, book string) *stage {
	t.Helper()
	l, err := loadShares(book)
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{book: book, l: l}
	_, st.base = st.play(t, sim.Options{Seed: 1})
	return st
}

// play runs the runbook, and hands over the rooms beside the outcome.
func (st *stage) play(t *testing.T, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	o.Faults = append(o.Faults, faultsOf(t, faults)...)
	s, err := sim.New(st.l, o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatalf("%s with %q: %v", st.book, faults, err)
	}
	return s, out
}

// moments are those of the records that mark a state of a step, and the middles between them, each once.
func (st *stage) moments() []time.Duration {
	var at []time.Duration
	last := time.Duration(-1)
	for _, h := range st.base.Timeline {
		r := h.Record
		if r == nil || r.Step == nil && r.Intent == nil && r.Done == nil && r.Phase == nil && r.Checkpoint == nil && r.Asked == nil || h.At == last {
			continue
		}
		if last >= 0 && h.At-last > time.Microsecond {
			at = append(at, last+(h.At-last)/2)
		}
		at, last = append(at, h.At), h.At
	}
	return at
}

// ledger is what the raw records say, worked out without the engine's fold: the simplest reading that there can be.
type ledger struct {
	to      cutover.Room
	held    map[cutover.ObjectID]cutover.Held // as the plans found it
	want    map[cutover.ObjectID]string
	targets map[string]map[cutover.ObjectID]string
	rung    map[cutover.ObjectID]string
	rungOf  [2]int
	open    map[int]map[string]cutover.Change // by request, by object
	touched map[cutover.ObjectID]bool
	turned  time.Duration   // when it began to go back, -1: never
	late    map[string]bool // "object=value" of writes that were on their way when it turned
	target  string          // the last one that it went back to
	legs    []time.Duration // when it began to go back, to each target
	frozen  bool            // as it stands
	end     *cutover.PhaseMark
	endAt   time.Duration
}

func readLedger(t *testing.T, out *sim.Outcome) *ledger {
	t.Helper()
	l := &ledger{held: map[cutover.ObjectID]cutover.Held{}, want: map[cutover.ObjectID]string{}, targets: map[string]map[cutover.ObjectID]string{},
		open: map[int]map[string]cutover.Change{}, touched: map[cutover.ObjectID]bool{}, late: map[string]bool{}, turned: -1, rungOf: [2]int{-1, -1}}
	times := map[int64]time.Duration{}
	for _, h := range out.Timeline {
		if h.Record != nil {
			times[h.Record.Seq] = h.At
		}
	}
	intents := map[int]*cutover.Intent{}
	text := ""
	for i := range out.Records {
		r := &out.Records[i]
		switch {
		case r.Plan != nil:
			if text += r.Plan.Text; r.Plan.Part == r.Plan.Of {
				l.plan(t, text)
				text = ""
			}
		case r.Step != nil && r.Step.State == cutover.StepApplying:
			if rung := [2]int{r.Step.Step, r.Step.Rung}; rung != l.rungOf {
				l.rung, l.rungOf = maps.Clone(l.want), rung
			}
		case r.Intent != nil:
			intents[r.Intent.Request] = r.Intent
			l.intend(r.Intent)
		case r.Done != nil:
			l.close(r.Done.Request, r.Done.Objects)
			l.done(intents[r.Done.Request], r.Done.Objects)
		case r.Failed != nil:
			l.close(r.Failed.Request, r.Failed.Objects)
		case r.Foreign != nil:
			l.close(r.Foreign.Request, []string{r.Foreign.Object})
		case r.Adopted != nil:
			l.want[cutover.ObjectID{Plane: r.Adopted.Plane, Object: r.Adopted.Object}] = r.Adopted.Value
		case r.Checkpoint != nil:
			l.targets[r.Checkpoint.Name] = maps.Clone(l.want)
		case r.Phase != nil:
			l.phase(r.Phase, times[r.Seq])
		}
	}
	return l
}

func (l *ledger) plan(t *testing.T, text string) {
	t.Helper()
	var p cutover.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	first := len(l.held) == 0
	l.to, l.rungOf = p.To, [2]int{-1, -1}
	for _, h := range p.Held {
		if _, ok := l.want[h.ID()]; !ok {
			l.held[h.ID()], l.want[h.ID()] = h, h.Value
			for _, known := range l.targets {
				known[h.ID()] = h.Value
			}
		}
	}
	if first {
		l.targets["start"] = maps.Clone(l.want)
	}
}

func (l *ledger) intend(in *cutover.Intent) {
	l.open[in.Request] = map[string]cutover.Change{}
	for _, c := range in.Changes {
		l.open[in.Request][c.Object] = c
		l.touched[c.ID()] = true
	}
}

func (l *ledger) close(request int, objects []string) {
	for _, o := range objects {
		delete(l.open[request], o)
	}
}

func (l *ledger) done(in *cutover.Intent, objects []string) {
	if in == nil || in.Purpose != cutover.Forward && in.Purpose != cutover.Keep {
		return
	}
	for _, c := range in.Changes {
		for _, o := range objects {
			if c.Object == o {
				l.want[c.ID()] = c.After
			}
		}
	}
}

func (l *ledger) phase(m *cutover.PhaseMark, at time.Duration) {
	l.frozen = m.Phase == cutover.PhaseFrozen
	switch m.Phase {
	case cutover.PhaseBack:
		if l.turned < 0 {
			l.turned = at
			for _, open := range l.open {
				for _, c := range open {
					l.late[c.ID().String()+"="+c.After] = true
				}
			}
		}
		if m.Target != l.target {
			l.legs = append(l.legs, at)
		}
		if l.target = m.Target; m.Target == "rung" {
			l.targets["rung"] = l.rung
		}
	case cutover.PhaseOver, cutover.PhaseResting:
		l.end, l.endAt = m, at
	}
}

// unsettled names what has an intent and no outcome at the end.
func (l *ledger) unsettled() string {
	var names []string
	for n, open := range l.open {
		for o := range open {
			names = append(names, fmt.Sprintf("%s of request %d", o, n))
		}
	}
	return strings.Join(names, ", ")
}

// disturbed tells what people and instances did besides the run.
type disturbed struct {
	foreign map[cutover.ObjectID]string
	members bool
}

func disturbances(out *sim.Outcome, faults []string) disturbed {
	d := disturbed{foreign: map[cutover.ObjectID]string{}}
	for _, f := range faults {
		d.members = d.members || strings.HasPrefix(f, "replace")
	}
	for _, w := range out.Writes {
		if w.By != "run" {
			d.foreign[cutover.ObjectID{Plane: w.Plane, Object: w.Object}] = w.After
		}
	}
	return d
}

// wantTarget wants every object to hold what was recorded at the target; what somebody else wrote stays.
func (l *ledger) wantTarget(t *testing.T, name string, s *sim.Sim, d disturbed) {
	t.Helper()
	want := l.targets[l.target]
	if want == nil {
		t.Errorf("%s: it goes back to %q, which no record knows", name, l.target)
		return
	}
	got, wrong := s.Objects(), 0
	for id, w := range want {
		v, there := got[id]
		if f, ok := d.foreign[id]; ok {
			w = f
		}
		if (there || !d.members) && v != w {
			if wrong++; wrong <= 3 {
				t.Errorf("%s: %s holds %q at %s; want %q", name, id, v, l.target, w)
			}
		}
	}
	if !d.members {
		return
	}
	for seat, sh := range s.Shares() {
		if w := l.shareOf(seat, want); w != nil && !l.foreignAt(seat, d) && max(sh[l.to]-w[l.to], w[l.to]-sh[l.to]) > 50 {
			t.Errorf("%s: %s carries %v at %s, half of its instances replaced; want %v", name, seat, sh, l.target, w)
		}
	}
}

func (l *ledger) foreignAt(seat cutover.Seat, d disturbed) bool {
	for id := range d.foreign {
		if l.held[id].Seat == seat {
			return true
		}
	}
	return false
}

// shareOf is a seat's recorded share, of instances with plain weights; nil: it has none.
func (l *ledger) shareOf(seat cutover.Seat, values map[cutover.ObjectID]string) cutover.Share {
	var held []cutover.Held
	for id, h := range l.held {
		var n int
		if h.Seat != seat || h.Room == "" || h.Weights == nil {
			continue
		}
		if _, err := fmt.Sscan(values[id], &n); err != nil {
			return nil
		}
		h.Weights = cutover.Share{h.Room: n}
		held = append(held, h)
	}
	return cutover.SeatShares(held)[seat]
}
