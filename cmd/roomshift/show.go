package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"roomshift/cutover"
)

// show is what a run tells while it goes: a screen on a terminal, a line for each event on a pipe, JSON lines with --json. Event
// never blocks the engine for longer than a write to a buffer.
type show struct {
	json, screen bool
	out          io.Writer

	mu     sync.Mutex
	buf    bytes.Buffer // what isn't printed yet
	lines  *lines
	recent []string // the newest lines, for the screen
	holds  int
	backs  int
	held   time.Duration // in all
	since  time.Time     // of the hold in force
	went   bool          // it has advanced: waiting for the first samples is no hold
	queue  chan struct{}
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

func newShow(io stdio, run string, asJSON bool) *show {
	f, ok := io.out.(*os.File)
	s := &show{json: asJSON, screen: ok && isTerminal(f) && !asJSON, out: io.out, queue: make(chan struct{}, 1)}
	if asJSON {
		s.out = io.err // the answer on standard output is one JSON value, at the end
	}
	s.lines = newLines(&s.buf, run)
	return s
}

// Event takes one thing to show.
func (s *show) Event(e cutover.Shown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.Record != nil && s.json:
		s.count(e.Record)
		_ = json.NewEncoder(&s.buf).Encode(e.Record) // a bytes.Buffer takes everything
	case e.Record != nil:
		s.count(e.Record)
		s.lines.record(e.Record)
	case e.Page != nil && s.json:
		_ = json.NewEncoder(&s.buf).Encode(map[string]any{"page": e.Page})
	case e.Page != nil:
		s.lines.page(time.Now(), e.Page)
	case e.Note != "" && s.json:
		_ = json.NewEncoder(&s.buf).Encode(map[string]any{"note": e.Note})
	case e.Note != "":
		s.lines.put(time.Now(), "note", "%s", e.Note)
	}
	select {
	case s.queue <- struct{}{}:
	default:
	}
}

// count counts how often, and for how long, a run holds on its way, and how often it goes back.
func (s *show) count(r *cutover.Record) {
	at, err := time.Parse(time.RFC3339Nano, r.Wall)
	if err != nil || (r.Verdict == nil && r.Phase == nil) {
		return
	}
	holds := r.Verdict != nil && r.Verdict.Act == cutover.Hold && (s.went || !waits(r.Verdict.Causes))
	s.went = s.went || (r.Verdict != nil && r.Verdict.Act == cutover.Advance)
	switch {
	case holds && s.since.IsZero():
		s.holds, s.since = s.holds+1, at
	case !holds && !s.since.IsZero():
		s.held, s.since = s.held+at.Sub(s.since), time.Time{}
	}
	if r.Phase != nil && r.Phase.Phase == cutover.PhaseBack {
		s.backs++
	}
}

// waits: nothing is known yet, and nothing is wrong.
func waits(cs []cutover.Cause) bool {
	for _, c := range cs {
		if c.Color != cutover.Blind && c.Color != cutover.Unjudged {
			return false
		}
	}
	return true
}

// print brings what waits to where it is read. On a screen the newest lines stand below the status.
func (s *show) print() {
	s.mu.Lock()
	b := append([]byte(nil), s.buf.Bytes()...)
	s.buf.Reset()
	if s.screen {
		for _, l := range bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n")) {
			if len(l) > 0 {
				s.recent = append(s.recent, string(l))
			}
		}
		s.recent = s.recent[max(0, len(s.recent)-8):]
		b = nil
	}
	s.mu.Unlock()
	if len(b) > 0 {
		_, _ = s.out.Write(b) // a closed pipe must not end a run
	}
}

// last prints what no screen showed any more: how it ended.
func (s *show) last() {
	s.mu.Lock()
	drawn := s.screen
	s.screen = false
	s.mu.Unlock()
	if drawn { // what follows stands below the last screen
		_, _ = io.WriteString(s.out, "\n")
	}
	s.print()
}

// drySummary says what a dry run would have done, and which gates it couldn't ask: in a room that really carries nothing there is
// nothing to judge, so that nothing was learnt of them.
func drySummary(w io.Writer, s *show, blank []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := "dry run: nothing was written; it would have held " + times(s.holds)
	if s.holds > 0 {
		text += " (" + short(cutover.T(s.held)) + ")"
	}
	fmt.Fprintf(w, "%s, gone back %s\n", text, times(s.backs))
	if n := len(blank); n > 0 {
		wrapped(w, 9, "", fmt.Sprintf("%s judged nothing, for the room really carries no traffic: %s", gatesOf(n), strings.Join(blank, " ")))
	}
}

