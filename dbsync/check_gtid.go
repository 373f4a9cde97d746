package dbsync

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkGTID: replication goes by GTID, strictly: a split brain then stops it loudly.
func checkGTID(v ringView) []Finding {
	found := direction(v, "gtid", "Using_Gtid=Slave_Pos or Current_Pos", func(s side, c channel) (string, string) {
		using := c.row["Using_Gtid"]
		if using == "No" || using == "" {
			return "Using_Gtid=No", "STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=1; START SLAVE in " + s.room
		}
		return "Using_Gtid=" + using, ""
	})
	for _, s := range v.sides {
		f := Finding{Check: "strict", Room: s.room, Seen: "gtid_strict_mode=" + s.vars["gtid_strict_mode"], Wanted: "gtid_strict_mode=ON"}
		if f.OK = s.vars["gtid_strict_mode"] == "ON"; !f.OK {
			f.Do = "SET GLOBAL gtid_strict_mode=1 in " + s.room + ", and in its file"
		}
		found = append(found, f)
	}
	return found
}

// stream is where transactions of one server in one domain stand.
type stream struct{ domain, server uint64 }

// parseState reads gtid_binlog_state: the last sequence number of every stream.
func parseState(text string) (map[stream]uint64, error) {
	state := map[stream]uint64{}
	for _, gtid := range strings.Split(text, ",") {
		if gtid = strings.TrimSpace(gtid); gtid == "" {
			continue
		}
		var n [3]uint64
		parts := strings.Split(gtid, "-")
		if len(parts) != 3 {
			return nil, fmt.Errorf("GTID %q, want domain-server-number", gtid)
		}
		for i, p := range parts {
			var err error
			if n[i], err = strconv.ParseUint(p, 10, 64); err != nil {
				return nil, fmt.Errorf("GTID %q, want domain-server-number", gtid)
			}
		}
		state[stream{n[0], n[1]}] = n[2]
	}
	return state, nil
}

// ahead is what one state has and the other hasn't, as "1-2-14..17", sorted.
func ahead(of, than map[stream]uint64) []string {
	var streams []stream
	for s, n := range of {
		if n > than[s] {
			streams = append(streams, s)
		}
	}
	slices.SortFunc(streams, func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	var out []string
	for _, s := range streams {
		out = append(out, fmt.Sprintf("%d-%d-%d..%d", s.domain, s.server, than[s]+1, of[s]))
	}
	return out
}

// checkSets: the fenced side has nothing that the writer hasn't. What only it has was written past the fence, or is the rest
// of a writer that never came over.
func checkSets(v ringView) []Finding {
	order := v.fencedFirst()
	y, x := v.sides[order[0]], v.sides[order[1]]
	f := Finding{Check: "sets", Room: y.room, Wanted: "nothing that " + x.room + " hasn't"}
	ys, err := parseState(y.vars["gtid_binlog_state"])
	xs, err2 := parseState(x.vars["gtid_binlog_state"])
	if err != nil || err2 != nil {
		f.Seen, f.Do = "a GTID state that can't be read", "tell us about this server's version"
		return []Finding{f}
	}
	if only := ahead(ys, xs); len(only) > 0 {
		f.Seen = "only here: " + strings.Join(only, ", ")
		f.Do = "find out who wrote them (READ_ONLY ADMIN accounts, events, an old writer); they must reach " + x.room + " before anything moves"
		return []Finding{f}
	}
	f.OK, f.Seen = true, "nothing of its own"
	if left := ahead(xs, ys); len(left) > 0 {
		f.Seen += "; still to come: " + strings.Join(left, ", ")
	}
	return []Finding{f}
}
