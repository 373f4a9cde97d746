package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// TestNotFired: a fault that never strikes is said, one that does isn't.
func TestNotFired(t *testing.T) {
	out := play(t, "climb", Options{}, "errors cloud 0.01% at 3m", "lost reply at write 4", "kill at write 4000", "errors cloud 50% at 900h",
		"journal full at record 100000", "fail writes at 800h")
	var texts []string
	for _, f := range out.NotFired {
		texts = append(texts, f.String())
	}
	want := []string{"kill at write 4000", "errors cloud 50% at 900h", "journal full at record 100000", "fail writes at 800h"}
	if !slices.Equal(texts, want) {
		t.Errorf("not fired: %q, want %q", texts, want)
	}
}

// feedLag is what replication of feed-db into a room measures.
func feedLag(s *Sim, into string) reading {
	for side, room := range s.pairs[0].rooms {
		if s.rooms[room] == into {
			return s.lagOf(s.pairs[0], side)
		}
	}
	return reading{}
}

func cloudShare(s *Sim, seat cutover.Seat) int { return s.Shares()[seat]["cloud"] }

var (
	gwHome = cutover.Seat{Route: "gw", At: "home"}
	imHome = cutover.Seat{Route: "im", At: "home"}
)

// strikes is what each kind of fault makes true.
var strikes = []struct {
	text string
	is   func(s *Sim) bool
}{
	{"lag feed-db home→cloud 10s at 1m", func(s *Sim) bool { return feedLag(s, "cloud").lo > 10 && feedLag(s, "home").lo < 1 }},
	{"stop feed-db home→cloud at 1m", func(s *Sim) bool { v := feedLag(s, "cloud"); return v.lower && v.lo > 30 }},
	{"break feed-db home→cloud at 1m", func(s *Sim) bool {
		return feedLag(s, "cloud").unknown != "" && feedLag(s, "home").unknown == ""
	}},
	{"idle feed-db home→cloud at 1m", func(s *Sim) bool { return feedLag(s, "cloud").idle && !feedLag(s, "home").idle }},
	{"cut at 1m", func(s *Sim) bool { return feedLag(s, "home").unknown != "" && feedLag(s, "cloud").unknown != "" }},
	{"freeze server home at 1m", func(s *Sim) bool { return feedLag(s, "home").unknown != "" && feedLag(s, "cloud").unknown != "" }},
	{"load 200% at 1m", func(s *Sim) bool { return s.traffic.factor == 2 }},
	{"consul cloud down at 1m", func(s *Sim) bool { return s.down("cloud", "consul") && !s.down("home", "consul") }},
	{"room cloud down at 1m", func(s *Sim) bool {
		return s.down("cloud", "consul") && s.down("cloud", "prometheus") && s.down("cloud", "server")
	}},
	{"probe cloud fails at 1m", func(s *Sim) bool { return s.probeError(s.to) != nil }},
	{"plane alidns down at 1m", func(s *Sim) bool { return s.down("alidns", "plane") && !s.down("alidns/ttl", "plane") }},
	{"slow api home 3s at 1m", func(s *Sim) bool { return s.slow(s.planes[0]) == 3*cutover.Second }},
	{"hang reads at 1m in home/keys", func(s *Sim) bool { return s.hangs(s.planes[0]) == 10*cutover.Second && s.hangs(s.planes[1]) == 0 }},
	{"foreign gw@home 33% at 1m", func(s *Sim) bool { return cloudShare(s, gwHome) == 3300 }},
	{"foreign gateway/rules/main = 44 at 1m in home", func(s *Sim) bool { return cloudShare(s, gwHome) == 4400 }},
	{"join 2 im at 1m", func(s *Sim) bool { return len(s.bySeat[imHome].objects) == 12 }},
	{"leave 1 im at 1m in cloud", func(s *Sim) bool { return len(s.bySeat[imHome].objects) == 7 }},
	{"replace half im at 1m", func(s *Sim) bool {
		st := s.bySeat[imHome]
		n := 0
		for _, o := range st.objects {
			if o.value == "1" {
				n++
			}
		}
		return len(st.objects) == 8 && n == 4
	}},
	{"restart 2 im at 1m in home", func(s *Sim) bool {
		n := 0
		for _, o := range s.bySeat[imHome].objects {
			if o.value == "1" && o.born > 1 {
				n++
			}
		}
		return n == 2 && len(s.bySeat[imHome].objects) == 8
	}},
	{"sick all im at 1m in home", func(s *Sim) bool { return len(s.Shares()[imHome]) == 0 }},
}

