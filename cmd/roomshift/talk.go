package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sort"
	"strings"
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
	if err := needed(c, verb, arg); err != nil {
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
// What lacks is said in the order of use.
func needed(c *cli.Context, verb, arg string) error {
	reason := c.String("reason") != ""
	switch {
	case verb == "accept" && arg == "" && !reason:
		return usage("accept needs a STEP and a --reason: roomshift accept STEP --reason …%s", askedNow(c.String("run")))
	case verb == "accept" && !reason:
		return usage("accept needs a --reason, which stands in the report: roomshift accept %s --reason …", shellWord(arg))
	case verb != "mute":
		return nil
	}
	if d, err := time.ParseDuration(c.String("for")); err != nil || d <= 0 {
		return usage("mute needs --for, how long, as 10m; it was %q: roomshift mute %s --for 10m --reason …", c.String("for"), arg)
	}
	if !reason {
		return usage("mute needs a --reason, which stands in the report: roomshift mute %s --for %s --reason …", arg, c.String("for"))
	}
	return nil
}

// shellWord is a name as it is typed.
func shellWord(s string) string {
	if strings.ContainsAny(s, " \t'\"$") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// askedNow says what the run that is meant asks people, for who doesn't know what to name; "" when no run answers.
func askedNow(run string) string {
	r, err := findRun(run)
	if err != nil || !r.alive {
		return ""
	}
	a, err := command(socketPath(r.dir), cutover.Command{Verb: "status"}, 2*time.Second)
	if err != nil || a.View == nil {
		return ""
	}
	var parts []string
	for _, q := range a.View.Asked {
		if q.Step >= 0 && q.Step < len(a.View.Steps) {
			parts = append(parts, fmt.Sprintf("\n  %s\n    %s", q.Text, answerTo(&q, a.View.Steps[q.Step].Name, r.name)))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("; run %s asks nothing now", r.name)
	}
	return "; asked now is" + strings.Join(parts, "")
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
		w := sheetOf(io.out)
		screen(w, a.View)
		newestEvents(w, r)
	default:
		say(io.out, a.Said)
	}
	if !a.OK {
		return said(cutover.ExitNothing)
	}
	return nil
}

// shownEvents is how many of the newest events stand below a status.
const shownEvents = 3

// newestEvents are what a run did last, by its journal.
func newestEvents(w sheet, r *runState) {
	if r.err != nil || r.progress.Plan == nil {
		return
	}
	var b bytes.Buffer
	l := newLines(&b, r.name)
	l.plan = r.progress.Plan
	for i := range r.records {
		l.record(&r.records[i])
	}
	all := strings.Split(strings.TrimSpace(b.String()), "\n")
	fmt.Fprintln(w)
	for _, line := range all[max(0, len(all)-shownEvents):] {
		fmt.Fprintln(w, clip(line, w.width))
	}
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
	say(io.out, fmt.Sprintf("%s  no process on this machine · %s%s", r.name, standing(r), whatNow(r)))
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
