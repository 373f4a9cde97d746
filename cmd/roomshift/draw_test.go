package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// TestDrawFits: whatever the terminal's size, no line is wider, there are no more lines than rows, the first two and the keys are
// there, and so is everything that isn't well.
func TestDrawFits(t *testing.T) {
	recent := make([]string, 8)
	for i := range recent {
		recent[i] = fmt.Sprintf("02:50:0%d.000 0126-01 write    gw@home gateway/rules/main 10 → 20 ok 17ms step=\"climb\" rung=1 and what follows is long", i)
	}
	for _, c := range []struct {
		faults []string
		at     time.Duration
		has    []string // in every size
	}{
		{nil, 50 * time.Minute, []string{"■ BAKING 7:15 of 10:00", "rests at night-2", "all requests", "p pause"}},
		{[]string{"cut at 50m"}, 53 * time.Minute, []string{"■■ FROZEN", "roomshift resume 0126-01", "roomshift back 0126-01", "p pause"}},
		{[]string{"blind cache at 50m"}, 51 * time.Minute, []string{"HELD", "cache@cloud", "p pause"}},
	} {
		_, _, views := watched(t, "spring-festival-out", c.faults, c.at)
		for _, size := range [][2]int{{110, 50}, {110, 24}, {80, 50}, {80, 24}, {60, 20}, {80, 12}} {
			text := draw(views[0], recent, "pause: paused: the gates are still watched, nothing goes forward", size[0], size[1])
			lines := strings.Split(text, "\n")
			if len(lines) > size[1] {
				t.Errorf("%v: %d lines for %d rows:\n%s", size, len(lines), size[1], text)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > size[0] {
					t.Errorf("%v: a line is %d wide: %s", size, n, l)
				}
			}
			for _, want := range c.has {
				if size[1] > 12 && !strings.Contains(text, want) || !strings.Contains(lines[len(lines)-1], "Ctrl-C asks") {
					t.Errorf("%v: %q isn't there:\n%s", size, want, text)
				}
			}
		}
	}
}

// TestPagesFitNarrowTerminals: plan and report keep to a terminal's width.
func TestPagesFitNarrowTerminals(t *testing.T) {
	plan, planes, _ := watched(t, "spring-festival-out", nil, time.Minute)
	lags := map[string][]lagSeen{"feed-db": {{To: "cloud"}, {To: "home"}}}
	for _, width := range []int{110, 80} {
		for i, l := range lined(func(w io.Writer) { planScreen(w, plan, planes, lags, "", nil) }, width, false) {
			if n := utf8.RuneCountInString(l); n > width {
				t.Errorf("plan at %d: line %d is %d wide: %s", width, i+1, n, l)
			}
		}
	}
	if text := strings.Join(lined(func(w io.Writer) { planScreen(w, plan, planes, lags, "", nil) }, 110, false), "\n"); !strings.Contains(text,
		"feed-db           writer home   → cloud not known in 3s   → home not known in 3s   native") {
		t.Errorf("the lags aren't there:\n%s", text)
	}
	lags["feed-db"][0].Kept = "kept by DTS, DDL from home to cloud only"
	if text := strings.Join(lined(func(w io.Writer) { planScreen(w, plan, planes, lags, "", nil) }, 160, false), "\n"); !strings.Contains(text, "kept by DTS, DDL from home to cloud only (onLost") {
		t.Errorf("which way DDL goes isn't there:\n%s", text)
	}
}

// TestALagIsToldWithItsBound: what is known is a value and how far it may be off; what isn't, why.
func TestALagIsToldWithItsBound(t *testing.T) {
	for want, l := range map[string]lagSeen{
		"→ cloud 41 ms ±3 ms":               {To: "cloud", Reading: lagReading(0.038, 0.044)},
		"→ home 2 ms":                       {To: "home", Reading: lagReading(0.002, 0.002)},
		"→ home 1.5 s ±1.5 s":               {To: "home", Reading: lagReading(0, 3)},
		"→ cloud not known in 3s":           {To: "cloud", Reading: nil},
		"→ cloud not known: no answer: x":   {To: "cloud", Reading: unknownReading("no answer: x")},
		"→ cloud over 2 s":                  {To: "cloud", Reading: boundReading(2)},
		"→ cloud nothing to measure, alive": {To: "cloud", Reading: idleReading()},
	} {
		if got := lagText(l); got != want {
			t.Errorf("%+v is told as %q, want %q", l.Reading, got, want)
		}
	}
}

// TestWorst: a hold in one line is the worst of it, with at most three names, and how many more there are.
func TestWorst(t *testing.T) {
	c := func(gate, room, seen string) cutover.Cause {
		return cutover.Cause{Gate: gate, Room: room, Seen: seen, Color: cutover.Blind}
	}
	for want, cs := range map[string][]cutover.Cause{
		"":                      nil,
		"errors@home no answer": {c("errors", "home", "no answer")},
		"errors@home, errors@cloud, slow@home and 2 more no answer; and 1 more": {c("errors", "home", "no answer"), c("errors", "cloud", "no answer"),
			c("slow", "home", "no answer"), c("slow", "cloud", "no answer"), c("cache", "cloud", "no answer"), c("lag", "home", "no data")},
		"a, b, c, d no answer":       {c("a", "", "no answer"), c("b", "", "no answer"), c("c", "", "no answer"), c("d", "", "no answer")},
		"paused by ops1":             {{Gate: "person", Text: "paused by ops1"}},
		"paused by ops1; and 1 more": {{Gate: "person", Text: "paused by ops1"}, c("lag", "home", "no data")},
	} {
		if got := worst(cs); got != want {
			t.Errorf("worst is %q, want %q", got, want)
		}
	}
}

