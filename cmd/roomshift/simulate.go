package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/cutover/sim"
	"roomshift/runbooks"
)

// simulate runs a runbook in simulated rooms: the real engine, a virtual clock, faults as asked.
func simulate(c *cli.Context, io stdio) error {
	book, err := oneArg(c, "runbook", true)
	if err != nil {
		return err
	}
	l, err := load(io, book, c.String("rooms"), c.Bool("json"))
	if err != nil {
		return err
	}
	if ps := runbooks.NotYet(l.Book); len(ps) > 0 {
		showProblems(io, l, ps, c.Bool("json"))
		return problemsError(len(ps))
	}
	o, err := simOptions(c)
	if err != nil {
		return err
	}
	show := &simShow{lines: newLines(io.out, ""), quiet: c.Bool("json")}
	show.lines.date = true
	o.Show = show
	if pace := o.Pace; pace != nil {
		o.Pace = func(at cutover.T) { show.print(); pace(at) }
	}
	s, err := sim.New(l, o)
	if err != nil {
		return usage("%w", err)
	}
	show.sim = s
	out, err := s.Run(c.Context)
	if err != nil {
		return err
	}
	if len(out.Problems) > 0 {
		showProblems(io, l, out.Problems, c.Bool("json"))
		return problemsError(len(out.Problems))
	}
	if name := c.String("journal"); name != "" {
		b, err := out.Lines()
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			return err
		}
	}
	return simEnd(c, io, s, out, show)
}

func simOptions(c *cli.Context) (sim.Options, error) {
	o := sim.Options{Seed: c.Uint64("seed"), Version: version}
	for _, text := range c.StringSlice("fault") {
		f, err := sim.ParseFault(text)
		if err != nil {
			return o, usage("--fault %q: %w", text, err)
		}
		o.Faults = append(o.Faults, f)
	}
	if v := c.String("approve-after"); v == "never" {
		o.ApproveAfter = -1
	} else if v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return o, usage("--approve-after is a time as 1m, or never, and it was %q", v)
		}
		o.ApproveAfter = max(d, time.Millisecond)
	}
	if v := c.String("pace"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return o, usage("--pace is how much virtual time passes in a second, as 2m, and it was %q", v)
		}
		o.Pace = pacer(c, cutover.T(d))
	}
	return o, nil
}

// pacer lets perSecond of virtual time pass in each second of real time.
func pacer(c *cli.Context, perSecond cutover.T) func(cutover.T) {
	begun := time.Now()
	return func(at cutover.T) {
		due := begun.Add(time.Duration(float64(at) / float64(perSecond) * float64(time.Second)))
		select {
		case <-time.After(time.Until(due)):
		case <-c.Context.Done():
		}
	}
}

// simShow prints a simulated run's timeline as it grows: what the engine shows, and the faults between.
type simShow struct {
	lines   *lines
	quiet   bool
	sim     *sim.Sim
	printed int // how much of the timeline
}

// Event says that the timeline has grown.
func (s *simShow) Event(cutover.Shown) { s.print() }

func (s *simShow) print() {
	if s.quiet || s.sim == nil {
		return
	}
	all := s.sim.Timeline()
	for _, h := range all[s.printed:] {
		switch {
		case h.Record != nil:
			s.lines.record(h.Record)
		case h.Page != nil:
			s.lines.page(h.Wall, h.Page)
		case h.Note != "":
			kind, text, ok := strings.Cut(h.Note, ": ")
			if !ok || h.Runner > 0 {
				kind, text = "note", h.Note
			}
			if kind == "over" { // of a fault; a run has a line of this name too
				kind, text = "fault", text+" is over"
			}
			s.lines.put(h.Wall, kind, "%s", text)
		}
	}
	s.printed = len(all)
}

// simEnd prints how it ended: the shares in truth, every fault that never struck, and the code.
func simEnd(c *cli.Context, io stdio, s *sim.Sim, out *sim.Outcome, show *simShow) error {
	show.print()
	shares := map[string]cutover.Share{}
	for seat, sh := range s.Shares() {
		shares[seat.String()] = sh
	}
	never := []string{}
	for _, f := range out.NotFired {
		never = append(never, f.String())
	}
	if c.Bool("json") {
		printJSON(io, map[string]any{"run": out.Run, "exit": out.Exit, "means": exitMeans[out.Exit], "why": out.Why, "shares": shares, "writers": out.Writers,
			"notFired": never, "processes": out.Runners, "records": len(out.Records), "took": s.Now().Duration().String(), "timing": out.Timing})
		return said(out.Exit)
	}
	simShares(io.out, s.Shares())
	simWriters(io.out, out)
	for _, f := range never {
		fmt.Fprintf(io.err, "this fault never struck: %s\n", f)
	}
	text := short(s.Now()) + " of virtual time"
	if d := guarded(out.Records); d > 0 {
		text += fmt.Sprintf(", the last %s of it watching the rest, which a guard does until somebody ends it", short(d))
	}
	if out.Runners > 1 {
		text += fmt.Sprintf(", %d processes", out.Runners)
	}
	if out.Why != "" {
		text += ", " + out.Why
	}
	fmt.Fprintf(io.out, "%s, ", text)
	return endWith(io.out, out.Exit)
}

// guarded is how long a guard watched its rest until the simulated people stopped it; 0: there was none.
func guarded(rs []cutover.Record) cutover.T {
	var rests string
	for i := range rs {
		r := &rs[i]
		switch {
		case r.Phase != nil:
			rests = ""
			if r.Phase.Phase == cutover.PhaseResting {
				rests = r.Wall
			}
		case r.Command != nil && r.Command.Verb == "stop" && rests != "":
			from, err := time.Parse(time.RFC3339Nano, rests)
			to, err2 := time.Parse(time.RFC3339Nano, r.Wall)
			if err == nil && err2 == nil {
				return cutover.T(to.Sub(from))
			}
		}
	}
	return 0
}

// simShares prints what the seats hold in truth: one line for a route whose seats hold the same.
func simShares(w io.Writer, shares map[cutover.Seat]cutover.Share) {
	seats := map[string][]cutover.Seat{}
	for seat := range shares {
		seats[seat.Route] = append(seats[seat.Route], seat)
	}
	fmt.Fprintf(w, "\n%-26s %s\n", "AT THE END", "share of each room, in truth")
	for _, route := range sortedNames(seats) {
		of := seats[route]
		slices.SortFunc(of, func(a, b cutover.Seat) int { return strings.Compare(a.At, b.At) })
		first := shareLine(shares[of[0]])
		if !slices.ContainsFunc(of, func(s cutover.Seat) bool { return shareLine(shares[s]) != first }) {
			fmt.Fprintf(w, "%-26s %s\n", of[0].String()+andSeats(len(of)), first)
			continue
		}
		for _, seat := range of {
			fmt.Fprintf(w, "%-26s %s\n", seat, shareLine(shares[seat]))
		}
	}
}

// simWriters prints which rooms take a pair's writes in truth, if the run moved any.
func simWriters(w io.Writer, out *sim.Outcome) {
	if len(out.Progress.Moves) == 0 {
		return
	}
	for _, pair := range sortedNames(out.Writers) {
		fmt.Fprintf(w, "%-26s writer %s\n", pair, orNone(strings.Join(out.Writers[pair], " and ")))
	}
}

func andSeats(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-1)
}

func shareLine(s cutover.Share) string {
	var parts []string
	for _, room := range sortedNames(s) {
		parts = append(parts, fmt.Sprintf("%s %s", room, share(s[room])))
	}
	return strings.Join(parts, "  ")
}
