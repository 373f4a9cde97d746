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

func TestParseFault(t *testing.T) {
	never := cutover.Never
	for _, c := range []struct {
		text string
		want Fault
	}{
		{"lag feed-db home→cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"lag feed-db home->cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"lag feed-db home -> cloud 10s at 12m", Fault{kind: "lag", pair: "feed-db", from: "home", to: "cloud", d: 10 * cutover.Second, at: 12 * cutover.Minute}},
		{"errors cloud 5% at 20m for 5m", Fault{kind: "errors", room: "cloud", value: 0.05, at: 20 * cutover.Minute, span: 5 * cutover.Minute}},
		{"kill at write 3", Fault{kind: "kill", at: never, write: 3, writes: 1}},
		{"kill at record 17", Fault{kind: "kill", at: never, record: 17}},
		{"kill before record 17", Fault{kind: "kill before", at: never, record: 17, before: true}},
		{"lost reply at write 4", Fault{kind: "lose reply", at: never, write: 4, writes: 1}},
		{"lost reply at writes 4-6", Fault{kind: "lose reply", at: never, write: 4, writes: 3}},
		{"hang write 5", Fault{kind: "hang", at: never, write: 5, writes: 1, d: 10 * cutover.Second}},
		{"hang write 5 for 30s", Fault{kind: "hang", at: never, write: 5, writes: 1, d: 30 * cutover.Second}},
		{"hang writes at 5m for 1m in cloud", Fault{kind: "hang", at: 5 * cutover.Minute, span: cutover.Minute, d: cutover.Minute, in: "cloud"}},
		{"hang reads at 5m in home/keys", Fault{kind: "hang reads", at: 5 * cutover.Minute, d: 10 * cutover.Second, in: "home/keys"}},
		{"hang reads at 5m for 1m", Fault{kind: "hang reads", at: 5 * cutover.Minute, span: cutover.Minute, d: cutover.Minute}},
		{"throttle write 5 20s", Fault{kind: "throttle", at: never, write: 5, writes: 1, d: 20 * cutover.Second}},
		{"throttle writes 20s at 5m in alidns", Fault{kind: "throttle", at: 5 * cutover.Minute, span: 20 * cutover.Second, d: 20 * cutover.Second, in: "alidns"}},
		{"lock freed at 9m", Fault{kind: "lock freed", at: 9 * cutover.Minute}},
		{"late write 5 8s", Fault{kind: "late", at: never, write: 5, writes: 1, d: 8 * cutover.Second}},
		{"room cloud down at 5m", Fault{kind: "room", room: "cloud", at: 5 * cutover.Minute}},
		{"freeze server home at 90s", Fault{kind: "server", room: "home", at: 90 * cutover.Second}},
		{"slow api home/keys 3s at 2m", Fault{kind: "slow", plane: "home/keys", d: 3 * cutover.Second, at: 2 * cutover.Minute}},
		{"lock lost at 9m", Fault{kind: "lock lost", at: 9 * cutover.Minute}},
		{"foreign gw@home 33% at 8m", Fault{kind: "foreign", seat: "gw@home", value: 0.33, at: 8 * cutover.Minute}},
		{"foreign gateway/rules/main = 33 at 8m", Fault{kind: "foreign object", object: "gateway/rules/main", text2: "33", at: 8 * cutover.Minute}},
		{"replace half im at 10m", Fault{kind: "replace", route: "im", at: 10 * cutover.Minute}},
		{"replace all im at 10m in home", Fault{kind: "replace", n: -1, route: "im", at: 10 * cutover.Minute, in: "home"}},
		{"join 2 im at 10m", Fault{kind: "join", n: 2, route: "im", at: 10 * cutover.Minute}},
		{"prometheus home down at 4m", Fault{kind: "prometheus", room: "home", at: 4 * cutover.Minute}},
		{"cut at 7m", Fault{kind: "cut", at: 7 * cutover.Minute}},
		{"journal full at 6m", Fault{kind: "journal full", at: 6 * cutover.Minute}},
		{"journal stalls 20s at 6m", Fault{kind: "journal stalls", d: 20 * cutover.Second, span: 20 * cutover.Second, at: 6 * cutover.Minute}},
		{"value slow@home 1s at 3m", Fault{kind: "value", gate: "slow", room: "home", text2: "1s", value: 1, at: 3 * cutover.Minute}},
		{"silent errors@cloud at 3m", Fault{kind: "silent", gate: "errors", room: "cloud", at: 3 * cutover.Minute}},
	} {
		got, err := ParseFault(c.text)
		c.want.text = c.text
		if err != nil || got != c.want {
			t.Errorf("%q is\n%+v, want\n%+v: %v", c.text, got, c.want, err)
		}
		if got.String() != c.text {
			t.Errorf("%q is shown as %q", c.text, got)
		}
	}
}

