package dbsync

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
)

// compared is one master as Verify asks it: on one connection, whose transactions may only read.
type compared struct {
	*node
	db   *sql.DB
	conn *sql.Conn
	v    version
	d    *dialect
	id   string
	have Position // that it was seen to have last
}

// chunkLimit is how long the server may work on one statement: one whose reader is gone ends by itself.
const chunkLimit = 30 * time.Second

const (
	tookTooLongMySQL   = 3024
	tookTooLongMariaDB = 1969
)

func (n *node) compared() (*compared, error) {
	c := n.config.Clone()
	c.ReadTimeout = chunkLimit + 10*time.Second
	c.Params["sql_mode"] = "''" // both print the same then, and a text literal is one
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, n.fail(err)
	}
	s := &compared{node: n, db: sql.OpenDB(connector)}
	s.db.SetMaxIdleConns(-1)
	return s, nil
}

// open connects, and learns what is asked. Nothing can be written through it.
func (s *compared) open(ctx context.Context) error {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return s.fail(err)
	}
	var name string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&name); err == nil {
		s.v, err = parseVersion(name)
		if err == nil {
			err = s.v.supported()
		}
		if err != nil {
			_ = conn.Close()
			return s.fail(err)
		}
	}
	s.d = dialectOf(s.v)
	limit := fmt.Sprintf("SET SESSION max_execution_time=%d", chunkLimit.Milliseconds())
	if s.v.mariadb {
		limit = fmt.Sprintf("SET SESSION max_statement_time=%g", chunkLimit.Seconds())
	}
	_, err = conn.ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY; "+limit)
	if err == nil {
		err = conn.QueryRowContext(ctx, "SELECT @@global."+s.d.identity).Scan(&s.id)
	}
	if err != nil {
		_ = conn.Close()
		return s.fail(err)
	}
	s.conn = conn
	return nil
}

func (s *compared) close() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	_ = s.db.Close()
}

// ask asks; a connection that was lost is made once more, for nothing that is asked here changes anything.
func (s *compared) ask(ctx context.Context, query string, args ...any) ([][]row, error) {
	for again := false; ; again = true {
		tables, err := askAll(ctx, s.conn, query, args...)
		if err == nil || ctx.Err() != nil || again || clean(err) {
			return tables, s.fail(err)
		}
		if err := s.open(ctx); err != nil {
			return nil, err
		}
	}
}

// tooLong tells whether a server gave a statement up because of chunkLimit.
func tooLong(err error) bool { return isOneOf(err, tookTooLongMariaDB, tookTooLongMySQL) }

// position is what the server has; what was read from it before is in it.
func (s *compared) position(ctx context.Context) (Position, bool, error) {
	at, args := s.d.verbs.at(Against{})
	tables, err := s.ask(ctx, at, args...)
	if err != nil {
		return "", false, err
	}
	var st State
	err = st.variables(s.d, firstRow(tables, 0), Against{})
	return st.Position, st.ReadOnly, s.fail(err)
}

// reach waits until it has applied all of a position, for so long at most (BehindError).
func (s *compared) reach(ctx context.Context, p Position, limit time.Duration) error {
	ident := &identity{version: s.v}
	for end := time.Now().Add(limit); ; {
		slice := min(longestSlice, max(time.Until(end), waitPause))
		began := time.Now()
		query, args := s.d.verbs.wait(Against{Other: p}, s.have, s.id, ident.seconds(slice))
		tables, err := s.ask(ctx, query, args...)
		if err != nil {
			return err
		}
		var st State
		if err := st.variables(s.d, firstRow(tables, len(tables)-1), Against{Other: p}); err != nil {
			return s.fail(err)
		}
		s.have = st.Position
		switch {
		case st.Missing == "":
			return nil
		case time.Now().After(end):
			return s.behind(ctx, st.Missing)
		}
		if err := pauseFor(ctx, waitPause-time.Since(began)); err != nil {
			return err
		}
	}
}

func (s *compared) behind(ctx context.Context, missing string) error {
	e := &BehindError{Room: s.room, Missing: missing}
	tables, err := s.ask(ctx, s.d.status)
	if err != nil {
		return e
	}
	if c, err := onlySource(s.room, s.d.channels(tables)); err != nil {
		e.Threads = err.Error()
	} else {
		e.Threads = c.running()
	}
	return e
}

// running is how many statements the server works on now.
func (s *compared) running(ctx context.Context) (int, error) {
	tables, err := s.ask(ctx, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil {
		return 0, err
	}
	n := 0
	if r := firstRow(tables, 0); r != nil {
		_, err = fmt.Sscan(r["Value"], &n)
	}
	return n, err
}

// pauseFor waits, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// printable is bytes as text for people, if they are any.
func printable(hexed, charset string) (string, bool) {
	raw, err := hex.DecodeString(hexed)
	if err != nil || charset == "" && !ascii(raw) || !utf8.Valid(raw) || strings.HasPrefix(charset, "utf16") || strings.HasPrefix(charset, "utf32") || charset == "ucs2" {
		return "", false
	}
	for _, r := range string(raw) {
		if !unicode.IsPrint(r) {
			return "", false
		}
	}
	return string(raw), true
}

func ascii(raw []byte) bool {
	for _, b := range raw {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}

// CannotReadError: the account may not read a table's rows.
type CannotReadError struct {
	Where  string // "master in cloud"
	Tables []string
	Grants []string // {user} stands for the account
}

func (e *CannotReadError) Error() string {
	const most = 5
	names := e.Tables
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(e.Tables)-most)
	}
	return fmt.Sprintf("%s: its account may not read %s%s: %s", e.Where, strings.Join(names, ", "), more, strings.Join(e.Grants, "; "))
}

var errNoTables = errors.New("there is no table to compare")
