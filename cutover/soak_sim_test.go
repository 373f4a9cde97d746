package cutover_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// struck is what may strike a run: by the moment, and by the number of a write or a record.
var struck = []string{
	"lag feed-db home→cloud 10s at T for D", "lag feed-db cloud→home 10s at T for D", "stop feed-db home→cloud at T for D", "break feed-db home→cloud at T for D",
	"cut at T for D", "errors cloud 20% at T for D", "errors cloud 20% at T", "errors home 5% at T for D", "latency cloud 2s at T for D", "load 180% at T for D",
	"cold cloud at T", "blind errors@cloud at T for D", "silent errors at T for D", "prometheus cloud down at T for D", "prometheus home down at T for D",
	"consul cloud down at T for D", "consul home down at T for D", "room cloud down at T for D", "freeze server home at T for D", "probe cloud fails at T for D",
	"slow api home 3s at T for D", "slow api home 9s at T for D", "hang writes at T for D", "hang write N for 30s", "late write N 8s", "late write N 3s",
	"lost reply at write N", "lost write at write N", "fail write N", "fail writes at T for D", "kill at write N", "kill at record R", "kill before record R", "kill at T",
	"throttle writes D at T", "throttle write N D", "hang reads at T for D", "lock freed at T",
	"lock lost at T", "lock stalls at T", "journal full at T for D", "journal stalls D at T", "journal fails at record R", "journal unanswered at record R",
}

// randomTrial draws a run of a shipped runbook with 1 to 4 faults and up to 3 things that people say.
func randomTrial(seed uint64, lasts map[string]time.Duration) trial {
	rnd := rand.New(rand.NewPCG(seed, 17))
	books := runbooks.Library()
	c := trial{book: books[rnd.IntN(len(books))], seed: seed % 5}
	all := lasts[c.book]
	moment := func() time.Duration { return time.Duration(rnd.Int64N(int64(all))).Truncate(time.Millisecond) }
	for range 1 + rnd.IntN(4) {
		c = c.with(fill(struck[rnd.IntN(len(struck))], map[byte]string{'T': moment().String(), 'N': fmt.Sprint(1 + rnd.IntN(8)), 'R': fmt.Sprint(2 + rnd.IntN(60)),
			'D': (time.Duration(rnd.Int64N(int64(8*time.Minute))).Truncate(time.Second) + time.Second).String()}))
	}
	for i := range rnd.IntN(4) {
		verb := []string{"back", "freeze", "resume", "pause", "approve", "back"}[rnd.IntN(6)]
		cmd := cutover.Command{ID: fmt.Sprintf("said-%d", i), Verb: verb, Who: "ops1", Args: map[string]string{}}
		if verb == "back" {
			cmd.Args["to"] = "start"
		}
		c = c.saying(sim.Timed{At: moment(), Command: cmd})
	}
	return c
}

// fill puts words in for the single capital letters of a fault.
func fill(form string, words map[byte]string) string {
	out := ""
	for i := 0; i < len(form); i++ {
		alone := (i == 0 || form[i-1] == ' ') && (i+1 == len(form) || form[i+1] == ' ')
		if w, ok := words[form[i]]; ok && alone {
			out += w
			continue
		}
		out += form[i : i+1]
	}
	return out
}

// TestMomentsAtRandom plays random faults and random words of people over every shipped runbook: no run breaks a law, and each comes
// to an end or waits for a person.
func TestMomentsAtRandom(t *testing.T) {
	lasts, n := libraryLasts(t), howMany(25, 80, 20000)
	exits := map[cutover.Exit]int{}
	for seed := range uint64(n) {
		c := randomTrial(seed, lasts)
		r, err := c.try()
		if err != nil {
			t.Errorf("%d: %s: %v", seed, c, err)
			continue
		}
		r.report(t, r.laws())
		exits[r.Exit]++
	}
	t.Logf("%d runs, by exit code: %v", n, exits)
}

// libraryLasts is how long each shipped runbook takes when nothing happens.
func libraryLasts(t *testing.T) map[string]time.Duration {
	t.Helper()
	lasts := map[string]time.Duration{}
	for _, book := range runbooks.Library() {
		lasts[book] = trial{book: book, seed: 1}.must(t).Took
	}
	return lasts
}

// howMany is the number of random runs for -short, as usual and for -long.
func howMany(short, usual, whole int) int {
	switch {
	case *long:
		return whole
	case testing.Short():
		return short
	}
	return usual
}
