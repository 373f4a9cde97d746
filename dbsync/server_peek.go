package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// Peek looks at both masters of a pair as Seen does, the room first's before the other's, without their locks: it takes nothing and ends
// nobody's session, so that what it saw may be over at once. One that doesn't answer is away, and its MasterPeek says why. Connections are
// made for it and closed again; ctx bounds it.
func (r *Ring) Peek(ctx context.Context, first cutover.Room, o SeenOptions) (seen [2]writer.Server, about [2]cutover.MasterPeek, err error) {
	nodes := r.nodes
	if nodes[1].room == first {
		nodes[0], nodes[1] = nodes[1], nodes[0]
	}
	var both [2]*Server
	at := map[*Server]*cutover.MasterPeek{}
	for i, n := range nodes {
		s, err := r.Server(n.room, ServerOptions{})
		if err != nil {
			return seen, about, err
		}
		defer s.Close()
		both[i], at[s] = s, &about[i]
		at[s].Err = s.introduce(ctx, at[s])
	}
	seen, _ = lookBoth(ctx, both[0], both[1], func(s *Server, ctx context.Context, a Against) (State, error) {
		m := at[s]
		if m.Err != nil {
			return State{}, m.Err
		}
		st, err := s.peek(ctx, a)
		if m.Err = err; err == nil {
			m.Pending, m.Clients, m.Threads, m.Events = told(st.Pending), told(st.Clients), st.Threads, st.Events
		}
		return st, err
	}, (*Server).askAside).Seen(ctx, both[0], o)
	for i, s := range both {
		if s.tool != nil { // positions of a pair that a tool keeps are barriers: a look writes none
			seen[i].Pos, seen[i].Beyond, seen[i].Receives, seen[i].Covers = "", writer.BeyondUnknown, writer.NotKnown, writer.NotKnown
		}
		if at[s].Err != nil {
			seen[i].Away = true
			continue
		}
		s.detail(ctx, at[s])
		if !seen[1-i].Away {
			at[s].Only, at[s].OnlyCount = s.apart(ctx, seen[i].Pos, seen[1-i].Pos)
		} else {
			at[s].OnlyCount = -1
		}
	}
	return seen, about, nil
}

// told names connections for people: a few of them.
func told(cs []Client) []string {
	var out []string
	oldestFirst(cs)
	for _, c := range cs[:min(len(cs), mostBlockers)] {
		out = append(out, c.String())
	}
	return out
}

// introduce asks the server who it is, and who has its lock.
func (s *Server) introduce(ctx context.Context, m *cutover.MasterPeek) error {
	return s.bounded(ctx, s.o.Margin, func(ctx context.Context) error {
		conn, err := s.side.Conn(ctx)
		if err != nil {
			return s.fail(err)
		}
		defer conn.Close()
		ident, holder, err := s.identify(ctx, conn)
		if err != nil {
			return err
		}
		s.v.Store(ident)
		m.Version = ident.version.String()
		if holder.Valid {
			m.Holder = s.holding(ctx, conn, holder.String)
		}
		return nil
	})
}

// holding is the connection that has the lock.
func (s *Server) holding(ctx context.Context, conn *sql.Conn, id string) string {
	all, err := clients(ctx, conn)
	for _, c := range all {
		if err == nil && fmt.Sprint(c.ID) == id {
			return c.String()
		}
	}
	return "connection " + id
}

// peek is Look beside every session.
func (s *Server) peek(ctx context.Context, a Against) (State, error) {
	ident, err := s.identified()
	if err != nil {
		return State{}, err
	}
	st, err := s.lookBy(ident, a, func(query string, args ...any) ([][]row, error) { return s.askAside(ctx, query, args...) })
	if err != nil && !clean(err) {
		err = s.fail(err)
	}
	return st, err
}

// askAside asks beside every session, for as long as a look may take.
func (s *Server) askAside(ctx context.Context, query string, args ...any) ([][]row, error) {
	return s.aside(ctx, s.o.Margin+time.Second, query, args...)
}

// detail asks what people want to know beside that. What can't be seen is said where it would have stood.
func (s *Server) detail(ctx context.Context, m *cutover.MasterPeek) {
	switch r, err := s.RestartFence(ctx); {
	case err != nil:
		m.Restart = "not seen: " + err.Error()
	case r.Known && r.Fenced:
		m.Restart, m.Fenced = r.How, writer.Yes
	case r.Known:
		m.Restart, m.Fenced = r.How, writer.No
	}
	if len(m.Pending) > 0 {
		by, err := s.Blockers(ctx)
		if m.Blockers = told(by); err != nil {
			m.Blockers = []string{"not seen: " + err.Error()}
		}
	}
	tables, err := s.aside(ctx, s.o.Margin, longQuery+"; "+durableQuery)
	if err != nil {
		m.Weak = "not seen: " + s.fail(err).Error()
		return
	}
	for _, r := range tables[0] {
		m.Long = append(m.Long, fmt.Sprintf("connection %s, %s@%s, open for %s s, %s rows changed", r["id"], r["user"], r["host"], r["age"], r["changed"]))
	}
	if r := firstRow(tables, 1); r["flush"] != "1" || r["sync"] != "1" {
		m.Weak = fmt.Sprintf("innodb_flush_log_at_trx_commit=%s sync_binlog=%s", r["flush"], r["sync"])
	}
}

// longQuery is the transactions that have been open for a while: whoever moves the writer ends them. The table has the server's own time.
const longQuery = `SELECT t.trx_mysql_thread_id AS id, p.user AS user, p.host AS host, t.trx_rows_modified AS changed,
TIMESTAMPDIFF(SECOND, t.trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')) AS age FROM information_schema.innodb_trx AS t
JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id WHERE p.user <> 'system user'
AND t.trx_started < CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM') - INTERVAL 1 SECOND ORDER BY t.trx_started LIMIT 5`

const durableQuery = "SELECT @@global.innodb_flush_log_at_trx_commit AS flush, @@global.sync_binlog AS sync"

// apart is what is in one position and not in the other, and how many transactions that are, -1: not known.
func (s *Server) apart(ctx context.Context, pos, other string) (string, int64) {
	rest, err := s.sets(ctx).Minus(pos, other)
	if err != nil {
		return "", -1
	}
	if ident := s.v.Load(); ident != nil && ident.version.mariadb {
		return rest, countStreams(rest, other)
	}
	return rest, countSets(rest)
}

// countStreams is how many transactions a MariaDB position has beyond another one, -1: not known.
func countStreams(rest, other string) int64 {
	of, err := readPosition(Position(rest))
	than, err2 := readPosition(Position(other))
	if err != nil || err2 != nil {
		return -1
	}
	var n uint64
	for _, all := range []map[stream]uint64{of.logged, of.applied} {
		for st, last := range all {
			n += last - min(last, than.upTo(st))
		}
	}
	return int64(min(n, 1<<62)) //nolint:gosec // bounded
}

// countSets is how many transactions a set of MySQL's has, tagged ones too, -1: not known. It only counts: sets are never worked out here.
func countSets(set string) int64 {
	var n int64
	for _, part := range strings.FieldsFunc(set, func(r rune) bool { return r == ',' || r == ':' }) {
		part = strings.TrimSpace(part)
		first, last, both := strings.Cut(part, "-")
		a, err := strconv.ParseInt(first, 10, 64)
		if err != nil || strings.Contains(last, "-") { // a server's id, or a tag
			continue
		}
		b := a
		if both {
			if b, err = strconv.ParseInt(last, 10, 64); err != nil {
				return -1
			}
		}
		n += b - a + 1
	}
	return n
}
