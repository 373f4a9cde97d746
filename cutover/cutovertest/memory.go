package cutovertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"roomshift/cutover"
)

// Memory is a Medium in this process: each seat is one object that holds the basis points of Rooms[1]. It compares and sets,
// and refuses writes under another fence than the one it was given. Its faults are those of a wire: see Wire.
type Memory struct {
	plane string
	rooms [2]cutover.Room
	seats []cutover.Seat

	mu      sync.Mutex
	objects map[string]*memoryObject
	index   uint64
	fence   cutover.Fence
	sent    int
	down    bool
	cut     bool
	hold    *held
}

type memoryObject struct {
	value         string
	rest          string
	version, born uint64
	hidden        bool
}

// held is a request kept on its way.
type held struct {
	there chan struct{} // closed when it is there
	send  func()        // carries it out
}

// MemoryMaxChanges is how many changes one Write of a Memory takes.
const MemoryMaxChanges = 8

// NewMemory is a Memory whose seats hold 0; writes must carry fence.
func NewMemory(plane string, rooms [2]cutover.Room, fence cutover.Fence, seats ...cutover.Seat) *Memory {
	m := &Memory{plane: plane, rooms: rooms, fence: fence, objects: map[string]*memoryObject{}}
	m.seats = slices.SortedFunc(slices.Values(seats), cutover.CompareSeats)
	for _, s := range m.seats {
		m.index++
		m.objects[s.String()] = &memoryObject{value: "0", version: m.index, born: m.index}
	}
	return m
}

// Plane is the memory as a plane.
func (m *Memory) Plane() cutover.Plane {
	return cutover.Plane{Name: m.plane, Aspect: cutover.Split, Medium: m, Seats: slices.Clone(m.seats), MaxChanges: MemoryMaxChanges,
		TimeOut: cutover.Second, Lateness: 10 * cutover.Millisecond, HasCAS: true, FencedByServer: true}
}

// Set is what somebody else writes.
func (m *Memory) Set(object, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index++
	o := m.objects[object]
	o.value, o.version = value, m.index
}

// SetFence makes this fence the only good one.
func (m *Memory) SetFence(f cutover.Fence) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fence = f
}

var errMemoryDown = errors.New("the memory is down")

// Read lists the seats' objects.
func (m *Memory) Read(ctx context.Context, seats []cutover.Seat) ([]cutover.Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if m.down {
		return nil, errMemoryDown
	}
	m.sent++
	var listed []cutover.Held
	for _, s := range slices.SortedFunc(slices.Values(seats), cutover.CompareSeats) {
		o := m.objects[s.String()]
		if o == nil || o.hidden {
			return nil, fmt.Errorf("read %v: nothing can be seen there", s)
		}
		h := cutover.Held{Seat: s, Plane: m.plane, Object: s.String(), Value: o.value, Version: strconv.FormatUint(o.version, 10),
			Born: o.born, Live: true}
		w, err := m.Weigh(h, o.value)
		if err != nil {
			return nil, err
		}
		h.Weights = w
		listed = append(listed, h)
	}
	return listed, nil
}

// Weigh turns basis points into a share.
func (m *Memory) Weigh(h cutover.Held, value string) (cutover.Share, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > cutover.Whole {
		return nil, fmt.Errorf("%s: %q are no basis points, want 0 to %d", h.Object, value, cutover.Whole)
	}
	return cutover.Share{m.rooms[0]: cutover.Whole - n, m.rooms[1]: n}, nil
}

// Shape gives each seat's object its number, in one wave.
func (m *Memory) Shape(held []cutover.Held, want map[cutover.Seat]cutover.Share) ([][]cutover.Change, error) {
	var wave []cutover.Change
	for _, h := range held {
		share, ok := want[h.Seat]
		after := strconv.Itoa(share[m.rooms[1]])
		if !ok || after == h.Value {
			continue
		}
		gives, err := m.Weigh(h, after)
		if err != nil {
			return nil, err
		}
		if !maps.Equal(gives, cutover.Share{m.rooms[0]: share[m.rooms[0]], m.rooms[1]: share[m.rooms[1]]}) {
			return nil, fmt.Errorf("%v: %v is no share of %s and %s", h.Seat, share, m.rooms[0], m.rooms[1])
		}
		wave = append(wave, cutover.Change{Seat: h.Seat, Plane: m.plane, Object: h.Object, Before: h.Value, After: after,
			Version: h.Version, Gives: gives})
	}
	if wave == nil {
		return nil, nil
	}
	return [][]cutover.Change{wave}, nil
}

