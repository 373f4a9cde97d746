package cutover_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// actRooms are two rooms with one gate of rooms, one pair and one line, judged within seconds.
const actRooms = `version: 1
environment: simulation
timezone: UTC
rooms:
  home:
    consul: {addr: "https://consul.home.example.net:8501", datacenter: home, tokenFile: home.token}
    prometheus: {addr: "https://prom.home.example.net"}
    addresses: [203.0.113.0/26]
  cloud:
    consul: {addr: "https://consul.cloud.example.net:8501", datacenter: cloud, tokenFile: cloud.token}
    prometheus: {addr: "https://prom.cloud.example.net"}
    addresses: [198.51.100.0/26]
links:
  line: {between: [home, cloud], circuits: [10Gbps]}
probe: {host: www.example.com, paths: [/healthz]}
observe:
  prometheus: 'sum by (served_by) (rate(gw_requests_total{route="$route"}[$window]))'
  room: served_by
routes:
  gw:
    consul: {key: gateway/rules/main, field: cloudPercent, as: percent, of: cloud}
    seats: [home]
    bytes: 20KB
pairs:
  db:
    home: {dsnEnv: DB_HOME}
    cloud: {dsnEnv: DB_CLOUD}
gates:
  errors:
    each: room
    ratio: {bad: 'sum(rate(gw_requests_total{code=~"5.."}[$window]))', of: 'sum(rate(gw_requests_total[$window]))'}
    every: 1s
    blindFor: 4s
    hold: {above: 0.2%}
    abort: {above: 1%, for: 2s}
    minEvents: 100
  lag:
    replication: db
    every: 500ms
    blindFor: 4s
    hold: {above: 1s}
    abort: {above: 5s, for: 2s}
  line-use:
    link: line
    prometheus: {in: home, query: 'max(rate(ifHCOutOctets{link="line"}[$window])) * 8 / 10e9'}
    every: 1s
    blindFor: 4s
    hold: {above: 60%}
    abort: {above: 75%, for: 2s}
`

// writeBook writes a runbook beside its rooms, and returns its path.
func writeBook(t testing.TB, rooms, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"rooms.yaml": rooms, "book.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "book.yaml")
}

// place is where a run stands when its rooms get sick: so much of all requests in the room that gains, and so much of it gained by this
// run. Of few requests in a second that part is too little to judge one room by, and enough for the other.
type place struct {
	name         string
	start, share int // percent in the cloud, before the run and now
	last         int // and at its end
	rungs        string
	path         string
	writer       cutover.Room // of the pair, "" if there is none
	base         ran          // the undisturbed run
}

// places are all kinds: little or much in the cloud, few or many moved, and none or all.
func places(t testing.TB) []*place { return placesIn(t, actRooms, "home") }

func placesIn(t testing.TB, rooms string, writer cutover.Room) []*place {
	t.Helper()
	ps := []*place{
		{name: "little, few moved", start: 0, share: 4, last: 6, rungs: "4%"},
		{name: "much, many moved", start: 0, share: 30, last: 32, rungs: "5%, 30%"},
		{name: "nearly all, few moved", start: 93, share: 96, last: 98, rungs: "96%"},
		{name: "nearly all, many moved", start: 60, share: 96, last: 98, rungs: "85%, 96%"},
		{name: "all, few moved", start: 97, share: 100, last: 100, rungs: "100%"},
		{name: "all, many moved", start: 70, share: 100, last: 100, rungs: "85%, 100%"},
		{name: "none", start: 0, share: 0, last: 4},
	}
	for _, p := range ps {
		climb := ""
		if p.rungs != "" {
			climb = fmt.Sprintf("  - name: climb\n    shift: {cloud: {gw@home: [%s]}}\n", p.rungs)
		}
		p.writer = writer
		more := fmt.Sprintf("    approve: {by: ops, within: 3h, else: hold}\n    shift: {cloud: {gw@home: [%d%%]}}\n", p.last)
		if p.last == p.share {
			more = "    ask: {by: ops, within: 3h, else: hold}\n"
		}
		p.path = writeBook(t, rooms, "version: 1\nname: walk\nmove: {from: home, to: cloud}\nbake: 8m\nsteps:\n"+climb+"  - name: more\n"+more)
		p.base = p.trial().must(t)
		if p.base.Exit != cutover.ExitDone {
			t.Fatalf("%s: exit %d:%s", p.name, p.base.Exit, story(p.base.Outcome))
		}
	}
	return ps
}

