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

// placeOf is the place with so much in the cloud, and standOf one of its states.
func placeOf(t testing.TB, rooms string, share int) *place {
	t.Helper()
	ps := placesIn(t, rooms, "home")
	return ps[slices.IndexFunc(ps, func(p *place) bool { return p.share == share })]
}

func (p *place) standOf(t testing.TB, name string) stand {
	t.Helper()
	ss := p.stands(t)
	return ss[slices.IndexFunc(ss, func(s stand) bool { return s.name == name })]
}

// TestActsWhileFrozen: whatever becomes of the rooms, a frozen run stays so, and says that it judges on.
func TestActsWhileFrozen(t *testing.T) {
	for _, share := range []int{4, 30} {
		p := placeOf(t, actRooms, share)
		s := p.standOf(t, "baking")
		s.said = []sim.Timed{say(cutover.T(s.at-8*time.Second), "freeze")}
		for i, c := range everyCell() {
			if c.fails || !c.seen || p.fromThin(c) && !p.toThin(c) || i%thin(7, 2) != 0 {
				continue
			}
			r := p.play(t, s, cutover.Freeze, p.strikes(s, c))
			bad := r.laws()
			if v := r.verdict(s.at); v.Act != cutover.Freeze {
				bad = append(bad, fmt.Sprintf("the verdict is %s", v.Act))
			}
			if c.to == cutover.Red && !slices.ContainsFunc(r.verdict(s.at).Causes, func(c cutover.Cause) bool { return c.Key() == "errors@cloud" && c.Color == cutover.Red }) {
				bad = append(bad, "that the cloud is red isn't told")
			}
			for _, h := range r.Timeline {
				if h.Record != nil && h.At > s.at-7*time.Second && (h.Record.Phase != nil || h.Record.Intent != nil) {
					bad = append(bad, fmt.Sprintf("record %d: it isn't frozen any more", h.Record.Seq))
				}
			}
			if r.Exit != cutover.ExitStopped {
				bad = append(bad, fmt.Sprintf("exit %d", r.Exit))
			}
			r.report(t, bad)
		}
	}
}

// TestActsWhileResting: a guarded rest is judged by the table as the way forward is. Nothing has moved since its checkpoint: few have.
// It goes back to where it stands, and from there to the start if what led back would lead back from there.
func TestActsWhileResting(t *testing.T) {
	for _, share := range []int{4, 30} {
		p := placeOf(t, actRooms, share)
		rest := *p
		rest.path = writeBook(t, actRooms, fmt.Sprintf("version: 1\nname: rest\nmove: {from: home, to: cloud}\nbake: 8m\nsteps:\n"+
			"  - shift: {cloud: {gw@home: [%s]}}\n  - checkpoint: here\n    guard: true\n", p.rungs))
		quiet := rest.trial()
		quiet.o.Watch = 30 * time.Minute
		at := whole(quiet.must(t).when(t, "rest", entersPhase(cutover.PhaseResting)) + 6*time.Minute)
		for i, c := range everyCell() {
			if c.fails || c.to == cutover.Unjudged || c.from == cutover.Unjudged || i%thin(11, 3) != 0 {
				continue
			}
			c.few = true
			want, sits := []cutover.Phase(nil), p.share
			exit := cutover.ExitDone
			switch act := c.forwardAct(t); act {
			case cutover.Freeze:
				want, exit = []cutover.Phase{cutover.PhaseFrozen}, cutover.ExitStopped
			case cutover.Back:
				want, exit = []cutover.Phase{cutover.PhaseBack, cutover.PhaseResting}, cutover.ExitBack
				c.few = p.few() // since the start
				if c.forwardAct(t) == cutover.Back {
					want[1], sits = cutover.PhaseBack, p.start
					want = append(want, cutover.PhaseOver)
				}
			}
			r := quiet.with(rest.strikes(stand{at: at}, c)...).must(t)
			var got []cutover.Phase
			for _, h := range r.Timeline {
				if h.Record != nil && h.Record.Phase != nil && h.At >= at {
					got = append(got, h.Record.Phase.Phase)
				}
			}
			bad := r.laws()
			if held := r.Truth[cutover.Seat{Route: "gw", At: "home"}]["cloud"]; !slices.Equal(got, want) || r.Exit != exit || held != sits*100 {
				bad = append(bad, fmt.Sprintf("to %s, from %s, %d %%: it is %v, exit %d, %d basis points in the cloud; want %v, %d, %d", c.to, c.from, p.share, got, r.Exit, held, want, exit, sits*100))
			}
			r.report(t, bad)
		}
	}
}

