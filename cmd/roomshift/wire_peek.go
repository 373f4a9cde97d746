package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// peekWithin is how long a pair is looked at.
const peekWithin = 10 * time.Second

// peeker looks at the pairs of real rooms. It takes no lock, writes nothing and ends nobody's session.
type peeker struct{ r *realRooms }

var _ cutover.Peeker = peeker{}

// Peek reads the record and looks at both masters.
func (k peeker) Peek(ctx context.Context, name string) cutover.Peeked {
	ctx, cancel := context.WithTimeout(ctx, peekWithin)
	defer cancel()
	out := cutover.Peeked{Seen: writer.Seen{Away: true}}
	pair, ring := pairNamed(k.r.l.Rooms, name), k.r.rings[name]
	if pair == nil || ring == nil {
		out.Err = fmt.Errorf("pair %s isn't open here", name)
		return out
	}
	for i, m := range pair.Masters {
		out.Seen.Servers[i] = writer.Server{Room: m.Room, Away: true}
	}
	first := pair.Masters[0].Room
	pos := ""
	if keeper, err := k.r.keeperOf(pair); err != nil {
		out.Err = err
	} else if out.Record, out.Index, out.Err = readRecord(ctx, keeper); out.Err == nil {
		out.Seen.Away = false
		if in, ok := keeper.(interface {
			Standing(context.Context) (string, string, error)
		}); ok {
			out.Holder, out.Claim, out.Err = in.Standing(ctx)
		}
		out.Keeper = keeper.(fmt.Stringer).String()
	}
	if r := out.Record; r != nil {
		first, pos = r.Writer, writer.PosFor(*r, writer.Fencer{})
	}
	seen, about, err := ring.Peek(ctx, first, dbsync.SeenOptions{Pos: pos})
	if err != nil {
		out.Err = errors.Join(out.Err, err)
		return out
	}
	out.Seen.Servers, out.Masters = seen, about
	for i := range seen {
		for _, m := range pair.Masters {
			if m.Room == seen[i].Room && m.RestartsFenced && about[i].Fenced == writer.NotKnown {
				out.Masters[i].Restart, out.Masters[i].Fenced = "fenced, as rooms.yaml declares", writer.Yes
			}
		}
	}
	return out
}

func readRecord(ctx context.Context, keeper movers.Keeper) (*writer.Record, uint64, error) {
	text, index, _, err := keeper.Look(ctx)
	if err != nil || index == 0 {
		return nil, 0, err
	}
	r, err := writer.ParseRecord(text)
	if err != nil {
		return nil, index, err
	}
	return &r, index, nil
}

// keepsRecord is the room whose Consul has a pair's record, if it has one.
func keepsRecord(rooms *runbooks.Rooms, p *runbooks.Pair) string {
	return cmp.Or(p.Record, rooms.Control.Room)
}

func pairNamed(rooms *runbooks.Rooms, name string) *runbooks.Pair {
	for i := range rooms.Pairs {
		if rooms.Pairs[i].Name == name {
			return &rooms.Pairs[i]
		}
	}
	return nil
}

// loadPairs reads rooms.yaml, without its routes, for those who want to know of pairs alone; no names: all of them.
func loadPairs(io stdio, file string, names []string, asJSON bool) (*runbooks.Loaded, error) {
	file = cmp.Or(file, "rooms.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("read the rooms: %w; name the file with --rooms FILE", err)
	}
	l := &runbooks.Loaded{RoomsFile: file, RoomsSrc: text}
	rooms, problems := runbooks.LoadRooms(file, text)
	if len(problems) > 0 {
		showProblems(io, l, problems, asJSON)
		return nil, problemsError(len(problems))
	}
	var all []string
	for i := range rooms.Pairs {
		all = append(all, rooms.Pairs[i].Name)
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			near := ""
			if n := runbooks.Nearest(name, all); n != "" {
				near = fmt.Sprintf(": did you mean %s?", n)
			}
			return nil, usage("%s has no pair %q; its pairs: %s%s", file, name, orNone(strings.Join(all, ", ")), near)
		}
	}
	only := *rooms
	only.Routes, only.Groups = nil, nil
	if len(names) > 0 {
		only.Pairs = slices.DeleteFunc(slices.Clone(rooms.Pairs), func(p runbooks.Pair) bool { return !slices.Contains(names, p.Name) })
	}
	if len(only.Pairs) == 0 {
		return nil, usage("%s has no pairs", file)
	}
	only.Rooms = slices.Clone(rooms.Rooms)
	for i := range only.Rooms {
		keeps := func(p runbooks.Pair) bool { return keepsRecord(rooms, &p) == only.Rooms[i].Name }
		if !slices.ContainsFunc(only.Pairs, keeps) {
			only.Rooms[i].Consul = nil // nothing is asked of it
		}
	}
	l.Rooms, l.Book = &only, &runbooks.Runbook{Gates: rooms.Gates}
	return l, nil
}

// wireOnlyPairs opens pairs and what keeps their records, and nothing else.
func wireOnlyPairs(l *runbooks.Loaded) (*realRooms, error) {
	r := &realRooms{l: l, clock: newClock(), consuls: map[string]*consul.Client{}, rings: dbsync.Rings{}}
	r.world.Clock, r.world.Peeker = r.clock, peeker{r}
	for _, build := range []func() error{r.wireConsuls, r.wirePairs} {
		if err := build(); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}
