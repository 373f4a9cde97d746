package dbsync

import (
	"fmt"
	"strings"

	"roomshift/cutover"
)

// preActors, 4: nobody else is about to move the role, or to undo it.
func preActors() preCheck {
	return preCheck{
		name: "actors", quick: true,
		ask: func(f *flight, side int) []question {
			qs := []question{{query: "SELECT IS_USED_LOCK(?) AS holder, USER() AS me", args: []any{lockName(f.pair)}},
				{query: "SELECT id AS id, user AS user, host AS host FROM information_schema.processlist"}}
			if !f.sides[side].version.mariadb {
				qs = append(qs, question{query: "SELECT DISTINCT processlist_id AS id, attr_value AS program FROM performance_schema.session_connect_attrs WHERE attr_name IN ('program_name', '_client_name')",
					right: "SELECT ON performance_schema.session_connect_attrs"})
			}
			return qs
		},
		judge: judgeActors,
	}
}

// actors are tools that set read_only by themselves, by a part of the name of their account or program, and how each is told to leave it.
var actors = []struct{ part, name, do string }{
	{"orchestrator", "orchestrator", "orchestrator-client -c disable-global-recoveries"},
	{"maxscale", "MaxScale", "maxctrl alter monitor MONITOR auto_failover=false auto_rejoin=false switchover_on_low_disk_space=false enforce_read_only_slaves=false"},
	{"mariadbmon", "MaxScale", "maxctrl alter monitor MONITOR auto_failover=false auto_rejoin=false switchover_on_low_disk_space=false enforce_read_only_slaves=false"},
	{"replication-manager", "replication-manager", "set failover-mode=\"manual\" and restart it"},
	{"repman", "replication-manager", "set failover-mode=\"manual\" and restart it"},
	{"mha", "MHA", "masterha_stop --conf=FILE"},
	{"mmm_", "MMM", "mmm_control set_passive"},
	{"proxysql", "ProxySQL", ""}, // it only looks at read_only: no actor
}

func judgeActors(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		lock := firstOf(f.rows(i, 0))
		me, _, _ := strings.Cut(lock["me"], "@")
		users := map[string]string{}
		for _, r := range f.rows(i, 1) {
			users[r["id"]] = r["user"]
		}
		if h := lock["holder"]; h != null && h != "" && users[h] != me {
			found = append(found, Finding{Room: s.room, Seen: "its lock " + lockName(f.pair) + " is held by connection " + h + ", of " + users[h], Wanted: "free, or roomshift's",
				Severity: cutover.Refuses, Do: "find out who that is; then KILL " + h})
		}
		found = append(found, others(f, i)...)
	}
	return append(found, good("", "no other tool is seen"))
}

// others are sessions of tools that may undo a move.
func others(f *flight, side int) []Finding {
	s := f.sides[side]
	ids := map[string][]string{} // by the actor's name
	does := map[string]string{}
	look := func(text, id string) {
		for _, a := range actors {
			if strings.Contains(strings.ToLower(text), a.part) && a.do != "" {
				ids[a.name], does[a.name] = append(ids[a.name], id), a.do
				return
			}
		}
	}
	for _, r := range f.rows(side, 1) {
		look(r["user"], "connection "+r["id"]+" of "+r["user"]+"@"+r["host"])
	}
	for _, r := range f.rows(side, 2) {
		look(r["program"], "connection "+r["id"]+", program "+r["program"])
	}
	var found []Finding
	for _, a := range actors {
		if got := ids[a.name]; len(got) > 0 {
			found = append(found, Finding{Room: s.room, Seen: fmt.Sprintf("%s is connected: %s", a.name, someOf(got)), Wanted: "nobody else sets read_only",
				Severity: cutover.Breaks, Rule: "writer.actors", Do: "switch its recovery off for the time of the move: " + does[a.name]})
			delete(ids, a.name)
		}
	}
	return found
}
