package cutover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/cutover/writer"
)

// movesJobs is movesWriter with jobs that follow the writer.
var movesJobs = strings.Replace(movesWriter, "noWriter: 2s}", "noWriter: 2s, with: [feed-jobs]}", 1)

// withJobs runs movesJobs in simulated rooms.
func withJobs(t *testing.T, o sim.Options, faults ...string) (*sim.Sim, *sim.Outcome) {
	t.Helper()
	return moved(t, movesJobs, o, faults...)
}

// jobsRun fails if the jobs ever ran in two rooms, or not where they should at the end: the writer's room, or in none with "".
func jobsRun(t *testing.T, s *sim.Sim, at cutover.Room, what string) {
	t.Helper()
	s.Advance(time10s)
	var runs []cutover.Room
	spans := s.Onlys()
	for i, a := range spans {
		if a.Name != "feed-jobs" {
			continue
		}
		if a.To == cutover.Never {
			runs = append(runs, a.Room)
		}
		for _, b := range spans[i+1:] {
			if b.Name == a.Name && b.Room != a.Room && b.From < a.To && a.From < b.To {
				t.Errorf("%s: they run in %s from %s to %s, and in %s from %s", what, a.Room, a.From.Duration(), a.To.Duration(), b.Room, b.From.Duration())
			}
		}
	}
	if at == "" && len(runs) == 0 {
		return
	}
	if len(runs) != 1 || runs[0] != at {
		t.Errorf("%s: at the end they run in %v, want %s; their key says %s", what, runs, at, s.OnlyKey("feed-jobs"))
	}
}

const time10s = 10 * cutover.Second

// TestJobsFollowTheWriter: the key says none, and nothing of them runs, before FENCING; it says the new room after STABLE only.
func TestJobsFollowTheWriter(t *testing.T) {
	s, out := withJobs(t, sim.Options{})
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d %s\n%s", out.Exit, out.Why, allOf(out))
	}
	oneWriter(t, s, "with jobs")
	jobsRun(t, s, "cloud", "with jobs")
	if _, none := s.TakesWrites("feed-db"); none > 100*cutover.Millisecond {
		t.Errorf("%s without a writer: the jobs stop in the outage", none.Duration())
	}
	var fencing, stable cutover.T
	for _, r := range s.Records() {
		switch {
		case r.Record.Phase == writer.Fencing:
			fencing = r.At
		case r.Record.Phase == writer.Stable && r.Record.Writer == "cloud":
			stable = r.At
		}
	}
	ws := s.OnlyWrites()
	if len(ws) != 2 || ws[0].Room != cutover.OnlyNone || ws[0].At >= fencing || ws[1].Room != "cloud" || ws[1].At <= stable || ws[1].At < ws[0].At+15*cutover.Second {
		t.Errorf("FENCING at %s, STABLE at %s, the key: %v", fencing.Duration(), stable.Duration(), ws)
	}
	for _, a := range s.Onlys() {
		if a.Name == "feed-jobs" && a.Room == "home" && a.To > fencing {
			t.Errorf("they run in home until %s, and FENCING was at %s", a.To.Duration(), fencing.Duration())
		}
	}
}

// writersRoom is where the newest STABLE record says that the writer is.
func writersRoom(s *sim.Sim) cutover.Room {
	at := cutover.Room("home")
	for _, r := range s.Records() {
		if r.Record.Phase == writer.Stable {
			at = r.Record.Writer
		}
	}
	return at
}

// TestJobsUnderFaults: each request of a move with jobs meets each fault. At the end they run where the writer is, and they never ran in two
// rooms.
func TestJobsUnderFaults(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	var ns []int
	for _, w := range plain.OnlyWrites() {
		ns = append(ns, w.N)
	}
	for _, v := range plain.Verbs() {
		ns = append(ns, v.N)
	}
	slices.Sort(ns)
	for _, n := range ns {
		for _, fault := range []string{"kill at write %d", "lost reply at write %d", "lost write at write %d", "fail write %d", "late write %d 3s",
			"late write %d 20s", "hang write %d for 30s"} {
			what := fmt.Sprintf(fault, n)
			s, _ := withJobs(t, sim.Options{}, what)
			oneWriter(t, s, what)
			jobsRun(t, s, writersRoom(s), what)
		}
	}
}

// TestTwoFaultsOfJobs: every two requests of a move with jobs that meet two faults.
func TestTwoFaultsOfJobs(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	ws, vs := plain.OnlyWrites(), plain.Verbs()
	last := max(ws[len(ws)-1].N, vs[len(vs)-1].N) + 2
	for _, w := range ws {
		for n := vs[0].N; n <= last; n++ {
			for _, a := range []string{"lost reply at write %d", "lost write at write %d", "kill at write %d"} {
				for _, b := range []string{"lost reply at write %d", "kill at write %d", "late write %d 20s"} {
					if n == w.N {
						continue
					}
					faults := []string{fmt.Sprintf(a, w.N), fmt.Sprintf(b, n)}
					s, _ := withJobs(t, sim.Options{}, faults...)
					what := strings.Join(faults, ", ")
					oneWriter(t, s, what)
					jobsRun(t, s, writersRoom(s), what)
				}
			}
		}
	}
}

