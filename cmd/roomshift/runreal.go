package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/cutover/journal"
	"roomshift/runbooks"
)

// journalReserve is kept free beside a journal, so that going back can be written on a full disk.
const journalReserve = 4 << 20

// sources says where a run's files are, for whoever takes it over on this machine.
type sources struct {
	Book   string `json:"book"`
	Rooms  string `json:"rooms"`
	Reason string `json:"reason,omitempty"`
}

// session is one process's part in a run.
type session struct {
	io     stdio
	rooms  *realRooms
	dir    string
	start  cutover.Start
	file   *journal.File
	json   bool
	dry    bool
	reason string        // why a person began it
	was    *cutover.Plan // what the journal says that the run does, for a run that is taken up again
	dark   map[string]cutover.Darkness
}

// runRunbook plans, asks, and runs.
func runRunbook(c *cli.Context, io stdio) error {
	arg, err := oneArg(c, "runbook or plan", true)
	if err != nil {
		return err
	}
	saved, plan, err := openPlan(arg)
	if err != nil {
		return err
	}
	book, rooms, until := arg, c.String("rooms"), c.String("until")
	if saved != nil {
		book, rooms, until = saved.Book, saved.Rooms, plan.Until
	}
	r, p, s, err := planReal(c.Context, io, book, rooms, until, "", c.Bool("json"))
	if err != nil {
		return err
	}
	defer r.Close()
	if saved != nil {
		if err := stillHolds(plan, p, s); err != nil {
			return err
		}
	}
	flown := r.preflown(c.Context, movedTo(r.l.Book))
	if !c.Bool("json") {
		planScreen(sheetOf(io.err), p, r.world.Planes, r.lags(c.Context), nearestMiss(p), s.Pairs)
		planPreflight(sheetOf(io.err), p, flown)
	}
	if err := errors.Join(refuseNotes(p), r.ready(c.Context)); err != nil {
		return err
	}
	if err := refusePreflight(flown); err != nil {
		return err
	}
	yes := c.String("yes")
	if saved != nil && yes == "" {
		yes = p.Hash() // who passes a plan has read it
	}
	if err := confirm(io, p, yes, c.Bool("dry-run")); err != nil {
		return err
	}
	ses := &session{io: io, rooms: r, json: c.Bool("json"), dry: c.Bool("dry-run")}
	ses.start = cutover.Start{Plan: p, Why: "start", Rates: s.Rates}
	if err := ses.create(p, r.l); err != nil {
		return err
	}
	if ses.dry {
		fmt.Fprintf(io.err, "dry run %s: nothing is written, and it is no run for other terminals; its journal is %s\n", ses.start.Run, ses.file.Path())
	}
	return ses.run(c.Context)
}

// refuseNotes: what the plan found that can't work.
func refuseNotes(p *cutover.Plan) error {
	if p.Estimates == nil {
		return nil
	}
	var errs []error
	for _, n := range p.Estimates.Notes {
		if n.Bad {
			errs = append(errs, errors.New(n.Text))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return usage("the plan can't work: %w", errors.Join(errs...))
}

// create makes the run's folder and journal.
func (s *session) create(p *cutover.Plan, l *runbooks.Loaded) error {
	base, err := stateDir()
	if err != nil {
		return err
	}
	env := filepath.Join(base, p.Environment)
	loc, err := time.LoadLocation(p.Timezone)
	if err != nil {
		loc = time.Local
	}
	if s.start.Run, err = newRunName(env, time.Now().In(loc)); err != nil {
		return err
	}
	if s.dry { // what a dry run remembers is nobody's to take over
		tmp, err := os.MkdirTemp("", "roomshift-dry-")
		if err != nil {
			return err
		}
		env = tmp
	}
	s.dir = filepath.Join(env, s.start.Run)
	if s.file, err = journal.Create(s.dir, journalReserve); err != nil {
		return err
	}
	b, err := json.Marshal(sources{absolute(l.BookFile), absolute(l.RoomsFile), s.reason})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "files.json"), b, 0o600)
}

// open opens the journal of a run whose process is gone.
func (s *session) open(r *runState) error {
	var err error
	s.dir, s.start.Run, s.was, s.dark = r.dir, r.name, r.progress.Plan, r.progress.Dark
	s.file, err = journal.Open(r.dir)
	return err
}

// run runs the engine, with this process's terminal and socket, until it ends.
func (s *session) run(ctx context.Context) error {
	defer s.file.Close()
	who, host := whoami()
	s.start.Version, s.start.Host, s.start.User, s.start.PID = version, host, who, os.Getpid()
	ops, err := listen(socketPath(s.dir), s.rooms.clock.Command)
	if err != nil {
		return err
	}
	s.rooms.goBy(cmp.Or(s.start.Plan, s.was))
	w := s.rooms.world
	var dry *cutover.Dry
	if s.dry {
		w, dry = cutover.DryRun(w)
	}
	w.Journal, w.Operators = s.file, ops
	show := newShow(s.io, s.start.Run, s.json)
	show.lines.plan = s.was
	show.lines.moves.goOn(s.dark)
	w.Show = show
	note := func(text string) { show.Event(cutover.Shown{Note: text}) }
	s.rooms.onNote(note)
	live, stop := context.WithCancel(ctx)
	watched, answers := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(answers)
		s.rooms.tellAnswers(live, note)
	}()
	go func() {
		defer close(watched)
		attend(live, s.io, ops, show)
	}()
	res, err := cutover.Run(ctx, w, s.start)
	stop()
	<-watched
	<-answers
	if err != nil {
		return fmt.Errorf("run %s stands as its journal says (%s): %w", s.start.Run, s.dir, err)
	}
	return s.ended(res, show, dry)
}

