package dbsync

import "roomshift/cutover"

// checkWriter: exactly one master takes writes.
func checkWriter(v ringView) []Finding {
	var open, fenced []cutover.Room
	f := Finding{Check: "writer", Wanted: "read_only=0 on exactly one master"}
	for _, s := range v.sides {
		ro, err := parseReadOnly(s.vars["read_only"])
		switch {
		case err != nil:
			f.Seen, f.Do = s.room+": "+err.Error(), "tell us about this server's version"
			return []Finding{f}
		case ro:
			fenced = append(fenced, s.room)
		default:
			open = append(open, s.room)
		}
	}
	switch len(open) {
	case 0:
		f.Seen = "no writer: " + fenced[0] + " and " + fenced[1] + " are both read_only"
		f.Do = "find out why (a master that restarted is fenced); then open the one that has everything: SET GLOBAL read_only=0"
	case 2:
		f.Seen = "two writers: " + open[0] + " and " + open[1] + " both take writes"
		f.Do = "fence the one that nothing should write to at once: SET GLOBAL read_only=1; then compare their data"
	default:
		f.OK, f.Seen = true, open[0]+" takes writes, "+fenced[0]+" is fenced"
	}
	return append([]Finding{f}, checkFence(v)...)
}

// checkFence: the fenced master is fenced against everybody. read_only alone lets accounts with CONNECTION_ADMIN, and events, write
// on MySQL. MariaDB has nothing stronger.
func checkFence(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		ro, err := parseReadOnly(s.vars["read_only"])
		if s.version.mariadb || err != nil || !ro {
			continue
		}
		f := Finding{Check: "fence", Room: s.room, Seen: "super_read_only=" + s.vars["super_read_only"], Wanted: "super_read_only=ON", OK: s.vars["super_read_only"] == "ON"}
		if !f.OK {
			f.Do = "SET GLOBAL super_read_only=1 in " + s.room + ", and in its file: accounts with CONNECTION_ADMIN, and events, write past read_only"
		}
		found = append(found, f)
	}
	return found
}
