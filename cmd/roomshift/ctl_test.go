package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"roomshift/cutover"
)

// served is a run's socket whose run answers with f, until the test ends.
func served(t *testing.T, f func(cutover.Command) (cutover.Answer, bool)) (string, *operators, context.CancelFunc) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctl.sock")
	var o *operators
	ready := make(chan struct{})
	o, err := listen(path, func(c cutover.Command) {
		<-ready
		if a, ok := f(c); ok {
			go o.Answer(c.ID, a)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	ctx, cancel := context.WithCancel(context.Background())
	o.Start(ctx)
	t.Cleanup(cancel)
	return path, o, cancel
}

func echo(c cutover.Command) (cutover.Answer, bool) {
	return cutover.Answer{OK: true, Said: c.Verb + " of " + c.Who}, true
}

func TestTwoClientsGetTheirOwnAnswers(t *testing.T) {
	path, _, _ := served(t, echo)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			who := fmt.Sprintf("ops%d", i)
			a, err := command(path, cutover.Command{Verb: "pause", Who: who}, 10*time.Second)
			if err != nil || !a.OK || a.Said != "pause of "+who {
				t.Errorf("%s got %+v, %v", who, a, err)
			}
		}()
	}
	wg.Wait()
}

func TestSocketIsForItsOwnerOnly(t *testing.T) {
	path, _, _ := served(t, echo)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("the socket is %o; want 600", got)
	}
}

func TestOneConnectionMayAskAgain(t *testing.T) {
	path, _, _ := served(t, echo)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(conn)
	for _, c := range []struct{ line, want string }{
		{`{"verb":"status","who":"a"}`, "status of a"},
		{`nonsense`, "that is no command"},
		{`{"verb":"pause","who":"b"}`, "pause of b"},
	} {
		fmt.Fprintln(conn, c.line)
		var a cutover.Answer
		if err := dec.Decode(&a); err != nil || !strings.Contains(a.Said, c.want) {
			t.Errorf("%s is answered by %+v, %v; want %q", c.line, a, err, c.want)
		}
	}
}

// One command is given to the run once, however often it is sent while it waits.
func TestCommandTwice(t *testing.T) {
	taken := make(chan string, 10)
	path, o, _ := served(t, func(c cutover.Command) (cutover.Answer, bool) {
		taken <- c.ID
		return cutover.Answer{}, false
	})
	first := make(chan cutover.Answer, 1)
	go func() {
		a, _ := command(path, cutover.Command{ID: "one", Verb: "back"}, 10*time.Second)
		first <- a
	}()
	<-taken
	if a, err := command(path, cutover.Command{ID: "one", Verb: "back"}, 10*time.Second); err != nil || a.OK || !strings.Contains(a.Said, "already") {
		t.Errorf("the second got %+v, %v", a, err)
	}
	o.Answer("one", cutover.Answer{OK: true, Said: "going back"})
	o.Answer("one", cutover.Answer{Said: "too late"})
	o.Answer("nobody", cutover.Answer{})
	if a := <-first; a.Said != "going back" {
		t.Errorf("the first got %+v", a)
	}
	if len(taken) != 0 {
		t.Error("the run was given the command twice")
	}
}

func TestDeadSocket(t *testing.T) {
	dir := t.TempDir()
	none := filepath.Join(dir, "none.sock")
	if _, err := command(none, cutover.Command{Verb: "status"}, time.Second); !errors.Is(err, errNoRun) {
		t.Errorf("no socket: %v; want errNoRun", err)
	}
	// a process that was killed leaves its socket's file
	left := filepath.Join(dir, "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := command(left, cutover.Command{Verb: "status"}, time.Second); !errors.Is(err, errNoRun) {
		t.Errorf("a socket of a dead process: %v; want errNoRun", err)
	}
	// the next process takes its place
	o, err := listen(left, func(cutover.Command) {})
	if err != nil {
		t.Fatalf("listen where a dead process did: %v", err)
	}
	defer o.l.Close()
}

// A run that hangs was given the command, so that nobody may say that there is no run.
func TestRunThatDoesNotAnswer(t *testing.T) {
	path, _, _ := served(t, func(cutover.Command) (cutover.Answer, bool) { return cutover.Answer{}, false })
	_, err := command(path, cutover.Command{Verb: "freeze"}, 50*time.Millisecond)
	if err == nil || errors.Is(err, errNoRun) || !strings.Contains(err.Error(), `took the command "freeze"`) {
		t.Errorf("%v; want that it took the command", err)
	}
}

func TestRunThatEnds(t *testing.T) {
	taken := make(chan struct{}, 1)
	path, o, end := served(t, func(cutover.Command) (cutover.Answer, bool) { taken <- struct{}{}; return cutover.Answer{}, false })
	got := make(chan cutover.Answer, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { got <- o.ask(ctx, cutover.Command{Verb: "status"}) }()
	<-taken
	cancel()
	if a := <-got; a.OK || !strings.Contains(a.Said, "ended") {
		t.Errorf("got %+v; want that the run has ended", a)
	}
	end()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if _, err := command(path, cutover.Command{Verb: "status"}, time.Second); errors.Is(err, errNoRun) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the socket of a run that has ended still answers")
		}
	}
}

func TestSocketPath(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	if got := socketPath("/state/lab/0126-ab"); got != "/state/lab/0126-ab/ctl.sock" {
		t.Errorf("a short one is %s", got)
	}
	long := "/" + strings.Repeat("x", 100) + "/0126-ab"
	if got := socketPath(long); got != "/run/user/7/roomshift-0126-ab.sock" {
		t.Errorf("a long one is %s", got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if got := socketPath(long); len(got) > 107 || !strings.HasSuffix(got, "roomshift-0126-ab.sock") {
		t.Errorf("without a runtime folder it is %s", got)
	}
}
