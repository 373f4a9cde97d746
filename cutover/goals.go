package cutover

import "slices"

// goals is what each object of a seat is to hold, by the target: the recorded value; for an object that was born since, its room's
// most frequent recorded one, or what gives the seat its recorded share if it would be off by more than half a point. What somebody
// else wrote is left alone.
func (e *engine) goals(st *seatState, target *Target) map[string]string {
	if st.goals != nil && e.p.Target == target.Name && e.p.Phase == PhaseBack {
		return st.goals
	}
	out := make(map[string]string, len(st.held))
	var often map[Room]string
	var born map[string]bool
	for i := range st.held {
		h := &st.held[i]
		id := h.ID()
		if o := e.p.Objects[id]; o != nil && e.leaveAlone(o) {
			continue
		}
		if _, ok := target.Want[id]; ok {
			if v, ok := target.Restores(id); ok {
				out[h.Object] = v
			}
			continue
		}
		if often == nil {
			often, born = e.mostFrequent(st.seat, target), map[string]bool{}
		}
		if v, ok := often[h.Room]; ok {
			out[h.Object], born[h.Object] = v, true
		}
	}
	if len(born) > 0 {
		e.fill(st, target, out, born)
	}
	return out
}

// fill scales the goals of objects that were born since the target, if a seat would be off its recorded share: more or fewer of them
// came than went.
func (e *engine) fill(st *seatState, target *Target, goals map[string]string, born map[string]bool) {
	pl := &e.planes[st.plane]
	want := e.recordedShare(st, target)
	if want == nil || farOff(e.goalShare(st, goals), want) <= strayedBy {
		return
	}
	held := slices.Clone(st.held)
	for i := range held {
		if v, ok := goals[held[i].Object]; ok && v != held[i].Value {
			if w, err := pl.Medium.Weigh(held[i], v); err == nil {
				held[i].Value, held[i].Weights = v, w
			}
		}
	}
	for object, v := range fillOn(pl.Medium, held, func(h *Held) bool { return born[h.Object] }, want) {
		goals[object] = v
	}
}

// recordedShare is what a seat's recorded objects carried at the target, nil if nothing served.
func (e *engine) recordedShare(st *seatState, target *Target) Share {
	sums := Share{}
	dead := map[ObjectID]bool{}
	for i := range e.plan.Held {
		dead[e.plan.Held[i].ID()] = !e.plan.Held[i].Live
	}
	for id, v := range target.Want {
		o := e.p.Objects[id]
		if o == nil || o.Seat != st.seat || dead[id] {
			continue
		}
		w, err := e.planes[st.plane].Medium.Weigh(Held{Seat: o.Seat, Plane: id.Plane, Object: id.Object, Room: o.Room}, v)
		if err != nil {
			return nil
		}
		for room, n := range w {
			sums[room] += n
		}
	}
	return ShareOf(sums)
}

// goalsOf works a seat's goals out once for each listing.
func (e *engine) goalsOf(st *seatState, target *Target) {
	if st.goals != nil {
		return
	}
	st.goals = e.goals(st, target)
	st.goal, st.need = e.goalShare(st, st.goals), 0
	for i := range st.held {
		if want, ok := st.goals[st.held[i].Object]; ok && want != st.held[i].Value {
			st.need++
		}
	}
}

// names are the ways in which people name an object: alone, with its plane, or by its seat.
func (o *Object) names() []string { return []string{o.ID.Object, o.ID.String(), o.Seat.String()} }

func (e *engine) leaveAlone(o *Object) bool {
	return o.Foreign != nil && !slices.ContainsFunc(o.names(), func(n string) bool { return e.backing.overwrite[n] })
}

// mostFrequent is each room's most frequent value in the target's record of a seat; of two as frequent, the lesser.
func (e *engine) mostFrequent(seat Seat, target *Target) map[Room]string {
	counts := map[Room]map[string]int{}
	for id, v := range target.Want {
		o := e.p.Objects[id]
		if o == nil || o.Seat != seat || o.Room == "" {
			continue
		}
		if counts[o.Room] == nil {
			counts[o.Room] = map[string]int{}
		}
		counts[o.Room][v]++
	}
	out := map[Room]string{}
	for room, vs := range counts {
		for _, v := range sortedKeys(vs) {
			if out[room] == "" || vs[v] > vs[out[room]] {
				out[room] = v
			}
		}
	}
	return out
}

// changesTo is what must be written next so that a seat's objects come to hold their goals. An object that isn't there after that is
// still away from its goal, and the next turn goes on with it.
func (e *engine) changesTo(st *seatState, goals map[string]string) []Change {
	var cs []Change
	pl := &e.planes[st.plane]
	for i := range st.held {
		h := &st.held[i]
		want, ok := goals[h.Object]
		if !ok || want == h.Value || e.undoOpen(h.ID()) {
			continue
		}
		want = nextOn(pl.Medium, *h, want)
		gives, err := pl.Medium.Weigh(*h, want)
		if err != nil {
			gives = nil
		}
		cs = append(cs, Change{Seat: st.seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: want, Version: h.Version, Gives: gives})
	}
	return cs
}

func (e *engine) undoOpen(id ObjectID) bool {
	o := e.p.Objects[id]
	if o == nil {
		return false
	}
	for _, in := range o.Open {
		if in.Purpose != Forward && in.Purpose != Keep {
			return true
		}
	}
	return false
}

// goalShare is the share a seat carries when its objects hold their goals.
func (e *engine) goalShare(st *seatState, goals map[string]string) Share {
	sums := Share{}
	for i := range st.held {
		h := &st.held[i]
		if !h.Live {
			continue
		}
		weights := h.Weights
		if v, ok := goals[h.Object]; ok && v != h.Value {
			if w, err := e.planes[st.plane].Medium.Weigh(*h, v); err == nil {
				weights = w
			}
		}
		for room, w := range weights {
			sums[room] += w
		}
	}
	return ShareOf(sums)
}
