package cutover

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrival is a sample on its way to a board.
type arrival struct {
	at     T
	stream int
	s      Sample
}

// script is what gauges hand over in a random hour, as pieces, and how the run stands meanwhile.
type script struct {
	plan   *Plan
	pieces []arrival
	change []vantageChange
}

type vantageChange struct {
	at T
	v  Vantage
}

type stream struct {
	gauge int
	room  Room
	every T
}

func streamsOf(p *Plan) []stream {
	var out []stream
	for i, g := range p.Gauges {
		switch {
		case g.Kind != GaugeGate:
			out = append(out, stream{i, "", g.Every})
		case p.Gates[g.Gate].Kind == GateLink:
			out = append(out, stream{i, "", g.Every})
		default:
			for _, r := range []Room{"home", "cloud"} {
				if p.Gates[g.Gate].Kind == GateReplication || slices.Contains(p.Gates[g.Gate].Rooms, r) {
					out = append(out, stream{i, r, g.Every})
				}
			}
		}
	}
	return out
}

func newScript(seed uint64, span T) *script {
	r := rand.New(rand.NewPCG(seed, 1))
	sc := &script{plan: randomPlan(r)}
	for k, st := range streamsOf(sc.plan) {
		last := Sample{}
		for at := t0 + T(r.Int64N(int64(10*Second))); at < t0+span; {
			s := randomSample(r, sc.plan, st, at, &last)
			sc.pieces = append(sc.pieces, arrival{at, k, s})
			last = s
			at += T(r.Int64N(int64(st.every)*int64(s.Again+2)) + 1)
			if r.IntN(3) > 0 { // in step with its interval
				at = sc.pieces[len(sc.pieces)-1].at + st.every*T(1+r.IntN(s.Again+2))
			}
		}
	}
	slices.SortStableFunc(sc.pieces, func(a, b arrival) int { return int(a.at - b.at) })
	v := vantage()
	for at := t0; at < t0+span; at += T(r.Int64N(int64(5*Minute))) + Second {
		v = randomVantage(r, v)
		sc.change = append(sc.change, vantageChange{at, v})
	}
	return sc
}

func randomPlan(r *rand.Rand) *Plan {
	p := gatesPlan()
	for i := range p.Gates {
		p.Gates[i].OnAbort = []string{"", "", "", "back", "rung", "freeze"}[r.IntN(6)]
		if r.IntN(4) == 0 {
			p.Gates[i].BlindFor = 20 * Second
		}
		if r.IntN(6) == 0 {
			p.Gates[i].MaxAge = p.Gates[i].Every / 2 // blind between any two samples
		}
		if r.IntN(6) == 0 {
			p.Gates[i].Hold = nil
		}
	}
	return p
}

func randomSample(r *rand.Rand, p *Plan, st stream, at T, last *Sample) Sample {
	s := Sample{Gauge: st.gauge, Room: st.room, At: at - T(r.Int64N(int64(2*st.every))), Again: r.IntN(20) * r.IntN(2)}
	if last.At > 0 && r.IntN(5) == 0 {
		s.At = last.At + T(last.Again)*st.every*T(r.IntN(2))
	}
	s.From = s.At - T(r.Int64N(int64(Minute)))
	g := p.Gauges[st.gauge]
	switch g.Kind {
	case GaugeSeen:
		s.Counts = map[Room]float64{"home": float64(r.IntN(100)), "cloud": float64(r.IntN(100))}
		return s
	case GaugeProbe:
		s.Lo = float64(r.IntN(2))
		return s
	}
	gate := &p.Gates[g.Gate]
	scale := []float64{0.1, 0.1, 0.1, 0.9, 1.1, 3, 60}[r.IntN(7)]
	if last.At > 0 && r.IntN(2) == 0 && last.Unknown == "" {
		s.Lo, s.Hi = last.Lo, last.Hi
	} else {
		s.Lo = gate.Abort.Value * scale
		s.Hi = s.Lo * (1 + 0.3*float64(r.IntN(2)))
	}
	s.Events, s.Bad = int64(r.IntN(10))*40, int64(r.IntN(3))
	switch r.IntN(12) {
	case 0:
		s.Unknown = NoAnswer
	case 1:
		s.Idle = gate.Kind == GateReplication
	case 2, 3, 4:
		s.LowerBound = gate.Kind == GateReplication
	}
	return s
}

func randomVantage(r *rand.Rand, v Vantage) Vantage {
	pick := func(n int) bool { return r.IntN(n) == 0 }
	v.Phase = []Phase{PhaseForward, PhaseForward, PhaseForward, PhaseBack, PhaseFrozen, PhaseResting}[r.IntN(6)]
	cloud := []int{0, 300, 3000, 10000}[r.IntN(4)]
	v.Set = Share{"home": Whole - cloud, "cloud": cloud}
	v.Wanted, v.Moved, v.Sent = v.Set, cloud, !pick(5)
	v.Writers = map[string]Room{"feed-db": []Room{"home", "home", "cloud", ""}[r.IntN(4)]}
	v.MovedWriter = map[string]bool{"feed-db": pick(4)}
	v.OnLost = map[string]string{"feed-db": []string{"freeze", "traffic"}[r.IntN(2)]}
	v.Evacuate = pick(10)
	v.Muted, v.Answered = nil, nil
	if pick(3) {
		v.Muted = map[string]bool{[]string{"errors", "slow", "feed-lag", "line-use"}[r.IntN(4)]: true}
	}
	if pick(2) {
		v.Answered = map[string]bool{}
		for _, k := range []string{"errors@home", "errors@cloud", "slow@home", "slow@cloud", "feed-lag@home", "feed-lag@cloud", "line-use@", "cache@cloud"} {
			v.Answered[k] = pick(3)
		}
	}
	return v
}

