package dts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"roomshift/aliyun"
	"roomshift/aliyun/alitest"
	"roomshift/aliyun/dts"
	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	labdts "roomshift/lab/dts"
	"roomshift/lab/server"
	"roomshift/lab/tokens"
)

// masters are two MySQL servers that know nothing of each other, shared by the tests of this package.
var masters [2]*server.Master

var rooms = [2]string{"home", "cloud"}

func TestMain(m *testing.M) {
	code, err := withMasters(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var tables = []string{
	"CREATE DATABASE IF NOT EXISTS roomshift",
	"CREATE TABLE IF NOT EXISTS app.awaited (n BIGINT PRIMARY KEY)",
	"CREATE TABLE IF NOT EXISTS app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL UNIQUE)",
	"CREATE TABLE IF NOT EXISTS app.accounts (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL)",
	dbsync.BarrierTable,
}

func withMasters(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "labdts-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i, room := range rooms {
		grants := append([]string{}, labdts.Grants...)
		for _, all := range [][]string{dbsync.GrantsMySQL, dbsync.GrantsWriterMySQL, dbsync.GrantsTool} {
			grants = append(grants, all...)
		}
		// Each its own half of the generated keys, as preflight asks for.
		masters[i], err = server.StartMaster(ctx, filepath.Join(dir, room), server.MasterOptions{Engine: server.MySQL, Name: room, ID: i + 11, Grants: grants,
			Lines: []string{"auto-increment-increment=2", fmt.Sprintf("auto-increment-offset=%d", i+1)}})
		if err != nil {
			return 1, err
		}
		defer masters[i].Close()
		for _, s := range append(append([]string{"SET GLOBAL read_only=0"}, tables...), dbsync.HeartbeatTable...) {
			if _, err := masters[i].DB().ExecContext(ctx, s); err != nil {
				return 1, fmt.Errorf("%s: %w", s, err)
			}
		}
	}
	return m.Run(), nil
}

// lab is the masters with both tasks running, home taking writes, and what roomshift has of them.
type lab struct {
	t     *testing.T
	tasks *labdts.Tasks
	api   *alitest.Server
	tool  *tool
	ring  *dbsync.Ring
	sides map[string]*dbsync.Server
}

var ids = [2]string{"dtsforward11", "dtsback22"}

func newLab(t *testing.T, o alitest.Options) *lab {
	t.Helper()
	l := &lab{t: t}
	fence(t, 1, true)
	fence(t, 0, false)
	var err error
	l.tasks, err = labdts.Start(t.Context(), labdts.Options{Rooms: rooms, Masters: masters, Databases: []string{"app", "roomshift"}, IDs: ids})
	ok(t, err)
	t.Cleanup(l.tasks.Stop)
	l.api, err = alitest.New(o, l.tasks.API())
	ok(t, err)
	t.Cleanup(l.api.Close)
	l.connect()
	return l
}

// connect makes another process's ring and servers.
func (l *lab) connect() {
	l.t.Helper()
	client, err := dts.New(dts.Config{Endpoint: l.api.URL(), Region: "cn-beijing", Account: aliyun.Account{KeyID: alitest.TestKeyID, Secret: alitest.TestSecret}, TimeOut: time.Second})
	ok(l.t, err)
	l.t.Cleanup(client.Close)
	l.tool = &tool{client}
	p := dbsync.Pair{Name: "user-db", Rooms: [2]cutover.Room{"home", "cloud"}, Tool: l.tool}
	for i := range masters {
		p.DSN[i] = masters[i].DSN(server.Roomshift)
	}
	l.ring, err = dbsync.Open(p)
	ok(l.t, err)
	l.t.Cleanup(l.ring.Close)
	l.sides = map[string]*dbsync.Server{}
	for _, room := range rooms {
		s, err := l.ring.Server(room, dbsync.ServerOptions{})
		ok(l.t, err)
		l.t.Cleanup(s.Close)
		l.sides[room] = s
	}
}

// tool is dbsync.Tool over the service's client, as roomshift wires it.
type tool struct{ client *dts.Client }

func (x *tool) Task(ctx context.Context, to cutover.Room) (dbsync.Task, error) {
	id := ids[0]
	if to == rooms[0] {
		id = ids[1]
	}
	s, err := x.client.State(ctx, dts.Task{ID: id})
	return dbsync.Task{Name: id, Status: s.Status, Error: s.Error, Running: s.Running, Delay: s.Delay, Checkpoint: s.Checkpoint,
		Reads: s.From.Account, Writes: s.To.Account, Conflict: s.Options.Conflict, DDL: s.Options.DDL}, err
}

// fence closes or opens a master as somebody does who isn't roomshift.
func fence(t *testing.T, i int, on bool) {
	t.Helper()
	q := "SET GLOBAL super_read_only=0"
	if !on {
		q = "SET GLOBAL read_only=0"
	}
	run(t, i, q)
	if on {
		run(t, i, "SET GLOBAL read_only=1")
	}
}

func run(t *testing.T, i int, q string) {
	t.Helper()
	if _, err := masters[i].DB().ExecContext(context.WithoutCancel(t.Context()), q); err != nil {
		t.Fatalf("%s: %s: %v", rooms[i], q, err)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), d)
	t.Cleanup(cancel)
	return ctx
}

