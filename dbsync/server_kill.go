package dbsync

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
)

// AliveError: these connections weren't gone in time.
type AliveError struct {
	Room cutover.Room
	Left []Client
}

func (e *AliveError) Error() string {
	text := fmt.Sprintf("master in %s: %d connections aren't gone", e.Room, len(e.Left))
	for i, c := range e.Left {
		if i == mostBlockers {
			return text + fmt.Sprintf("; and %d more", len(e.Left)-i)
		}
		text += "; " + c.String()
	}
	return text
}

// notOurs are the connections of applications and people: not replication's, the server's own or our account's. Whoever a replica
// connects as is replication's.
func (s *Server) notOurs(ident *identity, all []Client) []Client {
	replicas := map[string]bool{}
	for _, c := range all {
		if strings.HasPrefix(c.Command, "Binlog Dump") {
			replicas[c.User] = true
		}
	}
	var out []Client
	for _, c := range all {
		switch {
		case c.User == ident.account, replicas[c.User], s.isTools(c.User):
		case c.User == "system user", c.User == "event_scheduler", c.User == "unauthenticated user":
		case c.Command == "Daemon", strings.HasPrefix(c.Command, "Slave_"), c.Host == "" && c.User == "":
		default:
			out = append(out, c)
		}
	}
	return out
}

func oldestFirst(cs []Client) {
	slices.SortStableFunc(cs, func(a, b Client) int { return cmp.Or(-cmp.Compare(a.Age, b.Age), cmp.Compare(a.ID, b.ID)) })
}

// clientsQuery asks for the connections that notOurs then sorts out.
func (s *Server) clientsQuery(ident *identity) (string, []any) {
	who, args := s.whoCounts(ident)
	return clientColumns + " WHERE " + who + " ORDER BY " + replicasFirst, args
}

// replicasFirst is the order of connections, and how many at most: by replicas' notOurs knows their accounts.
const replicasFirst = "command LIKE 'Binlog Dump%' DESC LIMIT 1000"

// whoCounts is a condition: of all that are there those that began before the fence was seen to stand, and those of accounts that pass
// it by.
func (s *Server) whoCounts(ident *identity) (string, []any) {
	who, args := "user NOT IN (?, 'system user', 'event_scheduler', 'unauthenticated user')", []any{ident.account}
	if newest := s.newest.Load(); newest > 0 {
		who, args = who+" AND (id <= ?", append(args, newest)
		for _, user := range s.passes() {
			who, args = who+" OR user = ?", append(args, user)
		}
		who += " OR command LIKE 'Binlog Dump%')"
	}
	return who, args
}

// passes is what Bypassing said last.
func (s *Server) passes() []string {
	if users := s.passing.Load(); users != nil {
		return *users
	}
	return nil
}

// Clients are the connections that Kill would end.
func (s *Server) Clients(ctx context.Context) ([]Client, error) {
	ident, err := s.identified()
	if err != nil {
		return nil, err
	}
	query, args := s.clientsQuery(ident)
	tables, err := s.aside(ctx, s.o.Margin, query, args...)
	if err != nil {
		return nil, err
	}
	return s.notOurs(ident, clientsOf(tables[0])), nil
}

// Bypassing is the accounts, as user, whose sessions a fence of this engine keeps in; our own isn't among them, nor those whose right comes
// by a role. An account that may not
// read others' rights is a RefusedError.
func (s *Server) Bypassing(ctx context.Context) ([]string, error) {
	ident, err := s.identified()
	if err != nil {
		return nil, err
	}
	if !ident.d.verbs.bypassable() {
		return nil, nil
	}
	rights := append([]string{}, ident.d.verbs.bypass...)
	if ident.version.mariadb && !ident.version.since(10, 11) {
		rights = append(rights, "SUPER")
	}
	accounts := "mysql.global_priv"
	if !ident.version.mariadb {
		accounts = "mysql.user"
	}
	tables, err := s.aside(ctx, s.o.Margin, "SELECT COUNT(*) AS n FROM "+accounts+"; SELECT DISTINCT grantee AS g FROM information_schema.user_privileges WHERE privilege_type IN ('"+
		strings.Join(rights, "','")+"')")
	if err != nil {
		return nil, s.refused("look who passes the fence by", err, "SELECT ON mysql.*")
	}
	var users []string
	for _, r := range tables[1] {
		user, _, _ := strings.Cut(strings.TrimPrefix(r["g"], "'"), "'@'")
		if user != ident.account && !s.isTools(user) && !strings.HasPrefix(user, "mysql.") {
			users = append(users, user)
		}
	}
	slices.Sort(users)
	users = slices.Compact(users)
	s.passing.Store(&users)
	return users, nil
}

