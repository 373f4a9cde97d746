package dbsync

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// rowsAtOnce is how many rows are read one by one; more are divided first.
const rowsAtOnce = 500

// narrow finds the rows of a span that differ. It ends when enough are known of the table.
func (v *verifier) narrow(ctx context.Context, t *table, s stretch, a, b sum) error {
	if v.enough() {
		return nil
	}
	if max(a.n, b.n) <= rowsAtOnce {
		return v.suspects(ctx, t, s)
	}
	side := v.sides[0]
	if b.n > a.n {
		side = v.sides[1]
	}
	tables, err := side.ask(ctx, t.nth(s, max(a.n, b.n)/2))
	if err != nil {
		return err
	}
	if len(tables[0]) == 0 { // fewer now
		return v.suspects(ctx, t, s)
	}
	mid := t.keyOf(tables[0][0])
	if slices.Equal(mid, s.hi) {
		return v.suspects(ctx, t, s)
	}
	for _, half := range []stretch{{s.lo, mid}, {mid, s.hi}} {
		if err := v.hold(ctx); err != nil {
			return err
		}
		a, b, err := v.inOrder(ctx, t.digest(half))
		v.rows += a.n
		if err == nil && a != b {
			err = v.narrow(ctx, t, half, a, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enough tells whether as many rows of the table are known to differ as are named; one is, if none are.
func (v *verifier) enough() bool {
	if v.current.Differs >= max(v.o.Keys, 1) {
		v.current.More = true
		return true
	}
	return false
}

// suspect is a row that wasn't the same.
type suspect struct {
	key     []string
	a, b    string // the hashes seen last, "" there was no row
	strikes int    // how often in a row it differed and had changed in neither room
}

const (
	strikes    = 4  // after which a row differs
	mostLooks  = 25 // after which it isn't known
	keysAtOnce = 100
)

// suspects compares the rows of a small span one by one, and those that aren't the same until it is known whether they differ.
func (v *verifier) suspects(ctx context.Context, t *table, s stretch) error {
	a, err := v.sides[0].hashes(ctx, t, t.rows(s))
	if err != nil {
		return err
	}
	if err := v.wait(ctx); err != nil {
		return err
	}
	b, err := v.sides[1].hashes(ctx, t, t.rows(s))
	if err != nil {
		return err
	}
	var open []*suspect
	for id, r := range a {
		if b[id].h != r.h {
			open = append(open, &suspect{key: r.key, a: r.h, b: b[id].h})
		}
	}
	for id, r := range b {
		if _, there := a[id]; !there {
			open = append(open, &suspect{key: r.key, b: r.h})
		}
	}
	slices.SortFunc(open, func(x, y *suspect) int { return slices.Compare(x.key, y.key) })
	for part := range slices.Chunk(open, keysAtOnce) {
		if err := v.settle(ctx, t, part); err != nil || v.enough() {
			return err
		}
	}
	return nil
}

// hashed is a row's key and hash.
type hashed struct {
	key []string
	h   string
}

func (s *compared) hashes(ctx context.Context, t *table, query string) (map[string]hashed, error) {
	tables, err := s.ask(ctx, query)
	if err != nil {
		return nil, err
	}
	out := make(map[string]hashed, len(tables[0]))
	for _, r := range tables[0] {
		key := t.keyOf(r)
		out[strings.Join(key, "\x00")] = hashed{key, r["h"]}
	}
	return out, nil
}

// settle looks at rows until each is the same, or differs, or has been looked at often enough. A row is taken to differ only when both
// rooms' hashes have stood still through several looks; one that is written again and again has not.
func (v *verifier) settle(ctx context.Context, t *table, open []*suspect) error {
	for look := 0; len(open) > 0 && look < mostLooks; look++ {
		if err := pauseFor(ctx, time.Duration(look)*10*time.Millisecond); err != nil {
			return err
		}
		var keys [][]string
		for _, s := range open {
			keys = append(keys, s.key)
		}
		query := t.these(keys)
		a, err := v.sides[0].hashes(ctx, t, query)
		if err == nil {
			err = v.wait(ctx)
		}
		if err != nil {
			return err
		}
		b, err := v.sides[1].hashes(ctx, t, query)
		if err != nil {
			return err
		}
		again, err := v.sides[0].hashes(ctx, t, query)
		if err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(s *suspect) bool {
			id := strings.Join(s.key, "\x00")
			return s.seen(a[id].h, b[id].h, again[id].h)
		})
		if err := v.named(ctx, t, open); err != nil {
			return err
		}
		open = slices.DeleteFunc(open, func(s *suspect) bool { return s.strikes >= strikes })
	}
	v.current.Moving += len(open)
	return nil
}

// seen notes one look, and tells whether the row is the same: the other room has what the first had before or has now.
func (s *suspect) seen(a, b, again string) bool {
	if b == a || b == again {
		return true
	}
	if a != again || s.strikes > 0 && (s.a != a || s.b != b) {
		s.strikes = 0
	} else {
		s.strikes++
	}
	s.a, s.b = a, b
	return false
}

// named counts the rows that differ, and names the first of them.
func (v *verifier) named(ctx context.Context, t *table, open []*suspect) error {
	for _, s := range open {
		if s.strikes < strikes {
			continue
		}
		v.current.Differs++
		if len(v.current.Keys) >= v.o.Keys {
			continue
		}
		d := RowDiffers{How: RowChanged}
		for k, i := range t.key {
			d.Key = append(d.Key, t.columns[i].shown(s.key[k]))
		}
		switch {
		case s.a == "":
			d.How = "missing in " + v.sides[0].room
		case s.b == "":
			d.How = "missing in " + v.sides[1].room
		default:
			var err error
			if d.Cols, err = v.columnsOf(ctx, t, s.key); err != nil {
				return err
			}
		}
		v.current.Keys = append(v.current.Keys, d)
	}
	return nil
}

// columnsOf names the columns of a row in which the rooms differ.
func (v *verifier) columnsOf(ctx context.Context, t *table, key []string) ([]string, error) {
	var sides [2]row
	for i, s := range v.sides {
		tables, err := s.ask(ctx, t.each(key))
		if err != nil {
			return nil, err
		}
		sides[i] = firstRow(tables, 0)
	}
	var names []string
	for i := range t.columns {
		if c := fmt.Sprintf("c%d", i); sides[0][c] != sides[1][c] {
			names = append(names, t.columns[i].name)
		}
	}
	return names, nil
}
