package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// A move by hand is a run of a runbook with one writer step, which is made here: the same plan, confirmation, gates, journal, takeover and
// back. What differs is that nobody is asked when it is given up: it ends where it began, and its exit code says so.

// byHand is what a person says of it.
type byHand struct {
	pairs    []string
	to       string // "": where the record says, and reopen
	reopen   bool
	noWriter time.Duration
	bake     time.Duration // after it; negative: as the environment has it
	with     []string
}

// handBakes is how long a move by hand is watched, unless somebody says: in a lab not at all.
const handBakes = 5 * time.Minute

func writerMove(c *cli.Context, io stdio) error {
	h := byHand{pairs: c.Args().Slice(), to: c.String("to"), with: c.StringSlice("with"), bake: -1}
	if len(h.pairs) == 0 || h.to == "" {
		return usage("move needs pairs and a room: roomshift writer move PAIR… --to ROOM")
	}
	var err error
	for name, to := range map[string]*time.Duration{"no-writer": &h.noWriter, "bake": &h.bake} {
		if text := c.String(name); text != "" {
			if *to, err = time.ParseDuration(text); err != nil || *to < 0 {
				return usage("--%s is a duration, as 2s, and it was %q", name, text)
			}
		}
	}
	return runByHand(c, io, h)
}

func writerReopen(c *cli.Context, io stdio) error {
	pair, err := oneArg(c, "pair", true)
	if err != nil {
		return err
	}
	return runByHand(c, io, byHand{pairs: []string{pair}, reopen: true, bake: -1})
}

// runByHand makes the runbook, plans, asks and runs it.
func runByHand(c *cli.Context, io stdio, h byHand) error {
	within, err := withinOf(c)
	if err != nil {
		return err
	}
	l, err := loadPairs(io, c.String("rooms"), h.pairs, c.Bool("json"))
	if err != nil {
		return err
	}
	seen, err := peekAll(c, l)
	if err != nil {
		return err
	}
	if done, err := h.nothingToDo(c, io, seen); done || err != nil {
		return err
	}
	if l, err = h.book(l, seen); err != nil {
		return err
	}
	if ps := append(l.Problems, append(runbooks.NotYet(l.Book), runbooks.NotYetReal(l.Rooms, l.Book)...)...); len(ps) > 0 {
		showProblems(io, l, ps, c.Bool("json"))
		return problemsError(len(ps))
	}
	if err := h.takeOver(c, io, within); err != nil {
		return err
	}
	r, err := wire(l, newClock(), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	p, s, problems, err := r.makePlan(c.Context, "", "")
	if err == nil && len(problems) > 0 {
		showProblems(io, l, problems, c.Bool("json"))
		err = problemsError(len(problems))
	}
	if err != nil {
		return err
	}
	return handRun(c, io, r, p, s, within)
}

// handRun shows the plan, asks, and runs.
func handRun(c *cli.Context, io stdio, r *realRooms, p *cutover.Plan, s *cutover.Snapshot, within time.Duration) error {
	if !c.Bool("json") {
		planScreen(sheetOf(io.err), p, r.world.Planes, r.lags(c.Context), "", s.Pairs)
	}
	if err := refuseNotes(p); err != nil {
		return err
	}
	if w := p.Steps[0].Writer; !w.Reopen { // a pair without a writer has no lag that could be measured
		if err := r.ready(c.Context); err != nil {
			return err
		}
	}
	if err := confirm(io, p, c.String("yes"), c.Bool("dry-run")); err != nil {
		return err
	}
	ses := &session{io: io, rooms: r, json: c.Bool("json"), dry: c.Bool("dry-run"), reason: c.String("reason")}
	ses.start = cutover.Start{Plan: p, Why: "start", Rates: s.Rates, Within: cutover.T(within)}
	if err := ses.create(p, r.l); err != nil {
		return err
	}
	return ses.run(c.Context)
}

func withinOf(c *cli.Context) (time.Duration, error) {
	text := c.String("within")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, usage("--within is a duration, as 30s, and it was %q", text)
	}
	return d, nil
}

// peekAll looks at the pairs before anything is planned.
func peekAll(c *cli.Context, l *runbooks.Loaded) (map[string]cutover.Peeked, error) {
	r, err := wireOnlyPairs(l)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := map[string]cutover.Peeked{}
	for i := range l.Rooms.Pairs {
		out[l.Rooms.Pairs[i].Name] = r.world.Peeker.Peek(c.Context, l.Rooms.Pairs[i].Name)
	}
	return out, nil
}

// nothingToDo: the writers are where they are wished, by their records and servers. That is said, and no run is made.
func (h *byHand) nothingToDo(c *cli.Context, io stdio, seen map[string]cutover.Peeked) (bool, error) {
	var all []pairStatus
	for _, name := range h.pairs {
		s := statusOfPair("", name, seen[name])
		if s.Exit != cutover.ExitDone || !h.reopen && s.Writer != h.to {
			return false, nil
		}
		all = append(all, s)
	}
	if c.Bool("json") {
		out := map[string]any{"run": "", "exit": cutover.ExitDone, "means": exitMeans[cutover.ExitDone], "nothing": true}
		var at []movedPair
		for _, s := range all {
			m := movedPair{Pair: s.Pair, Writer: s.Writer}
			if s.Record != nil {
				m.Epoch = s.Record.Epoch
			}
			at = append(at, m)
		}
		out["writers"] = at
		printJSON(io, out)
		return true, nil
	}
	for _, s := range all {
		fmt.Fprintf(io.out, "%s: %s: nothing to do\n", s.Pair, s.Says)
	}
	return true, nil
}

