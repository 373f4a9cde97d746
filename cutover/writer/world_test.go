package writer

import (
	"encoding/binary"
	"unsafe"
)

// The explorer's world. Two servers with clients, replication both ways, Consul with a record and a lock, and two tools that go
// through rounds and call Decide. Everything that can happen is one step of succ; a fault costs one of a budget.
//
// What is merged, and why nothing is lost by it: a request that is executed is answered in the same step (who dies, or is cut off,
// between the two is in the same state as one that was cut off before the request was executed late); ⑤, ⑥ and ⑦ are one step (a
// decision is made from what was read; sending only puts a request on its way). What can't be told apart any more is forgotten: an index
// is current or old, an epoch too; a compare-and-set over an old index, or of a dead session, is gone.

// Modes of a server.
const (
	ro = iota
	rw
	pend // a fence waits for a running statement
	unr  // as seen by a tool: away
	open // a fence waits, and an open was answered OK over it: reads as rw (R2)
)

// Requests on a server.
const (
	rNone = iota
	rFence
	rOpen
	rPend // orphans only: a fence that waits
)

// Where a tool is.
const (
	pcOff = iota
	pcLock
	pcLockA // ② on A
	pcLockB // ② on B
	pcRead  // ③
	pcSeeW  // ④
	pcSeeX  // ⑤ ⑥ ⑦
	pcAskServer
	pcAskConsul
)

// Sessions of a tool on a server.
const (
	sNone = iota
	sAlive
	sDead // on the server; the tool doesn't know
)

// cset is a compare-and-set on its way: 0 none, else
type cset uint8

const (
	csThere cset = 1 << iota
	csCur        // its index is current
	csSess       // its Consul session lives
	csPub        // mutants only: no compare-and-set, but a publication apart from the record
)

// record code: phase | writer<<2 | pos<<3
type recCode uint8

func rc(phase, writer, pos uint8) recCode { return recCode(phase | writer<<2 | pos<<3) }
func (r recCode) phase() uint8            { return uint8(r) & 3 }
func (r recCode) writer() int             { return int(r) >> 2 & 1 }
func (r recCode) pos() uint8              { return uint8(r) >> 3 & 3 }
func (r recCode) publishes() int {
	if r.phase() == phCommit {
		return 1 - r.writer()
	}
	return r.writer()
}

const (
	phStable = iota
	phFencing
	phCommit
	phAbort
)

type srv struct {
	up, mode, n, appl, recv, run, xa uint8 // n: own writes acknowledged; appl, recv: of the other's; xa: 1 open, 2 prepared
	fresh                            uint8 // came up fenced, and wasn't opened since
	lock                             uint8 // 1, 2: a tool's session; 3, 4: an orphan of a tool's
	setBy                            uint8 // who waits in a fence, in the same way
	link                             uint8 // replication into it runs
}

type casq struct {
	st   cset
	rec  recCode
	anew uint8
}

type tool struct {
	pc, want        uint8
	reach           uint8 // 1 A, 2 B, 4 Consul
	sess            [2]uint8
	orphan          [2]uint8 // a request on its way in a session that was given up
	fencer          uint8    // its Fencer, see brain
	rk, lockSeen    uint8    // ③: 1 read, 2 away; the Consul lock is ours
	rcur            uint8    // nobody has written since
	rrec            recCode
	om, on, oa, oxa uint8 // ④
	rq, rqOn        uint8 // in flight
	cq              casq
	late            [2]casq
	lockLost        uint8 // mutants only: ③ has said that the Consul lock is lost
	assume          uint8 // mutants only: a fence that had no answer, on server assume - 1
}

type state struct {
	sv            [2]srv
	t             [2]tool
	rec           recCode
	lockH         uint8 // whose Consul session holds the lock
	moves, aborts uint8 // what is left
	faults        [3]uint8
	pub           uint8 // mutants only: a publication apart from the record
	jpos          uint8 // mutants only: the position that a journal has, + 1
}

