package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// expr is one query of a person's, taken apart as far as judging the age of its data needs: which series it reads, how far
// back, and where $window stands. It isn't checked beyond that: Prometheus says the rest.
type expr struct {
	text      string // $room and $route are replaced, $window isn't
	selectors []selector
	ranges    []lookback    // of the selectors, in order
	windows   int           // how many $windows lie upon one another: 2 for max_over_time(rate(x[$window])[$window:1s])
	literal   time.Duration // the largest literal range, and all literal ranges of subqueries
	above     time.Duration // the literal ranges of subqueries alone
	counts    bool          // it counts events (increase) rather than telling a rate
}

// selector is what picks series: a name, matchers, or both.
type selector struct {
	text  string // without range and shift
	name  string // "" when only the matchers say
	shift string // its offset and @, " offset 5m": its data is old on purpose
}

// placeholder is what people write for the engine to fill in. $1 and the like belong to label_replace.
var placeholder = regexp.MustCompile(`\$(room|route|window)\b`)

// plainName is what may be put in place of $room and $route: nothing that could end the string it stands in.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.:/-]+$`)

// parseExpr takes query apart. room and route replace $room and $route; "" means that the query must not use them.
func parseExpr(query, room, route string) (*expr, error) {
	text, err := fill(query, map[string]string{"$room": room, "$route": route})
	if err != nil {
		return nil, err
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", query, err)
	}
	p := &parser{tokens: tokens, e: &expr{text: text}}
	if err := p.parse(); err != nil {
		return nil, fmt.Errorf("query %q: %w", query, err)
	}
	present := p.e.fresh()
	for _, r := range p.e.ranges {
		if slices.Contains(present, r.of) {
			p.e.windows = max(p.e.windows, r.windows)
		}
	}
	p.e.windows += p.windows
	p.e.above = p.literal
	p.e.literal = p.e.back(nil)
	return p.e, nil
}

// back is the literal reach where rules tells how far back the data of recording rules goes.
func (e *expr) back(rules map[string]time.Duration) time.Duration {
	var most time.Duration
	present := e.fresh()
	for _, r := range e.ranges {
		if slices.Contains(present, r.of) {
			most = max(most, r.literal+max(r.rule, rules[r.of.name]))
		}
	}
	return most + e.above
}

// with is the expression with its reach by what these recording rules say of themselves.
func (e *expr) with(rules map[string]time.Duration) *expr {
	if back := e.back(rules); back != e.literal {
		of := *e
		of.literal = back
		return &of
	}
	return e
}

func fill(query string, with map[string]string) (string, error) {
	var err error
	text := placeholder.ReplaceAllStringFunc(query, func(v string) string {
		name, ours := with[v]
		switch {
		case !ours:
			return v
		case name == "":
			err = fmt.Errorf("query %q uses %s, which has no meaning here: leave it out", query, v)
		case !plainName.MatchString(name):
			err = fmt.Errorf("query %q: %q can't stand for %s: want letters, digits and _.:/- only", query, name, v)
		}
		return name
	})
	return text, err
}

// over is the query with w in place of $window.
func (e *expr) over(w time.Duration) string {
	return over(e.text, w)
}

func over(text string, w time.Duration) string {
	return strings.ReplaceAll(text, "$window", fmt.Sprintf("%dms", w.Milliseconds()))
}

// reach is how far back from the moment of asking the query's data goes, with w in place of $window.
func (e *expr) reach(w time.Duration) time.Duration { return e.literal + time.Duration(e.windows)*w }

// fresh is the selectors whose newest sample tells the age of the answer: those that aren't shifted into the past, or all
// when all are. Each stands once.
func (e *expr) fresh() []selector {
	var now, all []selector
	for _, s := range e.selectors {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
		if s.shift == "" && !slices.Contains(now, s) {
			now = append(now, s)
		}
	}
	if len(now) > 0 {
		return now
	}
	return all
}

// parser reads tokens in one pass. PromQL's grammar isn't needed: selectors, ranges and shifts can be told from the token
// before and after.
type parser struct {
	tokens  []token
	i       int
	e       *expr
	windows int           // of subqueries, which lie upon what they contain
	literal time.Duration // of subqueries
}

// lookback is how far back one selector reads.
type lookback struct {
	of      selector
	literal time.Duration // written behind it
	windows int           // 1: it is $window
	rule    time.Duration // in its name, a recording rule's
}

