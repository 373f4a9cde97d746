package runbooks

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// shift reads {ROOM: {TARGET: SHARE or [SHARE, …], …}}.
func (b *bookReader) shift(n *yaml.Node) *Shift {
	rooms := b.entries(n, "shift")
	if n.Kind != yaml.MappingNode {
		return nil
	}
	if len(rooms) != 1 {
		b.addf(n, RuleValue, "", "shift names %d rooms: it sets the shares of one", len(rooms))
		if len(rooms) == 0 {
			return nil
		}
	}
	s := &Shift{Pos: b.pos(n), Room: b.room(rooms[0].key, b.x)}
	if s.Room != "" && b.book.From != "" && b.book.To != "" && s.Room != b.book.From && s.Room != b.book.To {
		b.addf(rooms[0].key, RuleValue, "", "shift sets the shares of %s, but traffic moves from %s to %s: want one of these two", s.Room, b.book.From, b.book.To)
	}
	targets := b.entries(rooms[0].value, "a shift's room")
	if len(targets) == 0 && rooms[0].value.Kind == yaml.MappingNode {
		b.addf(rooms[0].value, RuleMissingKey, "", "shift names no route and no group")
	}
	for _, e := range targets {
		if t, ok := b.shiftTarget(e, s); ok {
			s.Targets = append(s.Targets, t)
		}
	}
	b.rungs(s, targets)
	if len(s.Targets) == 0 {
		return nil
	}
	return s
}

// shiftTarget reads one name with its shares. Nothing is moved twice by one shift.
func (b *bookReader) shiftTarget(e entry, s *Shift) (ShiftTarget, bool) {
	t := ShiftTarget{Pos: b.pos(e.key), Name: e.key.Value}
	seats := b.seatsOf(e.key)
	for _, other := range s.Targets {
		for _, seat := range b.targetSeats(other.Name) {
			if slices.ContainsFunc(seats, func(mine [2]string) bool { return overlap(mine, seat) }) {
				b.addf(e.key, RuleDuplicateKey, "", "%s is moved by %s on %s already", quoted(e.key.Value), quoted(other.Name), place(other.Pos))
				return t, false
			}
		}
	}
	items := []*yaml.Node{e.value}
	if e.value.Kind != yaml.ScalarNode {
		items = b.items(e.value, "shares")
	}
	for _, n := range items {
		p, ok := b.percent(n, "a share", 0)
		if ok && seats != nil {
			b.checkScale(n, e.key.Value, s.Room, p)
		}
		t.Shares = append(t.Shares, p)
	}
	return t, len(t.Shares) > 0 && seats != nil
}

// overlap says whether two seats are one, or one is all seats of the other's route.
func overlap(a, b [2]string) bool {
	return a[0] == b[0] && (a[1] == b[1] || a[1] == "" || b[1] == "")
}

// targetSeats is the routes that a target means, each with its seat or "" for all.
func (b *bookReader) targetSeats(name string) [][2]string {
	name, seat, _ := strings.Cut(name, "@")
	var out [][2]string
	for _, r := range b.chains.expand(name) {
		out = append(out, [2]string{r, seat})
	}
	return out
}

// seatsOf is targetSeats of what stands at n; nil if that is no target, which is then said.
func (b *bookReader) seatsOf(n *yaml.Node) [][2]string {
	name, seat, at := strings.Cut(n.Value, "@")
	bare := *n
	bare.Value = name
	if !b.names(&bare, b.x, aRoute, aGroup) {
		return nil
	}
	if b.x.things[name] == aGroup {
		if at {
			b.addf(n, RuleUnknownName, "name a route before @", "%s is a group: a seat is of one route", quoted(name))
			return nil
		}
		return b.targetSeats(name)
	}
	v := b.chains.route(name)
	if v == nil {
		return nil
	}
	switch v.Medium {
	case MediumFollows:
		b.addf(n, RuleValue, "shift "+v.Follows, "%s follows %s: nothing of it can be set", quoted(name), quoted(v.Follows))
		return nil
	case MediumStays:
		b.addf(n, RuleValue, "", "%s stays in %s: nothing of it can be set", quoted(name), quoted(v.Stays))
		return nil
	}
	if at && !b.hasSeat(n, v, seat) {
		return nil
	}
	return [][2]string{{name, seat}}
}

