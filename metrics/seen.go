package metrics

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// observer reads the seen share of one route. Each room's Prometheus is asked by a goroutine of its own, so that one that
// hangs makes only its own answer old; the samples of seats are put together from the newest answers.
//
//	a route split in each room (gw@home)   what entered by home, by the room that served it: home's answer
//	a name                                 what entered by each room: the totals of the rooms' answers
//	anything else that is split once       the sum of the rooms' answers, by the room that served it
type observer struct {
	route  *cutover.RoutePlan
	gauges []seenGauge
	asks   []*entering
	rooms  map[cutover.Room]bool

	mu  sync.Mutex // guards the answers of asks
	put func(cutover.Sample)
}

// seenGauge is one seat's place among the plan's gauges.
type seenGauge struct {
	index int
	seat  cutover.Seat
}

// entering is what is asked about the requests that enter by a room.
type entering struct {
	room   cutover.Room // "" when one query tells of all rooms
	src    *source
	e      *expr
	label  model.LabelName
	window *window
	stamps stamps
	newest *entered // nil: not answered yet
}

// entered is an answer: requests in a second by serving room. With why set there is none; empty means that there are no
// series at all, and nothing that says that there should be.
type entered struct {
	counts   map[cutover.Room]float64
	empty    bool
	idle     []string // labels that are no room's name, with nothing going there
	from, at cutover.T
	why      cutover.Reason
}

func (m *Metrics) newObserver(route *cutover.RoutePlan, rooms []cutover.RoomPlan) (*observer, error) {
	o := m.observe(route.Name)
	if o == nil {
		return nil, fmt.Errorf("rooms.yaml doesn't say how %s is observed", route.Name)
	}
	ob := &observer{route: route, rooms: map[cutover.Room]bool{}}
	for _, r := range rooms {
		ob.rooms[r.Name] = true
	}
	for _, r := range rooms {
		src, err := m.source(r.Name)
		if err != nil {
			return nil, fmt.Errorf("observe of %s: %w", route.Name, err)
		}
		e, err := observeExpr(o, route.Name, r.Name)
		if err != nil {
			return nil, err
		}
		ob.asks = append(ob.asks, &entering{
			room: r.Name, src: src, e: e, label: model.LabelName(o.RoomLabel), window: newWindow(m.observeWindow()),
		})
	}
	return ob, ob.mergeShared()
}

// mergeShared makes one question of those that are the same for all rooms: a shared Prometheus asked without $room.
func (ob *observer) mergeShared() error {
	first := ob.asks[0]
	for i, a := range ob.asks[1:] {
		if a.src != first.src || a.e.text != first.e.text {
			continue
		}
		if ob.route.ByRoom || ob.route.Medium == runbooks.MediumDNS {
			return fmt.Errorf("observe of %s: %s is asked the same for %s and %s: the query needs $room, the room entered by",
				ob.route.Name, a.src.name, first.room, ob.asks[i+1].room)
		}
		first.room = ""
	}
	if first.room == "" {
		ob.asks = ob.asks[:1]
	}
	return nil
}

// observeWindow is the narrowest of the gates' windows, so that a share is seen as soon as a gate can judge it.
func (m *Metrics) observeWindow() time.Duration {
	w := observeWindow
	for _, g := range m.rooms.Gates {
		if g.Window > 0 {
			w = min(w, g.Window)
		}
	}
	return w
}

// ask asks one room once and puts the samples that follow.
func (ob *observer) ask(ctx context.Context, en *entering, cut cutover.T) {
	got := ob.read(ctx, en, cut)
	if ctx.Err() != nil {
		return
	}
	ob.mu.Lock()
	defer ob.mu.Unlock()
	en.newest = got
	for _, g := range ob.gauges {
		if ob.concerns(g, en) {
			ob.put(ob.sample(g, en.src.now()))
		}
	}
}

// concerns tells whether a new answer of en changes what is known of a seat; before all have answered once nothing is known.
func (ob *observer) concerns(g seenGauge, en *entering) bool {
	if ob.route.ByRoom {
		return g.seat.At == en.room
	}
	return !slices.ContainsFunc(ob.asks, func(a *entering) bool { return a.newest == nil })
}

