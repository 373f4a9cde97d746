package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// A query that picks nothing is no mistake to Prometheus: its answer is empty, and an empty count of bad events means that
// there were none. So what it names is looked up: the metric, the labels that its conditions need, and the room.

// otherRoom and otherRoute are nobody's names: what differs in a query for them came from $room and $route.
const otherRoom, otherRoute = "roomshift.other.room", "roomshift.other.route"

// otherParts are a gate's parts for a room that doesn't exist; nil for a link, which is asked for no room.
func (m *Metrics) otherParts(g *runbooks.Gate, room cutover.Room) []part {
	if room == "" {
		return nil
	}
	parts, err := m.gateParts(g, otherRoom)
	if err != nil {
		return nil
	}
	return parts
}

// names looks up what parts read. others are the same parts for another room, or nil.
func (c *checker) names(ctx context.Context, f Finding, src *source, parts, others []part) {
	for i, p := range parts {
		for k, sel := range p.e.selectors {
			if sel.name == "" {
				continue // only its conditions say which metric
			}
			if len(c.values(ctx, src, "__name__", sel.name)) == 0 {
				if !c.silent[src.name] {
					c.bad(f, fmt.Sprintf("%s has never had %s", src.name, sel.name), "a metric that exists", "is its job scraped?"+c.near(ctx, src, sel.name)+atFirst(p))
				}
				continue
			}
			c.labels(ctx, f, src, sel)
			if others != nil && k < len(others[i].e.selectors) {
				c.ofRoom(ctx, f, src, sel, roomMatchers(sel, others[i].e.selectors[k]), p.base)
			}
		}
	}
	if c.silent[src.name] {
		c.bad(Finding{Check: src.name}, "doesn't say which series it has, so names and labels aren't checked", "/api/v1/labels and /api/v1/label/NAME/values can be read",
			"let the token read them, or look through the queries yourself")
	}
}

// labels finds conditions on labels that no series of the metric has.
func (c *checker) labels(ctx context.Context, f Finding, src *source, sel selector) {
	for _, m := range sel.matchers() {
		has := c.labelNames(ctx, src, sel.name)
		if len(has) == 0 || !m.needs() || slices.Contains(has, m.label) {
			continue
		}
		do := "it has " + some(has)
		if n := runbooks.Nearest(m.label, has); n != "" {
			do += ": did you mean " + n + "?"
		}
		c.bad(f, fmt.Sprintf("no series of %s has the label %s, so %s picks nothing", sel.name, m.label, m), "labels that its series have", do)
	}
}

// atFirst is for counters of what seldom happens: without them a typo and a healthy room look the same.
func atFirst(p part) string {
	if p.base {
		return ""
	}
	return " If only its first event makes it, let the exporter begin it at 0"
}

// ofRoom finds conditions with $room or $route in them that pick nothing. A count of bad events may well have nothing of one
// room, but not of all.
func (c *checker) ofRoom(ctx context.Context, f Finding, src *source, sel selector, ms []matcher, base bool) {
	for _, m := range ms {
		if !m.needs() || !slices.Contains(c.labelNames(ctx, src, sel.name), m.label) {
			continue // said by labels
		}
		if !base && slices.ContainsFunc(c.values(ctx, src, m.label, sel.name), c.isRoom) {
			continue
		}
		if only := sel.only([]matcher{m}); len(c.values(ctx, src, m.label, only)) == 0 {
			c.bad(f, fmt.Sprintf("%s has no series %s", src.name, only), "series of this room", fmt.Sprintf("its %s is %s: relabel it to the names of rooms.yaml, or write what it is",
				m.label, some(c.values(ctx, src, m.label, sel.name))))
		}
	}
}

// values are those of a label over the series that sel picks, in the last 30 days.
func (c *checker) values(ctx context.Context, src *source, label, sel string) []string {
	return c.ask(ctx, src, "values of "+label+" in "+sel, func(ctx context.Context, since time.Time) ([]string, error) {
		vs, _, _, err := src.api.LabelValues(ctx, label, []string{sel}, since, time.Time{})
		return words(vs), err
	})
}

// labelNames are those that series of the metric have, in the last 30 days.
func (c *checker) labelNames(ctx context.Context, src *source, sel string) []string {
	return c.ask(ctx, src, "labels of "+sel, func(ctx context.Context, since time.Time) ([]string, error) {
		ls, _, _, err := src.api.LabelNames(ctx, []string{sel}, since, time.Time{})
		return words(ls), err
	})
}

// ask asks each question once.
func (c *checker) ask(ctx context.Context, src *source, question string, f func(context.Context, time.Time) ([]string, error)) []string {
	key := src.name + ": " + question
	if a, ok := c.known[key]; ok {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, src.timeOut)
	defer cancel()
	a, err := f(ctx, time.Now().Add(-lately))
	if err != nil {
		c.silent[src.name], a = true, nil
	}
	c.known[key] = a
	return a
}

// near says which metric may have been meant.
func (c *checker) near(ctx context.Context, src *source, name string) string {
	all := c.ask(ctx, src, "all names", func(ctx context.Context, since time.Time) ([]string, error) {
		vs, _, _, err := src.api.LabelValues(ctx, "__name__", nil, since, time.Time{})
		return words(vs), err
	})
	if n := runbooks.Nearest(name, all); n != "" {
		return " did you mean " + n + "?"
	}
	return " is the name right?"
}

func words[T ~string](from []T) []string {
	to := make([]string, 0, len(from))
	for _, s := range from {
		to = append(to, string(s))
	}
	return to
}

// some is the first few of many.
func some(all []string) string {
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == "" || strings.HasPrefix(s, "__") })
	switch {
	case len(all) == 0:
		return "nothing"
	case len(all) > 6:
		return strings.Join(all[:6], ", ") + fmt.Sprintf(" and %d more", len(all)-6)
	}
	return strings.Join(all, ", ")
}
