package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/aliyun"
	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/runbooks"
)

// finding is one line of check --live.
type finding struct {
	Check string `json:"check"`
	Room  string `json:"room,omitempty"`
	Seen  string `json:"seen"`
	Want  string `json:"wanted,omitempty"`
	Do    string `json:"do,omitempty"`
	OK    bool   `json:"ok"`

	Grant []string `json:"grant,omitempty"` // what the account needs, when that is what lacks

	Severity cutover.Severity `json:"severity,omitempty"` // of a check before a move: what it means for that
	Rule     string           `json:"rule,omitempty"`     // the name that it is broken by
}

// bad tells whether the finding is to be mended: what is only warned of is well enough.
func (f finding) bad() bool { return !f.OK && f.Severity != cutover.Warns }

// check says every problem of the files; with --live it also reads everything that a run would read. Only --init writes: the
// heartbeat tables.
func check(c *cli.Context, io stdio) error {
	book, err := oneArg(c, "runbook", true)
	if err != nil {
		return err
	}
	if c.Bool("init") && !c.Bool("live") {
		return usage("--init goes with --live: it makes the heartbeat tables in the real rooms")
	}
	if c.Bool("grants") && c.Bool("live") {
		return usage("--grants asks no server, so it doesn't go with --live: it says what the accounts need, --live whether they have it")
	}
	l, err := load(io, book, c.String("rooms"), c.Bool("json"))
	if err != nil {
		return err
	}
	if c.Bool("grants") {
		if c.Bool("json") {
			printJSON(io, map[string]any{"accounts": accounts(l.Rooms, l.Book)})
		} else {
			grantsPage(io.out, l.Rooms, l.Book)
		}
		return nil
	}
	notYet := runbooks.NotYet(l.Book)
	if !c.Bool("live") {
		if c.Bool("json") {
			printJSON(io, map[string]any{"problems": []any{}, "notYet": len(notYet)})
			return nil
		}
		fmt.Fprintf(io.out, "%s and %s: no problem\n", l.BookFile, l.RoomsFile)
		for _, p := range notYet {
			fmt.Fprintln(io.err, "note:", p.Error())
		}
		return nil
	}
	if ps := append(notYet, runbooks.NotYetReal(l.Rooms, l.Book)...); len(ps) > 0 {
		showProblems(io, l, ps, c.Bool("json"))
		return problemsError(len(ps))
	}
	return checkLive(c, io, l)
}

