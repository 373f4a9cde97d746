package movers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"roomshift/consul"
	"roomshift/cutover"
	"roomshift/cutover/writer"
	"roomshift/dbsync"
)

// Keeper keeps the record of one pair: consul.RecordKey's methods, whose words hold here.
type Keeper interface {
	Take(ctx context.Context) (session string, err error)
	Session() string
	Release(ctx context.Context) error
	Look(ctx context.Context) (value []byte, index uint64, held bool, err error)
	Write(ctx context.Context, session string, value []byte, index uint64) (uint64, error)
	Note(ctx context.Context) ([]byte, error)
	WriteNote(ctx context.Context, session string, note []byte) error
}

var (
	_ Keeper         = (*consul.RecordKey)(nil)
	_ Keeper         = (*consul.RecordFile)(nil)
	_ cutover.Movers = (*Movers)(nil)
)

// Pair is a pair whose write role is moved. Its servers are the caller's to make, and Movers' to close.
type Pair struct {
	Name     string
	Servers  [2]*dbsync.Server
	Keeper   Keeper
	Declared map[cutover.Room]bool // masters that come up fenced by what rooms.yaml says (R12), where a server can't show it
	// Near is how late the other master may be for a move to begin: what takes longer is waited for while the writer takes writes, and not
	// when nobody does. 0: any lateness.
	Near    time.Duration
	Allowed string // transactions that may be on one master alone, as dbsync.Against has them
}

// Movers moves the write roles of pairs. Close it.
type Movers struct {
	pairs map[string]*pair
	tell  func(text string)
}

// New is the movers of these pairs; nothing is asked yet. tell hears what people should know and nobody waits for; it must not block.
func New(tell func(text string), pairs ...Pair) *Movers {
	m := &Movers{pairs: map[string]*pair{}, tell: tell}
	for _, p := range pairs {
		m.pairs[p.Name] = &pair{Pair: p, tell: tell, turn: make(chan struct{}, 1)}
	}
	return m
}

// pair is what this process has of a pair.
type pair struct {
	Pair
	tell func(text string)
	turn chan struct{} // who has it uses what follows

	passing [2]error       // why it isn't known who passes the fence of a master by
	session string         // of the record's keeper, at the last round
	had     [2]uint64      // the sessions on the masters then, 0: none
	record  *writer.Record // as it was read then
	index   uint64         // and its index
	proven  string         // the session on which a write was answered OK last
	note    *note          // beside the record, as far as this process knows it
	after   *writer.Record // STABLE was written: what comes after it is due
}

func (p *pair) enter(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("pair %s: an earlier request is still under way: %w", p.Name, ctx.Err())
	}
}

func (p *pair) leave() { <-p.turn }

// Round does ① to ⑤.
func (m *Movers) Round(ctx context.Context, name string, begin cutover.RoundBegin, f writer.Fencer) cutover.MoveSeen {
	p := m.pairs[name]
	if p == nil {
		return cutover.MoveSeen{Seen: writer.Seen{Away: true}, Err: fmt.Errorf("there is no pair %q", name)}
	}
	if err := p.enter(ctx); err != nil {
		return cutover.MoveSeen{Seen: writer.Seen{Away: true}, Err: err}
	}
	defer p.leave()
	r := &round{pair: p, f: f}
	r.sawBroken()
	if len(r.out.Broke) > 0 && begin.From == cutover.FromRead {
		begin.From = cutover.FromLock
	}
	r.once(ctx, begin)
	if r.sawBroken() { // while it looked: what that one said counts for nothing
		r.once(ctx, cutover.RoundBegin{From: cutover.FromLock})
		r.sawBroken()
	}
	return r.out
}

// round is one under way.
type round struct {
	*pair
	f      writer.Fencer
	fresh  map[string]bool
	silent error // the keeper didn't answer
	out    cutover.MoveSeen
}

