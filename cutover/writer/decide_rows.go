package writer

import (
	"fmt"
	"strings"
)

// stable has the rows of a pair that isn't moving.
func (t *table) stable() Act {
	w, x := t.w, t.x
	switch {
	case t.wm == ReadWrite:
		return t.begin()
	case t.wm == ReadOnly && t.rec.IsClosed(x.Room):
		return t.open(w, "it came up fenced; "+x.Room+" is closed and counts for nothing")
	case t.wm == ReadOnly && t.xm == ReadOnly:
		return t.openOld("it came up fenced")
	case t.wm == ReadOnly && t.xm == ReadWrite:
		return t.movedByHand()
	case t.wm == ReadOnly:
		return t.hold(true, x.Room, "no answer", "that "+w.Room+" has all of it", "bring it back; or `writer takeover`")
	default:
		a := t.hold(true, w.Room, "no answer", w.Room+" as writer", "bring it back; or `writer takeover`")
		a.Alarm = t.xm == ReadWrite
		return a
	}
}

// begin: the writer takes writes. Done, or a move may begin.
func (t *table) begin() Act {
	w, x := t.w, t.x
	refuse := func(object, seen, wanted, toDo string) Act { return t.act(Act{Do: Refuse}, object, seen, wanted, toDo) }
	switch {
	case len(t.f.unknown) > 0:
		return t.act(Act{Do: Settle}, "the record", "a write without an answer", "that nothing lands after the end", "destroy the Consul session")
	case t.want.Room == w.Room:
		return t.act(Act{Do: Done}, w.Room, "writer", "writer", "nothing to do")
	case t.want.Room != x.Room:
		return refuse("the wish", fmt.Sprintf("room %q", t.want.Room), w.Room+" or "+x.Room, "name a room of the pair")
	case len(t.rec.Closed) > 0:
		return refuse(strings.Join(t.rec.Closed, ", "), "closed since it was lost", "no closed room", "`writer rejoin` first")
	case t.xm != ReadOnly:
		return refuse(x.Room, t.xm.String(), "read-only and within reach", "bring it back; the writer stays")
	default:
		return t.write(Fencing, w.Room, "", "the move begins")
	}
}

// movedByHand: the record's writer is fenced, and the other takes writes.
func (t *table) movedByHand() Act {
	w, x := t.w, t.x
	seen := fmt.Sprintf("fenced, and %s takes writes", x.Room)
	switch {
	case w.Beyond == BeyondNone && len(w.XA) == 0 && w.Still && w.Pos != "":
		a := t.write(Commit, w.Room, w.Pos, x.Room+" was opened by hand and has all of "+w.Room+": the record follows")
		a.Alarm = true
		return a
	case w.Beyond == BeyondUnknown || !w.Still || w.Pos == "":
		return t.act(Act{Do: Look}, w.Room, seen, "a position that stands, and how it compares", "look again")
	default:
		return alarmed(t.hold(true, w.Room, seen+" without all of "+w.Room, "nothing that only "+w.Room+" has", "say which is to be the writer; nothing is merged"))
	}
}

// fencing has the rows of a move that isn't decided.
func (t *table) fencing() Act {
	w, x := t.w, t.x
	forward := t.want.Room == x.Room
	switch t.wm {
	case ReadWrite:
		if forward && t.xm == ReadOnly && t.f.Holds(t.rec) && t.f.whole() {
			return t.act(Act{Do: Fence, Room: w.Room}, w.Room, "takes writes", "read-only", "fence it")
		}
		return t.write(Stable, w.Room, "", w.Room+" takes writes: the move is given up")
	case ReadOnly:
		return t.fenced(forward)
	}
	if t.f.mayCommitBlind(t.rec, w, x) && forward {
		return t.write(Commit, w.Room, t.f.pos, w.Room+" is out of reach; "+x.Room+" has all that it had behind our own fence")
	}
	return alarmed(t.hold(true, w.Room, "no answer", "to know that it is fenced, and where it stands", "bring it back; or `writer takeover`"))
}

// fenced: the old writer is closed, and nothing is decided.
func (t *table) fenced(forward bool) Act {
	switch {
	case t.xm == ReadOnly && forward:
		return t.forward()
	case t.xm == ReadOnly:
		return t.undo(t.w.Room + " is wanted as writer")
	case t.xm == ReadWrite:
		return t.movedByHand()
	default:
		return t.undo(t.x.Room + " doesn't answer")
	}
}

