package cutovertest

import (
	"context"
	"errors"
	"time"

	"roomshift/cutover"
)

// slack is how late after its time-out a request may come back.
const slack = 100 * time.Millisecond

func oneRequest(m *mediumTest) {
	wave := cutover.Pack(m.Plane, m.changes(0)[0])[0]
	before := m.sent()
	ctx, cancel := m.context()
	defer cancel()
	for i, o := range m.write(ctx, wave) {
		m.mustBe(cutover.Done, wave[i], o)
	}
	if n, want := m.sent()-before, max(1, m.Wire.PerWrite); n > want || n == 0 {
		m.Errorf("a write of %d changes took %d requests, want %d", len(wave), n, want)
	}
}

func downIsFailed(m *mediumTest) {
	c := m.first(0)
	m.Wire.Down()
	ctx, cancel := m.context()
	defer cancel()
	if held, err := m.Medium.Read(ctx, m.Seats); err == nil {
		m.Errorf("with the server down a listing is %v, want an error", held)
	} else {
		m.clean(err)
	}
	m.mustBe(cutover.Failed, c, m.one(c))
	m.Wire.Up()
	m.mustHold(c.Object, c.Before)
	m.mustBe(cutover.Done, c, m.one(c))
}

func cutIsUnknown(m *mediumTest) {
	c := m.first(0)
	m.Wire.CutAnswer()
	m.mustBe(cutover.Unknown, c, m.one(c))
	h := m.mustHold(c.Object, c.Before, c.After)
	if h.Value == c.Before { // what the server didn't take may be written again
		c.Version = h.Version
	}
	m.mustBe(cutover.Done, c, m.one(c))
}

// stall sends c, whose request is held on its way, under a context that ends, and checks that it comes back in time.
func (m *mediumTest) stall(c cutover.Change) {
	m.Helper()
	held := m.Wire.Hold()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type answer struct {
		outs []cutover.Outcome
		at   time.Time
	}
	answers := make(chan answer, 1)
	go func() {
		outs := m.Medium.Write(ctx, m.Fence, []cutover.Change{c})
		answers <- answer{outs, time.Now()}
	}()
	held()
	ended := time.Now()
	cancel()
	select {
	case a := <-answers:
		// A loaded machine may be late by itself: ten times the slack is never the machine.
		if late := a.at.Sub(ended); late > 10*slack {
			m.Errorf("the write came back %v after its context ended, want %v", late, slack)
		}
		if len(a.outs) != 1 {
			m.Fatalf("write gave %d outcomes for one change", len(a.outs))
		}
		m.mustBe(cutover.Unknown, c, a.outs[0])
		m.clean(a.outs[0].Err)
	case <-time.After(5 * time.Second):
		m.Wire.Release()
		m.Fatalf("the write didn't come back within 5 s after its context ended, want %v", slack)
	}
}

func stalls(m *mediumTest) {
	c := m.first(0)
	m.stall(c)
	m.Wire.Release()
	m.mustHold(c.Object, c.Before, c.After)
	landed := m.holds(c.Object).Value
	m.pass(min(m.Plane.Lateness, cutover.Second))
	m.mustHold(c.Object, landed)
}

func lateIsRefused(m *mediumTest) {
	late := m.first(0)
	newer := m.first(1)
	m.stall(late)
	m.mustBe(cutover.Done, newer, m.one(newer))
	m.Wire.Release()
	m.mustHold(late.Object, newer.After)
}

func lateIsFenced(m *mediumTest) {
	late := m.first(0)
	m.stall(late)
	m.LoseLease()
	m.Wire.Release()
	m.mustHold(late.Object, late.Before)
	if o := m.one(late); !errors.Is(o.Err, cutover.ErrLeaseLost) {
		m.Errorf("a write after the lease is %v by %v, want ErrLeaseLost", o.What, o.Err)
	}
}
