package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
)

// report is one page about a run, and all its events below.
func report(c *cli.Context, io stdio) error {
	name, err := oneArg(c, "run", false)
	if err != nil {
		return err
	}
	var r *runState
	if name == "" {
		r, err = lastRun()
	} else {
		r, err = findRun(name)
	}
	if err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	if c.Bool("json") {
		printJSON(io, map[string]any{"run": r.name, "phase": r.progress.Phase, "exit": r.progress.Exit, "causes": r.progress.Causes,
			"timing": r.progress.Crossed, "records": r.records, "journal": r.dir})
		return nil
	}
	reportPage(io.out, r)
	return nil
}

// lastRun is the run that was begun last.
func lastRun() (*runState, error) {
	all, err := runs()
	if err != nil {
		return nil, err
	}
	var last *runState
	for _, r := range all {
		if r.err == nil && len(r.records) > 0 && (last == nil || r.records[0].Wall > last.records[0].Wall) {
			last = r
		}
	}
	if last == nil {
		return nil, usage("there is no run to report")
	}
	return last, nil
}

func reportPage(w io.Writer, r *runState) {
	p := r.progress
	begun, _ := time.Parse(time.RFC3339Nano, r.records[0].Wall)
	ended, _ := time.Parse(time.RFC3339Nano, r.records[len(r.records)-1].Wall)
	if p.Plan == nil {
		fmt.Fprintf(w, "%s: %s\n", r.name, standing(r))
		return
	}
	fmt.Fprintf(w, "%s · run %s · %s – %s · %s\n", p.Plan.Runbook, r.name, begun.Format("Mon 02 Jan 2006 15:04:05"), ended.Format("15:04:05"), plans(p.Segment))
	state := string(p.Phase)
	if p.Phase == cutover.PhaseOver || p.Phase == cutover.PhaseResting {
		state += fmt.Sprintf(", exit %d: %s", p.Exit, exitMeans[p.Exit])
	}
	fmt.Fprintf(w, "RESULT      %s%s\n", state, because(p.Causes))
	fmt.Fprintf(w, "SHARE       %s in %s when last recorded\n", share(p.LastSeen.Share[p.Plan.To]), p.Plan.To)
	if text := reaction(r); text != "" {
		wrapped(w, planIndent, "REACTION", text)
	}
	reportTurns(w, r)
	reportPeople(w, r)
	for i, b := range p.Broken {
		fmt.Fprintf(w, "%-11s %s by %s: %s\n", first(i, "BROKEN"), b.Rule, b.Who, b.Reason)
	}
	left := 0
	for _, o := range p.SortedObjects() {
		if o.Foreign != nil {
			fmt.Fprintf(w, "%-11s %s now %q, ours was %q\n", first(left, "LEFT ALONE"), o.ID, o.Foreign.Found, o.Want)
			left++
		}
	}
	if n := p.OpenCount(); n > 0 {
		fmt.Fprintf(w, "OPEN        %d writes without an outcome\n", n)
	}
	fmt.Fprintf(w, "EVIDENCE    journal %s, %d records, chain intact · plan %s\n\n", r.dir, p.Seq, p.Hash[:8])
	l := newLines(w, r.name)
	l.date = ended.YearDay() != begun.YearDay()
	l.plan = p.Plan
	for i := range r.records {
		l.record(&r.records[i])
	}
}

// reaction is how soon the last way back followed on its limit. The moments of one process are told by its own clock. Across a
// takeover no clock goes on, and only the records' wall time can be told.
func reaction(r *runState) string {
	if t := &r.progress.Crossed; t.Crossed > 0 && t.Decided > 0 {
		return timing(t)
	}
	turn := turnTakenOver(r)
	if turn < 0 {
		return ""
	}
	text := timing(r.records[turn].Phase.Timing) + "; then another process took over, so that the rest is by the wall clocks of both: decided"
	decided := wallOf(&r.records[turn])
	written := false
	for i := turn + 1; i < len(r.records); i++ {
		rec := &r.records[i]
		switch {
		case rec.Intent != nil && rec.Intent.Purpose != cutover.Forward && !written:
			text, written = text+" → first write +"+wallOf(rec).Sub(decided).String(), true
		case rec.Phase != nil && (rec.Phase.Phase == cutover.PhaseOver || rec.Phase.Phase == cutover.PhaseResting):
			return text + " → " + string(rec.Phase.Phase) + " +" + short(cutover.T(wallOf(rec).Sub(decided)))
		}
	}
	return text + " → not at its end yet"
}

// turnTakenOver is the record of the last way back that a limit led to, if another process took the run over since; else -1.
func turnTakenOver(r *runState) int {
	turn, took := -1, false
	for i := range r.records {
		if m := r.records[i].Phase; m != nil && m.Phase == cutover.PhaseBack && m.Timing != nil && m.Timing.Crossed > 0 {
			turn, took = i, false
		}
		took = took || r.records[i].Run != nil
	}
	if !took {
		return -1
	}
	return turn
}

// wallOf is when a record was written, by its process's wall clock.
func wallOf(r *cutover.Record) time.Time {
	at, err := time.Parse(time.RFC3339Nano, r.Wall)
	if err != nil {
		return time.Time{} // of a journal that another program wrote
	}
	return at
}

func plans(n int) string {
	if n == 1 {
		return "1 plan"
	}
	return fmt.Sprintf("%d plans", n)
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

// reportPeople lists who said what.
func reportPeople(w io.Writer, r *runState) {
	n := 0
	for i := range r.records {
		m := r.records[i].Command
		if m == nil || m.Verb == "status" {
			continue
		}
		at, _ := time.Parse(time.RFC3339Nano, r.records[i].Wall)
		reason := ""
		if v := m.Args["reason"]; v != "" {
			reason = ": " + v
		}
		fmt.Fprintf(w, "%-11s %s %s by %s%s\n", first(n, "PEOPLE"), at.Format("15:04:05"), m.Verb, m.Who, reason)
		n++
	}
}