// singly is the script's pieces sample by sample: each as long as its stream has no new one.
func (sc *script) singly() []arrival {
	every := streamsOf(sc.plan)
	next := map[int]T{}
	var out []arrival
	for i := len(sc.pieces) - 1; i >= 0; i-- {
		p := sc.pieces[i]
		end, ok := next[p.stream]
		if !ok {
			end = Never
		}
		next[p.stream] = p.at
		for k := T(0); k <= T(p.s.Again); k++ {
			d := k * every[p.stream].every
			if k > 0 && p.at+d >= end {
				break
			}
			s := p.s
			s.Again, s.From, s.At = 0, s.From+d, s.At+d
			out = append(out, arrival{p.at + d, p.stream, s})
		}
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b arrival) int { return int(a.at - b.at) })
	return out
}

// feed hands over what has come by now.
func feed(b *Board, from []arrival, now T) []arrival {
	for len(from) > 0 && from[0].at <= now {
		b.Put(from[0].at, from[0].s)
		from = from[1:]
	}
	return from
}

func (sc *script) vantageAt(at T) Vantage {
	v := vantage()
	for _, c := range sc.change {
		if c.at <= at {
			v = c.v
		}
	}
	return v
}

// everything is what a board says at a moment.
func everything(b *Board, now T, v Vantage, since T) map[string]any {
	j := b.Judge(now, v)
	j.Next = 0
	green, why := b.GreenSince(now, v, since)
	share, rate, at, ok := b.Seen(now, Seat{"gw", "home"})
	from, _ := b.SeenFrom(Seat{"gw", "home"})
	answers, known := b.Probe("home")
	return map[string]any{"judgement": j, "green": green, "why": why, "views": b.Views(now, v), "fresh": b.Fresh(now, v, since), "probe": fmt.Sprint(answers, known),
		"share": share, "seen": fmt.Sprint(rate, at, ok, from), "rates": fmt.Sprint(b.Rates(now)), "replication": b.ReplicationSeen(now, v)}
}

const propertySpan = 12 * Minute

func TestPiecesAreTheirSamples(t *testing.T) {
	acts := map[Act]int{}
	for seed := range uint64(24) {
		sc := newScript(seed, propertySpan)
		r := rand.New(rand.NewPCG(seed, 2))
		pieces, samples := NewBoard(sc.plan), NewBoard(sc.plan)
		ps, ss := sc.pieces, sc.singly()
		moments := make([]T, 0, 2*len(ss))
		for _, a := range ss {
			moments = append(moments, a.at, a.at+T(r.Int64N(int64(3*Second))))
		}
		slices.Sort(moments)
		for _, now := range moments {
			if r.IntN(20) > 0 { // a board isn't looked at each time something comes
				continue
			}
			ps, ss = feed(pieces, ps, now), feed(samples, ss, now)
			v, since := sc.vantageAt(now), now-T(r.Int64N(int64(Minute)))
			a, b := everything(pieces, now, v, since), everything(samples, now, v, since)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("seed %d at %s: samples (-) and pieces (+) differ:\n%s", seed, (now - t0).Duration(), cmp.Diff(b, a))
			}
			acts[a["judgement"].(Judgement).Act]++
			if r.IntN(200) == 0 {
				pieces.Reset()
				samples.Reset()
			}
		}
	}
	for _, a := range []Act{Advance, Hold, Back, Freeze} {
		if acts[a] < 20 {
			t.Errorf("the scripts lead to %s %d times only: they test little", a, acts[a])
		}
	}
}

// lasting is the part of a judgement that must not change before Next: ages and growing values are no change.
func lasting(j Judgement) string {
	text := fmt.Sprint(j.Act, j.To, j.From, j.Fails, j.Rung, j.WritersFirst, j.TrafficOnly, j.Clear, j.Crossed, j.Age)
	for _, c := range j.Causes {
		text += fmt.Sprint(" ", c.Key(), c.Color, c.Limit, c.Text)
	}
	return text
}

func TestNothingChangesBeforeNext(t *testing.T) {
	waited := 0
	for seed := range uint64(12) {
		sc := newScript(seed+1000, propertySpan)
		r := rand.New(rand.NewPCG(seed, 3))
		b, left := NewBoard(sc.plan), sc.pieces
		for now := t0; now < t0+propertySpan; {
			left = feed(b, left, now)
			v := sc.vantageAt(now)
			j := b.Judge(now, v)
			if j.Next <= now {
				t.Fatalf("seed %d at %s: next is %s, which is over", seed, (now - t0).Duration(), (j.Next - t0).Duration())
			}
			end := now + 40*Second
			if len(left) > 0 {
				end = min(end, left[0].at)
			}
			stop := min(j.Next, end)
			steps := []T{stop - 1}
			for at := now + 1; at < stop && r.IntN(8) > 0; at += T(r.Int64N(int64(stop-now)/4+1)) + 1 {
				steps = append(steps, at)
			}
			slices.Sort(steps)
			for _, at := range steps {
				if k := b.Judge(max(at, now), v); lasting(k) != lasting(j) {
					t.Fatalf("seed %d: judged at %s, next at %s, but at %s:\n%s\ninstead of\n%s", seed, (now - t0).Duration(), (j.Next - t0).Duration(),
						(at - t0).Duration(), lasting(k), lasting(j))
				}
			}
			if j.Next < end {
				waited++
			}
			now = stop
		}
	}
	if waited < 200 {
		t.Errorf("a judgement changed by itself %d times only: the scripts test little", waited)
	}
}
