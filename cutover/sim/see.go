package sim

import (
	"math"

	"roomshift/cutover"
)

// see is what a stream's source would say now.
func (g *gauges) see(st *stream) reading {
	s := g.r.s
	if len(s.faults) == 0 {
		return g.source(st)
	}
	if st.asked >= 0 && s.down(s.rooms[st.asked], "prometheus") {
		return unknown(cutover.NoAnswer)
	}
	if why, ok := s.blinded(st.name, st.room); ok {
		return unknown(why)
	}
	v := g.source(st)
	if x, ok := s.said(st.name, st.room); ok {
		v.lo, v.hi, v.unknown, v.lower = x, x, "", false
		if v.badPart > 0 {
			v.badPart = x
		}
	}
	return v
}

func unknown(why cutover.Reason) reading { return reading{unknown: why} }

func known(x float64) reading { return reading{lo: x, hi: x} }

// source is what is seen without what faults put before it.
func (g *gauges) source(st *stream) reading {
	s := g.r.s
	t := &s.traffic
	switch st.what {
	case seesLag:
		return s.lagOf(st.pair, st.side)
	case seesLine:
		return known(t.lines[st.line].use)
	case seesTrip:
		use := t.lines[st.line].use
		return known(st.usual * (1 + 10*math.Max(0, use-0.9)))
	case seesProbe:
		if s.probeError(st.room) != nil {
			return known(0)
		}
		return known(1)
	case seesShare:
		return s.counted(st.seat)
	case seesDatabase:
		v := known(st.usual)
		for _, n := range t.served {
			v.rate += n
		}
		return v
	}
	if st.room < 0 {
		return known(st.usual)
	}
	rate := t.served[st.room]
	if rate < 1e-6 {
		return unknown(cutover.NoData)
	}
	v := known(st.usual)
	v.rate = rate
	switch st.what {
	case seesErrors:
		v = known(math.Min(1, st.usual+t.errors[st.room]-usualErrors))
		v.rate, v.badPart = rate, v.lo
	case seesHits:
		v = known(st.usual - (st.usual-st.bad)*t.cold[st.room])
		v.rate, v.badPart = rate, 1-v.lo
	case seesLatency:
		v = known(st.usual*t.slow[st.room] + t.added[st.room])
		v.rate = rate
	}
	return v
}

// counted is what the observation of one seat counts in all.
func (s *Sim) counted(st *seat) reading {
	all := 0.0
	if st.room >= 0 {
		all = st.route.in[st.room]
	} else {
		for _, x := range st.route.in {
			all += x
		}
		all /= float64(len(st.route.seats))
	}
	if all < 1e-6 { // its source answers, and counts nothing
		all = 0
	}
	return known(all)
}
