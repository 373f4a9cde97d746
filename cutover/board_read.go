package cutover

// Seen is the newest share seen at a seat, its requests in a second, and when the data was taken. Not ok: nothing was seen, or too
// long ago, or nothing came through, for then there is no share.
func (b *Board) Seen(now T, seat Seat) (share Share, rate float64, at T, ok bool) {
	i, found := b.seenOf[seat]
	if !found {
		return nil, 0, 0, false
	}
	g := &b.seen[i]
	b.tick(now)
	at = g.at + pieceShift(b.now, g.put, g.every, g.again)
	if !g.fresh(b.now, at) {
		return nil, 0, at, false
	}
	return g.share, g.rate, at, g.share != nil
}

// Quiet tells that a seat's observation is good and nothing comes through: there is no share, and nobody who could be elsewhere.
func (b *Board) Quiet(now T, seat Seat) bool {
	_, rate, _, ok := b.Seen(now, seat)
	i, found := b.seenOf[seat]
	if ok || rate > 0 || !found {
		return false
	}
	g := &b.seen[i]
	return g.fresh(b.now, g.at+pieceShift(b.now, g.put, g.every, g.again)) && g.share == nil
}

func (g *seenGauge) fresh(now, at T) bool { return g.has && !g.unknown && now-at <= staleAfter*g.every }

// SeenFrom is the span that the newest share seen at a seat is true for; 0, 0 if there is none.
func (b *Board) SeenFrom(seat Seat) (from, at T) {
	i, found := b.seenOf[seat]
	if !found || !b.seen[i].has {
		return 0, 0
	}
	g := &b.seen[i]
	d := pieceShift(b.now, g.put, g.every, g.again)
	return g.from + d, g.at + d
}

// Assume gives the rates that stand for seats which aren't seen: those of the plan's moment. Shares are weighed by rates, so one
// that is missing would count for nothing.
func (b *Board) Assume(rates map[Seat]float64) {
	b.assumed = rates
	for i := range b.seen {
		if g := &b.seen[i]; !g.rated {
			b.assume(g.seat)
		}
	}
}

func (b *Board) assume(seat Seat) {
	if rate, ok := b.assumed[seat]; ok {
		b.rates[seat] = rate
		return
	}
	delete(b.rates, seat)
}

// Rates are the requests in a second at each seat that is seen now. The map is the board's own, good until the next call.
func (b *Board) Rates(now T) map[Seat]float64 {
	b.tick(now)
	for i := range b.seen {
		g := &b.seen[i]
		fresh := g.fresh(b.now, g.at+pieceShift(b.now, g.put, g.every, g.again))
		switch {
		case fresh && (!g.rated || g.rate != g.rates):
			b.rates[g.seat] = g.rate
		case !fresh && g.rated:
			b.assume(g.seat)
		}
		g.rated, g.rates = fresh, g.rate
	}
	return b.rates
}

// Probe says whether a room answers at its own addresses. Not known: it has no probe, or its word is too old.
func (b *Board) Probe(room Room) (answers, known bool) {
	for i := range b.probes {
		if g := &b.probes[i]; g.room == room && g.has {
			at := g.at + pieceShift(b.now, g.put, g.every, g.again)
			if b.now-at <= staleAfter*g.every {
				return g.answers, true
			}
			return false, false
		}
	}
	return false, false
}

// awaitsProbe: a room's probe hasn't said anything since the board began, and its first word isn't overdue before a moment.
func (b *Board) awaitsProbe(room Room) (until T, yes bool) {
	for i := range b.probes {
		if g := &b.probes[i]; g.room == room && !g.has {
			until = b.start + staleAfter*g.every
			return until, b.now < until
		}
	}
	return 0, false
}

// probesNext is when a probe's word gets too old.
func (b *Board) probesNext() T {
	next := Never
	for i := range b.probes {
		g := &b.probes[i]
		if !g.has {
			continue
		}
		d := pieceShift(b.now, g.put, g.every, g.again)
		left := T(g.again)*g.every - d
		old := g.at + d + staleAfter*g.every + 1
		if came := g.put + d + g.every; left > 0 && (came < old || old <= b.now) {
			if old <= b.now {
				next = min(next, came)
				continue
			}
			old += left
		}
		if old > b.now {
			next = min(next, old)
		}
	}
	return next
}

// GreenSince tells whether what was written at from has shown no harm: every judged gate of the room that gains, and every
// replication and link gate, is green and has a green sample that is true from then on. What isn't judged doesn't count. While
// going back the room that gains is From, and only what it receives counts besides its own gates: the sick thing is left behind.
// Too few events are waited for as long as the window widens.
func (b *Board) GreenSince(now T, v Vantage, from T) (ok bool, why []Cause) {
	b.survey(now, &v)
	for i := range b.series {
		s := &b.series[i]
		if s.muted || !s.judged || !b.counts(s, &v) || s.raw == shadeNone || (s.raw == shadeThin && b.now >= from+widest) {
			continue
		}
		if s.raw == shadeGreen && s.green && s.greenFrom >= from {
			continue
		}
		c := b.cause(s, s.raw)
		if s.raw == shadeGreen {
			c.Text = "no green sample that is wholly younger than the last write"
		}
		why = append(why, c)
	}
	return len(why) == 0, why
}

