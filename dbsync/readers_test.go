package dbsync

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/lab/server"
)

// readerList is a list of readers that a test changes.
type readerList struct {
	mu    sync.Mutex
	addrs []string
	err   error
}

func (l *readerList) set(err error, addrs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs, l.err = addrs, err
}

func (l *readerList) list(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addrs, l.err
}

// TestReaders: what is written at home is in the cloud when its replicas that serve reads have it. One that lags, stands or is gone is
// seen by its address, one that is on no list any more is forgotten, and the way back isn't touched by any of it.
func TestReaders(t *testing.T) { onBoth(t, testReaders) }

func testReaders(t *testing.T) {
	longOnMySQL(t)
	// A ring of its own: a new replica would have to go through all that the tests before wrote on the shared one.
	own, err := server.StartRing(t.Context(), t.TempDir(), server.RingOptions{Engine: lab.Master("home").Engine, Rooms: [2]string{"home", "cloud"},
		Grants: grantsOf(lab.Master("home").Engine)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	lab = own
	if err := initLab(t.Context()); err != nil {
		t.Fatal(err)
	}
	var near, far *server.Master
	var line *server.Proxy
	dir := t.TempDir()
	for i, m := range []**server.Master{&near, &far} {
		reader, p, err := lab.Reader(t.Context(), filepath.Join(dir, fmt.Sprint(i)), "cloud", 11+i, grantsOf(lab.Master("cloud").Engine))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			reader.Close()
			p.Close()
		})
		*m, line = reader, p
	}
	both := &readerList{}
	both.set(nil, near.Addr(), far.Addr())
	p := labPair()
	p.Readers[1] = both.list
	r := openLab(t, p)
	g := watch(t, r, fast)
	await := func(what string, ok func(Reading) bool) Reading {
		t.Helper()
		return g.await(t, g.count(), "cloud", 15*time.Second, what, ok)
	}
	with := func(readers int, lo, hi float64) func(Reading) bool {
		return func(r Reading) bool { return known(r) && r.Readers == readers && r.Lo >= lo && r.Hi <= hi }
	}
	await("a small lag on both readers", with(2, 0, 0.15))
	line.Delay(400*time.Millisecond, 0)
	await("the far reader's lag", with(2, 0.35, 0.9))
	g.await(t, g.count(), "home", 15*time.Second, "the way back, as short as ever", func(r Reading) bool { return known(r) && r.Hi < 0.2 })
	line.Heal()
	await("a small lag again", with(2, 0, 0.15))
	if bad := readersFinding(t, r); !bad.OK {
		t.Errorf("%s, want it well", bad)
	}

	if err := far.Applier(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	await("a lower bound that grows", atLeast(1))
	if bad := readersFinding(t, r); bad.OK || !strings.Contains(bad.Seen, far.Addr()+": receiving thread Yes, applier No") {
		t.Errorf("%s, want the stopped applier", bad)
	}
	both.set(nil, near.Addr()) // nobody reads from it any more
	await("the near reader alone", with(1, 0, 0.15))

	both.set(errors.New("a registry that doesn't answer"))
	await("unknown", unknownFor("no answer", "the readers in cloud", "a registry that doesn't answer"))
	both.set(nil)
	await("unknown", unknownFor("no data", "no replica that serves reads in cloud"))
	both.set(nil, near.Addr())
	await("known again", with(1, 0, 0.15))
	near.Kill()
	await("unknown", unknownFor("no answer", "reader "+near.Addr()+" in cloud"))
	n := g.count()
	for range 5 {
		g.await(t, g.count(), "home", 15*time.Second, "the way back, known all the same", known)
	}
	fresh, _, _ := g.since(n)
	for _, r := range fresh {
		if r.To == "cloud" && known(r) {
			t.Errorf("%s, and its reader is gone", show(r))
		}
	}
	g.end()
}

func readersFinding(t *testing.T, r *Ring) Finding {
	t.Helper()
	found, err := r.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if f.Check == "readers" && f.Room == "cloud" {
			said(f.String())
			return f
		}
	}
	t.Fatal("no finding of readers")
	return Finding{}
}
