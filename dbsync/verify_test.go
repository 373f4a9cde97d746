package dbsync

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/lab/server"
)

// Verify's tests have a database of their own, vdata, and the account reader, which has GrantsVerify on it.

const readerName = "reader"

const readerAt = "reader@'127.0.0.1'"

func readerDSN(room string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = readerName, moverPassword, "tcp", lab.Master(room).Addr()
	return c.FormatDSN()
}

func readerRing(t testing.TB) *Ring {
	t.Helper()
	p := labPair()
	for i, room := range lab.Rooms {
		p.DSN[i] = readerDSN(room)
	}
	return openLab(t, p)
}

// fill makes vdata anew with these tables, and waits until both rooms have them.
func fill(t testing.TB, statements ...string) {
	t.Helper()
	heal(t)
	run(t, "home", "DROP DATABASE IF EXISTS vdata", "CREATE DATABASE vdata CHARACTER SET utf8mb4")
	run(t, "home", statements...)
	ok(t, lab.Await(within(t, 30*time.Second)))
	t.Cleanup(func() {
		heal(t)
		run(t, "home", "DROP DATABASE IF EXISTS vdata")
	})
}

// unloggedIn does something in one room alone: the other is never told.
func unloggedIn(t testing.TB, room string, statements ...string) {
	t.Helper()
	c := guest(t, server.Admin, room)
	if onMySQL() {
		do(t, guest(t, server.Admin, room), "SET GLOBAL super_read_only=0")
		defer do(t, guest(t, server.Admin, room), restored(room))
	}
	do(t, c, "SET SESSION sql_log_bin=0", "SET SESSION time_zone='+00:00'", "SET SESSION foreign_key_checks=0")
	do(t, c, statements...)
}

// restored puts a room's fence back as heal leaves it.
func restored(room string) string {
	if room == "cloud" {
		return "SET GLOBAL super_read_only=1"
	}
	return "SET GLOBAL read_only=0"
}

// verified is a comparison of vdata to its end.
func verified(t testing.TB, o VerifyOptions) *Comparison {
	t.Helper()
	if len(o.Tables)+len(o.Only) == 0 {
		o.Databases = []string{"vdata"}
	}
	c, err := readerRing(t).Verify(within(t, 2*time.Minute), o)
	ok(t, err)
	return c
}

func (c *Comparison) table(name string) TableCompared {
	for _, t := range c.Tables {
		if t.Name == "vdata."+name {
			return t
		}
	}
	return TableCompared{Name: "none"}
}

// everyType has a column of each type that is read in a way of its own.
const everyType = `CREATE TABLE vdata.every (id INT PRIMARY KEY, i BIGINT UNSIGNED, d DECIMAL(20,5), f FLOAT, g DOUBLE, dt DATETIME(6), ts TIMESTAMP(3) NULL, da DATE, ti TIME(3),
 y YEAR, b BIT(40), e ENUM('a','A','b') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, s SET('p','q'), c CHAR(9), v VARCHAR(90), l VARCHAR(30) CHARACTER SET latin1, w VARCHAR(9) CHARACTER SET utf16,
 vb VARBINARY(30), bl BLOB, tx TEXT, j JSON, p POINT, gen INT GENERATED ALWAYS AS (id * 2) STORED, vir INT GENERATED ALWAYS AS (id * 3) VIRTUAL)`

const everyColumn = "id, i, d, f, g, dt, ts, da, ti, y, b, e, s, c, v, l, w, vb, bl, tx, j, p"

const oneOfEvery = "INSERT INTO vdata.every (" + everyColumn + ") VALUES (%d, 18446744073709551615, 1.50000, 0.1, 0.1, '2026-02-01 02:30:00.000001', '2026-03-29 02:30:00.5', " +
	"'2026-02-01', '-12:00:00.001', 2026, b'1010101010101010101010101010101010101', 'a', 'p,q', 'x', 'naïve', 'é', 'x', X'00ff00', X'00ff', 'text', '{\"b\": 1.0, \"a\": [1, 2]}', ST_GeomFromText('POINT(1 2)'))"

// TestVerifyFindsOneByte: a row that differs in one value, however little, is found and named with its column; before that, all is equal.
func TestVerifyFindsOneByte(t *testing.T) { onBoth(t, testVerifyFindsOneByte) }

