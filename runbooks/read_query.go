package runbooks

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	dollarWord = regexp.MustCompile(`\$\{?[A-Za-z_][A-Za-z0-9_]*\}?`)
	ourWords   = []string{"$room", "$route", "$window"}
	// Grafana's names for what $window is here, in queries copied from a dashboard.
	grafanaWords = []string{"$__rate_interval", "$__interval", "$__range", "$interval"}
)

// query reads PromQL. replaced are the $words that are replaced in it. Another word that is near to one of ours is a problem;
// the rest is left alone, for a $ means something in a regular expression, too.
func (f *fields) query(key string, replaced ...string) string {
	return f.queryText(f.get(key), key, replaced...)
}

func (r *reader) queryText(n *yaml.Node, what string, replaced ...string) string {
	s, ok := r.text(n, what, "a query")
	if !ok {
		return ""
	}
	for _, word := range dollarWord.FindAllString(s, -1) {
		bare := strings.NewReplacer("{", "", "}", "").Replace(word)
		near := Nearest(bare, ourWords)
		if contains(grafanaWords, bare) {
			near = "$window"
		}
		if near == "" || contains(replaced, word) {
			continue
		}
		hint := "did you mean " + near + "?"
		if !contains(replaced, near) {
			hint = "replaced here: " + strings.Join(replaced, ", ")
		}
		r.addf(n, RuleQuery, hint, "nobody replaces %s in this query", word)
	}
	return s
}

// asksByRoom says whether each of these queries tells the rooms apart by itself.
func asksByRoom(queries ...string) bool {
	for _, q := range queries {
		if q != "" && !strings.Contains(q, "$room") {
			return false
		}
	}
	return true
}

// checkQueries says which queries can't be asked: of a room without a Prometheus, or of one that several rooms share without
// $room, which would give one room's numbers for all.
func (r *roomsReader) checkQueries() {
	for i := range r.rooms.Gates {
		g := &r.rooms.Gates[i]
		r.checkGateQueries(r.rooms, g, g.Pos)
	}
	if o := r.rooms.Observe; o != nil {
		r.checkAsked(r.rooms, o.Pos, "observe", r.x.rooms, o.Query)
	}
	for _, v := range r.rooms.Routes {
		if v.Observe != nil {
			r.checkAsked(r.rooms, v.Observe.Pos, "observe", r.x.rooms, v.Observe.Query)
		}
	}
	for _, o := range r.rooms.Only {
		if o.Running != nil {
			r.checkAsked(r.rooms, o.Running.Pos, "running", r.x.rooms, o.Running.Query)
		}
		if o.Behind != nil {
			r.checkAsked(r.rooms, o.Behind.Pos, "behind", r.x.rooms, o.Behind.Query)
		}
	}
}

func (r *reader) checkGateQueries(rooms *Rooms, g *Gate, at Pos) {
	queries := []string{g.Query}
	if g.Ratio != nil {
		queries = []string{g.Ratio.Good, g.Ratio.Bad, g.Ratio.Of}
	}
	if asksNothing(queries) {
		return
	}
	if g.Link != "" {
		if g.In == "" && rooms.Prometheus == nil {
			r.addAtf(at, RuleQuery, "write prometheus: {in: ROOM, query: …}", "gate %s doesn't say whose Prometheus is asked, and no shared one is named", quoted(g.Name))
		}
		if g.In != "" {
			r.checkAsked(rooms, at, "gate "+g.Name, []string{g.In}, queries...)
		}
		return
	}
	r.checkAsked(rooms, at, "gate "+g.Name, rooms.judged(g), queries...)
}

func asksNothing(queries []string) bool { return strings.Join(queries, "") == "" }

// judged is the rooms that a gate is about.
func (r *Rooms) judged(g *Gate) []string {
	if !g.Each {
		return g.RoomNames
	}
	var out []string
	for _, v := range r.Rooms {
		out = append(out, v.Name)
	}
	return out
}

func (r *reader) checkAsked(rooms *Rooms, at Pos, what string, among []string, queries ...string) {
	for _, room := range among {
		if rooms.PrometheusOf(room) == nil {
			r.addAtf(at, RuleQuery, "give the room a prometheus, or name one at top level for all", "%s asks the Prometheus of %s, which has none", what, room)
			return
		}
	}
	if a, b := rooms.shares(among); a != "" && !asksByRoom(queries...) {
		r.addAtf(at, RuleQuery, `write {room="$room"} in it`, "%s asks one Prometheus for %s and for %s, and doesn't say $room: both would get the same answer", what, a, b)
	}
}
