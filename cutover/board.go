package cutover

import (
	"cmp"
	"math"
	"slices"

	"roomshift/runbooks"
)

// Board holds the newest samples, and the counters that limits need. It has no clock: every method takes now, which never falls.
// A Board is one goroutine's.
type Board struct {
	plan    *Plan
	gates   []gate
	series  []series
	routes  []gaugeRoute // by Sample.Gauge
	seen    []seenGauge
	seenOf  map[Seat]int
	probes  []probeGauge
	rooms   []Room
	noShare bool // the plan moves writers, and no share
	pairs   []pairBoard
	links   []linkBoard
	rates   map[Seat]float64
	assumed map[Seat]float64

	now, start T
	began      bool

	to, from int    // places of the run's rooms in the newest survey; -1: not listed
	empty    []bool // rooms that serve nothing then
	owns     int    // series that an onAbort speaks for
	tallies  []tally
	tables   Act // what the table of rooms says
	answers  int // series that a person's word stands for, or stood for a moment ago
	act      Act // of the newest judgement, and what completed it
	phase    Phase
	crossed  T
	age      T
	held     []heldCause // working memory of explain
	sighted  int         // samples of seats
}

// gaugeRoute says where a gauge's samples go: which series, or which of seen or probes.
type gaugeRoute struct {
	kind     GaugeKind
	first, n int
}

// seenGauge is the newest seen share of a seat.
type seenGauge struct {
	seat     Seat
	every    T
	has      bool
	share    Share // nil: nothing came through
	rate     float64
	from, at T
	put      T
	again    int
	unknown  bool
	rated    bool // it stands in Board.rates, as rates
	rates    float64
}

// probeGauge is what a room's probe said last.
type probeGauge struct {
	room    Room
	every   T
	has     bool
	answers bool
	at, put T
	again   int
}

// staleAfter is how many intervals the data of a seen share or a probe is good for.
const staleAfter = 3

// NewBoard is an empty board for the gauges of a plan.
func NewBoard(p *Plan) *Board {
	b := &Board{plan: p, seenOf: map[Seat]int{}, rates: map[Seat]float64{}}
	for _, r := range p.Rooms {
		b.rooms = append(b.rooms, r.Name)
	}
	for _, pr := range p.Pairs {
		b.pairs = append(b.pairs, pairBoard{plan: pr})
	}
	for _, l := range p.Links {
		b.links = append(b.links, linkBoard{plan: l})
	}
	b.place(p.From)
	b.place(p.To)
	has := func(k runbooks.StepKind) bool {
		return slices.ContainsFunc(p.Steps, func(st StepPlan) bool { return st.Kind == k })
	}
	b.noShare = has(runbooks.StepWriter) && !has(runbooks.StepShift)
	b.addGates()
	b.addGauges()
	b.tallies, b.empty = make([]tally, len(b.rooms)), make([]bool, len(b.rooms))
	return b
}

// place is a room's index; a room that the plan didn't list gets one.
func (b *Board) place(r Room) int {
	if r == "" {
		return -1
	}
	if i := slices.Index(b.rooms, r); i >= 0 {
		return i
	}
	b.rooms = append(b.rooms, r)
	return len(b.rooms) - 1
}

// pair is a pair's index, link a line's; one that the plan doesn't list is taken as between the run's rooms.
func (b *Board) pair(name string) int {
	if i := slices.IndexFunc(b.pairs, func(x pairBoard) bool { return x.plan.Name == name }); i >= 0 {
		return i
	}
	b.pairs = append(b.pairs, pairBoard{plan: PairPlan{Name: name, Rooms: [2]Room{b.plan.From, b.plan.To}}})
	return len(b.pairs) - 1
}

func (b *Board) link(name string) int {
	if i := slices.IndexFunc(b.links, func(x linkBoard) bool { return x.plan.Name == name }); i >= 0 {
		return i
	}
	b.links = append(b.links, linkBoard{plan: LinkPlan{Name: name, Between: [2]Room{b.plan.From, b.plan.To}}})
	return len(b.links) - 1
}

func (b *Board) addGates() {
	b.gates = make([]gate, len(b.plan.Gates))
	b.series = make([]series, 0, 2*len(b.plan.Gates))
	for i := range b.plan.Gates {
		p, g := &b.plan.Gates[i], &b.gates[i]
		*g = gate{GatePlan: p, hold: newLimit(p.Hold), abort: newLimit(p.Abort), pair: -1, link: -1}
		if !g.hold.set && g.abort.set { // what is past abort is past hold, whether or not anybody wrote one
			g.hold = g.abort
			g.hold.span, g.hold.samples = 0, 2
		}
		g.hole = max(p.MaxAge, 2*p.Every)
		rooms := p.Rooms
		switch p.Kind {
		case GateReplication:
			g.pair = b.pair(p.Pair)
			rooms = b.pairs[g.pair].plan.Rooms[:]
		case GateLink:
			g.link = b.link(p.Link)
			rooms = []Room{""}
		}
		for _, r := range rooms {
			b.series = append(b.series, series{gate: g, room: r, place: b.place(r), ofRoom: p.Kind == GateRoom, every: p.Every, key: Cause{Gate: p.Name, Room: r}.Key()})
		}
		g.count = len(rooms)
	}
}

