package cutover

import (
	"fmt"
	"maps"
	"slices"
)

// What a state of the seats means for the machines: load is the part of a declared capacity that a room's requests use, 1 is all
// of it. A capacity or a peak is declared by route or group; a route that isn't an entry, and a follower, stand for the entries
// that reach them.

// Loads is what a state means for rooms and lines. A room without declared capacity, or whose requests have no known rate, is
// absent; so is a line when no rate is known.
type Loads struct {
	Room map[Room]float64
	Line map[string]float64
}

// capacityKey is one declared capacity of one room.
type capacityKey struct {
	room    int
	name    string
	perSec  float64
	entries []int
	calls   float64 // calls for each request of an entry: a follower's
}

// peakKey is one declared peak.
type peakKey struct {
	perSec  float64
	entries []int
}

type linkFlow struct {
	name string
	a, b int
	bits float64
}

// stayerFlow is what every request served elsewhere calls in one room.
type stayerFlow struct {
	room        int
	bitsRequest float64 // over the line, for each request
}

func (c *Composer) prepareLoads(roomAt map[Room]int) {
	at := map[string]int{}
	for i := range c.entries {
		at[c.entries[i].name] = i
	}
	for r := range c.p.Rooms {
		for _, name := range sortedKeys(c.p.Rooms[r].Capacity) {
			c.caps = append(c.caps, capacityKey{room: r, name: name, perSec: c.p.Rooms[r].Capacity[name], entries: c.reached(name, at), calls: c.callsOf(name)})
		}
	}
	for _, name := range sortedKeys(c.p.Peak) {
		c.peaks = append(c.peaks, peakKey{perSec: c.p.Peak[name] / c.callsOf(name), entries: c.reached(name, at)})
	}
	for _, l := range c.p.Links {
		a, okA := roomAt[l.Between[0]]
		b, okB := roomAt[l.Between[1]]
		if okA && okB && l.Bits > 0 {
			c.links = append(c.links, linkFlow{l.Name, a, b, l.Bits})
		}
	}
	for _, r := range c.p.Routes {
		if room, ok := roomAt[r.Stays]; ok && r.Stays != "" {
			c.stayers = append(c.stayers, stayerFlow{room, r.Calls * float64(r.Bytes) * 8})
		}
	}
}

// reached is the entries that a route, or the routes of a group, get their requests from.
func (c *Composer) reached(name string, at map[string]int) []int {
	routes := []string{name}
	if g, ok := c.p.Groups[name]; ok {
		routes = g
	}
	hit := map[int]bool{}
	for _, r := range routes {
		for _, e := range c.entryOf[r] {
			hit[at[e]] = true
		}
	}
	return slices.Sorted(maps.Keys(hit))
}

// callsOf is how many calls of a route one request makes: 1 unless a follower declares them.
func (c *Composer) callsOf(name string) float64 {
	for i := range c.p.Routes {
		if r := &c.p.Routes[i]; r.Name == name && r.Follows != "" && r.Calls > 0 {
			return r.Calls
		}
	}
	return 1
}

// Loads works out the loads of what the seats hold, at the rates now or, peak, at the declared peak: then each entry has its
// part of the peak that names it, by the rates now, else in equal parts; entries that no peak names keep their rate.
func (c *Composer) Loads(set map[Seat]Share, rates map[Seat]float64, peak bool) Loads {
	c.work(set, rates)
	if peak {
		c.toPeak()
	}
	l := Loads{Room: map[Room]float64{}, Line: map[string]float64{}}
	for _, k := range c.caps {
		sum, known := 0.0, false
		for _, i := range k.entries {
			if e := &c.entries[i]; e.known && e.rated {
				sum += e.rate * e.share[k.room]
				known = true
			}
		}
		if known && k.perSec > 0 {
			l.Room[c.rooms[k.room]] = max(l.Room[c.rooms[k.room]], sum*k.calls/k.perSec)
		}
	}
	c.lineLoads(&l)
	return l
}

// Load is the part of a room's capacity that is used, at these rates, when share of all requests is in it; false if it isn't
// known. With several capacities the fullest counts.
func (c *Composer) Load(room Room, share Share, rates map[Seat]float64) (float64, bool) {
	load, known := 0.0, false
	for i := range c.entries {
		e := &c.entries[i]
		e.rate, e.rated = 0, false
		for _, s := range c.routes[e.route].seats {
			if v, ok := rates[s]; ok {
				e.rate, e.rated = e.rate+v, true
			}
		}
	}
	for _, k := range c.caps {
		if c.rooms[k.room] != room || k.perSec <= 0 {
			continue
		}
		for _, i := range k.entries {
			known = known || c.entries[i].rated
		}
		load = max(load, c.rateOf(k.entries)*k.calls*float64(share[room])/Whole/k.perSec)
	}
	return load, known
}

