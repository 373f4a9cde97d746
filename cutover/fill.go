package cutover

import "math"

// Fill is what the newer instances of a seat must weigh so that it carries the share as nearly as the scale can, while the others keep
// their weights (Filler). A newer instance gets nothing only where its room has something else that serves, or is to get nothing.
func (m *Members) Fill(held []Held, newer func(*Held) bool, want Share) map[string]string {
	f := filling{m: m, want: want, kept: make([]int, len(m.Rooms)), counts: make([]int, len(m.Rooms))}
	now := 0
	for i := range held {
		h := &held[i]
		at := m.room(h.Room)
		switch {
		case at < 0 || !h.Live:
			continue
		case newer(h):
			f.counts[at]++
		default:
			f.kept[at] += h.Weights[h.Room]
		}
		now += h.Weights[h.Room]
	}
	f.least = f.off(held)
	for at, room := range m.Rooms { // a room whose instances are all kept says how much the whole is
		if f.counts[at] == 0 && f.kept[at] > 0 && want[room] > 0 {
			f.try(float64(f.kept[at]) * Whole / float64(want[room]))
		}
	}
	f.try(float64(now))
	if f.best == nil {
		return nil
	}
	values := map[string]string{}
	for i := range held {
		if at := m.room(held[i].Room); at >= 0 && newer(&held[i]) {
			values[held[i].Object] = m.Value(&held[i], f.best[at])
		}
	}
	return values
}

// filling looks for the units of newer instances, by what the whole weighs.
type filling struct {
	m            *Members
	want         Share
	kept, counts []int // by room: what the kept instances weigh, how many newer ones live
	best         []int
	least        int // how near that comes, in basis points
}

// off is how far a listing is from the share.
func (f *filling) off(held []Held) int {
	share := liveShare(held)
	if share == nil {
		return Whole
	}
	return farOff(share, f.want)
}

// try gives each room what it lacks of a whole.
func (f *filling) try(whole float64) {
	units, sums := make([]int, len(f.kept)), Share{}
	for at, room := range f.m.Rooms {
		sums[room] = f.kept[at]
		if f.counts[at] == 0 {
			continue
		}
		lacks := (float64(f.want[room])*whole/Whole - float64(f.kept[at])) / float64(f.counts[at]*f.m.Unit)
		least := b2i(f.kept[at] == 0 && f.want[room] > 0)
		units[at] = min(max(int(math.Round(lacks)), least), f.m.Scale.Max)
		sums[room] += units[at] * f.m.Unit * f.counts[at]
	}
	share := ShareOf(sums)
	if share == nil {
		return
	}
	if off := farOff(share, f.want); off < f.least {
		f.least, f.best = off, units
	}
}
