package cutover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"roomshift/runbooks"
)

// PlanInput is all that a plan is made from. Until is the checkpoint to rest at, "" the end; Continues the checkpoint that a
// resting run goes on from, "" the start.
type PlanInput struct {
	Rooms            *runbooks.Rooms
	Book             *runbooks.Runbook
	Planes           []Plane
	Snapshot         *Snapshot
	Until, Continues string
}

// The rules of problems that only a plan can see; the others have the names of the rules in rules.go.
const (
	ruleSnapshot  = "snapshot"  // what was read can't be planned with
	ruleUntil     = "until"     // no such checkpoint
	ruleDirection = "direction" // against the runbook's direction
	ruleAfter     = "after"     // an order of steps that can't be
	ruleScale     = "scale"     // a share that the consumer's scale can't express
	ruleNotYet    = "not-yet"
	ruleName      = "unknown-name"
	ruleWriter    = "writer" // a move that can't be
)

// NewPlan makes a plan: pure, and the same for the same input. With problems the plan is as far as it came, for showing; it
// must not be run. Every default is filled in. Estimates are not: call Estimate.
func NewPlan(in PlanInput) (*Plan, []runbooks.Problem) {
	b := &planner{in: in, rooms: in.Rooms, book: in.Book, split: map[Seat]int{}, ttlPlane: map[Seat]int{},
		held: map[Seat][]Held{}, ttlHeld: map[Seat][]Held{}, written: map[Seat]bool{}, defs: map[string]*runbooks.Route{}, routeAt: map[string]int{}}
	b.p = &Plan{Version: planVersion, Environment: in.Rooms.Environment, Timezone: in.Rooms.Timezone.String(), Runbook: in.Book.Name,
		Continues: in.Continues, Until: in.Until, From: in.Book.From, To: in.Book.To, Evacuate: in.Book.Evacuate != "",
		VerifyWithin: T(in.Book.VerifyWithin)}
	b.p.Held = slices.Clone(in.Snapshot.Held)
	for i := range b.p.Held {
		if len(b.p.Held[i].Weights) == 0 {
			b.p.Held[i].Weights = nil // so that reading the plan's text gives the same plan
		}
	}
	slices.SortFunc(b.p.Held, compareInPlane)
	b.places()
	b.routes()
	b.groups()
	b.pairs()
	b.onlys()
	b.p.Rules = rulesPlan(&in.Book.Rules)
	b.gates()
	b.gauges()
	b.comp = NewComposer(b.p)
	b.hold()
	b.steps()
	runbooks.Sort(b.problems)
	return b.p, b.problems
}

// planner is a plan in the making: the plan, and the state that the steps so far would leave.
type planner struct {
	in       PlanInput
	rooms    *runbooks.Rooms
	book     *runbooks.Runbook
	p        *Plan
	comp     *Composer
	problems []runbooks.Problem
	defs     map[string]*runbooks.Route
	routeAt  map[string]int // in p.Routes
	split    map[Seat]int   // plane by seat
	ttlPlane map[Seat]int
	held     map[Seat][]Held // as the steps so far would leave it
	ttlHeld  map[Seat][]Held
	set      map[Seat]Share
	written  map[Seat]bool // by a step of this plan
	shifts   int           // rungs of shifts so far
	showsOf  map[string]T  // by route, as the steps so far would leave it: written → answered by it
}