// TestJobsThatDontStop: a move whose jobs don't stop isn't begun: people are asked, and the jobs go on in home.
func TestJobsThatDontStop(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	begins := plain.OnlyWrites()[0].At
	stuck := fmt.Sprintf("stuck feed-jobs at %s for 10m", (begins - cutover.Second).Duration())
	s, out := withJobs(t, sim.Options{}, stuck)
	if !isAsked(out, "move") || len(s.Records()) > 1 || !strings.Contains(allOf(out), "not now: feed-jobs stops: 3 in home, after 2m") {
		t.Errorf("asked %v, records %v\n%s", isAsked(out, "move"), s.Records(), allOf(out))
	}
	jobsRun(t, s, "home", stuck)
	again := said(begins+12*cutover.Minute, "accept", map[string]string{"step": "writes", "reason": "they were killed by hand"})
	s, out = withJobs(t, sim.Options{Commands: []sim.Timed{again}}, stuck)
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d: tried again\n%s", out.Exit, allOf(out))
	}
	jobsRun(t, s, "cloud", "tried again")
}

// TestAMoveThatIsUndoneGivesItsJobsBack: the jobs run in home again after ABORT, and while people are asked.
func TestAMoveThatIsUndoneGivesItsJobsBack(t *testing.T) {
	fence := fenceOf(t, movesJobs, "feed-db")
	late := fmt.Sprintf("lag feed-db home→cloud 4s at %s for 20s", fence.At.Duration())
	s, out := withJobs(t, sim.Options{}, late)
	oneWriter(t, s, late)
	jobsRun(t, s, "home", late)
	if !isAsked(out, "move") {
		t.Errorf("nobody is asked\n%s", allOf(out))
	}
}

// TestBackTakesTheJobs: whenever a person says back during a move with jobs, both are at home at the end, and it isn't the end before. The
// same when the run is killed, and when it is frozen between.
func TestBackTakesTheJobs(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	ws := plain.OnlyWrites()
	for at := ws[0].At - cutover.Second; at < ws[1].At+40*cutover.Second; at += 611 * cutover.Millisecond {
		for _, then := range []string{"", "kill", "freeze"} {
			o := sim.Options{Commands: []sim.Timed{said(at, "back", map[string]string{"to": "start"})}}
			var faults []string
			switch then {
			case "kill":
				faults = []string{"kill at " + (at + 3*cutover.Second).Duration().String()}
			case "freeze":
				o.Commands = append(o.Commands, said(at+2*cutover.Second, "freeze", nil), said(at+time10s*3, "back", map[string]string{"to": "start"}))
			}
			what := fmt.Sprintf("back at %s, %s", at.Duration(), then)
			s, out := withJobs(t, o, faults...)
			oneWriter(t, s, what)
			if key := s.OnlyKey("feed-jobs"); out.Exit != cutover.ExitBack || key != "home" || writersRoom(s) != "home" {
				t.Errorf("%s: exit %d %s, the writer in %s, the key of the jobs %s", what, out.Exit, out.Why, writersRoom(s), key)
			}
			jobsRun(t, s, "home", what)
		}
	}
}

// TestFreezeGivesTheJobsBack: whenever a person freezes a run during a move, the jobs run where the writer is a while later.
func TestFreezeGivesTheJobsBack(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	ws := plain.OnlyWrites()
	for at := ws[0].At - cutover.Second; at < ws[1].At+2*cutover.Second; at += 307 * cutover.Millisecond {
		what := "frozen at " + at.Duration().String()
		s, out := withJobs(t, sim.Options{Commands: []sim.Timed{said(at, "freeze", nil)}})
		oneWriter(t, s, what)
		jobsRun(t, s, writersRoom(s), what)
		if out.Progress.Phase != cutover.PhaseFrozen {
			t.Errorf("%s: %s", what, out.Progress.Phase)
		}
	}
}

// TestSickDatabaseWaitsForTheJobs: the writer goes first from a sick database, and its jobs stop before; the traffic waits for both.
func TestSickDatabaseWaitsForTheJobs(t *testing.T) {
	name := book(t, movesJobs)
	changeRooms(t, name, "gates:\n", databaseGate)
	play := func(faults ...string) (*sim.Sim, *sim.Outcome) { return playSim(t, name, sim.Options{}, faults...) }
	plain, _ := play()
	ws := plain.OnlyWrites()
	sick := fmt.Sprintf("value commits@cloud 2s at %s", (ws[len(ws)-1].At + cutover.Minute).Duration())
	s, out := play(sick)
	ms := moments(out)
	if got := strings.Join(ms[slices.Index(ms, "writer cloud")+1:], ", "); got != "back to start first, writer home, wrote, over" || out.Exit != cutover.ExitBack {
		t.Errorf("exit %d: %s\n%s", out.Exit, got, allOf(out))
	}
	jobsRun(t, s, "home", sick)
}

