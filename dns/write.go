package dns

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"roomshift/aliyun"
	"roomshift/cutover"
)

// rules are what is different between weights and TTLs.
type rules interface {
	object(seat cutover.Seat, r *record) string
	value(l *listing, r *record) string
	takes(value string) error
	set(ctx context.Context, a api, l *listing, r *record, after string) error
	keeps(r record) record // r without what is ours
	mend(ctx context.Context, a api, was, is *record) (said string, err error)
}

// write is one bounded request: every name of the changes is read, what holds Before is written, one after the other, and what was
// written is read back. A write that isn't answered ends it: it is unknown, and what comes after it isn't sent.
func (n *names) write(ctx context.Context, changes []cutover.Change, rules rules) []cutover.Outcome {
	w := &writing{names: n, rules: rules, changes: changes, outs: make([]cutover.Outcome, len(changes)), was: map[string]*listing{}, is: map[string]*listing{}}
	if err := w.check(); err != nil {
		return w.all(err)
	}
	worker, err := n.client.take(ctx, n.client.writes)
	if err != nil {
		return w.all(fmt.Errorf("not sent: %w", err))
	}
	defer n.client.give(worker)
	if err := w.read(ctx, worker, w.was); err != nil {
		return w.all(fmt.Errorf("not sent: %w", err))
	}
	w.send(ctx, worker)
	w.readBack(ctx, worker)
	return w.outs
}

// writing is a request at work.
type writing struct {
	*names
	rules   rules
	changes []cutover.Change
	of      []Name // of each change
	outs    []cutover.Outcome
	was, is map[string]*listing
	sent    map[int]*record // changes that the provider said were made, as their records were
}

func (w *writing) all(err error) []cutover.Outcome {
	var e *aliyun.CallError
	wait := cutover.T(0)
	if errors.As(err, &e) {
		wait = e.RetryAfter
	}
	for i := range w.outs {
		w.outs[i] = cutover.Outcome{What: cutover.Failed, RetryAfter: wait, Err: w.client.ali.Clean(err)}
	}
	return w.outs
}

// check refuses what wouldn't be taken, before anything is sent.
func (w *writing) check() error {
	if w.bad != nil {
		return w.bad
	}
	if len(w.changes) > MaxChanges {
		return fmt.Errorf("%d changes in one request to %s, want at most %d: not sent", len(w.changes), w.client.name, MaxChanges)
	}
	seen := map[string]bool{}
	for _, c := range w.changes {
		x, err := w.names.of(c.Seat)
		if err != nil {
			return fmt.Errorf("%w: not sent", err)
		}
		w.of = append(w.of, x)
		if seen[c.Object] || !strings.HasPrefix(c.Object, c.Seat.String()+"/") {
			return fmt.Errorf("%s isn't one of %v, or is written twice in one request: not sent", c.Object, c.Seat)
		}
		seen[c.Object] = true
		if err := w.rules.takes(c.After); err != nil {
			return fmt.Errorf("%s would hold %w: not sent", c.Object, err)
		}
	}
	return nil
}

func (w *writing) read(ctx context.Context, a api, into map[string]*listing) error {
	for _, x := range w.of {
		if into[x.Name] != nil {
			continue
		}
		l, err := list(ctx, a, x.Name)
		if err != nil {
			return err
		}
		into[x.Name] = l
	}
	return nil
}

// record is a change's record in a listing, nil if it isn't there.
func (w *writing) record(i int, l *listing) *record {
	for k := range l.records {
		r := &l.records[k]
		if r.line == w.changes[i].Seat.At && w.rules.object(w.changes[i].Seat, r) == w.changes[i].Object {
			return r
		}
	}
	return nil
}

// send writes what holds Before.
func (w *writing) send(ctx context.Context, a api) {
	w.sent = map[int]*record{}
	var stop error
	var wait cutover.T
	for i, c := range w.changes {
		l := w.was[w.of[i].Name]
		r := w.record(i, l)
		if w.outs[i] = w.compare(i, l, r); w.outs[i].What != cutover.Unknown {
			continue
		}
		if stop == nil && ctx.Err() != nil {
			stop = ctx.Err()
		}
		if stop != nil {
			w.outs[i] = cutover.Outcome{What: cutover.Failed, RetryAfter: wait, Err: fmt.Errorf("%s: not sent: %w", c.Object, stop)}
			continue
		}
		err := w.rules.set(ctx, a, l, r, c.After)
		if err == nil || aliyun.CodeOf(err) == "DomainRecordDuplicate" { // it holds all that already: reading it back tells
			w.sent[i] = r
			continue
		}
		w.outs[i] = failed(c, err)
		switch {
		case w.outs[i].What == cutover.Unknown:
			stop = errors.New("a write before it in this request wasn't answered")
		case errors.Is(err, aliyun.ErrThrottled):
			stop, wait = aliyun.ErrThrottled, w.outs[i].RetryAfter
		}
	}
}