func (b *Board) addGauges() {
	first := make([]int, len(b.gates))
	for i, n := 0, 0; i < len(b.gates); i++ {
		first[i] = n
		n += b.gates[i].count
	}
	for _, g := range b.plan.Gauges {
		r := gaugeRoute{kind: g.Kind}
		switch g.Kind {
		case GaugeGate:
			if g.Gate >= 0 && g.Gate < len(b.gates) {
				r.first, r.n = first[g.Gate], b.gates[g.Gate].count
				for i := r.first; i < r.first+r.n; i++ {
					b.series[i].every = g.Every
				}
				b.gates[g.Gate].hole = max(b.gates[g.Gate].hole, 2*g.Every)
			}
		case GaugeSeen:
			r.first = len(b.seen)
			b.seenOf[g.Seat] = r.first
			b.seen = append(b.seen, seenGauge{seat: g.Seat, every: g.Every})
		case GaugeProbe:
			r.first = len(b.probes)
			b.probes = append(b.probes, probeGauge{room: g.Room, every: g.Every})
		}
		b.routes = append(b.routes, r)
	}
}

// tick moves the board's moment. The first one is when it began.
func (b *Board) tick(now T) {
	if !b.began {
		b.began, b.start = true, now
	}
	b.now = max(b.now, now)
}

// Put takes a sample that came at now. A second reading of the same data counts as none; a sample of a gauge and room ends the
// piece before it. A sample of a gauge or room that the plan doesn't have says nothing.
func (b *Board) Put(now T, s Sample) {
	b.tick(now)
	if s.Gauge < 0 || s.Gauge >= len(b.routes) {
		return
	}
	switch r := b.routes[s.Gauge]; r.kind {
	case GaugeGate:
		for i := r.first; i < r.first+r.n; i++ {
			if b.series[i].room == s.Room {
				b.series[i].take(b.now, &s)
				return
			}
		}
	case GaugeSeen:
		b.sighted++
		b.seen[r.first].take(b.now, &s)
	case GaugeProbe:
		b.probes[r.first].take(b.now, &s)
	}
}

// Reset starts timers and counters anew, as after a takeover or a resume. What was past its hold limit stays so until it is green:
// starting anew must not look like health.
func (b *Board) Reset() {
	b.start, b.act = b.now, ""
	for i := range b.series {
		s := &b.series[i]
		s.catchUp(b.now)
		if s.abort.done {
			s.hold.done = true
		}
		s.abort, s.abortBefore = row{}, row{}
		s.judgedAt = 0
		s.unknownAt = b.now
	}
}

func (g *seenGauge) take(now T, s *Sample) {
	g.unknown = s.Unknown != ""
	var sum float64
	for _, n := range s.Counts {
		if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
			g.unknown = true
		}
		sum += n
	}
	if g.unknown {
		g.again = 0
		return
	}
	g.has, g.share, g.rate, g.put = true, shareOf(s.Counts, sum, g.share), sum, now
	late := max(s.At-now, 0)
	g.from, g.at, g.again = s.From-late, s.At-late, max(s.Again, 0)
}

// piece is how far a piece that came at put has got by now: what its From and At are shifted by.
func pieceShift(now, put, every T, again int) T {
	if again == 0 || every <= 0 || now < put {
		return 0
	}
	return min(T(again), (now-put)/every) * every
}

// shareOf turns requests in a second by room into basis points that sum to Whole: by largest remainder, then by name. Nil for none.
// What says the same as was is was.
func shareOf(counts map[Room]float64, sum float64, was Share) Share {
	if sum <= 0 {
		return nil
	}
	type part struct {
		room  Room
		share int
		rest  float64
	}
	var few [8]part
	left, parts := Whole, few[:0]
	for r, n := range counts {
		exact := n / sum * Whole
		parts = append(parts, part{r, int(exact), exact - math.Floor(exact)})
		left -= int(exact)
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(b.rest, a.rest), cmp.Compare(a.room, b.room)) })
	for i := 0; left > 0; i, left = i+1, left-1 {
		parts[i%len(parts)].share++
	}
	same := len(was) == len(parts)
	for _, p := range parts {
		n, ok := was[p.room]
		same = same && ok && n == p.share
	}
	if same {
		return was
	}
	share := make(Share, len(parts))
	for _, p := range parts {
		share[p.room] = p.share
	}
	return share
}

func (g *probeGauge) take(now T, s *Sample) {
	g.has, g.answers = true, s.Unknown == "" && s.Lo >= 1
	g.at, g.put, g.again = min(s.At, now), now, max(s.Again, 0)
}
