package main

import (
	"cmp"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/journal"
)

// pastRuns is how many of a runbook's newest runs are looked through for what came nearest to a limit.
const pastRuns = 7

// missed is the reading of a rung that came nearest to its hold limit.
type missed struct {
	run, step string
	rung      int
	wall      string
	near      cutover.Cause
	part      float64 // of the limit: 1 is at it
}

// nearestMiss tells what came nearest to a limit of this plan in earlier runs of its runbook in its environment, by their journals on
// this machine; "" when there are none.
func nearestMiss(p *cutover.Plan) string {
	base, err := stateDir()
	if err != nil {
		return ""
	}
	all, err := filepath.Glob(filepath.Join(base, p.Environment, "*", "journal.jsonl"))
	if err != nil {
		return ""
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(changed(b).Compare(changed(a)), strings.Compare(b, a)) }) // newest first
	return missIn(p, func(yield func(string, []cutover.Record) bool) {
		for _, file := range all {
			dir := filepath.Dir(file)
			if rs, _, err := journal.ReadOnly(dir); err == nil && !yield(filepath.Base(dir), rs) {
				return
			}
		}
	})
}

// missIn looks through runs by name, the newest first.
func missIn(p *cutover.Plan, past iter.Seq2[string, []cutover.Record]) string {
	runs, worst := 0, missed{}
	for name, rs := range past {
		of, m := missOf(rs, p)
		if !of {
			continue
		}
		runs++
		if m.run = name; m.part > worst.part {
			worst = m
		}
		if runs == pastRuns {
			break
		}
	}
	if worst.part == 0 {
		return ""
	}
	which := "the last run"
	if runs > 1 {
		which = fmt.Sprintf("the last %d runs", runs)
	}
	return fmt.Sprintf("nearest to a limit in %s: %s %s of %s (%s, %q rung %d, %s)", which, strings.TrimSuffix(worst.near.Key(), "@"), worst.near.Seen,
		strings.TrimLeft(worst.near.Limit, "<> "), worst.run, worst.step, worst.rung+1, clockOf(worst.wall))
}

func changed(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// missOf is what came nearest in one run; false if it is of another runbook, or ended before a rung of it did.
func missOf(rs []cutover.Record, p *cutover.Plan) (bool, missed) {
	var worst missed
	var plan *cutover.Plan
	any := false
	for i := range rs {
		r := &rs[i]
		if r.Plan != nil || plan == nil {
			if pr, err := cutover.Fold(rs[:i+1]); err == nil && pr.Plan != nil {
				plan = pr.Plan
			}
		}
		if r.Step == nil || r.Step.Near == nil || plan == nil || plan.Runbook != p.Runbook {
			continue
		}
		any = true
		near := *r.Step.Near
		part := partOf(near.Seen, near.Limit)
		known := slices.ContainsFunc(p.Gates, func(g cutover.GatePlan) bool { return g.Name == near.Gate })
		if part <= worst.part || !known {
			continue
		}
		rung := r.Step.Rung
		if r.Step.State == cutover.StepWaiting { // the record is of the rung that comes next
			rung--
		}
		worst = missed{step: plan.Steps[r.Step.Step].Name, rung: rung, wall: r.Wall, near: near, part: part}
	}
	return any, worst
}

// partOf is how much of a limit a reading is, both as they are shown: 0.5 of "500 ms" and "> 1 s". 0: that can't be told.
func partOf(seen, limit string) float64 {
	sign, rest, _ := strings.Cut(limit, " ")
	s, okS := number(seen)
	l, okL := number(rest)
	switch {
	case !okS || !okL || s < 0 || l <= 0:
		return 0
	case sign == "<" && s == 0:
		return 1e9
	case sign == "<":
		return l / s
	}
	return s / l
}

// number is a value as it is shown, in seconds where it is a span.
func number(text string) (float64, bool) {
	text, _, _ = strings.Cut(text, " for ")
	fields := strings.Fields(strings.TrimSuffix(text, "/s"))
	if len(fields) == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(fields[0], 64)
	if len(fields) > 1 && fields[1] == "ms" {
		v /= 1000
	}
	return v, err == nil
}
