package cutovertest

import (
	"fmt"
	"maps"

	"roomshift/cutover"
)

func weighs(m *mediumTest) {
	for _, h := range m.read() {
		w, err := m.Medium.Weigh(h, h.Value)
		if err != nil {
			m.Errorf("weigh %s with the value it holds, %q: %v", h.Object, h.Value, err)
			continue
		}
		if !maps.Equal(w, h.Weights) {
			m.Errorf("%s holds %q, which weighs %v; the listing says %v", h.Object, h.Value, w, h.Weights)
		}
		if w, err := m.Medium.Weigh(h, "no value \x00"); err == nil {
			m.Errorf("%s: a value that can't be held weighs %v, want an error", h.Object, w)
		}
	}
	for _, c := range m.changes(0)[0] {
		w, err := m.Medium.Weigh(m.holds(c.Object), c.After)
		if err != nil || !maps.Equal(w, c.Gives) {
			m.Errorf("%s to %q gives %v, weighs %v: %v", c.Object, c.After, c.Gives, w, err)
		}
	}
}

func shapes(m *mediumTest) {
	for n := range m.Shares {
		held := m.read()
		want := m.want(m.Shares[n], held)
		waves := m.changes(n)
		for range 10 {
			again, err := m.Medium.Shape(held, want)
			if err != nil || describe(again) != describe(waves) {
				m.Fatalf("two shapes differ: %s and %s: %v", describe(waves), describe(again), err)
			}
		}
		m.walk(held, waves)
		for _, wave := range waves {
			for i, o := range m.writeWave(wave) {
				m.mustBe(cutover.Done, wave[i], o)
			}
		}
		now := m.read()
		for seat, share := range totals(now) {
			if got := share[m.Rooms[1]]; abs(got-m.Shares[n]) > 25 {
				m.Errorf("%v carries %d basis points to %s, want %d", seat, got, m.Rooms[1], m.Shares[n])
			}
		}
		if more, err := m.Medium.Shape(now, want); err != nil || len(more) != 0 {
			m.Errorf("a seat that carries its share is to be changed by %s: %v", describe(more), err)
		}
	}
}

// fills brings every seat to the share in the middle, calls one object of each room kept and the others newer, and fills for another
// share: only the newer get a value, and by what these weigh the seat is nearer to it.
func fills(m *mediumTest) {
	for _, c := range m.changes(len(m.Shares) / 2) {
		m.writeWave(c)
	}
	for _, seat := range m.Seats {
		held, err := m.Medium.Read(m.Context(), []cutover.Seat{seat})
		if err != nil {
			m.Fatal(err)
		}
		kept := map[string]bool{} // the first of each room
		rooms := map[cutover.Room]bool{}
		for i := range held {
			if h := &held[i]; h.Live && !rooms[h.Room] {
				rooms[h.Room], kept[h.Object] = true, true
			}
		}
		if len(kept) < len(held) {
			m.fillsSeat(seat, held, kept)
		}
	}
}

func (m *mediumTest) fillsSeat(seat cutover.Seat, held []cutover.Held, kept map[string]bool) {
	was := totals(held)[seat][m.Rooms[1]]
	want := was + 1000
	if was > cutover.Whole/2 {
		want = was - 1000
	}
	values := m.Medium.(cutover.Filler).Fill(held, func(h *cutover.Held) bool { return !kept[h.Object] }, cutover.Share{m.Rooms[0]: cutover.Whole - want, m.Rooms[1]: want})
	if len(values) == 0 {
		m.Errorf("%v: nothing is filled to bring %s from %d to %d", seat, m.Rooms[1], was, want)
	}
	for i := range held {
		h := &held[i]
		v, ok := values[h.Object]
		switch {
		case !ok:
			continue
		case kept[h.Object]:
			m.Errorf("%v: %s is to be kept and is given %q", seat, h.Object, v)
		}
		var err error
		if h.Weights, err = m.Medium.Weigh(*h, v); err != nil {
			m.Errorf("%v: %s can't hold %q: %v", seat, h.Object, v, err)
		}
	}
	if now := totals(held)[seat][m.Rooms[1]]; abs(now-want) >= abs(was-want) {
		m.Errorf("%v: filled, %s has %d; want %d, it had %d", seat, m.Rooms[1], now, want, was)
	}
}

// walk applies the waves one by one: at each point every seat still gives all of its traffic to rooms that serve. The changes
// of one wave may land in any order, so within a wave the worst is that all that falls has fallen and nothing has risen.
func (m *mediumTest) walk(held []cutover.Held, waves [][]cutover.Change) {
	m.Helper()
	now := map[string]cutover.Held{}
	for _, h := range held {
		now[h.Object] = h
	}
	for i, wave := range waves {
		worst := maps.Clone(now)
		for _, c := range wave {
			h, ok := now[c.Object]
			if !ok || h.Value != c.Before || h.Version != c.Version {
				m.Fatalf("wave %d changes %s from %q at %q, but %q at %q is held", i, c.Object, c.Before, c.Version, h.Value, h.Version)
			}
			if h.Room == "" && sum(c.Gives) != cutover.Whole {
				m.Errorf("%s to %q gives %v, want a sum of %d", c.Object, c.After, c.Gives, cutover.Whole)
			}
			if sum(c.Gives) <= sum(h.Weights) {
				h.Weights = c.Gives
				worst[c.Object] = h
			}
			h.Value, h.Weights = c.After, c.Gives
			now[c.Object] = h
		}
		for _, state := range []map[string]cutover.Held{worst, now} {
			for _, s := range m.Seats {
				if served(state, s) == 0 {
					m.Errorf("in wave %d of %s nothing serves %v", i, describe(waves), s)
				}
			}
		}
	}
}

func served(held map[string]cutover.Held, s cutover.Seat) int {
	n := 0
	for _, h := range held {
		if h.Seat == s && h.Live {
			n += sum(h.Weights)
		}
	}
	return n
}

// totals is each seat's share in basis points.
func totals(held []cutover.Held) map[cutover.Seat]cutover.Share {
	sums := map[cutover.Seat]cutover.Share{}
	for _, h := range held {
		if !h.Live {
			continue
		}
		if sums[h.Seat] == nil {
			sums[h.Seat] = cutover.Share{}
		}
		for room, w := range h.Weights {
			sums[h.Seat][room] += w
		}
	}
	for _, s := range sums {
		all := max(1, sum(s))
		for room := range s {
			s[room] = (s[room]*cutover.Whole + all/2) / all
		}
	}
	return sums
}

func refusesShare(m *mediumTest) {
	held := m.read()
	if waves, err := m.Medium.Shape(held, m.want(m.Inexpressible, held)); err == nil {
		m.Errorf("%d basis points are shaped as %s, want an error: the scale can't express them", m.Inexpressible, describe(waves))
	} else if fmt.Sprint(err) == "" {
		m.Error("the refusal says nothing")
	}
}

func sum(s cutover.Share) int {
	n := 0
	for _, w := range s {
		n += w
	}
	return n
}

func abs(n int) int { return max(n, -n) }
