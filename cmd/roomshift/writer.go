package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

// The writer of a pair by hand: to look at it, to move it outside a runbook, and to open one that came up closed. All of it goes through
// the pair's record, as a run does.

// writerCommand is the verb `writer` with its own.
func writerCommand(io stdio, jsonFlag cli.Flag) *cli.Command {
	rooms := &cli.StringFlag{Name: "rooms", Usage: "rooms.yaml, if it isn't in this folder"}
	verbs := &cli.Command{Name: "writer", Usage: "says who is the writer of a pair, and moves it", ArgsUsage: "VERB …", Subcommands: []*cli.Command{
		{Name: "status", Usage: "says how the record and both servers of a pair stand", ArgsUsage: "[PAIR]", Flags: []cli.Flag{rooms, jsonFlag},
			Action: func(c *cli.Context) error { return writerStatus(c, io) }},
		{Name: "move", Usage: "moves the writers of pairs, outside a runbook", ArgsUsage: "PAIR… --to ROOM", Flags: append([]cli.Flag{rooms, jsonFlag,
			&cli.StringFlag{Name: "to", Usage: "the room whose masters are to take the writes"},
			&cli.StringFlag{Name: "no-writer", Usage: "how long each may be without a writer, as 2s"},
			&cli.StringSliceFlag{Name: "with", Usage: "what runs in the writer's room only and moves with it; again for more"},
			&cli.StringFlag{Name: "bake", Usage: "how long it is watched afterwards: 5m, in a lab not at all"},
			&cli.BoolFlag{Name: "dry-run", Usage: "real signals in real time, no write"}}, handFlags()...),
			Action: func(c *cli.Context) error { return writerMove(c, io) }},
		{Name: "reopen", Usage: "opens a writer that came up closed", ArgsUsage: "PAIR", Flags: append([]cli.Flag{rooms, jsonFlag}, handFlags()...),
			Action: func(c *cli.Context) error { return writerReopen(c, io) }},
	}, Action: func(c *cli.Context) error {
		if c.NArg() == 0 {
			return usage("writer needs a verb: %s", verbsOf(c.Command))
		}
		return usage("writer has no verb %q: %s", c.Args().First(), verbsOf(c.Command))
	}}
	verbs.Description = "Its verbs:"
	for _, v := range verbs.Subcommands {
		verbs.Description += fmt.Sprintf("\n%-8s %s", v.Name, v.Usage)
	}
	return verbs
}

// handFlags are those of what is done by hand.
func handFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "within", Usage: "give up waiting after this time: what was begun is left to takeover"},
		&cli.StringFlag{Name: "yes", Usage: "the plan's hash, 8 or more digits, instead of the typed word"},
		&cli.StringFlag{Name: "reason", Usage: "why, for the report"}}
}

func verbsOf(c *cli.Command) string {
	text := ""
	for i, s := range c.Subcommands {
		if i > 0 {
			text += ", "
		}
		text += "roomshift writer " + s.Name
	}
	return text
}
