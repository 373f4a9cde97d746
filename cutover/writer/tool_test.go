package writer

// round forgets what was read.
func (t *tool) round() {
	t.rk, t.lockSeen, t.rcur, t.rrec = 0, 0, 0, 0
	t.om, t.on, t.oa, t.oxa = 0, 0, 0, 0
}

// answered is a clean answer: to ③.
func (t *tool) answered() {
	t.rq, t.rqOn = 0, 0
	t.cq = casq{}
	t.pc = pcRead
	t.round()
}

// again is to ①.
func (t *tool) again() {
	t.answered()
	t.pc = pcLock
}

// giveUp closes a session on a server. What is on its way in it goes on.
func giveUp(n *state, i, x int) {
	t, v, me := &n.t[i], &n.sv[x], uint8(i)+1
	if t.sess[x] == sAlive && v.up == 1 {
		flying := t.pc == pcAskServer && int(t.rqOn) == x && t.rq != rNone && t.orphan[x] == rNone
		switch {
		case flying && v.setBy == me:
			t.orphan[x], v.setBy = rPend, me+2
		case flying:
			t.orphan[x] = t.rq
		}
		if v.lock == me {
			v.lock = 0
			if flying {
				v.lock = me + 2
			}
		}
	}
	t.sess[x] = sNone
}

// unknown is anything but a clean answer of a server: the session is closed, and taken anew in ②.
func (c *world) unknown(n *state, i, x int) {
	t := &n.t[i]
	if c.rules.assumeFence && t.rq == rFence {
		t.assume = uint8(x) + 1
	}
	giveUp(n, i, x)
	t.fencer = c.m.op(t.fencer, opBroke, uint8(x))
	t.again()
}

// off is a process that is gone: what it sent goes on.
func (c *world) off(n *state, i int) {
	t := &n.t[i]
	for x := range t.sess {
		giveUp(n, i, x)
	}
	if t.pc == pcAskConsul {
		c.addLate(t, t.cq)
	}
	*t = tool{orphan: t.orphan, late: t.late, reach: 7}
}

func (c *world) addLate(t *tool, q casq) {
	if q.st&csPub == 0 && (q.st&csCur == 0 || q.st&csSess == 0 && !c.rules.noSession) || q == t.late[0] || q == t.late[1] {
		return
	}
	if t.late[0].st != 0 && t.late[1].st != 0 {
		panic("three requests without an answer")
	}
	if t.late[0].st == 0 || less(q, t.late[0]) {
		t.late[0], q = q, t.late[0]
	}
	if q.st != 0 {
		t.late[1] = q
	}
}

func less(a, b casq) bool { return a.rec < b.rec || a.rec == b.rec && a.anew < b.anew }

func (c *world) tool(s *state, i int, emit func(*state, label)) {
	t, I := &s.t[i], uint8(i)+2
	if t.pc == pcOff {
		c.start(s, i, emit)
		return
	}
	c.befalls(s, i, emit)
	n := *s
	nt := &n.t[i]
	switch t.pc {
	case pcLock:
		c.consulLock(&n, i, emit)
	case pcLockA, pcLockB:
		x := int(t.pc) - pcLockA
		c.take(&n, i, x)
		nt.pc++
		emit(&n, label{who: I, act: aSession, arg: uint8(x)})
	case pcRead:
		c.read(&n, i)
		emit(&n, label{who: I, act: aRead, arg: nt.rk<<6 | uint8(nt.rrec)})
	case pcSeeW:
		x := c.writerOf(t)
		if c.see(&n, i, x) {
			v := &n.sv[x]
			nt.om, nt.on, nt.oa, nt.oxa = c.modeOf(v, nt, x), v.n, v.appl, v.xa
			if nt.om == unr {
				nt.on, nt.oa, nt.oxa = 0, 0, 0
			}
			nt.pc = pcSeeX
		}
		emit(&n, label{who: I, act: aSee, arg: nt.om<<1 | uint8(x)})
	case pcSeeX:
		x := 1 - c.writerOf(t)
		if !c.see(&n, i, x) {
			emit(&n, label{who: I, act: aSee, arg: unr<<1 | uint8(x)})
			return
		}
		c.think(&n, i, x, emit)
	case pcAskServer:
		c.askServer(s, i, emit)
	case pcAskConsul:
		c.askConsul(s, i, emit)
	}
}

