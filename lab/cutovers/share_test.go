package cutovers

import (
	"fmt"
	"math"
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

// approved waits for a person at 8 %, on the way to 30 %.
const approved = few + "    bake: 1s\n" + `  - name: more
    approve: {by: ops, within: 30m, else: hold}
    shift: {cloud: {gw@home: [30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// stairs is a way up of three rungs.
const stairs = `  - name: climb
    shift: {cloud: {gw@home: [6%, 15%, 30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// rest is a checkpoint after what stands above.
const rest = "  - checkpoint: there\n"

// TestShareIsWhatWasPlanned: from 3 to 60 %, every rung's share is what the load generator counts, and not one request fails.
func TestShareIsWhatWasPlanned(t *testing.T) {
	s := begin(t)
	p := s.start("run", s.lab.Runbook("out"))
	for i, percent := range []int{8, 30, 60} {
		p.await(fmt.Sprintf("rung %d/3 baking", i+1))
		s.start("pause").exits(0) // however long counting takes, it is this rung that is counted
		if err := s.lab.Answered(t.Context()); err != nil {
			t.Fatal(err)
		}
		from := s.lab.Counts()
		s.eventually("300 requests are answered", func() bool { return s.lab.Counts().Since(from).Sent >= 300 })
		c := s.lab.Counts().Since(from)
		want := 10 + 0.9*float64(percent)
		if got := c.Share(lab.Cloud); math.Abs(got-want) > 2 {
			t.Errorf("rung %d: %.2f %% in the cloud, planned %.1f", i+1, got, want)
		} else {
			t.Logf("rung %d: %.2f %% in the cloud, planned %.1f, of %d requests", i+1, got, want, c.Sent)
		}
		s.start("resume").exits(0)
	}
	p.exits(7)
	if got := s.number(lab.Home); got != "60" {
		t.Errorf("it rests at %q", got)
	}
	s.start("back", "--to", "start").exits(3)
	s.restored()
	s.unharmed()
}