func (b *planner) problem(pos runbooks.Pos, rule, hint, format string, args ...any) {
	b.problems = append(b.problems, runbooks.Problem{Pos: pos, Rule: rule, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// scrape is the metrics' longest scrape interval.
func (b *planner) scrape() T { return scrapeOf(b.in.Snapshot) }

func scrapeOf(s *Snapshot) T {
	if s == nil || s.Scrape <= 0 {
		return 15 * Second
	}
	return s.Scrape
}

// places fills in rooms, lines and the peak.
func (b *planner) places() {
	for i := range b.rooms.Rooms {
		r := &b.rooms.Rooms[i]
		room := RoomPlan{Name: r.Name, Probed: b.rooms.Probe != nil}
		for _, k := range sortedKeys(r.Capacity) {
			if room.Capacity == nil {
				room.Capacity = map[string]float64{}
			}
			room.Capacity[k] = float64(r.Capacity[k])
		}
		b.p.Rooms = append(b.p.Rooms, room)
	}
	for i := range b.rooms.Links {
		l := &b.rooms.Links[i]
		b.p.Links = append(b.p.Links, LinkPlan{Name: l.Name, Between: l.Between, Bits: lineBits(l)})
	}
	for _, k := range sortedKeys(b.rooms.Peak.Rates) {
		if b.p.Peak == nil {
			b.p.Peak = map[string]float64{}
		}
		b.p.Peak[k] = float64(b.rooms.Peak.Rates[k])
	}
}

// lineBits is what may be used of a line: what is left when its largest circuit is cut (of a single one, all), times keep.
func lineBits(l *runbooks.Link) float64 {
	sum, largest := 0.0, 0.0
	for _, c := range l.Circuits {
		sum += c
		largest = max(largest, c)
	}
	if len(l.Circuits) > 1 {
		sum -= largest
	}
	keep := float64(l.Keep) / Whole
	if l.Keep == 0 {
		keep = 1
	}
	return sum * keep
}

// routes fills in the routes with the seats that the planes hold for them.
func (b *planner) routes() {
	seats := map[string]map[Seat]bool{}
	shows := map[string]T{}
	for i := range b.in.Planes {
		pl := &b.in.Planes[i]
		for _, s := range pl.Seats {
			switch pl.Aspect {
			case TTL:
				b.ttlPlane[s] = i
			case Split:
				b.split[s] = i
				if seats[s.Route] == nil {
					seats[s.Route] = map[Seat]bool{}
				}
				seats[s.Route][s] = true
				shows[s.Route] = max(shows[s.Route], pl.Shows)
			}
		}
	}
	led := map[string]bool{}
	for i := range b.rooms.Routes {
		r := &b.rooms.Routes[i]
		b.defs[r.Name], b.routeAt[r.Name] = r, i
		if len(seats[r.Name]) > 0 {
			led[r.Into] = true
		}
		b.p.Routes = append(b.p.Routes, RoutePlan{Name: r.Name, Medium: r.Medium, Into: r.Into, Follows: r.Follows, Stays: r.Stays,
			Bytes: r.Bytes, Calls: r.Calls, Long: r.Long, Shows: shows[r.Name]})
	}
	for i := range b.p.Routes {
		r := &b.p.Routes[i]
		if len(seats[r.Name]) == 0 {
			continue
		}
		def := b.defs[r.Name]
		r.Seats = sortedSeats(seats[r.Name])
		r.ByRoom = r.Medium != runbooks.MediumDNS && len(def.Seats) > 0
		r.Entry = !led[r.Name]
		r.Observed = def.Observe != nil || b.rooms.Observe != nil
	}
}

func (b *planner) groups() {
	for i := range b.rooms.Groups {
		if b.p.Groups == nil {
			b.p.Groups = map[string][]string{}
		}
		b.p.Groups[b.rooms.Groups[i].Name] = slices.Clone(b.rooms.Groups[i].Routes)
	}
}

// pairs fills in who takes writes now. A pair whose writer isn't known can't be planned with: the table of acts turns on it.
func (b *planner) pairs() {
	for i := range b.rooms.Pairs {
		r := &b.rooms.Pairs[i]
		seen, ok := b.in.Snapshot.Writers[r.Name]
		pair := PairPlan{Name: r.Name, Rooms: [2]Room{r.Masters[0].Room, r.Masters[1].Room}, Writer: seen.Writer(), OnLost: cmp.Or(r.OnLost, "freeze")}
		b.recordOf(&pair, r)
		if pair.Writer == "" && !b.p.Evacuate {
			b.problem(r.Pos, ruleSnapshot, "exactly one master must have read_only off; see `roomshift check --live`",
				"pair %s: no single writer was seen: %s", r.Name, writerText(seen, ok))
		}
		b.p.Pairs = append(b.p.Pairs, pair)
	}
}

func writerText(s Seen, looked bool) string {
	if !looked {
		return "it wasn't looked at"
	}
	var parts []string
	for _, room := range sortedKeys(s.ReadOnly) {
		word := "takes writes"
		if s.ReadOnly[room] {
			word = "is read-only"
		}
		parts = append(parts, room+" "+word)
	}
	for _, room := range sortedKeys(s.Why) {
		parts = append(parts, room+" can't be asked: "+s.Why[room])
	}
	return strings.Join(parts, ", ")
}

// rulesPlan fills in the defaults. Places in files are left out: the same rules in another file are the same plan.
func rulesPlan(r *runbooks.Rules) RulesPlan {
	out := RulesPlan{FinishBy: r.FinishBy, MaxMove: cmp.Or(int(r.MaxMove), 3000), FirstMove: 500, Headroom: cmp.Or(int(r.Headroom), 8000), MaxOut: outInOne}
	for _, w := range r.Windows {
		w.Pos = runbooks.Pos{}
		out.Windows = append(out.Windows, w)
	}
	for _, x := range r.Blocked {
		x.Pos = runbooks.Pos{}
		out.Blocked = append(out.Blocked, x)
	}
	for _, room := range sortedKeys(r.MaxShare) {
		if out.MaxShare == nil {
			out.MaxShare = map[Room]int{}
		}
		out.MaxShare[room] = int(r.MaxShare[room])
	}
	return out
}

// hold takes the snapshot as the state before the first step.
func (b *planner) hold() {
	for _, h := range b.p.Held {
		if i, ok := b.split[h.Seat]; ok && b.in.Planes[i].Name == h.Plane {
			b.held[h.Seat] = append(b.held[h.Seat], h)
		}
		if i, ok := b.ttlPlane[h.Seat]; ok && b.in.Planes[i].Name == h.Plane {
			b.ttlHeld[h.Seat] = append(b.ttlHeld[h.Seat], h)
		}
	}
	b.set = SeatShares(b.p.Held)
	b.holdTTLs()
}
