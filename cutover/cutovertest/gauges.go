package cutovertest

import (
	"context"
	"testing"

	"roomshift/cutover"
)

// Answer is what a source of samples says when it is asked.
type Answer string

// The answers that GaugesSuite asks a world to give. Good is a value; the others are each a way of not knowing, but for Fast
// and Slow: good values of a source whose clock is an hour before or behind.
const (
	Good      Answer = "good"
	NoAnswer  Answer = "no answer" // the connection is refused
	Hangs     Answer = "hangs"     // connected, and never a word
	Fails     Answer = "fails"     // an error in place of an answer
	Null      Answer = "null"      // an answer without a value
	NaN       Answer = "NaN"
	Inf       Answer = "+Inf"
	MinusInf  Answer = "-Inf"
	Stale     Answer = "stale" // a value much older than the gate's MaxAge
	TwoSeries Answer = "two series"
	Fast      Answer = "clock 1 h fast"
	Slow      Answer = "clock 1 h slow"
	SameData  Answer = "same data" // good, and read again and again without anything new
)

// GaugesUnderTest is a world whose Gauges are to be tried. Plan.Gauges[0] is a gate's, of kind room, judged in Rooms, with a
// MaxAge; the value that its source has is Value.
type GaugesUnderTest struct {
	Gauges cutover.Gauges
	Plan   *cutover.Plan
	Rooms  [2]cutover.Room
	Value  float64
	Now    func() cutover.T
	// Next waits for the next sample, at most so long.
	Next func(limit cutover.T) (cutover.Sample, bool)
	// Set makes a room's source answer so from now on; false: this world can't.
	Set func(room cutover.Room, a Answer) bool
	// TimeOut is how long the gauges wait for an answer.
	TimeOut cutover.T
}

// GaugesSuite is what every implementation of cutover.Gauges keeps to (ENGINE §2 and §3). build makes a fresh world; what it
// opens it closes by t.Cleanup.
func GaugesSuite(t *testing.T, build func(t *testing.T) GaugesUnderTest) {
	type clause struct {
		name string
		run  func(*gaugesTest, *testing.T)
	}
	clauses := []clause{
		{"a value is true for a span that has begun", (*gaugesTest).value},
		{"the same data has the same moment", (*gaugesTest).sameData},
		{"after a cut, data from before it is told", (*gaugesTest).cut},
		{"one that hangs makes only its own sample old", (*gaugesTest).hangs},
		{"nothing comes after the end", (*gaugesTest).ends},
	}
	for _, a := range []Answer{NoAnswer, Fails, Null, NaN, Inf, MinusInf, Stale, TwoSeries} {
		clauses = append(clauses, clause{"unknown for " + string(a), func(g *gaugesTest, t *testing.T) { g.unknown(t, a) }})
	}
	for _, a := range []Answer{Fast, Slow} {
		clauses = append(clauses, clause{"nothing changes by " + string(a), func(g *gaugesTest, t *testing.T) { g.clock(t, a) }})
	}
	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			w := build(t)
			g := &gaugesTest{GaugesUnderTest: w}
			for _, room := range w.Rooms {
				if !w.Set(room, Good) {
					t.Fatalf("%s can't give a value", room)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			g.end = cancel
			w.Gauges.Start(ctx, w.Plan)
			c.run(g, t)
		})
	}
}

type gaugesTest struct {
	GaugesUnderTest
	end context.CancelFunc
}

// patience is how long the suite waits for what must come: long enough for a busy machine.
func (g *gaugesTest) patience() cutover.T { return 20*cutover.Second + 4*g.TimeOut }

// until waits for a sample of a room that ok likes, and fails with what it would like.
func (g *gaugesTest) until(t *testing.T, room cutover.Room, want string, ok func(cutover.Sample) bool) cutover.Sample {
	t.Helper()
	end := g.Now() + g.patience()
	var last cutover.Sample
	for g.Now() < end {
		s, came := g.Next(end - g.Now())
		if !came || s.Gauge != 0 || s.Room != room {
			continue
		}
		if last = s; ok(s) {
			return s
		}
	}
	t.Fatalf("%s: no sample that is %s; the last is %+v", room, want, last)
	return last
}

