package dbsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/lab/server"
)

// labs are the rings that the tests of this package share, with the heartbeat table made; each test heals what it broke. lab is the
// one that a test is at: onBoth's.
var (
	labs = map[server.Engine]*server.Ring{}
	lab  *server.Ring
)

// engines are in the order in which tests go through them.
var engines = []server.Engine{server.MariaDB, server.MySQL}

func TestMain(m *testing.M) {
	code, err := withRings(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withRings(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "dbsync-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, e := range engines {
		ring, err := server.StartRing(ctx, filepath.Join(dir, string(e)), server.RingOptions{Engine: e, Rooms: [2]string{"home", "cloud"}, Grants: accountsOf(e)})
		if err != nil {
			return 1, err
		}
		defer ring.Stop()
		labs[e], lab = ring, ring
		if err := initLab(ctx); err != nil {
			return 1, err
		}
	}
	lab = labs[server.MariaDB]
	code := m.Run()
	return code, noSecrets()
}

func initLab(ctx context.Context) error {
	r, err := Open(labPair())
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Init(ctx); err != nil {
		return err
	}
	for _, table := range appTables {
		if _, err := lab.Master("home").DB().ExecContext(ctx, table); err != nil {
			return err
		}
	}
	return lab.Await(ctx)
}

func grantsOf(e server.Engine) []string {
	if e == server.MySQL {
		return GrantsMySQL
	}
	return Grants
}

// onBoth runs a test on the ring of either engine.
func onBoth(t *testing.T, test func(t *testing.T)) {
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) {
			t.Cleanup(func() { lab = labs[server.MariaDB] }) // after the test's own
			lab = labs[e]
			test(t)
		})
	}
}

// onMySQL tells whether the test is at MySQL's ring.
func onMySQL() bool { return lab.Master(lab.Rooms[0]).Engine == server.MySQL }

// longOnMySQL leaves a test out of the short ones on MySQL, where it shows what it has shown on MariaDB.
func longOnMySQL(t *testing.T) {
	t.Helper()
	if testing.Short() && onMySQL() {
		t.Skip("short")
	}
}

// inMySQL turns statements of MariaDB into MySQL's.
var inMySQL = strings.NewReplacer("ALL SLAVES", "REPLICA", "SLAVE", "REPLICA", "CHANGE MASTER", "CHANGE REPLICATION SOURCE", "MASTER_USE_GTID=no", "SOURCE_AUTO_POSITION=0",
	"MASTER_", "SOURCE_", "slave_exec_mode", "replica_exec_mode")

// everything is all that this package said in any test: readings, findings, errors.
var everything struct {
	sync.Mutex
	text strings.Builder
}

func said(s string) {
	everything.Lock()
	defer everything.Unlock()
	everything.text.WriteString(s + "\n")
}

// noSecrets is an error if any password of the lab is in what was said.
func noSecrets() error {
	everything.Lock()
	defer everything.Unlock()
	for _, ring := range labs {
		for _, s := range append(ring.Secrets(), moverPassword) {
			if strings.Contains(everything.text.String(), s) {
				return errors.New("a password is in a reading, a finding or an error")
			}
		}
	}
	return nil
}

// labPair is the lab's ring as a pair.
func labPair() Pair {
	return Pair{Name: "feed-db", Rooms: [2]cutover.Room{"home", "cloud"}, TimeOut: 2 * time.Second,
		DSN: [2]string{lab.Master("home").DSN(server.Roomshift), lab.Master("cloud").DSN(server.Roomshift)}}
}

func openLab(t testing.TB, p Pair) *Ring {
	t.Helper()
	r, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// heal leaves the ring as it was found: no delay, home takes the writes, both threads run, nothing under way.
func heal(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 15*time.Second)
	defer cancel()
	lab.Heal()
	for _, room := range lab.Rooms {
		run(t, room, "START ALL SLAVES")
	}
	if err := errors.Join(lab.Master("cloud").Fence(ctx), lab.Master("home").Open(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := lab.Await(ctx); err != nil {
		t.Fatal(err)
	}
}

// passFence lets admin write on the fenced cloud: MySQL keeps even that out.
func passFence(t testing.TB) {
	t.Helper()
	if onMySQL() {
		run(t, "cloud", "SET GLOBAL super_read_only=0")
	}
}

// repoint makes a room's master a replica of the other, as StartRing did.
func repoint(t testing.TB, room string) {
	t.Helper()
	if err := lab.Replicate(context.WithoutCancel(t.Context()), room); err != nil {
		t.Fatal(err)
	}
}

// run executes statements on a room's master as its admin.
func run(t testing.TB, room string, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if onMySQL() {
			s = inMySQL.Replace(s)
		}
		if _, err := lab.Master(room).DB().ExecContext(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %s: %v", room, s, err)
		}
	}
}

// clock is the tests' cutover.T.
var clockStart = time.Now()

func clock() cutover.T { return cutover.T(time.Since(clockStart)) }

// readings gathers what Watch puts.
type readings struct {
	mu    sync.Mutex
	all   []Reading
	more  chan struct{} // closed and made anew with each one
	ended chan struct{} // closed when Watch has returned
	stop  context.CancelFunc
}

// watch watches r until the test ends or stop is called.
func watch(t testing.TB, r *Ring, o WatchOptions) *readings {
	t.Helper()
	got := &readings{more: make(chan struct{}), ended: make(chan struct{})}
	var ctx context.Context
	ctx, got.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	o.Now = clock
	o.Put = got.put
	go func() {
		defer close(got.ended)
		r.Watch(ctx, o)
	}()
	t.Cleanup(got.end)
	return got
}

// end stops the watch and waits until it has returned.
func (g *readings) end() {
	g.stop()
	<-g.ended
}

func (g *readings) put(r Reading) {
	g.mu.Lock()
	defer g.mu.Unlock()
	said(show(r))
	g.all = append(g.all, r)
	close(g.more)
	g.more = make(chan struct{})
}

// since is the readings into a room that were learned after n of all were, and how many there are now.
func (g *readings) since(n int) ([]Reading, int, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Reading(nil), g.all[n:]...), len(g.all), g.more
}

func (g *readings) count() int {
	_, n, _ := g.since(0)
	return n
}

// await returns the first reading into the room, after the first n of all, for which ok holds.
func (g *readings) await(t testing.TB, n int, room string, within time.Duration, what string, ok func(Reading) bool) Reading {
	t.Helper()
	end := time.After(within)
	var seen []string
	for {
		fresh, count, more := g.since(n)
		n = count
		for _, r := range fresh {
			if r.To != room {
				continue
			}
			if ok(r) {
				return r
			}
			seen = append(seen, show(r))
		}
		select {
		case <-more:
		case <-end:
			t.Fatalf("into %s: nothing in %v was %s; seen:\n%s", room, within, what, strings.Join(seen[max(0, len(seen)-12):], "\n"))
		}
	}
}

func show(r Reading) string {
	switch {
	case r.Unknown != "":
		return fmt.Sprintf("%s: unknown: %s", r.To, r.Unknown)
	case r.Idle:
		return r.To + ": idle"
	case r.LowerBound:
		return fmt.Sprintf("%s: ≥ %.4f", r.To, r.Lo)
	}
	return fmt.Sprintf("%s: %.4f–%.4f", r.To, r.Lo, r.Hi)
}

func known(r Reading) bool { return r.Unknown == "" && !r.Idle && !r.LowerBound }
