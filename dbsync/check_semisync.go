package dbsync

import (
	"fmt"
	"strconv"
	"time"
)

// longestAck is how long a commit may wait for a replica that doesn't answer: a fence waits as long for the commits before it.
const longestAck = time.Hour

// checkSemiSync shows whether commits wait for a replica, and that they don't wait for nobody. Semi-sync that is off is no fault: what
// a shift rests on is measured. It runs by its old and its new names (slave and master, replica and source).
func checkSemiSync(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		f := Finding{Check: "semi-sync", Room: s.room, Seen: "off", Wanted: "off, or with a replica that answers", OK: true}
		if s.vars["rpl_semi_sync_master_enabled"] == "ON" {
			clients, active := s.vars["Rpl_semi_sync_master_clients"], s.vars["Rpl_semi_sync_master_status"]
			wait := "not told"
			ms, err := strconv.ParseInt(s.vars["rpl_semi_sync_master_timeout"], 10, 64)
			if err == nil {
				wait = (time.Duration(ms) * time.Millisecond).String()
			}
			f.Seen = fmt.Sprintf("on, %s, %s replicas answer, a commit waits %s at most", active, clients, wait)
			switch fenced, _ := parseReadOnly(s.vars["read_only"]); {
			case err == nil && time.Duration(ms)*time.Millisecond > longestAck:
				f.OK, f.Do = false, "set a time-out of an hour or less in "+s.room+": a fence waits for commits that wait for a replica"
			case !fenced && (clients == "0" || active != "ON"):
				f.OK, f.Do = false, "look at semi-sync on the other side: commits in "+s.room+" wait for a replica that isn't there, or have given up waiting"
			}
		}
		found = append(found, f)
	}
	return found
}
