package dbsync

import (
	"strconv"

	"roomshift/cutover"
)

// preOrder, 10: appliers commit in the order of the source. roomshift itself waits for GTIDs only, which are right in any order.
func preOrder() preCheck {
	return preCheck{
		name: "order",
		ask: func(*flight, int) []question {
			return []question{variablesQuery("replica_preserve_commit_order", "slave_preserve_commit_order", "replica_parallel_workers", "slave_parallel_workers",
				"slave_parallel_threads", "slave_parallel_mode")}
		},
		judge: func(f *flight) []Finding {
			var found []Finding
			for i, s := range f.sides {
				v := variables(f.rows(i, 0))
				if s.version.mariadb { // within a domain it always does
					found = append(found, good("", "commits in order within a domain (%s, %s threads)", v["slave_parallel_mode"], v["slave_parallel_threads"]))
					continue
				}
				workers, _ := strconv.Atoi(either(v, "replica_parallel_workers", "slave_parallel_workers"))
				keeps := either(v, "replica_preserve_commit_order", "slave_preserve_commit_order")
				if workers <= 1 || keeps == "ON" || keeps == "1" {
					found = append(found, good("", "commits in order"))
					continue
				}
				name := "replica_preserve_commit_order"
				if v[name] == "" {
					name = "slave_preserve_commit_order"
				}
				found = append(found, Finding{Room: s.room, Seen: name + "=" + keeps + " with several workers", Wanted: name + "=ON", Severity: cutover.Warns,
					Do: s.d.words.stop + "; SET GLOBAL " + name + "=ON; " + s.d.words.start + " in " + s.room + ": readers there see later transactions before earlier ones"})
			}
			return found
		},
	}
}

// either is the first of two variables that a server has.
func either(v row, names ...string) string {
	for _, n := range names {
		if v[n] != "" {
			return v[n]
		}
	}
	return ""
}
