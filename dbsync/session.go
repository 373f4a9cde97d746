package dbsync

import (
	"context"
	"database/sql"
	"errors"
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
	xID, yID string        // server_id of each
	channel  string        // the name of X's connection to Y, "" the default one
	period   time.Duration // of the heartbeats that Y's idle dump thread sends to X
	noBack   error         // why the way back can't be measured at all, nil: it can
	slice    time.Duration
	patience time.Duration // how long after its slice an answer may come

	forth, back *track
	mixed       atomic.Bool // events of other servers come to X between its own
	all         sync.WaitGroup
	free        chan *slot // slots that no heartbeat uses
	slots       int        // made so far
	fail        context.CancelCauseFunc
}

// slot is the two connections with which one heartbeat is followed.
type slot struct{ y, x *sql.Conn }

func (r *Ring) newSession(ctx context.Context, o WatchOptions, x, y *node) (*session, error) {
	xs, err := x.readSide(ctx, r.timeout)
	if err != nil {
		return nil, err
	}
	ys, err := y.readSide(ctx, r.timeout)
	if err != nil {
		return nil, err
	}
	s := &session{o: o, pair: r.name, x: x, y: y, xID: xs.vars["server_id"], yID: ys.vars["server_id"], slice: sliceOf(o.Every), patience: r.timeout,
		forth: newTrack(y.room, o), back: newTrack(x.room, o), free: make(chan *slot, underWay)}
	if s.xID == s.yID {
		return nil, noData("the masters in %s and %s both have server_id %s: the same server twice, or two that can't replicate",
			x.room, y.room, s.xID)
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
	// 0: its thread hasn't been connected yet; each answer is looked at again.
	if id := c.sourceID(); id != y.vars["server_id"] && id != "0" {
		return c, noData("%s receives from the server with id %s, want %s (the master in %s)", x.room, id, y.vars["server_id"], y.room)
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
	s.start(ctx, s.beats)
	s.start(ctx, s.listen)
	<-ctx.Done()
	s.all.Wait()
	s.closeSlots()
	return context.Cause(ctx)
}

func (s *session) start(ctx context.Context, f func(context.Context) error) {
	s.all.Go(func() {
		if err := f(ctx); err != nil {
			s.fail(err)
		}
	})
}

func (s *session) closeSlots() {
	for {
		select {
		case sl := <-s.free:
			_, _ = sl.x.Close(), sl.y.Close() // back to their pools, which look at them
		default:
			return
		}
	}
}

// slot is two connections for one heartbeat, opened before it is written so that opening them is no part of the lag; nil
// when all are in use.
func (s *session) slot(ctx context.Context) (*slot, error) {
	select {
	case sl := <-s.free:
		return sl, nil
	default:
	}
	if s.slots == underWay {
		return nil, nil
	}
	y, err := s.y.conn(ctx, s.patience)
	if err != nil {
		return nil, err
	}
	x, err := s.x.conn(ctx, s.patience)
	if err != nil {
		return nil, errors.Join(err, y.Close())
	}
	s.slots++
	return &slot{y: y, x: x}, nil
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

func (s *session) oneBeat(ctx context.Context, conn *sql.Conn, seq int, write beatWriter) error {
	sl, err := s.slot(ctx)
	if err != nil {
		return err
	}
	h, err := write(ctx, conn)
	if sl != nil && (err != nil || h.gtid == "") {
		s.free <- sl
	}
	if err != nil {
		return s.x.fail(fmt.Errorf("heartbeat: %w", err))
	}
	if sl == nil || h.gtid == "" {
		return nil
	}
	if err := h.split(); err != nil {
		return s.x.fail(err)
	}
	h.seq = seq
	s.forth.begin(seq, h.acked)
	s.start(ctx, func(ctx context.Context) error {
		defer func() { s.free <- sl }()
		return s.follow(ctx, sl, h)
	})
	return nil
}

// now is short for the clock.
func (s *session) now() cutover.T { return s.o.Now() }
