package cutover

import (
	"maps"
	"slices"
	"time"
)

// A seat whose share strays through deaths is set again at most once a minute, and three times an hour: againTimes within
// againWithin. The journal's wall times say how often it was, so that whoever takes over is held to the same limits.
const (
	againEvery  = time.Minute
	againWithin = time.Hour
	againTimes  = 3
)

// keepQuestion begins the question, of the whole run, about a seat whose share can't be kept: "keep im@home".
const keepQuestion = "keep "

// takeWanted begins a plan: each seat that the run hasn't written, or of which nothing is known, is wanted as the plan found it.
func (p *Progress) takeWanted(plan *Plan) {
	wanted := make(map[Seat]Share, len(p.Wanted))
	maps.Copy(wanted, p.Wanted)
	for seat, share := range SeatShares(plan.Held) {
		if wanted[seat] == nil || !slices.ContainsFunc(p.fold.seats[seat], func(o *Object) bool { return o.Touched }) {
			wanted[seat] = share
		}
	}
	p.Wanted = wanted
}

// inHand: a rung writes these seats, so nobody else does until it is written whole.
func (p *Progress) inHand(in *Intent) {
	for i := range in.Changes {
		if c := &in.Changes[i]; c.Gives != nil { // not a TTL's
			delete(p.Wanted, c.Seat)
		}
	}
}

// rungWritten: what a step's rung wants is what its seats are kept at, unless it was passed over.
func (p *Progress) rungWritten(step, rung int) {
	rungs := p.Plan.Steps[step].Rungs
	if !p.Steps[step].Wrote || rung >= len(rungs) {
		return
	}
	for seat, share := range rungs[rung].Want {
		p.Wanted[seat] = share
	}
}

// isNew: an object that the run hasn't written since it joined: nobody gave it a weight yet. A later plan may have found it.
func (p *Progress) isNew(id ObjectID) bool {
	o := p.Objects[id]
	return o == nil || (o.Made && !o.Touched && !o.Adopted && o.Foreign == nil)
}

// wasSetAgain counts a request of purpose keep that changes what the run knew already: an object that joins, or holds another value
// than it was known to because it was made anew, only gets its weight.
// Requests within a minute are one time.
func (p *Progress) wasSetAgain(r *Record) error {
	for i := range r.Intent.Changes {
		c := &r.Intent.Changes[i]
		if p.isNew(c.ID()) || p.Objects[c.ID()].Last != c.Before { // it joined, or was made anew
			continue
		}
		wall, err := time.Parse(time.RFC3339, r.Wall)
		if err != nil {
			return refuse(r, "its wall time %q is no RFC 3339 time", r.Wall)
		}
		times := p.SetAgain[c.Seat]
		if n := len(times); n > 0 && within(againEvery, times[n-1], wall) {
			continue
		}
		p.SetAgain[c.Seat] = append(slices.Clone(times[max(0, len(times)-againTimes+1):]), r.Wall)
	}
	return nil
}

// within tells whether a record's wall time is less than d from now. A clock that was set back may have written one of tomorrow:
// that one says nothing.
func within(d time.Duration, wall string, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, wall)
	return err == nil && now.Sub(at).Abs() < d
}
