package cutovers

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"roomshift/lab"
)

// consumed is a scene with a medium of Consul's in it that a real consumer obeys, under a load of its own.
type consumed struct {
	*scene
	route     string
	roomsFile string
	first     string // what Consul holds of it at first, but for the numbers that every write changes
	from      lab.Counts

	counts   func() lab.Counts
	answered func(context.Context) error
	holds    func(context.Context) (string, error)
	said     func() float64 // the cloud's part by which the consumer itself says that it goes, once it obeys what is there
	services *lab.Services
	splitter *lab.Splitter
}

// beginServices is a scene with services' weights, and HAProxy.
func beginServices(t *testing.T, o lab.ServicesOptions) *consumed {
	t.Helper()
	s := &consumed{scene: begin(t), route: lab.ServicesRoute}
	v, err := s.lab.StartServices(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	s.services, s.counts, s.answered, s.holds = v, v.Counts, v.Answered, v.Entries
	s.said = func() float64 {
		if err := v.Obeyed(t.Context()); err != nil {
			t.Fatal(err)
		}
		weights, err := v.Weights(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v.ShareOf(weights)
	}
	s.ready()
	return s
}

// beginSplitter is a scene with a splitter, and a mesh gateway.
func beginSplitter(t *testing.T) *consumed {
	t.Helper()
	s := &consumed{scene: begin(t), route: lab.SplitterRoute}
	v, err := s.lab.StartSplitter(t.Context(), lab.SplitterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	s.splitter, s.counts, s.answered, s.holds = v, v.Counts, v.Answered, v.Entry
	s.said = func() float64 {
		legs, err := v.Legs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return legs[lab.Cloud]
	}
	s.ready()
	return s
}

func (s *consumed) ready() {
	s.t.Helper()
	s.roomsFile = s.file("rooms.yaml", s.lab.RoomsYAML())
	s.first = s.held()
	s.eventually("a window of the consumer's own counts", func() bool {
		return holds(s.t.Context(), s.lab, lab.Home, `sum(rate(gw_requests_total{route="`+s.route+`"}[5s])) > 3`)
	})
	s.from = s.counts()
}

func (s *consumed) held() string {
	s.t.Helper()
	text, err := s.holds(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// carries fails unless what the consumer says it goes by, and what it sends there from now on, is what is wanted, in percent.
func (s *consumed) carries(when string, percent float64) {
	s.t.Helper()
	said := s.said()
	if err := s.answered(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	from := s.counts()
	s.eventually("300 requests are answered", func() bool { return s.counts().Since(from).Sent >= 300 })
	got := s.counts().Since(from).Share(lab.Cloud)
	s.t.Logf("%s: wanted %.2f %% in the cloud, the consumer says %.2f, and sends %.2f", when, percent, said, got)
	if math.Abs(said-percent) > 2 || math.Abs(got-percent) > 2 || (percent == 0) != (said == 0) {
		s.t.Errorf("%s: wanted %.2f %% in the cloud, the consumer says %.2f, and sends %.2f", when, percent, said, got)
	}
}

// unharmed fails if one request of the medium's own load failed, or one of the lab's.
func (s *consumed) unharmed() {
	s.t.Helper()
	s.scene.unharmed()
	if c := s.counts().Since(s.from); c.Failed > 0 || c.Sent == 0 {
		s.t.Errorf("%d of %d requests of %s failed: %q", c.Failed, c.Sent, s.route, c.Why)
	}
}

// book is the file of a runbook that moves the medium's route.
func (s *consumed) shares(shares, more string) string {
	s.t.Helper()
	return s.book("1s", fmt.Sprintf("  - name: climb\n    shift: {cloud: {%s@home: [%s]}}\n    settle: {within: 60s, tolerance: 2pt, else: ask}\n%s", s.route, shares, more))
}

// onGuard rests and keeps what is there.
const onGuard = "  - checkpoint: there\n    guard: true\n"

// TestMediaUnderLoad: of each medium that a consumer reads by itself, what was wanted, what that consumer says it goes by and what it sends agree
// on every rung, and going back restores all that Consul held, while no request fails.
func TestMediaUnderLoad(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*testing.T) *consumed{
		"catalog":  func(t *testing.T) *consumed { return beginServices(t, lab.ServicesOptions{}) },
		"agents":   func(t *testing.T) *consumed { return beginServices(t, lab.ServicesOptions{Agents: true}) },
		"splitter": beginSplitter,
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			s.carries("at first", 3)
			p := s.start("run", "--rooms", s.roomsFile, s.shares("8%, 30%, 60%", onGuard))
			for i, percent := range []float64{8, 30, 60} {
				p.await(fmt.Sprintf("rung %d/3 baking", i+1))
				s.start("pause").exits(0)
				s.carries(fmt.Sprintf("rung %d", i+1), percent)
				s.start("resume").exits(0)
			}
			p.await(`rests at "there"`)
			s.start("back", "--to", "start").exits(0)
			p.exits(3)
			s.carries("back", 3)
			if now := s.held(); now != s.first {
				t.Errorf("Consul held\n%s\nand holds\n%s", s.first, now)
			}
			s.unharmed()
		})
	}
}

// weightsOf are the weights of the service in Consul, by ID.
func (s *consumed) weightsOf() map[string]int {
	s.t.Helper()
	set, err := s.services.Set(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

// TestHalfReplaced: between a run's snapshot and its `back` half of the instances of both rooms are replaced by new ones of one weight each; the
// share of the start is restored over those that live, those that stayed get exactly what they had, and not one request fails.
func TestHalfReplaced(t *testing.T) {
	t.Parallel()
	for name, agents := range map[string]bool{"catalog": false, "agents": true} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && agents {
				t.Skip("short")
			}
			s := beginServices(t, lab.ServicesOptions{Agents: agents})
			was := s.weightsOf()
			s.start("run", "--rooms", s.roomsFile, s.shares("8%, 30%", rest)).exits(7)
			s.carries("resting", 30)
			s.do("replace " + s.route)
			s.start("back", "--to", "start").exits(3)
			s.carries("back over those that live", 3)
			now, stayed := s.weightsOf(), 0
			for id, w := range was {
				if _, ok := now[id]; ok {
					stayed++
					if now[id] != w {
						t.Errorf("%s had the weight %d, and has %d", id, w, now[id])
					}
				}
			}
			if stayed != 4 || len(now) != 8 {
				t.Errorf("%d of %d stayed: %v", stayed, len(now), now)
			}
			s.unharmed()
		})
	}
}

// TestNobodyPasses: a room without one passing instance is given nothing, and plan and run say why. Where that happens while a run rests, its
// consumer sends nothing there, the run is told to go back and does, and those that pass again have what they had.
func TestNobodyPasses(t *testing.T) {
	s := beginServices(t, lab.ServicesOptions{})
	s.do("instances " + s.route + " cloud down")
	s.carries("without the cloud", 0)
	book := s.shares("8%", onGuard)
	before := s.held()
	for _, verb := range []string{"plan", "run"} {
		s.start(verb, "--rooms", s.roomsFile, book).saysAt(2, "cloud is to get 8 % and has nothing that serves")
	}
	if now := s.held(); now != before {
		t.Errorf("something was written: %s", now)
	}
	s.do("instances " + s.route + " cloud up")
	s.carries("with the cloud again", 3)
	p := s.start("run", "--rooms", s.roomsFile, book)
	p.await(`rests at "there"`)
	s.carries("resting", 8)
	s.do("instances " + s.route + " cloud down")
	s.carries("resting without the cloud", 0)
	s.start("back", "--to", "start").exits(0)
	p.exits(3)
	s.do("instances " + s.route + " cloud up")
	s.carries("back", 3)
	if now := s.held(); now != s.first {
		t.Errorf("Consul held\n%s\nand holds\n%s", s.first, now)
	}
	s.unharmed()
}

// TestForeignWeights: under load, a weight that somebody else wrote since is left alone on the way back, and told as before, ours and theirs; everything
// else comes back.
func TestForeignWeights(t *testing.T) {
	t.Parallel()
	t.Run("service", func(t *testing.T) {
		s := beginServices(t, lab.ServicesOptions{})
		was := s.weightsOf()
		s.start("run", "--rooms", s.roomsFile, s.shares("8%", rest)).exits(7)
		theirs := s.services.In(lab.Home)[0]
		ours := s.weightsOf()[theirs]
		s.do("weight " + s.route + " home 11111")
		back := s.start("back", "--to", "start")
		back.exits(4)
		back.says(theirs, fmt.Sprint(was[theirs]), fmt.Sprint(ours), "11111")
		was[theirs] = 11111
		if now := s.weightsOf(); fmt.Sprint(now) != fmt.Sprint(was) {
			t.Errorf("the weights are %v, want %v", now, was)
		}
		s.unharmed()
	})
	t.Run("splitter", func(t *testing.T) {
		s := beginSplitter(t)
		s.start("run", "--rooms", s.roomsFile, s.shares("8%", rest)).exits(7)
		s.do("weight " + s.route + " cloud 50")
		theirs := s.held()
		back := s.start("back", "--to", "start")
		back.exits(4)
		back.says("cloud=3.00,home=97.00", "cloud=8.00,home=92.00", "cloud=50.00,home=50.00")
		if now := s.held(); now != theirs {
			t.Errorf("they wrote %s, and it is %s", theirs, now)
		}
		s.carries("left alone", 50)
		s.unharmed()
	})
}

// both moves a seat in each room's Consul, and asks before it goes on at home. Few requests enter by the cloud, so its share is seen roughly.
const both = `  - name: climb
    shift: {cloud: {gw@home: [8%], gw@cloud: [60%]}}
    settle: {within: 60s, tolerance: 10pt, else: ask}
    bake: 1s
  - name: more
    approve: {by: ops, within: 30m, else: hold}
    shift: {cloud: {gw@home: [30%]}}
    settle: {within: 60s, tolerance: 2pt, else: ask}
`

// TestConsulWithoutLeader: a run is refused there by a clear error. One that was under way goes no further, says why, and obeys a person who says
// back: what stands in the other room's Consul comes home at once, the rest when there is a leader.
func TestConsulWithoutLeader(t *testing.T) {
	s := begin(t)
	if err := s.lab.SetNumber(t.Context(), lab.Cloud, "50"); err != nil {
		t.Fatal(err)
	}
	s.before[lab.Cloud] = "50"
	book := s.book("10m", both)
	p := s.start("run", "--rooms", s.lab.RoomsFile(), book)
	p.await(`may step "more" begin`)
	s.do("consul home leaderless")
	for _, verb := range []string{"run", "plan"} {
		other := s.start(verb, "--rooms", s.lab.RoomsFile(), book)
		other.exits(1)
		other.says("gateway/cloud in consul of home: consul has no leader")
	}
	said := p.said()
	s.start("approve").exits(0)
	p.awaitAfter(said, "consul has no leader")
	p.awaitAfter(said, "hold ")
	s.start("back", "--to", "start").exits(0)
	s.obeyed("back", undoes)
	s.eventually("the cloud's seat is home", func() bool { return s.number(lab.Cloud) == "50" })
	if leader, err := s.lab.Consuls[lab.Home].HasLeader(t.Context()); err != nil || leader {
		t.Errorf("home's Consul has a leader (%t, %v): nothing was shown", leader, err)
	}
	s.do("consul home up")
	p.exits(3)
	if i := slices.IndexFunc(p.writes(), func(w string) bool { return strings.HasSuffix(w, "→ 30") }); i >= 0 {
		t.Errorf("it went on: %q", p.writes())
	}
	s.restored()
	s.unharmed()
}
