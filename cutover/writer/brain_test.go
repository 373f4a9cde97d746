package writer

import (
	"fmt"
	"sync"
)

// brain is where the world's tools think: it turns what is packed in a state into what the package takes, calls the shipped Decide and
// the shipped Fencer, and remembers what came of it. Both are pure, so that each question is asked once.
type brain struct {
	rules rules
	mu    sync.Mutex
	ids   map[string]uint8
	fs    []Fencer
	asked map[Do]int // how many different questions came to which act
}

// thought is an act, packed.
type thought struct {
	do     Do
	room   uint8
	rec    recCode
	anew   uint8
	fencer uint8
	why    string
}

// mind is one worker's share of it.
type mind struct {
	b    *brain
	ops  map[uint32]uint8
	acts map[uint64]thought
	info []fencerInfo
}

// fencerInfo is what the world must know of a Fencer.
type fencerInfo struct {
	holds  bool
	writer uint8
	pos    uint8 // + 1
}

func newBrain(r rules) *brain {
	b := &brain{rules: r, ids: map[string]uint8{}, asked: map[Do]int{}}
	b.id(Fencer{})
	return b
}

func (b *brain) mind() *mind { return &mind{b: b, ops: map[uint32]uint8{}, acts: map[uint64]thought{}} }

func (b *brain) id(f Fencer) uint8 {
	key := fmt.Sprintf("%+v", f)
	if id, ok := b.ids[key]; ok {
		return id
	}
	if len(b.fs) > 250 {
		panic("too many Fencers for a byte")
	}
	id := uint8(len(b.fs))
	b.ids[key], b.fs = id, append(b.fs, f)
	return id
}

var roomNames = [2]string{"A", "B"}

const (
	nowEpoch   = 100
	nowIndex   = 50
	nowSession = "s"
)

func posText(writer int, n uint8) string { return fmt.Sprintf("%s:%d", roomNames[writer], n) }

func posCode(s string) uint8 {
	if s == "" {
		return 0
	}
	return s[len(s)-1] - '0'
}

var phases = [4]Phase{Stable, Fencing, Commit, Abort}

func (r recCode) record() Record {
	w := r.writer()
	rec := Record{V: Version, Epoch: nowEpoch, Seq: 1000, Phase: phases[r.phase()], Writer: roomNames[w],
		Servers: map[string]string{"A": "id-a", "B": "id-b"}, Run: "run", By: "tool", At: someTime}
	if r.phase() != phStable {
		rec.To = roomNames[1-w]
	}
	if r.phase() == phCommit {
		rec.Pos = posText(w, r.pos())
	}
	return rec
}

func codeOf(r Record) recCode {
	c := recCode(0)
	for i, p := range phases {
		if p == r.Phase {
			c = recCode(i)
		}
	}
	if r.Writer == "B" {
		c |= 1 << 2
	}
	return c | recCode(posCode(r.Pos))<<3
}

// What may happen to a Fencer.
const (
	opSend = iota
	opDone
	opRefused
	opRead
	opBroke
	opTook
	opOpening
	opSession // the process has a new Consul session; what it sent with the old one can't be told from the index alone
	opAge     // the record has a new epoch
	opStale   // the record has a new index
)

func (m *mind) op(f uint8, op uint8, arg uint8) uint8 {
	if f == 0 && op != opSend && op != opDone {
		return 0
	}
	key := uint32(f)<<16 | uint32(op)<<8 | uint32(arg)
	if g, ok := m.ops[key]; ok {
		return g
	}
	b := m.b
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.fs[f]
	after := apply(before, op, arg)
	if b.rules.forget != nil {
		after = b.rules.forget(op, before, after)
	}
	g := b.id(after)
	m.ops[key] = g
	return g
}

func apply(f Fencer, op, arg uint8) Fencer {
	switch op {
	case opSend: // arg: record code | current<<7
		return f.Sending(recCode(arg&0x7f).record(), indexOf(arg), nowSession)
	case opDone: // the index was moved on by it
		return f.Answered(recCode(arg&0x7f).record(), nowIndex-1, nowSession, true)
	case opRefused:
		return f.Answered(recCode(arg&0x7f).record(), indexOf(arg), nowSession, false)
	case opRead:
		r := recCode(arg).record()
		return f.Read(&r, nowIndex, nowSession)
	case opBroke:
		return f.Broke(roomNames[arg])
	case opTook:
		return f.Took(roomNames[arg])
	case opOpening:
		return f.Opening(roomNames[arg])
	case opAge:
		if f.rec.Epoch > 0 {
			f.rec.Epoch = nowEpoch - 1
		}
		return f
	}
	unknown := f.Unsettled()
	for i := range unknown {
		if op == opStale {
			unknown[i].Index = nowIndex - 1
		} else {
			unknown[i].Session = "old"
		}
	}
	f.unknown = unknown
	return f
}

