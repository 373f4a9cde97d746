package cutover_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// publisher publishes what a pair's record says at the moment, as a real one does, but for attempts that fail.
type publisher struct {
	s     *sim.Sim
	fails func(attempt int) bool // nil: none
	away  [2]cutover.T           // from and until when attempts fail, too
	says  cutover.Room           // what is published
	seq   int64
	tried []cutover.T
}

func (p *publisher) publish(_ string, at cutover.T) error {
	p.tried = append(p.tried, at)
	if p.fails != nil && p.fails(len(p.tried)) || p.away[0] <= at && at < p.away[1] {
		return errors.New("consul of home: no answer")
	}
	rs := p.s.Records()
	if last := rs[len(rs)-1].Record; last.Phase == writer.Stable && last.Seq > p.seq {
		p.says, p.seq = last.Writer, last.Seq
	}
	return nil
}

// published runs a runbook with a publisher.
func published(t *testing.T, text string, fails func(int) bool, o sim.Options, faults ...string) (*publisher, *sim.Sim, *sim.Outcome) {
	t.Helper()
	p := &publisher{fails: fails}
	o.Publish = p.publish
	p.s = simOf(t, book(t, text), o, faults...)
	out, err := p.s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p, p.s, out
}

// TestPublished: wherever a move ends, with whichever request lost, late, or the last of its process, and the first attempts to publish
// failing or not, what is published in the end is what the record says.
func TestPublished(t *testing.T) {
	plain, s, out := published(t, movesWriter, nil, sim.Options{})
	if out.Exit != cutover.ExitDone || plain.says != "cloud" {
		t.Fatalf("exit %d %s: %q is published\n%s", out.Exit, out.Why, plain.says, allOf(out))
	}
	for _, v := range s.Verbs() {
		for _, fault := range []string{"", "kill at write %d", "lost reply at write %d", "late write %d 3s"} {
			for _, fails := range []func(int) bool{nil, func(n int) bool { return n <= 3 }} {
				if strings.Contains(fault, "%d") {
					fault = fmt.Sprintf(fault, v.N)
				}
				var faults []string
				if fault != "" {
					faults = []string{fault}
				}
				p, s, _ := published(t, movesWriter, fails, sim.Options{}, faults...)
				if at := s.Writers("feed-db"); len(at) != 1 || p.says != at[0] {
					t.Errorf("%s %s, %q, first attempts fail %v: the writer is in %v, and %q is published", v.Do, v.Room, fault, fails != nil, at, p.says)
				}
			}
		}
	}
}

// TestPublishedByTheNext: what a process has recorded and couldn't publish before it was killed is published by the one that takes over,
// though the pair stands where it is to be.
func TestPublishedByTheNext(t *testing.T) {
	_, _, plain := published(t, movesWriter, nil, sim.Options{})
	stable := cutover.T(0)
	for i := range plain.Records {
		if w := plain.Records[i].Writer; w != nil && w.Writer == "cloud" {
			stable = plain.Records[i].At
		}
	}
	p := &publisher{away: [2]cutover.T{stable - cutover.Second, stable + 3*cutover.Minute}}
	p.s = simOf(t, book(t, movesWriter), sim.Options{Publish: p.publish}, fmt.Sprintf("kill at %s", (stable+2*cutover.Minute).Duration().Round(time.Second)))
	out, err := p.s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Runners != 2 || p.says != "cloud" {
		t.Errorf("%d processes, %q is published\n%s", out.Runners, p.says, allOf(out))
	}
}

// TestPublishedBack: what went back is published where it is.
func TestPublishedBack(t *testing.T) {
	p, s, out := published(t, movesWriter, nil, sim.Options{}, "errors cloud 20% at 12m")
	if at := s.Writers("feed-db"); out.Exit != cutover.ExitBack || len(at) != 1 || at[0] != "home" || p.says != "home" || p.seq < 6 {
		t.Errorf("exit %d %s: the writer is in %v, %q of record %d is published\n%s", out.Exit, out.Why, at, p.says, p.seq, allOf(out))
	}
}

// TestNeverPublished: a run doesn't depend on it, says so once, and asks ever more rarely.
func TestNeverPublished(t *testing.T) {
	_, _, quiet := published(t, movesWriter, nil, sim.Options{})
	p, s, out := published(t, movesWriter, func(int) bool { return true }, sim.Options{})
	if out.Exit != cutover.ExitDone || s.Writers("feed-db")[0] != "cloud" {
		t.Fatalf("exit %d %s\n%s", out.Exit, out.Why, allOf(out))
	}
	longer := out.Took - quiet.Took
	if longer > 30*time.Second {
		t.Errorf("it took %v longer", longer)
	}
	said := 0
	for _, h := range out.Timeline {
		if strings.Contains(h.Note, "isn't published yet") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("said %d times", said)
	}
	if n := len(p.tried); n < 5 || n > 60 {
		t.Errorf("%d attempts in %v", n, out.Took)
	}
}
