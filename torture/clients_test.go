package torture

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/hashicorp/consul/api"

	"roomshift/cutover/writer"
	"roomshift/lab/server"
)

var bossPassword = strings.Repeat("b", 8) + fmt.Sprint(rand.Uint64())

// clients are an application's: they write without pause, and keep what was acknowledged. Half of them follow the record, half stay where
// their last write was taken until that is refused, as those do that know of no record.
type clients struct {
	s     *scene
	stop  context.CancelFunc
	ctx   context.Context
	all   sync.WaitGroup
	says  atomic.Value // the room that the record publishes
	pause time.Duration
	gen   int // no two generations write the same tokens

	mu      sync.Mutex
	tokens  []acked
	appends map[int][]string // by list, in the order of acknowledgement by each client
	ids     map[int64]string // of auto-increment → token
	wrong   []string         // what no client should ever see
	history []string         // rooms that were published, one after the other
	last    writer.Record    // the newest that was read
	hidden  int              // how many more may have been, between two readings
}

type acked struct {
	token, room string
	at          time.Time
}

var generation int

func startClients(s *scene) *clients {
	generation++
	ctx, stop := context.WithCancel(context.Background())
	c := &clients{s: s, ctx: ctx, stop: stop, appends: map[int][]string{}, ids: map[int64]string{}, pause: 8 * time.Millisecond, gen: generation}
	c.says.Store("home")
	c.all.Go(c.follow)
	for i := range 4 {
		c.loop(fmt.Sprintf("t%d", i), i%2 == 0, c.token)
		if i < 2 {
			c.loop(fmt.Sprintf("l%d", i), i%2 == 0, c.list)
			c.loop(fmt.Sprintf("b%d", i), i%2 == 0, c.bank)
		}
	}
	c.loop("x", true, c.xa)
	if s.engine != server.MySQL && *real == "" { // the program moves nothing while an account passes the fence by
		c.all.Go(c.boss)
	}
	c.all.Go(c.temporary)
	return c
}

func (c *clients) end() {
	c.stop()
	c.all.Wait()
}

func (c *clients) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wrong) < 20 {
		c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
	}
}

// follow keeps what the record publishes, by blocking queries.
func (c *clients) follow() {
	index := uint64(0)
	for c.ctx.Err() == nil {
		pair, meta, err := c.s.kv.KV().Get(keyOf(pairName), (&api.QueryOptions{WaitIndex: index, WaitTime: time.Second}).WithContext(c.ctx))
		if err != nil || pair == nil {
			c.sleep(20 * time.Millisecond)
			continue
		}
		if meta.LastIndex < index {
			meta.LastIndex = 0
		}
		index = meta.LastIndex
		if r, err := writer.ParseRecord(pair.Value); err == nil {
			c.mu.Lock()
			if c.last.Seq > 0 && r.Seq != c.last.Seq+1 && r.Seq != c.last.Seq { // some weren't seen: each move may have published another room
				c.hidden += int(max(r.Epoch-c.last.Epoch, c.last.Epoch-r.Epoch)) // it goes down where a Consul was restored
			}
			c.last = r
			if n := len(c.history); n == 0 || c.history[n-1] != r.Publishes() {
				c.history = append(c.history, r.Publishes())
			}
			c.mu.Unlock()
			c.says.Store(r.Publishes())
		}
	}
}

func (c *clients) sleep(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}

