package dbsync

import (
	"fmt"
	"strings"
)

// checkRing: each master receives from the other, and from nobody else. The source is told by its server_id or server_uuid, which the source
// itself says; its address may be a proxy's or a tunnel's and is only shown.
func checkRing(v ringView) []Finding {
	var found []Finding
	for i, s := range v.sides {
		other := v.sides[1-i]
		f := Finding{Check: "ring", Room: s.room, Seen: sources(s),
			Wanted: fmt.Sprintf("receives from %s (%s) only", other.name(), other.room)}
		switch {
		case len(s.channels) == 0:
			f.Do = "make " + s.room + " a replica of " + other.room + " (" + s.d.words.change + " …, " + s.d.words.start + ")"
		case len(s.channels) > 1:
			f.Do = "a pair is a ring of two: a third master's writes can't be moved with it; end its channel (" + s.d.words.end + ")"
		case s.channels[0].sourceID() == notConnected:
			f.Do = "its receiving thread was never connected, so nobody knows its source: look at its errors below"
		case s.channels[0].sourceID() != other.id():
			f.Do = "this is a third master, or the DSN of " + other.room + " names the wrong one"
		default:
			f.OK = true
		}
		found = append(found, f)
	}
	return found
}

func sources(s side) string {
	if len(s.channels) == 0 {
		return "receives from nobody"
	}
	var from []string
	for _, c := range s.channels {
		name := ""
		if c.name() != "" {
			name = " as '" + c.name() + "'"
		}
		from = append(from, fmt.Sprintf("%s %s (%s:%s)%s", s.d.identity, c.sourceID(), c.row["Master_Host"], c.row["Master_Port"], name))
	}
	return fmt.Sprintf("receives from %s; %d read from it", strings.Join(from, " and "), s.dumps)
}
