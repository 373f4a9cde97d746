package lab

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/consul"
	"roomshift/cutover/writer"
	"roomshift/lab/server"
)

// exampleMain makes a program of the example in docs/applications.md: it says each room that it sends writes to, and writes tokens until its
// input ends.
const exampleMain = `package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	w := NewWriter()
	go w.Follow(ctx, os.Args[1], os.Getenv("TOKEN"))
	masters := map[string]*sql.DB{}
	for _, room := range []string{"home", "cloud"} {
		db, err := sql.Open("mysql", os.Getenv("DSN_"+room))
		if err != nil {
			panic(err)
		}
		masters[room] = db
	}
	for last, n := "", 0; ctx.Err() == nil; {
		room, news := w.Room()
		if room == "" {
			sleep(ctx, time.Second, news)
			continue
		}
		if room != last {
			fmt.Println(room)
			last = room
		}
		bounded, end := context.WithTimeout(context.Background(), 30*time.Second)
		err := w.Exec(bounded, masters, "INSERT INTO app.posts (room, text, token) VALUES ('example', 'x', ?)", fmt.Sprintf("example-%d", n))
		end()
		if err != nil {
			fmt.Println("failed", n, err)
			os.Exit(1)
		}
		n++
		sleep(ctx, 2*time.Millisecond, nil)
		if ctx.Err() != nil {
			fmt.Println("wrote", n)
		}
	}
}
`

// TestApplicationsExample: the example of docs/applications.md is a program that follows the writer there and back, and whose every write
// is on both masters once.
func TestApplicationsExample(t *testing.T) {
	heal(t)
	doc, err := os.ReadFile("../docs/applications.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(doc), "```go\n")
	code, _, found := strings.Cut(code, "```\n")
	if !found {
		t.Fatal("docs/applications.md has no example")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"example.go": code, "main.go": exampleMain} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "example")
	if out, err := exec.Command("go", "build", "-o", program, filepath.Join(dir, "example.go"), filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := newRole(t)
	if _, err := m.record.Take(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.put(writer.Stable, Home, "")
	cmd := exec.Command(program, lab.Consuls[Home].Addr+"/v1/kv/"+recordKey)
	cmd.Env = append(os.Environ(), "TOKEN="+lab.Consuls[Home].Management, "DSN_home="+lab.Ring.Master(Home).DSN(server.App), "DSN_cloud="+lab.Ring.Master(Cloud).DSN(server.App))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said saidLines
	var read sync.WaitGroup
	read.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			said.add(s.Text())
		}
	})
	for i, to := range []string{Home, Cloud, Home} {
		if i > 0 {
			m.move(map[string]string{Home: Cloud, Cloud: Home}[to], to)
		}
		eventually(t, "the example writes to "+to, func() bool { return said.last() == to || strings.HasPrefix(said.last(), "failed") })
	}
	_ = in.Close()
	read.Wait()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %q", err, said.all())
	}
	wrote, err := strconv.Atoi(strings.TrimPrefix(said.last(), "wrote "))
	if err != nil || strings.Join(said.all(), " ") != fmt.Sprintf("home cloud home wrote %d", wrote) {
		t.Fatalf("it said %q", said.all())
	}
	if err := lab.Ring.Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		var rows, tokens int
		query := "SELECT COUNT(*), COUNT(DISTINCT token) FROM app.posts WHERE token LIKE 'example-%'"
		if err := lab.Ring.Master(room).DB().QueryRowContext(t.Context(), query).Scan(&rows, &tokens); err != nil || rows != wrote || tokens != wrote {
			t.Errorf("%s has %d rows of %d tokens, and %d were acknowledged: %v", room, rows, tokens, wrote, err)
		}
	}
}

// saidLines are lines that somebody writes and somebody else reads.
type saidLines struct {
	mu    sync.Mutex
	lines []string
}

func (s *saidLines) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *saidLines) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.lines...)
}