func (p *place) trial() trial {
	writers := map[string]cutover.Room{"db": p.writer}
	if p.writer == "" { // no pair
		writers = nil
	}
	return trial{book: p.path, seed: 1, o: sim.Options{Shares: map[string]int{"gw@home": p.start * 100}, ApproveAfter: 10 * time.Minute,
		Writers: writers}}
}

func (p *place) few() bool { return p.share-p.start <= 5 }

// stand is a state of a run in which it is struck, at a whole second: what makes it so, and how it shows.
type stand struct {
	name   string
	at     time.Duration // when the cell is reached
	state  cutover.StepState
	faults []string
	said   []sim.Timed
	back   bool // it goes back already
	paused bool // nothing goes forward whatever the rooms are like
}

// stands are the states of a place: while waiting for a person, as a rung settles, bakes, is applied, in a pause, and going back.
func (p *place) stands(t testing.TB) []stand {
	t.Helper()
	asked := whole(p.base.when(t, "question", func(r *cutover.Record) bool { return r.Asked != nil }) + 6*time.Minute)
	waits := cutover.StepWaiting
	if p.share == 100 {
		waits = cutover.StepAsking // the step is a question
	}
	ss := []stand{{name: "waiting", at: asked, state: waits},
		{name: "pause while waiting", at: asked, state: waits, said: pause(asked), paused: true}}
	if p.share > 0 {
		settling := whole(p.base.last(t, cutover.StepSettling, 0) + 7*time.Second)
		baking := whole(p.base.last(t, cutover.StepBaking, 0) + 6*time.Minute)
		ss = append(ss, stand{name: "settling", at: settling, state: cutover.StepSettling}, stand{name: "baking", at: baking, state: cutover.StepBaking},
			stand{name: "pause in a bake", at: baking, state: cutover.StepBaking, said: pause(baking), paused: true})
		writes := p.base.writesBefore(len(p.base.Records))
		back := baking - 8*time.Second
		undo := p.base.requestsBy(back) + 1
		ss = append(ss, stand{name: "going back", at: baking, back: true, said: []sim.Timed{say(cutover.T(back), "back", "to", "start")},
			faults: []string{fmt.Sprintf("lost write at write %d", undo)}})
		if p.share < 100 {
			applying := whole(p.base.last(t, cutover.StepApplying, 1) + 7*time.Second)
			ss = append(ss, stand{name: "applying", at: applying, state: cutover.StepApplying, faults: []string{fmt.Sprintf("lost write at write %d", writes)}})
		}
	}
	return ss
}

// whole is the next moment at which every gauge looks.
func whole(at time.Duration) time.Duration {
	const every = 5 * time.Second
	return (at + every - 1) / every * every
}

// pause is said 6 s before a moment.
func pause(at time.Duration) []sim.Timed {
	return []sim.Timed{say(cutover.T(at-6*time.Second), "pause")}
}

// when is the moment of the first record for which is holds, by the rooms' clock.
func (r ran) when(t testing.TB, what string, is func(*cutover.Record) bool) time.Duration {
	t.Helper()
	for _, h := range r.Timeline {
		if h.Record != nil && is(h.Record) {
			return h.At
		}
	}
	t.Fatalf("%s: there is no %s:%s", r.trial, what, story(r.Outcome))
	return 0
}

// last is when a step last entered a state.
func (r ran) last(t testing.TB, state cutover.StepState, step int) time.Duration {
	t.Helper()
	at := time.Duration(-1)
	for _, h := range r.Timeline {
		if h.Record != nil && h.Record.Step != nil && h.Record.Step.State == state && h.Record.Step.Step == step {
			at = h.At
		}
	}
	if at < 0 {
		t.Fatalf("%s: step %d is never %s:%s", r.trial, step, state, story(r.Outcome))
	}
	return at
}

