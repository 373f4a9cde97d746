package movers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
)

// tool is one process's worth of a move, as the engine does it: rounds, Decide, one act each.
type tool struct {
	m      *movers.Movers
	pair   string
	f      writer.Fencer
	begin  cutover.RoundBegin
	budget writer.Budget
	before func(a writer.Act) // an act is sent

	mu    sync.Mutex
	said  []string // what people were told
	acts  []string
	broke []string
	took  []string
	last  cutover.MoveSeen
}

func newTool(t testing.TB, p movers.Pair) *tool {
	t.Helper()
	x := &tool{pair: p.Name, begin: cutover.RoundBegin{From: cutover.FromLock}, before: func(writer.Act) {},
		budget: writer.Budget{NoWriter: 20 * time.Second, Fence: time.Second, Kill: 5 * time.Second, Wait: 10 * time.Second, Trip: time.Second}}
	x.m = movers.New(func(text string) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.said = append(x.said, text)
	}, p)
	t.Cleanup(func() { x.m.Close(within(t, 10*time.Second)) })
	return x
}

// round is one round, and the act that it leads to.
func (x *tool) round(ctx context.Context, want string) writer.Act {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	seen := x.m.Round(ctx, x.pair, x.begin, x.f)
	x.last, x.begin = seen, cutover.RoundBegin{From: cutover.FromRead}
	for _, room := range seen.Broke {
		x.f, x.broke = x.f.Broke(room), append(x.broke, room)
	}
	for _, room := range seen.Took {
		x.f, x.took = x.f.Took(room), append(x.took, room)
	}
	if !seen.Seen.Away {
		x.f = x.f.Read(seen.Record, seen.Index, seen.Session)
	}
	x.f = x.f.Saw(seen.Seen)
	return writer.Decide(seen.Record, seen.Seen, writer.Want{Room: want, Create: true}, x.f)
}

// step is a round and its act; true: it is done, or held, or refused.
func (x *tool) step(ctx context.Context, want string) (writer.Act, cutover.MoveReply) {
	a := x.round(ctx, want)
	name := a.Do.String()
	if a.Do == writer.Write {
		name = string(a.Next.Phase)
	}
	x.acts = append(x.acts, strings.TrimSpace(name+" "+a.Room))
	switch a.Do {
	case writer.Done, writer.Refuse:
		return a, cutover.MoveReply{What: cutover.Done}
	case writer.Hold:
		x.begin = cutover.RoundBegin{From: cutover.FromLock}
		return a, cutover.MoveReply{What: cutover.Done}
	case writer.Look:
		return a, cutover.MoveReply{What: cutover.Done}
	case writer.Lock:
		x.begin = cutover.RoundBegin{From: cutover.FromLock, Anew: a.Room}
		return a, cutover.MoveReply{What: cutover.Done}
	case writer.Settle:
		x.begin = cutover.RoundBegin{From: cutover.FromSettle}
		return a, cutover.MoveReply{What: cutover.Done}
	case writer.Write:
		a.Next = a.Next.Signed("r", "a test", time.Now())
		x.f = x.f.Sending(a.Next, x.last.Index, x.last.Session)
	case writer.Open:
		x.f = x.f.Opening(a.Room)
	}
	x.before(a)
	ctx, cancel := context.WithTimeout(ctx, 11*time.Second)
	defer cancel()
	r := x.m.Do(ctx, x.pair, a, x.last.Index, x.budget)
	switch {
	case r.What == cutover.Unknown:
		x.begin = cutover.RoundBegin{From: cutover.FromLock}
	case a.Do == writer.Write:
		x.f = x.f.Answered(a.Next, x.last.Index, x.last.Session, r.What == cutover.Done)
	}
	return a, r
}

// move goes on until the role is where it is wanted, or it can't be.
func (x *tool) move(ctx context.Context, want string) error {
	x.acts = nil
	var last error
	for ctx.Err() == nil {
		a, r := x.step(ctx, want)
		if r.Err != nil {
			last = r.Err
		}
		switch a.Do {
		case writer.Done:
			if want != "" {
				x.m.Drop(ctx, x.pair)
				x.begin, x.f = cutover.RoundBegin{From: cutover.FromLock}, writer.Fencer{}
			}
			return nil
		case writer.Refuse:
			return fmt.Errorf("%s", a.Reason)
		case writer.Hold, writer.Lock:
			last = fmt.Errorf("%s: %w", a.Reason, errOr(x.last.Err))
			time.Sleep(20 * time.Millisecond)
		}
	}
	return fmt.Errorf("%w after %v: %w", ctx.Err(), tail(x.acts), errOr(last))
}

func errOr(err error) error {
	if err == nil {
		return fmt.Errorf("no error")
	}
	return err
}

func tail(s []string) []string { return s[max(0, len(s)-12):] }

// record is what the keeper has.
func record(t testing.TB, k movers.Keeper) writer.Record {
	t.Helper()
	value, _, _, err := k.Look(within(t, 5*time.Second))
	ok(t, err)
	r, err := writer.ParseRecord(value)
	ok(t, err)
	return r
}

// stands fails unless the record is STABLE of a room, and its master alone takes writes.
func stands(t testing.TB, k movers.Keeper, room string) {
	t.Helper()
	if r := record(t, k); r.Phase != writer.Stable || r.Writer != room {
		t.Errorf("the record is %s of %s, epoch %d; want STABLE of %s", r.Phase, r.Writer, r.Epoch, room)
	}
	var open []string
	for _, r := range lab.Rooms {
		if text(t, r, "SELECT @@global.read_only + 0") == "0" {
			open = append(open, r)
		}
	}
	if !slices.Equal(open, []string{room}) {
		t.Errorf("%v take writes, want %s", open, room)
	}
}
