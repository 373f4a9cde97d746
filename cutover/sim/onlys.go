package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/runbooks"
)

// only is a thing that runs in exactly one room, or in none, in all rooms as its owners would have built it: in each it reads its key and
// its pairs' records every five seconds, and stops when it hasn't seen them for fifteen.
type only struct {
	s      *Sim
	spec   *runbooks.Only
	pairs  []*pair
	key    *cutover.OnlyKey // nil: there is none
	index  uint64
	read   cutover.T // when its key was read last
	runs   []bool    // by room
	halts  []int     // rises when a stop no longer holds
	spans  []OnlySpan
	keeper cutover.Room
}

// OnlySpan is a time in which a thing ran in a room; To Never: it still does.
type OnlySpan struct {
	Name     string
	Room     cutover.Room
	From, To cutover.T // since the start
}

const (
	onlyEvery = 5 * cutover.Second
	onlyBlind = 15 * cutover.Second
	onlyStops = 2 * cutover.Second // what it has begun is done
	onlyMany  = 3                  // of it run where it runs
)

// buildOnlys makes the things as they are before the run: each runs where the writer of its first pair is, or as Options says.
func (s *Sim) buildOnlys() {
	for i := range s.l.Rooms.Only {
		o := &only{s: s, spec: &s.l.Rooms.Only[i], runs: make([]bool, len(s.rooms)), halts: make([]int, len(s.rooms))}
		for _, name := range o.spec.PairsOf(s.l.Book) {
			if p := s.pair(name); p != nil {
				o.pairs = append(o.pairs, p)
			}
		}
		if len(o.pairs) == 0 {
			continue
		}
		o.keeper = s.keeper(o.pairs[0])
		room, ok := s.o.Onlys[o.spec.Name]
		if !ok {
			room = s.rooms[o.pairs[0].writer]
		}
		if room != "" {
			o.key, o.index = &cutover.OnlyKey{Version: 1, Room: room, Epoch: 1}, 1
		}
		s.onlys = append(s.onlys, o)
		o.obey()
	}
}

// wakeOnlys has every thing look at its next moment: something that they read has changed, or can't be read any more.
func (s *Sim) wakeOnlys() {
	for _, o := range s.onlys {
		s.at((s.now/onlyEvery+1)*onlyEvery, o.obey)
	}
}

// should tells where it is to run.
func (o *only) should(room cutover.Room) bool {
	if o.key == nil || o.key.Room != room {
		return false
	}
	for _, p := range o.pairs {
		at := o.s.rooms[p.writer]
		if p.text != nil {
			at = p.text.Writer
			if p.text.Phase != writer.Stable {
				return false
			}
		}
		if at != room {
			return false
		}
	}
	return true
}

// obey is what it does when it looks.
func (o *only) obey() {
	s := o.s
	blind := s.down(o.keeper, "consul")
	if !blind {
		o.read = s.now
	}
	for i, room := range s.rooms {
		switch runs := !blind && o.should(room); {
		case blind && s.now-o.read < onlyBlind: // it goes on as it was told last
		case runs == o.runs[i]:
			if runs {
				o.halts[i]++
			}
		case runs:
			o.start(i)
		case !o.stuck():
			o.stop(i)
		}
	}
	if blind || o.stuck() {
		s.at(s.now+onlyEvery, o.obey)
	}
}

func (o *only) start(i int) {
	o.runs[i] = true
	o.halts[i]++
	o.spans = append(o.spans, OnlySpan{o.spec.Name, o.s.rooms[i], o.s.now, cutover.Never})
}

// stop ends it once what it has begun is done.
func (o *only) stop(i int) {
	o.halts[i]++
	halt := o.halts[i]
	o.s.at(o.s.now+onlyStops, func() {
		if !o.runs[i] || o.halts[i] != halt {
			return
		}
		o.runs[i] = false
		for k := range o.spans {
			if sp := &o.spans[k]; sp.Room == o.s.rooms[i] && sp.To == cutover.Never {
				sp.To = o.s.now
			}
		}
	})
}

// stuck: a fault keeps it from stopping.
func (o *only) stuck() bool {
	return slices.ContainsFunc(o.s.faults, func(f *fault) bool { return f.on && f.kind == "stuck" && f.only == o.spec.Name })
}

// Onlys is when things ran where, in order.
func (s *Sim) Onlys() []OnlySpan {
	var out []OnlySpan
	for _, o := range s.onlys {
		out = append(out, o.spans...)
	}
	return out
}

// OnlyKey is what the key of a thing says now, "" if there is none.
func (s *Sim) OnlyKey(name string) cutover.Room {
	for _, o := range s.onlys {
		if o.spec.Name == name && o.key != nil {
			return o.key.Room
		}
	}
	return ""
}

// OnlyWrite is one request that sets a thing's key, as it left its process.
type OnlyWrite struct {
	At   cutover.T // since the start
	N    int       // the number of the write, as faults count
	Name string
	Room cutover.Room
}

