package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"sort"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
)

// answerLimit is how long a person waits for a run's answer.
const answerLimit = 15 * time.Second

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// whoami is user@host, for the journal.
func whoami() (who, host string) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	who = os.Getenv("SUDO_USER")
	if u, err := user.Current(); err == nil && who == "" {
		who = u.Username
	}
	return who, host
}

// talkTo says one word to a living run.
func talkTo(c *cli.Context, io stdio, verb string) error {
	name, err := oneArg(c, "run", false)
	if err != nil {
		return err
	}
	r, err := findRun(name)
	if err != nil {
		return err
	}
	if verb == "status" && !r.alive {
		return deadStatus(c, io, r)
	}
	return tell(c, io, r, cutover.Command{Verb: verb})
}

// stepTalk is for the commands whose argument is a step or a gate; the run is --run.
func stepTalk(c *cli.Context, io stdio, verb string) error {
	what := "step"
	if verb == "mute" {
		what = "gate"
	}
	arg, err := oneArg(c, what, verb == "mute")
	if err != nil {
		return err
	}
	if err := needed(c, verb); err != nil {
		return err
	}
	r, err := findRun(c.String("run"))
	if err != nil {
		return err
	}
	args := map[string]string{}
	for _, k := range []string{"reason", "for"} {
		if v := c.String(k); v != "" {
			args[k] = v
		}
	}
	if arg != "" {
		args[what] = arg
	}
	return tell(c, io, r, cutover.Command{Verb: verb, Args: args})
}

// needed refuses what a run would refuse, before one is looked for: a reason is for the report, and no mute lasts for ever.
func needed(c *cli.Context, verb string) error {
	if verb != "approve" && c.String("reason") == "" {
		return usage("%s needs a --reason: it stands in the report", verb)
	}
	if verb != "mute" {
		return nil
	}
	if d, err := time.ParseDuration(c.String("for")); err != nil || d <= 0 {
		return usage("mute needs --for, how long, as 10m; it was %q", c.String("for"))
	}
	return nil
}

// tell sends a command to a run and prints its answer. Nobody answers: the error says what can be done with a dead run.
func tell(c *cli.Context, io stdio, r *runState, cmd cutover.Command) error {
	who, host := whoami()
	cmd.Who = who + "@" + host
	a, err := command(socketPath(r.dir), cmd, answerLimit)
	switch {
	case errors.Is(err, errNoRun):
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s has no process on this machine: %s%s", r.name, standing(r), whatNow(r))}
	case err != nil:
		return &exitError{code: cutover.ExitUnknown, err: err}
	}
	switch {
	case c.Bool("json"):
		printJSON(io, a)
	case a.View != nil:
		screen(io.out, a.View)
	default:
		fmt.Fprintln(io.out, a.Said)
	}
	if !a.OK {
		return said(cutover.ExitNothing)
	}
	return nil
}

// whatNow is what a person can do with a run that has no process here.
func whatNow(r *runState) string {
	switch {
	case r.err != nil || r.progress.Plan == nil || r.over():
		return ""
	case r.progress.Phase == cutover.PhaseResting:
		return fmt.Sprintf(". To go on: roomshift continue %s; to go back: roomshift back %s; to end it: roomshift close %s", r.name, r.name, r.name)
	}
	return fmt.Sprintf(". To go on: roomshift takeover %s; to go back: roomshift back %s", r.name, r.name)
}

// standing is what a run's journal says of it.
func standing(r *runState) string {
	switch {
	case r.err != nil:
		return "its journal can't be read: " + r.err.Error()
	case r.progress.Plan == nil:
		return "its journal has no whole plan, so nothing was written"
	case r.progress.Phase == cutover.PhaseOver, r.progress.Phase == cutover.PhaseResting:
		return fmt.Sprintf("its journal says %s, exit %d (%s)", r.progress.Phase, r.progress.Exit, exitMeans[r.progress.Exit])
	}
	return fmt.Sprintf("its journal says %s, %d writes without an outcome", r.progress.Phase, r.progress.OpenCount())
}

// deadStatus says how a run without a process stands, by its journal.
func deadStatus(c *cli.Context, io stdio, r *runState) error {
	if r.err != nil {
		return r.err
	}
	p := r.progress
	if c.Bool("json") {
		printJSON(io, map[string]any{"run": r.name, "alive": false, "phase": p.Phase, "exit": p.Exit, "target": p.Target,
			"open": p.OpenCount(), "seen": p.LastSeen, "records": p.Seq, "journal": r.dir})
		return nil
	}
	fmt.Fprintf(io.out, "%s  no process on this machine · %s%s\n", r.name, standing(r), whatNow(r))
	if p.Plan != nil {
		fmt.Fprintf(io.out, "%s · %s → %s · in %s %s when last recorded\n", p.Plan.Runbook, p.Plan.From, p.Plan.To, p.Plan.To, share(p.LastSeen.Share[p.Plan.To]))
		for i, s := range p.Steps {
			fmt.Fprintf(io.out, "  %-30s %s\n", p.Plan.Steps[i].Name, s.State)
		}
	}
	fmt.Fprintf(io.out, "journal %s, %d records\n", r.dir, p.Seq)
	if r.torn != "" {
		fmt.Fprintln(io.out, r.torn)
	}
	return nil
}
