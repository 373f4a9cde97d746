package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// screen prints how a run stands. What is still true stays; wanted, set and seen are three columns; every limit is beside its value
// with the age of the data; the way back is always there.
func screen(w io.Writer, v *cutover.View) {
	flowed(w, 2, "", fmt.Sprintf("%s  %s  %s  %s → %s  %s", v.Runbook, v.Run, strings.ToUpper(v.Environment), v.From, v.To, clockOf(v.Wall)))
	headline(w, v)
	restLine(w, v)
	fmt.Fprintln(w)
	sharesTable(w, v)
	gatesTable(w, v)
	told(w, "LOAD", loadLines(v))
	writersLine(w, v)
	told(w, "BACK", v.WayBack)
	if at, what, ok := strings.Cut(v.Kept, " "); ok {
		told(w, "KEPT", []string{clockOf(at) + "  " + what})
	}
	told(w, "OPEN", v.Ends)
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
		step := ""
		if q.Step >= 0 && q.Step < len(v.Steps) {
			step = v.Steps[q.Step].Name
		}
		told(w, first(i, "ASKED"), []string{q.Text + by, answerTo(&q, step, v.Run)})
	}
	told(w, "NEXT", []string{v.Next})
	if v.Holder != "" {
		told(w, "RUNS", []string{"by " + v.Holder})
	}
}

// restLine says where the run may rest next, by when it must, and who is asked before.
func restLine(w io.Writer, v *cutover.View) {
	r := v.Rest
	if r == nil {
		return
	}
	parts := []string{fmt.Sprintf("rests at %s ≈ %s if nothing holds", r.Name, r.At)}
	if r.By != "" {
		parts = append(parts, "must rest by "+r.By)
	}
	if len(r.Asks) == 0 {
		parts = append(parts, "asks nobody until then")
	} else {
		parts = append(parts, "asks "+strings.Join(r.Asks, ", ")+" before")
	}
	wrapped(w, 2, "", strings.Join(parts, " · "))
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
		flowed(w, 2, "", "■■ FROZEN · nothing is written in either direction until somebody says so")
		told(w, "WHY", causeLines(v.Causes))
		if len(v.Green) > 0 {
			told(w, "GREEN", []string{strings.Join(v.Green, ", ") + " again"})
		}
		target := v.Target
		if target == "" && len(v.WayBack) > 0 {
			target = strings.TrimPrefix(v.WayBack[0], "to ")
		}
		told(w, "YOU", answersTo(v.Phase, target, v.Causes, v.Run))
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
			flowed(w, 2, "", stepLine(s))
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
	name := min(46, widthOf(w)-30)
	fmt.Fprintf(w, "%s %9s %9s %9s\n", padded("IN "+strings.ToUpper(v.To), name), "wanted", "set", "seen")
	for _, rows := range alikeRows(v.Shares) {
		if r := rows[0]; isShort(w) && strings.Contains(r.Name, "@") && r.Wanted == r.Set && (r.Seen < 0 || abs(r.Seen-r.Set) <= nearShare) {
			continue // it is where it is to be
		}
		fmt.Fprintf(w, "%s %9s %9s %9s\n", padded(rowName(rows), name), share(rows[0].Wanted), share(rows[0].Set), share(rows[0].Seen))
	}
	fmt.Fprintln(w)
}

// nearShare is how far what is seen may be from what is set to be no news, in basis points.
const nearShare = 200

func abs(n int) int { return max(n, -n) }

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

// gatesTable has a row for each gate, in columns as wide as what stands in them. A short page names those that are green in one line.
func gatesTable(w io.Writer, v *cutover.View) {
	rows := [][]string{{"GATES", "", "value", "data", "hold", "back/freeze", ""}}
	green := 0
	for _, g := range v.Gates {
		name, color := g.Gate, string(g.Color)
		if g.Room != "" {
			name += "@" + g.Room
		}
		if g.Muted {
			color = "muted"
		}
		if g.Color == cutover.Green && !g.Muted && isShort(w) {
			green++
			continue
		}
		rows = append(rows, []string{name, color, gateValue(g), gateAge(g), g.Hold, g.Abort, g.Why})
	}
	for _, line := range columns(rows, "llrrrrl") {
		fmt.Fprintln(w, clip(line, widthOf(w)))
	}
	if green > 0 {
		fmt.Fprintf(w, "%d gates are green\n", green)
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

// loadLines are what rooms and lines carry now, and what the next rung makes of that.
func loadLines(v *cutover.View) []string {
	var now, then []string
	for _, l := range v.Loads {
		now = append(now, l.Name+" "+loads(l.Now, l.Peak))
		then = append(then, l.Name+" "+loads(l.Then, l.ThenPeak))
	}
	if len(now) == 0 && v.Then == nil {
		return nil
	}
	var lines []string
	if len(now) > 0 {
		lines = append(lines, strings.Join(now, " · ")+peakWords(v))
	}
	if t := v.Then; t != nil {
		lines = append(lines, "then "+strings.Join(append([]string{thenText(v)}, then...), " · "))
	}
	return lines
}

// peakWords say what figures of load are.
func peakWords(v *cutover.View) string {
	if slices.ContainsFunc(v.Loads, func(l cutover.LoadView) bool { return l.Peak > 0 }) {
		return " of what each can carry, now / at peak"
	}
	return " of what each can carry"
}

// thenText is what the next rung makes of the composed share and the crossing.
func thenText(v *cutover.View) string {
	return fmt.Sprintf("%s in %s, crossing %s", share(v.Then.Share), v.To, share(v.Then.Crossing))
}

func writersLine(w io.Writer, v *cutover.View) {
	var parts []string
	for _, p := range sortedNames(v.Writers) {
		parts = append(parts, p+" "+orNone(v.Writers[p]))
	}
	if len(parts) > 0 {
		fmt.Fprintf(w, "%-8s %s\n", "WRITERS", strings.Join(parts, "   "))
	}
	for i, text := range v.Degraded {
		wrapped(w, 9, first(i, "DEGRADED"), text)
	}
}
