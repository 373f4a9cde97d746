package runbooks

// What is in the language but not carried out by this version. It is parsed and checked, so that a runbook written for the
// whole language is found right or wrong today, and refused before anything is planned.

// carriedOut is for hints.
const carriedOut = "carried out today: ttl, shift, writer, check with probe, writer and capacity, ask, approve, checkpoint and back"

// NotYet lists what of the runbook can't be planned, run or simulated by this version, each by line and step.
func NotYet(book *Runbook) []Problem {
	var ps []Problem
	add := func(at Pos, where, what string) {
		ps = append(ps, Problem{at, where + ": " + what + " is not carried out yet", RuleNotYet, carriedOut})
	}
	if book.Evacuate != "" {
		add(book.EvacuateAt, "the runbook", "evacuate")
	}
	if book.Returns != "" {
		add(book.ReturnsAt, "the runbook", "returns")
	}
	if book.Rules.RehearsedWithin != 0 {
		add(book.Rules.RehearsedAt, "rules", "rehearsedWithin")
	}
	for i := range book.Steps {
		s := &book.Steps[i]
		where := "step " + quoted(s.Name)
		switch s.Kind {
		case StepSwitch, StepDrain, StepCall:
			add(s.Pos, where, string(s.Kind))
		case StepCheck:
			if s.Check.Quiet != nil {
				add(s.Check.Quiet.Pos, where, "check: quiet")
			}
		}
	}
	Sort(ps)
	return ps
}

// adapters are the media that can be read and written in real rooms; of names, those at a provider in providers.
var (
	adapters = map[Medium]bool{MediumKey: true, MediumUpstream: true, MediumService: true, MediumSplitter: true, MediumDNS: true,
		MediumFollows: true, MediumStays: true}
	providers = map[string]bool{"alidns": true}
)

// NotYetReal lists, beyond NotYet, what works in simulated rooms only: media without an adapter as far as this runbook's shares depend on
// them.
func NotYetReal(rooms *Rooms, book *Runbook) []Problem {
	var ps []Problem
	hint := "it works in simulated rooms: roomshift simulate"
	rests := RestsOn(rooms, book)
	for i := range rooms.Routes {
		v := &rooms.Routes[i]
		what := string(v.Medium)
		if v.Medium == MediumDNS && v.DNS != nil {
			what += " at " + v.DNS.Provider
		}
		if rests[v.Name] && (!adapters[v.Medium] || v.Medium == MediumDNS && v.DNS != nil && !providers[v.DNS.Provider]) {
			ps = append(ps, Problem{v.Pos, "route " + quoted(v.Name) + ": " + what + " can't be read or written yet in real rooms", RuleNotYet, hint})
		}
	}
	Sort(ps)
	return ps
}

// RestsOn is the routes that a runbook writes, shares or TTLs, and those on which its composed shares depend.
func RestsOn(rooms *Rooms, book *Runbook) map[string]bool {
	c, shifted, out := newChains(rooms), make(map[string]bool), make(map[string]bool)
	for i := range book.Steps {
		s := &book.Steps[i]
		for _, t := range s.TTL {
			routes, _ := rooms.Expand(t.Name)
			for _, r := range routes {
				out[r] = true
			}
		}
		if s.Shift == nil {
			continue
		}
		for _, t := range s.Shift.Targets {
			routes, _ := rooms.Expand(t.Name)
			for _, r := range routes {
				shifted[r] = true
			}
		}
	}
	for i := range rooms.Routes {
		if name := rooms.Routes[i].Name; c.dependsOn(name, shifted) {
			out[name] = true
		}
	}
	return out
}

// dependsOn says whether the route is one of these, or above or below one of them in a chain: then the composed share does.
func (c *chains) dependsOn(route string, touched map[string]bool) bool {
	if touched[route] || c.alone(route) {
		return touched[route]
	}
	for name := range touched {
		if c.related(name, route) {
			return true
		}
	}
	return false
}
