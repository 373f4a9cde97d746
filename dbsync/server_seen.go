package dbsync

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"roomshift/cutover/writer"
)

// SeenOptions is what a look at both servers is held against.
type SeenOptions struct {
	Pos     string          // what the other server is to have executed: writer.PosFor
	Allowed string          // what may be on one of them alone
	Fresh   map[string]bool // rooms whose lock was taken in this round
}

// Seen looks at both servers of a pair, the record's writer first, as writer.Decide takes them. One without a session, or that gives no
// clean answer, is away; the error says why, for people.
func Seen(ctx context.Context, w, x *Server, o SeenOptions) (seen [2]writer.Server, why error) {
	return seenBy(ctx, w, x, o, (*Server).Look)
}

// seenBy is Seen by some way to look.
func seenBy(ctx context.Context, w, x *Server, o SeenOptions, look func(*Server, context.Context, Against) (State, error)) (seen [2]writer.Server, why error) {
	ws, err := look(w, ctx, Against{})
	xs, err2 := look(x, ctx, Against{})
	seen = [2]writer.Server{w.seen(ws, err, o), x.seen(xs, err2, o)}
	if err == nil && !ws.Fenced() { // it goes on: what the other has came from it, and is in a later position only
		ws, err = look(w, ctx, Against{})
		seen[0] = w.seen(ws, err, o)
	}
	if err == nil {
		seen[0].Receives = receives(ws, seen[1].ID)
		seen[0].Covers = w.covers(ctx, seen[0].Pos, o.Pos)
	}
	if err2 == nil {
		seen[1].Receives = receives(xs, seen[0].ID)
		seen[1].Covers = x.covers(ctx, seen[1].Pos, o.Pos)
	}
	if err != nil || err2 != nil {
		return seen, errors.Join(err, err2)
	}
	w.still(ctx, &seen[0], look)
	x.still(ctx, &seen[1], look)
	seen[0].Beyond = w.beyond(ctx, seen[0].Pos, seen[1].Pos, o.Allowed)
	seen[1].Beyond = x.beyond(ctx, seen[1].Pos, seen[0].Pos, o.Allowed)
	return seen, nil
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

// still reads the position of a server that is fenced a second time, a round trip after its clients and branches (R13).
func (s *Server) still(ctx context.Context, seen *writer.Server, look func(*Server, context.Context, Against) (State, error)) {
	if seen.Mode() != writer.ReadOnly {
		return
	}
	st, err := look(s, ctx, Against{})
	seen.Still = err == nil && st.Fenced() && string(st.Position) == seen.Pos && len(st.XA) == len(seen.XA)
	seen.Locked = seen.Locked && s.Session() != 0
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

// beyond is what the server has executed that the other hasn't.
func (s *Server) beyond(ctx context.Context, pos, other, allowed string) writer.Beyond {
	all := s.sets(ctx)
	rest, err := all.Minus(pos, other)
	if err == nil && rest != "" && allowed != "" {
		rest, err = all.Minus(rest, allowed)
	}
	ident := s.v.Load()
	if err != nil || pos == "" || ident == nil {
		return writer.BeyondUnknown
	}
	born := writer.No
	switch own, err := all.Born(rest, ident.id); {
	case err != nil:
		born = writer.NotKnown
	case own:
		born = writer.Yes
	}
	return writer.BeyondOf(rest, born)
}

// covers tells whether it has executed all of a position.
func (s *Server) covers(ctx context.Context, executed, pos string) writer.Answer {
	if pos == "" {
		return writer.NotKnown
	}
	switch rest, err := s.sets(ctx).Minus(pos, executed); {
	case err != nil:
		return writer.NotKnown
	case rest == "":
		return writer.Yes
	}
	return writer.No
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
