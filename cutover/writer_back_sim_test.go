package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// said is a person's word at a moment.
func said(at cutover.T, verb string, args map[string]string) sim.Timed {
	return sim.Timed{At: at.Duration(), Command: cutover.Command{Verb: verb, Args: args}}
}

// TestBackAroundAMove: whenever a person says back while a writer moves, it ends at the start, with the writer at home, and never two.
func TestBackAroundAMove(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	vs := plain.Verbs()
	toStart := map[string]string{"to": "start"}
	for at := vs[0].At - 5*cutover.Millisecond; at < vs[len(vs)-1].At+30*cutover.Millisecond; at += cutover.Millisecond {
		for _, then := range []string{"", "kill", "freeze"} {
			o := sim.Options{Commands: []sim.Timed{said(at, "back", toStart)}}
			var faults []string
			switch then {
			case "kill":
				faults = []string{fmt.Sprintf("kill at %s", (at + 3*cutover.Millisecond).Duration())}
			case "freeze":
				o.Commands = append(o.Commands, said(at+2*cutover.Millisecond, "freeze", nil), said(at+3*cutover.Second, "back", toStart))
			}
			what := fmt.Sprintf("back at %s, %s", at.Duration(), then)
			s, out := moved(t, movesWriter, o, faults...)
			oneWriter(t, s, what)
			if w := s.Writers("feed-db"); len(w) != 1 || w[0] != "home" || out.Exit != cutover.ExitBack {
				t.Errorf("%s: exit %d %s, the writer is in %v", what, out.Exit, out.Why, w)
			}
		}
	}
}

// moments are what a run did, in order: its phases, what it wrote where, and the writer's records.
func moments(out *sim.Outcome) []string {
	var ms []string
	for _, r := range out.Records {
		switch {
		case r.Phase != nil && r.Phase.Phase == cutover.PhaseBack:
			ms = append(ms, strings.TrimSpace("back to "+r.Phase.Target+" "+r.Phase.Writers))
		case r.Phase != nil:
			ms = append(ms, string(r.Phase.Phase))
		case r.Done != nil:
			ms = append(ms, "wrote")
		case r.Writer != nil && r.Writer.Phase == string(writer.Stable):
			ms = append(ms, "writer "+r.Writer.Writer)
		}
	}
	return ms
}

// TestSickAfterAMove: what is sick after the writer has moved decides what goes back first.
func TestSickAfterAMove(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	vs := plain.Verbs()
	after := vs[len(vs)-1].At + cutover.Minute
	at := func(d cutover.T) string { return (after + d).Duration().String() }
	toStart := map[string]string{"to": "start"}
	for _, c := range []struct {
		name   string
		faults []string
		said   []sim.Timed
		want   string
		exit   cutover.Exit
	}{
		{"the cloud's tier", []string{"errors cloud 20% at " + at(0)}, nil, "back to start, wrote, writer home, over", cutover.ExitBack},
		{"both rooms", []string{"errors cloud 20% at " + at(0), "errors home 20% at " + at(0)}, nil, "back to start first, writer home, wrote, over", cutover.ExitNotVerified},
		{"the way back of the writer", []string{"lag feed-db cloud→home 10s at " + at(0) + " for 2m"}, []sim.Timed{said(after+4*cutover.Minute, "back", toStart)},
			"frozen, back to start, wrote, writer home, over", cutover.ExitBack},
		{"the same, and a person doesn't wait", []string{"lag feed-db cloud→home 10s at " + at(0) + " for 4m"}, []sim.Timed{said(after+2*cutover.Minute, "back", toStart)},
			"frozen, back to start, wrote, writer home, over", cutover.ExitBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, out := moved(t, movesWriter, sim.Options{Commands: c.said}, c.faults...)
			oneWriter(t, s, c.name)
			ms := moments(out)
			from := slices.Index(ms, "writer cloud")
			got := strings.Join(ms[from+1:], ", ")
			if got != c.want || out.Exit != c.exit {
				t.Errorf("exit %d, want %d: %s\nwant %s\n%s", out.Exit, c.exit, got, c.want, allOf(out))
			}
			if w := s.Writers("feed-db"); len(w) != 1 || w[0] != "home" {
				t.Errorf("the writer is in %v", w)
			}
		})
	}
}