func (s *session) ended(res *cutover.Result, show *show, dry *cutover.Dry) error {
	if res.Why != "" {
		if res.Progress.Seq == 0 { // it is no run: nothing was begun, and no command should mean it
			_ = s.file.Close()
			_ = os.RemoveAll(s.dir)
		}
		return &exitError{code: res.Exit, err: errors.New(res.Why)}
	}
	if s.json {
		out := map[string]any{"run": s.start.Run, "exit": res.Exit, "means": exitMeans[res.Exit], "causes": res.Progress.Causes, "timing": res.Timing, "journal": s.file.Path()}
		if at := movedIn(res.Progress); len(at) > 0 {
			out["writers"] = at
		}
		if dry != nil {
			out["dry"] = map[string]any{"holds": show.holds, "held": show.held, "backs": show.backs, "unjudged": dry.Unjudged()}
		}
		printJSON(s.io, out)
		return said(res.Exit)
	}
	if dry != nil {
		drySummary(s.io.out, show, dry.Unjudged())
		fmt.Fprintf(s.io.out, "         its journal, which no command takes for a run: %s\n         roomshift report %s\n", s.file.Path(), s.dir)
	}
	fmt.Fprintf(s.io.out, "run %s: ", s.start.Run)
	return endWith(s.io.out, res.Exit)
}

// takeover goes on with a run whose process died.
func takeover(c *cli.Context, io stdio) error {
	r, rooms, err := deadRun(c, io)
	if err != nil {
		return err
	}
	if rooms == nil {
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s has a living process: there is nothing to take over", r.name)}
	}
	defer rooms.Close()
	return resume(c.Context, io, r, rooms, cutover.Start{Why: "takeover"}, c.Bool("json"))
}

// back goes back: the living process does it, or this one for a dead or resting run.
func back(c *cli.Context, io stdio) error {
	to := c.String("to")
	if to != "rung" && to != "checkpoint" && to != "start" {
		return usage("--to is rung, checkpoint or start, and it was %q", to)
	}
	r, rooms, err := deadRun(c, io)
	if err != nil {
		return err
	}
	args := map[string]string{"to": to}
	for _, o := range c.StringSlice("overwrite") {
		args["overwrite"] += o + " "
	}
	if rooms == nil {
		return tell(c, io, r, cutover.Command{Verb: "back", Args: args})
	}
	defer rooms.Close()
	return resume(c.Context, io, r, rooms, cutover.Start{Why: "back", BackTo: to, Overwrite: c.StringSlice("overwrite")}, c.Bool("json"))
}

// closeRun ends a run where it stands: the living process does it, or this one.
func closeRun(c *cli.Context, io stdio) error {
	r, rooms, err := deadRun(c, io)
	if err != nil {
		return err
	}
	if rooms == nil {
		return tell(c, io, r, cutover.Command{Verb: "close"})
	}
	defer rooms.Close()
	return resume(c.Context, io, r, rooms, cutover.Start{Why: "close"}, c.Bool("json"))
}

func resume(ctx context.Context, io stdio, r *runState, rooms *realRooms, start cutover.Start, asJSON bool) error {
	s := &session{io: io, rooms: rooms, start: start, json: asJSON}
	if err := s.open(r); err != nil {
		return err
	}
	return s.run(ctx)
}

// continueRun plans the rest from where a run rests, and runs it.
func continueRun(c *cli.Context, io stdio) error {
	r, rooms, err := restingRun(c, io)
	if err != nil {
		return err
	}
	defer rooms.Close()
	p, snap, problems, err := rooms.makePlan(c.Context, c.String("until"), r.progress.LastTarget)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		showProblems(io, rooms.l, problems, c.Bool("json"))
		return problemsError(len(problems))
	}
	if len(p.Steps) == 0 {
		return &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s: nothing is left to do after %q: roomshift close %s ends it, roomshift back %s goes back", r.name, r.progress.LastTarget, r.name, r.name)}
	}
	for _, d := range r.progress.Membership(p) {
		fmt.Fprintf(io.err, "since it rested, at %s\n", d)
	}
	adopted, err := drifted(c, r.progress, p)
	if err != nil {
		return err
	}
	planScreen(sheetOf(io.err), p, rooms.world.Planes, rooms.lags(c.Context), nearestMiss(p), snap.Pairs)
	if err := errors.Join(refuseNotes(p), rooms.ready(c.Context)); err != nil {
		return err
	}
	if err := confirm(io, p, c.String("yes"), false); err != nil {
		return err
	}
	return resume(c.Context, io, r, rooms, cutover.Start{Plan: p, Why: "continue", Adopted: adopted, Rates: snap.Rates}, c.Bool("json"))
}

// drifted is what others wrote while the run rested: a person who gives a reason adopts it.
func drifted(c *cli.Context, p *cutover.Progress, plan *cutover.Plan) ([]cutover.AdoptedMark, error) {
	who, host := whoami()
	out := p.Drifted(plan)
	text := ""
	for i := range out {
		a := &out[i]
		id := cutover.ObjectID{Plane: a.Plane, Object: a.Object}
		text += fmt.Sprintf("\n  %s was %q, is %q", id, p.Objects[id].Last, a.Value)
		a.Who, a.Why = who+"@"+host, c.String("reason")
	}
	if len(out) > 0 && c.String("reason") == "" {
		return nil, &exitError{code: cutover.ExitDrift, err: fmt.Errorf("while the run rested others wrote:%s\ngo on over what is there with --reason …, or go back", text)}
	}
	return out, nil
}
