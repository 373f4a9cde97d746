package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// Write roles of real pairs: both masters' sessions, and the record in the Consul of the room that keeps it, or in a file.

// wireWriters makes what moves the write roles of pairs. Nothing is connected before a move begins.
func (r *realRooms) wireWriters() error {
	var pairs []movers.Pair
	for i := range r.l.Rooms.Pairs {
		p := &r.l.Rooms.Pairs[i]
		ring := r.rings[p.Name]
		if ring == nil {
			continue
		}
		keeper, err := r.keeperOf(p)
		if err != nil {
			return err
		}
		pair := movers.Pair{Name: p.Name, Keeper: keeper, Declared: map[cutover.Room]bool{}, Near: nearOf(r.l.Book, p.Name)}
		for k, m := range p.Masters {
			pair.Declared[m.Room] = m.RestartsFenced
			if pair.Servers[k], err = ring.Server(m.Room, dbsync.ServerOptions{}); err != nil {
				return err
			}
		}
		pairs = append(pairs, pair)
	}
	r.movers = movers.New(r.notes.always, pairs...)
	r.world.Movers = r.movers
	return nil
}

// nearOf is how late a pair may be for its move to begin: three quarters of what its step leaves to wait in.
func nearOf(book *runbooks.Runbook, pair string) time.Duration {
	for i := range book.Steps {
		if w := book.Steps[i].Writer; w != nil && slices.Contains(w.Pairs, pair) {
			return cutover.MoveBudget(cutover.T(w.NoWriter)).Wait * 3 / 4
		}
	}
	return 0
}

// keeperOf is what keeps a pair's record: the Consul of the room that rooms.yaml names, the control room's if it names none, or a file beside
// the journals where that room has no Consul.
func (r *realRooms) keeperOf(p *runbooks.Pair) (movers.Keeper, error) {
	who, host := whoami()
	if client := r.consuls[cmp.Or(p.Record, r.l.Rooms.Control.Room)]; client != nil {
		return client.Record(r.l.Rooms.Control.Prefix, p.Name, cutover.Claim{Who: who, Host: host, PID: os.Getpid(), Since: time.Now().UTC().Format(time.RFC3339)},
			consul.LockOptions{Now: r.clock.Now, Dead: processDead, Local: localLocks(r.l.Rooms.Environment)}), nil
	}
	base, err := stateDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(base, r.l.Rooms.Environment)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return consul.NewRecordFile(dir, p.Name, who+"@"+host), nil
}

// closing is how long letting go of the write roles may take at the end.
const closing = 5 * time.Second

func (r *realRooms) closeWriters() {
	if r.movers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	r.movers.Close(ctx)
}
