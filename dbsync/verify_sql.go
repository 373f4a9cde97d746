package dbsync

import (
	"fmt"
	"slices"
	"strings"
)

// How rows are read so that equal bytes are equal text, and others never: see column.content.

// column is a column of a table as information_schema says it.
type column struct {
	name, kind, whole  string // data_type and column_type
	charset, collation string // "" none
	nullable           bool
	extra, generated   string // of a generated column its expression
}

func (c *column) stored() bool {
	return c.generated == "" || strings.Contains(c.extra, "STORED") || strings.Contains(c.extra, "PERSISTENT")
}

// id is what has to be the same in both rooms.
func (c *column) id() string {
	return strings.Join([]string{c.name, c.whole, c.charset, c.collation, fmt.Sprint(c.nullable), c.generated}, " ")
}

// The ways in which a type is read.
type form uint8

const (
	asText   form = iota // prints the same wherever it is the same: whole numbers, decimals, dates
	asNumber             // prints what it means, and holds a number: BIT, ENUM, SET
	asFloat              // prints fewer digits than it has: as DOUBLE it prints all of them, and the sign of a zero
	asBytes              // of short strings
	asDigest             // of what may be long: packed rows must not become longer than max_allowed_packet
	asJSON               // MySQL's: has no bytes of its own that mean something, but is printed in one way only
	asHex                // whatever else
)

var forms = map[string]form{
	"tinyint": asText, "smallint": asText, "mediumint": asText, "int": asText, "bigint": asText, "decimal": asText, "year": asText,
	"date": asText, "time": asText, "datetime": asText, "timestamp": asText, "uuid": asText, "inet4": asText, "inet6": asText,
	"bit": asNumber, "enum": asNumber, "set": asNumber, "float": asFloat, "double": asFloat,
	"char": asBytes, "varchar": asBytes, "binary": asBytes, "varbinary": asBytes,
	"tinytext": asDigest, "text": asDigest, "mediumtext": asDigest, "longtext": asDigest,
	"tinyblob": asDigest, "blob": asDigest, "mediumblob": asDigest, "longblob": asDigest, "json": asJSON,
}

func (c *column) form() form {
	if f, ok := forms[c.kind]; ok {
		return f
	}
	return asHex
}

// content is an expression for a column's content, never NULL, of which no two are the same text for different bytes; and no two rows
// the same text in a row: each says where it ends. NULL is '-' alone, which none of the others is.
func (c *column) content() string {
	q := quoteName(c.name)
	text := ""
	switch c.form() {
	case asText:
		text = "CONCAT(" + q + ", ',')"
	case asNumber:
		text = "CONCAT(" + q + "+0, ',')"
	case asFloat:
		text = "CONCAT(" + q + "*1e0, ',')"
	case asBytes:
		text = "CONCAT(LENGTH(" + q + "), ':', CONVERT(" + q + " USING binary))"
	case asDigest:
		text = "SHA2(" + q + ", 256)"
	case asJSON:
		text = "SHA2(CAST(" + q + " AS CHAR), 256)"
	default:
		text = "SHA2(HEX(" + q + "), 256)"
	}
	return "COALESCE(" + text + ", '-')"
}

// keyed tells whether ranges of a column can be asked for: its values travel as text and come back as the same values.
func (c *column) keyed() bool {
	f := c.form()
	return f == asText || f == asNumber || f == asFloat || f == asBytes || f == asDigest && c.kind != ""
}

// key is the expression by which a key's column is compared. ENUM and SET are sorted by number, and compared as text otherwise.
func (c *column) key() string {
	if c.kind == "enum" || c.kind == "set" {
		return "(" + quoteName(c.name) + "+0)"
	}
	return quoteName(c.name)
}

// value reads a key's column so that literal makes the same value of it.
func (c *column) value() string {
	q := quoteName(c.name)
	switch c.form() {
	case asNumber:
		return q + "+0"
	case asFloat:
		return q + "*1e0"
	case asBytes, asDigest:
		return "HEX(" + q + ")"
	}
	return "CONCAT(" + q + ")"
}

// literal is what value read, in a statement.
func (c *column) literal(v string) string {
	switch c.form() {
	case asNumber:
		return v
	case asFloat:
		if !strings.ContainsAny(v, "eE") {
			v += "e0"
		}
		return v
	case asBytes, asDigest:
		if c.charset == "" {
			return "X'" + v + "'"
		}
		return "_" + c.charset + " X'" + v + "' COLLATE " + c.collation
	}
	switch c.kind {
	case "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year":
		return v
	}
	return "'" + strings.ReplaceAll(v, "'", "''") + "'"
}

// shown is a key's value for people: text where it is any.
func (c *column) shown(v string) string {
	if f := c.form(); f != asBytes && f != asDigest {
		return v
	}
	if text, ok := printable(v, c.charset); ok {
		return text
	}
	return "0x" + v
}

// table is one table as both rooms have it.
type table struct {
	db, name string
	columns  []column
	index    string // the unique one by which it is gone through, "" none
	key      []int  // its columns
	about    int64  // rows, as the server guesses
}

func (t *table) String() string { return t.db + "." + t.name }

func (t *table) from() string { return quoteName(t.db) + "." + quoteName(t.name) }

// force keeps the optimizer from sorting.
func (t *table) force() string {
	if t.index == "" {
		return t.from()
	}
	return t.from() + " FORCE INDEX (" + quoteName(t.index) + ")"
}