// forward: both are fenced and the other is wanted. Steps 6 to 10; the order is law (R13).
func (t *table) forward() Act {
	w, x := t.w, t.x
	look := func(object, seen, wanted string) Act { return t.act(Act{Do: Look}, object, seen, wanted, "look again") }
	if act, ok := t.quieten(); ok {
		return act
	}
	switch {
	case len(w.XA) > 0:
		return t.undo("prepared on " + w.Room + ": " + strings.Join(w.XA, ", "))
	case x.Beyond == BeyondUnknown || w.Beyond == BeyondUnknown:
		return look(x.Room, "positions not compared", "how they compare")
	case x.Beyond != BeyondNone:
		return t.undo(x.Room + " has what " + w.Room + " hasn't: " + x.Pos)
	case w.Beyond == BeyondLost:
		return t.undo(x.Room + " has lost transactions of its own")
	case x.Receives == No:
		return t.undo(x.Room + " receives nothing from " + w.Room)
	case w.Beyond == BeyondOwn:
		return t.act(Act{Do: Wait, Room: x.Room, Pos: w.Pos}, x.Room, "not all of "+w.Pos, "all of it", "wait for it")
	case w.Receives == No:
		return t.undo(w.Room + " receives nothing from " + x.Room + ": there would be no way back")
	case w.Receives != Yes:
		return look(w.Room, "replication not seen", "that it runs")
	case !t.seen.Proven:
		return t.act(Act{Do: Prove}, "the record's keeper", "no write of this move answered", "one", "write, so that COMMIT isn't the first")
	default:
		return t.write(Commit, w.Room, w.Pos, x.Room+" has all of "+w.Room)
	}
}

// quieten: clients are killed before anything is believed about what they may still do.
func (t *table) quieten() (Act, bool) {
	w := t.w
	switch {
	case w.Clients > 0:
		return t.act(Act{Do: Kill, Room: w.Room}, w.Room, fmt.Sprintf("%d clients from before the fence", w.Clients), "none", "kill them"), true
	case len(w.XA) == 0 && (!w.Still || w.Pos == ""):
		return t.act(Act{Do: Look}, w.Room, "a position that moves", "the same twice", "look again"), true
	}
	return Act{}, false
}

// undo gives up a move that isn't decided: by licence, or else by ABORT (8u).
func (t *table) undo(why string) Act {
	if t.f.mayUndo(t.rec, t.w, t.x) {
		return t.undoFirst(why)
	}
	return t.write(Abort, t.w.Room, "", why)
}

// abort has the rows of a move that was given up: the old writer is opened, by anyone (R10).
func (t *table) abort() Act {
	w, x := t.w, t.x
	switch {
	case t.wm == ReadWrite:
		return t.write(Stable, w.Room, "", w.Room+" takes writes")
	case t.wm == ReadOnly && t.xm == ReadOnly:
		return t.openOld("the move was given up")
	case t.wm == ReadOnly && t.xm == ReadWrite:
		return alarmed(t.hold(true, x.Room, "takes writes", w.Room+" as writer", "say which is to be the writer; nothing is merged"))
	case t.wm == ReadOnly:
		return t.open(w, "the move was given up; "+x.Room+" doesn't answer, and was never opened in this epoch")
	default:
		return alarmed(t.hold(true, w.Room, "no answer", w.Room+" as writer", "bring it back; or `writer takeover`"))
	}
}

// commit has the rows of a move that is decided: the new writer is opened, and the old one never.
func (t *table) commit() Act {
	w, x := t.w, t.x
	lost := t.rec.IsClosed(w.Room)
	switch {
	case t.xm == ReadWrite:
		a := t.write(Stable, x.Room, "", x.Room+" takes writes")
		a.Alarm = t.wm == ModeAway
		return a
	case t.wm == ReadWrite:
		return t.fence(w, "takes writes, and "+x.Room+" was decided")
	case t.xm == ReadOnly && (lost || t.wm == ModeAway):
		return t.openByRecord()
	case t.xm == ReadOnly:
		return t.openNew()
	default:
		return alarmed(t.hold(true, x.Room, "no answer", x.Room+" as writer", "bring it back: "+w.Room+" is never opened in this epoch"))
	}
}

// openNew opens the new writer: wait once more for the old one's position, read now (R9).
func (t *table) openNew() Act {
	w, x := t.w, t.x
	if act, ok := t.quieten(); ok {
		return act
	}
	switch {
	case len(w.XA) > 0:
		return alarmed(t.hold(true, w.Room, "prepared: "+strings.Join(w.XA, ", "), "none", "commit or roll back each, by its id"))
	case w.Beyond == BeyondNone:
		return t.open(x, "it was decided, and has all of "+w.Room)
	case w.Beyond == BeyondOwn && x.Receives == No:
		return alarmed(t.hold(true, x.Room, "receives nothing from "+w.Room, "all of "+w.Pos, "start its replication"))
	case w.Beyond == BeyondOwn:
		return t.act(Act{Do: Wait, Room: x.Room, Pos: w.Pos}, x.Room, "not all of "+w.Pos, "all of it", "wait for it")
	case w.Beyond == BeyondLost:
		return alarmed(t.hold(true, x.Room, "has lost transactions of its own that "+w.Room+" has", "all of "+w.Pos, "restore them first"))
	default:
		return t.act(Act{Do: Look}, x.Room, "positions not compared", "how they compare", "look again")
	}
}

