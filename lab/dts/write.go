package dts

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// table is what is known of one: its columns in order, and which of them are its key.
type table struct{ columns, key []string }

// write writes what was read, when it is due, in order but for stragglers. Conflicts are overwritten.
func (t *Task) write(ctx context.Context) {
	for ctx.Err() == nil {
		x, wait := t.next()
		if x == nil {
			select {
			case <-ctx.Done():
			case <-t.more:
			case <-time.After(wait):
			}
			continue
		}
		if err := t.apply(ctx, x); err != nil {
			if ctx.Err() == nil {
				t.Become("Failed", err.Error())
			}
			continue
		}
		t.written(x)
	}
}

// next is the first transaction that is due, nil: none for so long.
func (t *Task) next() (*transaction, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := time.Second
	if t.status != "Synchronizing" {
		return nil, wait
	}
	for _, x := range t.queue {
		left := t.delay + x.due - time.Since(x.came)
		if left <= 0 {
			return x, 0
		}
		wait = min(wait, left)
		if t.straggle == 0 && x.due == 0 { // in order
			return nil, wait
		}
	}
	return nil, wait
}

// written takes a transaction off, and moves the checkpoint.
func (t *Task) written(x *transaction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = slices.DeleteFunc(t.queue, func(y *transaction) bool { return y == x })
	t.newest = max(t.newest, x.second)
}

func (t *Task) apply(ctx context.Context, x *transaction) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of no use after Commit
	if _, err := tx.ExecContext(ctx, "INSERT INTO dts.mark (task, n) VALUES (?, 1) ON DUPLICATE KEY UPDATE n = n + 1", t.name()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for _, c := range x.changes {
		db, _, _ := strings.Cut(c.table, ".")
		if !slices.Contains(t.o.Databases, db) {
			continue
		}
		if err := t.change(ctx, tx, c); err != nil {
			return fmt.Errorf("write into %s: %w", c.table, err)
		}
	}
	return tx.Commit()
}

func (t *Task) change(ctx context.Context, tx *sql.Tx, c change) error {
	d, err := t.known(ctx, c.table)
	if err != nil {
		return err
	}
	if c.before != nil {
		var where []string
		for _, k := range d.key {
			i := slices.Index(d.columns, k)
			where = append(where, "`"+k+"` = "+c.before[i])
		}
		if c.after == nil || !d.sameKey(c) {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+c.table+" WHERE "+strings.Join(where, " AND ")); err != nil {
				return err
			}
		}
	}
	if c.after == nil {
		return nil
	}
	// An update of a row that isn't there becomes an insert.
	_, err = tx.ExecContext(ctx, "REPLACE INTO "+c.table+" (`"+strings.Join(d.columns, "`, `")+"`) VALUES ("+strings.Join(c.after, ", ")+")")
	return err
}

func (d *table) sameKey(c change) bool {
	for _, k := range d.key {
		if i := slices.Index(d.columns, k); c.before[i] != c.after[i] {
			return false
		}
	}
	return true
}

// known reads a table's columns once.
func (t *Task) known(ctx context.Context, name string) (*table, error) {
	if d := t.columns[name]; d != nil {
		return d, nil
	}
	db, table1, _ := strings.Cut(name, ".")
	rows, err := t.db.QueryContext(ctx, "SELECT column_name, column_key FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position", db, table1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	d := &table{}
	for rows.Next() {
		var column, key string
		if err := rows.Scan(&column, &key); err != nil {
			return nil, err
		}
		d.columns = append(d.columns, column)
		if key == "PRI" {
			d.key = append(d.key, column)
		}
	}
	if len(d.columns) == 0 {
		return nil, fmt.Errorf("there is no table %s", name)
	}
	t.columns[name] = d
	return d, rows.Err()
}