// Write compares and sets: all of the changes or none.
func (m *Memory) Write(ctx context.Context, f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	if len(changes) > MemoryMaxChanges {
		return outcomes(len(changes), cutover.Failed, fmt.Errorf("%d changes are more than %d", len(changes), MemoryMaxChanges))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return outcomes(len(changes), cutover.Failed, err)
	}
	if m.down {
		return outcomes(len(changes), cutover.Failed, errMemoryDown)
	}
	m.sent++
	if h := m.hold; h != nil && h.send == nil {
		h.send = func() { m.apply(f, changes) }
		close(h.there)
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
		return outcomes(len(changes), cutover.Unknown, cutover.ErrOutcomeUnknown)
	}
	outs := m.apply(f, changes)
	if m.cut {
		m.cut = false
		return outcomes(len(changes), cutover.Unknown, cutover.ErrOutcomeUnknown)
	}
	return outs
}

// apply is the server's side.
func (m *Memory) apply(f cutover.Fence, changes []cutover.Change) []cutover.Outcome {
	if f != m.fence {
		return outcomes(len(changes), cutover.Failed, fmt.Errorf("fence %v: %w", f, cutover.ErrLeaseLost))
	}
	outs := outcomes(len(changes), cutover.Failed, errors.New("rolled back beside another change"))
	refused := false
	for i, c := range changes {
		o := m.objects[c.Object]
		switch {
		case o == nil:
			outs[i] = cutover.Outcome{What: cutover.Foreign, Gone: true, Err: fmt.Errorf("%s isn't there", c.Object)}
		case o.value == c.After:
			outs[i] = cutover.Outcome{What: cutover.Done, Version: o.at()}
			continue
		case o.value != c.Before:
			outs[i] = cutover.Outcome{What: cutover.Foreign, Found: o.value, Version: o.at(), Err: fmt.Errorf("%s holds %s", c.Object, o.value)}
		case c.Version != "" && o.at() != c.Version:
			outs[i] = cutover.Outcome{What: cutover.Failed, Found: o.value, Version: o.at(), Err: fmt.Errorf("%s has changed", c.Object)}
		default:
			continue
		}
		refused = true
	}
	if refused {
		return outs
	}
	for i, c := range changes {
		o := m.objects[c.Object]
		if o.value != c.After {
			m.index++
			o.value, o.version = c.After, m.index
		}
		outs[i] = cutover.Outcome{What: cutover.Done, Version: o.at()}
	}
	return outs
}

func (o *memoryObject) at() string { return strconv.FormatUint(o.version, 10) }

func outcomes(n int, what cutover.What, err error) []cutover.Outcome {
	outs := make([]cutover.Outcome, n)
	for i := range outs {
		outs[i] = cutover.Outcome{What: what, Err: err}
	}
	return outs
}

// UnderTest is the memory with every hook of the medium suite.
func (m *Memory) UnderTest() MediumUnderTest {
	change := func(object string, f func(o *memoryObject)) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.index++
		f(m.objects[object])
	}
	flag := func(set func()) func() {
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			set()
		}
	}
	return MediumUnderTest{Medium: m, Plane: m.Plane(), Seats: m.seats, Rooms: m.rooms, Fence: m.fence, Foreign: m.Set,
		Rest: func(object string) (rest string) {
			change(object, func(o *memoryObject) { rest = o.rest })
			return rest
		},
		Disturb: func(object string) { change(object, func(o *memoryObject) { o.rest, o.version = "changed", m.index }) },
		Remake:  func(object string) { change(object, func(o *memoryObject) { o.born, o.version = m.index, m.index }) },
		Hide:    func() { change(m.seats[0].String(), func(o *memoryObject) { o.hidden = true }) },
		LoseLease: func() {
			m.SetFence(cutover.Fence{Session: "next", Index: m.fence.Index + 1})
		},
		Wire: &Wire{Sent: func() int { m.mu.Lock(); defer m.mu.Unlock(); return m.sent },
			Down: flag(func() { m.down = true }), Up: flag(func() { m.down = false }), CutAnswer: flag(func() { m.cut = true }),
			Hold: func() func() {
				h := &held{there: make(chan struct{})}
				flag(func() { m.hold = h })()
				return func() { <-h.there }
			},
			Release: flag(func() { m.hold.send(); m.hold = nil })},
	}
}
