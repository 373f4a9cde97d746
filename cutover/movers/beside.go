package movers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

// note is what a move remembers beside its record.
type note struct {
	Epoch  int64 `json:"epoch"`  // of the move
	Events bool  `json:"events"` // the writer's event scheduler was on
}

func (p *pair) writeNote(ctx context.Context, n note) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := p.Keeper.WriteNote(ctx, p.session, text); err != nil {
		if errors.Is(err, cutover.ErrOutcomeUnknown) { // whether the note is there: the record wasn't sent
			err = errors.New(err.Error())
		}
		return err
	}
	p.note, p.proven = &n, p.session
	return nil
}

// readNote is the note as this process knows it, or as it stands.
func (p *pair) readNote(ctx context.Context) (note, error) {
	if p.note != nil {
		return *p.note, nil
	}
	text, err := p.Keeper.Note(ctx)
	if err != nil || text == nil {
		return note{}, err
	}
	n := note{}
	if err := json.Unmarshal(text, &n); err != nil {
		return n, fmt.Errorf("the note beside the writer of %s: %w", p.Name, err)
	}
	return n, nil
}

// remember notes before FENCING whether the writer's events are on: afterwards they are off, and this process may be gone.
func (p *pair) remember(ctx context.Context, next writer.Record) error {
	s := p.server(next.Writer)
	if s == nil {
		return fmt.Errorf("pair %s has no master in %q", p.Name, next.Writer)
	}
	st, err := s.Look(ctx, dbsync.Against{})
	if err != nil {
		return fmt.Errorf("look whether its events are on: %w", err)
	}
	return p.writeNote(ctx, note{Epoch: next.Epoch, Events: on(st.Events)})
}

func on(scheduler string) bool {
	state := strings.ToUpper(scheduler)
	return state == "ON" || state == "1"
}

// prove writes to the keeper, so that COMMIT isn't this session's first. What is noted stays.
func (p *pair) prove(ctx context.Context) error {
	n, err := p.readNote(ctx)
	if err != nil {
		return err
	}
	return p.writeNote(ctx, n)
}

// fence fences a master, and switches its events off before: an engine may let them write behind it.
func (p *pair) fence(ctx context.Context, s *dbsync.Server) error {
	if _, err := s.Events(ctx, false); err != nil {
		return err
	}
	return s.Fence(ctx)
}

// eventsOn switches the events of the writer on, before a move's last record, if they were on before its first. That they aren't is no
// reason to keep the record back.
func (p *pair) eventsOn(ctx context.Context, next writer.Record) {
	n, err := p.readNote(ctx)
	if err == nil && n.Epoch == next.Epoch && n.Events {
		if s := p.server(next.Writer); s != nil {
			_, err = s.Events(ctx, true)
		}
	}
	if err != nil {
		p.tell(fmt.Sprintf("the writer of %s is in %s, and its events may be off: %v", p.Name, next.Writer, err))
	}
}

// arrives is how long the marker row may take to the other side before people are told.
const arrives = 5 * time.Second

// mark writes the marker row on the writer, and waits until it is on the other side.
func (p *pair) mark(ctx context.Context, rec writer.Record) error {
	w, x := p.server(rec.Writer), p.server(rec.Other(rec.Writer))
	if w == nil || x == nil {
		return fmt.Errorf("pair %s: the record names other rooms", p.Name)
	}
	pos, err := w.Mark(ctx, dbsync.Marker{Epoch: uint64(rec.Epoch), Writer: rec.Writer}) //nolint:gosec // it counts up from 1
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, arrives)
	defer cancel()
	return x.Wait(ctx, pos)
}

// Drop lets go of a pair. What comes after STABLE is done before.
func (m *Movers) Drop(ctx context.Context, name string) {
	p := m.pairs[name]
	if p == nil || p.enter(ctx) != nil {
		return
	}
	defer p.leave()
	if rec := p.after; rec != nil {
		if err := p.mark(ctx, *rec); err != nil {
			m.tell(fmt.Sprintf("the writer of %s is in %s, and its marker row isn't seen on the other side: %v", name, rec.Writer, err))
		}
	}
	p.after, p.note, p.record, p.had = nil, nil, nil, [2]uint64{}
	for _, s := range p.Servers {
		s.Release(ctx)
	}
	if err := p.Keeper.Release(ctx); err != nil {
		m.tell(err.Error())
	}
	p.session = ""
}