// TestConditionOfARoom: of a room's gates the first of red, dark, amber and green counts, and one with too few events holds the others in
// the room that gains, not in the room that lost.
func TestConditionOfARoom(t *testing.T) {
	slow := "  slow:\n    each: room\n    prometheus: 'histogram_quantile(0.99, sum by (le) (rate(gw_seconds_bucket[$window])))'\n" +
		"    every: 1s\n    blindFor: 4s\n    hold: {above: 400ms}\n    abort: {above: 800ms, for: 2s}\n"
	p := placeOf(t, actRooms+slow, 30)
	much := placeOf(t, actRooms+slow, 96)
	for _, c := range []struct {
		name    string
		p       *place
		strikes []string
		want    cutover.Act
		causes  string
	}{
		{"one gate of the gainer red, the other dark: red", p, []string{"value errors@cloud 5% @ 2.5s", "blind slow@cloud @ 4.5s"}, turnsBack, "errors@cloud red"},
		{"one dark, the other past hold: dark", p, []string{"blind errors@cloud @ 4.5s", "value slow@cloud 500ms @ 1.5s"}, freezes, "errors@cloud dark"},
		{"one past hold, the other green: amber", p, []string{"value slow@cloud 500ms @ 1.5s"}, holds, "slow@cloud amber"},
		{"one red of each room: both red", p, []string{"value errors@cloud 5% @ 2.5s", "value slow@home 900ms @ 2.5s"}, freezes, "errors@cloud red, slow@home red"},
		{"one gate of the loser dark, the other red: red", p, []string{"blind errors@home @ 4.5s", "value slow@home 900ms @ 2.5s"}, freezes, "slow@home red"},
		{"the gainer's events are too few, its latency green: it holds", p, []string{"load 0.05% @ 330s"}, holds, "errors@cloud unjudged"},
		{"the loser's events are too few, its latency green: green", much, []string{"load 0.4% @ 330s"}, goesOn, ""},
		{"the loser's events are too few, its latency red: red", much, []string{"load 0.4% @ 330s", "value slow@home 900ms @ 2.5s"}, freezes, "slow@home red"},
	} {
		row := actRow{name: c.name, writer: "home", strikes: c.strikes, forward: all(c.want), back: all(goesOn), causes: c.causes}
		walkRow(t, c.p, c.p.standOf(t, "baking"), &row)
	}
}

// TestTheLineTakesWhatCrossesLess: past its limit the line between the rooms leads back only if less crosses then. At 30 % by the gateway
// it does; at 30 % by the names nothing crosses, and going back to the checkpoint before would send 10 % over it again.
func TestTheLineTakesWhatCrossesLess(t *testing.T) {
	base := trial{book: "spring-festival-out", seed: 1}.must(t)
	for _, c := range []struct {
		step string
		rung int
		want cutover.Phase
		exit cutover.Exit
	}{
		{"climb", 1, cutover.PhaseBack, cutover.ExitBack},
		{"names follow", 1, "", cutover.ExitDone},
	} {
		step := slices.IndexFunc(base.Plan.Steps, func(s cutover.StepPlan) bool { return s.Name == c.step })
		at := base.when(t, c.step, func(r *cutover.Record) bool {
			return r.Step != nil && r.Step.Step == step && r.Step.Rung == c.rung && r.Step.State == cutover.StepBaking
		}) + 2*time.Minute
		r := base.trial.with(fmt.Sprintf("value line-use 80%% at %s for 5m", at)).must(t)
		turned := cutover.Phase("")
		for _, h := range r.Timeline {
			if h.Record != nil && h.Record.Phase != nil && h.At > at && h.At < at+5*time.Minute {
				turned = h.Record.Phase.Phase
				break
			}
		}
		v := r.verdict(at + 2*time.Minute)
		if turned != c.want || (c.want == "" && (v.Act != cutover.Hold || v.Causes[0].Key() != "line-use@")) || r.Exit != c.exit {
			t.Errorf("the line is past its limit in %q: %q, then %s because of %v, exit %d; want %q, exit %d", c.step, turned, v.Act, v.Causes, r.Exit, c.want, c.exit)
		}
	}
}

