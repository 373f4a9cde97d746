package dbsync

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"roomshift/cutover"
)

// checkSynced is Check of a pair that a tool keeps.
func (r *Ring) checkSynced(ctx context.Context) ([]Finding, error) {
	var found []Finding
	found = append(found, r.checkOneWriter(ctx))
	for _, n := range r.nodes {
		found = append(found, r.checkMaster(ctx, n)...)
	}
	var tasks [2]Task
	var errs [2]error
	var both sync.WaitGroup
	for i, n := range r.nodes {
		both.Go(func() { tasks[i], errs[i] = r.askTask(ctx, n.room) })
	}
	both.Wait()
	for i, n := range r.nodes {
		found = append(found, checkTask(n.room, r.nodes[1-i].room, tasks[i], errs[i])...)
	}
	if errs[0] == nil && errs[1] == nil {
		found = append(found, checkDDL(r.nodes[0].room, r.nodes[1].room, tasks)...)
	}
	return append(found, r.checkProviders(ctx)...), ctx.Err()
}

// DDL is which way changes of tables go, "" for a pair that replicates by itself.
func (r *Ring) DDL(ctx context.Context) string {
	if r.kept.Tool == nil {
		return ""
	}
	var tasks [2]Task
	for i, n := range r.nodes {
		var err error
		if tasks[i], err = r.askTask(ctx, n.room); err != nil {
			return "not known: " + err.Error()
		}
	}
	return checkDDL(r.nodes[0].room, r.nodes[1].room, tasks)[0].Seen
}

func (r *Ring) askTask(ctx context.Context, to cutover.Room) (Task, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.kept.Tool.Task(ctx, to)
}

func (r *Ring) checkOneWriter(ctx context.Context) Finding {
	f := Finding{Check: "writer", Wanted: "one master takes writes and the other is read_only"}
	x, y, err := r.writer(ctx)
	if err != nil {
		f.Seen, f.Do = err.Error(), "fence one of them: SET GLOBAL read_only=1"
		return f
	}
	f.OK, f.Seen = true, fmt.Sprintf("%s takes writes, %s is read_only", x.room, y.room)
	return f
}

// askedOfMaster is one row with all that is looked at.
const askedOfMaster = "SELECT @@global.log_bin AS log, @@global.binlog_format AS form, @@global.binlog_row_image AS image, " +
	"@@global.auto_increment_increment AS step, @@global.auto_increment_offset AS first, @@global.event_scheduler AS events; " +
	"SHOW GLOBAL VARIABLES WHERE variable_name IN ('super_read_only', 'binlog_expire_logs_seconds', 'expire_logs_days'); " +
	"SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'roomshift' AND table_name IN ('heartbeat', 'barrier')"

// bareTables asks for tables that InnoDB gave a hidden key, for they have none: with PROCESS those of every database are seen.
func bareTables(v version) string {
	tables, indexes := "innodb_sys_tables", "innodb_sys_indexes"
	if !v.mariadb && v.since(8, 0) {
		tables, indexes = "innodb_tables", "innodb_indexes"
	}
	return "SELECT REPLACE(t.name, '/', '.') AS name FROM information_schema." + indexes + " AS i JOIN information_schema." + tables +
		" AS t ON t.table_id = i.table_id WHERE i.name = 'GEN_CLUST_INDEX' AND t.name LIKE '%/%' AND t.name NOT LIKE 'mysql/%' AND t.name NOT LIKE 'sys/%' ORDER BY 1"
}

// askMaster asks all of that.
func (n *node) askMaster(ctx context.Context) ([][]row, error) {
	var name string
	if err := n.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&name); err != nil {
		return nil, err
	}
	v, err := parseVersion(name)
	if err != nil {
		return nil, err
	}
	tables, err := askAll(ctx, n.db, askedOfMaster+"; "+bareTables(v))
	if err == nil && (len(tables) != 4 || firstRow(tables, 0) == nil) {
		err = fmt.Errorf("%d answers", len(tables))
	}
	return tables, err
}

// leastRetention is how long a binlog is kept at least: a task that stops goes on from there.
const leastRetention = 24 * time.Hour

