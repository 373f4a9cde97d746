package dbsync

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// GrantsVerify is what the account needs beside Grants, on both masters, to compare what the rooms hold: {database} stands for each of
// the databases but the server's own. It says nothing about a database on which it wasn't given, so Verify looks for that.
var GrantsVerify = []string{"GRANT SELECT ON {database}.* TO {user}"}

// notCompared are databases of the servers' own.
var notCompared = []string{"mysql", "information_schema", "performance_schema", "sys"}

// ownTable is roomshift's: it is written all the time, and its rows mean nothing to anybody else.
const ownTable = "roomshift.heartbeat"

const tablesQuery = `SELECT table_schema AS db, table_name AS name, table_type AS type, COALESCE(table_rows, 0) AS about FROM information_schema.tables
WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys');
SELECT table_schema AS db, table_name AS name, column_name AS c, data_type AS kind, column_type AS whole, character_set_name AS charset,
collation_name AS collation, is_nullable AS nullable, extra AS extra, generation_expression AS formula FROM information_schema.columns
WHERE table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY table_schema, table_name, ordinal_position;
SELECT table_schema AS db, table_name AS name, index_name AS i, column_name AS c FROM information_schema.statistics
WHERE non_unique = 0 AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
ORDER BY table_schema, table_name, index_name <> 'PRIMARY', index_name, seq_in_index`

// tables are those that a server has, as far as its account may see them, by DATABASE.TABLE.
func (s *compared) tables(ctx context.Context) (map[string]*table, error) {
	answers, err := s.ask(ctx, tablesQuery)
	if err != nil {
		return nil, err
	}
	if len(answers) != 3 {
		return nil, s.fail(fmt.Errorf("3 questions had %d answers", len(answers)))
	}
	all := map[string]*table{}
	for _, r := range answers[0] {
		t := &table{db: r["db"], name: r["name"]}
		t.about, _ = strconv.ParseInt(r["about"], 10, 64) // a guess
		all[t.String()] = t
	}
	for _, r := range answers[1] {
		t := all[r["db"]+"."+r["name"]]
		if t == nil {
			continue // a view's
		}
		t.columns = append(t.columns, column{name: r["c"], kind: strings.ToLower(r["kind"]), whole: r["whole"], charset: notNull(r["charset"]),
			collation: notNull(r["collation"]), nullable: r["nullable"] == "YES", extra: strings.ToUpper(r["extra"]), generated: notNull(r["formula"])})
	}
	indexes := map[string][]row{}
	for _, r := range answers[2] {
		name := r["db"] + "." + r["name"]
		indexes[name] = append(indexes[name], r)
	}
	for name, t := range all {
		t.chooseKey(indexes[name])
	}
	delete(all, ownTable)
	return all, nil
}

// chooseKey takes the first unique index, PRIMARY before others, whose columns are never NULL and can be asked for by ranges.
func (t *table) chooseKey(rows []row) {
	for len(rows) > 0 {
		name := rows[0]["i"]
		var key []int
		good := true
		for len(rows) > 0 && rows[0]["i"] == name {
			i := slices.IndexFunc(t.columns, func(c column) bool { return c.name == rows[0]["c"] })
			if i < 0 || t.columns[i].nullable || !t.columns[i].keyed() {
				good = false // an expression's has no column
			}
			key, rows = append(key, i), rows[1:]
		}
		if good {
			t.index, t.key = name, key
			return
		}
	}
}

