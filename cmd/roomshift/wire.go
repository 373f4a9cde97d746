package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"roomshift/aliyun/dts"
	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/dbsync"
	"roomshift/metrics"
	"roomshift/runbooks"
)

// This file is the only place that builds real rooms.

// realRooms is both rooms as rooms.yaml says, with what holds their connections.
type realRooms struct {
	l         *runbooks.Loaded
	plan      *cutover.Plan // of the run that is gone on with; nil: none yet
	clock     *clock
	world     cutover.World
	consuls   map[string]*consul.Client // by room
	rings     dbsync.Rings
	metrics   *metrics.Metrics
	upstreams []*consul.Upstreams // of every room
	movers    *movers.Movers
	dts       *dts.Client  // nil: no pair is kept by it
	closers   []func()     // of what else holds connections
	names     *alidnsNames // nil: no name of this runbook is there
	missing   []string     // environment variables that aren't set
	notes     noter
}

// wire builds the rooms' clients. Nothing is asked but providers of names, for the lines that they hold now; by a run's own plan, if there
// is one, its seats are known already. What journals, talks and shows is added by the caller.
func wire(l *runbooks.Loaded, clk *clock, plan *cutover.Plan) (*realRooms, error) {
	r := &realRooms{l: l, plan: plan, clock: clk, consuls: map[string]*consul.Client{}, rings: dbsync.Rings{}}
	r.world.Clock, r.world.Peeker, r.world.After = clk, peeker{r}, afterMoves{r.rings}
	r.world.Comparisons = comparisons{l.Rooms.Environment}
	for _, build := range []func() error{r.wireConsuls, r.wireServices, r.wireNames, r.wirePairs, r.wireWriters, r.wirePublisher, r.wireMetrics, r.wireOnlys} {
		if err := build(); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close lets go of every connection.
func (r *realRooms) Close() {
	r.closeWriters()
	for _, name := range slices.Sorted(maps.Keys(r.consuls)) {
		r.consuls[name].Close()
	}
	for _, name := range slices.Sorted(maps.Keys(r.rings)) {
		r.rings[name].Close()
	}
	if r.metrics != nil {
		r.metrics.Close()
	}
	if r.names != nil {
		r.names.client.Close()
	}
	if r.dts != nil {
		r.dts.Close()
	}
	for _, end := range r.closers {
		end()
	}
}

// wireConsuls makes, for each room's Consul, a client, a lock, and a plane of the numbers at its keys. The control room is first.
func (r *realRooms) wireConsuls() error {
	rooms := r.l.Rooms
	names := []string{rooms.Control.Room}
	for i := range rooms.Rooms {
		if n := rooms.Rooms[i].Name; n != rooms.Control.Room {
			names = append(names, n)
		}
	}
	for _, name := range names {
		room := roomNamed(rooms, name)
		if room == nil || room.Consul == nil {
			continue
		}
		c := room.Consul
		client, err := consul.New(consul.Config{Name: name, Addr: c.Addr, Datacenter: c.Datacenter, TokenFile: c.TokenFile,
			CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, ServerName: c.ServerName, Note: r.notes.inARun})
		if err != nil {
			return err
		}
		r.consuls[name] = client
		place := "consul." + name
		r.world.Locks = append(r.world.Locks, cutover.Place{Name: place, Lock: client.Lock(rooms.Control.Prefix, consul.LockOptions{
			Place: place, Now: r.clock.Now, Notify: r.clock.Lease, Dead: processDead, Local: localLocks(rooms.Environment)})})
		if specs := keysIn(rooms, name); len(specs) > 0 {
			keys := client.NumberKeys(place, name, specs, [2]cutover.Room{r.l.Book.From, r.l.Book.To})
			r.world.Planes = append(r.world.Planes, client.Plane(place, name, place, keys))
		}
		r.wireUpstreams(client, place, name)
	}
	if len(r.world.Locks) == 0 {
		return usage("%s: no room has a consul, so there is neither a lock nor a key to write", r.l.RoomsFile)
	}
	return nil
}

func roomNamed(rooms *runbooks.Rooms, name string) *runbooks.Room {
	for i := range rooms.Rooms {
		if rooms.Rooms[i].Name == name {
			return &rooms.Rooms[i]
		}
	}
	return nil
}

// specsIn are the seats of a medium that are in this room's Consul: a seat is written through its own; what stands once for all is the
// control room's.
func specsIn[S any](rooms *runbooks.Rooms, room string, of runbooks.Medium, spec func(*runbooks.Route) S) map[cutover.Seat]S {
	specs := map[cutover.Seat]S{}
	for i := range rooms.Routes {
		rt := &rooms.Routes[i]
		switch {
		case rt.Medium != of:
		case slices.Contains(rt.Seats, room):
			specs[cutover.Seat{Route: rt.Name, At: room}] = spec(rt)
		case len(rt.Seats) == 0 && room == rooms.Control.Room:
			specs[cutover.Seat{Route: rt.Name}] = spec(rt)
		}
	}
	return specs
}

func keysIn(rooms *runbooks.Rooms, room string) map[cutover.Seat]consul.KeySpec {
	return specsIn(rooms, room, runbooks.MediumKey, func(rt *runbooks.Route) consul.KeySpec {
		return consul.KeySpec{Key: rt.Key.Key, Field: rt.Key.Field, As: rt.Key.As, Of: rt.Key.Of}
	})
}

// networksOf are the ranges of addresses that rooms.yaml says are a room's.
func networksOf(room *runbooks.Room) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range room.Addresses {
		if p, err := netip.ParsePrefix(a.CIDR); err == nil { // what isn't a range is a URL: the file was checked
			out = append(out, p)
		}
	}
	return out
}

// localLocks is where this machine's files stand that tell whether a holder of a lock is gone, "" nowhere.
func localLocks(environment string) string {
	base, err := stateDir()
	if err != nil {
		return "" // without them what a dead process holds is waited for
	}
	return filepath.Join(base, environment, "locks")
}

// processDead tells whether a process that ran on this machine is gone. Another machine's can't be known.
func processDead(host string, pid int) bool {
	here, err := os.Hostname()
	return err == nil && host == here && pid > 0 && syscall.Kill(pid, 0) == syscall.ESRCH
}

// wirePairs opens both masters of each pair. A secret is only ever in the environment.
func (r *realRooms) wirePairs() error {
	for _, p := range r.l.Rooms.Pairs {
		pair := dbsync.Pair{Name: p.Name}
		for i, m := range p.Masters {
			dsn := os.Getenv(m.DSNEnv)
			if dsn == "" {
				r.missing = append(r.missing, m.DSNEnv)
			}
			pair.Rooms[i], pair.DSN[i] = m.Room, dsn
			config, err := m.TLS.Config()
			if err != nil {
				return usage("pair %s: master in %s: %w", p.Name, m.Room, err)
			}
			pair.TLS[i] = config
			if pair.Readers[i], err = r.readersOf(p.Name, m); err != nil {
				return err
			}
		}
		if len(r.missing) > 0 {
			continue
		}
		if err := r.wireCloud(&p, &pair); err != nil {
			return err
		}
		ring, err := dbsync.Open(pair)
		if err != nil {
			return fmt.Errorf("pair %s: %w", p.Name, err)
		}
		r.rings[p.Name] = ring
	}
	if len(r.missing) > 0 {
		return usage("not set in the environment: %s (each the DSN of a master, as user:password@tcp(host:port)/; rooms.yaml names them in dsnEnv)", strings.Join(r.missing, ", "))
	}
	r.world.Writers = r.rings
	r.world.Preflight = preflights{r}
	return nil
}

// wireMetrics makes what gates read. Replication comes from the rings.
func (r *realRooms) wireMetrics() error {
	m, err := metrics.New(metrics.Config{Rooms: r.l.Rooms, Gates: r.l.Book.Gates, Now: r.clock.Now})
	if err != nil {
		return err
	}
	r.metrics = m
	r.world.Prober = m
	r.world.Gauges = m.Gauges(r.clock.Sample, r.replication)
	return nil
}

// replication measures a pair until ctx ends.
func (r *realRooms) replication(ctx context.Context, pair string, every time.Duration, put func(metrics.Lag)) {
	ring, ok := r.rings[pair]
	if !ok {
		return
	}
	ring.Watch(ctx, dbsync.WatchOptions{Every: every, Now: r.clock.Now, Put: func(d dbsync.Reading) {
		put(metrics.Lag{To: d.To, Lo: d.Lo, Hi: d.Hi, Idle: d.Idle, LowerBound: d.LowerBound, Unknown: d.Unknown, From: d.From, At: d.At})
	}})
}

// ready says what keeps a run from being watched: a pair whose lag can't be measured would only freeze it.
func (r *realRooms) ready(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.rings)) {
		errs = append(errs, r.rings[name].Ready(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return usage("%w", err)
	}
	return nil
}

// snapshot reads everything that a plan rests on.
func (r *realRooms) snapshot(ctx context.Context) (*cutover.Snapshot, error) {
	var pairs []string
	for _, p := range r.l.Rooms.Pairs {
		pairs = append(pairs, p.Name)
	}
	s, err := cutover.TakeSnapshot(ctx, r.world, pairs)
	if err != nil {
		return nil, err
	}
	if err := roomless(r.world.Planes, s.Held); err != nil {
		return nil, err
	}
	if err := consul.Once(ctx, r.world.Planes, s.Held); err != nil {
		return nil, err
	}
	s.Scrape = r.scrape()
	return s, nil
}

// scrape is the slowest scrape interval of the rooms: what defaults are worked out from.
func (r *realRooms) scrape() cutover.T {
	var slowest time.Duration
	for i := range r.l.Rooms.Rooms {
		if every, said := r.metrics.Scrape(r.l.Rooms.Rooms[i].Name); said {
			slowest = max(slowest, every)
		}
	}
	return cutover.T(slowest)
}

// makePlan reads the rooms and plans over them.
func (r *realRooms) makePlan(ctx context.Context, until, continues string) (*cutover.Plan, *cutover.Snapshot, []runbooks.Problem, error) {
	s, err := r.snapshot(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	p, problems := cutover.NewPlan(cutover.PlanInput{Rooms: r.l.Rooms, Book: r.l.Book, Planes: r.world.Planes, Snapshot: s, Until: until, Continues: continues})
	if len(problems) > 0 {
		return nil, nil, problems, nil
	}
	rates, err := r.metrics.Rates(ctx, p.Routes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rates aren't known:", err) // estimates only
	}
	s.Rates = rates
	p.Estimates = p.Estimate(s)
	return p, s, nil, nil
}

// absolute makes a path that another folder's process can use.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}
