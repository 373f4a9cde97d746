package cutover_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// ofAWrite is the six faults of a write, by the write's number.
var ofAWrite = []string{"lost reply at write %d", "lost write at write %d", "hang write %d for 30s", "fail write %d", "late write %d 8s", "kill at write %d"}

// TestMomentsOfKills kills the process at every record, which is kept or lost, while what led back lasts or heals as the process is
// down, each with one of the six faults of a write beside it. A journal that says `phase back` ends going back.
func TestMomentsOfKills(t *testing.T) {
	for k, c := range []struct{ book, fault string }{
		{"drill-3-percent", ""},
		{"to-cloud", ""},
		{"to-cloud", "errors cloud 20% at 5m"},
		{"to-cloud", "errors cloud 20% at 5m for 20s"},
		{"to-cloud", "lag feed-db home→cloud 10s at 7m for 30s"},
	} {
		quiet := trial{book: c.book, seed: 1}
		if c.fault != "" {
			quiet = quiet.with(c.fault)
		}
		base := quiet.must(t)
		away := trial{book: c.book, seed: 1}.must(t)
		cases := 0
		step := thin(23, 7)
		for n := 1; n <= len(base.Records)+1; n++ {
			for i, kill := range []string{"kill at record %d", "kill before record %d"} {
				for j := -1; j < len(ofAWrite); j++ {
					if (n*13+i*7+j+k)%step != 0 {
						continue
					}
					killed := quiet.with(fmt.Sprintf(kill, n))
					if j >= 0 {
						killed = killed.with(fmt.Sprintf(ofAWrite[j], base.writesBefore(n)+1))
					}
					r := killed.must(t)
					r.report(t, r.endsAsRecorded(base, away))
					cases++
				}
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("%s, %q: %d kills", c.book, c.fault, cases)
	}
}

// TestKilledWhileReleasing kills the process as it gives its locks back, when all is durable: it ends, and the code is the run's.
// An engine that goes on waiting for its answers never returns.
func TestKilledWhileReleasing(t *testing.T) {
	quiet := trial{book: "drill-3-percent", seed: 1}
	base := quiet.must(t)
	over := base.Timeline[len(base.Timeline)-1].At
	for ms := range 12 {
		r := quiet.with(fmt.Sprintf("kill at %s", over+time.Duration(ms)*time.Millisecond)).must(t)
		r.report(t, r.endsAs(base.Exit, base.Truth))
	}
}

// writesBefore is how many requests to write the records before n begin.
func (r ran) writesBefore(n int) int {
	writes := 0
	for _, rec := range r.Records {
		if rec.Seq < int64(n) && rec.Intent != nil {
			writes++
		}
	}
	return writes
}

// endsAsRecorded says how a killed run must end by its raw records: back where it was if they ever say `phase back`; else where it
// would have got without a fault, for then nothing turned it.
func (r ran) endsAsRecorded(base, quiet ran) []string {
	turned := false
	for _, rec := range r.Records {
		turned = turned || rec.Phase != nil && rec.Phase.Phase == cutover.PhaseBack && !strings.HasPrefix(rec.Phase.Causes[0].Gate, "runbook")
	}
	if turned {
		return r.endsAs(cutover.ExitBack, r.start)
	}
	if r.Exit == cutover.ExitNothing { // it turned before anything was written
		return r.endsAs(cutover.ExitNothing, r.start)
	}
	if base.Exit == cutover.ExitBack && r.trial.faults[0] == "errors cloud 20% at 5m" {
		return append(r.laws(), "what makes it go back lasts, and it never turned")
	}
	return r.endsAs(cutover.ExitDone, quiet.Truth)
}
