package main

import (
	"os"
	"path/filepath"
	"strings"
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
	switch {
	case name == "":
		r, err = lastRun()
	case strings.ContainsRune(name, filepath.Separator): // a dry run's folder, or one that was copied from elsewhere
		r, err = runIn(name)
	default:
		r, err = findRun(name)
	}
	if err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	t := tellStory(r.records)
	if c.Bool("json") {
		printJSON(io, map[string]any{"run": r.name, "phase": r.progress.Phase, "exit": r.progress.Exit, "causes": r.progress.Causes,
			"timing": r.progress.Crossed, "records": len(r.records), "noWriter": r.progress.NoWriter, "journal": r.dir, "story": t, "openEnds": openEnds(r)})
		return nil
	}
	reportPage(sheetOf(io.out), r, t)
	reportEvents(io.out, r)
	return nil
}

// runIn reads the journal of a folder.
func runIn(dir string) (*runState, error) {
	if _, err := os.Stat(filepath.Join(dir, "journal.jsonl")); err != nil {
		return nil, usage("%s is no run's folder: %w", dir, err)
	}
	return readRun(filepath.Clean(dir)), nil
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
