package dbsync

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// VerifyOptions is what Verify compares, and how fast. What is 0 takes the values of the comments.
type VerifyOptions struct {
	// Databases, Tables (DATABASE.TABLE) and Only (patterns of those, with * and ?) are what is compared; none of all: everything but the
	// servers' own databases and roomshift's own table.
	Databases, Tables, Only []string

	Chunk   time.Duration // how long a server is to work on one statement: 0.5 s
	Rate    int           // rows a second at most; 0: no limit
	MaxLoad int           // statements that a server works on at once, above which nothing is asked of it; 0: no limit
	Keys    int           // how many differing rows of a table are named: 10; less than 0: none
	Lag     time.Duration // how long the other room may take to apply what the first one has: 1 m
	// Progress is told of each chunk, by one goroutine: the table so far, and how many rows the server guesses that it has.
	Progress func(t *TableCompared, about int64)
}

// Verify compares what both masters of a pair hold, table by table and range by range of their keys. It writes nothing to either. It works
// while the pair is written to, for a range or row that isn't the same is looked at again behind a position that the first room had:
//
//	hash it in the first room → read that room's position → wait for that in the other → hash it there → hash it in the first again
//
// A row differs only if it does so several times in a row without having changed in between. The first room is the one that takes the
// writes. A comparison that couldn't be ended is returned with an error, as far as it got.
func (r *Ring) Verify(ctx context.Context, o VerifyOptions) (*Comparison, error) {
	v := &verifier{o: o.defaults(), c: &Comparison{Pair: r.name, Only: o.asked(), Began: time.Now().UTC()}}
	for i, n := range r.nodes {
		s, err := n.compared()
		if err != nil {
			return nil, err
		}
		defer s.close()
		v.sides[i] = s
	}
	err := v.run(ctx)
	v.c.At = time.Now().UTC()
	if err != nil {
		v.c.Ended = err.Error()
		if ctx.Err() != nil {
			v.c.Ended = "interrupted"
		}
	}
	return v.c, err
}

func (o VerifyOptions) defaults() VerifyOptions {
	if o.Chunk <= 0 {
		o.Chunk = 500 * time.Millisecond
	}
	if o.Keys == 0 {
		o.Keys = 10
	}
	if o.Lag <= 0 {
		o.Lag = time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(*TableCompared, int64) {}
	}
	return o
}

// verifier is one comparison under way.
type verifier struct {
	o     VerifyOptions
	sides [2]*compared // the one that takes the writes first
	c     *Comparison

	began   time.Time // of the first chunk
	rows    int64     // that were read since
	current *TableCompared
}

