package cutover

import "slices"

// Going back is ordered by effect, not by medium (ENGINE §7): first every write that lowers the composed share of the room
// being left, fast media first; then the rest in turns that never raise it above what is aimed at:
//
//	above the aim:  lower, fast media first, at most slack below the aim while something is left to raise
//	at or below:    raise up to the aim; where only lowering is left beside it, lower by slack, see it, raise again

// slack is how far below the aim a turn of lowering may go when something else must still be raised: 5 points.
const slack = 500

// backCandidate is a seat that doesn't hold its goal yet. Busy: a write is under way, failed a moment ago, or isn't seen yet; soon: it is
// busy and will be tried again within seconds.
type backCandidate struct {
	seat       Seat
	goal       Share
	fast       T // Shows: less is faster
	busy, soon bool
}

// backMove brings a seat to a share; whole: to its goal, object by object as recorded.
type backMove struct {
	seat  Seat
	share Share
	whole bool
}

// backInput is what the order is worked out from. low is what the seats hold if all that is under way lands, high if what lowers
// does not land, or isn't seen yet.
type backInput struct {
	state     func(set map[Seat]Share) backState
	room      Room
	low, high map[Seat]Share
	cands     []backCandidate // sorted by seat
	aim       int
	slack     int

	lowState, highState backState // low and high, when backMoves has begun
	patient             bool      // something that lowers isn't seen yet, or something raises soon: nothing goes further below than the slack until then
}

// backState is a state of the seats in which shares are tried. left is the composed share of the room being left.
type backState interface {
	share(seat Seat) Share
	put(seat Seat, share Share)
	left() int
}

// backMoves is the next turn: nil when everything that could go is busy.
func backMoves(in backInput) []backMove {
	slices.SortStableFunc(in.cands, func(a, b backCandidate) int {
		switch {
		case a.fast < b.fast:
			return -1
		case a.fast > b.fast:
			return 1
		}
		return 0
	})
	in.lowState, in.highState = in.state(in.low), in.state(in.high)
	if moves := in.lower(in.aim); len(moves) > 0 {
		return moves
	}
	if moves := in.raise(); len(moves) > 0 {
		return moves
	}
	if moves := in.neutral(); len(moves) > 0 {
		return moves
	}
	low := in.lowState.left()
	in.patient = in.highState.left() > low || slices.ContainsFunc(in.cands, func(c backCandidate) bool { return c.soon && in.tried(in.lowState, c) > low })
	return in.lower(low - 1)
}

// lower takes candidates that lower the share until it is at most aim.
func (in *backInput) lower(aim int) []backMove {
	cur := in.state(in.low)
	now := cur.left()
	if now <= aim {
		return nil
	}
	floor, low, high := in.aim-in.slack, in.lowState.left(), in.highState.left()
	var moves []backMove
	for _, c := range in.cands {
		if c.busy || now <= aim || in.tried(in.lowState, c) > low || in.tried(in.highState, c) > high {
			continue
		}
		was := cur.share(c.seat)
		cur.put(c.seat, c.goal)
		after := cur.left()
		if after >= now {
			cur.put(c.seat, was)
			continue
		}
		if after >= floor {
			moves, now = append(moves, backMove{c.seat, c.goal, true}), after
			continue
		}
		if in.patient {
			cur.put(c.seat, was) // what waits to be seen may be raised then
			continue
		}
		part, ok := in.part(cur, c, was, floor, false)
		if !ok {
			cur.put(c.seat, c.goal)
			moves, now = append(moves, backMove{c.seat, c.goal, true}), after
			continue
		}
		cur.put(c.seat, part)
		moves, now = append(moves, backMove{c.seat, part, false}), cur.left()
	}
	return moves
}

// tried is what the share becomes if a candidate alone goes to its goal: the writes of a turn land in any order, so each must lower
// (or raise) by itself, from what is held now and from what may still land.
func (in *backInput) tried(state backState, c backCandidate) int {
	was := state.share(c.seat)
	state.put(c.seat, c.goal)
	after := state.left()
	state.put(c.seat, was)
	return after
}

// raise takes candidates that raise the share, as long as it stays at or below aim even if nothing that lowers has landed.
func (in *backInput) raise() []backMove {
	cur := in.state(in.high)
	now := cur.left()
	if now >= in.aim {
		return nil
	}
	low, high := in.lowState.left(), in.highState.left()
	var moves []backMove
	for _, c := range in.cands {
		if c.busy {
			continue
		}
		fromLow, fromHigh := in.tried(in.lowState, c), in.tried(in.highState, c)
		if fromLow < low || fromHigh < high || len(moves) > 0 && max(fromLow, fromHigh) > in.aim { // beside others none may raise past the aim
			continue
		}
		was := cur.share(c.seat)
		cur.put(c.seat, c.goal)
		after := cur.left()
		switch {
		case after <= now:
			cur.put(c.seat, was)
		case after <= in.aim:
			moves, now = append(moves, backMove{c.seat, c.goal, true}), after
		default:
			part, ok := in.part(cur, c, was, in.aim, true)
			if !ok {
				cur.put(c.seat, was)
				continue
			}
			cur.put(c.seat, part)
			moves, now = append(moves, backMove{c.seat, part, false}), cur.left()
		}
	}
	return moves
}

// neutral takes what changes nothing by itself now.
func (in *backInput) neutral() []backMove {
	var moves []backMove
	low, high := in.state(in.low), in.state(in.high)
	lowNow, highNow := low.left(), high.left()
	for _, c := range in.cands {
		if c.busy || in.tried(low, c) != lowNow || in.tried(high, c) != highNow {
			continue
		}
		low.put(c.seat, c.goal)
		high.put(c.seat, c.goal)
		moves = append(moves, backMove{c.seat, c.goal, true})
	}
	return moves
}

// part is a share between was and the goal, in whole percents, that brings the composed share as near to bound as it may:
// not below it (lowering), not above it (raising). False if no whole percent does.
func (in *backInput) part(cur backState, c backCandidate, was Share, bound int, raising bool) (Share, bool) {
	from, to := was[in.room], c.goal[in.room]
	dir := sign(to - from)
	var best Share
	lo, hi := 1, abs(to-from)/100
	for lo <= hi {
		mid := (lo + hi) / 2
		sh := between(was, c.goal, in.room, from+dir*mid*100)
		cur.put(c.seat, sh)
		ok := cur.left() >= bound
		if raising {
			ok = cur.left() <= bound
		}
		if ok {
			best, lo = sh, mid+1
		} else {
			hi = mid - 1
		}
	}
	cur.put(c.seat, was)
	return best, best != nil
}

// between is the share with room at bp; what it gives or takes goes to the rooms that differ, in proportion.
func between(was, goal Share, room Room, bp int) Share {
	sh := Share{}
	total := abs(goal[room] - was[room])
	step := abs(bp - was[room])
	sum := 0
	last := ""
	for _, r := range sortedRooms(was, goal) {
		if r == room {
			continue
		}
		sh[r] = was[r] + (goal[r]-was[r])*step/max(total, 1)
		sum += sh[r]
		last = r
	}
	sh[room] = bp
	if last != "" {
		sh[last] += Whole - bp - sum
	}
	return sh
}

func sortedRooms(a, b Share) []Room {
	m := map[Room]bool{}
	for r := range a {
		m[r] = true
	}
	for r := range b {
		m[r] = true
	}
	return sortedKeys(m)
}

func cloneSet(m map[Seat]Share) map[Seat]Share {
	c := make(map[Seat]Share, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}
