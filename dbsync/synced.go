package dbsync

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"roomshift/cutover"
	"roomshift/cutover/writer"
)

// A pair that a tool keeps in sync (Alibaba DTS, both ways) replicates by accounts of that tool: one task reads each master's binlog and
// writes what it finds into the other by statements of its own. So GTIDs say nothing, and what a move rests on is this:
//
//   - The fence is read_only, never super_read_only: that would stop the tool. The tool's accounts, ours, and nobody else's, may write
//     behind it (READ_ONLY ADMIN of MariaDB, CONNECTION_ADMIN of MySQL); Kill ends everybody else's connections who may.
//   - A position is a barrier: a row of roomshift.barrier that is written on a fenced master, in the session that holds its lock, after that
//     master's clients were seen to be gone and none of its XA branches to be prepared (R13). Everything that a client was ever told is
//     committed has been committed by then, and so stands before the barrier in that master's binlog. A barrier that was written before,
//     by anybody, in front of this fence, proves nothing of it: each session that takes the lock writes its own.
//   - A master has a barrier when it has its row, and the task into it has a checkpoint later than the barrier's second. The row alone
//     isn't enough: a tool that writes in parallel may write it before rows that were committed earlier. The checkpoint is the place
//     from which the task would go on after a stop, so nothing before it may be missing; it counts whole seconds of the source's clock,
//     hence later than, not equal. So that it moves on where nothing else is written, beats are written into a row beside the barrier
//     while it is waited for.
//   - Both directions are tasks of their own: a move isn't begun unless both synchronize, and unless the barrier of the fenced master
//     has come to the writer, which shows that the way back runs.
//
// What this takes on trust, and nobody can see from here: that the tool's checkpoint is no later than its oldest change that isn't
// written; that the master's clock isn't set back during a move; and that nobody writes by the tool's accounts.

// Tool is what keeps a pair in sync. Task says how the task into a room stands; an error is no answer. It reads its status before its delay.
type Tool interface {
	Task(ctx context.Context, to cutover.Room) (Task, error)
}

// Task is one direction of a tool's work. What isn't known is zero.
type Task struct {
	Name          string // what people look for in the tool
	Status, Error string // its own words
	Running       bool   // it synchronizes: else Delay and Checkpoint say nothing
	Delay         time.Duration
	Checkpoint    int64  // the second of the source's clock up to which everything is written
	Reads, Writes string // accounts, as user: on the other master, and on this one
	From, To      string // the masters' addresses as the tool has them
	Conflict, DDL string // its settings, for people
}

// stopped is why a task isn't one that brings anything across, "" it does.
func (t Task) stopped() string {
	if t.Running {
		return ""
	}
	text := fmt.Sprintf("task %s is %s", t.Name, t.Status)
	if t.Error != "" {
		text += " (" + shorten(t.Error) + ")"
	}
	return text
}

// barrier is a row of roomshift.barrier: the number, and the second in which it was written.
type barrier struct{ number, at int64 }

// held is the barrier of a session; hard: it was written when no client and no branch was left.
type held struct {
	barrier
	session uint64
	hard    bool
}

func (b barrier) position(room cutover.Room) Position {
	return Position(fmt.Sprintf("%s:%d@%d", room, b.number, b.at))
}

func parseBarrier(p Position) (room cutover.Room, b barrier, err error) {
	i := strings.LastIndexByte(string(p), ':')
	if i > 0 {
		number, at, ok := strings.Cut(string(p[i+1:]), "@")
		b.number, err = strconv.ParseInt(number, 10, 64)
		var err2 error
		b.at, err2 = strconv.ParseInt(at, 10, 64)
		if ok && err == nil && err2 == nil {
			return cutover.Room(p[:i]), b, nil
		}
	}
	return "", b, fmt.Errorf("position %q isn't a barrier's, such as home:7@1790000000", p)
}

// The kinds of rows.
const (
	barrierRow = 0
	beatRow    = 1
)

const writeBarrier = "INSERT INTO roomshift.barrier (pair, room, kind, number, at) VALUES (?, ?, ?, 1, UNIX_TIMESTAMP()) " +
	"ON DUPLICATE KEY UPDATE number = number + 1, at = UNIX_TIMESTAMP()"

const readBarrier = "SELECT number, at FROM roomshift.barrier WHERE pair = ? AND room = ? AND kind = ?"

func barrierOf(r row) (b barrier, err error) {
	if r == nil {
		return b, nil
	}
	if b.number, err = strconv.ParseInt(r["number"], 10, 64); err == nil {
		b.at, err = strconv.ParseInt(r["at"], 10, 64)
	}
	return b, err
}

