package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"roomshift/cutover"
)

// reportPage is one page for whoever wasn't there.
func reportPage(w io.Writer, r *runState, t *story) {
	p := r.progress
	if p.Plan == nil {
		fmt.Fprintf(w, "%s: %s\n", r.name, standing(r))
		return
	}
	begun, ended := wallOf(&r.records[0]), wallOf(&r.records[len(r.records)-1])
	last := ended.Format("15:04:05")
	if !sameDay(begun, ended) {
		last = ended.Format("Mon 02 Jan 15:04:05")
	}
	flowed(w, 2, "", fmt.Sprintf("%s · run %s%s · %s – %s · %s", p.Plan.Runbook, r.name, nights(p.Segment), begun.Format("Mon 02 Jan 2006 15:04:05"), last, strings.ToUpper(p.Plan.Environment)))
	wrapped(w, planIndent, "RESULT", result(p, t))
	wrapped(w, planIndent, "USERS", users(t, p.Plan))
	wrapped(w, planIndent, "WRITES", written(p, t))
	for i, text := range p.Degraded() {
		wrapped(w, planIndent, first(i, "DEGRADED"), text)
	}
	reportPeople(w, r)
	reportRungs(w, t)
	if text := reaction(r); text != "" {
		wrapped(w, planIndent, "REACTION", text)
	}
	reportTurns(w, r)
	if text := fidelity(t); text != "" {
		wrapped(w, planIndent, "FIDELITY", text)
	}
	var broken []string
	for _, b := range p.Broken {
		broken = append(broken, b.Rule+" by "+b.Who+": "+b.Reason)
	}
	listed(w, "OVERRIDES", broken)
	listed(w, "MUTES", t.Mutes)
	listed(w, "ACCEPTED", t.Accepted)
	listed(w, "OPEN ENDS", openEnds(r))
	if text := wayBackOf(r); text != "" {
		wrapped(w, planIndent, "WAY BACK", text)
	}
	wrapped(w, planIndent, "EVIDENCE", fmt.Sprintf("%d records, chain intact · plan %s · journal %s", len(r.records), p.Hash[:8], r.dir))
}

// reportEvents are all events, below the page.
func reportEvents(w io.Writer, r *runState) {
	if r.progress.Plan == nil {
		return
	}
	fmt.Fprintln(w)
	l := newLines(w, r.name)
	l.date = !sameDay(wallOf(&r.records[0]), wallOf(&r.records[len(r.records)-1]))
	l.plan = r.progress.Plan
	for i := range r.records {
		l.record(&r.records[i])
	}
}

func sameDay(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

func nights(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" · %d plans, a night each", n)
}

// listed prints what there is under a word, or that there is nothing.
func listed(w io.Writer, word string, texts []string) {
	if len(texts) == 0 {
		texts = []string{"none"}
	}
	for i, text := range texts {
		wrapped(w, planIndent, first(i, word), text)
	}
}

// result says how it stands, what is in the room that gains, and what didn't go straight.
func result(p *cutover.Progress, t *story) string {
	state := string(p.Phase)
	if p.Phase == cutover.PhaseOver || p.Phase == cutover.PhaseResting {
		state += fmt.Sprintf(", exit %d: %s", p.Exit, exitMeans[p.Exit])
	}
	parts := []string{state + because(p.Causes) + "."}
	if t.Users.Last >= 0 {
		parts = append(parts, fmt.Sprintf("%s of all requests in %s.", share(t.Users.Last), p.Plan.To))
	}
	switch n := len(t.Frozen); n {
	case 0:
		parts = append(parts, "Never frozen.")
	default:
		var spans []string
		for _, f := range t.Frozen {
			if f.For == 0 {
				spans = append(spans, "not at its end")
			} else {
				spans = append(spans, short(f.For))
			}
		}
		parts = append(parts, fmt.Sprintf("Frozen %s (%s).", times(n), strings.Join(spans, ", ")))
	}
	back := "Gone back " + times(t.Backs)
	if t.Planned > 0 {
		back += ", as planned " + times(t.Planned)
	}
	return strings.Join(append(parts, back+"."), " ")
}