func testVerifyFindsOneByte(t *testing.T) {
	statements := []string{everyType}
	for id := range 5 {
		statements = append(statements, fmt.Sprintf(oneOfEvery, id))
	}
	fill(t, statements...)
	c := verified(t, VerifyOptions{})
	if at := c.table("every"); c.Verdict() != Equal || at.Rows != 5 || c.Position == "" || c.Rooms[0] != "home" {
		t.Fatalf("%+v, want 5 rows that are equal", c)
	}
	set := []struct{ column, value string }{
		{"i", "18446744073709551614"}, {"d", "1.50001"}, {"f", "0.10000001"}, {"g", "0.10000000000000002"}, {"dt", "'2026-02-01 02:30:00.000002'"},
		{"ts", "'2026-03-29 03:30:00.5'"}, {"da", "'2026-02-02'"}, {"ti", "'12:00:00.001'"}, {"y", "2027"}, {"b", "b'1010101010101010101010101010101010100'"},
		{"e", "'A'"}, {"s", "'p'"}, {"c", "'X'"}, {"v", "'naive'"}, {"l", "'è'"}, {"w", "'y'"}, {"vb", "X'00ff01'"}, {"bl", "X'00fe'"}, {"tx", "'Text'"},
		{"j", "'{\"b\": 1.5, \"a\": [1, 2]}'"}, {"p", "ST_GeomFromText('POINT(2 1)')"},
		{"v", "NULL"}, {"v", "''"}, {"tx", "NULL"}, {"tx", "''"}, {"v", "'naïve '"}, {"g", "0.0"}, {"f", "0.0"},
	}
	for _, s := range set {
		// What differs least from these is put in home first.
		if before := map[string]string{"NULL": "''", "''": "NULL", "0.0": "-0.0e0"}[s.value]; before != "" {
			unloggedIn(t, "home", "UPDATE vdata.every SET "+s.column+"="+before+" WHERE id=3")
		}
		unloggedIn(t, "cloud", "UPDATE vdata.every SET "+s.column+"="+s.value+" WHERE id=3")
		at := verified(t, VerifyOptions{}).table("every")
		if at.Differs != 1 || len(at.Keys) != 1 || at.Keys[0].Key[0] != "3" || at.Keys[0].How != RowChanged || fmt.Sprint(at.Keys[0].Cols) != "["+s.column+"]" {
			t.Errorf("%s = %s: %+v", s.column, s.value, at)
		}
		for _, room := range lab.Rooms {
			unloggedIn(t, room, "DELETE FROM vdata.every WHERE id=3", fmt.Sprintf(oneOfEvery, 3))
		}
	}
	if c := verified(t, VerifyOptions{}); c.Verdict() != Equal {
		t.Errorf("%+v, want them equal again", c)
	}
}

// TestVerifyNeedsMixing: two rows that swapped what they hold are found; what they have in common by any CRC is the same.
func TestVerifyNeedsMixing(t *testing.T) { onBoth(t, testVerifyNeedsMixing) }

func testVerifyNeedsMixing(t *testing.T) {
	fill(t, "CREATE TABLE vdata.swap (id INT PRIMARY KEY, v VARCHAR(9))", "INSERT INTO vdata.swap VALUES (1, 'a'), (2, 'b')",
		"CREATE TABLE vdata.seam (a VARCHAR(9), b VARCHAR(9), id INT PRIMARY KEY)", "INSERT INTO vdata.seam VALUES ('x', 'y1:z', 1), (NULL, '', 2), ('x:y', 'z', 3)",
		"CREATE TABLE vdata.heap (v VARCHAR(9))", "INSERT INTO vdata.heap VALUES ('a'), ('a'), ('c')")
	unloggedIn(t, "cloud", "UPDATE vdata.swap SET v=IF(id=1, 'b', 'a')", "UPDATE vdata.seam SET a='x1:y', b='z' WHERE id=1", "UPDATE vdata.seam SET a='', b=NULL WHERE id=2",
		"UPDATE vdata.seam SET a='x', b='y:z' WHERE id=3",
		"UPDATE vdata.heap SET v='b' WHERE v='a'")
	c := verified(t, VerifyOptions{})
	for name, want := range map[string]int{"swap": 2, "seam": 3} {
		if at := c.table(name); at.Differs != want {
			t.Errorf("%+v, want all rows", at)
		}
	}
	if at := c.table("heap"); !strings.Contains(at.Wrong, "no key") {
		t.Errorf("%+v, want the table without a key to differ though two equal rows are as many as two others", at)
	}
}