func indexOf(arg uint8) uint64 { return nowIndex - 1 + uint64(arg>>7) }

// of is what the world must know of a Fencer.
func (m *mind) of(f uint8) fencerInfo {
	if int(f) >= len(m.info) {
		m.b.mu.Lock()
		m.info = m.info[:0]
		for _, x := range m.b.fs {
			i := fencerInfo{holds: x.rec.Epoch == nowEpoch, writer: one(x.rec.Writer == "B")}
			if x.pos != "" {
				i.pos = posCode(x.pos) + 1
			}
			m.info = append(m.info, i)
		}
		m.b.mu.Unlock()
	}
	return m.info[f]
}

// view is a round, packed: what Decide is asked.
type view struct {
	away, lock   bool
	rec          recCode
	want         uint8
	wm, xm       uint8
	wb, xb       Beyond
	covers       Answer
	wn, xn       uint8
	xa           uint8
	wlink, xlink uint8
	fencer       uint8
	jpos         uint8
}

func (v *view) key() uint64 {
	k := uint64(0)
	put := func(bits int, x uint64) { k = k<<bits | x }
	put(1, uint64(one(v.away)))
	put(1, uint64(one(v.lock)))
	put(5, uint64(v.rec))
	put(1, uint64(v.want))
	put(3, uint64(v.wm))
	put(3, uint64(v.xm))
	put(2, uint64(v.wb))
	put(2, uint64(v.xb))
	put(2, uint64(v.covers))
	put(2, uint64(v.wn))
	put(2, uint64(v.xn))
	put(2, uint64(v.xa))
	put(1, uint64(v.wlink))
	put(1, uint64(v.xlink))
	put(8, uint64(v.fencer))
	put(2, uint64(v.jpos))
	return k
}

func (m *mind) decide(v *view, s *state) thought {
	key := v.key()
	if a, ok := m.acts[key]; ok {
		return a
	}
	b := m.b
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.fs[v.fencer]
	w := v.rec.writer()
	if v.away {
		w = int(one(f.rec.Writer == "B"))
	}
	seen := v.seen(w)
	var rec *Record
	if !v.away {
		r := v.rec.record()
		rec = &r
	}
	f = f.Saw(seen)
	asked := f
	if b.rules.journalPos && rec != nil && rec.Phase == Fencing && !f.Holds(*rec) && v.jpos > 0 {
		asked = Fencer{rec: *rec, pos: posText(w, v.jpos-1), gone: true}
	}
	decide := Decide
	if b.rules.decide != nil {
		decide = b.rules.decide
	}
	a := decide(rec, seen, Want{Room: roomNames[v.want]}, asked)
	b.asked[a.Do]++
	t := thought{do: a.Do, room: 2, fencer: b.id(f), why: a.Reason.String()}
	if a.Room != "" {
		t.room = one(a.Room == "B")
	}
	if a.Do == Write {
		t.rec, t.anew = codeOf(a.Next), one(a.Next.Epoch != nowEpoch)
	}
	m.acts[key] = t
	return t
}

func (v *view) seen(w int) Seen {
	x := 1 - w
	s := Seen{Away: v.away, Lock: v.lock, Proven: true}
	see := func(room int, mode uint8, beyond Beyond, n, link uint8) Server {
		if mode == unr {
			return Server{Room: roomNames[room], Away: true}
		}
		r := Server{Room: roomNames[room], ID: []string{"id-a", "id-b"}[room], Locked: true, Still: true, Pos: posText(room, n), Beyond: beyond, Receives: No}
		r.SuperReadOnly, r.ReadOnly = mode == ro || mode == pend, mode == ro
		if link == 1 {
			r.Receives = Yes
		}
		return r
	}
	a, b := see(w, v.wm, v.wb, v.wn, v.wlink), see(x, v.xm, v.xb, v.xn, v.xlink)
	switch v.xa {
	case 1:
		a.Clients = 1
	case 2:
		a.XA = []string{"xid"}
	}
	b.Covers = v.covers
	s.Servers = [2]Server{a, b}
	return s
}
