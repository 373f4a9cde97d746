package cutover

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pendingAnswer waits until its command's record is durable: a person is never told of what a crash could take back.
type pendingAnswer struct {
	id     string
	seq    int64
	answer Answer
}

func (e *engine) answer() {
	kept := e.pending[:0]
	for _, a := range e.pending {
		if a.seq <= e.out.durable {
			e.w.Operators.Answer(a.id, a.answer)
		} else {
			kept = append(kept, a)
		}
	}
	e.pending = kept
}

func (e *engine) say(c Command, ok bool, format string, args ...any) {
	e.pending = append(e.pending, pendingAnswer{c.ID, e.p.Seq, Answer{OK: ok, Said: fmt.Sprintf(format, args...)}})
}

func (e *engine) refuse(c Command, format string, args ...any) {
	e.w.Operators.Answer(c.ID, Answer{Said: fmt.Sprintf(format, args...)})
}

// take journals a command; what follows from it is journaled behind it.
func (e *engine) obey(c Command, causes ...string) {
	e.propose(Record{Kind: KindCommand, Command: &CommandMark{ID: c.ID, Verb: c.Verb, Who: c.Who, Args: c.Args, Causes: causes}}, true)
}

// command does what a person says. A command that is already true is a no-op that says so.
func (e *engine) command(c Command) {
	if c.Verb == "status" {
		v := e.view()
		e.w.Operators.Answer(c.ID, Answer{OK: true, View: v})
		return
	}
	if e.p.Commands[c.ID] {
		e.refuse(c, "this command was taken already")
		return
	}
	if c.Verb == "stop" {
		e.stop(c)
		return
	}
	if no := e.deaf(c.Verb); no != "" {
		e.refuse(c, "%s", no)
		return
	}
	switch c.Verb {
	case "pause":
		e.pause(c)
	case "resume":
		e.resume(c)
	case "freeze":
		e.freezeCommand(c)
	case "back":
		e.backCommand(c)
	case "approve":
		e.approve(c)
	case "accept":
		e.accept(c)
	case "mute":
		e.mute(c)
	case "close":
		e.close(c)
	default:
		e.refuse(c, "unknown command %q", c.Verb)
	}
	e.changed()
}

// deaf says why nothing can be said to the run now, "" if it can.
func (e *engine) deaf(verb string) string {
	switch {
	case e.ended:
		return "the run has ended: nothing to " + verb
	case !e.ready:
		return "this process decides nothing yet, so there is nothing to " + verb + ": " + cmp.Or(e.waiting, "takes the locks, and reads what is there")
	}
	return ""
}

// stop ends this process and leaves the run as the journal says.
func (e *engine) stop(c Command) {
	x := ExitStopped
	switch {
	case e.p.Phase == PhaseResting:
		x = e.p.Exit
	case !e.ready && !e.p.Changed:
		x = ExitNothing
	case e.openCount() > 0 || e.writersOpen() || e.onlysOpen():
		x = ExitUnknown
	}
	if e.p.Plan != nil {
		e.obey(c)
	}
	text := "stopped; the journal is intact: take over, or go back"
	if e.p.Phase == PhaseResting {
		text = "stopped; the run rests where it did, and nobody watches it from now on: takeover does so again; continue, back and close work as before"
	}
	e.say(c, true, "%s", text)
	e.stopped = e.now
	e.finish(x)
}

func (e *engine) pause(c Command) {
	switch {
	case e.p.Phase != PhaseForward:
		e.refuse(c, "the run is %s, so there is nothing to pause", e.p.Phase)
	case e.p.Paused != "":
		e.refuse(c, "already paused by %s", e.p.Paused)
	default:
		e.obey(c)
		e.say(c, true, "paused: the gates are still watched, nothing goes forward")
	}
}

func (e *engine) resume(c Command) {
	switch {
	case e.p.Phase == PhaseFrozen:
		e.obey(c, e.board.Bad(e.now, e.vantage)...)
		e.thaw()
		e.say(c, true, "resumed: %s", e.p.Phase)
	case e.p.Paused != "":
		e.obey(c)
		e.say(c, true, "resumed")
	default:
		e.refuse(c, "neither paused nor frozen")
	}
}

