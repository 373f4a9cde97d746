package movers_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

// The tests share a ring of either engine and one Consul with ACLs; each heals what it broke. lab is the ring that a test is at.
var (
	labs = map[server.Engine]*server.Ring{}
	lab  *server.Ring
	real *server.Consul
)

func TestMain(m *testing.M) {
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil { // connections are killed
		panic(err)
	}
	code, err := withServers(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withServers(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "movers-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	rules := consul.Policy("roomshift")
	if real, err = server.StartConsul(ctx, dir, server.ConsulOptions{Datacenter: "home", ACL: true, Rules: rules}); err != nil {
		return 1, err
	}
	defer real.Kill()
	for _, e := range []server.Engine{server.MariaDB, server.MySQL} {
		grants := append(append([]string{}, dbsync.Grants...), dbsync.GrantsWriter...)
		if e == server.MySQL {
			grants = append(append([]string{}, dbsync.GrantsMySQL...), dbsync.GrantsWriterMySQL...)
		}
		grants = append(grants, "GRANT LOCK TABLES, EVENT ON app.* TO app@'127.0.0.1'")
		ring, err := server.StartRing(ctx, filepath.Join(dir, string(e)), server.RingOptions{Engine: e, Rooms: [2]string{"home", "cloud"}, Grants: grants})
		if err != nil {
			return 1, err
		}
		defer ring.Stop()
		labs[e], lab = ring, ring
		if err := initLab(ctx); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

func initLab(ctx context.Context) error {
	r, err := dbsync.Open(labPair("feed-db"))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Init(ctx); err != nil {
		return err
	}
	_, err = lab.Master("home").DB().ExecContext(ctx, "CREATE TABLE app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL UNIQUE)")
	if err != nil {
		return err
	}
	if onMySQL() {
		for _, room := range lab.Rooms {
			if _, err := lab.Master(room).DB().ExecContext(ctx, "SET PERSIST_ONLY super_read_only = 1"); err != nil {
				return err
			}
		}
	}
	return lab.Await(ctx)
}

func onMySQL() bool { return lab.Master(lab.Rooms[0]).Engine == server.MySQL }

func labPair(name string) dbsync.Pair {
	return dbsync.Pair{Name: name, Rooms: [2]cutover.Room{"home", "cloud"}, TimeOut: 2 * time.Second,
		DSN: [2]string{lab.Master("home").DSN(server.Roomshift), lab.Master("cloud").DSN(server.Roomshift)}}
}

// onBoth runs a test on the ring of either engine, healed before and after.
func onBoth(t *testing.T, test func(t *testing.T)) {
	for _, e := range []server.Engine{server.MariaDB, server.MySQL} {
		t.Run(string(e), func(t *testing.T) {
			lab = labs[e]
			heal(t)
			t.Cleanup(func() { heal(t) }) // after the test's own
			test(t)
		})
	}
}

func heal(t testing.TB) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	lab.Heal()
	if err := errors.Join(lab.Master("cloud").Fence(ctx), lab.Master("home").Open(ctx), lab.Await(ctx)); err != nil {
		t.Fatal(err)
	}
	run(t, "home", "DELETE FROM roomshift.heartbeat")
}

// run executes statements on a room's master as its admin.
func run(t testing.TB, room string, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := lab.Master(room).DB().ExecContext(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %s: %v", room, s, err)
		}
	}
}

// text is the one value that a query of the admin's gives.
func text(t testing.TB, room, query string, args ...any) (s string) {
	t.Helper()
	if err := lab.Master(room).DB().QueryRowContext(context.WithoutCancel(t.Context()), query, args...).Scan(&s); err != nil {
		t.Fatalf("%s: %s: %v", room, query, err)
	}
	return s
}

// within is a context of the test's with an end.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for what comes by itself.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("30 s and not yet: %s", what)
		}
	}
}

// client is the real Consul's.
func client(t testing.TB, addr string) *consul.Client {
	t.Helper()
	if addr == "" {
		addr = real.Addr
	}
	c, err := consul.New(consul.Config{Name: "home", Addr: addr, TokenFile: real.TokenFile})
	ok(t, err)
	t.Cleanup(c.Close)
	return c
}

// pairWith is the lab's pair, with a keeper, as one process has it.
func pairWith(t testing.TB, name string, k movers.Keeper) movers.Pair {
	t.Helper()
	r, err := dbsync.Open(labPair(name))
	ok(t, err)
	t.Cleanup(r.Close)
	p := movers.Pair{Name: name, Keeper: k, Declared: map[cutover.Room]bool{"home": true, "cloud": true}}
	for i, room := range lab.Rooms {
		p.Servers[i], err = r.Server(room, dbsync.ServerOptions{})
		ok(t, err)
	}
	return p
}
