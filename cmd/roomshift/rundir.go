package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/journal"
)

// Journals stand in $XDG_STATE_HOME/roomshift/ENVIRONMENT/RUN/.

func stateDir() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("where to keep journals: set XDG_STATE_HOME: %w", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "roomshift"), nil
}

// newRunName is MMDD-xx of now, with two letters or digits that no run of the environment has.
func newRunName(dir string, now time.Time) (string, error) {
	const letters = "abcdefghjkmnpqrstuvwxyz23456789"
	for range 1000 {
		b := make([]byte, 2)
		if _, err := rand.Read(b); err != nil {
			return "", err
		}
		name := now.Format("0102") + "-" + string(letters[int(b[0])%len(letters)]) + string(letters[int(b[1])%len(letters)])
		if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, os.ErrNotExist) {
			return name, nil
		}
	}
	return "", fmt.Errorf("no name is free for a run of %s in %s: move old runs away", now.Format("0102"), dir)
}

// runState is a run as its journal says.
type runState struct {
	name, dir string
	progress  *cutover.Progress
	records   []cutover.Record
	torn      string
	err       error // its journal can't be read
	alive     bool  // a process answers on its socket
}

// over: nothing can follow but going back.
func (r *runState) over() bool { return r.progress != nil && r.progress.Phase == cutover.PhaseOver }

// neverBegan: its process is gone and its journal has no whole plan, so that nothing was written and nothing can follow.
func (r *runState) neverBegan() bool { return r.err == nil && !r.alive && r.progress.Plan == nil }

// runs lists every run of every environment, oldest first.
func runs() ([]*runState, error) {
	base, err := stateDir()
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob(filepath.Join(base, "*", "*", "journal.jsonl"))
	if err != nil {
		return nil, err
	}
	sort.Strings(dirs)
	var out []*runState
	for _, d := range dirs {
		out = append(out, readRun(filepath.Dir(d)))
	}
	return out, nil
}

func readRun(dir string) *runState {
	r := &runState{name: filepath.Base(dir), dir: dir}
	r.records, r.torn, r.err = journal.ReadOnly(dir)
	if r.err == nil {
		r.progress, r.err = cutover.Fold(r.records)
	}
	_, err := command(socketPath(dir), cutover.Command{Verb: "status"}, 2*time.Second)
	r.alive = !errors.Is(err, errNoRun)
	return r
}

// findRun finds the run that a person means: by name, else the only one that isn't over.
func findRun(name string) (*runState, error) {
	all, err := runs()
	if err != nil {
		return nil, err
	}
	found := only(all, func(r *runState) bool {
		return name != "" && r.name == name || name == "" && !r.over() && !r.neverBegan()
	})
	if name == "" && len(found) > 1 { // of several that aren't over, the ones that live are meant
		if alive := only(found, func(r *runState) bool { return r.alive }); len(alive) > 0 {
			found = alive
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && name != "":
		return nil, usage("no run is called %s: there are %s%s", name, names(all), journalsStand())
	case len(found) == 0:
		return nil, usage("no run is under way or at rest: %s", overNames(all))
	}
	return nil, usage("several runs are meant: name one of %s", names(found))
}

func only(rs []*runState, is func(*runState) bool) []*runState {
	var found []*runState
	for _, r := range rs {
		if is(r) {
			found = append(found, r)
		}
	}
	return found
}

// journalsStand tells where another machine's journal would be looked for.
func journalsStand() string {
	base, err := stateDir()
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (in %s; the folder of another machine's run, copied to %s, can be taken over here)", base, filepath.Join(base, "ENVIRONMENT", "RUN"))
}

func overNames(rs []*runState) string {
	if len(rs) == 0 {
		return "there is none"
	}
	return "what there is is over: " + names(rs)
}

func names(rs []*runState) string {
	if len(rs) == 0 {
		return "none"
	}
	var ns []string
	for _, r := range rs {
		ns = append(ns, r.name)
	}
	return strings.Join(ns, ", ")
}
