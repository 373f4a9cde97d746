package cutover_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// sickAt is a place at which home is past its abort limit from a moment on, so that the run is frozen then.
type sickAt struct {
	p  *place
	at time.Duration
	trial
}

const slowGate = "  slow:\n    each: room\n    prometheus: 'histogram_quantile(0.99, sum by (le) (rate(gw_seconds_bucket[$window])))'\n" +
	"    every: 1s\n    blindFor: 4s\n    hold: {above: 400ms}\n    abort: {above: 800ms, for: 2s}\n"

// homeIsSick freezes the run at 30 % for home's errors, which last for so long.
func homeIsSick(t testing.TB, lasts time.Duration) sickAt {
	t.Helper()
	p := placeOf(t, actRooms+slowGate, 30)
	x := sickAt{p: p, at: p.standOf(t, "baking").at, trial: p.trial()}
	return x.strikes("value errors@home 5%", -2500*time.Millisecond, lasts+2500*time.Millisecond)
}

// strikes adds a fault so long after the freeze, for so long. Of two that give one gate a value the later is meant.
func (x sickAt) strikes(form string, after, lasts time.Duration) sickAt {
	x.trial = x.with()
	x.faults = append([]string{fmt.Sprintf("%s at %s for %s", form, x.at+after, lasts)}, x.faults...)
	return x
}

func (x sickAt) says(after time.Duration, verb string, args ...string) sickAt {
	x.trial = x.saying(say(cutover.T(x.at+after), verb, args...))
	return x
}

// phases are "frozen at 0s, forward at 20s": those after the way forward began, by the time since the first freeze.
func (x sickAt) phases(r ran) string {
	var out []string
	for _, h := range r.Timeline {
		if h.Record != nil && h.Record.Phase != nil && h.At >= x.at {
			out = append(out, fmt.Sprintf("%s at %s", h.Record.Phase.Phase, (h.At-x.at).Truncate(time.Second)))
		}
	}
	return strings.Join(out, ", ")
}

// answered are the causes that a verb's first record answers.
func answered(r ran, verb string) []string {
	for _, rec := range r.Records {
		if rec.Command != nil && rec.Command.Verb == verb {
			return rec.Command.Causes
		}
	}
	return []string{"no " + verb}
}

// cleared is when the journal says that an answer to a cause is over, by the time since the first freeze; -1: never.
func (x sickAt) cleared(r ran, key string) time.Duration {
	for _, h := range r.Timeline {
		if h.Record != nil && h.Record.Verdict != nil && slices.Contains(h.Record.Verdict.Cleared, key) {
			return (h.At - x.at).Truncate(time.Second)
		}
	}
	return -1
}

// opened is the trial played to its end, in rooms that stay open.
func (c trial) opened(t testing.TB) (*sim.Sim, ran) {
	t.Helper()
	o := c.o
	o.Seed, o.Commands = c.seed, c.commands
	s := simOf(t, c.book, o, c.faults...)
	start := s.Shares()
	out, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s, ran{out, c, start}
}

