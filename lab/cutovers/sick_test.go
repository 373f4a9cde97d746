package cutovers

import (
	"testing"

	"roomshift/cutover"
	"roomshift/lab"
)

// TestFrozen: what going back would make worse freezes, says why, and writes nothing until a person brings it back once healed.
func TestFrozen(t *testing.T) {
	t.Parallel()
	const cutOff = "both directions of app-db fail: the rooms may be cut from each other"
	for i, c := range []struct {
		name, steps, at string
		faults          []string
		seen            string // what the run says of the first fault before the second one comes, "" at once
		why, text       string
	}{
		{"both directions", few, "baking", []string{lateToCloud, "lag cloud home 4s"}, "", "lag@", cutOff},
		{"the line is cut", few, "baking", []string{"cut"}, "", "lag@", cutOff},
		// One room is always sampled before the other. Where that is the cloud it is past its limit alone for a moment, and leads back.
		{"errors in both rooms", few, "baking", []string{"errors home 40%", "errors cloud 40%"}, "hold     errors@home", "errors@home",
			"home, which lost traffic, is past its limit"},
		{"errors at home", few, "baking", []string{"errors home 40%"}, "", "errors@home", "going back would feed the sick room"},
		{"both rooms dark at 30 %", most, `"most" baking`, []string{"prometheus home down", "prometheus cloud down"}, "", "errors@",
			"nobody can say how"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i != 1 && i != 2 {
				t.Skip("short")
			}
			s := begin(t)
			p := s.run("10m", c.steps)
			p.await(c.at)
			was := s.number(lab.Home)
			said := p.said()
			s.do(c.faults[0])
			p.awaitAfter(said, c.seen)
			s.do(c.faults[1:]...)
			p.await(" frozen ")
			p.says("because "+c.why, c.text)
			rs, _, frozen := s.awaitRecord("it is frozen", anything, turns(cutover.PhaseFrozen))
			if place := find(rs, 0, undoes); place >= 0 || s.number(lab.Home) != was {
				t.Errorf("the key went from %q to %q, undone at record %d, frozen at %d", was, s.number(lab.Home), place, frozen)
			}
			s.heal()
			s.start("back").exits(0)
			p.exits(3)
			s.restored()
		})
	}
}

// TestTurns: what going back mends turns the run by itself.
func TestTurns(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		name   string
		faults []string
		why    string
	}{
		{"errors in the cloud", []string{"errors cloud 40%"}, "errors@cloud"},
		{"both rooms dark at 3 %", []string{"prometheus home down", "prometheus cloud down"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i > 0 {
				t.Skip("short")
			}
			s := begin(t)
			p := s.run("10m", few)
			p.await("baking")
			s.do(c.faults...)
			p.await("back     to start because " + c.why)
			s.isBack()
			s.do("heal")
			p.exits(3)
			s.restored()
		})
	}
}
