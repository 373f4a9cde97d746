package cutover

import (
	"fmt"
	"strings"
)

// Rules stand below the runbook, in the one place every write passes. They read composed shares: what an entry's users would
// get, not what a seat would hold. On the way back only `serves` is left; pacing there is the engine's.

// RuleBreak is a rule that a write would break. Text names the object, what would be, what is allowed.
type RuleBreak struct{ Rule, Text string }

// The rules that Judge knows, by the names that a person breaks them by.
const (
	RuleServes   = "serves"   // each seat gives to at least one room that has something alive
	RuleSum      = "sum"      // a seat's shares sum to 100 %
	RuleFirst    = "first"    // into a room below 5 %: at most 5 points
	RuleMaxMove  = "maxMove"  // in one rung, of one entry
	RuleMaxShare = "maxShare" // of one entry in a room, as the runbook says
	RuleMaxOut   = "maxOut"   // of a service's live instances out in one request
	RuleHeadroom = "headroom" // load at the rates now, of capacity
	RulePeak     = "peak"     // load at the declared peak: never over the whole capacity
)

// RuleWrite is a write to be judged. Before and After are what all seats hold before it and would hold after it. RungStart is
// what seats held when the rung began (those it leaves out: as Before), nil outside a rung. Held are the objects of the touched
// seats before the write.
type RuleWrite struct {
	Purpose   Purpose
	Evacuate  bool
	RungStart map[Seat]Share
	Before    map[Seat]Share
	After     map[Seat]Share
	Held      []Held
	Changes   []Change
	Rates     map[Seat]float64
	// OneRequest: Changes travel as one request, so maxOut is judged too. A rung or a wave is cut by Pack, which keeps it.
	OneRequest bool
}

// scaleSlack is what a consumer's scale may add to a share that the plan held to its rules, or take from the one before.
const scaleSlack = Near

// Judge names the rules that a write would break, in a fixed order. Forward writes, and those that keep a share, are held to all of
// them; evacuating sets first, maxMove, maxOut, headroom and peak aside; every other purpose is held to `serves` alone.
func (c *Composer) Judge(w RuleWrite) []RuleBreak {
	breaks := c.serves(&w)
	if w.Purpose != Forward && w.Purpose != Keep {
		return breaks
	}
	breaks = append(breaks, sums(&w)...)
	m := moveCheck{before: w.Before, after: w.After, rates: w.Rates, evacuate: w.Evacuate, slack: scaleSlack, touched: touchedBy(&w)}
	m.was, m.is = *c.scrap(0, w.Before, w.Rates), *c.scrap(1, w.After, w.Rates)
	m.start = m.was
	if len(w.RungStart) > 0 {
		m.start = *c.scrap(2, overlay(w.Before, w.RungStart), w.Rates)
	}
	breaks = append(breaks, c.moves(&m)...)
	if w.OneRequest && !w.Evacuate {
		breaks = append(breaks, c.outs(&w)...)
	}
	return breaks
}

// scrap is Compose into working memory: it is good until the next scrap of the same number.
func (c *Composer) scrap(n int, set map[Seat]Share, rates map[Seat]float64) *Composed {
	c.ComposeInto(&c.scraps[n], set, rates)
	return &c.scraps[n]
}

// touchedBy is the seats that a write touches; without changes, those whose shares differ.
func touchedBy(w *RuleWrite) map[Seat]Share {
	m := map[Seat]Share{}
	for i := range w.Changes {
		if w.Changes[i].Gives != nil {
			m[w.Changes[i].Seat] = nil
		}
	}
	if len(w.Changes) > 0 {
		return m
	}
	for seat, sh := range w.After {
		if !sameShare(sh, w.Before[seat]) {
			m[seat] = nil
		}
	}
	return m
}

// serves holds that a seat which is written still gives its traffic to something alive. Going back isn't stopped at a seat
// that nothing served before.
func (c *Composer) serves(w *RuleWrite) []RuleBreak {
	weights := weighSeats(w)
	var out []RuleBreak
	for _, seat := range sortedSeats(touchedBy(w)) {
		var ok, was bool
		if of := weights[seat]; of != nil && of.listed {
			ok, was = of.after > 0, of.before > 0
		} else {
			ok, was = total(w.After[seat]) > 0, total(w.Before[seat]) > 0
		}
		if !ok && (was || w.Purpose == Forward) {
			out = append(out, RuleBreak{RuleServes, fmt.Sprintf("%s: nothing alive would serve it any more; at least one room must", seat)})
		}
	}
	return out
}

