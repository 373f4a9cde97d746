package writer

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

var long = flag.Bool("long", false, "the product of everything that may be seen whole, not sampled, and the explorer with pairs of faults")

// dims are everything that a case of Decide is made of; the product of their sizes is all cases.
var dims = []int{
	5,    // record: none and the four phases
	4, 4, // modes of A and B
	3,    // closed: none, B, A (forced where it may be)
	2, 2, // record away, Consul lock held
	4,    // locked: A and B
	2,    // proven
	4, 4, // beyond of A and B
	3, 3, // covers of B, receives of A
	3,       // receives of B
	2, 2, 2, // XA, clients, still on A
	2, // fresh
	3, // marker: older, ahead, of this epoch and the other room
	3, // wanted
	8, // fencer
}

// guarded are the dims that the guards look at; with each at its first value Decide comes to the rows.
var guarded = []int{4, 5, 6, 16, 17}

func product(sizes []int) uint64 {
	all := uint64(1)
	for _, d := range sizes {
		all *= uint64(d)
	}
	return all
}

// caseOf is the case with a number below the product of the sizes.
func caseOf(dims []int, n uint64) (*Record, Seen, Want, Fencer) {
	at := 0
	pick := func() int {
		v := int(n % uint64(dims[at]))
		n /= uint64(dims[at])
		at++
		return v
	}
	var rec *Record
	if k := pick(); k > 0 {
		r := record([]Phase{Stable, Fencing, Commit, Abort}[k-1])
		rec = &r
	}
	s := seen(Mode(pick()), Mode(pick()))
	a, b := &s.Servers[0], &s.Servers[1]
	if k := pick(); rec != nil && k > 0 {
		rec.Closed = []string{[]string{roomB, roomA}[k-1]}
		if k == 2 {
			rec.Forced = &Forced{By: "li", Reason: "fire", Lost: roomA, Bound: "2 s"}
		}
	}
	s.Away, s.Lock = pick() == 1, pick() == 0
	k := pick()
	a.Locked, b.Locked = k&1 == 0, k&2 == 0
	s.Proven = pick() == 0
	a.Beyond, b.Beyond = Beyond(pick()), Beyond(pick())
	b.Covers, a.Receives, b.Receives = Answer(pick()), Answer(pick()), Answer(pick())
	if pick() == 1 {
		a.XA = []string{"x1"}
	}
	a.Clients, a.Still = pick(), pick() == 0
	a.Fresh = pick() == 1
	b.Fresh = a.Fresh
	switch pick() {
	case 1:
		b.Marker.Epoch = 9
	case 2:
		b.Marker = Marker{7, roomB}
	}
	w := Want{Room: []string{roomA, roomB, "moon"}[pick()], Create: s.Proven}
	f := []Fencer{{}, fencerOf(), hadPosition(), fencerOf().Sending(record(Commit), 20, "s"), committed(), hadPosition().Sending(record(Commit), 20, "s"),
		Fencer{}.Sending(record(Abort), 20, "s"), fencerOf().Opening(roomA)}[pick()]
	if s.Away {
		rec = nil
	}
	return rec, s, w, f
}

// TestEveryCaseHasOneAct walks the product of everything that may be seen: one act each, with a reason, and none that the rules forbid.
func TestEveryCaseHasOneAct(t *testing.T) {
	rows := slices.Clone(dims)
	for _, k := range guarded {
		rows[k] = 1
	}
	step := uint64(503) // primes that divide no size, so that every pair of values comes
	if *long {
		step = 1
	}
	if testing.Short() {
		step = 4003
	}
	count := map[Do]int{}
	for _, walk := range []struct {
		sizes []int
		step  uint64
	}{{rows, step}, {dims, 101 * step}} {
		for n := uint64(0); n < product(walk.sizes); n += walk.step {
			rec, s, w, f := caseOf(walk.sizes, n)
			a := Decide(rec, s, w, f)
			count[a.Do]++
			if err := lawful(rec, s, w, f, a); err != nil {
				t.Fatalf("case %d: %v\nact %s: %s\nrecord %+v\nseen %+v\nwant %+v, fencer %+v", n, err, shortAct(a), a.Reason, rec, s, w, f)
			}
		}
	}
	for d := Hold; d <= Write; d++ {
		if count[d] == 0 && (d != Prove || *long) { // it is rare; TestTable has it
			t.Errorf("%s never comes", d)
		}
	}
	t.Logf("1 of %d of %d cases that come to the rows, 1 of %d of all %d: %v", step, product(rows), 101*step, product(dims), count)
}

