package cutover

// Vantage is what a judgement needs to know of the run besides samples. Rooms and pairs that a map lacks have its zero value.
type Vantage struct {
	Phase       Phase
	From, To    Room // lost and gained: To is the room that the run gives share to, whatever its phase
	Evacuate    bool
	Writers     map[string]Room // pair → room that takes writes now, "" unknown
	Returns     map[string]bool // pairs whose writer is in To and was in From when the target of going back was recorded
	MovedWriter map[string]bool // pairs whose writer moved in this run and whose watch window is open, or was when going back began
	Wanted, Set map[Room]int    // composed shares of all requests, basis points
	Moved       int             // composed basis points gained by To since the target of going back was recorded
	Crossing    int             // basis points of requests that would no longer cross after going back; negative: more would
	Sent        bool            // something was written forward already
	Muted       map[string]bool // gate names
	Answered    map[string]bool // cause keys that a person answered
	OnLost      map[string]string
}

// Judgement is the verdict of a moment.
type Judgement struct {
	Act          Act
	Causes       []Cause // of the act, worst first; for Hold all that hold
	To, From     Color   // the rooms' conditions
	Fails        bool    // To fails outright: at least half of its requests are errors
	WriterSick   bool    // a database of To that takes writes is past its limit, and its writer can return
	Rung         bool    // Back: one rung only, then people are asked
	WritersFirst bool    // Back: the writers before the traffic
	TrafficOnly  bool    // Back: the writers stay
	Clear        []string
	Next         T // the earliest moment at which this may change without a sample; Never if none
	Crossed, Age T // when the engine first held the sample that completed the crossing, and how old its data was then
}

// tally is a room's gates by shade, as bits; as measured, and as they count.
type tally struct{ raw, eff uint16 }

// idleBit stands beside the shades: a gate whose source says that the room has nothing to measure, and is alive.
const idleBit = 1 << 15

const badShades = 1<<shadeRed | 1<<shadeDark

// has tells whether a shade is among the bits.
func has(bits uint16, s shade) bool { return bits&(1<<s) != 0 }

// condition is the first of red, dark, amber, green that any judged gate has. Blind holds like amber until it is dark. thinHolds: in
// the room that gains, a gate with too few events holds the others. A room that has nothing to measure is well.
func condition(bits uint16, thinHolds bool) shade {
	switch {
	case has(bits, shadeRed):
		return shadeRed
	case has(bits, shadeDark):
		return shadeDark
	case has(bits, shadeBlind), has(bits, shadeAmber):
		return shadeAmber
	case has(bits, shadeGreen), bits&idleBit != 0:
		if thinHolds && has(bits, shadeThin) {
			return shadeAmber
		}
		return shadeGreen
	}
	return shadeNone
}

// pairBoard is a pair and its two directions, by receiving room.
type pairBoard struct {
	plan   PairPlan
	raw    [2]Direction // as measured, muted gates too; by which of plan.Rooms receives
	eff    [2]Direction
	cutOff bool // a person answered for everything that makes it a cut
	act    Decision
}

// linkBoard is a line.
type linkBoard struct {
	plan LinkPlan
	eff  shade
	act  Decision
}

// Judge is the verdict of a moment: what the newest samples, and the time that has gone by, come to.
func (b *Board) Judge(now T, v Vantage) Judgement {
	j := Judgement{Next: b.survey(now, &v)}
	b.settleAnswers(&v, &j)
	cs := b.verdict(&v, &j)
	b.timing(&v, &j, cs)
	return j
}

// WhatIf is the verdict if the run stood as v says, in another phase or with less moved. Answers and what turned the run stay as the
// last Judge left them; Clear, Crossed and Age are empty.
func (b *Board) WhatIf(now T, v Vantage) Judgement {
	j := Judgement{Next: b.survey(now, &v)}
	b.verdict(&v, &j)
	return j
}

// verdict asks the tables and names the causes.
func (b *Board) verdict(v *Vantage, j *Judgement) []heldCause {
	b.weigh(v)
	b.decide(v, j)
	if j.Act == Advance || v.Phase == PhaseOver {
		return nil
	}
	return b.explain(v, j)
}

