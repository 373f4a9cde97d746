package server

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"os/user"
	"strings"
)

// mariadbKind is as safe against two writers as MariaDB gets: read_only at every start.
var mariadbKind = kind{
	engine: MariaDB,
	find:   func() (string, error) { return Find("mariadbd") },
	make: func(ctx context.Context, _, dir string) error {
		install, err := Find("mariadb-install-db")
		if err != nil {
			return err
		}
		who, err := user.Current()
		if err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, install, "--no-defaults", "--user="+who.Username, "--datadir="+dir,
			"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
			"--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--innodb-doublewrite=0").CombinedOutput()
		if err != nil {
			return fmt.Errorf("mariadb-install-db: %w: %s", err, strings.TrimSpace(string(out)))
		}
		return nil
	},
	cnf: `gtid-domain-id={domain}
gtid-strict-mode=1
log-slave-updates=1
slave-net-timeout=5
innodb-buffer-pool-size=16M
innodb-log-file-size=8M
innodb-doublewrite=0
performance-schema=0
aria-pagecache-buffer-size=1M
`,
	repl:  "REPLICATION SLAVE, REPLICATION SLAVE ADMIN, REPLICA MONITOR",
	fence: "SET GLOBAL read_only=1",
	apply: "START SLAVE SQL_THREAD",
	hold:  "STOP SLAVE SQL_THREAD",
	point: func(s sourceOf) []string {
		return []string{"STOP ALL SLAVES", fmt.Sprintf(
			"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', "+
				"MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_DELAY=0, MASTER_HEARTBEAT_PERIOD=%g",
			s.port, Repl, s.password, s.heartbeat.Seconds()), "START SLAVE"}
	},
	status: "SHOW ALL SLAVES STATUS",
	reached: func(ctx context.Context, source, replica *sql.DB) error {
		var pos string
		if err := source.QueryRowContext(ctx, "SELECT @@gtid_current_pos").Scan(&pos); err != nil {
			return err
		}
		var left int
		err := replica.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, 5)", pos).Scan(&left)
		if err == nil && left != 0 {
			err = fmt.Errorf("it hasn't applied %s yet", pos)
		}
		return err
	},
}