// TestAPairThatWaitsKeepsNoOther: of two pairs the one that can't go home yet doesn't keep the other one away.
func TestAPairThatWaitsKeepsNoOther(t *testing.T) {
	text := strings.Replace(movesWriter, "pairs: [feed-db], noWriter: 2s", "pairs: [feed-db, user-db], noWriter: 20s", 1)
	plain, _ := moved(t, text, sim.Options{})
	vs := plain.Verbs()
	after := vs[len(vs)-1].At + cutover.Minute
	lag := fmt.Sprintf("lag user-db cloud→home 15s at %s for 5m", after.Duration())
	s, out := moved(t, text, sim.Options{Commands: []sim.Timed{said(after+cutover.Minute, "back", map[string]string{"to": "start"})}}, lag)
	home := map[string]cutover.T{}
	for _, r := range s.Records() {
		if r.Record.Phase == writer.Stable && r.Record.Writer == "home" && r.At > after {
			home[r.Pair] = r.At - after
		}
	}
	if out.Exit != cutover.ExitBack || home["feed-db"] == 0 || home["feed-db"] > 2*cutover.Minute || home["user-db"] < 5*cutover.Minute {
		t.Errorf("exit %d: feed-db is at home after %s, user-db after %s; its lag was over after 5m\n%s", out.Exit, home["feed-db"].Duration(), home["user-db"].Duration(), allOf(out))
	}
	oneWriter(t, s, lag)
}

// TestFreezeDuringAMove: whenever a person freezes the run while a writer moves, the pair has exactly one a moment later, and nothing is
// begun any more.
func TestFreezeDuringAMove(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	vs := plain.Verbs()
	for at := vs[0].At - 5*cutover.Millisecond; at < vs[len(vs)-1].At+30*cutover.Millisecond; at += cutover.Millisecond {
		what := "frozen at " + at.Duration().String()
		s, out := moved(t, movesWriter, sim.Options{Commands: []sim.Timed{said(at, "freeze", nil)}})
		oneWriter(t, s, what)
		if _, none := s.TakesWrites("feed-db"); none > 100*cutover.Millisecond || out.Exit != cutover.ExitStopped || out.Progress.Phase != cutover.PhaseFrozen {
			t.Errorf("%s: %s without a writer, exit %d, %s", what, none.Duration(), out.Exit, out.Progress.Phase)
		}
		for _, v := range s.Verbs() {
			if v.Do == writer.Fence && v.At > at {
				t.Errorf("%s: fenced at %s", what, v.At.Duration())
			}
		}
	}
}

// TestBackWaitsForAWriter: a master that stands still in the middle of a move keeps nobody in the cloud, and going back isn't at its end
// before the pair has its writer again.
func TestBackWaitsForAWriter(t *testing.T) {
	fence := fenceOf(t, movesWriter, "feed-db")
	at := fence.At + 3*cutover.Millisecond
	still := fmt.Sprintf("freeze server home at %s for 1m", at.Duration())
	s, out := moved(t, movesWriter, sim.Options{Commands: []sim.Timed{said(at+2*cutover.Second, "back", map[string]string{"to": "start"})}}, still)
	oneWriter(t, s, still)
	if w := s.Writers("feed-db"); out.Exit != cutover.ExitBack || w[0] != "home" {
		t.Errorf("exit %d, the writer is in %v\n%s", out.Exit, w, allOf(out))
	}
	last := s.Writes()[len(s.Writes())-1]
	if last.Share > 100 || last.At > at+20*cutover.Second {
		t.Errorf("the last share was written at %s, %s after the server stood still: %d", last.At.Duration(), (last.At - at).Duration(), last.Share)
	}
}

// TestBackWaitsForTheRecord: the record's Consul is gone in the middle of a move. Home takes writes again at once, by its fencer's licence,
// and the run doesn't end before the record says so.
func TestBackWaitsForTheRecord(t *testing.T) {
	fence := fenceOf(t, movesWriter, "feed-db")
	at := fence.At + 3*cutover.Millisecond
	gone := fmt.Sprintf("consul cloud down at %s for 1m", at.Duration())
	s, out := moved(t, movesWriter, sim.Options{Commands: []sim.Timed{said(at+cutover.Millisecond, "back", map[string]string{"to": "start"})}}, gone)
	oneWriter(t, s, gone)
	if _, none := s.TakesWrites("feed-db"); none > cutover.Second || out.Exit != cutover.ExitBack {
		t.Errorf("%s without a writer, exit %d\n%s", none.Duration(), out.Exit, allOf(out))
	}
}
