package cutover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"roomshift/runbooks"
)

// heldCause is a cause with what orders it and when it was completed.
type heldCause struct {
	shade         shade
	crossed, data T
	cause         Cause
}

// explain names the causes of an act that isn't advance, worst first. They are good until the next call.
func (b *Board) explain(v *Vantage, j *Judgement) []heldCause {
	cs := b.held[:0]
	all := j.Act == Hold || v.Phase == PhaseFrozen
	for i := range b.series {
		s := &b.series[i]
		sh := s.eff
		if s.own != "" {
			sh = shadeRed
		}
		text := ""
		switch {
		case !all:
			sh, text = b.actCause(s, v, j, sh)
		case !b.holds(s, v, sh):
			continue
		case sh < shadeAmber && b.inCut(s, v):
			sh = s.raw
		}
		if sh == shadeNone {
			continue
		}
		c := b.cause(s, sh)
		if text == "" && b.shutsWayBack(s, v, sh) {
			text = "the writer's way back is shut"
		}
		if text != "" {
			c.Text = text
		}
		cs = append(cs, heldCause{sh, s.crossed, s.data, c})
	}
	slices.SortStableFunc(cs, func(x, y heldCause) int { return int(y.shade) - int(x.shade) })
	b.held = cs
	j.Causes = slices.Grow(j.Causes, len(cs))
	for i := range cs {
		j.Causes = append(j.Causes, cs[i].cause)
	}
	if len(cs) == 0 && v.Phase != PhaseFrozen {
		j.Causes = append(j.Causes, nobodyJudges(v, j.Act))
	}
	return cs
}

// nobodyJudges: what stops the run is that there is nothing to judge a room by.
func nobodyJudges(v *Vantage, act Act) Cause {
	c := Cause{Gate: "gates", Room: receiver(v), Color: Unjudged, Text: "no gate of " + receiver(v) + " can be judged yet"}
	if act == Freeze {
		c.Text += ", and its probe doesn't answer"
	}
	return c
}

// shutsWayBack: what the writer's room receives lags, so the writer couldn't follow and come back.
func (b *Board) shutsWayBack(s *series, v *Vantage, sh shade) bool {
	return s.gate.pair >= 0 && v.Phase == PhaseForward && b.writerOf(s, v) == s.room && sh >= shadeAmber && sh != shadeBlind && !b.inCut(s, v)
}

// holds tells whether a series has part in a hold, or is to be shown while the run is frozen. Going back waits for its receiver only.
func (b *Board) holds(s *series, v *Vantage, sh shade) bool {
	if v.Phase == PhaseBack {
		return s.ofRoom && s.place == b.from && sh >= shadeAmber
	}
	return sh >= shadeAmber || (s.eff == shadeThin && s.ofRoom && s.place == b.to) || b.inCut(s, v)
}

// timing keeps when an act's causes were complete for as long as the act lasts: what joins them later doesn't move it.
func (b *Board) timing(v *Vantage, j *Judgement, cs []heldCause) {
	if strength(j.Act) < strength(Back) {
		b.act = j.Act
		return
	}
	if j.Act != b.act || v.Phase != b.phase {
		b.act, b.phase, b.crossed, b.age = j.Act, v.Phase, 0, 0
		for i := range cs {
			if c := &cs[i]; c.crossed > b.crossed {
				b.crossed, b.age = c.crossed, c.crossed-c.data
			}
		}
	}
	j.Crossed, j.Age = b.crossed, b.age
}

// inCut: a muted direction is part of a cut.
func (b *Board) inCut(s *series, v *Vantage) bool {
	return s.gate.Kind == GateReplication && b.pairs[s.gate.pair].act.Row == RowCut && (s.raw >= shadeBlind || s.pastAbort(b.now))
}

// actCause tells how a series has part in a back or a freeze: its shade and a sentence; shadeNone: it has none.
func (b *Board) actCause(s *series, v *Vantage, j *Judgement, sh shade) (shade, string) {
	if s.own != "" {
		if s.own != j.Act {
			return shadeNone, ""
		}
		return shadeRed, "past its abort limit: its own onAbort says " + s.gate.OnAbort
	}
	bad := sh == shadeRed || sh == shadeDark
	switch {
	case s.gate.pair >= 0:
		return b.pairCause(s, v, j, sh, bad)
	case s.gate.link >= 0:
		if b.links[s.gate.link].act.Act == j.Act && bad {
			return sh, "the line between the rooms is past its limit, and less would cross after going back"
		}
	case b.tables == j.Act && bad && ((s.place == b.to && v.Phase != PhaseBack) || s.place == b.from):
		return sh, b.roomCause(s, v, j)
	}
	return shadeNone, ""
}