// users says who was served where. What failed because of the move no gate can tell; what it can is how often errors passed a limit.
func users(t *story, plan *cutover.Plan) string {
	u := &t.Users
	var parts []string
	if u.Requests > 0 {
		parts = append(parts, fmt.Sprintf("%s requests/s, %s in all while it was watched", si(u.Requests/u.Seconds), si(u.Requests)))
	} else {
		parts = append(parts, "requests aren't measured")
	}
	if u.First >= 0 {
		parts = append(parts, fmt.Sprintf("in %s %s → %s", plan.To, share(u.First), share(u.Last)))
	}
	errs := "errors never past a limit"
	var past []string
	for _, of := range []struct {
		word   string
		counts map[string]int
	}{{"hold", u.Hold}, {"abort", u.Abort}} {
		for _, key := range sortedNames(of.counts) {
			past = append(past, fmt.Sprintf("%s past %s %s", key, of.word, times(of.counts[key])))
		}
	}
	if len(past) > 0 {
		errs = strings.Join(past, ", ")
	}
	return strings.Join(append(parts, errs), " · ")
}

// si is a count as people say it: 184, 18.4 k, 149 M.
func si(v float64) string {
	for _, of := range []struct {
		unit string
		size float64
	}{{" G", 1e9}, {" M", 1e6}, {" k", 1e3}} {
		if v >= of.size {
			return fmt.Sprintf("%.3g%s", v/of.size, of.unit)
		}
	}
	return fmt.Sprintf("%.3g", v)
}

// written says where the writers are, and what roomshift itself wrote.
func written(p *cutover.Progress, t *story) string {
	var writers []string
	for _, pair := range p.Plan.Pairs {
		at, moved := pair.Writer, p.Writers[pair.Name]
		if moved.Writer != "" {
			at = moved.Writer
		}
		writers = append(writers, pair.Name+" "+orNone(at))
	}
	text := ""
	if len(writers) > 0 {
		text = strings.Join(writers, ", ") + " · "
		if len(p.Moves) == 0 {
			text = "no writer was moved: " + text
		} else {
			text = "writers: " + text
		}
		for _, pair := range slices.Sorted(maps.Keys(p.NoWriter)) {
			if none := p.NoWriter[pair]; none > 0 {
				text += fmt.Sprintf("%s was without a writer for %s at most · ", pair, ageOf(none))
			}
		}
	}
	x := &t.Written
	if x.Requests == 0 {
		return text + "roomshift wrote nothing"
	}
	text += fmt.Sprintf("roomshift wrote %d changes in %d requests", x.Changes, x.Requests)
	if x.Failed > 0 {
		text += fmt.Sprintf(", %d failed", x.Failed)
	}
	if x.Unknown > 0 {
		text += fmt.Sprintf(", %d without an answer", x.Unknown)
	}
	if x.Slowest > 0 {
		text += ", the slowest answered in " + ageOf(x.Slowest)
	}
	return text
}

// reportRungs is the table of what was done when.
func reportRungs(w io.Writer, t *story) {
	if len(t.Rungs) == 0 {
		return
	}
	const figures = 45
	width := widthOf(w)
	below := width < 100
	where := 30
	if below {
		where = width - figures - 1
	}
	fmt.Fprintf(w, "\n %-8s  %s %7s %7s  %-15s%s\n", "time", padded("step", where), "wanted", "seen", "took (planned)", map[bool]string{false: "  nearest to its limit"}[below])
	for i := range t.Rungs {
		r := &t.Rungs[i]
		took := "–"
		if r.Took > 0 {
			took = short(r.Took)
		}
		at, label := r.Begun.Format("15:04:05"), r.Step+"  "+r.Want
		if utf8.RuneCountInString(label) > where { // it stands above its figures
			flowed(w, 11, " "+at+"  ", label)
			at, label = "", ""
		}
		line := fmt.Sprintf(" %-8s  %s %7s %7s  %-15s", at, padded(label, where), share(r.Wanted), share(r.Seen), took+" ("+short(r.Planned)+")")
		text := nearest(r)
		if below && text != "" {
			line, text = strings.TrimRight(line, " ")+"\n", "           "+text
		} else {
			line += "  "
		}
		fmt.Fprintln(w, strings.TrimRight(line+text, " "))
	}
	fmt.Fprintln(w)
}

// nearest is "cache@cloud 89.1 % of 90 %: held 1m5s".
func nearest(r *rungTold) string {
	text := ""
	if r.Near != nil {
		text = strings.TrimSuffix(r.Near.Key(), "@") + " " + r.Near.Seen + " of " + strings.TrimLeft(r.Near.Limit, "<> ")
	}
	if r.Held >= cutover.Second {
		text = strings.TrimPrefix(text+": held "+short(r.Held), ": ")
	}
	if r.Undone {
		text = strings.TrimPrefix(text+"; the run went back", "; ")
	}
	return text
}

