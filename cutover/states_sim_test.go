package cutover_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// stateCase is one run: a person says back at a moment, and things go wrong around it.
type stateCase struct {
	at       time.Duration
	to       string
	commands []sim.Timed
	faults   []string
}

func (c stateCase) String() string {
	text := fmt.Sprintf("back to %s at %s", c.to, c.at)
	for _, k := range c.commands[1:] {
		text += fmt.Sprintf(", %s at %s", k.Command.Verb, k.At)
	}
	return text + fmt.Sprintf(", %q", c.faults)
}

var backTargets = []string{"start", "checkpoint", "rung"}

func word(at time.Duration, id, verb, to string) sim.Timed {
	c := cutover.Command{ID: id, Verb: verb, Who: "ops1"}
	if verb == "back" {
		c.Args = map[string]string{"to": to}
	}
	return sim.Timed{At: at, Command: c}
}

func newCase(at time.Duration, to string) stateCase {
	return stateCase{at: at, to: to, commands: []sim.Timed{word(at, "back-1", "back", to)}}
}

var afterTurning = []time.Duration{0, time.Millisecond, 40 * time.Millisecond, 700 * time.Millisecond, 3 * time.Second, 20 * time.Second, 70 * time.Second}

// disturbances that can be put around a back; each draws its details.
var stateDisturbances = []struct {
	name string
	add  func(c *stateCase, st *stage, r *rand.Rand)
}{
	{"fault of a write", func(c *stateCase, st *stage, r *rand.Rand) {
		n := 0 // requests sent before
		for _, h := range st.base.Timeline {
			if h.Record != nil && h.Record.Intent != nil && h.At <= c.at {
				n++
			}
		}
		kinds := []string{"lost reply at write %d", "lost write at write %d", "hang write %d for 30s", "fail write %d", "late write %d 8s", "kill at write %d"}
		c.faults = append(c.faults, fmt.Sprintf(kinds[r.IntN(len(kinds))], max(1, n+r.IntN(4))))
	}},
	{"freeze before", func(c *stateCase, _ *stage, r *rand.Rand) {
		at := max(0, c.at-afterTurning[1+r.IntN(len(afterTurning)-1)])
		c.commands = append(c.commands, word(at, "freeze-1", "freeze", ""))
	}},
	{"freeze, then resume", func(c *stateCase, _ *stage, r *rand.Rand) {
		at := c.at + afterTurning[r.IntN(len(afterTurning))]
		c.commands = append(c.commands, word(at, "freeze-2", "freeze", ""), word(at+time.Minute, "resume-2", "resume", ""))
	}},
	{"takeover", func(c *stateCase, _ *stage, r *rand.Rand) {
		d := afterTurning[r.IntN(len(afterTurning))]
		if r.IntN(4) == 0 {
			d = -d
		}
		c.faults = append(c.faults, fmt.Sprintf("kill at %s", max(time.Second, c.at+d)))
		c.commands = append(c.commands, word(max(c.at, c.at+d)+2*time.Minute, "back-2", "back", c.to)) // nobody may have heard the first
	}},
	{"instances replaced", func(c *stateCase, st *stage, r *rand.Rand) {
		routes := []string{"search", "im", "legacy"}
		c.faults = append(c.faults, fmt.Sprintf("replace half %s at %s", routes[r.IntN(3)], c.at+afterTurning[r.IntN(len(afterTurning))]))
	}},
	{"foreign value", func(c *stateCase, _ *stage, r *rand.Rand) {
		c.faults = append(c.faults, fmt.Sprintf("foreign gw@home 33%% at %s", max(time.Second, c.at-time.Minute+afterTurning[r.IntN(len(afterTurning))])))
	}},
}