// keyTables are keys of every kind that ranges go by, with how a row of a number is made.
var keyTables = []struct{ name, key, columns, value string }{
	{"negative", "a", "a INT", "%[1]d - 200"},
	{"wide", "a", "a BIGINT UNSIGNED", "18446744073709551615 - %[1]d"},
	{"composite", "a, b, c", "a INT, b VARCHAR(9), c DATETIME(3)", "%[1]d %% 3, CHAR(65 + %[1]d %% 40 USING utf8mb4), '2026-01-01' + INTERVAL %[1]d * 1000 MICROSECOND"},
	{"collated", "a", "a VARCHAR(60)", "CONCAT(ELT(1 + %[1]d %% 4, 'a', 'B', 'é', '_'), %[1]d)"},
	{"bytes", "a", "a VARBINARY(20)", "UNHEX(SUBSTRING(SHA2('%[1]d', 256), 1, 12))"},
	{"decimal", "a", "a DECIMAL(10,3)", "%[1]d / 8 - 20"},
	{"double", "a", "a DOUBLE", "(%[1]d - 200) / 3e0"},
	{"float", "a", "a FLOAT", "(%[1]d - 200) / 3e0"},
	{"bits", "a", "a BIT(40)", "%[1]d * 1000003"},
	{"listed", "a, b", "a ENUM('z','y','x'), b SET('q','p')", "1 + %[1]d %% 3, %[1]d %% 4"},
	{"date", "a", "a DATE", "'2026-01-01' + INTERVAL %[1]d DAY"},
	{"stamp", "a", "a TIMESTAMP(6)", "'2026-01-01' + INTERVAL %[1]d MINUTE"},
	{"latin", "a", "a VARCHAR(20) CHARACTER SET latin1", "CONCAT(ELT(1 + %[1]d %% 3, 'é', 'e', 'F'), %[1]d)"},
	{"padded", "a", "a CHAR(20)", "CONCAT(%[1]d, 'x')"},
	{"quoted", "a", "a VARCHAR(20)", "CONCAT('\\'', CHAR(92), '`', %[1]d)"},
}

// TestVerifyGoesByEveryKey: chunks of every kind of key have each row once; one that lacks in either room is found by its key, at the
// beginning, in the middle, at the end and behind it.
func TestVerifyGoesByEveryKey(t *testing.T) { onBoth(t, testVerifyGoesByEveryKey) }

func testVerifyGoesByEveryKey(t *testing.T) {
	const rows = 400
	var statements []string
	for _, k := range keyTables {
		n := rows
		if k.name == "listed" {
			n = 12
		}
		ints := "INSERT INTO vdata." + k.name + " (" + k.key + ", v, n) VALUES "
		statements = append(statements, "CREATE TABLE vdata."+k.name+" ("+k.columns+", v INT, n INT, PRIMARY KEY ("+k.key+"))")
		for i := range n {
			if i > 0 {
				ints += ", "
			}
			ints += fmt.Sprintf("("+k.value+", %[1]d, %[1]d)", i)
		}
		statements = append(statements, ints)
	}
	fill(t, statements...)
	small := VerifyOptions{Chunk: time.Nanosecond} // so that there are many
	c := verified(t, small)
	for _, k := range keyTables {
		at := c.table(k.name)
		n, chunks := int64(rows), 3
		if k.name == "listed" {
			n, chunks = 12, 1
		}
		if at.Differs+at.Moving != 0 || at.Wrong+at.Lack != "" || at.Rows != n || at.Chunks < chunks {
			t.Errorf("%s: %+v, want %d rows that are equal in %d chunks or more", k.name, at, n, chunks)
		}
	}
	for _, k := range keyTables {
		by := "n IN (0, 5, 11)"
		first, last := count(t, "home", "SELECT n FROM vdata."+k.name+" ORDER BY "+k.key+" LIMIT 1"), count(t, "home", "SELECT n FROM vdata."+k.name+" ORDER BY "+strings.ReplaceAll(k.key, ",", " DESC,")+" DESC LIMIT 1")
		unloggedIn(t, "home", fmt.Sprintf("DELETE FROM vdata.%s WHERE n = %d", k.name, last))
		unloggedIn(t, "cloud", fmt.Sprintf("DELETE FROM vdata.%s WHERE n <> %d AND (n = %d OR %s)", k.name, last, first, by))
		want := count(t, "home", "SELECT COUNT(*) FROM vdata."+k.name) - count(t, "cloud", "SELECT COUNT(*) FROM vdata."+k.name) + 2
		at := verified(t, VerifyOptions{Chunk: time.Nanosecond, Tables: []string{"vdata." + k.name}}).table(k.name)
		inHome := 0
		for _, d := range at.Keys {
			if d.How == "missing in home" {
				inHome++
			}
		}
		if at.Differs != want || len(at.Keys) != want || inHome != 1 {
			t.Errorf("%s: %+v, want %d rows, one of them missing in home", k.name, at, want)
		}
	}
}

