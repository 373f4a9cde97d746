package cutover

import "math"

// Composed shares: a route's split says what its own readers do; what users see is the splits along a chain multiplied. The
// laws here:
//   - a request is in a room; a route ByRoom splits the requests that are in R by its seat in R, and leaves them in R where it
//     has none; a route that stands once for all sends them wherever it says; lines are averaged by their rates
//   - an entry is a route that nothing leads into; entries are weighted by their observed rates, and one without a rate is
//     outside the sum
//   - shares are worked out as fractions and rounded once, at the end, so that they sum to Whole exactly

// Composed is what all seats together mean. Entries holds the entries whose share is known. Crossing is the part, in basis
// points, of requests served in another room than the one they entered by. Alone: no rate is known, so All is the first known
// entry's share and the others can only be read one by one.
type Composed struct {
	All      Share
	Entries  map[string]Share
	Crossing int
	Alone    bool
}

// Composer composes shares for one plan. It is built once and reuses its working memory: one goroutine at a time.
type Composer struct {
	p       *Plan
	rooms   []Room
	routes  []routeFlow
	entries []entryFlow
	entryOf map[string][]string // by route
	caps    []capacityKey
	peaks   []peakKey
	links   []linkFlow
	stayers []stayerFlow

	all    []float64 // by room
	one    Share
	matrix []float64 // entered × serving room
	spare  []float64
	order  []int
	scraps [3]Composed        // for comparing a few states
	seatAt map[Seat]seatPlace // nil: to be found
	forks  []*Composer        // to be used again
}

// routeFlow is a route with a split. to is its transition: rooms × rooms, the part of the requests in the row's room that it
// sends to the column's.
type routeFlow struct {
	name   string
	byRoom bool
	seats  []Seat
	at     []int // ByRoom: the room of each seat, -1 no room of the plan
	now    []seatFlow
	bytes  float64
	to     []float64
	once   []float64 // not ByRoom: the one row
	known  bool

	entries []int // that it has part in, once findSeats was there
}

// seatFlow is what a seat holds and carries now.
type seatFlow struct {
	share        Share
	rate         float64
	there, rated bool
}

// entryFlow is an entry; chain are the routes with a split that it leads into, in order.
type entryFlow struct {
	name  string
	route int
	chain []int

	rate   float64
	rated  bool
	known  bool
	enters []float64 // ByRoom: the part that enters by each room
	share  []float64 // by room
	cross  float64
}

// NewComposer prepares composing for a plan. Only Rooms, Links, Routes, Groups, Peak and Rules are used.
func NewComposer(p *Plan) *Composer {
	c := &Composer{p: p, entryOf: map[string][]string{}}
	roomAt := map[Room]int{}
	for i, r := range p.Rooms {
		c.rooms = append(c.rooms, r.Name)
		roomAt[r.Name] = i
	}
	n := len(c.rooms)
	routeAt := map[string]int{}
	for _, r := range p.Routes {
		if len(r.Seats) == 0 {
			continue
		}
		f := routeFlow{name: r.Name, byRoom: r.ByRoom, seats: r.Seats, bytes: float64(r.Bytes), now: make([]seatFlow, len(r.Seats)), to: make([]float64, n*n), once: make([]float64, n)}
		for _, s := range r.Seats {
			at, ok := roomAt[s.At]
			if !ok {
				at = -1
			}
			f.at = append(f.at, at)
		}
		routeAt[r.Name] = len(c.routes)
		c.routes = append(c.routes, f)
	}
	c.all, c.matrix, c.spare = make([]float64, n), make([]float64, n*n), make([]float64, n*n)
	c.order, c.one = make([]int, n), make(Share, n)
	c.findEntries(routeAt)
	c.prepareLoads(roomAt)
	return c
}

