package metrics

import (
	"context"
	"math"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// gateGauge measures one gate in one room. Only its own goroutine uses it.
type gateGauge struct {
	index  int
	room   cutover.Room
	plan   *cutover.GatePlan
	ratio  *runbooks.Ratio // nil: a value
	src    *source
	parts  []part
	upon   int // the most windows that lie upon one another
	window *window
	stamps stamps
	rules  map[string]time.Duration // how far back recording rules go
	newest *answer                  // for check --live; nil: none
}

func (m *Metrics) newGateGauge(index int, p *cutover.GatePlan, g *runbooks.Gate, room cutover.Room) (*gateGauge, error) {
	src, err := m.gateSource(g, room)
	if err != nil {
		return nil, err
	}
	parts, err := m.gateParts(g, room)
	if err != nil {
		return nil, err
	}
	gg := &gateGauge{index: index, room: room, plan: p, ratio: g.Ratio, src: src, parts: parts}
	for _, p := range parts {
		gg.upon = max(gg.upon, p.e.windows)
	}
	base := p.Window.Duration()
	if base <= 0 {
		base = observeWindow
	}
	gg.window = newWindow(base)
	return gg, nil
}

// sample asks once. cut is the last write.
func (g *gateGauge) sample(ctx context.Context, cut cutover.T) cutover.Sample {
	scrape := g.src.interval(ctx)
	s := cutover.Sample{Gauge: g.index, Room: g.room}
	w := g.window.now(g.src.now(), cut, scrape, g.upon)
	g.rules = g.src.rules(ctx, g.parts)
	a, why := g.src.ask(ctx, g.parts, w)
	if why != "" {
		return unknown(s, why, g.src.now())
	}
	g.newest = a
	if why = g.read(a, w, &s); why != "" {
		return unknown(s, why, a.sent)
	}
	taken, why := a.freshness(g.plan.MaxAge)
	if why != "" {
		return unknown(s, why, a.sent)
	}
	s.At = g.stamps.moment(taken, a.sent-a.age(taken), scrape)
	s.From = s.At
	for _, p := range g.parts {
		s.From = min(s.From, since(p.e.with(g.rules), w, a.sent, s.At))
	}
	return s
}

// unknown is s without a value: what was learnt at the moment is that nothing is known.
func unknown(s cutover.Sample, why cutover.Reason, at cutover.T) cutover.Sample {
	return cutover.Sample{Gauge: s.Gauge, Room: s.Room, Unknown: why, From: at, At: at}
}

// freshness is when the answer's data was taken, by the source's clock, or why it is of no use.
func (a *answer) freshness(maxAge cutover.T) (taken float64, why cutover.Reason) {
	taken, ok := a.taken()
	if !ok {
		return 0, because(cutover.NoData, "none of the metrics that it reads has data")
	}
	if why := a.silent(); why != "" {
		return 0, why
	}
	switch age := a.age(taken); {
	case maxAge <= 0 || age <= maxAge:
	case a.ahead() > cutover.Second:
		return 0, because(cutover.TooOld, "the data is stamped up to %v ahead of the source's clock, so it is %v old; wanted at most %v", rounded(a.ahead()), rounded(age), maxAge.Duration())
	default:
		return 0, because(cutover.TooOld, "the data is %v old, wanted at most %v", rounded(age), maxAge.Duration())
	}
	return taken, ""
}

func rounded(t cutover.T) time.Duration { return t.Duration().Round(100 * time.Millisecond) }

// read fills in the value and the events.
func (g *gateGauge) read(a *answer, w time.Duration, s *cutover.Sample) cutover.Reason {
	if g.ratio == nil {
		v, _, why := a.number(partValue)
		s.Lo, s.Hi = v, v
		return why
	}
	top, all, bad, why := ratioOf(g.ratio, a)
	if why != "" {
		return why
	}
	v := 0.0
	switch {
	case all > 0:
		v = top / all
	case top != 0: // no events, yet some of them: the two queries don't fit each other
		return because(cutover.NotNumber, "%v of %v events", top, all)
	}
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
		return because(cutover.NotNumber, "%v of %v events", top, all)
	}
	s.Lo, s.Hi = v, v
	s.Events, s.Bad = g.events(all, w), g.events(bad, w)
	if g.plan.MinEvents > 0 && g.upon > 0 {
		g.window.widen(float64(s.Events)/g.span(w).Seconds(), g.plan.MinEvents)
	}
	return ""
}

// ratioOf is the ratio's two sides, and how much of the whole is bad.
func ratioOf(r *runbooks.Ratio, a *answer) (top, all, bad float64, why cutover.Reason) {
	get := func(name string, emptyIsZero bool) float64 {
		v, ok, w := a.number(name)
		if !ok && !(emptyIsZero && len(a.parts[name]) == 0) && why == "" {
			why = w
		}
		return v
	}
	switch {
	case r.Of != "" && r.Bad != "":
		all, bad = get(partOf, false), get(partBad, true)
		return bad, all, bad, why
	case r.Of != "":
		all, top = get(partOf, false), get(partGood, false)
		return top, all, all - top, why
	default:
		top, bad = get(partGood, false), get(partBad, true)
		return top, top + bad, bad, why
	}
}

// events is how many events a side of the ratio stands for: a rate times its window, or the number itself.
func (g *gateGauge) events(v float64, w time.Duration) int64 {
	if g.base().e.counts {
		return int64(math.Round(v))
	}
	return int64(math.Round(v * g.span(w).Seconds()))
}

// span is the time that the denominator's events fall in.
func (g *gateGauge) span(w time.Duration) time.Duration {
	if d := g.base().e.with(g.rules).reach(w); d > 0 {
		return d
	}
	return g.window.base // a rate without a range in its text or its name: a recording rule of some other name
}

func (g *gateGauge) base() part {
	for _, p := range g.parts {
		if p.base {
			return p
		}
	}
	return g.parts[0]
}
