package cutovers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"roomshift/lab"
	"roomshift/lab/server"
)

// pool is the labs that cases run on, each case alone on one. They are started when they are needed; one that a case leaves clean
// serves the next.
type pool struct {
	dir    string
	engine server.Engine // of their masters
	free   chan *lab.Lab
	turn   chan struct{} // a place for each lab that may still be started

	mu  sync.Mutex // guards what follows
	all []*lab.Lab
}

// newPool is a pool of so many labs at most, with their files in dir.
func newPool(dir string, e server.Engine, labs int) *pool {
	p := &pool{dir: dir, engine: e, free: make(chan *lab.Lab, labs), turn: make(chan struct{}, labs)}
	for range labs {
		p.turn <- struct{}{}
	}
	return p
}

// take is a clean lab, with the heartbeat tables made.
func (p *pool) take(t *testing.T) *lab.Lab {
	t.Helper()
	select {
	case l := <-p.free:
		return l
	default:
	}
	select {
	case l := <-p.free:
		return l
	case <-p.turn:
		l, err := p.start()
		if err != nil {
			p.turn <- struct{}{}
			t.Fatal(err)
		}
		return l
	}
}

func (p *pool) start() (*lab.Lab, error) {
	dir, err := os.MkdirTemp(p.dir, "lab-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	l, err := lab.Start(ctx, lab.Options{Dir: filepath.Join(dir, "lab"), Engine: p.engine, Enter: 10, PerSecond: 60})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.all = append(p.all, l)
	p.mu.Unlock()
	return l, initialize(ctx, l)
}

// initialize makes the heartbeat tables. A machine that was busy a moment ago has gates that aren't green yet.
func initialize(ctx context.Context, l *lab.Lab) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		first := exec.Command(program, "check", "--live", "--init", l.Runbook("out"))
		first.Env = append(os.Environ(), l.Env()...)
		out, err := first.CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("make the heartbeat tables: %w\n%s", err, out)
		case <-tick.C:
		}
	}
}

// give takes a lab back. One that couldn't be made clean is ended, and another one may be started in its place.
func (p *pool) give(l *lab.Lab, clean bool) {
	if clean {
		p.free <- l
		return
	}
	p.mu.Lock()
	p.all = slices.DeleteFunc(p.all, func(other *lab.Lab) bool { return other == l })
	p.mu.Unlock()
	l.Stop()
	p.turn <- struct{}{}
}

// stop ends every lab.
func (p *pool) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ends sync.WaitGroup
	for _, l := range p.all {
		ends.Go(l.Stop)
	}
	ends.Wait()
}
