package metrics

import (
	"math"
	"time"

	"roomshift/cutover"
)

// widest is how far a window widens while there are too few events in it.
const widest = 5 * time.Minute

// window works out what stands for $window in one gauge's queries. It isn't safe for use by several goroutines.
type window struct {
	base   time.Duration // where it starts
	wanted time.Duration // base, or wider while thin
}

func newWindow(base time.Duration) *window { return &window{base: base, wanted: base} }

// now is $window for a query sent at the moment: as wide as wanted, cut so as to begin after the last write, never shorter
// than two scrapes and a bit, for a rate needs two. One that is too short a time after the write still spans it, and its
// samples say so by From. upon is how many windows lie upon one another in the query.
func (w *window) now(sent, cut cutover.T, scrape time.Duration, upon int) time.Duration {
	d := w.wanted
	if cut != 0 && upon > 0 {
		d = min(d, (sent-cut).Duration()/time.Duration(upon))
	}
	return max(d, 2*scrape+scrape/4).Truncate(time.Millisecond)
}

// widen chooses the next window: the one in which perSecond events make enough of them, no wider than it must be.
func (w *window) widen(perSecond float64, enough int64) {
	need := widest
	if perSecond > 0 {
		// A tenth more than just enough, so that it doesn't waver at the limit.
		need = time.Duration(min(1.1*float64(enough)/perSecond, widest.Seconds()) * float64(time.Second))
	}
	w.wanted = max(w.base, need)
}

// stamps maps the source's time of data to this process's. The same data read twice gets the same moment, so that gates
// count it once.
type stamps struct {
	set   bool
	taken float64 // seconds on the source's clock
	at    cutover.T
}

// moment is when data was taken, on this process's clock: sent − age at its first reading. Data within three quarters of a
// scrape of the last counts as the same: instances are scraped one after another, and a part of them makes no new sample.
func (s *stamps) moment(taken float64, at cutover.T, scrape time.Duration) cutover.T {
	if s.set && math.Abs(taken-s.taken) < 0.75*scrape.Seconds() {
		return s.at
	}
	s.set, s.taken, s.at = true, taken, at
	return at
}

// since is the From of a sample: everything that was read is younger. A window begins when it was asked to; a literal range
// is counted from the data, which is the safer side.
func since(e *expr, w time.Duration, sent, at cutover.T) cutover.T {
	switch {
	case e.literal > 0:
		return at - cutover.T(e.reach(w))
	case e.windows > 0:
		return min(at, sent-cutover.T(e.reach(w)))
	default:
		return at
	}
}