// hidden are the tables that the account can't see, by what the storage engine has: a table on which it has no right isn't among those that
// it is told of. Tables of other engines can't be found so.
func (s *compared) hidden(ctx context.Context, seen map[string]*table) ([]string, error) {
	list := "information_schema.innodb_tables"
	if s.v.mariadb || !s.v.since(8) {
		list = "information_schema.innodb_sys_tables"
	}
	answers, err := s.ask(ctx, "SELECT name AS name FROM "+list)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range answers[0] {
		name, known := decodeName(r["name"])
		if db, _, _ := strings.Cut(name, "."); !known || slices.Contains(notCompared, db) || name == ownTable {
			continue
		}
		if seen[name] == nil && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// decodeName is DATABASE.TABLE of InnoDB's name, which has other letters than ASCII's in a form of its own; false where that isn't known, and
// for tables of its own.
func decodeName(raw string) (string, bool) {
	db, name, ok := strings.Cut(raw, "/")
	if !ok || strings.HasPrefix(name, "FTS_") || strings.HasPrefix(name, "#") {
		return "", false
	}
	name, _, _ = strings.Cut(name, "#") // a partition's
	out := make([]string, 0, 2)
	for _, part := range []string{db, name} {
		text := ""
		for at := strings.IndexByte(part, '@'); at >= 0; at = strings.IndexByte(part, '@') {
			if len(part) < at+5 {
				return "", false
			}
			code, err := strconv.ParseUint(part[at+1:at+5], 16, 16)
			if err != nil {
				return "", false
			}
			text, part = text+part[:at]+string(rune(code)), part[at+5:]
		}
		out = append(out, text+part)
	}
	return strings.Join(out, "."), true
}

// cannotRead is the error for tables that the account can't see, nil for none.
func (s *compared) cannotRead(tables []string) error {
	if len(tables) == 0 {
		return nil
	}
	e := &CannotReadError{Where: s.String(), Tables: tables}
	for _, name := range tables {
		db, _, _ := strings.Cut(name, ".")
		if g := strings.ReplaceAll(GrantsVerify[0], "{database}", quoteName(db)); !slices.Contains(e.Grants, g) {
			e.Grants = append(e.Grants, g)
		}
	}
	return e
}

// wanted tells whether a table is among those that were asked for.
func (o *VerifyOptions) wanted(name string) bool {
	if len(o.Databases)+len(o.Tables)+len(o.Only) == 0 {
		return true
	}
	db, _, _ := strings.Cut(name, ".")
	return slices.Contains(o.Databases, db) || slices.Contains(o.Tables, name) || slices.ContainsFunc(o.Only, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	})
}

// asked is what was asked for, for people; none: all.
func (o *VerifyOptions) asked() []string {
	return slices.Concat(o.Databases, o.Tables, o.Only)
}

// pairUp lists the tables of both rooms, and those of which nothing but their definition need be looked at.
func (v *verifier) pairUp(ctx context.Context) (both []*table, wrong []TableCompared, err error) {
	var all [2]map[string]*table
	for i, s := range v.sides {
		if all[i], err = v.listed(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	for name, t := range all[0] {
		other := all[1][name]
		switch {
		case other == nil:
			wrong = append(wrong, TableCompared{Name: name, Wrong: "it is in " + v.sides[0].room + " only"})
		case t.unlike(other) != "":
			wrong = append(wrong, TableCompared{Name: name, Wrong: "its definition isn't the same in both rooms: " + t.unlike(other)})
		default:
			both = append(both, t)
		}
	}
	for name := range all[1] {
		if all[0][name] == nil {
			wrong = append(wrong, TableCompared{Name: name, Wrong: "it is in " + v.sides[1].room + " only"})
		}
	}
	for _, name := range v.o.Tables {
		if all[0][name] == nil && all[1][name] == nil {
			return nil, nil, fmt.Errorf("no room has a table %s", name)
		}
	}
	if len(both)+len(wrong) == 0 && len(v.o.asked()) > 0 {
		return nil, nil, errNoTables
	}
	sortTables(both)
	slices.SortFunc(wrong, func(a, b TableCompared) int { return strings.Compare(a.Name, b.Name) })
	return both, wrong, nil
}

// listed are a room's tables, as far as they were asked for. One that the account may not see is an error.
func (v *verifier) listed(ctx context.Context, s *compared) (map[string]*table, error) {
	all, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	hidden, err := s.hidden(ctx, all)
	if err != nil {
		return nil, err
	}
	for name := range all {
		if !v.o.wanted(name) {
			delete(all, name)
		}
	}
	return all, s.cannotRead(slices.DeleteFunc(hidden, func(name string) bool { return !v.o.wanted(name) }))
}
