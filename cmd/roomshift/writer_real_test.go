package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

// writerStage is a pair of real masters whose record is in a real Consul, for the verbs of `roomshift writer`.
type writerStage struct {
	*testing.T
	ring   *server.Ring
	consul *server.Consul
	dir    string
}

func startWriterStage(t *testing.T) *writerStage {
	t.Helper()
	s := &writerStage{T: t, dir: t.TempDir()}
	var err error
	var grants []string
	for _, g := range append(append([]string{}, dbsync.Grants...), dbsync.GrantsWriter...) {
		grants = append(grants, strings.ReplaceAll(g, "{user}", "roomshift@'127.0.0.1'"))
	}
	if s.ring, err = server.StartRing(t.Context(), filepath.Join(s.dir, "ring"), server.RingOptions{Rooms: [2]string{"home", "cloud"}, Grants: grants}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.ring.Stop)
	if s.consul, err = server.StartConsul(t.Context(), s.dir, server.ConsulOptions{Datacenter: "home"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.consul.Kill)
	t.Setenv("XDG_STATE_HOME", filepath.Join(s.dir, "state"))
	t.Setenv("FEED_HOME", s.ring.Master("home").DSN(server.Roomshift))
	t.Setenv("FEED_CLOUD", s.ring.Master("cloud").DSN(server.Roomshift))
	ring, err := dbsync.Open(dbsync.Pair{Name: "feed-db", Rooms: [2]cutover.Room{"home", "cloud"}, DSN: [2]string{os.Getenv("FEED_HOME"), os.Getenv("FEED_CLOUD")}})
	if err == nil {
		err = ring.Init(t.Context())
		ring.Close()
	}
	if err == nil {
		err = s.ring.Await(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	rooms := fmt.Sprintf(`version: 1
environment: lab
control: {room: home, prefix: roomshift}
rooms:
  home: {consul: {addr: %q, datacenter: home}}
  cloud: {}
pairs:
  feed-db:
    home: {dsnEnv: FEED_HOME, restarts: fenced}
    cloud: {dsnEnv: FEED_CLOUD, restarts: fenced}
    breaks: {durable: these servers are quick and not durable, bypass: the test's own account, accounts: each master has its own passwords}
gates:
  feed-lag: {replication: feed-db, hold: {above: 1s}, abort: {above: 5s, for: 10s}}
`, s.consul.Addr)
	if err := os.WriteFile(filepath.Join(s.dir, "rooms.yaml"), []byte(rooms), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// roomshift runs the program.
func (s *writerStage) roomshift(args ...string) (exit int, out, talk string) {
	s.Helper()
	var o, e bytes.Buffer
	exit = run(s.Context(), append(append([]string{"roomshift"}, args...), "--rooms", filepath.Join(s.dir, "rooms.yaml")), stdio{in: strings.NewReader(""), out: &o, err: &e})
	return exit, o.String(), e.String()
}

// status is what `writer status` says, which must exit so.
func (s *writerStage) status(exit cutover.Exit) pairStatus {
	s.Helper()
	got, out, talk := s.roomshift("writer", "status", "feed-db", "--json")
	var all struct{ Pairs []pairStatus }
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Pairs) != 1 {
		s.Fatalf("%v: %s %s", err, out, talk)
	}
	if got != int(exit) || all.Pairs[0].Exit != exit {
		s.Errorf("exit %d, want %d: %s %s", got, exit, out, talk)
	}
	return all.Pairs[0]
}

func (s *writerStage) run(room, statement string) {
	s.Helper()
	if _, err := s.ring.Master(room).DB().ExecContext(context.WithoutCancel(s.Context()), statement); err != nil {
		s.Fatalf("%s: %s: %v", room, statement, err)
	}
}

// put writes a record as a run would.
func (s *writerStage) put(r writer.Record) {
	s.Helper()
	client, err := consul.New(consul.Config{Name: "home", Addr: s.consul.Addr, Datacenter: "home"})
	if err != nil {
		s.Fatal(err)
	}
	defer client.Close()
	key := client.Record("roomshift", "feed-db", cutover.Claim{Who: "ops1", Host: "ops-3", PID: 1, Since: "2027-01-26T19:36:02Z"}, consul.LockOptions{})
	text, err := r.Encode()
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	session, err := key.Take(ctx)
	if err != nil {
		s.Fatal(err)
	}
	_, index, err := key.Read(ctx)
	if err == nil {
		_, err = key.Write(ctx, session, text, index)
	}
	if err != nil {
		s.Fatal(err)
	}
	if held := s.status(exitOf(r)); !strings.Contains(held.Lock, "ops1@ops-3 (process 1)") {
		s.Errorf("the record's lock is held by %q", held.Lock)
	}
	if err := key.Release(ctx); err != nil {
		s.Fatal(err)
	}
}

func exitOf(r writer.Record) cutover.Exit {
	if r.Phase == writer.Stable {
		return cutover.ExitDone
	}
	return cutover.ExitStopped
}

// TestWriterStatusReal: what `writer status` says of real masters and a real record, and that it leaves every lock where it is.
func TestWriterStatusReal(t *testing.T) {
	s := startWriterStage(t)
	st := s.status(cutover.ExitDone)
	if st.Record != nil || st.Writer != "home" || st.Published != "" || !strings.Contains(st.Says, "no record yet") || st.Servers[0].Version == "" || st.Servers[1].OnlyCount != 0 ||
		!st.Servers[0].Receives || !st.Servers[1].Receives || st.Servers[0].Lock != "" {
		t.Errorf("%+v", st)
	}
	ids := map[string]string{st.Servers[0].Room: st.Servers[0].ID, st.Servers[1].Room: st.Servers[1].ID}
	r := writer.Record{V: writer.Version, Epoch: 1, Seq: 1, Phase: writer.Stable, Writer: "home", Servers: ids, Run: "0127-k3", By: "ops1@ops-3",
		At: time.Date(2027, 1, 26, 19, 36, 2, 0, time.UTC)}
	s.put(r)
	if st = s.status(cutover.ExitDone); st.Record == nil || st.Published != "home" || st.Lock != "" || st.Index == 0 || st.Row != "STABLE rw/ro" {
		t.Errorf("%+v", st)
	}
	s.run("home", "SET GLOBAL read_only=1")
	if st = s.status(cutover.ExitStopped); st.Row != "STABLE ro/ro" || !strings.Contains(st.Next, "open home") {
		t.Errorf("%+v", st)
	}
	s.run("cloud", "SET GLOBAL read_only=0")
	if st = s.status(cutover.ExitDrift); st.Writer != "cloud" || st.Row != "STABLE ro/rw" {
		t.Errorf("%+v", st)
	}
	s.run("cloud", "SET GLOBAL read_only=1")
	s.run("home", "SET GLOBAL read_only=0")
	r.Epoch, r.Seq, r.Phase, r.To = 2, 2, writer.Fencing, "cloud"
	s.put(r)
	exit, out, talk := s.roomshift("writer", "status")
	if exit != int(cutover.ExitStopped) || !strings.Contains(out, "a move stands in between: FENCING, home → cloud") || strings.Contains(out+talk, "password") {
		t.Errorf("exit %d\n%s%s", exit, out, talk)
	}
	t.Log("\n" + out)
	s.consul.Kill()
	if st = s.status(cutover.ExitUnknown); st.Unseen == "" || len(st.Servers) != 2 || st.Servers[0].Mode != "rw" {
		t.Errorf("%+v", st)
	}
}

// hand runs a verb of `writer` that ends with this code, and returns its answer.
func (s *writerStage) hand(exit cutover.Exit, args ...string) handAnswer {
	s.Helper()
	got, out, talk := s.roomshift(append(append([]string{"writer"}, args...), "--json", "--within", "60s")...)
	var a handAnswer
	a.text = out + talk
	if err := json.Unmarshal([]byte(out), &a); got != int(exit) || err != nil && exit == cutover.ExitDone {
		s.Fatalf("%v: exit %d, want %d: %v\n%s%s", args, got, exit, err, out, talk)
	}
	return a
}

type handAnswer struct {
	Run     string
	Nothing bool
	Writers []movedPair
	text    string
}

// TestWriterMoveReal: a move by hand on real masters, there and back; what is refused, and what was left by others is finished first.
func TestWriterMoveReal(t *testing.T) {
	s := startWriterStage(t)
	exit, out, talk := s.roomshift("writer", "move", "feed-db", "--to", "cloud", "--dry-run", "--within", "20s")
	if exit != 0 || !strings.Contains(talk, "no record yet") || s.status(cutover.ExitDone).Writer != "home" {
		t.Fatalf("dry: exit %d\n%s%s", exit, out, talk)
	}
	t.Log("\n" + talk)
	s.hand(cutover.ExitNothing, "move", "feed-db", "--to", "cloud", "--yes", "0123456789")
	a := s.hand(cutover.ExitDone, "move", "feed-db", "--to", "cloud")
	if len(a.Writers) != 1 || a.Writers[0].Writer != "cloud" || a.Writers[0].Epoch != 2 || a.Writers[0].NoWriter <= 0 || a.Run == "" {
		t.Errorf("%+v", a.Writers)
	}
	if st := s.status(cutover.ExitDone); st.Writer != "cloud" || st.Claim != "" || st.Lock != "" {
		t.Errorf("%+v", st)
	}
	if a = s.hand(cutover.ExitDone, "move", "feed-db", "--to", "cloud"); !a.Nothing || a.Writers[0].Writer != "cloud" {
		t.Errorf("moved again: %s", a.text)
	}
	s.hand(cutover.ExitDone, "move", "feed-db", "--to", "home")

	s.run("home", "SET GLOBAL read_only=1") // as it comes up
	if a = s.hand(cutover.ExitUsage, "move", "feed-db", "--to", "cloud"); !strings.Contains(a.text, "roomshift writer reopen feed-db") {
		t.Errorf("of one that came up closed: %s", a.text)
	}
	if a = s.hand(cutover.ExitDone, "reopen", "feed-db"); a.Nothing || a.Writers[0].Writer != "home" || a.Writers[0].Epoch != 3 {
		t.Errorf("reopened: %s", a.text)
	}
	if a = s.hand(cutover.ExitDone, "reopen", "feed-db"); !a.Nothing {
		t.Errorf("reopened again: %s", a.text)
	}

	r := *s.status(cutover.ExitDone).Record
	r.Epoch, r.Seq, r.Phase, r.To, r.Run = 4, r.Seq+1, writer.Fencing, "cloud", "0127-k3"
	s.run("home", "SET GLOBAL read_only=1")
	s.put(r)
	if a = s.hand(cutover.ExitUsage, "reopen", "feed-db"); !strings.Contains(a.text, "a move is in between") {
		t.Errorf("reopened in between: %s", a.text)
	}
	if a = s.hand(cutover.ExitDone, "move", "feed-db", "--to", "cloud"); a.Writers[0].Epoch != 5 || !strings.Contains(a.text, "first that is brought to an end") {
		t.Errorf("left in between: %s", a.text)
	}
}

// TestWriterMoveTakesOver: a move by hand that was killed behind FENCING is brought to an end by the next one of its pair, at once, which then
// moves the writer itself.
func TestWriterMoveTakesOver(t *testing.T) {
	s := startWriterStage(t)
	s.run("home", "CREATE DATABASE shop")
	s.run("home", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	if err := s.ring.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	app, err := s.ring.Master("home").DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	if _, err := app.ExecContext(t.Context(), "LOCK TABLES shop.t WRITE"); err != nil { // the fence waits for it
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "roomshift", "writer", "move", "feed-db", "--to", "cloud", "--no-writer", "60s", "--json", "--rooms", filepath.Join(s.dir, "rooms.yaml"))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		_, out, _ := s.roomshift("writer", "status", "feed-db", "--json")
		if strings.Contains(out, `"phase": "FENCING"`) {
			break
		}
		if t.Context().Err() != nil || cmd.ProcessState != nil {
			t.Fatalf("no FENCING: %s\n%s", out, said.String())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := app.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
		t.Fatal(err)
	}
	if st := s.status(cutover.ExitStopped); st.Record == nil || st.Record.Phase != writer.Fencing || !strings.Contains(st.Claim, "run ") {
		t.Fatalf("%+v\n%s", st, said.String())
	}
	began := time.Now()
	a := s.hand(cutover.ExitDone, "move", "feed-db", "--to", "cloud")
	t.Logf("taken over and moved in %v", time.Since(began))
	if a.Writers[0].Writer != "cloud" || a.Writers[0].Epoch != 3 || !strings.Contains(a.text, "its process is gone: first it is taken over") {
		t.Errorf("%s", a.text)
	}
}
