package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/movers"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

// toolConfig is what a process of the tool is told, in its environment.
type toolConfig struct {
	Want     string // a room; "": the nearer side
	DSN      [2]string
	Consul   string
	NoWriter time.Duration
	Limit    time.Duration // after which it ends by itself; it is a person's patience
}

const toolEnv = "ROOMSHIFT_TORTURE_TOOL"

// The last line of a tool is one of these words and why.
const (
	saidDone   = "done"
	saidRefuse = "refused"
	saidHold   = "holds"
	saidGone   = "given up"
	saidFailed = "failed"
)

// tool is the whole of a process that moves the writer: it mirrors cutover's mover over the shipped movers, without a plan, a journal or gates.
func tool(text string) int {
	var c toolConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Println(saidFailed, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limit)
	defer cancel()
	p, err := newOurs(c, func(text string) { fmt.Println("told:", text) })
	if err != nil {
		fmt.Println(saidFailed, err)
		return 1
	}
	d := &mover{p: p, want: c.Want, begin: cutover.RoundBegin{From: cutover.FromLock}, budget: writer.Budget{NoWriter: c.NoWriter, Fence: time.Second,
		Kill: c.NoWriter / 8, Wait: c.NoWriter / 4, Trip: c.NoWriter / 8}}
	words := make(chan os.Signal, 1)
	signal.Notify(words, syscall.SIGUSR1)
	go func() {
		for range words {
			d.back.Store(true)
		}
	}()
	said, why := d.move(ctx)
	p.close()
	fmt.Println(said, why)
	if said != saidDone {
		return 4
	}
	return 0
}

// mover drives one move: see cutover's mover.
type mover struct {
	p      *ours
	want   string
	back   atomic.Bool // a person wants the move undone
	begin  cutover.RoundBegin
	f      writer.Fencer
	budget writer.Budget
	fences time.Time // zero: not sent in this attempt
	tried  int
	lost   string

	// of benchmarks
	quiet  bool
	before func(a writer.Act)                 // an act is sent
	took   func(what string, t time.Duration) // how long a round, or an act, took
}

func (d *mover) say(format string, args ...any) {
	if d.quiet {
		return
	}
	fmt.Printf("%s %s\n", time.Now().UTC().Format("05.000"), fmt.Sprintf(format, args...))
}

func (d *mover) wish(r *writer.Record) string {
	switch {
	case r == nil:
		return d.want
	case d.want == "" || d.back.Load():
		if r.Phase == writer.Commit {
			return r.To
		}
		return r.Writer
	case r.Phase == writer.Fencing && !d.fences.IsZero() && time.Since(d.fences) > d.budget.LastCommit():
		if d.lost == "" {
			d.lost = "the time without a writer is spent"
		}
		return r.Writer
	}
	return d.want
}

func (d *mover) move(ctx context.Context) (said, why string) {
	holds := ""
	for ctx.Err() == nil {
		seen := d.round(ctx)
		a := writer.Decide(seen.Record, seen.Seen, writer.Want{Room: d.wish(seen.Record)}, d.f)
		d.say("%s %s %s: %s (%v)", a.Do, a.Room, a.Next.Phase, a.Reason, seen.Err)
		holds = ""
		if a.Do == writer.Write && a.Next.Phase == writer.Fencing && d.tried > 0 && (!d.fences.IsZero() || d.tried == 3) {
			d.p.Drop(ctx, pairName)
			return saidGone, d.lost
		}
		if a.Do == writer.Write && a.Next.Phase == writer.Fencing && seen.Unfit != "" {
			return saidRefuse, seen.Unfit
		}
		switch a.Do {
		case writer.Done:
			d.p.Drop(ctx, pairName)
			return saidDone, a.Room + " epoch " + fmt.Sprint(seen.Record.Epoch) + " " + d.lost
		case writer.Refuse:
			return saidRefuse, a.Reason.String()
		case writer.Hold:
			holds = a.Reason.String()
			d.begin = cutover.RoundBegin{From: cutover.FromLock}
			d.pause(ctx, 200*time.Millisecond)
		case writer.Look:
			d.begin = cutover.RoundBegin{From: cutover.FromRead}
			d.pause(ctx, 5*time.Millisecond)
		case writer.Lock:
			d.begin = cutover.RoundBegin{From: cutover.FromLock, Anew: a.Room}
			d.pause(ctx, 50*time.Millisecond)
		case writer.Settle:
			d.begin = cutover.RoundBegin{From: cutover.FromSettle}
			d.pause(ctx, 50*time.Millisecond)
		default:
			d.act(ctx, a, seen)
		}
	}
	return saidHold, holds
}

