package dbsync

import (
	"fmt"
	"strconv"

	"roomshift/cutover"
)

// preKeys, 11: keys that the servers make never meet, even if both took writes once.
func preKeys() preCheck {
	return preCheck{
		name: "keys",
		ask: func(f *flight, side int) []question {
			qs := []question{variablesQuery("auto_increment_increment", "auto_increment_offset")}
			if f.sides[side].version.mariadb {
				qs = append(qs, question{query: "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables WHERE table_type = 'SEQUENCE' AND table_schema NOT IN " + systemSchemas + " LIMIT 100"})
			}
			return qs
		},
		judge: judgeKeys,
	}
}

func judgeKeys(f *flight) []Finding {
	var found []Finding
	var step, offset [2]int
	for i := range f.sides {
		v := variables(f.rows(i, 0))
		step[i], _ = strconv.Atoi(v["auto_increment_increment"])
		offset[i], _ = strconv.Atoi(v["auto_increment_offset"])
	}
	seen := fmt.Sprintf("%s: each %d from %d, %s: each %d from %d", f.sides[0].room, step[0], offset[0], f.sides[1].room, step[1], offset[1])
	if step[0] != step[1] || step[0] < 2 || offset[0]%max(step[0], 1) == offset[1]%max(step[0], 1) {
		found = append(found, Finding{Seen: seen, Wanted: "auto_increment_increment of 2 or more, the same in both, and different offsets", Severity: cutover.Breaks, Rule: "writer.keys",
			Do: fmt.Sprintf("SET GLOBAL auto_increment_increment=2, auto_increment_offset=1 in %s and …offset=2 in %s, and in their files", f.sides[0].room, f.sides[1].room)})
	} else {
		found = append(found, good("", "%s", seen))
	}
	var names []string
	for _, r := range f.rows(f.from, 1) {
		names = append(names, r["name"])
	}
	if len(names) > 0 {
		found = append(found, Finding{Room: f.sides[f.from].room, Seen: "sequences: " + someOf(names), Wanted: "none, or each with INCREMENT 0, so that it follows auto_increment_increment",
			Severity: cutover.Warns, Do: "ALTER SEQUENCE " + names[0] + " INCREMENT 0; a cached part of a sequence is skipped by the move"})
	}
	return found
}
