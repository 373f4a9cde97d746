package main

import (
	"context"

	"roomshift/consul"
	"roomshift/dbsync"
	"roomshift/runbooks"
)

// Replicas that serve reads: the passing instances of the service that a master's `readers` names, in that room's Consul.

// readersOf lists the replicas that serve the reads of a master's room; nil: the master does.
func (r *realRooms) readersOf(pair string, m runbooks.Master) (dbsync.Readers, error) {
	if m.Readers == "" {
		return nil, nil
	}
	client := r.consuls[m.Room]
	if client == nil {
		return nil, usage("pair %s: readers of %s are listed by the Consul of that room, and it has none in rooms.yaml", pair, m.Room)
	}
	return func(ctx context.Context) ([]string, error) { return client.Passing(ctx, m.Readers) }, nil
}

// readerRights are the lines of a policy for listing readers in a room's Consul.
func readerRights(rooms *runbooks.Rooms, room string) []string {
	var services []string
	for i := range rooms.Pairs {
		for _, m := range rooms.Pairs[i].Masters {
			if m.Room == room && m.Readers != "" {
				services = append(services, m.Readers)
			}
		}
	}
	return consul.ReadPolicy(services...)
}
