package dbsync

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"roomshift/cutover"
)

// preSchema, 19: both masters have the same definitions, accounts and settings, and tables that a move of the role can lose nothing of.
// Each kind of thing is added up on the servers; only where the sums differ is it looked which.
func preSchema() preCheck {
	return preCheck{name: "schema", ask: schemaQuestions, more: whatDiffers, judge: judgeSchema}
}

// kind is one kind of definitions: its rows have a name, and all that is to be equal.
type kind struct {
	name, rule string
	from       string // FROM … WHERE …
	key        string
	parts      []string
	right      string
	do         string
}

const notSystem = " NOT IN " + systemSchemas

// kinds are what is compared.
func kinds(v version) []kind {
	table := "CONCAT(table_schema, '.', table_name)"
	ks := []kind{
		{name: "columns", rule: "writer.schema", from: "information_schema.columns WHERE table_schema" + notSystem, key: table, do: "SHOW CREATE TABLE %s in both rooms",
			parts: []string{"column_name", "ordinal_position", "column_default", "is_nullable", "column_type", "character_set_name", "collation_name", "extra"}},
		{name: "indexes", rule: "writer.schema", from: "information_schema.statistics WHERE table_schema" + notSystem, key: table, do: "SHOW CREATE TABLE %s in both rooms",
			parts: []string{"index_name", "non_unique", "seq_in_index", "column_name", "collation", "sub_part", "index_type"}},
		{name: "triggers", rule: "writer.schema", from: "information_schema.triggers WHERE trigger_schema" + notSystem, key: "CONCAT(trigger_schema, '.', trigger_name)", do: "SHOW CREATE TRIGGER %s in both rooms",
			parts: []string{"event_object_table", "event_manipulation", "action_timing", "action_order", "action_statement", "definer", "sql_mode"}},
		{name: "routines", rule: "writer.schema", from: "information_schema.routines WHERE routine_schema" + notSystem, key: "CONCAT(routine_schema, '.', routine_name)", do: "SHOW CREATE PROCEDURE or FUNCTION %s in both rooms",
			parts: []string{"routine_type", "dtd_identifier", "routine_definition", "security_type", "definer", "sql_mode"}},
		{name: "events", rule: "writer.schema", from: "information_schema.events WHERE event_schema" + notSystem, key: "CONCAT(event_schema, '.', event_name)", do: "SHOW CREATE EVENT %s in both rooms",
			parts: []string{"event_definition", "event_type", "execute_at", "interval_value", "interval_field", "definer", "sql_mode"}},
	}
	if v.mariadb { // its mysql tables say all of it without a right to each database
		ks[3].from, ks[3].key, ks[3].right = "mysql.proc WHERE db"+notSystem, "CONCAT(db, '.', name)", "SELECT ON mysql.*"
		ks[3].parts = []string{"type", "param_list", "returns", "body_utf8", "security_type", "definer", "sql_mode"}
		ks[4].from, ks[4].key, ks[4].right = "mysql.event WHERE db"+notSystem, "CONCAT(db, '.', name)", "SELECT ON mysql.*"
		ks[4].parts = []string{"body_utf8", "execute_at", "interval_value", "interval_field", "definer", "sql_mode"}
	}
	return append(ks, accountKinds(v)...)
}

// accountKinds are accounts and their rights. Of their passwords only sums are made, on the server; where they are salted they can't be
// compared.
func accountKinds(v version) []kind {
	grants := func(of, object string) kind {
		return kind{name: "rights", rule: "writer.accounts", from: "information_schema." + of, key: "grantee", right: "SELECT ON mysql.*", do: "SHOW GRANTS FOR %s in both rooms",
			parts: []string{"privilege_type", object, "is_grantable"}}
	}
	accounts := kind{name: "accounts", rule: "writer.accounts", key: "CONCAT('''', user, '''@''', host, '''')", right: "SELECT ON mysql.*", do: "SHOW CREATE USER %s in both rooms"}
	if v.mariadb {
		accounts.from = "mysql.global_priv WHERE user <> 'mariadb.sys'"
		accounts.parts = []string{"JSON_VALUE(priv, '$.plugin')", "JSON_VALUE(priv, '$.authentication_string')", "JSON_VALUE(priv, '$.account_locked')"}
	} else {
		accounts.from = "mysql.user WHERE user NOT LIKE 'mysql.%'"
		accounts.parts = []string{"plugin", "account_locked", "IF(plugin = 'caching_sha2_password', '', authentication_string)"}
	}
	return []kind{accounts, grants("user_privileges", "''"), grants("schema_privileges", "table_schema"), grants("table_privileges", "CONCAT(table_schema, '.', table_name)"),
		grants("column_privileges", "CONCAT_WS('.', table_schema, table_name, column_name)")}
}

// crc adds rows up: their order has no part in it.
func (k kind) crc() string {
	return "CRC32(CONCAT_WS('|', " + k.key + ", COALESCE(" + strings.Join(k.parts, ", ''), COALESCE(") + ", '')))"
}

func (k kind) sum() question {
	return question{query: "SELECT COUNT(*) AS n, COALESCE(BIT_XOR(" + k.crc() + "), 0) AS x, COALESCE(SUM(" + k.crc() + "), 0) AS s FROM " + k.from, right: k.right}
}

func (k kind) each() string {
	return "SELECT " + k.key + " AS name, COUNT(*) AS n, SUM(" + k.crc() + ") AS s FROM " + k.from + " GROUP BY " + k.key
}

