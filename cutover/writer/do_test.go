package writer

// do sends what was decided.
func (c *world) do(n *state, i int, a thought) {
	t := &n.t[i]
	x := int(a.room)
	lock, cur := t.lockSeen, t.rcur
	if c.rules.pubApart && c.publishes(n, i, a) {
		return
	}
	switch a.do {
	case Hold:
		t.again()
	case Look, Wait, Prove:
		t.answered()
	case Lock:
		t.again()
		t.lockLost = one(c.rules.serversFirst && lock == 0)
		if x < 2 && t.sess[x] != sNone {
			giveUp(n, i, x)
			t.fencer = c.m.op(t.fencer, opBroke, uint8(x))
		}
	case Done, Refuse:
		c.end(n, i)
	case Settle:
		t.again()
		if t.reach&4 != 0 {
			if n.lockH == uint8(i)+1 {
				n.lockH = 0
			}
			c.sessionDies(n, i)
			t.lockLost = one(c.rules.serversFirst)
		}
	case Kill:
		if t.sess[x] != sAlive || t.reach&(1<<x) == 0 || n.sv[x].up == 0 {
			t.again()
			return
		}
		t.answered()
		if n.sv[x].xa == 1 {
			n.sv[x].xa = 0
		}
	case Fence, Open:
		t.round()
		t.pc, t.rq, t.rqOn = pcAskServer, rFence, uint8(x)
		if a.do == Open {
			t.rq = rOpen
			t.fencer = c.m.op(t.fencer, opOpening, uint8(x))
		}
	case Write:
		if a.rec.phase() == phFencing && n.moves == 0 {
			c.end(n, i) // the world has seen enough moves
			return
		}
		t.round()
		t.pc = pcAskConsul
		t.cq = casq{st: csThere | csSess, rec: a.rec, anew: a.anew}
		if cur == 1 {
			t.cq.st |= csCur
		}
		if n.lockH != uint8(i)+1 && !c.rules.noSession {
			t.cq.st &^= csSess
		}
		t.fencer = c.m.op(t.fencer, opSend, uint8(a.rec)|cur<<7)
	}
}

// publishes writes who is the writer a second time, apart from the record, before a run says that it is done.
func (c *world) publishes(n *state, i int, a thought) bool {
	t := &n.t[i]
	to := t.rrec.writer()
	switch {
	case a.do == Write && a.rec.phase() == phStable:
		to = a.rec.writer()
	case a.do != Done || t.rrec.phase() != phStable:
		return false
	}
	if int(n.pub) == to {
		return false
	}
	t.round()
	t.pc, t.cq = pcAskConsul, casq{st: csThere | csPub, rec: rc(phStable, uint8(to), 0)}
	return true
}

// end is the end of a run: what it holds is given back.
func (c *world) end(n *state, i int) {
	for x := range n.t[i].sess {
		giveUp(n, i, x)
	}
	if n.lockH == uint8(i)+1 {
		n.lockH = 0
	}
	c.sessionDies(n, i)
	n.t[i] = tool{orphan: n.t[i].orphan, late: n.t[i].late, reach: 7}
}

// askServer: a request is on its way to a server.
func (c *world) askServer(s *state, i int, emit func(*state, label)) {
	t := &s.t[i]
	x := int(t.rqOn)
	v := &s.sv[x]
	l := label{who: uint8(i) + 2, arg: t.rq<<1 | t.rqOn}
	step := func(act uint8, n *state, fault bool) {
		l.act, l.fault = act, fault
		emit(n, l)
	}
	if t.sess[x] != sAlive || v.up == 0 || t.reach&(1<<x) == 0 {
		n := *s
		c.unknown(&n, i, x)
		step(aNoAnswer, &n, false)
		return
	}
	kind := byte(kLate)
	if v.setBy == uint8(i)+1 {
		kind = kWait
	}
	c.fault(s, kind, func(n *state) {
		c.unknown(n, i, x)
		step(aGiveUp, n, true)
	})
	if v.setBy == uint8(i)+1 || v.mode == pend && t.rq == rFence {
		return // it waits there
	}
	n := *s
	if !execute(&n, x, t.rq, uint8(i)+1) {
		step(aAnswer, &n, false)
		return
	}
	n.t[i].answered()
	step(aAnswer, &n, false)
	c.fault(s, kReply, func(n *state) {
		execute(n, x, t.rq, uint8(i)+1)
		n.t[i].rq = rNone // it is done: nothing is left on its way
		if c.rules.assumeFence && t.rq == rFence {
			n.t[i].assume = uint8(x) + 1
		}
		c.unknown(n, i, x)
		step(aLost, n, true)
	})
}

// askConsul: a compare-and-set is on its way.
func (c *world) askConsul(s *state, i int, emit func(*state, label)) {
	t := &s.t[i]
	q := t.cq
	l := label{who: uint8(i) + 2, arg: uint8(q.rec)}
	ok := q.st&csCur != 0 && (q.st&csSess != 0 || c.rules.noSession)
	leave := func(n *state) {
		c.addLate(&n.t[i], n.t[i].cq)
		n.t[i].again()
	}
	if t.reach&4 == 0 {
		n := *s
		leave(&n)
		l.act = aNoAnswer
		emit(&n, l)
		return
	}
	n := *s
	arg := uint8(q.rec)
	if q.st&csPub != 0 {
		ok = true
		n.pub = uint8(q.rec.writer())
	} else if ok {
		c.land(&n, q)
		n.t[i].fencer = c.m.op(n.t[i].fencer, opDone, arg)
	} else {
		if q.st&csCur != 0 {
			arg |= 1 << 7
		}
		n.t[i].fencer = c.m.op(n.t[i].fencer, opRefused, arg)
	}
	n.t[i].answered()
	l.act, l.who = aCASAnswer, uint8(i)+2
	l.why = map[bool]string{true: "done", false: "refused"}[ok]
	emit(&n, l)
	c.fault(s, kReply, func(n *state) {
		if q.st&csPub != 0 {
			n.pub = uint8(q.rec.writer())
		} else if ok {
			c.land(n, q)
		}
		n.t[i].cq = casq{}
		n.t[i].again()
		emit(n, label{who: l.who, act: aCASLost, arg: l.arg, fault: true})
	})
	c.fault(s, kLate, func(n *state) {
		leave(n)
		emit(n, label{who: l.who, act: aCASGiveUp, arg: l.arg, fault: true})
	})
}
