package consul

import (
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover"
)

// Owned is what there is of a seat in a room: how many instances, how many of them live, and by whom they are owned.
type Owned struct {
	Seat      cutover.Seat
	Room      cutover.Room
	All, Live int
	Owners    map[string]int // in words: "by their agents"
}

// String is the line that check shows.
func (o Owned) String() string {
	var words []string
	for _, w := range sortedKeys(o.Owners) {
		words = append(words, fmt.Sprintf("%d owned %s", o.Owners[w], w))
	}
	return fmt.Sprintf("%d of %d live in %s, %s", o.Live, o.All, o.Room, strings.Join(words, ", "))
}

// Ownership is what a listing of this medium's comes to, by seat and room.
func (s *Services) Ownership(held []cutover.Held) []Owned {
	type key struct {
		seat cutover.Seat
		room cutover.Room
	}
	of := map[key]*Owned{}
	var all []*Owned
	for _, h := range held {
		k := key{h.Seat, h.Room}
		o := of[k]
		if o == nil {
			o = &Owned{Seat: h.Seat, Room: h.Room, Owners: map[string]int{}}
			of[k], all = o, append(all, o)
		}
		o.All++
		if h.Live {
			o.Live++
		}
		o.Owners[ownerText(h.Version)]++
	}
	slices.SortFunc(all, func(a, b *Owned) int {
		if c := cutover.CompareSeats(a.Seat, b.Seat); c != 0 {
			return c
		}
		return strings.Compare(a.Room, b.Room)
	})
	out := make([]Owned, len(all))
	for i, o := range all {
		out[i] = *o
	}
	return out
}

// ownerText says whose an instance of this version is, and whether its weight can be written.
func ownerText(version string) string {
	f, known := factsOf(version)
	text := "by " + string(f.owner)
	switch {
	case !known:
		return "by nobody known"
	case f.owner == OwnedByAgent:
		return "by their agents"
	case f.owner == OwnedByCatalog:
		text = "by the catalog"
	}
	if f.dropped != "" {
		text += ", weights fixed by " + f.dropped
	}
	return text
}

// ServicePolicy is the least that roomshift's token must be allowed beside Policy, in Consul's language, to write these services' weights,
// in the catalog and through agents, and these splitters.
func ServicePolicy(services, splitters []string) []string {
	names := append(slices.Clone(services), splitters...)
	slices.Sort(names)
	var lines []string
	for _, name := range slices.Compact(names) {
		lines = append(lines, fmt.Sprintf("service %q { policy = \"write\" }", name))
	}
	if len(services) > 0 {
		lines = append(lines, nodeRead)
	}
	if len(splitters) > 0 {
		lines = append(lines, agentRead)
	}
	return lines
}
