package writer

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// seenSet holds fingerprints, and, if asked for, those that each was first come to from.
type seenSet struct {
	shards  [64]shard
	parents bool
}

type shard struct {
	mu        sync.Mutex
	fps, from []uint64
	n         int
}

// add reports whether a fingerprint is new.
func (s *seenSet) add(fp, from uint64) bool {
	h := &s.shards[fp>>58]
	h.mu.Lock()
	defer h.mu.Unlock()
	if 10*(h.n+1) > 7*len(h.fps) {
		h.grow(s.parents)
	}
	k := h.at(fp)
	if h.fps[k] == fp {
		return false
	}
	h.fps[k] = fp
	if s.parents {
		h.from[k] = from
	}
	h.n++
	return true
}

func (s *seenSet) has(fp uint64) bool {
	h := &s.shards[fp>>58]
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.fps) > 0 && h.fps[h.at(fp)] == fp
}

func (s *seenSet) parent(fp uint64) uint64 {
	h := &s.shards[fp>>58]
	return h.from[h.at(fp)]
}

func (h *shard) at(fp uint64) int {
	k := int(fp) & (len(h.fps) - 1)
	for h.fps[k] != 0 && h.fps[k] != fp {
		k = (k + 1) & (len(h.fps) - 1)
	}
	return k
}

func (h *shard) grow(parents bool) {
	old, from := h.fps, h.from
	h.fps = make([]uint64, max(64, 2*len(old)))
	if parents {
		h.from = make([]uint64, len(h.fps))
	}
	for i, fp := range old {
		if fp == 0 {
			continue
		}
		k := h.at(fp)
		h.fps[k] = fp
		if parents {
			h.from[k] = from[i]
		}
	}
}

// result is what an exploration came to.
type result struct {
	states, steps int
	depth         int // longest shortest way to a state
	whole         bool
	took          time.Duration
	broken        string // the invariant, or why a state is a trap; empty: none
	trace         []string
	asked         map[Do]int
}

func (r result) String() string {
	s := fmt.Sprintf("%d states, %d steps, depth %d, %.1f s", r.states, r.steps, r.depth, r.took.Seconds())
	if !r.whole {
		s += ", not whole"
	}
	return s
}

// found is a violation: the state, or the trap.
type found struct {
	why string
	fp  uint64
}

// run is one exploration, breadth first: every state of one depth before the next, so that what is found is a shortest way.
type run struct {
	c     *config
	b     *brain
	seen  seenSet
	good  [2]seenSet // live: a way to the end is known, in each order of the tools
	mu    sync.Mutex
	found *found
	steps int
}

// explore goes through every state, or as many as most. It keeps the ways only if asked: they take as much memory as the states.
func explore(c *config, most int, ways bool) result {
	began := time.Now()
	r := &run{c: c, b: newBrain(c.rules)}
	r.seen.parents = ways
	s := c.initial()
	fp, _ := c.canon(&s)
	r.seen.add(fp, fp)
	out := result{whole: true, states: 1}
	level := []state{s}
	for len(level) > 0 && r.found == nil {
		if out.states > most {
			out.whole = false
			break
		}
		out.depth++
		level = r.next(level)
		out.states += len(level)
	}
	out.steps, out.took, out.asked = r.steps, time.Since(began), r.b.asked
	if r.found != nil {
		if !ways {
			return explore(c, most, true)
		}
		out.broken = r.found.why
		out.trace = r.trace(r.found.fp)
	}
	return out
}

// next expands a level by all processors.
func (r *run) next(level []state) []state {
	const piece = 2048
	var wg sync.WaitGroup
	var at int
	var out []state
	for range min(runtime.GOMAXPROCS(0), 1+len(level)/piece) {
		wg.Go(func() {
			w := &world{config: r.c, m: r.b.mind()}
			e := &expander{r: r, w: w}
			for {
				r.mu.Lock()
				from := at
				at = min(at+piece, len(level))
				to := at
				stop := r.found != nil
				r.mu.Unlock()
				if from == to || stop {
					break
				}
				for i := from; i < to; i++ {
					e.expand(&level[i])
				}
			}
			r.mu.Lock()
			out = append(out, e.fresh...)
			r.steps += e.steps
			r.mu.Unlock()
		})
	}
	wg.Wait()
	return out
}

type expander struct {
	r     *run
	w     *world
	fresh []state
	steps int
	path  []uint64
}

func (e *expander) expand(s *state) {
	from := hash(s)
	if e.r.c.live {
		e.liveFrom(s, from, holderFirst)
		e.liveFrom(s, from, byTurns)
	}
	e.w.succ(s, func(n *state, l label) {
		e.steps++
		fp, _ := e.r.c.canon(n)
		if !e.r.seen.add(fp, from) {
			return
		}
		if why := e.r.c.check(n); why != "" {
			e.r.report(found{why, fp})
			return
		}
		e.fresh = append(e.fresh, *n)
	})
}

