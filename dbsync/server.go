package dbsync

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// Server is one master of a pair, with the session on which a move of the write role acts. Laws of its methods, beside the package's:
//
//  1. A request outlives its sender, so every fence and every open travels on one session: a connection of its own, never pooled, that
//     holds the server's lock roomshift/PAIR. Take kills whoever held that lock before; once it is obtained, nothing older can land.
//  2. What may be trusted is an OK, and a clean error packet of the server's. Anything else ends the session, and the outcome is unknown
//     (cutover.ErrOutcomeUnknown) until Take has succeeded and both variables were read anew.
//  3. Waits, kills and looks for what blocks travel on connections beside that session, for they need no such proof.
//  4. Nothing is retried, and nothing is decided: that is the caller's.
//
// It may be used by several goroutines; requests on the session wait for each other.
type Server struct {
	*node
	name   string // the lock's
	other  cutover.Room
	o      ServerOptions
	locked *sql.DB // makes the session, and keeps nothing
	side   *sql.DB // connections beside it

	turn    chan struct{} // who has it uses what follows
	conn    *sql.Conn     // the session, nil: none
	used    time.Time
	unpings context.CancelFunc

	session atomic.Uint64 // of conn, 0: none
	why     atomic.Pointer[string]
	v       atomic.Pointer[identity]
	applied atomic.Pointer[string] // the position that it was seen to have last
	newest  atomic.Uint64          // the newest connection of those that may have begun before the fence was seen to stand; 0: not known
	passing atomic.Pointer[[]string]

	tool      Tool // nil: the pair replicates by itself
	toolUsers sync.Map
	peer      atomic.Pointer[Server]
	raised    atomic.Pointer[held]
	pulsed    atomic.Int64
	unready   atomic.Pointer[string]

	provider Provider // nil: statements fence it
	quietFor time.Duration
	quietAt  atomic.Int64
	open     atomic.Pointer[unsettled]
	accepted atomic.Pointer[acceptedBy]
}

// identity is what a server said of itself when its lock was taken.
type identity struct {
	version version
	d       *dialect
	id      string // as side.id
	account string // the user part of our account there
	thread  string // the connection that holds the lock
}

// ServerOptions are the limits of a Server's requests. Those that are 0 take the values of the comments.
type ServerOptions struct {
	Fence  time.Duration // F: how long the server may wait for what blocks a fence, in whole seconds: 1 s
	Lock   time.Duration // how long the server may wait for its lock's holder to be gone, once that was killed, in whole seconds: 5 s
	Margin time.Duration // how much longer than the server's own limit an answer is waited for: 2 s
}

// pingEvery is how often an idle session is shown to be alive.
const pingEvery = time.Second

// idleLimit is wait_timeout of the session, in seconds.
const idleLimit = 4 * 3600

var sessions atomic.Uint64

// Server is the master of a room. Nothing is connected yet; Close it.
func (r *Ring) Server(room cutover.Room, o ServerOptions) (*Server, error) {
	o.Fence = max(o.Fence.Round(time.Second), time.Second)
	if o.Lock = o.Lock.Round(time.Second); o.Lock <= 0 {
		o.Lock = 5 * time.Second
	}
	if o.Margin <= 0 {
		o.Margin = 2 * time.Second
	}
	for i, n := range r.nodes {
		if n.room != room {
			continue
		}
		s := &Server{node: n, name: lockName(r.name), other: r.nodes[1-i].room, o: o, turn: make(chan struct{}, 1),
			tool: r.kept.Tool, provider: r.kept.Providers[i], quietFor: cmp.Or(r.kept.Quiet, DefaultQuiet)}
		var err error
		if s.locked, err = n.pool(o, max(2*o.Fence, o.Lock)+o.Margin); err != nil {
			return nil, n.fail(err)
		}
		s.locked.SetMaxIdleConns(-1) // a session is never given to anybody else
		if s.side, err = n.pool(o, 2*longestSlice+o.Margin); err != nil {
			return nil, n.fail(err)
		}
		s.side.SetMaxIdleConns(sideConns)
		return s, nil
	}
	return nil, fmt.Errorf("pair %s has no master in %s", r.name, room)
}