// TestVerifyLetters: a key that is equal by its collation and isn't by its bytes is two rows, each missing in one room.
func TestVerifyLetters(t *testing.T) { onBoth(t, testVerifyLetters) }

func testVerifyLetters(t *testing.T) {
	fill(t, "CREATE TABLE vdata.letters (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v VARCHAR(9) COLLATE utf8mb4_general_ci)", "INSERT INTO vdata.letters VALUES ('a', 'x'), ('b', 'x')")
	unloggedIn(t, "cloud", "UPDATE vdata.letters SET k='A' WHERE k='a'", "UPDATE vdata.letters SET v='X' WHERE k='b'")
	at := verified(t, VerifyOptions{}).table("letters")
	if got := fmt.Sprint(at.Keys); got != "[{[A] missing in home []} {[a] missing in cloud []} {[b] differs [v]}]" || at.Differs != 3 {
		t.Errorf("%s of %+v", got, at)
	}
}

// TestVerifyTables: empty tables, those in one room only, of another definition, and without a key.
func TestVerifyTables(t *testing.T) { onBoth(t, testVerifyTables) }

func testVerifyTables(t *testing.T) {
	fill(t, "CREATE TABLE vdata.empty (id INT PRIMARY KEY)", "CREATE TABLE vdata.one (id INT PRIMARY KEY)", "CREATE TABLE vdata.both (id INT PRIMARY KEY, v INT)",
		"CREATE TABLE vdata.heap (v INT)", "INSERT INTO vdata.heap VALUES (1), (1), (NULL)", "CREATE TABLE vdata.uniq (v INT NOT NULL UNIQUE, w INT NULL UNIQUE)", "INSERT INTO vdata.uniq VALUES (1, NULL), (2, NULL)",
		"CREATE VIEW vdata.view AS SELECT 1", "CREATE TABLE vdata.`odd-näme.%` (`k``y` INT PRIMARY KEY, `v a` INT)", "INSERT INTO vdata.`odd-näme.%` VALUES (1, 1)")
	unloggedIn(t, "cloud", "DROP TABLE vdata.one", "CREATE TABLE vdata.more (id INT PRIMARY KEY)", "ALTER TABLE vdata.both MODIFY v BIGINT", "UPDATE vdata.uniq SET w=3 WHERE v=2",
		"UPDATE vdata.`odd-näme.%` SET `v a`=2")
	c := verified(t, VerifyOptions{})
	for name, want := range map[string]string{"one": "it is in home only", "more": "it is in cloud only", "both": "its definition isn't the same in both rooms: v int"} {
		if at := c.table(name); !strings.HasPrefix(at.Wrong, want) {
			t.Errorf("%s: %+v, want %s", name, at, want)
		}
	}
	if at := c.table("empty"); at.Different() || at.Rows != 0 || at.Chunks != 1 {
		t.Errorf("%+v", at)
	}
	if at := c.table("heap"); at.Different() || at.Rows != 3 || at.Lack != "" {
		t.Errorf("%+v", at)
	}
	if at := c.table("uniq"); at.Differs != 1 || fmt.Sprint(at.Keys) != "[{[2] differs [w]}]" {
		t.Errorf("%+v", at)
	}
	if at := c.table("odd-näme.%"); at.Differs != 1 || fmt.Sprint(at.Keys) != "[{[1] differs [v a]}]" {
		t.Errorf("%+v", at)
	}
	if at := c.table("view"); at.Name != "none" {
		t.Errorf("%+v, and a view holds nothing", at)
	}
	if c := verified(t, VerifyOptions{Only: []string{"vdata.e*"}}); len(c.Tables) != 1 || c.Whole() || c.Verdict() != Equal {
		t.Errorf("%+v, want empty alone", c)
	}
	if c := verified(t, VerifyOptions{Tables: []string{"vdata.heap", "vdata.one"}}); len(c.Tables) != 2 || c.Verdict() != Drifted {
		t.Errorf("%+v, want two", c)
	}
	_, err := readerRing(t).Verify(within(t, time.Minute), VerifyOptions{Tables: []string{"vdata.nope"}})
	holds(t, err, "no room has a table vdata.nope")
}

