package runbooks

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

func (r *roomsReader) gates(f *fields) {
	for _, e := range f.under("gates") {
		gf, ok := r.fields(e.value, shapeGate)
		if !ok {
			continue
		}
		if contains([]string{"person", "lock", "object", "rule"}, e.key.Value) {
			r.addf(e.key, RuleName, "", "a gate can't be named %s: causes of other kinds are", quoted(e.key.Value))
		}
		g := Gate{Pos: r.pos(e.key), Name: e.key.Value}
		r.measured(&g, gf)
		r.gateFields(&g, gf, r.x, shapeLimit)
		r.checkSubject(&g, gf)
		r.checkGate(&g, g.Pos)
		r.rooms.Gates = append(r.rooms.Gates, g)
	}
}

// measured reads what the gate measures; a runbook can't change that.
func (r *roomsReader) measured(g *Gate, f *fields) {
	if n := f.get("link"); n != nil && r.known(n, "a link", r.x.links) {
		g.Link = n.Value
	}
	if n := f.get("replication"); n != nil && r.names(n, r.x, aPair) {
		g.Replication = n.Value
	}
	if n := f.get("database"); n != nil && r.names(n, r.x, aPair) {
		g.Database = n.Value
		if p := r.rooms.Pair(n.Value); p != nil && p.Masters[1].Room != "" {
			g.RoomNames = []string{p.Masters[0].Room, p.Masters[1].Room}
		}
	}
	if n := f.get("ratio"); n != nil {
		g.Ratio = r.ratio(n)
	}
	n := f.get("prometheus")
	switch {
	case n == nil:
	case n.Kind == yaml.MappingNode:
		a, _ := r.fields(n, shapeAsked)
		g.In, g.Query = r.reader.room(a.get("in"), r.x), a.query("query", "$room", "$window")
		if a.has("in") && !f.has("link") {
			r.addf(a.key("in"), RuleValue, "leave it out", "\"in\" is for gates of a link: this one is asked in the room that it judges")
		}
	default:
		g.Query = r.queryText(n, "prometheus", "$room", "$window")
	}
}

func (r *roomsReader) ratio(n *yaml.Node) *Ratio {
	f, ok := r.fields(n, shapeRatio)
	q := &Ratio{Pos: r.pos(n), Good: f.query("good", "$room", "$window"), Bad: f.query("bad", "$room", "$window"), Of: f.query("of", "$room", "$window")}
	if ok && len(f.at) != 2 && !f.unknown {
		r.addf(n, RuleMissingKey, "", "a ratio has %d of good, bad and of: want two", len(f.at))
	}
	return q
}

// isBad says whether the gate's value is the part of bad events, so that its limits are above.
func (q *Ratio) isBad() bool { return q != nil && q.Good == "" && q.Bad != "" }

// ErrorGate says whether the gate watches the errors of every room and can abort: what a shift must have.
func (g *Gate) ErrorGate() bool { return g.Each && g.Ratio.isBad() && g.Abort != nil }

// gateFields reads the fields that a runbook may change, too, over what is in g.
func (r *reader) gateFields(g *Gate, f *fields, x *index, limit *shape) {
	if f.has("each") {
		g.Each, g.RoomNames = f.one("each", "room") != "", nil
	}
	if f.has("rooms") {
		if f.has("each") {
			r.addf(f.key("rooms"), RuleValue, "", "rooms beside each: want one of them")
		}
		g.Each, g.RoomNames = false, r.roomsOf(f.items("rooms"), x)
	}
	for _, d := range []struct {
		key string
		to  *time.Duration
	}{{"every", &g.Every}, {"maxAge", &g.MaxAge}, {"blindFor", &g.BlindFor}, {"window", &g.Window}, {"bake", &g.Bake}} {
		if f.has(d.key) {
			*d.to = f.duration(d.key, time.Millisecond)
		}
	}
	if f.has("minEvents") {
		g.MinEvents = f.wholeNumber("minEvents", 1, 1e9)
	}
	if f.has("onAbort") {
		g.OnAbort = f.one("onAbort", "back", "rung", "freeze")
	}
	if n := f.get("hold"); n != nil {
		g.Hold = r.limit(n, "hold", g, g.Hold, limit)
	}
	if n := f.get("abort"); n != nil {
		g.Abort = r.limit(n, "abort", g, g.Abort, limit)
	}
}

// limit reads a limit over base, which may be nil.
func (r *reader) limit(n *yaml.Node, what string, g *Gate, base *Limit, s *shape) *Limit {
	if n.Kind == yaml.ScalarNode {
		r.bareLimit(n, what, g)
		return base
	}
	f, ok := r.fields(n, s)
	if !ok {
		return base
	}
	l := &Limit{Pos: r.pos(n), Unit: UnitNumber}
	if base != nil {
		*l = *base
		l.Pos = r.pos(n)
	}
	switch {
	case f.has("above") && f.has("below"):
		r.addf(f.key("below"), RuleValue, "", "%s is both above and below: want one of them", what)
	case !f.has("above") && !f.has("below") && base == nil:
		if !f.unknown {
			r.addf(n, RuleMissingKey, "", "%s needs above or below", what)
		}
		return nil
	case len(f.at) == 0 && !f.unknown:
		r.addf(n, RuleMissingKey, "", "%s changes nothing: want above, below or for", what)
	}
	if f.has("for") {
		l.For, l.ForSet = f.duration("for", 0), true
	}
	if !f.limitValue(l, what) {
		return nil
	}
	return l
}

