package dbsync

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"roomshift/cutover"

	"github.com/go-sql-driver/mysql"
)

// readers are the replicas that serve the reads of a room. What is written on the other room's master is there for users when the
// slowest of them has it: so a heartbeat has come into the room when it is on the master and on each of them.
type readers struct {
	master *node
	list   Readers

	mu    sync.Mutex
	nodes map[string]*reader // by address
	err   error              // why they aren't known
	read  bool               // a list was read
}

// reader is one replica. It keeps its connections from one list to the next.
type reader struct {
	node *node
	busy chan struct{} // a place for each heartbeat that is waited for
	left chan struct{} // closed when it is on no list any more
}

// againAfter is how often the list of readers is read anew.
const againAfter = time.Second

// keep reads the list again and again until ctx ends.
func (rs *readers) keep(ctx context.Context, timeout time.Duration) error {
	tick := time.NewTicker(againAfter)
	defer tick.Stop()
	for {
		rs.refresh(ctx, timeout)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (rs *readers) refresh(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addrs, err := rs.list(ctx)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.read = true
	switch {
	case err != nil:
		rs.err = unknown{cutover.NoAnswer + cutover.Reason(": the readers in "+rs.master.room+": "+err.Error())}
		return // those that were known are still there, for all that is known
	case len(addrs) == 0:
		rs.err = noData("no replica that serves reads in %s is passing its checks", rs.master.room)
	default:
		rs.err = nil
	}
	for addr, r := range rs.nodes {
		if !slices.Contains(addrs, addr) {
			close(r.left)
			_ = r.node.db.Close() // what still waits there is of no use
			delete(rs.nodes, addr)
		}
	}
	for _, addr := range addrs {
		if rs.nodes[addr] != nil {
			continue
		}
		n, err := rs.master.readerAt(addr)
		if err != nil {
			rs.err = err
			return
		}
		if rs.nodes == nil {
			rs.nodes = map[string]*reader{}
		}
		rs.nodes[addr] = &reader{node: n, busy: make(chan struct{}, underWay), left: make(chan struct{})}
	}
}

// now are the readers in order of their addresses, or why they aren't known.
func (rs *readers) now() ([]*reader, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !rs.read {
		return nil, noData("the readers in %s aren't listed yet", rs.master.room)
	}
	if rs.err != nil {
		return nil, rs.err
	}
	var all []*reader
	for _, r := range rs.nodes {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *reader) int { return strings.Compare(a.node.addr, b.node.addr) })
	return all, nil
}

func (rs *readers) close() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.nodes {
		_ = r.node.db.Close() // nothing was written there
	}
}

// readerAt is a replica of the node's room, asked as the node is but for its address.
func (n *node) readerAt(addr string) (*node, error) {
	c := n.config.Clone()
	c.Net, c.Addr = "tcp", addr
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, noData("reader %q in %s can't be asked by its address", addr, n.room)
	}
	r := &node{pair: n.pair, room: n.room, addr: addr, reader: true, config: c}
	r.open(connector)
	return r, nil
}

// party is all that one heartbeat must come to in a room: its master and each of its readers.
type party struct {
	track *track
	h     beat

	mu     sync.Mutex
	left   int  // so many are still to come
	silent bool // one can't be waited for, or said nothing: the whole isn't known
	count  int  // readers
	lo, hi cutover.T
	at     cutover.T
	got    cutover.T
}

// arrived says that the heartbeat is on one of them.
func (p *party) arrived(a answer) {
	lo, hi := forthLag(p.h, a)
	p.mu.Lock()
	p.lo, p.hi, p.at, p.got = max(p.lo, lo), max(p.hi, hi), max(p.at, a.told()), max(p.got, a.got)
	p.mu.Unlock()
	p.done(a.got, true)
}

// done says that one of them needn't be waited for any more; known: the heartbeat came, or it is no member any more.
func (p *party) done(now cutover.T, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	p.silent = p.silent || !known
	if p.left > 0 {
		return
	}
	if !p.silent && p.got > 0 {
		p.track.arrived(p.h.seq, p.lo, p.hi, p.h.sent, p.at, p.got, p.count)
		return
	}
	p.track.end(p.h.seq, now)
}

// invite begins to wait for a heartbeat on Y's readers.
func (s *session) invite(ctx context.Context, h beat) *party {
	p := &party{track: s.forth, h: h, left: 1}
	s.forth.begin(h.seq, h.acked)
	rs := s.readers
	if rs == nil {
		return p
	}
	all, err := rs.now()
	if err != nil {
		p.silent = true
		s.forth.unknown(reason(err), s.now())
	}
	p.left, p.count = 1+len(all), len(all)
	for _, r := range all {
		select {
		case r.busy <- struct{}{}:
			s.start(ctx, func(ctx context.Context) error {
				defer func() { <-r.busy }()
				s.goReader(ctx, r, p)
				return nil
			})
		default: // enough older ones are on their way
			p.done(h.acked, false)
		}
	}
	return p
}