// TestVerifyUnderWriters: eight writers that insert, update, delete and change keys all the time; nothing is taken for drift but the two
// rows that have drifted.
func TestVerifyUnderWriters(t *testing.T) { onBoth(t, testVerifyUnderWriters) }

func testVerifyUnderWriters(t *testing.T) {
	fill(t, "CREATE TABLE vdata.busy (id INT AUTO_INCREMENT PRIMARY KEY, v INT, w VARCHAR(40))", "CREATE TABLE vdata.heap (v INT)",
		"INSERT INTO vdata.busy (v, w) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, LEFT(SHA2(i, 224), 40) FROM n")
	unloggedIn(t, "cloud", "UPDATE vdata.busy SET w='drifted' WHERE v=7", "DELETE FROM vdata.busy WHERE v=8")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	wrote := make([]int, 8)
	for i := range 8 {
		all.Add(1)
		c := guest(t, server.Admin, "home")
		go func() {
			defer all.Done()
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for ; ctx.Err() == nil; wrote[i]++ {
				v := 20 + r.IntN(800)
				for _, s := range []string{fmt.Sprintf("UPDATE vdata.busy SET w=CONCAT('', RAND()) WHERE v=%d", 20+r.IntN(5)), fmt.Sprintf("UPDATE vdata.busy SET w='%d' WHERE v=%d", wrote[i], v),
					fmt.Sprintf("DELETE FROM vdata.busy WHERE v=%d", v), fmt.Sprintf("INSERT INTO vdata.busy (v, w) VALUES (%d, 'x')", v), "INSERT INTO vdata.heap VALUES (1)"} {
					if _, err := c.ExecContext(ctx, s); err != nil && ctx.Err() == nil && !isOneOf(err, 1213, 1205) {
						t.Error(err)
						return
					}
				}
				_ = pauseFor(ctx, 2*time.Millisecond) // two cores: the applier must come along
			}
		}()
	}
	for range 3 {
		c := verified(t, VerifyOptions{Chunk: time.Millisecond})
		at := c.table("busy")
		if at.Differs != 2 || len(at.Keys) != 2 || at.Keys[0].Cols[0] != "w" || at.Keys[1].How != "missing in cloud" || at.Rows < 500 {
			t.Errorf("%+v, want the two rows that drifted", at)
		}
		if heap := c.table("heap"); heap.Wrong != "" {
			t.Errorf("%+v, want it the same, or not known", heap)
		}
	}
	stop()
	all.Wait()
	for i, n := range wrote {
		if n == 0 {
			t.Errorf("writer %d wrote nothing", i)
		}
	}
}

// TestVerifyManyRows: of 100,000 rows the three that differ are found, and no more are read one by one than need be; of a table whose rows
// all differ some are named.
func TestVerifyManyRows(t *testing.T) { onBoth(t, testVerifyManyRows) }