func (b *bookReader) hasSeat(n *yaml.Node, v *Route, seat string) bool {
	seats, what := v.Seats, "seat"
	if v.Medium == MediumDNS && v.DNS != nil {
		if v.DNS.Lines == nil && seat != "" {
			return true // all lines that the provider holds: only it knows them
		}
		seats, what = v.DNS.Lines, "line"
	}
	if contains(seats, seat) {
		return true
	}
	full := make([]string, len(seats))
	for i, s := range seats {
		full[i] = v.Name + "@" + s
	}
	if len(seats) == 0 {
		b.addf(n, RuleUnknownName, "write "+v.Name, "%s stands once for all: it has no %s", quoted(v.Name), what)
		return false
	}
	b.addf(n, RuleUnknownName, hintAmong(n.Value, full), "%s has no %s %s", quoted(v.Name), what, quoted(seat))
	return false
}

// rungs says which list is of another length than the first.
func (b *bookReader) rungs(s *Shift, targets []entry) {
	if len(s.Targets) == 0 {
		return
	}
	first := s.Targets[0]
	for i := 1; i < len(s.Targets); {
		t := s.Targets[i]
		if len(t.Shares) == len(first.Shares) {
			i++
			continue
		}
		for _, e := range targets {
			if e.key.Value == t.Name {
				b.addf(e.value, RuleRungs, "lists of one shift are climbed together", "%s has %d rungs, %s has %d", quoted(t.Name), len(t.Shares), quoted(first.Name), len(first.Shares))
			}
		}
		s.Targets = slices.Delete(s.Targets, i, i+1)
	}
}

// checkShifts says which shifts go against the runbook's direction as far as the file alone shows it, and whether an error
// gate watches them. A gate changed by the runbook counts as changed.
func (b *bookReader) checkShifts() {
	watched := slices.ContainsFunc(b.book.Gates, func(g Gate) bool { return g.ErrorGate() })
	last := make(map[string]Percent)
	for i := range b.book.Steps {
		s := &b.book.Steps[i]
		if s.Shift == nil {
			continue
		}
		if !watched {
			b.addAtf(s.Pos, RuleErrorGate, "add to gates of rooms.yaml: errors: {each: room, ratio: {bad: …, of: …}, hold: {above: 0.2%}, abort: {above: 1%, for: 15s}}",
				"nobody watches the errors of this shift: no gate is a ratio of bad events with each: room and an abort")
			watched = true // said once
		}
		b.checkDirection(s.Shift, last)
	}
}

// checkDirection compares each rung with the one before it, in this step or above. Only routes that nothing leads into are
// judged, for only their share is composed of nothing else; one that leads into others is not compared with steps above,
// between which those may have moved.
func (b *bookReader) checkDirection(s *Shift, last map[string]Percent) {
	if s.Room != b.book.From && s.Room != b.book.To {
		return
	}
	for _, t := range s.Targets {
		for _, seat := range b.targetSeats(t.Name) {
			key := s.Room + " " + seat[0] + "@" + seat[1]
			before, known := last[key]
			known = known && b.chains.alone(seat[0])
			for i, p := range t.Shares {
				if (i > 0 || known) && b.against(s, p, before) && !b.composed(seat[0], s) {
					b.addAtf(t.Pos, RuleDirection, "split it: one runbook for each direction",
						"%s goes from %s to %s in %s, but this runbook moves from %s to %s", quoted(t.Name), before.plain(), p.plain(), s.Room, b.book.From, b.book.To)
					before = t.Shares[len(t.Shares)-1] // said once; what follows is compared with what stands here
					break
				}
				before = p
			}
			last[key] = before
		}
	}
}

// slack is by how much a share may fall short of the one before it: below it nobody sees a difference.
const slack Percent = 200

func (b *bookReader) against(s *Shift, p, before Percent) bool {
	if s.Room == b.book.To {
		return p < before-slack
	}
	return p > before+slack
}

// composed says whether the route's share alone doesn't say where requests go: something leads into it, or the same shift
// moves a route that it leads into.
func (b *bookReader) composed(route string, s *Shift) bool {
	if b.chains.alone(route) {
		return false
	}
	if b.chains.led[route] {
		return true
	}
	for _, t := range s.Targets {
		for _, other := range b.targetSeats(t.Name) {
			if b.chains.related(route, other[0]) {
				return true
			}
		}
	}
	return false
}
