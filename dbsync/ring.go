package dbsync

import (
	"crypto/tls"
	"database/sql"
	"fmt"
	"time"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// Pair is two masters and how they are reached. DSN has the driver's form user:password@tcp(host:port)/?param=value; it
// comes from the environment, never from a file of ours, and is in no error.
type Pair struct {
	Name    string
	Rooms   [2]cutover.Room
	DSN     [2]string
	TLS     [2]*tls.Config // nil: as the DSN says
	TimeOut time.Duration  // of one request, 0: 5 s
}

// Ring is an open pair. It is safe for use by several goroutines.
type Ring struct {
	name    string
	nodes   [2]*node
	timeout time.Duration
}

// node is one master.
type node struct {
	pair string
	room cutover.Room
	addr string // for people
	db   *sql.DB
}

// Open makes a Ring. It connects to nothing yet; an error is about the DSNs.
func Open(p Pair) (*Ring, error) {
	r := &Ring{name: p.Name, timeout: p.TimeOut}
	if r.timeout == 0 {
		r.timeout = 5 * time.Second
	}
	if p.Rooms[0] == p.Rooms[1] {
		return nil, fmt.Errorf("pair %s: both masters are in %s, want two rooms", p.Name, p.Rooms[0])
	}
	for i, room := range p.Rooms {
		n, err := openNode(p, i, r.timeout)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("pair %s: master in %s: %w", p.Name, room, err)
		}
		r.nodes[i] = n
	}
	return r, nil
}

func openNode(p Pair, i int, timeout time.Duration) (*node, error) {
	if p.DSN[i] == "" {
		return nil, fmt.Errorf("its DSN is empty: set the environment variable that dsnEnv names")
	}
	c, err := mysql.ParseDSN(p.DSN[i])
	if err != nil {
		// The driver's own words may hold a piece of the DSN, and so of a password.
		return nil, fmt.Errorf("its DSN can't be read: want user:password@tcp(host:port)/, with / at its end and, for TLS, ?tls=true after it")
	}
	if c.Net != "tcp" && c.Net != "unix" {
		return nil, fmt.Errorf("its DSN names a network that isn't tcp or unix")
	}
	if p.TLS[i] != nil { // it stands over the DSN's own tls=, and over its tls=preferred, which would take a plain connection too
		c.TLS, c.TLSConfig, c.AllowFallbackToPlaintext = p.TLS[i].Clone(), "", false
	}
	c.InterpolateParams, c.MultiStatements = true, true // one round trip for each thing asked
	c.RejectReadOnly = false                            // it would hide 1290 behind a new connection
	c.Logger = &mysql.NopLogger{}
	if c.Timeout == 0 || c.Timeout > timeout {
		c.Timeout = timeout
	}
	c.ReadTimeout, c.WriteTimeout = timeout+2*longestSlice, timeout
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	c.Params["time_zone"] = "'+00:00'" // SYSDATE never jumps with summer time
	c.Params["long_query_time"] = "60" // waiting is what its statements are for: they don't belong in a slow log
	c.Params["lock_wait_timeout"] = fmt.Sprint(max(1, int(timeout.Seconds())))
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("its DSN can't be used: look at its TLS and collation parameters")
	}
	n := &node{pair: p.Name, room: p.Rooms[i], addr: c.Addr, db: sql.OpenDB(connector)}
	n.db.SetMaxIdleConns(underWay + 3) // the waits of Watch keep theirs
	n.db.SetConnMaxIdleTime(time.Minute)
	return n, nil
}

// Close ends the connections that no request is using.
func (r *Ring) Close() {
	for _, n := range r.nodes {
		if n != nil {
			_ = n.db.Close() // nothing that was written depends on it
		}
	}
}

// Name is the pair's name.
func (r *Ring) Name() string { return r.name }
