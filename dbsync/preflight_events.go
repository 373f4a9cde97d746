package dbsync

import (
	"fmt"
	"slices"

	"roomshift/cutover"
)

// preEvents, 13: which events run in the writer's room: they are off while nobody is the writer, and have to run in the other room then.
func preEvents() preCheck {
	return preCheck{
		name: "events",
		ask: func(f *flight, side int) []question {
			if f.sides[side].version.mariadb {
				return []question{variablesQuery("event_scheduler"), {query: "SELECT CONCAT(db, '.', name) AS name, definer AS definer, status AS status FROM mysql.event ORDER BY db, name", right: "SELECT ON mysql.*"}}
			}
			// Without the right to an event's database the list is empty, and nobody says so: rights says it.
			return []question{variablesQuery("event_scheduler"), {query: "SELECT CONCAT(event_schema, '.', event_name) AS name, definer AS definer, status AS status FROM information_schema.events WHERE event_schema NOT IN " +
				systemSchemas + " ORDER BY event_schema, event_name"}}
		},
		judge: judgeEvents,
	}
}

func judgeEvents(f *flight) []Finding {
	from, to := f.sides[f.from], f.sides[f.to]
	var found []Finding
	scheduler := [2]string{}
	var on [2]map[string]string
	for i := range f.sides {
		scheduler[i] = variables(f.rows(i, 0))["event_scheduler"]
		on[i] = map[string]string{}
		for _, r := range f.rows(i, 1) {
			on[i][r["name"]] = r["status"]
		}
	}
	var run, both []string
	for name, status := range on[f.from] {
		if status == "ENABLED" {
			run = append(run, name)
		}
	}
	for name, status := range on[f.to] {
		if status == "ENABLED" {
			both = append(both, name)
		}
	}
	slices.Sort(run)
	slices.Sort(both)
	if len(both) > 0 && scheduler[f.to] == "ON" {
		found = append(found, Finding{Room: to.room, Seen: "enabled beside the writer: " + someOf(both), Wanted: "events run where the writer is", Severity: cutover.Breaks, Rule: "writer.events",
			Do: "ALTER EVENT " + both[0] + " DISABLE ON SLAVE in " + to.room + ": on MariaDB an event writes past read_only if its definer may"})
	}
	if len(run) > 0 && scheduler[f.from] == "ON" {
		found = append(found, Finding{Room: from.room, Seen: fmt.Sprintf("%d run here: %s", len(run), someOf(run)), Wanted: "enabled in " + to.room + " after the move", Severity: cutover.Warns,
			Do: "after the move ALTER EVENT " + run[0] + " ENABLE in " + to.room + ", ALTER EVENT … DISABLE ON SLAVE in " + from.room})
		if scheduler[f.to] != "ON" {
			found = append(found, Finding{Room: to.room, Seen: "event_scheduler=" + scheduler[f.to], Wanted: "ON, as in " + from.room, Severity: cutover.Warns,
				Do: "after the move SET GLOBAL event_scheduler=ON in " + to.room})
		}
	}
	return append(found, good("", "event_scheduler=%s in %s, %d events", scheduler[f.from], from.room, len(run)))
}