// seatWeights is what a seat's live objects weigh before and after a write. Listed: it is made of objects that weigh something.
type seatWeights struct {
	before, after int
	listed        bool
}

func weighSeats(w *RuleWrite) map[Seat]*seatWeights {
	gives := make(map[ObjectID]Share, len(w.Changes))
	for i := range w.Changes {
		if ch := &w.Changes[i]; ch.Gives != nil {
			gives[ch.ID()] = ch.Gives
		}
	}
	weights := map[Seat]*seatWeights{}
	var of *seatWeights // of the object before: what is held comes seat by seat
	for i := range w.Held {
		h := &w.Held[i]
		if of == nil || h.Seat != w.Held[i-1].Seat {
			if of = weights[h.Seat]; of == nil {
				of = &seatWeights{}
				weights[h.Seat] = of
			}
		}
		of.listed = of.listed || len(h.Weights) > 0
		if !h.Live {
			continue
		}
		of.before += total(h.Weights)
		if g, ok := gives[h.ID()]; ok {
			of.after += total(g)
		} else {
			of.after += total(h.Weights)
		}
	}
	return weights
}

// sums holds that what the seats would hold is a whole share.
func sums(w *RuleWrite) []RuleBreak {
	var out []RuleBreak
	for _, seat := range sortedSeats(touchedBy(w)) {
		sh, ok := w.After[seat]
		if !ok {
			continue // nothing alive: serves says it
		}
		bad := total(sh) != Whole
		for _, v := range sh {
			bad = bad || v < 0
		}
		if bad {
			out = append(out, RuleBreak{RuleSum, fmt.Sprintf("%s: its shares would be %s, together %s; they must be 100 %%", seat, shareText(sh), percent(total(sh)))})
		}
	}
	return out
}

// moveCheck is what the rules of shares and loads are read from: seats and what they compose to, when the rung began (start),
// before the write (was) and after it (is).
type moveCheck struct {
	before, after  map[Seat]Share
	start, was, is Composed
	touched        map[Seat]Share
	rates          map[Seat]float64
	evacuate       bool
	slack          int
}

// moves holds first, maxMove, maxShare, headroom and peak.
func (c *Composer) moves(m *moveCheck) []RuleBreak {
	var found brokenMoves
	for _, e := range c.touched(m.touched) {
		for _, room := range c.rooms {
			c.entryMove(m, &found, e, room, m.start.Entries[e][room], m.was.Entries[e][room], m.is.Entries[e][room])
		}
	}
	out := found.breaks()
	if m.evacuate {
		return out
	}
	mid := c.midway(m)
	for _, k := range []struct {
		rule  string
		peak  bool
		limit float64
	}{{RuleHeadroom, false, float64(c.p.Rules.Headroom) / Whole}, {RulePeak, true, 1}} {
		if k.peak && len(c.peaks) == 0 {
			continue
		}
		over := c.OverCapacity(m.after, m.rates, k.peak, k.limit, m.before)
		if len(over) == 0 && mid != nil {
			for _, text := range append(c.OverCapacity(mid, m.rates, k.peak, k.limit, m.before), c.overLines(mid, m.rates, k.peak, m.before)...) {
				over = append(over, "until names are asked again "+text)
			}
		}
		if len(over) > 0 {
			out = append(out, RuleBreak{k.rule, strings.Join(over, "; ")})
		}
	}
	return out
}

// midway is what users get between the two writes of a rung that moves names and what they lead into: what shows at once is there, and names
// are answered as before. Nil where all of it shows alike.
func (c *Composer) midway(m *moveCheck) map[Seat]Share {
	late := map[string]bool{}
	for i := range c.p.Routes {
		late[c.p.Routes[i].Name] = slow(c.p.Routes[i].Shows)
	}
	mid, some := map[Seat]Share{}, [2]bool{}
	for seat := range m.touched {
		if late[seat.Route] {
			mid[seat], some[0] = m.before[seat], true
		} else {
			some[1] = true
		}
	}
	if !some[0] || !some[1] {
		return nil
	}
	return overlay(m.after, mid)
}

