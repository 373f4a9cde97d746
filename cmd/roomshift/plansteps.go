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
// left out; a rung's label that doesn't fit beside its figures stands above them.
func planSteps(w io.Writer, p *cutover.Plan) {
	est := map[[2]int]cutover.RungEstimate{}
	if p.Estimates != nil {
		for _, e := range p.Estimates.Rungs {
			est[[2]int{e.Step, e.Rung}] = e
		}
	}
	cols := planColumns(p)
	var labels []string // of the rows after the heads; a row without figures is a step that writes nothing
	var rows [][]string
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
			label := "    " + wants(p, st, k)
			if name != "" {
				label = name + "  " + wants(p, st, k)
			}
			if st.Rungs[k].Skip {
				label += ", already there"
			}
			e, moves := est[[2]int{i, k}]
			cells := make([]string, len(cols))
			for c := range cols {
				if cells[c] = "–"; moves || cols[c].always && !st.Rungs[k].Skip {
					cells[c] = cols[c].cell(&st.Rungs[k], e)
				}
			}
			labels, rows, name = append(labels, label), append(rows, cells), ""
		}
	}
	stepTable(w, labels, rows, cols)
	if slices.ContainsFunc(rows, func(cells []string) bool {
		return slices.ContainsFunc(cells, func(c string) bool { return strings.HasSuffix(c, "⁺") })
	}) {
		flowed(w, 4, "", " ⁺ for 95 % of users of names; resolvers that stretch TTLs keep some of what moves for hours")
	}
}

// planColumn is one figure of each rung. Columns of a group stand close together below its name.
type planColumn struct {
	group, head string
	cell        func(*cutover.RungPlan, cutover.RungEstimate) string
	always      bool // it needs no estimate: rungs that move no share have it, too
}

// planColumns are the figures that say something in this plan.
func planColumns(p *cutover.Plan) []planColumn {
	takes := []planColumn{
		{"takes", "ready", func(r *cutover.RungPlan, _ cutover.RungEstimate) string { return short(r.Takes() - r.Bake) }, true},
		{"takes", "bake", func(r *cutover.RungPlan, _ cutover.RungEstimate) string { return backIn(r.Bake, 0) }, true}}
	if movesWriters(p) && !slices.ContainsFunc(p.Steps, func(st cutover.StepPlan) bool { return st.Writer == nil && len(st.Rungs) > 0 }) {
		return takes // no share moves
	}
	cols := []planColumn{
		{"", "in " + p.To, func(_ *cutover.RungPlan, e cutover.RungEstimate) string { return share(e.Share[p.To]) }, false},
		{"", "crossing", func(_ *cutover.RungPlan, e cutover.RungEstimate) string { return share(e.Crossing) }, false},
	}
	load := func(group, head string, of func(cutover.RungEstimate) float64) {
		if p.Estimates != nil && slices.ContainsFunc(p.Estimates.Rungs, func(e cutover.RungEstimate) bool { return of(e) > 0 }) {
			cols = append(cols, planColumn{group, head, func(_ *cutover.RungPlan, e cutover.RungEstimate) string { return loadOf(of(e)) + over(of(e), p) }, false})
		}
	}
	for _, r := range p.Rooms {
		load(r.Name+" load", "now", func(e cutover.RungEstimate) float64 { return e.LoadNow[r.Name] })
		load(r.Name+" load", "peak", func(e cutover.RungEstimate) float64 { return e.LoadPeak[r.Name] })
	}
	for _, l := range p.Links {
		load(l.Name, "now", func(e cutover.RungEstimate) float64 { return e.LineNow[l.Name] })
		load(l.Name, "peak", func(e cutover.RungEstimate) float64 { return e.LinePeak[l.Name] })
	}
	return append(append(cols,
		planColumn{"back in", "fast", func(_ *cutover.RungPlan, e cutover.RungEstimate) string { return backIn(e.BackFast, e.BackFast) }, false},
		planColumn{"back in", "all", func(_ *cutover.RungPlan, e cutover.RungEstimate) string { return backIn(e.BackAll, e.BackAll) }, false}),
		takes...)
}

// over marks a load past the headroom that the rules leave: LOOK AT says more.
func over(load float64, p *cutover.Plan) string {
	if p.Rules.Headroom > 0 && load > float64(p.Rules.Headroom)/cutover.Whole+1e-9 {
		return "!"
	}
	return ""
}

