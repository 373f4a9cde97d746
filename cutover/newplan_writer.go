package cutover

import (
	"cmp"
	"slices"

	"roomshift/runbooks"
)

// writerStep plans a move of the write role: one rung that is baked when every pair's record is STABLE in the room.
func (b *planner) writerStep(st *runbooks.Step, out *StepPlan) {
	w := st.Writer
	out.Writer = &WriterPlan{To: w.To, Pairs: w.Pairs, NoWriter: T(w.NoWriter), IfLost: cmp.Or(w.IfLost, "hold"), Once: w.Once, Reopen: w.Reopen}
	if out.Writer.NoWriter == 0 {
		out.Writer.NoWriter = noWriter
		out.Defaults = append(out.Defaults, "writer.noWriter")
	}
	if err := budgetFor(out.Writer.NoWriter).Check(); err != nil {
		b.problem(w.Pos, ruleWriter, "say a longer one", "step %q: no move can be within noWriter %s: %v", st.Name, out.Writer.NoWriter.Duration(), err)
	}
	out.Writer.With = w.With
	for i := range b.rooms.Only {
		if o := &b.rooms.Only[i]; slices.Contains(w.Pairs, o.Pair) && !slices.Contains(w.With, o.Name) {
			out.Writer.Without = append(out.Writer.Without, o.Name)
		}
	}
	for _, pair := range w.Pairs {
		if !b.hasMaster(pair, w.To) {
			b.problem(w.Pos, ruleName, "", "step %q: pair %s has no master in %s", st.Name, pair, w.To)
		}
	}
	out.Rungs = []RungPlan{{Bake: b.bake(st, out), Ready: out.Writer.NoWriter}}
}

func (b *planner) hasMaster(pair string, room Room) bool {
	for _, p := range b.p.Pairs {
		if p.Name == pair {
			return p.Rooms[0] == room || p.Rooms[1] == room
		}
	}
	return false
}

// onlys fills in what the keys of things say that writer steps stop and start.
func (b *planner) onlys() {
	for i := range b.rooms.Only {
		o := &b.rooms.Only[i]
		if !slices.ContainsFunc(b.book.Steps, func(st runbooks.Step) bool { return st.Writer != nil && slices.Contains(st.Writer.With, o.Name) }) {
			continue
		}
		out := OnlyPlan{Name: o.Name, Pairs: o.PairsOf(b.book), Room: b.in.Snapshot.Onlys[o.Name], Within: cmp.Or(T(o.Within), stopsWithin)}
		var rooms []Room
		for _, pair := range out.Pairs {
			rooms = append(rooms, b.p.writer(pair))
		}
		switch {
		case out.Room == "":
			b.problem(o.Pos, ruleSnapshot, "", "%s: nobody read its key", o.Name)
		case out.Room != OnlyNone && !slices.Contains(rooms, out.Room) && !b.p.Evacuate:
			b.problem(o.Pos, ruleSnapshot, "somebody else set it: look who, and set it to the writer's room or to none",
				"%s: its key says %s, and the writer that it follows is in %s: it runs nowhere", o.Name, out.Room, rooms[0])
		}
		b.p.Onlys = append(b.p.Onlys, out)
	}
}
