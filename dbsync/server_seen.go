package dbsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"roomshift/cutover/writer"
)

// SeenOptions is what a look at both servers is held against.
type SeenOptions struct {
	Pos     string          // what the other server is to have executed: writer.PosFor
	Allowed string          // what may be on one of them alone
	Fresh   map[string]bool // rooms whose lock was taken in this round
	Phase   writer.Phase    // of the record; "" none, or not known
}

// Seen looks at both servers of a pair as writer.Decide takes them; w is the record's writer. One without a session, or that gives no
// clean answer, is away; the error says why, for people. It takes two round trips, in each of which both servers are asked at once: what a
// server that takes writes has executed is read after what the other one has, for that came from it; and the position of one that is
// fenced is read twice (R13).
func Seen(ctx context.Context, w, x *Server, o SeenOptions) (seen [2]writer.Server, why error) {
	return LookBoth(ctx, w, x).Seen(ctx, w, o)
}

// Looked is both servers as they said they were, before anybody knew what to hold that against: the first half of Seen.
type Looked struct {
	servers [2]*Server
	looks   [2]State
	errs    [2]error
	ask     asking
}

// LookBoth is the first of Seen's round trips. A pair that a tool keeps has none: what is asked there takes the tool's word first.
func LookBoth(ctx context.Context, a, b *Server) Looked {
	if a.tool != nil {
		return Looked{servers: [2]*Server{a, b}}
	}
	return lookBoth(ctx, a, b, (*Server).Look, (*Server).askLook)
}

// lookBoth is LookBoth by some way to look, and then to ask once more.
func lookBoth(ctx context.Context, a, b *Server, look func(*Server, context.Context, Against) (State, error), ask asking) Looked {
	l := Looked{servers: [2]*Server{a, b}, ask: ask}
	both(func(i int) { l.looks[i], l.errs[i] = look(l.servers[i], ctx, Against{}) })
	return l
}

// Seen is the second: w is the record's writer.
func (l Looked) Seen(ctx context.Context, w *Server, o SeenOptions) (seen [2]writer.Server, why error) {
	if l.servers[0] != w {
		l.servers[0], l.servers[1] = l.servers[1], l.servers[0]
		l.looks[0], l.looks[1] = l.looks[1], l.looks[0]
		l.errs[0], l.errs[1] = l.errs[1], l.errs[0]
	}
	x := l.servers[1]
	if w.tool != nil {
		seen, why = seenSynced(ctx, w, x, o)
	} else {
		seen, why = l.seenNative(ctx, o)
	}
	return seen, errors.Join(why, w.seenProvider(ctx, &seen[0], o), x.seenProvider(ctx, &seen[1], o))
}

// seenNative is Seen's of a pair that replicates by itself; the record's writer is first.
func (l Looked) seenNative(ctx context.Context, o SeenOptions) (seen [2]writer.Server, why error) {
	for i, s := range l.servers {
		seen[i] = s.seen(l.looks[i], l.errs[i], o)
	}
	var seconds [2]second
	both(func(i int) {
		if l.errs[i] == nil {
			seconds[i] = l.servers[i].again(ctx, seen[1-i].Pos, o, l.ask)
		}
	})
	for i := range l.servers {
		if l.errs[i] == nil {
			seen[i].Receives, seen[i].Received = receives(l.looks[i], seen[1-i].ID), l.looks[i].Received
			l.errs[i] = seconds[i].into(&seen[i], l.servers[i])
		}
	}
	if l.errs[0] != nil || l.errs[1] != nil {
		return seen, errors.Join(l.errs[0], l.errs[1])
	}
	unknown := cmp.Or(seconds[0].lost, seconds[0].err)
	seen[0].Beyond = l.servers[0].beyond(ctx, seen[0].Pos, seconds[0].own, unknown)
	seen[1].Beyond = l.servers[1].beyond(ctx, seen[1].Pos, seconds[0].others, unknown)
	return seen, nil
}