// TestPageLines: a call says what holds, what is green again, and the commands that answer it.
func TestPageLines(t *testing.T) {
	var b bytes.Buffer
	l := newLines(&b, "0126-01")
	at := time.Date(2027, 1, 26, 2, 37, 0, 0, time.UTC)
	red := cutover.Cause{Gate: "feed-lag", Room: "cloud", Color: cutover.Red, Seen: "9.2 s", Limit: "> 5 s for 10s"}
	l.page(at, &cutover.Page{Phase: cutover.PhaseFrozen, Target: "night-1", For: 5 * cutover.Minute, Causes: []cutover.Cause{red}, Green: []string{"slow@home"}})
	l.page(at, &cutover.Page{Phase: cutover.PhaseFrozen, For: cutover.Minute, New: true, Causes: []cutover.Cause{{Gate: "person", Text: "frozen by ops1"}}})
	l.page(at, &cutover.Page{Phase: cutover.PhaseBack, Target: "start", For: 10 * cutover.Minute, Failed: []string{"gw@home failed 12 times: no connection"}})
	want := `02:37:00.000 0126-01 PAGE     frozen for 5m; green again: slow@home: feed-lag@cloud 9.2 s > 5 s for 10s
02:37:00.000 0126-01 PAGE     roomshift resume 0126-01   when it is green again; it is not done for you
02:37:00.000 0126-01 PAGE     roomshift back 0126-01   to night-1
02:37:00.000 0126-01 PAGE     roomshift mute feed-lag --run 0126-01 --for 10m --reason …   if you know that the number lies
02:37:00.000 0126-01 PAGE     frozen for 1m, and now too: frozen by ops1
02:37:00.000 0126-01 PAGE     roomshift resume 0126-01   when it is green again; it is not done for you
02:37:00.000 0126-01 PAGE     roomshift back 0126-01   to the last checkpoint
02:37:00.000 0126-01 PAGE     going back to start isn't at its end after 10m
02:37:00.000 0126-01 PAGE     gw@home failed 12 times: no connection
02:37:00.000 0126-01 PAGE     roomshift status 0126-01   says what it waits for; it goes on by itself
02:37:00.000 0126-01 PAGE     roomshift freeze 0126-01   stops it where it is
`
	if b.String() != want {
		t.Errorf("it says\n%swant\n%s", b.String(), want)
	}
}

func lagReading(lo, hi float64) *dbsync.Reading { return &dbsync.Reading{Lo: lo, Hi: hi} }

func unknownReading(why cutover.Reason) *dbsync.Reading { return &dbsync.Reading{Unknown: why} }

func boundReading(lo float64) *dbsync.Reading {
	return &dbsync.Reading{Lo: lo, Hi: lo, LowerBound: true}
}

func idleReading() *dbsync.Reading { return &dbsync.Reading{Idle: true} }

// TestNewestEventsStandBelowAStatus: three of them, as wide as the page.
func TestNewestEventsStandBelowAStatus(t *testing.T) {
	l, err := runbooks.Load("to-cloud", "")
	if err != nil || len(l.Problems) > 0 {
		t.Fatal(err, l)
	}
	s, err := sim.New(l, sim.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	newestEvents(sheet{Writer: &b, width: 60}, &runState{name: out.Run, progress: out.Progress, records: out.Records})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != shownEvents || !strings.Contains(lines[2], " over     exit 0: done") || strings.Contains(b.String(), "plan ") {
		t.Errorf("they are\n%s", b.String())
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 60 {
			t.Errorf("it is wider than 60: %s", line)
		}
	}
	b.Reset()
	newestEvents(sheet{Writer: &b, width: 60}, &runState{name: "x", progress: cutover.NewProgress()})
	if b.Len() > 0 {
		t.Errorf("of a run without a plan: %q", b.String())
	}
}

// TestAnswerTo: a question is told with the command that answers it, as it is typed.
func TestAnswerTo(t *testing.T) {
	for want, c := range map[string]struct{ what, step string }{
		"roomshift approve 'more of it' --run r":             {"approve", "more of it"},
		"roomshift approve more --run r":                     {"ask", "more"},
		"roomshift accept climb --reason … --run r":          {"foreign", "climb"},
		`roomshift accept 'it'\''s mine' --reason … --run r`: {"settle", "it's mine"},
		"roomshift accept --reason … --run r":                {"rule", ""},
	} {
		if got := answerTo(&cutover.AskedMark{What: c.what}, c.step, "r"); got != want {
			t.Errorf("%s of %q is answered by %s, want %s", c.what, c.step, got, want)
		}
	}
}
