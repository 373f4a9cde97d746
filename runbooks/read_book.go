package runbooks

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// bookReader reads a runbook against the rooms it is for.
type bookReader struct {
	*reader
	x      *index
	rooms  *Rooms
	chains *chains
	book   *Runbook
}

// LoadRunbook reads a runbook for these rooms: names are resolved, the rooms' gates are merged with the runbook's changes.
// rooms must be free of problems for the runbook's to be all true; nil rooms leave names unjudged. With problems, the runbook
// is what could be made out of the rest, and nil if the text couldn't be read at all.
func LoadRunbook(file string, src []byte, rooms *Rooms) (*Runbook, []Problem) {
	r := &reader{file: file}
	root := r.document(src)
	if root == nil || !r.versionOf(root) {
		return nil, r.sorted()
	}
	f, _ := r.fields(root, shapeRunbook)
	b := &bookReader{reader: r, rooms: rooms, book: &Runbook{Pos: r.pos(root)}}
	if rooms == nil {
		b.shapeOnly(f)
		return b.book, r.sorted()
	}
	b.x, b.chains = indexOf(rooms), newChains(rooms)
	b.top(f)
	b.rules(f.get("rules"))
	b.gates(f)
	b.steps(f)
	b.checkOrder()
	b.checkShifts()
	return b.book, r.sorted()
}

// shapeOnly says what can be said of a runbook whose rooms can't be read: anything more would follow from that.
func (b *bookReader) shapeOnly(f *fields) {
	f.wholeNumber("version", 1, 1)
	b.book.Name = f.str("name")
	for _, n := range f.items("steps") {
		b.fields(n, shapeStep)
	}
}

func (b *bookReader) top(f *fields) {
	f.wholeNumber("version", 1, 1)
	if n := f.get("name"); n != nil && b.str(n, "name") != "" && b.name(n, "a runbook") {
		b.book.Name = n.Value
	}
	b.book.About = f.str("about")
	b.book.Gates = slices.Clone(b.rooms.Gates)
	if n := f.get("move"); n != nil {
		m, _ := b.fields(n, shapeMove)
		b.book.From, b.book.To = b.room(m.get("from"), b.x), b.room(m.get("to"), b.x)
		if b.book.From != "" && b.book.From == b.book.To {
			b.addf(n, RuleValue, "", "traffic moves from %s to itself: want two rooms", b.book.From)
		}
	}
	if n := f.get("evacuate"); n != nil {
		b.book.Evacuate, b.book.EvacuateAt = b.room(n, b.x), b.pos(n)
		if b.book.Evacuate != "" && b.book.From != "" && b.book.Evacuate != b.book.From {
			b.addf(n, RuleValue, "", "evacuate is %s, but traffic moves from %s: want the room that is left", b.book.Evacuate, b.book.From)
		}
	}
	if n := f.get("returns"); n != nil {
		b.book.Returns, b.book.ReturnsAt = b.str(n, "returns"), b.pos(n)
	}
	b.book.Bake, b.book.BakeSet = f.duration("bake", 0), f.has("bake")
	b.book.VerifyWithin = f.duration("verifyWithin", time.Second)
}

func (b *bookReader) gates(f *fields) {
	for _, e := range f.under("gates") {
		if !b.known(e.key, "a gate", b.x.gates) {
			continue
		}
		g := &b.book.Gates[slices.IndexFunc(b.book.Gates, func(g Gate) bool { return g.Name == e.key.Value })]
		gf, ok := b.fields(e.value, shapeOverride)
		if !ok {
			continue
		}
		if n := len(gf.at); n == 0 && !gf.unknown {
			b.addf(e.key, RuleValue, "leave it out: gates of rooms.yaml hold in every runbook", "%s changes nothing", quoted(g.Name))
		}
		at := b.pos(e.key)
		if (gf.has("each") || gf.has("rooms")) && (g.Link != "" || g.Replication != "" || g.Database != "") {
			b.addAtf(at, RuleValue, "", "gate %s isn't about rooms: each and rooms don't go with it", quoted(g.Name))
		}
		// A limit that the rooms' file already has wrong is told there.
		b.gateFields(g, gf, b.x, shapeLimitChange)
		b.checkGate(g, at)
		if gf.has("each") || gf.has("rooms") {
			b.checkGateQueries(b.rooms, g, at)
		}
	}
}

