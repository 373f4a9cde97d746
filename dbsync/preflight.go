package dbsync

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"roomshift/cutover"
)

// PreflightOptions are what a preflight is held against. Those that are 0 take the values of the comments.
type PreflightOptions struct {
	To       cutover.Room          // where the write role is to go
	Quick    bool                  // only what can change in a moment
	Declared map[cutover.Room]bool // rooms whose master was declared to come up fenced: `restarts: fenced`

	MostLag  time.Duration                   // of either direction: 500 ms
	Fence    time.Duration                   // a write statement that has run for so long holds a fence up: 1 s
	MostRows int64                           // rows that one open transaction may have modified: 100,000
	Keep     time.Duration                   // for so long binlogs are to be kept: 24 h
	Limit    time.Duration                   // of each check: 3 s
	Rehearse func(context.Context) Rehearsal // nil: nothing is known
	Now      time.Time                       // zero: now
	Broken   map[string]string               // rules that this pair is excepted from, writer.NAME: the reasons; they are warned of

	only []string // these checks only, for tests; nil: all
}

// DefaultMostLag is how far either direction may be behind when a move begins, where nobody says more.
const DefaultMostLag = 500 * time.Millisecond

// withDefaults fills in what wasn't said.
func (o PreflightOptions) withDefaults() PreflightOptions {
	o.MostLag = cmp.Or(o.MostLag, DefaultMostLag)
	o.Fence = cmp.Or(o.Fence, time.Second)
	o.MostRows = cmp.Or(o.MostRows, 100_000)
	o.Keep = cmp.Or(o.Keep, 24*time.Hour)
	o.Limit = cmp.Or(o.Limit, 3*time.Second)
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	return o
}

// flight is what one check of a preflight judges: both sides, and what it asked beside them. Judging is pure.
type flight struct {
	ringView
	o        PreflightOptions
	pair     string
	from, to int // sides: who is to give the write role, and who is to get it

	answers [2][]answered    // to the check's own questions, in order, by side
	rtt     [2]time.Duration // of the rights check
	lags    [2]lagProbe      // of the lag check
	diff    []diffs          // of the schema check
	past    Rehearsal
}

// answered is what a question came to.
type answered struct {
	rows []row
	err  error
}

// failed tells whether a side's k-th question has no answer.
func (f *flight) failed(side, k int) bool {
	return k >= len(f.answers[side]) || f.answers[side][k].err != nil
}

// rows is the answer to a side's k-th question, nil if it has none.
func (f *flight) rows(side, k int) []row {
	if k < len(f.answers[side]) {
		return f.answers[side][k].rows
	}
	return nil
}

// question is one statement of a check, asked of one server.
type question struct {
	query string
	args  []any
	right string // what it needs, for an error that doesn't say so itself
	// mayFail: not every server can say it, or the check judges the error itself.
	mayFail bool
}

// preCheck is one of the checks before a move.
type preCheck struct {
	name  string
	quick bool // it belongs to the last look before FENCING, too
	rests []rest
	// ask is what it asks of a side beside readSide.
	ask   func(f *flight, side int) []question
	limit time.Duration // its own, 0: the preflight's
	// more is for what takes more than questions.
	more  func(ctx context.Context, r *Ring, f *flight, conns [2]querier) error
	judge func(f *flight) []Finding
}

// rest is a check of Ring.Check that one before a move rests on, and what its findings mean there.
type rest struct {
	check    func(ringView) []Finding
	severity cutover.Severity
	rule     string // writer.NAME, where it can be broken
}

// preflightChecks are the checks before a move (facts: 4.1), in their order.
func preflightChecks() []preCheck {
	return []preCheck{
		preIdentity(), preTopology(), preRoles(), preActors(),
		preThreads(), preLag(), preGTID(), preLog(), preRetention(), preOrder(),
		preKeys(), preBypass(), preEvents(), preXA(), preRunning(), preLocks(), preSemiSync(), preRoom(), preSchema(), preRights(), preRehearsal(),
	}
}

// preflightConns is how many connections a preflight has to each master, beside the ring's.
const preflightConns = 4

