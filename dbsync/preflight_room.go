package dbsync

import (
	"fmt"
	"strconv"

	"roomshift/cutover"
)

// preRoom, 18: the master that gets the role has connections and memory for the writer's clients, and both have some for roomshift.
func preRoom() preCheck {
	return preCheck{
		name: "room",
		ask: func(*flight, int) []question {
			return []question{
				variablesQuery("max_connections", "extra_port", "extra_max_connections", "admin_address", "innodb_buffer_pool_size"),
				{query: "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Max_used_connections')"},
			}
		},
		judge: judgeRoom,
	}
}

// ownConnections is what roomshift itself needs of a master while it moves the role.
const ownConnections = 12

func judgeRoom(f *flight) []Finding {
	var found []Finding
	var most, used, pool [2]int64
	for i, s := range f.sides {
		v, st := variables(f.rows(i, 0)), variables(f.rows(i, 1))
		most[i], _ = strconv.ParseInt(v["max_connections"], 10, 64)
		used[i], _ = strconv.ParseInt(st["threads_connected"], 10, 64)
		pool[i], _ = strconv.ParseInt(v["innodb_buffer_pool_size"], 10, 64)
		seen := fmt.Sprintf("%d of %d connections", used[i], most[i])
		if most[i]-used[i] < ownConnections {
			found = append(found, Finding{Room: s.room, Seen: seen, Wanted: fmt.Sprintf("%d free for roomshift", ownConnections), Severity: cutover.Breaks, Rule: "writer.connections",
				Do: fmt.Sprintf("SET GLOBAL max_connections=%d in %s, and in its file", most[i]+10*ownConnections, s.room)})
			continue
		}
		found = append(found, good(s.room, "%s", seen))
	}
	a, b := f.from, f.to
	if sum := used[a] + used[b]; sum*10 > most[b]*9 && most[b]-used[b] >= ownConnections {
		found = append(found, Finding{Room: f.sides[b].room, Seen: fmt.Sprintf("%d of %d connections, and %d of %s would come", used[b], most[b], used[a], f.sides[a].room), Wanted: "nine tenths are enough for both",
			Severity: cutover.Breaks, Rule: "writer.connections", Do: fmt.Sprintf("SET GLOBAL max_connections=%d in %s, and in its file", sum*2, f.sides[b].room)})
	}
	if pool[b]*2 < pool[a] {
		found = append(found, Finding{Room: f.sides[b].room, Seen: "innodb_buffer_pool_size=" + bytesText(pool[b]) + ", and " + bytesText(pool[a]) + " in " + f.sides[a].room, Wanted: "half as much, at least",
			Severity: cutover.Warns, Do: fmt.Sprintf("SET GLOBAL innodb_buffer_pool_size=%d in %s, if its memory allows", pool[a], f.sides[b].room)})
	}
	return found
}
