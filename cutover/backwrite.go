package cutover

import (
	"cmp"
	"slices"
)

// backTo writes one seat's move: as recorded where it goes the whole way, by its share where it doesn't.
func (e *engine) backTo(m backMove, goals map[string]string) {
	s := e.backSeat(m.seat)
	st := e.seats[m.seat]
	pl := &e.planes[s.plane]
	purpose := Undo
	waves := [][]Change{e.changesTo(st, goals)}
	if !m.whole {
		purpose = Pace
		var err error
		if waves, err = pl.Medium.Shape(e.ourHeld(st), map[Seat]Share{m.seat: m.share}); err != nil || len(waves) == 0 {
			purpose, waves = Undo, [][]Change{e.changesTo(st, goals)}
		}
	}
	legs := e.backLegs(pl, st, servingFirst(nextOfEach(waves), e.plan.From), m.share)
	if len(legs) == 0 {
		return
	}
	s.legs, s.purpose, s.onWire, s.was = legs, purpose, false, e.set[m.seat]
	s.toward, s.dip = e.legShares(st, legs)
	e.nextLeg(s)
}

// nextOfEach is the first change of each object: what comes after it (Stepper) is worked out when it is there.
func nextOfEach(waves [][]Change) []Change {
	if len(waves) == 1 {
		return waves[0]
	}
	var cs []Change
	seen := map[ObjectID]bool{}
	for _, wave := range waves {
		for _, c := range wave {
			if !seen[c.ID()] {
				seen[c.ID()] = true
				cs = append(cs, c)
			}
		}
	}
	return cs
}

// lookOpen has objects looked at again on which a write of the way forward may still land beside the undo.
func (e *engine) lookOpen(cs []Change) {
	for _, c := range cs {
		if e.hasUnknown(c.ID()) {
			if _, ok := e.looks[c.ID()]; !ok {
				e.looks[c.ID()] = e.now
			}
		}
	}
}

// ourHeld is a seat's listing without what somebody else wrote.
func (e *engine) ourHeld(st *seatState) []Held {
	var held []Held
	for _, h := range st.held {
		if o := e.p.Objects[h.ID()]; o == nil || !e.leaveAlone(o) {
			held = append(held, h)
		}
	}
	return held
}

// servingFirst puts changes that give the receiving room more before those that take from the room being left, so that a seat
// is never without a serving object.
func servingFirst(cs []Change, receiver Room) []Change {
	slices.SortStableFunc(cs, func(a, b Change) int { return -cmp.Compare(a.Gives[receiver], b.Gives[receiver]) })
	return cs
}

// backOutcome counts an undo's outcome. What failed is tried again after 1, 2, 4 … 30 s and never stops the others; the changes of a
// request fail together, so they count once. A server that only wants to be asked later is asked when it says, and nothing has moved on
// that would be listed.
func (e *engine) backOutcome(s *backSeat, o Outcome) {
	if e.p.Phase != PhaseBack && e.p.Phase != PhaseFrozen {
		return
	}
	switch o.What {
	case Unknown:
		return
	case Done:
		s.wroteAt, s.tries = e.now, 0
		if e.backing.timing.Read == 0 {
			e.backing.timing.Read = e.now
		}
		e.wrote()
	case Failed:
		if s.failedAt != e.now {
			s.failedAt = e.now
			s.retryAt, s.tries = e.now+backoff(s.tries, o.RetryAfter), s.tries+1
		}
		if o.Err != nil {
			s.text = o.Err.Error()
		}
		if o.RetryAfter == 0 && s.listedAt != e.now {
			s.listedAt = e.now
			e.relist(s)
		}
	case Foreign:
		s.wroteAt = e.now
	}
	e.backing.idle.is = false
	if s.left = max(0, s.left-1); o.What != Done {
		s.legs = nil // worked out anew from what is there
	}
	e.changed()
}

func backoff(tries int, wish T) T {
	if wish > 0 {
		return wish
	}
	return min(Second<<min(tries, 5), 30*Second)
}

// relist reads a seat again whose write failed: the version may have moved on.
func (e *engine) relist(s *backSeat) {
	seats := []Seat{s.seat}
	e.list(s.plane, seats, true, func(held []Held, err error) {
		if err == nil {
			e.merge(s.plane, seats, held)
			e.noteGone(s.plane, seats, held)
			e.changed()
		}
	})
}

// noteGone remembers objects that aren't there any more: there is nothing to bring back on them.
func (e *engine) noteGone(plane int, seats []Seat, held []Held) {
	if e.backing.gone == nil {
		e.backing.gone = map[ObjectID]bool{}
	}
	there := map[string]bool{}
	for _, h := range held {
		there[h.Object] = true
	}
	for _, o := range e.p.SortedObjects() {
		if o.ID.Plane == e.planes[plane].Name && slices.Contains(seats, o.Seat) {
			e.backing.gone[o.ID] = !there[o.ID.Object]
		}
	}
}

// held: an undo of the object is open, or a takeover couldn't read it yet.
func (e *engine) held(id ObjectID) bool {
	return e.undoOpen(id) || e.unread[e.planeIndex(id.Plane)] != nil
}

// unsettledBack: something may still land, or isn't answered by its medium yet.
func (e *engine) unsettledBack() bool {
	if e.openCount() > 0 {
		return true
	}
	for _, s := range e.backing.seats {
		if shows := s.wroteAt + e.planes[s.plane].Shows; s.wroteAt > 0 && e.now < shows {
			e.at(shows)
			return true
		}
	}
	return false
}
