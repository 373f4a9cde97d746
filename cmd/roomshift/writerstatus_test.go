package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// standing is a pair as its tests begin: home is the writer, and all agree.
func standingPair() cutover.Peeked {
	r := writer.Record{V: writer.Version, Epoch: 6, Seq: 24, Phase: writer.Stable, Writer: "home", Servers: map[string]string{"home": "1", "cloud": "2"},
		Run: "0127-k3", By: "ops1@ops-3", At: time.Date(2027, 1, 26, 19, 36, 2, 0, time.UTC)}
	server := func(room, id string, ro bool) writer.Server {
		return writer.Server{Room: room, ID: id, ReadOnly: ro, SuperReadOnly: ro, Still: ro, Pos: "1-1-5", Beyond: writer.BeyondNone, Covers: writer.Yes,
			Receives: writer.Yes, Marker: writer.Marker{Epoch: 6, Writer: "home"}}
	}
	p := cutover.Peeked{Record: &r, Index: 4711, Keeper: "roomshift/writer/feed-db in consul of home"}
	p.Seen.Servers = [2]writer.Server{server("home", "1", false), server("cloud", "2", true)}
	return p
}

// TestWriterVerdicts: each way in which a pair can stand has its exit code, and a next step that says what is to be done.
func TestWriterVerdicts(t *testing.T) {
	away := func(p *cutover.Peeked, i int) {
		p.Seen.Servers[i] = writer.Server{Room: p.Seen.Servers[i].Room, Away: true}
		p.Masters[i].Err = errors.New("no route")
	}
	set := func(p *cutover.Peeked, i int, ro bool) {
		p.Seen.Servers[i].ReadOnly, p.Seen.Servers[i].SuperReadOnly, p.Seen.Servers[i].Still = ro, ro, ro
	}
	between := func(p *cutover.Peeked, phase writer.Phase) {
		p.Record.Phase, p.Record.To, p.Record.Epoch = phase, "cloud", 7
		if phase == writer.Commit {
			p.Record.Pos = "1-1-5"
		}
		set(p, 0, true)
	}
	for _, c := range []struct {
		name string
		is   func(p *cutover.Peeked)
		exit cutover.Exit
		says string // in the screen
	}{
		{"all agree", func(p *cutover.Peeked) {}, 0, "STABLE rw/ro: nothing; a move may begin"},
		{"no record", func(p *cutover.Peeked) { p.Record, p.Index = nil, 0 }, 0, "no record yet: the first move of feed-db creates it"},
		{"no record, no writer", func(p *cutover.Peeked) { p.Record = nil; set(p, 0, true) }, 4, "no record yet, and no writer"},
		{"no record, one is away", func(p *cutover.Peeked) { p.Record = nil; away(p, 1) }, 5, "not every server answers"},
		{"came up closed", func(p *cutover.Peeked) { set(p, 0, true) }, 4, "roomshift writer reopen feed-db"},
		{"came up closed, the other is away", func(p *cutover.Peeked) { set(p, 0, true); away(p, 1) }, 4, "no writer: home is it by the record"},
		{"moved by hand", func(p *cutover.Peeked) { set(p, 0, true); set(p, 1, false) }, 8, "cloud takes writes, and the record names home"},
		{"the other one writes and the writer is away", func(p *cutover.Peeked) { away(p, 0); set(p, 1, false) }, 8, "cloud takes writes"},
		{"two writers", func(p *cutover.Peeked) { set(p, 1, false) }, 8, "both servers take writes"},
		{"two writers, no record in reach", func(p *cutover.Peeked) { set(p, 1, false); p.Record, p.Seen.Away = nil, true }, 8, "both servers take writes"},
		{"fencing", func(p *cutover.Peeked) { between(p, writer.Fencing) }, 4, "a move stands in between: FENCING, home → cloud"},
		{"fencing and nothing done", func(p *cutover.Peeked) { between(p, writer.Fencing); set(p, 0, false) }, 4, "would write STABLE"},
		{"abort", func(p *cutover.Peeked) { between(p, writer.Abort) }, 4, "would open home"},
		{"commit", func(p *cutover.Peeked) { between(p, writer.Commit) }, 4, "would open cloud"},
		{"commit and open", func(p *cutover.Peeked) { between(p, writer.Commit); set(p, 1, false) }, 4, "would write STABLE: cloud takes writes"},
		{"another server", func(p *cutover.Peeked) { p.Seen.Servers[1].ID = "9" }, 8, "the server in cloud is 9, and the record names 2"},
		{"an old record", func(p *cutover.Peeked) { p.Seen.Servers[1].Marker.Epoch = 8 }, 8, "older than the marker on cloud"},
		{"a lost room writes", func(p *cutover.Peeked) { p.Record.Closed = []string{"cloud"}; set(p, 0, true); set(p, 1, false) }, 8, "cloud is closed since it was lost"},
		{"half fenced", func(p *cutover.Peeked) { p.Seen.Servers[0].SuperReadOnly = true }, 4, "a fence is under way, or half done"},
		{"the other one is away", func(p *cutover.Peeked) { away(p, 1) }, 5, "no answer: no route"},
		{"the record is out of reach", func(p *cutover.Peeked) { p.Record, p.Seen.Away, p.Err = nil, true, errors.New("no leader") }, 5, "no leader"},
	} {
		p := standingPair()
		c.is(&p)
		s := statusOfPair("production", "feed-db", p)
		var b bytes.Buffer
		pairScreen(&b, &s)
		text := strings.Join(strings.Fields(b.String()), " ")
		if s.Exit != c.exit || !strings.Contains(text, c.says) || s.Row == "" || s.Next == "" {
			t.Errorf("%s: exit %d, want %d and %q in\n%s", c.name, s.Exit, c.exit, c.says, b.String())
		}
		for _, line := range strings.Split(b.String(), "\n") {
			if n := len([]rune(line)); n > screenWidth {
				t.Errorf("%s: a line of %d columns: %s", c.name, n, line)
			}
		}
	}
}

// TestWorstOfPairs: of several pairs the one that is worst gives the exit code.
func TestWorstOfPairs(t *testing.T) {
	for _, c := range []struct{ a, b, want cutover.Exit }{{0, 0, 0}, {0, 5, 5}, {4, 5, 4}, {8, 4, 8}, {5, 8, 8}, {4, 0, 4}} {
		if got := worseStatus(c.a, c.b); got != c.want {
			t.Errorf("of %d and %d: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