func (v *verifier) run(ctx context.Context) error {
	var fenced [2]bool
	for i, s := range v.sides {
		if err := s.open(ctx); err != nil {
			return err
		}
		var err error
		if _, fenced[i], err = s.position(ctx); err != nil {
			return err
		}
	}
	if fenced[0] && !fenced[1] {
		v.sides[0], v.sides[1] = v.sides[1], v.sides[0]
	}
	v.c.Rooms[0], v.c.Rooms[1] = v.sides[0].room, v.sides[1].room
	if err := samePair(v.sides[0].v, v.sides[1].v); err != nil {
		return err
	}
	both, wrong, err := v.pairUp(ctx)
	if err != nil {
		return err
	}
	v.c.Tables, v.began = wrong, time.Now()
	for _, t := range both {
		if err := v.table(ctx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return v.end(ctx)
}

// end notes the position at which the other room has all that was compared.
func (v *verifier) end(ctx context.Context) (err error) {
	if v.c.Position, _, err = v.sides[0].position(ctx); err != nil {
		return err
	}
	return v.sides[1].reach(ctx, v.c.Position, v.o.Lag)
}

// wholeAtMost is the largest table without a key, by the server's guess, that is compared as one: larger ones are counted.
const wholeAtMost = 200_000

// table compares one table. What is known of it stays known when it ends early.
func (v *verifier) table(ctx context.Context, t *table) error {
	v.c.Tables = append(v.c.Tables, TableCompared{Name: t.String()})
	at := &v.c.Tables[len(v.c.Tables)-1]
	v.current = at
	defer func() {
		v.c.Rows += at.Rows
		v.c.Chunks += at.Chunks
	}()
	if len(t.key) == 0 {
		return v.unkeyed(ctx, t)
	}
	for lo, n := []string(nil), firstChunk; ; {
		if err := v.hold(ctx); err != nil {
			return err
		}
		hi, more, err := v.next(ctx, t, lo, n)
		if err != nil {
			return err
		}
		began := time.Now()
		a, err := v.chunk(ctx, t, stretch{lo, hi})
		if tooLong(err) && n > smallestChunk {
			n = max(n/4, smallestChunk)
			continue
		}
		if err != nil {
			return err
		}
		at.Rows += a.n
		at.Chunks++
		v.o.Progress(at, t.about)
		if !more {
			return nil
		}
		n, lo = v.size(n, a.n, time.Since(began)), hi
	}
}

// The sizes of chunks, in rows.
const (
	firstChunk    = int64(100)
	smallestChunk = int64(50)
	largestChunk  = int64(1_000_000)
)

// size is how large the next chunk should be: as many rows as a server reads in the time that was asked for, and never suddenly many more.
func (v *verifier) size(n, rows int64, took time.Duration) int64 {
	if rows < n/2 || took <= 0 {
		return n
	}
	n = min(int64(float64(rows)*float64(v.o.Chunk)/float64(took)), 4*n)
	if v.o.Rate > 0 {
		n = min(n, int64(v.o.Rate)) // not more than a second's
	}
	return min(max(n, smallestChunk), largestChunk)
}

// next is the key at which the next chunk ends. The last one has no end, so that rows of the other room alone are in it: it begins behind the
// last row that the first room has.
func (v *verifier) next(ctx context.Context, t *table, lo []string, n int64) (hi []string, more bool, err error) {
	tables, err := v.sides[0].ask(ctx, t.nth(stretch{lo: lo}, n))
	if err == nil && len(tables[0]) == 0 {
		tables, err = v.sides[0].ask(ctx, t.last(stretch{lo: lo}))
	}
	if err != nil {
		return nil, false, err
	}
	if len(tables[0]) == 0 {
		return nil, false, nil
	}
	return t.keyOf(tables[0][0]), true, nil
}

// sum is what a span's rows have in common.
type sum struct {
	n int64
	h string
}

// read asks for a sum.
func (s *compared) read(ctx context.Context, query string) (d sum, err error) {
	tables, err := s.ask(ctx, query)
	if err != nil {
		return d, err
	}
	r := firstRow(tables, 0)
	if r["n"] != r["hashed"] {
		return d, s.fail(fmt.Errorf("%s of %s rows have a hash", r["hashed"], r["n"]))
	}
	_, err = fmt.Sscan(r["n"], &d.n)
	d.h = r["h"]
	return d, err
}

// rounds is how often a chunk that isn't the same is looked at before its rows are.
const rounds = 3

// chunk compares a span. Both rooms are asked at once first: what is the same then is the same. What isn't may be under way.
func (v *verifier) chunk(ctx context.Context, t *table, s stretch) (sum, error) {
	query := t.digest(s)
	a, b, err := v.atOnce(ctx, query)
	for k := 0; err == nil && a != b && k < rounds; k++ {
		a, b, err = v.inOrder(ctx, query)
	}
	v.rows += a.n
	if err != nil || a == b {
		return a, err
	}
	return a, v.narrow(ctx, t, s, a, b)
}

// atOnce asks both rooms side by side.
func (v *verifier) atOnce(ctx context.Context, query string) (a, b sum, err error) {
	done := make(chan error, 1)
	go func() {
		var err error
		b, err = v.sides[1].read(ctx, query)
		done <- err
	}()
	a, err = v.sides[0].read(ctx, query)
	return a, b, errors.Join(err, <-done)
}

// inOrder asks the other room when it has what the first one had.
func (v *verifier) inOrder(ctx context.Context, query string) (a, b sum, err error) {
	if a, err = v.sides[0].read(ctx, query); err != nil {
		return a, b, err
	}
	if err = v.wait(ctx); err != nil {
		return a, b, err
	}
	b, err = v.sides[1].read(ctx, query)
	return a, b, err
}

// wait waits until the other room has what the first one has now.
func (v *verifier) wait(ctx context.Context) error {
	p, _, err := v.sides[0].position(ctx)
	if err != nil {
		return err
	}
	return v.sides[1].reach(ctx, p, v.o.Lag)
}

// unkeyed compares a table without a key: as one chunk where it is small, by its number of rows where it isn't.
func (v *verifier) unkeyed(ctx context.Context, t *table) error {
	query, at := t.digest(stretch{}), v.current
	if t.about > wholeAtMost {
		query, at.Lack = t.count(), "it has no key and is large: its rows were counted only"
	}
	a, b, err := v.atOnce(ctx, query)
	stood := 0
	for k := 0; err == nil && a != b && stood < strikes && k < mostLooks; k++ {
		if err = pauseFor(ctx, time.Duration(k)*10*time.Millisecond); err == nil {
			a, b, err = v.inOrder(ctx, query)
		}
		if err == nil && a != b {
			var again sum
			if again, err = v.sides[0].read(ctx, query); again == a {
				stood++
			}
		}
	}
	if tooLong(err) {
		at.Lack = "it has no key and is too large for one statement: it wasn't compared"
		return nil
	}
	if err != nil {
		return err
	}
	at.Rows, at.Chunks = a.n, 1
	switch {
	case a == b:
	case stood == strikes:
		at.Wrong = fmt.Sprintf("it has no key, so that no row can be named, and isn't the same: %d rows in %s, %d in %s", a.n, v.sides[0].room, b.n, v.sides[1].room)
	default:
		at.Moving, at.Lack = 1, "it has no key, and changed each time that both rooms were looked at"
	}
	v.o.Progress(at, t.about)
	return nil
}

// hold waits while there is too much load, or the rate is over.
func (v *verifier) hold(ctx context.Context) error {
	if v.o.Rate > 0 {
		ends := v.began.Add(time.Duration(float64(v.rows) / float64(v.o.Rate) * float64(time.Second)))
		if err := pauseFor(ctx, time.Until(ends)); err != nil {
			return err
		}
	}
	for _, s := range v.sides {
		for v.o.MaxLoad > 0 {
			n, err := s.running(ctx)
			if err != nil {
				return err
			}
			if n <= v.o.MaxLoad {
				break
			}
			if err := pauseFor(ctx, 250*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}