func (l *lab) take() {
	l.t.Helper()
	for _, room := range rooms {
		ok(l.t, l.sides[room].Take(within(l.t, 20*time.Second)))
	}
}

// mover drives a move as the engine does: look, decide, do. Its record is in memory, and nobody else writes it.
type mover struct {
	*lab
	rec     *writer.Record
	index   uint64
	fencer  writer.Fencer
	acts    []string
	why     error
	notNow  string
	fenced  time.Time
	opening func(room string) // called before an open is sent
}

func (l *lab) mover() *mover {
	m := &mover{lab: l}
	l.take()
	return m
}

// move goes on until the writer is in a room, or nothing more is to be done; the last act.
func (m *mover) move(to string, budget time.Duration) writer.Act {
	m.t.Helper()
	end := time.Now().Add(time.Minute)
	for time.Now().Before(end) {
		a, done := m.step(to, budget)
		if done {
			return a
		}
	}
	m.t.Fatalf("a minute, and not done: %v; %v; %v", m.acts, m.why, m.notNow)
	return writer.Act{}
}

func (m *mover) step(to string, budget time.Duration) (writer.Act, bool) {
	m.t.Helper()
	if m.rec != nil {
		m.fencer = m.fencer.Read(m.rec, m.index, "s")
	}
	w, x := m.sides["home"], m.sides["cloud"]
	o := dbsync.SeenOptions{}
	if m.rec != nil {
		w, x = m.sides[m.rec.Writer], m.sides[m.rec.Other(m.rec.Writer)]
		o.Pos, o.Phase = writer.PosFor(*m.rec, m.fencer), m.rec.Phase
	}
	servers, why := dbsync.Seen(within(m.t, 20*time.Second), w, x, o)
	m.why, m.notNow = why, w.NotNow()
	seen := writer.Seen{Lock: true, Proven: true, Servers: servers}
	m.fencer = m.fencer.Saw(seen)
	want := to
	if m.rec != nil && m.rec.Phase == writer.Fencing && !m.fenced.IsZero() && time.Since(m.fenced) > budget {
		want = m.rec.Writer
	}
	a := writer.Decide(m.rec, seen, writer.Want{Room: want, Create: true}, m.fencer)
	m.acts = append(m.acts, a.Do.String()+" "+a.Room+string(a.Next.Phase)+"; "+a.Reason.Seen)
	if a.Do == writer.Write && a.Next.Phase == writer.Fencing && m.notNow != "" {
		return a, true
	}
	var err error
	ctx := within(m.t, 30*time.Second)
	switch a.Do {
	case writer.Done, writer.Refuse, writer.Hold:
		return a, true
	case writer.Lock:
		m.take()
		m.fencer = m.fencer.Took("home").Took("cloud")
	case writer.Look:
		time.Sleep(2 * time.Millisecond)
	case writer.Write:
		m.fencer = m.fencer.Sending(a.Next, m.index, "s")
		if a.Next.Phase == writer.Fencing {
			m.fenced = time.Time{}
		}
		next := a.Next.Signed("test", "me", time.Now())
		ok(m.t, next.Validate())
		if m.rec != nil {
			ok(m.t, next.Follows(*m.rec))
		}
		m.fencer = m.fencer.Answered(a.Next, m.index, "s", true)
		m.rec, m.index = &next, m.index+1
	case writer.Fence:
		m.fenced = time.Now()
		err = m.sides[a.Room].Fence(ctx)
	case writer.Kill:
		err = m.sides[a.Room].Kill(ctx)
	case writer.Wait:
		left, cancel := context.WithTimeout(ctx, max(time.Millisecond, budget-time.Since(m.fenced)))
		defer cancel()
		err = m.sides[a.Room].Wait(left, dbsync.Position(a.Pos))
	case writer.Open:
		m.fencer = m.fencer.Opening(a.Room)
		if m.opening != nil {
			m.opening(a.Room)
		}
		err = m.sides[a.Room].Open(ctx)
	default:
		m.t.Fatalf("%v", a)
	}
	if err != nil {
		m.why = errors.Join(m.why, err)
		m.acts = append(m.acts, "  "+err.Error())
	}
	return a, false
}

// writers are an application that writes to both masters' tokens, no faster than the tool copies: it writes one transaction after the other.
type writers struct{ *tokens.Writers }

func startWriters(t *testing.T, n int) writers {
	t.Helper()
	w, err := tokens.Start(tokens.Options{Rooms: rooms, Masters: masters, Writers: n, Pause: 20 * time.Millisecond, Retry: 2 * time.Millisecond,
		Limit: 5 * time.Second})
	ok(t, err)
	t.Cleanup(w.End)
	return writers{w}
}

// in is how many acknowledgements a room gave.
func (w writers) in(room int) int { return w.In(rooms[room]) }

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("30 s and not yet: %s", what)
		}
	}
}

// missing is how many acknowledged tokens a master hasn't.
func (w writers) missing(t *testing.T, i int) int {
	t.Helper()
	n, _, err := w.Missing(context.WithoutCancel(t.Context()), rooms[i])
	ok(t, err)
	return n
}