// sawBroken notes the sessions that broke, and tells whether there were any.
func (r *round) sawBroken() bool {
	some := false
	for i, s := range r.Servers {
		if r.had[i] != 0 && s.Session() != r.had[i] {
			r.had[i], some = 0, true
			if !slices.Contains(r.out.Broke, s.Room()) {
				r.out.Broke = append(r.out.Broke, s.Room())
			}
		}
	}
	return some
}

func (r *round) once(ctx context.Context, begin cutover.RoundBegin) {
	r.out.Seen, r.out.Record, r.out.Index, r.out.Unfit, r.out.NotNow, r.out.Err, r.fresh, r.silent = writer.Seen{}, nil, 0, "", "", nil, map[string]bool{}, nil
	if begin.From != cutover.FromRead {
		err := r.lock(ctx, begin.From)
		if err == nil {
			r.take(ctx, begin.Anew)
		}
		r.failed(err)
	}
	if begin.From == cutover.FromRead {
		r.look(ctx, r.readBeside(ctx))
	} else {
		r.read(ctx)
		r.look(ctx, dbsync.LookBoth(ctx, r.Servers[0], r.Servers[1]))
	}
	if rec := r.out.Record; rec != nil && rec.Phase == writer.Stable {
		if r.out.Unfit = r.unfit(ctx); r.out.Unfit == "" && r.out.NotNow == "" {
			r.out.NotNow = r.late(ctx)
		}
	}
}

func (r *round) failed(err error) { r.out.Err = errors.Join(r.out.Err, err) }

// lock is ①. Without an error the lock is ours.
func (r *round) lock(ctx context.Context, from cutover.RoundFrom) error {
	if from == cutover.FromLock {
		_, _, held, err := r.ask(ctx)
		switch {
		case err != nil:
			return err
		case held && r.Keeper.Session() == r.session:
			return nil
		}
	}
	r.session, r.note = "", nil // it is ended, one way or the other, and somebody else may have been there
	ctx, cancel := context.WithTimeout(ctx, takeLimit)
	defer cancel()
	session, err := r.Keeper.Take(ctx)
	if err == nil {
		r.session = session
	}
	return err
}

