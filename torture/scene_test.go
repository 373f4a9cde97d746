package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/consul/api"

	"roomshift/cutover/writer"
	"roomshift/dbsync"
	"roomshift/lab/server"
)

const (
	pairName = "feed-db"
	prefix   = "roomshift"
	slots    = 2 // processes of the tool at a time
)

var rooms = [2]string{"home", "cloud"}

func other(room string) string {
	if room == rooms[0] {
		return rooms[1]
	}
	return rooms[0]
}

func keyOf(pair string) string { return prefix + "/writer/" + pair }

// scene is real servers of one engine, and the lines of each process of the tool to them.
type scene struct {
	dir    string
	engine server.Engine
	ring   *server.Ring
	consul *server.Consul
	kv     *api.Client // not through a proxy
	apps   map[string]*sql.DB
	slots  [slots]*slot
}

// slot is one process's lines.
type slot struct {
	watch watchers
	sql   map[string]*sqlProxy
	kv    *kvProxy
}

// tables of the clients; all have a key, so that a row is one row on both sides.
var tables = []string{
	"CREATE TABLE app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL, KEY (token))",
	"CREATE TABLE app.lists (k INT PRIMARY KEY, v MEDIUMTEXT NOT NULL)",
	"CREATE TABLE app.accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL)",
	"CREATE TABLE app.beside (id INT PRIMARY KEY, v INT)",
}

// accounts beside the lab's: one whose writes MariaDB's read_only lets pass.
func (s *scene) grants() []string {
	if s.engine == server.MySQL {
		return append(slices.Concat(dbsync.GrantsMySQL, dbsync.GrantsWriterMySQL), "GRANT XA_RECOVER_ADMIN ON *.* TO app@'127.0.0.1'")
	}
	if *real != "" {
		return slices.Concat(dbsync.Grants, dbsync.GrantsWriter)
	}
	return slices.Concat(dbsync.Grants, dbsync.GrantsWriter, []string{
		"CREATE USER IF NOT EXISTS boss@'127.0.0.1' IDENTIFIED BY '" + bossPassword + "'",
		"GRANT SELECT, INSERT, UPDATE ON app.* TO boss@'127.0.0.1'",
		"GRANT READ_ONLY ADMIN ON *.* TO boss@'127.0.0.1'",
	})
}

// newScene starts everything. writable: masters come up so after a crash, as no master of a pair may (R12).
func newScene(ctx context.Context, dir string, e server.Engine, writable bool) (s *scene, err error) {
	s = &scene{dir: dir, engine: e, apps: map[string]*sql.DB{}}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	more := []string{"GRANT LOCK TABLES, EVENT ON app.* TO app@'127.0.0.1'"}
	s.ring, err = server.StartRing(ctx, filepath.Join(dir, "ring"), server.RingOptions{Engine: e, Rooms: rooms, Grants: append(s.grants(), more...),
		Lines: []string{"innodb-flush-log-at-trx-commit=1", "sync-binlog=1"}}) // what a move demands: nothing acknowledged is lost by a crash
	if err != nil {
		return s, err
	}
	if *real != "" { // nothing is moved while somebody who passes the fence is connected, not even this test
		for _, room := range rooms {
			s.ring.Master(room).DB().SetMaxIdleConns(-1)
		}
	}
	if writable {
		if err := s.comeUpWritable(); err != nil {
			return s, err
		}
	}
	if s.consul, err = server.StartConsul(ctx, filepath.Join(dir, "consul"), server.ConsulOptions{}); err != nil {
		return s, err
	}
	config := api.DefaultConfig()
	config.Address = s.consul.Addr
	if s.kv, err = api.NewClient(config); err != nil {
		return s, err
	}
	for i := range s.slots {
		if err = s.line(i); err != nil {
			return s, err
		}
	}
	for _, room := range rooms {
		if s.apps[room], err = pool(s.ring.Master(room).DSN(server.App)); err != nil {
			return s, err
		}
	}
	return s, s.fill(ctx)
}

