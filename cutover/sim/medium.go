package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// plane is the server's side of a medium: what its objects hold. A runner reaches it through a medium.
type plane struct {
	cutover.Plane
	s     *Sim
	name  string
	of    runbooks.Medium
	seats []*seat // sorted
	takes cutover.T
	index uint64
	txn   int // the transaction that is landing
	sent  int // requests that reached it

	asked  []cutover.Seat // what was listed last …
	listed []cutover.Held // … good while nothing has changed; nil: it isn't
}

// medium is a runner's way to a plane.
type medium struct {
	*plane
	r *Runner
}

var (
	_ cutover.Medium = (*medium)(nil)
	_ cutover.Filler = (*medium)(nil)
)

var (
	errUnreachable = errors.New("no connection")
	errNoAnswer    = fmt.Errorf("no answer in time: %w", cutover.ErrOutcomeUnknown)
	errServer      = errors.New("the server answered 500")
	errThrottled   = errors.New("the server answered 429")
	errBeside      = errors.New("rolled back beside another change")
)

// Read lists the seats' objects.
func (m *medium) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.r.takes(m.takes * 3 / 4)
	if m.unreachable() {
		m.r.takes(m.TimeOut)
		return nil, fmt.Errorf("read %s: %w", m.name, errUnreachable)
	}
	if d := m.s.hangs(m.plane); d > 0 { // the worker itself doesn't come back
		m.r.takes(d)
		return nil, fmt.Errorf("read %s: no answer within %s", m.name, quick(m.TimeOut))
	}
	if d := m.s.throttlesReads(m.plane); d > 0 {
		return nil, &cutover.Throttled{After: d, Err: fmt.Errorf("read %s: %w", m.name, errThrottled)}
	}
	if d := m.s.slow(m.plane); d > 0 {
		if m.r.takes(d); d > m.TimeOut {
			m.r.takes(m.TimeOut)
			return nil, fmt.Errorf("read %s: no answer within %s", m.name, quick(m.TimeOut))
		}
	}
	m.sent++
	if m.listed != nil && slices.Equal(m.asked, seats) {
		return m.listed, nil
	}
	held, err := m.list(seats)
	if err == nil {
		m.asked, m.listed = append(m.asked[:0], seats...), held
	}
	return held, err
}

func (p *plane) list(seats []cutover.Seat) ([]cutover.Held, error) {
	seats = slices.Clone(seats)
	slices.SortFunc(seats, cutover.CompareSeats)
	held := make([]cutover.Held, 0, 2*len(seats))
	for _, id := range slices.Compact(seats) {
		st := p.seat(id)
		if st == nil {
			return nil, fmt.Errorf("read %s: it has no seat %s", p.name, id)
		}
		for _, o := range st.objects {
			if o.hidden {
				return nil, fmt.Errorf("read %s: %s can't be listed: permission denied", p.name, o.name)
			}
		}
		held = st.appendListing(held)
	}
	return held, nil
}

func (p *plane) seat(id cutover.Seat) *seat {
	i, ok := slices.BinarySearchFunc(p.seats, id, func(st *seat, id cutover.Seat) int { return cutover.CompareSeats(st.id, id) })
	if !ok {
		return nil
	}
	return p.seats[i]
}

// unreachable: the Consul or provider doesn't take connections.
func (p *plane) unreachable() bool {
	return p.Room != "" && p.s.down(p.Room, "consul") || p.s.down(p.name, "plane")
}

// Weigh is what the object gives to each room if it holds value.
func (m *medium) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	room := -1
	if h.Room != "" {
		room = m.s.roomIndex(h.Room)
	}
	if m.Aspect == cutover.TTL {
		return nil, fmt.Errorf("%s is a TTL, which weighs nothing", h.Object)
	}
	return m.weigh(h.Object, room, value)
}

// Fill is cutover.Filler's: only instances and records carry a weight each.
func (m *medium) Fill(held []cutover.Held, newer func(*cutover.Held) bool, want cutover.Share) map[string]string {
	if m.Aspect != cutover.Split || m.of == runbooks.MediumKey || m.of == runbooks.MediumSplitter {
		return nil
	}
	return m.members().Fill(held, newer, want)
}