// ask reads the record and the lock; r.silent is set when there was no answer, which isn't waited for twice in a round.
func (r *round) ask(ctx context.Context) (value []byte, index uint64, held bool, err error) {
	if r.silent != nil {
		return nil, 0, false, r.silent
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	value, index, held, err = r.Keeper.Look(ctx)
	r.silent = err
	return value, index, held, err
}

// The limits of a round's requests to the record's keeper. Nobody may be taking writes meanwhile: who may undo without it does so then.
const (
	readLimit = time.Second
	takeLimit = 4 * time.Second
)

// take is ②, on both masters side by side.
func (r *round) take(ctx context.Context, anew cutover.Room) {
	var both sync.WaitGroup
	var errs [2]error
	var took [2]bool
	for i, s := range r.Servers {
		if r.had[i] != 0 && s.Session() == r.had[i] && s.Room() != anew {
			continue
		}
		both.Go(func() {
			if errs[i] = s.Take(ctx); errs[i] == nil {
				took[i] = true
				_, r.passing[i] = s.Bypassing(ctx) // those are killed first, and later there is no time to ask
			}
		})
	}
	both.Wait()
	for i, s := range r.Servers {
		if took[i] {
			r.had[i], r.fresh[s.Room()] = s.Session(), true
			r.out.Took = append(r.out.Took, s.Room())
		} else if s.Room() == anew { // it was ended for that
			r.sawBroken()
		}
		if errs[i] != nil {
			r.failed(errs[i])
		}
	}
}

// read is ③.
func (r *round) read(ctx context.Context) {
	value, index, held, err := r.ask(ctx)
	if err == nil && index > 0 {
		var rec writer.Record
		if rec, err = writer.ParseRecord(value); err == nil {
			r.out.Record = &rec
		}
	}
	r.record, r.index = r.out.Record, index
	r.out.Session, r.out.Index = r.session, index
	if err != nil {
		r.out.Seen.Away = true
		if r.out.Err == nil || !errors.Is(r.out.Err, err) {
			r.failed(err)
		}
		return
	}
	r.out.Seen.Lock = held && r.session != "" && r.Keeper.Session() == r.session
	r.out.Seen.Proven = r.out.Seen.Lock && r.proven == r.session
}

// readBeside is ③ beside the first half of ④ and ⑤, in a round that takes no locks. The sessions on the masters that the lock was taken with are
// ours before and behind it, or the round counts for nothing; whoever else took them meanwhile took the lock before, and the record is
// read with that. A reading that took its time leaves what the masters said too old: they are looked at anew.
func (r *round) readBeside(ctx context.Context) dbsync.Looked {
	began := time.Now()
	looks := make(chan dbsync.Looked, 1)
	go func() { looks <- dbsync.LookBoth(ctx, r.Servers[0], r.Servers[1]) }()
	r.read(ctx)
	slow := time.Since(began) > fresh
	if looked := <-looks; !slow {
		return looked
	}
	return dbsync.LookBoth(ctx, r.Servers[0], r.Servers[1])
}

// fresh is how old what a master said may be when the record was read.
const fresh = 50 * time.Millisecond

// look is ④ and ⑤.
func (r *round) look(ctx context.Context, looked dbsync.Looked) {
	rec := r.out.Record
	if rec == nil {
		if own, ok := r.f.Record(); ok {
			rec = &own
		} else {
			rec = &writer.Record{}
		}
	}
	w := r.Servers[0]
	if r.Servers[1].Room() == rec.Writer {
		w = r.Servers[1]
	}
	var why error
	r.out.Seen.Servers, why = looked.Seen(ctx, w, dbsync.SeenOptions{Pos: writer.PosFor(*rec, r.f), Allowed: r.Allowed, Fresh: r.fresh, Phase: rec.Phase})
	r.out.NotNow = w.NotNow()
	if why != nil {
		r.failed(why)
	}
}

// late is why the moment isn't one for a move: what the writer had when it was looked at takes the other master longer than Near.
func (r *round) late(ctx context.Context) string {
	w := r.out.Seen.Servers[0]
	x := r.server(r.out.Record.Other(w.Room))
	if r.Near == 0 || x == nil || w.Mode() != writer.ReadWrite || !w.Locked || w.Pos == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, r.Near)
	defer cancel()
	if err := x.Wait(ctx, dbsync.Position(w.Pos)); err != nil {
		return fmt.Sprintf("%s is more than %v behind %s: a better moment is waited for: %v", x.Room(), r.Near, w.Room, err)
	}
	return ""
}

// unfit is why no move of the pair may be begun: a master that would come up writable after a restart (R12).
func (r *round) unfit(ctx context.Context) string {
	for i, s := range r.Servers {
		fence, err := s.RestartFence(ctx)
		switch {
		case r.passing[i] != nil:
			return r.passing[i].Error()
		case errors.Is(err, dbsync.ErrNoSession):
		case err != nil:
			return err.Error()
		case fence.Known && !fence.Fenced:
			return fmt.Sprintf("master in %s would take writes after a restart: %s: SET PERSIST_ONLY %s = 1 there", s.Room(), fence.How, fence.By)
		case !fence.Known && !r.Declared[s.Room()]:
			return fmt.Sprintf("master in %s isn't declared to come up fenced after a restart: write read_only=1 into its file, see that it does, "+
				"and say `restarts: fenced` of it in rooms.yaml", s.Room())
		}
	}
	return ""
}

// Close lets go of everything at once. What was sent may still land.
func (m *Movers) Close(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range m.pairs {
		all.Go(func() {
			if p.enter(ctx) == nil {
				defer p.leave()
			}
			for _, s := range p.Servers {
				s.Close()
			}
			if err := p.Keeper.Release(ctx); err != nil {
				p.tell(err.Error())
			}
		})
	}
	all.Wait()
}
