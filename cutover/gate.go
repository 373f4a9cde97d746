package cutover

import (
	"math"

	"roomshift/runbooks"
)

// A gate's laws, all of ENGINE §3:
//
//   - a sample is counted by the time of its data: a second reading of the same data counts as none, whatever it was polled at
//   - a limit is passed by so many samples over such a span of data; one that isn't past it ends the row
//   - what says nothing (Unknown, thin, a bound that has not reached the limit) neither counts nor ends a row
//   - hold is passed when the value may be past it, abort only when it surely is: each takes the end of Lo..Hi that says so
//   - a lower bound grows with time by itself

// shade is a condition as a number, the worse the higher.
type shade uint8

const (
	shadeNone  shade = iota // not judged: empty by plan, muted, idle, or set aside
	shadeThin               // too few events to say anything
	shadeGreen              //
	shadeAmber              // past hold
	shadeBlind              // not known now
	shadeDark               // blind after blindFor
	shadeRed                // past abort for its time
)

var shadeColors = [...]Color{Unjudged, Unjudged, Green, Amber, Blind, Dark, Red}

func (s shade) color() Color { return shadeColors[s] }

// limit is a LimitPlan ready for comparing.
type limit struct {
	set     bool
	below   bool
	value   float64
	span    T
	samples int
}

func newLimit(p *LimitPlan) limit {
	if p == nil {
		return limit{}
	}
	return limit{set: true, below: p.Below, value: p.Value, span: p.For, samples: max(p.Samples, 1)}
}

// maybe: a value between lo and hi may be past the limit. surely: it is.
func (l *limit) maybe(lo, hi float64) bool {
	if l.below {
		return l.set && lo < l.value
	}
	return l.set && hi > l.value
}

func (l *limit) surely(lo, hi float64) bool {
	if l.below {
		return l.set && hi < l.value
	}
	return l.set && lo > l.value
}

// gate is a GatePlan ready for judging.
type gate struct {
	*GatePlan
	hold, abort limit
	hole        T // two samples further apart than this don't belong to one row: in between nothing was known
	pair, link  int
	count       int // of its series
}

// row counts the samples, without one in between that isn't past it, that are past a limit.
type row struct {
	n           int
	first, last T    // of their data
	done        bool // long and often enough
	doneAt      T    // the data of the sample that completed it
	doneCame    T    // when that sample came
}

// when is the arrival of the sample that completes the row, if the next m samples are past the limit: the first with its data at
// `at`, coming at `came`, the others each a step later. False if none of them does.
func (r *row) when(l *limit, at, came, step T, m int) (k T, ok bool) {
	if r.done || m <= 0 {
		return 0, false
	}
	first := at
	if r.n > 0 {
		first = r.first
	}
	k = T(max(l.samples-r.n, 1) - 1)
	if wait := first + l.span - at; wait > 0 {
		if step <= 0 {
			return 0, false
		}
		k = max(k, (wait+step-1)/step)
	}
	return k, k < T(m)
}

// add counts m such samples.
func (r *row) add(l *limit, at, came, step T, m int, hole T) {
	if r.n > 0 && at-r.last > hole {
		*r = row{}
	}
	if k, ok := r.when(l, at, came, step, m); ok {
		r.done, r.doneAt, r.doneCame = true, at+k*step, came+k*step
	}
	if r.n == 0 {
		r.first = at
	}
	r.n += m
	r.last = at + T(m-1)*step
}

// class is what a reading says, as far as time has no part in it.
type class uint8

const (
	classHold  class = 1 << iota // past hold
	classAbort                   // past abort
	classThin                    // fewer events than minEvents, and too few bad ones to say anything
	classIdle
	classBound // a lower bound
)

// reading is the newest data of a series.
type reading struct {
	lo, hi      float64
	events, bad int64
	from, at    T
	came        T
	class       class
}

func (g *gate) classify(s *Sample) class {
	switch {
	case s.Idle:
		return classIdle
	case s.LowerBound:
		return classBound
	case g.MinEvents > 0 && s.Events < g.MinEvents:
		if g.badSuffice(s.Bad) {
			return classHold | classAbort
		}
		return classThin
	}
	var c class
	hi := max(s.Lo, s.Hi)
	if g.hold.maybe(s.Lo, hi) {
		c |= classHold
	}
	if g.abort.surely(s.Lo, hi) {
		c |= classAbort | classHold
	}
	return c
}

// badSuffice: even if all the events that are missing were good, the ratio would be past abort.
func (g *gate) badSuffice(bad int64) bool {
	if !g.abort.set || g.Unit != runbooks.UnitRatio || bad <= 0 {
		return false
	}
	part := g.abort.value
	if g.abort.below {
		part = 1 - part
	}
	return float64(bad) >= part*float64(g.MinEvents)
}

// passes is the moment at which a lower bound has grown past a limit; Never if it can't. What it grows by is time, in seconds.
func (rd *reading) passes(l *limit) T {
	switch {
	case !l.set || l.below || rd.class&classBound == 0:
		return Never
	case rd.lo > l.value:
		return rd.at
	}
	d := (l.value - rd.lo) * float64(Second)
	if d >= float64(Never/2) {
		return Never
	}
	return rd.at + T(math.Floor(d)) + 1
}

// grow lets a lower bound grow until a moment: from when it passes the limit on, the row lasts as long as the bound is good for.
func (r row) grow(rd *reading, l *limit, until, hole T) row {
	x := rd.passes(l)
	if x > until {
		return r
	}
	if r.n > 0 && x-r.last > hole {
		r = row{}
	}
	if r.n == 0 {
		r.n, r.first, r.last = 1, x, x
	}
	r.last = max(r.last, until)
	if !r.done && r.n >= l.samples && r.last-r.first >= l.span {
		r.done, r.doneAt, r.doneCame = true, r.first+l.span, r.first+l.span
	}
	return r
}
