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

// planIndent is where the text begins beside its word.
const planIndent = 12

// planScreen is the one screen that a person reads before a run. planes say how objects are written, lags how far each direction of
// a pair is behind, past what came nearest to a limit in earlier runs, seen how the pairs stood; each may be empty.
func planScreen(w io.Writer, p *cutover.Plan, planes []cutover.Plane, lags map[string][]lagSeen, past string, seen map[string]cutover.Peeked) {
	fmt.Fprintf(w, "%s   %s · %s → %s\n", p.Runbook, strings.ToUpper(p.Environment), p.From, p.To)
	line := "plan " + p.Hash()[:8]
	if p.Continues != "" {
		line += " · continues at " + p.Continues
	}
	if p.Until != "" {
		line += " · until " + p.Until
	}
	fmt.Fprintln(w, line)
	planNow(w, p, planes, lags)
	planSteps(w, p)
	planWrites(w, p)
	planMoves(w, p, seen)
	planGates(w, p)
	if past != "" {
		wrapped(w, planIndent, "", past)
	}
	planPeople(w, p)
	planNotes(w, p)
}

func planWrites(w io.Writer, p *cutover.Plan) {
	count := map[string]int{}
	total := 0
	for i := range p.Steps {
		for k := range p.Steps[i].Rungs {
			for _, c := range p.Steps[i].Rungs[k].Changes {
				count[c.Plane]++
				total++
			}
		}
	}
	var parts []string
	for _, n := range sortedNames(count) {
		parts = append(parts, fmt.Sprintf("%d in %s", count[n], n))
	}
	fmt.Fprintln(w)
	if total == 0 && len(parts) == 0 && movesWriters(p) {
		wrapped(w, planIndent, "WILL WRITE", "the writers' records; nothing else")
		return
	}
	if total == 0 {
		wrapped(w, planIndent, "WILL WRITE", "nothing: all that it asks for is there")
		return
	}
	wrapped(w, planIndent, "WILL WRITE", fmt.Sprintf("%s; nothing else (`plan --writes` lists all %d)", strings.Join(parts, " · "), total))
}

// movesWriters tells whether a step of the plan moves a writer.
func movesWriters(p *cutover.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(st cutover.StepPlan) bool { return st.Writer != nil })
}

func planGates(w io.Writer, p *cutover.Plan) {
	var rows [][]string
	for _, g := range p.Gates {
		where := strings.Join(g.Rooms, " ")
		if g.Pair != "" {
			where = g.Pair + " both ways"
		}
		if g.Link != "" {
			where = g.Link
		}
		if g.Database != "" {
			where = "where " + g.Database + " writes"
		}
		rows = append(rows, []string{g.Name, where, ageOf(g.Every), "hold " + limit(g.Hold, g.Unit), "back " + limit(g.Abort, g.Unit)})
	}
	for i, line := range columns(rows, "lllll") {
		fmt.Fprintln(w, clip(fmt.Sprintf("%-*s%s", planIndent, first(i, "GATES"), line), widthOf(w)))
	}
}

func limit(l *cutover.LimitPlan, u runbooks.Unit) string {
	if l == nil {
		return "–"
	}
	sign := ">"
	if l.Below {
		sign = "<"
	}
	s := sign + " " + valueOf(l.Value, string(u))
	if l.For > 0 {
		s += " for " + ageOf(l.For)
	}
	return s
}

func planPeople(w io.Writer, p *cutover.Plan) {
	var asks []string
	for i := range p.Steps {
		if a := p.Steps[i].Approve; a != nil {
			asks = append(asks, fmt.Sprintf("%s before %q", orSomebody(a.By), p.Steps[i].Name))
		}
		if a := p.Steps[i].Ask; a != nil {
			asks = append(asks, fmt.Sprintf("%s at %q", orSomebody(a.By), p.Steps[i].Name))
		}
	}
	text := "nobody is asked"
	if len(asks) > 0 {
		text = strings.Join(asks, ", ")
	}
	wrapped(w, planIndent, "PEOPLE", text)
	if p.Estimates != nil && p.Estimates.Takes > 0 {
		takes := short(p.Estimates.Takes) + " if nothing holds"
		if by, err := time.Parse("15:04", p.Rules.FinishBy); err == nil {
			takes += " · last start " + by.Add(-p.Estimates.Takes.Duration()).Format("15:04") + " to rest by " + p.Rules.FinishBy
		}
		wrapped(w, planIndent, "TAKES", takes)
	}
	planDefaults(w, p)
}

// planDefaults says what nobody wrote, together for all steps that left out the same.
func planDefaults(w io.Writer, p *cutover.Plan) {
	var order []string
	steps := map[string][]string{}
	for i := range p.Steps {
		if len(p.Steps[i].Defaults) == 0 {
			continue
		}
		what := strings.Join(p.Steps[i].Defaults, " ")
		if len(steps[what]) == 0 {
			order = append(order, what)
		}
		steps[what] = append(steps[what], p.Steps[i].Name)
	}
	if p.VerifyWithin == 0 {
		wrapped(w, planIndent, "(default)", "verifyWithin "+short(p.VerifiedWithin())+": so long the gates may take to be green after going back")
	} else {
		fmt.Fprintf(w, "%-11s within %s after going back\n", "VERIFIED", short(p.VerifyWithin))
	}
	for i, what := range order {
		wrapped(w, planIndent, first(i, "(default)"), what+" of "+strings.Join(steps[what], ", "))
	}
}

func orSomebody(s string) string {
	if s == "" {
		return "somebody"
	}
	return s
}

func planNotes(w io.Writer, p *cutover.Plan) {
	if p.Estimates == nil {
		return
	}
	for i, n := range p.Estimates.Notes {
		mark := "!"
		if n.Bad {
			mark = "■"
		}
		step := ""
		if n.Step >= 0 && n.Step < len(p.Steps) && !strings.HasPrefix(n.Text, "step ") {
			step = fmt.Sprintf("step %d: ", n.Step+1)
		}
		wrapped(w, planIndent, first(i, "LOOK AT"), mark+" "+step+n.Text)
	}
}

// planAllWrites lists every change that the plan foresees.
func planAllWrites(w io.Writer, p *cutover.Plan) {
	for i := range p.Steps {
		for k := range p.Steps[i].Rungs {
			for _, c := range p.Steps[i].Rungs[k].Changes {
				fmt.Fprintf(w, "%s rung %d: %s %s → %s\n", p.Steps[i].Name, k+1, c.ID(), c.Before, c.After)
			}
		}
	}
}
