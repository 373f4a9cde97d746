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
// have one weight. It is taken from a fixed scale: the sum over all of them stays what the scale holds, so that a room that
// gains only rises and one that loses only falls, and no order of writes passes the goal. Where rounding takes that more than a
// quarter of a point off, the nearest sum that is within it is taken: the smallest numbers that would do could make a room that
// loses rise, and its share with it.

// scale is what a consumer of weights can tell apart: units 0..max, written times step. 0 is out.
type scale struct {
	max, step int
	joins     string // what an instance comes with
}

// near is how far a shaped share may be off, in basis points.
const near = 25

func (p *plane) scale() scale {
	switch p.of {
	case runbooks.MediumDNS:
		return scale{max: 100, step: 1, joins: "0"}
	case runbooks.MediumUpstream:
		return scale{max: 10000, step: 1, joins: "1"}
	}
	if p.seats[0].route.spec.Consumer == "haproxy" {
		return scale{max: 255, step: 256, joins: "1"}
	}
	return scale{max: 65535, step: 1, joins: "1"}
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
	if sc := p.scale(); err != nil || n < 0 || n > sc.max*sc.step || room < 0 {
		return nil, fmt.Errorf("%s holds %q, want a weight of 0 to %d", name, value, sc.max*sc.step)
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
	return p.shapeMembers(st, held, want)
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

// shapeMembers gives all instances of a room one weight. The waves: what falls in rooms that gain, what falls in rooms that
// lose, what rises in rooms that lose, what rises in rooms that gain; rises first where otherwise nothing would serve.
func (p *plane) shapeMembers(st *seat, held []cutover.Held, want cutover.Share) ([][]cutover.Change, error) {
	s := p.s
	counts := make([]int, len(s.rooms))
	for _, h := range held {
		if i := s.roomIndex(h.Room); i >= 0 && h.Live {
			counts[i]++
		}
	}
	units, err := p.units(st, counts, want)
	if err != nil {
		return nil, err
	}
	was := shareOf(held)
	var waves [4][]cutover.Change
	left := 0 // what serves when all that falls has fallen
	for _, h := range held {
		i := s.roomIndex(h.Room)
		if i < 0 {
			continue
		}
		value := strconv.Itoa(units[i] * p.scale().step)
		gives := cutover.Share{h.Room: units[i] * p.scale().step}
		rises := gives[h.Room] > h.Weights[h.Room]
		if h.Live {
			left += min(gives[h.Room], h.Weights[h.Room])
		}
		if value == h.Value {
			continue
		}
		n := waveOf(rises, want[h.Room] > was[h.Room])
		waves[n] = append(waves[n], change(h, value, gives))
	}
	if left == 0 {
		waves[0], waves[1], waves[2], waves[3] = waves[2], waves[3], waves[0], waves[1]
	}
	var out [][]cutover.Change
	for _, w := range waves {
		if len(w) > 0 {
			out = append(out, w)
		}
	}
	return out, nil
}

// shareOf is what the live objects of one seat give.
func shareOf(held []cutover.Held) cutover.Share {
	sums := cutover.Share{}
	for i := range held {
		if held[i].Live {
			for room, w := range held[i].Weights {
				sums[room] += w
			}
		}
	}
	return cutover.ShareOf(sums)
}

// waveOf is the wave of a change, by whether the weight rises and whether its room gains.
func waveOf(rises, gains bool) int {
	switch {
	case rises && gains:
		return 3
	case rises:
		return 2
	case gains:
		return 0
	}
	return 1
}

// units is each room's weight in units of the scale.
func (p *plane) units(st *seat, counts []int, want cutover.Share) ([]int, error) {
	s, sc := p.s, p.scale()
	fewest := math.MaxInt
	for i, r := range s.rooms {
		if want[r] > 0 && counts[i] == 0 {
			return nil, fmt.Errorf("%s: %s is to get %d.%02d %% and has nothing that serves", st.id, r, want[r]/100, want[r]%100)
		}
		if counts[i] > 0 {
			fewest = min(fewest, counts[i])
		}
	}
	units := make([]int, len(s.rooms))
	try := func(whole float64) bool {
		for i, r := range s.rooms {
			units[i] = 0
			if want[r] > 0 {
				units[i] = max(1, int(math.Round(float64(want[r])*whole/cutover.Whole/float64(counts[i]))))
			}
			if units[i] > sc.max {
				return false
			}
		}
		return s.off(units, counts, want) <= near
	}
	most := 0
	for i, r := range s.rooms {
		if want[r] > 0 {
			most = max(most, counts[i])
		}
	}
	usual := sc.max * fewest
	for d := 0; d <= sc.max*most; d++ { // the nearest scale: weights stay near those of the shares before and after
		if d < usual && try(float64(usual-d)) || try(float64(usual+d)) {
			return units, nil
		}
	}
	return nil, fmt.Errorf("%s: weights of 1 to %d can't express %v over %v instances within 0.25 %%; choose a share between them",
		st.id, sc.max, want, counts)
}

// off is how far these units are from the share, in basis points.
func (s *Sim) off(units, counts []int, want cutover.Share) int {
	total := 0
	for i := range units {
		total += units[i] * counts[i]
	}
	if total == 0 {
		return cutover.Whole
	}
	worst := 0.0
	for i, r := range s.rooms {
		worst = max(worst, math.Abs(float64(units[i]*counts[i])/float64(total)*cutover.Whole-float64(want[r])))
	}
	return int(math.Ceil(worst - 1e-9))
}