// failed is what an error of a call comes to.
func failed(c cutover.Change, err error) cutover.Outcome {
	o := cutover.Outcome{What: cutover.Failed, Err: fmt.Errorf("%s: %w", c.Object, err)}
	var e *aliyun.CallError
	if errors.As(err, &e) {
		o.What, o.RetryAfter = e.What, e.RetryAfter
	}
	return o
}

// compare says what a record that was read means for a change: Unknown, it holds Before and is to be written.
func (w *writing) compare(i int, l *listing, r *record) cutover.Outcome {
	c := w.changes[i]
	if r == nil {
		return cutover.Outcome{What: cutover.Foreign, Gone: true, Err: fmt.Errorf("%s isn't there any more: somebody deleted or changed it", c.Object)}
	}
	switch found := w.rules.value(l, r); found {
	case c.After:
		return cutover.Outcome{What: cutover.Done}
	case c.Before:
		return cutover.Outcome{}
	default:
		return cutover.Outcome{What: cutover.Foreign, Found: found, Err: fmt.Errorf("%s holds %s, want %s before %s is written", c.Object, found, c.Before, c.After)}
	}
}

// readBack reads what was written once, and says what else changed. The provider said that it was done, so what can't be read, or isn't
// there yet, is unknown and never failed.
func (w *writing) readBack(ctx context.Context, a api) {
	if len(w.sent) == 0 {
		return
	}
	err := w.read(ctx, a, w.is)
	for i, c := range w.changes {
		was := w.sent[i]
		if was == nil {
			continue
		}
		if err != nil {
			w.outs[i] = cutover.Outcome{What: cutover.Unknown, Err: fmt.Errorf("%s: %w: it was taken, and can't be read back: %w", c.Object, cutover.ErrOutcomeUnknown, err)}
			continue
		}
		l := w.is[w.of[i].Name]
		r := w.record(i, l)
		w.outs[i] = w.compare(i, l, r)
		if w.outs[i].What == cutover.Unknown {
			w.outs[i].Err = fmt.Errorf("%s: %w: it was taken, and still holds %s", c.Object, cutover.ErrOutcomeUnknown, c.Before)
		}
		if r != nil && r.id == was.id {
			w.mended(ctx, a, c, was, r)
		}
	}
	if err == nil {
		w.tellChanges()
	}
}

// mended puts right what our own call changed besides, and says so.
func (w *writing) mended(ctx context.Context, a api, c cutover.Change, was, is *record) {
	said, err := w.rules.mend(ctx, a, was, is)
	if err != nil {
		said = err.Error()
	}
	if said != "" {
		w.client.note(w.client.ali.Clean(fmt.Errorf("%s: %s", c.Object, said)).Error())
		is.weight = was.weight // told already
	}
}

// tellChanges says what somebody else changed between the reading and the reading back.
func (w *writing) tellChanges() {
	ours := map[string]bool{}
	for _, r := range w.sent {
		ours[r.id] = true
	}
	told := map[string]bool{}
	for _, x := range w.of {
		was, is := w.was[x.Name], w.is[x.Name]
		if is == nil || told[x.Name] {
			continue
		}
		told[x.Name] = true
		for i := range was.records {
			r := &was.records[i]
			now := is.byID(r.id)
			switch {
			case now == nil:
				w.client.note(fmt.Sprintf("%s: somebody deleted %s on line %s meanwhile", x.Name, r.value, r.line))
			case ours[r.id] && w.rules.keeps(*r) != w.rules.keeps(*now), !ours[r.id] && *r != *now:
				w.client.note(fmt.Sprintf("%s: somebody changed %s on line %s meanwhile: it was %s, and is %s", x.Name, r.value, r.line, r.told(), now.told()))
			}
		}
		for i := range is.records {
			if r := &is.records[i]; was.byID(r.id) == nil {
				w.client.note(fmt.Sprintf("%s: somebody made %s on line %s meanwhile: %s", x.Name, r.value, r.line, r.told()))
			}
		}
	}
}

// told is a record for people.
func (r *record) told() string {
	word := "enabled"
	if !r.enabled {
		word = "disabled"
	}
	return fmt.Sprintf("%s %s, weight %d, TTL %d, %s", r.kind, r.value, r.weight, r.ttl, word)
}