// TestBackFromEveryState has a person say back in every state that a shipped runbook passes, alone and with one or two things that go
// wrong around it, and wants the end exactly at the target: every object, the exit code, nothing half-written, and on the way the
// share of the room being left never rising.
func TestBackFromEveryState(t *testing.T) {
	for _, book := range runbooks.Library() {
		t.Run(book, func(t *testing.T) {
			st := newStage(t, book)
			moments := st.moments()
			r := rand.New(rand.NewPCG(1, uint64(len(book))))
			went, seen := 0, map[string]int{}
			for _, c := range stateCases(st, moments, r, seen) {
				if playState(t, st, c) {
					went++
				}
			}
			if went == 0 {
				t.Error("no case went back, so nothing was tested")
			}
			t.Logf("%d moments; %d runs went back; %v", len(moments), went, seen)
		})
	}
}

// stateCases is the sweep: in its long form each moment with each target, alone and with each thing that goes wrong; else a part
// of it, by the seed, that has each kind.
func stateCases(st *stage, moments []time.Duration, r *rand.Rand, seen map[string]int) []stateCase {
	plain, disturbed := 15, 30
	switch {
	case *long:
		plain, disturbed = len(moments)*len(backTargets), 20*len(moments)
	case testing.Short():
		plain, disturbed = 3, 2*len(stateDisturbances)
	}
	var cases []stateCase
	order := r.Perm(len(moments) * len(backTargets))
	for _, k := range order[:min(plain, len(order))] {
		cases = append(cases, newCase(moments[k/len(backTargets)], backTargets[k%len(backTargets)]))
		seen["alone"]++
	}
	for i := range disturbed {
		c := newCase(moments[r.IntN(len(moments))], backTargets[r.IntN(len(backTargets))])
		k := i % len(stateDisturbances)
		for _, n := range []int{k, (k + 1 + r.IntN(len(stateDisturbances)-1)) % len(stateDisturbances)}[:1+i/len(stateDisturbances)%2] {
			stateDisturbances[n].add(&c, st, r)
			seen[stateDisturbances[n].name]++
		}
		cases = append(cases, c)
	}
	return cases
}

// playState runs a case and judges it. False: nobody was there to hear the word, so that the run ended as without it.
func playState(t *testing.T, st *stage, c stateCase) bool {
	t.Helper()
	s, out := st.play(t, sim.Options{Seed: 1, Commands: c.commands}, c.faults...)
	name := st.book + ", " + c.String()
	l := readLedger(t, out)
	d := disturbances(out, c.faults)
	if open := l.unsettled(); open != "" {
		t.Errorf("%s: exit %d, and open at the end: %s", name, out.Exit, open)
	}
	wantServing(t, name, l, out, d)
	if l.turned < 0 {
		wantNoTurn(t, name, st, out, d)
		return false
	}
	if l.frozen && out.Exit == cutover.ExitStopped && strings.Contains(name, "freeze") {
		return true // a person's freeze that nobody ended
	}
	if l.end == nil {
		t.Errorf("%s: exit %d (%s), it went back and has no end", name, out.Exit, out.Why)
		return true
	}
	if took := l.endAt - l.turned; took > time.Hour {
		t.Errorf("%s: going back took %s", name, took)
	}
	wantEnd(t, name, st, l, out, d)
	l.wantTarget(t, name, s, d)
	if n := len(out.Records); n > 2*len(st.base.Records)+500 {
		t.Errorf("%s: %d records: it writes on and on", name, n)
	}
	if !d.members {
		neverRises(t, name, l, out)
	}
	return true
}

// wantNoTurn: a run that didn't turn ended before anything was changed, or as if nobody had said anything.
func wantNoTurn(t *testing.T, name string, st *stage, out *sim.Outcome, d disturbed) {
	t.Helper()
	switch {
	case out.Exit == cutover.ExitNothing && runLandings(out) == 0, out.Exit == st.base.Exit:
	case out.Exit == cutover.ExitStopped && len(d.foreign) > 0, out.Exit == cutover.ExitStopped && strings.Contains(name, "freeze"):
	default:
		t.Errorf("%s: exit %d (%s) without going back, %d writes landed; want %d", name, out.Exit, out.Why, runLandings(out), st.base.Exit)
	}
}

