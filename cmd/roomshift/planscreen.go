package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// planIndent is where the text begins beside its word.
const planIndent = 12

// planScreen is the one screen that a person reads before a run.
func planScreen(w io.Writer, p *cutover.Plan, s *cutover.Snapshot) {
	fmt.Fprintf(w, "%s   %s · %s → %s\n", p.Runbook, strings.ToUpper(p.Environment), p.From, p.To)
	line := "plan " + p.Hash()[:8]
	if p.Continues != "" {
		line += " · continues at " + p.Continues
	}
	if p.Until != "" {
		line += " · until " + p.Until
	}
	fmt.Fprintln(w, line)
	planNow(w, p)
	planSteps(w, p)
	planWrites(w, p)
	planGates(w, p)
	planPeople(w, p)
	planNotes(w, p)
}

func planNow(w io.Writer, p *cutover.Plan) {
	fmt.Fprintf(w, "\n%-26s %10s   %s\n", "NOW", "in "+p.To, "how it is held")
	shares := cutover.SeatShares(p.Held)
	for i := range p.Routes {
		routeNow(w, p, &p.Routes[i], shares)
	}
	for _, pair := range p.Pairs {
		fmt.Fprintf(w, "  %-24s writer %s (onLost %s)\n", clip(pair.Name, 24), orNone(pair.Writer), pair.OnLost)
	}
}

// routeNow is a route as it is: a line for seats of one share.
func routeNow(w io.Writer, p *cutover.Plan, r *cutover.RoutePlan, shares map[cutover.Seat]cutover.Share) {
	switch {
	case r.Follows != "":
		fmt.Fprintf(w, "  %-24s %10s   follows %s\n", clip(r.Name, 24), "", r.Follows)
	case r.Stays != "":
		fmt.Fprintf(w, "  %-24s %10s   stays in %s\n", clip(r.Name, 24), "", r.Stays)
	}
	var order []int
	by := map[int][]cutover.Seat{}
	for _, seat := range r.Seats {
		bp := -1
		if s, ok := shares[seat]; ok {
			bp = s[p.To]
		}
		if len(by[bp]) == 0 {
			order = append(order, bp)
		}
		by[bp] = append(by[bp], seat)
	}
	for _, bp := range order {
		seats := by[bp]
		name := seats[0].String()
		if len(seats) > 1 {
			name = fmt.Sprintf("%s, %d seats", r.Name, len(seats))
		}
		fmt.Fprintf(w, "  %-24s %10s   %s\n", clip(name, 24), share(bp), clip(heldHow(p, r, seats), screenWidth-40))
	}
}

func heldHow(p *cutover.Plan, r *cutover.RoutePlan, seats []cutover.Seat) string {
	how, n := string(r.Medium), 0
	for i := range p.Held {
		if slices.Contains(seats, p.Held[i].Seat) {
			n++
		}
	}
	if n > 1 {
		how += fmt.Sprintf(", %d objects", n)
	}
	if r.Shows > 0 {
		how += ", seen within " + short(r.Shows)
	}
	switch {
	case r.Long:
		how += ", connections are long: settles when set"
	case !r.Observed:
		how += ", not observed: settles when it is read back"
	}
	return how
}

// planSteps is the table of rungs: what each means for shares, crossing, loads and the way back.
func planSteps(w io.Writer, p *cutover.Plan) {
	fmt.Fprintf(w, "\n%-41s %8s %8s %13s %13s\n", "", "", "", p.To+" load", "line")
	fmt.Fprintf(w, "%-41s %8s %8s %13s %13s %7s %7s %5s\n", "STEPS", "in "+p.To, "crossing", "now / peak", "now / peak", "back in", "ready", "bake")
	est := map[[2]int]cutover.RungEstimate{}
	if p.Estimates != nil {
		for _, e := range p.Estimates.Rungs {
			est[[2]int{e.Step, e.Rung}] = e
		}
	}
	for i := range p.Steps {
		st := &p.Steps[i]
		name := fmt.Sprintf("%2d %s", i+1, st.Name)
		if len(st.Rungs) == 0 {
			fmt.Fprintln(w, clip(fmt.Sprintf("%-41s %s", clip(name, 41), stepText(st)), screenWidth))
			continue
		}
		if len(name) > 20 { // the first rung would not be told beside it
			fmt.Fprintln(w, name)
			name = ""
		}
		for k := range st.Rungs {
			rungLine(w, p, name, &st.Rungs[k], est[[2]int{i, k}])
			name = ""
		}
	}
}

