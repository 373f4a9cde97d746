package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The cli package stops looking for flags at the first argument, and says nothing: `run book.yaml --dry-run` would run for real.
// So flags are moved before the arguments first. `--` ends the flags, as everywhere.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	cmd, verbs := verbOf(app, args)
	if cmd == nil {
		return args
	}
	takesValue := map[string]bool{}
	for _, f := range append(append([]cli.Flag(nil), cmd.Flags...), app.Flags...) {
		_, isBool := f.(*cli.BoolFlag)
		for _, n := range f.Names() {
			takesValue[n] = !isBool
		}
	}
	var flags, rest []string
	lacks := false // a value for the last flag
	for i := verbs; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		name := strings.TrimLeft(a, "-")
		if !strings.Contains(name, "=") && takesValue[name] {
			if i++; i < len(args) {
				flags = append(flags, args[i])
			} else {
				lacks = true // what stood behind it would be taken for its value
			}
		}
	}
	out := append(slices.Clone(args[:verbs]), flags...)
	if len(rest) > 0 && !lacks {
		out = append(append(out, "--"), rest...)
	}
	return out
}

// verbOf is the command that is called, one with verbs of its own by its verb, and how many of args name it.
func verbOf(app *cli.App, args []string) (cmd *cli.Command, verbs int) {
	if cmd = app.Command(args[1]); cmd == nil {
		return nil, 0
	}
	for verbs = 2; verbs < len(args); verbs++ {
		sub := cmd.Command(args[verbs])
		if sub == nil {
			break
		}
		cmd = sub
	}
	return cmd, verbs
}
