package metrics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// Finding is one line of `check --live`: what was looked at, what was seen, what is wanted, what to do.
type Finding struct {
	Check string
	Room  cutover.Room // "" for links
	Seen  string
	Want  string
	Do    string // "" when OK
	OK    bool
}

// Check asks every query and every probe once and says what each came to, in the order of rooms.yaml. It changes nothing.
func (m *Metrics) Check(ctx context.Context) []Finding {
	var all []Finding
	for _, s := range m.all {
		all = append(all, s.check(ctx))
	}
	for _, g := range m.rooms.Gates {
		written := m.gates[g.Name]
		if written == nil {
			written = &g
		}
		if written.Replication == "" {
			for _, room := range m.gateRooms(written) {
				all = append(all, m.checkGate(ctx, written, room)...)
			}
		}
	}
	for i := range m.rooms.Routes {
		all = append(all, m.checkObserve(ctx, &m.rooms.Routes[i])...)
	}
	if p := m.rooms.Probe; p != nil {
		for _, r := range m.rooms.Rooms {
			all = append(all, m.checkProbe(ctx, r.Name, p))
		}
	}
	return all
}

// check asks how often the source scrapes, which also tells whether it answers.
func (s *source) check(ctx context.Context) Finding {
	f := Finding{Check: s.name, Want: "an answer, and how often it scrapes"}
	a, why := s.ask(ctx, compose(nil, 0))
	if why != "" || a == nil {
		f.Seen, f.Do = string(why), "see that it runs, and that addr, tokenFile and caFile are right"
		return f
	}
	if s.said {
		f.Seen, f.OK = fmt.Sprintf("answers; rooms.yaml says that it scrapes every %v", s.scrape), true
		return f
	}
	d, err := s.readInterval(ctx)
	if err != nil {
		f.Seen = fmt.Sprintf("answers; %v: %v is taken", err, defaultScrape)
		f.Do = "write scrape: beside its addr"
		return f
	}
	f.Seen, f.OK = fmt.Sprintf("answers, scrapes every %v", d), true
	return f
}

// checkGate asks a gate's query once, as a run would, and then what a sample doesn't tell.
func (m *Metrics) checkGate(ctx context.Context, g *runbooks.Gate, room cutover.Room) []Finding {
	f := Finding{Check: "gate " + g.Name, Room: room, Want: "one fresh number"}
	plan := &cutover.GatePlan{Name: g.Name, Window: cutover.T(g.Window), MaxAge: cutover.T(g.MaxAge), MinEvents: int64(g.MinEvents)}
	gg, err := m.newGateGauge(0, plan, g, room)
	if err != nil {
		f.Seen, f.Do = err.Error(), "mend it in rooms.yaml"
		return []Finding{f}
	}
	scrape := gg.src.interval(ctx)
	if plan.MaxAge == 0 {
		plan.MaxAge = 3 * cutover.T(scrape)
	}
	found := gg.checkRanges(f, scrape)
	s := gg.sample(ctx, 0)
	if s.Unknown == "" {
		f.OK, f.Seen = true, fmt.Sprintf("%.4g, data %v old", s.Lo, rounded(m.now()-s.At))
		if s.Events > 0 {
			f.Seen += fmt.Sprintf(", %d events in the window", s.Events)
		}
	} else {
		f.Seen, f.Do = string(s.Unknown), "try the query in Prometheus; every gate must be seen before a run begins"
	}
	found = append(found, f)
	for _, p := range gg.parts {
		found = append(found, gg.src.checkMetrics(ctx, f, p.e)...)
	}
	return found
}

// checkRanges finds ranges so short that a rate wavers or is empty as soon as one scrape is missed.
func (g *gateGauge) checkRanges(f Finding, scrape time.Duration) []Finding {
	f.Want = fmt.Sprintf("ranges of at least 4 scrapes, %v", 4*scrape)
	for _, p := range g.parts {
		if d := p.e.reach(g.window.base); d > 0 && d < 4*scrape {
			f.Seen = fmt.Sprintf("%s looks back %v, %.1f scrapes of %v", p.name, d, float64(d)/float64(scrape), scrape)
			f.Do = "widen the range, or scrape more often"
			return []Finding{f}
		}
	}
	return nil
}

// checkMetrics finds metrics that the source has never had: most are misspelt.
func (s *source) checkMetrics(ctx context.Context, f Finding, e *expr) []Finding {
	var found []Finding
	for _, sel := range e.fresh() {
		if sel.name == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, s.timeOut)
		names, _, _, err := s.api.LabelValues(ctx, "__name__", []string{sel.name}, time.Time{}, time.Time{})
		cancel()
		if err == nil && len(names) == 0 {
			f.OK, f.Seen, f.Want = false, s.name+" has never had "+sel.name, "a metric that exists"
			f.Do = "is the name right, and is its job scraped?"
			found = append(found, f)
		}
	}
	return found
}

// checkObserve asks for a route's share once for each room.
func (m *Metrics) checkObserve(ctx context.Context, r *runbooks.Route) []Finding {
	o := m.observe(r.Name)
	if o == nil || r.Medium == runbooks.MediumFollows || r.Medium == runbooks.MediumStays {
		return nil
	}
	plan := &cutover.RoutePlan{Name: r.Name, Medium: r.Medium, ByRoom: r.Seats != nil}
	rooms := make([]cutover.RoomPlan, 0, len(m.rooms.Rooms))
	for _, room := range m.rooms.Rooms {
		rooms = append(rooms, cutover.RoomPlan{Name: room.Name})
	}
	f := Finding{Check: "observe " + r.Name, Want: "requests by room, under the label " + o.RoomLabel}
	ob, err := m.newObserver(plan, rooms)
	if err != nil {
		f.Seen, f.Do = err.Error(), "mend it in rooms.yaml"
		return []Finding{f}
	}
	var found []Finding
	for _, en := range ob.asks {
		f.Room = en.room
		found = append(found, ob.check(ctx, f, en))
		found = append(found, en.src.checkMetrics(ctx, f, en.e)...)
	}
	return found
}

func (ob *observer) check(ctx context.Context, f Finding, en *entering) Finding {
	got := ob.read(ctx, en, 0)
	switch {
	case got.why != "":
		f.Seen, f.Do = string(got.why), "try the query in Prometheus"
	case got.empty:
		f.Seen, f.OK = "no series: nothing enters here, or nothing counts it", true
	default:
		var words []string
		for _, room := range sortedRooms(got.counts) {
			words = append(words, fmt.Sprintf("%s %.4g/s", room, got.counts[room]))
		}
		f.Seen, f.OK = strings.Join(words, ", "), true
	}
	return f
}

func (m *Metrics) checkProbe(ctx context.Context, room cutover.Room, p *runbooks.Probe) Finding {
	f := Finding{Check: "probe", Room: room, Want: "2xx or 3xx on " + strings.Join(p.Paths, " ")}
	if err := m.Probe(ctx, room, p.Host, p.Paths); err != nil {
		f.Seen, f.Do = err.Error(), "no run sends traffic to a room that doesn't answer"
		return f
	}
	f.Seen, f.OK = "answers", true
	return f
}