func (r *reader) bareLimit(n *yaml.Node, what string, g *Gate) {
	side := "above"
	if g.Ratio != nil && g.Ratio.Good != "" {
		side = "below"
	}
	r.addf(n, RuleBareLimit, fmt.Sprintf("did you mean %s: {%s: %s}?", what, side, strings.TrimSpace(n.Value)),
		"%s is %s: a limit says whether above or below it is bad", what, quoted(n.Value))
}

// limitValue reads which side is bad, and from which value on; false if the value can't be read.
func (f *fields) limitValue(l *Limit, what string) bool {
	for _, key := range []string{"above", "below"} {
		v := f.get(key)
		text, ok := f.text(v, key, "a value")
		if !ok {
			continue
		}
		value, unit, err := parseValue(text)
		if err != nil {
			f.addf(v, RuleUnit, "", "%s: %v", what, err)
			return false
		}
		l.Value, l.Unit, l.Below = value, unit, key == "below"
	}
	return true
}

// checkSubject says whether the gate is about one thing and measures it in one way.
func (r *roomsReader) checkSubject(g *Gate, f *fields) {
	about := f.count("each", "rooms") + f.count("link") + f.count("replication") + f.count("database")
	if f.unknown && about == 0 {
		return
	}
	at := g.Pos
	if about == 0 {
		r.addAtf(at, RuleMissingKey, "", "gate %s says not what it is about: want each: room, rooms: […], link:, replication: or database:", quoted(g.Name))
	}
	if about > 1 && !(f.has("each") && f.has("rooms") && about == 2) {
		hint := ""
		if f.has("database") && f.count("each", "rooms") > 0 {
			hint = "leave each and rooms out: a gate of a database is judged where the pair's writer is"
		}
		r.addAtf(at, RuleValue, hint, "gate %s is about several things: want one of each, rooms, link, replication and database", quoted(g.Name))
	}
	r.checkMeasure(g, f)
	if g.Hold == nil && g.Abort == nil && !f.has("hold") && !f.has("abort") && !f.unknown {
		r.addAtf(at, RuleMissingKey, "", "gate %s has no limit: want hold, abort or both", quoted(g.Name))
	}
}

func (r *roomsReader) checkMeasure(g *Gate, f *fields) {
	at, measures := g.Pos, f.count("ratio", "prometheus")
	switch {
	case f.has("database") && f.has("replication"): // told already
	case f.has("replication") && measures > 0:
		r.addAtf(at, RuleValue, "leave the query out: replication is measured by roomshift itself", "gate %s measures replication and a query", quoted(g.Name))
	case !f.has("replication") && measures == 0 && !f.unknown:
		r.addAtf(at, RuleMissingKey, "", "gate %s measures nothing: want ratio or prometheus", quoted(g.Name))
	case measures > 1:
		r.addAtf(at, RuleValue, "", "gate %s measures twice: want ratio or prometheus", quoted(g.Name))
	}
}

// count is how many of keys are written.
func (f *fields) count(keys ...string) int {
	n := 0
	for _, k := range keys {
		if f.has(k) {
			n++
		}
	}
	return n
}

// checkGate says which limits can't be compared with what is measured, or with each other. at is used for limits of another
// file, which a runbook inherits.
func (r *reader) checkGate(g *Gate, at Pos) {
	for _, l := range []*Limit{g.Hold, g.Abort} {
		if l != nil {
			r.checkLimit(g, l, r.here(l.Pos, at))
		}
	}
	h, a := g.Hold, g.Abort
	if h == nil || a == nil {
		return
	}
	p := r.here(a.Pos, at)
	switch {
	case h.Unit != a.Unit:
		r.addAtf(p, RuleUnit, "", "abort is a %s and hold a %s: they can't be compared", a.Unit, h.Unit)
	case h.Below != a.Below:
		r.addAtf(p, RuleValue, "", "hold and abort look in different directions: want both above or both below")
	case h.Below && a.Value > h.Value || !h.Below && a.Value < h.Value:
		r.addAtf(p, RuleValue, "hold comes first, abort when it gets worse", "abort is passed before hold")
	}
}

// here is p if it is in the file that is read, else at.
func (r *reader) here(p, at Pos) Pos {
	if p.File != r.file {
		return at
	}
	return p
}

func (r *reader) checkLimit(g *Gate, l *Limit, at Pos) {
	switch {
	case g.Ratio != nil && l.Unit != UnitRatio:
		hint := ""
		if l.Unit == UnitNumber && l.Value >= 0 && l.Value <= 1 {
			hint = "write " + Percent(l.Value*float64(Whole)+0.5).plain()
		}
		r.addAtf(at, RuleUnit, hint, "a ratio can't be compared with a %s: want a percentage", l.Unit)
	case g.Replication != "" && l.Unit != UnitDuration:
		r.addAtf(at, RuleUnit, "", "replication lag can't be compared with a %s: want a duration", l.Unit)
	case g.Replication != "" && l.Below:
		r.addAtf(at, RuleValue, "", "replication lag is bad above a limit, not below it")
	case g.Ratio.isBad() && l.Below:
		r.addAtf(at, RuleValue, "", "this ratio is the part of bad events: it is bad above a limit, not below it")
	case g.Ratio != nil && g.Ratio.Good != "" && !l.Below:
		r.addAtf(at, RuleValue, "", "this ratio is the part of good events: it is bad below a limit, not above it")
	}
}
