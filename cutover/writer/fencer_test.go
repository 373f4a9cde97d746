package writer

import (
	"testing"
	"time"
)

// Who is the fencer, and what ends that.
func TestFencer(t *testing.T) {
	rec := record(Fencing)
	quiet, wr := seen(ReadOnly, ReadOnly), func() (Server, Server) { s := seen(ReadOnly, ReadOnly); return s.Servers[0], s.Servers[1] }
	w, x := wr()
	away := server(roomA, ModeAway)
	for _, c := range []struct {
		name               string
		f                  Fencer
		holds, undo, blind bool
	}{
		{"nothing was done", Fencer{}, false, false, false},
		{"FENCING was sent, and nothing came", Fencer{}.Sending(rec, 19, "s"), false, false, false},
		{"FENCING was refused", Fencer{}.Sending(rec, 19, "s").Answered(rec, 19, "s", false), false, false, false},
		{"FENCING was answered", fencerOf(), true, true, false},
		{"and its position read", fencerOf().Saw(quiet), true, true, true},
		{"and the writer out of sight", hadPosition(), true, false, true},
		{"and the writer's session taken anew", hadPosition().Took(roomA), false, false, false},
		{"the writer's session broke before its position was read", fencerOf().Broke(roomA), false, false, false},
		{"the other's session broke", fencerOf().Saw(quiet).Broke(roomB), false, false, false},
		{"both broke", hadPosition().Broke(roomB), false, false, false},
		{"COMMIT was sent", fencerOf().Saw(quiet).Sending(record(Commit), 20, "s"), true, false, true},
		{"and refused", fencerOf().Saw(quiet).Sending(record(Commit), 20, "s").Answered(record(Commit), 20, "s", false), true, false, true},
		{"and the old value was read", fencerOf().Saw(quiet).Sending(record(Commit), 20, "s").Read(&rec, 20, "s"), true, false, true},
		{"ABORT was sent", fencerOf().Saw(quiet).Sending(record(Abort), 20, "s"), false, false, false},
		{"STABLE was sent", fencerOf().Saw(quiet).Sending(record(Stable), 20, "s"), false, false, false},
		{"the writer is being opened", fencerOf().Saw(quiet).Opening(roomA), false, false, false},
		{"the writer has clients", fencerOf().Saw(not(func(s *Server) { s.Clients = 1 })), true, true, false},
		{"the writer has XA branches", fencerOf().Saw(not(func(s *Server) { s.XA = []string{"x"} })), true, true, false},
		{"the writer's position was read once", fencerOf().Saw(not(func(s *Server) { s.Still = false })), true, true, false},
		{"the writer isn't locked", fencerOf().Saw(not(func(s *Server) { s.Locked = false })), true, true, false},
		{"the position moves again", fencerOf().Saw(quiet).Saw(seen(ReadWrite, ReadOnly)), true, true, false},
	} {
		if got := c.f.Holds(rec); got != c.holds {
			t.Errorf("%s: the fencer %v, want %v", c.name, got, c.holds)
		}
		if got := c.f.mayUndo(rec, w, x); got != c.undo {
			t.Errorf("%s: may undo first %v, want %v", c.name, got, c.undo)
		}
		if got := c.f.mayCommitBlind(rec, away, x); got != c.blind {
			t.Errorf("%s: may commit blind %v, want %v", c.name, got, c.blind)
		}
	}
	received := fencerOf().Saw(quiet).Sending(record(Commit), 20, "s").Answered(record(Commit), 20, "s", true)
	if !received.mayGoOn() || received.Broke(roomA).mayGoOn() {
		t.Error("COMMIT's OK is worth something while both sessions last, and not longer")
	}
	aborted := record(Abort)
	later := rec
	later.Epoch++
	for name, r := range map[string]*Record{"ABORT": &aborted, "a later epoch": &later, "no record": nil} {
		if fencerOf().Read(r, 21, "s").Holds(rec) {
			t.Errorf("still the fencer after %s was read", name)
		}
	}
	if !fencerOf().Read(&rec, 20, "other").Holds(rec) || !committed().mayGoOn() || committed().Broke(roomB).mayGoOn() || committed().Broke(roomA).mayGoOn() {
		t.Error("a fencer that lost its Consul session stays one; COMMIT's OK is worth something while both sessions last")
	}
	commit := record(Commit)
	if f := fencerOf().Sending(commit, 20, "s").Read(&commit, 21, "s"); f.mayGoOn() || !f.Holds(commit) {
		t.Error("COMMIT that was read, not answered, isn't received")
	}
}

