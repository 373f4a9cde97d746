package cutover

import (
	"slices"
)

// OpenRequest is a request with at least one change whose outcome isn't journaled. Its slices are not to be changed.
type OpenRequest struct {
	Number  int
	Purpose Purpose
	Step    int // -1: none
	Rung    int
	Wave    int
	Last    bool // the last request of its wave
	Plane   string
	At      T        // engine time of the process that journaled the intent
	Changes []Change // all of them, answered or not
	Unknown bool     // journaled as unknown, at least in part
	For     T        // how long it may still land, from UnknownAt
	// UnknownAt is the engine time of the newest unknown record of the process that wrote it.
	UnknownAt T

	objects []*Object // of Changes, in order; nil: this one has its outcome
	left    int
	at      int // where the next outcome is looked for: outcomes mostly come in the order of the changes
}

// find is the index of an open change by its object's name, -1 if it isn't open or isn't of this request.
func (q *OpenRequest) find(object string) int {
	n := len(q.Changes)
	for k := range n {
		i := q.at + k
		if i >= n {
			i -= n
		}
		if q.Changes[i].Object == object {
			q.at = i + 1
			if q.objects[i] == nil {
				return -1
			}
			return i
		}
	}
	return -1
}

func (p *Progress) applyObjects(r *Record) error {
	switch r.Kind {
	case KindIntent:
		return p.applyIntent(r)
	case KindDone:
		return p.applyDone(r)
	case KindFailed:
		p.clearOutcomes(r.Failed.Request, r.Failed.Objects)
	case KindUnknown:
		p.applyUnknown(r)
	case KindForeign:
		p.applyForeign(r)
	case KindStray:
		return p.applyStray(r)
	case KindAdopted:
		return p.applyAdopted(r)
	}
	return nil
}

// mayWrite is the phases in which a request of a purpose may be begun. Freezing starts nothing but the end of a name's wave;
// a guard keeps shares while the run rests.
func mayWrite(purpose Purpose, phase Phase) bool {
	switch purpose {
	case Forward:
		return phase == PhaseForward
	case Undo, Pace:
		return phase == PhaseBack
	case Keep:
		return phase == PhaseForward || phase == PhaseResting
	case AnswerP:
		return phase == PhaseForward || phase == PhaseFrozen || phase == PhaseBack
	}
	return false
}

func undoes(purpose Purpose) bool { return purpose == Undo || purpose == Pace }

func (p *Progress) applyIntent(r *Record) error {
	in := r.Intent
	if err := p.intentFits(r); err != nil {
		return err
	}
	for i := range in.Changes {
		if err := p.changeFits(r, &in.Changes[i]); err != nil {
			return err
		}
	}
	if object, ok := namedTwice(in.Changes); ok {
		return refuse(r, "request %d changes %s twice: one object, one change", in.Request, object)
	}
	if in.Purpose == Keep {
		if err := p.wasSetAgain(r); err != nil {
			return err
		}
	}
	if err := p.waveEnd(r); err != nil {
		return err
	}
	q := &OpenRequest{Number: in.Request, Purpose: in.Purpose, Step: in.Step, Rung: in.Rung, Wave: in.Wave, Last: in.Last,
		Plane: in.Changes[0].Plane, At: r.At, Changes: in.Changes, objects: make([]*Object, len(in.Changes)), left: len(in.Changes)}
	for i := range in.Changes {
		c := &in.Changes[i]
		o := p.Objects[c.ID()]
		if o == nil {
			o = p.made(c.ID(), c.Seat, c.Before, c.Version)
			o.Room = onlyRoom(c.Gives)
		}
		if in.Purpose == Keep && o.Made && !o.Touched {
			o.joined = r.Seq
		}
		o.Open = append(o.Open, OpenIntent{Request: in.Request, Purpose: in.Purpose, From: c.Before, To: c.After})
		o.own(c.Before)
		o.own(c.After)
		o.Touched = true
		q.objects[i] = o
	}
	if in.Purpose == Forward && in.Step >= 0 {
		p.Steps[in.Step].Wrote = true
		p.inHand(in)
	}
	p.Requests = in.Request
	p.fold.open = append(p.fold.open, q)
	p.Changed = true
	return nil
}

