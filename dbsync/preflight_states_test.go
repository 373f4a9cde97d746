package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"roomshift/cutover"
	"roomshift/lab/server"
	"roomshift/runbooks"
)

// flaw is a state of a real ring that one check finds, and what it says of it.
type flaw struct {
	check, name string
	make        func(t *testing.T) // its cleanups mend it
	room        string
	seen, does  string
	severity    cutover.Severity
	rule        string
	engine      server.Engine // "": both
}

// admins executes statements by admin, on one connection, outside the binlog where they aren't about replication.
func admins(t *testing.T, room string, statements ...string) {
	t.Helper()
	c, err := lab.Master(room).DB().Conn(context.WithoutCancel(t.Context()))
	ok(t, err)
	defer c.Close()
	do(t, c, append([]string{"SET SESSION sql_log_bin=0"}, statements...)...)
	do(t, c, "SET SESSION sql_log_bin=1") // it goes back to its pool
}

// sets is a state by statements in a room, and its end by others; on a fenced MySQL the fence is taken away meanwhile.
func setsTo(room string, breaks, mends []string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Cleanup(func() { past(t, room, func() { admins(t, room, mends...) }) })
		past(t, room, func() { admins(t, room, breaks...) })
	}
}

// past does something on a room's master though it may be fenced.
func past(t *testing.T, room string, f func()) {
	t.Helper()
	if onMySQL() && room == "cloud" {
		run(t, room, "SET GLOBAL read_only=0")
		defer run(t, room, "SET GLOBAL super_read_only=1")
	}
	f()
}

// keeps is a connection of an account with these statements executed on it, for the time of a test.
func keeps(a server.Account, room string, statements ...string) func(t *testing.T) {
	return func(t *testing.T) { do(t, guest(t, a, room), statements...) }
}

func one(s ...string) []string { return s }

// named is a connection of an account made for a test.
func named(user string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Cleanup(func() { admins(t, "home", "DROP USER IF EXISTS '"+user+"'@'127.0.0.1'") })
		admins(t, "home", "CREATE USER '"+user+"'@'127.0.0.1' IDENTIFIED BY 'x-"+user+"'")
		c, err := mysql.ParseDSN(lab.Master("home").DSN(server.App))
		ok(t, err)
		c.User, c.Passwd, c.Logger = user, "x-"+user, &mysql.NopLogger{}
		connector, err := mysql.NewConnector(c)
		ok(t, err)
		db := sql.OpenDB(connector)
		t.Cleanup(func() { _ = db.Close() })
		ok(t, db.PingContext(t.Context()))
	}
}

