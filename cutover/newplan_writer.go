package cutover

import (
	"cmp"

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
	if len(w.With) > 0 {
		b.problem(w.Pos, ruleNotYet, "", "step %q: `with` isn't carried out by this version", st.Name)
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