// TestTheLineWithoutAPair: requests cross it, too.
func TestTheLineWithoutAPair(t *testing.T) {
	rooms := actRooms[:strings.Index(actRooms, "pairs:\n")] + actRooms[strings.Index(actRooms, "gates:\n"):]
	lag, line := strings.Index(rooms, "  lag:\n"), strings.Index(rooms, "  line-use:\n")
	rooms = rooms[:lag] + rooms[line:]
	row := actRow{name: "no pair", writer: "home", strikes: []string{"value line-use 80% @ 2.5s"}, forward: all(turnsBack), back: all(goesOn), causes: "line-use@ red"}
	none := row
	none.forward = all(holds)
	for _, p := range placesIn(t, rooms, "") {
		row := row
		if p.share == 0 {
			row = none
		}
		if p.share == 30 || p.share == 0 {
			walkRow(t, p, p.standOf(t, "waiting"), &row)
		}
	}
}

// TestAQuietNightGoesBack: after each undo the window begins anew, and where few requests come nothing can be judged for seconds. The
// room that receives was well a moment ago, so nobody is left in the sick one; and the end isn't verified before it is judged again.
func TestAQuietNightGoesBack(t *testing.T) {
	rooms := strings.Replace(actRooms, "probe: {host: www.example.com, paths: [/healthz]}\n", "", 1)
	p := placeOf(t, rooms, 30)
	s := p.standOf(t, "baking")
	r := p.trial().with(fmt.Sprintf("load 0.6%% at %s", s.at-time.Minute), fmt.Sprintf("value errors@cloud 20%% at %s", s.at-2500*time.Millisecond)).must(t)
	r.report(t, r.endsAs(cutover.ExitBack, r.start))
	undo := r.when(t, "undo", intends(cutover.Undo))
	if over := r.when(t, "end", entersPhase(cutover.PhaseOver)); over < undo+17*time.Second || over > undo+20*time.Second {
		t.Errorf("it is verified %s after the undo; want when 100 events have come, of 6 in a second", over-undo)
	}
}

// TestThePacedRungWaits: going back into a room that has cooled down goes rung by rung, and the next one waits while the room is past its
// hold limit; what it carries by then stays.
func TestThePacedRungWaits(t *testing.T) {
	path := writeBook(t, actRooms, "version: 1\nname: cold\nmove: {from: home, to: cloud}\nbake: 2m\nsteps:\n"+
		"  - shift: {cloud: {gw@home: [80%, 96%]}}\n  - checkpoint: far\n    guard: true\n")
	c := trial{book: path, seed: 1, o: sim.Options{Shares: map[string]int{"gw@home": 6000}, Watch: 3 * time.Hour}}
	at := c.must(t).when(t, "rest", entersPhase(cutover.PhaseResting)).Truncate(time.Minute) + 2*time.Hour
	c = c.saying(say(cutover.T(at), "back", "to", "start"))
	rungs := func(r ran) (before, during, after int) { // of the way back: until home is past hold, while it is so, and then
		for _, h := range r.Timeline {
			switch {
			case h.Record == nil || h.Record.Intent == nil || h.At < at:
			case h.At < at+20*time.Second:
				before++
			case h.At < at+5*time.Minute:
				during++
			default:
				after++
			}
		}
		return before, during, after
	}
	quiet := c.must(t)
	if _, during, after := rungs(quiet); during < 2 || after > 0 || quiet.Exit != cutover.ExitBack {
		t.Fatalf("undisturbed it makes %d more rungs within 5 m and %d later, exit %d; want some, none, 3", during, after, quiet.Exit)
	}
	r := c.with(fmt.Sprintf("value errors@home 0.5%% at %s for %s", at+15*time.Second, 5*time.Minute-15*time.Second)).must(t)
	if before, during, after := rungs(r); before == 0 || during > 0 || after < 2 {
		t.Errorf("%d rungs before home is past hold, %d while it is, %d after; want some, none, some", before, during, after)
	}
	r.report(t, r.endsAs(cutover.ExitBack, r.start))
}