// long has a statement under way for the time of a test.
func long(a server.Account, room, statement, like string) func(t *testing.T) {
	return func(t *testing.T) {
		c := guest(t, a, room)
		ended := begin(t, c, statement)
		t.Cleanup(func() {
			id := count(t, room, "SELECT COALESCE(MAX(id), 0) FROM information_schema.processlist WHERE info LIKE ? AND id <> CONNECTION_ID()", "%"+like+"%")
			if id > 0 {
				run(t, room, "KILL QUERY "+itoa(id))
			}
			<-ended
		})
		until(t, like+" runs", func() bool {
			return count(t, room, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE ? AND id <> CONNECTION_ID() AND time >= 1", "%"+like+"%") > 0
		})
	}
}

// third has a third master in the ring, from which the cloud receives too.
func third(t *testing.T) {
	t.Cleanup(func() {
		if onMySQL() {
			run(t, "cloud", "STOP REPLICA FOR CHANNEL 'third'", "RESET REPLICA ALL FOR CHANNEL 'third'")
		} else {
			run(t, "cloud", "STOP SLAVE 'third'", "RESET SLAVE 'third' ALL")
		}
		heal(t)
	})
	host, port, _ := strings.Cut(lab.Master("home").Addr(), ":")
	if onMySQL() {
		run(t, "cloud", fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%s, SOURCE_USER='nobody', SOURCE_PASSWORD='x' FOR CHANNEL 'third'", host, port))
		return
	}
	run(t, "cloud", fmt.Sprintf("CHANGE MASTER 'third' TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='nobody', MASTER_PASSWORD='x'", host, port))
}

const (
	makeTable = "CREATE TABLE app.flaw (id INT PRIMARY KEY, v INT)"
	dropTable = "DROP TABLE IF EXISTS app.flaw"
)

// flaws are in the order of the checks.
var flaws = []flaw{
	{check: "identity", name: "one server_id", make: setsTo("cloud", one("SET GLOBAL server_id=1"), one("SET GLOBAL server_id=2")), seen: "server_id", does: "server_id", severity: cutover.Refuses},
	{check: "topology", name: "a third master", make: third, room: "cloud", does: "third master", severity: cutover.Refuses},
	{check: "roles", name: "two writers", make: func(t *testing.T) {
		t.Cleanup(func() { heal(t) })
		run(t, "cloud", "SET GLOBAL read_only=0")
	}, seen: "two writers", does: "read_only=1", severity: cutover.Refuses},
	{check: "roles", name: "comes up open", engine: server.MySQL, make: func(t *testing.T) {
		t.Cleanup(func() { run(t, "home", "SET PERSIST_ONLY super_read_only=1") })
		run(t, "home", "RESET PERSIST IF EXISTS super_read_only")
	}, room: "home", seen: "isn't persisted",
		does: "SET PERSIST_ONLY super_read_only=1", severity: cutover.Breaks, rule: "restart"},
	{check: "actors", name: "orchestrator", make: named("orchestrator"), room: "home", seen: "orchestrator is connected: connection", does: "disable-global-recoveries", severity: cutover.Breaks, rule: "actors"},
	{check: "actors", name: "MHA", make: named("mha_manager"), room: "home", seen: "MHA is connected", does: "masterha_stop", severity: cutover.Breaks, rule: "actors"},
	{check: "actors", name: "its lock is taken", make: keeps(server.App, "cloud", "DO GET_LOCK('roomshift/feed-db', 0)"), room: "cloud", seen: "of app", does: "KILL ", severity: cutover.Refuses},
	{check: "threads", name: "applier stopped", make: func(t *testing.T) {
		t.Cleanup(func() { heal(t) })
		run(t, "cloud", "STOP SLAVE SQL_THREAD")
	}, room: "cloud", seen: "applier No", does: "Last_SQL_Error", severity: cutover.Refuses},
	{check: "lag", name: "behind", make: behind, room: "cloud", seen: "isn't here after", does: "SHOW ", severity: cutover.Refuses},
	{check: "gtid", name: "not strict", engine: server.MariaDB, make: setsTo("cloud", one("SET GLOBAL gtid_strict_mode=0"), one("SET GLOBAL gtid_strict_mode=1")), room: "cloud", seen: "OFF",
		does: "SET GLOBAL gtid_strict_mode=ON", severity: cutover.Refuses},
	{check: "gtid", name: "not only GTIDs", engine: server.MySQL, make: setsTo("cloud", one("SET GLOBAL gtid_mode=ON_PERMISSIVE"), one("SET GLOBAL gtid_mode=ON")), room: "cloud", seen: "ON_PERMISSIVE",
		does: "SET GLOBAL gtid_mode=ON", severity: cutover.Refuses},
	{check: "log", name: "half rows", make: setsTo("home", one("SET GLOBAL binlog_row_image=MINIMAL"), one("SET GLOBAL binlog_row_image=FULL")), room: "home", seen: "MINIMAL", does: "binlog_row_image=FULL", severity: cutover.Refuses},
	{check: "log", name: "not durable", make: setsTo("cloud", one("SET GLOBAL sync_binlog=0"), one("SET GLOBAL sync_binlog=1")), room: "cloud", seen: "sync_binlog=0", does: "SET GLOBAL sync_binlog=1 in cloud",
		severity: cutover.Breaks, rule: "durable"},
	{check: "retention", name: "an hour", make: func(t *testing.T) {
		was := count(t, "cloud", "SELECT @@global.binlog_expire_logs_seconds")
		setsTo("cloud", one("SET GLOBAL binlog_expire_logs_seconds=3600"), one(fmt.Sprintf("SET GLOBAL binlog_expire_logs_seconds=%d", was)))(t)
	}, room: "cloud", seen: "1h0m0s", does: "binlog_expire_logs_seconds=86400", severity: cutover.Breaks, rule: "retention"},
	{check: "order", name: "out of order", engine: server.MySQL, make: func(t *testing.T) {
		setsTo("cloud", one("STOP REPLICA SQL_THREAD", "SET GLOBAL replica_preserve_commit_order=OFF", "START REPLICA SQL_THREAD"),
			one("STOP REPLICA SQL_THREAD", "SET GLOBAL replica_preserve_commit_order=ON", "START REPLICA SQL_THREAD"))(t)
	}, room: "cloud", seen: "replica_preserve_commit_order=OFF", does: "SET GLOBAL replica_preserve_commit_order=ON", severity: cutover.Warns},
	{check: "keys", name: "each from one", make: setsTo("home", one("SET GLOBAL auto_increment_increment=1"), one("SET GLOBAL auto_increment_increment=2")), seen: "home: each 1 from 1", does: "auto_increment_increment=2",
		severity: cutover.Breaks, rule: "keys"},
	{check: "keys", name: "a sequence", engine: server.MariaDB, make: setsTo("home", one("CREATE SEQUENCE app.seq"), one("DROP SEQUENCE app.seq")), room: "home", seen: "app.seq", does: "ALTER SEQUENCE app.seq INCREMENT 0", severity: cutover.Warns},
	{check: "bypass", name: "an application that passes", engine: server.MariaDB, make: func(t *testing.T) {
		setsTo("home", one("GRANT READ_ONLY ADMIN ON *.* TO app@'127.0.0.1'"), one("REVOKE READ_ONLY ADMIN ON *.* FROM app@'127.0.0.1'"))(t)
		do(t, guest(t, server.App, "home"), "DO 1")
	}, room: "home", seen: "app (", does: "KILL USER", severity: cutover.Breaks, rule: "bypass"},
	{check: "bypass", name: "by a role", engine: server.MariaDB, make: func(t *testing.T) {
		setsTo("home", one("CREATE ROLE ops", "GRANT READ_ONLY ADMIN ON *.* TO ops", "GRANT ops TO app@'127.0.0.1'"), one("DROP ROLE ops"))(t)
		do(t, guest(t, server.App, "home"), "DO 1")
	}, room: "home", seen: "app (", does: "KILL USER", severity: cutover.Breaks, rule: "bypass"},
	{check: "events", name: "in both rooms", make: setsTo("cloud", one("SET GLOBAL event_scheduler=ON", "CREATE EVENT app.tick ON SCHEDULE EVERY 1 DAY DO DO 1"), one("DROP EVENT app.tick", "SET GLOBAL event_scheduler=OFF")),
		room: "cloud", seen: "app.tick", does: "ALTER EVENT app.tick DISABLE ON SLAVE", severity: cutover.Breaks, rule: "events"},
	{check: "events", name: "where the writer is", make: setsTo("home", one("SET GLOBAL event_scheduler=ON", "CREATE EVENT app.tick ON SCHEDULE EVERY 1 DAY DO DO 1"), one("DROP EVENT app.tick", "SET GLOBAL event_scheduler=OFF")),
		room: "home", seen: "1 run here: app.tick", does: "ALTER EVENT app.tick ENABLE", severity: cutover.Warns},
	{check: "xa", name: "prepared", make: func(t *testing.T) {
		t.Cleanup(func() { rollbackXA(t) }) // once its session has ended
		keeps(server.App, "home", "XA START 'flaw'", "INSERT INTO app.other (v) VALUES (1)", "XA END 'flaw'", "XA PREPARE 'flaw'")(t)
	}, room: "home", seen: "'flaw'", does: "XA ROLLBACK 'flaw'", severity: cutover.Refuses},
	{check: "running", name: "a long write", make: long(server.App, "home", "INSERT INTO app.other (v) SELECT SLEEP(20)", "SLEEP(20)"), room: "home", seen: "INSERT INTO app.other", does: "KILL QUERY ", severity: cutover.Refuses},
	{check: "running", name: "a large transaction", make: func(t *testing.T) {
		keeps(server.App, "home", "BEGIN", "INSERT INTO app.other (v) VALUES (1),(2),(3),(4),(5),(6)")(t)
		until(t, "the server tells of it", func() bool {
			time.Sleep(200 * time.Millisecond) // it reads its transactions anew only if nobody has asked for a tenth of a second
			return count(t, "home", "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified >= 6") > 0
		})
	}, room: "home", seen: "6 rows modified", does: "KILL ", severity: cutover.Refuses},
	{check: "locks", name: "the whole server", make: keeps(server.Admin, "home", "FLUSH TABLES WITH READ LOCK"), room: "home", does: "wait", severity: cutover.Refuses},
	{check: "locks", name: "a backup", engine: server.MySQL, make: keeps(server.Admin, "home", "LOCK INSTANCE FOR BACKUP"), room: "home", seen: "BACKUP LOCK", does: "KILL ", severity: cutover.Refuses},
	{check: "locks", name: "a backup", engine: server.MariaDB, make: func(t *testing.T) {
		if _, err := lab.Master("home").DB().ExecContext(t.Context(), "INSTALL SONAME 'metadata_lock_info'"); err != nil {
			t.Skip("this server comes without its plugin: ", err) // TestPreflightJudgesLocks
		}
		t.Cleanup(func() { admins(t, "home", "UNINSTALL SONAME 'metadata_lock_info'") })
		keeps(server.Admin, "home", "BACKUP STAGE START")(t)
	}, room: "home", seen: "MDL_BACKUP_START", does: "KILL ", severity: cutover.Refuses},
	{check: "locks", name: "LOCK TABLES", engine: server.MySQL, make: keeps(server.App, "home", "LOCK TABLES app.other WRITE"), room: "home", seen: "app.other", does: "KILL ", severity: cutover.Refuses},
	{check: "locks", name: "ALTER", make: altering, room: "home", seen: "", does: "wait", severity: cutover.Refuses},
	{check: "semi-sync", name: "nobody answers", engine: server.MariaDB, make: setsTo("home", one("SET GLOBAL rpl_semi_sync_master_enabled=ON"), one("SET GLOBAL rpl_semi_sync_master_enabled=OFF")), room: "home", seen: "0 replicas answer",
		does: "semi-sync", severity: cutover.Refuses},
	{check: "room", name: "nearly full", make: func(t *testing.T) {
		was, used := count(t, "home", "SELECT @@global.max_connections"), threadsConnected(t)
		setsTo("home", one(fmt.Sprintf("SET GLOBAL max_connections=%d", used+8)), one(fmt.Sprintf("SET GLOBAL max_connections=%d", was)))(t)
	}, room: "home", seen: "connections", does: "SET GLOBAL max_connections=", severity: cutover.Breaks, rule: "connections"},
	{check: "schema", name: "a table in one room", make: setsTo("home", one(makeTable), one(dropTable)), seen: "columns differ: app.flaw", does: "SHOW CREATE TABLE app.flaw", severity: cutover.Breaks, rule: "schema"},
	{check: "schema", name: "an index", make: setsTo("cloud", one("CREATE INDEX flaw ON app.other (v)"), one("DROP INDEX flaw ON app.other")), seen: "indexes differ: app.other", does: "SHOW CREATE TABLE app.other", severity: cutover.Breaks, rule: "schema"},
	{check: "schema", name: "a trigger", make: setsTo("home", one("CREATE TRIGGER app.flaw BEFORE INSERT ON app.other FOR EACH ROW SET @flaw = 1"), one("DROP TRIGGER app.flaw")), seen: "triggers differ: app.flaw", does: "app.flaw",
		severity: cutover.Breaks, rule: "schema"},
	{check: "schema", name: "a routine", make: setsTo("home", one("CREATE PROCEDURE app.flaw() SELECT 1"), one("DROP PROCEDURE app.flaw")), seen: "routines differ: app.flaw", does: "app.flaw", severity: cutover.Breaks, rule: "schema"},
	{check: "schema", name: "an account", make: setsTo("home", one("CREATE USER flaw@'127.0.0.1'"), one("DROP USER flaw@'127.0.0.1'")), seen: "'flaw'@'127.0.0.1'", does: "'flaw'@'127.0.0.1'", severity: cutover.Breaks, rule: "accounts"},
	{check: "schema", name: "a right", make: setsTo("home", one("GRANT CREATE VIEW ON app.* TO app@'127.0.0.1'"), one("REVOKE CREATE VIEW ON app.* FROM app@'127.0.0.1'")), seen: "rights differ: 'app'@'127.0.0.1'", does: "SHOW GRANTS FOR",
		severity: cutover.Breaks, rule: "accounts"},
	{check: "schema", name: "sql_mode", make: func(t *testing.T) {
		var was string
		ok(t, lab.Master("home").DB().QueryRowContext(t.Context(), "SELECT @@global.sql_mode").Scan(&was))
		setsTo("home", one("SET GLOBAL sql_mode='ANSI'"), one("SET GLOBAL sql_mode='"+was+"'"))(t)
	}, seen: "sql_mode is", does: "SET GLOBAL sql_mode=", severity: cutover.Breaks, rule: "settings"},
	{check: "schema", name: "in memory", make: setsTo("home", one("CREATE TABLE app.flaw (id INT PRIMARY KEY) ENGINE=MEMORY"), one(dropTable)), room: "home", seen: "app.flaw (MEMORY)", does: "ALTER TABLE app.flaw ENGINE=InnoDB", severity: cutover.Breaks, rule: "engines"},
	{check: "schema", name: "without a key", make: setsTo("home", one("CREATE TABLE app.flaw (v INT)"), one(dropTable)), room: "home", seen: "app.flaw", does: "ADD COLUMN id", severity: cutover.Breaks, rule: "primary-key"},
	{check: "rights", name: "a right that lacks", make: func(t *testing.T) {
		right := map[bool]string{true: "XA_RECOVER_ADMIN", false: "CONNECTION ADMIN"}[onMySQL()]
		setsTo("home", one("REVOKE "+right+" ON *.* FROM "+moverAt), one("GRANT "+right+" ON *.* TO "+moverAt))(t)
	}, room: "home", seen: "ADMIN ON *.* TO {user}", does: "its rights", severity: cutover.Refuses},
	{check: "rehearsal", name: "never", make: func(*testing.T) {}, seen: "never compared", does: "roomshift verify feed-db", severity: cutover.Warns},
}

func threadsConnected(t *testing.T) (n int) {
	var name string
	ok(t, lab.Master("home").DB().QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Threads_connected'").Scan(&name, &n))
	return n
}

// behind lets the cloud lag, with something to come.
func behind(t *testing.T) {
	t.Cleanup(func() { heal(t) })
	lab.Delay("home", "cloud", 5*time.Second)
	run(t, "home", "INSERT INTO app.other (v) VALUES (7)")
}

func rollbackXA(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	until(t, "the branch is rolled back", func() bool {
		_, err := lab.Master("home").DB().ExecContext(ctx, "XA ROLLBACK 'flaw'")
		return err == nil
	})
}

// altering has an ALTER under way: it waits for a transaction that has its table.
func altering(t *testing.T) {
	do(t, guest(t, server.App, "home"), "BEGIN", "SELECT * FROM app.other LIMIT 1")
	long(server.Admin, "home", "ALTER TABLE app.other COMMENT 'flaw'", "COMMENT 'flaw'")(t)
}

// TestPreflightFinds makes one state at a time on a real ring, and the check for it says so: what, where, what to do, and what it means.
func TestPreflightFinds(t *testing.T) { onBoth(t, testPreflightFinds) }

func testPreflightFinds(t *testing.T) {
	heal(t)
	durable(t)
	engine := lab.Master("home").Engine
	r := moverRing(t, nil)
	for i, c := range flaws {
		if c.engine != "" && c.engine != engine {
			continue
		}
		t.Run(c.check+" "+c.name, func(t *testing.T) {
			if testing.Short() && onMySQL() && i%3 != 0 {
				t.Skip("short")
			}
			c.make(t)
			found := preflown(t, r, PreflightOptions{MostRows: 5, only: []string{c.check}})
			var all []string
			for _, f := range found {
				all = append(all, fmt.Sprintf("%s %s [%s]", f.Severity, f, f.Rule))
				rule := strings.TrimPrefix(f.Rule, "writer.")
				if f.Room == c.room && !f.OK && f.Severity == c.severity && rule == c.rule && strings.Contains(f.Seen, c.seen) && strings.Contains(f.Do, c.does) {
					return
				}
			}
			t.Errorf("want %s of %q in %q, to do %q [%s]; found\n%s", c.severity, c.seen, c.room, c.does, c.rule, strings.Join(all, "\n"))
		})
	}
	heal(t)
	for _, f := range preflown(t, r, PreflightOptions{}) { // all of it is mended, and so it was each flaw that was found
		if f.Stands() && !ofTheLab[f.Rule] {
			t.Errorf("still: %s", f)
		}
	}
}

// TestPreflightIsWhole: each check has a state that it finds on a real ring, and each name that one can be broken by is one that rooms.yaml takes.
func TestPreflightIsWhole(t *testing.T) {
	for _, name := range preflightNames() {
		if !slices.ContainsFunc(flaws, func(c flaw) bool { return c.check == name }) {
			t.Errorf("no flaw is made for %s", name)
		}
		if !slices.Contains(runbooks.PairRules, name+"-unseen") {
			t.Errorf("rooms.yaml doesn't take %s-unseen", name)
		}
	}
	for _, c := range flaws {
		if c.rule != "" && !slices.Contains(runbooks.PairRules, c.rule) {
			t.Errorf("rooms.yaml doesn't take %s", c.rule)
		}
	}
}
