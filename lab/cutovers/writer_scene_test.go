package cutovers

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"roomshift/cutover/writer"
	"roomshift/lab"
	"roomshift/lab/server"
	"roomshift/lab/tokens"
)

// writerScene is a scene with eight applications that write to the masters themselves, each to the one that took its last write.
type writerScene struct {
	*scene
	*tokens.Writers
}

var writerRooms = [2]string{lab.Home, lab.Cloud}

func beginWriter(t *testing.T, p *pool) *writerScene {
	t.Helper()
	w := &writerScene{scene: beginOn(t, p)}
	t.Cleanup(w.home)
	w.exec(lab.Home, "CREATE TABLE IF NOT EXISTS app.tokens (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(60) NOT NULL UNIQUE)")
	w.await()
	var err error
	if w.Writers, err = tokens.Start(tokens.Options{Rooms: writerRooms, Masters: [2]*server.Master{w.lab.Ring.Master(lab.Home), w.lab.Ring.Master(lab.Cloud)},
		Writers: 8, Pause: 10 * time.Millisecond, Retry: 10 * time.Millisecond}); err != nil { // an application is no benchmark, and MySQL's applier must keep up
		t.Fatal(err)
	}
	t.Cleanup(w.End)
	return w
}

// home brings the writer home by hand, for the next case.
func (w *writerScene) home() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ring := w.lab.Ring
	if err := errors.Join(ring.Master(lab.Cloud).Fence(ctx), ring.Await(ctx), ring.Master(lab.Home).Open(ctx)); err != nil {
		w.t.Error(err)
	}
	w.exec(lab.Home, "DROP TABLE IF EXISTS app.tokens", "UPDATE roomshift.heartbeat SET epoch = 0")
	if _, _, err := ask(ctx, w.lab, "DELETE", lab.Home, "/v1/kv/roomshift/writer/?recurse"); err != nil {
		w.t.Error(err)
	}
	if err := w.lab.Forget(ctx); err != nil {
		w.t.Error(err)
	}
	w.await()
}

func (w *writerScene) await() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.lab.Ring.Await(ctx); err != nil {
		w.t.Fatal(err)
	}
}

func (w *writerScene) exec(room string, statements ...string) {
	w.t.Helper()
	for _, s := range statements {
		if _, err := w.lab.Ring.Master(room).DB().ExecContext(context.Background(), s); err != nil {
			w.t.Errorf("%s: %s: %v", room, s, err)
		}
	}
}

// flows waits until a room acknowledges writes.
func (w *writerScene) flows(room string) {
	w.t.Helper()
	n := w.In(room)
	w.eventually(room+" takes writes", func() bool { return w.In(room) > n+20 })
}

// record is the pair's record in home's Consul.
func (w *writerScene) record() writer.Record {
	w.t.Helper()
	body, _, err := ask(w.t.Context(), w.lab, "GET", lab.Home, "/v1/kv/roomshift/writer/"+lab.Pair+"?raw")
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := writer.ParseRecord([]byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// stands fails unless the record is STABLE of a room, and its master alone takes writes.
func (w *writerScene) stands(room string) {
	w.t.Helper()
	if r := w.record(); r.Phase != writer.Stable || r.Writer != room {
		w.t.Errorf("the record is %s of %s, epoch %d; want STABLE of %s", r.Phase, r.Writer, r.Epoch, room)
	}
	if open := w.open(); strings.Join(open, " ") != room {
		w.t.Errorf("%v take writes, want %s", open, room)
	}
}

// open are the rooms whose masters take writes.
func (w *writerScene) open() (rooms []string) {
	w.t.Helper()
	for _, room := range writerRooms {
		var ro int
		if err := w.lab.Ring.Master(room).DB().QueryRowContext(w.t.Context(), "SELECT @@global.read_only + 0").Scan(&ro); err != nil {
			w.t.Fatal(err)
		}
		if ro == 0 {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// nothingLost ends the applications, and fails unless every token that was acknowledged is on both masters, and both have the same.
func (w *writerScene) nothingLost() {
	w.t.Helper()
	w.End()
	w.await()
	wrong, err := w.Lost(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if wrong != "" {
		w.t.Error(wrong)
	}
	w.t.Logf("%d tokens acknowledged", len(w.Acks()))
}

// withoutWriter is what a run's lines say of the time without a writer.
var withoutWriter = regexp.MustCompile(lab.Pair + ` is in (\S+), epoch \d+, (\S+( \S+)?) without a writer`)
