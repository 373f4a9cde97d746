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

// keepBook gives an upstream of instances 5 % and 30 %, and rests with a guard. Its second rung bakes from 5m25s on.
func keepBook(t *testing.T) string {
	return book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, 30%]}}
  - checkpoint: rest
    guard: true
`)
}

var im = cutover.Seat{Route: "im", At: "home"}

// againOf are the times at which shares were set again, each by its first request: of purpose keep, and changing what the run knew.
func againOf(out *sim.Outcome) []*cutover.Record {
	known := map[cutover.ObjectID]bool{}
	for _, h := range out.Plan.Held {
		known[h.ID()] = true
	}
	var again []*cutover.Record
	for i := range out.Records {
		r := &out.Records[i]
		if r.Intent == nil {
			continue
		}
		if r.Intent.Purpose == cutover.Keep && slices.ContainsFunc(r.Intent.Changes, func(c cutover.Change) bool { return known[c.ID()] }) {
			if n := len(again); n == 0 || again[n-1].Intent.Changes[0].Seat != r.Intent.Changes[0].Seat || wallBetween(again[n-1], r) > 5*time.Second {
				again = append(again, r)
			}
		}
		for _, c := range r.Intent.Changes {
			known[c.ID()] = true
		}
	}
	return again
}

// wallBetween is the wall time between two records, whoever wrote them.
func wallBetween(a, b *cutover.Record) time.Duration {
	from, err := time.Parse(time.RFC3339, a.Wall)
	to, err2 := time.Parse(time.RFC3339, b.Wall)
	if err != nil || err2 != nil {
		panic(fmt.Sprintf("%s or %s is no RFC 3339 time", a.Wall, b.Wall))
	}
	return to.Sub(from)
}

// seconds are the moments of records, for messages.
func seconds(rs []*cutover.Record) []time.Duration {
	var at []time.Duration
	for _, r := range rs {
		at = append(at, r.At.Duration().Round(time.Second))
	}
	return at
}

func asksToKeep(r *cutover.Record) bool {
	return r.Asked != nil && strings.HasPrefix(r.Asked.What, "keep ")
}

// TestStrayedIsSetAgain: an instance that leaves, or that fails its checks, or that comes back, moves the share; it is set again
// once, over those that live, within seconds.
func TestStrayedIsSetAgain(t *testing.T) {
	for _, c := range []struct {
		faults []string
		want   int
	}{
		{[]string{"leave 1 im at 8m in cloud"}, 1},
		{[]string{"leave 2 im at 8m in home"}, 1},
		{[]string{"sick 1 im at 8m in cloud"}, 1},
		{[]string{"sick 1 im at 8m for 2m in cloud"}, 2}, // and once more when it is well
		{[]string{"sick 1 im at 15m in cloud"}, 1},       // at the guarded rest
		{[]string{"replace half im at 8m"}, 0},           // who joins gets its weight, and that is all
		{[]string{"join 1 im at 6m", "join 1 im at 7m10s", "join 1 im at 8m20s", "join 1 im at 9m", "leave 2 im at 10m in home"}, 1},
		{[]string{"join 1 im at 8m in cloud"}, 1},
	} {
		out := play(t, keepBook(t), sim.Options{Seed: 1}, c.faults...)
		again := againOf(out)
		if len(again) != c.want || out.Exit != cutover.ExitDone {
			t.Errorf("%q: set again at %s, exit %d; want %d times, and 0:%s", c.faults, seconds(again), out.Exit, c.want, story(out))
			continue
		}
		for i, r := range again {
			if into := r.At.Duration() % time.Minute; into > 12*time.Second {
				t.Errorf("%q: set again %s after the minute at which it strayed (time %d); want within 12 s", c.faults, into, i+1)
			}
		}
		if got := out.Truth[im]["cloud"]; got < 2950 || got > 3050 {
			t.Errorf("%q: at the end %d basis points in the cloud; want 3000", c.faults, got)
		}
	}
}

// TestSetAgainAtMostOnceAMinute: what strays seconds later waits.
func TestSetAgainAtMostOnceAMinute(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: map[string]int{"im": 8}}, "leave 1 im at 8m in cloud", "leave 1 im at 8m20s in cloud")
	again := againOf(out)
	if len(again) != 2 || again[1].At-again[0].At < cutover.Minute || again[1].At-again[0].At > 75*cutover.Second {
		t.Errorf("set again at %s; want twice, a minute between:%s", seconds(again), story(out))
	}
	if got := out.Truth[im]["cloud"]; got < 2950 || got > 3050 {
		t.Errorf("at the end %d basis points in the cloud; want 3000", got)
	}
}

// dying has one of the cloud's instances leave each 70 s from 6 m on, so many times.
func dying(times int) []string { return dyingOf("im", times, 6*time.Minute) }

func dyingOf(route string, times int, from time.Duration) []string {
	var faults []string
	for i := range times {
		faults = append(faults, fmt.Sprintf("leave 1 %s at %s in cloud", route, from+time.Duration(i)*70*time.Second))
	}
	return faults
}

var many = map[string]int{"im": 12}

// TestKeepsDying: three times within an hour, then the run holds and asks, and says which seat and what to do. Nothing is set again
// when the hour is over: a person answers.
func TestKeepsDying(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many, Watch: 40 * time.Minute}, dying(5)...)
	again := againOf(out)
	if len(again) != 3 {
		t.Errorf("set again at %s; want three times:%s", seconds(again), story(out))
	}
	asked := find(t, out, "question", asksToKeep)
	if at := asked.At.Duration(); at < 9*time.Minute+30*time.Second || at > 9*time.Minute+45*time.Second {
		t.Errorf("asked at %s; want within seconds of the fourth death, at 9m30s", at)
	}
	for _, want := range []string{"im@home", "30 %", "3 times within an hour", "roomshift accept im@home", "go back"} {
		if !strings.Contains(asked.Asked.Text, want) {
			t.Errorf("it asks %q; want it to say %q", asked.Asked.Text, want)
		}
	}
	held := find(t, out, "hold", func(r *cutover.Record) bool { return r.Seq > asked.Seq && r.Verdict != nil })
	if held.Verdict.Act != cutover.Hold || len(held.Verdict.Causes) != 1 || held.Verdict.Causes[0].Gate != "keep im@home" {
		t.Errorf("the verdict is %+v; want hold, for what isn't kept", held.Verdict)
	}
	for _, r := range out.Records {
		if r.Seq > asked.Seq && (r.Checkpoint != nil || r.Step != nil && r.Step.State == cutover.StepDone) {
			t.Errorf("record %d goes on while nobody has answered", r.Seq)
		}
	}
	last := out.Records[len(out.Records)-1]
	if d := last.At - again[0].At; d < 61*cutover.Minute {
		t.Fatalf("it was watched for %s after the first time; want more than an hour", d.Duration())
	}
}

// TestKeepsDyingAccepted: a person's accept sets it again, and the run goes on.
func TestKeepsDyingAccepted(t *testing.T) {
	o := sim.Options{Seed: 1, Instances: many, Commands: []sim.Timed{say(20*cutover.Minute, "accept", "step", "im@home", "reason", "the bad host is gone")}}
	out := play(t, keepBook(t), o, dying(5)...)
	again := againOf(out)
	if len(again) != 4 || again[3].At < 20*cutover.Minute || again[3].At > 20*cutover.Minute+15*cutover.Second || out.Exit != cutover.ExitDone {
		t.Errorf("set again at %s, exit %d; want a fourth time at 20m, and the end:%s", seconds(again), out.Exit, story(out))
	}
	if got := out.Truth[im]["cloud"]; got < 2950 || got > 3050 {
		t.Errorf("at the end %d basis points in the cloud; want 3000", got)
	}
}

// TestKeptComesRightByItself: the question goes away with what it is about.
func TestKeptComesRightByItself(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many}, append(dying(3), "sick 2 im at 9m30s for 4m in cloud")...)
	asked := find(t, out, "question", asksToKeep)
	gone := find(t, out, "end of the question", func(r *cutover.Record) bool { return r.Answered != nil && r.Answered.What == asked.Asked.What })
	if d := gone.At - (13*cutover.Minute + 30*cutover.Second); d < 0 || d > 12*cutover.Second || out.Exit != cutover.ExitDone || len(againOf(out)) != 3 {
		t.Errorf("the question ends at %s, exit %d, set again at %s; want it to end at 13m30s, and the run at its end:%s", gone.At.Duration(), out.Exit, seconds(againOf(out)), story(out))
	}
}

// TestNotSetAgain: nothing is set again while frozen, paused or going back, nor into a room that isn't well; once that is over it is.
func TestNotSetAgain(t *testing.T) {
	over := 14 * cutover.Minute
	for _, c := range []struct {
		name     string
		commands []sim.Timed
		faults   []string
		again    bool
	}{
		{"frozen", []sim.Timed{say(7*cutover.Minute, "freeze"), say(over, "resume")}, nil, true},
		{"paused", []sim.Timed{say(7*cutover.Minute, "pause"), say(over, "resume")}, nil, true},
		{"a sick room", nil, []string{"value slow@cloud 500ms at 7m30s for 390s"}, true},
		{"going back", []sim.Timed{{At: 7 * time.Minute, Command: cutover.Command{Verb: "back", Who: "ops1", Args: map[string]string{"to": "start"}}}},
			[]string{"blind errors@home at 6m59s for 7m"}, false},
	} {
		o := sim.Options{Seed: 1, Commands: c.commands, Watch: 30 * time.Minute}
		out := play(t, keepBook(t), o, append(c.faults, "leave 1 im at 8m in cloud")...)
		again := againOf(out)
		if !c.again {
			if len(again) > 0 || out.Exit != cutover.ExitBack {
				t.Errorf("%s: set again at %s, exit %d; want never, and 3", c.name, seconds(again), out.Exit)
			}
			continue
		}
		if len(again) != 1 || again[0].At < over || again[0].At > over+25*cutover.Second {
			t.Errorf("%s: set again at %s; want once, soon after %s:%s", c.name, seconds(again), over.Duration(), story(out))
		}
	}
}

// TestForeignIsNotSetAgain: where somebody else wrote a seat's instance its share is theirs until a person says.
func TestForeignIsNotSetAgain(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1}, "foreign upstreams/im-gw/10.2.0.5:8080 = 9000 at 7m", "leave 1 im at 8m in cloud")
	if again := againOf(out); len(again) > 0 {
		t.Errorf("set again at %s over what somebody else wrote:%s", seconds(again), story(out))
	}
	find(t, out, "question", func(r *cutover.Record) bool { return r.Asked != nil && r.Asked.What == "foreign" })
}

// TestBackAfterSetAgain: going back gives each instance that the run found exactly what it held.
func TestBackAfterSetAgain(t *testing.T) {
	for _, faults := range [][]string{
		{"leave 1 im at 8m in cloud"}, {"leave 1 im at 8m in cloud", "sick 1 im at 9m30s for 5m in home"}, {"leave 1 im at 8m in home", "replace half im at 9m30s in cloud"},
	} {
		o := sim.Options{Seed: 1, Shares: map[string]int{"im": 300}, Commands: []sim.Timed{back(10 * cutover.Minute)}}
		out := play(t, keepBook(t), o, faults...)
		if len(againOf(out)) == 0 || out.Exit != cutover.ExitBack {
			t.Errorf("%q: set again at %s, exit %d; want some, and 3:%s", faults, seconds(againOf(out)), out.Exit, story(out))
		}
		held := map[string]string{}
		for _, w := range out.Writes {
			held[w.Object] = w.After
		}
		for _, h := range out.Plan.Held {
			if v, ok := held[h.Object]; ok && h.Seat == im && v != h.Value && !diedBefore(out, h.Object) {
				t.Errorf("%q: %s holds %s at the end; want %s, as it was found", faults, h.Object, v, h.Value)
			}
		}
		turned := slices.IndexFunc(out.Records, entered(cutover.PhaseBack))
		for _, r := range out.Records[turned:] {
			if intends(cutover.Keep)(&r) {
				t.Errorf("%q: record %d keeps a share while going back", faults, r.Seq)
			}
		}
	}
}

// diedBefore: the newest listing of the run's end doesn't have the object, so nothing could be written to it.
func diedBefore(out *sim.Outcome, object string) bool {
	last := ""
	for _, r := range out.Records {
		if r.Intent == nil || r.Intent.Purpose != cutover.Undo {
			continue
		}
		for _, c := range r.Intent.Changes {
			if c.Object == object {
				last = c.After
			}
		}
	}
	return last == ""
}

// TestSetAgainTakenOver kills the process at each record and write of a share's being set again: the one that takes over ends
// with the share over those that live, and a hold asks no second time.
func TestSetAgainTakenOver(t *testing.T) {
	faults := []string{"leave 1 im at 8m in cloud", "leave 1 im at 9m30s in home"}
	base := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many}, faults...)
	again := againOf(base)
	if len(again) != 2 {
		t.Fatalf("set again at %s; want twice", seconds(again))
	}
	cases := 0
	for _, r := range base.Records {
		if r.Seq < again[0].Seq-1 || r.Seq > again[1].Seq+2 {
			continue
		}
		for _, kill := range []string{"kill at record %d", "kill before record %d"} {
			for _, more := range []string{"", "lost reply at write 5", "lost write at write 5", "late write 6 8s"} {
				all := append([]string{fmt.Sprintf(kill, r.Seq)}, faults...)
				if more != "" {
					all = append(all, more)
				}
				out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many}, all...)
				if got := out.Truth[im]["cloud"]; out.Runners != 2 || out.Exit != cutover.ExitDone || got < 2950 || got > 3050 {
					t.Fatalf("%q: %d processes, exit %d, %d basis points in the cloud; want 2, 0, 3000:%s", all, out.Runners, out.Exit, got, story(out))
				}
				cases++
			}
		}
	}
	t.Logf("%d kills", cases)
}

// TestSetAgainBesideAnOpenWrite: what became of the weight of one that joined isn't known yet when another one leaves. The seat is
// set again once it is.
func TestSetAgainBesideAnOpenWrite(t *testing.T) {
	for _, fault := range []string{"lost write at write 5", "lost reply at write 5", "late write 5 9s"} {
		out := play(t, keepBook(t), sim.Options{Seed: 1}, "join 1 im at 8m", fault, "leave 1 im at 8m12s in cloud")
		again := againOf(out)
		if got := out.Truth[im]["cloud"]; len(again) != 1 || out.Exit != cutover.ExitDone || got < 2950 || got > 3050 {
			t.Errorf("%s: set again at %s, exit %d, %d basis points in the cloud; want once, 0, 3000:%s", fault, seconds(again), out.Exit, got, story(out))
		}
	}
}

// TestTheMinuteOutlivesTheProcess: it is killed right after it set the share again, and another instance leaves. Who takes over
// waits for the minute to be over.
func TestTheMinuteOutlivesTheProcess(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many}, "leave 1 im at 8m in cloud", "kill at 8m6s", "leave 1 im at 8m7s in cloud")
	again := againOf(out)
	taken := find(t, out, "takeover", func(r *cutover.Record) bool { return r.Run != nil && r.Run.Why == "takeover" })
	if len(again) != 2 || wallBetween(again[0], again[1]) < time.Minute {
		t.Fatalf("set again %d times; want twice, a minute between:%s", len(again), story(out))
	}
	if late := wallBetween(again[0], taken); late > 48*time.Second {
		t.Errorf("it was taken over %s after the first time: the minute was nearly over, and nothing was tested", late)
	}
}

// TestLimitsOutliveTheProcess: three times were had before it was killed. Who takes over asks, and doesn't set it a fourth time.
func TestLimitsOutliveTheProcess(t *testing.T) {
	out := play(t, keepBook(t), sim.Options{Seed: 1, Instances: many, Watch: 20 * time.Minute}, append(dying(4), "kill at 9m25s")...)
	again := againOf(out)
	if out.Runners != 2 || len(again) != 3 {
		t.Errorf("%d processes, set again at %s; want 2, and three times in all:%s", out.Runners, seconds(again), story(out))
	}
	find(t, out, "question", asksToKeep)
	asked := slices.DeleteFunc(slices.Clone(out.Records), func(r cutover.Record) bool { return !asksToKeep(&r) })
	if len(asked) != 1 {
		t.Errorf("asked %d times; want once", len(asked))
	}
	out = play(t, keepBook(t), sim.Options{Seed: 1, Instances: many, Watch: 20 * time.Minute}, append(dying(4), "kill at 9m45s")...)
	if asked := slices.DeleteFunc(slices.Clone(out.Records), func(r cutover.Record) bool { return !asksToKeep(&r) }); len(asked) != 1 || len(againOf(out)) != 3 {
		t.Errorf("killed after it asked: asked %d times, set again at %s; want once, and three times", len(asked), seconds(againOf(out)))
	}
}
