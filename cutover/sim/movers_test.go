package sim

import (
	"context"
	"slices"
	"testing"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// TestRoundsTakeWhatTheyMust: a session on a master that is whole stays; one that broke, or is named, is taken anew, and what was sent on the
// one before it never lands. Without the Consul lock nobody's is ended.
func TestRoundsTakeWhatTheyMust(t *testing.T) {
	ctx := context.Background()
	s := newTest(t, "climb", Options{}, "consul home down at 1m")
	first, second := s.NewRunner(ctx), s.NewRunner(ctx)
	a, b := movers{first}, movers{second}
	p := s.pairs[0]
	seenBy := func(w movers, from cutover.RoundFrom, anew cutover.Room, broke, took []cutover.Room) cutover.MoveSeen {
		t.Helper()
		w.r.call = &request{limit: cutover.Second}
		got := w.Round(ctx, p.name, cutover.RoundBegin{From: from, Anew: anew}, writer.Fencer{})
		if !slices.Equal(got.Broke, broke) || !slices.Equal(got.Took, took) {
			t.Errorf("broke %v, took %v; want %v and %v", got.Broke, got.Took, broke, took)
		}
		return got
	}
	both := []cutover.Room{"home", "cloud"}
	seenBy(a, cutover.FromRead, "", nil, nil)
	one := seenBy(a, cutover.FromLock, "", nil, both)
	again := seenBy(a, cutover.FromLock, "", nil, nil)
	if !again.Seen.Lock || again.Session != one.Session || again.Seen.Servers[0].Fresh || !again.Seen.Servers[0].Locked {
		t.Errorf("a whole round: %+v", again)
	}
	if settled := seenBy(a, cutover.FromSettle, "", nil, nil); settled.Session == one.Session {
		t.Error("the Consul session is the same")
	}
	fence := a.sending(p, writer.Act{Do: writer.Fence, Room: "home"}, 0, writer.Budget{})
	if named := seenBy(a, cutover.FromLock, "home", nil, []cutover.Room{"home"}); !named.Seen.Servers[0].Fresh || named.Seen.Servers[1].Fresh {
		t.Errorf("home is to be taken anew: %+v", named.Seen)
	}
	if r := fence(); r.What != cutover.Unknown || p.masters[0].readOnly {
		t.Errorf("what was sent on the old session: %+v", r)
	}
	a.unclean(p, writer.Act{Do: writer.Fence, Room: "home"})
	if broken := seenBy(a, cutover.FromRead, "", []cutover.Room{"home"}, nil); broken.Seen.Servers[0].Locked {
		t.Error("a session that broke has the lock")
	}
	seenBy(a, cutover.FromLock, "", nil, []cutover.Room{"home"})
	seenBy(b, cutover.FromLock, "", nil, both)
	if lost := seenBy(a, cutover.FromRead, "", both, nil); lost.Seen.Lock || lost.Seen.Servers[0].Locked {
		t.Errorf("somebody else has the locks: %+v", lost.Seen)
	}
	b.Drop(ctx, p.name)
	s.Advance(2 * cutover.Minute)
	if gone := seenBy(b, cutover.FromLock, "", nil, nil); !gone.Seen.Away || gone.Seen.Servers[0].Locked {
		t.Errorf("without the Consul lock: %+v", gone.Seen)
	}
}