func (s *saidLines) last() string {
	all := s.all()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// TestWriterProxy: HAProxy, configured as docs/applications.md says, sends new connections to the writer that is published; a pool with
// rejectReadOnly gets there by itself, and nobody is left on the old writer.
func TestWriterProxy(t *testing.T) {
	heal(t)
	doc, err := os.ReadFile("../docs/applications.md")
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.letAnybodyRead(t.Context()); err != nil {
		t.Fatal(err)
	}
	home, err := consul.New(consul.Config{Name: Home, Addr: lab.Consuls[Home].Addr, TokenFile: lab.Consuls[Home].TokenFile})
	if err != nil {
		t.Fatal(err)
	}
	publish := func(room string, seq int64) {
		t.Helper()
		p := consul.Publication{Service: WriterService, Pair: Pair, Room: room, Host: "127.0.0.1", Port: lab.Ring.Master(room).Port, Epoch: 1, Seq: seq}
		if err := home.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(lab.Ring.Master(Cloud).Fence(ctx), lab.Ring.Master(Home).Open(ctx), lab.Forget(ctx)); err != nil {
			t.Error(err)
		}
		home.Close()
	})
	publish(Home, 1)
	dir := t.TempDir()
	proxy, err := server.StartWriterProxy(t.Context(), dir, lab.Consuls[Home].DNS, WriterService)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Kill)
	config, err := os.ReadFile(filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(config), "\n") { // what was run is what is told
		if f := strings.Fields(line); len(f) > 2 && f[0] != "nameserver" && f[0] != "bind" && !strings.Contains(line, WriterService) &&
			!strings.Contains(strings.Join(strings.Fields(string(doc)), " "), strings.Join(f, " ")) {
			t.Errorf("docs/applications.md lacks %q", line)
		}
	}
	db := through(t, proxy.Addr)
	at := func() string {
		var id string
		if db.QueryRowContext(t.Context(), "SELECT @@server_id").Scan(&id) != nil {
			return ""
		}
		return map[string]string{"1": Home, "2": Cloud}[id]
	}
	eventually(t, "the proxy leads home", func() bool { return at() == Home })
	held, err := db.Conn(t.Context()) // a connection of before the move
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	insert := func() error {
		_, err := db.ExecContext(t.Context(), "INSERT INTO app.posts (room, text) VALUES ('proxy', 'x')")
		return err
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := errors.Join(lab.Ring.Master(Home).Fence(ctx), lab.Ring.Await(ctx), lab.Ring.Master(Cloud).Open(ctx)); err != nil {
		t.Fatal(err)
	}
	var refused *mysql.MySQLError
	if err := insert(); err == nil || errors.As(err, &refused) {
		t.Errorf("a fenced writer, with rejectReadOnly: %v, want the connection given up", err)
	}
	publish(Cloud, 2)
	eventually(t, "a write through the proxy", func() bool { return insert() == nil })
	eventually(t, "the proxy leads to the cloud", func() bool { return at() == Cloud })
	eventually(t, "the connection of before is ended", func() bool { return held.PingContext(ctx) != nil })
}

// through is a pool of an application whose address is a proxy's.
func through(t *testing.T, addr string) *sql.DB {
	t.Helper()
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = "proxied", rand.Text(), "tcp", addr
	for _, room := range rooms { // the lab's own accounts have another password at each master
		conn, err := lab.Ring.Master(room).DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"SET SESSION sql_log_bin=0", "CREATE OR REPLACE USER proxied@'127.0.0.1' IDENTIFIED BY '" + c.Passwd + "'",
			"GRANT SELECT, INSERT ON app.* TO proxied@'127.0.0.1'", "SET SESSION sql_log_bin=1"} {
			if _, err := conn.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		_ = conn.Close()
	}
	c.RejectReadOnly, c.Timeout, c.ReadTimeout, c.WriteTimeout, c.Logger = true, 2*time.Second, 5*time.Second, 5*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