// entryMove holds the rules of one entry's share in one room.
func (c *Composer) entryMove(m *moveCheck, found *brokenMoves, entry string, room Room, start, before, after int) {
	r := &c.p.Rules
	gain := after - start
	switch {
	case m.evacuate:
	case start+m.slack < r.FirstMove && gain > r.FirstMove+m.slack:
		found.add(RuleFirst, entry, fmt.Sprintf("in %s would go from %s to %s at once; into a room below %s a rung moves at most %d points", room, percent(start), percent(after), percent(r.FirstMove), r.FirstMove/100))
	case gain > r.MaxMove+2*m.slack:
		found.add(RuleMaxMove, entry, fmt.Sprintf("in %s would go from %s to %s in one rung; at most %d points are allowed", room, percent(start), percent(after), r.MaxMove/100))
	}
	if limit, ok := r.MaxShare[room]; ok && after > limit+m.slack && after > before {
		found.add(RuleMaxShare, entry, fmt.Sprintf("in %s would be at %s; this runbook allows %s", room, percent(after), percent(limit)))
	}
}

// brokenMoves gathers the entries of which one thing is to be said: a group of a thousand is one sentence.
type brokenMoves struct {
	rules, texts []string
	entries      [][]string
}

func (f *brokenMoves) add(rule, entry, text string) {
	for i := range f.texts {
		if f.rules[i] == rule && f.texts[i] == text {
			f.entries[i] = append(f.entries[i], entry)
			return
		}
	}
	f.rules, f.texts, f.entries = append(f.rules, rule), append(f.texts, text), append(f.entries, []string{entry})
}

func (f *brokenMoves) breaks() []RuleBreak {
	var out []RuleBreak
	for i, names := range f.entries {
		text := strings.Join(names, ", ")
		if len(names) > 4 {
			text = fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
		}
		out = append(out, RuleBreak{f.rules[i], text + " " + f.texts[i]})
	}
	return out
}

// outs holds maxOut: of a seat's live instances that serve nothing any more after one request. One is always allowed.
func (c *Composer) outs(w *RuleWrite) []RuleBreak {
	gives := make(map[ObjectID]*Change, len(w.Changes))
	for i := range w.Changes {
		gives[w.Changes[i].ID()] = &w.Changes[i]
	}
	live, out := map[Seat]int{}, map[Seat]int{}
	for i := range w.Held {
		h := &w.Held[i]
		if !h.Live {
			continue
		}
		live[h.Seat]++
		if ch := gives[h.ID()]; ch != nil && total(h.Weights) > 0 && takesOut(ch) {
			out[h.Seat]++
		}
	}
	var breaks []RuleBreak
	for _, seat := range sortedSeats(out) {
		if n := out[seat]; n > 1 && n*Whole > live[seat]*c.p.Rules.MaxOut {
			breaks = append(breaks, RuleBreak{RuleMaxOut, fmt.Sprintf("%s: one request would take %d of %d live instances out; at most %s may go at once", seat, n, live[seat], percent(c.p.Rules.MaxOut))})
		}
	}
	return breaks
}

// Passed tells whether the live composed share is already past what the rung would set: for every entry that it influences the
// room to would have less than now. For rungs that name one layer only (RungPlan.One).
func (c *Composer) Passed(set, want map[Seat]Share, to Room, rates map[Seat]float64) bool {
	return c.passed(c.scrap(0, set, rates), c.scrap(1, overlay(set, want), rates), want, to)
}

func (c *Composer) passed(live, would *Composed, want map[Seat]Share, to Room) bool {
	any := false
	for _, e := range c.touched(want) {
		if would.Entries[e][to] >= live.Entries[e][to] {
			return false
		}
		any = true
	}
	return any
}

// touched names the entries that these seats influence, each once, in the order of the file.
func (c *Composer) touched(seats map[Seat]Share) []string {
	hit := map[string]bool{}
	for s := range seats {
		for _, e := range c.entryOf[s.Route] {
			hit[e] = true
		}
	}
	var out []string
	for i := range c.entries {
		if hit[c.entries[i].name] {
			out = append(out, c.entries[i].name)
		}
	}
	return out
}
