package dbsync

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"roomshift/lab/server"
)

// TestAccountIsKeptOut: with no more than Grants, the server itself refuses a write on the fenced side, other schemas' tables,
// and the opening of the fence.
func TestAccountIsKeptOut(t *testing.T) { onBoth(t, testAccountIsKeptOut) }

func testAccountIsKeptOut(t *testing.T) {
	heal(t)
	db, err := sql.Open("mysql", lab.Master("cloud").DSN(server.Roomshift))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	kept := map[string]uint16{
		"INSERT INTO roomshift.heartbeat (pair, room, epoch, seq) VALUES ('x', 'cloud', 1, 1)": 1290, // read_only is on
		"CREATE TABLE roomshift.more (a INT)":                                                  1290,
		"SELECT * FROM mysql.global_priv":                                                      1142, // denied: another schema's table
		"SET GLOBAL read_only=0":                                                               1227, // lacks the privilege
		"STOP ALL SLAVES":                                                                      1227,
	}
	if onMySQL() {
		passFence(t) // read_only alone, too, keeps it out
		delete(kept, "SELECT * FROM mysql.global_priv")
		delete(kept, "STOP ALL SLAVES")
		kept["SELECT * FROM mysql.user"] = 1142
		kept["STOP REPLICA"] = 1227
	}
	for statement, number := range kept {
		_, err := db.ExecContext(t.Context(), statement)
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) || refused.Number != number {
			t.Errorf("%s: %v, want error %d", statement, err, number)
		}
	}
}

// TestAccountWithoutCreate: once the heartbeat table is there, nothing needs CREATE.
func TestAccountWithoutCreate(t *testing.T) { onBoth(t, testAccountWithoutCreate) }

func testAccountWithoutCreate(t *testing.T) {
	heal(t)
	const on = "CREATE ON roomshift.*"
	run(t, "home", "REVOKE "+on+" FROM roomshift@'127.0.0.1'")
	t.Cleanup(func() {
		run(t, "home", "GRANT "+on+" TO roomshift@'127.0.0.1'")
		heal(t)
	})
	r := openLab(t, labPair())
	if err := r.Init(t.Context()); err != nil {
		t.Error(err)
	}
	found, err := r.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
}

// TestLackOfARightIsNamed: a master that refuses because of the account's rights is a finding that carries all it needs; one that
// refuses the account itself is none of these.
func TestLackOfARightIsNamed(t *testing.T) { onBoth(t, testLackOfARightIsNamed) }

func testLackOfARightIsNamed(t *testing.T) {
	heal(t)
	conn, err := lab.Master("cloud").DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	here := func(statement string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	here("SET SESSION sql_log_bin=0") // of this master alone
	rights, all := map[string]string{"SLAVE MONITOR ON *.*": "1227", "BINLOG MONITOR ON *.*": "1227"}, Grants
	if onMySQL() {
		passFence(t)
		rights, all = map[string]string{"REPLICATION CLIENT ON *.*": "1227", "SELECT ON performance_schema.replication_connection_status": "1142",
			"SELECT ON performance_schema.replication_connection_configuration": "1142"}, GrantsMySQL
	}
	for right, number := range rights {
		here("REVOKE " + right + " FROM roomshift@'127.0.0.1'")
		found, err := openLab(t, labPair()).Check(t.Context())
		here("GRANT " + right + " TO roomshift@'127.0.0.1'")
		if err != nil || len(found) != 2 {
			t.Fatalf("without %s: %+v, %v", right, found, err)
		}
		home, cloud := found[0], found[1]
		if !home.OK || home.Grant != nil {
			t.Errorf("without %s in cloud, home is %+v", right, home)
		}
		if cloud.OK || !strings.Contains(cloud.Seen, number) || !strings.Contains(cloud.Seen, "check RUNBOOK --grants") || !slices.Equal(cloud.Grant, all) {
			t.Errorf("without %s: %+v, want what lacks, and all that it needs", right, cloud)
		}
	}
	p := labPair()
	p.DSN[1] = strings.Replace(p.DSN[1], "roomshift:", "nobody:", 1)
	found, err := openLab(t, p).Check(t.Context())
	if err != nil || len(found) != 2 || found[1].OK || found[1].Grant != nil || !strings.Contains(found[1].Seen, "1045") {
		t.Errorf("of an account that isn't there: %+v, %v", found, err)
	}
}
