package dbsync

import (
	"cmp"
	"slices"
	"strings"
)

// logged is what a master's binlog must be for everything to go round the ring exactly.
var logged = []struct{ variable, want string }{
	{"log_bin", "ON"}, {"log_slave_updates", "ON"}, {"binlog_format", "ROW"}, {"binlog_row_image", "FULL"},
}

// checkLog: each master logs all it applies, whole rows. Without log_slave_updates nothing comes back to the writer, and the
// lag of the way back can't be measured.
func checkLog(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		var seen, wrong []string
		for _, l := range logged {
			seen = append(seen, l.variable+"="+s.vars[l.variable])
			if s.vars[l.variable] != l.want {
				wrong = append(wrong, l.variable+"="+l.want)
			}
		}
		f := Finding{Check: "log", Room: s.room, Seen: strings.Join(seen, " "), Wanted: "all of it logged, in whole rows", OK: len(wrong) == 0}
		if !f.OK {
			f.Do = "set " + strings.Join(wrong, ", ") + " in the file of " + s.room + " and restart it (fenced)"
		}
		found = append(found, f)
	}
	return found
}

// checkFilters: nothing is left out, by either side. Equal filters would keep the masters equal, but not roomshift's heartbeat
// from being left out, and then every lag would read 0.
func checkFilters(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		var all []string
		if l := s.logFilters(); l != "" {
			all = append(all, l)
		}
		for _, c := range s.channels {
			if l := c.filters(); l != "" {
				all = append(all, l)
			}
		}
		slices.Sort(all)
		f := Finding{Check: "filters", Room: s.room, Seen: "none", Wanted: "no replication or binlog filter", OK: len(all) == 0}
		if !f.OK {
			f.Seen, f.Do = strings.Join(all, " "), "take them out of the file of "+s.room+": what is left out is missing after the writer has moved"
		}
		found = append(found, f)
	}
	return found
}

// checkSkipping: an error stops the applier instead of being passed over.
func checkSkipping(v ringView) []Finding {
	var found []Finding
	for _, s := range v.sides {
		skip, mode := s.vars["slave_skip_errors"], s.vars["slave_exec_mode"]
		count := cmp.Or(s.vars["sql_slave_skip_counter"], "0")
		f := Finding{Check: "skipping", Room: s.room, Seen: "slave_skip_errors=" + skip + " slave_exec_mode=" + mode,
			Wanted: "slave_skip_errors=OFF slave_exec_mode=STRICT", OK: (skip == "OFF" || skip == "") && mode == "STRICT" && count == "0"}
		if count != "0" {
			f.Seen += " sql_slave_skip_counter=" + count
		}
		if !f.OK {
			f.Do = "set them so in " + s.room + " (slave is called replica by newer MySQL): a passed-over error is a row that differs"
		}
		found = append(found, f)
	}
	return found
}
