package cutovers

import (
	"regexp"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/lab"
)

// lateToCloud makes the cloud see what is written at home far later than the abort limit of a second, and than a sample may be old.
const lateToCloud = "lag home cloud 4s"

// TestReplicationToTheCloudFails: wherever the run is, it turns, and ends at exactly what was there.
func TestReplicationToTheCloudFails(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name, steps, bake string
		at                string // what the run says before the fault
		pause             bool
		fault             string
	}{
		{"in a bake", few, "10m", "baking", false, lateToCloud},
		{"in a settle", few, "10m", "settling", false, lateToCloud},
		{"in a pause", few, "10m", "baking", true, lateToCloud},
		{"on the way up", stairs, "1s", "rung 2/3 applying", false, lateToCloud},
		{"while a person is asked", approved, "10m", `may step "more" begin`, false, lateToCloud},
		{"applier stopped", few, "10m", "baking", false, "applier cloud stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i != 0 && i != 3 {
				t.Skip("short")
			}
			s := begin(t)
			p := s.run(c.bake, c.steps)
			p.await(c.at)
			if c.pause {
				s.start("pause").exits(0)
			}
			s.do(c.fault)
			s.turnsBack(p)
			if strings.Contains(p.text(), "rung 3/3") {
				t.Error("it went on to the rung above")
			}
			s.unharmed()
		})
	}
	t.Run("while a rung is applied", func(t *testing.T) {
		s := begin(t)
		p := s.stuckWrite()
		s.do(lateToCloud)
		rs, _, turned := s.awaitRecord("it turns", commands("approve"), turns(cutover.PhaseBack))
		if len(open(rs, turned)) == 0 {
			t.Errorf("nothing was under way when it turned:\n%s", p.text())
		}
		s.do("consul home up")
		s.turnsBack(p)
		s.unharmed()
	})
}

// turnsBack waits until a run has gone back to the start because of the cloud's lag, and is over.
func (s *scene) turnsBack(p *process) {
	s.t.Helper()
	p.await("back     to start because lag@cloud")
	s.isBack()
	s.do("heal") // what went back is verified by green gates
	p.exits(3)
	p.tellsReaction()
	s.restored()
}

// wholeLag is the line of status about a lag of 4 s into home.
var wholeLag = regexp.MustCompile(`lag@home +red +\S*4\S* s`)

// moreThanHold is what a run may not say while the writer's way back alone is shut: that it turns, or that it can't see the other way.
var moreThanHold = regexp.MustCompile(` (frozen|back) {2,}|lag@cloud (too old|no answer|no data)`)

// TestReplicationHomeFails: the run holds, says that the way back is shut, and goes on once healed.
func TestReplicationHomeFails(t *testing.T) {
	s := begin(t)
	p := s.run("5s", few+rest)
	p.await("baking")
	said := p.said()
	s.do("lag cloud home 4s")
	p.awaitAfter(said, "hold     lag@home over")
	p.awaitAfter(said, "> 1 s for 2s") // it is past its abort limit, for its time …
	s.eventually("status shows the whole lag", func() bool { return wholeLag.MatchString(s.start("status").exits(0)) })
	if more := moreThanHold.FindString(p.text()[said:]); more != "" { // … and for longer than a sample is good for
		t.Errorf("home's lag alone led to %q:\n%s", more, p.text())
	}
	s.do("lag cloud home 0s")
	p.exits(7)
	p.says("nothing holds any more", "the writer's way back is shut")
	if got := s.number(lab.Home); got != "8" {
		t.Errorf("it rests at %q", got)
	}
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}