// read asks one room once.
func (ob *observer) read(ctx context.Context, en *entering, cut cutover.T) *entered {
	scrape := en.src.interval(ctx)
	w := en.window.now(en.src.now(), cut, scrape, en.e.windows)
	parts := []part{{partValue, en.e, true}}
	rules := en.src.rules(ctx, parts)
	a, why := en.src.ask(ctx, parts, w)
	if why != "" {
		return &entered{why: why}
	}
	if len(a.parts[partValue]) == 0 && len(a.parts[partAge]) == 0 {
		return &entered{empty: true, why: a.silent(), from: a.sent, at: a.sent}
	}
	taken, why := a.freshness(3 * cutover.T(scrape))
	if why != "" {
		return &entered{why: why}
	}
	counts, idle, why := ob.counts(a.parts[partValue], en.label)
	if why != "" {
		return &entered{why: why}
	}
	at := en.stamps.moment(taken, a.sent-a.age(taken), scrape)
	return &entered{counts: counts, idle: idle, from: since(en.e.with(rules), w, a.sent, at), at: at}
}

// counts is the series by serving room. A label that is no room's name makes the share unknowable, unless nothing goes there.
func (ob *observer) counts(all []series, label model.LabelName) (counts map[cutover.Room]float64, idle []string, why cutover.Reason) {
	counts = map[cutover.Room]float64{}
	for _, s := range all {
		room := cutover.Room(s.labels[label])
		_, twice := counts[room]
		switch {
		case s.odd || math.IsNaN(s.value) || math.IsInf(s.value, 0) || s.value < 0:
			return nil, nil, because(cutover.NotNumber, "%s of %s is %v", label, room, s.value)
		case !ob.rooms[room] && s.value == 0:
			idle = append(idle, room)
		case !ob.rooms[room]:
			return nil, nil, because("error", "%s=%q is no room of rooms.yaml", label, room)
		case twice:
			return nil, nil, because(cutover.NotNumber, "two series say %s=%q; sum by (%s) makes one of them", label, room, label)
		default:
			counts[room] = s.value
		}
	}
	return counts, idle, ""
}

// sample puts a seat's sample together. It is called with mu held.
func (ob *observer) sample(g seenGauge, now cutover.T) cutover.Sample {
	s := cutover.Sample{Gauge: g.index, Counts: map[cutover.Room]float64{}, From: cutover.Never, At: cutover.Never}
	some := false // one room answered with data: then a room without any simply has no requests
	for _, a := range ob.asks {
		if a.newest != nil && a.newest.why == "" && !a.newest.empty {
			some = true
		}
	}
	for _, a := range ob.asks {
		if ob.route.ByRoom && a.room != g.seat.At {
			continue
		}
		if why := ob.add(&s, a, some); why != "" {
			return unknown(s, why, now)
		}
	}
	if s.At == cutover.Never {
		return unknown(s, because(cutover.NoData, "nobody is asked about %s", g.seat), now)
	}
	return s
}

// add adds what one room answered.
func (ob *observer) add(s *cutover.Sample, a *entering, some bool) cutover.Reason {
	n := a.newest
	switch {
	case n == nil:
		return because(cutover.NoAnswer, "%s hasn't answered yet", a.src.name)
	case n.why != "":
		return n.why
	case n.empty && !some:
		return because(cutover.NoData, "%s has no series for the observe query of %s", a.src.name, ob.route.Name)
	}
	s.From, s.At = min(s.From, n.from), min(s.At, n.at)
	entered := !ob.route.ByRoom && ob.route.Medium == runbooks.MediumDNS
	for _, room := range sortedRooms(n.counts) {
		if entered {
			s.Counts[a.room] += n.counts[room]
		} else {
			s.Counts[room] += n.counts[room]
		}
	}
	return ""
}

// Rates is the requests in a second observed at each of these seats now, by asking once; a seat that isn't observed is
// absent. The lines of a name share its rate evenly. routes tells how the seats are split.
func (m *Metrics) Rates(ctx context.Context, routes []cutover.RoutePlan) (map[cutover.Seat]float64, error) {
	rooms := make([]cutover.RoomPlan, 0, len(m.rooms.Rooms))
	for _, r := range m.rooms.Rooms {
		rooms = append(rooms, cutover.RoomPlan{Name: r.Name})
	}
	rates := map[cutover.Seat]float64{}
	for i := range routes {
		r := &routes[i]
		if m.observe(r.Name) == nil || len(r.Seats) == 0 {
			continue
		}
		ob, err := m.newObserver(r, rooms)
		if err != nil {
			return nil, err
		}
		for _, en := range ob.asks {
			en.newest = ob.read(ctx, en, 0)
		}
		for _, seat := range r.Seats {
			s := ob.sample(seenGauge{seat: seat}, m.now())
			if s.Unknown != "" {
				continue
			}
			sum := 0.0
			for _, room := range sortedRooms(s.Counts) {
				sum += s.Counts[room]
			}
			if !r.ByRoom {
				sum /= float64(len(r.Seats))
			}
			rates[seat] = sum
		}
	}
	return rates, ctx.Err()
}