func stepText(st *cutover.StepPlan) string {
	switch {
	case st.Checkpoint != "" && st.Guard:
		return "a state to rest in, watched and kept"
	case st.Checkpoint != "":
		return "a state to rest in"
	case st.Check != nil && len(st.Check.Paths) > 0:
		return fmt.Sprintf("%s answers %s at %s", st.Check.Room, strings.Join(st.Check.Paths, " "), st.Check.Host)
	case st.Check != nil:
		return "capacity " + st.Check.Capacity
	case st.Back != "":
		return "back to " + st.Back + ", as planned"
	case st.Ask != nil:
		return "waits for " + st.Ask.By
	}
	return ""
}

func rungLine(w io.Writer, p *cutover.Plan, name string, r *cutover.RungPlan, e cutover.RungEstimate) {
	label := "    " + wants(p, r)
	if name != "" {
		label = name + "  " + wants(p, r)
	}
	if r.Skip {
		label += ", already there"
	}
	backIn := "–"
	if e.BackAll > 0 {
		backIn = short(e.BackAll)
	}
	bake := "–"
	if r.Bake > 0 {
		bake = short(r.Bake)
	}
	fmt.Fprintf(w, "%-41s %8s %8s %13s %13s %7s %7s %5s\n", clip(label, 41), share(e.Share[p.To]), share(e.Crossing), loads(e.LoadNow[p.To], e.LoadPeak[p.To]),
		loads(busiest(e.LineNow), busiest(e.LinePeak)), backIn, short(r.Takes()-r.Bake), bake)
}

// loads is "4 % / 28 %": parts of what can be carried, now and at the declared peak.
func loads(now, peak float64) string {
	if now <= 0 && peak <= 0 {
		return "–"
	}
	return loadOf(now) + " / " + loadOf(peak)
}

func loadOf(v float64) string {
	if v <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", v*100)
}

func busiest(lines map[string]float64) float64 {
	most := 0.0
	for _, v := range lines {
		most = max(most, v)
	}
	return most
}

// wants is "entry 10 %, gw@home 22 %": what is brought to one share together.
func wants(p *cutover.Plan, r *cutover.RungPlan) string {
	var order []string
	by := map[string][]cutover.Seat{}
	for _, seat := range sortedSeatNames(r) {
		what := ""
		if ttl, ok := r.TTL[seat]; ok {
			what = "TTL " + short(ttl)
		} else {
			what = share(r.Want[seat][p.To])
		}
		if len(by[what]) == 0 {
			order = append(order, what)
		}
		by[what] = append(by[what], seat)
	}
	var parts []string
	for _, what := range order {
		parts = append(parts, together(p, by[what])+" "+what)
	}
	return strings.Join(parts, ", ")
}

func sortedSeatNames(r *cutover.RungPlan) []cutover.Seat {
	by := map[string]cutover.Seat{}
	for s := range r.Want {
		by[s.String()] = s
	}
	for s := range r.TTL {
		by[s.String()] = s
	}
	var out []cutover.Seat
	for _, n := range sortedNames(by) {
		out = append(out, by[n])
	}
	return out
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
	wrapped(w, planIndent, "WILL WRITE", fmt.Sprintf("%s; nothing else (`plan --writes` lists all %d)", orNone(strings.Join(parts, " · ")), total))
}

func planGates(w io.Writer, p *cutover.Plan) {
	for i, g := range p.Gates {
		where := strings.Join(g.Rooms, " ")
		if g.Pair != "" {
			where = g.Pair + " both ways"
		}
		if g.Link != "" {
			where = g.Link
		}
		fmt.Fprintf(w, "%-11s %-16s %-22s every %s, hold %s, back %s\n", first(i, "GATES"), g.Name, clip(where, 22), ageOf(g.Every), limit(g.Hold, g.Unit), limit(g.Abort, g.Unit))
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
	fmt.Fprintf(w, "%-11s %s\n", "PEOPLE", text)
	if p.Estimates != nil && p.Estimates.Takes > 0 {
		fmt.Fprintf(w, "%-11s %s if nothing holds\n", "TAKES", short(p.Estimates.Takes))
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