func (g *gaugesTest) known(s cutover.Sample) bool {
	return s.Unknown == "" && s.Lo <= g.Value && g.Value <= s.Hi
}

func (g *gaugesTest) value(t *testing.T) {
	for _, room := range g.Rooms {
		s := g.until(t, room, "the value", g.known)
		if now := g.Now(); s.From > s.At || s.At > now || now-s.At > g.patience() {
			t.Errorf("%s: from %v to %v, now %v", room, s.From, s.At, now)
		}
	}
}

func (g *gaugesTest) set(t *testing.T, room cutover.Room, a Answer) {
	t.Helper()
	if !g.Set(room, a) {
		t.Skipf("this world has no such answer: %s", a)
	}
}

// unknown: an answer that is none makes a sample without a value, in its room only, and ends with its cause.
func (g *gaugesTest) unknown(t *testing.T, a Answer) {
	home, cloud := g.Rooms[0], g.Rooms[1]
	g.until(t, home, "the value", g.known)
	g.set(t, home, a)
	g.until(t, home, "unknown", func(s cutover.Sample) bool { return s.Unknown != "" })
	began := g.Now()
	for g.Now()-began < 3*g.Plan.Gauges[0].Every {
		if s, ok := g.Next(g.Plan.Gauges[0].Every); ok && s.Room == home && s.Unknown == "" {
			t.Fatalf("a value came out of %s: %+v", a, s)
		}
	}
	g.until(t, cloud, "the value, in the room that is well", g.known)
	g.set(t, home, Good)
	g.until(t, home, "the value again", g.known)
}

// clock: the age of data is worked out on its source's own clock.
func (g *gaugesTest) clock(t *testing.T, a Answer) {
	room := g.Rooms[0]
	g.until(t, room, "the value", g.known)
	g.set(t, room, a)
	changed := g.Now()
	s := g.until(t, room, "the value, taken after the clock was changed", func(s cutover.Sample) bool {
		return g.known(s) && s.At > changed
	})
	if s.At > g.Now() {
		t.Errorf("it was taken at %v, now is only %v", s.At, g.Now())
	}
}

func (g *gaugesTest) sameData(t *testing.T) {
	room := g.Rooms[0]
	g.until(t, room, "the value", g.known)
	g.set(t, room, SameData)
	changed := g.Now()
	// What was asked for before the change may still come once.
	first := g.until(t, room, "the value", func(s cutover.Sample) bool { return g.known(s) && g.Now() > changed+2*g.Plan.Gauges[0].Every })
	for range 3 {
		if s := g.until(t, room, "the value", g.known); s.At != first.At {
			t.Errorf("the same data read again is of another moment: %v, was %v", s.At, first.At)
		}
	}
}

func (g *gaugesTest) cut(t *testing.T) {
	room := g.Rooms[0]
	g.until(t, room, "the value", g.known)
	at := g.Now()
	g.Gauges.Cut(at)
	s := g.until(t, room, "from after the cut", func(s cutover.Sample) bool { return g.known(s) && s.From >= at })
	if s.At > g.Now() {
		t.Errorf("it is from the future: %v, now %v", s.At, g.Now())
	}
}

func (g *gaugesTest) hangs(t *testing.T) {
	home, cloud := g.Rooms[0], g.Rooms[1]
	g.until(t, home, "the value", g.known)
	g.set(t, home, Hangs)
	began := g.Now()
	for g.Now()-began < g.TimeOut {
		before := g.Now()
		s := g.until(t, cloud, "the value, in the room that is well", g.known)
		if took := g.Now() - before; took > 4*g.Plan.Gauges[0].Every+cutover.Second {
			t.Fatalf("the other room's sample came after %v: %+v", took.Duration(), s)
		}
	}
	g.until(t, home, "unknown", func(s cutover.Sample) bool { return s.Unknown != "" })
}

func (g *gaugesTest) ends(t *testing.T) {
	g.until(t, g.Rooms[0], "the value", g.known)
	g.end()
	for { // what was under way may still come
		if _, ok := g.Next(2*g.Plan.Gauges[0].Every + cutover.Second); !ok {
			return
		}
		if t.Context().Err() != nil {
			return
		}
	}
}
