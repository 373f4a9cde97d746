package lab

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
)

// What a client is told of its write, beside the status: the room whose master acknowledged it, or what became of one that wasn't.
const (
	writtenIn    = "X-Writer"
	writeOutcome = "X-Outcome"
	outDone      = "done"    // for counting only
	outRefused   = "refused" // it was not executed, and won't be
	outUnknown   = "unknown" // it may have been
)

// errUnknown marks a write of which nobody has said whether it was executed.
var errUnknown = errors.New("it isn't known whether it was written")

// readOnlyNumbers are errors of a master that takes no writes: nothing was executed, and the writer is elsewhere, or will be.
var readOnlyNumbers = []uint16{
	1290, // read_only or super_read_only is on
	1792, // the transaction is read-only, since its server was when it began
	1836, // the server runs in read-only mode
}

// endedNumbers are errors that may come after the commit: what ended the statement, or its connection, while it ran.
var endedNumbers = []uint16{
	1053, // the server is shutting down
	1180, // an error during COMMIT
	1317, // the query was interrupted
	1927, // MariaDB: the connection was killed
	3169, // MySQL: the session was killed
}

// told is what the answer to a statement that was sent says: nil, errUnknown, or that it was refused. again: it may be tried at once, on
// the writer.
func told(err error) (again bool, _ error) {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, driver.ErrBadConn): // the connection had ended before anything was sent
		return true, err
	case !errors.As(err, &answer), slices.Contains(endedNumbers, answer.Number):
		return false, fmt.Errorf("%w: %w", errUnknown, err) // 2006, 2013: the connection was lost, or didn't answer in time
	}
	return slices.Contains(readOnlyNumbers, answer.Number), err
}

// writePatience is how long a write that is refused waits for the writer. What has been sent by then still has the rest of databaseLimit,
// so that a write which only waited is never unknown.
const writePatience = 5 * time.Second

// write writes to the writer, and returns the room whose master was asked last: the one that the record says, or, as long as there was none, the one that took the last write. What was
// refused there because it takes no writes is tried again on the writer, for as long as writePatience says. What may have been executed
// isn't: whoever has its token can find out.
func (s *service) write(ctx context.Context, r *http.Request) (by string, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	patient, over := context.WithTimeout(ctx, writePatience)
	defer over()
	token := r.URL.Query().Get("token")
	for {
		room, news := s.record.writer()
		last := s.last.Load()
		if room == "" {
			room = s.rooms[last]
		}
		if rand.Int64N(1_000_000) < s.sick[room].Load() {
			return room, fmt.Errorf("the master of %s: a fault that the lab was told to make", room)
		}
		again, err := s.insert(ctx, s.masters[room], token)
		if err == nil || !again {
			return room, err
		}
		s.last.CompareAndSwap(last, 1-last)
		if !waited(patient, news, 5*time.Millisecond) {
			return room, err
		}
	}
}

// insert sends one statement. again: it was refused, or never sent, and may be tried anew.
func (s *service) insert(ctx context.Context, master *sql.DB, token string) (again bool, err error) {
	conn, err := master.Conn(ctx)
	if err != nil {
		return false, err // nothing was sent
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "INSERT INTO posts (room, text, token) VALUES (?, 'hello', ?)", s.room, token)
	return told(err)
}

// tellWrite says beside the answer what became of a write, and returns it in a word.
func tellWrite(h http.Header, by string, err error) string {
	outcome := outRefused
	switch {
	case err == nil:
		h.Set(writtenIn, by)
		return outDone
	case errors.Is(err, errUnknown):
		outcome = outUnknown
	}
	h.Set(writeOutcome, outcome)
	return outcome
}