// loop does one thing over and over; an error of the database sends those that don't follow the record to the other room.
func (c *clients) loop(name string, follows bool, do func(ctx context.Context, room, name string, n int) error) {
	name = fmt.Sprintf("%s.%d", name, c.gen)
	c.all.Go(func() {
		at := "home"
		for n := 0; c.ctx.Err() == nil; n++ {
			if follows {
				at = c.says.Load().(string)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
			err := do(ctx, at, name, n)
			cancel()
			if err != nil && !follows {
				at = other(at)
			}
			c.sleep(c.pause + time.Duration(rand.Int64N(int64(c.pause))))
		}
	})
}

func (c *clients) token(ctx context.Context, room, name string, n int) error {
	token := fmt.Sprintf("%s-%d", name, n)
	res, err := c.s.apps[room].ExecContext(ctx, "INSERT INTO app.tokens (token) VALUES (?)", token)
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	c.ack(token, room, id, err)
	return nil
}

func (c *clients) ack(token, room string, id int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = append(c.tokens, acked{token, room, time.Now()})
	if err != nil || id == 0 {
		return
	}
	if had, twice := c.ids[id]; twice {
		c.wrong = append(c.wrong, fmt.Sprintf("id %d was given to %s and to %s", id, had, token))
	}
	c.ids[id] = token
}

// list appends to two lists in one transaction.
func (c *clients) list(ctx context.Context, room, name string, n int) error {
	k := rand.IntN(4)
	item := fmt.Sprintf("%s-%d", name, n)
	err := inTx(ctx, c.s.apps[room], func(tx *sql.Tx) error {
		for _, k := range []int{k, k + 4} {
			if _, err := tx.ExecContext(ctx, "UPDATE app.lists SET v = CONCAT(v, ?, ',') WHERE k = ?", item, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		c.mu.Lock()
		c.appends[k] = append(c.appends[k], item)
		c.appends[k+4] = append(c.appends[k+4], item)
		c.mu.Unlock()
	}
	return err
}

func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// bank moves money, and now and then counts it.
func (c *clients) bank(ctx context.Context, room, name string, n int) error {
	if n%10 == 9 {
		var sum int64
		if err := c.s.apps[room].QueryRowContext(ctx, "SELECT SUM(balance) FROM app.accounts").Scan(&sum); err == nil && sum != 5000 {
			c.complain("the accounts in %s hold %d, want 5000", room, sum)
		}
	}
	a, b := rand.IntN(5)+1, rand.IntN(5)+1
	if a == b {
		return nil
	}
	return inTx(ctx, c.s.apps[room], func(tx *sql.Tx) error {
		var has int64
		if err := tx.QueryRowContext(ctx, "SELECT balance FROM app.accounts WHERE id = ? FOR UPDATE", min(a, b)).Scan(&has); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE app.accounts SET balance = balance - 7 WHERE id = ?", a); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE app.accounts SET balance = balance + 7 WHERE id = ?", b)
		return err
	})
}

// xa writes by two-phase commits, as a transaction manager that looks after what it left: a branch whose commit wasn't answered is
// rolled back where it is still prepared.
func (c *clients) xa(ctx context.Context, room, name string, n int) error {
	c.sleep(200 * time.Millisecond)
	token, xid := fmt.Sprintf("%s-%d", name, n), fmt.Sprintf("'%s-%d'", name, n)
	conn, err := c.s.apps[room].Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, q := range []string{"XA START " + xid, "INSERT INTO app.tokens (token) VALUES ('" + token + "')", "XA END " + xid, "XA PREPARE " + xid} {
		if _, err = conn.ExecContext(ctx, q); err != nil {
			_ = conn.Raw(func(any) error { return errBadConn })
			c.all.Go(func() { c.forget(room, xid) })
			return err
		}
	}
	if _, err = conn.ExecContext(ctx, "XA COMMIT "+xid); err == nil {
		c.ack(token, room, 0, nil)
		return nil
	}
	_ = conn.Raw(func(any) error { return errBadConn })
	c.all.Go(func() { c.forget(room, xid) })
	return err
}

var errBadConn = driver.ErrBadConn // a connection that answers so isn't used again

// forget rolls a branch back until the server takes that, or hasn't known it for a while: as long as the connection that prepared it isn't
// gone, nobody else's is. Behind a fence it has to wait.
func (c *clients) forget(room, xid string) {
	unknown := 0
	for range 1500 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := c.s.apps[room].ExecContext(ctx, "XA ROLLBACK "+xid)
		cancel()
		var e *mysql.MySQLError
		if errors.As(err, &e) && e.Number == 1397 { // not known
			unknown++
		}
		if err == nil || unknown > 50 || e != nil && e.Number == 1402 { // rolled back
			return
		}
		time.Sleep(40 * time.Millisecond)
	}
	c.complain("XA ROLLBACK %s in %s wasn't taken for a minute", xid, room)
}

// boss passes MariaDB's read_only by, and writes on one connection until somebody ends that; then it stays away for a while. The record was
// STABLE when the connection was there already: so a move that begins later finds it, and has to end it.
func (c *clients) boss() {
	for n := 0; c.ctx.Err() == nil; n++ {
		room := c.says.Load().(string)
		config, err := mysql.ParseDSN(c.s.ring.Master(room).DSN(server.App))
		if err != nil {
			return
		}
		config.User, config.Passwd = "boss", bossPassword
		db, err := pool(config.FormatDSN())
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
		conn, err := db.Conn(ctx)
		if r, _, err2 := c.s.record(ctx); err2 != nil || r.Phase != writer.Stable || r.Writer != room {
			err = errors.Join(err, errBadConn)
		}
		for i := 0; err == nil && c.ctx.Err() == nil && i < 200; i++ {
			token := fmt.Sprintf("boss.%d-%d-%d", c.gen, n, i)
			var res sql.Result
			if res, err = conn.ExecContext(ctx, "INSERT INTO app.tokens (token) VALUES (?)", token); err == nil {
				id, err := res.LastInsertId()
				c.ack(token, room, id, err)
			}
			c.sleep(20 * time.Millisecond)
		}
		cancel()
		_ = db.Close()
		c.sleep(1500 * time.Millisecond)
	}
}

// temporary makes tables of its own in both rooms: they are nobody's writes.
func (c *clients) temporary() {
	for n := 0; c.ctx.Err() == nil; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if conn, err := c.s.apps[rooms[n%2]].Conn(ctx); err == nil {
			for _, q := range []string{"CREATE TEMPORARY TABLE app.tmp (v INT)", "INSERT INTO app.tmp VALUES (1)", "DROP TEMPORARY TABLE app.tmp"} {
				if _, err := conn.ExecContext(ctx, q); err != nil {
					_ = conn.Raw(func(any) error { return errBadConn })
					break
				}
			}
			_ = conn.Close()
		}
		cancel()
		c.sleep(100 * time.Millisecond)
	}
}

// acknowledged counts what one room took since a moment.
func (c *clients) acknowledged(room string, since time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range slices.Backward(c.tokens) {
		if a.at.Before(since) {
			break
		}
		if a.room == room {
			n++
		}
	}
	return n
}
