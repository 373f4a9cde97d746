package dbsync

import "roomshift/cutover"

// beat is one heartbeat, written on the writer between Sent and Acked (its commit lies between them).
type beat struct {
	seq            int
	sent, acked    cutover.T
	gtid           string
	domain, server string
	number         uint64
	foreign        string // what other servers had written, as X had it then
}

// answer is what one wait came to. The master took the question after sent and its answer was here at got. held and missed
// are spans by the master's own clock since it took the question: until it answered, and until it last saw that the
// heartbeat was not there. Nothing but their lengths is used.
type answer struct {
	sent, got cutover.T
	held      cutover.T
	missed    cutover.T // less than 0: it was there at once
	reached   bool
	notYet    cutover.T // when an earlier wait proved last that it wasn't there; 0: none did
}

// spent is a span of a master's clock on ours: not longer than it was. The clock may be slewed, and 1000 ppm is more than NTP
// allows itself; one that was set in between says nothing.
func (a answer) spent(span cutover.T) cutover.T {
	span -= span / 1000
	if span < 0 || span > a.got-a.sent {
		return 0
	}
	return span
}

// told is a moment at which what the master answered was true: not after it answered.
func (a answer) told() cutover.T { return a.sent + a.spent(a.held) }

// notBefore is the latest moment at which it is proven not to have been there; ok false: nothing is proven.
func (a answer) notBefore() (at cutover.T, ok bool) {
	if a.missed >= 0 {
		return a.sent + a.spent(a.missed), true
	}
	return a.notYet, a.notYet > 0
}

// forthLag is the lag X→Y that a heartbeat shows when Y has answered that it is applied.
//
//	X   sent ──commit── acked
//	Y                      a.sent ┄┄ missed ─ applied ─ held ┄┄ a.got
//
// It is at most a.got − sent. It is at least notBefore − acked, or 0 if nothing is proven. So Hi − Lo is the round trip of the
// heartbeat, that of the wait without what the server held, and the few milliseconds that Y takes from one look to the next;
// one round trip more if it came between two slices of the wait.
func forthLag(h beat, a answer) (lo, hi cutover.T) {
	if at, ok := a.notBefore(); ok {
		lo = max(0, at-h.acked)
	}
	return lo, a.got - h.sent
}

// arrival is a heartbeat on Y: logged there not before `after`, and Y's binlog position behind it, known here at read. It is
// logged, and may be on its way back, before it is applied.
type arrival struct {
	after cutover.T
	read  cutover.T
	pos   position
}

// backLag is the lag Y→X of what lies before a position of Y, when X has answered that it is there: logged on Y between
// after and read, on X between ended and got (if X had to wait).
func backLag(v arrival, a answer) (lo, hi cutover.T) {
	if at, ok := a.notBefore(); ok {
		lo = max(0, at-v.read)
	}
	return lo, a.got - v.after
}
