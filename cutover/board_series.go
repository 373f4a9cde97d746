package cutover

import "math"

// series is one gate in one room, one direction, or on one link: its newest data, and what has been counted.
type series struct {
	gate   *gate
	room   Room
	place  int  // index in Board.rooms; -1 for a link
	ofRoom bool // its gate is judged by room
	every  T
	key    string // Cause.Key of it

	piece reading // what the newest sample said
	put   T       // when it came
	blank bool    // it said that nothing is known
	again int     // how many more of the same follow, each `every` later
	gone  int     // how many of those have come

	heard     bool // something has come since the board began: data, or a word that there is none
	came      T    // the newest
	known     bool // rd is set
	rd        reading
	unknown   Reason // the newest word of the source is that nothing is known
	unknownAt T      // since when

	hold, abort             row
	holdBefore, abortBefore row // before rd was counted: a second reading of the same data takes its place
	green                   bool
	greenFrom               T // of the newest green sample
	judging                 bool
	enough                  T // judging: the newest data that rests on enough events

	looked   bool // judge has seen it
	judged   bool
	judgedAt T
	muted    bool
	raw, eff shade // as measured; as it counts after muting, answers and the gate's own onAbort
	idle     bool
	crossed  T // raw red or dark: when the engine first held what made it so
	data     T // and the data it rests on

	answered bool  // a person's word stands for it
	rows     uint8 // the rows of the table it stood in when it was answered; 0: not yet seen
	spent    bool  // the answer is over, and whoever keeps it doesn't know yet

	own Act // the gate's onAbort, where it stands in place of the table
}

// take is a sample that has just come. It ends the piece before it.
func (s *series) take(now T, in *Sample) {
	s.catchUp(now - 1)
	s.again, s.gone, s.put = max(in.Again, 0), 0, now
	if s.every <= 0 {
		s.again = 0
	}
	s.heard, s.came, s.blank = true, now, false
	if why := in.Unknown; why != "" || notNumber(in) {
		if why == "" {
			why = NotNumber
		}
		if s.unknown == "" {
			s.unknownAt = now
		}
		s.unknown, s.blank = why, true
		return
	}
	s.unknown = ""
	late := max(in.At-now, 0) // data of the future is of now
	s.piece = reading{lo: in.Lo, hi: max(in.Lo, in.Hi), events: in.Events, bad: in.Bad, from: in.From - late, at: in.At - late, came: now}
	s.piece.class = s.gate.classify(in)
	s.count(0, 1)
}

func notNumber(in *Sample) bool {
	return !in.Idle && (math.IsNaN(in.Lo) || math.IsNaN(in.Hi) || math.IsInf(in.Lo, 0) || (math.IsInf(in.Hi, 0) && !in.LowerBound))
}

// catchUp counts what has come of the piece by now.
func (s *series) catchUp(now T) {
	if s.again == s.gone || now < s.put+T(s.gone+1)*s.every {
		return
	}
	k := min(T(s.again), (now-s.put)/s.every)
	s.heard = true
	switch {
	case s.blank:
		s.came = s.put + k*s.every
	case s.piece.class&classBound != 0:
		for i := s.gone + 1; i <= int(k); i++ {
			s.count(i, 1)
		}
	default:
		s.count(s.gone+1, int(k)-s.gone)
	}
	s.gone = int(k)
}

// nth is sample i of the piece.
func (s *series) nth(i int) reading {
	rd, d := s.piece, T(i)*s.every
	rd.from, rd.at, rd.came = rd.from+d, rd.at+d, rd.came+d
	return rd
}

