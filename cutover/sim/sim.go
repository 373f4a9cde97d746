// Package sim is both rooms in memory under a virtual clock, with faults: gateways that read a number, names whose resolvers
// cache, upstreams and services whose instances come and go, replication, capacity, caches that are cold at first, errors.
// Nothing in the engine knows that it isn't real.
//
// The laws of the package:
//   - no goroutine, no wall clock, no chance but the seed's: one seed gives one journal, whatever the machine
//   - a request acts now on the rooms (or at a later moment, if a fault says so) and its answer is posted for later; of two
//     things at one moment the one that was posted first comes first
//   - no map is walked
//   - shares, caches and queues are expected values, not drawn; between two steps of the model everything stands still, so
//     that one sample may stand for all until the next step (a piece). With Options.Samples each comes by itself
//
// Read in this order: sim.go, clock.go, medium.go, traffic.go, gauge.go, fault.go, play.go.
package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Options says how the rooms and the people in them behave. The zero value is a quiet night.
type Options struct {
	Seed   uint64
	Start  time.Time // wall time of the run's start; zero: the first open window after noon of Monday, 25 January 2027
	Faults []Fault

	ApproveAfter time.Duration // how long people take to approve, 0: a minute; negative: nobody ever does
	Commands     []Timed       // what people say besides
	Watch        time.Duration // how long a guarded rest or a frozen run is watched before the process is stopped, 0: 10 minutes
	Limit        time.Duration // the run is given up after so much virtual time, 0: 30 days

	Instances map[string]int          // instances of an upstream or a service in each room, by route; others have 4
	Shares    map[string]int          // basis points of the run's destination at the start, by route or seat; others: see startShare
	Writers   map[string]cutover.Room // the room that takes a pair's writes; others: the room that the run leaves
	Onlys     map[string]cutover.Room // what the key of a thing says, "" there is none; others: the room of its first pair's writer
	Rate      float64                 // of requests, as a part of the declared peak, 0: 0.15, as in a night
	Lag       time.Duration           // replication delay when nothing is wrong, 0: some 40 ms, by the seed
	Limits    func(p *cutover.Plane)  // changes a plane's limits (MaxChanges, MaxBytes, Workers …) as it is made; nil: the usual ones
	Samples   bool                    // hand over every sample by itself, not pieces
	Journal   cutover.Journal         // nil: memory
	Run       string                  // the run's name, "": by its start, as MMDD-01
	Version   string                  // of the program, in the journal
	Plan      *cutover.Sealed         // of the rooms as they are at the start, made by Prepare; nil: Run makes it

	// Publish is told to publish a pair's writer; nil: nobody does.
	Publish func(pair string, at cutover.T) error
	// Show hears what the engine shows, beside the timeline; nil: nobody.
	Show cutover.Show
	// Pace is called before time moves, with the moment it moves to: it may wait, and so slow the simulation down to be watched.
	Pace func(at cutover.T)
}

// Timed is a command at a moment of virtual time since the start.
type Timed struct {
	At      time.Duration
	Command cutover.Command
}

// Landing is one write that changed what an object holds.
type Landing struct {
	At            cutover.T // since the start
	Plane, Object string
	Seat          cutover.Seat
	Before, After string
	By            string // "run" or "somebody else"
	Txn           int    // landings of one transaction have one number: there is no moment between them; 0: alone
	// Share is the composed share of the run's destination right after, by what is set, in basis points.
	Share int
}

// Sent is one request that writes, as it left its process.
type Sent struct {
	At       cutover.T // since the start
	Answered cutover.T // when its worker comes back, since the start
	Runner   int       // which process, from 1
	Plane    string
	Changes  []cutover.Change // not to be changed
}

// Sim is a pair of rooms (or more) with one run in them. It belongs to one goroutine.
type Sim struct {
	o    Options
	l    *runbooks.Loaded
	loc  *time.Location
	wall time.Time // of now = 0
	now  cutover.T // since the start
	rnd  random

	rooms    []cutover.Room
	from, to int
	control  int
	planes   []*plane
	places   []*place
	routes   []*route
	seats    []*seat
	bySeat   map[cutover.Seat]*seat
	pairs    []*pair
	traffic  traffic

	todo     queue[func()]
	faults   []*fault
	journal  *journal
	runners  []*Runner
	left     *cutover.Progress // what a killed process left, until another has taken it over
	writes   int               // requests to write that were sent, by any runner
	txns     int               // transactions that landed so far
	sent     []Sent
	landings []Landing
	sessions int        // of moves of write roles, and their records' indexes
	history  []Recorded // of write roles
	verbs    []Verb
	onlys    []*only

	onlyWrites []OnlyWrite
	timeline   []Happened
}

// startTime is 1 s: engine time 0 means "not yet" in places, and no process starts with its clock.
const startTime = cutover.Second

// New builds the rooms of a loaded runbook. A fault that names something which isn't there is an error with a hint.
func New(l *runbooks.Loaded, o Options) (*Sim, error) {
	if l == nil || l.Rooms == nil || l.Book == nil {
		return nil, errors.New("simulate: rooms and a runbook are needed; the files have problems")
	}
	s := &Sim{o: o, l: l, rnd: random(o.Seed), bySeat: map[cutover.Seat]*seat{}}
	s.defaults()
	if err := s.build(); err != nil {
		return nil, fmt.Errorf("simulate %s: %w", l.Book.Name, err)
	}
	if err := s.arm(o.Faults); err != nil {
		return nil, fmt.Errorf("simulate %s: %w", l.Book.Name, err)
	}
	s.journal = newJournal(s, o.Journal)
	s.flow()
	return s, nil
}

