package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestTakeoverBesideAPlaneThatCanNotBeRead kills the process while a plane is down, or every listing of it hangs. The one that takes
// over obeys a person's back at once on all other planes, and brings that one home when it can read it.
func TestTakeoverBesideAPlaneThatCanNotBeRead(t *testing.T) {
	quiet, _ := playSim(t, "spring-festival-out", sim.Options{Seed: 1})
	sent := quiet.Sent()
	at := sent[len(sent)-1].At + cutover.Minute
	said, over := at+5*cutover.Minute, at+60*cutover.Minute
	for _, plane := range []string{"home/upstreams", "home/services", "cloud/services", "alidns", "alidns/ttl"} {
		for _, fault := range []string{"plane %s down at %s for 1h", "hang reads at %[2]s for 1h in %[1]s"} {
			fault = fmt.Sprintf(fault, plane, at.Duration())
			s := simOf(t, "spring-festival-out", sim.Options{Seed: 1, Commands: []sim.Timed{say(said, "back", "to", "start")}}, fault,
				fmt.Sprintf("kill at %s", (at+cutover.Minute).Duration()))
			start := s.Shares()
			out, err := s.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := reactionOf(s, said, cutover.PhaseBack)
			if r.decided != said || r.first > said+appends+cutover.Millisecond || r.told > said+appends+cutover.Millisecond {
				t.Errorf("%s: decided after %s, first undo sent after %s, told after %s; want at once", fault, (r.decided - said).Duration(), (r.first - said).Duration(),
					(r.told - said).Duration())
			}
			if early := slices.IndexFunc(r.sent, func(q sim.Sent) bool { return q.Plane == plane && q.At < over }); early >= 0 {
				t.Errorf("%s: it is written to %s before it was read", fault, (over - r.sent[early].At).Duration())
			}
			if out.Exit != cutover.ExitBack || !slices.ContainsFunc(r.sent, func(q sim.Sent) bool { return q.Plane == plane }) {
				t.Errorf("%s: exit %d (%s); want 3, and that plane written", fault, out.Exit, out.Why)
			}
			sameTruth(t, fault, out.Truth, start)
		}
	}
}

// TestNothingGoesForwardUnread: who takes over goes forward when everything is read, says what is waited for, and asks nobody.
func TestNothingGoesForwardUnread(t *testing.T) {
	quiet, base := playSim(t, "spring-festival-out", sim.Options{Seed: 1})
	i := slices.IndexFunc(quiet.Sent(), func(q sim.Sent) bool { return q.Plane == "home/upstreams" })
	wave := quiet.Sent()[i]
	for _, after := range []cutover.T{cutover.Millisecond, cutover.Minute} { // in its first wave, and in its bake
		at := wave.At + after
		over := at + 20*cutover.Minute
		s, out := playSim(t, "spring-festival-out", sim.Options{Seed: 1}, fmt.Sprintf("plane home/upstreams down at %s for 20m", at.Duration()),
			fmt.Sprintf("kill at %s", at.Duration()))
		for _, q := range s.Sent() {
			if q.At > at && q.At < over {
				t.Errorf("a request to %s is sent %s before all is read", q.Plane, (over - q.At).Duration())
			}
		}
		find(t, out, "hold that says so", func(r *cutover.Record) bool {
			return r.Verdict != nil && r.Verdict.Act == cutover.Hold && slices.ContainsFunc(r.Verdict.Causes, func(c cutover.Cause) bool {
				return c.Gate == "read" && c.Room == "home/upstreams" && strings.Contains(c.Text, "can't be read")
			})
		})
		for _, r := range out.Records {
			if r.Asked != nil && r.Asked.What != "approve" {
				t.Errorf("people are asked: %s", r.Asked.Text)
			}
		}
		if out.Exit != base.Exit {
			t.Errorf("exit %d (%s); want %d", out.Exit, out.Why, base.Exit)
		}
		sameTruth(t, "at the end", out.Truth, base.Truth)
	}
}
