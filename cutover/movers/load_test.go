package movers_test

import (
	"context"
	"testing"
	"time"

	"roomshift/lab/server"
	"roomshift/lab/tokens"
)

// load is an application that writes to both masters' tokens.
type load struct{ *tokens.Writers }

func startLoad(t testing.TB, n int) load {
	t.Helper()
	w, err := tokens.Start(tokens.Options{Rooms: lab.Rooms, Masters: [2]*server.Master{lab.Master(lab.Rooms[0]), lab.Master(lab.Rooms[1])},
		Writers: n, Retry: time.Millisecond})
	ok(t, err)
	t.Cleanup(w.End)
	return load{w}
}

// flows waits until a room has acknowledged some more.
func (w load) flows(t testing.TB, room string) {
	t.Helper()
	n := w.In(room)
	until(t, room+" takes writes", func() bool { return w.In(room) > n+20 })
}

// nothingLost ends it, and fails unless every token that was acknowledged is on both masters, and both have the same.
func (w load) nothingLost(t testing.TB) {
	t.Helper()
	w.End()
	ok(t, lab.Await(within(t, time.Minute)))
	wrong, err := w.Lost(context.WithoutCancel(t.Context()))
	ok(t, err)
	if wrong != "" {
		t.Error(wrong)
	}
}