// consulLock is ①. Without the Consul lock no session is taken anew, so that nobody's is killed by one who has no right to: only the
// fencer goes on, on the sessions that it has.
func (c *world) consulLock(n *state, i int, emit func(*state, label)) {
	t, me := &n.t[i], uint8(i)+1
	reached := t.reach&4 != 0
	switch {
	case c.rules.serversFirst && n.lockH != me && t.lockLost == 0:
		t.pc = pcLockA
	case reached && n.lockH == me:
		t.pc = pcLockA
	case reached && n.lockH == 0:
		n.lockH = me
		t.pc = pcLockA
		t.fencer = c.m.op(t.fencer, opSession, 0)
	case c.m.of(t.fencer).holds:
		t.pc = pcRead
	default:
		return
	}
	t.lockLost = 0
	emit(n, label{who: uint8(i) + 2, act: aGetLock})
}

func (c *world) writerOf(t *tool) int {
	if t.rk == 1 {
		return t.rrec.writer()
	}
	return int(c.m.of(t.fencer).writer)
}

// start: a run begins, or one takes over. One that has nothing to do isn't begun.
func (c *world) start(s *state, i int, emit func(*state, label)) {
	if s.lockH != 0 {
		return // one that waits for the lock is like one that wasn't begun
	}
	for want := range uint8(2) {
		w := s.rec.writer()
		idle := s.rec.phase() == phStable && s.sv[w].up == 1 && s.sv[w].mode == rw && s.sv[1-w].mode == ro
		if idle && (int(want) == w || s.moves == 0) {
			continue
		}
		n := *s
		t := &n.t[i]
		t.pc, t.want = pcLockA, want
		n.lockH = uint8(i) + 1
		emit(&n, label{who: uint8(i) + 2, act: aStart, arg: want})
	}
}

// befalls is what can happen to a tool that runs.
func (c *world) befalls(s *state, i int, emit func(*state, label)) {
	t, I := &s.t[i], uint8(i)+2
	for b := range uint8(3) {
		bit, kind := uint8(1)<<b, byte(kPart)
		if b == 2 {
			kind = kConsul
		}
		if t.reach&bit == 0 {
			n := *s
			n.t[i].reach |= bit
			emit(&n, label{who: I, act: aHeal, arg: b})
			continue
		}
		c.fault(s, kind, func(n *state) {
			n.t[i].reach &^= bit
			emit(n, label{who: I, act: aCut, arg: b, fault: true})
		})
	}
	c.fault(s, kTool, func(n *state) {
		c.off(n, i)
		emit(n, label{who: I, act: aKilled, fault: true})
	})
	wish := func(n *state) {
		n.t[i].want = 1 - t.want
		emit(n, label{who: I, act: aWish, arg: n.t[i].want, fault: true})
	}
	c.fault(s, kAbort, wish)
	if s.aborts > 0 {
		n := *s
		n.aborts--
		wish(&n)
	}
}

// take is ② on one server: a session that is whole is kept, else the holder of the lock is killed and the lock taken.
func (c *world) take(n *state, i, x int) {
	t, v := &n.t[i], &n.sv[x]
	if t.reach&(1<<x) == 0 || v.up == 0 {
		if t.sess[x] != sNone {
			giveUp(n, i, x)
			t.fencer = c.m.op(t.fencer, opBroke, uint8(x))
		}
		return
	}
	if t.sess[x] == sAlive {
		return
	}
	if t.sess[x] == sDead {
		t.fencer = c.m.op(t.fencer, opBroke, uint8(x))
	}
	t.sess[x] = sAlive
	t.fencer = c.m.op(t.fencer, opTook, uint8(x))
	if !c.rules.noServerLock {
		c.killHolder(n, x)
		v.lock = uint8(i) + 1
	}
}

// killHolder ends the session that holds a server's lock, and whatever it was doing there.
func (c *world) killHolder(n *state, x int) {
	v := &n.sv[x]
	b := v.lock
	v.lock = 0
	if b == 0 || c.rules.lockSplit && b >= 3 {
		return
	}
	j := int(b-1) & 1
	t := &n.t[j]
	if b <= 2 {
		if c.rules.lockSplit {
			giveUp(n, j, x)
			v.lock = 0
		} else if v.setBy == b {
			v.mode, v.setBy = rw, 0
		}
		t.sess[x] = sDead
		return
	}
	t.orphan[x] = rNone
	if v.setBy == b {
		v.mode, v.setBy = rw, 0
	}
}

