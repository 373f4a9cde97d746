package cutover

import (
	"context"
	"strconv"
	"sync"
)

// DryRun is the world with its writes remembered instead of sent. Reads pass, and show what was remembered over what is really
// there; where somebody really changes an object, that shows through. Versions are invented in order, so that the writes of a dry
// run equal those of the real one but for versions. Locks are taken in memory only.
func DryRun(w World) World {
	d := &dryRun{held: map[ObjectID]dryHeld{}}
	planes := make([]Plane, len(w.Planes))
	for i, pl := range w.Planes {
		planes[i] = pl
		planes[i].Medium = &dryMedium{Medium: pl.Medium, plane: pl.Name, run: d}
	}
	w.Planes = planes
	locks := make([]Place, len(w.Locks))
	for i, l := range w.Locks {
		locks[i] = Place{Name: l.Name, Lock: dryLock{}}
	}
	w.Locks = locks
	return w
}

type dryRun struct {
	mu   sync.Mutex
	held map[ObjectID]dryHeld
	next uint64
}

// dryHeld is a value that was remembered, over the real value and version that it was written over.
type dryHeld struct {
	value, version         string
	realValue, realVersion string
	weights                Share
}

type dryMedium struct {
	Medium
	plane string
	run   *dryRun
}

// Read lists what is really there, with what this run would have written in place of what it would have written over.
func (m *dryMedium) Read(ctx context.Context, seats []Seat) ([]Held, error) {
	held, err := m.Medium.Read(ctx, seats)
	if err != nil {
		return nil, err
	}
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	for i := range held {
		h := &held[i]
		id := ObjectID{m.plane, h.Object}
		r, ok := m.run.held[id]
		switch {
		case !ok:
		case r.realVersion == "":
			r.realValue, r.realVersion = h.Value, h.Version
			m.run.held[id] = r
			fallthrough
		case h.Value == r.realValue:
			h.Value, h.Version, h.Weights = r.value, r.version, r.weights
		default: // somebody really changed it
			delete(m.run.held, id)
		}
	}
	return held, nil
}

// Write remembers, by the same compare-and-set that a server would make over what was remembered.
func (m *dryMedium) Write(_ context.Context, _ Fence, changes []Change) []Outcome {
	m.run.mu.Lock()
	defer m.run.mu.Unlock()
	outs := make([]Outcome, len(changes))
	for i, c := range changes {
		id := ObjectID{m.plane, c.Object}
		r, ok := m.run.held[id]
		switch {
		case ok && r.value == c.After:
			outs[i] = Outcome{What: Done, Version: r.version}
			continue
		case ok && r.value != c.Before:
			outs[i] = Outcome{What: Foreign, Found: r.value, Version: r.version}
			continue
		case !ok:
			r.realValue, r.realVersion = c.Before, c.Version
		}
		m.run.next++
		r.value, r.version, r.weights = c.After, "dry-"+strconv.FormatUint(m.run.next, 10), c.Gives
		m.run.held[id] = r
		outs[i] = Outcome{What: Done, Version: r.version}
	}
	return outs
}

type dryLock struct{}

// Take always succeeds: a dry run holds nothing against anybody.
func (dryLock) Take(context.Context, Claim) (Lease, error) { return dryLease{}, nil }

type dryLease struct{}

func (dryLease) Until() T                            { return Never }
func (dryLease) Fence() Fence                        { return Fence{Key: "dry", Index: 1} }
func (dryLease) Release(context.Context, bool) error { return nil }
