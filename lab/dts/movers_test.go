package dts_test

import (
	"strings"
	"testing"
	"time"

	"roomshift/aliyun/alitest"
	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

// TestMovers: what moves real pairs moves one that a tool keeps, by the same rounds and acts: it isn't begun before the way back is seen, and
// waits for that with its sessions kept; a task that is paused is named; the marker row comes to the other side.
func TestMovers(t *testing.T) {
	l := newLab(t, alitest.Options{})
	for i := range masters {
		run(t, i, "SET PERSIST_ONLY read_only=1")
		t.Cleanup(func() { run(t, i, "RESET PERSIST read_only") })
	}
	w := startWriters(t, 4)
	var told []string
	ms := movers.New(func(text string) { told = append(told, text) }, movers.Pair{Name: "user-db", Servers: [2]*dbsync.Server{l.sides["home"], l.sides["cloud"]},
		Keeper: consul.NewRecordFile(t.TempDir(), "user-db", "a test")})
	defer ms.Close(within(t, 10*time.Second))
	b := writer.Budget{NoWriter: 20 * time.Second, Fence: 5 * time.Second, Kill: 2 * time.Second, Wait: 10 * time.Second, Trip: time.Second}
	var f writer.Fencer
	begin := cutover.RoundBegin{From: cutover.FromLock}
	var last cutover.MoveSeen
	// step is one round and its act, as the engine takes them.
	step := func(want string) writer.Act {
		t.Helper()
		ctx := within(t, 20*time.Second)
		last = ms.Round(ctx, "user-db", begin, f)
		begin = cutover.RoundBegin{From: cutover.FromRead}
		for _, room := range last.Broke {
			f = f.Broke(room)
		}
		for _, room := range last.Took {
			f = f.Took(room)
		}
		f = f.Read(last.Record, last.Index, last.Session).Saw(last.Seen)
		a := writer.Decide(last.Record, last.Seen, writer.Want{Room: want, Create: true}, f)
		switch a.Do {
		case writer.Done, writer.Look:
			return a
		case writer.Refuse, writer.Hold, writer.Lock, writer.Settle:
			t.Fatalf("%v: %v", a, last.Err)
		case writer.Write:
			if a.Next.Phase == writer.Fencing && last.NotNow != "" {
				return a
			}
			a.Next = a.Next.Signed("r", "a test", time.Now())
			f = f.Sending(a.Next, last.Index, last.Session)
		case writer.Open:
			f = f.Opening(a.Room)
			to := 0
			if a.Room == "cloud" {
				to = 1
			}
			if n := w.missing(t, to); n > 0 {
				t.Errorf("%s is opened without %d of the tokens that were acknowledged", a.Room, n)
			}
		}
		r := ms.Do(ctx, "user-db", a, last.Index, b)
		if r.What != cutover.Done {
			t.Fatalf("%v: %+v", a, r)
		}
		if a.Do == writer.Write {
			f = f.Answered(a.Next, last.Index, last.Session, true)
		}
		return a
	}
	move := func(to string) {
		t.Helper()
		until(t, "the writer is in "+to, func() bool { return step(to).Do == writer.Done && last.Record != nil && last.Record.Writer == to })
	}
	move("home")
	if last.Unfit != "" {
		t.Errorf("unfit: %s", last.Unfit)
	}
	until(t, "home takes writes", func() bool { return w.in(0) > 5 })
	l.tasks.From("cloud").Become("Suspending", "")
	if a := step("cloud"); a.Next.Phase != writer.Fencing || !strings.Contains(last.NotNow, ids[1]) || !strings.Contains(last.NotNow, "Suspending") {
		t.Errorf("%v: %q", a, last.NotNow)
	}
	l.tasks.From("cloud").Become("Synchronizing", "")
	for _, to := range []string{"cloud", "home"} {
		move(to)
		n := w.in(0) + w.in(1)
		until(t, to+" takes writes", func() bool { return w.in(0)+w.in(1) > n+5 })
		ms.Drop(within(t, 20*time.Second), "user-db")
		f, begin = writer.Fencer{}, cutover.RoundBegin{From: cutover.FromLock}
	}
	if len(told) > 0 {
		t.Errorf("people are told: %q", told)
	}
	w.End()
	ok(t, l.tasks.Await(within(t, 30*time.Second)))
	for i := range masters {
		if n := w.missing(t, i); n > 0 {
			t.Errorf("%d acknowledged tokens aren't in %s", n, rooms[i])
		}
	}
}