// hash is the fingerprint that stands for a state. With n states the chance that any two share one is about n²/2⁶⁵: 3·10⁻⁴ for 10⁸.
func hash(s *state) uint64 {
	b := (*[unsafe.Sizeof(state{})]byte)(unsafe.Pointer(s))
	h := uint64(14695981039346656037)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		h = (h ^ binary.LittleEndian.Uint64(b[i:])) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	for ; i < len(b); i++ {
		h = (h ^ uint64(b[i])) * 0x100000001b3
	}
	h = (h ^ h>>32) * 0xD6E8FEB86659FD93
	h ^= h >> 32
	if h == 0 {
		h = 1
	}
	return h
}

var swapTool = [5]uint8{0, 2, 1, 4, 3}

// canon renames the tools: which of the two is which makes no difference.
func (c *config) canon(s *state) (uint64, bool) {
	if c.tools == 1 {
		return hash(s), false
	}
	o := *s
	o.t[0], o.t[1] = s.t[1], s.t[0]
	o.lockH = swapTool[s.lockH]
	for x := range o.sv {
		o.sv[x].lock, o.sv[x].setBy = swapTool[s.sv[x].lock], swapTool[s.sv[x].setBy]
	}
	a, b := hash(s), hash(&o)
	if b < a {
		*s = o
		return b, true
	}
	return a, false
}

// kinds of faults.
const (
	kTool    = 't'          // kill -9
	kServer  = 's'          // a server crashes and comes up
	kLink    = 'l'          // replication into a server stops
	kPart    = 'p'          // a tool is cut off from a server
	kConsul  = 'c'          // a tool is cut off from Consul
	kSession = 'k'          // a Consul session is destroyed while its tool lives
	kReply   = 'r'          // a request is executed and its answer is lost
	kLate    = 'f'          // a request is given up, and executed later
	kWait    = 'g'          // a fence that waits in a server is given up by its client, and goes on waiting
	kHand    = 'h'          // a person moves the writer by hand
	kAbort   = 'o'          // a person changes the wish
	kinds    = "tslpckrfgo" // all but kHand, after which people must come
)

// rules are what a world obeys; the zero value obeys all of WRITER. Each field is a mistake.
type rules struct {
	decide func(rec *Record, s Seen, w Want, f Fencer) Act // nil: Decide
	forget func(op uint8, before, after Fencer) Fencer     // nil: what the method says

	noServerLock bool // R1 left out
	lockSplit    bool // R1: the lock is held in another session than the request's
	superAlone   bool // R14: super_read_only alone is looked at
	restartOpen  bool // R12
	noSession    bool // a compare-and-set checks no session
	pubApart     bool // R11: published by a write of its own, after the record
	ownRelay     bool // R15: B is asked whether it has applied what it has received
	serversFirst bool // a session that broke is taken anew without a look at the Consul lock
	assumeFence  bool // an unknown fence counts as done
	journalPos   bool // R7: who takes over has the position from a journal
}

// config is one exploration.
type config struct {
	name   string
	rules  rules
	tools  int
	moves  uint8
	faults [3]string // one fault each, of one of the kinds
	aborts uint8     // how often a person changes the wish, beside
	maxN   uint8     // writes that each server acknowledges
	xa     bool      // clients use XA, and the servers are MySQL: prepared ones commit behind the fence
	relay  bool      // what is received and what is applied are two stages
	lose   string    // a crash of a server loses: a, the last that it applied; o, the last of its own, which the other has
	live   bool      // no state is a trap
}

func (c *config) initial() state {
	var s state
	for i := range s.sv {
		s.sv[i] = srv{up: 1, link: 1}
		s.t[i].reach = 7
	}
	s.sv[0].mode = rw
	s.moves, s.aborts = c.moves, c.aborts
	for k, f := range c.faults {
		s.faults[k] = one(f != "")
	}
	return s
}

func one(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// fault emits what follows from a fault of a kind, for each way to pay for it.
func (c *config) fault(s *state, kind byte, do func(n *state)) {
	for k, f := range c.faults {
		if s.faults[k] == 0 || !has(f, kind) || k > 0 && f == c.faults[k-1] && s.faults[k-1] > 0 {
			continue // of two that are alike the first is taken first
		}
		n := *s
		n.faults[k] = 0
		do(&n)
	}
}

func has(s string, k byte) bool {
	for i := range len(s) {
		if s[i] == k {
			return true
		}
	}
	return false
}