func (e *engine) freezeCommand(c Command) {
	if e.p.Phase == PhaseFrozen {
		e.refuse(c, "already frozen")
		return
	}
	e.obey(c)
	e.freeze([]Cause{{Gate: "person", Text: "frozen by " + c.Who}})
	e.say(c, true, "frozen: nothing is written in either direction until somebody says resume or back")
}

func (e *engine) backCommand(c Command) {
	names := strings.Fields(strings.ReplaceAll(c.Args["overwrite"], ",", " "))
	if no := e.noForeign(names); no != "" {
		e.refuse(c, "%s", no)
		return
	}
	e.overwrite(names)
	target := backTarget(e.p, c.Args["to"])
	to, now := e.p.Targets[target], e.p.Targets[e.p.Target]
	if target == rungTarget && e.p.Target != rungTarget {
		to = e.p.rungTarget() // it is recorded only when going back to it begins
	}
	if to != nil && now != nil && to.Seq > now.Seq {
		e.refuse(c, "the run is going back to %s, which is earlier than %s", e.p.Target, target)
		return
	}
	if e.p.Phase == PhaseBack && target == e.p.Target && c.Args["overwrite"] == "" {
		e.refuse(c, "already going back to %s", target)
		return
	}
	e.obey(c, e.board.Bad(e.now, e.vantage)...)
	e.turnBack(target, []Cause{{Gate: "person", Text: "back, said " + c.Who}})
	e.say(c, true, "going back to %s", target)
}

// askerName is how people name who asks: a step, a seat that is kept, or the run.
func (e *engine) askerName(q AskedMark) string {
	if seat, ok := strings.CutPrefix(q.What, keepQuestion); ok {
		return seat
	}
	if q.Step < 0 {
		return "run"
	}
	return e.plan.Steps[q.Step].Name
}

// asked finds the question that a person means: of the named step, or the only one.
func (e *engine) asked(c Command, whats ...string) (AskedMark, bool) {
	var found []AskedMark
	for _, q := range e.p.Asked {
		if name := e.askerName(q); c.Args["step"] != "" && c.Args["step"] != name {
			continue
		}
		for _, w := range whats {
			if q.What == w || (w == keepQuestion && strings.HasPrefix(q.What, w)) {
				found = append(found, q)
			}
		}
	}
	switch len(found) {
	case 0:
		e.refuse(c, "nobody is asked to %s %s now%s", c.Verb, cmp.Or(quoted(c.Args["step"]), "anything"), e.questions())
	case 1:
		return found[0], true
	default:
		names := ""
		for _, q := range found {
			names += fmt.Sprintf(" %q", e.askerName(q))
		}
		e.refuse(c, "several steps ask: name one of%s", names)
	}
	return AskedMark{}, false
}

// questions says what is asked, "" nothing.
func (e *engine) questions() string {
	var parts []string
	for _, q := range e.p.Asked {
		parts = append(parts, e.stepName(q.Step)+": "+q.Text)
	}
	if len(parts) == 0 {
		return ""
	}
	return "; asked is " + strings.Join(parts, "; ")
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return strconv.Quote(s)
}

func (e *engine) approve(c Command) {
	if q, ok := e.asked(c, "approve", "ask"); ok {
		e.obey(c)
		e.answered(q.Step, q.What, "approved", c.Who)
		e.say(c, true, "approved: %s", e.stepName(q.Step))
	}
}

func (e *engine) accept(c Command) {
	q, ok := e.asked(c, "settle", "bake", "foreign", "failed", "rule", "check", "ask", "move", keepQuestion)
	if !ok {
		return
	}
	if c.Args["reason"] == "" {
		e.refuse(c, "accept needs a reason: --reason …")
		return
	}
	rules := rulesIn(q)
	for _, r := range []string{RuleServes, RuleSum} {
		if slices.Contains(rules, r) {
			e.refuse(c, "rule %s can't be broken: %s; go back, or mend what is there", r, q.Text)
			return
		}
	}
	e.obey(c)
	if q.What == "foreign" {
		e.adopt(q.Step, c)
	}
	for _, r := range rules {
		e.propose(Record{Kind: KindBroke, Broke: &BrokeMark{Rule: r, Who: c.Who, Reason: c.Args["reason"]}}, true)
	}
	e.answered(q.Step, q.What, "accepted", c.Who)
	e.say(c, true, "accepted: %s", q.Text)
}