// lawful says which rule an act breaks.
func lawful(rec *Record, s Seen, w Want, f Fencer, a Act) error {
	r := a.Reason
	if r.Row == "" || r.Object == "" || r.Seen == "" || r.Wanted == "" || r.ToDo == "" {
		return fmt.Errorf("a reason with holes: %+v", r)
	}
	known := rec
	if own, ok := f.Record(); rec == nil && ok {
		known = &own
	}
	var on Server
	for _, x := range s.Servers {
		if x.Room == a.Room {
			on = x
		}
	}
	switch a.Do {
	case Open, Fence, Kill, Wait:
		if !on.Locked || on.Away || known == nil {
			return fmt.Errorf("R1: %s without the lock on %q", a.Do, a.Room)
		}
	}
	switch a.Do {
	case Open:
		return lawfulOpen(rec, *known, s, f, a, on)
	case Fence:
		if on.Mode() != ReadWrite || s.Away {
			return fmt.Errorf("a fence of a server that is %s", on.Mode())
		}
	case Wait:
		if a.Pos == "" {
			return fmt.Errorf("a wait for nothing")
		}
	case Write:
		if s.Away || !s.Lock {
			return fmt.Errorf("a record is written without the lock")
		}
		return lawfulWrite(rec, s, w, f, a)
	}
	return nil
}

func lawfulOpen(rec *Record, known Record, s Seen, f Fencer, a Act, on Server) error {
	other := s.Servers[0]
	if other.Room == on.Room {
		other = s.Servers[1]
	}
	switch {
	case on.Mode() != ReadOnly:
		return fmt.Errorf("R2: an open of a server that is %s", on.Mode())
	case other.Mode() == ReadWrite || other.Mode() == Pending:
		return fmt.Errorf("I1: an open beside a server that is %s", other.Mode())
	case known.IsClosed(on.Room):
		return fmt.Errorf("a closed room is opened")
	case on.Room == known.Writer && known.Phase == Commit:
		return fmt.Errorf("R5: the old writer is opened after COMMIT")
	case on.Room != known.Writer && known.Phase != Commit:
		return fmt.Errorf("R15: the new writer is opened before COMMIT")
	case known.Phase == Fencing && (!a.Undo || f.SentCommit() || !f.whole()):
		return fmt.Errorf("R3, R4: the old writer is opened without ABORT and without licence")
	case rec == nil && known.Phase == Commit && (!f.received || !f.whole()):
		return fmt.Errorf("R5: the new writer is opened, and COMMIT's OK wasn't received")
	case !other.Away && !known.IsClosed(other.Room) && other.Beyond != BeyondNone:
		return fmt.Errorf("R9: an open without all that the other has")
	}
	return nil
}

func lawfulWrite(rec *Record, s Seen, w Want, f Fencer, a Act) error {
	next := a.Next.Signed("run", "li", someTime)
	if err := next.Validate(); err != nil {
		return err
	}
	for _, x := range s.Servers {
		if !x.Away && !x.Locked {
			return fmt.Errorf("R8: a record is written without the lock on %s", x.Room)
		}
	}
	if rec == nil {
		if !w.Create {
			return fmt.Errorf("a record is created without a person's word")
		}
		return nil
	}
	if err := next.Follows(*rec); err != nil {
		return err
	}
	old, new := s.Servers[0], s.Servers[1] // A is the writer in all cases
	switch next.Phase {
	case Commit:
		if old.Away && (!f.Holds(*rec) || f.pos != next.Pos || new.Covers != Yes) {
			return fmt.Errorf("R7: COMMIT without sight of the old writer")
		}
		if !old.Away && (old.Mode() != ReadOnly || old.Beyond != BeyondNone || !old.Still || len(old.XA) > 0 || next.Pos != old.Pos) {
			return fmt.Errorf("R13: COMMIT over a writer that isn't quiet")
		}
		if new.Mode() == ReadOnly && !old.Away && (old.Clients > 0 || old.Receives != Yes || new.Beyond != BeyondNone) {
			return fmt.Errorf("I3, I5: COMMIT without a way back, or with errant transactions")
		}
	case Stable:
		on := old
		if next.Writer == roomB {
			on = new
		}
		if on.Mode() != ReadWrite {
			return fmt.Errorf("STABLE of a server that is %s", on.Mode())
		}
	}
	return nil
}