func gatesOf(n int) string {
	if n == 1 {
		return "1 gate"
	}
	return fmt.Sprintf("%d gates", n)
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// asker is what attend needs of operators: a command in, its answer out.
type asker interface {
	ask(ctx context.Context, c cutover.Command) cutover.Answer
}

// attend looks after the terminal until ctx ends: it prints, draws, reads keys and obeys signals.
func attend(ctx context.Context, io stdio, ops asker, s *show) {
	defer s.last()
	sigs := make(chan os.Signal, 4)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(sigs)
	keys, restore := readKeys(ctx, io, s.screen)
	defer restore()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	a := attendant{io: io, ops: ops, show: s}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.queue:
			s.print()
		case <-tick.C:
			a.tick(ctx)
		case sig := <-sigs:
			a.signal(ctx, sig)
		case k := <-keys:
			a.key(ctx, k)
		}
	}
}

// attendant is a terminal's state: whether a Ctrl-C was asked about, and until when.
type attendant struct {
	io        stdio
	ops       asker
	show      *show
	askedTill time.Time
	seconds   int
	message   string
}

// tick draws the screen each second, or a status block on a pipe each minute; an unanswered Ctrl-C pauses the run.
func (a *attendant) tick(ctx context.Context) {
	if !a.askedTill.IsZero() && time.Now().After(a.askedTill) {
		a.askedTill = time.Time{}
		a.say(ctx, "pause", nil)
		a.message = "nobody answered: the run goes on watching, and doesn't advance (resume goes on)"
	}
	a.seconds++
	if !a.show.screen && (a.seconds%60 != 0 || a.show.json) {
		return
	}
	ans := a.ops.ask(ctx, cutover.Command{Verb: "status", Who: a.who()})
	if ans.View == nil {
		return
	}
	if !a.show.screen {
		var b bytes.Buffer
		screen(&b, ans.View)
		_, _ = a.show.out.Write(b.Bytes()) // a closed pipe must not end a run
		return
	}
	a.show.print()
	a.show.mu.Lock()
	recent := slices.Clone(a.show.recent)
	a.show.mu.Unlock()
	width, rows := sizeOf(a.show.out)
	text := draw(ans.View, recent, a.message, width, rows)
	_, _ = io.WriteString(a.show.out, "\x1b[H\x1b[2J"+strings.ReplaceAll(text, "\n", "\r\n"))
}

func (a *attendant) who() string {
	who, host := whoami()
	return who + "@" + host
}

func (a *attendant) say(ctx context.Context, verb string, args map[string]string) {
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ans := a.ops.ask(limited, cutover.Command{Verb: verb, Who: a.who(), Args: args})
	a.message = verb + ": " + ans.Said
	if !a.show.screen {
		fmt.Fprintln(a.io.err, a.message)
	}
}

// signal: the first Ctrl-C asks, the second stops. A lost terminal goes on judging and doesn't advance. SIGTERM stops.
func (a *attendant) signal(ctx context.Context, sig os.Signal) {
	switch {
	case sig == syscall.SIGHUP:
		a.say(ctx, "pause", nil)
	case sig == syscall.SIGTERM, !a.askedTill.IsZero():
		a.say(ctx, "stop", nil)
	default:
		a.askedTill = time.Now().Add(10 * time.Second)
		a.message = "b goes back, f freezes, s stops here (Ctrl-C again too), g goes on; in 10 s without an answer: pause"
		if !a.show.screen {
			fmt.Fprintln(a.io.err, "\n"+a.message)
		}
	}
}

// key is one letter of a person at the terminal.
func (a *attendant) key(ctx context.Context, k byte) {
	asked := !a.askedTill.IsZero()
	switch k {
	case 3: // Ctrl-C on a raw terminal
		a.signal(ctx, os.Interrupt)
		return
	case 'b':
		a.say(ctx, "back", nil)
	case 'f':
		a.say(ctx, "freeze", nil)
	case 'p':
		a.say(ctx, "pause", nil)
	case 'r':
		a.say(ctx, "resume", nil)
	case 's':
		if asked {
			a.say(ctx, "stop", nil)
		}
	case 'g':
		a.message = ""
	default:
		return
	}
	a.askedTill = time.Time{}
}

// readKeys hands over what is typed: letter by letter on a screen. The goroutine that reads can't be stopped; it dies with the process.
func readKeys(ctx context.Context, io stdio, raw bool) (<-chan byte, func()) {
	f, ok := io.in.(*os.File)
	if !ok || !isTerminal(f) {
		return nil, func() {}
	}
	restore := func() {}
	if raw {
		if old, err := term.MakeRaw(int(f.Fd())); err == nil {
			restore = func() { _ = term.Restore(int(f.Fd()), old) }
		}
	}
	keys := make(chan byte)
	go func() {
		b := make([]byte, 1)
		for {
			n, err := f.Read(b)
			if err != nil || n == 0 {
				return
			}
			select {
			case keys <- b[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return keys, restore
}
