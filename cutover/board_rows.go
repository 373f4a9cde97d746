package cutover

// decidePairs asks the rows of replication for every pair. One that isn't between the run's rooms only holds.
func (b *Board) decidePairs(v *Vantage, s Situation) Decision {
	d := Decision{Act: Advance}
	for i := range b.pairs {
		p := &b.pairs[i]
		if b.joins(i, v) {
			b.situatePair(p, v, &s)
			p.act = decidePair(&s)
		} else {
			p.act = Decision{Act: Advance}
			if (troubled(p.eff[0]) || troubled(p.eff[1])) && v.Phase != PhaseBack {
				p.act = Decision{Act: Hold, Row: RowThird}
			}
		}
		d = stronger(d, p.act)
	}
	return d
}

// situatePair puts a pair into a situation. With an unknown writer Out is what To receives.
func (b *Board) situatePair(p *pairBoard, v *Vantage, s *Situation) {
	s.OnLost, s.CutOff = v.OnLost[p.plan.Name], p.cutOff
	reader := v.To
	switch v.Writers[p.plan.Name] {
	case v.To:
		s.Writer, reader = SideTo, v.From
	case v.From:
		s.Writer = SideFrom
	default:
		s.Writer = SideUnknown
	}
	out, in := 0, 1
	if p.plan.Rooms[1] == reader {
		out, in = 1, 0
	}
	s.Out, s.In, s.RawOut, s.RawIn = p.eff[out], p.eff[in], p.raw[out], p.raw[in]
}

// Into is what the direction of a pair into a room is, as measured, whatever was muted or answered; Unjudged without one.
func (b *Board) Into(pair string, room Room) Color {
	for i := range b.pairs {
		if p := &b.pairs[i]; p.plan.Name == pair {
			for k := range p.plan.Rooms {
				if p.plan.Rooms[k] == room {
					return p.raw[k].Color
				}
			}
		}
	}
	return Unjudged
}

// decideLinks asks the row of the line for every line. One that isn't between the run's rooms only holds.
func (b *Board) decideLinks(v *Vantage, s Situation) Decision {
	b.situateLines(v, &s)
	d := Decision{Act: Advance}
	for i := range b.links {
		l := &b.links[i]
		s.Line = l.eff.color()
		if isBetween(&l.plan.Between, v) {
			l.act = decideLine(&s)
		} else {
			l.act = Decision{Act: Advance}
			if l.eff >= shadeAmber && v.Phase != PhaseBack {
				l.act = Decision{Act: Hold, Row: RowThird}
			}
		}
		d = stronger(d, l.act)
	}
	return d
}

// situateLines puts all pairs of the run's rooms into one situation: the line carries the writes of the room without the writer.
func (b *Board) situateLines(v *Vantage, s *Situation) {
	s.Writer, s.Returns, s.Out = SideNone, false, Direction{Color: Unjudged}
	known := true
	for i := range b.pairs {
		if !b.joins(i, v) {
			continue
		}
		p := Situation{}
		b.situatePair(&b.pairs[i], v, &p)
		switch {
		case p.Writer == SideUnknown:
			known = false
		case p.Writer == SideTo:
			s.Writer = SideTo
			s.Returns = s.Returns || v.Returns[b.pairs[i].plan.Name]
			s.Out = worseDirection(s.Out, shadeOf(p.Out.Color), false)
		case s.Writer == SideNone:
			s.Writer = SideFrom
		}
	}
	writes := s.Writer == SideFrom && v.Moved > 0
	s.FewerCross = known && v.Crossing >= 0 && (v.Crossing > 0 || writes)
}

// thirdHolds: a room that takes no part in the run isn't well. It is held on and never led back for.
func (b *Board) thirdHolds(v *Vantage) bool {
	if v.Phase == PhaseBack {
		return false
	}
	for i := range b.rooms {
		if i != b.from && i != b.to && condition(b.tallies[i].eff, false) >= shadeAmber {
			return true
		}
	}
	return false
}

// decideOwn lets the gates speak that have an act of their own. The strongest act is done; back goes one rung only if nobody
// wants more.
func (b *Board) decideOwn(v *Vantage, j *Judgement, tables Decision) {
	rung, far := false, tables.Act == Back
	for i := range b.series {
		s := &b.series[i]
		if s.own == "" {
			continue
		}
		d := Decision{Act: s.own, Row: RowOnAbort}
		if v.Evacuate {
			d = evacuated(d)
		}
		if s.own = d.Act; strength(d.Act) > strength(j.Act) {
			j.Act = d.Act
		}
		if d.Act == Back {
			if s.gate.OnAbort == "rung" {
				rung = true
			} else {
				far = true
			}
			if s.gate.Kind == GateReplication && b.writerOf(s, v) == v.From {
				j.TrafficOnly, j.WritersFirst = true, false
			}
		}
	}
	if j.Act == Back && j.WriterSick && !j.TrafficOnly {
		j.WritersFirst = true
	}
	j.Rung = rung && !far
}
