package dbsync

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/lab/server"
)

// mover is an account that every master of the labs has beside roomshift: with the rights to move the write role, and no more.
const mover = "mover"

var moverPassword = rand.Text()

// appTables are what the tests' applications use.
var appTables = []string{
	"CREATE TABLE IF NOT EXISTS app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL UNIQUE)",
	"CREATE TABLE IF NOT EXISTS app.other (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)",
}

// accountsOf is what StartRing is given: the rights of roomshift, mover, and what the application may do beside the lab's.
func accountsOf(e server.Engine) []string {
	all := slices.Concat(grantsOf(e), []string{
		"CREATE USER IF NOT EXISTS mover@'127.0.0.1' IDENTIFIED BY '" + moverPassword + "'",
		"CREATE USER IF NOT EXISTS " + readerAt + " IDENTIFIED BY '" + moverPassword + "'",
		"GRANT LOCK TABLES, ALTER, DROP, INDEX, EVENT ON app.* TO app@'127.0.0.1'",
	})
	for _, g := range slices.Concat(grantsOf(e), writerGrantsOf(e), preflightGrantsOf(e)) {
		all = append(all, strings.ReplaceAll(strings.ReplaceAll(g, "{user}", moverAt), "{database}", "app"))
	}
	for _, g := range slices.Concat(grantsOf(e), GrantsVerify) {
		for _, db := range []string{"app", "vdata"} {
			all = append(all, strings.NewReplacer("{user}", readerAt, "{database}", db).Replace(g))
		}
	}
	return all
}

const moverAt = "mover@'127.0.0.1'"

func writerGrantsOf(e server.Engine) []string {
	if e == server.MySQL {
		return GrantsWriterMySQL
	}
	return GrantsWriter
}

func preflightGrantsOf(e server.Engine) []string {
	if e == server.MySQL {
		return GrantsPreflightMySQL
	}
	return GrantsPreflight
}

// moverDSN is of mover on a room's master, through an address if one is given.
func moverDSN(room, through string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = mover, moverPassword, "tcp", lab.Master(room).Addr()
	if through != "" {
		c.Addr = through
	}
	return c.FormatDSN()
}

// moverRing is the lab's pair as mover sees it; through are addresses by room.
func moverRing(t testing.TB, through map[string]string) *Ring {
	t.Helper()
	p := labPair()
	for i, room := range lab.Rooms {
		p.DSN[i] = moverDSN(room, through[room])
	}
	return openLab(t, p)
}

// tool is both servers of the lab's pair as one process has them, without a session yet.
type tool map[string]*Server

func newTool(t testing.TB, o ServerOptions, through map[string]string) tool {
	t.Helper()
	r := moverRing(t, through)
	all := tool{}
	for _, room := range lab.Rooms {
		s, err := r.Server(room, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		all[room] = s
	}
	return all
}

// taken is a tool whose sessions are there, on a healed lab.
func taken(t testing.TB, o ServerOptions) tool {
	t.Helper()
	heal(t)
	all := newTool(t, o, nil)
	for _, room := range lab.Rooms {
		all.take(t, room)
	}
	t.Cleanup(func() { heal(t) })
	return all
}

func (x tool) take(t testing.TB, room string) {
	t.Helper()
	if err := x[room].Take(within(t, 20*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func (x tool) look(t testing.TB, room string) State {
	t.Helper()
	st, err := x[room].Look(within(t, 20*time.Second), Against{})
	if err != nil {
		t.Fatalf("look at %s: %v", room, err)
	}
	return st
}

// within is a context of the test's with an end.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

// ok fails the test for an error of a verb; whatever it says is looked at for passwords.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		said(err.Error())
		t.Fatal(err)
	}
}

// holds fails unless an error says all these words.
func holds(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	said(err.Error())
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%v\nlacks %q", err, w)
		}
	}
}

// guest is one connection of an account to a room's master.
func guest(t testing.TB, a server.Account, room string) *sql.Conn {
	t.Helper()
	config, err := mysql.ParseDSN(lab.Master(room).DSN(a))
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = &mysql.NopLogger{} // it may be killed
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	c, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = db.Close()
	})
	return c
}

// do executes statements on a connection.
func do(t testing.TB, c *sql.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.ExecContext(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// begin executes a statement that takes its time, and what comes of it is sent when it has ended.
func begin(t testing.TB, c *sql.Conn, statement string) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := c.ExecContext(context.WithoutCancel(t.Context()), statement)
		ended <- err
	}()
	return ended
}

// until waits for what comes by itself.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("20 s and not yet: %s", what)
		}
	}
}

// stays fails if what holds now doesn't for a while: what comes late would have come by then.
func stays(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if !is() {
			t.Fatalf("no longer: %s", what)
		}
	}
}

// running tells whether a statement with these words is under way on a room's master, and in which state.
func running(t testing.TB, room, like string) (string, bool) {
	t.Helper()
	var state sql.NullString
	err := lab.Master(room).DB().QueryRowContext(context.WithoutCancel(t.Context()),
		"SELECT state FROM information_schema.processlist WHERE info LIKE ? AND id <> CONNECTION_ID()", "%"+like+"%").Scan(&state)
	if err != nil && err != sql.ErrNoRows {
		t.Fatal(err)
	}
	return state.String, err == nil
}

// number of a kind of thing.
func count(t testing.TB, room, query string, args ...any) int {
	t.Helper()
	var n int
	if err := lab.Master(room).DB().QueryRowContext(context.WithoutCancel(t.Context()), query, args...).Scan(&n); err != nil {
		t.Fatal(fmt.Errorf("%s: %s: %w", room, query, err))
	}
	return n
}

func itoa(n int) string { return fmt.Sprint(n) }
