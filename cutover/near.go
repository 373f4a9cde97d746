package cutover

// nearMiss is the reading that came nearest to its hold limit: a part of the limit, 1 is at it. The zero value is none.
type nearMiss struct {
	part   float64
	value  float64
	series int // in Board.series, from 1
}

// nearest is the judged gate that is nearest to its hold limit now, or furthest past it. A probe that hasn't come back yet says only
// what a lag is at least: the one that comes back counts.
func (b *Board) nearest() nearMiss {
	var n nearMiss
	for i := range b.series {
		s := &b.series[i]
		if !s.judged || s.muted || !s.known || !s.gate.hold.set || s.rd.class&classBound != 0 || s.raw != shadeGreen && s.raw != shadeAmber && s.raw != shadeRed {
			continue
		}
		value, part := s.rd.hi, 0.0
		if s.gate.hold.below {
			value = s.rd.lo
			part = s.gate.hold.value / max(value, 1e-9)
		} else if s.gate.hold.value > 0 {
			part = value / s.gate.hold.value
		}
		if part > n.part {
			n = nearMiss{part, value, i + 1}
		}
	}
	return n
}

// nearCause is it for a record, nil for none.
func (b *Board) nearCause(n nearMiss) *Cause {
	if n.series == 0 {
		return nil
	}
	s := &b.series[n.series-1]
	c := &Cause{Gate: s.gate.Name, Room: s.room, Color: Green, Seen: formatValue(s.gate.Unit, n.value), Limit: limitText(s.gate.Unit, &s.gate.hold)}
	if n.part > 1 {
		c.Color = Amber
	}
	return c
}

// noteNear keeps, for each rung in progress, what came nearest to a limit.
func (e *engine) noteNear() {
	if !e.ready || e.ended || e.p.Phase != PhaseForward {
		return
	}
	n, looked := nearMiss{}, false
	for i := range e.p.Steps {
		switch e.p.Steps[i].State {
		case StepApplying, StepSettling, StepBaking:
			if !looked {
				n, looked = e.board.nearest(), true
			}
			if s := &e.steps[i]; n.part > s.near.part {
				s.near = n
			}
		}
	}
}