func checkLive(c *cli.Context, io stdio, l *runbooks.Loaded) error {
	r, err := wire(l, newClock(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(c.Context, time.Minute)
	defer cancel()
	if c.Bool("init") {
		for _, name := range sortedNames(r.rings) {
			if err := r.rings[name].Init(ctx); err != nil {
				return fmt.Errorf("pair %s: make the heartbeat table: %w", name, err)
			}
			fmt.Fprintf(io.err, "pair %s: the heartbeat table is there\n", name)
		}
	}
	p, snap, problems, err := r.makePlan(ctx, "", "")
	fs := append(r.findings(ctx, serving(p, snap)), planFindings(p, problems, err)...)
	bad := 0
	for _, f := range fs {
		if f.bad() {
			bad++
		}
	}
	if c.Bool("json") {
		printJSON(io, map[string]any{"findings": fs, "bad": bad})
	} else {
		findingsTable(sheetOf(io.out), fs)
	}
	if bad > 0 {
		return said(cutover.ExitNothing)
	}
	return nil
}

// findings reads everything readable: what seats hold, both masters of each pair, each query and probe once.
func (r *realRooms) findings(ctx context.Context, serves func(cutover.Room) bool) []finding {
	var fs []finding
	for _, pl := range r.world.Planes {
		held, err := pl.Medium.Read(ctx, pl.Seats)
		if err != nil {
			fs = append(fs, r.unreadable(pl.Name, pl.Room, err))
			continue
		}
		if text := roomlessIn(&pl, held); text != "" {
			fs = append(fs, finding{Check: "seats of " + pl.Name, Room: pl.Room, Seen: text, Want: "every instance in one room", Do: roomlessAdvice})
			held = slices.DeleteFunc(slices.Clone(held), func(h cutover.Held) bool { return h.Room == "" })
		}
		if own := ownedFindings(&pl, held); own != nil {
			fs = append(fs, own...)
			continue
		}
		fs = append(fs, seatFindings(&pl, held)...)
	}
	fs = append(fs, r.nameFindings(ctx)...)
	pairs, beats := r.pairFindings(ctx)
	fs = append(fs, pairs...)
	fs = append(fs, cutFindings(r.l.Book.Gates, beats)...)
	fs = append(fs, r.onlyFindings(ctx)...)
	for _, f := range r.metrics.Check(ctx, serves) {
		fs = append(fs, finding{Check: f.Check, Room: f.Room, Seen: f.Seen, Want: f.Want, Do: f.Do, OK: f.OK})
	}
	return fs
}

// pairFindings are those of every pair, and by pair how far apart its heartbeats are at most.
func (r *realRooms) pairFindings(ctx context.Context) (fs []finding, beats map[string]time.Duration) {
	beats = map[string]time.Duration{}
	moved := movedTo(r.l.Book)
	flown := r.preflown(ctx, moved)
	for _, name := range sortedNames(r.rings) {
		if _, ok := moved[name]; ok { // its checks before a move rest on the others
			for _, f := range flown[name] {
				if f.Check == "threads" {
					beats[name] = max(beats[name], slowestBeat(f.Seen))
				}
				fs = append(fs, finding{Check: name + ": " + f.Check, Room: f.Room, Seen: f.Seen, Want: f.Wanted, Do: f.Do, OK: f.OK, Grant: statements(f.Grant),
					Severity: f.Severity, Rule: f.RuleOf(name)})
			}
			continue
		}
		found, err := r.rings[name].Check(ctx)
		if err != nil {
			fs = append(fs, finding{Check: "pair " + name, Seen: err.Error(), Want: "both masters answer", Do: "mend the address, the account or its grants"})
		}
		for _, f := range found {
			if d, ok := beatOf(f.Seen); ok && f.Check == "heartbeat" {
				beats[name] = max(beats[name], d)
			}
			fs = append(fs, finding{Check: name + ": " + f.Check, Room: f.Room, Seen: f.Seen, Want: f.Wanted, Do: f.Do, OK: f.OK, Grant: statements(f.Grant)})
		}
	}
	return fs, beats
}

// slowestBeat is the longest period that a finding of both masters' threads names, 0: none.
func slowestBeat(seen string) time.Duration {
	var slowest time.Duration
	for _, part := range strings.Split(seen, "; ") {
		_, text, _ := strings.Cut(part, ": ")
		if d, ok := beatOf(text); ok {
			slowest = max(slowest, d)
		}
	}
	return slowest
}

// unreadable is a Consul whose seats can't be read. Where its token may not read them, what it needs goes with it.
func (r *realRooms) unreadable(plane, room string, err error) finding {
	f := finding{Check: "seats of " + plane, Room: room, Seen: err.Error(), Want: "every seat readable", Do: "mend the key or the address"}
	if r.names != nil && errors.Is(err, aliyun.ErrForbidden) {
		f.Do, f.Grant = "give the account this policy", r.names.grant(err)
	}
	if errors.Is(err, consul.ErrForbidden) {
		f.Do, f.Grant = "give the token this policy", policyLines(r.l.Rooms, room)
	}
	if errors.Is(err, consul.ErrNoLeader) {
		f.Do = "bring its servers back: most of them must run for one to lead"
	}
	return f
}

// serving tells whether a room carries any share of any entry now; nil when that isn't known.
func serving(p *cutover.Plan, s *cutover.Snapshot) func(cutover.Room) bool {
	if p == nil || s == nil {
		return nil
	}
	now := cutover.NewComposer(p).Compose(cutover.SeatShares(s.Held), s.Rates)
	return func(room cutover.Room) bool {
		for _, sh := range now.Entries {
			if sh[room] > 0 {
				return true
			}
		}
		return now.All[room] > 0
	}
}

// planFindings is what a plan over the live state says against the runbook: a settle that can't be reached, a rung that can't
// reach minEvents, and whatever else a run would refuse.
func planFindings(p *cutover.Plan, problems []runbooks.Problem, err error) []finding {
	if err != nil {
		return []finding{{Check: "plan", Seen: err.Error(), Want: "a plan can be made", Do: "mend what can't be read, then look again"}}
	}
	return planned(p, problems)
}

// planned is what a plan, or the problems that kept it from being made, comes to.
func planned(p *cutover.Plan, problems []runbooks.Problem) []finding {
	fs := make([]finding, 0, len(problems))
	for _, x := range problems {
		fs = append(fs, finding{Check: fmt.Sprintf("plan, line %d of the file", x.Line), Seen: x.Message, Want: "what a run may do", Do: cmp.Or(x.Hint, "change the file")})
	}
	if p == nil || p.Estimates == nil {
		return fs
	}
	for _, n := range p.Estimates.Notes {
		if n.Bad {
			fs = append(fs, finding{Check: "plan", Seen: n.Text, Want: "what a run may do", Do: "change the runbook, or wait for other traffic"})
		}
	}
	if len(fs) == 0 {
		fs = append(fs, finding{Check: "plan", Seen: "can be run as it is: " + p.Hash()[:8], OK: true})
	}
	return fs
}

// findingsTable prints what is bad first, and a line for each group of what is well.
func findingsTable(w io.Writer, fs []finding) {
	well := 0
	for _, f := range fs {
		if f.OK {
			well++
			continue
		}
		mark := "✗"
		if !f.bad() {
			mark = "!"
		}
		fmt.Fprintf(w, "%s %s\n", mark, place(f))
		wrapped(w, 12, "    seen", f.Seen)
		wrapped(w, 12, "    wanted", f.Want)
		wrapped(w, 12, "    do", f.Do)
		if f.Rule != "" {
			wrapped(w, 12, "    breaks", f.Rule+": a run asks, and accept STEP --reason … breaks it")
		}
		for _, line := range f.Grant {
			fmt.Fprintln(w, "            "+line)
		}
	}
	var order []string
	texts := map[string][]string{}
	for _, f := range fs {
		if !f.OK {
			continue
		}
		group, text := grouped(f)
		if len(texts[group]) == 0 {
			order = append(order, group)
		}
		if !slices.Contains(texts[group], text) {
			texts[group] = append(texts[group], text)
		}
	}
	for _, g := range order {
		wrapped(w, 18, "✓ "+g, strings.Join(texts[g], " · "))
	}
	fmt.Fprintf(w, "%d of %d checks are well\n", well, len(fs))
}

// grouped is what is well, shortly: the group that it belongs to, and what is worth reading of it.
func grouped(f finding) (group, text string) {
	kind, name, _ := strings.Cut(f.Check, " ")
	at := name
	if f.Room != "" {
		at += "@" + f.Room
	}
	value, _, _ := strings.Cut(f.Seen, ", ")
	switch {
	case kind == "seat":
		return "seats", name + ": " + f.Seen
	case kind == "gate":
		return "gates", at + " " + value
	case kind == "observe":
		return kind, at + " " + f.Seen
	case kind == "prometheus", kind == "lines", kind == "answers":
		return kind, strings.TrimPrefix(name, "of ") + " " + f.Seen
	case kind == "probe":
		return "probe", f.Room + " " + f.Seen
	case strings.HasSuffix(kind, ":") && (name == "writer" || name == "engines"):
		return strings.TrimSuffix(kind, ":"), f.Seen
	case strings.HasSuffix(kind, ":") && name == "semi-sync" && f.Seen != "off":
		return strings.TrimSuffix(kind, ":"), "semi-sync in " + f.Room + " " + f.Seen
	case strings.HasSuffix(kind, ":"):
		return strings.TrimSuffix(kind, ":"), name
	}
	return f.Check, f.Seen
}

func place(f finding) string {
	if f.Room == "" || strings.Contains(f.Check, f.Room) {
		return f.Check
	}
	return f.Check + " in " + f.Room
}