// backIn is a span, rounded up: it is a promise. One of a second or more depends on names being asked again.
func backIn(t, names cutover.T) string {
	switch {
	case t <= 0:
		return "–"
	case t >= cutover.Second:
		t = (t + cutover.Second - 1) / cutover.Second * cutover.Second
	}
	switch {
	case names > cutover.Second:
		return short(t) + "⁺"
	}
	return short(t)
}

// stepTable puts labels and figures side by side; a label that is too long stands above its figures.
func stepTable(w io.Writer, labels []string, rows [][]string, cols []planColumn) {
	figures := make([][]string, len(rows))
	for i, r := range rows {
		figures[i] = make([]string, len(cols))
		if len(r) == len(cols) {
			figures[i] = r
		}
	}
	groups, heads, lines := figureLines(cols, figures)
	wide := utf8.RuneCountInString(heads)
	label := max(20, min(widthOf(w)-wide-2, 44))
	if label+2+wide > widthOf(w) { // narrow: figures stand below, each label has the whole line
		label = 0
	}
	beside := func(text, figures string) {
		if label > 0 {
			figures = padded(text, label) + "  " + figures
		}
		fmt.Fprintln(w, strings.TrimRight(figures, " "))
	}
	fmt.Fprintln(w)
	if label == 0 {
		fmt.Fprintln(w, "STEPS")
	}
	beside("STEPS", groups)
	beside("", heads)
	for i, l := range labels {
		switch cells := rows[i]; {
		case len(cells) != len(cols) && cells[0] == "":
			fmt.Fprintln(w, clip(l, widthOf(w)))
		case len(cells) != len(cols):
			wrapped(w, 24, clip(l, 22), cells[0])
		case utf8.RuneCountInString(l) > label:
			flowed(w, 4, "", l)
			beside("", lines[i])
		default:
			beside(l, lines[i])
		}
	}
}

// alignMarks lets figures stand below one another where some of a column's have a mark behind them.
func alignMarks(rows [][]string, c int) {
	marked := func(cell string) bool { return strings.HasSuffix(cell, "!") || strings.HasSuffix(cell, "⁺") }
	if !slices.ContainsFunc(rows, func(r []string) bool { return marked(r[c]) }) {
		return
	}
	for _, r := range rows {
		if !marked(r[c]) {
			r[c] += " "
		}
	}
}

// figureLines are the rows of figures below two lines of heads: the groups' names, and the columns' own.
func figureLines(cols []planColumn, rows [][]string) (groups, heads string, lines []string) {
	wide := make([]int, len(cols))
	for c := range cols {
		alignMarks(rows, c)
		wide[c] = utf8.RuneCountInString(cols[c].head)
		for _, r := range rows {
			wide[c] = max(wide[c], utf8.RuneCountInString(r[c]))
		}
	}
	gap := func(c int) string {
		switch {
		case c == 0:
			return ""
		case cols[c].group != "" && cols[c].group == cols[c-1].group:
			return " "
		}
		return "  "
	}
	for c := 0; c < len(cols); { // a group's columns are together as wide as its name
		n, sum := 1, wide[c]
		for ; c+n < len(cols) && cols[c].group != "" && cols[c+n].group == cols[c].group; n++ {
			sum += 1 + wide[c+n]
		}
		if short := utf8.RuneCountInString(cols[c].group) - sum; short > 0 {
			wide[c] += short
			sum += short
		}
		groups += gap(c) + fmt.Sprintf("%*s", sum, cols[c].group)
		c += n
	}
	row := func(cells []string) string {
		line := ""
		for c := range cols {
			line += gap(c) + fmt.Sprintf("%*s", wide[c], cells[c])
		}
		return line
	}
	names := make([]string, len(cols))
	for c := range cols {
		names[c] = cols[c].head
	}
	for _, r := range rows {
		lines = append(lines, row(r))
	}
	return groups, row(names), lines
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

// wants is "entry 10 %, gw@home 22 %": what is brought to one share together.
func wants(p *cutover.Plan, st *cutover.StepPlan, rung int) string {
	if st.Writer != nil {
		return st.Writer.String()
	}
	r := &st.Rungs[rung]
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
