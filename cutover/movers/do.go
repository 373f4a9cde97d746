package movers

import (
	"context"
	"errors"
	"fmt"

	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

// Do carries out one act (⑦).
func (m *Movers) Do(ctx context.Context, name string, a writer.Act, index uint64, b writer.Budget) cutover.MoveReply {
	p := m.pairs[name]
	if p == nil {
		return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("there is no pair %q", name)}
	}
	if err := p.enter(ctx); err != nil {
		return cutover.MoveReply{What: cutover.Unknown, Err: err}
	}
	defer p.leave()
	switch a.Do {
	case writer.Write:
		return replyOf(p.write(ctx, a.Next, index))
	case writer.Prove:
		return replyOf(p.prove(ctx))
	}
	s := p.server(a.Room)
	if s == nil {
		return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("pair %s has no master in %q", name, a.Room)}
	}
	switch a.Do {
	case writer.Fence:
		return serverReply(p.fence(ctx, s))
	case writer.Open:
		return serverReply(s.Open(ctx))
	case writer.Kill:
		ctx, cancel := context.WithTimeout(ctx, b.Kill)
		defer cancel()
		return serverReply(s.Kill(ctx))
	case writer.Wait:
		ctx, cancel := context.WithTimeout(ctx, b.Wait)
		defer cancel()
		return serverReply(s.Wait(ctx, dbsync.Position(a.Pos)))
	}
	return cutover.MoveReply{What: cutover.Failed, Err: fmt.Errorf("%v is nothing that can be done", a.Do)}
}

func (p *pair) server(room cutover.Room) *dbsync.Server {
	for _, s := range p.Servers {
		if s.Room() == room {
			return s
		}
	}
	return nil
}

// serverReply: what a server says cleanly is an answer. A request that wasn't answered, or couldn't be sent, ended the session, or is as if it
// had.
func serverReply(err error) cutover.MoveReply {
	switch {
	case err == nil:
		return cutover.MoveReply{What: cutover.Done}
	case errors.Is(err, cutover.ErrOutcomeUnknown):
	case isA[*dbsync.BlockedError](err), isA[*dbsync.RefusedError](err), isA[*dbsync.HalfError](err), isA[*dbsync.PendingError](err),
		isA[*dbsync.AliveError](err), isA[*dbsync.BehindError](err), isA[*dbsync.ProviderError](err):
		return cutover.MoveReply{What: cutover.Failed, Err: err}
	}
	return cutover.MoveReply{What: cutover.Unknown, Err: err}
}

func isA[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// replyOf is a reply of the record's keeper.
func replyOf(err error) cutover.MoveReply {
	switch {
	case err == nil:
		return cutover.MoveReply{What: cutover.Done}
	case errors.Is(err, cutover.ErrOutcomeUnknown):
		return cutover.MoveReply{What: cutover.Unknown, Err: err}
	}
	return cutover.MoveReply{What: cutover.Failed, Err: err}
}

// write is a compare-and-set of the record. Errors that say nothing of an outcome are clean: nothing was written.
func (p *pair) write(ctx context.Context, next writer.Record, index uint64) error {
	text, err := next.Encode()
	if err != nil {
		return err
	}
	if index != p.index {
		return fmt.Errorf("not written: the record was read at index %d, and is to be replaced at %d", p.index, index)
	}
	if p.record != nil {
		if err := next.Follows(*p.record); err != nil {
			return err
		}
		switch next.Phase {
		case writer.Fencing:
			if err := p.remember(ctx, next); err != nil {
				return err
			}
		case writer.Stable:
			p.eventsOn(ctx, next)
		}
	}
	if _, err := p.Keeper.Write(ctx, p.session, text, index); err != nil {
		return err
	}
	p.proven = p.session
	if next.Phase == writer.Stable {
		p.after = &next
	}
	return nil
}
