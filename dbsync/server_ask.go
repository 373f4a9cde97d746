package dbsync

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// More errors of servers that mean something to us, by number.
const (
	noSuchThread  = 1094
	notOurThread  = 1095
	lockTimedOut  = 1205
	noXARight     = 1401 // what MySQL says to XA RECOVER without XA_RECOVER_ADMIN
	needsPersist  = 3630
	shuttingDown  = 1053
	killedMariaDB = 1927
	killedMySQL   = 3169
	idleTooLong   = 4031
)

// RefusedError is a clean answer of a server that it didn't do as asked, and won't.
type RefusedError struct {
	Room  cutover.Room
	Act   string // what was asked
	Grant string // the statement that gives the right that lacks, {user} standing for the account; "": no right lacks
	Err   error  // the server's own words
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("master in %s: %s: refused: %v", e.Room, e.Act, e.Err)
	if e.Grant != "" {
		text += ": the account lacks a right: " + e.Grant
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Err }

// clean tells whether err is an answer of the server's after which the session goes on.
func clean(err error) bool {
	return number(err) != 0 && !isOneOf(err, shuttingDown, killedMariaDB, killedMySQL, idleTooLong)
}

// ask sends one request on the lock session, for so long at most. An error that isn't clean has ended the session.
func (s *Server) ask(ctx context.Context, limit time.Duration, query string, args ...any) ([][]row, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.conn == nil {
		return nil, s.fail(fmt.Errorf("%w: %s", ErrNoSession, s.Broken()))
	}
	if err := ctx.Err(); err != nil {
		return nil, s.fail(fmt.Errorf("not sent: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tables, err := askAll(ctx, s.conn, query, args...)
	s.used = time.Now()
	if err != nil && !clean(err) {
		s.drop(say(err))
		return nil, lostError{s.fail(err)}
	}
	return tables, err
}

// lostError is a request that was sent, or may have been, and not answered.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }

// set sends one request that changes the server: without an answer its outcome is unknown.
func (s *Server) set(ctx context.Context, act string, limit time.Duration, right, query string, args ...any) ([][]row, error) {
	tables, err := s.ask(ctx, limit, query, args...)
	switch {
	case err == nil:
		return tables, nil
	case errors.As(err, new(lostError)):
		return nil, fmt.Errorf("%s: %w: %w", act, cutover.ErrOutcomeUnknown, err)
	case number(err) == 0:
		return nil, fmt.Errorf("%s: %w", act, err)
	}
	return nil, s.refused(act, err, right)
}

// querier is a connection, or a pool of them.
type querier interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

func askAll(ctx context.Context, q querier, query string, args ...any) ([][]row, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return allTables(rows)
}

// aside sends one request on a connection beside the session.
func (s *Server) aside(ctx context.Context, limit time.Duration, query string, args ...any) (tables [][]row, err error) {
	err = s.bounded(ctx, limit, func(ctx context.Context) error {
		tables, err = askAll(ctx, s.side, query, args...)
		return err
	})
	return tables, err
}

// refused is a clean error, with the right that lacks where its number says that one does.
func (s *Server) refused(act string, err error, right string) error {
	if !clean(err) {
		return fmt.Errorf("%s: %w", act, s.fail(err))
	}
	e := &RefusedError{Room: s.room, Act: act, Err: ownWords(err)}
	if right != "" && (lacksRight(err) || isOneOf(err, notOurThread, noXARight, needsPersist)) {
		e.Grant = grantOf(right)
	}
	return e
}

// ownWords is a server's own words in err, or err.
func ownWords(err error) error {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e
	}
	return err
}

// grantOf is the statement that gives a right, a global one where it doesn't say on what.
func grantOf(right string) string {
	if !strings.Contains(right, " ON ") {
		right += " ON *.*"
	}
	return "GRANT " + right + " TO {user}"
}

// identified is what the server said of itself when its lock was taken last.
func (s *Server) identified() (*identity, error) {
	if ident := s.v.Load(); ident != nil {
		return ident, nil
	}
	return nil, s.fail(fmt.Errorf("%w: %s", ErrNoSession, s.Broken()))
}

// digest is a name that is too long, shortened.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// hasRight tells whether the account has a global right. It may always see its own; information_schema would show an account that reads
// mysql.* everybody's.
func (s *Server) hasRight(ctx context.Context, right string) bool {
	tables, err := s.aside(ctx, s.o.Margin, "SHOW GRANTS")
	return err == nil && rightsIn(tables[0]).has(right, "*.*")
}