func (c *Composer) rateOf(entries []int) float64 {
	sum := 0.0
	for _, i := range entries {
		if c.entries[i].rated {
			sum += c.entries[i].rate
		}
	}
	return sum
}

// toPeak gives the entries the rates of the declared peak.
func (c *Composer) toPeak() {
	done := make([]bool, len(c.entries))
	now := make([]float64, len(c.entries))
	for i := range c.entries {
		if c.entries[i].rated {
			now[i] = c.entries[i].rate
		}
	}
	for _, k := range c.peaks {
		total, count := 0.0, 0.0
		for _, i := range k.entries {
			if !done[i] {
				total += now[i]
				count++
			}
		}
		for _, i := range k.entries {
			if done[i] {
				continue
			}
			part := 1 / count
			if total > 0 {
				part = now[i] / total
			}
			done[i] = true
			c.entries[i].rate, c.entries[i].rated = k.perSec*part, true
		}
	}
}

// lineLoads adds up what crosses: each route's own crossing by its bytes, and the calls of everything served away from a stayer.
func (c *Composer) lineLoads(l *Loads) {
	n := len(c.rooms)
	bits := make([]float64, n*n)
	here, next := make([]float64, n), make([]float64, n)
	rated := false
	for i := range c.entries {
		e := &c.entries[i]
		if !e.known || !e.rated {
			continue
		}
		rated = true
		for r := range n {
			here[r] = 0
		}
		c.enteringInto(here, e)
		if f := &c.routes[e.route]; f.byRoom {
			c.cross(f, e.rate, here, next, bits)
			here, next = next, here
		}
		for _, k := range e.chain {
			if f := &c.routes[k]; f.known {
				c.cross(f, e.rate, here, next, bits)
				here, next = next, here
			}
		}
		for _, s := range c.stayers {
			for r := range n {
				if r != s.room {
					bits[r*n+s.room] += e.rate * e.share[r] * s.bitsRequest
				}
			}
		}
	}
	for _, k := range c.links {
		if rated {
			l.Line[k.name] = (bits[k.a*n+k.b] + bits[k.b*n+k.a]) / k.bits
		}
	}
}

// enteringInto adds where an entry's requests enter.
func (c *Composer) enteringInto(here []float64, e *entryFlow) {
	n := len(c.rooms)
	if f := &c.routes[e.route]; !f.byRoom {
		copy(here, f.once)
		return
	}
	for r := range n {
		here[r] = e.enters[r]
	}
}

// cross sends requests through a route and counts the bits that it moves between rooms.
func (c *Composer) cross(f *routeFlow, rate float64, here, next, bits []float64) {
	n := len(c.rooms)
	clear(next)
	for in := range n {
		for out := range n {
			moved := here[in] * f.to[in*n+out]
			next[out] += moved
			if in != out {
				bits[in*n+out] += moved * rate * f.bytes * 8
			}
		}
	}
}

// OverCapacity names the rooms that a state would load past limit (1: all of their capacity), one line each, in the order of
// the rooms. Only rooms whose load rises over before's are named when before is given.
func (c *Composer) OverCapacity(set map[Seat]Share, rates map[Seat]float64, peak bool, limit float64, before map[Seat]Share) []string {
	if len(c.caps) == 0 {
		return nil
	}
	after := c.Loads(set, rates, peak)
	var was *Loads
	when := "now"
	if peak {
		when = "at peak"
	}
	var out []string
	for _, room := range c.rooms {
		load, ok := after.Room[room]
		if !ok || load <= limit+1e-9 {
			continue
		}
		if before != nil && was == nil {
			l := c.Loads(before, rates, peak)
			was = &l
		}
		if was != nil && load <= was.Room[room]+1e-9 {
			continue
		}
		out = append(out, fmt.Sprintf("%s would be at %s of its capacity %s, at most %s is allowed", room, percent(int(load*Whole+0.5)), when, percent(int(limit*Whole+0.5))))
	}
	return out
}

// overLines names the lines that a state would fill past all that they may carry, one line each; only those whose load rises over before's.
func (c *Composer) overLines(set map[Seat]Share, rates map[Seat]float64, peak bool, before map[Seat]Share) []string {
	if len(c.links) == 0 {
		return nil
	}
	after, was := c.Loads(set, rates, peak), c.Loads(before, rates, peak)
	var out []string
	for _, l := range c.links {
		if use := after.Line[l.name]; use > 1+1e-9 && use > was.Line[l.name]+1e-9 {
			out = append(out, fmt.Sprintf("%s would be at %s of what it may carry", l.name, percent(int(use*Whole+0.5))))
		}
	}
	return out
}
