package dbsync

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"roomshift/cutover"
)

// session is one round of Watch: X takes the writes, Y is fenced, and both answer.
type session struct {
	o        WatchOptions
	pair     string
	x, y     *node
	xID, yID string        // what tells each apart: side.id
	d        *dialect      // of both
	channel  string        // the name of X's connection to Y, "" the default one
	period   time.Duration // of the heartbeats that Y's idle dump thread sends to X
	noBack   error         // why the way back can't be measured at all, nil: it can
	slice    time.Duration
	patience time.Duration // how long after its slice an answer may come

	readers     *readers // Y's room's, nil: its master serves its reads
	forth, back *track
	mixed       atomic.Bool // events of other servers come to X between its own
	all         sync.WaitGroup
	onY, onX    waiters // those that follow heartbeats forth, and back
	fail        context.CancelCauseFunc
}

// waiters are the connections to a master on which heartbeats are waited for, one each. The two ways have their own: one that lags
// must not take the sight of the other.
type waiters struct {
	node *node
	free chan *sql.Conn // those that no heartbeat uses
	made int
}

// take is a connection, opened now if need be; nil when all are in use. One goroutine takes; any may use idle and give.
func (w *waiters) take(ctx context.Context, patience time.Duration) (*sql.Conn, error) {
	if c := w.idle(); c != nil || w.made == underWay {
		return c, nil
	}
	c, err := w.node.conn(ctx, patience)
	if err == nil {
		w.made++
	}
	return c, err
}

// idle is an open connection that nobody uses, nil if there is none.
func (w *waiters) idle() *sql.Conn {
	select {
	case c := <-w.free:
		return c
	default:
		return nil
	}
}

// give takes a connection back; nil is none.
func (w *waiters) give(c *sql.Conn) {
	if c != nil {
		w.free <- c
	}
}

func (w *waiters) close() {
	for c := w.idle(); c != nil; c = w.idle() {
		_ = c.Close() // back to its pool, which looks at it
	}
}

func (r *Ring) newSession(ctx context.Context, o WatchOptions, x, y *node) (*session, error) {
	xs, err := x.readSide(ctx, r.timeout)
	if err != nil {
		return nil, err
	}
	ys, err := y.readSide(ctx, r.timeout)
	if err != nil {
		return nil, err
	}
	s := &session{o: o, pair: r.name, x: x, y: y, readers: r.readers[y], xID: xs.id(), yID: ys.id(), d: xs.d, slice: sliceOf(o.Every), patience: r.timeout,
		forth: newTrack(y.room, o), back: newTrack(x.room, o),
		onY: waiters{node: y, free: make(chan *sql.Conn, underWay)}, onX: waiters{node: x, free: make(chan *sql.Conn, underWay)}}
	if err := samePair(xs.version, ys.version); err != nil {
		return nil, err
	}
	if s.xID == s.yID {
		return nil, noData("the masters in %s and %s both have %s: the same server twice, or two that can't replicate",
			x.room, y.room, xs.name())
	}
	var c channel
	if c, s.noBack = wayBack(xs, ys); s.noBack == nil {
		s.channel, s.period = c.name(), c.period()
	}
	return s, nil
}

// wayBack is X's channel from Y. It is an error when what comes back over it would show nothing: a position is moved over by
// what is left out, too, so a filter would make every lag 0.
func wayBack(x, y side) (channel, error) {
	c, err := onlySource(x.room, rowsOf(x.channels))
	if err != nil {
		return c, err
	}
	// A thread that hasn't been connected yet: each answer is looked at again.
	if id := c.sourceID(); id != y.id() && id != notConnected {
		return c, noData("%s receives from the server with id %s, want %s (the master in %s)", x.room, id, y.id(), y.room)
	}
	for _, m := range []side{y, x} {
		if m.log == nil || m.vars["log_slave_updates"] != "ON" {
			return c, noData("the master in %s doesn't log what it applies (log_bin, log_slave_updates): what comes back can't be followed", m.room)
		}
	}
	left := y.logFilters()
	for _, in := range y.channels {
		left += in.filters()
	}
	if left += x.logFilters(); left != "" {
		return c, noData("filters between %s and %s leave things out: %s", x.room, y.room, left)
	}
	return c, nil
}

func rowsOf(cs []channel) []row {
	rows := make([]row, len(cs))
	for i, c := range cs {
		rows[i] = c.row
	}
	return rows
}

// run measures until something breaks, and returns that when everything it started has ended.
func (s *session) run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	s.fail = fail
	if s.readers != nil {
		s.start(ctx, func(ctx context.Context) error { return s.readers.keep(ctx, s.patience) })
	}
	s.start(ctx, s.beats)
	s.start(ctx, s.listen)
	<-ctx.Done()
	s.all.Wait()
	s.onY.close()
	s.onX.close()
	return context.Cause(ctx)
}

func (s *session) start(ctx context.Context, f func(context.Context) error) {
	s.all.Go(func() {
		if err := f(ctx); err != nil {
			s.fail(err)
		}
	})
}

// conn is a connection for one user's waits.
func (n *node) conn(ctx context.Context, timeout time.Duration) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := n.db.Conn(ctx)
	if err != nil {
		return nil, n.fail(err)
	}
	return c, nil
}

// beats writes a heartbeat each period and has it followed.
func (s *session) beats(ctx context.Context) error {
	conn, err := s.x.conn(ctx, s.patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	write := s.write
	if s.o.Passive {
		write = s.passiveBeats()
	}
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for seq := 1; ; seq++ {
		if err := s.oneBeat(ctx, conn, seq, write); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// oneBeat writes a heartbeat and has it followed, if it can be. The connections are opened before it is written, so that opening them
// is no part of the lag.
func (s *session) oneBeat(ctx context.Context, conn *sql.Conn, seq int, write beatWriter) error {
	y, err := s.onY.take(ctx, s.patience)
	if err != nil {
		return err
	}
	x, err := s.onX.take(ctx, s.patience)
	if err != nil {
		s.onY.give(y)
		return err
	}
	h, err := write(ctx, conn)
	if err == nil && h.gtid != "" {
		err = s.d.split(&h)
	}
	if y == nil || err != nil || h.gtid == "" {
		s.onY.give(y)
		s.onX.give(x)
	}
	switch {
	case err != nil:
		return s.x.fail(fmt.Errorf("heartbeat: %w", err))
	case y == nil || h.gtid == "":
		return nil
	}
	h.seq = seq
	p := s.invite(ctx, h)
	s.start(ctx, func(ctx context.Context) error { return s.follow(ctx, y, x, h, p) })
	return nil
}

// now is short for the clock.
func (s *session) now() cutover.T { return s.o.Now() }
