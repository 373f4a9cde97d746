package dbsync

// direction makes a finding for each direction, of the room that receives. A side without exactly one channel is checkRing's.
func direction(v ringView, check, wanted string, judge func(s side, c channel) (seen, do string)) []Finding {
	var found []Finding
	for _, s := range v.sides {
		if len(s.channels) != 1 {
			found = append(found, Finding{Check: check, Room: s.room, Seen: "no single source", Wanted: wanted, Do: "see ring"})
			continue
		}
		seen, do := judge(s, s.channels[0])
		found = append(found, Finding{Check: check, Room: s.room, Seen: seen, Wanted: wanted, Do: do, OK: do == ""})
	}
	return found
}

// checkThreads: both threads of both directions run, and none says an error.
func checkThreads(v ringView) []Finding {
	return direction(v, "threads", "receiving thread and applier run, no error", func(s side, c channel) (string, string) {
		if wrong := c.running(); wrong != "" {
			return wrong, "read Last_IO_Error and Last_SQL_Error of " + s.d.words.status + "; 1062 and 1032 mean that the masters differ: don't skip them"
		}
		if n := errno(c.row["Last_IO_Errno"]) + errno(c.row["Last_SQL_Errno"]); n != "" {
			return "both run, last" + n, "read Last_IO_Error and Last_SQL_Error of " + s.d.words.status + "; wait until it is over"
		}
		return "both run", ""
	})
}

// checkDelay: nothing is applied late on purpose. A delayed replica is no place to move to.
func checkDelay(v ringView) []Finding {
	return direction(v, "delay", "SQL_Delay=0", func(s side, c channel) (string, string) {
		if d := c.row["SQL_Delay"]; d != "0" {
			return "SQL_Delay=" + d + " s", s.d.words.set(s.d.words.delay, s.d.words.heartbeat) + " in " + s.room
		}
		return "SQL_Delay=0", ""
	})
}

// checkUntil: nothing tells the applier to stop somewhere.
func checkUntil(v ringView) []Finding {
	return direction(v, "until", "no UNTIL", func(s side, c channel) (string, string) {
		if u := c.row["Until_Condition"]; u != "None" && u != "" {
			return "UNTIL " + u, s.d.words.stop + "; " + s.d.words.start + " in " + s.room + ", without UNTIL"
		}
		return "no UNTIL", ""
	})
}
