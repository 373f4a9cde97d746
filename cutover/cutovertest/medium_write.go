package cutovertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"roomshift/cutover"
)

func readsInOrder(m *mediumTest) {
	held := m.read()
	got := map[cutover.Seat]bool{}
	for i, h := range held {
		got[h.Seat] = true
		if h.Plane != m.Plane.Name {
			m.Errorf("%s says that its plane is %q, want %q", h.Object, h.Plane, m.Plane.Name)
		}
		if i == 0 {
			continue
		}
		p := held[i-1]
		if c := cutover.CompareSeats(p.Seat, h.Seat); c > 0 || c == 0 && p.Object >= h.Object {
			m.Errorf("%v/%s is listed before %v/%s", p.Seat, p.Object, h.Seat, h.Object)
		}
	}
	for _, s := range m.Seats {
		if !got[s] {
			m.Errorf("nothing of seat %v is listed", s)
		}
	}
	if again := m.read(); fmt.Sprint(again) != fmt.Sprint(held) {
		m.Errorf("two readings differ:\n%v\n%v", held, again)
	}
	back := slices.Clone(m.Seats)
	slices.Reverse(back)
	if again := m.read(back...); fmt.Sprint(again) != fmt.Sprint(held) {
		m.Errorf("the order of the seats asked for changes the listing:\n%v\n%v", held, again)
	}
	ctx, cancel := m.context()
	defer cancel()
	if held, err := m.Medium.Read(ctx, []cutover.Seat{{Route: "no-such-route", At: "nowhere"}}); err == nil {
		m.Errorf("a seat that isn't the medium's is listed as %v, want an error", held)
	}
}

func readsWhatWasWritten(m *mediumTest) {
	rounds := max(len(m.Shares), len(m.Values))
	rests := m.rests(m.read())
	for n := range rounds {
		for _, wave := range m.changes(n) {
			outs := m.writeWave(wave)
			for i, c := range wave {
				m.mustBe(cutover.Done, c, outs[i])
				h := m.mustHold(c.Object, c.After)
				if m.Plane.HasCAS && h.Version != outs[i].Version {
					m.Errorf("%s: the write's version is %q, a reading's %q", c.Object, outs[i].Version, h.Version)
				}
			}
		}
	}
	for object, rest := range m.rests(m.read()) {
		if rest != rests[object] {
			m.Errorf("%s: the rest was %q and is %q after %d writes", object, rests[object], rest, rounds)
		}
	}
}

func writesWhatIsThere(m *mediumTest) {
	c := m.first(0)
	m.mustBe(cutover.Done, c, m.one(c))
	m.mustBe(cutover.Done, c, m.one(c)) // its before and version are stale by now: it is done all the same
	h := m.mustHold(c.Object, c.After)
	same := c
	same.Before, same.After, same.Version = h.Value, h.Value, h.Version
	m.mustBe(cutover.Done, same, m.one(same))
	m.mustHold(c.Object, c.After)
}

func refusesStale(m *mediumTest) {
	stale, other := m.first(0), m.first(1).After
	m.Foreign(stale.Object, other)
	o := m.one(stale)
	m.mustBe(cutover.Foreign, stale, o)
	if o.Found != other {
		m.Errorf("%s: found %q is said, want %q", stale.Object, o.Found, other)
	}
	h := m.mustHold(stale.Object, other)
	if m.Plane.HasCAS && o.Version != h.Version {
		m.Errorf("%s: the version found is %q, want %q", stale.Object, o.Version, h.Version)
	}
}

func oneForeign(m *mediumTest) {
	wave := m.changes(0)[0]
	if len(wave) < 2 {
		m.Fatalf("a wave over %v has one change: want seats whose changes travel together", m.Seats)
	}
	others := map[string]string{} // a share may leave some objects as they are
	for _, c := range slices.Concat(m.changes(1)...) {
		others[c.Object] = c.After
	}
	k := len(wave) / 2
	for i := 0; i < len(wave) && others[wave[k].Object] == ""; i++ {
		k = (k + 1) % len(wave)
	}
	other := others[wave[k].Object]
	m.Foreign(wave[k].Object, other)
	ctx, cancel := m.context()
	defer cancel()
	for i, o := range m.write(ctx, wave) {
		c := wave[i]
		switch {
		case i == k:
			m.mustBe(cutover.Foreign, c, o)
			m.mustHold(c.Object, other)
		case o.What == cutover.Done:
			m.mustHold(c.Object, c.After)
		case o.What == cutover.Failed:
			m.mustHold(c.Object, c.Before)
		default:
			m.Errorf("%s beside the foreign one is %v, want done or failed: %v", c.Object, o.What, o.Err)
		}
	}
}

