package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"roomshift/cutover"
)

// planSteps is the table of rungs: what each means for shares, crossing, loads and the way back. Columns that would say nothing are
// left out; on a narrow page the figures stand below their rung.
func planSteps(w io.Writer, p *cutover.Plan) {
	est := map[[2]int]cutover.RungEstimate{}
	line := false
	if p.Estimates != nil {
		for _, e := range p.Estimates.Rungs {
			est[[2]int{e.Step, e.Rung}] = e
			line = line || busiest(e.LineNow) > 0 || busiest(e.LinePeak) > 0
		}
	}
	of := " load"
	if len(p.Peak) > 0 {
		of = " now/peak"
	}
	head := []string{"in " + p.To, "crossing", p.To + of, "back in", "ready", "bake"}
	if line {
		head = slices.Insert(head, 3, "line"+of)
	}
	rows := [][]string{head}
	var labels []string // of the rows after the first; a row without figures is a step that writes nothing
	for i := range p.Steps {
		st := &p.Steps[i]
		name := fmt.Sprintf("%2d %s", i+1, st.Name)
		if len(st.Rungs) == 0 {
			labels, rows = append(labels, name), append(rows, []string{stepText(p, i)})
			continue
		}
		if len(name) > 20 { // the first rung would not be told beside it
			labels, rows = append(labels, name), append(rows, []string{""})
			name = ""
		}
		for k := range st.Rungs {
			label := "    " + wants(p, &st.Rungs[k])
			if name != "" {
				label = name + "  " + wants(p, &st.Rungs[k])
			}
			if st.Rungs[k].Skip {
				label += ", already there"
			}
			labels, rows, name = append(labels, label), append(rows, rungCells(p, &st.Rungs[k], est[[2]int{i, k}], line)), ""
		}
	}
	stepTable(w, labels, rows, len(head))
	if slices.ContainsFunc(rows, func(cells []string) bool {
		return slices.ContainsFunc(cells, func(c string) bool { return strings.HasSuffix(c, "⁺") })
	}) {
		flowed(w, 4, "", " ⁺ for 95 % of users of names; resolvers that stretch TTLs keep some of what moves for hours")
	}
}

// stepTable puts labels and figures side by side, or one below the other.
func stepTable(w io.Writer, labels []string, rows [][]string, n int) {
	figures := make([][]string, len(rows))
	for i, r := range rows {
		figures[i] = make([]string, n)
		if len(r) == n {
			figures[i] = r
		}
	}
	lines := columns(figures, strings.Repeat("r", n))
	wide := 0
	for _, l := range lines {
		wide = max(wide, utf8.RuneCountInString(l))
	}
	label := min(widthOf(w)-wide-2, 44)
	below := label < 24
	fmt.Fprintln(w)
	if below {
		fmt.Fprintf(w, "STEPS\n    %s\n", lines[0])
	} else {
		fmt.Fprintf(w, "%s  %s\n", padded("STEPS", label), lines[0])
	}
	for i, l := range labels {
		cells := rows[i+1]
		switch {
		case len(cells) != n && cells[0] == "":
			fmt.Fprintln(w, clip(l, widthOf(w)))
		case len(cells) != n:
			wrapped(w, 24, clip(l, 22), cells[0])
		case below:
			fmt.Fprintf(w, "%s\n    %s\n", clip(l, widthOf(w)), lines[i+1])
		default:
			fmt.Fprintf(w, "%s  %s\n", padded(l, label), lines[i+1])
		}
	}
}

func stepText(p *cutover.Plan, i int) string {
	st := &p.Steps[i]
	switch {
	case st.Checkpoint != "" && st.Guard:
		return "a state to rest in, watched and kept; before it, back goes to " + backBefore(p, i)
	case st.Checkpoint != "":
		return "a state to rest in; before it, back goes to " + backBefore(p, i)
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

// backBefore is what going back goes to until a step is reached.
func backBefore(p *cutover.Plan, i int) string {
	for k := i - 1; k >= 0; k-- {
		if p.Steps[k].Checkpoint != "" {
			return p.Steps[k].Checkpoint
		}
	}
	if p.Continues != "" {
		return p.Continues
	}
	return "the start"
}

func rungCells(p *cutover.Plan, r *cutover.RungPlan, e cutover.RungEstimate, line bool) []string {
	backIn := "–"
	switch {
	case e.BackAll > 0 && e.BackFast > 0 && e.BackFast != e.BackAll:
		backIn = short(e.BackFast) + " … " + short(e.BackAll) + "⁺"
	case e.BackAll > cutover.Second:
		backIn = short(e.BackAll) + "⁺"
	case e.BackAll > 0:
		backIn = short(e.BackAll)
	}
	bake := "–"
	if r.Bake > 0 {
		bake = short(r.Bake)
	}
	cells := []string{share(e.Share[p.To]), share(e.Crossing), loads(e.LoadNow[p.To], e.LoadPeak[p.To]), backIn, short(r.Takes() - r.Bake), bake}
	if line {
		cells = slices.Insert(cells, 3, loads(busiest(e.LineNow), busiest(e.LinePeak)))
	}
	return cells
}

// loads is "4 / 28 %": parts of what can be carried, now and at the declared peak.
func loads(now, peak float64) string {
	switch {
	case now <= 0 && peak <= 0:
		return "–"
	case peak <= 0:
		return loadOf(now)
	}
	return strings.TrimSuffix(loadOf(now), " %") + " / " + loadOf(peak)
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
