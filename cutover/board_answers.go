package cutover

import "slices"

// The rows that an answer stands for, as bits.
const (
	rowRed     uint8 = 1 << iota // past its abort limit
	rowUnknown                   // blind or dark
	rowBoth                      // the other room too, or the other direction
)

// settleAnswers keeps what people answered. An answer is over once its gate is green, or stands in a row of the tables that it
// didn't stand in when it was given; Judgement.Clear then names it until it is gone from Vantage.Answered.
func (b *Board) settleAnswers(v *Vantage, j *Judgement) {
	if len(v.Answered) == 0 && b.answers == 0 {
		return
	}
	b.answers = 0
	b.weigh(v)
	for i := range b.series {
		s := &b.series[i]
		if !v.Answered[s.key] {
			s.answered, s.rows, s.spent = false, 0, false
			continue
		}
		b.answers++
		if !s.spent {
			s.spent = b.isSpent(s, v)
		}
		if s.answered = !s.spent; s.spent {
			j.Clear = append(j.Clear, s.key)
		}
	}
}

func (b *Board) isSpent(s *series, v *Vantage) bool {
	if !s.judged && !s.muted {
		return false
	}
	if s.raw == shadeGreen && !s.pastAbort(b.now) {
		return true
	}
	rows := b.rowsOf(s, v)
	if s.rows == 0 {
		if s.heard || s.raw == shadeDark {
			s.rows = rows
		}
		return false
	}
	if s.raw == shadeBlind { // one sample that is missing is no row yet
		rows &^= rowUnknown
	}
	return rows&^s.rows != 0
}

// Bad are the causes that a person's word answers, by key: what is red, dark or unknown at this moment, and a direction that makes a cut.
// What a process that has just taken over hasn't heard of yet is none of them: nobody can have been told how it is.
func (b *Board) Bad(now T, v Vantage) []string {
	b.survey(now, &v)
	b.weigh(&v)
	var bad []string
	for i := range b.series {
		s := &b.series[i]
		if !s.judged && !s.muted {
			continue
		}
		switch sh := b.measured(s); {
		case sh == shadeRed, sh == shadeDark, sh == shadeBlind && s.heard, s.pastAbort(b.now) && b.isCut(s):
			bad = append(bad, s.key)
		}
	}
	slices.Sort(bad)
	return bad
}

// isCut: a series is a direction of a pair whose rooms may be cut from each other.
func (b *Board) isCut(s *series) bool {
	if s.gate.pair < 0 {
		return false
	}
	r := &b.pairs[s.gate.pair].raw
	return cut(r[0], r[1])
}

// rowsOf are the rows that a series stands in; none unless it is red, dark or unknown.
func (b *Board) rowsOf(s *series, v *Vantage) uint8 {
	var rows uint8
	switch {
	case s.raw == shadeRed:
		rows = rowRed
	case s.raw == shadeBlind, s.raw == shadeDark:
		rows = rowUnknown
	default:
		return 0
	}
	switch s.gate.Kind {
	case GateReplication:
		if b.isCut(s) {
			rows |= rowBoth
		}
	case GateRoom:
		if v.Phase != PhaseBack && ((s.place == b.to && b.bad(b.from)) || (s.place == b.from && b.bad(b.to))) {
			rows |= rowBoth
		}
	}
	return rows
}

// bad: a room is red or dark, as measured.
func (b *Board) bad(place int) bool { return place >= 0 && b.tallies[place].raw&badShades != 0 }
