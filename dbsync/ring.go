package dbsync

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// Pair is two masters and how they are reached. DSN has the driver's form user:password@tcp(host:port)/?param=value; it
// comes from the environment, never from a file of ours, and is in no error.
type Pair struct {
	Name  string
	Rooms [2]cutover.Room
	DSN   [2]string
	TLS   [2]*tls.Config // nil: as the DSN says
	// Readers list the replicas (host:port) that serve a room's reads now; nil: its master does. They are asked as the account of the
	// room's master, with its TLS.
	Readers [2]Readers
	// Tool keeps the pair in sync; nil: it replicates by itself.
	Tool Tool
	// Providers fence a room's master; nil: a statement does. Quiet is how long something older may still be accepted by them, 0:
	// DefaultQuiet.
	Providers [2]Provider
	Quiet     time.Duration
	TimeOut   time.Duration // of one request, 0: 5 s
}

// Readers list replicas by their addresses. A list that is empty, or an error, makes the direction into their room Unknown.
type Readers func(context.Context) ([]string, error)

// Ring is an open pair. It is safe for use by several goroutines.
type Ring struct {
	name    string
	nodes   [2]*node
	timeout time.Duration
	readers map[*node]*readers // of those rooms that have some
	kept    Pair               // its Tool, Providers and Quiet only: nothing else of it is kept
}

// node is one master, or one replica that serves reads.
type node struct {
	pair   string
	room   cutover.Room
	addr   string // for people
	reader bool
	db     *sql.DB
	config *mysql.Config // nothing of it is said but addr
}

// String is how errors name it.
func (n *node) String() string {
	if n.reader {
		return "reader " + n.addr + " in " + n.room
	}
	return "master in " + n.room
}

// Open makes a Ring. It connects to nothing yet; an error is about the DSNs.
func Open(p Pair) (*Ring, error) {
	r := &Ring{name: p.Name, timeout: p.TimeOut, readers: map[*node]*readers{},
		kept: Pair{Tool: p.Tool, Providers: p.Providers, Quiet: p.Quiet}}
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
		if p.Readers[i] != nil {
			r.readers[n] = &readers{master: n, list: p.Readers[i]}
		}
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
	n := &node{pair: p.Name, room: p.Rooms[i], addr: c.Addr, config: c}
	n.open(connector)
	return n, nil
}

func (n *node) open(connector driver.Connector) {
	n.db = sql.OpenDB(connector)
	n.db.SetMaxIdleConns(underWay + 3) // the waits of Watch keep theirs
	n.db.SetConnMaxIdleTime(time.Minute)
}

// Close ends the connections that no request is using.
func (r *Ring) Close() {
	for _, n := range r.nodes {
		if n != nil {
			_ = n.db.Close() // nothing that was written depends on it
		}
	}
	for _, rs := range r.readers {
		rs.close()
	}
}

// Name is the pair's name.
func (r *Ring) Name() string { return r.name }
