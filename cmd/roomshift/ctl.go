package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"roomshift/cutover"
)

// A run listens on a Unix socket beside its journal: one JSON line asks (a cutover.Command), one JSON line answers (a
// cutover.Answer). Who may open the socket may command the run: it is 0600, in a folder that is 0700.

// maxSocket is how long a socket's path may be: the kernel takes 107 bytes.
const maxSocket = 100

// socketPath is RUN/ctl.sock, or a shorter path where that one is too long for a socket.
func socketPath(runDir string) string {
	p := filepath.Join(runDir, "ctl.sock")
	if len(p) <= maxSocket {
		return p
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "roomshift-"+filepath.Base(runDir)+".sock")
}

// operators brings commands from the socket and from this process's own terminal, and carries answers back.
type operators struct {
	put func(cutover.Command)
	l   net.Listener

	mu      sync.Mutex
	waiting map[string]chan cutover.Answer
	next    int
}

// listen opens a run's socket. A socket that nobody answers on was left by a process that died; the journal's lock says so.
func listen(path string, put func(cutover.Command)) (*operators, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("the run's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &operators{put: put, l: l, waiting: map[string]chan cutover.Answer{}}, nil
}

// Start serves the socket until ctx ends.
func (o *operators) Start(ctx context.Context) {
	go func() {
		<-ctx.Done()
		_ = o.l.Close() // ends Accept below; the socket's file goes with it
	}()
	go func() {
		for {
			c, err := o.l.Accept()
			if err != nil {
				return
			}
			go o.serve(ctx, c)
		}
	}()
}

func (o *operators) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	in := bufio.NewScanner(c)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var cmd cutover.Command
		var a cutover.Answer
		if err := json.Unmarshal(in.Bytes(), &cmd); err != nil {
			a = cutover.Answer{Said: "that is no command: " + err.Error()}
		} else {
			a = o.ask(ctx, cmd)
		}
		if json.NewEncoder(c).Encode(a) != nil {
			return
		}
	}
}

// ask gives a command to the run and waits for its answer.
func (o *operators) ask(ctx context.Context, c cutover.Command) cutover.Answer {
	ch := make(chan cutover.Answer, 1)
	o.mu.Lock()
	if c.ID == "" {
		o.next++
		c.ID = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()+int64(o.next))
	}
	if _, twice := o.waiting[c.ID]; twice {
		o.mu.Unlock()
		return cutover.Answer{Said: "this command is being answered already"}
	}
	o.waiting[c.ID] = ch
	o.mu.Unlock()
	defer func() {
		o.mu.Lock()
		delete(o.waiting, c.ID)
		o.mu.Unlock()
	}()
	o.put(c)
	select {
	case a := <-ch:
		return a
	case <-ctx.Done():
		return cutover.Answer{Said: "the run has ended"}
	}
}

// Answer carries an answer back to whoever asked.
func (o *operators) Answer(id string, a cutover.Answer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ch, ok := o.waiting[id]; ok {
		select {
		case ch <- a:
		default: // answered already
		}
	}
}

var errNoRun = errors.New("no run answers")

// command asks the run behind a socket. errNoRun: nobody listens there.
func command(path string, c cutover.Command, limit time.Duration) (cutover.Answer, error) {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return cutover.Answer{}, fmt.Errorf("%w: %w", errNoRun, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return cutover.Answer{}, err
	}
	if err := json.NewEncoder(conn).Encode(c); err != nil {
		return cutover.Answer{}, err
	}
	var a cutover.Answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return cutover.Answer{}, fmt.Errorf("the run took the command %q and gave no answer in %s: look at its journal: %w", c.Verb, limit, err)
	}
	return a, nil
}
