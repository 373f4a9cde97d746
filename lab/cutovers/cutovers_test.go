package cutovers

import (
	"fmt"
	"math"
	"regexp"
	"testing"

	"roomshift/lab"
)

// few is a first rung that bakes for longer than any case takes.
const few = `  - name: climb
    shift: {cloud: {gw@home: [8%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// most is on the way to 30 %.
const most = few + "    bake: 1s\n" + `  - name: most
    shift: {cloud: {gw@home: [30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// reaction is the line that tells how fast a run turned.
var reaction = regexp.MustCompile(`data \S+( \S+)? old, crossed → decided \+\S+ → first write \+\S+ → read back \+\S+ → seen \+\S+`)

func (p *process) tellsReaction() {
	p.s.t.Helper()
	line := reaction.FindString(p.text())
	if line == "" {
		p.s.t.Errorf("doesn't tell how fast it turned:\n%s", p.text())
	}
	p.s.t.Log(line)
}

// TestShareIsWhatWasPlanned: from 3 to 60 %, every rung's share is what the load generator counts, and not one request fails.
func TestShareIsWhatWasPlanned(t *testing.T) {
	s := begin(t)
	p := s.start("run", rooms.Runbook("out"))
	for i, percent := range []int{8, 30, 60} {
		p.await(fmt.Sprintf("rung %d/3 baking", i+1))
		if err := rooms.Answered(t.Context()); err != nil {
			t.Fatal(err)
		}
		from := rooms.Counts()
		eventually(t, "700 requests are answered", func() bool { return rooms.Counts().Since(from).Sent >= 700 })
		c := rooms.Counts().Since(from)
		want := 10 + 0.9*float64(percent)
		if got := c.Share(lab.Cloud); math.Abs(got-want) > 2 {
			t.Errorf("rung %d: %.2f %% in the cloud, planned %.1f", i+1, got, want)
		} else {
			t.Logf("rung %d: %.2f %% in the cloud, planned %.1f, of %d requests", i+1, got, want, c.Sent)
		}
	}
	p.exits(7)
	if got := number(t, lab.Home); got != "60" {
		t.Errorf("it rests at %q", got)
	}
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}

// TestReplicationToTheCloudFails: wherever the run is, it turns, and ends at exactly what was there.
func TestReplicationToTheCloudFails(t *testing.T) {
	approve := few + "    bake: 1s\n" + `  - name: more
    approve: {by: ops, within: 30m, else: hold}
    shift: {cloud: {gw@home: [30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`
	cases := []struct {
		name, steps, bake string
		at                string // what the run says before the fault
		pause             bool
		fault             string
	}{
		{"in a bake", few, "10m", "baking", false, "lag home cloud 1700ms"},
		{"in a settle", few, "10m", "settling", false, "lag home cloud 1700ms"},
		{"in a pause", few, "10m", "baking", true, "lag home cloud 1700ms"},
		{"on the way up", approve, "10m", `may step "more" begin`, false, "lag home cloud 1700ms"},
		{"applier stopped", few, "10m", "baking", false, "applier cloud stop"},
	}
	for i, c := range cases {
		if testing.Short() && i%4 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := begin(t)
			p := s.start("run", "--rooms", rooms.RoomsFile(), s.book(c.bake, c.steps))
			p.await(c.at)
			if c.pause {
				s.start("pause").exits(0)
			}
			do(t, c.fault)
			p.await("back     to start because")
			eventually(t, "the key is what it was", func() bool { return number(t, lab.Home) == s.before[lab.Home] })
			do(t, "heal") // what went back is verified by green gates
			p.exits(3)
			p.says("because lag@cloud")
			p.tellsReaction()
			s.restored()
			s.unharmed()
		})
	}
}

// TestReplicationHomeFails: the run holds, and goes on once healed.
func TestReplicationHomeFails(t *testing.T) {
	s := begin(t)
	p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("5s", few+"  - checkpoint: there\n"))
	p.await("baking")
	do(t, "lag cloud home 1s")
	p.await("hold     lag@home over")
	do(t, "lag cloud home 0s")
	p.exits(7)
	p.says("nothing holds any more", "the writer's way back is shut")
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}

// TestFrozen: what going back would make worse freezes, says why, and a person brings it back once healed.
func TestFrozen(t *testing.T) {
	cases := []struct {
		name, steps, at string
		faults          []string
		why             string
	}{
		{"both directions", few, "baking", []string{"lag home cloud 4s", "lag cloud home 4s"}, "lag"},
		{"the line is cut", few, "baking", []string{"cut"}, "lag"},
		{"errors in both rooms", few, "baking", []string{"errors home 40%", "errors cloud 40%"}, "errors"},
		{"errors at home", few, "baking", []string{"errors home 40%"}, "errors"},
		{"both rooms dark at 30 %", most, `"most" baking`, []string{"prometheus home down", "prometheus cloud down"}, "errors"},
	}
	for i, c := range cases {
		if testing.Short() && i%2 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := begin(t)
			p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("10m", c.steps))
			p.await(c.at)
			was := number(t, lab.Home)
			do(t, c.faults...)
			p.await(" frozen ")
			p.says("because " + c.why)
			// of errors in both rooms the cloud's may be sampled first: then it has turned back, and freezes on the way
			if got := number(t, lab.Home); got != was && len(c.faults) == 1 {
				t.Errorf("frozen, and the key went from %q to %q", was, got)
			}
			heal2(t)
			s.start("back").exits(0)
			p.exits(3)
			s.restored()
		})
	}
}

// heal2 ends the faults under a run.
func heal2(t *testing.T) {
	t.Helper()
	do(t, "heal")
	eventually(t, "both rooms have a window", func() bool { return clean(t, lab.Cloud) })
}

// TestTurns: what going back mends turns the run by itself.
func TestTurns(t *testing.T) {
	for name, c := range map[string]struct {
		faults []string
		why    string
	}{
		"errors in the cloud":    {[]string{"errors cloud 40%"}, "errors"},
		"both rooms dark at 3 %": {[]string{"prometheus home down", "prometheus cloud down"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			p := s.start("run", "--rooms", rooms.RoomsFile(), s.book("10m", few))
			p.await("baking")
			do(t, c.faults...)
			p.await("back     to start because " + c.why)
			eventually(t, "the key is what it was", func() bool { return number(t, lab.Home) == s.before[lab.Home] })
			do(t, "heal")
			p.exits(3)
			s.restored()
		})
	}
}
