package cutover

import "strconv"

// payload writes what r says, field by field in the order of its type. Record.check has made sure that it is there.
func (e *lineWriter) payload(r *Record) {
	switch r.Kind {
	case KindPlan:
		e.planPart(r.Plan)
	case KindRun:
		e.runStart(r.Run)
	case KindStep:
		e.num("step", int64(r.Step.Step))
		e.num("rung", int64(r.Step.Rung))
		e.str("state", string(r.Step.State))
		e.strIf("why", r.Step.Why)
		if r.Step.Near != nil {
			e.key("near")
			e.cause(r.Step.Near)
		}
	case KindSeen:
		e.share("share", r.Seen.Share)
		e.flag("observed", r.Seen.Observed)
		if len(r.Seen.Set) > 0 {
			e.share("set", r.Seen.Set)
		}
		e.numIf("rate", r.Seen.Rate)
	case KindVerdict:
		e.str("act", string(r.Verdict.Act))
		e.causes(r.Verdict.Causes)
		e.strsIf("cleared", r.Verdict.Cleared)
	case KindPhase:
		e.phase(r.Phase)
	case KindCheckpoint:
		e.num("step", int64(r.Checkpoint.Step))
		e.str("name", r.Checkpoint.Name)
	case KindBroke:
		e.str("rule", r.Broke.Rule)
		e.str("who", r.Broke.Who)
		e.str("reason", r.Broke.Reason)
	case KindClaim:
		e.strs("names", r.Claim.Names)
	case KindCommand, KindAsked, KindAnswered:
		e.talk(r)
	default:
		e.objects(r)
	}
}

func (e *lineWriter) planPart(p *PlanPart) {
	e.str("run", p.Run)
	e.str("hash", p.Hash)
	e.num("part", int64(p.Part))
	e.num("of", int64(p.Of))
	e.strIf("continues", p.Continues)
	e.strIf("version", p.Version)
	if p.quoted == "" {
		e.str("text", p.Text)
		return
	}
	e.key("text")
	e.b = append(e.b, p.quoted...)
}

func (e *lineWriter) runStart(r *RunStart) {
	e.str("hash", r.Hash)
	e.str("version", r.Version)
	e.str("host", r.Host)
	e.str("user", r.User)
	e.num("pid", int64(r.PID))
	e.open("fences")
	for _, place := range sortedKeys(r.Fences) {
		f := r.Fences[place]
		e.name(place)
		e.b = append(e.b, '{')
		e.strIf("session", f.Session)
		e.strIf("key", f.Key)
		e.key("index")
		e.b = strconv.AppendUint(e.b, f.Index, 10)
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, '}')
	e.str("why", r.Why)
}

func (e *lineWriter) phase(m *PhaseMark) {
	e.str("phase", string(m.Phase))
	e.strIf("target", m.Target)
	e.causes(m.Causes)
	e.num("exit", int64(m.Exit))
	e.strIf("writers", m.Writers)
	if t := m.Timing; t != nil {
		e.open("timing")
		e.num("age", int64(t.Age))
		e.num("crossed", int64(t.Crossed))
		e.num("decided", int64(t.Decided))
		e.numIf("firstWrite", int64(t.FirstWrite))
		e.numIf("readBack", int64(t.Read))
		e.numIf("seen", int64(t.Seen))
		e.b = append(e.b, '}')
	}
}

func (e *lineWriter) talk(r *Record) {
	switch r.Kind {
	case KindCommand:
		c := r.Command
		e.str("id", c.ID)
		e.str("verb", c.Verb)
		e.str("who", c.Who)
		if len(c.Args) > 0 {
			e.open("args")
			for _, k := range sortedKeys(c.Args) {
				e.name(k)
				e.quote(c.Args[k])
			}
			e.b = append(e.b, '}')
		}
		e.strsIf("causes", c.Causes)
	case KindAsked:
		a := r.Asked
		e.num("step", int64(a.Step))
		e.str("what", a.What)
		e.str("text", a.Text)
		e.strIf("by", a.By)
		e.numIf("for", int64(a.For))
		e.strIf("else", a.Else)
	case KindAnswered:
		a := r.Answered
		e.num("step", int64(a.Step))
		e.str("what", a.What)
		e.str("how", a.How)
		e.strIf("who", a.Who)
	}
}

