package dbsync

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"

	"roomshift/lab/server"
)

// TestAccountIsKeptOut: with no more than Grants, the server itself refuses a write on the fenced side, other schemas' tables,
// and the opening of the fence.
func TestAccountIsKeptOut(t *testing.T) {
	heal(t)
	db, err := sql.Open("mysql", lab.Master("cloud").DSN(server.Roomshift))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for statement, number := range map[string]uint16{
		"INSERT INTO roomshift.heartbeat (pair, room, epoch, seq) VALUES ('x', 'cloud', 1, 1)": 1290, // read_only is on
		"CREATE TABLE roomshift.more (a INT)":                                                  1290,
		"SELECT * FROM mysql.global_priv":                                                      1142, // denied: another schema's table
		"SET GLOBAL read_only=0":                                                               1227, // lacks the privilege
		"STOP ALL SLAVES":                                                                      1227,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) || refused.Number != number {
			t.Errorf("%s: %v, want error %d", statement, err, number)
		}
	}
}

// TestAccountWithoutCreate: once the heartbeat table is there, nothing needs CREATE.
func TestAccountWithoutCreate(t *testing.T) {
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
