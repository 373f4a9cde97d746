package cutover_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"roomshift/cutover/sim"
)

// gaugeValues are values that a gate's source may say, on either side of its limits.
var gaugeValues = []struct {
	gate  string
	rooms []string
	says  []string
}{
	{"errors", []string{"", "@home", "@cloud"}, []string{"0.01%", "0.19%", "0.3%", "0.9%", "1.2%", "40%", "70%"}},
	{"slow", []string{"", "@home", "@cloud"}, []string{"100ms", "390ms", "450ms", "799ms", "900ms", "3s"}},
	{"cache", []string{"@cloud", "@home"}, []string{"99%", "91%", "89%", "62%", "55%", "0%"}},
	{"feed-lag", []string{"@home", "@cloud"}, []string{"10ms", "900ms", "1100ms", "4s", "6s", "30s"}},
	{"user-lag", []string{"@home", "@cloud"}, []string{"0s", "4s", "6s", "20s", "40s"}},
	{"line-use", []string{""}, []string{"10%", "59%", "61%", "74%", "80%"}},
	{"line-rtt", []string{""}, []string{"3ms", "7ms", "9ms", "29ms", "40ms"}},
}

// wandering makes the sources of a few gates wander: each says one value after another, some of them for a sample or two only, and some
// are silent, or don't answer, in between.
func (c trial) wandering(rnd *rand.Rand, all time.Duration) trial {
	for range 1 + rnd.IntN(3) {
		g := gaugeValues[rnd.IntN(len(gaugeValues))]
		gate := g.gate + g.rooms[rnd.IntN(len(g.rooms))]
		at := time.Duration(rnd.Int64N(int64(all)))
		for range 1 + rnd.IntN(8) {
			span := time.Duration(rnd.Int64N(int64([]time.Duration{time.Second, 20 * time.Second, 3 * time.Minute}[rnd.IntN(3)]))) + time.Millisecond
			fault := fmt.Sprintf("value %s %s", gate, g.says[rnd.IntN(len(g.says))])
			if other := rnd.IntN(8); other < 2 {
				fault = []string{"silent ", "blind "}[other] + gate
			}
			c = c.with(fmt.Sprintf("%s at %s for %s", fault, at.Truncate(time.Microsecond), span.Truncate(time.Microsecond)))
			at += span + time.Duration(rnd.Int64N(int64(40*time.Second)))*time.Duration(rnd.IntN(2))
		}
	}
	return c
}

// TestPiecesAndSamplesAtRandom draws runs in which gauges wander, faults strike and people say things, and plays each by pieces and
// sample by sample: one journal, byte for byte.
func TestPiecesAndSamplesAtRandom(t *testing.T) {
	lasts, n := libraryLasts(t), howMany(8, 60, 1500)
	turned, froze := 0, 0
	for seed := range uint64(n) {
		rnd := rand.New(rand.NewPCG(seed, 23))
		c := randomTrial(seed, lasts).wandering(rnd, lasts[randomTrial(seed, lasts).book])
		c.o.Limit = 36 * time.Hour // who waits for a person waits for ever
		pieces, err := c.try()
		if err != nil {
			t.Errorf("%d: %s: %v", seed, c, err)
			continue
		}
		one := c
		one.o.Samples = true
		samples, err := one.try()
		if err != nil {
			t.Errorf("%d: %s: sample by sample: %v", seed, c, err)
			continue
		}
		if a, b := lines(t, pieces.Outcome), lines(t, samples.Outcome); a != b {
			t.Errorf("%d: %s: pieces and samples give different journals: %s", seed, c, firstDifference(a, b))
		}
		turned, froze = turned+b2i(pieces.Exit == 3), froze+b2i(pieces.Progress.Phase == "frozen")
	}
	t.Logf("%d runs, %d of them rolled back, %d frozen at their end", n, turned, froze)
}

// TestNobodyAnswers: when it becomes too late for what people are asked to allow, the run says so at that moment, whatever comes by.
func TestNobodyAnswers(t *testing.T) {
	for _, book := range []string{"spring-festival-out", "spring-festival-back"} {
		o := sim.Options{Seed: 3, ApproveAfter: -1, Limit: 12 * time.Hour}
		pieces := lines(t, play(t, book, o))
		o.Samples = true
		if samples := lines(t, play(t, book, o)); pieces != samples {
			t.Errorf("%s: pieces and samples give different journals: %s", book, firstDifference(pieces, samples))
		}
	}
}
