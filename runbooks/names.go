package runbooks

import (
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Routes, groups, pairs and only share one namespace, so that a name in a runbook means one thing. Rooms, links and gates
// have one each.

// name checks a name that people chose. what is "a route".
func (r *reader) name(n *yaml.Node, what string) bool {
	s := n.Value
	switch {
	case n.Kind != yaml.ScalarNode || !isName(s):
		r.addf(n, RuleName, "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 64, not digits alone",
			"%s can't be named %s", what, quoted(s))
	case isKey(s):
		r.addf(n, RuleName, "", "%s can't be named %s: that is a key of this language", what, quoted(s))
	default:
		return true
	}
	return false
}

func isName(s string) bool {
	letters := false
	for i, c := range s {
		switch {
		case unicode.IsLetter(c):
			letters = true
		case unicode.IsDigit(c):
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return letters && len(s) <= 64
}

// index says what each name of rooms.yaml is.
type index struct {
	rooms, links, gates []string
	things              map[string]thing // routes, groups, pairs and only
	order               []string         // of things, as in the file
}

// thing is the kind of a name in the one namespace.
type thing string

const (
	aRoute thing = "a route"
	aGroup thing = "a group"
	aPair  thing = "a pair"
	anOnly thing = "an only"
)

func newIndex() *index { return &index{things: make(map[string]thing)} }

// indexOf is the index of rooms that have been read.
func indexOf(rooms *Rooms) *index {
	x := newIndex()
	for _, v := range rooms.Rooms {
		x.rooms = append(x.rooms, v.Name)
	}
	for _, v := range rooms.Links {
		x.links = append(x.links, v.Name)
	}
	for _, v := range rooms.Gates {
		x.gates = append(x.gates, v.Name)
	}
	for _, v := range rooms.Routes {
		x.add(v.Name, aRoute)
	}
	for _, v := range rooms.Groups {
		x.add(v.Name, aGroup)
	}
	for _, v := range rooms.Pairs {
		x.add(v.Name, aPair)
	}
	for _, v := range rooms.Only {
		x.add(v.Name, anOnly)
	}
	return x
}

func (x *index) add(name string, t thing) bool {
	if _, taken := x.things[name]; taken {
		return false
	}
	x.things[name] = t
	x.order = append(x.order, name)
	return true
}

// of is the names of these kinds, in file order.
func (x *index) of(kinds ...thing) []string {
	var out []string
	for _, n := range x.order {
		if slices.Contains(kinds, x.things[n]) {
			out = append(out, n)
		}
	}
	return out
}

// known says whether n names one of among; if not that is a problem. what is "a room".
func (r *reader) known(n *yaml.Node, what string, among []string) bool {
	s, ok := r.text(n, what, "the name of "+what)
	if !ok || contains(among, s) {
		return ok
	}
	r.addf(n, RuleUnknownName, hintAmong(s, among), "%s is not the name of %s", quoted(s), what)
	return false
}

// hintAmong names the nearest, or all if they are few.
func hintAmong(s string, among []string) string {
	if h := didYouMean(s, among); h != "" {
		return h
	}
	if len(among) == 0 {
		return "rooms.yaml has none"
	}
	if len(among) <= 8 {
		return "known: " + strings.Join(among, ", ")
	}
	return ""
}

// names says whether n names one of these kinds; a name of another kind is said to be one.
func (r *reader) names(n *yaml.Node, x *index, kinds ...thing) bool {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = string(k)
	}
	s, ok := r.text(n, "this", "the name of "+list(texts))
	if !ok {
		return false
	}
	is, known := x.things[s]
	switch {
	case known && slices.Contains(kinds, is):
		return true
	case known:
		r.addf(n, RuleUnknownName, "", "%s is %s: want %s", quoted(s), is, list(texts))
	default:
		r.addf(n, RuleUnknownName, hintAmong(s, x.of(kinds...)), "%s is not the name of %s", quoted(s), list(texts))
	}
	return false
}

// room reads the name of a room.
func (r *reader) room(n *yaml.Node, x *index) string {
	if n == nil || !r.known(n, "a room", x.rooms) {
		return ""
	}
	return n.Value
}

// namesOf reads a list of names of these kinds, each once.
func (r *reader) namesOf(items []*yaml.Node, x *index, kinds ...thing) []string {
	var out []string
	for _, n := range items {
		if !r.names(n, x, kinds...) {
			continue
		}
		if contains(out, n.Value) {
			r.addf(n, RuleDuplicateKey, "", "%s is named twice", quoted(n.Value))
			continue
		}
		out = append(out, n.Value)
	}
	return out
}

// roomsOf reads a list of rooms, each once.
func (r *reader) roomsOf(items []*yaml.Node, x *index) []string {
	var out []string
	for _, n := range items {
		s := r.room(n, x)
		if s == "" {
			continue
		}
		if contains(out, s) {
			r.addf(n, RuleDuplicateKey, "", "%s is named twice", quoted(s))
			continue
		}
		out = append(out, s)
	}
	return out
}

// Room is the room of that name, nil if there is none.
func (r *Rooms) Room(name string) *Room {
	for i := range r.Rooms {
		if r.Rooms[i].Name == name {
			return &r.Rooms[i]
		}
	}
	return nil
}

// Route is the route of that name, nil if there is none.
func (r *Rooms) Route(name string) *Route {
	for i := range r.Routes {
		if r.Routes[i].Name == name {
			return &r.Routes[i]
		}
	}
	return nil
}

// Pair is the pair of that name, nil if there is none.
func (r *Rooms) Pair(name string) *Pair {
	for i := range r.Pairs {
		if r.Pairs[i].Name == name {
			return &r.Pairs[i]
		}
	}
	return nil
}

// Expand is the routes that a name in a shift or ttl means, and the seat behind an @ if there is one: a route's own, or a
// group's routes in the group's order; none for another name.
func (r *Rooms) Expand(name string) (routes []string, seat string) {
	name, seat, _ = strings.Cut(name, "@")
	for _, g := range r.Groups {
		if g.Name == name {
			return slices.Clone(g.Routes), seat
		}
	}
	if r.Route(name) != nil {
		return []string{name}, seat
	}
	return nil, seat
}

// PrometheusOf is the Prometheus that a room's queries are asked of: its own, else the shared one; nil if there is neither.
func (r *Rooms) PrometheusOf(room string) *Prometheus {
	if v := r.Room(room); v != nil && v.Prometheus != nil {
		return v.Prometheus
	}
	return r.Prometheus
}

// shares says which rooms' queries go to one address: the first two such rooms, or "".
func (r *Rooms) shares(among []string) (a, b string) {
	at := make(map[string]string)
	for _, room := range among {
		p := r.PrometheusOf(room)
		if p == nil || p.Addr == "" {
			continue
		}
		if first, ok := at[p.Addr]; ok {
			return first, room
		}
		at[p.Addr] = room
	}
	return "", ""
}