// asking is a way to ask a server.
type asking func(s *Server, ctx context.Context, query string, args ...any) ([][]row, error)

// askLook asks on the session that holds the lock, for as long as a look may take.
func (s *Server) askLook(ctx context.Context, query string, args ...any) ([][]row, error) {
	return s.ask(ctx, s.o.Margin+time.Second, query, args...)
}

// both does something for either server at once.
func both(do func(i int)) {
	var other sync.WaitGroup
	other.Go(func() { do(1) })
	do(0)
	other.Wait()
}

// second is what a server said a round trip after it was looked at.
type second struct {
	st          State
	covers      writer.Answer // of the position that was asked for
	own, others string        // what it has that the other hadn't, and the other way round, but for what may differ
	err         error         // of the comparison
	lost        error         // it gave no clean answer
}

// again asks for what may have changed since it was looked at, and how that compares with what the other one had.
func (s *Server) again(ctx context.Context, other string, o SeenOptions, ask asking) (got second) {
	ident, err := s.identified()
	if err != nil {
		return second{lost: err}
	}
	v := ident.d.verbs
	a := Against{Other: Position(other), Allowed: Position(o.Allowed)}
	at, args := v.at(a)
	query := "XA RECOVER" + v.xaForm + "; " + at
	if !ident.version.mariadb && o.Pos != "" {
		query, args = query+"; SELECT GTID_SUBTRACT(?, @@global.gtid_executed) AS rest", append(args, o.Pos)
	}
	tables, err := ask(s, ctx, query, args...)
	if err == nil && (len(tables) < 2 || len(tables[1]) != 1) {
		err = s.fail(fmt.Errorf("a look had %d answers", len(tables)))
	}
	if err == nil {
		err = got.st.variables(ident.d, tables[1][0], a)
	}
	if err != nil {
		return second{lost: err}
	}
	for _, r := range tables[0] {
		got.st.XA = append(got.st.XA, xid(r))
	}
	s.saw(got.st.Position)
	got.compare(ctx, s, ident, other, tables[2:], o)
	return got
}

// compare works sets out: MariaDB's here; MySQL has done it.
func (got *second) compare(ctx context.Context, s *Server, ident *identity, other string, rest [][]row, o SeenOptions) {
	all := s.sets(ctx)
	pos := string(got.st.Position)
	lacks, err := "", error(nil)
	switch {
	case o.Pos == "":
	case ident.version.mariadb:
		lacks, err = all.Minus(o.Pos, pos)
	default:
		lacks = oneLine(firstRow(rest, 0)["rest"])
	}
	switch {
	case o.Pos == "" || err != nil:
	case lacks == "":
		got.covers = writer.Yes
	default:
		got.covers = writer.No
	}
	less := func(set string, err error) (string, error) {
		if err != nil || set == "" || o.Allowed == "" {
			return set, err
		}
		return all.Minus(set, o.Allowed)
	}
	var err2 error
	if ident.version.mariadb || other == "" {
		got.own, err = less(all.Minus(pos, other))
		got.others, err2 = less(all.Minus(other, pos))
	} else {
		got.own = got.st.Extra
		got.others, err2 = less(got.st.Missing, nil)
	}
	got.err = cmp.Or(err, err2)
}

// into adds it to what was seen. A server that takes writes is where it is now; of one that is fenced it shows whether it stands still.
func (got *second) into(seen *writer.Server, s *Server) error {
	fenced := seen.Mode() == writer.ReadOnly
	switch {
	case got.lost == nil && fenced:
		seen.Still = got.st.Fenced() && string(got.st.Position) == seen.Pos && len(got.st.XA) == len(seen.XA)
	case got.lost == nil:
		seen.ReadOnly, seen.SuperReadOnly, seen.XA, seen.Pos = got.st.ReadOnly, got.st.Super, got.st.XA, string(got.st.Position)
	case !fenced:
		seen.Away = true
		return got.lost
	}
	seen.Covers = got.covers
	seen.Locked = seen.Locked && s.Session() != 0
	return nil
}

