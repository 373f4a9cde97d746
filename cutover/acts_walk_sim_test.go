package cutover_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"roomshift/cutover"
)

// TestActsOfRooms walks the table of rooms through whole runs: each pair of conditions in each state of a run, with little and much in
// the room that gains, few and many moved, a probe that answers or not and replication seen or not. The journal must say the table's act,
// why, and what follows from it.
func TestActsOfRooms(t *testing.T) {
	type walk struct {
		p *place
		s stand
		c cell
	}
	var walks []walk
	for _, p := range places(t) {
		for _, s := range p.stands(t) {
			for _, c := range everyCell() {
				if c.few, c.zero = p.few(), p.share == 0; p.can(s, c) {
					walks = append(walks, walk{p, s, c})
				}
			}
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(walks), func(i, j int) { walks[i], walks[j] = walks[j], walks[i] })
	type told struct { // what the table tells apart
		back bool
		cell
	}
	n, left, tried, acts := 0, thin(97, 4), map[told]bool{}, map[string]int{}
	for i, w := range walks {
		if k := (told{w.s.back, w.c}); !tried[k] || i%left == 0 {
			tried[k] = true
			n++
			acts[w.s.name+" "+string(walkCell(t, w.p, w.s, w.c))]++
		}
	}
	t.Logf("%d of %d cases walked, %d that the table tells apart: %v", n, len(walks), len(tried), acts)
}

func everyCell() []cell {
	var cs []cell
	for _, to := range columns {
		for _, from := range columns {
			for bits := range 8 {
				cs = append(cs, cell{to: to, from: from, answers: bits&1 > 0, seen: bits&2 > 0, fails: bits&4 > 0})
			}
		}
	}
	return cs
}

// walkCell plays one case and judges it.
func walkCell(t *testing.T, p *place, s stand, c cell) cutover.Act {
	t.Helper()
	want := c.forwardAct(t)
	if s.back {
		want = c.backAct(t)
	}
	// The row of going back is asked as soon as it turns, and again when all has landed.
	stays := c.backAct(t) == cutover.Freeze || p.later(c).backAct(t) == cutover.Freeze
	w := walked{r: p.play(t, s, want, p.strikes(s, c)), p: p, s: s, want: want, stays: stays, atOnce: c.backAct(t) == cutover.Freeze}
	w.colors = map[string]cutover.Color{"errors@home": c.from}
	if !s.back { // going back waits for the room that receives only
		w.colors["errors@cloud"] = c.to
	}
	w.report(t, fmt.Sprintf("%s, %s: to %s, from %s, probe answers %v, replication seen %v, fails outright %v", p.name, s.name, c.to, c.from, c.answers, c.seen, c.fails))
	return want
}

// play is a run that is struck in a state; who paused it lets it go on when it is healed.
func (p *place) play(t testing.TB, s stand, want cutover.Act, strikes []string) ran {
	t.Helper()
	c := p.trial().with(s.faults...).with(strikes...).saying(s.said...)
	if s.paused && (want == cutover.Hold || want == cutover.Advance) {
		c = c.saying(say(cutover.T(s.at+healsAfter+30*time.Second), "resume"))
	}
	return c.must(t)
}

// walked is a run that was struck, and what must have come of it.
type walked struct {
	r      ran
	p      *place
	s      stand
	want   cutover.Act
	stays  bool                     // going back ends frozen …
	atOnce bool                     // … before anything is written
	colors map[string]cutover.Color // of the causes: red and dark of a back or a freeze, amber too of a hold
	slack  time.Duration            // how far from the moment it may turn
}

func (w walked) report(t *testing.T, name string) {
	t.Helper()
	bad := slices.Concat(w.before(), w.verdict(), w.causes(), w.follows(), w.writes(), w.r.laws())
	if len(bad) == 0 {
		return
	}
	t.Errorf("%s; want %s", name, w.want)
	w.r.report(t, bad)
	if testing.Verbose() {
		t.Log(story(w.r.Outcome))
	}
}

// before holds that the run stood where the case wants it, and that nothing had come of what struck it yet.
func (w walked) before() []string {
	state, phase := cutover.StepState(""), cutover.PhaseForward
	for _, h := range w.r.Timeline {
		switch {
		case h.Record == nil || h.At >= w.s.at-w.slack:
		case h.Record.Step != nil && h.Record.Step.State != cutover.StepPending:
			state = h.Record.Step.State
		case h.Record.Phase != nil:
			phase = h.Record.Phase.Phase
		}
	}
	want := cutover.PhaseForward
	if w.s.back {
		want, state = cutover.PhaseBack, w.s.state
	}
	if state != w.s.state || phase != want {
		return []string{fmt.Sprintf("at %s it is %s, a step %s; want %s, %s", w.s.at, phase, state, want, w.s.state)}
	}
	return nil
}

// verdict holds that the act is in the journal at the moment: as the phase that it leads to, else as the verdict in force.
func (w walked) verdict() []string {
	led := map[cutover.Act]cutover.Phase{cutover.Back: cutover.PhaseBack, cutover.Freeze: cutover.PhaseFrozen}[w.want]
	for _, h := range w.r.Timeline {
		if led != "" && h.Record != nil && h.Record.Phase != nil && h.Record.Phase.Phase == led && h.At >= w.s.at-w.slack && h.At <= w.s.at+w.slack {
			return nil
		}
	}
	act := w.want
	if act == cutover.Advance && w.s.paused {
		act = cutover.Hold
	}
	if v := w.r.verdict(w.s.at + w.slack); led != "" || v.Act != act {
		return []string{fmt.Sprintf("the verdict at %s is %s, because of %v; want %s", w.s.at, v.Act, v.Causes, w.want)}
	}
	return nil
}

// verdict is what was journaled last by a moment.
func (r ran) verdict(by time.Duration) *cutover.VerdictMark {
	v := &cutover.VerdictMark{}
	for _, h := range r.Timeline {
		if h.Record != nil && h.Record.Verdict != nil && h.At <= by {
			v = h.Record.Verdict
		}
	}
	return v
}

// causes holds that the causes journaled with the act are what is sick.
func (w walked) causes() []string {
	if w.want == cutover.Advance {
		return nil
	}
	causes := w.r.verdict(w.s.at + w.slack).Causes
	for _, h := range w.r.Timeline { // what turned or froze it stands with the phase
		if w.want != cutover.Hold && h.At >= w.s.at-w.slack && h.Record != nil && h.Record.Phase != nil {
			causes = h.Record.Phase.Causes
			break
		}
	}
	named := map[string]cutover.Color{}
	for _, c := range causes {
		named[c.Key()] = c.Color
	}
	var bad []string
	for key, color := range w.colors {
		shown := color == cutover.Red || color == cutover.Dark || color == cutover.Amber && w.want == cutover.Hold
		if shown && named[key] != color {
			bad = append(bad, fmt.Sprintf("%s is %q among the causes of %s; want %s", key, named[key], w.want, color))
		}
	}
	return bad
}

// follows holds the phases from the moment on, the exit code and the share in truth at the end against the act.
func (w walked) follows() []string {
	var phases, want []cutover.Phase
	for _, h := range w.r.Timeline {
		if h.Record != nil && h.Record.Phase != nil && h.At >= w.s.at-w.slack {
			phases = append(phases, h.Record.Phase.Phase)
		}
	}
	exit, share, back := cutover.ExitDone, w.p.last, w.s.back
	switch w.want {
	case cutover.Freeze:
		want, exit, share, back = []cutover.Phase{cutover.PhaseFrozen}, cutover.ExitStopped, w.p.share, false
	case cutover.Back:
		want, back = []cutover.Phase{cutover.PhaseBack, cutover.PhaseOver}, true
	default:
		want = []cutover.Phase{cutover.PhaseOver}
	}
	switch {
	case back && w.stays:
		want[len(want)-1], exit, share = cutover.PhaseFrozen, cutover.ExitStopped, w.p.start
		if w.atOnce {
			share = w.p.share
		}
	case back:
		exit, share = cutover.ExitBack, w.p.start
	}
	got := w.r.Truth[cutover.Seat{Route: "gw", At: "home"}]["cloud"]
	if !slices.Equal(phases, want) || w.r.Exit != exit || got != share*100 {
		return []string{fmt.Sprintf("it is %v, exit %d (%s), %d basis points in the cloud; want %v, %d, %d", phases, w.r.Exit, w.r.Why, got, want, exit, share*100)}
	}
	return nil
}

// writes holds that nothing is written that the act forbids while it stands: a hold begins no rung, a freeze starts nothing.
func (w walked) writes() []string {
	var bad []string
	for _, h := range w.r.Timeline {
		if h.Record == nil || h.At < w.s.at+w.slack {
			continue
		}
		switch r := h.Record; {
		case w.want == cutover.Hold && r.Verdict != nil && r.Verdict.Act != cutover.Hold:
			return bad // what struck it is over
		case w.want == cutover.Freeze && r.Intent != nil:
			bad = append(bad, fmt.Sprintf("record %d writes at %s while it is frozen", r.Seq, h.At))
		case w.want == cutover.Hold && !w.s.back && r.Step != nil && (r.Step.State == cutover.StepApplying || r.Step.State == cutover.StepDone):
			bad = append(bad, fmt.Sprintf("record %d goes on at %s though the gates hold: a step is %s", r.Seq, h.At, r.Step.State))
		}
	}
	return bad
}
