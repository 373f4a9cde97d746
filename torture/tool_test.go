package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
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

// tool is the whole of a process that moves the writer: it mirrors cutover's mover over pieces, without a plan, a journal or gates.
func tool(text string) int {
	var c toolConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		fmt.Println(saidFailed, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Limit)
	defer cancel()
	p, err := newPieces(c)
	if err != nil {
		fmt.Println(saidFailed, err)
		return 1
	}
	d := &mover{p: p, want: c.Want, from: cutover.FromLock, budget: writer.Budget{NoWriter: c.NoWriter, Fence: time.Second,
		Kill: c.NoWriter / 8, Wait: c.NoWriter / 4, Trip: c.NoWriter / 8}}
	words := make(chan os.Signal, 1)
	signal.Notify(words, syscall.SIGUSR1)
	go func() {
		for range words {
			d.back.Store(true)
		}
	}()
	said, why := d.move(ctx)
	p.Drop("")
	fmt.Println(said, why)
	if said != saidDone {
		return 4
	}
	return 0
}

// mover drives one move: see cutover's mover.
type mover struct {
	p      *pieces
	want   string
	back   atomic.Bool // a person wants the move undone
	from   cutover.RoundFrom
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
			return saidGone, d.lost
		}
		switch a.Do {
		case writer.Done:
			d.p.mark(ctx, seen)
			return saidDone, a.Room + " epoch " + fmt.Sprint(seen.Record.Epoch) + " " + d.lost
		case writer.Refuse:
			return saidRefuse, a.Reason.String()
		case writer.Hold:
			holds = a.Reason.String()
			d.from = cutover.FromLock
			d.pause(ctx, 200*time.Millisecond)
		case writer.Look:
			d.from = cutover.FromRead
			d.pause(ctx, 5*time.Millisecond)
		case writer.Lock:
			d.p.anew[a.Room] = true
			d.from = cutover.FromLock
			d.pause(ctx, 50*time.Millisecond)
		case writer.Settle:
			d.from = cutover.FromSettle
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
	seen := d.p.Round(ctx, pairName, d.from, d.f)
	if d.took != nil {
		d.took("rounds", time.Since(began))
	}
	d.from = cutover.FromRead
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
		d.from = cutover.FromLock
	case a.Do == writer.Write:
		d.f = d.f.Answered(a.Next, seen.Index, seen.Session, r.What == cutover.Done)
	}
	if r.What == cutover.Failed {
		d.pause(ctx, 20*time.Millisecond)
	}
}

// pieces are cutover.Movers over the shipped verbs and record: what a round needs, and no more.
type pieces struct {
	ring    *dbsync.Ring
	servers map[string]*dbsync.Server
	record  *consul.RecordKey
	session string            // of Consul
	lost    bool              // it was answered that this one doesn't hold the lock
	noted   map[string]uint64 // the session on each server, as it was seen last
	anew    map[string]bool   // rooms whose lock is to be taken anew
}

var _ cutover.Movers = (*pieces)(nil)

func newPieces(c toolConfig) (*pieces, error) {
	ring, err := dbsync.Open(dbsync.Pair{Name: pairName, Rooms: [2]cutover.Room{rooms[0], rooms[1]}, DSN: c.DSN, TimeOut: time.Second})
	if err != nil {
		return nil, err
	}
	p := &pieces{ring: ring, servers: map[string]*dbsync.Server{}, noted: map[string]uint64{}, anew: map[string]bool{}}
	for _, room := range rooms {
		if p.servers[room], err = ring.Server(room, dbsync.ServerOptions{Fence: time.Second, Margin: time.Second, Lock: 2 * time.Second}); err != nil {
			return nil, err
		}
	}
	client, err := consul.New(consul.Config{Name: "home", Addr: c.Consul, TimeOut: time.Second})
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	p.record = client.Record(prefix, pairName, cutover.Claim{Who: "torture", Host: host, PID: os.Getpid(), Since: time.Now().UTC().Format(time.RFC3339)},
		consul.LockOptions{Dead: func(h string, pid int) bool { return h == host && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }})
	return p, nil
}