// TestSomebodyElsesKey: a key that somebody else set is no business of the run: forward people are asked, back it is left alone and said.
func TestSomebodyElsesKey(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	ws := plain.OnlyWrites()
	before := fmt.Sprintf("key feed-jobs = cloud at %s", (ws[0].At - cutover.Second).Duration())
	s, out := withJobs(t, sim.Options{}, before)
	if !isAsked(out, "move") || s.OnlyKey("feed-jobs") != "cloud" || len(s.Records()) > 1 {
		t.Errorf("the key says %s, asked %v, records %d\n%s", s.OnlyKey("feed-jobs"), isAsked(out, "move"), len(s.Records()), allOf(out))
	}
	accept := said(ws[0].At+5*cutover.Minute, "accept", map[string]string{"step": "writes", "reason": "it was me"})
	s, out = withJobs(t, sim.Options{Commands: []sim.Timed{accept}}, before)
	if out.Exit != cutover.ExitDone {
		t.Errorf("exit %d: accepted\n%s", out.Exit, allOf(out))
	}
	jobsRun(t, s, "cloud", "accepted")

	after := ws[1].At + cutover.Minute
	o := sim.Options{Commands: []sim.Timed{said(after+cutover.Second, "back", map[string]string{"to": "start"})}}
	s, out = withJobs(t, o, fmt.Sprintf("key feed-jobs = none at %s", after.Duration()))
	if out.Exit != cutover.ExitStopped || s.OnlyKey("feed-jobs") != "none" || writersRoom(s) != "home" ||
		!slices.ContainsFunc(out.Progress.Causes, func(c cutover.Cause) bool { return strings.Contains(c.Text, "by somebody else: left alone") }) {
		t.Errorf("exit %d, the key says %s, the writer is in %s\n%s", out.Exit, s.OnlyKey("feed-jobs"), writersRoom(s), allOf(out))
	}
}

// TestJobsThatRanNowhere: they are started with the writer, and going back to the start stops them again.
func TestJobsThatRanNowhere(t *testing.T) {
	o := sim.Options{Onlys: map[string]cutover.Room{"feed-jobs": ""}}
	s, out := withJobs(t, o)
	if out.Exit != cutover.ExitDone {
		t.Fatalf("exit %d\n%s", out.Exit, allOf(out))
	}
	jobsRun(t, s, "cloud", "without a key")
	o.Commands = []sim.Timed{said(s.OnlyWrites()[0].At+cutover.Minute, "back", map[string]string{"to": "start"})}
	s, out = withJobs(t, o)
	if out.Exit != cutover.ExitBack || s.OnlyKey("feed-jobs") != cutover.OnlyNone {
		t.Errorf("exit %d, the key says %s\n%s", out.Exit, s.OnlyKey("feed-jobs"), allOf(out))
	}
	jobsRun(t, s, "", "back again")
}

// TestDryRunStopsNoJobs: a dry run tells the same of the keys and writes none.
func TestDryRunStopsNoJobs(t *testing.T) {
	name := book(t, movesJobs)
	s, _, rs, _ := oneNight(t, name, true, sim.Options{}, nil)
	var told []string
	for _, r := range rs {
		if r.Only != nil && r.Only.At == "done" {
			told = append(told, r.Only.Room)
		}
	}
	if len(s.OnlyWrites()) > 0 || s.OnlyKey("feed-jobs") != "home" || !slices.Equal(told, []string{"none", "cloud"}) {
		t.Errorf("the dry run sets %v, and tells %v", s.OnlyWrites(), told)
	}
}

// TestKeysWaitForTheRecord: while a pair stands between its sides, however long, its things' keys say none.
func TestKeysWaitForTheRecord(t *testing.T) {
	plain, _ := withJobs(t, sim.Options{})
	i := slices.IndexFunc(plain.Verbs(), func(v sim.Verb) bool { return v.Do == writer.Open })
	open := plain.Verbs()[i].At
	still := fmt.Sprintf("freeze server cloud at %s for 1m", (open - cutover.Millisecond).Duration())
	s, _ := withJobs(t, sim.Options{}, still)
	var fencing, stable cutover.T
	for _, r := range s.Records() {
		switch {
		case r.Record.Phase == writer.Fencing && fencing == 0:
			fencing = r.At
		case r.Record.Phase == writer.Stable && r.At > open && stable == 0:
			stable = r.At
		}
	}
	for _, w := range s.OnlyWrites() {
		if w.At > fencing && w.At < stable {
			t.Errorf("the key is set to %s at %s; FENCING at %s, STABLE at %s", w.Room, w.At.Duration(), fencing.Duration(), stable.Duration())
		}
	}
	if stable < open+time10s*3 {
		t.Errorf("the pair isn't between its sides for long: STABLE at %s", stable.Duration())
	}
	jobsRun(t, s, writersRoom(s), still)
}
