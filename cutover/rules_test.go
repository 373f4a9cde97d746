package cutover

import (
	"strings"
	"testing"
)

// ruleWorld is a gateway in home and a service with ten instances in each room, seven thousand requests a second.
func ruleWorld() (*Composer, RuleWrite) {
	w := newPlanWorld().shift("s", "gw@home", []float64{12})
	p, _ := NewPlan(w.input())
	p.Rooms[1].Capacity = map[string]float64{"entry": 10000}
	p.Peak = map[string]float64{"entry": 10000}
	set := SeatShares(p.Held)
	rates := map[Seat]float64{}
	for _, l := range testLines {
		rates[Seat{"www", l}], rates[Seat{"api", l}] = 1000, 750
	}
	return NewComposer(p), RuleWrite{Purpose: Forward, Before: set, After: overlay(set, nil), Rates: rates}
}

// gwTo lets gw@home go from one share to another.
func gwTo(w *RuleWrite, from, to int) {
	s := Seat{"gw", "home"}
	w.Before, w.After = overlay(w.Before, map[Seat]Share{s: cloud(from)}), overlay(w.After, map[Seat]Share{s: cloud(to)})
	w.Held = []Held{{Seat: s, Plane: "kv", Object: "gw/home", Live: true, Weights: cloud(from)}}
	w.Changes = []Change{{Seat: s, Plane: "kv", Object: "gw/home", Gives: cloud(to)}}
}

// searchTo sets the weights of the first n live instances of home.
func searchTo(w *RuleWrite, n, weight int) {
	w.Held = instances("svc", "search", "home", "home", 10, 6000)
	w.Held = append(w.Held, instances("svc", "search", "home", "cloud", 10, 600)...)
	w.Changes = nil
	for _, h := range w.Held[:n] {
		w.Changes = append(w.Changes, Change{Seat: h.Seat, Plane: h.Plane, Object: h.Object, Gives: Share{"home": weight}})
	}
}