// read is ③.
func (c *world) read(n *state, i int) {
	t := &n.t[i]
	t.round()
	t.pc = pcSeeW
	if t.reach&4 == 0 {
		t.rk = 2
		if !c.m.of(t.fencer).holds {
			t.again() // nothing is done without it: Decide holds
		}
		return
	}
	t.rk, t.rcur, t.rrec, t.lockSeen = 1, 1, n.rec, one(n.lockH == uint8(i)+1)
	t.fencer = c.m.op(t.fencer, opRead, uint8(n.rec))
}

// see is false if the session on a server that answers is broken: back to ②.
func (c *world) see(n *state, i, x int) bool {
	t := &n.t[i]
	away := t.reach&(1<<x) == 0 || n.sv[x].up == 0
	if !away && t.sess[x] == sAlive {
		return true
	}
	if t.sess[x] != sNone {
		giveUp(n, i, x)
		t.fencer = c.m.op(t.fencer, opBroke, uint8(x))
	}
	if !away {
		t.again()
	}
	return away
}

func (c *world) modeOf(v *srv, t *tool, x int) uint8 {
	switch {
	case t.reach&(1<<x) == 0 || v.up == 0:
		return unr
	case c.rules.assumeFence && int(t.assume) == x+1:
		return ro
	case v.mode == pend && c.rules.superAlone:
		return ro
	case v.mode == open:
		return rw
	}
	return v.mode
}

// think is ⑤, ⑥ and the sending of ⑦.
func (c *world) think(n *state, i, x int, emit func(*state, label)) {
	t := &n.t[i]
	w := 1 - x
	v := view{away: t.rk == 2, lock: t.lockSeen == 1, rec: t.rrec, want: t.want, wm: t.om, xm: c.modeOf(&n.sv[x], t, x), xa: t.oxa,
		wlink: n.sv[w].link, xlink: n.sv[x].link, fencer: t.fencer}
	f := c.m.of(t.fencer)
	pos, known := t.rrec.pos(), t.rk == 1 && t.rrec.phase() == phCommit
	if t.rk == 1 && t.rrec.phase() == phFencing && f.holds {
		pos, known = f.pos-1, f.pos > 0
	} else if c.rules.journalPos && t.rrec.phase() == phFencing && n.jpos > 0 {
		pos, known, v.jpos = n.jpos-1, true, n.jpos
	}
	c.compare(n, t, &v, x)
	if v.xm != unr && known {
		v.covers = No
		if n.sv[x].appl >= pos {
			v.covers = Yes
		}
	}
	if c.rules.journalPos && t.rk == 1 && t.rrec.phase() == phFencing && t.om == ro && t.oxa == 0 {
		n.jpos = t.on + 1
	}
	a := c.m.decide(&v, n)
	t.fencer = a.fencer
	c.do(n, i, a)
	emit(n, label{who: uint8(i) + 2, act: aThink, arg: uint8(a.do)<<1 | a.room&1, why: a.why})
}

// compare says how the positions that were read compare. Those of a server that takes writes say nothing.
func (c *world) compare(n *state, t *tool, v *view, x int) {
	other := &n.sv[x]
	if v.wm != unr && v.xm != unr {
		if v.wm == ro {
			v.wb = beyond(t.on, other.appl, t.oa, other.n)
			if c.rules.ownRelay && other.appl == other.recv {
				v.wb = BeyondNone
			}
		}
		if v.xm == ro && v.wm == ro {
			v.xb = beyond(other.n, t.oa, other.appl, t.on)
		}
	}
	if v.wm == ro {
		v.wn = t.on
	}
	if v.xm == ro {
		v.xn = other.n
	}
}

// beyond: of a server with n own writes of which the other has has, and with appl of the other's, which has own.
func beyond(n, has, appl, own uint8) Beyond {
	switch {
	case appl > own:
		return BeyondLost
	case n > has:
		return BeyondOwn
	default:
		return BeyondNone
	}
}
