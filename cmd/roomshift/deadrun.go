package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// A run whose process is gone is gone on with by its journal, which carries its plan. The runbook isn't asked, for it may be lost
// or say something else by now. What no journal says is how the rooms are reached: addresses and queries stand in rooms.yaml.

// findDead finds the run that a person means. Alive: a process of it answers, and is to be told instead.
func findDead(c *cli.Context) (*runState, error) {
	name, err := oneArg(c, "run", false)
	if err != nil {
		return nil, err
	}
	r, err := findRun(name)
	if err != nil {
		return nil, err
	}
	switch {
	case r.err != nil:
		return nil, r.err
	case !r.alive && r.progress.Plan == nil:
		return nil, &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s: %s: start a new run", r.name, standing(r))}
	}
	return r, nil
}

// deadRun finds a run without a process, and builds its rooms by its plan and rooms.yaml; no rooms when it is alive.
func deadRun(c *cli.Context, io stdio) (*runState, *realRooms, error) {
	r, err := findDead(c)
	if err != nil || r.alive {
		return r, nil, err
	}
	rooms, err := roomsOf(c, io, r)
	return r, rooms, err
}

// roomsOf builds the rooms of a dead run by its plan and rooms.yaml.
func roomsOf(c *cli.Context, io stdio, r *runState) (*realRooms, error) {
	src, err := sourcesOf(c, r)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(src.Rooms)
	if err != nil {
		return nil, usage("run %s: how its rooms are reached stands in rooms.yaml: %w; name the file with --rooms FILE", r.name, err)
	}
	l := &runbooks.Loaded{RoomsFile: src.Rooms, RoomsSrc: text, BookFile: src.Book}
	l.Rooms, l.Problems = runbooks.LoadRooms(src.Rooms, text)
	if len(l.Problems) > 0 {
		showProblems(io, l, l.Problems, c.Bool("json"))
		return nil, problemsError(len(l.Problems))
	}
	plan := r.progress.Plan
	l.Book = &runbooks.Runbook{Name: plan.Runbook, From: plan.From, To: plan.To, Gates: l.Rooms.Gates}
	rooms, err := wire(l, newClock(), plan)
	if err != nil {
		return nil, err
	}
	if err := reachesAll(rooms, plan, src.Rooms); err != nil {
		rooms.Close()
		return nil, err
	}
	return rooms, nil
}

// sourcesOf is where a run's files are: noted beside its journal, unless the journal came from elsewhere.
func sourcesOf(c *cli.Context, r *runState) (sources, error) {
	var src sources
	b, err := os.ReadFile(filepath.Join(r.dir, "files.json"))
	if err == nil {
		err = json.Unmarshal(b, &src)
	}
	if v := c.String("rooms"); v != "" {
		src.Rooms = v
		return src, nil
	}
	if err == nil && src.Rooms != "" {
		return src, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return src, fmt.Errorf("run %s: %w", r.name, err)
	}
	return src, usage("run %s wasn't started on this machine, so that where its rooms.yaml is isn't known: name it with --rooms FILE", r.name)
}

// reachesAll refuses a rooms.yaml that doesn't have what the run's plan is about: another file would lead to other rooms.
func reachesAll(r *realRooms, p *cutover.Plan, file string) error {
	if r.l.Rooms.Environment != p.Environment {
		return usage("%s is %s, and the run's plan is for %s: name the run's own file with --rooms FILE", file, r.l.Rooms.Environment, p.Environment)
	}
	has := map[cutover.Seat]bool{}
	for _, pl := range r.world.Planes {
		for _, seat := range pl.Seats {
			has[seat] = true
		}
	}
	for i := range p.Routes {
		for _, seat := range p.Routes[i].Seats {
			if !has[seat] {
				return usage("%s doesn't have %s, which the run's plan does: name the run's own file with --rooms FILE", file, seat)
			}
		}
	}
	for i := range p.Pairs {
		if r.rings[p.Pairs[i].Name] == nil {
			return usage("%s has no pair %q, which the run's plan does: name the run's own file with --rooms FILE", file, p.Pairs[i].Name)
		}
	}
	for i := range p.Gates {
		if gateNamed(r.l.Rooms, p.Gates[i].Name) == nil {
			return usage("%s has no gate %q, which the run's plan does: name the run's own file with --rooms FILE", file, p.Gates[i].Name)
		}
	}
	return nil
}

func gateNamed(rooms *runbooks.Rooms, name string) *runbooks.Gate {
	for i := range rooms.Gates {
		if rooms.Gates[i].Name == name {
			return &rooms.Gates[i]
		}
	}
	return nil
}

// restingRun finds a run that rests, and builds its rooms by its runbook: what follows is planned afresh.
func restingRun(c *cli.Context, io stdio) (*runState, *realRooms, error) {
	r, err := findDead(c)
	switch {
	case err != nil:
		return nil, nil, err
	case r.alive:
		return nil, nil, &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s has a living process: close its guard first (roomshift close %s ends it), or say resume", r.name, r.name)}
	case r.progress.Phase != cutover.PhaseResting:
		return nil, nil, &exitError{code: cutover.ExitNothing, err: fmt.Errorf("run %s doesn't rest: %s%s", r.name, standing(r), whatNow(r))}
	}
	src, err := sourcesOf(c, r)
	if err != nil {
		return nil, nil, err
	}
	if v := c.String("runbook"); v != "" {
		src.Book = v
	}
	if src.Book == "" {
		return nil, nil, usage("run %s: what follows is planned by its runbook, and where that is isn't known on this machine: name it with --runbook FILE", r.name)
	}
	l, err := load(io, src.Book, src.Rooms, c.Bool("json"))
	if err != nil {
		return nil, nil, err
	}
	if l.Book.Name != r.progress.Plan.Runbook {
		return nil, nil, usage("%s is the runbook %q, and run %s is of %q: name its own with --runbook FILE", src.Book, l.Book.Name, r.name, r.progress.Plan.Runbook)
	}
	rooms, err := wire(l, newClock(), nil)
	return r, rooms, err
}
