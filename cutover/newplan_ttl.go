package cutover

import (
	"fmt"
	"strconv"

	"roomshift/runbooks"
)

// ttlText is a TTL as a TTL object holds it: whole seconds.
func ttlText(t T) string { return strconv.FormatInt(int64(t/Second), 10) }

func parseTTL(value string) (T, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 || n > 1<<31 {
		return 0, fmt.Errorf("the TTL is %q; want whole seconds", value)
	}
	return T(n) * Second, nil
}

// holdTTLs reads how long each name's answers are kept now: what is written shows that late, whatever its plane says.
func (b *planner) holdTTLs() {
	b.showsOf = make(map[string]T, len(b.p.Routes))
	for i := range b.p.Routes {
		b.showsOf[b.p.Routes[i].Name] = b.p.Routes[i].Shows
	}
	for _, seat := range sortedSeats(b.ttlHeld) {
		for i := range b.ttlHeld[seat] {
			h := &b.ttlHeld[seat][i]
			ttl, err := parseTTL(h.Value)
			if err != nil {
				b.problem(b.defs[seat.Route].Pos, ruleSnapshot, "", "%s %s: %v", seat, h.ID(), err)
				continue
			}
			b.showsOf[seat.Route] = max(b.showsOf[seat.Route], ttl)
		}
	}
	for i := range b.p.Routes {
		b.p.Routes[i].Shows = b.showsOf[b.p.Routes[i].Name]
	}
}

// ttlStep plans a ttl step: one rung that is settled when the longest old TTL is over, for until then somebody holds the old answer.
func (b *planner) ttlStep(st *runbooks.Step, out *StepPlan) {
	r := RungPlan{TTL: map[Seat]T{}}
	for _, t := range st.TTL {
		for _, seat := range b.expand(t.Pos, t.Name, b.ttlPlane, "TTL") {
			r.TTL[seat] = T(t.TTL)
		}
	}
	byPlane := map[int][]Change{}
	for _, seat := range sortedSeats(r.TTL) {
		want := ttlText(r.TTL[seat])
		for i := range b.ttlHeld[seat] {
			h := &b.ttlHeld[seat][i]
			if old, err := parseTTL(h.Value); err == nil {
				r.OldTTL = max(r.OldTTL, old)
			}
			if h.Value != want {
				p := b.ttlPlane[seat]
				byPlane[p] = append(byPlane[p], Change{Seat: seat, Plane: h.Plane, Object: h.Object, Before: h.Value, After: want, Version: h.Version})
			}
		}
	}
	for _, p := range sortedInts(byPlane) {
		r.Changes = append(r.Changes, byPlane[p]...)
	}
	r.Skip = len(r.Changes) == 0
	if !r.Skip {
		r.Waves = []int{len(r.Changes)}
		b.apply(b.ttlHeld, b.ttlPlane, r.Changes)
		b.nowShows(r.TTL)
	}
	r.Settle = b.ttlSettle(st, out, r.OldTTL)
	r.Bake = T(st.Bake)
	r.Ready = writeTime(len(r.Changes), true) + r.OldTTL
	out.Rungs = []RungPlan{r}
}

// nowShows remembers that names whose TTLs were all set are answered by the new ones.
func (b *planner) nowShows(ttl map[Seat]T) {
	longest := map[string]T{}
	for seat := range ttl {
		longest[seat.Route] = 0
	}
	for seat, held := range b.ttlHeld {
		if _, ok := longest[seat.Route]; !ok {
			continue
		}
		for i := range held {
			if t, err := parseTTL(held[i].Value); err == nil {
				longest[seat.Route] = max(longest[seat.Route], t)
			}
		}
	}
	for route, t := range longest {
		b.showsOf[route] = t
	}
}

func (b *planner) ttlSettle(st *runbooks.Step, out *StepPlan, old T) SettlePlan {
	p := SettlePlan{Within: old + Minute, Else: "ask"}
	if st.Settle != nil && st.Settle.Within > 0 {
		p.Within = T(st.Settle.Within)
	} else {
		out.defaulted("settle.within")
	}
	if st.Settle != nil && st.Settle.Else != "" {
		p.Else = st.Settle.Else
	} else {
		out.defaulted("settle.else")
	}
	return p
}
