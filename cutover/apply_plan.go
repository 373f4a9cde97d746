package cutover

import (
	"strings"
	"unicode/utf8"
)

// maxPart is how many bytes of a plan's text one record carries: a shared journal's value holds 512 KiB, and quoting adds to it.
const maxPart = 256 << 10

// SplitPlan cuts a plan's text into the parts that go into the journal, at most 256 KiB each and never inside a character.
// Continues is the checkpoint that a later segment goes on from; version, the program's, stands in the first part.
func SplitPlan(run, hash, continues, version, text string) []PlanPart {
	var parts []PlanPart
	for rest := text; len(rest) > 0 || len(parts) == 0; {
		n := min(len(rest), maxPart)
		for n < len(rest) && n > 0 && !utf8.RuneStart(rest[n]) {
			n--
		}
		parts = append(parts, PlanPart{Run: run, Hash: hash, Part: len(parts) + 1, Continues: continues, Text: rest[:n]})
		rest = rest[n:]
	}
	for i := range parts {
		parts[i].Of = len(parts)
	}
	parts[0].Version = version
	return parts
}

func (p *Progress) applyPlan(r *Record) error {
	part := r.Plan
	if err := p.nextPart(r); err != nil {
		return err
	}
	if part.Part < part.Of {
		if part.Part == 1 {
			p.fold.part = *part
			p.fold.part.Text = ""
		}
		p.parts = append(p.parts, part.Text)
		return nil
	}
	text := part.Text
	if len(p.parts) > 0 {
		text = strings.Join(p.parts, "") + part.Text
	}
	plan, err := p.decode(r, text)
	if err != nil {
		return err
	}
	if p.Plan == nil {
		p.firstSegment(r, plan)
	} else if err := p.laterSegment(r, plan); err != nil {
		return err
	}
	p.takeOnlys(plan)
	p.Run, p.Hash, p.Plan, p.parts = part.Run, part.Hash, plan, nil
	p.Segment++
	p.Began = r.Wall
	p.Steps = make([]StepProgress, len(plan.Steps))
	for i := range p.Steps {
		p.Steps[i].State = StepPending
	}
	p.Phase, p.Target, p.Causes, p.Exit, p.Paused, p.Asked = PhaseForward, "", nil, ExitDone, "", nil
	p.fold.waves, p.fold.rung = nil, nil
	p.takeWanted(plan)
	return nil
}

// nextPart holds that a plan comes part by part, of this run, at a time for plans.
func (p *Progress) nextPart(r *Record) error {
	part := r.Plan
	if p.Plan != nil && part.Run != p.Run {
		return refuse(r, "it belongs to run %q, and this is the journal of %q", part.Run, p.Run)
	}
	want := len(p.parts) + 1
	if part.Part != want || part.Of < part.Part || part.Run == "" {
		return refuse(r, "part %d of %d of run %q isn't the next part of a plan; want part %d", part.Part, part.Of, part.Run, want)
	}
	if first := &p.fold.part; want > 1 {
		if part.Hash != first.Hash || part.Of != first.Of || part.Run != first.Run || part.Continues != first.Continues {
			return refuse(r, "part %d belongs to plan %.8s of %q, and part 1 to %.8s of %q", part.Part, part.Hash, part.Run, first.Hash, first.Run)
		}
		return nil
	}
	if p.Plan == nil && part.Continues != "" {
		return refuse(r, "it goes on from checkpoint %q, and the run has none: its first plan begins at the start", part.Continues)
	}
	return p.mayContinue(r)
}

// mayContinue holds that a later plan goes on where the run rests.
func (p *Progress) mayContinue(r *Record) error {
	part := r.Plan
	switch {
	case p.Plan == nil:
		return nil
	case p.Phase != PhaseResting:
		return refuse(r, "the run is %s: only a resting run goes on with a new plan", p.Phase)
	case p.OpenCount() > 0:
		return refuse(r, "%s: a new plan begins where nothing is open", p.openText())
	case part.Continues != p.LastTarget:
		return refuse(r, "it goes on from %q, and the run rests at %q", part.Continues, p.LastTarget)
	}
	return nil
}

func (p *Progress) decode(r *Record, text string) (*Plan, error) {
	if x := p.fold.expect; x != nil && x.hash == r.Plan.Hash && x.text == text {
		return x.plan, nil
	}
	hash := planHash([]byte(text))
	if hash != r.Plan.Hash {
		return nil, refuse(r, "the plan's text has the hash %.8s, and the record says %.8s: the text was edited or a part is missing", hash, r.Plan.Hash)
	}
	plan, err := DecodePlan([]byte(text))
	if err != nil {
		return nil, refuse(r, "the plan %.8s can't be read: %v", hash, err)
	}
	return plan, nil
}

