package runbooks

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// act reads what the step does, by its kind.
func (b *bookReader) act(s *Step, f *fields) {
	if s.Kind == "" {
		return
	}
	n := f.get(string(s.Kind))
	if n == nil {
		return
	}
	switch s.Kind {
	case StepTTL:
		s.TTL = b.ttl(n)
	case StepShift:
		s.Shift = b.shift(n)
	case StepWriter:
		s.Writer = b.writer(n, shapeWriter)
	case StepSwitch:
		s.Switch = b.switches(n)
	case StepDrain:
		s.Drain = b.drain(n)
	case StepCall:
		s.Call = b.call(n)
	case StepCheck:
		s.Check = b.check(n)
	case StepAsk:
		b.askStep(s, f, n)
	case StepCheckpoint:
		s.Checkpoint = b.checkpoint(n)
	case StepBack:
		s.Back = f.one("back", "start", "checkpoint", "rung")
	}
}

// askStep reads a question that is a step of its own: within may stand inside or beside it.
func (b *bookReader) askStep(s *Step, f *fields, n *yaml.Node) {
	s.Ask = b.ask(n)
	if f.has("within") && s.Ask.Within != 0 {
		b.addf(f.key("within"), RuleValue, "", "within stands in ask already: want it once")
	}
	if s.Ask.Within == 0 {
		s.Ask.Within = s.Within
	}
}

func (b *bookReader) checkpoint(n *yaml.Node) string {
	if b.str(n, "checkpoint") == "" || !b.name(n, "a checkpoint") {
		return ""
	}
	if contains([]string{"start", "rung"}, n.Value) {
		b.addf(n, RuleName, "", "a checkpoint can't be named %s: going back has that word", quoted(n.Value))
	}
	return n.Value
}

func (b *bookReader) ttl(n *yaml.Node) []TTL {
	var out []TTL
	set := make(map[string]string)
	for _, e := range b.entries(n, "ttl") {
		t := TTL{Pos: b.pos(e.key), Name: e.key.Value, TTL: b.duration(e.value, "a TTL", time.Second)}
		if t.TTL%time.Second != 0 || t.TTL > 7*24*time.Hour {
			b.addf(e.value, RuleValue, "", "a TTL is %s: want whole seconds, at most 7d", e.value.Value)
		}
		if !b.names(e.key, b.x, aRoute, aGroup) {
			continue
		}
		for _, name := range b.chains.expand(t.Name) {
			if v := b.chains.route(name); v != nil && v.Medium != MediumDNS && v.Medium != "" {
				b.addf(e.key, RuleValue, "", "%s has no TTL: it isn't a name", quoted(name))
			}
			if by, twice := set[name]; twice {
				b.addf(e.key, RuleDuplicateKey, "", "the TTL of %s is set by %s already", quoted(name), quoted(by))
			}
			set[name] = t.Name
		}
		out = append(out, t)
	}
	return out
}

// writer reads a move of the write role, or the part of it that a check asks about.
func (b *bookReader) writer(n *yaml.Node, s *shape) *WriterMove {
	f, _ := b.fields(n, s)
	w := &WriterMove{Pos: b.pos(n), To: b.room(f.get("to"), b.x), Pairs: b.namesOf(f.items("pairs"), b.x, aPair)}
	for _, name := range w.Pairs {
		p := b.rooms.Pair(name)
		if p != nil && w.To != "" && p.Masters[0].Room != w.To && p.Masters[1].Room != w.To && p.Masters[1].Room != "" {
			b.addf(f.get("to"), RuleValue, "", "%s has no master in %s: its rooms are %s and %s", quoted(name), w.To, p.Masters[0].Room, p.Masters[1].Room)
		}
	}
	if s != shapeWriter {
		return w
	}
	w.NoWriter = f.duration("noWriter", time.Millisecond)
	w.With = b.namesOf(f.items("with"), b.x, anOnly)
	b.withs(w)
	w.IfLost = f.one("ifLost", "ask", "hold")
	for _, name := range w.Pairs {
		p := b.rooms.Pair(name)
		switch {
		case p == nil || f.has("noWriter"):
		case p.DTS != nil:
			b.addf(n, RuleMissingKey, "", "%s is kept by a sync tool, which is slow: say how long there may be no writer, as noWriter: 20s", quoted(name))
		case p.Masters[0].Fence != nil || p.Masters[1].Fence != nil:
			b.addf(n, RuleMissingKey, "", "a master of %s is fenced by its provider, which is slow: say how long there may be no writer, as noWriter: 1m", quoted(name))
		}
	}
	return w
}

// switches reads values as they are written: a switch may hold a number, a truth or a text.
func (b *bookReader) switches(n *yaml.Node) []SwitchSet {
	var out []SwitchSet
	for _, e := range b.entries(n, "switch") {
		if !isName(e.key.Value) {
			b.addf(e.key, RuleName, "", "a switch can't be named %s", quoted(e.key.Value))
			continue
		}
		if v, ok := b.text(e.value, "a switch", "its value"); ok {
			out = append(out, SwitchSet{Pos: b.pos(e.key), Name: e.key.Value, Value: v})
		}
	}
	return out
}