// objects writes what is said of objects and writers.
func (e *lineWriter) objects(r *Record) {
	switch r.Kind {
	case KindIntent:
		e.intent(r.Intent)
	case KindDone:
		e.num("request", int64(r.Done.Request))
		e.strs("objects", r.Done.Objects)
		e.strs("versions", r.Done.Versions)
		e.str("why", r.Done.Why)
	case KindFailed:
		e.num("request", int64(r.Failed.Request))
		e.strs("objects", r.Failed.Objects)
		e.str("why", r.Failed.Why)
		e.strIf("error", r.Failed.Error)
	case KindForeign:
		f := r.Foreign
		e.numIf("request", int64(f.Request))
		e.str("plane", f.Plane)
		e.str("object", f.Object)
		e.str("found", f.Found)
		e.strIf("version", f.Version)
		e.flagIf("gone", f.Gone)
		e.strIf("who", f.Who)
	case KindUnknown:
		e.num("request", int64(r.Unknown.Request))
		e.strs("objects", r.Unknown.Objects)
		e.num("for", int64(r.Unknown.For))
		e.strIf("error", r.Unknown.Error)
	case KindStray:
		e.str("plane", r.Stray.Plane)
		e.str("object", r.Stray.Object)
		e.str("found", r.Stray.Found)
		e.strIf("version", r.Stray.Version)
	case KindAdopted:
		a := r.Adopted
		e.str("plane", a.Plane)
		e.str("object", a.Object)
		e.str("value", a.Value)
		e.strIf("version", a.Version)
		e.str("who", a.Who)
		e.str("why", a.Why)
	case KindMove, KindWriter, KindAfter, KindOnly:
		e.writers(r)
	}
}

func (e *lineWriter) intent(in *Intent) {
	e.num("request", int64(in.Request))
	e.str("purpose", string(in.Purpose))
	e.num("step", int64(in.Step))
	e.num("rung", int64(in.Rung))
	e.num("wave", int64(in.Wave))
	e.flagIf("last", in.Last)
	e.key("changes")
	e.b = append(e.b, '[')
	for i := range in.Changes {
		c := &in.Changes[i]
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, '{')
		e.key("seat")
		e.seat(c.Seat)
		e.str("plane", c.Plane)
		e.str("object", c.Object)
		e.str("before", c.Before)
		e.str("after", c.After)
		e.strIf("version", c.Version)
		if len(c.Gives) > 0 {
			e.share("gives", c.Gives)
		}
		e.b = append(e.b, '}')
	}
	e.b = append(e.b, ']')
}

// seat is Seat.String without the new string: two quoted halves become one.
func (e *lineWriter) seat(s Seat) {
	e.quote(s.Route)
	if s.At == "" {
		return
	}
	e.b[len(e.b)-1] = '@'
	at := len(e.b)
	e.quote(s.At)
	e.b = append(e.b[:at], e.b[at+1:]...)
}

func (e *lineWriter) writers(r *Record) {
	if m := r.Move; m != nil {
		e.str("pair", m.Pair)
		e.str("wish", m.Wish)
		e.str("verb", m.Verb)
		e.str("state", m.At)
		e.strIf("why", m.Why)
		e.numIf("none", int64(m.None))
		return
	}
	if a := r.After; a != nil {
		e.str("pair", a.Pair)
		e.num("epoch", a.Epoch)
		e.strIf("strays", a.Strays)
		e.strsIf("conflicts", a.Conflicts)
		e.strIf("pos", a.Pos)
		e.flagIf("checked", a.Checked)
		e.strsIf("wrong", a.Wrong)
		return
	}
	if m := r.Only; m != nil {
		e.str("name", m.Name)
		e.str("room", m.Room)
		e.num("epoch", m.Epoch)
		e.str("state", m.At)
		e.strIf("why", m.Why)
		return
	}
	w := r.Writer
	e.str("pair", w.Pair)
	e.str("phase", w.Phase)
	e.num("epoch", w.Epoch)
	e.num("number", w.Number)
	e.str("writer", w.Writer)
	e.strIf("pos", w.Pos)
	e.strIf("server", w.Server)
}