// survey brings every series to a moment, and returns the next one at which a condition may change by itself.
func (b *Board) survey(now T, v *Vantage) T {
	b.tick(now)
	b.to, b.from = -1, -1
	for i, r := range b.rooms {
		b.empty[i] = v.Set[r] == 0 && (v.Wanted[r] == 0 || !v.Sent) // by plan, or nothing was sent to it yet
		switch r {
		case v.To:
			b.to = i
		case v.From:
			b.from = i
		}
	}
	next := b.probesNext()
	mutes := len(v.Muted) > 0
	for i := range b.series {
		s := &b.series[i]
		s.catchUp(b.now)
		s.muted = mutes && v.Muted[s.gate.Name]
		s.judge(b.now, b.isJudged(s, v))
		n := s.look(b.now, b.start)
		if s.idle && s.gate.pair >= 0 && b.writerOf(s, v) != s.room { // what must flow can't be idle
			s.raw, s.idle = shadeBlind, false
		}
		if s.judged || s.muted {
			next = min(next, n)
		}
	}
	return next
}

// isJudged: a gate of rooms is judged where something is served, one of a database where the pair's writer is.
func (b *Board) isJudged(s *series, v *Vantage) bool {
	switch {
	case !s.ofRoom:
		return true
	case s.muted:
		return false
	case s.gate.Database != "":
		return v.Writers[s.gate.Database] == s.room
	}
	return !b.empty[s.place]
}

// judge notes whether a series is judged. One that begins to be starts anew.
func (s *series) judge(now T, judged bool) {
	if judged && !s.judged && s.looked {
		s.anew(now)
	}
	s.judged, s.looked = judged, true
}

// writerOf is the room that takes the writes of a replication series' pair.
func (b *Board) writerOf(s *series, v *Vantage) Room {
	return v.Writers[s.gate.Pair]
}

// joins tells whether a pair is between the run's two rooms.
func (b *Board) joins(pair int, v *Vantage) bool {
	return isBetween(&b.pairs[pair].plan.Rooms, v)
}

// measured is a series' condition before anybody's word. The room that lost is judged by what it said before our own write cut the
// window, while there are too few events after it: else each undo of a quiet night would leave nobody to say that its receiver is well.
func (b *Board) measured(s *series) shade {
	if l := s.lately(b.now); l != shadeNone && s.place == b.from {
		return l
	}
	return s.raw
}

// counted is what a series counts for: muted ones don't, answered ones only hold. Going back they don't even hold: a paced rung would wait
// for what a person has said to go back in spite of.
func (b *Board) counted(s *series, v *Vantage) shade {
	sh := b.measured(s)
	switch {
	case s.muted || !s.judged:
		return shadeNone
	case s.answered && sh >= shadeBlind && v.Phase == PhaseBack:
		return shadeGreen
	case s.answered && sh >= shadeBlind:
		return shadeAmber
	}
	return sh
}

// weigh turns what was measured into what counts; a gate with an act of its own stands outside the tables.
func (b *Board) weigh(v *Vantage) {
	b.owns = 0
	clear(b.tallies)
	for i := range b.pairs {
		idle := [2]Direction{{Color: Unjudged}, {Color: Unjudged}}
		b.pairs[i].raw, b.pairs[i].eff, b.pairs[i].cutOff = idle, idle, true
	}
	for i := range b.links {
		b.links[i].eff = shadeNone
	}
	for i := range b.series {
		s := &b.series[i]
		s.eff, s.own = b.counted(s, v), ""
		if s.eff == shadeRed && s.gate.OnAbort != "" && b.ownStands(s, v) {
			s.own, s.eff = ownAct(s.gate.OnAbort), shadeNone
			b.owns++
		}
		switch {
		case s.gate.pair >= 0:
			b.pairs[s.gate.pair].weigh(s, b.now)
		case s.gate.link >= 0:
			b.links[s.gate.link].eff = max(b.links[s.gate.link].eff, s.eff)
		default:
			b.tallies[s.place].add(s)
		}
	}
}

// add counts a gate in its room.
func (t *tally) add(s *series) {
	t.eff |= 1 << s.eff
	if s.idle && s.judged && !s.muted {
		t.eff |= idleBit
	}
	if s.judged {
		t.raw |= 1 << s.raw
	}
}

// ownStands: a gate's onAbort speaks of the room that gains, of pairs and of lines. In the room that lost it speaks only for a gate
// that isn't judged in the room that gains too: "errors of each room: rung" doesn't mean to feed the room that is sick. Going back,
// and in rooms that take no part, the tables stand.
func (b *Board) ownStands(s *series, v *Vantage) bool {
	if v.Phase == PhaseBack {
		return false
	}
	switch s.gate.Kind {
	case GateReplication:
		return b.joins(s.gate.pair, v)
	case GateLink:
		return isBetween(&b.links[s.gate.link].plan.Between, v)
	}
	if s.room == v.To {
		return true
	}
	if s.room != v.From {
		return false
	}
	for _, r := range s.gate.Rooms {
		if r == v.To {
			return false
		}
	}
	return true
}