// not is a quiet round but for something of the writer.
func not(change func(*Server)) Seen {
	s := seen(ReadOnly, ReadOnly)
	change(&s.Servers[0])
	return s
}

// R6: what settles a compare-and-set without an answer, and what doesn't.
func TestSettle(t *testing.T) {
	rec, commit := record(Fencing), record(Commit)
	lost := fencerOf().Sending(commit, 20, "s")
	for _, c := range []struct {
		name string
		f    Fencer
		left int
	}{
		{"sent", lost, 1},
		{"the old value is read", lost.Read(&rec, 20, "s"), 1},
		{"a second one is refused", lost.Sending(commit, 20, "s").Answered(commit, 20, "s", false), 1},
		{"a second one is done", lost.Sending(commit, 20, "s").Answered(commit, 20, "s", true), 0},
		{"another of the same index is done", lost.Sending(record(Abort), 20, "s").Answered(record(Abort), 20, "s", true), 0},
		{"another is refused", lost.Sending(record(Abort), 20, "s").Answered(record(Abort), 20, "s", false), 1},
		{"a newer index is read", lost.Read(&commit, 21, "s"), 0},
		{"its session is dead", lost.Read(&rec, 20, "t"), 0},
		{"it is answered", lost.Answered(commit, 20, "s", false), 0},
		{"a session breaks", lost.Broke(roomB), 1},
	} {
		if got := len(c.f.Unsettled()); got != c.left {
			t.Errorf("%s: %d unsettled, want %d", c.name, got, c.left)
		}
	}
	if before := lost.Unsettled(); len(before) != 1 || before[0] != (CAS{Commit, 20, "s"}) {
		t.Errorf("what was remembered has changed: %v", before)
	}
}

func TestPosFor(t *testing.T) {
	f := fencerOf().Saw(seen(ReadOnly, ReadOnly))
	if got := PosFor(record(Fencing), f); got != "a:1-5" {
		t.Errorf("the fencer's own: %q", got)
	}
	if got := PosFor(record(Fencing), Fencer{}); got != "" {
		t.Errorf("somebody else's: %q", got)
	}
	if got := PosFor(record(Commit), Fencer{}); got != "a:1-5" {
		t.Errorf("the record's: %q", got)
	}
}

func TestBeyond(t *testing.T) {
	for _, c := range []struct {
		rest string
		born Answer
		want Beyond
	}{{"", NotKnown, BeyondNone}, {"a2", Yes, BeyondOwn}, {"a2,b1", No, BeyondLost}, {"a2", NotKnown, BeyondUnknown}} {
		if got := BeyondOf(c.rest, c.born); got != c.want {
			t.Errorf("%q, %d: %d, want %d", c.rest, c.born, got, c.want)
		}
	}
}

func TestMode(t *testing.T) {
	for _, c := range []struct {
		s    Server
		want Mode
	}{
		{Server{}, ReadWrite},
		{Server{ReadOnly: true, SuperReadOnly: true}, ReadOnly},
		{Server{SuperReadOnly: true}, Pending}, // a waiting SET on MySQL
		{Server{ReadOnly: true}, Pending},
		{Server{Pending: "17"}, Pending},
		{Server{Away: true, ReadOnly: true, SuperReadOnly: true}, ModeAway},
	} {
		if got := c.s.Mode(); got != c.want {
			t.Errorf("%+v is %s, want %s", c.s, got, c.want)
		}
	}
}

func TestBudget(t *testing.T) {
	good := Budget{NoWriter: 2 * time.Second, Fence: time.Second, Kill: 200 * time.Millisecond, Wait: 700 * time.Millisecond, Trip: 100 * time.Millisecond}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Budget){
		"too much":             func(b *Budget) { b.Wait += time.Millisecond },
		"half a second":        func(b *Budget) { b.Fence, b.Wait = 1500*time.Millisecond, time.Millisecond },
		"nothing for the kill": func(b *Budget) { b.Kill = 0 },
		"no fence":             func(b *Budget) { b.Fence = 0 },
		"less than nothing":    func(b *Budget) { b.Wait = -time.Second },
		"for ever":             func(b *Budget) { b.NoWriter = 2 * time.Hour },
	} {
		b := good
		change(&b)
		if b.Check() == nil {
			t.Errorf("%s: %+v is taken", name, b)
		}
	}
	for since, want := range map[time.Duration]time.Duration{0: 700 * time.Millisecond, 1500 * time.Millisecond: 400 * time.Millisecond,
		1900 * time.Millisecond: 0, time.Minute: 0} {
		if got := good.Left(since); got != want {
			t.Errorf("%v after the fence: %v left, want %v", since, got, want)
		}
	}
}