// Shape brings each seat to its share.
func (m *medium) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	return cutover.ShapeSeats(held, want, func(of []cutover.Held, share cutover.Share) ([][]cutover.Change, error) {
		st := m.seat(of[0].Seat)
		if st == nil {
			return nil, fmt.Errorf("%s has no such seat", m.name)
		}
		return m.shape(st, of, share)
	})
}

// Write sends one request. What becomes of it, and when, may be a fault's.
func (m *medium) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	outs := make([]cutover.Outcome, len(changes))
	if err := ctx.Err(); err != nil {
		return all(outs, cutover.Failed, fmt.Errorf("not sent: %w", err))
	}
	if err := m.tooLarge(changes); err != nil {
		return all(outs, cutover.Failed, err)
	}
	s := m.s
	s.writes++
	s.sent = append(s.sent, Sent{At: s.now, Runner: m.r.n + 1, Plane: m.name, Changes: changes})
	defer m.answers(len(s.sent) - 1)
	w := s.writeFault(m.plane, s.writes)
	defer s.strikeAtWrite(m.r, s.writes)
	m.r.takes(m.takes)
	if m.unreachable() {
		m.r.takes(m.TimeOut)
		return all(outs, cutover.Failed, errUnreachable)
	}
	m.sent++
	limit := m.TimeOut
	if m.r.call != nil {
		limit = m.r.call.limit
	}
	if w.how != "" {
		return m.disturbed(w, limit, f, changes, outs)
	}
	d := s.slow(m.plane)
	m.apply("run", f, changes, outs)
	if d > limit {
		m.r.takes(limit)
		return all(outs, cutover.Unknown, errNoAnswer)
	}
	m.r.takes(max(m.takes, d))
	return outs
}

// tooLarge refuses what the server wouldn't take.
func (p *plane) tooLarge(changes []cutover.Change) error {
	if len(changes) > p.MaxChanges {
		return fmt.Errorf("%s takes %d changes at once, not %d", p.name, p.MaxChanges, len(changes))
	}
	bytes := 0
	for _, c := range changes {
		bytes += len(c.Object) + len(c.After)
	}
	if p.MaxBytes > 0 && bytes > p.MaxBytes {
		return fmt.Errorf("%s takes %d bytes at once, not %d", p.name, p.MaxBytes, bytes)
	}
	return nil
}

// answers notes when the worker of a request that was sent comes back.
func (m *medium) answers(sent int) {
	if m.r.call != nil {
		m.s.sent[sent].Answered = m.s.now + m.r.call.takes
	}
}

// disturbed sends a request that a fault meets.
func (m *medium) disturbed(w treat, limit cutover.T, f cutover.Fence, changes []cutover.Change, outs []cutover.Outcome) []cutover.Outcome {
	all(outs, cutover.Unknown, errNoAnswer)
	switch w.how {
	case "fail":
		return all(outs, cutover.Failed, errServer)
	case "throttle":

		for i := range all(outs, cutover.Failed, errThrottled) {
			outs[i].RetryAfter = w.d
		}
		return outs
	case "lose reply":
		m.apply("run", f, changes, make([]cutover.Outcome, len(changes)))
		m.r.takes(limit)
	case "late":
		m.r.takes(min(w.d, limit))
		landed := outs
		if w.d > limit { // its sender has given up
			landed = make([]cutover.Outcome, len(changes))
		}
		m.applyLater(min(w.d, limit+m.Lateness), f, changes, landed)
	case "hang": // the worker itself doesn't come back
		m.r.takes(w.d)
		m.applyLater(min(w.d, limit+m.Lateness), f, changes, outs)
	default: // it is lost on its way
		m.r.takes(limit)
	}
	return outs
}

// applyLater lands the request later, if its server takes it then. outs is filled in at that moment: the answer that carries it
// comes at the same time or after.
func (m *medium) applyLater(d cutover.T, f cutover.Fence, changes []cutover.Change, outs []cutover.Outcome) {
	m.s.at(m.s.now+d, func() { m.apply("run", f, changes, outs) })
}

func all(outs []cutover.Outcome, what cutover.What, err error) []cutover.Outcome {
	for i := range outs {
		outs[i] = cutover.Outcome{What: what, Err: err}
	}
	return outs
}

