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

// checker is one look at everything. It changes nothing.
type checker struct {
	m      *Metrics
	serves func(cutover.Room) bool
	known  map[string][]string // what a source said of its series, by the question
	silent map[string]bool     // sources that don't say which series exist
	said   map[string]bool     // by gate and what was seen: rooms with one source would have everything twice
	wrong  int                 // how often something was, said or not
	all    []Finding
}

// Check asks every query and every probe once and says what each came to, in the order of rooms.yaml. serves tells whether a
// room carries any traffic now; nil: every room does. One that carries none has nothing to judge, which is no mistake.
func (m *Metrics) Check(ctx context.Context, serves func(cutover.Room) bool) []Finding {
	c := &checker{m: m, serves: serves, known: map[string][]string{}, silent: map[string]bool{}, said: map[string]bool{}}
	if c.serves == nil {
		c.serves = func(cutover.Room) bool { return true }
	}
	for _, s := range m.all {
		c.all = append(c.all, s.check(ctx))
	}
	for i := range m.rooms.Gates {
		g := &m.rooms.Gates[i]
		if written := m.gates[g.Name]; written != nil {
			g = written
		}
		if g.Replication == "" {
			for _, room := range m.gateRooms(g) {
				c.gate(ctx, g, room)
			}
			c.twins(ctx, g)
		}
	}
	for i := range m.rooms.Routes {
		c.observe(ctx, &m.rooms.Routes[i])
	}
	if p := m.rooms.Probe; p != nil {
		for _, r := range m.rooms.Rooms {
			c.all = append(c.all, m.checkProbe(ctx, r.Name, p))
		}
	}
	return c.all
}

// bad adds a finding that something is wrong, once for each thing that is looked at.
func (c *checker) bad(f Finding, seen, want, do string) {
	c.wrong++
	f.OK, f.Seen, f.Want, f.Do = false, seen, want, do
	if key := f.Check + "\n" + seen; !c.said[key] {
		c.said[key] = true
		c.all = append(c.all, f)
	}
}

func (c *checker) good(f Finding, seen string) {
	f.OK, f.Seen = true, seen
	c.all = append(c.all, f)
}

// check asks how often the source scrapes, which also tells whether it answers.
func (s *source) check(ctx context.Context) Finding {
	f := Finding{Check: s.name, Want: "an answer, and how often it scrapes"}
	a, why := s.ask(ctx, nil, 0)
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

// gate asks a gate's query once, as a run would, and then what a sample doesn't tell.
func (c *checker) gate(ctx context.Context, g *runbooks.Gate, room cutover.Room) {
	f := Finding{Check: "gate " + g.Name, Room: room, Want: "one fresh number"}
	plan := &cutover.GatePlan{Name: g.Name, Window: cutover.T(g.Window), MaxAge: cutover.T(g.MaxAge), MinEvents: int64(g.MinEvents)}
	gg, err := c.m.newGateGauge(0, plan, g, room)
	if err != nil {
		c.bad(f, err.Error(), f.Want, "mend it in rooms.yaml")
		return
	}
	scrape := gg.src.interval(ctx)
	if plan.MaxAge == 0 {
		plan.MaxAge = 3 * max(cutover.T(scrape), cutover.T(g.Every), minEvery)
	}
	before := c.wrong
	c.names(ctx, f, gg.src, gg.parts, c.m.otherParts(g, room))
	misspelt := c.wrong > before
	c.rhythm(ctx, f, gg, scrape)
	s := gg.sample(ctx, 0)
	switch {
	case s.Unknown == "":
		c.value(f, g, gg, &s)
	case misspelt && strings.HasPrefix(string(s.Unknown), string(cutover.NoData)):
	case room != "" && !c.serves(room) && nothingThere(s.Unknown):
		c.good(f, fmt.Sprintf("nothing to judge while %s serves nothing (%s)", room, s.Unknown))
	default:
		c.bad(f, string(s.Unknown), f.Want, remedy(s.Unknown))
	}
}

// minEvery is how often a gate is asked at least where nothing is written: a sample is rightly that old.
const minEvery = 5 * cutover.Second

// nothingThere tells whether a reason is what a room without traffic looks like.
func nothingThere(why cutover.Reason) bool {
	return strings.HasPrefix(string(why), string(cutover.NoData)) && !strings.Contains(string(why), "instances report") ||
		strings.HasPrefix(string(why), string(cutover.NotNumber)) && !strings.Contains(string(why), "series")
}

// value tells what a gate came to, and whether it would stop a run at once.
func (c *checker) value(f Finding, g *runbooks.Gate, gg *gateGauge, s *cutover.Sample) {
	seen := fmt.Sprintf("%.4g, data %v old", s.Lo, rounded(c.m.now()-s.At))
	if g.Ratio != nil {
		seen += fmt.Sprintf(", %d events in the window", s.Events)
		if s.Bad == 0 && g.Ratio.Bad != "" {
			seen += ", none bad"
		}
	}
	if ahead := gg.newest.ahead(); ahead > cutover.Second {
		c.bad(f, fmt.Sprintf("its data is stamped %v ahead of the clock of %s", rounded(ahead), gg.src.name), "data stamped when it was taken",
			"set honor_timestamps: false for its job, or mend the exporter's clock")
		return
	}
	l := g.Abort
	switch {
	case g.Ratio != nil && s.Lo > 1.05:
		c.bad(f, seen, "a part of the whole, at most 1", "good, bad and of count different things: give them the same job and labels")
	case l != nil && (l.Below && s.Hi < l.Value || !l.Below && s.Lo > l.Value):
		c.bad(f, fmt.Sprintf("%s: past its abort of %.4g", seen, l.Value), "not past abort before a run begins",
			"is the room sick, or the limit in another unit? Durations are compared in seconds, percentages as parts of 1")
	default:
		c.good(f, seen)
	}
}

// remedy is what to do about a sample that says nothing.
func remedy(why cutover.Reason) string {
	text := string(why)
	kind, _, _ := strings.Cut(text, ":")
	switch {
	case strings.Contains(text, "series, such as"):
		return "put sum(…) or max(…) around it, or say in {…} which one is meant"
	case strings.Contains(text, "instances report"):
		return "see which targets are down (up == 0), or take them out of service discovery"
	case kind == string(cutover.NotNumber):
		return "it must be a number: is there traffic, and is nothing divided by 0?"
	case kind == string(cutover.TooOld):
		return "write a maxAge above how often its data comes, or mend what is scraped or stamped late"
	case kind == string(cutover.NoAnswer):
		return "see that it runs; if it does, the query is too slow: let a recording rule work it out"
	}
	return "try the query in Prometheus; every gate must be seen before a run begins"
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

// lately is how far back a source is asked whether it ever had a series.
const lately = 30 * 24 * time.Hour
