package cutovers

import (
	"regexp"
	"strings"
	"testing"

	"roomshift/lab"
)

// top is the whole way from 3 to 60 %, where it bakes for longer than the case takes.
const top = `  - name: climb
    shift: {cloud: {gw@home: [8%, 30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
  - name: top
    shift: {cloud: {gw@home: [60%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
    bake: 10m
`

// knownLag is a line of status with a lag to the cloud that was measured.
var knownLag = regexp.MustCompile(`lag@cloud +green +\S`)

// TestMySQL: a whole cutover on a pair of MySQL: it climbs to 60 %, sees the lag that comes then, and goes back to exactly 3 %; what a
// look at the pair says is MySQL's, too.
func TestMySQL(t *testing.T) {
	s := beginOn(t, mysqlLabs)
	out := s.start("check", "--live", s.lab.Runbook("out")).exits(0)
	if !strings.Contains(out, "MySQL ") || strings.Contains(out, "MariaDB ") || !strings.Contains(out, "semi-sync") {
		t.Errorf("want a pair of MySQL:\n%s", out)
	}
	p := s.run("1s", top)
	p.await(`"top" baking`)
	if got := s.number(lab.Home); got != "60" {
		t.Errorf("at the top home's key holds %q", got)
	}
	s.eventually("status shows the lag", func() bool { return knownLag.MatchString(s.start("status").exits(0)) })
	s.do(lateToCloud)
	s.turnsBack(p)
	s.unharmed()
}
