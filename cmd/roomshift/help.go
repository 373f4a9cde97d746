package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
)

// whichRun is said of every command that takes a run's name.
const whichRun = "RUN is a run's name, as 0126-a7. Left out: the only one with a living process, else the only one that isn't over."

// descriptions are what a command's one line doesn't say.
var descriptions = map[string]string{
	"check": "Without --live only the files are read. Exits with 2 when they have a problem, with 1 when something live isn't well.",
	"plan": "Reads what every route and pair holds and measures replication both ways; its heartbeats are all that it writes. " +
		"A plan that is saved with --out is refused by run when what it rests on has changed.",
	"run": "Prints the plan, and asks for the room and its final share to be typed unless the environment is lab. " +
		"Ctrl-C asks; without an answer in 10 s the run goes on watching and doesn't advance. A second Ctrl-C ends the process, its journal " +
		"intact: takeover or back go on from there. A lost terminal pauses. On a pipe it prints a line for each event.",
	"pause":  whichRun,
	"status": whichRun + "\nOf a run whose process is gone it says what its journal says.",
	"resume": "After a freeze: what is red, dark or unknown now counts as answered by you until it has been green once.\n" + whichRun,
	"freeze": "Writes that were sent are still looked up. resume or back end it.\n" + whichRun,
	"back": "--to start: what was there before the first write; checkpoint: the last one that was reached; rung: what was there before the rung that " +
		"was begun last. The living process goes back, or this one when there is none. What somebody else wrote is left alone, unless --overwrite " +
		"names it.\n" + whichRun,
	"approve": "First shows what a yes lets happen: what is written, shares and loads before and after, the gates, the way back. STEP may be left " +
		"out while only one is asked; on a terminal its name is asked to be typed.",
	"accept": "Answers a question that holds a step: a share that isn't seen, a value that somebody else wrote, a rule that would be broken, a check " +
		"that fails, a bake that was held too long. The step goes on over what is there. STEP may be left out while only one is asked.",
	"mute":     "A muted gate neither holds nor turns the run. Replication that fails both ways still freezes it: the rooms may be cut from each other.",
	"takeover": "Waits for the run's locks, reads every object that it touched, and goes on as its journal says; a frozen run stays frozen.\n" + whichRun,
	"continue": "Plans the rest afresh over what is there. What others wrote meanwhile is shown; --reason takes it as it is.\n" + whichRun,
	"close":    "At a rest the run is done; else it is left as it stands, and the exit code says so. Its routes and pairs are free for other runs then.\n" + whichRun,
	"writer status": "Only looks: it takes no lock, writes nothing and ends nobody's session. PAIR left out: every pair of rooms.yaml. Exits with 0 when there is " +
		"one writer and all agree, 4 without a writer or with a move in between, 8 when the record and the servers differ, 5 when something doesn't answer.",
	"writer move": "A run of a runbook with this one step: plan, confirmation, the rooms' own gates, journal, takeover and back are those of run. A move that is " +
		"given up ends the run where it began, and nobody is asked. Exits with 0 when the writers are there, 1 when nothing was begun, 3 when it was given up " +
		"and the old writer is open again, 4 when it is held (or, of several pairs, some have moved), 5 when something has no answer: takeover or back RUN goes " +
		"on from there. What a move by hand left behind whose process is gone is brought to an end first.",
	"writer reopen": "A master that restarts comes up closed, and stays so until a run of its pair opens it, or this: only where the record is STABLE, both masters are " +
		"read-only, and the writer has all that the other one has. Anything else is refused by name.",
	"verify": "Hashes both masters' tables chunk by chunk while they are written to, and looks at what isn't the same again behind a position that both have; rows that " +
		"stay different are named by their keys, never by what they hold. No flag compares every database but the servers' own. Exits with 0 when all is equal, 8 when " +
		"something differs, 1 when not everything could be compared. What came of it is kept beside the journals, where `check: {checksum: …}` and preflight read it.",
	"report": "Left out: the run that was begun last. FOLDER is where a journal is, as a dry run says.",
}

// helpWidth is how wide help is, beside its margin: it is printed as it stands, whatever the terminal.
const helpWidth = 76

// exitCodes is the table for people and scripts.
func exitCodes() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for x := cutover.ExitDone; x <= cutover.ExitDrift; x++ {
		fmt.Fprintf(&b, "%d  %s\n", x, exitMeans[x])
	}
	return strings.TrimRight(b.String(), "\n")
}

// describe adds what commands say of themselves, and leaves out that a switch is off unless it is set.
func describe(cmds []*cli.Command) { describeUnder("", cmds) }

func describeUnder(verb string, cmds []*cli.Command) {
	for _, c := range cmds {
		describeUnder(verb+c.Name+" ", c.Subcommands)
		if text := descriptions[verb+c.Name]; text != "" {
			c.Description = strings.Join(lined(func(w io.Writer) {
				for _, line := range strings.Split(text, "\n") {
					flowed(w, 0, "", line)
				}
			}, helpWidth, false), "\n")
		}
		c.Description = inColumns(c.Description)
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true
			}
		}
		c.CustomHelpTemplate = strings.Replace(cli.CommandHelpTemplate, `{{template "visibleFlagTemplate" .}}`, "\n"+options(c.Flags), 1)
	}
}

// options are a command's flags, in lines that a terminal of 80 columns holds: what the package prints runs on.
func options(flags []cli.Flag) string {
	rows := [][2]string{}
	for _, f := range flags {
		name, use, _ := strings.Cut(f.String(), "\t")
		name, _, _ = strings.Cut(name, " [") // of what may be written again: its use says so
		rows = append(rows, [2]string{name, use})
	}
	rows = append(rows, [2]string{"--help, -h", "show help"})
	wide := 0
	for _, r := range rows {
		wide = max(wide, len(r[0]))
	}
	lines := lined(func(w io.Writer) {
		for _, r := range rows {
			wrapped(w, wide+2, r[0], r[1])
		}
	}, helpWidth, false)
	text := strings.NewReplacer("{{", `{{"{{"}}`).Replace(strings.Join(lines, "\n   "))
	return "   " + text
}

// inColumns breaks lines that are too wide where their second column begins, at two blanks or more.
func inColumns(text string) string {
	return strings.Join(lined(func(w io.Writer) {
		for _, line := range strings.Split(text, "\n") {
			head := gap.FindStringIndex(line)
			if utf8.RuneCountInString(line) <= helpWidth || head == nil {
				fmt.Fprintln(w, line)
				continue
			}
			at := utf8.RuneCountInString(line[:head[1]])
			flowed(w, at, line[:head[1]], strings.Join(strings.Fields(line[head[1]:]), " "))
		}
	}, helpWidth, false), "\n")
}

// gap ends the first column.
var gap = regexp.MustCompile(`\S {2,}`)