// sideConns is how many connections beside the session are kept: one waits while another one looks.
const sideConns = 2

// lockName is the name of a pair's lock on its servers: MySQL takes 64 characters.
func lockName(pair string) string {
	const longest = 64
	name := "roomshift/" + pair
	if len(name) <= longest {
		return name
	}
	return "roomshift/" + digest(pair)
}

// pool is connections as n's own, but for their time-outs: an answer is waited for longer than the server may take.
func (n *node) pool(o ServerOptions, read time.Duration) (*sql.DB, error) {
	c := n.config.Clone()
	c.ReadTimeout, c.WriteTimeout = read, o.Margin
	c.Params["lock_wait_timeout"] = fmt.Sprint(int(o.Fence.Seconds()))
	c.Params["wait_timeout"] = fmt.Sprint(idleLimit)
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Room is the room whose master it is.
func (s *Server) Room() cutover.Room { return s.room }

// Session tells the present lock session from every other of this process; 0: there is none. A session that broke never comes back:
// whoever finds the number that it has noted here has an unbroken one, as far as its last request could show.
func (s *Server) Session() uint64 { return s.session.Load() }

// Broken is why there is no session, "" if there is one.
func (s *Server) Broken() string {
	if s.Session() != 0 {
		return ""
	}
	if why := s.why.Load(); why != nil {
		return *why
	}
	return "its lock wasn't taken yet"
}

// ErrNoSession: nothing was sent, for the lock session is gone. Take makes another one.
var ErrNoSession = errors.New("the lock session is gone")

// HeldError: somebody else got the server's lock before us.
type HeldError struct {
	Room cutover.Room
	By   Client
}

func (e HeldError) Error() string {
	return "master in " + e.Room + ": its lock is held by " + e.By.String() + ", who was faster"
}

// Take ends the present session, if there is one, and makes another that holds the server's lock: the former holder's connection is
// killed, and with it what it has under way. When Take returns nil nothing that any session with this lock ever sent can still land.
// It also opens the connections beside the session. It takes up to ServerOptions.Lock and some round trips.
func (s *Server) Take(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.drop("it was taken anew")
	conn, err := s.locked.Conn(ctx)
	if err != nil {
		s.note(err)
		return s.fail(err)
	}
	ident, err := s.take(ctx, conn)
	if err != nil {
		s.note(err)
		discard(conn)
		return err
	}
	s.v.Store(ident)
	s.conn, s.used = conn, time.Now()
	id := sessions.Add(1)
	s.session.Store(id)
	pings, stop := context.WithCancel(context.Background())
	s.unpings = stop
	go s.ping(pings, id)
	s.warm(ctx)
	s.disturb()
	if s.tool == nil && s.provider == nil {
		return nil
	}
	if _, err := s.Bypassing(ctx); err != nil { // read_only is all of its fence: whoever passes that by must be known
		s.drop(say(err))
		return err
	}
	return nil
}

func (s *Server) take(ctx context.Context, conn *sql.Conn) (*identity, error) {
	ident, holder, err := s.identify(ctx, conn)
	if err != nil {
		return nil, err
	}
	// Without PROCESS the list of connections has our own ones only, and doesn't say so. This does.
	if _, err := askAll(ctx, conn, ident.d.verbs.process); err != nil {
		return nil, s.refused("look at other connections", err, "PROCESS")
	}
	if holder.Valid {
		if _, err := conn.ExecContext(ctx, "KILL "+holder.String); err != nil && !isOneOf(err, noSuchThread) {
			return nil, s.refused("kill the holder of its lock, connection "+holder.String, err, ident.d.verbs.kill)
		}
	}
	return ident, s.getLock(ctx, conn, ident)
}

// identify asks the server what it is, and which connection has its lock.
func (s *Server) identify(ctx context.Context, conn *sql.Conn) (ident *identity, holder sql.NullString, err error) {
	ident = &identity{}
	var name, user string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION(), USER(), CONNECTION_ID(), IS_USED_LOCK(?)", s.name).
		Scan(&name, &user, &ident.thread, &holder); err != nil {
		return nil, holder, s.fail(err)
	}
	ident.account = user[:max(0, strings.LastIndexByte(user, '@'))]
	if ident.version, err = parseVersion(name); err == nil {
		err = ident.version.supported()
	}
	if err != nil {
		return nil, holder, s.fail(err)
	}
	ident.d = s.dialect(ident.version)
	if err := conn.QueryRowContext(ctx, "SELECT @@global."+ident.d.identity).Scan(&ident.id); err != nil {
		return nil, holder, s.fail(err)
	}
	return ident, holder, nil
}

// getLock obtains the lock; that this very connection has it shows that nothing between us and the server shares connections.
func (s *Server) getLock(ctx context.Context, conn *sql.Conn, ident *identity) error {
	var got, holder, thread sql.NullString
	err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, ?), IS_USED_LOCK(?), CONNECTION_ID()", s.name, int(s.o.Lock.Seconds()), s.name).Scan(&got, &holder, &thread)
	switch {
	case err != nil:
		return s.fail(err)
	case got.String == "1" && holder == thread && thread.String == ident.thread:
		return nil
	case got.String == "1":
		return s.fail(fmt.Errorf("its lock is connection %s's, and we are now %s, before %s: connect to the server itself, not through a proxy that shares connections",
			holder.String, thread.String, ident.thread))
	}
	held := HeldError{Room: s.room}
	all, err := clients(ctx, conn)
	for _, c := range all {
		if fmt.Sprint(c.ID) == holder.String {
			held.By = c
		}
	}
	return errors.Join(held, err)
}