func (p *Progress) intentFits(r *Record) error {
	in := r.Intent
	switch {
	case p.Holder == nil:
		return refuse(r, "nobody holds the run yet: a run record comes before the first request")
	case in.Purpose == Bridge:
		return refuse(r, "purpose %q is reserved", in.Purpose)
	case !mayWrite(in.Purpose, p.Phase):
		return refuse(r, "a request of purpose %q while the run is %s", in.Purpose, p.Phase)
	case in.Request <= p.Requests:
		return refuse(r, "request %d isn't above %d: request numbers rise over the whole run", in.Request, p.Requests)
	case len(in.Changes) == 0:
		return refuse(r, "request %d changes nothing", in.Request)
	case in.Step < -1 || in.Step >= len(p.Steps) || in.Rung < 0:
		return refuse(r, "request %d is of step %d, rung %d, and the plan has %d steps", in.Request, in.Step, in.Rung, len(p.Steps))
	}
	return nil
}

// changeFits holds one change: of the request's plane, once, beside no other open one, its seat's split whole.
func (p *Progress) changeFits(r *Record, c *Change) error {
	in := r.Intent
	if c.Plane != in.Changes[0].Plane {
		return refuse(r, "request %d goes to %s and to %s: one request, one plane", in.Request, in.Changes[0].Plane, c.Plane)
	}
	if len(c.Gives) > 1 {
		sum := 0
		for _, w := range c.Gives {
			sum += w
		}
		if sum != Whole {
			return refuse(r, "after it the shares at %s sum to %d basis points; want %d", c.Seat, sum, Whole)
		}
	}
	o := p.Objects[c.ID()]
	if o == nil {
		return nil
	}
	for i := range o.Open {
		open := &o.Open[i]
		if undoes(in.Purpose) && !undoes(open.Purpose) {
			continue
		}
		return refuse(r, "%s has an open %s of request %d: its outcome comes first (beside an open forward request only an undo may stand)",
			o.ID, open.Purpose, open.Request)
	}
	return nil
}

// namedTwice is an object that two changes name. Changes mostly come sorted, and then nothing is stored.
func namedTwice(cs []Change) (string, bool) {
	sorted := true
	for i := 1; i < len(cs) && sorted; i++ {
		sorted = cs[i-1].Object < cs[i].Object
	}
	if sorted {
		return "", false
	}
	met := make(map[string]bool, len(cs))
	for i := range cs {
		if met[cs[i].Object] {
			return cs[i].Object, true
		}
		met[cs[i].Object] = true
	}
	return "", false
}

// made is an object that the snapshot didn't have.
func (p *Progress) made(id ObjectID, seat Seat, value, version string) *Object {
	o := &Object{ID: id, Seat: seat, Last: value, Version: version, Want: value, Made: true}
	p.Objects[id] = o
	p.fold.order = nil
	if seat.Route != "" {
		if p.fold.seats == nil {
			p.fold.seats = map[Seat][]*Object{}
		}
		p.fold.seats[seat] = append(p.fold.seats[seat], o)
	}
	return o
}

func onlyRoom(gives Share) Room {
	if len(gives) != 1 {
		return ""
	}
	for room := range gives {
		return room
	}
	return ""
}

func (o *Object) own(value string) {
	if !slices.Contains(o.Ours, value) {
		o.Ours = append(o.Ours, value)
	}
}

// waveKey names a wave; a wave's requests may go in any order.
type waveKey struct {
	step, rung, wave int
	back             bool
}

// waveSeats tells, for each seat that a wave has written so far, whether it gave some object a share above 0.
type waveSeats map[Seat]bool

