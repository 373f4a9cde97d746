package cutover

import "slices"

// judge reads the board and does what a verdict asks of the phase in force. In one moment: lease lost > a person > freeze >
// back > hold; a person's command was taken when it came.
func (e *engine) judge() {
	if e.ended || e.err != nil {
		return
	}
	e.takeLocks()
	if !e.ready {
		e.starting()
		if !e.ready || e.ended {
			return
		}
	}
	e.vantage = e.makeVantage()
	j := e.board.Judge(e.now, e.vantage)
	if j.Next < Never {
		e.at(j.Next)
	}
	e.judged = e.temper(j)
	e.journalVerdict()
	e.actOn()
}

// ownTrouble is what stops a run from going forward beside its gates. Going back waits for none of it: it needs the local record
// and the lock of the Consul that it writes to, which is asked for at each request.
func (e *engine) ownTrouble() []Cause {
	switch cs := e.lockTrouble(); {
	case e.p.Paused != "":
		return []Cause{{Gate: "person", Color: Amber, Text: "paused by " + e.p.Paused}}
	case e.out.trouble != "":
		return []Cause{{Gate: "journal", Color: Amber, Text: e.out.trouble}}
	case len(e.unread) > 0:
		return e.unreadTrouble()
	default:
		return cs
	}
}

// temper adds what the engine itself knows to what the gauges say.
func (e *engine) temper(j Judgement) Judgement {
	if j.Act == Advance && e.p.Phase != PhaseBack {
		if cs := append(e.ownTrouble(), e.keepTrouble()...); len(cs) > 0 {
			j.Act, j.Causes = Hold, cs
		}
	}
	if e.freshFrom > 0 && e.p.Phase != PhaseFrozen {
		if e.board.Fresh(e.now, e.vantage, e.freshFrom) {
			e.freshFrom = 0
			e.changed()
		} else if e.at(e.board.NextCame(e.now, e.freshFrom)); j.Act != Freeze {
			j.Act, j.Causes = Hold, []Cause{{Gate: "takeover", Color: Blind, Text: "waits for one sample of each gate of the room that receives"}}
		}
	}
	return j
}

// journalVerdict records changes of the act and of who causes it; values alone are no change.
func (e *engine) journalVerdict() {
	last := &e.p.Verdict
	cleared := e.clearedAnswers()
	if e.judged.Act == last.Act && sameCauses(e.judged.Causes, last.Causes) && len(cleared) == 0 {
		return
	}
	e.propose(Record{Kind: KindVerdict, Verdict: &VerdictMark{Act: e.judged.Act, Causes: e.judged.Causes, Cleared: cleared}}, false)
}

func (e *engine) clearedAnswers() []string {
	var out []string
	for _, k := range e.judged.Clear {
		if _, ok := e.p.Answered[k]; ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

func sameCauses(a, b []Cause) bool {
	return slices.EqualFunc(a, b, func(x, y Cause) bool { return x.Gate == y.Gate && x.Room == y.Room && x.Color == y.Color })
}

// actOn turns or freezes the run when the verdict says so.
func (e *engine) actOn() {
	j := &e.judged
	switch e.p.Phase {
	case PhaseForward, PhaseResting:
		switch {
		case j.Act == Freeze:
			e.freeze(j.Causes)
		case j.Act == Back && e.freshFrom == 0:
			target := e.p.LastTarget
			if j.Rung {
				target = backTarget(e.p, rungTarget)
			}
			e.turnBack(target, j.Causes)
		}
	case PhaseBack:
		if j.Act == Freeze {
			e.freeze(j.Causes)
		}
	}
	if e.p.Phase == PhaseForward && e.lostUnfenced() {
		e.freeze(e.lockTrouble())
	}
}

// lostUnfenced: the lock that stands for media without a fence of their own is lost. They stop at once, and people are told.
func (e *engine) lostUnfenced() bool {
	if e.evacuating() {
		return false
	}
	for i := range e.planes {
		pl := &e.planes[i]
		if l := e.leaseOf(pl.Place); l != nil && l.lost && !pl.FencedByServer && pl.written {
			return true
		}
	}
	return false
}

func (e *engine) evacuating() bool { return e.plan.Evacuate }

func (e *engine) makeVantage() Vantage {
	c := e.compose()
	v := e.vantage
	v.Phase, v.From, v.To, v.Evacuate = e.p.Phase, e.plan.From, e.plan.To, e.plan.Evacuate
	v.Set = c.All
	v.Wanted = c.All
	v.Sent = e.p.Changed
	if v.Writers == nil || len(v.Writers) != len(e.plan.Pairs) {
		v.Writers, v.OnLost, v.MovedWriter, v.Returns = map[string]Room{}, map[string]string{}, map[string]bool{}, map[string]bool{}
		for _, p := range e.plan.Pairs {
			v.Writers[p.Name], v.OnLost[p.Name] = p.Writer, p.OnLost
		}
	}
	for pair, m := range e.p.Writers {
		v.Writers[pair] = m.Writer
	}
	v.MovedWriter = e.watched()
	e.sinceTarget(&v, &c)
	v.Muted, v.Answered = e.mutes(), e.answeredSet()
	return v
}

// targetWas is what a target recorded, in composed basis points: of all requests To's, and those that crossed.
type targetWas struct{ to, crossing int }

// sinceTarget puts into a vantage how much To has gained since the target of going back was recorded, how much less would cross after
// going back, and whose writers would return.
func (e *engine) sinceTarget(v *Vantage, now *Composed) {
	v.Moved, v.Crossing = 0, 0
	name := e.p.Target
	if name == "" {
		name = e.p.LastTarget
	}
	t := e.p.Targets[name]
	if t == nil {
		return
	}
	was, ok := e.was[name]
	if !ok {
		c := e.targetComposed(t)
		was = targetWas{c.All[e.plan.To], c.Crossing}
		if t.Share != nil {
			was.to = t.Share[e.plan.To]
		}
		e.was[name] = was
	}
	v.Moved, v.Crossing = now.All[e.plan.To]-was.to, now.Crossing-was.crossing
	for pair, m := range e.p.Writers {
		at, ok := t.Writers[pair]
		if !ok { // nothing was journaled of it yet
			at = e.plan.writer(pair)
		}
		v.Returns[pair] = m.Writer == e.plan.To && at == e.plan.From
	}
}

func (e *engine) answeredSet() map[string]bool {
	if len(e.p.Answered) == 0 {
		return nil
	}
	m := make(map[string]bool, len(e.p.Answered))
	for k := range e.p.Answered {
		m[k] = true
	}
	return m
}

// mutes are the gates that a person muted and whose time isn't over.
func (e *engine) mutes() map[string]bool {
	if len(e.p.Mutes) == 0 {
		return nil
	}
	m := map[string]bool{}
	for gate, c := range e.p.Mutes {
		until, err := parseWall(c.Args["until"])
		if err != nil {
			continue
		}
		if now := e.wall(); now.Before(until) {
			m[gate] = true
			e.at(e.now + T(until.Sub(now)))
		}
	}
	return m
}