// checkMaster looks at what the tool needs of a master.
func (r *Ring) checkMaster(ctx context.Context, n *node) []Finding {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	tables, err := n.askMaster(ctx)
	if err != nil {
		return []Finding{{Check: "answers", Room: n.room, Seen: n.fail(err).Error(), Wanted: "an answer to every question", Do: "look at the address " + n.addr + ", the server and roomshift's account on it"}}
	}
	v := firstRow(tables, 0)
	vars := map[string]string{}
	for _, row := range tables[1] {
		vars[strings.ToLower(row["Variable_name"])] = row["Value"]
	}
	f := func(check, seen, wanted, do string, ok bool) Finding {
		if ok {
			do = ""
		}
		return Finding{Check: check, Room: n.room, Seen: seen, Wanted: wanted, Do: do, OK: ok}
	}
	kept := retention(vars)
	var names []string
	for _, row := range tables[3] {
		names = append(names, row["name"])
	}
	bare := "every table has one"
	if len(names) > 0 {
		bare = fmt.Sprintf("%d have none: %s", len(names), shorten(strings.Join(names, ", ")))
	}
	out := []Finding{
		f("binlog", fmt.Sprintf("log_bin %s, format %s, row image %s", v["log"], v["form"], v["image"]), "on, ROW, FULL: the tool reads rows",
			"set log_bin, binlog_format=ROW, binlog_row_image=FULL", isOn(v["log"]) && strings.EqualFold(v["form"], "ROW") && strings.EqualFold(v["image"], "FULL")),
		f("retention", kept.String(), fmt.Sprintf("%v or more: a task that stops goes on from there", leastRetention), "SET GLOBAL binlog_expire_logs_seconds = 604800",
			kept == 0 || kept >= leastRetention),
		f("keys", bare, "a primary key, or a unique one without NULL, on every table", "give them one: rows without a key are doubled or can't be found by the tool", len(names) == 0),
		f("fence", "super_read_only "+cmpOr(vars["super_read_only"], "there is none"), "off: the tool writes behind read_only, and super_read_only stops it",
			"SET GLOBAL super_read_only=0, and read_only=1 where it is fenced", !isOn(vars["super_read_only"])),
		f("tables", fmt.Sprintf("%d of 2 there", len(tables[2])), "roomshift.heartbeat and roomshift.barrier, carried by both tasks", "make them: `roomshift check RUNBOOK --grants` prints both", len(tables[2]) == 2),
		f("events", "event_scheduler "+v["events"], "off, or known: read_only doesn't stop events of accounts that pass it by", "SET GLOBAL event_scheduler = OFF before a move, or see who defines them", !isOn(v["events"])),
	}
	if v["step"] == "1" {
		out = append(out, f("generated keys", "auto_increment_increment 1", "2 or more, with an offset of its own in each room", "set auto_increment_increment=2 and distinct offsets on both", false))
	} else {
		out = append(out, f("generated keys", "every "+v["step"]+" from "+v["first"], "2 or more, with an offset of its own in each room", "", true))
	}
	return out
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func isOn(v string) bool { return v == "1" || strings.EqualFold(v, "ON") }

// retention is how long binlogs are kept, 0 for ever.
func retention(vars map[string]string) time.Duration {
	var n float64
	if _, err := fmt.Sscan(vars["binlog_expire_logs_seconds"], &n); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if _, err := fmt.Sscan(vars["expire_logs_days"], &n); err == nil && n > 0 {
		return time.Duration(n * 24 * float64(time.Hour))
	}
	return 0
}

// checkTask is one direction's task: it synchronizes, how far it is, what it does with a conflict.
func checkTask(to, from cutover.Room, t Task, err error) []Finding {
	const wanted = "the task synchronizes, and says its delay"
	if err != nil {
		return []Finding{{Check: "task", Room: to, Seen: err.Error(), Wanted: wanted, Do: "look at providers: {dts: …} of rooms.yaml and at the account's RAM policy (`roomshift check RUNBOOK --grants`)"}}
	}
	if !t.Running {
		return []Finding{{Check: "task", Room: to, Seen: t.stopped(), Wanted: wanted, Do: "start it again in the tool, and wait until it has caught up: nothing gets from " + from + " to " + to}}
	}
	out := []Finding{{Check: "task", Room: to, OK: true, Wanted: wanted, Seen: fmt.Sprintf("task %s from %s to %s: %s, %v behind", t.Name, from, to, t.Status, t.Delay)}}
	c := Finding{Check: "conflicts", Room: to, OK: true, Seen: t.Conflict, Wanted: "the task stops at a conflict (TaskFailed): it isn't supposed to have any"}
	switch {
	case t.Conflict == "":
		c.Seen = "the tool doesn't say its policy: see it in the console"
	case !strings.EqualFold(t.Conflict, "interrupt") && !strings.EqualFold(t.Conflict, "TaskFailed"):
		c.Seen, c.OK = "policy "+t.Conflict+": a conflict is settled without a word", false
		c.Do = "set the policy to TaskFailed; or know that after a pause the tool overwrites all the same"
	}
	return append(out, c)
}

// checkDDL says which way changes of tables go: one way only.
func checkDDL(a, b cutover.Room, into [2]Task) []Finding {
	f := Finding{Check: "DDL", Wanted: "carried in one direction; make changes of tables in the room that it comes from"}
	carried := func(t Task) bool { return t.DDL == "carried" }
	switch {
	case into[0].DDL == "" || into[1].DDL == "":
		f.OK, f.Seen = true, "the tool doesn't say which way it is carried: see it in the console"
	case carried(into[0]) && carried(into[1]):
		f.Seen, f.Do = "carried both ways", "leave it out in one direction: it would go round"
	case carried(into[1]):
		f.OK, f.Seen = true, "from "+a+" to "+b+" only"
	case carried(into[0]):
		f.OK, f.Seen = true, "from "+b+" to "+a+" only"
	default:
		f.OK, f.Seen = true, "not carried: make each change in both rooms"
	}
	return []Finding{f}
}

// grades are what findings of checkSynced mean before a move; those that aren't here are warned of.
var grades = map[string]Finding{
	"writer":         {Severity: cutover.Refuses},
	"answers":        {Severity: cutover.Refuses, Passing: true},
	"task":           {Severity: cutover.Refuses, Passing: true},
	"provider":       {Severity: cutover.Refuses, Passing: true},
	"binlog":         {Severity: cutover.Refuses},
	"fence":          {Severity: cutover.Refuses},
	"tables":         {Severity: cutover.Refuses},
	"keys":           {Severity: cutover.Breaks, Rule: "writer.primary-key"},
	"generated keys": {Severity: cutover.Breaks, Rule: "writer.keys"},
	"retention":      {Severity: cutover.Breaks, Rule: "writer.retention"},
}

// gradedSynced are findings of checkSynced as they count before a move.
func gradedSynced(found []Finding) []Finding {
	for i := range found {
		f := &found[i]
		if f.OK {
			continue
		}
		g, known := grades[f.Check]
		if !known {
			g.Severity = cutover.Warns
		}
		f.Severity, f.Rule, f.Passing = g.Severity, g.Rule, g.Passing
	}
	return found
}
