package cutover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// DryRun is the world with its writes remembered instead of sent. The laws of the file:
//   - reads pass, and show what was remembered over what is really there; where somebody really changes an object, that shows through
//   - a write is remembered over what is really there, as it was read within the last second (or four times as long as reading takes), so
//     that it comes to what the real one would have come to; versions are invented in order, so that the writes of a dry run equal those of
//     the real one but for versions
//   - a seat is seen to carry what was remembered, once its medium would show it
//   - a room that really carries nothing can't be harmed: its gates have nothing to measure
//   - locks are taken, and write roles moved, in memory only; nothing else is changed
//
// Nothing in the engine asks for it. Samples are looked at one by one: a world that hands over pieces must not.
func DryRun(w World) (World, *Dry) {
	d := &Dry{clock: w.Clock, held: map[ObjectID]dryHeld{}, real: map[Seat]Share{}, shown: map[Seat][]dryShown{}, judged: map[string]bool{}}
	planes := make([]Plane, len(w.Planes))
	for i, pl := range w.Planes {
		planes[i] = pl
		planes[i].Medium = &dryMedium{Medium: pl.Medium, plane: pl.Name, split: pl.Aspect == Split, shows: pl.Shows, run: d, listed: map[Seat]*dryListing{}}
	}
	w.Planes = planes
	locks := make([]Place, len(w.Locks))
	for i, l := range w.Locks {
		locks[i] = Place{Name: l.Name, Lock: dryLock{}}
	}
	w.Locks = locks
	movers := newDryMovers(w.Writers, w.Peeker)
	w.Movers, w.Publisher, w.After = movers, nil, nil
	w.Onlys = newDryOnlys(w.Onlys, w.Clock)
	if w.Preflight != nil {
		w.Preflight = dryPreflight{w.Preflight, movers}
	}
	w.Gauges, w.Clock = &dryGauges{Gauges: w.Gauges, run: d}, &dryClock{Clock: w.Clock, run: d}
	return w, d
}

// Dry is what a dry run remembers.
type Dry struct {
	clock Clock

	mu     sync.Mutex
	held   map[ObjectID]dryHeld
	next   uint64
	real   map[Seat]Share // what the seats really carry, as last read
	shown  map[Seat][]dryShown
	plan   *Plan
	comp   *Composer
	rates  map[Seat]float64
	judged map[string]bool // gates by room: whether any sample of them was judged
}

// dryHeld is a value that was remembered, over the real one that it was written over.
type dryHeld struct {
	value, version, realValue string
	weights                   Share
}

// dryShown is what a seat is seen to carry from a moment on.
type dryShown struct {
	from  T
	share Share
}

// Unjudged are the gates that judged nothing in a room, as GATE@ROOM in order: the room never really carried anything.
func (d *Dry) Unjudged() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, k := range sortedKeys(d.judged) {
		if !d.judged[k] {
			out = append(out, k)
		}
	}
	return out
}

type dryMedium struct {
	Medium
	plane  string
	split  bool
	shows  T
	run    *Dry
	listed map[Seat]*dryListing // guarded by run.mu

	looking sync.Mutex // held by the one request that reads what others will go by, too
}

// Writes go by what was read for dryFresh, or for dryTimes as long as reading took: if each request read its whole seat, many instances would
// take the square of their time.
const (
	dryFresh = Second
	dryTimes = 4
)

// dryListing is what is really there of a seat. at and sums are made when a write first asks for them.
type dryListing struct {
	read, until T // when reading began, and how long writes go by it
	held        []Held
	at          map[string]int // by object
	sums        Share          // the weights of what is live, with what was remembered
}

// Read lists what is really there, with what this run would have written in place of what it would have written over.
func (m *dryMedium) Read(ctx context.Context, seats []Seat) ([]Held, error) {
	now := m.run.clock.Now()
	held, err := m.Medium.Read(ctx, seats)
	if err != nil {
		return nil, err
	}
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	m.isReal(now, seats, held)
	held = slices.Clone(held)
	for i := range held {
		m.remembered(&held[i])
	}
	return held, nil
}