// noBarrier is an error about roomshift.barrier for people.
func (s *Server) noBarrier(err error) error {
	switch {
	case isOneOf(err, noTable, noDatabase):
		return s.fail(errors.New("the table roomshift.barrier isn't there: make it on both masters (`roomshift check RUNBOOK --grants` prints it), and have both tasks carry the database roomshift"))
	case isOneOf(err, readOnlyNow):
		return &RefusedError{Room: s.room, Act: "write a barrier behind the fence", Grant: grantOf(s.passesBy()), Err: ownWords(err)}
	}
	return s.refused("write a barrier", err, "SELECT, INSERT, UPDATE ON roomshift.*")
}

// passesBy is the right that passes this engine's weaker fence by.
func (s *Server) passesBy() string {
	if ident := s.v.Load(); ident != nil && !ident.version.mariadb {
		return "CONNECTION_ADMIN"
	}
	return "READ_ONLY ADMIN"
}

// raise writes a barrier in the session that holds the lock, and keeps it.
func (s *Server) raise(ctx context.Context, hard bool) error {
	session := s.Session()
	tables, err := s.ask(ctx, s.o.Margin, writeBarrier+"; "+readBarrier, s.pair, s.room, barrierRow, s.pair, s.room, barrierRow)
	if err != nil {
		return s.noBarrier(err)
	}
	b, err := barrierOf(firstRow(tables, 0))
	if err != nil {
		return s.fail(err)
	}
	if session == s.Session() {
		s.raised.Store(&held{b, session, hard})
	}
	return nil
}

// standing is the barrier of the present session, nil none.
func (s *Server) standing() *held {
	h := s.raised.Load()
	if h == nil || h.session != s.Session() || h.session == 0 {
		return nil
	}
	return h
}

// theirs is the other room's barrier as this master has it.
func (s *Server) theirs(ctx context.Context) (barrier, error) {
	tables, err := s.aside(ctx, s.o.Margin, readBarrier, s.pair, s.other, barrierRow)
	if err != nil {
		return barrier{}, s.noBarrier(err)
	}
	return barrierOf(firstRow(tables, 0))
}

// beatEvery is how often a beat is written where a checkpoint is waited for: it counts seconds.
const beatEvery = time.Second

// pulse writes a beat, unless one was written less than beatEvery ago. It is no part of anything that is proven.
func (s *Server) pulse(ctx context.Context) error {
	last := s.pulsed.Load()
	if now := time.Now().UnixNano(); now-last < int64(beatEvery) || !s.pulsed.CompareAndSwap(last, now) {
		return nil
	}
	_, err := s.aside(ctx, s.o.Margin, writeBarrier, s.pair, s.room, beatRow)
	if err != nil {
		return s.noBarrier(err)
	}
	return nil
}

// toolLimit bounds a question to the tool: a round doesn't wait longer for what is then unknown.
const toolLimit = 1500 * time.Millisecond

// task asks how the task into this room stands, and notes its accounts.
func (s *Server) task(ctx context.Context) (Task, error) {
	ctx, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	t, err := s.tool.Task(ctx, s.room)
	if err != nil {
		return t, fmt.Errorf("the task into %s: %w", s.room, err)
	}
	s.toolUser(t.Writes)
	if p := s.peer.Load(); p != nil {
		p.toolUser(t.Reads)
	}
	return t, nil
}

// toolUser notes an account by which the tool is connected here.
func (s *Server) toolUser(user string) {
	if user == "" {
		return
	}
	s.toolUsers.Store(user, true)
}

// isTools tells whether a connection is the tool's.
func (s *Server) isTools(user string) bool {
	_, known := s.toolUsers.Load(user)
	return known
}

// seenSynced is Seen of a pair that a tool keeps.
func seenSynced(ctx context.Context, w, x *Server, o SeenOptions) (seen [2]writer.Server, why error) {
	w.peer.Store(x)
	x.peer.Store(w)
	all := [2]*Server{w, x}
	var tasks [2]Task
	var taskErr, err [2]error
	var both sync.WaitGroup
	for i, s := range all {
		both.Go(func() { tasks[i], taskErr[i] = s.task(ctx) })
	}
	both.Wait() // before the looks: whose accounts are the tool's decides who counts as a client
	var st [2]State
	for i, s := range all {
		st[i], err[i] = s.Look(ctx, Against{})
		seen[i] = s.seen(st[i], err[i], o)
		seen[i].Pos, seen[i].Receives = "", receivesBy(tasks[i], taskErr[i])
		if st[i].Strong && taskErr[i] == nil {
			seen[i].Receives = writer.No
			tasks[i].Running, tasks[i].Error = false, "super_read_only is on in "+s.room+": the tool can't write there"
		}
	}
	for i, s := range all {
		if err[i] == nil {
			err[i] = s.rest(ctx, st[i], &seen[i], i == 0)
		}
	}
	for i, s := range all {
		if err[i] == nil && err[1-i] == nil {
			seen[i].Beyond, err[i] = s.beyondBarrier(ctx, all[1-i], tasks[1-i], i == 0)
		}
		if err[i] == nil {
			seen[i].Covers = s.coversBarrier(ctx, Position(o.Pos), tasks[i])
		}
	}
	w.unready.Store(unready(seen, tasks, taskErr, err, w, x))
	return seen, errors.Join(err[0], err[1], taskErr[0], taskErr[1])
}

