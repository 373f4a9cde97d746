package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// stdio is where a program talks: out is the answer, err is talk.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// version is set by the linker in releases.
var version = "dev"

// run is the whole program but for os.Exit.
func run(ctx context.Context, args []string, io stdio) int {
	app := newApp(io)
	err := app.RunContext(ctx, flagsFirst(app, args))
	code := exitCode(err)
	var e *exitError
	if err != nil && (!errors.As(err, &e) || !e.silent) {
		say(io.err, "roomshift: "+err.Error())
	}
	return int(code)
}

func newApp(io stdio) *cli.App {
	app := &cli.App{
		Name:            "roomshift",
		Usage:           "moves live traffic between two rooms, and goes back by itself",
		Description:     exitCodes(),
		Version:         version,
		Reader:          io.in,
		Writer:          io.out,
		ErrWriter:       io.err,
		HideHelpCommand: true,
		// A fault or an object may have a comma in it.
		DisableSliceFlagSeparator: true,
		// Codes and messages are run's: the package would call os.Exit by itself.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error {
			return usage("%w (roomshift --help)", err)
		},
	}
	app.Commands = commands(io)
	describe(app.Commands)
	for _, c := range app.Commands {
		name := c.Name
		c.HideHelpCommand = true
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error {
			return usage("%w (roomshift %s --help)", err, name)
		}
		for _, sub := range c.Subcommands {
			sub.HideHelpCommand, sub.OnUsageError = true, c.OnUsageError
		}
	}
	app.Action = func(c *cli.Context) error {
		if c.NArg() == 0 {
			return cli.ShowAppHelp(c)
		}
		return usage("no command is called %q%s", c.Args().First(), didYouMean(c.Args().First(), app.Commands))
	}
	return app
}