func (d *mover) pause(ctx context.Context, t time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(t):
	}
}

func (d *mover) round(ctx context.Context) cutover.MoveSeen {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	seen := d.p.Round(ctx, pairName, d.begin, d.f)
	if d.took != nil {
		d.took("rounds", time.Since(began))
	}
	d.begin = cutover.RoundBegin{From: cutover.FromRead}
	for _, room := range seen.Broke {
		d.f = d.f.Broke(room)
	}
	for _, room := range seen.Took {
		d.f = d.f.Took(room)
	}
	if !seen.Seen.Away {
		d.f = d.f.Read(seen.Record, seen.Index, seen.Session)
	}
	d.f = d.f.Saw(seen.Seen)
	return seen
}

func (d *mover) act(ctx context.Context, a writer.Act, seen cutover.MoveSeen) {
	switch a.Do {
	case writer.Write:
		a.Next = a.Next.Signed("torture", "torture", time.Now())
		d.f = d.f.Sending(a.Next, seen.Index, seen.Session)
		if a.Next.Phase == writer.Fencing {
			d.tried++
			d.fences = time.Time{}
		}
	case writer.Open:
		d.f = d.f.Opening(a.Room)
	case writer.Fence:
		if d.fences.IsZero() {
			d.fences = time.Now()
		}
	}
	b := d.budget
	if !d.fences.IsZero() {
		b.Wait = b.Left(time.Since(d.fences))
	}
	if d.before != nil {
		d.before(a)
	}
	began := time.Now()
	r := d.p.Do(ctx, pairName, a, seen.Index, b)
	if what := a.Do.String(); d.took != nil {
		if a.Do == writer.Write {
			what = string(a.Next.Phase)
		}
		d.took(what, time.Since(began))
	}
	d.say("%s %s %s: %v %v", a.Do, a.Room, a.Next.Phase, r.What, r.Err)
	switch {
	case r.What == cutover.Unknown:
		d.begin = cutover.RoundBegin{From: cutover.FromLock}
	case a.Do == writer.Write:
		d.f = d.f.Answered(a.Next, seen.Index, seen.Session, r.What == cutover.Done)
	}
	if r.What == cutover.Failed {
		d.pause(ctx, 20*time.Millisecond)
	}
}

// ours are the shipped movers of the pair, and its masters.
type ours struct {
	*movers.Movers
	ring    *dbsync.Ring
	servers map[string]*dbsync.Server
}

func newOurs(c toolConfig, tell func(text string)) (*ours, error) {
	ring, err := dbsync.Open(dbsync.Pair{Name: pairName, Rooms: [2]cutover.Room{rooms[0], rooms[1]}, DSN: c.DSN, TimeOut: time.Second})
	if err != nil {
		return nil, err
	}
	p := &ours{ring: ring, servers: map[string]*dbsync.Server{}}
	pair := movers.Pair{Name: pairName, Declared: map[cutover.Room]bool{rooms[0]: true, rooms[1]: true}}
	for i, room := range rooms {
		if pair.Servers[i], err = ring.Server(room, dbsync.ServerOptions{Fence: time.Second, Margin: time.Second, Lock: 2 * time.Second}); err != nil {
			return nil, err
		}
		p.servers[room] = pair.Servers[i]
	}
	client, err := consul.New(consul.Config{Name: "home", Addr: c.Consul, TimeOut: time.Second})
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	pair.Keeper = client.Record(prefix, pairName, cutover.Claim{Who: "torture", Host: host, PID: os.Getpid(), Since: time.Now().UTC().Format(time.RFC3339)},
		consul.LockOptions{Dead: func(h string, pid int) bool { return h == host && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }})
	p.Movers = movers.New(tell, pair)
	return p, nil
}

func (p *ours) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	p.Close(ctx)
	p.ring.Close()
}