// Preflight looks at all that a move of the write role to o.To rests on, on both masters side by side, and changes nothing. Every check
// gives at least one finding: one that is OK, or all that are not. Each has its own time; one that has no answer by then is a finding and
// hides no other. Masters that don't answer at all are the findings of `identity`, and then nothing else is judged. The error is ctx's.
func (r *Ring) Preflight(ctx context.Context, o PreflightOptions) ([]Finding, error) {
	o = o.withDefaults()
	f := flight{o: o, pair: r.name}
	if found := r.taxi(ctx, &f); found != nil {
		return found, ctx.Err()
	}
	pools, err := r.preflightPools(f)
	if err != nil {
		return nil, err
	}
	defer pools.close()
	checks := slices.DeleteFunc(preflightChecks(), func(c preCheck) bool {
		return o.Quick && !c.quick || o.only != nil && !slices.Contains(o.only, c.name) || r.kept.Tool != nil && !slices.Contains(ofTools, c.name)
	})
	all := make([][]Finding, len(checks)+1)
	var each sync.WaitGroup
	for i := range checks {
		each.Go(func() { all[i] = checks[i].run(ctx, r, f, pools) })
	}
	if o.only == nil {
		each.Go(func() { all[len(checks)] = r.preflightOthers(ctx) })
	}
	each.Wait()
	flown := slices.DeleteFunc(slices.Concat(all...), func(f Finding) bool {
		// Its provider keeps the parameter, which is all of its fence: what it was set to last it comes up with.
		return r.provided(f.Room) && (f.Rule == "writer.restart" || strings.HasPrefix(f.Seen, "super_read_only="))
	})
	return excepted(flown, o.Broken), ctx.Err()
}

// taxi reads what all checks rest on. Findings are what they can't be made without.
func (r *Ring) taxi(ctx context.Context, f *flight) []Finding {
	var errs [2]error
	var both sync.WaitGroup
	for i, n := range r.nodes {
		both.Go(func() { f.sides[i], errs[i] = n.readSide(ctx, f.o.Limit) })
	}
	both.Wait()
	found, ok := answers(r, f.ringView, errs)
	if !ok {
		return graded(found, "identity", cutover.Refuses, "", true)
	}
	if err := r.flightView(ctx, f); err != nil {
		wrong := refusedFinding(Finding{Check: "identity", Wanted: "an answer to every question"}, err, f.sides[0].d, "look at both masters and at roomshift's account on them")
		return graded([]Finding{wrong}, "identity", cutover.Refuses, "", true)
	}
	if f.same {
		return graded(checkIdentity(f.ringView), "identity", cutover.Refuses, "", false)
	}
	return nil
}

// ofTools are the checks that say something of a pair that a tool keeps: its GTIDs and its fence are other ones.
var ofTools = []string{"identity", "actors", "keys", "xa", "running", "locks", "room", "rehearsal"}

// preflightOthers is what the tool that keeps the pair, and providers that fence its masters, say; nothing where there is none.
func (r *Ring) preflightOthers(ctx context.Context) []Finding {
	if r.kept.Tool == nil {
		return graded(r.checkProviders(ctx), "provider", cutover.Refuses, "", true)
	}
	found, err := r.checkSynced(ctx)
	if err != nil {
		found = append(found, Finding{Check: "tool", Seen: err.Error(), Wanted: "an answer", Do: "look again"})
	}
	return gradedSynced(found)
}

// excepted are findings of which those that the pair is excepted from are said only, with the reason.
func excepted(found []Finding, broken map[string]string) []Finding {
	for i := range found {
		if reason, ok := broken[found[i].Rule]; ok && found[i].Severity == cutover.Breaks {
			found[i].Severity = cutover.Warns
			found[i].Wanted += " (broken by rooms.yaml: " + reason + ")"
		}
	}
	return found
}

// flightView reads what all checks rest on, and which side is to give the role. A last look doesn't ask again whether both are one server.
func (r *Ring) flightView(ctx context.Context, f *flight) error {
	for i, s := range f.sides {
		if s.room == f.o.To {
			f.to, f.from = i, 1-i
		}
	}
	if f.sides[f.to].room != f.o.To {
		return fmt.Errorf("pair %s has no master in %s", r.name, f.o.To)
	}
	if r.kept.Tool != nil {
		return nil
	}
	if !f.o.Quick {
		var err error
		if f.same, err = r.sameServer(ctx); err != nil || f.same {
			return err
		}
	}
	return r.readStates(ctx, &f.ringView)
}

// run is one check from its questions to its findings.
func (c *preCheck) run(ctx context.Context, r *Ring, f flight, pools *preflightPools) []Finding {
	conns, err := pools.take(ctx)
	if err != nil {
		return c.unanswered("", err, f.o.Limit)
	}
	defer pools.give(conns)
	f.o.Limit = max(f.o.Limit, c.limit)
	ctx, cancel := context.WithTimeout(ctx, f.o.Limit)
	defer cancel()
	c.askBoth(ctx, &f, conns)
	var found []Finding
	judged := true
	for i, s := range f.sides {
		for k, q := range c.questions(&f, i) {
			if err := f.answers[i][k].err; err != nil && !q.mayFail {
				found = append(found, c.refused(s, q, err, f.o.Limit)...)
				judged = judged && noRightTo(err) // what else was asked is judged without it
			}
		}
	}
	if judged && c.more != nil {
		if err := c.more(ctx, r, &f, [2]querier{conns[0], conns[1]}); err != nil {
			found, judged = append(found, c.unanswered("", err, f.o.Limit)...), false
		}
	}
	for _, rs := range c.rests {
		found = append(found, graded(rs.check(f.ringView), c.name, rs.severity, rs.rule, false)...)
	}
	if judged && c.judge != nil {
		found = append(found, graded(c.judge(&f), c.name, "", "", false)...)
	}
	return c.merged(found)
}

