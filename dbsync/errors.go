package dbsync

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"slices"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// ErrUnsupported says that a master is of a kind or version that this package can't judge.
var ErrUnsupported = errors.New("not supported")

// errLookAgain ends a round of Watch: the master that was the writer says that it isn't, or the other one says that it is.
var errLookAgain = errors.New("the writer isn't where it was")

// The errors of servers that mean something to us, by number.
const (
	noDatabase   = 1049
	noTable      = 1146
	badUser      = 1045
	noDBRight    = 1044
	noTableRight = 1142
	noRight      = 1227
	readOnlyNow  = 1290
	tooMany      = 1040
	tooManyOfUs  = 1203
	needsTLS     = 3159
)

// lacksRight tells whether a server refused because of what the account may do.
func lacksRight(err error) bool { return isOneOf(err, noDBRight, noTableRight, noRight) }

// number is the server's error number, 0 if err is no answer of a server.
func number(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// badConn is what the driver calls a connection that ended before anything was sent over it. It has no value that could be compared.
const badConn = "bad connection"

// say is err for people: what happened and what to do. It has no part of the DSN but the address.
func say(err error) string {
	switch number(err) {
	case noDatabase, noTable:
		return "the table roomshift.heartbeat isn't there: make it with `roomshift check --live --init`"
	case badUser:
		return "access denied (1045): look at the user and password in its DSN and, where the account asks for TLS, at caFile, certFile and keyFile of the master"
	case tooMany, tooManyOfUs:
		return fmt.Sprintf("it takes no more connections (%d): raise max_connections, or the account's own limit", number(err))
	case needsTLS:
		return "it takes nothing but TLS (3159): give the master's caFile, or ?tls=true in its DSN"
	case noDBRight, noTableRight, noRight:
		return fmt.Sprintf("the account lacks a right: %v (`roomshift check RUNBOOK --grants` lists what it needs)", err)
	}
	var dial *net.OpError
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Sprintf("its certificate isn't by an authority that is known (%v): name that with caFile of the master", err)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Sprintf("its certificate is for another name (%v): name that with serverName of the master", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dial) && dial.Timeout():
		return "no answer in time"
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), err.Error() == badConn:
		return "the connection was lost"
	}
	return err.Error()
}

// reason is err as a sample carries it. What a server answered is an error of it; all else is no answer.
func reason(err error) cutover.Reason {
	var u unknown
	switch {
	case errors.As(err, &u):
		return u.reason
	case number(err) != 0 || errors.Is(err, ErrUnsupported):
		return cutover.Reason("error: " + err.Error())
	}
	return cutover.NoAnswer + cutover.Reason(": "+err.Error())
}

// unknown is a reason on its way as an error.
type unknown struct{ reason cutover.Reason }

func (u unknown) Error() string { return string(u.reason) }

// noData is the reason for an answer that says nothing about lag.
func noData(format string, args ...any) unknown {
	return unknown{cutover.NoData + cutover.Reason(": "+fmt.Sprintf(format, args...))}
}

// nodeError names the master, or the reader, before the words of say, and keeps err for errors.As.
type nodeError struct {
	who string
	err error
}

func (e nodeError) Error() string { return e.who + ": " + say(e.err) }
func (e nodeError) Unwrap() error { return e.err }

func (n *node) fail(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errLookAgain) || errors.As(err, new(unknown)) || errors.As(err, new(nodeError)) {
		return err
	}
	return nodeError{n.String(), err}
}

// isOneOf tells whether err is a server's answer with one of these numbers.
func isOneOf(err error, numbers ...uint16) bool {
	n := number(err)
	return n != 0 && slices.Contains(numbers, n)
}
