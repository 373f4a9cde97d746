// Package cutovertest holds the contract suites: what everything that stands behind an interface of package cutover must do,
// whether it is a real server, a simulated room or plain memory. It is imported by tests only.
package cutovertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"roomshift/cutover"
)

// MediumUnderTest is one medium with what the suite needs to use and to disturb it. The suite makes a new one for each
// subtest; hooks that are nil say that this medium has no such thing, and their subtests don't run.
type MediumUnderTest struct {
	Medium cutover.Medium
	// Plane has the limits that a run would have: Name, Aspect, MaxChanges, TimeOut, Lateness, HasCAS, FencedByServer.
	Plane cutover.Plane
	Seats []cutover.Seat // at least two; each can carry Shares
	Rooms [2]cutover.Room
	Fence cutover.Fence // of a live lease

	// Shares of Rooms[1], in basis points, that the medium can express and that it doesn't hold at first: at least three.
	// nil: 300, 1000, 6000. Inexpressible is one that Shape must refuse, 0 none.
	Shares        []int
	Inexpressible int
	// Values stand for Shares where the aspect is TTL or Switch, which have no Shape.
	Values []string

	Foreign   func(object, value string) // somebody else writes our part of the object
	Rest      func(object string) string // what else the object's server keeps there: must stay as it is
	Disturb   func(object string)        // somebody else changes that
	Remake    func(object string)        // somebody deletes the object and makes it anew with the same value
	Hide      func()                     // from now on an object of Seats[0] can't be listed
	LoseLease func()                     // the session behind Fence ends
	Wire      *Wire
	Secrets   []string                // texts that no error may hold
	Pass      func(d cutover.T)       // lets time pass in the medium's world; nil: real time
	Done      func(o cutover.Outcome) // more to check of an outcome that is Done; nil: nothing
}

// Wire disturbs what is between a medium and its server.
type Wire struct {
	Sent      func() int // requests that were sent to the server so far
	PerWrite  int        // requests that one Write may take, 0: 1. Media without compare-and-set also read
	Down, Up  func()     // nothing can be sent; it can again
	CutAnswer func()     // the next request is carried out, its answer is lost
	// Hold keeps the next request on its way, after its sender sent it, and returns what waits until it is there. Release lets
	// it go on to the server, though its sender may have given up, and returns when the server has answered.
	Hold    func() (held func())
	Release func()
}

// MediumSuite runs every clause of a Medium's contract (the doc comments of cutover.Medium, Change and Outcome).
func MediumSuite(t *testing.T, setup func(t *testing.T) MediumUnderTest) {
	for _, c := range []struct {
		name string
		runs func(u *MediumUnderTest) bool
		test func(m *mediumTest)
	}{
		{"read lists every seat in order", always, readsInOrder},
		{"read after write gives the value and keeps the rest", always, readsWhatWasWritten},
		{"writing what is there is done", always, writesWhatIsThere},
		{"a stale before is foreign", func(u *MediumUnderTest) bool { return u.Foreign != nil }, refusesStale},
		{"one foreign in a batch is that one", func(u *MediumUnderTest) bool { return u.Foreign != nil && u.Plane.MaxChanges != 1 }, oneForeign},
		{"the rest changed meanwhile is kept", func(u *MediumUnderTest) bool { return u.Disturb != nil }, keepsDisturbed},
		{"more than MaxChanges isn't sent", func(u *MediumUnderTest) bool { return u.Plane.MaxChanges > 0 }, refusesTooMany},
		{"a partial listing is an error", func(u *MediumUnderTest) bool { return u.Hide != nil }, refusesPartial},
		{"born changes when made anew", func(u *MediumUnderTest) bool { return u.Remake != nil }, bornAnew},
		{"a lost lease changes nothing", func(u *MediumUnderTest) bool { return u.LoseLease != nil }, fencedOff},
		{"weights are those of the value", shaped, weighs},
		{"shape is deterministic and keeps every prefix serving", shaped, shapes},
		{"fill scales the newer ones only", fillable, fills},
		{"shape refuses what the scale can't express", func(u *MediumUnderTest) bool { return u.Inexpressible > 0 }, refusesShare},
		{"a cancelled context is obeyed", always, obeysCancelled},
		{"one request on the wire", onWire(func(w *Wire) bool { return w.Sent != nil }), oneRequest},
		{"what couldn't be sent is failed", onWire(func(w *Wire) bool { return w.Down != nil }), downIsFailed},
		{"a lost answer is unknown", onWire(func(w *Wire) bool { return w.CutAnswer != nil }), cutIsUnknown},
		{"a stalled write ends in time and lands late or never", onWire(func(w *Wire) bool { return w.Hold != nil }), stalls},
		{"a stalled write can't land over a newer one", lateOver, lateIsRefused},
		{"a stalled write can't land after its lease", lateAfter, lateIsFenced},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := setup(t)
			if !c.runs(&u) {
				return
			}
			c.test(newMediumTest(t, &u))
		})
	}
}

