package writer

import (
	"fmt"
	"strings"
)

// trace goes the way to a state once more, in words.
func (r *run) trace(fp uint64) []string {
	way := []uint64{fp}
	for p := r.seen.parent(fp); p != way[len(way)-1]; p = r.seen.parent(p) {
		way = append(way, p)
	}
	w := &world{config: r.c, m: r.b.mind()}
	cur := r.c.initial()
	swapped := false
	out := []string{"    " + cur.String()}
	for i := len(way) - 2; i >= 0; i-- {
		var to state
		var by label
		hit, other := false, false
		w.succ(&cur, func(n *state, l label) {
			m := *n
			if got, turned := r.c.canon(&m); got == way[i] && !hit {
				to, by, hit, other = m, l, true, turned
			}
		})
		if !hit {
			return append(out, "the way is lost")
		}
		out = append(out, fmt.Sprintf("%2d. %-96s %s", len(way)-1-i, by.text(swapped), to.String()))
		if by.why != "" && by.act == aThink {
			out = append(out, "      "+by.why)
		}
		cur, swapped = to, swapped != other
	}
	return out
}

var phaseNames = [4]string{"STABLE", "FENCING", "COMMIT", "ABORT"}

func (s *state) String() string {
	var b strings.Builder
	modes := [5]string{"ro", "rw", "pending", "?", "rw, a fence pending"}
	for x := range s.sv {
		v := &s.sv[x]
		m := modes[v.mode]
		if v.up == 0 {
			m = "down"
		}
		fmt.Fprintf(&b, "%s=%s %d+%d ", roomNames[x], m, v.n, v.appl)
	}
	fmt.Fprintf(&b, "%s(%s)", phaseNames[s.rec.phase()], roomNames[s.rec.writer()])
	return b.String()
}

// text is a step in words. Tools are renamed back.
func (l label) text(swapped bool) string {
	who := [4]string{"A", "B", "tool 1", "tool 2"}[l.who]
	if l.who >= 2 && swapped {
		who = [2]string{"tool 2", "tool 1"}[l.who-2]
	}
	room := roomNames[l.arg&1]
	req := [4]string{"", "fence ", "open ", "fence "}[l.arg>>1&3] + room
	rec := phaseNames[recCode(l.arg).phase()] + "(" + roomNames[recCode(l.arg).writer()] + ")"
	what := map[uint8]string{
		aBegin: "a client begins a statement", aCommit: "the statement commits and is acknowledged", aFenceDone: "the waiting fence is in place",
		aFenceTimeout: "the waiting fence gives up (1205)", aReceive: "receives from the other", aApply: "applies what the other wrote",
		aXAOpen: "XA START and a write", aXAPrepare: "XA PREPARE", aXACommit: "XA COMMIT, acknowledged", aCrash: "crashes" + [4]string{"", ", and has lost the last that it applied", ", and has lost the last of its own", ""}[l.arg&3], aUp: "comes up",
		aStop: "stops to receive", aGo: "receives again", aHand: "a person fences it and opens the other", aLate: "LATE on the server: " + req,
		aLateCAS: "LATE in Consul: " + rec, aExpire: "its Consul session is gone",
		aCut: "is cut off from " + place(l.arg), aHeal: "reaches again " + place(l.arg), aKilled: "is killed (-9)", aWish: "a person wants " + room,
		aStart: "starts, takes the Consul lock, wants " + room, aGetLock: "① the Consul lock", aSession: "② lock on " + room,
		aRead: "③ reads " + phaseNames[recCode(l.arg&0x1f).phase()], aSee: "④ sees " + room, aThink: "⑤ ⑥ " + Do(l.arg>>1).String(),
		aAnswer: "⑦ executed: " + req, aLost: "⑦ executed, and the answer is lost: " + req, aGiveUp: "⑦ gives up on " + req,
		aNoAnswer: "⑦ no answer", aCASAnswer: "⑦ " + rec + ": " + l.why, aCASLost: "⑦ executed, and the answer is lost: " + rec,
		aCASGiveUp: "⑦ gives up on " + rec,
	}[l.act]
	if l.act == aThink && l.arg>>1 >= uint8(Kill) && l.arg>>1 < uint8(Write) || l.act == aThink && Do(l.arg>>1) == Lock {
		what += " " + room
	}
	if l.fault {
		what = "FAULT " + what
	}
	return who + " " + what
}

func place(b uint8) string { return [4]string{"A", "B", "Consul", "?"}[b&3] }
