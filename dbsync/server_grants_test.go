package dbsync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"roomshift/lab/server"
)

// TestWriterGrantsAreLeast: with Grants and GrantsWriter every verb works, which the other tests show; without any one right of them the
// verb that needs it names the statement that gives it. Every statement of GrantsWriter is in it.
func TestWriterGrantsAreLeast(t *testing.T) { onBoth(t, testWriterGrantsAreLeast) }

// lacking is a right and the verb that needs it; with is what else has to be taken away for that to show.
type lacking struct {
	right string
	verb  func(t *testing.T, s *Server) error
	with  string
}

func testWriterGrantsAreLeast(t *testing.T) {
	heal(t)
	rights := rightsMariaDB
	if onMySQL() {
		rights = rightsMySQL
	}
	admin := guest(t, server.Admin, "home")
	do(t, admin, "SET SESSION sql_log_bin=0")
	for _, l := range rights {
		t.Run(strings.ReplaceAll(l.right, " ", "-"), func(t *testing.T) {
			on := " ON *.*"
			if strings.Contains(l.right, " ON ") {
				on = ""
			}
			taken := []string{l.right + on}
			if l.with != "" {
				taken = append(taken, l.with+" ON *.*")
			}
			for _, right := range taken {
				do(t, admin, "REVOKE "+right+" FROM "+moverAt)
			}
			defer func() {
				for _, right := range taken {
					do(t, admin, "GRANT "+right+" TO "+moverAt)
				}
			}()
			s := newTool(t, ServerOptions{}, nil)["home"]
			err := l.verb(t, s)
			holds(t, err, "GRANT "+l.right+on+" TO {user}")
		})
	}
	x := taken(t, ServerOptions{}) // all rights are back
	ok(t, x["home"].Fence(t.Context()))
	ok(t, x["home"].Open(t.Context()))
	all := strings.Join(slices.Concat(grantsOf(lab.Master("home").Engine), writerGrantsOf(lab.Master("home").Engine)), "\n")
	for _, g := range writerGrantsOf(lab.Master("home").Engine) {
		list, on, _ := strings.Cut(strings.TrimPrefix(g, "GRANT "), " ON ")
		on = strings.TrimSuffix(on, " TO {user}")
		for _, right := range strings.Split(list, ", ") {
			if on != "*.*" {
				right += " ON " + on
			}
			if !slices.ContainsFunc(rights, func(l lacking) bool { return l.right == right }) {
				t.Errorf("%s is asked for, and no verb is shown to need it", right)
			}
		}
	}
	for _, l := range rights {
		name, _, _ := strings.Cut(l.right, " ON ")
		if !strings.Contains(all, name) {
			t.Errorf("%s is needed, and not asked for", l.right)
		}
	}
}

// afterTake is a verb whose lack shows when the lock was taken.
func afterTake(verb func(context.Context, *Server) error) func(*testing.T, *Server) error {
	return func(t *testing.T, s *Server) error {
		ok(t, s.Take(within(t, 10*time.Second)))
		return verb(within(t, 10*time.Second), s)
	}
}

func fenceVerb(ctx context.Context, s *Server) error { return s.Fence(ctx) }

func lookVerb(ctx context.Context, s *Server) error {
	_, err := s.Look(ctx, Against{})
	return err
}

func markVerb(ctx context.Context, s *Server) error {
	_, err := s.Mark(ctx, Marker{1, "home"})
	return err
}

// killing ends a client of an account.
func killing(a server.Account) func(*testing.T, *Server) error {
	return func(t *testing.T, s *Server) error {
		do(t, guest(t, a, "home"), "DO 1")
		return afterTake(func(ctx context.Context, s *Server) error { return s.Kill(ctx) })(t, s)
	}
}

func takeVerb(t *testing.T, s *Server) error { return s.Take(within(t, 10*time.Second)) }

var rightsMariaDB = []lacking{
	{right: "READ_ONLY ADMIN", verb: afterTake(fenceVerb)},
	{right: "CONNECTION ADMIN", verb: killing(server.App), with: "SUPER"},
	{right: "SUPER", verb: func(t *testing.T, s *Server) error {
		run(t, "home", "SET GLOBAL event_scheduler=ON")
		defer run(t, "home", "SET GLOBAL event_scheduler=OFF")
		return afterTake(func(ctx context.Context, s *Server) error {
			_, err := s.Events(ctx, false)
			return err
		})(t, s)
	}},
	{right: "SELECT ON mysql.*", verb: afterTake(func(ctx context.Context, s *Server) error {
		_, err := s.Bypassing(ctx)
		return err
	})},
	{right: "PROCESS", verb: takeVerb},
	{right: "SLAVE MONITOR", verb: afterTake(lookVerb), with: "SUPER"},
	{right: "INSERT, UPDATE ON roomshift.*", verb: afterTake(markVerb)},
}

var rightsMySQL = []lacking{
	{right: "SYSTEM_VARIABLES_ADMIN", verb: afterTake(fenceVerb)},
	{right: "CONNECTION_ADMIN", verb: killing(server.App)},
	{right: "SYSTEM_USER", verb: killing(server.Admin)},
	{right: "XA_RECOVER_ADMIN", verb: afterTake(lookVerb)},
	{right: "PERSIST_RO_VARIABLES_ADMIN", verb: afterTake(func(ctx context.Context, s *Server) error { return s.PersistFence(ctx) })},
	{right: "SELECT ON performance_schema.metadata_locks", verb: blockedVerb},
	{right: "SELECT ON performance_schema.threads", verb: blockedVerb},
	{right: "SELECT ON performance_schema.events_statements_current", verb: afterTake(func(ctx context.Context, s *Server) error {
		_, err := s.Blockers(ctx)
		return err
	})},
	{right: "PROCESS", verb: takeVerb},
	{right: "REPLICATION CLIENT", verb: afterTake(lookVerb)},
	{right: "INSERT, UPDATE ON roomshift.*", verb: afterTake(markVerb)},
}

// blockedVerb is a fence that is blocked: who is in its way isn't seen then.
func blockedVerb(t *testing.T, s *Server) error {
	defer lockTables(t)()
	ok(t, s.Take(within(t, 10*time.Second)))
	err := s.Fence(within(t, 10*time.Second))
	if !errors.As(err, new(*BlockedError)) {
		t.Errorf("%v, want it blocked", err)
	}
	return err
}