// TestEachFaultStrikes: each kind changes what it says in the rooms.
func TestEachFaultStrikes(t *testing.T) {
	for _, c := range strikes {
		s := newTest(t, "climb", Options{}, c.text)
		s.Advance(59 * cutover.Second)
		if c.is(s) {
			t.Errorf("%q is so before it strikes", c.text)
		}
		s.Advance(32 * cutover.Second)
		if !c.is(s) || len(s.NotFired()) > 0 && !strings.HasPrefix(c.text, "slow") {
			t.Errorf("%q isn't so after it struck, or isn't said to have", c.text)
		}
	}
}

// TestSickForATime: instances pass their checks again when the time is over; those that fail already aren't counted twice.
func TestSickForATime(t *testing.T) {
	s := newTest(t, "climb", Options{}, "sick 1 im at 1m in home", "sick 2 im at 2m for 1m in home")
	for _, c := range []struct {
		at  cutover.T
		ill int
	}{{90 * cutover.Second, 1}, {150 * cutover.Second, 3}, {182 * cutover.Second, 1}} {
		s.Advance(c.at - s.now)
		ill := 0
		for _, o := range s.bySeat[imHome].objects {
			if !o.live {
				ill++
			}
		}
		if ill != c.ill {
			t.Errorf("at %s %d instances fail their checks; want %d", c.at.Duration(), ill, c.ill)
		}
	}
}

// TestWriteFaults: what becomes of a request, when its answer comes, and when it lands.
func TestWriteFaults(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		fault string
		what  cutover.What
		takes time.Duration // about
		lands time.Duration // about; negative: never
	}{
		{"", cutover.Done, 0, 0},
		{"lost reply at write 1", cutover.Unknown, 5 * s, 0},
		{"lost write at write 1", cutover.Unknown, 5 * s, -1},
		{"fail write 1", cutover.Failed, 0, -1},
		{"throttle write 1 9s", cutover.Failed, 0, -1},
		{"throttle writes 9s at 1s", cutover.Failed, 0, -1},
		{"throttle writes 900ms at 1s", cutover.Done, 0, 0},
		{"late write 1 3s", cutover.Done, 3 * s, 3 * s},
		{"late write 1 8s", cutover.Unknown, 5 * s, 8 * s},
		{"late write 1 1h", cutover.Unknown, 5 * s, 15 * s},
		{"hang write 1 for 8s", cutover.Done, 8 * s, 8 * s},
		{"hang write 1 for 1m", cutover.Done, 60 * s, 15 * s},
		{"slow api home 3s at 0s", cutover.Done, 3 * s, 0},
		{"slow api home 9s at 0s", cutover.Unknown, 5 * s, 0},
		{"consul home down at 0s", cutover.Failed, 5 * s, -1},
		{"lock lost at 1s", cutover.Failed, 0, -1},
	} {
		var faults []string
		if c.fault != "" {
			faults = append(faults, c.fault)
		}
		what, took, landed := sendOne(t, newTest(t, "climb", Options{}, faults...))
		near := func(a, b time.Duration) bool { return a >= b && a < b+100*time.Millisecond || a < 0 && b < 0 }
		if what != c.what || !near(took, c.takes) || !near(landed, c.lands) {
			t.Errorf("%q: %v after %s, landed after %s; want %v after %s, landed after %s", c.fault, what, took, landed, c.what, c.takes, c.lands)
		}
	}
}

