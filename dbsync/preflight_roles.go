package dbsync

import (
	"roomshift/cutover"
)

// preRoles, 3: exactly one master takes writes, the other is fenced as strongly as its engine can, and both come up fenced after a restart.
func preRoles() preCheck {
	return preCheck{
		name: "roles", quick: true,
		rests: []rest{{check: checkWriter, severity: cutover.Refuses}},
		ask: func(f *flight, side int) []question {
			if !persists(f.sides[side].version) {
				return nil
			}
			return []question{{query: "SELECT variable_value AS v FROM performance_schema.persisted_variables WHERE variable_name = 'super_read_only'"}}
		},
		judge: judgeRoles,
	}
}

// persists tells whether a server can be told by a statement how to come up.
func persists(v version) bool { return !v.mariadb && v.since(8, 0) }

func judgeRoles(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		x := Finding{Room: s.room, Wanted: "comes up fenced after a restart", Severity: cutover.Breaks, Rule: "writer.restart"}
		switch v := firstOf(f.rows(i, 0))["v"]; {
		case persists(s.version):
			fenced, err := parseReadOnly(v)
			if err == nil && fenced {
				found = append(found, good(s.room, "super_read_only is persisted"))
				continue
			}
			if x.Seen = "super_read_only is persisted as " + v; v == "" {
				x.Seen = "super_read_only isn't persisted"
			}
			x.Do = "SET PERSIST_ONLY super_read_only=1 in " + s.room + ": a master that restarts in the middle of a move would take writes beside the new one"
		case f.o.Declared[s.room]:
			found = append(found, good(s.room, "declared to come up fenced (restarts: fenced)"))
			continue
		default:
			x.Seen = "nothing says how it comes up, and it can't be seen there once read_only was set"
			x.Do = "write read_only=1 into the file of " + s.room + ", show it by a restart in a drill, then say `restarts: fenced` at this master in rooms.yaml"
		}
		found = append(found, x)
	}
	if fenced, err := parseReadOnly(f.sides[f.to].vars["read_only"]); err == nil && !fenced {
		found = append(found, good("", "the writer is in %s already: nothing is to be moved", f.o.To))
	}
	return found
}
