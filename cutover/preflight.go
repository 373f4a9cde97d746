package cutover

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Preflight looks at all that a move of a write role rests on, before anything is fenced.
type Preflight interface {
	// Preflight judges both masters of a pair for a move of its write role to a room, and changes nothing. Every check gives at least one
	// finding, good or bad, in a fixed order; one that has no answer in its own time is a finding, too. quick: those only whose answer can
	// change in a moment, as the last look before FENCING. An error is ctx's, or that there is no such pair.
	Preflight(ctx context.Context, pair string, to Room, quick bool) ([]Finding, error)
}

// Severity is what a finding that isn't OK means for a move.
type Severity string

const (
	Refuses Severity = "refuse" // there is no move while it is so
	Breaks  Severity = "break"  // none, unless a person breaks it by its name and with a reason
	Warns   Severity = "warn"   // it is said
)

// Finding is what one check of a pair came to, on one master or, for a direction, for the room that receives. Room "" is the pair.
// Do is what a person can do about it, with the exact statement; "" when it is OK.
type Finding struct {
	Check  string   `json:"check"`
	Room   Room     `json:"room,omitempty"`
	Seen   string   `json:"seen"`
	Wanted string   `json:"wanted,omitempty"`
	Do     string   `json:"do,omitempty"`
	OK     bool     `json:"ok"`
	Grant  []string `json:"grant,omitempty"` // what the account needs, when it was refused: {user} stands for it

	Severity Severity `json:"severity,omitempty"` // of one that isn't OK
	Rule     string   `json:"rule,omitempty"`     // the name that it is broken by: writer.NAME
	Passing  bool     `json:"passing,omitempty"`  // it goes away by itself
}

// String is "threads · cloud · receiving thread Yes, applier No (error 1062) · both run · what to do".
func (f Finding) String() string {
	room := f.Room
	if room == "" {
		room = "pair"
	}
	s := f.Check + " · " + room + " · " + f.Seen + " · " + f.Wanted
	if f.Do != "" {
		s += " · " + f.Do
	}
	return s
}

// Stands tells whether the finding stands in the way of a move.
func (f Finding) Stands() bool { return !f.OK && f.Severity != Warns }

// RuleOf is the name that a finding of a pair is broken by, "" if it can't be: of two pairs each has its own.
func (f Finding) RuleOf(pair string) string {
	if f.OK || f.Severity != Breaks || f.Rule == "" {
		return ""
	}
	return f.Rule + "@" + pair
}

// preflightRules finds the names in a question.
var preflightRules = regexp.MustCompile(`\[(writer\.[a-z-]+@[^\]]+)\]`)

// How long what a preflight found is good for: all of it, what can change in a moment, and one that stands in the way.
const (
	preflightAll   = 10 * Minute
	preflightQuick = 3 * Second
	preflightAgain = 5 * Second
	preflightHolds = Minute      // so long what goes away by itself may take before a person is asked
	preflightLimit = 30 * Second // of one preflight: its checks have limits of their own
)

// preflight is what this process knows of a pair's preflight; all of it can be lost.
type preflight struct {
	pair   string
	to     Room
	quick  bool
	flying bool
	came   T // 0: nothing has come
	since  T // when something was first found in the way, 0: nothing is
	found  []Finding
	err    error
}

func (e *engine) preflightOf(pair string, to Room, quick bool) *preflight {
	for _, p := range e.preflights {
		if p.pair == pair && p.to == to && p.quick == quick {
			return p
		}
	}
	p := &preflight{pair: pair, to: to, quick: quick}
	e.preflights = append(e.preflights, p)
	return p
}

// flown says whether a preflight's findings are to be gone by; if not, they are asked for, and the engine doesn't wait.
func (e *engine) flown(p *preflight) bool {
	good := preflightAll
	if p.quick {
		good = preflightQuick
	}
	if p.err != nil || e.inTheWay(p) != nil {
		good = preflightAgain
	}
	switch {
	case p.flying:
		return false
	case p.came > 0 && e.now < p.came+good:
		return true
	}
	p.flying = true
	came := func(found []Finding, err error) {
		if !p.flying {
			return
		}
		p.flying, p.came, p.found, p.err = false, e.now, found, err
		switch {
		case err == nil && e.inTheWay(p) == nil:
			p.since = 0
		case p.since == 0:
			p.since = e.now
		}
		e.moverOf(p.pair).retryAt = e.now
		e.changed()
	}
	e.start(preflightLimit, func(ctx context.Context) any {
		found, err := e.w.Preflight.Preflight(ctx, p.pair, p.to, p.quick)
		return preflightReply{found, err}
	}, func(v any) {
		r := v.(preflightReply)
		came(r.found, r.err)
	}, func() { came(nil, errNoAnswer) })
	return false
}

