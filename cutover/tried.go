package cutover

import "slices"

// tried is a state of the seats in which single seats are given another share, one after the other, to see what becomes of the
// composed share of a room. Only what a seat has part in is worked out again: with 1,000 routes composing all of them for each
// seat that might go back would take a second.
type tried struct {
	c    *Composer // its working memory holds the state
	room Room
}

// newTried is the state set. It uses up a fork of c, which is c's again with giveBack.
func (c *Composer) newTried(room Room, set map[Seat]Share, rates map[Seat]float64) *tried {
	var f *Composer
	if n := len(c.forks); n > 0 {
		f, c.forks = c.forks[n-1], c.forks[:n-1]
	} else {
		f = c.fork()
	}
	f.work(set, rates)
	return &tried{f, room}
}

func (c *Composer) giveBack(ts ...*tried) {
	for _, t := range ts {
		c.forks = append(c.forks, t.c)
	}
}

// share is what a seat holds in this state, nil for nothing.
func (t *tried) share(seat Seat) Share {
	at, ok := t.c.seatAt[seat]
	if !ok {
		return nil
	}
	return t.c.routes[at.route].now[at.seat].share
}

// put gives a seat a share.
func (t *tried) put(seat Seat, sh Share) {
	at, ok := t.c.seatAt[seat]
	if !ok {
		return
	}
	f := &t.c.routes[at.route]
	f.now[at.seat].share, f.now[at.seat].there = sh, sh != nil
	t.c.transition(f)
	for _, i := range f.entries {
		t.c.flow(&t.c.entries[i])
	}
}

// left is the room's composed share in basis points.
func (t *tried) left() int {
	t.c.sum()
	t.c.apportion(t.c.one, t.c.all)
	return t.c.one[t.room]
}

// seatPlace is where a seat stands in a Composer.
type seatPlace struct{ route, seat int }

// findSeats notes where each seat stands, and which entries each route has part in.
func (c *Composer) findSeats() {
	c.seatAt = map[Seat]seatPlace{}
	at := map[string]int{}
	for i := range c.entries {
		at[c.entries[i].name] = i
	}
	for r := range c.routes {
		f := &c.routes[r]
		for k, s := range f.seats {
			c.seatAt[s] = seatPlace{r, k}
		}
		for _, name := range c.entryOf[f.name] {
			f.entries = append(f.entries, at[name])
		}
	}
}

// fork is a Composer for the same plan with a working memory of its own.
func (c *Composer) fork() *Composer {
	if c.seatAt == nil {
		c.findSeats()
	}
	f := *c
	f.forks, f.scraps = nil, [3]Composed{}
	f.routes, f.entries = slices.Clone(c.routes), slices.Clone(c.entries)
	for i := range f.routes {
		r := &f.routes[i]
		r.now, r.to, r.once = slices.Clone(r.now), slices.Clone(r.to), slices.Clone(r.once)
	}
	for i := range f.entries {
		e := &f.entries[i]
		e.enters, e.share = slices.Clone(e.enters), slices.Clone(e.share)
	}
	n := len(c.rooms)
	f.all, f.matrix, f.spare = make([]float64, n), make([]float64, n*n), make([]float64, n*n)
	f.order, f.one = make([]int, n), make(Share, n)
	return &f
}
