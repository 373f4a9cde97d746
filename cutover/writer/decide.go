package writer

import (
	"fmt"
	"slices"
	"strings"
)

// Decide says the one thing to do after a round, from what was seen in it alone: the whole table of WRITER §4. It is total and pure.
// rec is nil if there is none, or if seen.Away. f has been told of this round (Fencer.Read, Fencer.Saw).
//
// A clean answer to the act leads to ③ of the next round; everything else to ①.
func Decide(rec *Record, seen Seen, want Want, f Fencer) Act {
	a := decideRow(rec, seen, want, f)
	if want.Reopen {
		return onlyReopen(rec, a)
	}
	return a
}

func decideRow(rec *Record, seen Seen, want Want, f Fencer) Act {
	switch {
	case seen.Away:
		r, ok := f.Record()
		t := newTable(r, seen, want, f)
		if !ok || t.w.Room == "" {
			t.row = "record out of reach"
			return t.hold(false, "the record", "no answer from its keeper", "the record", "look again; nothing is done without it")
		}
		return t.outOfReach()
	case rec == nil:
		return none(seen, want)
	}
	t := newTable(*rec, seen, want, f)
	if act, ok := t.guards(); ok {
		return act
	}
	switch rec.Phase {
	case Stable:
		return t.stable()
	case Fencing:
		return t.fencing()
	case Commit:
		return t.commit()
	case Abort:
		return t.abort()
	}
	return t.hold(true, "the record", fmt.Sprintf("phase %q", rec.Phase), "one that this version knows", "have a newer roomshift look")
}

// table is one case of the table: the record, its writer w, the other server x.
type table struct {
	rec  Record
	seen Seen
	want Want
	f    Fencer
	w, x Server
	wm   Mode
	xm   Mode
	row  string
}

// newTable leaves w and x empty if what was seen isn't the record's two rooms.
func newTable(rec Record, seen Seen, want Want, f Fencer) *table {
	t := &table{rec: rec, seen: seen, want: want, f: f}
	other := rec.Other(rec.Writer)
	for i, s := range seen.Servers {
		if y := seen.Servers[1-i]; s.Room == rec.Writer && y.Room == other && other != "" {
			t.w, t.x = s, y
		}
	}
	t.wm, t.xm = t.w.Mode(), t.x.Mode()
	t.row = fmt.Sprintf("%s %s/%s", rec.Phase, t.wm, t.xm)
	return t
}

func (t *table) act(a Act, object, seen, wanted, toDo string) Act {
	a.Reason = Reason{Row: t.row, Object: object, Seen: seen, Wanted: wanted, ToDo: toDo}
	return a
}

func (t *table) hold(ask bool, object, seen, wanted, toDo string) Act {
	return t.act(Act{Do: Hold, Ask: ask}, object, seen, wanted, toDo)
}

// alarmed is the same act, and people must hear of it.
func alarmed(a Act) Act {
	a.Alarm = true
	return a
}

// guards are what stands above the rows: whose round it is, and whether the record and the servers can be believed.
func (t *table) guards() (Act, bool) {
	if err := t.rec.Validate(); err != nil {
		return t.hold(true, "the record", err.Error(), "a valid record", "find out who wrote it, and restore it"), true
	}
	if t.w.Room == "" {
		return t.hold(true, "the record", "servers of "+rooms(t.rec), "those of "+t.seen.Servers[0].Room+" and "+t.seen.Servers[1].Room,
			"bring rooms.yaml and the record together"), true
	}
	if !t.seen.Lock {
		if t.f.mayUndo(t.rec, t.w, t.x) {
			return t.undoFirst("the Consul lock is lost"), true
		}
		return t.act(Act{Do: Lock}, "the Consul lock", "lost", "ours", "take it anew"), true
	}
	for _, s := range t.pair() {
		if !s.Away && !s.Locked {
			return t.act(Act{Do: Lock}, "the lock on "+s.Room, "not ours", "ours before anything is read", "KILL its holder, take it"), true
		}
	}
	if act, ok := t.believed(); ok {
		return act, true
	}
	for _, s := range t.pair() {
		if s.Mode() == Pending {
			return t.pending(s), true
		}
	}
	return t.tooManyWriters()
}

func (t *table) pair() []Server { return []Server{t.w, t.x} }