// openByRecord opens the new writer while the old one is out of reach, or lost and closed: the record's position counts.
func (t *table) openByRecord() Act {
	w, x := t.w, t.x
	switch {
	case x.Covers == Yes:
		a := t.open(x, "it was decided, and has all that the record asks for; "+w.Room+" is out of the picture")
		a.Alarm = true
		return a
	case x.Covers == NotKnown:
		return t.act(Act{Do: Look}, x.Room, "positions not compared", "whether it has "+t.rec.Pos, "look again")
	default:
		return alarmed(t.hold(true, x.Room, "not all of "+t.rec.Pos, "all of it", "bring "+w.Room+" back, which has the rest; or `writer takeover`"))
	}
}

// openOld opens the writer that the record names, while the other is fenced too: wait once more for the other's position (R9).
func (t *table) openOld(why string) Act {
	w, x := t.w, t.x
	switch x.Beyond {
	case BeyondNone:
		return t.open(w, why)
	case BeyondOwn:
		if w.Receives == No {
			return alarmed(t.hold(true, w.Room, "receives nothing from "+x.Room+", which has more", "all of "+x.Pos, "start its replication, or say that it may be opened"))
		}
		return t.act(Act{Do: Wait, Room: w.Room, Pos: x.Pos}, w.Room, "not all of "+x.Pos, "all of it", "wait for it")
	case BeyondLost:
		return alarmed(t.hold(true, w.Room, "has lost transactions of its own that "+x.Room+" has", "all of "+x.Pos, "say which is to be the writer; nothing is merged"))
	default:
		return t.act(Act{Do: Look}, x.Room, "positions not compared", "how they compare", "look again")
	}
}

func (t *table) open(s Server, why string) Act {
	return t.act(Act{Do: Open, Room: s.Room}, s.Room, "read-only", s.Room+" as writer", "open it: "+why)
}

// none has the rows of a pair without a record.
func none(seen Seen, want Want) Act {
	a, b := seen.Servers[0], seen.Servers[1]
	t := &table{seen: seen, row: fmt.Sprintf("none %s/%s", a.Mode(), b.Mode())}
	if !seen.Lock || !a.Away && !a.Locked || !b.Away && !b.Locked {
		return t.act(Act{Do: Lock}, "the locks", "not all ours", "ours before anything is read", "take them")
	}
	w := a
	if b.Mode() == ReadWrite {
		w = b
	}
	if a.Mode() == ReadWrite && b.Mode() == ReadOnly || a.Mode() == ReadOnly && b.Mode() == ReadWrite {
		n := Record{V: Version, Epoch: max(a.Marker.Epoch, b.Marker.Epoch) + 1, Seq: 1, Phase: Stable, Writer: w.Room,
			Servers: map[string]string{a.Room: a.ID, b.Room: b.ID}}
		if err := n.Signed("-", "-", epochStart).Validate(); err != nil {
			return t.hold(true, "the servers", err.Error(), "two that can be told apart", "look at their names and identities")
		}
		if want.Create {
			return t.act(Act{Do: Write, Next: n}, "the record", "none", "STABLE of "+w.Room, "create it, by a person's word")
		}
		return t.hold(true, "the record", "none; "+w.Room+" takes the writes", "a record", "say that it may be created")
	}
	if a.Mode() == ReadOnly && b.Mode() == ReadOnly {
		return t.hold(true, "the record", "none, and no writer", "a record", "say who is to be the writer: "+superset(a, b))
	}
	return alarmed(t.hold(true, "the record", "none", "one writer and one fenced server, both within reach", "bring that about; then say that the record may be created"))
}

// superset proposes a writer where both are fenced and nothing says who was it.
func superset(a, b Server) string {
	switch {
	case a.Beyond == BeyondNone && b.Beyond == BeyondNone:
		return "both have the same"
	case a.Beyond == BeyondNone:
		return b.Room + " has all of " + a.Room + " and more"
	case b.Beyond == BeyondNone:
		return a.Room + " has all of " + b.Room + " and more"
	default:
		return "neither has all of the other's"
	}
}
