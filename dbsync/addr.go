package dbsync

import "roomshift/cutover"

// Addr is the host:port at which the pair's DSNs reach a room's master, "" for a room that has none.
func (r *Ring) Addr(room cutover.Room) string {
	for _, n := range r.nodes {
		if n.room == room {
			return n.config.Addr
		}
	}
	return ""
}