func TestParseFaultRefuses(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"", "says nothing"},
		{"lagg feed-db home→cloud 10s at 12m", `did you mean "lag"`},
		{"lag feed-db home→cloud at 12m", `the form is "lag PAIR A→B D at …"`},
		{"lag feed-db home 10s at 12m", "home→cloud is one"},
		{"errors cloud 5 at 20m", "no percentage"},
		{"errors cloud 500% at 20m", "more than 100%"},
		{"errors cloud 5%", "has no moment"},
		{"errors cloud 5% at", "say what"},
		{"errors cloud 5% at noon", "is no time"},
		{"errors cloud 5% at 5m at write 3", "more than one moment"},
		{"kill at write", "say which"},
		{"kill at write zero", "no number"},
		{"lost reply at writes 7-3", "no row of writes"},
		{"lost reply at record 3", "about writes"},
	} {
		_, err := ParseFault(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is refused by %v, want %q in it", c.text, err, c.says)
		}
	}
}

// TestFaultNames: what isn't there is refused before anything runs, with the nearest name.
func TestFaultNames(t *testing.T) {
	for _, c := range []struct{ text, says string }{
		{"lag feed-bd home→cloud 10s at 12m", `did you mean "feed-db"`},
		{"lag feed-db home→clod 10s at 12m", `did you mean "cloud"`},
		{"errors hom 5% at 20m", `did you mean "home"`},
		{"value sloww 1s at 20m", `did you mean "slow"`},
		{"foreign gw@hme 5% at 20m", `did you mean "gw@home"`},
		{"replace half gw at 20m", "no route with instances"},
		{"foreign gateway/rule = 5 at 20m", "no object"},
		{"slow api home/key 3s at 20m", `did you mean "home/keys"`},
	} {
		f, err := ParseFault(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = New(loadTest(t, "climb"), Options{Faults: []Fault{f}}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is refused by %v, want %q in it", c.text, err, c.says)
		}
	}
}

// TestHelpParses: every form that help shows can be written so.
func TestHelpParses(t *testing.T) {
	words := map[string]string{"PAIR": "feed-db", "A→B": "home→cloud", "D": "10s", "P": "5%", "ROOM": "cloud", "GATE": "slow@home", "V": "3",
		"PLANE": "home/keys", "W": "3", "SEAT": "gw@home", "OBJECT": "gateway/rules/main", "N": "half", "ROUTE": "im"}
	for _, form := range faultForms {
		var text []string
		for _, w := range strings.Fields(form.form) {
			if word, ok := words[w]; ok {
				w = word
			}
			text = append(text, w)
		}
		line := strings.Join(text, " ")
		if !strings.Contains(form.form, "W") {
			line += " at 5m"
		}
		f, err := ParseFault(line)
		if err != nil || f.kind != form.kind {
			t.Errorf("%q is of kind %q, want %q: %v", line, f.kind, form.kind, err)
			continue
		}
		if _, err := New(loadTest(t, "climb"), Options{Faults: []Fault{f}}); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if !strings.Contains(FaultHelp(), form.form) {
			t.Errorf("help doesn't show %q", form.form)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	for _, form := range faultForms {
		f.Add(form.form + " at 5m")
	}
	for _, text := range []string{"lag feed-db home -> cloud 10s at 12m for 3m", "kill before record 17", "hang writes at 5m for 1m in cloud",
		"foreign a=b = c at 3m", "lost reply at writes 3-7", "errors cloud NaN% at 1m", "→ → at for in"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseFault(text)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		again, err := ParseFault(g.String())
		if err != nil || again != g {
			t.Errorf("%q parses as %+v, and its text as %+v: %v", text, g, again, err)
		}
		if g.at < 0 || g.d < 0 || g.span < 0 || g.value != g.value {
			t.Errorf("%q parses as %+v", text, g)
		}
	})
}

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
