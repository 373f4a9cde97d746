// Package metrics reads what gates judge besides replication: ratios and values from Prometheus, the shares that are seen,
// and HTTP probes. It writes nothing.
//
// A sample is true for a span of this process's clock, though its data carries the source's time: the age of the data is
// worked out on the source's clock, in the very query that brought the value (query.go), and taken off the moment at which
// the query was sent (window.go). Two machines' clocks are never subtracted.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Config is what is measured and where. Rooms and Gates come from the loaded files; Gates are the runbook's, merged.
type Config struct {
	Rooms   *runbooks.Rooms
	Gates   []runbooks.Gate
	Now     func() cutover.T // the run's clock
	TimeOut time.Duration    // of one query or probe; 0: 5 s
}

// defaultTimeOut bounds one query.
const defaultTimeOut = 5 * time.Second

// observeWindow is $window of observe, where no gate says another; a write cuts it at once.
const observeWindow = time.Minute

// Metrics knows where each room is asked. It has no state but its clients; Collector has the rest.
type Metrics struct {
	rooms   *runbooks.Rooms
	gates   map[string]*runbooks.Gate
	now     func() cutover.T
	timeOut time.Duration
	sources map[cutover.Room]*source // by room; rooms may share one
	shared  *source                  // nil: every room has its own
	all     []*source                // each once, in the order of rooms.yaml
	prober  *prober
}

// New checks the queries and prepares the clients. It asks nothing. The error tells every problem.
func New(c Config) (*Metrics, error) {
	m := &Metrics{
		rooms: c.Rooms, gates: map[string]*runbooks.Gate{}, now: c.Now, timeOut: c.TimeOut, sources: map[cutover.Room]*source{},
	}
	if m.timeOut == 0 {
		m.timeOut = defaultTimeOut
	}
	problems := []error{m.openSources()}
	for i := range c.Gates {
		m.gates[c.Gates[i].Name] = &c.Gates[i]
	}
	for i := range c.Gates {
		problems = append(problems, m.tryGate(&c.Gates[i]))
	}
	for i := range c.Rooms.Routes {
		problems = append(problems, m.tryObserve(&c.Rooms.Routes[i]))
	}
	m.prober = newProber(c.Rooms, m.timeOut)
	if err := errors.Join(problems...); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// openSources makes one source per Prometheus: rooms without their own share one.
func (m *Metrics) openSources() error {
	var problems []error
	if p := m.rooms.Prometheus; p != nil {
		s, err := newSource("the shared prometheus", p, m.now, m.timeOut)
		problems = append(problems, err)
		if err == nil {
			m.shared = s
			m.all = append(m.all, s)
		}
	}
	for _, r := range m.rooms.Rooms {
		if r.Prometheus == nil {
			if m.shared != nil {
				m.sources[r.Name] = m.shared
			}
			continue
		}
		s, err := newSource("prometheus of "+r.Name, r.Prometheus, m.now, m.timeOut)
		problems = append(problems, err)
		if err == nil {
			m.sources[r.Name] = s
			m.all = append(m.all, s)
		}
	}
	return errors.Join(problems...)
}

// source is where a room is asked.
func (m *Metrics) source(r cutover.Room) (*source, error) {
	if s := m.sources[r]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("room %s has no prometheus, and there is no shared one", r)
}

// tryGate takes a gate's queries apart for each of its rooms, to find what is wrong before anything runs.
func (m *Metrics) tryGate(g *runbooks.Gate) error {
	if g.Replication != "" {
		return nil
	}
	for _, r := range m.gateRooms(g) {
		if _, err := m.gateParts(g, r); err != nil {
			return err
		}
	}
	return nil
}

// gateRooms is the rooms that a gate is judged in, "" for a link.
func (m *Metrics) gateRooms(g *runbooks.Gate) []cutover.Room {
	switch {
	case g.Link != "":
		return []cutover.Room{""}
	case g.RoomNames != nil:
		return g.RoomNames
	}
	var names []cutover.Room
	for _, r := range m.rooms.Rooms {
		names = append(names, r.Name)
	}
	return names
}

// gateParts is what is asked for a gate in a room.
func (m *Metrics) gateParts(g *runbooks.Gate, room cutover.Room) ([]part, error) {
	texts := []part{{name: partValue, base: true}}
	queries := []string{g.Query}
	if r := g.Ratio; r != nil {
		texts, queries = ratioParts(r)
	}
	for i := range texts {
		e, err := parseExpr(queries[i], room, "")
		if err == nil && len(e.selectors) == 0 {
			err = fmt.Errorf("query %q reads no metric, so nothing tells how old its data is", queries[i])
		}
		if err != nil {
			return nil, fmt.Errorf("gate %s: %w", g.Name, err)
		}
		texts[i].e = e
	}
	return texts, nil
}

// ratioParts names the two queries of a ratio; the base is the one whose absence means that nothing is known.
func ratioParts(r *runbooks.Ratio) (parts []part, queries []string) {
	add := func(name, query string, base bool) {
		if query != "" {
			parts = append(parts, part{name: name, base: base})
			queries = append(queries, query)
		}
	}
	add(partGood, r.Good, r.Of == "")
	add(partBad, r.Bad, false)
	add(partOf, r.Of, true)
	return parts, queries
}

// gateSource is where a gate is asked for a room.
func (m *Metrics) gateSource(g *runbooks.Gate, room cutover.Room) (*source, error) {
	switch {
	case g.In != "":
		return m.source(g.In)
	case room != "":
		return m.source(room)
	}
	if m.shared != nil {
		return m.shared, nil
	}
	return nil, fmt.Errorf("gate %s doesn't say in which room's prometheus it is asked: add in: ROOM", g.Name)
}

// observe is where a route's seen share is read, nil for a route that isn't observed.
func (m *Metrics) observe(route string) *runbooks.Observe {
	for i := range m.rooms.Routes {
		if r := &m.rooms.Routes[i]; r.Name == route && r.Observe != nil {
			return r.Observe
		}
	}
	return m.rooms.Observe
}

func (m *Metrics) tryObserve(r *runbooks.Route) error {
	o := m.observe(r.Name)
	if o == nil || r.Medium == runbooks.MediumFollows || r.Medium == runbooks.MediumStays {
		return nil
	}
	for _, room := range m.rooms.Rooms {
		if _, err := observeExpr(o, r.Name, room.Name); err != nil {
			return err
		}
	}
	return nil
}

// observeExpr is what is asked for the share of a route, of what enters by a room.
func observeExpr(o *runbooks.Observe, route string, room cutover.Room) (*expr, error) {
	e, err := parseExpr(o.Query, room, route)
	if err == nil && len(e.selectors) == 0 {
		err = fmt.Errorf("query %q reads no metric, so nothing tells how old its data is", o.Query)
	}
	if err != nil {
		return nil, fmt.Errorf("observe of %s: %w", route, err)
	}
	return e, nil
}

// Scrape is how often the Prometheus of a room scrapes, asked of it within the time-out where rooms.yaml doesn't say so. said
// is false when it doesn't say so either, and 15 s are taken.
func (m *Metrics) Scrape(room cutover.Room) (every time.Duration, said bool) {
	s, err := m.source(room)
	if err != nil {
		return defaultScrape, false
	}
	every = s.interval(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	return every, s.scrape > 0
}

// Close lets go of idle connections.
func (m *Metrics) Close() {
	for _, s := range m.all {
		s.close()
	}
}