func (p *parser) parse() error {
	for p.i < len(p.tokens) {
		t := p.tokens[p.i]
		var err error
		switch t.kind {
		case identifier:
			err = p.identifier(t)
		case braces:
			p.i++
			err = p.selector("", t.text)
		case brackets:
			p.i++
			err = p.subquery(t)
		default:
			if t.text == "@" {
				return shiftedWhole(t)
			}
			p.i++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) next() token {
	if p.i < len(p.tokens) {
		return p.tokens[p.i]
	}
	return token{kind: end}
}

func (p *parser) identifier(t token) error {
	word := strings.ToLower(t.text)
	p.i++
	after := p.next()
	switch word {
	case "and", "or", "unless", "atan2", "bool", "inf", "nan":
		return nil
	case "by", "without", "on", "ignoring", "group_left", "group_right":
		p.skipLabels()
		return nil
	case "offset":
		return shiftedWhole(t)
	}
	if after.kind == open {
		p.e.counts = p.e.counts || word == "increase" || word == "delta" || word == "count_over_time"
		return nil
	}
	if next := strings.ToLower(after.text); after.kind == identifier && (next == "by" || next == "without") {
		return nil // an aggregation: sum by (le) (…)
	}
	text := t.text
	if after.kind == braces {
		text += after.text
		p.i++
	}
	return p.selector(t.text, text)
}

// skipLabels passes over the labels of by (…), on (…) and the like: they look like metrics.
func (p *parser) skipLabels() {
	if p.next().kind != open {
		return
	}
	for p.i < len(p.tokens) && p.tokens[p.i].kind != closed {
		p.i++
	}
	p.i++
}

// ruleRange is the range in the name of a recording rule, as in job:requests:rate5m: the rule's data goes back so far.
var ruleRange = regexp.MustCompile(`:.*?((?:\d+(?:ms|[smhdwy]))+)$`)

// selector takes a selector whose name and matchers are read, with the ranges and shifts that follow.
func (p *parser) selector(name, text string) error {
	s := selector{text: text, name: name}
	r := lookback{}
	if m := ruleRange.FindStringSubmatch(name); m != nil {
		if d, err := model.ParseDuration(m[1]); err == nil {
			r.rule = time.Duration(d)
		}
	}
	if t := p.next(); t.kind == brackets && !strings.Contains(t.text, ":") {
		p.i++
		d, w, err := length(t.text[1 : len(t.text)-1])
		if err != nil {
			return err
		}
		r.literal, r.windows = d, w
	}
	for p.i < len(p.tokens) {
		words := p.shift()
		if words == "" {
			break
		}
		s.shift += " " + words
	}
	r.of = s
	p.e.ranges = append(p.e.ranges, r)
	p.e.selectors = append(p.e.selectors, s)
	return nil
}

// shift reads one offset or @ after a selector, "" when there is none.
func (p *parser) shift() string {
	begin := p.i
	t := p.next()
	switch {
	case t.kind == identifier && strings.EqualFold(t.text, "offset"):
		p.i++
	case t.text == "@":
		p.i++
		if n := p.next(); n.kind == identifier { // start() and end()
			p.i++
			p.skipLabels()
			return p.since(begin)
		}
	default:
		return ""
	}
	if p.next().text == "-" {
		p.i++
	}
	p.i++ // the duration or the time
	return p.since(begin)
}

// since is the text of the tokens from begin on.
func (p *parser) since(begin int) string {
	words := make([]string, 0, 4)
	for _, t := range p.tokens[begin:min(p.i, len(p.tokens))] {
		words = append(words, t.text)
	}
	return strings.Join(words, " ")
}

// subquery takes [5m:1m], which lies upon all that it contains.
func (p *parser) subquery(t token) error {
	r, _, ok := strings.Cut(t.text[1:len(t.text)-1], ":")
	if !ok {
		return fmt.Errorf("the range %s stands behind something that isn't a metric; a subquery is [5m:15s]", t.text)
	}
	d, w, err := length(r)
	if err != nil {
		return err
	}
	p.literal += d
	p.windows += w
	return nil
}

func shiftedWhole(t token) error {
	return fmt.Errorf("%q behind something that isn't a metric hides how old the data is: put it at the metrics themselves", t.text)
}

// length reads a range: a duration, seconds as a number, or $window.
func length(s string) (literal time.Duration, windows int, err error) {
	s = strings.TrimSpace(s)
	if s == "$window" {
		return 0, 1, nil
	}
	if d, err := model.ParseDuration(s); err == nil && d > 0 {
		return time.Duration(d), 0, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < 1e8 {
		return time.Duration(f * float64(time.Second)), 0, nil
	}
	return 0, 0, fmt.Errorf("the range [%s] is no duration: want one like 1m, or $window", s)
}
