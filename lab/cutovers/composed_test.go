package cutovers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab"
)

// The steps of a composed cutover: the gateways begin, the names take over, and at rest nothing crosses.
const (
	shortTTL = `  - name: short TTL
    ttl: {entry: 4s}
    bake: 1s
`
	canary = `  - name: canary
    shift: {cloud: {gw@home: [1%, 5%, 10%]}}
    settle: {within: 80s, tolerance: 2pt, else: ask}
`
	handover = `  - name: names follow
    shift: {cloud: {entry: [10%, 30%], gw@home: [22%, 0%]}}
    settle: {within: 80s, reach: 80%, else: ask}
`
)

// rungs are what those steps lead to, one after the other, from nothing in the cloud.
var rungs = []mix{{0, 0}, {0, 0.01}, {0, 0.05}, {0, 0.10}, {0.10, 0.22}, {0.30, 0}}

// TestComposed: under load that enters by name, every rung of gateways and names is what was planned, served and crossing; on the way no more
// is in the cloud, or crosses, than before the rung or after it; the run rests at its checkpoint; not one request fails; and back at the start
// every record and key is what it was.
func TestComposed(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	s := beginComposed(t, "0", 200) // 30 % are told within two points in half a minute
	book := s.book("3s", shortTTL+"  - checkpoint: ready\n"+canary+"  - checkpoint: gateways\n"+handover+"  - checkpoint: there\n")
	plan := s.start("plan", "--rooms", s.file, book)
	plan.exits(0)
	plan.saysRow("entry 10 %, gw@home 22 %", "29.8 % 19.8 %")
	plan.saysRow("entry 30 %, gw@home 0 %", "30 % 0 %")
	p := s.start("run", "--rooms", s.file, book)
	for i, rung := range []string{`"canary" rung 1/3`, `"canary" rung 2/3`, `"canary" rung 3/3`, `"names follow" rung 1/2`, `"names follow" rung 2/2`} {
		p.await(rung + " baking")
		s.start("pause").exits(0) // however long counting takes, it is this rung that is counted
		s.carries(rung, rungs[i+1])
		s.start("resume").exits(0)
	}
	p.exits(7)
	p.says(`rests at "there"`)
	rested := time.Now()
	s.unharmed()
	rs := s.records()
	places := []struct{ step, rung int }{{2, 0}, {2, 1}, {2, 2}, {4, 0}, {4, 1}}
	for i, at := range places {
		end := rested
		if i+1 < len(places) {
			end = s.begun(rs, places[i+1].step, places[i+1].rung)
		}
		s.neverPasses(fmt.Sprintf("step %d rung %d", at.step+1, at.rung+1), s.begun(rs, at.step, at.rung), end, rungs[i], rungs[i+1])
	}
	s.gatewayFirst(rs, 4)
	s.start("back", "--to", "start").exits(3)
	s.isBack()
	s.carries("back at the start", mix{})
	s.unharmed()
}

// gatewayFirst fails unless in each rung of a step what the gateway sends on was written before any name's answers led more to the cloud:
// in the step's rungs the gateway either has room for it (10 + 22 is what both plan) or steps back first.
func (s *composed) gatewayFirst(rs []cutover.Record, step int) {
	s.t.Helper()
	for rung := range 2 {
		gateway, name := -1, -1
		for i := range rs {
			in := rs[i].Intent
			if in == nil || in.Step != step || in.Rung != rung {
				continue
			}
			for _, c := range in.Changes {
				switch {
				case c.Plane == "alidns" && c.Gives[lab.Cloud] > 0 && name < 0:
					name = i
				case strings.HasPrefix(c.Plane, "consul") && gateway < 0:
					gateway = i
				}
			}
		}
		if gateway < 0 || name < 0 || gateway > name {
			s.t.Errorf("rung %d: the gateway was written at record %d, the first name that leads more to the cloud at %d", rung+1, gateway, name)
		}
	}
}

// TestComposedComesBack: from each rung errors in the cloud lead back by themselves; what the cloud serves only falls on the way, users are back
// in the time that was promised, and every record, weight, status and TTL, and every byte of each key, is what it was. A dry run before it
// writes what the real one writes, and nothing.
func TestComposedComesBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		from, is int    // among rungs: where it begins, where it is when errors come
		at       string // where the run is then
		dry      bool
	}{
		{"1 %", 0, 1, `"canary" rung 1/3`, false},
		{"5 %", 1, 2, `"canary" rung 2/3`, false},
		{"10 %", 2, 3, `"canary" rung 3/3`, false},
		{"names 10 %", 3, 4, `"names follow" rung 1/2`, false},
		{"names 30 %", 3, 5, `"names follow" rung 2/2`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && !c.dry {
				t.Skip("short")
			}
			from, is := rungs[c.from], rungs[c.is]
			rate := 60.0
			if is.names > 0 {
				rate = 150
			}
			s := beginComposed(t, fmt.Sprintf("%.0f", 100*from.gw), rate)
			steps := shortTTL + canary + handover
			if c.dry {
				steps = strings.Replace(shortTTL, "4s", "3s", 1) + handover
			}
			book := s.book("3s", steps)
			var dry *process
			if c.dry {
				s.eventually("check --live finds all series, once each Prometheus has asked", func() bool {
					p := s.start("check", "--live", "--rooms", s.file, book)
					<-p.end
					return p.cmd.ProcessState.ExitCode() == 0
				})
				s.start("plan", "--rooms", s.file, book).exits(0)
				dry = s.start("run", "--dry-run", "--rooms", s.file, book)
				dry.exits(0)
				if n := s.names.API.Writes(); n != 0 {
					t.Fatalf("%d writes by check, plan and a dry run: %q", n, s.names.API.Log())
				}
				s.isBack()
			}
			p := s.start("run", "--rooms", s.file, book)
			p.await(c.at + " baking")
			s.start("pause").exits(0) // so that it doesn't go on meanwhile
			if is.names > 0 {
				if err := s.names.Renewed(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if dry != nil {
				s.sameWrites(dry, p)
			}
			promised := s.promised()
			moments := s.watch()
			s.do("errors cloud 60%")
			p.await("back     to start because errors@cloud")
			s.eventually("records and keys are what they were", func() bool {
				return slices.Equal(s.names.API.Records(), s.zone) && s.number(lab.Home) == s.before[lab.Home]
			})
			s.do("errors cloud 0%")
			p.exits(3)
			s.isBack()
			rs := s.records()
			back := find(rs, 0, turns(cutover.PhaseBack))
			s.onlyFalls(s.wall(&rs[back]), is, from)
			s.inTime(rs, back, is, from, promised)
			s.neverBoth(moments(), 3*time.Second, is)
		})
	}
}

// sameWrites fails unless a dry run told the same writes as the real one, in each rung; those of one wave go in any order.
func (s *composed) sameWrites(dry, real *process) {
	s.t.Helper()
	a, b := dry.writes(), real.writes()
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) || len(a) == 0 {
		s.t.Errorf("the dry run told\n%s\nthe run\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// saysRow fails unless these figures stand in a table behind a label, or below it.
func (p *process) saysRow(label, figures string) {
	p.s.t.Helper()
	said := strings.Join(strings.Fields(p.text()), " ")
	if !strings.Contains(said, label+" "+figures) {
		p.s.t.Errorf("doesn't say %q behind %q:\n%s", figures, label, p.text())
	}
}
