package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
)

// approve shows what a yes lets happen before it says it. A step that isn't named is to be typed on a terminal: a bare y says nothing.
func approve(c *cli.Context, io stdio) error {
	step, err := oneArg(c, "step", false)
	if err != nil {
		return err
	}
	r, err := findRun(c.String("run"))
	if err != nil {
		return err
	}
	cmd := cutover.Command{Verb: "approve", Args: map[string]string{}}
	if !c.Bool("json") {
		if step, err = shownApproval(io, r, step); err != nil {
			return err
		}
	}
	if step != "" {
		cmd.Args["step"] = step
	}
	return tell(c, io, r, cmd)
}

// shownApproval prints what is asked, and is the step that a person means. Where nothing can be shown the run itself answers.
func shownApproval(io stdio, r *runState, step string) (string, error) {
	var q *cutover.AskedMark
	a, err := command(socketPath(r.dir), cutover.Command{Verb: "status"}, 2*time.Second)
	if err == nil && a.View != nil {
		q = approval(a.View, step)
	}
	if q == nil {
		return step, nil
	}
	approvePage(sheetOf(io.out), a.View, q)
	f, ok := io.in.(*os.File)
	if step != "" || !ok || !isTerminal(f) {
		return step, nil
	}
	name := a.View.Steps[q.Step].Name
	fmt.Fprintf(io.err, "\ntype the step's name to approve it (%s): ", name)
	line, err := bufio.NewReader(io.in).ReadString('\n')
	if got := strings.TrimSpace(line); err != nil || got != name {
		return "", &exitError{code: cutover.ExitNothing, err: fmt.Errorf("%q was to be typed, and it was %q: nothing was approved", name, got)}
	}
	return name, nil
}

// approval is the question that an approval of the step answers, nil if there is none. "" is the only one that is asked.
func approval(v *cutover.View, step string) *cutover.AskedMark {
	var found *cutover.AskedMark
	for i := range v.Asked {
		q := &v.Asked[i]
		if q.What != "approve" && q.What != "ask" || q.Step < 0 || q.Step >= len(v.Steps) {
			continue
		}
		if step == v.Steps[q.Step].Name {
			return q
		}
		if step == "" {
			if found != nil {
				return nil // which of them, the run asks
			}
			found = q
		}
	}
	return found
}

// approvePage is what a yes means: what is written first, shares, crossing and loads before and after, the gates, and the way back.
func approvePage(w io.Writer, v *cutover.View, q *cutover.AskedMark) {
	flowed(w, 2, "", fmt.Sprintf("%s  %s  %s  %s → %s  %s", v.Runbook, v.Run, strings.ToUpper(v.Environment), v.From, v.To, clockOf(v.Wall)))
	of := ""
	if q.By != "" {
		of = ", asked of " + q.By
	}
	told(w, "APPROVE", []string{fmt.Sprintf("step %q%s", v.Steps[q.Step].Name, of)})
	if t := v.Then; t != nil && t.Step == q.Step {
		told(w, "FIRST", []string{t.Want})
		told(w, "SHARES", []string{fmt.Sprintf("in %s %s → %s · crossing %s → %s", v.To, setOf(v, "all requests"), share(t.Share), setOf(v, "crossing"), share(t.Crossing))})
		var loaded []string
		for _, l := range v.Loads {
			loaded = append(loaded, fmt.Sprintf("%s %s → %s", l.Name, loads(l.Now, l.Peak), loads(l.Then, l.ThenPeak)))
		}
		if len(loaded) > 0 {
			told(w, "LOAD", []string{strings.Join(loaded, " · ") + peakWords(v)})
		}
	}
	told(w, "GATES", gateWords(v))
	writersLine(w, v)
	told(w, "BACK", v.WayBack)
}

func setOf(v *cutover.View, name string) string {
	for _, s := range v.Shares {
		if s.Name == name {
			return share(s.Set)
		}
	}
	return share(-1)
}

// gateWords are the gates that aren't green, each with its value, and how many are.
func gateWords(v *cutover.View) []string {
	green, unjudged := 0, 0
	var lines []string
	for _, g := range v.Gates {
		switch {
		case g.Color == cutover.Green && !g.Muted:
			green++
		case g.Color == cutover.Unjudged && !g.Muted:
			unjudged++
		default:
			name, color := g.Gate, string(g.Color)
			if g.Room != "" {
				name += "@" + g.Room
			}
			if g.Muted {
				color = "muted"
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s is %s: %s, hold %s, back or freeze %s %s", name, color, gateValue(g), g.Hold, g.Abort, g.Why)))
		}
	}
	text := fmt.Sprintf("%d green", green)
	if green == len(v.Gates) {
		text = fmt.Sprintf("all %d are green", green)
	}
	if unjudged > 0 {
		text += fmt.Sprintf(", %d not judged", unjudged)
	}
	return append(lines, text)
}