// count takes samples i … i+m-1 of the piece, the last of which is the newest data. Data older than what is known says nothing new.
func (s *series) count(i, m int) {
	s.came = s.put + T(i+m-1)*s.every
	if s.known {
		for m > 0 && s.piece.at+T(i)*s.every < s.rd.at {
			i, m = i+1, m-1
		}
	}
	if m == 0 {
		return
	}
	rd := s.nth(i)
	if s.known && rd.at == s.rd.at {
		s.reread(rd)
		if i, m = i+1, m-1; m == 0 {
			return
		}
	}
	if m > 1 {
		s.grown(s.nth(i).came)
		s.step(s.nth(i), m-1)
		s.rd, s.known = s.nth(i+m-2), true
		i += m - 1
	}
	rd = s.nth(i)
	s.grown(rd.came)
	s.holdBefore, s.abortBefore = s.hold, s.abort
	s.step(rd, 1)
	s.rd, s.known = rd, true
}

// reread is a second reading of the same data: it counts as none, but what it says (more of the window, another replica) stands.
func (s *series) reread(rd reading) {
	if rd.class == s.rd.class {
		rd.came = s.rd.came
	} else {
		s.hold, s.abort = s.holdBefore, s.abortBefore
		s.step(rd, 1)
	}
	if s.isGreen(&rd) {
		s.greenFrom = max(s.greenFrom, rd.from)
	}
	s.rd = rd
}

// grown lets a lower bound, newest so far, grow until the next sample came.
func (s *series) grown(until T) {
	if !s.known || s.rd.class&classBound == 0 {
		return
	}
	until = min(until, s.rd.at+s.gate.MaxAge)
	s.hold = s.hold.grow(&s.rd, &s.gate.hold, until, s.gate.hole)
	s.abort = s.abort.grow(&s.rd, &s.gate.abort, until, s.gate.hole)
}

// step counts m samples that say what rd, the first of them, says.
func (s *series) step(rd reading, m int) {
	g := s.gate
	if rd.class&classThin != 0 {
		return
	}
	s.judging, s.enough = true, rd.at+T(m-1)*s.every
	pastHold, pastAbort := rd.class&classHold != 0, rd.class&classAbort != 0
	if rd.class&classBound != 0 {
		pastHold, pastAbort = rd.passes(&g.hold) <= rd.at, rd.passes(&g.abort) <= rd.at
	}
	switch {
	case pastHold:
		s.hold.add(&g.hold, rd.at, rd.came, s.every, m, g.hole)
	case rd.class&classBound == 0:
		s.hold = row{}
	}
	switch {
	case pastAbort:
		s.abort.add(&g.abort, rd.at, rd.came, s.every, m, g.hole)
	case rd.class&classBound == 0:
		s.abort = row{}
	}
	if s.isGreen(&rd) {
		s.green, s.greenFrom = true, max(s.greenFrom, rd.from+T(m-1)*s.every)
	}
}

// isGreen: the sample says that all is well. A bound, or too few events, doesn't.
func (s *series) isGreen(rd *reading) bool { return rd.class == 0 }

// anew starts the counters and timers of a series that begins to be judged: what was measured before says nothing of now.
func (s *series) anew(now T) {
	s.judgedAt = now
	s.hold, s.abort, s.holdBefore, s.abortBefore, s.green, s.judging = row{}, row{}, row{}, row{}, false, false
}

// look works out the condition at a moment, and returns the next moment at which it may change by itself.
func (s *series) look(now, start T) T {
	s.raw, s.crossed, s.data, s.idle = shadeNone, 0, 0, false
	g := s.gate
	next := s.nextOfPiece(now)
	since := max(start, s.judgedAt)
	fresh := s.known && now-s.rd.at <= g.MaxAge
	switch {
	case s.known && !fresh:
		blind := s.rd.at + g.MaxAge
		if s.unknown != "" {
			blind = min(blind, s.unknownAt)
		}
		return min(next, s.dark(now, max(since, blind)))
	case s.unknown != "":
		return min(next, s.dark(now, max(since, s.unknownAt)))
	case !s.known:
		return min(next, s.dark(now, since))
	}
	old := s.rd.at + g.MaxAge + 1
	if s.leads() && s.put+T(s.gone+1)*s.every < old { // the piece keeps it young to its end
		old += T(s.again-s.gone) * s.every
	}
	next = min(next, old)
	return min(next, s.shadeOf(now))
}