// adopt takes what somebody else wrote as wanted: the plan goes on over what is there. A step's question is of its own seats, a
// checkpoint's of all.
func (e *engine) adopt(step int, c Command) {
	mine := map[Seat]bool{}
	all := step < 0 || len(e.plan.Steps[step].Rungs) == 0
	if !all {
		for _, seats := range e.rungSeats(step) {
			for _, seat := range seats {
				mine[seat] = true
			}
		}
	}
	for _, o := range e.p.SortedObjects() {
		if o.Foreign == nil || o.Foreign.Gone || (!all && !mine[o.Seat]) {
			continue
		}
		e.propose(Record{Kind: KindAdopted, Adopted: &AdoptedMark{Plane: o.ID.Plane, Object: o.ID.Object, Value: o.Foreign.Found,
			Version: o.Foreign.Version, Who: c.Who, Why: c.Args["reason"]}}, true)
	}
}

// rulesIn are the rules that a question names: a former holder may have asked it, so its text is all there is.
func rulesIn(q AskedMark) []string {
	if q.What != "rule" && !strings.HasPrefix(q.What, keepQuestion) {
		return nil
	}
	var out []string
	for _, r := range []string{RuleServes, RuleSum, RuleFirst, RuleMaxMove, RuleMaxShare, RuleMaxOut, RuleHeadroom, RulePeak} {
		if strings.Contains(q.Text, "["+r+"]") {
			out = append(out, r)
		}
	}
	for _, m := range preflightRules.FindAllStringSubmatch(q.Text, -1) {
		out = append(out, m[1])
	}
	return out
}

func (e *engine) mute(c Command) {
	gate := c.Args["gate"]
	var names []string
	for i := range e.plan.Gates {
		names = append(names, e.plan.Gates[i].Name)
	}
	d, err := time.ParseDuration(c.Args["for"])
	switch {
	case !slices.Contains(names, gate):
		e.refuse(c, "no gate is called %q: there are %s", gate, strings.Join(names, ", "))
		return
	case err != nil || d <= 0:
		e.refuse(c, "mute needs a time: --for 10m")
		return
	case c.Args["reason"] == "":
		e.refuse(c, "mute needs a reason: --reason …")
		return
	}
	args := map[string]string{}
	for k, v := range c.Args {
		args[k] = v
	}
	args["until"] = e.wall().Add(d).Format(wallFormat)
	c.Args = args
	var causes []string
	for _, k := range e.board.Bad(e.now, e.vantage) {
		if strings.HasPrefix(k, gate+"@") {
			causes = append(causes, k)
		}
	}
	e.obey(c, causes...)
	e.say(c, true, "%s is muted until %s", gate, args["until"])
}

// overwrite marks objects that somebody else wrote and that going back is to write over.
func (e *engine) overwrite(objects []string) {
	for _, o := range objects {
		if e.backing.overwrite == nil {
			e.backing.overwrite = map[string]bool{}
		}
		e.backing.overwrite[o] = true
	}
}

// noForeign says which of the names is no object that somebody else wrote, "" if each is.
func (e *engine) noForeign(names []string) string {
	var foreign []string
	known := map[string]bool{}
	for _, o := range e.p.SortedObjects() {
		if o.Foreign != nil {
			foreign = append(foreign, o.ID.Object)
			for _, n := range o.names() {
				known[n] = true
			}
		}
	}
	for _, n := range names {
		if !known[n] {
			return fmt.Sprintf("somebody else wrote no %q; what they wrote: %s", n, cmp.Or(strings.Join(foreign, ", "), "nothing"))
		}
	}
	return ""
}
