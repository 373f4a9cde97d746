package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/runbooks"
)

// wireOnlys makes the keys of the things that the runbook's writer steps stop and start.
func (r *realRooms) wireOnlys() error {
	for i := range r.l.Rooms.Only {
		o := &r.l.Rooms.Only[i]
		if !slices.ContainsFunc(r.l.Book.Steps, func(st runbooks.Step) bool { return st.Writer != nil && slices.Contains(st.Writer.With, o.Name) }) {
			continue
		}
		only, err := r.onlyOf(o)
		if err != nil {
			return err
		}
		r.world.Onlys = append(r.world.Onlys, only)
	}
	return nil
}

// onlyOf is a thing with its key, which is in the Consul that has the record of its first pair.
func (r *realRooms) onlyOf(o *runbooks.Only) (cutover.Only, error) {
	rooms := r.l.Rooms
	keeper := rooms.Control.Room
	pairs := o.PairsOf(r.l.Book)
	if len(pairs) > 0 {
		keeper = cmp.Or(rooms.Pair(pairs[0]).Record, keeper)
	}
	client := r.consuls[keeper]
	if client == nil {
		return cutover.Only{}, usage("%s: the key of %s is in the Consul of %s, and that room has none", r.l.RoomsFile, o.Name, keeper)
	}
	var names []cutover.Room
	for i := range rooms.Rooms {
		names = append(names, rooms.Rooms[i].Name)
	}
	key := cmp.Or(o.Key, consul.OnlyPath(rooms.Control.Prefix, o.Name))
	return cutover.Only{Name: o.Name, Place: "consul." + keeper, Keeper: client.Only(o.Name, key, names, r.counting(o, pairs))}, nil
}

// counting is how it is seen that nothing of a thing runs: in each room of its pairs its instances, and the transactions that its account
// has open there.
func (r *realRooms) counting(o *runbooks.Only, pairs []string) func(context.Context, cutover.Room) cutover.OnlyCount {
	var rooms []cutover.Room
	for _, name := range pairs {
		for _, m := range r.l.Rooms.Pair(name).Masters {
			if !slices.Contains(rooms, m.Room) {
				rooms = append(rooms, m.Room)
			}
		}
	}
	return func(ctx context.Context, to cutover.Room) cutover.OnlyCount {
		c := cutover.OnlyCount{Running: map[cutover.Room]float64{}, At: r.clock.Now()}
		var mu sync.Mutex
		var all sync.WaitGroup
		ask := func(f func() (float64, cutover.T, error), put func(float64)) {
			all.Go(func() {
				v, at, err := f()
				mu.Lock()
				defer mu.Unlock()
				if c.Err = errors.Join(c.Err, err); err == nil {
					c.At = min(c.At, at)
					put(v)
				}
			})
		}
		for _, room := range rooms {
			add := func(v float64) { c.Running[room] += v }
			ask(func() (float64, cutover.T, error) { return r.instancesOf(ctx, o, room) }, add)
			for _, pair := range pairs {
				if o.User != "" {
					ask(func() (float64, cutover.T, error) { return r.transactionsOf(ctx, o, pair, room) }, add)
				}
			}
		}
		if o.Behind != nil {
			ask(func() (float64, cutover.T, error) { return r.metrics.Count(ctx, o.Name+": behind", o.Behind.Query, to) }, func(v float64) { c.Behind = v })
		}
		all.Wait()
		return c
	}
}

// instancesOf is how many of a thing run in a room, by its query or by its service's instances that pass.
func (r *realRooms) instancesOf(ctx context.Context, o *runbooks.Only, room cutover.Room) (float64, cutover.T, error) {
	if o.Running != nil {
		return r.metrics.Count(ctx, o.Name+": running", o.Running.Query, room)
	}
	at := r.clock.Now()
	client := r.consuls[room]
	if client == nil {
		return 0, 0, fmt.Errorf("%s: room %s has no consul that could list service %s", o.Name, room, o.Service)
	}
	addrs, err := client.Passing(ctx, o.Service)
	return float64(len(addrs)), at, err
}

// transactionsOf is how many transactions a thing's account has open on a pair's master in a room.
func (r *realRooms) transactionsOf(ctx context.Context, o *runbooks.Only, pair string, room cutover.Room) (float64, cutover.T, error) {
	at := r.clock.Now()
	ring := r.rings[pair]
	if ring == nil {
		return 0, 0, fmt.Errorf("%s: the pair %s isn't open", o.Name, pair)
	}
	if i := slices.IndexFunc(r.l.Rooms.Pairs, func(p runbooks.Pair) bool { return p.Name == pair }); r.l.Rooms.Pairs[i].Masters[0].Room != room && r.l.Rooms.Pairs[i].Masters[1].Room != room {
		return 0, at, nil
	}
	n, err := ring.OpenTransactions(ctx, room, o.User)
	return float64(n), at, err
}

// onlyKeys are the keys of things, as far as they stand outside the prefix, that may be in this room's Consul.
func onlyKeys(rooms *runbooks.Rooms, room string) []string {
	var keys []string
	for i := range rooms.Only {
		o := &rooms.Only[i]
		keeper := rooms.Control.Room
		if p := rooms.Pair(o.Pair); p != nil {
			keeper = cmp.Or(p.Record, keeper)
		}
		if o.Key != "" && keeper == room {
			keys = append(keys, o.Key)
		}
	}
	return keys
}

// onlyRights are the lines of a policy by which the instances of things are counted, in every room.
func onlyRights(rooms *runbooks.Rooms) []string {
	var services []string
	for i := range rooms.Only {
		if s := rooms.Only[i].Service; s != "" {
			services = append(services, s)
		}
	}
	return consul.ReadPolicy(services...)
}

// onlyFindings reads the key of each thing that the runbook stops and starts, and counts it once.
func (r *realRooms) onlyFindings(ctx context.Context) []finding {
	var fs []finding
	for i := range r.world.Onlys {
		o := &r.world.Onlys[i]
		f := finding{Check: "only " + o.Name, Want: "a key that says a room or none, and a count of what runs of it"}
		seen, count := o.Keeper.Read(ctx), o.Keeper.Running(ctx, r.l.Book.To)
		switch {
		case seen.Err != nil:
			f.Seen, f.Do = seen.Err.Error(), "mend the key, or the token's rights: roomshift check --grants prints them"
		case count.Err != nil:
			f.Seen, f.Do = count.Err.Error(), "mend `running`, `user` or `behind` of it: without a count nobody knows when it has stopped"
		default:
			f.Seen, f.OK = "its key says "+seen.Key.Room, true
			for _, room := range sortedNames(count.Running) {
				n := count.Running[room]
				f.Seen += fmt.Sprintf(", %g in %s", n, room)
				if n > 0 && room != seen.Key.Room {
					f.OK, f.Do = false, "find out why it runs where its key doesn't say: docs/only.md says how it obeys"
				}
			}
		}
		fs = append(fs, f)
	}
	return fs
}
