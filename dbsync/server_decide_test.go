package dbsync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// decided is the least that moves a writer: rounds of writer.Decide, a record in a file, and the verbs. Any answer that isn't clean takes
// all locks anew.
type decided struct {
	x       tool
	record  *consul.RecordFile
	session string
	f       writer.Fencer
	proven  bool
	rounds  []string
}

// move goes on until the role is where it is wanted.
func (d *decided) move(ctx context.Context, room string) error {
	d.rounds, d.proven = nil, false
	if err := d.locks(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		act, index, err := d.round(ctx, room)
		if err != nil {
			return err
		}
		d.rounds = append(d.rounds, act.Do.String())
		if act.Do == writer.Done {
			return nil
		}
		if err := d.do(ctx, act, index); err != nil {
			return fmt.Errorf("%s: %w", act.Reason, err)
		}
	}
	return fmt.Errorf("%w after %v", ctx.Err(), d.rounds)
}

func (d *decided) locks(ctx context.Context) (err error) {
	if d.session, err = d.record.Take(ctx); err != nil {
		return err
	}
	for room, s := range d.x {
		if err := s.Take(ctx); err != nil {
			return err
		}
		d.f = d.f.Took(room)
	}
	return nil
}

func (d *decided) round(ctx context.Context, room string) (writer.Act, uint64, error) {
	value, index, err := d.record.Read(ctx)
	if err != nil {
		return writer.Act{}, 0, err
	}
	rec, err := writer.ParseRecord(value)
	if err != nil {
		return writer.Act{}, 0, err
	}
	d.f = d.f.Read(&rec, index, d.session)
	servers, _ := Seen(ctx, d.x[rec.Writer], d.x[rec.Other(rec.Writer)], SeenOptions{Pos: writer.PosFor(rec, d.f)})
	seen := writer.Seen{Lock: d.record.Session() == d.session, Proven: d.proven, Servers: servers}
	d.f = d.f.Saw(seen)
	return writer.Decide(&rec, seen, writer.Want{Room: room}, d.f), index, nil
}

func (d *decided) do(ctx context.Context, act writer.Act, index uint64) error {
	switch act.Do {
	case writer.Write:
		next := act.Next.Signed("a test", "a test", time.Now())
		text, err := next.Encode()
		if err != nil {
			return err
		}
		d.f = d.f.Sending(next, index, d.session)
		_, err = d.record.Write(ctx, d.session, text, index)
		if err == nil || errors.Is(err, consul.ErrRecordMoved) {
			d.f = d.f.Answered(next, index, d.session, err == nil)
			d.proven = d.proven || err == nil
			return nil
		}
		return d.locks(ctx)
	case writer.Fence:
		return d.clean(ctx, act.Room, d.x[act.Room].Fence(ctx))
	case writer.Open:
		d.f = d.f.Opening(act.Room)
		return d.clean(ctx, act.Room, d.x[act.Room].Open(ctx))
	case writer.Kill:
		return d.x[act.Room].Kill(ctx)
	case writer.Wait:
		return d.x[act.Room].Wait(ctx, Position(act.Pos))
	case writer.Lock, writer.Settle:
		return d.locks(ctx)
	case writer.Look:
		return nil
	default:
		return errors.New("nothing can be done here")
	}
}

// clean goes on after an OK and after a clean refusal of a fence, and takes the locks anew after anything else.
func (d *decided) clean(ctx context.Context, room string, err error) error {
	switch {
	case err == nil, errors.As(err, new(*BlockedError)):
		return nil
	case errors.Is(err, cutover.ErrOutcomeUnknown), errors.Is(err, ErrNoSession):
		d.f = d.f.Broke(room)
		return d.locks(ctx)
	}
	return err
}

// TestMoveDecided: the decision, the verbs and a record fit: under eight writers the role goes to and fro, and nothing that was acknowledged
// is lost.
func TestMoveDecided(t *testing.T) { onBoth(t, testMoveDecided) }

func testMoveDecided(t *testing.T) {
	x := taken(t, ServerOptions{})
	run(t, "home", "DELETE FROM roomshift.heartbeat")
	ids := map[string]string{}
	for _, room := range lab.Rooms {
		ids[room] = x[room].v.Load().id
	}
	d := &decided{x: x, record: consul.NewRecordFile(t.TempDir(), "feed-db", "a test")}
	session, err := d.record.Take(t.Context())
	ok(t, err)
	text, err := writer.Record{V: writer.Version, Epoch: 1, Seq: 1, Phase: writer.Stable, Writer: "home", Servers: ids}.Signed("a test", "a test", time.Now()).Encode()
	ok(t, err)
	_, err = d.record.Write(t.Context(), session, text, 0)
	ok(t, err)
	w := startWriters(t, 8)
	from := "home"
	for range 2 {
		to := otherRoom(from)
		n := w.In(from)
		until(t, from+" takes writes", func() bool { return w.In(from) > n+20 })
		began := time.Now()
		ok(t, d.move(within(t, time.Minute), to))
		n = w.In(to)
		until(t, to+" takes writes", func() bool { return w.In(to) > n+20 })
		t.Logf("%s from %s to %s: nobody took writes for %v: %v", lab.Master(from).Engine, from, to, w.Between(from, began), d.rounds)
		from = to
	}
	w.End()
	ok(t, lab.Await(within(t, time.Minute)))
	allThere(t, w)
	value, _, err := d.record.Read(t.Context())
	ok(t, err)
	rec, err := writer.ParseRecord(value)
	ok(t, err)
	if rec.Phase != writer.Stable || rec.Writer != "home" || rec.Epoch != 3 {
		t.Errorf("the record is %+v", rec)
	}
}