// fidelity says how well the plan told how long rungs take.
func fidelity(t *story) string {
	const near = 0.2
	well, ended := 0, 0
	var off []string
	for i := range t.Rungs {
		r := &t.Rungs[i]
		if r.Took == 0 {
			continue
		}
		ended++
		if late := r.late(); math.Abs(late) <= near || r.Took-r.Planned < 2*cutover.Second && late > 0 {
			well++
		} else {
			why := ""
			if r.Held > 0 {
				why = ", held " + short(r.Held)
			}
			off = append(off, fmt.Sprintf("%q rung %d %+.0f %%%s", r.Step, r.Rung+1, late*100, why))
		}
	}
	if ended == 0 {
		return ""
	}
	text := fmt.Sprintf("%d of %d rungs took what was planned, to a fifth", well, ended)
	if len(off) > 0 {
		text += "; " + strings.Join(off, ", ")
	}
	return text
}

// openEnds is what is left to be done by somebody.
func openEnds(r *runState) []string {
	p := r.progress
	if p.Plan == nil {
		return nil
	}
	var out []string
	out = append(out, p.ChangedTTLs()...)
	for _, o := range p.SortedObjects() {
		if o.Foreign != nil {
			out = append(out, fmt.Sprintf("%s left alone: somebody else wrote %q, ours was %q", o.ID, o.Foreign.Found, o.Want))
		}
	}
	if n := p.OpenCount(); n > 0 {
		out = append(out, fmt.Sprintf("%d writes without an outcome", n))
	}
	for _, q := range p.Asked {
		out = append(out, "asked and not answered: "+q.Text)
	}
	if p.Phase == cutover.PhaseResting {
		var left []string
		for i := range p.Steps {
			if st := p.Steps[i].State; st != cutover.StepDone && st != cutover.StepSkipped && p.Exit == cutover.ExitResting {
				left = append(left, p.Plan.Steps[i].Name)
			}
		}
		if len(left) > 0 {
			out = append(out, "not yet done: "+strings.Join(left, ", ")+" (roomshift continue "+r.name+")")
		}
		out = append(out, "the run keeps its claim on "+strings.Join(p.Claims, " ")+" until roomshift close "+r.name)
	}
	return out
}

// wayBackOf is how a run that isn't over can still go back.
func wayBackOf(r *runState) string {
	p := r.progress
	t := p.Targets[p.LastTarget]
	if r.over() || t == nil {
		return ""
	}
	text := "roomshift back " + r.name + "   to " + p.LastTarget
	if t.Share != nil {
		text += fmt.Sprintf(" (%s in %s)", share(t.Share[p.Plan.To]), p.Plan.To)
	}
	if p.LastTarget != "start" {
		text += "; --to start: to what was there at first"
	}
	return text
}

// reportTurns lists every freeze and every way back, with what led to it.
func reportTurns(w io.Writer, r *runState) {
	n := 0
	for i := range r.records {
		m := r.records[i].Phase
		if m == nil || m.Phase != cutover.PhaseBack && m.Phase != cutover.PhaseFrozen {
			continue
		}
		what := "frozen"
		if m.Phase == cutover.PhaseBack {
			what = "back to " + m.Target
		}
		at, _ := time.Parse(time.RFC3339Nano, r.records[i].Wall)
		wrapped(w, planIndent, first(n, "TURNS"), fmt.Sprintf("%s %s%s", at.Format("15:04:05"), what, because(m.Causes)))
		n++
	}
}

// reportPeople lists who ran it and who said what.
func reportPeople(w io.Writer, r *runState) {
	n := 0
	tell := func(rec *cutover.Record, text string) {
		wrapped(w, planIndent, first(n, "PEOPLE"), wallOf(rec).Format("15:04:05")+" "+text)
		n++
	}
	for i := range r.records {
		rec := &r.records[i]
		switch m := rec.Command; {
		case rec.Run != nil && rec.Run.Why != "lock taken again":
			tell(rec, rec.Run.Why+" by "+rec.Run.User+"@"+rec.Run.Host)
		case m == nil || m.Verb == "status":
		default:
			text := m.Verb + " by " + m.Who
			if step := m.Args["step"]; step != "" {
				text += fmt.Sprintf(" (%q)", step)
			}
			if gate := m.Args["gate"]; gate != "" {
				text += " (" + gate + " for " + m.Args["for"] + ")"
			}
			if reason := m.Args["reason"]; reason != "" {
				text += ": " + reason
			}
			tell(rec, text)
		}
	}
}
