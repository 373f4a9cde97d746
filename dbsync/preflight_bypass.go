package dbsync

import (
	"fmt"
	"slices"
	"strings"

	"roomshift/cutover"
)

// preBypass, 12: no application is connected as an account that a fence doesn't stop.
func preBypass() preCheck {
	return preCheck{
		name: "bypass", quick: true,
		ask: func(f *flight, side int) []question {
			v := f.sides[side].version
			connected := question{query: "SELECT user AS user, COUNT(*) AS n, MIN(id) AS id, MAX(command LIKE 'Binlog Dump%') AS dumps, MAX(user = SUBSTRING_INDEX(USER(), '@', 1)) AS me FROM information_schema.processlist GROUP BY user"}
			if !v.mariadb {
				return []question{connected}
			}
			// A server before 10.11 lets SUPER pass, and a later one what had it before that.
			super := "1 = 1"
			if v.since(10, 11) {
				super = "COALESCE(JSON_VALUE(priv, '$.version_id'), 0) < 101100"
			}
			return []question{connected, {right: "SELECT ON mysql.*", query: "WITH RECURSIVE m (user, host) AS (SELECT user, host FROM mysql.global_priv WHERE CAST(JSON_VALUE(priv, '$.access') AS UNSIGNED) & " + readOnlyAdminBit +
				" <> 0 OR " + super + " AND CAST(JSON_VALUE(priv, '$.access') AS UNSIGNED) & " + superBit + " <> 0 " +
				"UNION SELECT r.user, r.host FROM mysql.roles_mapping AS r JOIN m ON r.role = m.user AND m.host = '') SELECT DISTINCT user AS user FROM m WHERE host <> ''"}}
		},
		judge: judgeBypass,
	}
}

// Bits of a right in MariaDB's mysql.global_priv: its information_schema lists no right of a role.
const (
	readOnlyAdminBit = "(1 << 33)"
	superBit         = "(1 << 15)"
)

func judgeBypass(f *flight) []Finding {
	var found []Finding
	for i, s := range f.sides {
		if !s.version.mariadb {
			found = append(found, good("", "super_read_only stops everybody"))
			continue
		}
		pass := map[string]bool{}
		for _, r := range f.rows(i, 1) {
			pass[r["user"]] = true
		}
		var live, rest []string
		for _, r := range f.rows(i, 0) {
			if !pass[r["user"]] {
				continue
			}
			delete(pass, r["user"])
			if r["me"] == "1" || r["dumps"] == "1" || r["user"] == "system user" || r["user"] == "event_scheduler" {
				continue // ours and replication's: they stay
			}
			live = append(live, fmt.Sprintf("%s (%s connections, one is %s)", r["user"], r["n"], r["id"]))
		}
		for user := range pass {
			rest = append(rest, user)
		}
		slices.Sort(live)
		slices.Sort(rest)
		if len(live) == 0 {
			text := "nobody who passes the fence is connected"
			if len(rest) > 0 {
				text += " (" + someOf(rest) + " could be)"
			}
			found = append(found, good(s.room, "%s", text))
			continue
		}
		user, _, _ := strings.Cut(live[0], " ")
		found = append(found, Finding{Room: s.room, Seen: "connected, and read_only doesn't stop them: " + someOf(live), Wanted: "no application with READ_ONLY ADMIN",
			Severity: cutover.Breaks, Rule: "writer.bypass",
			Do: "REVOKE READ_ONLY ADMIN ON *.* FROM " + user + " (GRANT ALL has it; before 10.11 SUPER does); end its connections: KILL USER " + user})
	}
	return found
}
