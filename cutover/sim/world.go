package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"roomshift/cutover"
)

// World is the first process's view of the rooms.
func (s *Sim) World() cutover.World {
	if len(s.runners) == 0 {
		s.NewRunner(context.Background())
	}
	return s.runners[0].World()
}

// World is the rooms as this process reaches them.
func (r *Runner) World() cutover.World {
	w := cutover.World{Clock: r, Gauges: &r.gauges, Journal: &runnerJournal{r.s.journal, r}, Writers: writers{r}, Movers: movers{r}, After: after{r}, Comparisons: comparisons{r}, Preflight: preflight{r}, Peeker: peeker{r}, Prober: prober{r},
		Operators: &operators{r}, Show: &shows{r}}
	if r.s.o.Publish != nil {
		w.Publisher = publisher{r}
	}
	for _, p := range r.s.planes {
		pl := p.Plane
		pl.Medium = &medium{plane: p, r: r}
		w.Planes = append(w.Planes, pl)
	}
	w.Onlys = r.worldOnlys()
	for _, p := range r.s.places {
		w.Locks = append(w.Locks, cutover.Place{Name: p.name, Lock: &lock{place: p, r: r}})
	}
	return w
}

// Snapshot reads everything, as a plan needs it: what every object holds, who writes, and the rates of the requests.
func (s *Sim) Snapshot(ctx context.Context) (*cutover.Snapshot, error) {
	var names []string
	for _, p := range s.pairs {
		names = append(names, p.name)
	}
	snap, err := cutover.TakeSnapshot(ctx, s.World(), names)
	if err != nil {
		return nil, err
	}
	snap.Rates, snap.Wall = s.Rates(), s.Wall()
	return snap, nil
}

// Rates is the requests in a second at every seat that has any.
func (s *Sim) Rates() map[cutover.Seat]float64 {
	s.refresh()
	m := map[cutover.Seat]float64{}
	for _, st := range s.seats {
		rate := 0.0
		if st.room >= 0 {
			rate = st.route.in[st.room]
		} else {
			for _, v := range st.route.in {
				rate += v / float64(len(st.route.seats))
			}
		}
		if rate > 0 {
			m[st.id] = rate
		}
	}
	return m
}

// writers looks at the masters.
type writers struct{ r *Runner }

func (w writers) Look(ctx context.Context, name string) (cutover.Seen, error) {
	if err := ctx.Err(); err != nil {
		return cutover.Seen{}, err
	}
	s := w.r.s
	w.r.takes(20 * cutover.Millisecond)
	for _, p := range s.pairs {
		if p.name != name {
			continue
		}
		seen := cutover.Seen{ReadOnly: map[cutover.Room]bool{}, Why: map[cutover.Room]string{}}
		for side, room := range p.rooms {
			if s.down(s.rooms[room], "server") {
				seen.Why[s.rooms[room]] = "no answer"
				continue
			}
			seen.ReadOnly[s.rooms[room]] = p.masters[side].readOnly
		}
		return seen, nil
	}
	return cutover.Seen{}, fmt.Errorf("there is no pair %q", name)
}

// publisher hands over to Options.Publish.
type publisher struct{ r *Runner }

func (p publisher) Publish(ctx context.Context, pair string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.r.takes(10 * cutover.Millisecond)
	return p.r.s.o.Publish(pair, p.r.Now())
}

// prober asks a room itself.
type prober struct{ r *Runner }

func (p prober) Probe(ctx context.Context, room cutover.Room, host string, paths []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.r.takes(30 * cutover.Millisecond)
	s := p.r.s
	i := s.roomIndex(room)
	if i < 0 {
		return fmt.Errorf("there is no room %q", room)
	}
	if err := s.probeError(i); err != nil {
		path := "/"
		if len(paths) > 0 {
			path = paths[0]
		}
		return fmt.Errorf("%s%s in %s: %w; want 2xx or 3xx", host, path, room, err)
	}
	return nil
}

var errProbe = errors.New("503 from it")

// probeError is why a room doesn't answer.
func (s *Sim) probeError(room int) error {
	switch {
	case s.down(s.rooms[room], "room"):
		return errUnreachable
	case s.down(s.rooms[room], "probe"), s.traffic.errors[room] >= 0.5:
		return errProbe
	}
	return nil
}

// operators are the people: they say what Options.Commands tells, and approve what they are asked.
type operators struct{ r *Runner }

func (o *operators) Start(context.Context) {
	r := o.r
	if r.started {
		return
	}
	r.started = true
	for i, t := range r.s.o.Commands {
		at := cutover.T(t.At)
		if at < r.s.now { // said to a process before this one
			continue
		}
		c := t.Command
		if c.ID == "" {
			c.ID = fmt.Sprintf("cmd-%d", i+1)
		}
		if c.Who == "" {
			c.Who = "ops1"
		}
		c.Args = maps.Clone(c.Args)
		r.commands.put(at, c)
	}
}

// Answer notes what a command came to in the timeline.
func (o *operators) Answer(id string, a cutover.Answer) {
	word := "refused: "
	if a.OK {
		word = ""
	}
	if a.View == nil {
		o.r.s.happened(o.r, Happened{Note: fmt.Sprintf("command %s: %s%s", id, word, a.Said)})
	}
}

// say posts a command of the people.
func (r *Runner) say(at cutover.T, c cutover.Command) {
	r.commands.put(at, c)
}

// Happened is one line of a simulated run's timeline: a record, a note of the engine or what struck the rooms.
type Happened struct {
	At     time.Duration // since the start
	Wall   time.Time
	Runner int // which process, from 1; 0: the rooms
	Record *cutover.Record
	Note   string
	Page   *cutover.Page
}

func (s *Sim) happened(r *Runner, h Happened) {
	h.At, h.Wall = s.now.Duration(), s.Wall()
	if r != nil {
		h.Runner = r.n + 1
	}
	s.timeline = append(s.timeline, h)
}

// shows listens to what the engine shows: it is the timeline, and how people come to know that they are asked.
type shows struct{ r *Runner }

func (w *shows) Event(e cutover.Shown) {
	r := w.r
	if e.Record != nil || e.Note != "" || e.Page != nil {
		r.s.happened(r, Happened{Record: e.Record, Note: e.Note, Page: e.Page})
	}
	if e.Record != nil {
		r.hear(e.Record)
	}
	if e.Page != nil && e.Page.Phase == cutover.PhaseFrozen && e.Page.For == 0 { // taken over as it was: no record tells them
		r.stopAfter(cutover.T(r.s.o.Watch))
	}
	if r.s.o.Show != nil {
		r.s.o.Show.Event(e)
	}
}
