package main

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"roomshift/cutover"
)

// TestStatusSaysWhatThePlanSaid: while a rung bakes, status shows the shares, crossing, loads and way back that the plan's table has
// for it, and for the next rung those of the next row.
func TestStatusSaysWhatThePlanSaid(t *testing.T) {
	checked := map[[2]int]bool{}
	for at := 12 * time.Minute; at < 2*time.Hour+30*time.Minute; at += 9 * time.Minute {
		plan, _, views := watched(t, "spring-festival-out", nil, at)
		v := views[0]
		for i, s := range v.Steps {
			if s.State != cutover.StepBaking {
				continue
			}
			checked[[2]int{i, s.Rung}] = true
			for k, e := range plan.Estimates.Rungs {
				if e.Step != i || e.Rung != s.Rung {
					continue
				}
				here := sharesOf(v)
				near(t, at, "in cloud", float64(here["all requests"]), float64(e.Share["cloud"]), 15)
				near(t, at, "crossing", float64(here["crossing"]), float64(e.Crossing), 15)
				sameLoads(t, at, v, e, func(l cutover.LoadView) (float64, float64) { return l.Now, l.Peak })
				sameWayBack(t, at, v, e)
				if k+1 == len(plan.Estimates.Rungs) {
					if v.Then != nil {
						t.Errorf("%v: nothing comes after the last rung, and status says %+v", at, v.Then)
					}
					continue
				}
				next := plan.Estimates.Rungs[k+1]
				if v.Then == nil || v.Then.Step != next.Step || v.Then.Rung != next.Rung {
					t.Fatalf("%v: then %+v, wanted step %d rung %d", at, v.Then, next.Step, next.Rung)
				}
				near(t, at, "then in cloud", float64(v.Then.Share), float64(next.Share["cloud"]), 15)
				near(t, at, "then crossing", float64(v.Then.Crossing), float64(next.Crossing), 15)
				sameLoads(t, at, v, next, func(l cutover.LoadView) (float64, float64) { return l.Then, l.ThenPeak })
			}
		}
	}
	if len(checked) < 9 {
		t.Errorf("only %d rungs were met while they baked", len(checked))
	}
}

func sharesOf(v *cutover.View) map[string]int {
	of := map[string]int{}
	for _, s := range v.Shares {
		of[s.Name] = s.Set
	}
	return of
}

func near(t *testing.T, at time.Duration, what string, got, want, by float64) {
	t.Helper()
	if math.Abs(got-want) > by {
		t.Errorf("%v: %s is %v, the plan says %v", at, what, got, want)
	}
}

func sameLoads(t *testing.T, at time.Duration, v *cutover.View, e cutover.RungEstimate, of func(cutover.LoadView) (now, peak float64)) {
	t.Helper()
	if len(v.Loads) != 3 {
		t.Errorf("%v: loads of %d rooms and lines, wanted 3: %+v", at, len(v.Loads), v.Loads)
	}
	for _, l := range v.Loads {
		now, peak := of(l)
		near(t, at, "the load of "+l.Name, now, e.LoadNow[l.Name]+e.LineNow[l.Name], .02)
		near(t, at, "the peak of "+l.Name, peak, e.LoadPeak[l.Name]+e.LinePeak[l.Name], .02)
	}
}

// sameWayBack: the plan counts what may have to be written since the last checkpoint, status what has to be now: never more.
func sameWayBack(t *testing.T, at time.Duration, v *cutover.View, e cutover.RungEstimate) {
	t.Helper()
	text := strings.Join(v.WayBack, "; ")
	switch {
	case e.BackAll >= cutover.Second && !strings.Contains(text, "all in 1m3s for 95 % of users of names") && !strings.Contains(text, "all in 1m2s for 95 % of users of names"):
		t.Errorf("%v: %s; the plan says %v and %v", at, text, e.BackFast.Duration(), e.BackAll.Duration())
	case e.BackAll < cutover.Second && !strings.Contains(text, "in less than 1s"):
		t.Errorf("%v: %s; the plan says %v", at, text, e.BackAll.Duration())
	}
}

// TestHelpFitsATerminal: every command's help keeps to 80 columns and names each of its flags.
func TestHelpFitsATerminal(t *testing.T) {
	for _, c := range commands(stdio{}) {
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"roomshift", c.Name, "--help"}, stdio{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 || errs.Len() > 0 {
			t.Errorf("%s: %d %s", c.Name, code, errs.String())
		}
		text := out.String()
		for _, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 || strings.HasSuffix(line, " ") {
				t.Errorf("%s: %d columns, or blanks at the end: %q", c.Name, n, line)
			}
		}
		for _, f := range c.Flags {
			if !strings.Contains(text, "   --"+f.Names()[0]+" ") {
				t.Errorf("%s: no --%s in\n%s", c.Name, f.Names()[0], text)
			}
		}
		if !strings.Contains(text, "--help, -h") || strings.Contains(text, "{{") {
			t.Errorf("%s:\n%s", c.Name, text)
		}
	}
}

// TestAGuardIsExplained: simulated people end a guard after a while, and both the run and the last line say so.
func TestAGuardIsExplained(t *testing.T) {
	var out, errs bytes.Buffer
	run(t.Context(), []string{"roomshift", "simulate", "spring-festival-out"}, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	for _, want := range []string{
		"stopped; the run rests where it did, and nobody watches it from now on",
		"of virtual time, the last 10m of it watching the rest, which a guard does until somebody ends it, 2 processes, exit 0: done",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it doesn't say %q:\n…%s", want, out.String()[max(0, out.Len()-2000):])
		}
	}
	out.Reset()
	run(t.Context(), []string{"roomshift", "simulate", "to-cloud"}, stdio{in: strings.NewReader(""), out: &out, err: &errs})
	if strings.Contains(out.String(), "guard") {
		t.Errorf("there is no guard here:\n%s", out.String())
	}
}