func testVerifyManyRows(t *testing.T) {
	longOnMySQL(t)
	fill(t, "CREATE TABLE vdata.many (id INT PRIMARY KEY, v VARCHAR(60))", "INSERT INTO vdata.many VALUES (1, 'x')")
	for n := 1; n < 100_000; n *= 2 {
		run(t, "home", fmt.Sprintf("INSERT INTO vdata.many SELECT id + %d, SHA2(id, 224) FROM vdata.many WHERE id <= 100000 - %d", n, n))
	}
	ok(t, lab.Await(within(t, 30*time.Second)))
	unloggedIn(t, "cloud", "UPDATE vdata.many SET v='y' WHERE id IN (1, 50000)", "DELETE FROM vdata.many WHERE id=100000")
	c := verified(t, VerifyOptions{})
	if at := c.table("many"); at.Rows != 100_000 || at.Differs != 3 || at.More || fmt.Sprint(at.Keys) != "[{[1] differs [v]} {[50000] differs [v]} {[100000] missing in cloud []}]" {
		t.Errorf("%+v", at)
	}
	unloggedIn(t, "cloud", "UPDATE vdata.many SET v='y'")
	if at := verified(t, VerifyOptions{Keys: 3}).table("many"); at.Differs < 3 || !at.More || len(at.Keys) != 3 || at.Rows != 100_000 {
		t.Errorf("%+v, want some named, and all compared", at)
	}
}

// TestVerifyWritesNothing: its connections may not write, and neither server's position moves; the heartbeat isn't compared.
func TestVerifyWritesNothing(t *testing.T) { onBoth(t, testVerifyWritesNothing) }

func testVerifyWritesNothing(t *testing.T) {
	fill(t, "CREATE TABLE vdata.a (id INT PRIMARY KEY)", "INSERT INTO vdata.a VALUES (1)")
	unloggedIn(t, "cloud", "INSERT INTO vdata.a VALUES (2)")
	at := func() (both string) {
		for i := range lab.Rooms {
			s, err := readerRing(t).nodes[i].compared()
			ok(t, err)
			ok(t, s.open(t.Context()))
			p, _, err := s.position(t.Context())
			ok(t, err)
			both += string(p) + "\n"
			if _, err := s.conn.ExecContext(t.Context(), "INSERT INTO roomshift.heartbeat VALUES ('x', 'x', 1, 1)"); !isOneOf(err, 1792, 1290) || i == 0 && !isOneOf(err, 1792) {
				t.Errorf("%v, want its transactions to be read only", err)
			}
			s.close()
		}
		return both
	}
	before := at()
	run(t, "home", "DO 1")
	c, err := readerRing(t).Verify(within(t, time.Minute), VerifyOptions{Databases: []string{"vdata", "roomshift"}})
	ok(t, err)
	if len(c.Tables) != 1 || c.Verdict() != Drifted {
		t.Errorf("%+v", c)
	}
	if after := at(); after != before {
		t.Errorf("at %s, and before at %s", after, before)
	}
}

// TestVerifyGrantsAreLeast: without SELECT on a database the account isn't told of its tables; that is an error that names them and the
// statement, never a shorter comparison. Without SELECT on one server alone it isn't taken for a table in one room only.
func TestVerifyGrantsAreLeast(t *testing.T) { onBoth(t, testVerifyGrantsAreLeast) }

func testVerifyGrantsAreLeast(t *testing.T) {
	fill(t, "CREATE TABLE vdata.a (id INT PRIMARY KEY)", "CREATE TABLE vdata.`b-é` (id INT PRIMARY KEY) PARTITION BY HASH(id) PARTITIONS 2")
	grant := strings.ReplaceAll(strings.ReplaceAll(GrantsVerify[0], "{database}", "vdata"), "{user}", readerAt)
	revoke := strings.ReplaceAll(strings.Replace(grant, "GRANT", "REVOKE", 1), " TO ", " FROM ")
	for _, room := range lab.Rooms {
		unloggedIn(t, room, revoke)
		_, err := readerRing(t).Verify(within(t, time.Minute), VerifyOptions{})
		var cannot *CannotReadError
		if !errors.As(err, &cannot) || cannot.Where != "master in "+room {
			t.Errorf("%v, want what can't be read in %s", err, room)
		}
		holds(t, err, "vdata.a", "GRANT SELECT ON `vdata`.* TO {user}")
		unloggedIn(t, room, grant)
	}
	c, err := readerRing(t).Verify(within(t, time.Minute), VerifyOptions{})
	ok(t, err)
	if c.Verdict() != Equal || !c.Whole() {
		t.Errorf("%+v, want every table of every database equal", c)
	}
}

