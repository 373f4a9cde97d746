package writer

// label is what a step was, for traces: who (0 A, 1 B, 2, 3 the tools), what, and of what.
type label struct {
	who, act, arg uint8
	fault         bool
	why           string
}

const (
	aBegin = iota
	aCommit
	aFenceDone
	aFenceTimeout
	aReceive
	aApply
	aXAOpen
	aXAPrepare
	aXACommit
	aCrash
	aUp
	aStop
	aGo
	aHand
	aLate
	aLateCAS
	aExpire
	aCut
	aHeal
	aKilled
	aWish
	aStart
	aGetLock
	aSession
	aRead
	aSee
	aThink
	aAnswer
	aLost
	aGiveUp
	aCASAnswer
	aCASLost
	aCASGiveUp
	aNoAnswer
	aPublish
)

type world struct {
	*config
	m *mind
}

// succ emits every state that can follow.
func (c *world) succ(s *state, emit func(*state, label)) {
	for x := range s.sv {
		c.server(s, x, emit)
	}
	if s.sv[0].up == 1 && s.sv[1].up == 1 {
		c.hand(s, emit)
	}
	for i := range c.tools {
		c.network(s, i, emit)
		c.tool(s, i, emit)
	}
}

func (c *world) server(s *state, x int, emit func(*state, label)) {
	v, y, X := &s.sv[x], &s.sv[1-x], uint8(x)
	step := func(act uint8, do func(n *state)) {
		n := *s
		do(&n)
		emit(&n, label{who: X, act: act})
	}
	fault := func(kind byte, act, arg uint8, do func(n *state)) {
		c.fault(s, kind, func(n *state) {
			do(n)
			emit(n, label{who: X, act: act, arg: arg, fault: true})
		})
	}
	if v.link == 0 {
		step(aGo, func(n *state) { n.sv[x].link = 1 })
	} else {
		fault(kLink, aStop, 0, func(n *state) { n.sv[x].link = 0 })
	}
	if v.up == 0 {
		step(aUp, func(n *state) {
			n.sv[x].up, n.sv[x].mode, n.sv[x].fresh = 1, ro, 1
			if c.rules.restartOpen {
				n.sv[x].mode = rw
			}
		})
		return
	}
	if v.mode == rw && v.run == 0 && v.n+one(v.xa > 0) < c.maxN {
		step(aBegin, func(n *state) { n.sv[x].run = 1 })
	}
	if v.run == 1 && v.mode != ro {
		step(aCommit, func(n *state) { n.sv[x].run = 0; n.sv[x].n++ })
	}
	if v.mode == pend || v.mode == open {
		if v.run == 0 {
			c.fenceEnds(s, x, true, emit)
		} else {
			c.fenceEnds(s, x, false, emit)
		}
	}
	switch {
	case v.link == 0 || y.up == 0:
	case c.relay && v.recv < y.n:
		step(aReceive, func(n *state) { n.sv[x].recv++ })
	case !c.relay && v.appl < y.n:
		step(aApply, func(n *state) { n.sv[x].appl++ })
	}
	if c.relay && v.appl < v.recv {
		step(aApply, func(n *state) { n.sv[x].appl++ })
	}
	if c.xa {
		switch {
		case v.xa == 0 && v.mode == rw && v.n+v.run < c.maxN:
			step(aXAOpen, func(n *state) { n.sv[x].xa = 1 })
		case v.xa == 1:
			step(aXAPrepare, func(n *state) { n.sv[x].xa = 2 })
		case v.xa == 2:
			step(aXACommit, func(n *state) { n.sv[x].xa = 0; n.sv[x].n++ })
		}
	}
	fault(kServer, aCrash, 0, func(n *state) { crash(n, x) })
	if has(c.lose, 'a') && v.appl > 0 {
		fault(kServer, aCrash, 1, func(n *state) { crash(n, x); n.sv[x].appl-- })
	}
	if has(c.lose, 'o') && v.n > 0 && y.appl == v.n {
		fault(kServer, aCrash, 2, func(n *state) { crash(n, x); n.sv[x].n-- })
	}
}

// fenceEnds: a waiting fence is in place, or gives up with 1205. Who waits for it gets the answer in the same step.
func (c *world) fenceEnds(s *state, x int, done bool, emit func(*state, label)) {
	l := label{who: uint8(x), act: aFenceDone}
	end := func(n *state) int {
		v := &n.sv[x]
		v.mode = rw
		if done {
			v.mode, v.fresh = ro, 0
		}
		b := v.setBy
		v.setBy = 0
		if b >= 3 {
			n.t[b-3].orphan[x] = rNone
			if v.lock == b {
				v.lock = 0
			}
		}
		return int(b)
	}
	if !done {
		l.act = aFenceTimeout
	}
	n := *s
	b := end(&n)
	if b != 1 && b != 2 {
		emit(&n, l)
		return
	}
	i := b - 1
	if s.t[i].reach&(1<<x) != 0 {
		n.t[i].answered()
		emit(&n, l)
		c.fault(s, kReply, func(n *state) {
			end(n)
			c.unknown(n, i, x)
			emit(n, label{who: l.who, act: l.act, arg: 1, fault: true})
		})
		return
	}
	c.unknown(&n, i, x) // it is cut off: the answer doesn't arrive
	emit(&n, l)
}

