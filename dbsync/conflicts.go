package dbsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"roomshift/cutover"
)

// Fenced is a master that may write nothing any more: its room, what tells it apart (server_uuid, or MariaDB's server_id), and the
// position that was read behind its fence.
type Fenced struct {
	Room   cutover.Room
	Server string
	Pos    Position
}

// Strays are transactions that were born where nobody may write.
type Strays struct {
	IDs  string         // in the server's words, "" none
	Seen []cutover.Room // which masters have them
	Next Position       // Fenced.Pos for the next look: it has these, too
	// Conflicts are appliers that stopped because both masters wrote, one line each. What the rows hold isn't in it.
	Conflicts []string
	Away      []string // masters that couldn't be asked, and why
}

// Strays looks once whether anything was born on a fenced master behind its fence, whatever let it through. Both masters are asked: the
// other one has it when the fenced one doesn't answer. An error: neither answers. It takes no lock and writes nothing.
func (r *Ring) Strays(ctx context.Context, f Fenced) (Strays, error) {
	out := Strays{Next: f.Pos}
	if f.Server == "" || f.Pos == "" {
		return out, fmt.Errorf("pair %s: what is fenced in %s isn't known: no server, or no position", r.name, f.Room)
	}
	type answer struct {
		born, status string
		err          error
	}
	answers := make([]answer, len(r.nodes))
	done := make(chan int)
	for i, n := range r.nodes {
		go func() {
			a := &answers[i]
			a.born, a.status, a.err = n.bornThere(ctx, r.timeout, f)
			done <- i
		}()
	}
	for range r.nodes {
		<-done
	}
	var errs []error
	for i, n := range r.nodes {
		a := answers[i]
		if a.err != nil {
			out.Away = append(out.Away, n.room+": "+say(a.err))
			errs = append(errs, a.err)
			continue
		}
		if a.status != "" {
			out.Conflicts = append(out.Conflicts, a.status)
		}
		if a.born == "" {
			continue
		}
		out.Seen = append(out.Seen, n.room)
		if out.IDs == "" || n.room == f.Room { // its own word is the newest
			out.IDs = a.born
		}
	}
	if len(errs) == len(r.nodes) {
		return out, errors.Join(errs...)
	}
	var err error
	if out.IDs != "" {
		out.Next, err = withThese(f, out.IDs)
	}
	return out, err
}

// bornThere is what of a fenced master's own is on this one and isn't in the position, and what stopped its applier.
func (n *node) bornThere(ctx context.Context, limit time.Duration, f Fenced) (born, conflict string, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var name string
	if err := n.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&name); err != nil {
		return "", "", n.fail(err)
	}
	v, err := parseVersion(name)
	if err == nil {
		err = v.supported()
	}
	if err != nil {
		return "", "", n.fail(err)
	}
	d := dialectOf(v)
	query, args := "SELECT @@gtid_binlog_state AS state; ", []any(nil)
	if !v.mariadb {
		query, args = "SELECT GTID_SUBTRACT(@@global.gtid_executed, ?) AS state; ", []any{string(f.Pos)}
	}
	tables, err := askAll(ctx, n.db, query+d.status, args...)
	if err != nil {
		return "", "", n.fail(err)
	}
	state := oneLine(firstRow(tables, 0)["state"])
	if v.mariadb {
		born, err = mariadbBorn(state, f)
	} else {
		born = setsOf(state, f.Server)
	}
	return born, n.conflict(d.channels(tables[1:])), n.fail(err)
}

// setsOf is the part of a GTID set that one server wrote.
func setsOf(set, uuid string) string {
	var own []string
	for _, part := range strings.Split(set, ",") {
		part = strings.TrimSpace(part)
		if server, _, _ := strings.Cut(part, ":"); strings.EqualFold(server, uuid) {
			own = append(own, part)
		}
	}
	return strings.Join(own, ",")
}

// mariadbBorn is the same of a binlog state: the streams of a server, in whichever domain, that are further than the position.
func mariadbBorn(state string, f Fenced) (string, error) {
	all, err := parseState(state)
	if err != nil {
		return "", err
	}
	base, err := readPosition(f.Pos)
	if err != nil {
		return "", err
	}
	there := map[stream]uint64{}
	for s := range all {
		if fmt.Sprint(s.server) != f.Server {
			delete(all, s)
			continue
		}
		there[s] = base.upTo(s)
	}
	return strings.Join(ahead(all, there), ", "), nil
}

// withThese is the position with these, too.
func withThese(f Fenced, ids string) (Position, error) {
	if strings.Contains(ids, ":") {
		return Position(string(f.Pos) + "," + ids), nil
	}
	base, err := readPosition(f.Pos)
	if err != nil {
		return "", err
	}
	for _, id := range strings.Split(ids, ", ") {
		head, last, many := strings.Cut(id, "..")
		parts := strings.Split(head, "-")
		if many && len(parts) == 3 {
			head = parts[0] + "-" + parts[1] + "-" + last
		}
		one, err := parseState(head)
		if err != nil {
			return "", err
		}
		for s, n := range one {
			base.logged[s] = max(base.logged[s], n)
		}
	}
	return base.position(), nil
}

// conflictsOf are the errors of an applier that mean that both masters wrote.
var conflictsOf = map[string]string{
	"1062": "a row with that key is there already",
	"1032": "the row that was changed isn't there",
	"1451": "a row that others refer to was deleted",
	"1452": "the row that is referred to isn't there",
}

// conflict is "replication into cloud stopped: 1062, a row with that key is there already", "" where it is no conflict that stopped it.
func (n *node) conflict(cs []row) string {
	for _, c := range channelsOf(cs) {
		if what, is := conflictsOf[c.row["Last_SQL_Errno"]]; is {
			return fmt.Sprintf("replication into %s stopped: %s, %s", n.room, c.row["Last_SQL_Errno"], what)
		}
	}
	return ""
}

// Await looks for strays each so often until there are some, or an applier has stopped on a conflict, or ctx ends: then it returns what
// the last look saw, and its error.
func (r *Ring) Await(ctx context.Context, f Fenced, every time.Duration, known []string) (Strays, error) {
	for {
		s, err := r.Strays(ctx, f)
		news := slices.ContainsFunc(s.Conflicts, func(c string) bool { return !slices.Contains(known, c) })
		if s.IDs != "" || news || pauseFor(ctx, every) != nil {
			if ctx.Err() != nil && s.IDs == "" && !news {
				err = nil // the last look was cut short
			}
			return s, err
		}
	}
}