// dark: blind since a moment.
func (s *series) dark(now, since T) T {
	s.raw = shadeBlind
	end := since + s.gate.BlindFor
	if now < end {
		return end
	}
	s.raw, s.crossed, s.data = shadeDark, end, s.rd.at
	if !s.known {
		s.data = end
	}
	return Never
}

// shadeOf is what fresh data says.
func (s *series) shadeOf(now T) T {
	switch rd := &s.rd; {
	case rd.class&classIdle != 0:
		s.idle = true
		return Never
	case rd.class&classThin != 0:
		s.raw = shadeThin
		if s.lately(now) != shadeNone {
			return s.enough + widest + 1
		}
		return Never
	case rd.class&classBound != 0:
		return s.boundShade(now)
	}
	s.raw = shadeOfRows(&s.hold, &s.abort)
	if s.raw == shadeRed {
		s.crossed, s.data = s.abort.doneCame, s.abort.doneAt
	}
	return Never
}

// lately is what a gate that has too few events now said when it last had enough. Each write cuts the window that its events are
// counted over; uncut, it would reach back as far. shadeNone: that is too long ago, or never was.
func (s *series) lately(now T) shade {
	if s.raw != shadeThin || !s.judging || now-s.enough > widest {
		return shadeNone
	}
	return shadeOfRows(&s.hold, &s.abort)
}

func shadeOfRows(hold, abort *row) shade {
	switch {
	case abort.done:
		return shadeRed
	case hold.done:
		return shadeAmber
	}
	return shadeGreen
}

// boundShade is what a bound says that goes on growing while nobody answers.
func (s *series) boundShade(now T) T {
	g := s.gate
	hold := s.hold.grow(&s.rd, &g.hold, now, g.hole)
	abort := s.abort.grow(&s.rd, &g.abort, now, g.hole)
	s.raw = shadeOfRows(&hold, &abort)
	if s.raw == shadeGreen && !s.green {
		s.raw = shadeBlind // a bound alone was never seen to be well
	}
	if s.raw == shadeRed {
		s.crossed, s.data = abort.doneCame, abort.doneAt
	}
	next := Never
	for _, m := range [...]T{s.rd.passes(&g.hold), s.rd.passes(&g.abort), hold.first + g.hold.span, abort.first + g.abort.span} {
		if m > now {
			next = min(next, m)
		}
	}
	return next
}

// leads: more of the piece is to come, and the newest data is one of it.
func (s *series) leads() bool {
	return s.again > s.gone && !s.blank && s.known && s.rd.at == s.piece.at+T(s.gone)*s.every
}

// nextOfPiece is the next moment at which what is still to come of the piece may change the condition.
func (s *series) nextOfPiece(now T) T {
	left := s.again - s.gone
	if left == 0 || s.blank {
		return Never
	}
	came := s.put + T(s.gone+1)*s.every
	at := s.piece.at + T(s.gone+1)*s.every
	if s.piece.class&classBound != 0 || !s.leads() || now-s.rd.at > s.gate.MaxAge {
		return came
	}
	next := Never
	if s.piece.class&classHold != 0 {
		if k, ok := s.hold.when(&s.gate.hold, at, came, s.every, left); ok {
			next = came + k*s.every
		}
	}
	if s.piece.class&classAbort != 0 {
		if k, ok := s.abort.when(&s.gate.abort, at, came, s.every, left); ok {
			next = min(next, came+k*s.every)
		}
	}
	return next
}

// pastAbort: the newest value is past its abort limit, for however short.
func (s *series) pastAbort(now T) bool {
	if !s.known || s.unknown != "" || now-s.rd.at > s.gate.MaxAge {
		return false
	}
	return s.rd.class&classAbort != 0 || s.rd.passes(&s.gate.abort) <= now
}

// value is the newest value at a moment: a bound has grown since.
func (s *series) value(now T) (lo, hi float64) {
	if s.rd.class&classBound != 0 {
		lo = s.rd.lo + float64(max(now-s.rd.at, 0))/float64(Second)
		return lo, lo
	}
	return s.rd.lo, s.rd.hi
}
