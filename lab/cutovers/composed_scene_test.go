package cutovers

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/dns/alidnstest"
	"roomshift/lab"
)

// composed is a scene whose requests enter by name, over gateways that split them once more.
type composed struct {
	*scene
	names   *lab.Names
	file    string // rooms.yaml
	zone    []alidnstest.Record
	stretch float64 // the part of users behind resolvers that stretch TTLs
}

// beginComposed starts names on a lab whose home gateway sends so many of a hundred to the cloud, with so many requests in a second.
func beginComposed(t *testing.T, percent string, perSecond float64) *composed {
	t.Helper()
	s := &composed{scene: begin(t), stretch: 0.09}
	if err := s.lab.SetNumber(t.Context(), lab.Home, percent); err != nil {
		t.Fatal(err)
	}
	s.before[lab.Home] = percent
	var err error
	if s.names, err = s.lab.StartNames(t.Context(), lab.NamesOptions{TTL: 5, PerSecond: perSecond, AtLeast: 6 * time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.names.Close)
	s.secret = append(s.secret, s.lab.Secrets()...) // the names' are the lab's only while they run
	s.zone = s.names.API.Records()
	s.file = s.rooms(func(yaml string) string { // what crosses is counted in bytes, so that the line has a load
		yaml = strings.Replace(yaml, "seats: [home, cloud]}", "seats: [home, cloud], bytes: 20KB}", 1)
		return strings.Replace(yaml, "routes:\n", "links:\n  line: {between: [home, cloud], circuits: [1Gbps]}\n\nroutes:\n", 1)
	})
	if err := s.lab.Answered(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.counts = s.lab.Counts()
	return s
}

// mix is what a state means: the part that enters by the cloud, and the part of the rest that home's gateway sends there.
type mix struct{ names, gw float64 }

func (m mix) served() float64   { return m.names + m.crossing() }
func (m mix) crossing() float64 { return (1 - m.names) * m.gw }

// carries fails unless what the load counts from now on is this state, within two points, served and crossing.
func (s *composed) carries(what string, want mix) {
	s.t.Helper()
	if err := s.names.Renewed(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	// By when requests were sent: where answers of one room are slower, those that are there are none of what was sent.
	from := time.Now().Add(lab.QuarterLength)
	enough := float64(max(300, lab.Enough(want.names, 0.02/(1-want.gw)))) // what enters by the cloud is served there whole, what doesn't by gw
	sent := func() window {
		return sum(s.lab.Quarters(from))
	}
	s.eventually("enough requests are sent", func() bool { return sent().sent >= enough })
	until := time.Now()
	if err := s.lab.Answered(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	quarters := s.lab.Quarters(from)
	got := sum(slices.DeleteFunc(quarters, func(q lab.Quarter) bool { return q.At.After(until.Add(-lab.QuarterLength)) }))
	said := fmt.Sprintf("%s: %.2f %% in the cloud, planned %.2f; %.2f %% cross, planned %.2f; of %v requests",
		what, 100*got.served, 100*want.served(), 100*got.crossed, 100*want.crossing(), got.sent)
	if math.Abs(got.served-want.served()) > 0.02 || math.Abs(got.crossed-want.crossing()) > 0.02 {
		s.t.Error(said)
	} else {
		s.t.Log(said)
	}
}

// isBack fails unless every record and every byte of each key is what it was.
func (s *composed) isBack() {
	s.t.Helper()
	if now := s.names.API.Records(); !reflect.DeepEqual(now, s.zone) {
		s.t.Errorf("the records are\n%v\nand were\n%v", now, s.zone)
	}
	s.restored()
}

// window is what was sent in some time: how many requests, and the parts of them that the cloud served, and that crossed.
type window struct {
	at                    time.Time
	sent, served, crossed float64
}

func sum(quarters []lab.Quarter) window {
	w := window{}
	for i, q := range quarters {
		if i == 0 {
			w.at = q.At
		}
		w.served += float64(q.Served[lab.Cloud])
		w.crossed += float64(q.Crossed)
		w.sent += float64(q.Entered[lab.Cloud] + q.Entered[lab.Home])
	}
	if w.sent > 0 {
		w.served, w.crossed = w.served/w.sent, w.crossed/w.sent
	}
	return w
}

// windows are all windows of a length since a moment, a quarter of a second apart, as long as they are full.
func (s *composed) windows(since time.Time, length time.Duration) []window {
	quarters := s.lab.Quarters(since)
	n := int(length / lab.QuarterLength)
	var all []window
	for i := 0; i+n <= len(quarters); i++ {
		if w := sum(quarters[i : i+n]); w.sent > 0 && quarters[i+n-1].At.Sub(w.at) < length {
			all = append(all, w)
		}
	}
	return all
}

// stray is the variance of a window's share where so large a part enters by the cloud, with what a request's place in the row adds: what
// the gateway splits is dealt out evenly, one request more or less.
func (w *window) stray(m mix) float64 {
	p := math.Min(0.5, math.Max(m.names, 0.02))
	return math.Pow(1-m.gw, 2)*p*(1-p)/w.sent + math.Pow(1.5/w.sent, 2)
}

// allowed is how many standard deviations a window's share may be off. Of a hundred windows beside one another, few tell something of their
// own: but for one case in some hundred none is farther off by chance.
const allowed = 3.7

// neverPasses fails if in any window of four seconds of a stretch more was served in the cloud, or crossed, than in either of these states.
func (s *composed) neverPasses(what string, from, to time.Time, was, is mix) {
	s.t.Helper()
	served, crossing := math.Max(was.served(), is.served()), math.Max(was.crossing(), is.crossing())
	n := 0
	for _, w := range s.windows(from, 4*time.Second) {
		if w.at.Add(4 * time.Second).After(to) {
			break
		}
		n++
		by := allowed * math.Sqrt(math.Max(w.stray(was), w.stray(is)))
		if w.served > served+by || w.crossed > crossing+by {
			s.t.Errorf("%s: at %s %.1f %% are in the cloud and %.1f %% cross of %v requests; planned are at most %.1f and %.1f",
				what, w.at.Format("15:04:05.00"), 100*w.served, 100*w.crossed, w.sent, 100*served, 100*crossing)
			return
		}
	}
	if n == 0 {
		s.t.Errorf("%s: no window was looked at between %v and %v", what, from, to)
	}
}

// onlyFalls fails if, since going back began, the cloud's share ever rose: in any window past what it was in one before, unless no more than
// what it goes back to (a share may be taken a few points below that, and set there then).
func (s *composed) onlyFalls(since time.Time, is, target mix) {
	s.t.Helper()
	length := time.Second // what gateways split is dealt out evenly
	if is.names > 0 {
		length = 4 * time.Second
	}
	s.eventually("it is back for a while", func() bool { return time.Since(since) > 3*length })
	low := window{served: is.served(), sent: math.Inf(1)}
	all := s.windows(since, length)
	for i, w := range all {
		for k := 0; k < i && !all[k].at.Add(length).After(w.at); k++ {
			if all[k].served < low.served {
				low = all[k]
			}
		}
		bound := math.Max(low.served, target.served())
		by := allowed * math.Sqrt(w.stray(is))
		if !math.IsInf(low.sent, 1) {
			by = allowed * math.Sqrt(w.stray(is)+low.stray(is))
		}
		if w.served > bound+by {
			s.t.Errorf("going back, at %s %.1f %% are in the cloud of %v requests, after %.1f %% at %s; it goes back to %.1f %%",
				w.at.Format("15:04:05.00"), 100*w.served, w.sent, 100*low.served, low.at.Format("15:04:05.00"), 100*target.served())
			return
		}
	}
	if len(all) == 0 {
		s.t.Error("no window was looked at while it went back")
	}
}

// wall is when a record was written.
func (s *composed) wall(r *cutover.Record) time.Time {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, r.Wall)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// begun is when a rung of a step was begun.
func (s *composed) begun(rs []cutover.Record, step, rung int) time.Time {
	s.t.Helper()
	i := find(rs, 0, func(r *cutover.Record) bool {
		return r.Step != nil && r.Step.Step == step && r.Step.Rung == rung && r.Step.State == cutover.StepApplying
	})
	if i < 0 {
		s.t.Fatalf("rung %d of step %d was never begun", rung+1, step+1)
	}
	return s.wall(&rs[i])
}

// promise is how long status says that all of going back takes.
var promise = regexp.MustCompile(`(?:all in|to write: in|to write, in) (less than )?(\S+)`)

func (s *composed) promised() time.Duration {
	s.t.Helper()
	p := s.start("status")
	p.exits(0)
	m := promise.FindStringSubmatch(strings.Join(strings.Fields(p.text()), " "))
	if m == nil {
		s.t.Fatalf("doesn't say how long going back takes:\n%s", p.text())
	}
	d, err := time.ParseDuration(strings.TrimRight(m[2], ".,;"))
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// watched is what names answer and what home's gateway sends on, from moment to moment.
type watched struct {
	at time.Time
	mix
}

// watch looks at both until it is told to stop.
func (s *composed) watch() (stop func() []watched) {
	end, done := make(chan struct{}), make(chan struct{})
	var all []watched
	go func() {
		defer close(done)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			all = append(all, watched{time.Now(), mix{s.answered(), float64(s.lab.Obeyed(lab.Home)) / 100}})
			select {
			case <-end:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	ended := sync.OnceFunc(func() {
		close(end)
		<-done
	})
	s.t.Cleanup(ended)
	return func() []watched {
		ended()
		return all
	}
}

// answered is the part of the names' answers that leads to the cloud, over all lines.
func (s *composed) answered() float64 {
	weights := map[bool]int{}
	for _, r := range s.names.API.Records() {
		if !r.Disabled {
			weights[strings.HasPrefix(r.Value, "198.")] += r.Weight
		}
	}
	return float64(weights[true]) / float64(max(1, weights[true]+weights[false]))
}

// neverBoth fails if at any moment users of the oldest answers that a resolver may still give, and those whom the gateway sends on, were
// together more in the cloud than where it began: 37 of a hundred, from 30, if the gateway is raised before the names are seen.
func (s *composed) neverBoth(all []watched, ttl time.Duration, is mix) {
	s.t.Helper()
	oldest := 0
	for _, w := range all {
		for all[oldest].at.Before(w.at.Add(-ttl)) {
			oldest++
		}
		worst := w.mix
		for _, before := range all[oldest:] {
			if before.at.After(w.at) {
				break
			}
			worst.names = max(worst.names, before.names)
		}
		if worst.served() > is.served()+0.005 {
			s.t.Errorf("at %s answers that are kept lead %.1f %% to the cloud, and the gateway sends %.1f %% of the rest: %.1f %%, from %.1f",
				w.at.Format("15:04:05.00"), 100*worst.names, 100*worst.gw, 100*worst.served(), 100*is.served())
			return
		}
	}
	if len(all) < 10 {
		s.t.Errorf("only %d moments were looked at", len(all))
	}
}

// inTime fails unless users were back within what was promised: all but five of a hundred, and those behind resolvers that stretch TTLs.
// What this machine's writes took beyond a tenth of a second each is told, and isn't held against the promise.
func (s *composed) inTime(rs []cutover.Record, back int, is, target mix, promised time.Duration) {
	s.t.Helper()
	decided, wrote, calls := s.wall(&rs[back]), time.Duration(0), 0
	undo := map[int]bool{}
	for i := back; i < len(rs); i++ {
		switch r := &rs[i]; {
		case undoes(r) && (r.Intent.Changes[0].Plane == "alidns" || is.names == 0): // a gateway that is raised again is nobody's way back
			undo[r.Intent.Request], calls = true, calls+len(r.Intent.Changes)
		case r.Done != nil && undo[r.Done.Request]:
			wrote = s.wall(r).Sub(decided)
		}
	}
	slow := max(0, wrote-time.Duration(calls)*100*time.Millisecond)
	left := target.served() + (0.05+s.stretch)*math.Abs(is.served()-target.served())
	for _, w := range s.windows(decided, time.Second) {
		if w.served <= left+1.5/w.sent { // what a gateway deals out evenly may be a request early or late
			took := w.at.Sub(decided)
			said := fmt.Sprintf("users were back %v after it was decided, promised were %v; %d writes took %v", took, promised, calls, wrote)
			if took > promised+slow+lab.QuarterLength {
				s.t.Error(said)
			} else {
				s.t.Log(said)
			}
			return
		}
	}
	s.t.Errorf("users weren't seen back")
}