type preflightReply struct {
	found []Finding
	err   error
}

// inTheWay are the findings that stand in the way of a move, but those that were broken by name.
func (e *engine) inTheWay(p *preflight) []Finding {
	var out []Finding
	for _, f := range p.found {
		if f.Stands() && !e.isBroken(f.RuleOf(p.pair)) {
			out = append(out, f)
		}
	}
	return out
}

func (e *engine) isBroken(rule string) bool { return rule != "" && e.brokenByName(rule) }

// preflightSays is what a preflight says against a move of a step that would begin now: "" nothing. First all of it, then once more what
// can change in a moment.
func (e *engine) preflightSays(i int, pair string, to Room) string {
	if e.w.Preflight == nil {
		return ""
	}
	for _, quick := range []bool{false, true} {
		p := e.preflightOf(pair, to, quick)
		if !e.flown(p) {
			return "looks at all that a move of " + pair + " rests on"
		}
		if p.err != nil {
			return e.askPreflight(i, p, "the preflight of "+pair+" has no answer: "+p.err.Error(), true)
		}
		if found := e.inTheWay(p); len(found) > 0 {
			return e.preflightRefuses(i, p, found)
		}
	}
	return ""
}

// preflightRefuses says what is in the way, and asks a person where only one can end that: what can be broken by name, and what doesn't
// go away by itself.
func (e *engine) preflightRefuses(i int, p *preflight, found []Finding) string {
	refused := slices.ContainsFunc(found, func(f Finding) bool { return f.RuleOf(p.pair) == "" })
	passing := !slices.ContainsFunc(found, func(f Finding) bool { return !f.Passing })
	text := "preflight of " + p.pair + ": " + findingsText(p.pair, found)
	if !refused {
		if e.plan.Steps[i].Writer.Once {
			return e.refusedOnce(p, text+"; what is to be broken for good stands in rooms.yaml, as breaks of the pair")
		}
		e.ask(i, "rule", fmt.Sprintf("%s would break a rule: %s", e.stepName(i), text), nil)
		return text
	}
	return e.askPreflight(i, p, text, passing)
}

// askPreflight asks a person, at once or after a while; accept looks again.
func (e *engine) askPreflight(i int, p *preflight, text string, passing bool) string {
	if passing && e.now < p.since+preflightHolds {
		e.at(min(p.came+preflightAgain, p.since+preflightHolds))
		return text
	}
	if e.plan.Steps[i].Writer.Once {
		return e.refusedOnce(p, text)
	}
	p.came, p.since = 0, 0
	e.ask(i, "move", fmt.Sprintf("%s: %s; accept looks again", e.stepName(i), text), nil)
	return text
}

// refusedOnce ends a run in which nobody is asked.
func (e *engine) refusedOnce(p *preflight, text string) string {
	e.moverOf(p.pair).lost = text
	e.gaveUpOnce(p.pair)
	return text
}

// preflightBack is what speaks against moving a writer back now: what refuses only, and not that nothing could be asked. Going back is held
// to no rule that a person may break.
func (e *engine) preflightBack(pair string, to Room) string {
	if e.w.Preflight == nil {
		return ""
	}
	p := e.preflightOf(pair, to, true)
	if !e.flown(p) {
		return "looks at what a move of " + pair + " rests on"
	}
	var found []Finding
	for _, f := range e.inTheWay(p) {
		if f.Severity == Refuses {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "the writer of " + pair + " waits: " + findingsText(pair, found)
}

// findingsText is findings in one line, each with the name that it is broken by.
func findingsText(pair string, found []Finding) string {
	parts := make([]string, len(found))
	for i, f := range found {
		parts[i] = f.String()
		if rule := f.RuleOf(pair); rule != "" {
			parts[i] += " [" + rule + "]"
		}
	}
	return strings.Join(parts, "; ")
}