func (r *run) report(f found) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found == nil {
		r.found = &f
	}
}

// check says which invariant a state breaks.
func (c *config) check(s *state) string {
	a, b := &s.sv[0], &s.sv[1]
	takes := func(v *srv) bool { return v.up == 1 && v.mode != ro }
	if takes(a) && takes(b) {
		return "I1: two masters take writes"
	}
	for x := range s.sv {
		v, y := &s.sv[x], &s.sv[1-x]
		if !takes(v) {
			continue
		}
		if v.appl < y.n {
			return "I2: a master takes writes without all that the other has acknowledged"
		}
		if y.appl > v.n {
			return "I2: a master takes writes that has lost its own"
		}
	}
	w := &s.sv[s.rec.writer()]
	if s.rec.phase() == phStable && w.up == 1 && w.mode == ro && w.fresh == 0 {
		return "I4: the record says STABLE, and its writer is fenced, by nobody's restart"
	}
	if c.rules.pubApart && s.rec.phase() == phStable && s.t[0].pc == pcOff && s.t[1].pc == pcOff && int(s.pub) != s.rec.writer() {
		return "R11: nobody is at work, and another writer is published than the record's"
	}
	return ""
}

// ended: the record says who, that one takes writes, the other doesn't, and nobody is at work; or what is waited for is true.
func ended(s *state) bool {
	w := s.rec.writer()
	a, b := &s.sv[w], &s.sv[1-w]
	if a.up == 0 || b.up == 0 || a.mode > rw || b.mode > rw {
		return false
	}
	to, from := a, b
	if s.rec.phase() == phCommit {
		to, from = b, a
	}
	switch {
	case to.mode == ro && from.mode == ro && from.appl > to.n:
		return true // it has lost its own: a person must say
	case s.rec.phase() == phAbort && b.mode == rw:
		return true // opened by hand
	}
	return s.rec.phase() == phStable && s.t[0].pc == pcOff && s.t[1].pc == pcOff && a.mode == rw && b.mode == ro
}

// patience is how many steps a state may be away from the end, once nothing goes wrong any more.
const patience = 300

// Orders of the tools while nothing goes wrong any more.
const (
	holderFirst = iota // who holds the Consul lock, then the other
	byTurns            // a step each
)

// liveFrom follows a state while nothing goes wrong any more: what is cut heals, what is on its way arrives, and tools run to the end,
// in an order; where none runs one is started that wants what the record wants. What doesn't end is a trap.
func (e *expander) liveFrom(s *state, fp uint64, order int) {
	path := e.path[:0]
	cur, next := *s, 0 // next: whose turn it is
	for range patience {
		if e.r.good[order].has(fp+uint64(next)) || ended(&cur) {
			for _, p := range append(path, fp+uint64(next)) {
				e.r.good[order].add(p, 0)
			}
			e.path = path
			return
		}
		path = append(path, fp+uint64(next))
		best, rank, who := state{}, never, uint8(0)
		e.w.succ(&cur, func(n *state, l label) {
			if k := fairness(&cur, l, order, next); k < rank {
				best, rank, who = *n, k, l.who
			}
		})
		if rank == never {
			break
		}
		if order == byTurns && rank >= 10 {
			next = 1 - int(who-2)
		}
		swapped := false
		cur = best
		fp, swapped = e.r.c.canon(&cur)
		if swapped && order == byTurns {
			next = 1 - next
		}
	}
	e.path = path
	e.r.report(found{fmt.Sprintf("a trap: %d steps on, with all well again, it stands at %s", len(path), cur.String()), hash(s)})
}

// never is the rank of a step that isn't taken.
const never = 1000

// fairness ranks the steps of a world in which nothing goes wrong any more; the lowest is taken.
func fairness(s *state, l label, order, next int) int {
	if l.fault {
		return never
	}
	switch l.act {
	case aUp, aGo, aHeal:
		return 0
	case aLate, aLateCAS, aFenceDone:
		return 1
	case aExpire, aReceive, aApply, aCommit, aXACommit:
		return 2
	case aBegin, aXAOpen, aXAPrepare, aFenceTimeout:
		return never
	case aStart:
		if (s.t[0].pc != pcOff || s.t[1].pc != pcOff) || int(l.arg) != s.rec.publishes() {
			return never
		}
		return 20
	}
	first := s.lockH == l.who-1
	if order == byTurns {
		first = int(l.who-2) == next
	}
	return 11 - int(one(first))
}
