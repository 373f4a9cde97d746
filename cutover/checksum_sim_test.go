package cutover_test

import (
	"strings"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/sim"
)

const checksSums = `version: 1
name: book
move: {from: home, to: cloud}
bake: 2m
steps:
  - name: same
    check: {checksum: {feed-db: 24h}}
  - name: some
    shift: {cloud: {gw@home: [5%]}}
  - checkpoint: there
`

// TestChecksumIsChecked: a run goes on only over a comparison that is young enough and was equal; else it asks, and says what to do.
func TestChecksumIsChecked(t *testing.T) {
	says := func(text, want string, faults ...string) {
		t.Helper()
		_, out := moved(t, text, sim.Options{}, faults...)
		if want == "" {
			for _, r := range out.Records {
				if r.Step != nil && r.Step.Step == 0 && r.Step.State == cutover.StepDone && strings.Contains(r.Step.Why, "feed-db was the same in both rooms") {
					return
				}
			}
			t.Errorf("exit %d, and nothing says that they were the same\n%s", out.Exit, allOf(out))
			return
		}
		for _, r := range out.Records {
			if r.Asked != nil && r.Asked.What == "check" && strings.Contains(r.Asked.Text, want) {
				return
			}
		}
		t.Errorf("nobody is asked because of %q\n%s", want, allOf(out))
	}
	says(checksSums, "")
	says(strings.Replace(checksSums, "24h", "30m", 1), "wanted within 30m0s: roomshift verify feed-db")
	says(checksSums, "its rooms were never compared here: roomshift verify feed-db", "uncompared feed-db at 0s")
	says(checksSums, "the rooms aren't the same", "drift feed-db at 0s")
}