func TestJudge(t *testing.T) {
	gw := Seat{"gw", "home"}
	for name, x := range map[string]struct {
		make func(c *Composer, w *RuleWrite)
		want string // rules, in order
	}{
		"a plain rung":             {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 3000) }, ""},
		"first, at the limit":      {func(_ *Composer, w *RuleWrite) { gwTo(w, 0, 500) }, ""},
		"first, within the scale":  {func(_ *Composer, w *RuleWrite) { gwTo(w, 0, 525) }, ""},
		"first":                    {func(_ *Composer, w *RuleWrite) { gwTo(w, 0, 526) }, RuleFirst},
		"first, from 4.74 %":       {func(_ *Composer, w *RuleWrite) { gwTo(w, 474, 1100) }, RuleFirst},
		"from what 5 % rounds to":  {func(_ *Composer, w *RuleWrite) { gwTo(w, 476, 3000) }, ""},
		"maxMove, rounded twice":   {func(_ *Composer, w *RuleWrite) { gwTo(w, 975, 4025) }, ""},
		"maxMove, more than that":  {func(_ *Composer, w *RuleWrite) { gwTo(w, 975, 4026) }, RuleMaxMove},
		"first, in two writes":     {func(_ *Composer, w *RuleWrite) { gwTo(w, 500, 1000); w.RungStart = map[Seat]Share{gw: cloud(0)} }, RuleFirst},
		"from 5 % on":              {func(_ *Composer, w *RuleWrite) { gwTo(w, 500, 2000) }, ""},
		"maxMove, at the limit":    {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 4000) }, ""},
		"maxMove":                  {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 4100) }, RuleMaxMove},
		"maxMove, since the rung":  {func(_ *Composer, w *RuleWrite) { gwTo(w, 3000, 4100); w.RungStart = map[Seat]Share{gw: cloud(1000)} }, RuleMaxMove},
		"maxShare":                 {func(c *Composer, w *RuleWrite) { c.p.Rules.MaxShare = map[Room]int{"cloud": 300}; gwTo(w, 0, 400) }, RuleMaxShare},
		"maxShare, on the way out": {func(c *Composer, w *RuleWrite) { c.p.Rules.MaxShare = map[Room]int{"cloud": 300}; gwTo(w, 600, 400) }, ""},
		"headroom": {func(c *Composer, w *RuleWrite) {
			c.p.Rooms[1].Capacity["entry"] = 2000
			*c = *NewComposer(c.p)
			c.p.Peak = nil
			*c = *NewComposer(c.p)
			gwTo(w, 1000, 3000)
		}, RuleHeadroom},
		"headroom, falling": {func(c *Composer, w *RuleWrite) {
			c.p.Rooms[1].Capacity["entry"] = 1000
			*c = *NewComposer(c.p)
			gwTo(w, 3000, 2900)
		}, ""},
		"peak": {func(c *Composer, w *RuleWrite) {
			c.p.Peak["entry"] = 40000
			*c = *NewComposer(c.p)
			gwTo(w, 1000, 3000)
		}, RulePeak},
		"sum": {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 1200); w.After[gw] = Share{"cloud": 1200, "home": 8000} }, RuleSum},
		"negative": {func(_ *Composer, w *RuleWrite) {
			gwTo(w, 1000, 1200)
			w.After[gw] = Share{"cloud": -100, "home": 10100}
		}, RuleSum},
		"out, 4 of 20":       {func(_ *Composer, w *RuleWrite) { searchTo(w, 8, 0); w.OneRequest = true }, ""},
		"out, 9 of 20":       {func(_ *Composer, w *RuleWrite) { searchTo(w, 9, 0); w.OneRequest = true }, RuleMaxOut},
		"out, of what lives": {func(_ *Composer, w *RuleWrite) { searchTo(w, 8, 0); w.OneRequest = true; w.Held[19].Live = false }, RuleMaxOut},
		"lowered, not out":   {func(_ *Composer, w *RuleWrite) { searchTo(w, 10, 1); w.OneRequest = true }, ""},
		"evacuating": {func(c *Composer, w *RuleWrite) {
			c.p.Peak["entry"] = 90000
			*c = *NewComposer(c.p)
			gwTo(w, 0, Whole)
			w.Evacuate = true
		}, ""},
		"evacuating, maxShare": {func(c *Composer, w *RuleWrite) {
			c.p.Rules.MaxShare = map[Room]int{"cloud": 300}
			gwTo(w, 0, Whole)
			w.Evacuate = true
		}, RuleMaxShare},
		"serves":            {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 0); w.Changes[0].Gives = Share{} }, RuleServes},
		"serves, the dead":  {func(_ *Composer, w *RuleWrite) { gwTo(w, 1000, 1200); w.Held[0].Live = false }, RuleServes},
		"back: only serves": {func(_ *Composer, w *RuleWrite) { gwTo(w, 9000, 0); w.Purpose = Undo }, ""},
		"back: serves": {func(_ *Composer, w *RuleWrite) {
			gwTo(w, 9000, 0)
			w.Purpose = Undo
			w.Changes[0].Gives = Share{"home": 0}
		}, RuleServes},
		"back: pace":               {func(_ *Composer, w *RuleWrite) { gwTo(w, 0, 9000); w.Purpose = Pace }, ""},
		"back: it was dead before": {func(_ *Composer, w *RuleWrite) { gwTo(w, 9000, 0); w.Purpose = Undo; w.Held[0].Live = false }, ""},
		"a TTL": {func(_ *Composer, w *RuleWrite) {
			w.Changes = []Change{{Seat: Seat{"www", "default"}, Object: "t", After: "60"}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, w := ruleWorld()
			x.make(c, &w)
			var got []string
			for _, b := range c.Judge(w) {
				got = append(got, b.Rule)
				if b.Text == "" {
					t.Errorf("rule %s has no text", b.Rule)
				}
			}
			if strings.Join(got, " ") != x.want {
				t.Errorf("broken: %v, want %q", c.Judge(w), x.want)
			}
		})
	}
}

func TestJudgeNamesManyEntriesOnce(t *testing.T) {
	c, w := ruleWorld()
	gwTo(&w, 1000, 4200)
	if got := c.Judge(w); len(got) != 1 || !strings.HasPrefix(got[0].Text, "www, api in cloud would go from 10 % to 42 %") {
		t.Errorf("%+v", got)
	}
}
