package dbsync

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"roomshift/cutover"
)

// longestPeriod is the slowest heartbeat of replication that tells an idle direction from a cut one in time.
const longestPeriod = 2 * time.Second

// listen looks at the way back while no heartbeat travels on it, because none comes to Y: is it idle, or is it cut?
func (s *session) listen(ctx context.Context) error {
	if s.noBack != nil {
		return s.sayNoBack(ctx)
	}
	x, err := s.x.conn(ctx, s.patience)
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := s.y.conn(ctx, s.patience)
	if err != nil {
		return err
	}
	defer y.Close()
	tick := time.NewTicker(max(shortestSlice, min(s.o.Every, s.period/2, longestSlice)))
	defer tick.Stop()
	var p pulse
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !s.back.quiet(s.now()) {
			p = pulse{} // heartbeats travel: they say more
			continue
		}
		l, err := s.look(ctx, x, y, p.pendingSet)
		if err != nil {
			return err
		}
		p.hear(s, l)
	}
}

// sayNoBack says again and again why the way back can't be measured.
func (s *session) sayNoBack(ctx context.Context) error {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		if now := s.now(); s.back.due(now) {
			s.back.unknown(reason(s.noBack), now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// glance is where Y's binlog ends, known at read, and then what X says of its channel, asked at sent.
type glance struct {
	pos         position
	set         string // all transactions of Y up to there, where X can be asked for them
	read        cutover.T
	sent, heard cutover.T
	status      []row
	// X has applied all of set, or what was pending before, though it may not have noted the position yet.
	has, hadPending bool
}

func (s *session) look(ctx context.Context, x, y *sql.Conn, pending string) (glance, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	var l glance
	pos, set, ok, err := s.d.askLog(ctx, y)
	l.pos, l.set, l.read = pos, set, s.now()
	if err == nil && !ok {
		err = noData("the master in %s has no binlog", s.y.room)
	}
	if err != nil {
		return l, s.y.fail(err)
	}
	l.sent = s.now()
	l.status, err = s.d.askStatus(ctx, x)
	if err == nil && s.d.has != "" {
		err = x.QueryRowContext(ctx, s.d.has, l.set, pending).Scan(&l.has, &l.hadPending)
	}
	l.heard = s.now()
	return l, s.x.fail(err)
}

// pulse is what several glances say together.
type pulse struct {
	listening bool
	since     cutover.T // the first glance
	count     string    // heartbeats received, at the last glance
	asked     cutover.T // the last glance's sent
	alive     cutover.T // a heartbeat, or an event, came at this moment or later; 0: none yet
	end       position  // where Y's binlog ended at the last glance, known at endAt
	endAt     cutover.T
	pending   position // what X hadn't reached, known at pendingAt
	pendingAt cutover.T
	// pendingSet is glance.set of pending.
	pendingSet string
}

// hear judges one glance and says what it means.
func (p *pulse) hear(s *session, l glance) {
	if err := s.sameSource(l.status); err != nil {
		*p = pulse{}
		s.back.unknown(reason(err), l.heard)
		return
	}
	c := channel{l.status[0]}
	if period := c.period(); period <= 0 || period > longestPeriod {
		s.back.unknown(noData("nothing is under way to %s, and its source's heartbeat each %v can't show that it is alive: want 2 s or less",
			s.x.room, period).reason, l.heard)
		return
	}
	p.heartbeats(c, l)
	done, err := c.executed()
	if err != nil {
		s.back.unknown(reason(err), l.heard)
		return
	}
	done = p.applied(c, l, done)
	p.events(done, l)
	if done.compare(l.pos) < 0 {
		p.behind(s, done, l)
		return
	}
	p.pending, p.pendingSet = position{}, ""
	p.judge(s, l, c.period())
}

// heartbeats follows the count of heartbeats: one that has risen since the last glance came after that was asked.
func (p *pulse) heartbeats(c channel, l glance) {
	n := c.row["Slave_received_heartbeats"]
	if _, err := strconv.ParseInt(n, 10, 64); err != nil {
		n = ""
	}
	if !p.listening {
		p.listening, p.since = true, l.sent
	} else if n != "" && n != p.count {
		p.alive = p.asked
	}
	p.count, p.asked = n, l.sent
}

// events follows what X has passed: beyond Y's end as the last glance saw it there is only what Y logged after that. A dump thread
// that has events to send sends no heartbeats.
func (p *pulse) events(done position, l glance) {
	if p.end != (position{}) && done.compare(p.end) > 0 {
		p.alive = max(p.alive, p.endAt)
	}
	p.end, p.endAt = l.pos, l.read
}

// applied is done, or what lies beyond it and is applied though X hasn't noted that yet: all of it has come, and X has all its
// transactions.
func (p *pulse) applied(c channel, l glance, done position) position {
	got, err := c.received()
	if err != nil {
		return done
	}
	for at, has := range map[position]bool{l.pos: l.has, p.pending: l.hadPending && p.pendingSet != ""} {
		if has && got.compare(at) >= 0 && at.compare(done) > 0 {
			done = at
		}
	}
	return done
}

// behind: X hasn't reached Y's end. That may be a moment's work, or something that is held up.
func (p *pulse) behind(s *session, done position, l glance) {
	if p.pending == (position{}) || done.compare(p.pending) >= 0 {
		p.pending, p.pendingAt, p.pendingSet = l.pos, l.read, l.set
		return
	}
	if s.back.due(l.heard) {
		s.back.atLeast(l.sent-p.pendingAt, p.pendingAt, l.sent, l.heard)
	}
}

// judge: X has reached Y's end. It is idle while heartbeats of replication come, else nobody knows.
func (p *pulse) judge(s *session, l glance, period time.Duration) {
	patience := cutover.T(2 * period)
	switch {
	case p.alive > 0 && l.sent-p.alive <= patience:
		if s.back.due(l.heard) {
			s.back.idle(p.alive, l.sent, l.heard)
		}
	case l.sent-max(p.since, p.alive) > patience:
		if s.back.due(l.heard) {
			s.back.unknown(noData("nothing is under way to %s, and its source's heartbeat (each %v) hasn't come for %v",
				s.x.room, period, (l.sent-max(p.since, p.alive)).Duration().Round(100*time.Millisecond)).reason, l.heard)
		}
	}
}
