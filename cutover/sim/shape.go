package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"roomshift/cutover"
	"roomshift/runbooks"
)

// How shares become values. A whole split is written as it is, if its scale has the number. Instances and records of one room
// have one weight: cutover.Members works them out, near what the scale holds, so that a simulated room's weights don't depend on
// what it held before.

// joins is what an instance comes with.
func (p *plane) joins() string {
	if p.of == runbooks.MediumDNS {
		return "0"
	}
	return "1"
}

func (p *plane) scale() cutover.Scale { return cutover.ScaleOf(p.of, p.seats[0].route.spec.Consumer) }

// members is how seats of instances or records are shaped.
func (p *plane) members() *cutover.Members {
	sc := p.scale()
	return &cutover.Members{Rooms: p.s.rooms, Scale: sc, Unit: sc.Step, Fixed: sc.Max,
		Value: func(_ *cutover.Held, units int) string { return strconv.Itoa(sc.Written(units)) }}
}

// unit is how many basis points one unit of a number key is.
func (r *route) unit() int {
	switch r.spec.Key.As {
	case "permille":
		return 10
	case "basispoints":
		return 1
	}
	return 100
}

// weigh turns a value into weights by room.
func (p *plane) weigh(name string, room int, value string) (cutover.Share, error) {
	switch p.of {
	case runbooks.MediumKey:
		r := p.keyed(name)
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n*r.unit() > cutover.Whole || r.unit() == 0 {
			return nil, fmt.Errorf("%s holds %q, want a number of 0 to %d", name, value, cutover.Whole/r.unit())
		}
		return p.s.splitOf(r.spec.Key.Of, n*r.unit()), nil
	case runbooks.MediumSplitter:
		return parseSplit(p.s.rooms, name, value)
	}
	n, err := strconv.Atoi(value)
	if sc := p.scale(); err != nil || n < 0 || n > sc.Written(sc.Max) || room < 0 {
		return nil, fmt.Errorf("%s holds %q, want a weight of 0 to %d", name, value, sc.Written(sc.Max))
	}
	return cutover.Share{p.s.rooms[room]: n}, nil
}

// keyed is the route whose number stands at a key.
func (p *plane) keyed(name string) *route {
	for _, st := range p.seats {
		if st.route.spec.Key != nil && st.route.spec.Key.Key == name {
			return st.route
		}
	}
	return p.seats[0].route
}

// splitOf gives n to a room and the rest to the other of the run's two; a key of a third room takes from the room that is left.
func (s *Sim) splitOf(of cutover.Room, n int) cutover.Share {
	other := s.rooms[s.from]
	if of == other {
		other = s.rooms[s.to]
	}
	return cutover.Share{of: n, other: cutover.Whole - n}
}

// takesValue refuses what an object can't hold.
func (p *plane) takesValue(o *object, value string) error {
	if p.Aspect == cutover.TTL {
		if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 86400 {
			return fmt.Errorf("%s: %q is no TTL, want 1 to 86400 seconds", o.name, value)
		}
		return nil
	}
	_, err := p.weigh(o.name, o.room, value)
	return err
}

// splitText is a splitter's canonical value: each room's percent, in the order of the rooms.
func splitText(rooms []cutover.Room, sh cutover.Share) string {
	parts := make([]string, len(rooms))
	for i, r := range rooms {
		parts[i] = fmt.Sprintf("%s=%d.%02d", r, sh[r]/100, sh[r]%100)
	}
	return strings.Join(parts, " ")
}

func parseSplit(rooms []cutover.Room, name, value string) (cutover.Share, error) {
	sh := cutover.Share{}
	sum := 0
	for _, part := range strings.Fields(value) {
		room, number, _ := strings.Cut(part, "=")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || v < 0 || v > 100 {
			return nil, fmt.Errorf("%s holds %q, want ROOM=PERCENT for each room", name, value)
		}
		if n := int(math.Round(v * 100)); n > 0 {
			sh[room] = n
			sum += n
		}
	}
	if sum != cutover.Whole || splitText(rooms, sh) != value {
		return nil, fmt.Errorf("%s holds %q, want ROOM=PERCENT for %v with a sum of 100", name, value, rooms)
	}
	return sh, nil
}

// shape is the changes, in waves, that bring one seat to its share.
func (p *plane) shape(st *seat, held []cutover.Held, want cutover.Share) ([][]cutover.Change, error) {
	if err := p.s.isShare(st.id, want); err != nil {
		return nil, err
	}
	switch p.of {
	case runbooks.MediumKey, runbooks.MediumSplitter:
		return p.shapeWhole(st, held, want)
	}
	ws, err := p.members().ShapeSeat(held, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.id, err)
	}
	return ws, nil
}

func (s *Sim) isShare(id cutover.Seat, want cutover.Share) error {
	sum := 0
	for _, r := range s.rooms {
		if want[r] < 0 {
			return fmt.Errorf("%s: %v is no share", id, want)
		}
		sum += want[r]
	}
	if sum != cutover.Whole {
		return fmt.Errorf("%s: %v is no share of %v, want a sum of 100 %%", id, want, s.rooms)
	}
	return nil
}

func (p *plane) shapeWhole(st *seat, held []cutover.Held, want cutover.Share) ([][]cutover.Change, error) {
	var wave []cutover.Change
	for _, h := range held {
		after, err := p.whole(st, want)
		if err != nil {
			return nil, fmt.Errorf("%s %w", h.Object, err)
		}
		gives, err := p.gives(h.Object, after, want)
		if err != nil {
			return nil, err
		}
		if after != h.Value {
			wave = append(wave, change(h, after, gives))
		}
	}
	if wave == nil {
		return nil, nil
	}
	return [][]cutover.Change{wave}, nil
}

// gives is the share that an object gives when it holds the value that was worked out for it.
func (p *plane) gives(object, value string, want cutover.Share) (cutover.Share, error) {
	gives, err := p.weigh(object, -1, value)
	if err != nil {
		return nil, err
	}
	for _, r := range p.s.rooms {
		if gives[r] != want[r] {
			return nil, fmt.Errorf("%s can't give %s %d basis points: it splits between %v", object, r, want[r], gives)
		}
	}
	return gives, nil
}

// whole is the value of an object that holds the whole split.
func (p *plane) whole(st *seat, want cutover.Share) (string, error) {
	if p.of == runbooks.MediumSplitter {
		return splitText(p.s.rooms, want), nil
	}
	n, unit := want[st.route.spec.Key.Of], st.route.unit()
	if n%unit != 0 {
		return "", fmt.Errorf("can't hold %d.%02d %%: its unit is %d.%02d %%", n/100, n%100, unit/100, unit%100)
	}
	return strconv.Itoa(n / unit), nil
}

func change(h cutover.Held, after string, gives cutover.Share) cutover.Change {
	return cutover.Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: after, Version: h.Version, Gives: gives}
}

// units is each room's weight in units of the scale.
func (p *plane) units(st *seat, counts []int, want cutover.Share) ([]int, error) {
	fewest := math.MaxInt
	for _, n := range counts {
		if n > 0 {
			fewest = min(fewest, n)
		}
	}
	if fewest == math.MaxInt {
		fewest = 0
	}
	units, err := p.scale().Units(p.s.rooms, counts, want, p.scale().Max*fewest)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st.id, err)
	}
	return units, nil
}