// diffs are the names of one kind that differ.
type diffs struct {
	kind  kind
	names []string
}

// equalSettings are to be the same in both rooms: what one accepts and means, the other does.
var equalSettings = []string{"sql_mode", "time_zone", "system_time_zone", "character_set_server", "collation_server", "lower_case_table_names",
	"explicit_defaults_for_timestamp", "default_storage_engine", "innodb_default_row_format", "foreign_key_checks", "unique_checks", "max_allowed_packet", "group_concat_max_len"}

// schemaQuestions are the sums of each kind, then settings, tables of other engines, and tables without a primary key.
func schemaQuestions(f *flight, side int) []question {
	var qs []question
	for _, k := range kinds(f.sides[side].version) {
		qs = append(qs, k.sum())
	}
	return append(qs, variablesQuery(equalSettings...),
		question{query: "SELECT CONCAT(table_schema, '.', table_name) AS name, engine AS engine FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB' AND table_schema" + notSystem + " LIMIT 50"},
		question{query: "SELECT CONCAT(t.table_schema, '.', t.table_name) AS name FROM information_schema.tables AS t LEFT JOIN (SELECT DISTINCT table_schema, table_name FROM information_schema.columns " +
			"WHERE column_key = 'PRI') AS k ON k.table_schema = t.table_schema AND k.table_name = t.table_name WHERE t.table_type = 'BASE TABLE' AND k.table_name IS NULL AND t.table_schema" + notSystem + " LIMIT 50"})
}

// whatDiffers asks for the names of each kind whose sums differ.
func whatDiffers(ctx context.Context, _ *Ring, f *flight, conns [2]querier) error {
	for k, kd := range kinds(f.sides[0].version) {
		if f.failed(0, k) || f.failed(1, k) || maps.Equal(firstOf(f.rows(0, k)), firstOf(f.rows(1, k))) {
			continue
		}
		var by [2]map[string]string
		var errs [2]error
		var both sync.WaitGroup
		for i := range conns {
			both.Go(func() {
				var tables [][]row
				if tables, errs[i] = askAll(ctx, conns[i], kd.each()); errs[i] == nil {
					by[i] = map[string]string{}
					for _, r := range tables[0] {
						by[i][r["name"]] = r["n"] + " " + r["s"]
					}
				}
			})
		}
		both.Wait()
		if err := cmp.Or(errs[0], errs[1]); err != nil {
			return err
		}
		if names := differing(by); len(names) > 0 { // it may have come over meanwhile
			f.diff = append(f.diff, diffs{kd, names})
		}
	}
	return nil
}

// differing are the names that aren't the same in both.
func differing(by [2]map[string]string) []string {
	var names []string
	for name, a := range by[0] {
		if by[1][name] != a {
			names = append(names, name)
		}
	}
	for name := range by[1] {
		if _, ok := by[0][name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func judgeSchema(f *flight) []Finding {
	ks := kinds(f.sides[0].version)
	found := []Finding{good("", "%s columns, %s index columns, %s triggers, %s routines, %s events, %s accounts", firstOf(f.rows(0, 0))["n"], firstOf(f.rows(0, 1))["n"],
		firstOf(f.rows(0, 2))["n"], firstOf(f.rows(0, 3))["n"], firstOf(f.rows(0, 4))["n"], firstOf(f.rows(0, 5))["n"])}
	for _, d := range f.diff {
		found = append(found, Finding{Seen: d.kind.name + " differ: " + someOf(d.names), Wanted: "the same in both rooms", Severity: cutover.Breaks, Rule: d.kind.rule,
			Do: fmt.Sprintf(d.kind.do, d.names[0]) + "; make them equal in the room of the writer"})
	}
	a, b := variables(f.rows(0, len(ks))), variables(f.rows(1, len(ks)))
	for _, name := range equalSettings {
		if a[name] != b[name] {
			found = append(found, Finding{Seen: fmt.Sprintf("%s is %q in %s, %q in %s", name, a[name], f.sides[0].room, b[name], f.sides[1].room), Wanted: "the same in both rooms",
				Severity: cutover.Breaks, Rule: "writer.settings", Do: fmt.Sprintf("SET GLOBAL %s='%s' in %s, and in its file", name, a[name], f.sides[1].room)})
		}
	}
	var others, bare []string
	for _, r := range f.rows(f.from, len(ks)+1) {
		others = append(others, r["name"]+" ("+r["engine"]+")")
	}
	for _, r := range f.rows(f.from, len(ks)+2) {
		bare = append(bare, r["name"])
	}
	if len(others) > 0 {
		name, _, _ := strings.Cut(others[0], " ")
		found = append(found, Finding{Room: f.sides[f.from].room, Seen: "not InnoDB: " + someOf(others), Wanted: "InnoDB: other tables have no transactions, and what is in memory is lost",
			Severity: cutover.Breaks, Rule: "writer.engines", Do: "ALTER TABLE " + name + " ENGINE=InnoDB"})
	}
	if len(bare) > 0 {
		found = append(found, Finding{Room: f.sides[f.from].room, Seen: "without a primary key: " + someOf(bare), Wanted: "a primary key: each row is looked for in the whole table by the applier",
			Severity: cutover.Breaks, Rule: "writer.primary-key", Do: "ALTER TABLE " + bare[0] + " ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY"})
	}
	return found
}
