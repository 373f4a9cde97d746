package dbsync

import (
	"math/rand/v2"
	"testing"

	"roomshift/cutover"
)

const (
	ms   = cutover.Millisecond
	look = 5 * ms
)

// TestBoundsHoldTheTruth makes up what happened on the line and on both servers, with trips that are different each time and
// clocks that are slewed, and holds the bounds against it.
func TestBoundsHoldTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	span := func(most cutover.T) cutover.T { return cutover.T(rng.Int64N(int64(most) + 1)) }
	for i := range 100_000 {
		forth, back := span(300*ms), span(300*ms)
		var h beat
		h.sent = span(1000 * ms)
		commit := h.sent + span(40*ms)
		h.acked = commit + span(40*ms)
		applied := commit + forth

		ask := func(sent, event cutover.T) answer {
			a := answer{sent: sent, missed: -1, reached: true}
			came := sent + span(40*ms)
			slew := func(t cutover.T) cutover.T { return t + t*cutover.T(rng.Int64N(1001)-500)/1_000_000 } // 500 ppm each way
			left := came + span(20*ms)
			if event > came {
				a.missed = slew(max(0, event-came-1-span(look)))
				left = event + span(20*ms) // the scheduler takes its time
			}
			a.held, a.got = slew(left-came), left+span(40*ms)
			return a
		}
		a := ask(h.acked+span(10*ms), applied)
		if lo, hi := forthLag(h, a); lo > forth || hi < forth {
			t.Fatalf("case %d: forth %v–%v, the truth is %v", i, lo.Duration(), hi.Duration(), forth.Duration())
		} else if most := (h.acked - h.sent) + (a.got - a.sent - a.missed) + a.held/500; a.missed >= 0 && hi-lo > most {
			t.Fatalf("case %d: forth is %v wide, two round trips and what followed the last look are %v", i, (hi - lo).Duration(), most.Duration())
		}
		logged := applied - span(min(20*ms, forth)) // the binlog is first
		v := arrival{after: h.sent, read: a.got + span(5*ms)}
		if logged > a.sent+40*ms {
			v.after = logged - 1 - span(look)
		}
		b := ask(v.read+span(10*ms), logged+back)
		if lo, hi := backLag(v, b); lo > back || hi < back {
			t.Fatalf("case %d: back %v–%v, the truth is %v", i, lo.Duration(), hi.Duration(), back.Duration())
		}
	}
}

// TestClockSet: a server's clock that is set while it waits costs precision, never truth.
func TestClockSet(t *testing.T) {
	h := beat{sent: 0, acked: 10 * ms}
	for _, held := range []cutover.T{-3600 * cutover.Second, 3600 * cutover.Second} {
		lo, hi := forthLag(h, answer{sent: 10 * ms, got: 120 * ms, held: held, missed: max(0, held), reached: true})
		if lo != 0 || hi != 120*ms {
			t.Errorf("held %v: %v–%v, want 0s–120ms", held.Duration(), lo.Duration(), hi.Duration())
		}
	}
}

// TestSlicesProve: what an earlier slice proved still holds when the next one finds the heartbeat there at once.
func TestSlicesProve(t *testing.T) {
	h := beat{sent: 0, acked: 10 * ms}
	a := answer{sent: 612 * ms, got: 622 * ms, missed: -1, reached: true, notYet: 600 * ms}
	if lo, hi := forthLag(h, a); lo != 590*ms || hi != 622*ms {
		t.Errorf("%v–%v, want 590ms–622ms", lo.Duration(), hi.Duration())
	}
	v := arrival{after: 100 * ms, read: 110 * ms}
	if lo, hi := backLag(v, a); lo != 490*ms || hi != 522*ms {
		t.Errorf("%v–%v, want 490ms–522ms", lo.Duration(), hi.Duration())
	}
}