// content is a row's. Virtual columns aren't in it: they hold nothing of their own.
func (t *table) content() string {
	var parts []string
	for i := range t.columns {
		if t.columns[i].stored() {
			parts = append(parts, t.columns[i].content())
		}
	}
	return "SHA2(CONCAT(" + strings.Join(append(parts, "''"), ", ") + "), 256)"
}

// stretch is the rows whose key is above lo and not above hi; nil: no bound.
type stretch struct{ lo, hi []string }

func (t *table) where(s stretch) string {
	var all []string
	if s.lo != nil {
		all = append(all, t.bound(s.lo, ">", ">"))
	}
	if s.hi != nil {
		all = append(all, t.bound(s.hi, "<", "<="))
	}
	if len(all) == 0 {
		return "1=1"
	}
	return strings.Join(all, " AND ")
}

// bound compares a key with a value, column by column. Servers use an index for that, as they don't for (a, b) > (x, y).
func (t *table) bound(v []string, strict, last string) string {
	text := ""
	for k := len(t.key) - 1; k >= 0; k-- {
		c := &t.columns[t.key[k]]
		q, lit := c.key(), c.literal(v[k])
		if text == "" {
			text = q + " " + last + " " + lit
			continue
		}
		text = fmt.Sprintf("%s %s= %s AND (%s %s %s OR %s)", q, strict, lit, q, strict, lit, text)
	}
	return "(" + text + ")"
}

// is is one row's.
func (t *table) is(v []string) string {
	var all []string
	for k, i := range t.key {
		all = append(all, t.columns[i].key()+" = "+t.columns[i].literal(v[k]))
	}
	return "(" + strings.Join(all, " AND ") + ")"
}

// keyColumns reads a key, as k0, k1 …
func (t *table) keyColumns() string {
	var all []string
	for k, i := range t.key {
		all = append(all, fmt.Sprintf("%s AS k%d", t.columns[i].value(), k))
	}
	return strings.Join(all, ", ")
}

func (t *table) keyOf(r row) []string {
	v := make([]string, len(t.key))
	for k := range t.key {
		v[k] = r[fmt.Sprintf("k%d", k)]
	}
	return v
}

func (t *table) order(down bool) string {
	var all []string
	for _, i := range t.key {
		text := quoteName(t.columns[i].name)
		if down {
			text += " DESC"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// nth asks for the key of the nth row of a span, from 1.
func (t *table) nth(s stretch, n int64) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d, 1", t.keyColumns(), t.force(), t.where(s), t.order(false), n-1)
}

// last asks for the key of a span's last row.
func (t *table) last(s stretch) string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT 1", t.keyColumns(), t.force(), t.where(s), t.order(true))
}

// digest asks for the number of a span's rows, and for what they have in common as a set: n and h. A hash that mixes well is needed:
// CRCs are linear, and two rows that have swapped what they hold have the same XOR of them. Rows without a unique key may be there twice,
// and XOR takes two for none: those are added up. LIMIT keeps a server from working the hash out for each use of it.
func (t *table) digest(s stretch) string {
	how := "BIT_XOR"
	if len(t.key) == 0 {
		how = "SUM"
	}
	half := func(side string) string { return how + "(CAST(CONV(" + side + "(h, 16), 16, 10) AS UNSIGNED))" }
	return fmt.Sprintf("SELECT COUNT(*) AS n, COUNT(h) AS hashed, CONCAT(COALESCE(%s, 0), '-', COALESCE(%s, 0)) AS h FROM (SELECT %s AS h FROM %s WHERE %s LIMIT 9223372036854775807) AS r",
		half("LEFT"), half("RIGHT"), t.content(), t.force(), t.where(s))
}

// rows asks for the key and hash of every row of a span.
func (t *table) rows(s stretch) string {
	return fmt.Sprintf("SELECT %s, %s AS h FROM %s WHERE %s", t.keyColumns(), t.content(), t.force(), t.where(s))
}

// these asks for the key and hash of some rows.
func (t *table) these(keys [][]string) string {
	var all []string
	for _, k := range keys {
		all = append(all, t.is(k))
	}
	return fmt.Sprintf("SELECT %s, %s AS h FROM %s WHERE %s", t.keyColumns(), t.content(), t.from(), strings.Join(all, " OR "))
}

// each asks for a hash of each of a row's columns: c0, c1 …
func (t *table) each(key []string) string {
	var all []string
	for i := range t.columns {
		if t.columns[i].stored() {
			all = append(all, fmt.Sprintf("SHA2(%s, 256) AS c%d", t.columns[i].content(), i))
		}
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(all, ", "), t.from(), t.is(key))
}

func (t *table) count() string {
	return "SELECT COUNT(*) AS n, COUNT(*) AS hashed, 0 AS h FROM " + t.from()
}

// id is what has to be the same of a table's definition: columns in their order, and the key by which it is gone through.
func (t *table) id() []string {
	var all []string
	for i := range t.columns {
		all = append(all, t.columns[i].id())
	}
	key := "key"
	for _, i := range t.key {
		key += " " + t.columns[i].name
	}
	return append(all, key)
}

// unlike names the first column that isn't the same in another room's table, "" none.
func (t *table) unlike(o *table) string {
	a, b := t.id(), o.id()
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i]
		case i >= len(b) || a[i] != b[i]:
			return a[i]
		}
	}
	return ""
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// sortTables is by database and name.
func sortTables(ts []*table) {
	slices.SortFunc(ts, func(a, b *table) int { return strings.Compare(a.db+"\x00"+a.name, b.db+"\x00"+b.name) })
}