// Close ends the session and all connections. What is under way on the session may land all the same.
func (s *Server) Close() {
	s.turn <- struct{}{}
	defer s.leave()
	s.drop("it was closed")
	_ = s.locked.Close()
	_ = s.side.Close()
}

// Release ends the session, if there is one, and keeps the connections beside it: Take makes another session.
func (s *Server) Release(ctx context.Context) {
	if s.enter(ctx) != nil {
		return
	}
	defer s.leave()
	s.drop("it was let go of")
}

func (s *Server) enter(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return s.fail(ctx.Err())
	}
}

func (s *Server) leave() { <-s.turn }

// drop ends the session; the caller has the turn.
func (s *Server) drop(why string) {
	if s.conn == nil {
		return
	}
	s.session.Store(0)
	s.newest.Store(0)
	s.why.Store(&why)
	s.unpings()
	discard(s.conn)
	s.conn = nil
}

func (s *Server) note(err error) {
	why := say(err)
	s.why.Store(&why)
}

// discard closes a connection for good.
func discard(c *sql.Conn) { _ = c.Close() } // its pool keeps none

// ping shows each second whether an idle session is alive.
func (s *Server) ping(ctx context.Context, id uint64) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case s.turn <- struct{}{}:
		default:
			continue // it is in use, and so is seen to be alive or not
		}
		if s.Session() == id && time.Since(s.used) >= pingEvery/2 {
			if err := s.bounded(ctx, s.o.Margin, s.conn.PingContext); err != nil && ctx.Err() == nil {
				s.drop(err.Error())
			}
		}
		s.leave()
	}
}

// warm opens the connections beside the session, and keeps them, so that none has to be opened while nobody takes writes. One that the
// server has no room for now is opened when it is needed: the lock is held all the same.
func (s *Server) warm(ctx context.Context) {
	var open []*sql.Conn
	for range sideConns {
		c, err := s.side.Conn(ctx)
		if err != nil {
			break
		}
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.Close() // back to its pool
	}
}