// roomCause says why a room's gate has part in an act.
func (b *Board) roomCause(s *series, v *Vantage, j *Judgement) string {
	if s.gate.Database != "" && j.Act == Back && s.place == b.to {
		return databaseText(s, v, j)
	}
	return roomText(v, j.Act, condition(b.tallyOf(b.to), true), condition(b.tallyOf(b.from), false))
}

// databaseText: what is sick is the database that takes a pair's writes.
func databaseText(s *series, v *Vantage, j *Judgement) string {
	text := fmt.Sprintf("the database that takes the writes of %s, in %s, is past its limit: ", s.gate.Database, s.room)
	switch {
	case j.WritersFirst:
		return text + "its writer goes back first, then the traffic"
	case v.Returns[s.gate.Database]:
		return text + "the traffic goes first, for the writer can't follow now"
	}
	return text + "the traffic goes back"
}

// pairCause: a direction of replication.
func (b *Board) pairCause(s *series, v *Vantage, j *Judgement, sh shade, bad bool) (shade, string) {
	p := &b.pairs[s.gate.pair]
	switch {
	case p.act.Act != j.Act:
	case p.act.Row == RowCut && b.inCut(s, v):
		if s.pastAbort(b.now) {
			sh = shadeRed
		} else {
			sh = s.raw
		}
		return sh, fmt.Sprintf("both directions of %s fail: the rooms may be cut from each other", p.plan.Name)
	case p.act.Row == RowOut && bad && s.room != v.Writers[p.plan.Name]:
		return sh, b.outText(s, v, j)
	}
	return shadeNone, ""
}

func (b *Board) outText(s *series, v *Vantage, j *Judgement) string {
	w := v.Writers[s.gate.Pair]
	switch {
	case w == "":
		return "replication fails and nobody can say who takes the writes"
	case j.Act == Back:
		return fmt.Sprintf("readers in %s see old data; the writer stays in %s", s.room, w)
	case w == v.To:
		return fmt.Sprintf("readers in %s see old data: going back would make more of them, and the writer can't follow over the direction that lags", s.room)
	}
	return fmt.Sprintf("nobody can say how old the data in %s is, and more than %s has moved", s.room, percent(FewMoved))
}

// roomText says why the rooms' conditions come to an act.
func roomText(v *Vantage, act Act, to, from shade) string {
	switch {
	case v.Phase == PhaseBack && from == shadeRed:
		return fmt.Sprintf("%s, which people are sent back to, is past its limit", v.From)
	case v.Phase == PhaseBack:
		return fmt.Sprintf("nobody can say how %s is, which people are sent back to", v.From)
	case act == Back && to == shadeRed && from == shadeRed:
		return "both rooms are past their limits and a writer moved in this run: the writer goes first"
	case act == Back && to == shadeRed:
		return fmt.Sprintf("%s, which gained traffic, is past its limit", v.To)
	case act == Back:
		return fmt.Sprintf("nobody can say how %s is, and at most %s has moved", v.To, percent(FewMoved))
	case to == shadeRed && from == shadeRed:
		return "both rooms are past their limits: the shift is not the cause"
	case from == shadeRed:
		return fmt.Sprintf("%s, which lost traffic, is past its limit: going back would feed the sick room", v.From)
	case to == shadeRed:
		return fmt.Sprintf("%s is past its limit, but nobody can say how %s is and its probe doesn't answer", v.To, v.From)
	case from == shadeDark:
		return "nobody can say how either room is"
	}
	return fmt.Sprintf("nobody can say how %s is, and more than %s has moved", v.To, percent(FewMoved))
}