// goReader waits for a heartbeat on a reader. One that can't say anything makes the direction Unknown and ends nothing: the masters
// are well.
func (s *session) goReader(ctx context.Context, r *reader, p *party) {
	err := s.reach(ctx, r, p)
	if err == nil {
		return
	}
	known := false
	select {
	case <-r.left: // it serves nobody: not a word of it
		known = true
	case <-ctx.Done():
	default:
		s.forth.unknown(reason(r.node.fail(err)), s.now())
	}
	p.done(s.now(), known)
}

// reach is nil when the heartbeat is there, and was said to be.
func (s *session) reach(ctx context.Context, r *reader, p *party) error {
	conn, err := r.node.conn(ctx, s.patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	d, err := s.dialectOn(ctx, conn)
	if err != nil {
		return err
	}
	var notYet cutover.T
	for {
		query, params := d.only(s, p.h, s.now()-p.h.acked)
		a, code, _, err := s.wait(ctx, conn, query, params)
		a.notYet = notYet
		switch {
		case err != nil:
			return err
		case !code.Valid:
			return noData("the wait for %s on the %s answered NULL", p.h.gtid, r.node)
		case code.Int64 == 0:
			p.arrived(a)
			return nil
		}
		if at, ok := a.notBefore(); ok {
			notYet = at
			s.forth.notYet(p.h.seq, p.h.sent, at, a.got)
		}
		select {
		case <-r.left:
			return errLookAgain
		default:
		}
	}
}

// dialectOn asks a reader for its version: it may be another one than the masters', but not another engine's.
func (s *session) dialectOn(ctx context.Context, conn *sql.Conn) (*dialect, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	var text string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&text); err != nil {
		return nil, err
	}
	v, err := parseVersion(text)
	if err != nil {
		return nil, err
	}
	if err := v.supported(); err != nil {
		return nil, err
	}
	if d := dialectOf(v); d.identity == s.d.identity {
		return d, nil
	}
	return nil, fmt.Errorf("it is %s: %w beside masters of another engine", v, ErrUnsupported)
}

// checkReaders looks at each replica that serves reads in a room: it receives from one source, applies all, at once, and takes no
// writes.
func (r *Ring) checkReaders(ctx context.Context) []Finding {
	var found []Finding
	for _, n := range r.nodes {
		rs := r.readers[n]
		if rs == nil {
			continue
		}
		f := Finding{Check: "readers", Room: n.room, Wanted: "replicas that run, without delay or filter, and take no writes"}
		rs.refresh(ctx, r.timeout)
		all, err := rs.now()
		if err != nil {
			f.Seen, f.Do = err.Error(), "look at the service that readers of "+n.room+" names in rooms.yaml, and at its checks"
			found = append(found, f)
			continue
		}
		seen, wrong := make([]string, len(all)), make([]string, len(all))
		var each sync.WaitGroup
		for i, rd := range all {
			each.Go(func() { seen[i], wrong[i] = rd.node.judgeReader(ctx, r.timeout) })
		}
		each.Wait()
		f.Seen = strings.Join(seen, "; ")
		if bad := slices.DeleteFunc(wrong, func(w string) bool { return w == "" }); len(bad) > 0 {
			f.Do = strings.Join(bad, "; ")
		}
		f.OK = f.Do == ""
		found = append(found, f)
	}
	return found
}

// judgeReader is what is seen of a replica, and what to do about it.
func (n *node) judgeReader(ctx context.Context, timeout time.Duration) (seen, do string) {
	s, err := n.readSide(ctx, timeout)
	if err != nil {
		return err.Error(), "look at " + n.addr + " and at roomshift's account on it"
	}
	c, err := onlySource(n.room, rowsOf(s.channels))
	if err != nil {
		return n.addr + " replicates from " + fmt.Sprint(len(s.channels)) + " sources", "make " + n.addr + " a replica of one of the masters"
	}
	fenced, err := parseReadOnly(s.vars["read_only"])
	switch {
	case c.running() != "":
		return n.addr + ": " + c.running(), "read Last_IO_Error and Last_SQL_Error of " + s.d.words.status + " on " + n.addr
	case c.row["SQL_Delay"] != "0":
		return n.addr + ": SQL_Delay=" + c.row["SQL_Delay"] + " s", s.d.words.set(s.d.words.delay, s.d.words.heartbeat) + " on " + n.addr + ": users would read what is so old"
	case c.filters() != "":
		return n.addr + ": " + c.filters(), "take the filters out of the file of " + n.addr
	case err != nil || !fenced:
		return n.addr + " takes writes", errors.Join(err, errors.New("set read_only on "+n.addr+": what is written there is nowhere else")).Error()
	}
	return n.addr + " runs", ""
}
