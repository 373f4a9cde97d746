package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// wideBook moves routes of every medium at once, with so many objects that each plane has more requests than workers: MaxChanges is 1
// (see oneByOne). First the names' TTL and a rung that lands; then a rung and another TTL side by side.
func wideBook(t *testing.T) string {
	t.Helper()
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 1m
steps:
  - ttl: {entry: 60s}
  - shift: {cloud: {everything: [2%]}}
    settle: {within: 20m, reach: 80%, else: go on}
  - name: wider
    shift: {cloud: {everything: [4%]}}
    settle: {within: 20m, reach: 80%, else: go on}
  - name: shorter
    ttl: {entry: 30s}
    after: [shift-2]
  - checkpoint: far
    guard: true
`)
	routes := ""
	for i := range 5 {
		routes += fmt.Sprintf("  gw%d: {consul: {key: gateway/rules/gw%d, field: cloudPercent, as: percent, of: cloud}, seats: [home, cloud]}\n", i, i)
	}
	changeRooms(t, path, "  www: {dns:", routes+"  www: {dns:",
		"groups:\n", "groups:\n  everything: [www, api, h5, gw, gw0, gw1, gw2, gw3, gw4, search, im, legacy]\n")
	return path
}

func oneByOne(p *cutover.Plane) { p.MaxChanges = 1 }

// wideStage is the wide run, and the moment at which its second rung's first intents are decided: from then on every plane has more to
// send than workers.
type wideStage struct {
	path string
	o    sim.Options
	at   cutover.T
}

func newWideStage(t *testing.T) wideStage {
	t.Helper()
	st := wideStage{path: wideBook(t), o: sim.Options{Seed: 1, Limits: oneByOne}}
	for _, h := range play(t, st.path, st.o).Timeline {
		if h.Record != nil && h.Record.Intent != nil && h.Record.Intent.Step == 2 {
			st.at = cutover.T(h.At)
			return st
		}
	}
	t.Fatal("the wide run has no second rung")
	return st
}

// hang is what hangs from a moment on, which %s stands for.
type hang struct {
	name   string
	faults []string
	hung   int       // requests of the way forward that hang in each plane, at least
	waits  cutover.T // going back waits so long for the journal, and for nothing else
	said   string    // what people are told of it
	exit   cutover.Exit
}

const stalls = "journal: its disk hasn't answered for 1s; nothing is sent before it does, going back included"

var hangs = []hang{
	{name: "nothing", exit: cutover.ExitBack},
	{name: "a request in every worker", faults: []string{"hang writes at %s for 1m", "hang reads at %s for 1m"}, hung: 3, exit: cutover.ExitBack},
	{name: "every look-up", faults: []string{"hang reads at %s for 1m"}, exit: cutover.ExitBack},
	{name: "a gauge", faults: []string{"silent slow at %s"}, exit: cutover.ExitNotVerified},
	{name: "a journal that stalls", faults: []string{"journal stalls 40s at %s"}, waits: 40 * cutover.Second, said: stalls, exit: cutover.ExitBack},
	{name: "a journal that fails", faults: []string{"journal fails at %s for 40s"}, waits: 41 * cutover.Second, said: "the outcome is unknown", exit: cutover.ExitBack},
	{name: "a journal that is full", faults: []string{"journal full at %s for 40s"}, said: "the journal's disk is full", exit: cutover.ExitBack},
	{name: "all of it", faults: []string{"hang writes at %s for 1m", "hang reads at %s for 1m", "silent slow at %s", "journal stalls 40s at %s"}, waits: 40 * cutover.Second, said: stalls, exit: cutover.ExitNotVerified},
}

// reaction is what a run did once it turned, or was frozen, on the rooms' clock; Never: it didn't.
type reaction struct {
	decided, first, told cutover.T
	sent                 []sim.Sent     // from then on
	hung                 map[string]int // by plane: requests under way then
}

func reactionOf(s *sim.Sim, from cutover.T, phase cutover.Phase) reaction {
	r := reaction{cutover.Never, cutover.Never, cutover.Never, nil, map[string]int{}}
	for _, h := range s.Timeline() {
		at := max(from, cutover.T(h.At))
		switch {
		case cutover.T(h.At) < from:
		case h.Record != nil && h.Record.Phase != nil && h.Record.Phase.Phase == phase:
			r.decided = min(r.decided, at)
		case strings.HasPrefix(h.Note, "command "):
			r.told = min(r.told, at)
		}
	}
	for _, q := range s.Sent() {
		switch {
		case q.At >= r.decided:
			r.first = min(r.first, q.At)
			r.sent = append(r.sent, q)
		case q.Answered > r.decided:
			r.hung[q.Plane]++
		}
	}
	return r
}

// appends is the time of the appends that a reaction waits for at most: one under way, and its own.
const appends = 4 * cutover.Millisecond

// latest is when the first undo of a turn must be sent, and a person told: a millisecond of virtual time beside the appends, which a
// journal that stands still holds up.
func (h *hang) latest(began, decided cutover.T) cutover.T {
	if h.waits > 0 {
		decided = max(decided, began+h.waits)
	}
	return decided + appends + cutover.Millisecond
}

func (h *hang) play(t *testing.T, st wideStage, faults []string, said ...sim.Timed) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	o := st.o
	o.Commands = said
	for _, f := range h.faults {
		faults = append(faults, fmt.Sprintf(f, (st.at-cutover.Millisecond).Duration()))
	}
	return playSim(t, st.path, o, faults...)
}

// TestHangsAndAPerson has a person say back or freeze while everything hangs: it is obeyed at once.
func TestHangsAndAPerson(t *testing.T) {
	st := newWideStage(t)
	for _, h := range hangs {
		for _, wait := range []cutover.T{100 * cutover.Millisecond, 2 * cutover.Second, 5 * cutover.Second} {
			t.Run(fmt.Sprintf("%s, %s later", h.name, wait.Duration()), func(t *testing.T) {
				at := st.at + wait
				latest := h.latest(st.at, at)
				s, out := h.play(t, st, nil, say(at, "back", "to", "start"))
				r := reactionOf(s, at, cutover.PhaseBack)
				if r.decided != at || r.first > latest || r.told > latest {
					t.Errorf("decided after %s, first undo sent after %s, told after %s; want 0, and %s at most", (r.decided - at).Duration(), (r.first - at).Duration(),
						(r.told - at).Duration(), (latest - at).Duration())
				}
				if h.waits > 0 && r.first < st.at+h.waits-cutover.Second {
					t.Errorf("an undo is sent after %s, before its intent can be durable", (r.first - at).Duration())
				}
				for _, plane := range planesOf(s) {
					if r.hung[plane] < h.hung {
						t.Errorf("%d requests hang in %s; want %d, or nothing is tested", r.hung[plane], plane, h.hung)
					}
				}
				if out.Exit != h.exit {
					t.Errorf("exit %d (%s); want %d", out.Exit, out.Why, h.exit)
				}
				sameTruth(t, "at the end", out.Truth, startOf(t, st))
				h.wantSaid(t, s)

				s, out = h.play(t, st, nil, say(at, "freeze"))
				r = reactionOf(s, at, cutover.PhaseFrozen)
				if r.decided != at || r.told > latest || out.Progress.Phase != cutover.PhaseFrozen {
					t.Errorf("frozen after %s, told after %s; want 0 and %s at most; it ends %s", (r.decided - at).Duration(), (r.told - at).Duration(),
						(latest - at).Duration(), out.Progress.Phase)
				}
				began := slices.ContainsFunc(s.Sent(), func(q sim.Sent) bool { return q.Plane == "alidns" && q.At >= st.at && q.At < at })
				for _, q := range r.sent {
					if q.Plane != "alidns" || !began {
						t.Errorf("%s %v is sent %s after the freeze, and finishes no wave of a name", q.Plane, q.Changes, (q.At - at).Duration())
					}
				}
			})
		}
	}
}

func planesOf(s *sim.Sim) []string {
	var names []string
	for _, p := range s.World().Planes {
		names = append(names, p.Name)
	}
	return names
}

func startOf(t *testing.T, st wideStage) map[cutover.Seat]cutover.Share {
	t.Helper()
	return simOf(t, st.path, st.o).Shares()
}

// wantSaid wants people told why nothing is sent.
func (h *hang) wantSaid(t *testing.T, s *sim.Sim) {
	t.Helper()
	said, over := false, false
	for _, line := range s.Timeline() {
		said = said || strings.HasPrefix(line.Note, "journal: ") && strings.Contains(line.Note, h.said)
		over = over || strings.HasPrefix(line.Note, "journal: it is written again")
	}
	if h.said != "" && !(said && over) {
		t.Errorf("people are told that the journal isn't written: %v, and when it is again: %v; want both", said, over)
	}
}

// TestHangsAndTheGates crosses a gate while everything hangs: it is judged when it would have been, and the run turns at once.
func TestHangsAndTheGates(t *testing.T) {
	st := newWideStage(t)
	for _, fault := range []string{"errors cloud 20%% at %s", "lag feed-db home→cloud 10s at %s"} {
		fault = fmt.Sprintf(fault, (st.at + 10*cutover.Millisecond).Duration())
		var crossed cutover.T
		for _, h := range hangs {
			s, out := h.play(t, st, []string{fault})
			r := reactionOf(s, st.at, cutover.PhaseBack)
			if h.name == "nothing" {
				if crossed = r.decided; crossed > st.at+30*cutover.Second {
					t.Fatalf("%s: it is past its limit %s after all hangs, when much of it is over", fault, (crossed - st.at).Duration())
				}
			}
			if h.hung > 0 && len(r.hung) < 2 {
				t.Errorf("%s: requests hang in %v only: nothing is tested", fault, r.hung)
			}
			if r.decided != crossed || r.first > h.latest(st.at, r.decided) {
				t.Errorf("%s, and %s hangs: decided %s later than if nothing hangs, first undo sent %s after that; want 0, and %s at most", fault, h.name,
					(r.decided - crossed).Duration(), (r.first - r.decided).Duration(), (h.latest(st.at, r.decided) - r.decided).Duration())
			}
			if out.Exit != h.exit || out.Timing.Crossed != out.Timing.Decided {
				t.Errorf("%s, and %s hangs: exit %d (%s), crossed at %d, decided at %d; want %d, and the same moment", fault, h.name, out.Exit, out.Why,
					out.Timing.Crossed, out.Timing.Decided, h.exit)
			}
		}
	}
}

// TestNoAnswerIsUnknown: a request that isn't answered by its deadline and a tenth of a second is unknown, and its worker is another's.
func TestNoAnswerIsUnknown(t *testing.T) {
	st := newWideStage(t)
	s, out := hangs[1].play(t, st, nil)
	const deadline = 5*cutover.Second + 100*cutover.Millisecond
	sent, next := map[string][]cutover.T{}, map[string]bool{} // by plane: when the first requests were sent
	for _, q := range s.Sent() {
		if q.At >= st.at && q.At < st.at+deadline {
			sent[q.Plane] = append(sent[q.Plane], q.At)
		}
		for _, at := range sent[q.Plane] {
			next[q.Plane] = next[q.Plane] || q.At == at+deadline
		}
	}
	planes := intentPlanes(out)
	unknown := map[string]int{}
	for _, h := range s.Timeline() {
		if h.Record == nil || h.Record.Unknown == nil {
			continue
		}
		plane := planes[h.Record.Unknown.Request]
		if slices.Contains(sent[plane], cutover.T(h.At)-deadline) {
			unknown[plane]++
		}
	}
	for _, plane := range planesOf(s) {
		if len(sent[plane]) != 3 || unknown[plane] != 3 || !next[plane] {
			t.Errorf("%s: %d requests sent at first, %d of them unknown %s later, then another was sent: %v; want 3, 3 and so", plane, len(sent[plane]),
				unknown[plane], deadline.Duration(), next[plane])
		}
	}
}

// intentPlanes is the plane of each request.
func intentPlanes(out *sim.Outcome) map[int]string {
	planes := map[int]string{}
	for _, r := range out.Records {
		if r.Intent != nil {
			planes[r.Intent.Request] = r.Intent.Changes[0].Plane
		}
	}
	return planes
}