// counts tells whether advancing, or the end of going back, needs a series green.
func (b *Board) counts(s *series, v *Vantage) bool {
	back := v.Phase == PhaseBack
	switch s.gate.Kind {
	case GateReplication:
		return !back || (s.room == v.From && b.writerOf(s, v) != v.From)
	case GateLink:
		return !back
	}
	return s.room == receiver(v)
}

func receiver(v *Vantage) Room {
	if v.Phase == PhaseBack {
		return v.From
	}
	return v.To
}

// NextCame is the earliest moment after now at which a piece hands over its next sample, of the series that Fresh still waits for.
// Never if none does: then a sample, or the time of a gate that stays silent, wakes the engine.
func (b *Board) NextCame(now, since T) T {
	b.tick(now)
	next := Never
	for i := range b.series {
		s := &b.series[i]
		s.catchUp(b.now)
		if s.again > s.gone && s.came < since {
			next = min(next, s.put+T(s.gone+1)*s.every)
		}
	}
	return next
}

// Fresh tells whether one sample, or a word that there is none, has come since a moment from each gate that decides about the
// receiver. A gauge that never says anything is waited for until its gate is dark. And a room whose newest sample is past its abort limit
// until it has been so for its time, or is no longer: one sample makes nobody red, and users sent there on it would be sent to a sick room.
// Where no gate can speak for the room that receives while going back, its probe is waited for.
func (b *Board) Fresh(now T, v Vantage, since T) bool {
	b.survey(now, &v)
	b.weigh(&v)
	if c := condition(b.tallyOf(b.from), false); v.Phase == PhaseBack && (c == shadeNone || c == shadeDark) {
		if _, yes := b.awaitsProbe(v.From); yes {
			return false
		}
	}
	for i := range b.series {
		s := &b.series[i]
		if s.muted || !s.judged || s.raw == shadeDark || (s.gate.Kind == GateRoom && s.room != receiver(&v)) || s.gate.Kind == GateLink {
			continue
		}
		if s.came < since || s.undecided(b.now) {
			return false
		}
	}
	return true
}

// undecided: the newest sample of a room is past its abort limit, and it isn't known yet whether for its time.
func (s *series) undecided(now T) bool {
	return s.ofRoom && s.raw != shadeRed && s.pastAbort(now)
}

// NextSince is the earliest moment after now at which a piece hands over a sample that is wholly younger than from, where the
// newest one isn't: GreenSince, Seen and SeenFrom may then say something else although no sample comes. Never if none does.
func (b *Board) NextSince(now, from T) T {
	b.tick(now)
	next := Never
	for i := range b.series {
		s := &b.series[i]
		s.catchUp(b.now)
		if left := s.again - s.gone; left > 0 && !s.blank && s.piece.class == 0 {
			next = min(next, reaches(s.put, s.piece.from, s.every, s.gone, s.again, from))
		}
	}
	for i := range b.seen {
		g := &b.seen[i]
		if g.has && g.again > 0 && g.every > 0 {
			gone := int(pieceShift(b.now, g.put, g.every, g.again) / g.every)
			next = min(next, reaches(g.put, g.from, g.every, gone, g.again, from))
		}
	}
	return next
}

// reaches is when the first sample of a piece comes that is wholly younger than a moment; Never if it has come, or none is.
func reaches(put, from, every T, gone, again int, since T) T {
	if from+T(gone)*every >= since {
		return Never
	}
	k := (since - from + every - 1) / every
	if k > T(again) {
		return Never
	}
	return put + k*every
}

// ReplicationSeen tells whether the direction from the writer's room is known for every pair of the run's two rooms: proof that the
// rooms reach each other. A bound past its hold limit is no answer. False without such a pair.
func (b *Board) ReplicationSeen(now T, v Vantage) bool {
	b.survey(now, &v)
	return b.replicationSeen(&v)
}

func (b *Board) replicationSeen(v *Vantage) bool {
	any := false
	for i := range b.series {
		s := &b.series[i]
		if s.gate.Kind != GateReplication || !b.joins(s.gate.pair, v) {
			continue
		}
		w := b.writerOf(s, v)
		if w == "" || w == s.room {
			if w == "" {
				return false
			}
			continue
		}
		if s.raw == shadeBlind || s.raw == shadeDark || (s.rd.class&classBound != 0 && s.raw != shadeGreen) {
			return false
		}
		any = true
	}
	return any
}