// sendOne sends one write after 2 s, and says what it came to, when that was told and when it landed, -1 never.
func sendOne(t *testing.T, s *Sim) (what cutover.What, took, landed time.Duration) {
	t.Helper()
	w := s.World()
	var held cutover.Lease = &lease{p: s.places[0], r: s.runners[0]} // for when its Consul is down
	for _, p := range w.Locks {
		if p.Name == "home" {
			if l, err := p.Lock.Take(context.Background(), cutover.Claim{Run: "r"}); err == nil {
				held = l
			}
		}
	}
	s.Advance(2 * cutover.Second)
	pl := testPlane(t, w, "home/keys")
	st := s.bySeat[gwHome]
	waves, err := st.plane.shape(st, st.listing(), s.split(500))
	if err != nil {
		t.Fatal(err)
	}
	sent := s.now
	w.Clock.Go(1, 5*cutover.Second, func(ctx context.Context) any { return pl.Medium.Write(ctx, held.Fence(), waves[0]) })
	for took == 0 {
		for _, e := range w.Clock.Next(cutover.Never) {
			if e.Reply != nil {
				what, took = e.Reply.Value.([]cutover.Outcome)[0].What, (s.now - sent).Duration()
			}
		}
	}
	s.Advance(cutover.Minute)
	if len(s.landings) == 0 {
		return what, took, -1
	}
	return what, took, (s.landings[0].At - sent).Duration()
}

// TestThrottleSaysHowLong: a refused write says how long its server wants to be left alone: what is left of the time, or all of it.
func TestThrottleSaysHowLong(t *testing.T) {
	for fault, want := range map[string]cutover.T{"throttle write 1 9s": 9 * cutover.Second, "throttle writes 9s at 1s": 8 * cutover.Second} {
		s := newTest(t, "climb", Options{}, fault)
		w := s.World()
		s.Advance(2 * cutover.Second)
		pl := testPlane(t, w, "home/keys")
		st := s.bySeat[gwHome]
		waves, err := st.plane.shape(st, st.listing(), s.split(500))
		if err != nil {
			t.Fatal(err)
		}
		outs := pl.Medium.Write(context.Background(), cutover.Fence{}, waves[0])
		if len(outs) != 1 || outs[0].What != cutover.Failed || outs[0].RetryAfter != want {
			t.Errorf("%q: %+v; want it failed, and to be tried again after %s", fault, outs, want.Duration())
		}
	}
}

// TestReadsHang: a listing that hangs comes to nothing, and not before its time is over.
func TestReadsHang(t *testing.T) {
	s := newTest(t, "climb", Options{}, "hang reads at 1s for 12s")
	w := s.World()
	s.Advance(2 * cutover.Second)
	pl := testPlane(t, w, "home/keys")
	sent, came := w.Clock.Now(), cutover.T(0)
	w.Clock.Go(1, pl.TimeOut, func(ctx context.Context) any {
		_, err := pl.Medium.Read(ctx, pl.Seats)
		return err
	})
	for came == 0 {
		for _, e := range w.Clock.Next(cutover.Never) {
			if e.Reply != nil {
				if came = e.Reply.At; e.Reply.Value == nil {
					t.Error("it is listed all the same")
				}
			}
		}
	}
	if came-sent != 12*cutover.Second {
		t.Errorf("its worker comes back after %s; want 12 s", (came - sent).Duration())
	}
}

// TestLockFreed: nobody waits for a lock that somebody deleted; one that is lost is kept from others for its delay.
func TestLockFreed(t *testing.T) {
	for fault, held := range map[string]bool{"lock lost at 2s": true, "lock freed at 2s": false} {
		s := newTest(t, "climb", Options{}, fault)
		lock := s.World().Locks[0].Lock
		claim := cutover.Claim{Run: "r", Resume: true}
		if _, err := lock.Take(context.Background(), claim); err != nil {
			t.Fatal(err)
		}
		s.Advance(3 * cutover.Second)
		if _, err := lock.Take(context.Background(), claim); errors.Is(err, cutover.ErrHeld) != held {
			t.Errorf("%q: another may have it: %v; want it kept: %v", fault, err, held)
		}
	}
}

// TestJournalFails: what fails isn't there, what is unanswered is; both are unknown.
func TestJournalFails(t *testing.T) {
	for fault, there := range map[string]int{"journal fails at 1s": 1, "journal unanswered at 1s": 2} {
		s := newTest(t, "climb", Options{}, fault)
		j := s.World().Journal
		s.Advance(2 * cutover.Second)
		first := j.Append(context.Background(), []cutover.Record{{Seq: 1}})
		second := j.Append(context.Background(), []cutover.Record{{Seq: 2}})
		rs, _, err := j.Read(context.Background())
		if !errors.Is(first, cutover.ErrOutcomeUnknown) || second != nil || err != nil || len(rs) != there {
			t.Errorf("%q: %v, then %v, and %d records are there (%v); want the first unknown, and %d", fault, first, second, len(rs), err, there)
		}
	}
}
