package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"roomshift/cutover"
)

func TestFlagsFirst(t *testing.T) {
	app := newApp(stdio{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}})
	for _, c := range []struct{ in, want string }{
		{"r", "r"},
		{"r status", "r status"},
		{"r run book.yaml --dry-run", "r run --dry-run -- book.yaml"},
		{"r run book.yaml -dry-run --yes 12345678", "r run -dry-run --yes 12345678 -- book.yaml"},
		{"r run --yes=12345678 book.yaml --json", "r run --yes=12345678 --json -- book.yaml"},
		{"r simulate book.yaml --fault a --seed 2 --fault b", "r simulate --fault a --seed 2 --fault b -- book.yaml"},
		{"r simulate book.yaml --fault", "r simulate --fault"},
		{"r plan book.yaml -out n2.plan", "r plan -out n2.plan -- book.yaml"},
		{"r run --dry-run false book.yaml", "r run --dry-run -- false book.yaml"},
		{"r check -- --json", "r check -- --json"},
		{"r check book.yaml --nope x", "r check --nope -- book.yaml x"},
		{"r check -", "r check -- -"},
		{"r nosuch book.yaml --json", "r nosuch book.yaml --json"},
	} {
		got := strings.Join(flagsFirst(app, strings.Fields(c.in)), " ")
		if got != c.want {
			t.Errorf("flagsFirst(%q) = %q; want %q", c.in, got, c.want)
		}
	}
}

// A flag with a value must be known as one, or its value would be taken for the argument.
func TestEveryVerbTakesItsFlagsOnBothSides(t *testing.T) {
	app := newApp(stdio{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}})
	for _, cmd := range app.Commands {
		for _, f := range cmd.Flags {
			name := "--" + f.Names()[0]
			before := flagsFirst(app, []string{"r", cmd.Name, name + "=1", "arg"})
			after := flagsFirst(app, []string{"r", cmd.Name, "arg", name + "=1"})
			if !slices.Equal(before, after) {
				t.Errorf("%s %s: before the argument %v, behind it %v", cmd.Name, name, before, after)
			}
		}
	}
}

func TestDidYouMean(t *testing.T) {
	cmds := newApp(stdio{}).Commands
	for in, want := range map[string]string{"simulat": "did you mean simulate?", "bakc": "did you mean back?", "zzzzzz": "roomshift --help"} {
		if got := didYouMean(in, cmds); !strings.Contains(got, want) {
			t.Errorf("didYouMean(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for x := cutover.ExitDone; x <= cutover.ExitDrift; x++ {
		if exitMeans[x] == "" {
			t.Errorf("exit %d has no meaning", x)
		}
	}
	for _, c := range []struct {
		err  error
		want cutover.Exit
	}{
		{nil, cutover.ExitDone},
		{usage("wrong"), cutover.ExitUsage},
		{said(cutover.ExitResting), cutover.ExitResting},
		{said(cutover.ExitDone), cutover.ExitDone},
		{cutover.ErrOutcomeUnknown, cutover.ExitUnknown},
		{cutover.ErrLeaseLost, cutover.ExitStopped},
		{bytes.ErrTooLarge, cutover.ExitNothing},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exitCode(%v) = %d; want %d", c.err, got, c.want)
		}
	}
}
