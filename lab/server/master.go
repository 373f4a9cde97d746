package server

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Account is a user that every lab master has, with a password of its own that is made when the master is.
type Account string

// The accounts of a master. Admin may do everything, and passes read_only by; App reads and writes the database app;
// Roomshift has no more than MasterOptions.Grants; Repl is what the other master replicates as.
const (
	Admin     Account = "admin"
	App       Account = "app"
	Roomshift Account = "roomshift"
	Repl      Account = "repl"
)

// MasterOptions is what differs between masters. ID is server_id, and with Domain 0 the GTID domain.
type MasterOptions struct {
	Engine Engine // "": MariaDB
	Name   string
	ID     int
	Domain int      // gtid_domain_id; MariaDB's only
	Like   *Master  // another master, whose passwords it has; nil: it has its own
	Grants []string // statements that give the account roomshift its rights; {user} is replaced
	Lines  []string // more lines of its my.cnf; they win over ours
}

// Master is one server. It starts, and restarts, fenced: Open makes it writable.
type Master struct {
	Engine Engine
	Name   string
	ID     int
	Port   int

	kind         *kind
	dir, program string
	process      *Process
	passwords    map[Account]string
	admin        *sql.DB
}

// StartMaster makes a master in dir (a folder of its own) and starts it.
func StartMaster(ctx context.Context, dir string, o MasterOptions) (*Master, error) {
	k := kindOf(o.Engine)
	program, err := k.find()
	if err != nil {
		return nil, err
	}
	template, err := k.template(ctx, program)
	if err != nil {
		return nil, err
	}
	m := &Master{Engine: k.engine, Name: o.Name, ID: o.ID, kind: k, dir: dir, program: program, passwords: map[Account]string{}}
	for _, a := range []Account{Admin, App, Roomshift, Repl} {
		m.passwords[a] = rand.Text()
		if o.Like != nil {
			m.passwords[a] = o.Like.passwords[a]
		}
	}
	for range portTries {
		if err = m.first(ctx, template, o); err == nil {
			return m, nil
		}
		if m.process == nil || !m.process.Ended() {
			break // its port wasn't what ended it
		}
		m.Close()
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	m.Close()
	return nil, fmt.Errorf("start master %s: %w", o.Name, err)
}

// portTries is how often a master is made anew because somebody else may have taken its port before it could.
const portTries = 3

// first makes the master's folder and starts it for the first time.
func (m *Master) first(ctx context.Context, template string, o MasterOptions) error {
	ports, err := FreePorts(1)
	if err != nil {
		return err
	}
	m.Port = ports[0]
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	if err := m.write(template, o); err != nil {
		return err
	}
	if m.admin, err = m.open(Admin); err != nil {
		return err
	}
	return m.Start(ctx)
}

// Addr is the master's own address, as host:port.
func (m *Master) Addr() string { return fmt.Sprintf("127.0.0.1:%d", m.Port) }

// DSN is the data source name of an account, without a database.
func (m *Master) DSN(a Account) string { return m.DSNAt(a, m.Addr()) }

// DSNAt is DSN through another address, a proxy's.
func (m *Master) DSNAt(a Account, addr string) string {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr = string(a), m.passwords[a], "tcp", addr
	return c.FormatDSN()
}

// open is a pool of connections that says nothing on stderr while the server is down.
func (m *Master) open(a Account) (*sql.DB, error) {
	c, err := mysql.ParseDSN(m.DSN(a))
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// DB is the master seen by the account admin.
func (m *Master) DB() *sql.DB { return m.admin }

// Secrets is every password of the master.
func (m *Master) Secrets() []string {
	return []string{m.passwords[Admin], m.passwords[App], m.passwords[Roomshift], m.passwords[Repl]}
}

// Start starts the master, or starts it again after Kill; it is fenced then.
func (m *Master) Start(ctx context.Context) error {
	p, err := Start(string(m.Engine)+" "+m.Name, filepath.Join(m.dir, "out.log"), m.program,
		"--defaults-file="+filepath.Join(m.dir, "my.cnf"))
	if err != nil {
		return err
	}
	m.process = p
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	return p.Await(ctx, func(ctx context.Context) error {
		if !p.Owns(m.Port) {
			return fmt.Errorf("not listening on its port %d yet", m.Port)
		}
		return m.admin.PingContext(ctx)
	})
}

// Open makes the master take writes.
func (m *Master) Open(ctx context.Context) error { return m.exec(ctx, "SET GLOBAL read_only=0") }

// Fence makes the master refuse writes, as strongly as its engine can.
func (m *Master) Fence(ctx context.Context) error { return m.exec(ctx, m.kind.fence) }

// Applier stops or starts the thread that applies what the other master wrote.
func (m *Master) Applier(ctx context.Context, run bool) error {
	if run {
		return m.exec(ctx, m.kind.apply)
	}
	return m.exec(ctx, m.kind.hold)
}

// Kill ends the server as kill -9 does.
func (m *Master) Kill() { m.process.Kill() }

// Alive tells whether the server's process hasn't ended.
func (m *Master) Alive() bool { return m.process != nil && !m.process.Ended() }

// Freeze stops the server where it stands (SIGSTOP): its connections stay and nothing answers.
func (m *Master) Freeze() error { return m.process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (m *Master) Thaw() error { return m.process.Signal(syscall.SIGCONT) }

// Close ends the master for good; its folder is throw-away.
func (m *Master) Close() {
	if m.process != nil {
		m.process.Kill()
	}
	if m.admin != nil {
		_ = m.admin.Close()
	}
}

func (m *Master) exec(ctx context.Context, statements ...string) error {
	for _, s := range statements {
		if _, err := m.admin.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %s: %w", m.Name, strings.SplitN(s, " ", 3)[0], err) // no more of it: passwords
		}
	}
	return nil
}

// SlaveStatus is what the master says of its only channel, by column. The threads are Slave_IO_Running and Slave_SQL_Running on
// every engine. A master that replicates from nowhere, or from several sources, is an error.
func (m *Master) SlaveStatus(ctx context.Context) (map[string]string, error) {
	rows, err := m.DB().QueryContext(ctx, m.kind.status)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var found []map[string]string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(map[string]string, len(columns))
		for i, c := range columns {
			if other, ok := m.kind.columns[c]; ok {
				c = other
			}
			row[c] = values[i].String
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("replicates from %d sources, want 1", len(found))
	}
	return found[0], nil
}

// write puts a copy of the template, my.cnf and the accounts into the master's folder.
func (m *Master) write(template string, o MasterOptions) error {
	if err := os.CopyFS(filepath.Join(m.dir, "data"), os.DirFS(template)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(m.dir, "tmp"), 0o700); err != nil {
		return err
	}
	cnf, err := m.cnf(o)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.dir, "my.cnf"), []byte(cnf), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.dir, "accounts.sql"), []byte(m.accounts(o.Grants)), 0o600)
}

