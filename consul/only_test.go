package consul_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"roomshift/consul"
	"roomshift/cutover"
)

// TestOnlyKey: the key of a thing changes by compare-and-set under the run's lock alone, and what people write into it by hand is read.
func TestOnlyKey(t *testing.T) {
	ctx := t.Context()
	m := management(t)
	key := consul.OnlyPath("roomshift", unique())
	counted := cutover.OnlyCount{Running: map[cutover.Room]float64{"home": 3}}
	k := client(t, "", nil).Only("feed-jobs", key, []cutover.Room{"home", "cloud"}, func(context.Context, cutover.Room) cutover.OnlyCount { return counted })
	f := session(t, m)
	reads := func(room cutover.Room, epoch int64) uint64 {
		t.Helper()
		seen := k.Read(ctx)
		if seen.Err != nil || seen.Key.Room != room || seen.Key.Epoch != epoch {
			t.Fatalf("reads %+v, want %s of epoch %d", seen, room, epoch)
		}
		return seen.Index
	}
	write := func(f cutover.Fence, room cutover.Room, epoch int64, index uint64) cutover.MoveReply {
		return k.Write(ctx, f, cutover.OnlyKey{Version: 1, Room: room, Epoch: epoch, Run: "0127-01"}, index)
	}
	if i := reads(cutover.OnlyNone, 0); i != 0 {
		t.Errorf("a key that isn't there has index %d", i)
	}
	if r := write(cutover.Fence{}, "home", 1, 0); r.What != cutover.Failed || !errors.Is(r.Err, cutover.ErrLeaseLost) {
		t.Errorf("without a session: %+v", r)
	}
	if r := write(f, "home", 1, 0); r.What != cutover.Done {
		t.Fatalf("made: %+v", r)
	}
	first := reads("home", 1)
	if r := write(f, "cloud", 1, 0); r.What != cutover.Failed || !strings.Contains(r.Err.Error(), "it has changed since it was read") {
		t.Errorf("made anew: %+v", r)
	}
	stale := f
	stale.Session = "11111111-2222-3333-4444-555555555555"
	if r := write(stale, "cloud", 2, first); r.What != cutover.Failed || !errors.Is(r.Err, cutover.ErrLeaseLost) {
		t.Errorf("with the session of somebody else: %+v", r)
	}
	reads("home", 1)
	if r := write(f, cutover.OnlyNone, 2, first); r.What != cutover.Done {
		t.Errorf("stopped: %+v", r)
	}
	if reads(cutover.OnlyNone, 2) <= first {
		t.Error("its index doesn't rise")
	}
	byHand := func(text string) cutover.OnlySeen {
		if _, err := m.KV().Put(&api.KVPair{Key: key, Value: []byte(text)}, nil); err != nil {
			t.Fatal(err)
		}
		return k.Read(ctx)
	}
	if seen := byHand("cloud\n"); seen.Err != nil || seen.Key.Room != "cloud" || seen.Key.Epoch != 0 {
		t.Errorf("a name by hand: %+v", seen)
	}
	for _, text := range []string{"", "moon", "{", `{"room":"moon"}`} {
		if seen := byHand(text); seen.Err == nil || !strings.Contains(seen.Err.Error(), key) {
			t.Errorf("%q is read as %+v", text, seen)
		}
	}
	if c := k.Running(ctx, "cloud"); c.Running["home"] != 3 {
		t.Errorf("counts %+v", c)
	}
}

// TestOnlyPath: the key of a thing that names none.
func TestOnlyPath(t *testing.T) {
	if p := consul.OnlyPath("/roomshift/", "feed-jobs"); p != "roomshift/only/feed-jobs" {
		t.Error(p)
	}
}
