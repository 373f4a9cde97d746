package cutovers

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"roomshift/lab"
)

// TestKilled: wherever kill -9 hits, a takeover goes on and a back ends at every byte that was there.
func TestKilled(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		at       string
		takeover bool
	}{{"applying", true}, {"settling", false}, {"baking", true}, {" write ", false}, {" back ", false}} {
		t.Run(strings.TrimSpace(c.at), func(t *testing.T) {
			if testing.Short() && i > 1 {
				t.Skip("short")
			}
			s := begin(t)
			p := s.run("3s", few+rest)
			if c.at == " back " {
				p.await("baking")
				s.start("back", "--to", "start").exits(0)
			}
			p.await(c.at)
			p.kill()
			if c.takeover {
				s.start("takeover").exits(7)
				if got := s.number(lab.Home); got != "8" {
					t.Errorf("taken over, it rests at %q", got)
				}
			}
			s.start("back", "--to", "start").exits(3)
			s.restored()
			s.unharmed()
		})
	}
}

// TestFrozenStaysFrozen: a run that was frozen when kill -9 hit it is frozen when somebody takes it over, until a person says back.
func TestFrozenStaysFrozen(t *testing.T) {
	s := begin(t)
	p := s.run("3s", few+rest)
	p.await("baking")
	s.start("freeze").exits(0)
	p.await(" frozen ")
	p.kill()
	next := s.start("takeover")
	next.await("takeover by")
	s.eventually("it answers", func() bool { return strings.Contains(s.start("status").exits(0), "FROZEN") })
	s.start("back").exits(0)
	next.exits(3)
	s.restored()
	s.unharmed()
}

// TestAPersonFreezes: the run stands still until a person says resume, which goes on with what it was doing.
func TestAPersonFreezes(t *testing.T) {
	s := begin(t)
	p := s.run("2s", few+rest)
	p.await("settling")
	s.start("freeze").exits(0)
	p.await(" frozen ")
	s.start("pause").exits(1) // there is nothing to pause
	s.start("resume").exits(0)
	p.exits(7)
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}

// TestSomebodyElseWrites: their value is left alone and named, until a person says to write over it.
func TestSomebodyElseWrites(t *testing.T) {
	s := begin(t)
	p := s.run("10m", few)
	p.await("baking")
	s.do("set home 11")
	s.start("back").exits(0)
	p.exits(4)
	p.says("gw@home", `"11"`)
	if got := s.number(lab.Home); got != "11" {
		t.Errorf("their 11 became %q", got)
	}
	name := regexp.MustCompile(`run (\S+):`).FindStringSubmatch(p.text())
	if name == nil {
		t.Fatalf("the run isn't named:\n%s", p.text())
	}
	s.start("back", name[1], "--overwrite", "gateway/cloud").exits(3)
	s.restored()
}

// TestOneRunAtATime: the second is refused, and told who holds the lock.
func TestOneRunAtATime(t *testing.T) {
	s := begin(t)
	p := s.run("10m", few)
	p.await("baking")
	run := filepath.Base(filepath.Dir(s.journals()[0]))
	second := s.run("10m", few)
	second.exits(1)
	second.says(run)
	if left := s.journals(); len(left) != 1 {
		t.Errorf("the second, which never began, left %v", left)
	}
	s.start("back").exits(0)
	p.exits(3)
	s.restored()
}
