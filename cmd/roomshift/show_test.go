package main

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"roomshift/cutover"
)

// heard keeps the verbs that a run is asked.
type heard struct{ verbs []string }

func (h *heard) ask(_ context.Context, c cutover.Command) cutover.Answer {
	h.verbs = append(h.verbs, c.Verb)
	return cutover.Answer{OK: true, Said: "well"}
}

func (h *heard) said() string {
	var out []string
	for _, v := range h.verbs {
		if v != "status" {
			out = append(out, v)
		}
	}
	return strings.Join(out, " ")
}

func TestSignalsAndKeys(t *testing.T) {
	for _, c := range []struct {
		name, do, want string
	}{
		{"one Ctrl-C pauses after 10 s", "^ 12", "pause"},
		{"one Ctrl-C does nothing before", "^ 9", ""},
		{"a second Ctrl-C stops", "^ 1 ^", "stop"},
		{"b answers it", "^ b 20", "back"},
		{"f answers it", "^ f 20", "freeze"},
		{"s answers it", "^ s 20", "stop"},
		{"g goes on", "^ g 20", ""},
		{"s alone stops nothing", "s 20", ""},
		{"p and r", "p r", "pause resume"},
		{"a lost terminal pauses", "hup", "pause"},
		{"a service that is ended stops", "term", "stop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &heard{}
				io := stdio{in: strings.NewReader(""), out: &bytes.Buffer{}, err: &bytes.Buffer{}}
				a := attendant{io: io, ops: h, show: newShow(io, "r", false)}
				for _, do := range strings.Fields(c.do) {
					pressed(t, &a, do)
				}
				if got := h.said(); got != c.want {
					t.Errorf("it said %q; want %q", got, c.want)
				}
			})
		})
	}
}

// pressed is ^ for Ctrl-C, a signal's name, a key, or so many seconds.
func pressed(t *testing.T, a *attendant, do string) {
	t.Helper()
	switch {
	case do == "^":
		a.signal(t.Context(), syscall.SIGINT)
	case do == "hup":
		a.signal(t.Context(), syscall.SIGHUP)
	case do == "term":
		a.signal(t.Context(), syscall.SIGTERM)
	case do[0] >= 'a':
		a.key(t.Context(), do[0])
	default:
		d, err := time.ParseDuration(do + "s")
		if err != nil {
			t.Fatal(err)
		}
		for range int(d / time.Second) {
			<-time.After(time.Second)
			a.tick(t.Context())
		}
	}
}

// What a dry run ends with: holds are counted once whatever their causes come to, and waiting for the first samples is none.
func TestDrySummary(t *testing.T) {
	s := newShow(stdio{out: &bytes.Buffer{}}, "r", false)
	begun := time.Date(2027, 1, 26, 2, 0, 0, 0, time.UTC)
	said := func(after time.Duration, act cutover.Act, cs ...cutover.Cause) {
		s.Event(cutover.Shown{Record: &cutover.Record{Wall: begun.Add(after).Format(time.RFC3339Nano), Verdict: &cutover.VerdictMark{Act: act, Causes: cs}}})
	}
	amber := cutover.Cause{Gate: "slow", Room: "home", Color: cutover.Amber}
	said(0, cutover.Hold, cutover.Cause{Gate: "slow", Room: "home", Color: cutover.Blind})
	said(10*time.Second, cutover.Advance)
	said(time.Minute, cutover.Hold, amber)
	said(90*time.Second, cutover.Hold, amber, cutover.Cause{Gate: "cache", Room: "home", Color: cutover.Amber})
	said(2*time.Minute, cutover.Advance)
	said(3*time.Minute, cutover.Hold, cutover.Cause{Gate: "slow", Room: "home", Color: cutover.Blind})
	said(3*time.Minute+45*time.Second, cutover.Advance)
	var b bytes.Buffer
	drySummary(&b, s, []string{"cache@cloud", "errors@cloud"})
	want := "dry run: nothing was written; it would have held twice (1m45s), gone back never\n" +
		"         2 gates judged nothing, for the room really carries no traffic: cache@cloud errors@cloud\n"
	if b.String() != want {
		t.Errorf("it said\n%swant\n%s", b.String(), want)
	}
}