// keepsDisturbed: a version that covers more than our part may refuse the write, but then it must say the new version, with
// which the same change goes through.
func keepsDisturbed(m *mediumTest) {
	c := m.first(0)
	m.Disturb(c.Object)
	rest := m.Rest(c.Object)
	o := m.one(c)
	if o.What == cutover.Failed {
		h := m.mustHold(c.Object, c.Before)
		if o.Found != c.Before || o.Version != h.Version {
			m.Fatalf("%s failed at version %q holding %q, want version %q and %q: it could never be written", c.Object,
				o.Version, o.Found, h.Version, c.Before)
		}
		c.Version = o.Version
		o = m.one(c)
	}
	m.mustBe(cutover.Done, c, o)
	m.mustHold(c.Object, c.After)
	if now := m.Rest(c.Object); now != rest {
		m.Errorf("%s: the rest was %q and is %q", c.Object, rest, now)
	}
}

func refusesTooMany(m *mediumTest) {
	c := m.first(0)
	many := []cutover.Change{c}
	for i := range m.Plane.MaxChanges {
		d := c
		d.Object = fmt.Sprintf("%s-%d", c.Object, i)
		many = append(many, d)
	}
	before := m.sent()
	ctx, cancel := m.context()
	defer cancel()
	for i, o := range m.write(ctx, many) {
		m.mustBe(cutover.Failed, many[i], o)
	}
	if n := m.sent() - before; n != 0 {
		m.Errorf("%d requests were sent, want none", n)
	}
	m.mustHold(c.Object, c.Before)
}

func (m *mediumTest) sent() int {
	if m.Wire == nil || m.Wire.Sent == nil {
		return 0
	}
	return m.Wire.Sent()
}

func refusesPartial(m *mediumTest) {
	m.read()
	m.Hide()
	ctx, cancel := m.context()
	defer cancel()
	held, err := m.Medium.Read(ctx, m.Seats)
	if err == nil {
		m.Fatalf("a listing that lacks an object is %v, want an error", held)
	}
	m.clean(err)
}

func bornAnew(m *mediumTest) {
	old := m.read()[0]
	m.Remake(old.Object)
	if h := m.holds(old.Object); h.Born == old.Born {
		m.Errorf("%s was made anew and is still born at %d", old.Object, old.Born)
	}
}

func fencedOff(m *mediumTest) {
	wave := m.changes(0)[0]
	m.LoseLease()
	for i, o := range m.writeWave(wave) {
		m.mustBe(cutover.Failed, wave[i], o)
		if !errors.Is(o.Err, cutover.ErrLeaseLost) {
			m.Errorf("%s failed by %v, want ErrLeaseLost", wave[i].Object, o.Err)
		}
		m.mustHold(wave[i].Object, wave[i].Before)
	}
}

// obeysCancelled: a context that has ended already sends nothing that lands, and comes back at once.
func obeysCancelled(m *mediumTest) {
	c := m.first(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	if _, err := m.Medium.Read(ctx, m.Seats); err == nil && m.Wire != nil {
		m.Error("read under an ended context has no error")
	}
	o := m.write(ctx, []cutover.Change{c})[0]
	if took := time.Since(start); took > time.Second {
		m.Errorf("an ended context was obeyed after %v", took)
	}
	switch o.What {
	case cutover.Failed:
		m.mustHold(c.Object, c.Before)
	case cutover.Unknown:
		m.mustHold(c.Object, c.Before, c.After)
	default:
		if m.Wire != nil {
			m.Errorf("a write under an ended context is %v, want failed or unknown", o.What)
		}
	}
}