// apply is the server at work: it checks the fence if it can, compares and sets. A plane with compare-and-set takes all of a
// request or nothing; another one changes what still holds what was expected.
func (p *plane) apply(by string, f cutover.Fence, changes []cutover.Change, outs []cutover.Outcome) {
	if p.FencedByServer && !p.s.honoured(p.Place, f) {
		all(outs, cutover.Failed, fmt.Errorf("session check: %w", cutover.ErrLeaseLost))
		return
	}
	refused := false
	for i, c := range changes {
		outs[i] = p.compare(c)
		refused = refused || outs[i].What != cutover.Done
	}
	if p.HasCAS {
		p.s.txns++
		p.txn = p.s.txns
		defer func() { p.txn = 0 }()
	}
	for i, c := range changes {
		switch {
		case outs[i].What != cutover.Done:
		case refused && p.HasCAS && outs[i].Version == "":
			outs[i] = cutover.Outcome{What: cutover.Failed, Err: errBeside}
		case outs[i].Version == "":
			st := p.seat(c.Seat)
			p.land(by, st, st.object(c.Object), c.After)
			outs[i].Version = p.versionOf(st.object(c.Object))
		}
		if outs[i].What == cutover.Done && !p.HasCAS {
			outs[i].Version = ""
		}
	}
}

// compare is Done without a version when the change may be made, Done with one when it is there already.
func (p *plane) compare(c cutover.Change) cutover.Outcome {
	st := p.seat(c.Seat)
	var o *object
	if st != nil {
		o = st.object(c.Object)
	}
	switch {
	case o == nil:
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: fmt.Errorf("%s isn't there any more", c.Object)}
	case o.value == c.After:
		return cutover.Outcome{What: cutover.Done, Version: strconv.FormatUint(o.version, 10)}
	case o.value != c.Before:
		return cutover.Outcome{What: cutover.Foreign, Found: o.value, Version: p.versionOf(o), Err: fmt.Errorf("%s holds %q, want %q", c.Object, o.value, c.Before)}
	case p.HasCAS && c.Version != "" && p.versionOf(o) != c.Version:
		return cutover.Outcome{What: cutover.Failed, Found: o.value, Version: p.versionOf(o), Err: fmt.Errorf("%s was written meanwhile: version %s, want %s", c.Object, p.versionOf(o), c.Version)}
	}
	if err := p.takesValue(o, c.After); err != nil {
		return cutover.Outcome{What: cutover.Failed, Err: err}
	}
	return cutover.Outcome{What: cutover.Done}
}

func (p *plane) versionOf(o *object) string {
	if !p.HasCAS {
		return ""
	}
	return strconv.FormatUint(o.version, 10)
}

// land changes an object and tells the traffic.
func (p *plane) land(by string, st *seat, o *object, value string) {
	if o.value == value {
		return
	}
	p.index++
	before := o.value
	o.value, o.version = value, p.index
	p.touched(o)
	if p.Aspect == cutover.TTL {
		p.s.ttlSet(st.id, value)
	} else {
		o.weights, _ = p.weigh(o.name, o.room, value)
		p.changed(st)
	}
	s := p.s
	s.landings = append(s.landings, Landing{At: s.now, Plane: p.name, Object: o.name, Seat: st.id, Before: before, After: value, By: by, Txn: p.txn, Share: s.composed()})
}

// changed works out anew what a seat's objects say, and lets its readers hear of it.
func (p *plane) changed(st *seat) {
	p.listed = nil
	was := append(p.s.traffic.was[:0], st.set...)
	p.s.traffic.was = was
	p.settle(st)
	if slices.Equal(was, st.set) {
		return
	}
	if p.of == runbooks.MediumDNS {
		st.cache.hear(st, was, p.s.now)
	} else {
		copy(st.seen, st.set)
	}
	p.s.traffic.dirty = true
}

// settle works out the share that a seat's live objects give.
func (p *plane) settle(st *seat) {
	clear(st.set)
	total := 0
	for _, o := range st.objects {
		if !o.live {
			continue
		}
		for i, room := range p.s.rooms {
			w := o.weights[room]
			st.set[i] += float64(w)
			total += w
		}
	}
	for i := range st.set {
		if total > 0 {
			st.set[i] /= float64(total)
		}
	}
}
