package dbsync

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"roomshift/cutover"
)

// Finding is what one check came to, on one master or, for a direction, for the room that receives. Room "" is the pair.
type Finding = cutover.Finding

// ringView is both sides as checks see them. Each check is a pure function of it.
type ringView struct {
	sides [2]side
	same  bool      // both DSNs lead to one server
	alive [2]string // why a side can't be shown to hear from its source, "" it heard
	state [2]string // each side's transactions, the fenced side's read first
	// only is what only the fenced side has, coming what it hasn't yet, gone what of that the writer has purged; "" nothing.
	only, coming, gone string
}

// checks are in the order in which a person would look: what makes the later ones meaningless comes first.
var checks = []func(ringView) []Finding{
	checkIdentity, checkRing, checkWriter, checkThreads, checkDelay, checkUntil, checkAlive, checkHeartbeat, checkRetries,
	checkGTID, checkSets, checkLog, checkFilters, checkSkipping, checkSemiSync, checkTable,
}

// Check reads everything about the pair that a shift rests on, writes nothing, and judges it; it takes up to twice the
// period of replication's heartbeat. Every check gives at least one finding, good or bad, in a fixed order. A master that
// can't be asked is a finding of the check "answers", and then nothing else is judged. The error is ctx's only.
func (r *Ring) Check(ctx context.Context) ([]Finding, error) {
	if r.kept.Tool != nil {
		return r.checkSynced(ctx)
	}
	var v ringView
	var errs [2]error
	var both sync.WaitGroup
	for i, n := range r.nodes {
		both.Go(func() { v.sides[i], errs[i] = n.readSide(ctx, r.timeout) })
	}
	both.Wait()
	found, ok := answers(r, v, errs)
	if !ok {
		return found, ctx.Err()
	}
	if err := r.deeper(ctx, &v); err != nil {
		return append(found, refusedFinding(Finding{Check: "answers", Wanted: "an answer to every question"}, err, v.sides[0].d, "look at the master and at roomshift's account on it")), ctx.Err()
	}
	for _, check := range checks {
		found = append(found, check(v)...)
	}
	found = append(found, r.checkReaders(ctx)...)
	return append(found, r.checkProviders(ctx)...), ctx.Err()
}

func answers(r *Ring, v ringView, errs [2]error) (found []Finding, ok bool) {
	ok = true
	for i, n := range r.nodes {
		f := Finding{Check: "answers", Room: n.room, Seen: v.sides[i].version.String(), Wanted: supportedVersions, OK: true}
		if err := errs[i]; err != nil {
			f, ok = refusedFinding(f, err, v.sides[i].d, "look at the address "+n.addr+", the server and roomshift's account on it"), false
		}
		found = append(found, f)
	}
	if !ok {
		return found, false
	}
	a, b := v.sides[0], v.sides[1]
	f := Finding{Check: "engines", Seen: a.version.String() + " in " + a.room + ", " + b.version.String() + " in " + b.room,
		Wanted: "one engine, in one series", OK: true}
	if err := samePair(a.version, b.version); err != nil {
		f.OK = false
		f.Do = "bring both to one series: MariaDB and MySQL can't read each other's GTIDs, and a newer series isn't made to be read by an older one"
	}
	return append(found, f), f.OK
}

// refusedFinding is f for a master that gave no answer because of err; d is its dialect, nil: not known.
func refusedFinding(f Finding, err error, d *dialect, do string) Finding {
	f.OK, f.Seen, f.Do = false, err.Error(), do
	if lacksRight(err) && d != nil {
		f.Do, f.Grant = "give roomshift's account its rights", d.grants
	}
	return f
}

// deeper asks what takes more than one answer: whether both are one server, whether each hears its source, and the GTID
// states, the fenced side's first: what is in it and not in the writer's later one never came from the writer.
func (r *Ring) deeper(ctx context.Context, v *ringView) error {
	var err error
	if v.same, err = r.sameServer(ctx); err != nil {
		return err
	}
	if v.same {
		return nil // nothing else is worth a question
	}
	if err := r.readStates(ctx, v); err != nil {
		return err
	}
	return r.listens(ctx, v)
}

// readStates reads what each side has, the fenced one first, and compares it.
func (r *Ring) readStates(ctx context.Context, v *ringView) error {
	order := v.fencedFirst()
	for _, i := range order {
		n := r.nodes[i]
		if err := n.bounded(ctx, r.timeout, func(ctx context.Context) error {
			return n.db.QueryRowContext(ctx, "SELECT "+v.sides[i].d.state).Scan(&v.state[i])
		}); err != nil {
			return err
		}
	}
	return r.compare(ctx, v, order[0], order[1])
}

// listens notes whether each side hears from its source.
func (r *Ring) listens(ctx context.Context, v *ringView) error {
	var both sync.WaitGroup
	var errs [2]error
	for i, n := range r.nodes {
		both.Go(func() { v.alive[i], errs[i] = n.hears(ctx, r.timeout, v.sides[i]) })
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

func (v ringView) fencedFirst() []int {
	if fenced, err := parseReadOnly(v.sides[0].vars["read_only"]); err == nil && fenced {
		return []int{0, 1}
	}
	return []int{1, 0}
}

func (n *node) bounded(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return n.fail(f(ctx))
}

// sameServer takes a lock with a name that nobody else has on one master and asks the other for its holder: only one server
// can know it. Addresses and ids can't tell: proxies and copies have any.
func (r *Ring) sameServer(ctx context.Context) (bool, error) {
	name := "roomshift.same." + rand.Text()
	var holder sql.NullInt64
	a, b := r.nodes[0], r.nodes[1]
	err := a.bounded(ctx, r.timeout, func(ctx context.Context) error {
		conn, err := a.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", name).Scan(&got); err != nil {
			return err
		}
		if got.Int64 != 1 {
			return fmt.Errorf("a lock that nobody else can have wasn't given")
		}
		err = b.bounded(ctx, r.timeout, func(ctx context.Context) error {
			return b.db.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", name).Scan(&holder)
		})
		_, given := conn.ExecContext(ctx, "DO RELEASE_LOCK(?)", name)
		return errors.Join(err, given)
	})
	return holder.Valid, err
}