func isBetween(r *[2]Room, v *Vantage) bool {
	return (r[0] == v.From && r[1] == v.To) || (r[1] == v.From && r[0] == v.To)
}

func ownAct(onAbort string) Act {
	if onAbort == "freeze" {
		return Freeze
	}
	return Back
}

// weigh adds a gate to its direction: of several gates the worst counts.
func (p *pairBoard) weigh(s *series, now T) {
	k := 0
	if s.room == p.plan.Rooms[1] {
		k = 1
	}
	past := s.pastAbort(now)
	p.raw[k] = worseDirection(p.raw[k], s.raw, past)
	p.eff[k] = worseDirection(p.eff[k], s.eff, past)
	if (past || s.raw >= shadeBlind) && !s.answered {
		p.cutOff = false
	}
}

func worseDirection(d Direction, s shade, past bool) Direction {
	if s > shadeOf(d.Color) {
		d.Color = s.color()
	}
	d.PastAbort = d.PastAbort || past
	return d
}

func shadeOf(c Color) shade {
	for s := shadeRed; s > shadeThin; s-- {
		if shadeColors[s] == c {
			return s
		}
	}
	return shadeNone
}

// decide asks the tables.
func (b *Board) decide(v *Vantage, j *Judgement) {
	s := b.situation(v)
	j.To, j.From, j.Fails, j.WriterSick = s.To, s.From, s.Fails, s.WriterSick
	if until, yes := b.awaitsProbe(v.From); yes && (s.From == Dark || s.From == Unjudged) {
		j.Next = min(j.Next, until)
	}
	b.tables = decideRooms(&s).Act
	d := stronger(decideRooms(&s), b.decidePairs(v, s))
	d = stronger(d, b.decideLinks(v, s))
	if d.Act == Advance && b.thirdHolds(v) {
		d = Decision{Act: Hold, Row: RowThird}
	}
	j.Act, j.WritersFirst, j.TrafficOnly = d.Act, d.WritersFirst && d.Act == Back, d.TrafficOnly && d.Act == Back
	if b.owns > 0 {
		b.decideOwn(v, j, d)
	}
	switch v.Phase {
	case PhaseFrozen:
		j.Act = Freeze
	case PhaseOver:
		j.Act = Hold
	}
	if j.Act != Back {
		j.Rung, j.WritersFirst, j.TrafficOnly = false, false, false
	}
}

// situation is what the table of rooms needs.
func (b *Board) situation(v *Vantage) Situation {
	s := Situation{Phase: v.Phase, Evacuate: v.Evacuate, Few: v.Moved <= FewMoved, Watch: len(v.MovedWriter) > 0 && anyOf(v.MovedWriter),
		OutOfZero: v.Set[v.To] == 0, NoShare: b.noShare, MostlyTo: v.Set[v.To] >= Whole/2}
	s.To = condition(b.tallyOf(b.to), true).color()
	s.From = condition(b.tallyOf(b.from), false).color()
	s.Fails, s.WriterSick = b.fails(), b.writerSick(v)
	s.ProbeAnswers, _ = b.Probe(v.From)
	_, s.ProbeAwaited = b.awaitsProbe(v.From)
	s.ReplicationSeen = s.Few && (s.To == Dark || s.From == Dark) && b.replicationSeen(v)
	return s
}

// writerSick: the database that takes a pair's writes in To is past its abort limit, and the writer can return: it came from there in
// this run, over a direction that is well now.
func (b *Board) writerSick(v *Vantage) bool {
	for i := range b.series {
		s := &b.series[i]
		pair := s.gate.Database
		if pair == "" || s.place != b.to || s.eff != shadeRed && s.own != Back || !v.Returns[pair] {
			continue
		}
		if c := b.Into(pair, v.From); c == Green || c == Unjudged {
			return true
		}
	}
	return false
}

func (b *Board) tallyOf(place int) uint16 {
	if place < 0 {
		return 0
	}
	return b.tallies[place].eff
}

func anyOf(m map[string]bool) bool {
	for _, yes := range m {
		if yes {
			return true
		}
	}
	return false
}

// fails: an error gate of To is past its abort limit, and at least half of what To serves are errors.
func (b *Board) fails() bool {
	if b.to < 0 || !has(b.tallies[b.to].raw, shadeRed) {
		return false
	}
	for i := range b.series {
		s := &b.series[i]
		if !s.gate.Errors || s.place != b.to || s.raw != shadeRed || !s.judged || s.muted {
			continue
		}
		lo, hi := s.value(b.now)
		if (s.gate.abort.below && hi <= 0.5) || (!s.gate.abort.below && lo >= 0.5) {
			return true
		}
	}
	return false
}