func always(*MediumUnderTest) bool   { return true }
func shaped(u *MediumUnderTest) bool { return u.Values == nil }

func fillable(u *MediumUnderTest) bool {
	_, is := u.Medium.(cutover.Filler)
	return is && u.Plane.Aspect == cutover.Split
}

func onWire(has func(*Wire) bool) func(*MediumUnderTest) bool {
	return func(u *MediumUnderTest) bool { return u.Wire != nil && has(u.Wire) }
}

func lateOver(u *MediumUnderTest) bool {
	return u.Wire != nil && u.Wire.Hold != nil && u.Plane.HasCAS
}

func lateAfter(u *MediumUnderTest) bool {
	return u.Wire != nil && u.Wire.Hold != nil && u.LoseLease != nil && u.Plane.FencedByServer
}

// mediumTest is one subtest at work.
type mediumTest struct {
	*testing.T
	*MediumUnderTest
}

func newMediumTest(t *testing.T, u *MediumUnderTest) *mediumTest {
	t.Helper()
	if len(u.Seats) < 2 {
		t.Fatalf("the medium under test has %d seats, want 2 at least", len(u.Seats))
	}
	if u.Values == nil && u.Shares == nil {
		u.Shares = []int{300, 1000, 6000}
	}
	if u.Plane.TimeOut == 0 {
		u.Plane.TimeOut = 5 * cutover.Second
	}
	return &mediumTest{t, u}
}

// context is one that a request of this plane would have.
func (m *mediumTest) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), m.Plane.TimeOut.Duration())
}

func (m *mediumTest) read(seats ...cutover.Seat) []cutover.Held {
	m.Helper()
	if len(seats) == 0 {
		seats = m.Seats
	}
	ctx, cancel := m.context()
	defer cancel()
	held, err := m.Medium.Read(ctx, seats)
	if err != nil {
		m.Fatalf("read %v: %v", seats, err)
	}
	return held
}

// holds reads one object.
func (m *mediumTest) holds(object string) cutover.Held {
	m.Helper()
	for _, h := range m.read() {
		if h.Object == object {
			return h
		}
	}
	m.Fatalf("%s isn't in the listing any more", object)
	return cutover.Held{}
}

// changes are what brings these seats to the n-th share, or value, wave by wave.
func (m *mediumTest) changes(n int, seats ...cutover.Seat) [][]cutover.Change {
	m.Helper()
	held := m.read(seats...)
	if m.Values != nil {
		var wave []cutover.Change
		for _, h := range held {
			wave = append(wave, cutover.Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Before: h.Value,
				After: m.Values[n], Version: h.Version})
		}
		return [][]cutover.Change{wave}
	}
	waves, err := m.Medium.Shape(held, m.want(m.Shares[n], held))
	if err != nil {
		m.Fatalf("shape %v for %d basis points: %v", seats, m.Shares[n], err)
	}
	if len(waves) == 0 {
		m.Fatalf("shape %v for %d basis points: no changes, though %v is held", seats, m.Shares[n], held)
	}
	return waves
}