// waveEnd holds that the shares of a seat sum to 100 % when a wave is over. A split that one object holds whole is summed by
// changeFits, in each change. Weights are relative, so they always sum to 100 % unless all of them are 0: a seat whose objects
// were all given 0 in this wave is looked through for one that the wave didn't touch and that still gives something. So the
// cost is one look a seat, and the seat is only scanned where a wave left nothing.
func (p *Progress) waveEnd(r *Record) error {
	in := r.Intent
	if in.Step < 0 {
		return nil
	}
	key := waveKey{in.Step, in.Rung, in.Wave, undoes(in.Purpose)}
	seats := p.fold.waves[key]
	if in.Last {
		if seat, ok := p.emptied(seats, in.Changes); ok {
			return refuse(r, "after wave %d of step %d, rung %d the shares at %s sum to 0 basis points; want %d: no object gives anything",
				in.Wave, in.Step, in.Rung, seat, Whole)
		}
		delete(p.fold.waves, key)
		return nil
	}
	if seats == nil {
		seats = waveSeats{}
		if p.fold.waves == nil {
			p.fold.waves = map[waveKey]waveSeats{}
		}
		p.fold.waves[key] = seats
	}
	for i := range in.Changes {
		if c := &in.Changes[i]; len(c.Gives) > 0 {
			seats[c.Seat] = seats[c.Seat] || gives(c.Gives)
		}
	}
	return nil
}

func gives(s Share) bool {
	for _, w := range s {
		if w > 0 {
			return true
		}
	}
	return false
}

// emptied is a seat of the wave, its last request included, that nothing gives a share to.
func (p *Progress) emptied(before waveSeats, last []Change) (Seat, bool) {
	var dark []Seat // the wave gave it nothing
	consider := func(seat Seat) {
		if !slices.Contains(dark, seat) {
			dark = append(dark, seat)
		}
	}
	lit := func(seat Seat) bool {
		return before[seat] || slices.ContainsFunc(last, func(c Change) bool { return c.Seat == seat && gives(c.Gives) })
	}
	for seat, ok := range before {
		if !ok && !lit(seat) {
			consider(seat)
		}
	}
	var prev Seat
	for i := range last {
		c := &last[i]
		if len(c.Gives) == 0 || gives(c.Gives) || c.Seat == prev {
			continue
		}
		if prev = c.Seat; !lit(c.Seat) {
			consider(c.Seat)
		}
	}
	slices.SortFunc(dark, CompareSeats)
	for _, seat := range dark {
		if !p.stillGives(seat, last) {
			return seat, true
		}
	}
	return Seat{}, false
}

// stillGives tells whether an object of the seat that this wave doesn't set to 0 gives something, or may: a stray's weights
// aren't in the journal.
func (p *Progress) stillGives(seat Seat, last []Change) bool {
	plane, ok := p.splitPlane(seat)
	if !ok {
		return true
	}
	for _, o := range p.fold.seats[seat] {
		if o.ID.Plane != plane || (o.Gives != nil && !gives(o.Gives)) ||
			slices.ContainsFunc(o.Open, func(in OpenIntent) bool { return p.zeroes(in.Request, o) }) {
			continue
		}
		if !slices.ContainsFunc(last, func(c Change) bool { return c.ID() == o.ID }) {
			return true
		}
	}
	return false
}

// splitPlane is the plane that holds a seat's split; its TTLs stand in another. Not ok: no object says what it gives.
func (p *Progress) splitPlane(seat Seat) (string, bool) {
	for _, o := range p.fold.seats[seat] {
		if o.Gives != nil {
			return o.ID.Plane, true
		}
	}
	return "", false
}

// zeroes tells whether an open request takes all of the object's share.
func (p *Progress) zeroes(request int, o *Object) bool {
	q := p.OpenRequest(request)
	if q == nil {
		return false
	}
	i := slices.IndexFunc(q.Changes, func(c Change) bool { return c.Object == o.ID.Object })
	return i >= 0 && !gives(q.Changes[i].Gives)
}
