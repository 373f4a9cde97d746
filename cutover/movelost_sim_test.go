package cutover_test

import (
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

// TestTheOldRoomIsGone: a writer step whose old master doesn't answer moves nothing by force. With `ifLost: ask` people hear what is
// known, with hold it waits.
func TestTheOldRoomIsGone(t *testing.T) {
	plain, _ := moved(t, movesWriter, sim.Options{})
	begins := plain.Verbs()[0].At - 3*cutover.Millisecond // the step's first round
	gone := "freeze server home at " + begins.Duration().String() + " for 80s"
	says := func(text string) bool {
		return strings.Contains(text, "the master of feed-db in home, which takes its writes, hasn't answered for 30s: cloud has received ") &&
			strings.Contains(text, " and applied ") && strings.Contains(text, "the last heartbeat from home is 3") && strings.Contains(text, "No writer is moved by force")
	}
	for _, ifLost := range []string{"ask", "hold"} {
		var at cutover.T
		asked := false
		name := book(t, strings.Replace(movesWriter, "noWriter: 2s}", "noWriter: 2s, ifLost: "+ifLost+"}", 1))
		var o sim.Options
		o.Show = shownTo(func(x cutover.Shown) {
			if x.Record != nil && x.Record.Asked != nil && x.Record.Asked.What == "move" {
				asked, at = asked || says(x.Record.Asked.Text), x.At
			}
		})
		o.Commands = []sim.Timed{said(9*cutover.Minute, "accept", map[string]string{"step": "writes", "reason": "it is back"})}
		s, out := playSim(t, name, o, gone)
		if asked != (ifLost == "ask") || asked && (at < begins+30*cutover.Second || at > begins+cutover.Minute) {
			t.Errorf("%s: asked %v at %s\n%s", ifLost, asked, at.Duration(), allOf(out))
		}
		if records := s.Records(); slices.ContainsFunc(records, func(r sim.Recorded) bool { return r.At < begins+80*cutover.Second && r.Record.Phase != "STABLE" }) {
			t.Errorf("%s: records while home is gone: %v", ifLost, records)
		}
		if out.Exit != cutover.ExitDone || s.Writers("feed-db")[0] != "cloud" {
			t.Errorf("%s: exit %d, the writer is in %v: it came back\n%s", ifLost, out.Exit, s.Writers("feed-db"), allOf(out))
		}
		oneWriter(t, s, ifLost)
	}
}

// shownTo hears what an engine shows.
type shownTo func(cutover.Shown)

func (f shownTo) Event(x cutover.Shown) { f(x) }