func receivesBy(t Task, err error) writer.Answer {
	switch {
	case err != nil:
		return writer.NotKnown
	case t.Running:
		return writer.Yes
	}
	return writer.No
}

// rest raises a fenced master's barrier where this session has none yet, and sees whether it came to rest there. Of the record's writer it
// counts only if no client and no branch was left; the other one was fenced before, and may have readers.
func (s *Server) rest(ctx context.Context, st State, seen *writer.Server, isWriter bool) error {
	if !st.Fenced() || !seen.Locked {
		s.raised.Store(nil)
		return nil
	}
	hard := len(st.Clients) == 0 && len(st.XA) == 0 && len(st.Pending) == 0
	if isWriter && !hard {
		return nil
	}
	if h := s.standing(); h == nil || isWriter && !h.hard {
		if err := s.raise(ctx, hard); err != nil {
			return err
		}
	}
	return s.restsStill(ctx, st, seen)
}

// restsStill reads a second time, a round trip after clients and branches, what its barrier stands for (R13).
func (s *Server) restsStill(ctx context.Context, st State, seen *writer.Server) error {
	again, err := s.Look(ctx, Against{})
	if err != nil {
		return err
	}
	h := s.standing()
	if h == nil {
		return nil
	}
	tables, err := s.ask(ctx, s.o.Margin, readBarrier, s.pair, s.room, barrierRow)
	if err != nil {
		return s.noBarrier(err)
	}
	now, err := barrierOf(firstRow(tables, 0))
	seen.Pos = string(h.position(s.room))
	seen.Still = err == nil && now == h.barrier && again.Fenced() && len(again.XA) == len(st.XA) && again.Session == h.session
	return err
}

// beyondBarrier says whether the other master has this one's barrier. Of the record's writer what lacks is on its way: it can be waited
// for. Of the other one it isn't known, for nothing was written there: its barrier only shows that the way from there runs.
func (s *Server) beyondBarrier(ctx context.Context, other *Server, into Task, isWriter bool) (writer.Beyond, error) {
	h := s.standing()
	if h == nil || isWriter && !h.hard {
		return writer.BeyondUnknown, nil
	}
	has, err := other.hasBarrier(ctx, h.barrier, into)
	switch {
	case err != nil:
		return writer.BeyondUnknown, err
	case has:
		return writer.BeyondNone, nil
	}
	if err := s.pulse(ctx); err != nil {
		return writer.BeyondUnknown, err
	}
	if isWriter {
		return writer.BeyondOwn, nil
	}
	return writer.BeyondUnknown, nil
}

// hasBarrier tells whether this master has the other's barrier, and all that stands before it.
func (s *Server) hasBarrier(ctx context.Context, b barrier, into Task) (bool, error) {
	got, err := s.theirs(ctx)
	return err == nil && got.number >= b.number && into.Running && into.Checkpoint > b.at, err
}

func (s *Server) coversBarrier(ctx context.Context, p Position, into Task) writer.Answer {
	room, b, err := parseBarrier(p)
	if p == "" || err != nil || room != s.other {
		return writer.NotKnown
	}
	has, err := s.hasBarrier(ctx, b, into)
	switch {
	case err != nil:
		return writer.NotKnown
	case has:
		return writer.Yes
	}
	return writer.No
}

// unready is why a move that hasn't begun shouldn't be, as the last look saw it.
func unready(seen [2]writer.Server, tasks [2]Task, taskErr, err [2]error, w, x *Server) *string {
	var why []string
	for i := range seen {
		switch {
		case taskErr[i] != nil:
			why = append(why, "the delay is unknown: "+taskErr[i].Error())
		case !tasks[i].Running:
			why = append(why, tasks[i].stopped())
		}
		if err[i] != nil {
			why = append(why, err[i].Error())
		}
	}
	if len(why) == 0 && seen[1].Mode() == writer.ReadOnly && seen[1].Beyond != writer.BeyondNone {
		why = append(why, fmt.Sprintf("the barrier of %s isn't in %s yet: nothing is seen to come back", x.room, w.room))
	}
	text := strings.Join(why, "; ")
	return &text
}
