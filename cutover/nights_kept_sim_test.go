package cutover_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// rested is a run that rests at a checkpoint, some time later: no process kept anything meanwhile.
type rested struct {
	t     *testing.T
	s     *sim.Sim
	path  string
	p     *cutover.Progress
	plan2 *cutover.Plan
}

// rests gives an upstream of instances 5 % and 30 %, rests at 11m15s, and goes on with the gateway an hour later. Faults strike by
// the clock, as ever.
func rests(t *testing.T, faults ...string) *rested {
	t.Helper()
	r := &rested{t: t, path: book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, 30%]}}
  - checkpoint: rest
  - shift: {cloud: {gw@home: [1%]}}
  - shift: {cloud: {im: [35%]}}
`)}
	r.s = simOf(t, r.path, sim.Options{Seed: 1, Instances: many}, faults...)
	res := r.run(cutover.Start{Run: "0125-01", Plan: r.plan("", "rest"), Why: "start"})
	if res.Exit != cutover.ExitResting {
		t.Fatalf("exit %d; want 7", res.Exit)
	}
	r.s.Advance(60 * cutover.Minute)
	r.p = res.Progress
	r.plan2 = r.plan("rest", "")
	return r
}

func (r *rested) plan(continues, until string) *cutover.Plan {
	r.t.Helper()
	l := loaded(r.t, r.path)
	snap, err := r.s.Snapshot(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	plan, problems := cutover.NewPlan(cutover.PlanInput{Rooms: l.Rooms, Book: l.Book, Planes: r.s.World().Planes, Snapshot: snap, Continues: continues, Until: until})
	for _, p := range problems {
		r.t.Fatal(p.Error())
	}
	return plan
}

func (r *rested) run(start cutover.Start) *cutover.Result {
	r.t.Helper()
	p := r.s.NewRunner(context.Background())
	start.Host, start.User, start.PID, start.Rates = "ops-1", "ops1", 7+len(r.s.Timeline()), r.s.Rates()
	res, err := cutover.Run(p.Context(), p.World(), start)
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// goesOn continues the run and hands over the records that it wrote.
func (r *rested) goesOn(adopted ...cutover.AdoptedMark) (*cutover.Result, *sim.Outcome) {
	r.t.Helper()
	for i := range adopted {
		adopted[i].Who, adopted[i].Why = "ops1", "agreed"
	}
	before := r.p.Seq
	res := r.run(cutover.Start{Run: "0125-01", Plan: r.plan2, Why: "continue", Adopted: adopted})
	out := &sim.Outcome{Plan: r.plan2, Timeline: r.s.Timeline(), Exit: res.Exit}
	for _, rec := range recordsOf(r.s) {
		if rec.Seq > before {
			out.Records = append(out.Records, rec)
		}
	}
	return res, out
}

func asks(r cutover.Record) bool { return r.Asked != nil }

// TestMembershipDriftIsShownAndKept: instances that came and went while nobody kept the share are named when the run goes on, need
// nobody's word, and are kept within seconds: those that came get their weight, and the share is set again.
func TestMembershipDriftIsShownAndKept(t *testing.T) {
	for _, c := range []struct {
		fault string
		shown []string
	}{
		{"leave 3 im at 30m in cloud", []string{"3 went", "cloud 24.32 %", "cloud 30 %"}},
		{"replace 4 im at 30m in cloud", []string{"4 came", "4 went", "it carries cloud 22.2"}},
		{"replace 8 im at 30m in home", []string{"8 came", "8 went", "it carries cloud 56."}},
		{"join 2 im at 30m", []string{"4 came"}},
	} {
		r := rests(t, c.fault)
		d := r.p.Membership(r.plan2)
		if len(d) != 1 || d[0].Seat != im {
			t.Fatalf("%s: drift %v; want im@home's", c.fault, d)
		}
		for _, want := range c.shown {
			if !strings.Contains(d[0].String(), want) {
				t.Errorf("%s: it says %q; want %q in it", c.fault, d[0], want)
			}
		}
		if n := r.p.Drifted(r.plan2); len(n) > 0 {
			t.Errorf("%s: a person is to accept %v; want nothing", c.fault, n)
		}
		res, out := r.goesOn()
		if res.Exit != cutover.ExitDone || slices.ContainsFunc(out.Records, asks) {
			t.Errorf("%s: exit %d; want 0, and nothing asked:%s", c.fault, res.Exit, story(out))
		}
		kept := find(t, out, "request to keep", intends(cutover.Keep))
		begun := find(t, out, "holder", func(r *cutover.Record) bool { return r.Run != nil })
		if late := kept.At - begun.At; late > 30*cutover.Second {
			t.Errorf("%s: kept %s after the run went on", c.fault, late.Duration())
		}
		if again := len(res.Progress.SetAgain[im]); again != b2i(strings.HasPrefix(c.fault, "leave")) {
			t.Errorf("%s: set again %d times; want once if any left, and else only weights for those that came", c.fault, again)
		}
		if got := r.s.Shares()[im]["cloud"]; got < 3450 || got > 3550 {
			t.Errorf("%s: %d basis points in the cloud at the end; want 3500", c.fault, got)
		}
		for _, o := range res.Progress.SortedObjects() {
			if o.Seat == im && o.Made && !o.Touched {
				t.Errorf("%s: %s never got a weight", c.fault, o.ID.Object)
			}
		}
	}
}

// TestDriftIsAskedOnce: what others wrote while the run rested is accepted by who continues it, and nobody is asked again; nor is
// the share set again over it before the rung that moves it.
func TestDriftIsAskedOnce(t *testing.T) {
	r := rests(t, "foreign upstreams/im-gw/10.2.0.5:8080 = 9000 at 30m")
	drifted := r.p.Drifted(r.plan2)
	if len(drifted) != 1 || drifted[0].Value != "9000" {
		t.Fatalf("drifted %v; want the one value", drifted)
	}
	res, out := r.goesOn(drifted...)
	if res.Exit != cutover.ExitDone || slices.ContainsFunc(out.Records, asks) {
		t.Errorf("exit %d; want 0, and nothing asked again:%s", res.Exit, story(out))
	}
	if keeps := keepsIn(out); len(keeps) > 0 {
		t.Errorf("the share is set again at %s over what a person accepted:%s", seconds(keeps), story(out))
	}
}

// TestForeignAtARestIsShownAgain: what a guard found and nobody answered is named when the run goes on, and accepted there.
func TestForeignAtARestIsShownAgain(t *testing.T) {
	path := book(t, `version: 1
name: book
move: {from: home, to: cloud}
bake: 5m
steps:
  - shift: {cloud: {im: [5%, 30%]}}
  - checkpoint: rest
    guard: true
  - shift: {cloud: {im: [35%]}}
`)
	r := &rested{t: t, path: path}
	r.s = simOf(t, path, sim.Options{Seed: 1}, "foreign upstreams/im-gw/10.2.0.5:8080 = 9000 at 13m")
	res := r.run(cutover.Start{Run: "0125-01", Plan: r.plan("", "rest"), Why: "start"})
	r.p, r.plan2 = res.Progress, r.plan("rest", "")
	if !r.p.AnyForeign() {
		t.Fatal("the guard found nothing")
	}
	drifted := r.p.Drifted(r.plan2)
	if len(drifted) != 1 {
		t.Fatalf("drifted %v; want what the guard found", drifted)
	}
	if res, out := r.goesOn(drifted...); res.Exit != cutover.ExitDone || slices.ContainsFunc(out.Records, asks) {
		t.Errorf("exit %d; want 0, and nothing asked again:%s", res.Exit, story(out))
	}
}