// Round is ① to ⑤.
func (p *pieces) Round(ctx context.Context, pair string, from cutover.RoundFrom, f writer.Fencer) (seen cutover.MoveSeen) {
	seen.Err = p.consulLock(ctx, from)
	seen.Session = p.session
	seen.Seen.Lock = p.session != "" && !p.lost
	fresh := map[string]bool{}
	if seen.Seen.Lock {
		fresh = p.serverLocks(ctx, &seen)
	}
	text, index, err := p.record.Read(ctx)
	if err != nil {
		seen.Seen.Away, seen.Err = true, errors.Join(seen.Err, err)
	}
	seen.Seen.Proven = err == nil
	w, pos := rooms[0], ""
	if err == nil && index > 0 {
		rec, err := writer.ParseRecord(text)
		if err != nil {
			seen.Seen.Away, seen.Err = true, errors.Join(seen.Err, err)
		} else {
			seen.Record, seen.Index, w = &rec, index, rec.Writer
			f = f.Read(&rec, index, p.session)
			pos = writer.PosFor(rec, f)
		}
	} else if r, ok := f.Record(); ok {
		w, pos = r.Writer, writer.PosFor(r, f)
	}
	servers, why := dbsync.Seen(ctx, p.servers[w], p.servers[other(w)], dbsync.SeenOptions{Pos: pos, Fresh: fresh})
	seen.Seen.Servers, seen.Err = servers, errors.Join(seen.Err, why)
	for _, room := range rooms {
		if s := p.servers[room].Session(); p.noted[room] != 0 && s != p.noted[room] {
			seen.Broke = append(seen.Broke, room)
			p.noted[room] = 0
		}
	}
	return seen
}

func (p *pieces) consulLock(ctx context.Context, from cutover.RoundFrom) (err error) {
	if p.session == "" || p.lost || from == cutover.FromSettle || p.record.Session() != p.session {
		p.lost = true
		session, err := p.record.Take(ctx)
		if err != nil {
			return err
		}
		p.session, p.lost = session, false
	}
	return nil
}

func (p *pieces) serverLocks(ctx context.Context, seen *cutover.MoveSeen) map[string]bool {
	var all sync.WaitGroup
	var mu sync.Mutex
	fresh := map[string]bool{}
	for _, room := range rooms {
		s := p.servers[room]
		if s.Session() != 0 && !p.anew[room] {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
			defer cancel()
			if err := s.Take(ctx); err == nil {
				mu.Lock()
				fresh[room] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for room := range fresh {
		if p.noted[room] != 0 {
			seen.Broke = append(seen.Broke, room)
		}
		seen.Took = append(seen.Took, room)
		p.noted[room] = p.servers[room].Session()
	}
	clear(p.anew)
	return fresh
}

// Do is ⑦.
func (p *pieces) Do(ctx context.Context, pair string, a writer.Act, index uint64, b writer.Budget) cutover.MoveReply {
	limit := func(d time.Duration) context.Context {
		ctx, cancel := context.WithTimeout(ctx, d)
		context.AfterFunc(ctx, cancel)
		return ctx
	}
	s := p.servers[a.Room]
	var err error
	switch a.Do {
	case writer.Write:
		var text []byte
		if text, err = a.Next.Encode(); err == nil {
			_, err = p.record.Write(limit(time.Second), p.session, text, index)
		}
		p.lost = p.lost || errors.Is(err, cutover.ErrLeaseLost)
	case writer.Fence:
		err = s.Fence(limit(b.Fence*2 + time.Second))
	case writer.Open:
		err = s.Open(limit(2 * time.Second))
	case writer.Kill:
		err = s.Kill(limit(b.Kill + 100*time.Millisecond))
	case writer.Wait:
		err = s.Wait(limit(max(b.Wait, 10*time.Millisecond)), dbsync.Position(a.Pos))
	}
	what := cutover.Failed
	switch {
	case err == nil:
		what = cutover.Done
	case errors.Is(err, cutover.ErrOutcomeUnknown), errors.Is(err, dbsync.ErrNoSession):
		what = cutover.Unknown
	}
	return cutover.MoveReply{What: what, Err: err}
}

// Drop ends the sessions.
func (p *pieces) Drop(string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = p.record.Release(ctx)
	for _, s := range p.servers {
		s.Close()
	}
	p.ring.Close()
}

// mark writes the marker row of an epoch that is over, once (step 13).
func (p *pieces) mark(ctx context.Context, seen cutover.MoveSeen) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for _, s := range seen.Seen.Servers {
		if s.Room == seen.Record.Writer && s.Marker.Epoch < seen.Record.Epoch {
			_, _ = p.servers[s.Room].Mark(ctx, dbsync.Marker{Epoch: uint64(seen.Record.Epoch), Writer: s.Room})
		}
	}
}
