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