func runLandings(out *sim.Outcome) int {
	n := 0
	for _, w := range out.Writes {
		if w.By == "run" {
			n++
		}
	}
	return n
}

// wantEnd wants exit 3, at the start over and at a checkpoint resting; 4 where somebody else's value stays.
func wantEnd(t *testing.T, name string, st *stage, l *ledger, out *sim.Outcome, d disturbed) {
	t.Helper()
	want, phase := cutover.ExitBack, cutover.PhaseResting
	for id, v := range d.foreign {
		if l.touched[id] && l.targets[l.target][id] != v {
			want = cutover.ExitStopped
		}
	}
	if l.target == "start" {
		phase = cutover.PhaseOver
	}
	planned := out.Exit == st.base.Exit && strings.HasPrefix(st.book, "drill") // the runbook's own back had begun
	if (out.Exit != want && !planned) || l.end.Exit != out.Exit || l.end.Phase != phase {
		t.Errorf("%s: exit %d (%s), %s with %d at %s; want %s with %d", name, out.Exit, out.Why, l.end.Phase, l.end.Exit, l.target, phase, want)
	}
}

// neverRises holds ENGINE §7 against what landed: while going back no write raises the composed share of the room being left, but up
// to the target's; and none brings it more than 5 points below the target's. What was on its way when the run turned may still land.
// A run that goes on to an earlier target goes back in legs, each with a target of its own.
func neverRises(t *testing.T, name string, l *ledger, out *sim.Outcome) {
	t.Helper()
	const overshoot = 500
	const rounding, step = 30, 5 // basis points that whole weights are off, in all and by one instance
	if len(disturbances(out, nil).foreign) > 0 {
		return // somebody else's value is part of the composed share
	}
	for k, from := range l.legs {
		last := len(out.Writes) - 1
		for k+1 < len(l.legs) && last >= 0 && out.Writes[last].At.Duration() >= l.legs[k+1] {
			last--
		}
		for i := 1; i <= last; i++ {
			w, was, aim := out.Writes[i], sharedBefore(out.Writes, i), out.Writes[last].Share
			if i < last && w.Txn != 0 && w.Txn == out.Writes[i+1].Txn {
				continue // there is no moment between them
			}
			if w.At.Duration() < from || l.late[w.Plane+"/"+w.Object+"="+w.After] {
				continue
			}
			if w.Share > was+step && w.Share > aim+rounding || w.Share < was-step && w.Share < aim-overshoot-rounding {
				t.Errorf("%s: %s %s → %s brings %s from %d to %d while going back to %d", name, w.Object, w.Before, w.After, l.to, was, w.Share, aim)
				return
			}
		}
	}
}

// sharedBefore is the composed share before a landing and those that landed in one transaction with it.
func sharedBefore(ws []sim.Landing, i int) int {
	for txn := ws[i].Txn; i > 0 && txn != 0 && ws[i-1].Txn == txn; i-- {
	}
	return ws[max(0, i-1)].Share
}

// wantServing plays the landings over what the plan found: each seat has something that serves after each.
func wantServing(t *testing.T, name string, l *ledger, out *sim.Outcome, d disturbed) {
	t.Helper()
	if d.members {
		return
	}
	serving := map[cutover.Seat]int{}
	for _, h := range l.held {
		if h.Room != "" && h.Live && h.Weights[h.Room] > 0 {
			serving[h.Seat]++
		}
	}
	for _, w := range out.Writes {
		h := l.held[cutover.ObjectID{Plane: w.Plane, Object: w.Object}]
		if h.Room == "" || !h.Live {
			continue
		}
		if w.Before == "0" {
			serving[w.Seat]++
		}
		if w.After == "0" {
			serving[w.Seat]--
		}
		if serving[w.Seat] <= 0 {
			t.Errorf("%s: after %s → %s nothing serves at %s", name, w.Object, w.After, w.Seat)
		}
	}
}
