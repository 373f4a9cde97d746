package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// screen prints how a run stands. What is still true stays; wanted, set and seen are three columns; every limit is beside its value
// with the age of the data; the way back is always there.
func screen(w io.Writer, v *cutover.View) {
	fmt.Fprintf(w, "%s  %s  %s  %s → %s  %s\n", v.Runbook, v.Run, strings.ToUpper(v.Environment), v.From, v.To, clockOf(v.Wall))
	headline(w, v)
	fmt.Fprintln(w)
	sharesTable(w, v)
	gatesTable(w, v)
	writersLine(w, v)
	told(w, "BACK", v.WayBack)
	told(w, "LOCKS", v.Locks)
	if v.Journal != "" {
		told(w, "JOURNAL", []string{v.Journal})
	}
	for i, f := range v.Foreign {
		told(w, first(i, "FOREIGN"), []string{fmt.Sprintf("%s now %q, not by this run: left alone", f.Object, f.Found)})
	}
	if len(v.Mutes) > 0 {
		told(w, "MUTED", []string{strings.Join(v.Mutes, " ")})
	}
	if v.Paused != "" {
		told(w, "PAUSED", []string{v.Paused})
	}
	for i, q := range v.Asked {
		by := ""
		if q.By != "" {
			by = " (" + q.By + ")"
		}
		told(w, first(i, "ASKED"), []string{q.Text + by})
	}
	fmt.Fprintf(w, "%-8s %s\n", "NEXT", clip(v.Next, screenWidth-tellIndent))
	if v.Phase == cutover.PhaseFrozen {
		told(w, "YOU", []string{"roomshift resume   when it is green again; it is not done for you", "roomshift back     to " + orStart(v.Target),
			"roomshift mute GATE --for 10m --reason …   if you know that a number lies"})
	}
}

// tellIndent is where the text begins beside its word.
const tellIndent = 9

// told prints a word and what there is to say of it, each thing on lines of its own.
func told(w io.Writer, word string, texts []string) {
	for i, text := range texts {
		wrapped(w, tellIndent, first(i, word), text)
	}
}

func orStart(target string) string {
	if target == "" {
		return "the last checkpoint"
	}
	return target
}

func clockOf(wall string) string {
	t, err := time.Parse(time.RFC3339Nano, wall)
	if err != nil {
		return wall
	}
	return t.Format("Mon 02 Jan 15:04:05")
}

// headline is the loudest line: the phase, or the step in progress, and why it doesn't advance.
func headline(w io.Writer, v *cutover.View) {
	switch v.Phase {
	case cutover.PhaseFrozen:
		fmt.Fprintln(w, "■■ FROZEN · nothing is written in either direction until somebody says so")
		told(w, "WHY", causeLines(v.Causes))
		return
	case cutover.PhaseBack:
		fmt.Fprintf(w, "■ BACK to %s\n", v.Target)
		told(w, "WHY", causeLines(v.Causes))
		return
	case cutover.PhaseResting, cutover.PhaseOver:
		fmt.Fprintf(w, "■ %s (exit %d: %s)\n", strings.ToUpper(string(v.Phase)), v.Exit, exitMeans[v.Exit])
		told(w, "WHY", causeLines(v.Causes))
		return
	}
	for _, s := range v.Steps {
		if s.State != cutover.StepPending && s.State != cutover.StepDone && s.State != cutover.StepSkipped {
			fmt.Fprintln(w, clip(stepLine(s), screenWidth))
		}
	}
	if v.Act != cutover.Advance {
		told(w, "HELD", causeLines(v.Causes))
	}
}

// stepLine is "■ BAKING 6:12 of 10:00    climb, rung 1 of 2: gw@home 20 %".
func stepLine(s cutover.StepView) string {
	line := "■ " + strings.ToUpper(string(s.State))
	if s.Of > 0 {
		line += fmt.Sprintf(" %s of %s", minutes(s.Since), minutes(s.Of))
	}
	line += "    " + s.Name
	if s.Rungs > 1 {
		line += fmt.Sprintf(", rung %d of %d", s.Rung+1, s.Rungs)
	}
	if s.Why != "" {
		line += " (" + s.Why + ")"
	}
	if s.Want != "" {
		line += ": " + s.Want
	}
	return line
}

// sharesTable has a row for all that is alike: the seats of a route mostly are.
func sharesTable(w io.Writer, v *cutover.View) {
	fmt.Fprintf(w, "%-46s %9s %9s %9s\n", "IN "+strings.ToUpper(v.To), "wanted", "set", "seen")
	for _, rows := range alikeRows(v.Shares) {
		fmt.Fprintf(w, "%-46s %9s %9s %9s\n", clip(rowName(rows), 46), share(rows[0].Wanted), share(rows[0].Set), share(rows[0].Seen))
	}
	fmt.Fprintln(w)
}

// alikeRows puts seats with one wanted, set and seen share together. What is no seat stays alone.
func alikeRows(all []cutover.ShareView) [][]cutover.ShareView {
	at := map[[3]int]int{}
	var out [][]cutover.ShareView
	for _, s := range all {
		key := [3]int{s.Wanted, s.Set, s.Seen}
		i, ok := at[key]
		if !ok || !strings.Contains(s.Name, "@") {
			i = len(out)
			out = append(out, nil)
			if strings.Contains(s.Name, "@") {
				at[key] = i
			}
		}
		out[i] = append(out[i], s)
	}
	return out
}

// rowName is the seats' names: of several seats of a route the route's, with how many.
func rowName(rows []cutover.ShareView) string {
	var routes []string
	seats := map[string][]string{}
	for _, r := range rows {
		route, _, _ := strings.Cut(r.Name, "@")
		if len(seats[route]) == 0 {
			routes = append(routes, route)
		}
		seats[route] = append(seats[route], r.Name)
	}
	for i, route := range routes {
		if n := len(seats[route]); n > 1 {
			routes[i] = fmt.Sprintf("%s×%d", route, n)
		} else {
			routes[i] = seats[route][0]
		}
	}
	return strings.Join(routes, " ")
}

func gatesTable(w io.Writer, v *cutover.View) {
	fmt.Fprintf(w, "%-24s %-9s %18s %8s %9s %16s\n", "GATES", "", "value", "data", "hold", "back/freeze")
	for _, g := range v.Gates {
		name := g.Gate
		if g.Room != "" {
			name += "@" + g.Room
		}
		color := string(g.Color)
		if g.Muted {
			color = "muted"
		}
		line := fmt.Sprintf("%-24s %-9s %18s %8s %9s %16s  %s", clip(name, 24), color, gateValue(g), gateAge(g), g.Hold, g.Abort, g.Why)
		fmt.Fprintln(w, clip(strings.TrimRight(line, " "), screenWidth))
	}
	fmt.Fprintln(w)
}

func gateAge(g cutover.GateView) string {
	if g.Color == cutover.Unjudged {
		return "–"
	}
	return ageOf(max(g.Age, 0))
}

func gateValue(g cutover.GateView) string {
	if g.Color == cutover.Unjudged || g.Color == cutover.Blind || g.Color == cutover.Dark {
		return "–"
	}
	lo, hi := valueOf(g.Lo, g.Unit), valueOf(g.Hi, g.Unit)
	if lo == hi || g.Unit != string(runbooks.UnitDuration) {
		return hi
	}
	return lo + "…" + hi
}

func writersLine(w io.Writer, v *cutover.View) {
	var parts []string
	for _, p := range sortedNames(v.Writers) {
		parts = append(parts, p+" "+orNone(v.Writers[p]))
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "%-8s %s\n", "WRITERS", strings.Join(parts, "   "))
	}
}