// want is the share n of Rooms[1] for the seats of these objects.
func (m *mediumTest) want(n int, held []cutover.Held) map[cutover.Seat]cutover.Share {
	w := map[cutover.Seat]cutover.Share{}
	for _, h := range held {
		w[h.Seat] = cutover.Share{m.Rooms[0]: cutover.Whole - n, m.Rooms[1]: n}
	}
	return w
}

// first is the first change that brings one seat to the n-th share.
func (m *mediumTest) first(n int) cutover.Change {
	m.Helper()
	return m.changes(n, m.Seats[0])[0][0]
}

// write sends one request and checks what holds for every answer: one outcome each, no secret, a reason when not done.
func (m *mediumTest) write(ctx context.Context, changes []cutover.Change) []cutover.Outcome {
	m.Helper()
	outs := m.Medium.Write(ctx, m.Fence, changes)
	if len(outs) != len(changes) {
		m.Fatalf("write gave %d outcomes for %d changes", len(outs), len(changes))
	}
	for i, o := range outs {
		if o.What == cutover.Done {
			continue
		}
		if o.Err == nil {
			m.Errorf("%s is %v without a reason", changes[i].Object, o.What)
		}
		m.clean(o.Err)
	}
	return outs
}

// writeWave sends a wave in as many requests as the plane wants.
func (m *mediumTest) writeWave(wave []cutover.Change) []cutover.Outcome {
	m.Helper()
	var outs []cutover.Outcome
	for _, pack := range cutover.Pack(m.Plane, wave) {
		ctx, cancel := m.context()
		outs = append(outs, m.write(ctx, pack)...)
		cancel()
	}
	return outs
}

// one writes one change within the plane's time-out.
func (m *mediumTest) one(c cutover.Change) cutover.Outcome {
	m.Helper()
	ctx, cancel := m.context()
	defer cancel()
	return m.write(ctx, []cutover.Change{c})[0]
}

func (m *mediumTest) clean(err error) {
	m.Helper()
	for _, s := range m.Secrets {
		if err != nil && strings.Contains(err.Error(), s) {
			m.Errorf("an error tells the secret %q: %v", s, err)
		}
	}
}

// mustBe fails unless the outcome is of this kind.
func (m *mediumTest) mustBe(what cutover.What, c cutover.Change, o cutover.Outcome) {
	m.Helper()
	if o.What != what {
		m.Fatalf("%s from %q to %q is %v, want %v: %v", c.Object, c.Before, c.After, o.What, what, o.Err)
	}
	if what == cutover.Done && m.Done != nil {
		m.Done(o)
	}
}

// mustHold fails unless the object's value is one of these.
func (m *mediumTest) mustHold(object string, values ...string) cutover.Held {
	m.Helper()
	h := m.holds(object)
	for _, v := range values {
		if h.Value == v {
			return h
		}
	}
	m.Fatalf("%s holds %q, want %q", object, h.Value, values)
	return h
}

// pass lets time go by.
func (m *mediumTest) pass(d cutover.T) {
	if m.Pass != nil {
		m.Pass(d)
		return
	}
	<-time.After(d.Duration())
}

// rests is what else is at each of these objects.
func (m *mediumTest) rests(held []cutover.Held) map[string]string {
	rests := map[string]string{}
	for _, h := range held {
		if m.Rest != nil {
			rests[h.Object] = m.Rest(h.Object)
		}
	}
	return rests
}

// describe is for messages.
func describe(waves [][]cutover.Change) string {
	var b strings.Builder
	for i, w := range waves {
		fmt.Fprintf(&b, "wave %d:", i)
		for _, c := range w {
			fmt.Fprintf(&b, " %s %q→%q", c.Object, c.Before, c.After)
		}
		b.WriteString("; ")
	}
	return b.String()
}
