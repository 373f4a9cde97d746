package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestWhatIsThereHasNoFigures: a rung that is passed over writes nothing and takes no time, so that its row says nothing but that.
func TestWhatIsThereHasNoFigures(t *testing.T) {
	p, problems := planOf(t, "version: 1\nname: one\nmove: {from: home, to: cloud}\nsteps:\n  - name: few\n    shift: {cloud: {gw@home: [2%, 4%]}}\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	row := func(of string) string {
		t.Helper()
		var b bytes.Buffer
		planSteps(&b, p)
		for _, line := range strings.Split(b.String(), "\n") {
			if strings.Contains(line, of) {
				return strings.Join(strings.Fields(line), " ")
			}
		}
		t.Fatalf("no %q in\n%s", of, b.String())
		return ""
	}
	if got, want := row("gw@home 4 %"), "gw@home 4 % 3.52 % 3.43 % 12 % 77 % 1 % 4 % 2 % 10 % < 1s < 1s 41s 5m"; got != want {
		t.Errorf("a rung that moves: %q, wanted %q", got, want)
	}
	p.Steps[0].Rungs[0].Skip = true
	p.Estimates.Rungs = p.Estimates.Rungs[1:]
	if got, want := row("gw@home 2 %"), "1 few gw@home 2 %, already there – – – – – – – – – – – –"; got != want {
		t.Errorf("%q, wanted %q", got, want)
	}
}
