package main

import (
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// lines writes one line for each event, in fixed order: time, run, kind, object, before → after or value against limit, outcome,
// took, why. It is what a pipe gets, and what simulate prints.
type lines struct {
	w     io.Writer
	run   string
	date  bool          // the day stands before the time: a run of several nights
	plan  *cutover.Plan // of the segment: from its records, or given where they were written before
	parts string        // of a plan that isn't whole
	held  time.Time     // since when it doesn't advance
	sent  map[int]sentRequest

	target string // of going back, once it does
	moves  moveLines
}

type sentRequest struct {
	at     time.Time
	intent *cutover.Intent
}

func newLines(w io.Writer, run string) *lines {
	return &lines{w: w, run: run, sent: map[int]sentRequest{}, moves: moveLines{}}
}

// put writes one line.
func (l *lines) put(at time.Time, kind, format string, args ...any) {
	stamp := at.Format("15:04:05.000")
	if l.date {
		stamp = at.Format("01-02 15:04:05.000")
	}
	fmt.Fprintf(l.w, "%s %s %-8s %s\n", stamp, l.run, kind, fmt.Sprintf(format, args...))
}

// record writes a record's lines.
func (l *lines) record(r *cutover.Record) {
	at, err := time.Parse(time.RFC3339Nano, r.Wall)
	if err != nil {
		return
	}
	put := func(kind, format string, args ...any) { l.put(at, kind, format, args...) }
	switch {
	case r.Plan != nil:
		l.newPlan(r.Plan, put)
	case r.Run != nil:
		put("run", "%s by %s@%s", r.Run.Why, r.Run.User, r.Run.Host)
	case r.Step != nil:
		l.step(r.Step, put)
	case r.Intent != nil:
		l.sent[r.Intent.Request] = sentRequest{at, r.Intent}
	case r.Done != nil, r.Failed != nil, r.Unknown != nil, r.Foreign != nil, r.Stray != nil:
		l.outcome(r, at, put)
	case r.Verdict != nil:
		l.verdict(r.Verdict, at, put)
	case r.Move != nil:
		l.moves.verb(r.Move, at, put)
	case r.Writer != nil:
		l.moves.record(r.Writer, at, put)
	case r.After != nil:
		l.moves.after(r.After, put)
	case r.Only != nil:
		onlyLine(r.Only, put)
	case r.Phase != nil:
		l.held = time.Time{}
		l.phase(r.Phase, put)
	default:
		l.people(r, put)
	}
}

func (l *lines) newPlan(p *cutover.PlanPart, put func(string, string, ...any)) {
	l.run = p.Run
	l.parts += p.Text
	if p.Part < p.Of {
		return
	}
	text := "plan " + p.Hash[:8]
	if plan, err := cutover.DecodePlan([]byte(l.parts)); err == nil {
		l.plan = plan
		text += fmt.Sprintf(" of %s, %s → %s, %s", plan.Runbook, plan.From, plan.To, counted(len(plan.Steps), "step"))
	}
	l.parts = ""
	if p.Continues != "" {
		text += ", goes on from " + p.Continues
	}
	put("plan", "%s", strings.TrimPrefix(text, "plan "))
}

func (l *lines) step(m *cutover.StepMark, put func(string, string, ...any)) {
	name := l.stepName(m.Step)
	rung := ""
	if l.plan != nil && m.Step < len(l.plan.Steps) && len(l.plan.Steps[m.Step].Rungs) > 1 {
		rung = fmt.Sprintf(" rung %d/%d", m.Rung+1, len(l.plan.Steps[m.Step].Rungs))
	}
	why := ""
	if m.Why != "" {
		why = " (" + m.Why + ")"
	}
	if m.State == cutover.StepWaiting && m.Why == "" || m.State == cutover.StepDone && l.isCheckpoint(m.Step) {
		return // a checkpoint has a line of its own
	}
	put("step", "%q%s %s%s", name, rung, m.State, why)
}

func (l *lines) isCheckpoint(i int) bool {
	return l.plan != nil && i >= 0 && i < len(l.plan.Steps) && l.plan.Steps[i].Checkpoint != ""
}

func (l *lines) stepName(i int) string {
	if l.plan == nil || i < 0 || i >= len(l.plan.Steps) {
		return "run"
	}
	return l.plan.Steps[i].Name
}

func (l *lines) outcome(r *cutover.Record, at time.Time, put func(string, string, ...any)) {
	switch {
	case r.Done != nil:
		l.changes(r.Done.Request, r.Done.Objects, "ok", at, "", put)
	case r.Failed != nil:
		why := r.Failed.Error
		if why == "" {
			why = r.Failed.Why
		}
		l.changes(r.Failed.Request, r.Failed.Objects, "failed", at, why, put)
	case r.Unknown != nil:
		l.changes(r.Unknown.Request, r.Unknown.Objects, "unknown", at, r.Unknown.Error, put)
	case r.Foreign != nil:
		put("foreign", "%s now %q: not by this run", r.Foreign.Object, r.Foreign.Found)
	case r.Stray != nil:
		put("stray", "%s %q: a late write of ours", r.Stray.Object, r.Stray.Found)
	}
}

// maxGroups is how many lines a request gets. A large one of many values is told in one.
const maxGroups = 4

// changes writes a line for all of a request's changes that have one value before and one after.
func (l *lines) changes(request int, objects []string, what string, at time.Time, why string, put func(string, string, ...any)) {
	s, ok := l.sent[request]
	if !ok || len(objects) == 0 {
		return
	}
	took := at.Sub(s.at).Round(time.Millisecond)
	if why != "" {
		why = fmt.Sprintf(" why=%q", why)
	}
	step := ""
	if s.intent.Step >= 0 {
		step = fmt.Sprintf(" step=%q rung=%d", l.stepName(s.intent.Step), s.intent.Rung+1)
	}
	groups := alike(s.intent.Changes, objects)
	if len(groups) > maxGroups {
		put(verb(s.intent.Purpose), "%s %s %s%s%s", andMore(objects[0], len(objects)), what, took, step, why)
		return
	}
	for _, g := range groups {
		put(verb(s.intent.Purpose), "%s %s → %s %s %s%s%s", andMore(label(g[0]), len(g)), orNone(g[0].Before), orNone(g[0].After), what, took, step, why)
	}
}

// alike puts the changes of these objects together that have the same values before and after, in order.
func alike(changes []cutover.Change, objects []string) [][]cutover.Change {
	wanted := map[string]bool{}
	for _, o := range objects {
		wanted[o] = true
	}
	at := map[[2]string]int{}
	var groups [][]cutover.Change
	for _, c := range changes {
		if !wanted[c.Object] {
			continue
		}
		key := [2]string{c.Before, c.After}
		i, ok := at[key]
		if !ok {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

func andMore(name string, n int) string {
	if n < 2 {
		return name
	}
	return fmt.Sprintf("%s and %d more", name, n-1)
}

func verb(p cutover.Purpose) string {
	if p == cutover.Forward {
		return "write"
	}
	return string(p)
}

// label is the seat, with the object's name where a seat has several.
func label(c cutover.Change) string {
	if c.Object == c.Seat.String() || strings.Contains(c.Object, c.Seat.Route) {
		return c.Object
	}
	return c.Seat.String() + " " + c.Object
}

// verdict tells why a run doesn't advance, and that it does again.
func (l *lines) verdict(v *cutover.VerdictMark, at time.Time, put func(string, string, ...any)) {
	switch {
	case v.Act == cutover.Hold:
		if l.held.IsZero() {
			l.held = at
		}
		put("hold", "%s", worst(v.Causes))
	case v.Act == cutover.Advance && !l.held.IsZero():
		put("go", "nothing holds any more, held for %s", ageOf(cutover.T(at.Sub(l.held))))
		l.held = time.Time{}
	}
}

func (l *lines) phase(m *cutover.PhaseMark, put func(string, string, ...any)) {
	switch m.Phase {
	case cutover.PhaseBack:
		l.target = m.Target
		put("back", "to %s because %s", m.Target, causes(m.Causes))
		if t := m.Timing; t != nil && t.Crossed > 0 {
			put("back", "data %s old when decided, %s after the limit was crossed in a sample", ageOf(t.Age), (t.Decided - t.Crossed).Duration().Round(time.Microsecond))
		}
	case cutover.PhaseFrozen:
		put("frozen", "nothing is written until somebody says so, because %s", causes(m.Causes))
	case cutover.PhaseResting:
		where := ""
		if m.Exit != cutover.ExitResting && l.target != "" { // it came back; else its cause names the checkpoint
			where = "at " + l.target + ", "
		}
		put("rest", "%sexit %d: %s%s", where, m.Exit, exitMeans[m.Exit], because(m.Causes))
	case cutover.PhaseOver:
		put("over", "exit %d: %s%s", m.Exit, exitMeans[m.Exit], because(m.Causes))
	default:
		put("phase", "%s", m.Phase)
	}
	if t := m.Timing; t != nil && t.Crossed > 0 && m.Phase != cutover.PhaseBack {
		put("time", "%s", timing(t))
	}
}

// page calls people: what holds the run, since when, and the commands that answer it.
func (l *lines) page(at time.Time, p *cutover.Page) {
	what := "frozen for " + short(p.For)
	switch {
	case p.Phase == cutover.PhaseBack:
		what = fmt.Sprintf("going back to %s isn't at its end after %s", p.Target, short(p.For))
	case p.New:
		what += ", and now too"
	}
	if len(p.Green) > 0 {
		what += "; green again: " + strings.Join(p.Green, ", ")
	}
	l.put(at, "PAGE", "%s%s", what, because(p.Causes))
	for _, f := range p.Failed {
		l.put(at, "PAGE", "%s", f)
	}
	for _, do := range answersTo(p.Phase, p.Target, p.Causes, l.run) {
		l.put(at, "PAGE", "%s", do)
	}
}

// timing is the reaction: every moment after the one when the limit was crossed in a sample.
func timing(t *cutover.Timing) string {
	s := fmt.Sprintf("data %s old, crossed → decided +%s", ageOf(t.Age), (t.Decided - t.Crossed).Duration().Round(time.Microsecond))
	for _, m := range []struct {
		name string
		at   cutover.T
	}{{"first write", t.FirstWrite}, {"read back", t.Read}, {"seen", t.Seen}} {
		if m.at > 0 {
			s += fmt.Sprintf(" → %s +%s", m.name, (m.at - t.Crossed).Duration().Round(time.Millisecond/10))
		}
	}
	return s
}

func (l *lines) people(r *cutover.Record, put func(string, string, ...any)) {
	switch {
	case r.Command != nil:
		put("command", "%s", strings.TrimSpace(r.Command.Verb+" by "+r.Command.Who+" "+argsText(r.Command.Args)))
	case r.Asked != nil:
		step := ""
		if r.Asked.Step >= 0 {
			step = l.stepName(r.Asked.Step)
		}
		put("asked", "%s: %s", r.Asked.Text, answerTo(r.Asked, step, l.run))
	case r.Answered != nil:
		by := ""
		if r.Answered.Who != "" {
			by = " by " + r.Answered.Who
		}
		put("answered", "%q %s%s", l.stepName(r.Answered.Step), r.Answered.How, by)
	case r.Checkpoint != nil:
		put("reached", "checkpoint %q", r.Checkpoint.Name)
	case r.Adopted != nil:
		put("adopted", "%s %q by %s: %s", r.Adopted.Object, r.Adopted.Value, r.Adopted.Who, r.Adopted.Why)
	case r.Broke != nil:
		put("broke", "rule %s by %s: %s", r.Broke.Rule, r.Broke.Who, r.Broke.Reason)
	case r.Seen != nil:
		var parts []string
		for room, bp := range r.Seen.Share {
			parts = append(parts, room+" "+runbooks.FormatPercent(runbooks.Percent(bp)))
		}
		sort.Strings(parts)
		how := "set"
		if r.Seen.Observed {
			how = "seen"
		}
		put("share", "%s %s", how, strings.Join(parts, " "))
	}
}

// argsText is a command's arguments in order; one with a space in it is quoted.
func argsText(args map[string]string) string {
	var words []string
	for k, v := range args {
		if v == "" {
			continue
		}
		if strings.ContainsAny(v, " \t") {
			v = strconv.Quote(v)
		}
		words = append(words, k+"="+v)
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}