func (s *Sim) defaults() {
	o := &s.o
	if o.ApproveAfter == 0 {
		o.ApproveAfter = time.Minute
	}
	if o.Watch == 0 {
		o.Watch = 10 * time.Minute
	}
	if o.Limit == 0 {
		o.Limit = 30 * 24 * time.Hour
	}
	s.loc = s.l.Rooms.Timezone
	if s.loc == nil {
		s.loc = time.UTC
	}
	s.wall = o.Start
	if s.wall.IsZero() {
		s.wall = s.firstWindow(time.Date(2027, 1, 25, 12, 0, 0, 0, s.loc))
	}
	s.wall = s.wall.In(s.loc)
	if o.Run == "" {
		o.Run = s.wall.Format("0102") + "-01"
	}
}

// firstWindow is t, or when the next window opens.
func (s *Sim) firstWindow(t time.Time) time.Time {
	if at, ok := s.opens(t); ok {
		return at
	}
	return t
}

// opens is t if a window is open then, else when the next one opens; false: never.
func (s *Sim) opens(t time.Time) (time.Time, bool) {
	r := cutover.RulesPlan{Windows: s.l.Book.Rules.Windows, Blocked: s.l.Book.Rules.Blocked}
	for range 1000 { // a window may open on a blocked date
		open, _, next := r.Window(t.In(s.loc))
		switch {
		case open:
			return t, true
		case next.IsZero() || !next.After(t):
			return t, false
		}
		t = next
	}
	return t, false
}

// Now is the virtual time since the start.
func (s *Sim) Now() cutover.T { return s.now }

// Wall is the wall time in the rooms now.
func (s *Sim) Wall() time.Time { return s.wall.Add(s.now.Duration()) }

// Shares is what each seat's objects hold in truth, in basis points; a seat where nothing serves is absent.
func (s *Sim) Shares() map[cutover.Seat]cutover.Share {
	m := map[cutover.Seat]cutover.Share{}
	for _, st := range s.seats {
		if sh := st.share(); sh != nil {
			m[st.id] = sh
		}
	}
	return m
}

// Objects is what every object holds in truth, by plane and object.
func (s *Sim) Objects() map[cutover.ObjectID]string {
	m := map[cutover.ObjectID]string{}
	for _, p := range s.planes {
		for _, st := range p.seats {
			for _, o := range st.objects {
				m[cutover.ObjectID{Plane: p.name, Object: o.name}] = o.value
			}
		}
	}
	return m
}

// Seen is the part of a seat's requests that its callers send to each room at this moment, by what their resolvers still
// believe: 1 is all of them.
func (s *Sim) Seen(seat cutover.Seat) map[cutover.Room]float64 {
	st := s.bySeat[seat]
	if st == nil {
		return nil
	}
	m := map[cutover.Room]float64{}
	for i, v := range st.seen {
		m[s.rooms[i]] = v
	}
	return m
}

// Writes is every write that changed something, in order.
func (s *Sim) Writes() []Landing { return s.landings }

// Records is every record of a write role that was written, in order.
func (s *Sim) Records() []Recorded { return s.history }

// Verbs is every request of a move, in the order in which they were sent.
func (s *Sim) Verbs() []Verb { return s.verbs }

// Writers is the rooms whose master of a pair takes writes now.
func (s *Sim) Writers(name string) []cutover.Room {
	var out []cutover.Room
	for side, m := range s.pair(name).masters {
		if !m.readOnly {
			out = append(out, s.rooms[s.pair(name).rooms[side]])
		}
	}
	return out
}

// TakesWrites is how long a pair's two masters took writes together, and neither did, from the start until now.
func (s *Sim) TakesWrites(name string) (both, none cutover.T) {
	p := s.pair(name)
	if p == nil {
		return 0, 0
	}
	edges := []cutover.T{0, s.now}
	for side := range p.masters {
		for _, span := range p.masters[side].spans {
			edges = append(edges, min(span[0], s.now), min(span[1], s.now))
		}
	}
	slices.Sort(edges)
	for i := 1; i < len(edges); i++ {
		switch at := edges[i-1]; p.writersAt(at) {
		case 0:
			none += edges[i] - at
		case 2:
			both += edges[i] - at
		}
	}
	return both, none
}

// Sent is every request that writes, in the order in which they were sent, whatever became of them.
func (s *Sim) Sent() []Sent { return s.sent }

// Advance lets time pass without any process: what was posted happens, the model goes on.
func (s *Sim) Advance(d cutover.T) { s.moveTo(s.now + d) }

// moveTo moves the rooms' time: faults strike, late writes land, the model takes its steps, each at its moment.
func (s *Sim) moveTo(t cutover.T) {
	for {
		at := min(s.todo.next(), s.traffic.next)
		if at > t {
			break
		}
		s.now = max(s.now, at)
		for s.todo.next() <= s.now {
			_, f := s.todo.take()
			f()
		}
		if s.traffic.next <= s.now {
			s.traffic.dirty = true
		}
		s.refresh()
	}
	if t > s.now && t != cutover.Never {
		s.now = t
	}
}

// refresh works the traffic out anew if something changed it.
func (s *Sim) refresh() {
	if s.traffic.dirty {
		s.flow()
	}
}

// at posts something.
func (s *Sim) at(t cutover.T, f func()) { s.todo.put(t, f) }

func (s *Sim) roomIndex(name cutover.Room) int {
	for i, r := range s.rooms {
		if r == name {
			return i
		}
	}
	return -1
}

// Timeline is what happened so far, in order.
func (s *Sim) Timeline() []Happened { return s.timeline }
