package cutovers

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"time"

	"roomshift/cutover"
)

// records is the journal of the scene's only run, as far as it is written.
func (s *scene) records() []cutover.Record {
	s.t.Helper()
	b, err := os.ReadFile(s.journals()[0])
	if err != nil {
		s.t.Fatal(err)
	}
	whole := bytes.LastIndexByte(b, '\n') + 1 // the tail is being written
	var rs []cutover.Record
	for line := range bytes.Lines(b[:whole]) {
		var r cutover.Record
		if err := json.Unmarshal(line, &r); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		rs = append(rs, r)
	}
	return rs
}

// find is where the first record is for which ok holds, from a place on; -1: there is none.
func find(rs []cutover.Record, from int, ok func(*cutover.Record) bool) int {
	for i := from; i < len(rs); i++ {
		if ok(&rs[i]) {
			return i
		}
	}
	return -1
}

func commands(verb string) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool { return r.Command != nil && r.Command.Verb == verb }
}

func turns(to cutover.Phase) func(*cutover.Record) bool {
	return func(r *cutover.Record) bool { return r.Phase != nil && r.Phase.Phase == to }
}

// undoes: a request that takes something back may be sent from now on.
func undoes(r *cutover.Record) bool {
	return r.Intent != nil && (r.Intent.Purpose == cutover.Undo || r.Intent.Purpose == cutover.Pace)
}

// awaitRecord waits until there is a record for which ok holds, after the first one for which after does. It returns the journal and
// where both are.
func (s *scene) awaitRecord(what string, after, ok func(*cutover.Record) bool) (rs []cutover.Record, first, then int) {
	s.t.Helper()
	s.eventually(what, func() bool {
		rs = s.records()
		if first = find(rs, 0, after); first >= 0 {
			then = find(rs, first, ok)
		}
		return first >= 0 && then >= 0
	})
	return rs, first, then
}

// atOnce is how long a person who is obeyed at once may wait: far more than a turn of the engine and a record take on a busy machine,
// and far less than anything hangs here (a request is given up after 5 s).
const atOnce = 2 * time.Second

// obeyed fails unless a person's command led to what ok says at once. It returns the journal and where the command is.
func (s *scene) obeyed(verb string, ok func(*cutover.Record) bool) (rs []cutover.Record, command int) {
	s.t.Helper()
	rs, command, then := s.awaitRecord(verb+" is obeyed", commands(verb), ok)
	took := (rs[then].At - rs[command].At).Duration()
	if took >= atOnce {
		s.t.Errorf("%s was obeyed %v after its record", verb, took)
	}
	s.t.Logf("%s was obeyed %v after its record", verb, took)
	return rs, command
}

// open are the requests that had an intent and no outcome yet before a place in the journal.
func open(rs []cutover.Record, place int) []cutover.Intent {
	var all []cutover.Intent
	for i := range rs[:place] {
		r, ended := &rs[i], 0
		switch {
		case r.Intent != nil:
			all = append(all, *r.Intent)
		case r.Done != nil:
			ended = r.Done.Request
		case r.Failed != nil:
			ended = r.Failed.Request
		case r.Unknown != nil:
			ended = r.Unknown.Request
		case r.Foreign != nil:
			ended = r.Foreign.Request
		}
		if ended != 0 {
			all = slices.DeleteFunc(all, func(in cutover.Intent) bool { return in.Request == ended })
		}
	}
	return all
}

func anything(*cutover.Record) bool { return true }
