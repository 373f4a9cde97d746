package server

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// RingOptions is what a ring is made with.
type RingOptions struct {
	Engine    Engine        // "": MariaDB
	Rooms     [2]string     // the first one's master is opened
	Heartbeat time.Duration // of replication; 0: 1 s
	OneDomain bool          // both masters in GTID domain 1, else each in its own; MariaDB's only
	Grants    []string      // of the account roomshift, see MasterOptions
	Lines     []string      // more lines of both my.cnf
}

// Ring is two masters that replicate from each other, each direction through a proxy of its own. No other traffic goes
// through the proxies.
type Ring struct {
	Rooms     [2]string
	masters   [2]*Master
	into      [2]*Proxy // into[i] carries what masters[i] receives from the other
	heartbeat time.Duration
}

// StartRing makes both masters in dir, with GTID histories that are empty, and returns when both directions run. The first
// room's master takes writes, the other's is fenced.
func StartRing(ctx context.Context, dir string, o RingOptions) (*Ring, error) {
	r := &Ring{Rooms: o.Rooms, heartbeat: o.Heartbeat}
	if r.heartbeat == 0 {
		r.heartbeat = time.Second
	}
	if err := r.start(ctx, dir, o); err != nil {
		r.Stop()
		return nil, fmt.Errorf("start the ring of %s and %s: %w", o.Rooms[0], o.Rooms[1], err)
	}
	return r, nil
}

func (r *Ring) start(ctx context.Context, dir string, o RingOptions) error {
	for i, room := range o.Rooms {
		mo := MasterOptions{Engine: o.Engine, Name: room, ID: i + 1, Grants: o.Grants, Lines: o.Lines}
		if o.OneDomain {
			mo.Domain = 1
		}
		m, err := StartMaster(ctx, filepath.Join(dir, room), mo)
		if err != nil {
			return err
		}
		r.masters[i] = m
	}
	for i := range r.masters {
		p, err := NewProxy(r.masters[1-i].Addr())
		if err != nil {
			return err
		}
		r.into[i] = p
	}
	for _, room := range r.Rooms {
		if err := r.Replicate(ctx, room); err != nil {
			return err
		}
	}
	if err := r.masters[0].Open(ctx); err != nil {
		return err
	}
	return r.Await(ctx)
}

// Master is the master of a room. It panics for a room that the ring doesn't have.
func (r *Ring) Master(room string) *Master { return r.masters[r.index(room)] }

// Secrets is every password of both masters.
func (r *Ring) Secrets() []string { return append(r.masters[0].Secrets(), r.masters[1].Secrets()...) }

// Replicate points a room's master at the other one (again) and starts its threads. What it has applied is kept.
func (r *Ring) Replicate(ctx context.Context, room string) error {
	i := r.index(room)
	other := r.masters[1-i]
	return r.masters[i].exec(ctx, r.masters[i].kind.point(sourceOf{r.into[i].Port(), other.passwords[Repl], r.heartbeat})...)
}

// Reader starts a replica of a room's master in dir, with its passwords, as one that serves reads; the proxy carries what it receives.
// id is its server_id. It is fenced, and may not have caught up yet.
func (r *Ring) Reader(ctx context.Context, dir, room string, id int, grants []string) (*Master, *Proxy, error) {
	source := r.Master(room)
	m, err := StartMaster(ctx, dir, MasterOptions{Engine: source.Engine, Name: fmt.Sprintf("reader-%d", id), ID: id, Like: source, Grants: grants})
	if err != nil {
		return nil, nil, err
	}
	p, err := NewProxy(source.Addr())
	if err == nil {
		err = m.exec(ctx, m.kind.point(sourceOf{p.Port(), source.passwords[Repl], r.heartbeat})...)
	}
	if err != nil {
		m.Close()
		return nil, nil, err
	}
	return m, p, nil
}

// Await waits until both directions run and each master has applied what the other has logged; at most 30 s.
func (r *Ring) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for i, m := range r.masters {
		if err := m.process.Await(ctx, func(ctx context.Context) error { return r.caughtUp(ctx, i) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *Ring) caughtUp(ctx context.Context, i int) error {
	replica := r.masters[i]
	status, err := replica.SlaveStatus(ctx)
	if err != nil {
		return err
	}
	if status["Slave_IO_Running"] != "Yes" || status["Slave_SQL_Running"] != "Yes" {
		return fmt.Errorf("replication into %s: IO %s (%s), SQL %s (%s)", r.Rooms[i], status["Slave_IO_Running"],
			status["Last_IO_Error"], status["Slave_SQL_Running"], status["Last_SQL_Error"])
	}
	if err := replica.kind.reached(ctx, r.masters[1-i].DB(), replica.DB()); err != nil {
		return fmt.Errorf("replication into %s: %w", r.Rooms[i], err)
	}
	return nil
}

// Delay holds what goes by replication from one room to the other back for so long.
func (r *Ring) Delay(from, to string, d time.Duration) { r.link(from, to).Delay(d, 0) }

// Cut holds every byte of the replication from one room to the other, silently: neither side is told.
func (r *Ring) Cut(from, to string) { r.link(from, to).Cut() }

// Reset ends the connection of the replication from one room to the other with a reset; it is made again by itself.
func (r *Ring) Reset(from, to string) { r.link(from, to).Reset() }

// Heal ends every delay and cut.
func (r *Ring) Heal() {
	for _, p := range r.into {
		p.Heal()
	}
}

// Stop ends both masters and the proxies.
func (r *Ring) Stop() {
	for i := range r.masters {
		if r.masters[i] != nil {
			r.masters[i].Close()
		}
		if r.into[i] != nil {
			r.into[i].Close()
		}
	}
}

func (r *Ring) link(from, to string) *Proxy {
	if r.index(from) == r.index(to) {
		panic("a link from " + from + " to itself")
	}
	return r.into[r.index(to)]
}

func (r *Ring) index(room string) int {
	for i, have := range r.Rooms {
		if have == room {
			return i
		}
	}
	panic("no room " + room + " in this ring")
}
