package writer

import (
	"strings"
	"testing"
	"time"
)

const stableText = `{"v":1,"epoch":7,"seq":20,"phase":"STABLE","writer":"home","to":"","pos":"","servers":{"cloud":"id-b","home":"id-a"},` +
	`"run":"run-1","by":"li","at":"2026-02-17T20:00:00Z","forced":null,"closed":[]}`

// The form is read by those who follow the record, and by older and newer roomshifts: it stays.
func TestRecordForm(t *testing.T) {
	if got := mustEncode(t, record(Stable)); got != stableText {
		t.Errorf("got  %s\nwant %s", got, stableText)
	}
	forced := record(Commit)
	forced.Forced, forced.Closed = &Forced{By: "li", Reason: "<fire>", Lost: roomA, Bound: "about 20"}, []string{roomA}
	want := `{"v":1,"epoch":7,"seq":20,"phase":"COMMIT","writer":"home","to":"cloud","pos":"a:1-5","servers":{"cloud":"id-b","home":"id-a"},` +
		`"run":"run-1","by":"li","at":"2026-02-17T20:00:00Z","forced":{"by":"li","reason":"<fire>","lost":"home","bound":"about 20"},"closed":["home"]}`
	if got := mustEncode(t, forced); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, r := range []Record{record(Stable), record(Fencing), record(Commit), record(Abort), forced} {
		text := mustEncode(t, r)
		back, err := ParseRecord([]byte("\n " + strings.ReplaceAll(text, ",", ", ") + "\n"))
		if err != nil || mustEncode(t, back) != text {
			t.Errorf("%s comes back as %+v, %v", text, back, err)
		}
	}
}

func TestRecordRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"another version":       {`"v":1`, `"v":2`},
		"an unknown field":      {`"v":1`, `"v":1,"w":1`},
		"a field twice":         {`"v":1`, `"v":1,"v":1`},
		"a field in capitals":   {`"epoch"`, `"Epoch"`},
		"a missing field":       {`"forced":null,`, ``},
		"another order":         {`"epoch":7,"seq":20`, `"seq":20,"epoch":7`},
		"closed is null":        {`[]`, `null`},
		"something after it":    {`"closed":[]}`, `"closed":[]}{}`},
		"no epoch":              {`"epoch":7`, `"epoch":0`},
		"no seq":                {`"seq":20`, `"seq":0`},
		"a phase that isn't":    {`STABLE`, `DONE`},
		"another room's writer": {`"writer":"home"`, `"writer":"moon"`},
		"stable and moving":     {`"to":""`, `"to":"cloud"`},
		"stable with a pos":     {`"pos":""`, `"pos":"x"`},
		"one server":            {`"cloud":"id-b",`, ``},
		"one server twice":      {`id-b`, `id-a`},
		"a server twice":        {`"home":"id-a"`, `"home":"id-a","home":"id-a"`},
		"nobody":                {`"by":"li"`, `"by":""`},
		"no run":                {`"run":"run-1"`, `"run":""`},
		"local time":            {`20:00:00Z`, `20:00:00+08:00`},
		"closed is the writer":  {`[]`, `["home"]`},
		"closed elsewhere":      {`[]`, `["moon"]`},
		"closed twice":          {`[]`, `["cloud","cloud"]`},
		"forced, not closed":    {`null`, `{"by":"li","reason":"fire","lost":"cloud","bound":"2 s"}`},
		"not UTF-8":             {`"by":"li"`, "\"by\":\"l\xff\""},
	} {
		text := strings.Replace(stableText, change[0], change[1], 1)
		if text == stableText {
			t.Fatalf("%s: nothing changed", name)
		}
		if r, err := ParseRecord([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, r)
		}
	}
	for name, r := range map[string]Record{"COMMIT without pos": record(Commit), "ABORT with pos": record(Abort), "FENCING to nowhere": record(Fencing),
		"FENCING to a closed room": record(Fencing), "COMMIT to a closed room": record(Commit), "forced ABORT": record(Abort), "far away": record(Stable)} {
		switch name {
		case "COMMIT without pos":
			r.Pos = ""
		case "ABORT with pos":
			r.Pos = "x"
		case "FENCING to nowhere":
			r.To = ""
		case "FENCING to a closed room", "COMMIT to a closed room":
			r.Closed = []string{roomB}
		case "forced ABORT":
			r.Closed, r.Forced = []string{roomB}, &Forced{By: "li", Reason: "fire", Lost: roomB, Bound: "2 s"}
		case "far away":
			r.At = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		if _, err := r.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func TestFollows(t *testing.T) {
	base := record(Stable)
	fencing := base.next(Fencing, roomA, "", true)
	commit := fencing.next(Commit, roomA, "p", false)
	taken := record(Stable).next(Commit, roomA, "p", true)
	taken.Forced, taken.Closed = &Forced{By: "li", Reason: "fire", Lost: roomA, Bound: "2 s"}, []string{roomA}
	closed := base
	closed.Closed = []string{roomB}
	skip := fencing
	skip.Seq++
	other := base.next(Stable, roomA, "", false)
	for _, c := range []struct {
		name     string
		old, new Record
		ok       bool
	}{
		{"a move begins", base, fencing, true},
		{"it is decided", fencing, commit, true},
		{"it is given up", fencing, fencing.next(Abort, roomA, "", false), true},
		{"it is undone first", fencing, fencing.next(Stable, roomA, "", false), true},
		{"it ends", commit, commit.next(Stable, roomB, "", false), true},
		{"taken by force", base, taken, true},
		{"taken by force in a move", fencing, func() Record { r := taken; r.Epoch, r.Seq = fencing.Epoch+1, fencing.Seq+1; return r }(), true},
		{"a seq is left out", base, skip, false},
		{"STABLE again", base, other, false},
		{"COMMIT undone", commit, commit.next(Stable, roomA, "", false), false},
		{"COMMIT then ABORT", commit, commit.next(Abort, roomA, "", false), false},
		{"FENCING for another", base, base.next(Fencing, roomB, "", true), false},
		{"the same epoch", base, base.next(Fencing, roomA, "", false), false},
		{"opened again by itself", closed, base.next(Fencing, roomA, "", true), false},
	} {
		if err := c.new.Follows(c.old); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzParseRecord: what is taken is valid, and has one form.
func FuzzParseRecord(f *testing.F) {
	f.Add(stableText)
	for _, p := range []Phase{Fencing, Commit, Abort} {
		b, err := record(p).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(`{"v":1}`)
	f.Add(strings.Replace(stableText, "[]", `["cloud"]`, 1))
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRecord([]byte(text))
		if err != nil {
			return
		}
		once, err := r.Encode()
		if err != nil {
			t.Fatalf("taken, and not valid: %v", err)
		}
		again, err := ParseRecord(once)
		if err != nil || mustEncode(t, again) != string(once) {
			t.Fatalf("%s comes back as %+v: %v", once, again, err)
		}
		if spaceless(text) != spaceless(string(once)) {
			t.Fatalf("%q was taken as %s", text, once)
		}
		if next := r.next(Stable, r.Publishes(), "", false).Signed("r", "b", someTime); next.Validate() != nil {
			t.Fatalf("%s can't end: %v", once, next.Validate())
		}
	})
}

func spaceless(s string) string {
	return strings.NewReplacer(" ", "", "\n", "", "\t", "", "\r", "").Replace(s)
}