func (b *bookReader) rules(n *yaml.Node) {
	if n == nil {
		return
	}
	f, _ := b.fields(n, shapeRules)
	r := Rules{Pos: b.pos(n)}
	for _, e := range f.under("windows") {
		if b.name(e.key, "a window") {
			r.Windows = append(r.Windows, b.window(e))
		}
	}
	for _, n := range f.items("blocked") {
		r.Blocked = append(r.Blocked, b.blocked(n))
	}
	if n := f.get("finishBy"); n != nil {
		r.FinishBy = b.timeOfDay(n, "finishBy")
	}
	if n := f.get("maxShare"); n != nil {
		r.MaxShare = make(map[string]Percent)
		for _, e := range b.entries(n, "maxShare") {
			room := b.room(e.key, b.x)
			if p, ok := b.percent(e.value, "maxShare", 0); ok && room != "" {
				r.MaxShare[room] = p
			}
		}
	}
	if n := f.get("maxMove"); n != nil {
		r.MaxMove, _ = b.percent(n, "maxMove", 1)
	}
	if n := f.get("headroom"); n != nil {
		r.Headroom, _ = b.percent(n, "headroom", 1)
	}
	if f.has("rehearsedWithin") {
		r.RehearsedWithin, r.RehearsedAt = f.duration("rehearsedWithin", time.Hour), b.pos(f.key("rehearsedWithin"))
	}
	b.book.Rules = r
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (b *bookReader) window(e entry) Window {
	f, _ := b.fields(e.value, shapeWindow)
	w := Window{Pos: b.pos(e.key), Name: e.key.Value}
	for _, n := range f.items("days") {
		s := b.str(n, "a day")
		i := slices.Index(weekdays, strings.ToLower(s))
		switch {
		case s == "":
		case i < 0:
			b.addf(n, RuleValue, didYouMean(s, weekdays), "%s is no day: want %s", quoted(s), list(weekdays))
		case slices.Contains(w.Days, time.Weekday(i)):
			b.addf(n, RuleDuplicateKey, "", "%s is named twice", quoted(s))
		default:
			w.Days = append(w.Days, time.Weekday(i))
		}
	}
	var times []int
	items := f.items("between")
	for _, n := range items {
		if s := b.timeOfDay(n, "between"); s != "" {
			minutes, _ := parseTimeOfDay(s) // timeOfDay has parsed it
			times = append(times, minutes)
		}
	}
	switch {
	case len(items) > 0 && len(items) != 2:
		b.addf(f.get("between"), RuleValue, "", "between has %d times: want two, such as [\"02:00\", \"05:00\"]", len(items))
	case len(times) == 2 && times[0] == times[1]:
		b.addf(f.get("between"), RuleValue, "", "the window is over when it begins: want two different times")
	case len(times) == 2:
		w.From, w.To = times[0], times[1]
	}
	return w
}

func (b *bookReader) blocked(n *yaml.Node) Blocked {
	f, _ := b.fields(n, shapeBlocked)
	v := Blocked{Pos: b.pos(n), Why: f.str("why")}
	if n := f.get("from"); n != nil {
		v.From = b.date(n, "from")
	}
	if n := f.get("to"); n != nil {
		v.To = b.date(n, "to")
	}
	if v.From != "" && v.To != "" && v.To < v.From {
		b.addf(n, RuleValue, "", "the span ends on %s, before it begins on %s", v.To, v.From)
	}
	return v
}