func crash(n *state, x int) {
	v := &n.sv[x]
	v.up, v.mode, v.run, v.lock, v.setBy, v.fresh = 0, ro, 0, 0, 0, 0
	if v.xa == 1 {
		v.xa = 0
	}
	for i := range n.t {
		n.t[i].orphan[x] = rNone
		if n.t[i].sess[x] == sAlive {
			n.t[i].sess[x] = sDead
		}
	}
}

// hand is a person who moves the writer by hand, rightly, and while no roomshift runs: nothing holds against one who opens a server
// that a run has just fenced.
func (c *world) hand(s *state, emit func(*state, label)) {
	if s.t[0].pc != pcOff || s.t[1].pc != pcOff {
		return
	}
	for x := range s.sv {
		v, y := &s.sv[x], &s.sv[1-x]
		if v.mode != rw || v.run != 0 || v.xa != 0 || y.mode != ro || y.appl != v.n || v.appl != y.n {
			continue
		}
		c.fault(s, kHand, func(n *state) {
			n.sv[x].mode, n.sv[x].fresh, n.sv[1-x].mode, n.sv[1-x].fresh = ro, 1, rw, 0
			emit(n, label{who: uint8(x), act: aHand, fault: true})
		})
	}
}

// network is what happens to what a tool has sent, whatever has become of the tool, and to its Consul session.
func (c *world) network(s *state, i int, emit func(*state, label)) {
	t, me, I := &s.t[i], uint8(i)+1, uint8(i)+2
	for x := range s.sv {
		if k := t.orphan[x]; (k == rFence || k == rOpen) && s.sv[x].up == 1 {
			n := *s
			n.t[i].orphan[x] = rNone
			if !execute(&n, x, k, me+2) {
				n.t[i].orphan[x] = rPend
			} else if n.sv[x].lock == me+2 {
				n.sv[x].lock = 0
			}
			emit(&n, label{who: I, act: aLate, arg: k<<1 | uint8(x)})
		}
	}
	for k := range t.late {
		if t.late[k].st != 0 {
			n := *s
			q := n.t[i].late[k]
			n.t[i].late[k] = casq{}
			if q.st&csPub != 0 {
				n.pub = uint8(q.rec.writer())
			} else {
				c.land(&n, q)
			}
			emit(&n, label{who: I, act: aLateCAS, arg: uint8(q.rec)})
		}
	}
	if s.lockH != me {
		return
	}
	if t.pc == pcOff || t.reach&4 == 0 {
		n := *s
		n.lockH = 0
		c.sessionDies(&n, i)
		emit(&n, label{who: I, act: aExpire})
	} else {
		c.fault(s, kSession, func(n *state) {
			n.lockH = 0
			c.sessionDies(n, i)
			emit(n, label{who: I, act: aExpire, arg: 1, fault: true})
		})
	}
}

// execute runs a request on a server; false: it waits there.
func execute(n *state, x int, kind, by uint8) bool {
	v := &n.sv[x]
	switch {
	case kind == rOpen && v.mode == pend:
		v.mode = open // answered OK, and the fence goes on waiting
	case kind == rOpen:
		v.mode, v.fresh = rw, 0
	case v.mode == rw && v.run == 1:
		v.mode, v.setBy = pend, by
		return false
	case v.mode == rw:
		v.mode, v.fresh = ro, 0
	}
	return true
}

// sessionDies: what checks it can't be done any more.
func (c *world) sessionDies(n *state, i int) {
	if c.rules.noSession {
		return
	}
	n.t[i].cq.st &^= csSess
	n.t[i].tooLate()
}

// tooLate: what compares can't be done any more.
func (t *tool) tooLate() {
	var left [2]casq
	k := 0
	for _, q := range t.late {
		if q.st&csPub != 0 {
			left[k] = q
			k++
		}
	}
	t.late = left
}

// land writes the record.
func (c *world) land(n *state, q casq) {
	n.rec = q.rec
	if q.anew == 1 {
		n.jpos = 0
		if q.rec.phase() == phFencing && n.moves > 0 {
			n.moves--
		}
	}
	for i := range n.t {
		t := &n.t[i]
		t.rcur = 0
		t.cq.st &^= csCur
		t.tooLate()
		t.fencer = c.m.op(t.fencer, opStale, 0)
		if q.anew == 1 {
			t.fencer = c.m.op(t.fencer, opAge, 0)
		}
	}
}
