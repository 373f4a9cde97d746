package sim

import (
	"math"

	"roomshift/cutover"
)

// measure is what a stream hands over at a moment, with how many more of the same follow.
func (g *gauges) measure(st *stream, now cutover.T) cutover.Sample {
	v := &st.now
	data := now - st.age
	p := cutover.Sample{Gauge: st.gauge, Lo: v.lo, Hi: v.hi, From: data - g.r.base, At: data - g.r.base, Again: forEver,
		Unknown: v.unknown, Idle: v.idle, LowerBound: v.lower}
	if st.room >= 0 {
		p.Room = g.r.s.rooms[st.room]
	}
	if v.lower { // it grows: each one anew
		st.now = g.see(st)
		p.Lo, p.Hi, p.Again = st.now.lo, st.now.hi, 0
	}
	if st.what == seesShare {
		if p.Lo, p.Hi = 0, 0; v.unknown == "" {
			p.Counts = st.count(g.r.s.rooms)
		}
	}
	if st.window > 0 {
		g.openWindow(st, data, &p)
	}
	return p
}

// count is the requests in a second by serving room. The map is made anew when they change, and never changed.
func (st *stream) count(rooms []cutover.Room) map[cutover.Room]float64 {
	if st.counts != nil {
		return st.counts
	}
	st.counts = make(map[cutover.Room]float64, len(rooms))
	for i, room := range rooms {
		if x := math.Round(st.now.lo*st.parts[i]*1e4) / 1e4; x > 0 {
			st.counts[room] = x
		}
	}
	return st.counts
}

// openWindow works out from when on the data is, and how many events it rests on. A window begins after the cut, is as long as
// the gate says, and longer while there are too few events. A piece ends where one of them would say more than the one before:
// when it is past the cut, has enough bad events, enough events, or is as wide as it gets.
func (g *gauges) openWindow(st *stream, data cutover.T, p *cutover.Sample) {
	v := &st.now
	wide, need := st.window, widest
	if st.min > 0 && v.rate > 0 {
		need = cutover.T(math.Min(float64(st.min)/v.rate*float64(cutover.Second), float64(widest))) + cutover.Millisecond
		wide = max(wide, need)
	}
	if g.cut > 0 && data <= g.cut {
		p.Again = int((g.cut-data)/st.every + 1 - 1)
	}
	if young := data - g.cut; g.cut > 0 && young > 0 && young < wide {
		wide = young
		if st.min > 0 && v.unknown == "" {
			p.Again = st.until(young, need)
		}
	}
	p.From = data - wide - g.r.base
	if v.unknown == "" {
		p.Events = int64(v.rate * float64(wide) / float64(cutover.Second))
		p.Bad = int64(math.Round(float64(p.Events) * v.badPart))
	}
}

// until is how many samples follow until a young window holds enough.
func (st *stream) until(young, need cutover.T) int {
	best := cutover.Never
	if v := &st.now; st.enough > 0 && v.badPart > 0 {
		best = cutover.T(math.Min(float64(st.enough+1)/(v.rate*v.badPart)*float64(cutover.Second), float64(widest)))
		if best <= young {
			best = cutover.Never
		}
	}
	if need > young {
		best = min(best, need)
	}
	if best == cutover.Never {
		return forEver
	}
	return max(0, int((best-young+st.every-1)/st.every)-1)
}