// findEntries follows each entry's chain. A chain that comes back to a route it has passed ends there.
func (c *Composer) findEntries(routeAt map[string]int) {
	byName := make(map[string]*RoutePlan, len(c.p.Routes))
	for i := range c.p.Routes {
		byName[c.p.Routes[i].Name] = &c.p.Routes[i]
	}
	for i := range c.p.Routes {
		r := &c.p.Routes[i]
		if !r.Entry || len(r.Seats) == 0 {
			continue
		}
		e := entryFlow{name: r.Name, route: routeAt[r.Name], share: make([]float64, len(c.rooms)), enters: make([]float64, len(c.rooms))}
		passed := map[string]bool{}
		for at := r; at != nil && !passed[at.Name]; at = byName[at.Into] {
			passed[at.Name] = true
			c.entryOf[at.Name] = append(c.entryOf[at.Name], e.name)
			if k, ok := routeAt[at.Name]; ok && at != r {
				e.chain = append(e.chain, k)
			}
		}
		c.entries = append(c.entries, e)
	}
	for i := range c.p.Routes {
		if r := &c.p.Routes[i]; r.Follows != "" {
			c.entryOf[r.Name] = c.followed(byName, r)
		}
	}
}

// followed is the entries of the route that r follows, through followers of followers.
func (c *Composer) followed(byName map[string]*RoutePlan, r *RoutePlan) []string {
	for range byName {
		next := byName[r.Follows]
		if next == nil {
			return nil
		}
		if next.Follows == "" {
			return c.entryOf[next.Name]
		}
		r = next
	}
	return nil
}

// EntriesOf names the entries whose composed share the route influences, in the order of the file; for a follower those of the
// route it follows; none for a stayer.
func (c *Composer) EntriesOf(route string) []string { return c.entryOf[route] }

// Compose works out the composed shares of what the seats hold. A seat absent from set has nothing alive that gives: of several
// lines the others count; in a room its requests stay there; an entry without any known seat is left out. rates are requests in
// a second at a seat; absent: not observed.
func (c *Composer) Compose(set map[Seat]Share, rates map[Seat]float64) Composed {
	var d Composed
	c.ComposeInto(&d, set, rates)
	return d
}

// ComposeInto is Compose into d, whose maps are used again where there are any.
func (c *Composer) ComposeInto(d *Composed, set map[Seat]Share, rates map[Seat]float64) {
	c.work(set, rates)
	if d.Entries == nil {
		d.Entries = make(map[string]Share, len(c.entries))
	}
	if d.All == nil {
		d.All = make(Share, len(c.rooms))
	}
	for i := range c.entries {
		e := &c.entries[i]
		if !e.known {
			delete(d.Entries, e.name)
			continue
		}
		sh := d.Entries[e.name]
		if sh == nil {
			sh = make(Share, len(c.rooms))
			d.Entries[e.name] = sh
		}
		c.apportion(sh, e.share)
	}
	cross, alone := c.sum()
	d.Crossing, d.Alone = int(math.Round(cross*Whole)), alone
	c.apportion(d.All, c.all)
}

// In is All's share of one room, in basis points, without making a Composed: for loops that try many states.
func (c *Composer) In(room Room, set map[Seat]Share, rates map[Seat]float64) int {
	c.work(set, rates)
	c.sum()
	c.apportion(c.one, c.all)
	return c.one[room]
}

// sum adds the entries up, weighted by their rates, into all. It returns the part that crosses, and whether no rate is known:
// then all is the first known entry's. all is 0 everywhere if no entry is known.
func (c *Composer) sum() (cross float64, alone bool) {
	total, first := 0.0, -1
	for i := range c.entries {
		e := &c.entries[i]
		if e.known && first < 0 {
			first = i
		}
		if e.known && e.rated {
			total += e.rate
		}
	}
	clear(c.all)
	for i := range c.entries {
		e := &c.entries[i]
		w := 0.0
		switch {
		case !e.known:
			continue
		case total == 0 && i == first:
			w = 1
		case total > 0 && e.rated:
			w = e.rate / total
		}
		for r := range c.all {
			c.all[r] += w * e.share[r]
		}
		cross += w * e.cross
	}
	return cross, total == 0
}