// takeOver brings the run of a move by hand to an end whose process is gone and which still has one of the pairs. Other runs are theirs who
// began them: the locks name those.
func (h *byHand) takeOver(c *cli.Context, io stdio, within time.Duration) error {
	all, err := runs()
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.err != nil || r.alive || r.over() || r.progress.Plan == nil || !h.isOf(r.progress.Plan) {
			continue
		}
		fmt.Fprintf(io.err, "run %s moved %s by hand, and its process is gone: first it is taken over\n", r.name, strings.Join(r.progress.Plan.Steps[0].Writer.Pairs, ", "))
		rooms, err := roomsOf(c, io, r)
		if err != nil {
			return err
		}
		silent := stdio{in: io.in, out: io.err, err: io.err}
		err = resume(c.Context, silent, r, rooms, cutover.Start{Why: "takeover", Within: cutover.T(within)}, c.Bool("json"))
		rooms.Close()
		if x := exitCode(err); x != cutover.ExitDone && x != cutover.ExitBack && x != cutover.ExitNothing && x != cutover.ExitNotVerified {
			return err
		}
	}
	return nil
}

// isOf tells whether a plan is of a move by hand of one of the pairs.
func (h *byHand) isOf(p *cutover.Plan) bool {
	return len(p.Steps) == 1 && p.Steps[0].Writer != nil && p.Steps[0].Writer.Once &&
		slices.ContainsFunc(p.Steps[0].Writer.Pairs, func(name string) bool { return slices.Contains(h.pairs, name) })
}

// book makes the runbook, over all of rooms.yaml: the rooms' own gates judge it.
func (h *byHand) book(l *runbooks.Loaded, seen map[string]cutover.Peeked) (*runbooks.Loaded, error) {
	rooms, problems := runbooks.LoadRooms(l.RoomsFile, l.RoomsSrc)
	out := &runbooks.Loaded{RoomsFile: l.RoomsFile, RoomsSrc: l.RoomsSrc, Rooms: rooms, Problems: problems, BookFile: "writer-by-hand"}
	pair := pairNamed(rooms, h.pairs[0])
	if h.reopen {
		p := seen[h.pairs[0]]
		if h.to = pair.Masters[0].Room; p.Record != nil {
			h.to = p.Record.Writer
		}
	}
	from := pair.Masters[0].Room
	if from == h.to {
		from = pair.Masters[1].Room
	}
	if pair.Masters[0].Room != h.to && pair.Masters[1].Room != h.to {
		return nil, usage("pair %s has no master in %q: its rooms are %s and %s", pair.Name, h.to, pair.Masters[0].Room, pair.Masters[1].Room)
	}
	if h.bake < 0 {
		if h.bake = handBakes; rooms.Environment == "lab" {
			h.bake = 0
		}
	}
	quoted := func(names []string) string {
		var q []string
		for _, n := range names {
			q = append(q, fmt.Sprintf("%q", n))
		}
		return strings.Join(q, ", ")
	}
	verb := "move"
	if h.reopen {
		verb = "reopen"
	}
	text := fmt.Sprintf("version: 1\nname: %s-%s\nmove: {from: %s, to: %s}\nsteps:\n  - name: %s\n    writer: {to: %s, pairs: [%s]",
		verb, h.pairs[0], from, h.to, verb, h.to, quoted(h.pairs))
	if h.noWriter > 0 {
		text += ", noWriter: " + h.noWriter.String()
	}
	if len(h.with) > 0 {
		text += ", with: [" + quoted(h.with) + "]"
	}
	out.BookSrc = []byte(text + "}\n")
	out.Book, problems = runbooks.LoadRunbook(out.BookFile, out.BookSrc, rooms)
	out.Problems = append(out.Problems, problems...)
	if out.Book == nil || len(out.Book.Steps) != 1 || out.Book.Steps[0].Writer == nil {
		return out, errors.Join(usage("the runbook of this move can't be read"), problemsOf(problems))
	}
	st := &out.Book.Steps[0]
	st.Bake, st.BakeSet = h.bake, true
	st.Writer.Once, st.Writer.Reopen = true, h.reopen
	return out, nil
}

func problemsOf(ps []runbooks.Problem) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, errors.New(p.Error()))
	}
	return errors.Join(errs...)
}

// movedPair is a pair at the end of a run, for programs.
type movedPair struct {
	Pair     string  `json:"pair"`
	Writer   string  `json:"writer"`
	Epoch    int64   `json:"epoch"`
	Phase    string  `json:"phase"`
	NoWriter float64 `json:"noWriterSeconds"` // the longest time without one in this run, 0: none, or it isn't over
}

// movedIn is where the writers of a run's pairs are at its end.
func movedIn(p *cutover.Progress) []movedPair {
	out := []movedPair{}
	for i := range p.Plan.Steps {
		w := p.Plan.Steps[i].Writer
		for k := 0; w != nil && k < len(w.Pairs); k++ {
			at := p.Writers[w.Pairs[k]]
			out = append(out, movedPair{Pair: w.Pairs[k], Writer: at.Writer, Epoch: at.Epoch, Phase: cmp.Or(at.Phase, "STABLE"),
				NoWriter: p.NoWriter[w.Pairs[k]].Duration().Seconds()})
		}
	}
	return out
}
