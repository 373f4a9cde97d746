package cutover

import (
	"math/rand/v2"
	"testing"
)

// twoLayers is a name before a gateway of each room: what enters by the cloud is split by gw@cloud, the rest by gw@home.
func twoLayers(set map[Seat]Share) int {
	n := set[Seat{"www", ""}]["cloud"]
	g, c := set[Seat{"gw", "home"}]["cloud"], set[Seat{"gw", "cloud"}]["cloud"]
	return (n*c + (Whole-n)*g) / Whole
}

// mapState is a state in which everything is worked out again each time.
type mapState map[Seat]Share

func layers(set map[Seat]Share) backState { return mapState(cloneSet(set)) }

func (m mapState) share(s Seat) Share   { return m[s] }
func (m mapState) put(s Seat, sh Share) { m[s] = sh }
func (m mapState) left() int            { return twoLayers(m) }

func sh(cloud int) Share { return Share{"cloud": cloud, "home": Whole - cloud} }

// TestBackMoves goes back between random states of two layers, the writes landing in any order, and holds what ENGINE §7 promises:
// it ends; the composed share of the room being left never passes what it was, nor the aim once it was reached; it never goes
// further below the aim than the slack.
func TestBackMoves(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	seats := []Seat{{"gw", "cloud"}, {"gw", "home"}, {"www", ""}}
	turnsMost := 0
	for trial := range 20000 {
		state, goal := map[Seat]Share{}, map[Seat]Share{}
		for _, s := range seats {
			state[s], goal[s] = sh(rnd.IntN(101)*100), sh(rnd.IntN(101)*100)
		}
		if rnd.IntN(2) == 0 {
			state[seats[0]], goal[seats[0]] = sh(Whole), sh(Whole)
		}
		aim, start := twoLayers(goal), twoLayers(state)
		most, turns := max(start, aim), 0
		least := min(start, aim-slack)
		reached := start <= aim
		for ; ; turns++ {
			if turns > 400 {
				t.Fatalf("trial %d: %v → %v doesn't end: stands at %v", trial, start, aim, state)
			}
			in := backInput{state: layers, room: "cloud", low: cloneSet(state), high: cloneSet(state), aim: aim, slack: slack}
			for _, s := range seats {
				if state[s]["cloud"] != goal[s]["cloud"] {
					fast := T(0)
					if s.Route == "www" {
						fast = Minute
					}
					in.cands = append(in.cands, backCandidate{seat: s, goal: goal[s], fast: fast})
				}
			}
			if len(in.cands) == 0 {
				break
			}
			moves := backMoves(in)
			if len(moves) == 0 {
				t.Fatalf("trial %d: %v → %v stands still at %v", trial, start, aim, state)
			}
			for _, k := range rnd.Perm(len(moves)) {
				m := moves[k]
				if sum := m.share["cloud"] + m.share["home"]; sum != Whole {
					t.Fatalf("trial %d: %s gets %v, which sums to %d", trial, m.seat, m.share, sum)
				}
				state[m.seat] = m.share
				now := twoLayers(state)
				if now > most {
					t.Fatalf("trial %d turn %d: the composed share rises to %d: it was at most %d (%d → %d), by %v", trial, turns, now, most, start, aim, moves)
				}
				if now < least-1 {
					t.Fatalf("trial %d turn %d: the composed share falls to %d, below %d (%d → %d), by %v", trial, turns, now, least, start, aim, moves)
				}
				if now <= aim {
					reached = true
				}
			}
			if reached {
				most = aim + 1 // rounding of the composed share
			}
		}
		turnsMost = max(turnsMost, turns)
	}
	t.Logf("20,000 pairs of states, at most %d turns", turnsMost)
}
