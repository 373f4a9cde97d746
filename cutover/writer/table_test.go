package writer

import (
	"strings"
	"testing"
)

// cell is one case of the table of WRITER §4: a record of A → B, and what was seen of A / B.
type cell struct {
	rec   Phase // "" none
	a, b  Mode
	but   string // what differs from servers that are locked, quiet and alike; see differ
	want  string
	f     Fencer
	expct string
}

// The rows of WRITER §4, in its order; cells with no row of their own there are marked so.
var cells = []cell{
	{Stable, ReadWrite, ReadOnly, "", roomA, Fencer{}, "done"},
	{Stable, ReadWrite, ReadOnly, "", roomB, Fencer{}, "write FENCING(home) e8"},
	{Stable, ReadWrite, ReadOnly, "", "moon", Fencer{}, "refuse"},
	{Stable, ReadWrite, ReadOnly, "closed", roomB, Fencer{}, "refuse"},
	{Stable, ReadWrite, ReadOnly, "", roomA, Fencer{}.Sending(record(Fencing), 19, "s"), "settle"},
	{Stable, ReadWrite, ReadOnly, "", roomB, Fencer{}.Sending(record(Fencing), 19, "s"), "settle"},
	{Stable, ReadOnly, ReadOnly, "", roomA, Fencer{}, "open home"},
	{Stable, ReadOnly, ReadOnly, "", roomB, Fencer{}, "open home"},
	{Stable, ReadOnly, ReadOnly, "b own", roomA, Fencer{}, "wait home b:1"},
	{Stable, ReadOnly, ReadOnly, "b own, a receives nothing", roomA, Fencer{}, "hold ask alarm"},
	{Stable, ReadOnly, ReadOnly, "b lost", roomA, Fencer{}, "hold ask alarm"},
	{Stable, ReadOnly, ReadOnly, "b unknown", roomA, Fencer{}, "look"},
	{Stable, ReadOnly, ReadOnly, "closed, b own", roomA, Fencer{}, "open home"},
	{Stable, ReadOnly, ReadWrite, "", roomA, Fencer{}, "write COMMIT(cloud) e8 alarm"},
	{Stable, ReadOnly, ReadWrite, "a own", roomA, Fencer{}, "hold ask alarm"},
	{Stable, ReadOnly, ReadWrite, "a xa", roomA, Fencer{}, "hold ask alarm"},
	{Stable, ReadOnly, ReadWrite, "a moves", roomA, Fencer{}, "look"},
	{Stable, ReadOnly, ReadWrite, "closed", roomA, Fencer{}, "fence cloud alarm"},
	{Stable, ReadWrite, ModeAway, "", roomB, Fencer{}, "refuse"},
	{Stable, ReadWrite, ModeAway, "", roomA, Fencer{}, "done"},
	{Stable, ReadOnly, ModeAway, "", roomA, Fencer{}, "hold ask"},
	{Stable, ReadOnly, ModeAway, "closed", roomA, Fencer{}, "open home"},
	{Stable, ModeAway, ReadOnly, "", roomB, Fencer{}, "hold ask"},
	{Stable, ModeAway, ReadWrite, "", roomB, Fencer{}, "hold ask alarm"},
	{Stable, ModeAway, ModeAway, "", roomB, Fencer{}, "hold ask"},

	{Stable, Pending, ReadOnly, "", roomB, Fencer{}, "lock"},
	{Stable, Pending, ReadOnly, "a fresh", roomB, Fencer{}, "hold ask"},
	{Fencing, ReadOnly, Pending, "", roomB, fencerOf(), "lock"},
	{Commit, ReadOnly, Pending, "b fresh", roomB, Fencer{}, "hold ask"},
	{Abort, ModeAway, Pending, "b fresh", roomB, Fencer{}, "hold ask"},

	{Fencing, ReadWrite, ReadOnly, "", roomB, fencerOf(), "fence home"},
	{Fencing, ReadWrite, ReadOnly, "", roomB, Fencer{}, "write STABLE(home) e7"},
	{Fencing, ReadWrite, ReadOnly, "", roomA, fencerOf(), "write STABLE(home) e7"},
	{Fencing, ReadWrite, ReadOnly, "", roomB, olderFencer(), "write STABLE(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, olderFencer(), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomB, fencerOf(), "write COMMIT(cloud) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomB, Fencer{}, "write COMMIT(cloud) e7"},
	{Fencing, ReadOnly, ReadOnly, "a clients, a xa, a own, a moves", roomB, fencerOf(), "kill home"},
	{Fencing, ReadOnly, ReadOnly, "a moves", roomB, fencerOf(), "look"},
	{Fencing, ReadOnly, ReadOnly, "a own", roomB, fencerOf(), "wait cloud a:6"},
	{Fencing, ReadOnly, ReadOnly, "a own, b receives nothing", roomB, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "not proven", roomB, fencerOf(), "prove"},
	{Fencing, ReadOnly, ReadOnly, "a xa", roomB, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "a xa", roomB, Fencer{}, "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "b own", roomB, fencerOf(), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "b lost", roomB, Fencer{}, "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "a lost", roomB, Fencer{}, "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "a unknown", roomB, Fencer{}, "look"},
	{Fencing, ReadOnly, ReadOnly, "a receives nothing", roomB, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "a receives unknown", roomB, fencerOf(), "look"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, Fencer{}, "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, fencerOf().Sending(record(Commit), 20, "s"), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, fencerOf().Sending(record(Commit), 20, "s").Answered(record(Commit), 20, "s", false), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, fencerOf().Took(roomB), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "", roomA, fencerOf().Opening(roomA), "write ABORT(home) e7"},
	{Fencing, ReadOnly, ReadOnly, "lock lost", roomB, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "lock lost", roomB, Fencer{}, "lock"},
	{Fencing, ReadOnly, ModeAway, "", roomB, fencerOf(), "write ABORT(home) e7"},
	{Fencing, ModeAway, ReadOnly, "", roomB, hadPosition(), "write COMMIT(cloud) e7"},
	{Fencing, ModeAway, ReadOnly, "b covers not", roomB, hadPosition(), "hold ask alarm"},
	{Fencing, ModeAway, ReadOnly, "", roomA, hadPosition(), "hold ask alarm"},
	{Fencing, ModeAway, ReadOnly, "", roomB, Fencer{}, "hold ask alarm"},
	{Fencing, ModeAway, ReadOnly, "", roomB, hadPosition().Took(roomA), "hold ask alarm"},
	{Fencing, ReadOnly, ReadWrite, "", roomB, Fencer{}, "write COMMIT(cloud) e7 alarm"},
	{Fencing, ReadOnly, ReadWrite, "a own", roomB, Fencer{}, "hold ask alarm"},
	{Fencing, ReadWrite, ModeAway, "", roomB, fencerOf(), "write STABLE(home) e7"}, // no row there
	{Fencing, ModeAway, ReadWrite, "", roomB, fencerOf(), "hold ask alarm"},        // no row there

	{Abort, ReadOnly, ReadOnly, "", roomB, Fencer{}, "open home"},
	{Abort, ReadOnly, ReadOnly, "b own", roomB, Fencer{}, "wait home b:1"},
	{Abort, ReadOnly, ReadOnly, "b lost", roomB, Fencer{}, "hold ask alarm"},
	{Abort, ReadOnly, ModeAway, "", roomB, Fencer{}, "open home"},
	{Abort, ReadWrite, ReadOnly, "", roomB, Fencer{}, "write STABLE(home) e7"},
	{Abort, ReadWrite, ModeAway, "", roomB, Fencer{}, "write STABLE(home) e7"},
	{Abort, ReadOnly, ReadWrite, "", roomB, Fencer{}, "hold ask alarm"},
	{Abort, ModeAway, ReadOnly, "", roomB, Fencer{}, "hold ask alarm"},
	{Abort, ModeAway, ReadWrite, "", roomB, Fencer{}, "hold ask alarm"},

	{Commit, ReadOnly, ReadOnly, "", roomB, Fencer{}, "open cloud"},
	{Commit, ReadOnly, ReadOnly, "", roomA, Fencer{}, "open cloud"},
	{Commit, ReadOnly, ReadOnly, "a own", roomA, Fencer{}, "wait cloud a:6"},
	{Commit, ReadOnly, ReadOnly, "a own, b receives nothing", roomA, Fencer{}, "hold ask alarm"},
	{Commit, ReadOnly, ReadOnly, "a lost", roomA, Fencer{}, "hold ask alarm"},
	{Commit, ReadOnly, ReadOnly, "a clients, a own", roomA, Fencer{}, "kill home"},
	{Commit, ReadOnly, ReadOnly, "a xa", roomA, Fencer{}, "hold ask alarm"},
	{Commit, ReadOnly, ReadOnly, "b own", roomA, Fencer{}, "open cloud"},
	{Commit, ReadOnly, ReadWrite, "", roomA, Fencer{}, "write STABLE(cloud) e7"},
	{Commit, ModeAway, ReadWrite, "", roomB, Fencer{}, "write STABLE(cloud) e7 alarm"},
	{Commit, ModeAway, ReadOnly, "", roomB, Fencer{}, "open cloud alarm"},
	{Commit, ModeAway, ReadOnly, "b covers not", roomB, Fencer{}, "hold ask alarm"},
	{Commit, ModeAway, ReadOnly, "b covers unknown", roomB, Fencer{}, "look"},
	{Commit, ReadOnly, ReadOnly, "forced, a own, b receives nothing", roomB, Fencer{}, "open cloud alarm"},
	{Commit, ReadWrite, ReadOnly, "forced", roomB, Fencer{}, "fence home alarm"},
	{Commit, ReadWrite, ReadOnly, "", roomB, Fencer{}, "fence home alarm"},
	{Commit, ReadWrite, ModeAway, "", roomB, Fencer{}, "fence home alarm"},
	{Commit, ReadOnly, ModeAway, "", roomB, Fencer{}, "hold ask alarm"},

	{Stable, ReadWrite, ReadWrite, "", roomA, Fencer{}, "fence cloud alarm"},
	{Fencing, ReadWrite, ReadWrite, "", roomB, fencerOf(), "fence cloud alarm"},
	{Abort, ReadWrite, ReadWrite, "", roomB, Fencer{}, "fence cloud alarm"},
	{Commit, ReadWrite, ReadWrite, "", roomA, Fencer{}, "fence home alarm"},
	{Fencing, ModeAway, ModeAway, "", roomB, fencerOf(), "hold ask alarm"},
	{Commit, ModeAway, ModeAway, "", roomB, Fencer{}, "hold ask alarm"},
	{Abort, ModeAway, ModeAway, "", roomB, Fencer{}, "hold ask alarm"},

	{Fencing, ReadOnly, ReadOnly, "away", roomB, fencerOf(), "open home first"},
	{Fencing, ReadOnly, ReadOnly, "away", roomB, Fencer{}, "hold"},
	{Fencing, ReadWrite, ReadOnly, "away", roomB, fencerOf(), "hold"},
	{Fencing, ReadOnly, ReadOnly, "away", roomB, fencerOf().Sending(record(Commit), 20, "s"), "hold ask alarm"},
	{Commit, ReadOnly, ReadOnly, "away", roomB, committed(), "open cloud"},
	{Commit, ReadOnly, ReadOnly, "away, a own", roomB, committed(), "wait cloud a:6"},
	{Commit, ReadOnly, ReadOnly, "away", roomB, committed().Broke(roomB), "hold"},
	{Commit, ReadOnly, ReadWrite, "away", roomB, committed(), "hold"},
	{Commit, ReadOnly, ReadOnly, "away", roomB, Fencer{}, "hold"},

	{"", ReadWrite, ReadOnly, "", roomA, Fencer{}, "hold ask"},
	{"", ReadWrite, ReadOnly, "create", roomA, Fencer{}, "write STABLE(home) e7"},
	{"", ReadOnly, ReadWrite, "create", roomA, Fencer{}, "write STABLE(cloud) e7"},
	{"", ReadOnly, ReadOnly, "create", roomA, Fencer{}, "hold ask"},
	{"", ReadWrite, ReadWrite, "create", roomA, Fencer{}, "hold ask alarm"},
	{"", ReadWrite, ModeAway, "create", roomA, Fencer{}, "hold ask alarm"},
	{"", ReadWrite, ReadOnly, "create, a unlocked", roomA, Fencer{}, "lock"},

	{Stable, ReadWrite, ReadOnly, "a unlocked", roomB, Fencer{}, "lock"},
	{Commit, ReadOnly, ReadOnly, "b unlocked", roomB, Fencer{}, "lock"},
	{Commit, ReadOnly, ReadOnly, "lock lost", roomB, committed(), "lock"},
	{Commit, ReadOnly, ReadOnly, "lock lost", roomA, fencerOf(), "lock"},
	{Stable, ReadWrite, ReadOnly, "marker ahead", roomB, Fencer{}, "hold ask alarm"},
	{Stable, ReadOnly, ReadOnly, "marker of cloud", roomA, Fencer{}, "hold ask alarm"},
	{Commit, ReadOnly, ReadOnly, "marker of cloud", roomA, Fencer{}, "open cloud"},
	{Stable, ReadWrite, ReadOnly, "another server", roomB, Fencer{}, "hold ask alarm"},
	{Stable, ReadWrite, ReadOnly, "not valid", roomB, Fencer{}, "hold ask"},
	{Stable, ReadWrite, ReadOnly, "other rooms", roomB, Fencer{}, "hold ask"},
}

// olderFencer is the fencer of an epoch that is over, and hasn't been told so.
func olderFencer() Fencer {
	r := record(Fencing)
	r.Epoch = 6
	return Fencer{}.Sending(r, 9, "s").Answered(r, 9, "s", true)
}

// hadPosition is a fencer that read the writer's position behind its fence, and lost sight of it then.
func hadPosition() Fencer {
	f := fencerOf().Saw(seen(ReadOnly, ReadOnly))
	return f.Broke(roomA)
}

// differ changes what a cell names.
func differ(t *testing.T, but string, r *Record, s *Seen, w *Want) {
	a, b := &s.Servers[0], &s.Servers[1]
	for _, word := range strings.Split(but, ", ") {
		switch word {
		case "":
		case "away":
			s.Away = true
		case "lock lost":
			s.Lock = false
		case "not proven":
			s.Proven = false
		case "create":
			w.Create = true
		case "closed":
			r.Closed = []string{roomB}
		case "forced":
			r.Closed, r.Forced = []string{roomA}, &Forced{By: "li", Reason: "fire", Lost: roomA, Bound: "2 s"}
		case "a own":
			a.Beyond, a.Pos = BeyondOwn, "a:6"
		case "a lost":
			a.Beyond = BeyondLost
		case "a unknown":
			a.Beyond = BeyondUnknown
		case "b own":
			b.Beyond, b.Pos = BeyondOwn, "b:1"
		case "b lost":
			b.Beyond = BeyondLost
		case "b unknown":
			b.Beyond = BeyondUnknown
		case "a moves":
			a.Still = false
		case "a xa":
			a.XA = []string{"x1"}
		case "a clients":
			a.Clients = 2
		case "a receives nothing":
			a.Receives = No
		case "a receives unknown":
			a.Receives = NotKnown
		case "b receives nothing":
			b.Receives = No
		case "b covers not":
			b.Covers = No
		case "b covers unknown":
			b.Covers = NotKnown
		case "a fresh":
			a.Fresh = true
		case "b fresh":
			b.Fresh = true
		case "a unlocked":
			a.Locked = false
		case "b unlocked":
			b.Locked = false
		case "marker ahead":
			b.Marker.Epoch = 8
		case "marker of cloud":
			b.Marker = Marker{7, roomB}
		case "another server":
			b.ID = "id-c"
		case "not valid":
			r.Seq = 0
		case "other rooms":
			a.Room = "moon"
		default:
			t.Fatalf("%q isn't known", word)
		}
	}
}

// inputs are what Decide is given in a cell, with a wish.
func (c cell) inputs(t *testing.T, want string) (rec *Record, s Seen, w Want) {
	t.Helper()
	s, w = seen(c.a, c.b), Want{Room: want}
	if c.rec != "" {
		r := record(c.rec)
		rec = &r
	}
	differ(t, c.but, rec, &s, &w)
	if s.Away {
		rec = nil
	}
	return rec, s, w
}

func TestTable(t *testing.T) {
	cover := map[[3]string]bool{}
	for _, c := range cells {
		rec, s, w := c.inputs(t, c.want)
		got := Decide(rec, s, w, c.f)
		if shortAct(got) != c.expct {
			t.Errorf("%s %s/%s, %q, want %s: %s, want %s (%s)", c.rec, c.a, c.b, c.but, c.want, shortAct(got), c.expct, got.Reason)
		}
		if r := got.Reason; r.Row == "" || r.Object == "" || r.Seen == "" || r.Wanted == "" || r.ToDo == "" {
			t.Errorf("%s %s/%s, %q: a reason with holes: %+v", c.rec, c.a, c.b, c.but, r)
		}
		cover[[3]string{string(c.rec), c.a.String(), c.b.String()}] = true
		if mirrored := Decide(rec, Seen{Away: s.Away, Lock: s.Lock, Proven: s.Proven, Servers: [2]Server{s.Servers[1], s.Servers[0]}}, w, c.f); c.rec != "" &&
			shortAct(mirrored) != c.expct {
			t.Errorf("%s %s/%s, %q: %s if the servers are seen in the other order", c.rec, c.a, c.b, c.but, shortAct(mirrored))
		}
	}
	for _, p := range []Phase{Stable, Fencing, Abort, Commit} {
		for _, a := range []Mode{ModeAway, ReadWrite, ReadOnly} {
			for _, b := range []Mode{ModeAway, ReadWrite, ReadOnly} {
				if !cover[[3]string{string(p), a.String(), b.String()}] {
					t.Errorf("no cell for %s %s/%s", p, a, b)
				}
			}
		}
	}
}
