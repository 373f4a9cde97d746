package torture

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"roomshift/lab/server"
)

// transaction is one of a server's binlog: where it was born, and its name.
type transaction struct{ origin, gtid string }

// binlog reads every transaction of a master's binlogs, in their order.
func binlog(ctx context.Context, m *server.Master) (all []transaction, err error) {
	files, err := column(ctx, m.DB(), "SHOW BINARY LOGS", 0)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		some, err := events(ctx, m.DB(), f)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func events(ctx context.Context, db *sql.DB, file string) (all []transaction, err error) {
	rows, err := db.QueryContext(ctx, "SHOW BINLOG EVENTS IN '"+file+"'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind, info sql.NullString
		var pos, origin, end sql.NullInt64
		if err := rows.Scan(&name, &pos, &kind, &origin, &end, &info); err != nil {
			return nil, err
		}
		if kind.String == "Gtid" || kind.String == "Gtid_tagged" {
			all = append(all, transaction{fmt.Sprint(origin.Int64), gtidOf(info.String)})
		}
	}
	return all, rows.Err()
}

// gtidOf is the name in "BEGIN GTID 1-1-5 …" or "SET @@SESSION.GTID_NEXT= 'uuid:5'".
func gtidOf(info string) string {
	if _, rest, ok := strings.Cut(info, "'"); ok {
		name, _, _ := strings.Cut(rest, "'")
		return name
	}
	_, rest, _ := strings.Cut(info, "GTID ")
	name, _, _ := strings.Cut(rest, " ")
	return name
}

func column(ctx context.Context, db *sql.DB, query string, n int) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, values[n].String)
	}
	return out, rows.Err()
}

// order is what two binlogs show of who wrote when, exactly and offline. While a master takes writes the other applies them in their
// order, and it takes none before it has applied the last one. So both binlogs are one sequence: wherever a master wrote before it had
// everything, or after the other one began, they differ. And they are as many reigns as rooms that the record has published.
func order(a, b []transaction, reigns int) error {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Errorf("binlogs part at transaction %d: %s has %v, %s has %v", i+1, rooms[0], around(a, i), rooms[1], around(b, i))
		}
	}
	if len(a) != len(b) {
		rest, who := a, rooms[0]
		if len(b) > len(a) {
			rest, who = b, rooms[1]
		}
		n := min(len(a), len(b))
		return fmt.Errorf("%s has %d transactions that the other hasn't: %v", who, len(rest)-n, around(rest, n))
	}
	seen := 0
	for i := range a {
		if i == 0 || a[i].origin != a[i-1].origin {
			seen++
		}
	}
	if seen > reigns {
		return fmt.Errorf("the binlogs have %d reigns, and the record published %d rooms one after the other", seen, reigns)
	}
	return nil
}

func around(all []transaction, i int) []transaction { return all[max(0, i-2):min(len(all), i+3)] }
