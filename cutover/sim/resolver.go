package sim

import (
	"math"
	"strconv"

	"roomshift/cutover"
)

// resolvers are those that cache a name's answers. Each draws an answer once per TTL by the weights that it is told then; they
// came by their answers at different times, so after a change the part that has heard of it grows evenly over one TTL. Some
// stretch every TTL to hours. What is kept is the expected share, in steps.
type resolvers struct {
	ttl     cutover.T // of the records now
	oldEnds cutover.T // until when answers live that were given out before it was lowered

	obeying    []float64 // what those that obey believe, when they last heard of a change
	stretching []float64
	heard      cutover.T
	over       cutover.T // how long those that obey take
	stepping   bool
	next       cutover.T
}

const (
	stretch     = 0.09 // the part of users behind resolvers that stretch TTLs
	stretchTime = 30 * cutover.Minute
	obeySteps   = 8
	stretchStep = 10 * cutover.Minute
)

// hear: the records' share was one thing and is st.set now.
func (c *resolvers) hear(st *seat, was []float64, now cutover.T) {
	c.believe(st, was, now)
	over := c.ttl
	if now < c.oldEnds {
		over = max(over, c.oldEnds-now)
	}
	c.heard, c.over, c.stepping = now, max(over, cutover.Second), true
	c.next = now + c.over/obeySteps
}

// believe brings what both kinds of resolver believe to now, on their way to what the records were.
func (c *resolvers) believe(st *seat, was []float64, now cutover.T) {
	if c.obeying == nil {
		c.obeying, c.stretching = append([]float64(nil), st.seen...), append([]float64(nil), st.seen...)
	}
	if !c.stepping {
		return
	}
	obeys, late := c.parts(now)
	for i := range st.seen {
		c.obeying[i] += (was[i] - c.obeying[i]) * obeys
		c.stretching[i] += (was[i] - c.stretching[i]) * late
	}
}

// parts is how much of both kinds has heard of the change.
func (c *resolvers) parts(now cutover.T) (obeys, stretches float64) {
	d := float64(now - c.heard)
	return min(1, d/float64(c.over)), 1 - math.Exp(-d/float64(stretchTime))
}

// step works out what is seen now, and when the next step is due.
func (c *resolvers) step(st *seat, now cutover.T) {
	if !c.stepping || now < c.next {
		return
	}
	obeys, late := c.parts(now)
	left := 0.0
	for i := range st.seen {
		o := c.obeying[i] + (st.set[i]-c.obeying[i])*obeys
		t := c.stretching[i] + (st.set[i]-c.stretching[i])*late
		st.seen[i] = (1-stretch)*o + stretch*t
		left = max(left, math.Abs(st.set[i]-st.seen[i]))
	}
	switch {
	case obeys < 1:
		c.next = min(c.next+c.over/obeySteps, c.heard+c.over)
		if c.next <= now {
			c.next = c.heard + c.over
		}
	case left > 0.002:
		c.next = now + stretchStep
	default:
		copy(st.seen, st.set)
		copy(c.obeying, st.set)
		copy(c.stretching, st.set)
		c.stepping, c.next = false, cutover.Never
	}
}

// due is when the next step is.
func (c *resolvers) due() cutover.T {
	if !c.stepping {
		return cutover.Never
	}
	return c.next
}

// ttlSet: a name's records have a new TTL. Answers given out before live as long as the old one said.
func (s *Sim) ttlSet(id cutover.Seat, value string) {
	st := s.bySeat[id]
	n, err := strconv.Atoi(value)
	if st == nil || err != nil {
		return
	}
	c := &st.cache
	ttl := cutover.T(n) * cutover.Second
	if ttl < c.ttl {
		c.oldEnds = max(c.oldEnds, s.now+c.ttl)
	}
	c.ttl = ttl
}