// Kill ends every connection of applications and people that began before the fence was seen to stand, by Fence or a Look on this
// session, and every one of accounts that pass the fence by, as Bypassing said, these first. If no fence was seen, all that are there now. It
// returns when they are gone; ctx bounds it (AliveError). Connections made later by anybody else can do no harm: a transaction of theirs
// begins behind the fence.
func (s *Server) Kill(ctx context.Context) error {
	ident, err := s.identified()
	if err != nil {
		return err
	}
	seen := s.newest.Load() != 0
	var now uint64
	var left []Client
	pause := killLook
	for {
		all, err := s.Clients(ctx)
		if err != nil {
			return s.unless(ctx, left, err)
		}
		if !seen && now == 0 {
			now = newestOf(all)
		}
		left = slices.DeleteFunc(all, func(c Client) bool { return !seen && c.ID > now && !s.mayPass(c) })
		if len(left) == 0 {
			return nil
		}
		slices.SortStableFunc(left, func(a, b Client) int { return cmp.Compare(s.rank(a), s.rank(b)) })
		if err := s.killAll(ctx, ident, left); err != nil {
			return s.unless(ctx, left, err)
		}
		select {
		case <-ctx.Done():
			return &AliveError{Room: s.room, Left: left}
		case <-time.After(pause):
		}
		pause = min(2*pause, longestKillLook)
	}
}

func newestOf(cs []Client) uint64 {
	newest := uint64(1)
	for _, c := range cs {
		newest = max(newest, c.ID)
	}
	return newest
}

// mayPass tells whether a fence keeps this client in.
func (s *Server) mayPass(c Client) bool { return slices.Contains(s.passes(), c.User) }

// The pauses between looks whether those that were killed are gone double between these.
const (
	killLook        = time.Millisecond
	longestKillLook = 50 * time.Millisecond
)

// unless is err, or who is left where that is only that the time is over.
func (s *Server) unless(ctx context.Context, left []Client, err error) error {
	if ctx.Err() != nil && len(left) > 0 {
		return &AliveError{Room: s.room, Left: left}
	}
	return err
}

func (s *Server) rank(c Client) int {
	if s.mayPass(c) {
		return 0
	}
	return 1
}

// killsAtOnce is how many connections are killed in one request.
const killsAtOnce = 200

// killAll sends a KILL for each that isn't being killed already. One that is gone by then is no error; where that ends a request, what it
// left out is for the next.
func (s *Server) killAll(ctx context.Context, ident *identity, cs []Client) error {
	var ids []string
	for _, c := range cs {
		if c.Command != "Killed" {
			ids = append(ids, fmt.Sprint(c.ID))
		}
	}
	for part := range slices.Chunk(ids, killsAtOnce) {
		query := "KILL " + strings.Join(part, "; KILL ")
		if ident.version.mariadb {
			query = "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; " + query + "; END"
		}
		err := s.bounded(ctx, s.o.Margin, func(ctx context.Context) error {
			_, err := s.side.ExecContext(ctx, query)
			return err
		})
		if isOneOf(err, noSuchThread) {
			continue
		}
		if err != nil {
			right := ident.d.verbs.kill
			if isOneOf(err, notOurThread) && !ident.version.mariadb && s.hasRight(ctx, right) {
				right = "SYSTEM_USER" // of an account that has it, too
			}
			return s.refused("kill its clients", err, right)
		}
	}
	return nil
}