func (b *bookReader) drain(n *yaml.Node) []Drain {
	var out []Drain
	for _, e := range b.entries(n, "drain") {
		f, _ := b.fields(e.value, shapeDrain)
		d := Drain{Pos: b.pos(e.key), Route: e.key.Value, In: b.room(f.get("in"), b.x)}
		if n := f.get("rate"); n != nil {
			d.PerMinute = b.perMinute(n)
		}
		if b.names(e.key, b.x, aRoute) {
			out = append(out, d)
		}
	}
	return out
}

// perMinute reads "2%/m".
func (b *bookReader) perMinute(n *yaml.Node) Percent {
	s, ok := b.text(n, "rate", "a part of the connections in a minute, such as 2%/m")
	if !ok {
		return 0
	}
	body, ok := strings.CutSuffix(s, "/m")
	p, err := ParsePercent(body)
	if !ok || err != nil || p == 0 {
		b.addf(n, RuleUnit, "", "rate is %s: want a part of the connections in a minute, such as 2%%/m", quoted(s))
	}
	return p
}

func (b *bookReader) call(n *yaml.Node) *Call {
	f, _ := b.fields(n, shapeCall)
	c := &Call{Pos: b.pos(n), TokenFile: f.path("tokenFile")}
	for _, part := range []struct {
		key string
		to  **Request
	}{{"do", &c.Do}, {"verify", &c.Verify}, {"undo", &c.Undo}} {
		if n := f.get(part.key); n != nil {
			*part.to = b.request(n)
		}
	}
	return c
}

var methods = []string{"get", "post", "put", "patch", "delete"}

func (b *bookReader) request(n *yaml.Node) *Request {
	f, ok := b.fields(n, shapeRequest)
	q := &Request{Pos: b.pos(n)}
	if !ok {
		return q
	}
	switch count := f.count(methods...); {
	case count > 1 || count == 0 && !f.unknown:
		b.addf(n, RuleMissingKey, "", "a request has %d of %s: want one, with its address", count, list(methods))
	case count == 1:
		for _, m := range methods {
			if f.has(m) {
				q.Method, q.URL = strings.ToUpper(m), b.target(f.get(m), m)
			}
		}
	}
	q.Field = f.str("field")
	if n := f.get("is"); n != nil {
		q.Is, _ = b.text(n, "is", "the value to compare with")
	}
	if f.has("field") != f.has("is") {
		b.addf(n, RuleMissingKey, "", "field and is go together: one of them is missing")
	}
	return q
}

func (b *bookReader) check(n *yaml.Node) *Check {
	f, ok := b.fields(n, shapeCheck)
	c := &Check{Pos: b.pos(n)}
	if ok && len(f.at) == 0 && !f.unknown {
		b.addf(n, RuleMissingKey, "", "a check that asks nothing: want one of %s", list(shapeCheck.keys))
	}
	if n := f.get("probe"); n != nil {
		p, _ := b.fields(n, shapeCheckProbe)
		c.Probe = p.probe()
		c.Probe.Room = b.room(p.get("room"), b.x)
	}
	if n := f.get("writer"); n != nil {
		c.Writer = b.writer(n, shapeCheckWriter)
	}
	c.Capacity = f.one("capacity", "now", "peak")
	if c.Capacity == "peak" && len(b.rooms.Peak.Rates) == 0 {
		b.addf(f.get("capacity"), RuleUnknownName, "say in rooms.yaml, as peak: {ROUTE: 120k/s, at: \"2027-02-05 20:00\"}", "capacity is peak, but rooms.yaml names no peak")
	}
	if n := f.get("checksum"); n != nil {
		c.ChecksumAt, c.Checksum = b.pos(f.key("checksum")), make(map[string]time.Duration)
		for _, e := range b.entries(n, "checksum") {
			if d := b.duration(e.value, "checksum", time.Second); b.names(e.key, b.x, aPair) {
				c.Checksum[e.key.Value] = d
			}
		}
	}
	if n := f.get("quiet"); n != nil {
		q, _ := b.fields(n, shapeQuiet)
		c.Quiet = &Quiet{Pos: b.pos(n), Room: b.room(q.get("room"), b.x), For: q.duration("for", time.Second)}
		if n := q.get("below"); n != nil {
			c.Quiet.Below = b.rate(n, "below")
		}
	}
	return c
}

// target is the address of a request; unlike a server's it may hold a query.
func (b *bookReader) target(n *yaml.Node, what string) string {
	s := b.str(n, what)
	if s == "" {
		return ""
	}
	bare := *n
	bare.Value, _, _ = strings.Cut(s, "?")
	if b.address(&bare, what) == "" {
		return ""
	}
	return s
}

// place is "line 12" for messages about two places.
func place(p Pos) string { return "line " + strconv.Itoa(p.Line) }