// isReal notes what seats really hold and carry, by a reading that began at a moment.
func (m *dryMedium) isReal(read T, seats []Seat, held []Held) {
	now := m.run.clock.Now()
	until := now + max(dryFresh, dryTimes*(now-read))
	for _, seat := range seats {
		if l := m.listed[seat]; l != nil && l.read > read {
			continue // a later reading was quicker
		}
		from, _ := slices.BinarySearchFunc(held, seat, func(h Held, s Seat) int { return CompareSeats(h.Seat, s) })
		to := from
		for to < len(held) && held[to].Seat == seat {
			to++
		}
		m.listed[seat] = &dryListing{read: read, until: until, held: held[from:to]}
	}
	if !m.split {
		return
	}
	for seat, share := range SeatShares(held) {
		m.run.real[seat] = share
	}
}

// remembered puts what was remembered in place of what it was written over. It is forgotten where somebody really changed it.
func (m *dryMedium) remembered(h *Held) {
	id := ObjectID{m.plane, h.Object}
	switch r, ok := m.run.held[id]; {
	case !ok:
	case h.Value == r.realValue:
		h.Value, h.Version, h.Weights = r.value, r.version, r.weights
	default:
		delete(m.run.held, id)
		delete(m.run.shown, h.Seat) // and its requests are counted as they come
	}
}

// Next is the real medium's: a dry run goes the way that the run would go.
func (m *dryMedium) Next(h Held, value string) string { return nextOn(m.Medium, h, value) }

// Fill is the real medium's.
func (m *dryMedium) Fill(held []Held, newer func(*Held) bool, want Share) map[string]string {
	return fillOn(m.Medium, held, newer, want)
}

// Write looks at what is there, and remembers by the same compare-and-set that a server would make over it.
func (m *dryMedium) Write(ctx context.Context, _ Fence, changes []Change) []Outcome {
	outs := make([]Outcome, len(changes))
	var seats []Seat
	for _, c := range changes {
		seats = append(seats, c.Seat)
	}
	slices.SortFunc(seats, CompareSeats)
	seats = slices.Compact(seats)
	if err := m.look(ctx, seats); err != nil {
		for i := range outs {
			outs[i] = Outcome{What: Failed, Err: fmt.Errorf("dry run: look at what would be written over: %w", err)}
		}
		return outs
	}
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	for i, c := range changes {
		outs[i] = m.set(m.listing(c.Seat), c)
	}
	m.show(seats)
	return outs
}

// look reads those of these seats that weren't read lately.
func (m *dryMedium) look(ctx context.Context, seats []Seat) error {
	m.looking.Lock()
	defer m.looking.Unlock()
	now := m.run.clock.Now()
	m.run.mu.Lock()
	var stale []Seat
	for _, seat := range seats {
		if l := m.listed[seat]; l == nil || now >= l.until {
			stale = append(stale, seat)
		}
	}
	m.run.mu.Unlock()
	if len(stale) == 0 {
		return nil
	}
	held, err := m.Medium.Read(ctx, stale)
	if err != nil {
		return err
	}
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	m.isReal(now, stale, held)
	return nil
}

// listing is a seat's listing that writes may go by.
func (m *dryMedium) listing(seat Seat) *dryListing {
	l := m.listed[seat]
	if l.at != nil {
		return l
	}
	l.at, l.sums = make(map[string]int, len(l.held)), Share{}
	for i := range l.held {
		h := l.held[i]
		l.at[h.Object] = i
		m.remembered(&h)
		l.add(&h, 1)
	}
	return l
}

// add adds an object's weights to the sums, or takes them away.
func (l *dryListing) add(h *Held, sign int) {
	if h.Live {
		for room, w := range h.Weights {
			l.sums[room] += sign * w
		}
	}
}