// requestsBy is how many requests to write were journaled by a moment.
func (r ran) requestsBy(at time.Duration) int {
	n := 0
	for _, h := range r.Timeline {
		if h.Record != nil && h.Record.Intent != nil && h.At <= at {
			n++
		}
	}
	return n
}

// healsAfter is how long what strikes a room lasts.
const healsAfter = 3 * time.Minute

// strikes are the faults that bring a cell about at one moment: what takes long to be seen begins before. None of them comes to an act
// before all are there.
func (p *place) strikes(s stand, c cell) []string {
	var out []string
	lasts := healsAfter
	from := func(before time.Duration, form string, args ...any) {
		out = append(out, fmt.Sprintf(form, args...)+fmt.Sprintf(" at %s for %s", s.at-before, before+lasts))
	}
	const look = 500 * time.Millisecond // the next whole second is the first that sees it
	for room, color := range map[string]cutover.Color{"cloud": c.to, "home": c.from} {
		switch color {
		case cutover.Amber: // the second sample past hold
			from(time.Second+look, "value errors@%s 0.5%%", room)
		case cutover.Red: // 2 s of samples past abort
			value := "5%"
			if room == "cloud" && c.fails {
				value = "60%"
			}
			from(2*time.Second+look, "value errors@%s %s", room, value)
		case cutover.Dark:
			from(4*time.Second+look, "blind errors@%s", room)
		}
	}
	if load := p.thin(s, c); load > 0 {
		before := 3 * time.Second
		if p.fromThin(c) { // what it said when it had enough is worth something for 5 m
			before = 5*time.Minute + 30*time.Second
		}
		from(before+look, "load %.6f%%", load*100)
	}
	if !c.answers {
		from(look, "probe home fails")
	}
	if lasts = time.Second; !c.seen { // not as long as to be dark
		from(2*time.Second-look/2, "break db home→cloud")
	}
	return out
}

// thin is the part of the usual load at which a room has too few events to be judged by, and the other one enough unless it is to have
// too few as well. 0: the load is well as it is.
func (p *place) thin(s stand, c cell) float64 {
	const events, usual = 100, 1000
	to, from := float64(p.share)/100, 1-float64(p.share)/100
	toThin, fromThin := p.toThin(c), p.fromThin(c)
	window := 300.0
	for _, w := range p.base.Writes { // it is cut to begin after the newest write
		if !fromThin && s.state != cutover.StepApplying && w.At.Duration() < s.at {
			window = min(300, (s.at-w.At.Duration()).Seconds()-1)
		}
	}
	switch {
	case toThin && fromThin, toThin && p.share == 100, fromThin && p.share == 0:
		return 0.2 * events / window / usual
	case toThin, fromThin:
		return events / window / math.Sqrt(to*from) / usual
	}
	return 0
}

func (p *place) toThin(c cell) bool   { return c.to == cutover.Unjudged && p.share > 0 }
func (p *place) fromThin(c cell) bool { return c.from == cutover.Unjudged && p.share < 100 }

// can tells whether a state of a place has a cell: where the load is low it is the room with the lesser share that can't be judged, and
// the room that lost can't be such within 5 m of a write.
func (p *place) can(s stand, c cell) bool {
	toThin, fromThin := p.toThin(c), p.fromThin(c)
	switch {
	case c.fails && (!s.back || c.to != cutover.Red), fromThin && (s.name == "settling" || s.name == "applying"):
		return false
	case p.share == 0:
		return c.to == cutover.Unjudged
	case p.share == 100:
		return c.from == cutover.Unjudged
	case toThin && !fromThin:
		return p.share < 50
	case fromThin && !toThin:
		return p.share > 50
	}
	return true
}

// later is the cell once all that goes back has landed: nothing has moved any more, and who has nothing isn't judged.
func (p *place) later(c cell) cell {
	c.few = true
	c.fails = c.fails && p.start > 0
	if p.share == 100 && !p.toThin(c) {
		c.from = cutover.Green
	}
	return c
}

func (p *place) String() string { return strings.ReplaceAll(p.name, " ", "-") }