// TestVerifyEnds: it ends when it is told to, with what it had compared; and with the reason where replication stands.
func TestVerifyEnds(t *testing.T) { onBoth(t, testVerifyEnds) }

func testVerifyEnds(t *testing.T) {
	fill(t, "CREATE TABLE vdata.a (id INT PRIMARY KEY)", "CREATE TABLE vdata.b (id INT PRIMARY KEY)", "INSERT INTO vdata.a VALUES (1), (2)", "INSERT INTO vdata.b VALUES (1)")
	ctx, stop := context.WithCancel(t.Context())
	c, err := readerRing(t).Verify(ctx, VerifyOptions{Databases: []string{"vdata"}, Progress: func(at *TableCompared, _ int64) {
		if at.Name == "vdata.b" {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) || c.Ended != "interrupted" || c.table("a").Rows != 2 || c.Rows < 2 || c.Verdict() != Incomplete {
		t.Errorf("%v, %+v", err, c)
	}
	ok(t, lab.Master("cloud").Applier(t.Context(), false))
	run(t, "home", "INSERT INTO app.other (v) VALUES (3)") // what is compared is the same, and yet where both are isn't known
	c, err = readerRing(t).Verify(within(t, time.Minute), VerifyOptions{Databases: []string{"vdata"}, Lag: 200 * time.Millisecond})
	holds(t, err, "master in cloud: not applied yet", "applier No")
	if c.Verdict() != Incomplete {
		t.Errorf("%+v, want nothing said", c)
	}
}

// TestVerifySlowly: by a rate it takes its time, and while a server has more to do than is allowed it waits.
func TestVerifySlowly(t *testing.T) {
	fill(t, "CREATE TABLE vdata.a (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "INSERT INTO vdata.a (v) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n")
	began := time.Now()
	c := verified(t, VerifyOptions{Rate: 1000, Chunk: time.Nanosecond})
	if took := time.Since(began); took < 500*time.Millisecond || c.Rows != 900 {
		t.Errorf("%d rows after %v, want 1000 a second at most", c.Rows, took)
	}
	x, err := readerRing(t).nodes[1].compared()
	ok(t, err)
	defer x.close()
	ok(t, x.open(t.Context()))
	busy, err := x.running(t.Context())
	ok(t, err)
	for range 9 {
		begin(t, guest(t, server.Admin, "cloud"), "DO SLEEP(1)")
	}
	until(t, "they sleep", func() bool {
		return count(t, "cloud", "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'") == 9
	})
	began = time.Now()
	verified(t, VerifyOptions{MaxLoad: busy + 6})
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("done after %v, and cloud had too much to do", took)
	}
}

// TestSuspect: a row differs only after it has stood still in both rooms through several looks; in between it is neither.
func TestSuspect(t *testing.T) {
	type look struct{ a, b, again string }
	same := look{"x", "y", "x"}
	for _, c := range []struct {
		name    string
		looks   []look
		is      bool // the same, at the last look
		strikes int
	}{
		{"differs", []look{same, same, same, same}, false, 4},
		{"arrives", []look{same, same, same, {"x", "x", "x"}}, true, 3},
		{"arrives while it changes", []look{same, {"x", "z", "z"}}, true, 1},
		{"changes each time", []look{{"1", "0", "2"}, {"3", "2", "4"}, {"5", "4", "6"}, {"7", "6", "8"}}, false, 0},
		{"changes between looks", []look{{"1", "0", "1"}, {"2", "1", "2"}, {"3", "2", "3"}, {"4", "3", "4"}}, false, 0},
		{"goes back and forth", []look{{"0", "1", "0"}, {"1", "0", "1"}, {"0", "1", "0"}}, false, 1},
		{"the other room comes along", []look{{"3", "1", "3"}, {"3", "2", "3"}}, false, 0},
		{"missing", []look{{"", "y", ""}, {"", "y", ""}}, false, 2},
	} {
		s, is := suspect{}, false
		for _, l := range c.looks {
			is = s.seen(l.a, l.b, l.again)
		}
		if is != c.is || s.strikes != c.strikes {
			t.Errorf("%s: the same %v after %d looks that count, want %v, %d", c.name, is, s.strikes, c.is, c.strikes)
		}
	}
}