// set remembers one change over what the object holds, and over what it really holds.
func (m *dryMedium) set(l *dryListing, c Change) Outcome {
	k, ok := l.at[c.Object]
	if !ok {
		return Outcome{What: Foreign, Gone: true}
	}
	h := l.held[k]
	really := h.Value
	m.remembered(&h)
	switch h.Value {
	case c.After:
		return Outcome{What: Done, Version: h.Version}
	case c.Before:
	default:
		return Outcome{What: Foreign, Found: h.Value, Version: h.Version}
	}
	m.run.next++
	r := dryHeld{value: c.After, version: "dry-" + strconv.FormatUint(m.run.next, 10), realValue: really, weights: c.Gives}
	m.run.held[c.ID()] = r
	l.add(&h, -1)
	h.Value, h.Version, h.Weights = r.value, r.version, r.weights
	l.add(&h, 1)
	return Outcome{What: Done, Version: r.version}
}

// show notes what these seats are seen to carry once the medium shows it.
func (m *dryMedium) show(seats []Seat) {
	if !m.split {
		return
	}
	from := m.run.clock.Now() + m.shows
	for _, seat := range seats {
		if share := ShareOf(maps.Clone(m.listed[seat].sums)); share != nil {
			m.run.shown[seat] = append(m.run.shown[seat], dryShown{from, share})
		}
	}
}

type dryGauges struct {
	Gauges
	run *Dry
}

// Start begins measuring, and learns what is measured.
func (g *dryGauges) Start(ctx context.Context, p *Plan) {
	d := g.run
	d.mu.Lock()
	d.plan, d.comp, d.rates = p, NewComposer(p), map[Seat]float64{}
	for seat, share := range SeatShares(p.Held) {
		if d.real[seat] == nil {
			d.real[seat] = share
		}
	}
	d.mu.Unlock()
	g.Gauges.Start(ctx, p)
}

type dryClock struct {
	Clock
	run *Dry
}

// Next hands over what has come, with samples as they would be if the writes had been sent, as far as that can be known.
func (c *dryClock) Next(until T) []Event {
	evs := c.Clock.Next(until)
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	for i := range evs {
		if evs[i].Sample != nil {
			s := c.run.sample(*evs[i].Sample)
			evs[i] = Event{Sample: &s}
		}
	}
	return evs
}

// sample is what a real one comes to in a dry run.
func (d *Dry) sample(s Sample) Sample {
	if d.plan == nil || s.Gauge < 0 || s.Gauge >= len(d.plan.Gauges) {
		return s
	}
	switch g := &d.plan.Gauges[s.Gauge]; g.Kind {
	case GaugeSeen:
		return d.seen(g.Seat, s)
	case GaugeGate:
		gate := &d.plan.Gates[g.Gate]
		if gate.Kind != GateRoom || gate.Database != "" || !slices.Contains(gate.Rooms, s.Room) {
			return s
		}
		key := Cause{Gate: gate.Name, Room: s.Room}.Key()
		if d.comp.In(s.Room, d.real, d.rates) > 0 {
			d.judged[key] = true
			return s
		}
		if !d.judged[key] {
			d.judged[key] = false // it was asked
		}
		now := d.clock.Now()
		return Sample{Gauge: s.Gauge, Room: s.Room, From: now, At: now, Idle: true}
	}
	return s
}

// seen is the requests that were really counted at a seat, shared out as the seat would have carried them when the sample began.
func (d *Dry) seen(seat Seat, s Sample) Sample {
	sum := 0.0
	for _, room := range sortedKeys(s.Counts) {
		sum += s.Counts[room]
	}
	if s.Unknown != "" {
		return s
	}
	d.rates[seat] = sum
	var share Share
	for _, x := range d.shown[seat] {
		if x.from <= s.From {
			share = x.share
		}
	}
	if share == nil {
		return s
	}
	s.Counts = map[Room]float64{}
	for _, room := range sortedKeys(share) {
		s.Counts[room] = sum * float64(share[room]) / Whole
	}
	return s
}

type dryLock struct{}

// Take always succeeds: a dry run holds nothing against anybody.
func (dryLock) Take(context.Context, Claim) (Lease, error) { return dryLease{}, nil }

type dryLease struct{}

func (dryLease) Until() T                            { return Never }
func (dryLease) Fence() Fence                        { return Fence{Key: "dry", Index: 1} }
func (dryLease) Release(context.Context, bool) error { return nil }
