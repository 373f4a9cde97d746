package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"roomshift/cutover"
)

// planPreflight says what stands in the way of each move of a write role now, and how it is ended or broken by its name.
func planPreflight(w io.Writer, p *cutover.Plan, found map[string][]cutover.Finding) {
	if len(found) == 0 {
		return
	}
	fmt.Fprintln(w)
	for i, pair := range sortedNames(found) {
		checks, bad := map[string]bool{}, map[string]bool{}
		for _, f := range found[pair] {
			checks[f.Check] = true
			if !f.OK {
				bad[f.Check] = true
			}
		}
		wrapped(w, planIndent, first(i, "PREFLIGHT"), fmt.Sprintf("%s: %d of %d checks before its writer moves are well", pair, len(checks)-len(bad), len(checks)))
		for _, f := range found[pair] {
			if !f.OK {
				wrapped(w, planIndent, "", preflightLine(p, pair, f))
			}
		}
	}
}

// preflightLine is one finding that isn't OK, and what it means for the run.
func preflightLine(p *cutover.Plan, pair string, f cutover.Finding) string {
	mark, means := "!", ""
	switch {
	case !f.Stands():
	case f.RuleOf(pair) != "" && movesOnce(p):
		mark, means = "■", fmt.Sprintf(" · the move isn't begun, unless rooms.yaml has breaks: {%s: WHY} at %s", strings.TrimPrefix(f.Rule, "writer."), pair)
	case f.RuleOf(pair) != "":
		mark, means = "■", fmt.Sprintf(" · the step asks then: accept %q --reason … breaks %s", moveStepOf(p, pair), f.RuleOf(pair))
	case f.Passing:
		mark, means = "■", " · the step waits for it"
	default:
		mark, means = "■", " · the run is refused"
	}
	text := fmt.Sprintf("%s %s · wanted: %s · do: %s%s", mark, findingPlace(f)+" · "+f.Seen, f.Wanted, f.Do, means)
	if len(f.Grant) > 0 {
		text += " · " + strings.Join(statements(f.Grant), " ")
	}
	return text
}

func findingPlace(f cutover.Finding) string {
	if f.Room == "" {
		return f.Check
	}
	return f.Check + " in " + f.Room
}

// movesOnce: nobody is asked in this run.
func movesOnce(p *cutover.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(st cutover.StepPlan) bool { return st.Writer != nil && st.Writer.Once })
}

// moveStepOf is the name of the first step that moves a pair, or checks that it could.
func moveStepOf(p *cutover.Plan, pair string) string {
	for i := range p.Steps {
		st := &p.Steps[i]
		if w := st.Writer; w != nil && slices.Contains(w.Pairs, pair) {
			return st.Name
		}
	}
	return "STEP"
}

// refusePreflight: what no person can break, and time doesn't end.
func refusePreflight(found map[string][]cutover.Finding) error {
	var errs []error
	for _, pair := range sortedNames(found) {
		for _, f := range found[pair] {
			if f.Stands() && f.RuleOf(pair) == "" && !f.Passing {
				errs = append(errs, fmt.Errorf("the writer of %s can't move: %s", pair, f))
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &exitError{code: cutover.ExitNothing, err: errors.Join(errs...)}
}
