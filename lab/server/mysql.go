package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mysqlKind is MySQL, with super_read_only at every start: nobody writes past that.
var mysqlKind = kind{
	engine: MySQL,
	find:   findMySQL,
	make: func(ctx context.Context, program, dir string) error {
		out, err := exec.CommandContext(ctx, program, "--no-defaults", "--initialize-insecure", "--datadir="+dir, "--secure-file-priv=NULL",
			"--innodb-redo-log-capacity=32M", "--innodb-buffer-pool-size=32M", "--innodb-doublewrite=OFF").CombinedOutput()
		if err != nil {
			return fmt.Errorf("mysqld --initialize-insecure: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return os.Remove(filepath.Join(dir, "auto.cnf")) // copies must not share a server_uuid
	},
	cnf: `super-read-only=1
gtid-mode=ON
enforce-gtid-consistency=ON
replica-net-timeout=5
mysqlx=OFF
secure-file-priv=NULL
innodb-buffer-pool-size=32M
innodb-redo-log-capacity=32M
innodb-doublewrite=OFF
table-open-cache=200
table-definition-cache=400
max-connections=200
`,
	repl:  "REPLICATION SLAVE",
	fence: "SET GLOBAL super_read_only=1",
	apply: "START REPLICA SQL_THREAD",
	hold:  "STOP REPLICA SQL_THREAD",
	point: func(s sourceOf) []string {
		return []string{"STOP REPLICA", fmt.Sprintf(
			"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_PASSWORD='%s', SOURCE_AUTO_POSITION=1, "+
				"GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=0, SOURCE_DELAY=0, SOURCE_HEARTBEAT_PERIOD=%g",
			s.port, Repl, s.password, s.heartbeat.Seconds()), "START REPLICA"}
	},
	status:  "SHOW REPLICA STATUS",
	columns: map[string]string{"Replica_IO_Running": "Slave_IO_Running", "Replica_SQL_Running": "Slave_SQL_Running"},
	reached: func(ctx context.Context, source, replica *sql.DB) error {
		var set string
		if err := source.QueryRowContext(ctx, "SELECT @@global.gtid_executed").Scan(&set); err != nil {
			return err
		}
		var left int
		err := replica.QueryRowContext(ctx, "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 5)", set).Scan(&left)
		if err == nil && left != 0 {
			err = fmt.Errorf("it hasn't applied %s yet", set)
		}
		return err
	},
}

// findMySQL looks mysqld up. MariaDB, too, installs one under that name, which isn't MySQL.
func findMySQL() (string, error) {
	program, err := Find("mysqld")
	if err != nil {
		return "", err
	}
	out, err := exec.Command(program, "--no-defaults", "--version").Output()
	if err == nil && strings.Contains(string(out), "MariaDB") {
		err = errors.New("it is MariaDB's")
	}
	if err != nil {
		return "", fmt.Errorf("mysqld (%s, %w): %w: run `bash lab/deps/mysql.sh`, or set ROOMSHIFT_MYSQLD to the path of MySQL's", program, err, ErrMissing)
	}
	return program, nil
}