// seen is one server as it was looked at.
func (s *Server) seen(st State, err error, o SeenOptions) writer.Server {
	out := writer.Server{Room: s.room, Away: err != nil}
	if ident := s.v.Load(); ident != nil {
		out.ID = ident.id
	}
	if out.Away {
		return out
	}
	out.Locked, out.Fresh = st.Session != 0 && st.Session == s.Session(), o.Fresh[s.room]
	out.ReadOnly, out.SuperReadOnly = st.ReadOnly, st.Super
	if len(st.Pending) > 0 {
		out.Pending = st.Pending[0].String()
	}
	out.Clients, out.XA, out.Pos = len(st.Clients), st.XA, string(st.Position)
	out.Marker = writer.Marker{Epoch: int64(st.Marker.Epoch), Writer: st.Marker.Writer}
	return out
}

// receives tells whether a server gets and applies what another one executes.
func receives(st State, from string) writer.Answer {
	if st.Threads == "" && st.Source == from {
		return writer.Yes
	}
	return writer.No
}

// sets compares positions of one engine.
type sets interface {
	// Minus is what a has and b hasn't, "" nothing.
	Minus(a, b string) (string, error)
	// Born tells whether a server, by its id, is the origin of all of a position.
	Born(pos, id string) (bool, error)
}

// sets are this server's. MySQL works them out itself, on a connection beside the session; ctx bounds that.
func (s *Server) sets(ctx context.Context) sets {
	if ident := s.v.Load(); ident != nil && ident.version.mariadb {
		return mariadbSets{}
	}
	return mysqlSets{ctx, s}
}

// beyond names rest, what the server has executed that the other hasn't.
func (s *Server) beyond(ctx context.Context, pos, rest string, err error) writer.Beyond {
	ident := s.v.Load()
	if err != nil || pos == "" || ident == nil {
		return writer.BeyondUnknown
	}
	born := writer.No
	switch own, err := s.sets(ctx).Born(rest, ident.id); {
	case err != nil:
		born = writer.NotKnown
	case own:
		born = writer.Yes
	}
	return writer.BeyondOf(rest, born)
}

type mariadbSets struct{}

// Minus is sets's. Of a stream that a has more of, the last number stands for all.
func (mariadbSets) Minus(a, b string) (string, error) {
	of, err := readPosition(Position(a))
	if err != nil {
		return "", err
	}
	than, err := readPosition(Position(b))
	if err != nil {
		return "", err
	}
	rest := transactions{map[stream]uint64{}, map[stream]uint64{}}
	for s, n := range of.logged {
		if than.upTo(s) < n {
			rest.logged[s] = n
		}
	}
	for s, n := range of.applied {
		if than.upTo(s) < n {
			rest.applied[s] = n
		}
	}
	return string(rest.position()), nil
}

// Born is sets's.
func (mariadbSets) Born(pos, id string) (bool, error) {
	t, err := readPosition(Position(pos))
	for s := range t.logged {
		if fmt.Sprint(s.server) != id {
			return false, err
		}
	}
	return len(t.applied) == 0, err
}

type mysqlSets struct {
	ctx context.Context
	s   *Server
}

// Minus is sets's.
func (m mysqlSets) Minus(a, b string) (string, error) {
	tables, err := m.s.aside(m.ctx, m.s.o.Margin, "SELECT GTID_SUBTRACT(?, ?) AS rest", a, b)
	if err != nil {
		return "", err
	}
	return oneLine(tables[0][0]["rest"]), nil
}

// Born is sets's.
func (mysqlSets) Born(pos, id string) (bool, error) {
	return strings.TrimSpace(pos) != "" && foreignSets(pos, id) == "", nil
}
