package dbsync

import (
	"context"
	"database/sql"
	"errors"

	"roomshift/cutover"
)

// follow waits until a heartbeat is on Y, and then until Y's binlog up to it is back on X. Its error ends the round: a
// connection that broke, or a writer that moved. A wait that can't say anything is Unknown in its direction and ends nothing.
// Without x, and without one that is idle by then, it isn't followed back: enough older ones are on their way.
func (s *session) follow(ctx context.Context, y, x *sql.Conn, h beat, p *party) error {
	v, ok, err := s.goForth(ctx, y, h, p)
	if err != nil || !ok {
		p.done(s.now(), false)
	}
	s.onY.give(y)
	if x == nil {
		x = s.onX.idle()
	}
	defer func() { s.onX.give(x) }()
	if err != nil || !ok || x == nil {
		return err
	}
	if s.noBack != nil {
		s.back.unknown(reason(s.noBack), s.now())
		return nil
	}
	s.back.begin(h.seq, v.read)
	defer func() { s.back.end(h.seq, s.now()) }()
	return s.comeBack(ctx, x, h, v)
}

func (s *session) goForth(ctx context.Context, conn *sql.Conn, h beat, p *party) (arrival, bool, error) {
	var notYet, unlogged cutover.T // when it was proven last that it isn't applied, and not logged
	for {
		a, v, err := s.waitGTID(ctx, conn, h, s.now()-h.acked)
		unlogged = max(unlogged, v.after)
		a.notYet, v.after = notYet, unlogged
		var u unknown
		switch {
		case errors.As(err, &u):
			s.forth.unknown(u.reason, s.now())
			return v, false, nil
		case err != nil:
			return v, false, s.y.fail(err)
		case a.reached:
			p.arrived(a)
			return v, true, nil
		}
		if at, ok := a.notBefore(); ok {
			notYet = at
			s.forth.notYet(h.seq, h.sent, at, a.got)
		}
	}
}

func (s *session) comeBack(ctx context.Context, conn *sql.Conn, h beat, v arrival) error {
	var notYet cutover.T // when it was proven last that it isn't there
	for {
		a, err := s.waitPosition(ctx, conn, h, v.pos, s.now()-v.read)
		a.notYet = notYet
		var u unknown
		switch {
		case errors.As(err, &u):
			s.back.unknown(u.reason, s.now())
			return nil
		case err != nil:
			return s.x.fail(err)
		case a.reached:
			lo, hi := backLag(v, a)
			s.back.arrived(h.seq, lo, hi, v.after, a.told(), a.got, 0)
			return nil
		}
		if at, ok := a.notBefore(); ok {
			notYet = at
			s.back.notYet(h.seq, v.after, at, a.got)
		}
	}
}
