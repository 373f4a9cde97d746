package dbsync

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// checkGTID: replication goes by GTID, strictly: a split brain then stops it loudly.
func checkGTID(v ringView) []Finding {
	by, wanted := usingGTID, "Using_Gtid=Slave_Pos or Current_Pos"
	if !v.sides[0].version.mariadb {
		by, wanted = autoPosition, "Auto_Position=1"
	}
	found := direction(v, "gtid", wanted, func(s side, c channel) (string, string) {
		seen, ok := by(c)
		if !ok {
			return seen, s.d.words.set(s.d.words.gtid, s.d.words.heartbeat) + " in " + s.room
		}
		return seen, ""
	})
	for _, s := range v.sides {
		found = append(found, checkStrict(s))
	}
	return found
}

func usingGTID(c channel) (string, bool) {
	using := cmp.Or(c.row["Using_Gtid"], "No")
	return "Using_Gtid=" + using, using != "No"
}

func autoPosition(c channel) (string, bool) {
	auto := c.row["Auto_Position"]
	return "Auto_Position=" + auto, auto == "1"
}

// checkStrict: every transaction has a GTID, and none out of order.
func checkStrict(s side) Finding {
	want := []string{"gtid_strict_mode"}
	if !s.version.mariadb {
		want = []string{"gtid_mode", "enforce_gtid_consistency"}
	}
	var seen, wrong, wanted []string
	for _, name := range want {
		seen, wanted = append(seen, name+"="+s.vars[name]), append(wanted, name+"=ON")
		if s.vars[name] != "ON" {
			wrong = append(wrong, name+"=ON")
		}
	}
	f := Finding{Check: "strict", Room: s.room, Seen: strings.Join(seen, " "), Wanted: strings.Join(wanted, " "), OK: len(wrong) == 0}
	if !f.OK {
		f.Do = "SET GLOBAL " + strings.Join(wrong, ", ") + " in " + s.room + ", and in its file"
	}
	return f
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

// compare works out what the fenced side y has that the writer x hasn't, and the other way round.
func (r *Ring) compare(ctx context.Context, v *ringView, y, x int) error {
	if v.sides[y].version.mariadb {
		ys, err := parseState(v.state[y])
		xs, err2 := parseState(v.state[x])
		if err := cmp.Or(err, err2); err != nil {
			return r.nodes[y].fail(err)
		}
		v.only, v.coming = strings.Join(ahead(ys, xs), ", "), strings.Join(ahead(xs, ys), ", ")
		return nil
	}
	n := r.nodes[x] // MySQL works sets out by itself: nobody else needs to read them
	return n.bounded(ctx, r.timeout, func(ctx context.Context) error {
		return n.db.QueryRowContext(ctx, "SELECT GTID_SUBTRACT(?, ?), GTID_SUBTRACT(?, ?), GTID_SUBTRACT(@@global.gtid_purged, ?)",
			v.state[y], v.state[x], v.state[x], v.state[y], v.state[y]).Scan(&v.only, &v.coming, &v.gone)
	})
}

// checkSets: the fenced side has nothing that the writer hasn't. What only it has was written past the fence, or is the rest
// of a writer that never came over. And what it hasn't the writer still has.
func checkSets(v ringView) []Finding {
	order := v.fencedFirst()
	y, x := v.sides[order[0]], v.sides[order[1]]
	f := Finding{Check: "sets", Room: y.room, Wanted: "nothing that " + x.room + " hasn't", Seen: "nothing of its own", OK: true}
	if v.coming != "" {
		f.Seen += "; still to come: " + v.coming
	}
	switch {
	case v.only != "":
		f.OK, f.Seen = false, "only here: "+v.only
		f.Do = "find out who wrote them (accounts that pass the fence, events, an old writer); they must reach " + x.room + " before anything moves"
	case v.gone != "":
		f.OK, f.Seen = false, "not here, and purged in "+x.room+": "+v.gone
		f.Do = "they can't come by replication any more: make " + y.room + " anew from a backup of " + x.room
	}
	return []Finding{f}
}