// askBoth asks both masters, side by side, what the check needs to know.
func (c *preCheck) askBoth(ctx context.Context, f *flight, conns [2]*sql.Conn) {
	var both sync.WaitGroup
	for i := range f.sides {
		both.Go(func() {
			for _, q := range c.questions(f, i) {
				tables, err := askAll(ctx, conns[i], q.query, q.args...)
				a := answered{err: err}
				if err == nil && len(tables) > 0 {
					a.rows = tables[0]
				}
				f.answers[i] = append(f.answers[i], a)
			}
		})
	}
	both.Wait()
}

func (c *preCheck) questions(f *flight, side int) []question {
	if c.ask == nil {
		return nil
	}
	return c.ask(f, side)
}

// merged is what isn't OK; if all is, one finding that says what was seen.
func (c *preCheck) merged(found []Finding) []Finding {
	bad := slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.OK })
	if len(bad) > 0 {
		return bad
	}
	var seen []string
	for _, f := range found {
		text := f.Seen
		if f.Room != "" {
			text = f.Room + ": " + text
		}
		if text != "" && !slices.Contains(seen, text) {
			seen = append(seen, text)
		}
	}
	return []Finding{{Check: c.name, Seen: strings.Join(seen, "; "), OK: true}}
}

// graded are findings under a check's name, those that aren't OK with what they mean for a move unless they say it themselves.
func graded(found []Finding, name string, severity cutover.Severity, rule string, passing bool) []Finding {
	out := slices.Clone(found)
	for i := range out {
		f := &out[i]
		if f.Check = name; f.OK {
			continue
		}
		if f.Severity == "" {
			f.Severity, f.Rule, f.Passing = severity, rule, passing
		}
	}
	return out
}

// unansweredRule is the name by which a check that couldn't be asked is broken.
func unansweredRule(name string) string { return "writer." + name + "-unseen" }

// refused is a question that a side didn't answer.
func (c *preCheck) refused(s side, q question, err error, limit time.Duration) []Finding {
	found := c.unanswered(s.room, err, limit)
	if q.right != "" && noRightTo(err) {
		found[0].Grant = []string{grantOf(q.right)}
		found[0].Do = "give roomshift's account the right"
		if slices.Contains(preflightGrants(s.version), grantOf(q.right)) { // it may be left out: that it isn't seen is said
			found[0].Severity, found[0].Rule = cutover.Warns, ""
		}
	}
	return found
}

// noRightTo tells whether a server refused because of what the account may do.
func noRightTo(err error) bool { return lacksRight(err) || isOneOf(err, noXARight) }

// unanswered is a check without an answer. What may only be slow is looked at again; one that isn't of the last look can be broken by name.
func (c *preCheck) unanswered(room cutover.Room, err error, limit time.Duration) []Finding {
	f := Finding{Check: c.name, Room: room, Seen: say(err), Wanted: "an answer", Severity: cutover.Breaks, Rule: unansweredRule(c.name),
		Do: "look at the master: SHOW FULL PROCESSLIST"}
	if number(err) == 0 {
		f.Seen = fmt.Sprintf("no answer in %v: %s", limit, say(err))
		f.Do += "; what waits there, and for whom"
		if c.quick {
			f.Severity, f.Rule, f.Passing = cutover.Refuses, "", true
		}
	}
	return []Finding{f}
}

// good is a finding that is OK.
func good(room cutover.Room, format string, args ...any) Finding {
	return Finding{Room: room, Seen: fmt.Sprintf(format, args...), OK: true}
}

// variablesQuery asks for global variables by name.
func variablesQuery(names ...string) question {
	return question{query: "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('" + strings.Join(names, "','") + "')"}
}

// variables is such an answer by name.
func variables(rows []row) row {
	out := row{}
	for _, r := range rows {
		out[strings.ToLower(r["Variable_name"])] = r["Value"]
	}
	return out
}

// someOf names the first few of many.
func someOf(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// systemSchemas are no application's.
const systemSchemas = "('mysql','information_schema','performance_schema','sys','roomshift')"