// commands is the table of verbs.
func commands(io stdio) []*cli.Command {
	jsonFlag := &cli.BoolFlag{Name: "json", Usage: "the answer as JSON"}
	rooms := &cli.StringFlag{Name: "rooms", Usage: "rooms.yaml, if it isn't beside the runbook"}
	until := &cli.StringFlag{Name: "until", Usage: "rest at this checkpoint"}
	reason := &cli.StringFlag{Name: "reason", Usage: "why, for the report"}
	talk := func(verb, use string, flags ...cli.Flag) *cli.Command {
		return &cli.Command{Name: verb, Usage: use, ArgsUsage: "[RUN]", Flags: append(flags, jsonFlag),
			Action: func(c *cli.Context) error { return talkTo(c, io, verb) }}
	}
	return []*cli.Command{
		{Name: "init", Usage: "writes a small rooms.yaml and runbook to begin with", ArgsUsage: "[FOLDER]", Action: func(c *cli.Context) error { return initFiles(c, io) }},
		{Name: "check", Usage: "says every problem of a runbook and its rooms", ArgsUsage: "RUNBOOK", Flags: []cli.Flag{rooms, jsonFlag,
			&cli.BoolFlag{Name: "live", Usage: "read everything that can be read, and change nothing"},
			&cli.BoolFlag{Name: "init", Usage: "with --live: make the heartbeat tables"},
			&cli.BoolFlag{Name: "grants", Usage: "print what the accounts on each server need, for whoever makes them; no server is asked"}}, Action: func(c *cli.Context) error { return check(c, io) }},
		{Name: "plan", Usage: "says what a run would do", ArgsUsage: "RUNBOOK", Flags: []cli.Flag{rooms, until, jsonFlag,
			&cli.StringFlag{Name: "out", Usage: "save the plan here"}, &cli.BoolFlag{Name: "writes", Usage: "list every write"}},
			Action: func(c *cli.Context) error { return plan(c, io) }},
		{Name: "run", Usage: "runs a runbook, or a saved plan", ArgsUsage: "RUNBOOK|PLAN", Flags: []cli.Flag{rooms, until, jsonFlag,
			&cli.BoolFlag{Name: "dry-run", Usage: "real signals in real time, no write"},
			&cli.StringFlag{Name: "yes", Usage: "the plan's hash, 8 or more digits, instead of the typed word"}},
			Action: func(c *cli.Context) error { return runRunbook(c, io) }},
		{Name: "simulate", Usage: "runs a runbook in simulated rooms", ArgsUsage: "RUNBOOK", Flags: []cli.Flag{rooms, jsonFlag,
			&cli.StringSliceFlag{Name: "fault", Usage: "'lag feed-db home->cloud 10s at 12m', 'errors cloud 5% at 20m', 'kill at write 3' …; again for more"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "the same seed, the same journal"},
			&cli.StringFlag{Name: "pace", Usage: "how much virtual time passes in a second, as 2m; all at once if left out"},
			&cli.StringFlag{Name: "approve-after", Value: "1m", Usage: "when people approve; never: they don't"},
			&cli.StringFlag{Name: "journal", Usage: "save the journal here"}},
			Description: "Faults:\n" + sim.FaultHelp(), Action: func(c *cli.Context) error { return simulate(c, io) }},
		talk("status", "says how a run stands"),
		talk("pause", "goes on watching, and doesn't advance"),
		talk("resume", "ends a pause, or a freeze"),
		talk("freeze", "writes nothing in either direction until somebody says so"),
		{Name: "back", Usage: "goes back, of a dead or resting run too", ArgsUsage: "[RUN]", Flags: []cli.Flag{rooms, jsonFlag,
			&cli.StringFlag{Name: "to", Value: "checkpoint", Usage: "rung, checkpoint or start"},
			&cli.StringSliceFlag{Name: "overwrite", Usage: "an object that somebody else wrote, to be written over; again for more"}},
			Action: func(c *cli.Context) error { return back(c, io) }},
		{Name: "approve", Usage: "says yes to a step that waits for it", ArgsUsage: "[STEP]", Flags: []cli.Flag{jsonFlag, runFlag()}, Action: func(c *cli.Context) error { return approve(c, io) }},
		{Name: "accept", Usage: "takes a step as it is", ArgsUsage: "[STEP] --reason …", Flags: []cli.Flag{jsonFlag, runFlag(), reason}, Action: func(c *cli.Context) error { return stepTalk(c, io, "accept") }},
		{Name: "mute", Usage: "stops judging a gate for a time", ArgsUsage: "GATE --for 10m --reason …", Flags: []cli.Flag{jsonFlag, runFlag(), reason, &cli.StringFlag{Name: "for", Usage: "how long, as 10m"}}, Action: func(c *cli.Context) error { return stepTalk(c, io, "mute") }},
		{Name: "takeover", Usage: "takes over a run whose process died", ArgsUsage: "[RUN]", Flags: []cli.Flag{rooms, jsonFlag}, Action: func(c *cli.Context) error { return takeover(c, io) }},
		{Name: "continue", Usage: "goes on from the checkpoint where a run rests", ArgsUsage: "[RUN]", Flags: []cli.Flag{rooms, until, jsonFlag, reason,
			&cli.StringFlag{Name: "runbook", Usage: "the run's runbook, if it isn't where it was"},
			&cli.StringFlag{Name: "yes", Usage: "the plan's hash, 8 or more digits, instead of the typed word"}},
			Action: func(c *cli.Context) error { return continueRun(c, io) }},
		{Name: "close", Usage: "ends a run where it stands", ArgsUsage: "[RUN]", Flags: []cli.Flag{rooms, jsonFlag}, Action: func(c *cli.Context) error { return closeRun(c, io) }},
		{Name: "report", Usage: "one page about a run", ArgsUsage: "[RUN|FOLDER]", Flags: []cli.Flag{jsonFlag}, Action: func(c *cli.Context) error { return report(c, io) }},
		writerCommand(io, jsonFlag),
		verifyCommand(io, rooms, jsonFlag),
		{Name: "schema", Usage: "prints the JSON Schema of a kind of file", ArgsUsage: "rooms|runbook", Action: func(c *cli.Context) error { return schema(c, io) }},
	}
}

func runFlag() cli.Flag {
	return &cli.StringFlag{Name: "run", Usage: "the run, if there are several"}
}

// oneArg is a verb's only argument; more are refused, and none is unless it may be left out.
func oneArg(c *cli.Context, what string, needed bool) (string, error) {
	switch {
	case c.NArg() > 1:
		return "", usage("%s takes one %s, and got %s", c.Command.Name, what, strings.Join(c.Args().Slice(), " "))
	case c.NArg() == 0 && needed:
		return "", usage("%s needs a %s: roomshift %s %s", c.Command.Name, what, c.Command.Name, c.Command.ArgsUsage)
	}
	return c.Args().First(), nil
}

func didYouMean(name string, cmds []*cli.Command) string {
	var names []string
	for _, c := range cmds {
		names = append(names, c.Name)
	}
	if near := runbooks.Nearest(name, names); near != "" {
		return fmt.Sprintf(": did you mean %s?", near)
	}
	return ": roomshift --help lists them"
}

// endWith prints what a run's exit code means and returns it.
func endWith(w io.Writer, x cutover.Exit) error {
	fmt.Fprintf(w, "exit %d: %s\n", x, exitMeans[x])
	return said(x)
}