// firstSegment takes the snapshot as what the start is: what every object held before the first change.
func (p *Progress) firstSegment(r *Record, plan *Plan) {
	start := &Target{Name: startTarget, Step: -1, Want: make(map[ObjectID]string, len(plan.Held)), Writers: map[string]Room{},
		Onlys: map[string]Room{}, Segment: 1, Seq: r.Seq}
	objects := make([]Object, len(plan.Held))
	if len(p.Objects) == 0 {
		p.Objects = make(map[ObjectID]*Object, len(plan.Held))
	}
	for i := range plan.Held {
		objects[i] = newObject(&plan.Held[i])
		p.Objects[objects[i].ID] = &objects[i]
		start.Want[objects[i].ID] = objects[i].Want
	}
	p.addSeats(objects)
	for _, pair := range plan.Pairs {
		p.Writers[pair.Name] = WriterMark{Pair: pair.Name, Writer: pair.Writer}
		start.Writers[pair.Name] = pair.Writer
	}
	p.Targets[startTarget], p.LastTarget = start, startTarget
}

func newObject(h *Held) Object {
	return Object{ID: h.ID(), Seat: h.Seat, Last: h.Value, Version: h.Version, Want: h.Value, Room: h.Room, Gives: h.Weights}
}

// laterSegment keeps the objects. What has drifted since the run rested must have been adopted by a person before; an object of
// a seat that no earlier plan had belongs to every target from now on, one that joined a known seat to none.
func (p *Progress) laterSegment(r *Record, plan *Plan) error {
	for i := range plan.Held {
		h := &plan.Held[i]
		o := p.Objects[h.ID()]
		if o == nil || o.Last == h.Value || (o.Foreign != nil && o.Foreign.Found == h.Value) {
			continue
		}
		return refuse(r, "the plan rests on %s = %q, and the journal knows %q: what drifted is adopted by a person before the run goes on",
			o.ID, h.Value, o.Last)
	}
	p.addObjects(plan)
	for _, pair := range plan.Pairs {
		if _, ok := p.Writers[pair.Name]; !ok {
			p.Writers[pair.Name] = WriterMark{Pair: pair.Name, Writer: pair.Writer}
			for _, t := range p.Targets {
				t.Writers[pair.Name] = pair.Writer
			}
		}
	}
	return nil
}

// addObjects takes a later plan's listing in: new versions of what is known, and what is new.
func (p *Progress) addObjects(plan *Plan) {
	var added []Object
	for i := range plan.Held {
		h := &plan.Held[i]
		if o := p.Objects[h.ID()]; o != nil {
			if o.Last == h.Value {
				o.Version = h.Version
			}
			continue
		}
		added = append(added, newObject(h))
	}
	known := make(map[Seat]bool, len(p.Objects))
	for _, o := range p.Objects {
		known[o.Seat] = true
	}
	for i := range added {
		o := &added[i]
		o.Made = known[o.Seat]
		p.Objects[o.ID] = o
		for _, t := range p.Targets {
			if !o.Made {
				t.Want[o.ID] = o.Want
			}
		}
	}
	p.addSeats(added)
}

// addSeats notes which objects share a seat, and that the order of objects is to be worked out again.
func (p *Progress) addSeats(objects []Object) {
	f := &p.fold
	f.order = nil
	if f.seats == nil {
		f.seats = make(map[Seat][]*Object, len(objects)/4+1)
	}
	for i := range objects {
		o := &objects[i]
		f.seats[o.Seat] = append(f.seats[o.Seat], o)
	}
}

// applyRun takes a new holder. Its locks are newer than every holder's before; a place whose lock it doesn't have it won't write.
func (p *Progress) applyRun(r *Record) error {
	n := r.Run
	if n.Hash != p.Hash {
		return refuse(r, "the holder speaks of plan %.8s, and the run's is %.8s", n.Hash, p.Hash)
	}
	if p.Holder != nil && len(p.fold.fences) > 0 && len(n.Fences) == 0 {
		return refuseAs(ErrLeaseLost, r, "%s@%s holds no lock, and %s@%s before it held one", n.User, n.Host, p.Holder.User, p.Holder.Host)
	}
	for _, place := range sortedKeys(n.Fences) {
		had, ok := p.fold.fences[place]
		if !ok {
			continue
		}
		now, old := n.Fences[place], had.Fences[place]
		same := now == old && n.Host == had.Host && n.PID == had.PID // the same lock, still held, beside one taken again
		if now.Index < old.Index || (now.Index == old.Index && !same) {
			return refuseAs(ErrLeaseLost, r, "%s@%s (pid %d) has fence %d in %s, and %s@%s (pid %d) had %d: two hold the run, and this one is the older",
				n.User, n.Host, n.PID, now.Index, place, had.User, had.Host, had.PID, old.Index)
		}
	}
	if p.fold.fences == nil {
		p.fold.fences = make(map[string]RunStart, len(n.Fences))
	}
	for place := range n.Fences {
		p.fold.fences[place] = *n
	}
	p.held(n)
	return nil
}

// held makes n the holder. Moments of two processes can't be compared.
func (p *Progress) held(n *RunStart) {
	if p.Holder != nil && (p.Holder.Host != n.Host || p.Holder.PID != n.PID) {
		p.Crossed = Timing{}
	}
	p.Holder = n
	p.Holders++
}