// OnlyWrites is every such request, in the order in which they were sent.
func (s *Sim) OnlyWrites() []OnlyWrite { return s.onlyWrites }

// onlyKeeper has a thing's key for one process.
type onlyKeeper struct {
	o *only
	r *Runner
}

// worldOnlys are the things that the runbook's writer steps name.
func (r *Runner) worldOnlys() []cutover.Only {
	var out []cutover.Only
	for _, o := range r.s.onlys {
		if slices.ContainsFunc(r.s.l.Book.Steps, func(st runbooks.Step) bool { return st.Writer != nil && slices.Contains(st.Writer.With, o.spec.Name) }) {
			out = append(out, cutover.Only{Name: o.spec.Name, Place: o.keeper, Keeper: onlyKeeper{o, r}})
		}
	}
	return out
}

func (k onlyKeeper) Read(ctx context.Context) cutover.OnlySeen {
	k.r.takes(casTakes)
	switch {
	case ctx.Err() != nil:
		return cutover.OnlySeen{Err: ctx.Err()}
	case k.o.s.down(k.o.keeper, "consul"):
		return cutover.OnlySeen{Err: errUnreachable}
	case k.o.key == nil:
		return cutover.OnlySeen{Key: cutover.OnlyKey{Room: cutover.OnlyNone}, Index: k.o.index}
	}
	return cutover.OnlySeen{Key: *k.o.key, Index: k.o.index}
}

func (k onlyKeeper) Running(ctx context.Context, _ cutover.Room) cutover.OnlyCount {
	s := k.o.s
	k.r.takes(20 * cutover.Millisecond)
	c := cutover.OnlyCount{Running: map[cutover.Room]float64{}, At: k.r.Now(), Err: ctx.Err()}
	for i, room := range s.rooms {
		if s.down(room, "prometheus") {
			c.Err = fmt.Errorf("the Prometheus of %s: %w", room, errUnreachable)
		}
		c.Running[room] = 0
		if k.o.runs[i] {
			c.Running[room] = onlyMany
		}
	}
	return c
}

func (k onlyKeeper) Write(ctx context.Context, f cutover.Fence, key cutover.OnlyKey, index uint64) cutover.MoveReply {
	s := k.o.s
	if ctx.Err() != nil {
		return cutover.MoveReply{What: cutover.Failed, Err: errors.New("not sent")}
	}
	s.writes++
	s.onlyWrites = append(s.onlyWrites, OnlyWrite{s.now, s.writes, k.o.spec.Name, key.Room})
	t := s.writeFault(&plane{s: s, name: k.o.spec.Name, Plane: cutover.Plane{Name: k.o.spec.Name, Room: k.o.keeper}}, s.writes)
	defer s.strikeAtWrite(k.r, s.writes)
	k.r.takes(casTakes)
	send := func() cutover.MoveReply { return k.o.set(f, key, index) }
	switch t.how {
	case "":
		return send()
	case "fail":
		return cutover.MoveReply{What: cutover.Failed, Err: errServer}
	case "lose reply":
		send()
	case "late", "hang":
		s.at(s.now+t.d, func() { send() })
	}
	k.r.takes(k.r.call.limit)
	return cutover.MoveReply{What: cutover.Unknown, Err: errNoAnswer}
}

// set is the compare-and-set, whenever it arrives.
func (o *only) set(f cutover.Fence, key cutover.OnlyKey, index uint64) cutover.MoveReply {
	s := o.s
	switch {
	case s.down(o.keeper, "consul"):
		return cutover.MoveReply{What: cutover.Unknown, Err: errUnreachable}
	case !s.fenced(o.keeper, f):
		return cutover.MoveReply{What: cutover.Failed, Err: errors.New("the session is over")}
	case o.index != index:
		return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("the key is at index %d, not %d", o.index, index)}
	}
	o.key = &key
	o.index++
	s.wakeOnlys()
	return cutover.MoveReply{What: cutover.Done}
}

// fenced: the session that a request checks is the one that has the lock.
func (s *Sim) fenced(name string, f cutover.Fence) bool {
	for _, p := range s.places {
		if p.name == name {
			p.sweep()
			return slices.ContainsFunc(p.held, func(h *lease) bool { return h.session == f.Session && !h.over })
		}
	}
	return false
}

// setOnly is somebody else who writes a thing's key.
func (s *Sim) setOnly(f *fault) bool {
	for _, o := range s.onlys {
		if o.spec.Name == f.only {
			o.key = &cutover.OnlyKey{Version: 1, Room: f.text2, Epoch: 1, By: "somebody else"}
			o.index++
			s.wakeOnlys()
			return true
		}
	}
	return false
}

func (s *Sim) onlyNames() []string {
	var names []string
	for _, o := range s.onlys {
		names = append(names, o.spec.Name)
	}
	return names
}