// another is another process over the same rooms: takeover, or back to the start.
func another(t testing.TB, s *sim.Sim, why string) *cutover.Result {
	t.Helper()
	r := s.NewRunner(context.Background())
	res, err := cutover.Run(r.Context(), r.World(), cutover.Start{Run: recordsOf(s)[0].Plan.Run, Why: why, BackTo: "start", Host: "ops-2", User: "ops2", PID: 7})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestAPersonsWordAnswersCauses: resume in a frozen run answers what is red, dark or Unknown, by name in the journal. Nothing of it freezes
// the run again until it has been green once or stands in another row of the table.
func TestAPersonsWordAnswersCauses(t *testing.T) {
	const s, m = time.Second, time.Minute
	errors := []string{"errors@home"}
	for _, c := range []struct {
		name    string
		x       sickAt
		answers []string
		phases  string
		cleared time.Duration // of errors@home
		exit    cutover.Exit
	}{
		{"it lasts", homeIsSick(t, 3*m).says(20*s, "resume"), errors, "frozen at 0s, forward at 20s, over at 29m15s", 3 * m, cutover.ExitDone},
		{"green once, then again", homeIsSick(t, 3*m).says(20*s, "resume").strikes("value errors@home 5%", 4*m-2500*time.Millisecond, m),
			errors, "frozen at 0s, forward at 20s, frozen at 4m0s", 3 * m, cutover.ExitStopped},
		{"amber is not green", homeIsSick(t, 3*m).says(20*s, "resume").strikes("value errors@home 0.5%", 60*s, 30*s), errors, "frozen at 0s, forward at 20s, over at 29m15s", 3 * m, cutover.ExitDone},
		{"one sample missing is no other row", homeIsSick(t, 3*m).says(20*s, "resume").strikes("blind errors@home", 60*s, 2*s), errors, "frozen at 0s, forward at 20s, over at 29m15s", 3 * m, cutover.ExitDone},
		{"dark is another row: then red again", homeIsSick(t, 3*m).says(20*s, "resume").strikes("blind errors@home", 60*s, 20*s), errors, "frozen at 0s, forward at 20s, frozen at 1m20s", 64 * s, cutover.ExitStopped},
		{"the other room too is another row", homeIsSick(t, 3*m).says(20*s, "resume").strikes("value errors@cloud 5%", 60*s-2500*time.Millisecond, m),
			errors, "frozen at 0s, forward at 20s, frozen at 1m0s", 60 * s, cutover.ExitStopped},
		{"another gate was never answered", homeIsSick(t, 3*m).says(20*s, "resume").strikes("value slow@home 900ms", 60*s-2500*time.Millisecond, m),
			errors, "frozen at 0s, forward at 20s, frozen at 1m0s", 3 * m, cutover.ExitStopped},
		{"what is amber then isn't answered", homeIsSick(t, 10*s).strikes("value errors@home 0.5%", 10*s, 30*s).strikes("value errors@home 5%", 40*s-2500*time.Millisecond, m).says(20*s, "resume"),
			nil, "frozen at 0s, forward at 20s, frozen at 40s", -1, cutover.ExitStopped},
		{"all that is bad is answered, Unknown too", homeIsSick(t, 3*m).strikes("blind slow@home", 18*s, 2*m).strikes("lag db cloud→home 8s", 5*s, 2*m).says(20*s, "resume"),
			[]string{"errors@home", "lag@home", "slow@home"}, "frozen at 0s, forward at 20s, over at 29m15s", 3 * m, cutover.ExitDone},
	} {
		r := c.x.must(t)
		bad := r.laws()
		if got := answered(r, "resume"); !slices.Equal(got, c.answers) {
			bad = append(bad, fmt.Sprintf("resume answers %v; want %v", got, c.answers))
		}
		if got := c.x.phases(r); got != c.phases || r.Exit != c.exit || c.x.cleared(r, "errors@home") != c.cleared {
			bad = append(bad, fmt.Sprintf("it is %s, exit %d, the answer over at %s; want %s, %d, %s", got, r.Exit, c.x.cleared(r, "errors@home"), c.phases, c.exit, c.cleared))
		}
		if len(bad) > 0 {
			t.Errorf("%s:%s", c.name, story(r.Outcome))
			r.report(t, bad)
		}
	}
}

// TestAPersonsBackAnswersCauses: back in a frozen run sends users where the cause was answered, and freezes for nothing of it until it
// has been green once or stands in another row. Its writes fail meanwhile, so that there is time.
func TestAPersonsBackAnswersCauses(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, c := range []struct {
		name   string
		x      sickAt
		phases string
		exit   cutover.Exit
		home   int // basis points of home at the end
	}{
		{"it lasts", homeIsSick(t, 3*m), "frozen at 0s, back at 20s, over at 3m0s", cutover.ExitBack, 10000},
		{"it lasts, and writes fail", homeIsSick(t, 3*m).strikes("fail writes", 15*s, 90*s), "frozen at 0s, back at 20s, over at 3m0s", cutover.ExitBack, 10000},
		{"green once, then again", homeIsSick(t, 40*s).strikes("fail writes", 15*s, 90*s).strikes("value errors@home 5%", 70*s-2500*time.Millisecond, m),
			"frozen at 0s, back at 20s, frozen at 1m10s", cutover.ExitStopped, 7000},
		{"dark is another row", homeIsSick(t, 3*m).strikes("fail writes", 15*s, 90*s).strikes("probe home fails", 50*s, 2*m).strikes("blind errors@home", 60*s, 20*s),
			"frozen at 0s, back at 20s, frozen at 1m4s", cutover.ExitStopped, 7000},
		{"dark, and its probe answers", homeIsSick(t, 65*s).strikes("fail writes", 15*s, 90*s).strikes("blind errors@home", 60*s, 20*s),
			"frozen at 0s, back at 20s, over at 2m0s", cutover.ExitBack, 10000},
		{"another gate was never answered", homeIsSick(t, 3*m).strikes("fail writes", 15*s, 90*s).strikes("value slow@home 900ms", 60*s-2500*time.Millisecond, m),
			"frozen at 0s, back at 20s, frozen at 1m0s", cutover.ExitStopped, 7000},
	} {
		x := c.x.says(20*s, "back", "to", "start")
		r := x.must(t)
		bad := r.laws()
		if got := answered(r, "back"); !slices.Equal(got, []string{"errors@home"}) {
			bad = append(bad, fmt.Sprintf("back answers %v; want errors@home", got))
		}
		if got, home := x.phases(r), r.Truth[cutover.Seat{Route: "gw", At: "home"}]["home"]; got != c.phases || r.Exit != c.exit || home != c.home {
			bad = append(bad, fmt.Sprintf("it is %s, exit %d, %d at home; want %s, %d, %d", got, r.Exit, home, c.phases, c.exit, c.home))
		}
		if len(bad) > 0 {
			t.Errorf("%s:%s", c.name, story(r.Outcome))
			r.report(t, bad)
		}
	}
}

// TestBackGoesOnInSpiteOfWhatItAnswers: the room that lost its traffic is sick and the run frozen. Who says back knows that: it is paced,
// as that room is cold by then, and no rung waits for errors to end that never do. They are why it isn't verified.
func TestBackGoesOnInSpiteOfWhatItAnswers(t *testing.T) {
	st := newStage(t, "spring-festival-back")
	at := stepMoment(t, st, namesBack, 0, cutover.StepBaking) + 9*time.Minute
	_, out := st.play(t, sim.Options{Seed: 1, Commands: newCase(at+28*time.Minute, "start").commands}, fmt.Sprintf("errors cloud 20%% at %s", at))
	l := readLedger(t, out)
	paced := 0
	for i := range out.Records {
		paced += b2i(intends(cutover.Pace)(&out.Records[i]))
	}
	if out.Exit != cutover.ExitNotVerified || l.turned < 0 || l.endAt-l.turned > 30*time.Minute || paced == 0 {
		t.Errorf("exit %d (%s) %s after it turned, %d paced writes; want %d within 30m, and some paced", out.Exit, out.Why, l.endAt-l.turned, paced, cutover.ExitNotVerified)
	}
}

// TestResumeWhileGoingBack: frozen on its way back because home is sick there, it goes on back when a person says so, and answers no more
// than what is bad then.
func TestResumeWhileGoingBack(t *testing.T) {
	const s = time.Second
	p := placeOf(t, actRooms+slowGate, 30)
	at := p.standOf(t, "baking").at
	x := sickAt{p: p, at: at, trial: p.trial()}
	x = x.strikes("value errors@cloud 5%", -2500*time.Millisecond, 2*time.Hour).strikes("fail writes", 0, time.Minute).
		strikes("value errors@home 5%", 10*s-2500*time.Millisecond, 2*time.Minute).says(20*s, "resume")
	r := x.must(t)
	if got := x.phases(r); !strings.HasPrefix(got, "back at 0s, frozen at 10s, back at 20s, over at 2m") || r.Exit != cutover.ExitBack {
		t.Errorf("it is %s, exit %d:%s", got, r.Exit, story(r.Outcome))
	}
	if got := answered(r, "resume"); !slices.Equal(got, []string{"errors@cloud", "errors@home"}) {
		t.Errorf("resume answers %v; want errors@cloud, errors@home", got)
	}
	r.report(t, r.laws())
}

// TestAnAnswerThatIsOverStaysOver: home was green once since it was answered. Who takes over then knows that from the journal, which
// says it once.
func TestAnAnswerThatIsOverStaysOver(t *testing.T) {
	x := homeIsSick(t, 2*time.Minute).says(20*time.Second, "resume").strikes("value errors@home 5%", 5*time.Minute-2500*time.Millisecond, time.Minute)
	x.trial = x.with(fmt.Sprintf("kill at %s", x.at+3*time.Minute))
	r := x.must(t)
	if got := x.phases(r); got != "frozen at 0s, forward at 20s, frozen at 5m0s" || r.Runners != 2 {
		t.Errorf("it is %s, run by %d processes:%s", got, r.Runners, story(r.Outcome))
	}
	times := 0
	for _, rec := range r.Records {
		if rec.Verdict != nil && slices.Contains(rec.Verdict.Cleared, "errors@home") {
			times++
		}
	}
	if times != 1 {
		t.Errorf("the answer is over %d times; want once", times)
	}
}

// TestMuteAnswersItsGate: muting answers the causes of its own gate and no others, and doesn't end a freeze. The word outlives the process
// and the time of the mute: who goes on from the journal goes back past it, and freezes for the same without it.
func TestMuteAnswersItsGate(t *testing.T) {
	for _, muted := range []bool{true, false} {
		x := homeIsSick(t, 2*time.Hour).strikes("blind errors@cloud", 5*time.Second, 20*time.Second).strikes("lag db cloud→home 8s", 5*time.Second, time.Minute).
			says(60*time.Second, "stop")
		want := []string{"no mute"}
		if muted {
			x, want = x.says(20*time.Second, "mute", "gate", "errors", "for", "10s", "reason", "a test"), []string{"errors@cloud", "errors@home"}
		}
		s, r := x.opened(t)
		if got := answered(r, "mute"); !slices.Equal(got, want) {
			t.Errorf("mute answers %v; want %v", got, want)
		}
		if got := x.phases(r); got != "frozen at 0s" {
			t.Errorf("muted %v: it is %s; want frozen", muted, got)
		}
		exit, home := cutover.ExitStopped, 7000
		if muted { // home stays sick, so nobody can call it verified
			exit, home = cutover.ExitNotVerified, 10000
		}
		res := another(t, s, "back")
		if got := s.Shares()[cutover.Seat{Route: "gw", At: "home"}]["home"]; res.Exit != exit || got != home {
			t.Errorf("muted %v: taken over and sent back it ends with %d, %d at home; want %d, %d", muted, res.Exit, got, exit, home)
		}
	}
}
