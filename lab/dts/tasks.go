// Package dts keeps two MySQL masters in sync as a cloud's tool does, for tests and the lab: a task for each direction that reads the
// binlog of one master and writes what it finds into the other by statements of an account of its own. Its API is alitest's, and says how
// the tasks really stand.
//
// It is a tool at its worst where that isn't known of the real one: with Straggle it writes some transactions long after those that were
// committed later, as one that writes in parallel may.
package dts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/aliyun/alitest"
	"roomshift/lab/server"
)

// Account writes on both masters, Reader reads their binlogs; Grants are their rights: on MySQL Account passes read_only by with
// CONNECTION_ADMIN.
const (
	Account  = "dts_sync"
	Reader   = "dts_read"
	Password = "dtsPasswordOfTheLab"
)

// Grants make the tool's account.
var Grants = []string{
	"CREATE USER IF NOT EXISTS " + Account + "@'127.0.0.1' IDENTIFIED BY '" + Password + "'",
	"CREATE USER IF NOT EXISTS " + Reader + "@'127.0.0.1' IDENTIFIED BY '" + Password + "'",
	"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO " + Reader + "@'127.0.0.1'",
	"GRANT CONNECTION_ADMIN ON *.* TO " + Account + "@'127.0.0.1'",
	"GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON *.* TO " + Account + "@'127.0.0.1'",
}

// Options are what is kept in sync.
type Options struct {
	Rooms     [2]string
	Masters   [2]*server.Master
	Databases []string
	IDs       [2]string // of the tasks, the first from Rooms[0] to Rooms[1]
}

// Tasks are both directions.
type Tasks struct {
	o     Options
	all   [2]*Task
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// Start begins to copy what is committed from now on.
func Start(ctx context.Context, o Options) (*Tasks, error) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := &Tasks{o: o, stop: stop}
	for i := range t.all {
		task, err := newTask(ctx, o, i)
		if err != nil {
			t.Stop()
			return nil, err
		}
		t.all[i] = task
		t.ended.Go(func() { task.read(run) })
		t.ended.Go(func() { task.write(run) })
	}
	return t, nil
}

// Stop ends both.
func (t *Tasks) Stop() {
	t.stop()
	for _, task := range t.all {
		if task != nil {
			task.close()
		}
	}
	t.ended.Wait()
}

// From is the task that carries what a room writes.
func (t *Tasks) From(room string) *Task { return t.all[slices.Index(t.o.Rooms[:], room)] }

// Await returns when both have written all that they have read, and have read what was committed before.
func (t *Tasks) Await(ctx context.Context) error {
	for _, task := range t.all {
		if err := task.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// API is what the service says of the tasks.
func (t *Tasks) API() map[string]alitest.Action {
	return alitest.DTSActions(func(id string, reverse bool) (alitest.DTSTask, bool) {
		for i, task := range t.all {
			if t.o.IDs[i] == id && (t.o.IDs[0] != t.o.IDs[1] || reverse == (i == 1)) {
				return task.says(), true
			}
		}
		return alitest.DTSTask{}, false
	})
}

// Task is one direction.
type Task struct {
	from, to *server.Master
	program  string
	db       *sql.DB // of the master that it writes into
	log      string
	o        Options
	began    int64

	mu       sync.Mutex
	queue    []*transaction
	more     chan struct{}
	reader   *exec.Cmd
	columns  map[string]*table
	delay    time.Duration
	straggle time.Duration // every fifth transaction of an application comes so much later
	status   string
	err      string
	newest   int64 // second of the newest transaction that was written, with all before it
	count    int64
	unsaid   bool
}

func newTask(ctx context.Context, o Options, i int) (*Task, error) {
	program, err := server.Find("mysqlbinlog")
	if err != nil {
		return nil, fmt.Errorf("mysqlbinlog: %w: run `bash lab/deps/mysql.sh`", err)
	}
	t := &Task{from: o.Masters[i], to: o.Masters[1-i], program: program, o: o, more: make(chan struct{}, 1), columns: map[string]*table{},
		status: "Synchronizing", began: time.Now().Unix()}
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.InterpolateParams, c.Logger = Account, Password, "tcp", t.to.Addr(), true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	t.db = sql.OpenDB(connector)
	var at string
	var size sql.NullString
	rows, err := t.from.DB().QueryContext(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var encrypted string
		if err := rows.Scan(&at, &size, &encrypted); err != nil {
			return nil, err
		}
	}
	t.log = at
	for _, s := range []string{"CREATE DATABASE IF NOT EXISTS dts", "CREATE TABLE IF NOT EXISTS dts.mark (task VARCHAR(64) PRIMARY KEY, n BIGINT NOT NULL)"} {
		if _, err := t.db.ExecContext(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
	}
	return t, errors.Join(rows.Err())
}

// name tells the direction's own transactions from others'.
func (t *Task) name() string { return filepath.Base(t.from.Addr()) }

// Delay holds what is read back for so long.
func (t *Task) Delay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delay = d
}

// Straggle lets every fifth transaction come so much later than those after it; 0 ends that.
func (t *Task) Straggle(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.straggle = d
}

// Become is another status: only "Synchronizing" writes anything. The service keeps telling the last delay.
func (t *Task) Become(status, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status, t.err = status, why
	t.poke()
}

// Unsaid keeps the delay from being said.
func (t *Task) Unsaid(is bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsaid = is
}

func (t *Task) poke() {
	select {
	case t.more <- struct{}{}:
	default:
	}
}

// says is the state as the service tells it: the checkpoint is the second of the oldest transaction that isn't written yet.
func (t *Task) says() alitest.DTSTask {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := alitest.DTSTask{Status: t.status, Error: t.err, Checkpoint: t.newest, Began: t.began, Reserved: `{"filterDDL":true,"conflict":"overwrite"}`,
		Source: [3]string{"rm-from", t.from.Addr(), Reader}, Dest: [3]string{"rm-to", t.to.Addr(), Account}}
	if len(t.queue) > 0 {
		s.DelayMS = time.Since(t.queue[0].came).Milliseconds()
		s.Checkpoint = t.queue[0].second
	}
	if t.unsaid {
		s.DelayMS = -1
	}
	return s
}

func (t *Task) close() {
	t.mu.Lock()
	if t.reader != nil && t.reader.Process != nil {
		_ = t.reader.Process.Kill()
	}
	t.mu.Unlock()
	t.db.Close()
}
