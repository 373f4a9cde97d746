package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// plan says what a run would do, and changes nothing.
func plan(c *cli.Context, io stdio) error {
	book, err := oneArg(c, "runbook", true)
	if err != nil {
		return err
	}
	r, p, s, err := planReal(c.Context, io, book, c.String("rooms"), c.String("until"), "", c.Bool("json"))
	if err != nil {
		return err
	}
	defer r.Close()
	if out := c.String("out"); out != "" {
		if err := savePlan(out, p, r.l.BookFile, r.l.RoomsFile); err != nil {
			return err
		}
	}
	flown := r.preflown(c.Context, movedTo(r.l.Book))
	switch {
	case c.Bool("json"):
		printJSON(io, map[string]any{"hash": p.Hash(), "plan": p, "estimates": p.Estimates, "preflight": flown})
	case c.Bool("writes"):
		planAllWrites(io.out, p)
	default:
		planScreen(sheetOf(io.out), p, r.world.Planes, r.lags(c.Context), nearestMiss(p), s.Pairs)
		planPreflight(sheetOf(io.out), p, flown)
	}
	return refusePreflight(flown)
}

// planReal loads the files, builds the rooms, and plans over what they hold.
func planReal(ctx context.Context, io stdio, book, rooms, until, continues string, asJSON bool) (*realRooms, *cutover.Plan, *cutover.Snapshot, error) {
	l, err := load(io, book, rooms, asJSON)
	if err != nil {
		return nil, nil, nil, err
	}
	if ps := append(runbooks.NotYet(l.Book), runbooks.NotYetReal(l.Rooms, l.Book)...); len(ps) > 0 {
		showProblems(io, l, ps, asJSON)
		return nil, nil, nil, problemsError(len(ps))
	}
	r, err := wire(l, newClock(), nil)
	if err != nil {
		return nil, nil, nil, err
	}
	p, s, problems, err := r.makePlan(ctx, until, continues)
	if err == nil && len(problems) > 0 {
		showProblems(io, l, problems, asJSON)
		err = problemsError(len(problems))
	}
	if err != nil {
		r.Close()
		return nil, nil, nil, err
	}
	return r, p, s, nil
}

// confirm asks for the room and its final share to be typed, or compares --yes with the plan's hash. A lab is asked nothing.
func confirm(io stdio, p *cutover.Plan, yes string, dry bool) error {
	hash := p.Hash()
	switch {
	case yes != "" && len(yes) < 8:
		return usage("--yes takes 8 or more digits of the plan's hash, and got %q", yes)
	case yes != "" && !strings.HasPrefix(hash, yes):
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("the plan is %s now, and --yes says %s: %w; look at it and say yes to what it is", hash[:8], yes, cutover.ErrPlanStale)}
	case yes != "" || dry || p.Environment == "lab":
		return nil
	}
	want := finalShare(p)
	if f, ok := io.in.(*os.File); !ok || !isTerminal(f) {
		return usage("%s is no lab: run it on a terminal, where %q is asked to be typed, or say --yes %s", p.Environment, want, hash[:8])
	}
	fmt.Fprintf(io.err, "\ntype the room and its final share to begin (%s): ", want)
	line, err := bufio.NewReader(io.in).ReadString('\n')
	if err != nil || strings.Join(strings.Fields(line), " ") != want {
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("%q was to be typed, and it was %q: nothing was begun", want, strings.TrimSpace(line))}
	}
	return nil
}

// finalShare is "cloud 60%": what the last rung brings to the room that gains.
func finalShare(p *cutover.Plan) string {
	bp := -1
	if p.Estimates != nil && len(p.Estimates.Rungs) > 0 {
		bp = p.Estimates.Rungs[len(p.Estimates.Rungs)-1].Share[p.To]
	}
	if bp < 0 {
		bp = 0
	}
	return p.To + " " + strings.ReplaceAll(runbooks.FormatPercent(runbooks.Percent(bp)), " ", "")
}