// cause is what a series shows, as of a shade.
func (b *Board) cause(s *series, sh shade) Cause {
	c := Cause{Gate: s.gate.Name, Room: s.room, Color: sh.color()}
	if s.known {
		c.Age = b.now - s.rd.at
	}
	switch {
	case sh == shadeBlind || sh == shadeDark:
		c.Seen, c.Limit = string(s.why(b.now)), "known within "+span(s.gate.BlindFor)
	case sh == shadeThin:
		c.Seen, c.Limit = fmt.Sprintf("%d events", s.rd.events), fmt.Sprintf("%d events", s.gate.MinEvents)
		c.Text = "too few events to judge"
	case sh == shadeRed || s.raw == shadeRed:
		c.Seen, c.Limit = s.shows(b.now), limitText(s.gate.Unit, &s.gate.abort)
	default:
		c.Seen, c.Limit = s.shows(b.now), limitText(s.gate.Unit, &s.gate.hold)
	}
	if s.answered && s.raw >= shadeBlind {
		c.Text = "answered by a person: it holds until it is green"
	}
	return c
}

// why says why nothing is known.
func (s *series) why(now T) Reason {
	switch {
	case s.unknown != "":
		return s.unknown
	case !s.known:
		return NoAnswer
	case now-s.rd.at > s.gate.MaxAge:
		return Reason(fmt.Sprintf("%s: its data is %s old, over %s", TooOld, span((now-s.rd.at)/Second*Second), span(s.gate.MaxAge)))
	case s.rd.class&classIdle != 0:
		return "nothing is measured, though the writer writes"
	}
	return "no probe has come back"
}

// shows is the newest value for people; the end that is nearer to its limit.
func (s *series) shows(now T) string {
	lo, hi := s.value(now)
	v, more := hi, ""
	if s.gate.hold.below {
		v = lo
	}
	if s.rd.class&classBound != 0 {
		more = "over "
	}
	return more + formatValue(s.gate.Unit, v)
}

func limitText(u runbooks.Unit, l *limit) string {
	if !l.set {
		return ""
	}
	sign, text := "> ", ""
	if l.below {
		sign = "< "
	}
	if l.span > 0 {
		text = " for " + span(l.span)
	}
	return sign + formatValue(u, l.value) + text
}

// formatValue writes a value in its held unit as people write it: 0.0231 of a ratio is 2.31 %, 0.041 of a duration 41 ms.
func formatValue(u runbooks.Unit, v float64) string {
	switch u {
	case runbooks.UnitRatio:
		return trimmed(v*100, 2) + " %"
	case runbooks.UnitDuration:
		if v < 1 && v > -1 {
			return trimmed(v*1000, 1) + " ms"
		}
		return trimmed(v, 1) + " s"
	case runbooks.UnitRate:
		return trimmed(v, 1) + "/s"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

// trimmed has at most so many decimals, and none that say nothing.
func trimmed(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// span writes a time as people write it: 15s, 2m, 1h30m.
func span(t T) string {
	s := t.Duration().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Views is every gate in every room and direction as it stands, in the plan's order.
func (b *Board) Views(now T, v Vantage) []GateView {
	b.survey(now, &v)
	b.weigh(&v)
	out := make([]GateView, 0, len(b.series))
	for i := range b.series {
		s := &b.series[i]
		w := GateView{Gate: s.gate.Name, Room: s.room, Color: s.raw.color(), Unit: string(s.gate.Unit), Events: s.rd.events,
			Hold: limitText(s.gate.Unit, &s.gate.hold), Abort: limitText(s.gate.Unit, &s.gate.abort), Muted: s.muted}
		if s.known {
			w.Lo, w.Hi = s.value(b.now)
			w.Age = b.now - s.rd.at
		}
		w.Why = b.viewWhy(s, &v)
		if !s.judged && !s.muted {
			w.Color = Unjudged
		}
		out = append(out, w)
	}
	return out
}

func (b *Board) viewWhy(s *series, v *Vantage) string {
	switch {
	case s.muted:
		return "muted"
	case !s.judged && s.gate.Database != "":
		return fmt.Sprintf("the writer of %s isn't in %s", s.gate.Database, s.room)
	case !s.judged && v.Set[s.room] == 0 && v.Wanted[s.room] > 0:
		return "nothing was sent to " + s.room + " yet"
	case !s.judged:
		return "nothing is to be served in " + s.room
	case s.raw == shadeBlind, s.raw == shadeDark:
		return string(s.why(b.now))
	case s.raw == shadeThin:
		return fmt.Sprintf("%d of %d events", s.rd.events, s.gate.MinEvents)
	case s.idle:
		return "idle: nothing to measure"
	case s.answered && s.raw == shadeRed:
		return "answered by a person"
	}
	return ""
}