// believed: the servers are those that the record names, and it isn't older than a move that was finished (R16).
func (t *table) believed() (Act, bool) {
	for _, s := range t.pair() {
		if s.Away {
			continue
		}
		if id := t.rec.Servers[s.Room]; s.ID != id {
			return alarmed(t.hold(true, "server of "+s.Room, s.ID, id, "another server answers: bring back the one that the record names")), true
		}
		m := s.Marker
		if m.Epoch > t.rec.Epoch || m.Epoch == t.rec.Epoch && m.Writer != t.rec.Publishes() {
			return alarmed(t.hold(true, "the record", fmt.Sprintf("epoch %d of %s", t.rec.Epoch, t.rec.Publishes()),
				fmt.Sprintf("what the marker on %s says: epoch %d of %s", s.Room, m.Epoch, m.Writer),
				"the record is old (a restored Consul?): say which is true")), true
		}
	}
	return Act{}, false
}

// pending: a SET of the read-only variables waits, or did half. After ② it is none of ours.
func (t *table) pending(s Server) Act {
	seen := fmt.Sprintf("read_only %v, super_read_only %v", s.ReadOnly, s.SuperReadOnly)
	if s.Pending != "" {
		seen += ", a SET waits in connection " + s.Pending
	}
	if !s.Fresh {
		return t.act(Act{Do: Lock, Room: s.Room}, s.Room, seen, "both variables alike", "take the lock anew, which ends what was ours")
	}
	return t.hold(true, s.Room, seen, "both variables alike", "not ours: end that connection, or set both variables alike")
}

// tooManyWriters: a closed room takes no writes; of two that do, the one that the record doesn't name is fenced.
func (t *table) tooManyWriters() (Act, bool) {
	for _, s := range t.pair() {
		if t.rec.IsClosed(s.Room) && s.Mode() == ReadWrite {
			return t.fence(s, "takes writes, and is closed since it was lost"), true
		}
	}
	if t.wm != ReadWrite || t.xm != ReadWrite {
		return Act{}, false
	}
	s := t.x
	if t.rec.Publishes() == t.x.Room {
		s = t.w
	}
	return t.fence(s, "both take writes; the record names "+t.rec.Publishes()+". Nothing is merged: compare "+t.w.Pos+" and "+t.x.Pos), true
}

func (t *table) fence(s Server, why string) Act {
	return alarmed(t.act(Act{Do: Fence, Room: s.Room}, s.Room, why, "read-only", "fence it"))
}

// write is a compare-and-set over the record of this round.
func (t *table) write(phase Phase, writer, pos string, why string) Act {
	anew := t.rec.Phase == Stable
	n := t.rec.next(phase, writer, pos, anew)
	return t.act(Act{Do: Write, Next: n}, "the record", string(t.rec.Phase)+" of "+t.rec.Writer, string(phase)+" of "+n.Publishes(), why)
}

// outOfReach: nobody knows what the record says now. Only the fencer may do anything, by what it wrote itself.
func (t *table) outOfReach() Act {
	t.row = "out of reach, " + t.row
	const object = "the record"
	const gone = "no answer from its keeper"
	both := t.w.Locked && t.x.Locked
	switch {
	case t.f.mayUndo(t.rec, t.w, t.x):
		return t.undoFirst("the record is out of reach")
	case t.f.mayGoOn() && both && t.wm == ReadOnly && t.xm == ReadOnly:
		return t.openNew()
	case t.f.sent && !t.f.received:
		return alarmed(t.hold(true, object, gone+", and COMMIT was sent", "its answer",
			"nothing may be opened until the record is back, or a person decides"))
	default:
		return t.hold(false, object, gone, "the record", "look again; nothing is done without it")
	}
}

// undoFirst is the undo by licence: one statement, recorded afterwards (R4).
func (t *table) undoFirst(why string) Act {
	return t.act(Act{Do: Open, Room: t.w.Room, Undo: true}, t.w.Room, why, t.w.Room+" as writer", "open it at once: it was fenced here, and COMMIT was never sent")
}

func rooms(r Record) string {
	var names []string
	for room := range r.Servers {
		names = append(names, room)
	}
	slices.Sort(names)
	return strings.Join(names, " and ")
}