// work fills in every route's transition and every entry's share.
func (c *Composer) work(set map[Seat]Share, rates map[Seat]float64) {
	for i := range c.routes {
		f := &c.routes[i]
		for k, s := range f.seats { // each seat is looked up once: this is the cost of composing
			now := &f.now[k]
			now.share, now.there = set[s]
			now.rate, now.rated = rates[s]
		}
		c.transition(f)
	}
	for i := range c.entries {
		c.flow(&c.entries[i])
	}
}

// transition works out what a route does with the requests of each room.
func (c *Composer) transition(f *routeFlow) {
	f.known = false
	if f.byRoom {
		c.transitionByRoom(f)
		return
	}
	n := len(c.rooms)
	clear(f.once)
	total := 0.0
	for k := range f.now {
		if now := &f.now[k]; now.there {
			f.known = true
			total += now.rate
		}
	}
	count := 0.0
	for k := range f.now {
		now := &f.now[k]
		if !now.there {
			continue
		}
		w := now.rate
		if total == 0 {
			w = 1
		}
		count += w
		for r, room := range c.rooms {
			f.once[r] += w * float64(now.share[room])
		}
	}
	for r := range f.once {
		if f.known {
			f.once[r] /= count * Whole
		}
	}
	for r := range n {
		copy(f.to[r*n:(r+1)*n], f.once)
	}
}

// transitionByRoom is transition of a route with a seat in each room: what a room's seat doesn't say stays in that room.
func (c *Composer) transitionByRoom(f *routeFlow) {
	n := len(c.rooms)
	clear(f.to)
	for r := range n {
		f.to[r*n+r] = 1
	}
	for k := range f.now {
		now := &f.now[k]
		if !now.there || f.at[k] < 0 {
			continue
		}
		f.known = true
		for r, room := range c.rooms {
			f.to[f.at[k]*n+r] = float64(now.share[room]) / Whole
		}
	}
}

// flow multiplies the splits along an entry's chain.
func (c *Composer) flow(e *entryFlow) {
	n := len(c.rooms)
	f := &c.routes[e.route]
	e.rate, e.rated, e.known = 0, false, f.known
	for k := range f.now {
		if now := &f.now[k]; now.rated {
			e.rate += now.rate
			e.rated = true
		}
	}
	if !e.known {
		return
	}
	c.entering(e)
	if f.byRoom {
		c.through(f)
	}
	for _, k := range e.chain {
		if next := &c.routes[k]; next.known {
			c.through(next)
		}
	}
	e.cross = 0
	for r := range n {
		e.share[r] = 0
		for in := range n {
			e.share[r] += c.matrix[in*n+r]
			if in != r {
				e.cross += c.matrix[in*n+r]
			}
		}
	}
}

// entering fills the matrix with where an entry's requests enter: a name's by what it says; a gateway's by the rates of its
// seats, by the only one it has, else equally.
func (c *Composer) entering(e *entryFlow) {
	n := len(c.rooms)
	f := &c.routes[e.route]
	clear(c.matrix)
	clear(e.enters)
	if !f.byRoom {
		for r := range n {
			c.matrix[r*n+r] = f.once[r]
		}
		return
	}
	total, count := 0.0, 0.0
	for k := range f.now {
		if f.at[k] >= 0 {
			total += f.now[k].rate
			count++
		}
	}
	for k := range f.now {
		switch at := f.at[k]; {
		case at < 0:
		case total > 0:
			e.enters[at] = f.now[k].rate / total
		default:
			e.enters[at] = 1 / count
		}
	}
	for r := range n {
		c.matrix[r*n+r] = e.enters[r]
	}
}

// through sends the matrix through a route.
func (c *Composer) through(f *routeFlow) {
	n := len(c.rooms)
	c.matrix, c.spare = c.spare, c.matrix
	for in := range n {
		for out := range n {
			sum := 0.0
			for mid := range n {
				sum += c.spare[in*n+mid] * f.to[mid*n+out]
			}
			c.matrix[in*n+out] = sum
		}
	}
}
