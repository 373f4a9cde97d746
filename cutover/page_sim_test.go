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

// pages are the calls of a run, each as "37m0s frozen: CAUSES | green".
func pages(out *sim.Outcome) []string {
	var got []string
	for _, h := range out.Timeline {
		if p := h.Page; p != nil {
			var keys []string
			for _, c := range p.Causes {
				if !slices.Contains(keys, c.Key()) {
					keys = append(keys, c.Key())
				}
			}
			slices.Sort(keys)
			got = append(got, fmt.Sprintf("%s %s %s new=%v: %s | %s", h.At.Round(time.Second), p.Phase, p.For.Duration().Round(time.Second), p.New, strings.Join(keys, " "), strings.Join(p.Green, " ")))
		}
	}
	return got
}

// TestAFrozenRunCallsAgain: every 5 minutes with what keeps it there now, and at once for a cause that joins; what is green again
// is said to be.
func TestAFrozenRunCallsAgain(t *testing.T) {
	const cut = "feed-lag@cloud feed-lag@home user-lag@cloud user-lag@home"
	for _, c := range []struct {
		name   string
		faults []string
		want   []string
	}{
		{"it lasts", []string{"cut at 30m"}, []string{"37m0s frozen 5m0s new=false: " + cut + " | "}},
		{"it heals", []string{"cut at 30m for 5m"}, []string{"37m0s frozen 5m0s new=false:  | feed-lag@home feed-lag@cloud user-lag@home user-lag@cloud"}},
		{"another joins", []string{"cut at 30m", "errors home 5% at 34m"}, []string{
			"34m15s frozen 2m15s new=true: errors@home | ", "37m0s frozen 5m0s new=false: errors@home " + cut + " | "}},
		{"taken over", []string{"cut at 30m", "kill at 33m"}, []string{
			"33m46s frozen 0s new=false: " + cut + " | ", "38m46s frozen 5m0s new=false: " + cut + " | "}},
	} {
		out := play(t, "spring-festival-out", sim.Options{Seed: 1}, c.faults...)
		if got := pages(out); !slices.Equal(got, c.want) {
			t.Errorf("%s: it called\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if out.Exit != cutover.ExitStopped {
			t.Errorf("%s: exit %d", c.name, out.Exit)
		}
	}
}

// TestGoingBackThatLastsCalls: every 5 minutes, with what was tried in vain and what has no outcome yet; a going back that ends in
// time calls nobody.
func TestGoingBackThatLastsCalls(t *testing.T) {
	for fault, want := range map[string][]string{
		"plane home/keys down at 5m for 12m":  {"gw@home failed 12 times: no connection", "gw@home failed 21 times: no connection"},
		"slow api home/keys 20s at 5m for 9m": {"writes without an outcome, 1: gateway/rules/main"},
		"fail writes at 5m for 8m":            {"gw@home failed "},
		"fail writes at 5m for 2m":            nil,
	} {
		out := play(t, "to-cloud", sim.Options{Seed: 1}, "errors cloud 20% at 5m", fault)
		var got []string
		for _, h := range out.Timeline {
			if h.Page != nil {
				got = append(got, strings.Join(h.Page.Failed, "; "))
				if n := len(got); h.Page.Phase != cutover.PhaseBack || h.Page.Target != "start" || h.Page.For != cutover.T(n)*5*cutover.Minute {
					t.Errorf("%s: call %d is %+v; want back to start, every 5 minutes", fault, n, h.Page)
				}
			}
		}
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: it called with %q, want %q", fault, got, want)
		}
	}
}

// TestATakeoverSaysWhatItWaitsFor: once, the locks that it doesn't have and why, and what it does until it has them; and then what it
// can't read.
func TestATakeoverSaysWhatItWaitsFor(t *testing.T) {
	const both = "waits for the lock in cloud and home: without any lock nothing is written, so it tries again every 2s until it has one, or is stopped"
	held := "the lock in %s isn't had: the lock is held in %s by run 0126-01 of ops1 on ops-1 "
	away := "the lock in %s isn't had: take the lock in %s: no connection"
	for name, c := range map[string]struct {
		faults []string
		want   []string
	}{
		"the locks aren't over": {[]string{"kill at 12m5s"}, []string{both, strings.ReplaceAll(held, "%s", "cloud"), strings.ReplaceAll(held, "%s", "home")}},
		"a Consul is away": {[]string{"consul cloud down at 12m for 20m", "kill at 12m5s"}, []string{both, strings.ReplaceAll(away, "%s", "cloud"), strings.ReplaceAll(held, "%s", "home"),
			"cloud/keys can't be read: read cloud/keys: no connection; the run wrote nothing there", "cloud/services can't be read: "}},
		"both are": {[]string{"consul cloud down at 12m for 5m", "consul home down at 12m for 5m", "kill at 12m5s"}, []string{both, strings.ReplaceAll(away, "%s", "cloud"), strings.ReplaceAll(away, "%s", "home")}},
	} {
		out := play(t, "spring-festival-out", sim.Options{Seed: 1}, c.faults...)
		var got []string
		for _, h := range out.Timeline {
			if h.Note != "" && h.Runner > 0 && !strings.HasPrefix(h.Note, "command ") {
				got = append(got, h.Note)
			}
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: it says\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestWhatPeopleSayIsNoReaction: how soon a limit was answered is told of what a gate led to, and not of a person's back, whatever is past
// its limit then.
func TestWhatPeopleSayIsNoReaction(t *testing.T) {
	back := sim.Timed{At: 34 * time.Minute, Command: cutover.Command{ID: "b", Verb: "back", Who: "ops1"}}
	for name, c := range map[string]struct {
		faults  []string
		people  []sim.Timed
		crossed bool
	}{
		"a gate":                 {[]string{"errors cloud 5% at 30m"}, nil, true},
		"a person, of a freeze":  {[]string{"cut at 30m"}, []sim.Timed{back}, false},
		"a person, of a holding": {[]string{"errors home 0.5% at 33m"}, []sim.Timed{back}, false},
	} {
		out := play(t, "spring-festival-out", sim.Options{Seed: 1, Commands: c.people}, c.faults...)
		first := find(t, out, "back", func(r *cutover.Record) bool { return r.Phase != nil && r.Phase.Phase == cutover.PhaseBack })
		if got := first.Phase.Timing; got == nil || got.Decided == 0 || (got.Crossed > 0) != c.crossed {
			t.Errorf("%s: its timing is %+v", name, got)
		}
	}
}
