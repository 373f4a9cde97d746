package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// TestPlanPreflight: a plan says what stands in the way of a move, what each finding means, and refuses what nobody can break.
func TestPlanPreflight(t *testing.T) {
	p := &cutover.Plan{Steps: []cutover.StepPlan{{Name: "writes", Kind: runbooks.StepWriter, Writer: &cutover.WriterPlan{To: "cloud", Pairs: []string{"db"}}}}}
	durable := cutover.Finding{Check: "log", Room: "home", Seen: "sync_binlog=0", Wanted: "1", Do: "SET GLOBAL sync_binlog=1", Severity: cutover.Breaks, Rule: "writer.durable"}
	busy := cutover.Finding{Check: "running", Room: "home", Seen: "an ALTER", Wanted: "none", Do: "wait", Severity: cutover.Refuses, Passing: true}
	third := cutover.Finding{Check: "topology", Room: "cloud", Seen: "a third master", Wanted: "two", Do: "end its channel", Severity: cutover.Refuses}
	old := cutover.Finding{Check: "rehearsal", Seen: "never compared", Wanted: "equal", Do: "roomshift verify db", Severity: cutover.Warns}
	found := map[string][]cutover.Finding{"db": {{Check: "identity", OK: true}, durable, busy, old}}
	var out bytes.Buffer
	planPreflight(&out, p, found)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"PREFLIGHT db: 1 of 4 checks", "■ log in home · sync_binlog=0 · wanted: 1 · do: SET GLOBAL sync_binlog=1 · the step asks then: accept \"writes\" --reason … breaks writer.durable@db",
		"■ running in home · an ALTER · wanted: none · do: wait · the step waits for it", "! rehearsal · never compared · wanted: equal · do: roomshift verify db"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nlacks %q", text, want)
		}
	}
	if err := refusePreflight(found); err != nil {
		t.Errorf("refused: %v", err)
	}
	found["db"] = append(found["db"], third)
	if err := refusePreflight(found); err == nil || !strings.Contains(err.Error(), "the writer of db can't move: topology · cloud · a third master") || exitCode(err) != cutover.ExitNothing {
		t.Errorf("%v, want it refused with exit %d", err, cutover.ExitNothing)
	}
}

// TestLastMove: the last move of a pair, and how long nobody took writes in it, are in a journal's records.
func TestLastMove(t *testing.T) {
	at := func(s float64) string {
		return time.Date(2027, 1, 25, 12, 0, 0, int(s*1e9), time.UTC).Format("2006-01-02T15:04:05.000Z07:00")
	}
	verb := func(s float64, verb, state string) cutover.Record {
		m := &cutover.MoveMark{Pair: "db", Verb: verb, At: state}
		if verb == "open" && state == "done" {
			m.None = 250 * cutover.Millisecond
		}
		return cutover.Record{Wall: at(s), Move: m}
	}
	record := func(s float64, phase, room string) cutover.Record {
		return cutover.Record{Wall: at(s), Writer: &cutover.WriterMark{Pair: "db", Phase: phase, Writer: room}}
	}
	rs := []cutover.Record{record(1, "STABLE", "home"), verb(2, "fence", "begun"), verb(2.01, "fence", "done"), record(2.1, "COMMIT", "home"), verb(2.2, "open", "begun"), verb(2.25, "open", "done"),
		record(2.3, "STABLE", "cloud"), record(5, "STABLE", "cloud")}
	if when, took := lastMove(rs, "db"); took != 250*time.Millisecond || when.Second() != 2 {
		t.Errorf("at %v, %v", when, took)
	}
	given := []cutover.Record{record(1, "STABLE", "home"), verb(2, "fence", "begun"), verb(2.25, "open", "done"), record(2.3, "STABLE", "home")}
	if when, took := lastMove(given, "db"); took != 0 || !when.IsZero() {
		t.Errorf("given up: at %v, %v", when, took)
	}
	if _, took := lastMove(rs, "other"); took != 0 {
		t.Error(fmt.Sprint("another pair's: ", took))
	}
}