// cnf is the master's my.cnf: what every engine is told, what its own is, and the caller's lines.
func (m *Master) cnf(o MasterOptions) (string, error) {
	who, err := user.Current()
	if err != nil {
		return "", err
	}
	domain := o.Domain
	if domain == 0 {
		domain = o.ID
	}
	at := func(name string) string { return filepath.Join(m.dir, name) }
	own := strings.NewReplacer("{id}", strconv.Itoa(o.ID), "{domain}", strconv.Itoa(domain)).Replace(m.kind.cnf)
	return fmt.Sprintf(everyCnf, who.Username, at("data"), at("tmp"), at("pid"), at("accounts.sql"), m.Port, o.ID, (o.ID-1)%2+1, m.Port) +
		own + strings.Join(o.Lines, "\n") + "\n", nil
}

// everyCnf is small and quick. The socket is relative to the data folder, because a socket's path may have 107 bytes only. A server
// that starts clears its tmpdir of temporary tables, also of another server's.
const everyCnf = `[mysqld]
user=%s
datadir=%s
socket=s.sock
tmpdir=%s
pid-file=%s
init-file=%s
port=%d
bind-address=127.0.0.1
skip-name-resolve
server-id=%d
auto-increment-increment=2
auto-increment-offset=%d
report-host=127.0.0.1
report-port=%d
read-only=1
log-bin=bin
relay-log=relay
binlog-format=ROW
innodb-flush-log-at-trx-commit=2
sync-binlog=0
key-buffer-size=1M
`

// accounts is run by the server each time before it listens; nothing of it enters the binlog, so that GTIDs begin empty.
func (m *Master) accounts(grants []string) string {
	lines := []string{"SET SESSION sql_log_bin=0", "CREATE DATABASE IF NOT EXISTS app"}
	for _, a := range []Account{Admin, App, Roomshift, Repl} {
		lines = append(lines, fmt.Sprintf("CREATE USER IF NOT EXISTS %s@'127.0.0.1' IDENTIFIED BY '%s'", a, m.passwords[a]))
	}
	lines = append(lines,
		"GRANT ALL ON *.* TO admin@'127.0.0.1' WITH GRANT OPTION",
		"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON app.* TO app@'127.0.0.1'",
		"GRANT "+m.kind.repl+" ON *.* TO repl@'127.0.0.1'")
	for _, g := range grants {
		lines = append(lines, strings.ReplaceAll(g, "{user}", "roomshift@'127.0.0.1'"))
	}
	return strings.Join(lines, ";\n") + ";\n"
}