// comeUpWritable takes the fence out of both masters' files.
func (s *scene) comeUpWritable() error {
	for _, room := range rooms {
		file := filepath.Join(s.dir, "ring", room, "my.cnf")
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		lines := "\nread-only=0\n"
		if s.engine == server.MySQL {
			lines += "super-read-only=0\n"
		}
		_, err = f.WriteString(lines)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func pool(dsn string) (*sql.DB, error) {
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Logger, c.InterpolateParams, c.MultiStatements = &mysql.NopLogger{}, true, true
	c.Timeout, c.ReadTimeout, c.WriteTimeout = 2*time.Second, 10*time.Second, 10*time.Second
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(20)
	return db, nil
}

func (s *scene) line(i int) (err error) {
	sl := &slot{sql: map[string]*sqlProxy{}}
	s.slots[i] = sl
	for _, room := range rooms {
		if sl.sql[room], err = newSQLProxy(i, room, s.ring.Master(room).Addr(), &sl.watch); err != nil {
			return err
		}
	}
	sl.kv, err = newKVProxy(i, strings.TrimPrefix(s.consul.Addr, "http://"), keyOf(pairName), &sl.watch)
	return err
}

// fill makes the tables, and the record's first form.
func (s *scene) fill(ctx context.Context) error {
	r, err := dbsync.Open(s.pair())
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Init(ctx); err != nil {
		return err
	}
	home := s.ring.Master("home").DB()
	for _, t := range append(tables, "INSERT INTO app.accounts VALUES (1, 1000), (2, 1000), (3, 1000), (4, 1000), (5, 1000)",
		"INSERT INTO app.lists VALUES (0, ''), (1, ''), (2, ''), (3, ''), (4, ''), (5, ''), (6, ''), (7, '')") {
		if _, err := home.ExecContext(ctx, t); err != nil {
			return err
		}
	}
	ids := map[string]string{}
	for _, room := range rooms {
		if ids[room], err = s.identity(ctx, room); err != nil {
			return err
		}
		if s.engine == server.MySQL { // it comes up fenced, and says so
			if _, err := s.ring.Master(room).DB().ExecContext(ctx, "SET PERSIST_ONLY super_read_only = 1"); err != nil {
				return err
			}
		}
	}
	text, err := writer.Record{V: writer.Version, Epoch: 1, Seq: 1, Phase: writer.Stable, Writer: "home", Servers: ids}.Signed("a test", "a test", time.Now()).Encode()
	if err != nil {
		return err
	}
	_, err = s.kv.KV().Put(&api.KVPair{Key: keyOf(pairName), Value: text}, nil)
	return errors.Join(err, s.ring.Await(ctx))
}

// identity is a server's as a record names it.
func (s *scene) identity(ctx context.Context, room string) (id string, err error) {
	what := "server_id"
	if s.engine == server.MySQL {
		what = "server_uuid"
	}
	err = s.ring.Master(room).DB().QueryRowContext(ctx, "SELECT @@global."+what).Scan(&id)
	return id, err
}

// pair is how the tool sees the ring, not through a proxy.
func (s *scene) pair() dbsync.Pair {
	p := dbsync.Pair{Name: pairName, TimeOut: 2 * time.Second}
	for i, room := range rooms {
		p.Rooms[i], p.DSN[i] = room, s.ring.Master(room).DSN(server.Roomshift)
	}
	return p
}

// heal ends every fault of lines, and starts or thaws what stands.
func (s *scene) heal(ctx context.Context) error {
	for _, sl := range s.slots {
		sl.watch.clear()
		sl.kv.gate.heal()
		for _, p := range sl.sql {
			p.gate.heal()
		}
	}
	s.ring.Heal()
	for _, room := range rooms {
		m := s.ring.Master(room)
		_ = m.Thaw() // it may be dead
		if err := s.revive(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

// mend starts replication where it stopped, until it runs both ways: a master that came back from an older copy of its disk is asked for
// transactions that it doesn't know yet, and its replica gives up for good.
func (s *scene) mend(ctx context.Context) error {
	start := "START ALL SLAVES"
	if s.engine == server.MySQL {
		start = "START REPLICA"
	}
	var err error
	for range 100 {
		if err = s.receiving(ctx); err == nil {
			return nil
		}
		for _, room := range rooms {
			_, _ = s.ring.Master(room).DB().ExecContext(ctx, start) // where it runs, that is said
		}
		time.Sleep(200 * time.Millisecond)
	}
	return err
}

// receiving is nil if both threads of both masters run.
func (s *scene) receiving(ctx context.Context) error {
	for _, room := range rooms {
		st, err := s.ring.Master(room).SlaveStatus(ctx)
		if err != nil {
			return err
		}
		if st["Slave_IO_Running"] != "Yes" || st["Slave_SQL_Running"] != "Yes" {
			return fmt.Errorf("replication into %s: IO %s (%s), SQL %s (%s)", room, st["Slave_IO_Running"], st["Last_IO_Error"], st["Slave_SQL_Running"], st["Last_SQL_Error"])
		}
	}
	return nil
}

// revive starts a master that is dead. It comes up fenced.
func (s *scene) revive(ctx context.Context, room string) error {
	m := s.ring.Master(room)
	if m.Alive() {
		return nil
	}
	return m.Start(ctx)
}

// record is what Consul has.
func (s *scene) record(ctx context.Context) (writer.Record, uint64, error) {
	pair, _, err := s.kv.KV().Get(keyOf(pairName), (&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
	if err != nil {
		return writer.Record{}, 0, err
	}
	if pair == nil {
		return writer.Record{}, 0, errors.New("there is no record")
	}
	r, err := writer.ParseRecord(pair.Value)
	return r, pair.ModifyIndex, err
}

// readOnly tells whether a room's master says that it refuses writes, and whether both its variables say the same.
func (s *scene) readOnly(ctx context.Context, room string) (ro, super bool, err error) {
	if s.engine != server.MySQL {
		err = s.ring.Master(room).DB().QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&ro)
		return ro, ro, err
	}
	err = s.ring.Master(room).DB().QueryRowContext(ctx, "SELECT @@global.read_only, @@global.super_read_only").Scan(&ro, &super)
	return ro, super, err
}

func (s *scene) stop() {
	for _, sl := range s.slots {
		if sl == nil {
			continue
		}
		for _, room := range slices.Sorted(maps.Keys(sl.sql)) {
			if p := sl.sql[room]; p != nil {
				p.close()
			}
		}
		if sl.kv != nil {
			sl.kv.close()
		}
	}
	for _, db := range s.apps {
		_ = db.Close()
	}
	if s.consul != nil {
		s.consul.Kill()
	}
	if s.ring != nil {
		s.ring.Stop()
	}
	_ = os.RemoveAll(s.dir)
}
